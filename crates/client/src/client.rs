//! The client's handle: `ZooKeeper` and `ZooKeeperAdmin`, one method for each operation.

use crate::conn::{Command, Driver, Ends, Status};
use crate::error::Error;
use crate::event::{Event, State};
use crate::hosts::ConnectString;
use crate::op::{AddWatchMode, ClientInfo, Created, MultiError, Op, OpResult, WatcherType};
use crate::path;
use crate::proto::{self, Request, WatchChange};
use crate::watches::Registration;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};
use wire::client::{
    CreateMode, OpCode, PathNumber, PathVersion, PathWatch, ReconfigRequest, SetAclRequest, SetDataRequest,
};
use wire::reply::{self, CreateReply};
use wire::{Acl, ErrorCode, Reader, Stat, Version, Writer};

/// The node that holds the ensemble's configuration; no chroot applies to it (`ZooDefs.CONFIG_NODE`).
const CONFIG_NODE: &str = "/zookeeper/config";

/// What a client asks of its session.
#[derive(Clone, Debug)]
pub struct Options {
    /// The session timeout to ask for, in ms. The server keeps it within its bounds. With 0 or less, no attempt to
    /// connect has any time, as in Java.
    pub timeout_ms: i32,
    /// Whether a server without a quorum will do for reads, until another is found.
    pub read_only: bool,
}

/// A session with an ensemble, and its only watcher.
///
/// A handle is cheap to clone; all clones are the same session. It lives until [`Client::close`], its expiry or a refused
/// identity; if all handles are dropped before, the connection ends and the server lets the session expire.
///
/// Requests are answered in order. While there is no server they wait; when a connection or an attempt at one fails, all
/// that wait fail with [`ErrorCode::ConnectionLoss`]; after the end, all fail with [`ErrorCode::SessionExpired`] or
/// [`ErrorCode::AuthFailed`]. A path that is not one is refused here, as in Java. A future that is dropped does not take
/// its request back.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
    status: watch::Receiver<Status>,
    chroot: Option<Arc<str>>,
}

type Result<T> = std::result::Result<T, Error>;

impl Client {
    /// Starts a session, which connects in a task of its own. The receiver is the watcher; it gets the session's events
    /// and those of every watch, each once.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O, as [`tokio::spawn`] does.
    #[must_use]
    pub fn start(connect: ConnectString, options: Options) -> (Client, mpsc::UnboundedReceiver<Event>) {
        Client::start_with(connect, &options, wire::jute::FRAME_BYTES_MAX_DEFAULT)
    }

    /// As [`Client::start`], with the longest frame to accept from a server, in bytes: the client's `jute.maxbuffer`,
    /// by default 1 MiB less one. A longer one ends the connection.
    ///
    /// # Panics
    /// As [`Client::start`].
    #[must_use]
    pub fn start_with(
        connect: ConnectString,
        options: &Options,
        frame_bytes_max: usize,
    ) -> (Client, mpsc::UnboundedReceiver<Event>) {
        let chroot = connect.chroot.as_deref().map(Arc::from);
        let (commands, received) = mpsc::unbounded_channel();
        let (events, told) = mpsc::unbounded_channel();
        let (publish, status) = watch::channel(Status::NEW);
        let ends = Ends { commands: received, events, status: publish };
        tokio::spawn(Driver::new(connect, options, frame_bytes_max, ends).run());
        (Client { commands, status, chroot }, told)
    }

    /// The session's state now.
    #[must_use]
    pub fn state(&self) -> State {
        self.status.borrow().state
    }

    /// The session's id; 0 before the first connection.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.status.borrow().session_id
    }

    /// The session timeout that the server gave, in ms; 0 before the first connection.
    #[must_use]
    pub fn timeout_ms(&self) -> i32 {
        self.status.borrow().timeout_ms
    }

    /// The zxid of the last reply: how far the server was that gave it; 0 before the first.
    #[must_use]
    pub fn last_zxid(&self) -> i64 {
        self.status.borrow().last_zxid
    }

    /// The server that serves the session now.
    #[must_use]
    pub fn server(&self) -> Option<SocketAddr> {
        self.status.borrow().server
    }

    /// Creates a node (`ZooKeeper.create`). The reply has a stat only where the mode is a container or has a time to
    /// live; `ttl_ms` is for the latter, 1 to 2^40 - 1.
    pub async fn create(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
        ttl_ms: Option<i64>,
    ) -> Result<Created> {
        self.create_as(OpCode::Create, path, data, acl, (mode, ttl_ms)).await
    }

    /// As [`Client::create`], with a stat for every mode (`ZooKeeper.create` with a `Stat`).
    pub async fn create2(
        &self,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        mode: CreateMode,
        ttl_ms: Option<i64>,
    ) -> Result<Created> {
        self.create_as(OpCode::Create2, path, data, acl, (mode, ttl_ms)).await
    }

    async fn create_as(
        &self,
        plain: OpCode,
        path: &str,
        data: Option<&[u8]>,
        acl: &[Acl],
        (mode, ttl_ms): (CreateMode, Option<i64>),
    ) -> Result<Created> {
        proto::check_create(path, mode, ttl_ms)?;
        proto::check_acl(acl)?;
        let server_path = self.server_path(path);
        let record = proto::create_request(&server_path, data, acl, mode, ttl_ms);
        let request = Request::new(proto::create_opcode(mode, plain), |out| record.encode(out));
        let body = self.ask(request, Some(path)).await?;
        Ok(proto::created(self.chroot.as_deref(), CreateReply::decode(&mut Reader::new(&body))?))
    }

    /// Deletes a node that has this version, -1 = any (`ZooKeeper.delete`).
    pub async fn delete(&self, path: &str, version: i32) -> Result<()> {
        checked(path)?;
        // The root cannot be deleted, and neither can a chroot, which is the root to this client.
        let server_path = if path == "/" { path.to_owned() } else { self.server_path(path) };
        let record = PathVersion { path: Some(&server_path), version: Version(version) };
        self.ask(Request::new(OpCode::Delete, |out| record.encode(out)), Some(path)).await?;
        Ok(())
    }

    /// A node's stat, `None` if there is no such node; a watch waits for its creation, change or end
    /// (`ZooKeeper.exists`).
    pub async fn exists(&self, path: &str, watch: bool) -> Result<Option<Stat>> {
        let request = self.path_watch(OpCode::Exists, path, watch, Registration::Exists)?;
        match self.ask(request, Some(path)).await {
            Err(error) if error.is(ErrorCode::NoNode) => Ok(None),
            Err(error) => Err(error),
            Ok(body) => Ok(Some(Stat::decode(&mut Reader::new(&body))?).filter(|stat| stat.czxid != -1)),
        }
    }

    /// A node's data, `None` = null, and stat; a watch waits for its change or end (`ZooKeeper.getData`).
    pub async fn get_data(&self, path: &str, watch: bool) -> Result<(Option<Vec<u8>>, Stat)> {
        let request = self.path_watch(OpCode::GetData, path, watch, Registration::Data)?;
        let body = self.ask(request, Some(path)).await?;
        Ok(reply::data_and_stat(&mut Reader::new(&body))?)
    }

    /// Replaces the data, `None` = null, of a node that has this version, -1 = any (`ZooKeeper.setData`).
    pub async fn set_data(&self, path: &str, data: Option<&[u8]>, version: i32) -> Result<Stat> {
        checked(path)?;
        let server_path = self.server_path(path);
        let record = SetDataRequest { path: Some(&server_path), data, version: Version(version) };
        let body = self.ask(Request::new(OpCode::SetData, |out| record.encode(out)), Some(path)).await?;
        Ok(Stat::decode(&mut Reader::new(&body))?)
    }

    /// The names of a node's children in the server's order; a watch waits for one more or less, or the node's end
    /// (`ZooKeeper.getChildren`).
    pub async fn get_children(&self, path: &str, watch: bool) -> Result<Vec<String>> {
        let request = self.path_watch(OpCode::GetChildren, path, watch, Registration::Child)?;
        let body = self.ask(request, Some(path)).await?;
        Ok(reply::texts(&mut Reader::new(&body))?)
    }

    /// As [`Client::get_children`], with the node's stat (`ZooKeeper.getChildren` with a `Stat`).
    pub async fn get_children2(&self, path: &str, watch: bool) -> Result<(Vec<String>, Stat)> {
        let request = self.path_watch(OpCode::GetChildren2, path, watch, Registration::Child)?;
        let body = self.ask(request, Some(path)).await?;
        let mut input = Reader::new(&body);
        Ok((reply::texts(&mut input)?, Stat::decode(&mut input)?))
    }

    /// A node's ACL and stat (`ZooKeeper.getACL`).
    pub async fn get_acl(&self, path: &str) -> Result<(Vec<Acl>, Stat)> {
        let body = self.ask_of_path(OpCode::GetAcl, path).await?;
        Ok(reply::acl_and_stat(&mut Reader::new(&body))?)
    }

    /// Replaces the ACL of a node that has this ACL version, -1 = any (`ZooKeeper.setACL`).
    pub async fn set_acl(&self, path: &str, acl: &[Acl], version: i32) -> Result<Stat> {
        checked(path)?;
        proto::check_acl(acl)?;
        let server_path = self.server_path(path);
        let record = SetAclRequest { path: Some(&server_path), acl: Some(acl.to_vec()), version: Version(version) };
        let body = self.ask(Request::new(OpCode::SetAcl, |out| record.encode(out)), Some(path)).await?;
        Ok(Stat::decode(&mut Reader::new(&body))?)
    }

    /// Lets the server catch up with the leader (`ZooKeeper.sync`).
    pub async fn sync(&self, path: &str) -> Result<()> {
        self.ask_of_path(OpCode::Sync, path).await?;
        Ok(())
    }

    /// Several writes, all or nothing (`ZooKeeper.multi`). Nothing is sent if there are none.
    ///
    /// # Errors
    /// That of the first operation at fault, with the results of all.
    pub async fn multi(&self, ops: Vec<Op>) -> std::result::Result<Vec<OpResult>, MultiError> {
        let request = proto::multi(self.chroot.as_deref(), &ops)?;
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        let body = self.ask(request, None).await?;
        let results = proto::multi_results(self.chroot.as_deref(), &body).map_err(Error::Reply)?;
        let fault = results.iter().find_map(|result| match result {
            OpResult::Error(code) if *code != 0 => Some(*code),
            _ => None,
        });
        match fault {
            None => Ok(results),
            Some(code) => Err(MultiError { error: Error::Api { code, path: None }, results }),
        }
    }

    /// Changes the ensemble: servers join and leave, or all members are named anew; -1 = from whatever version
    /// (`ZooKeeperAdmin.reconfigure`). Returns the new configuration.
    pub async fn reconfigure(
        &self,
        joining: Option<&str>,
        leaving: Option<&str>,
        members: Option<&str>,
        version: i64,
    ) -> Result<(Vec<u8>, Stat)> {
        let record = ReconfigRequest { joining, leaving, members, config_version: version };
        let body = self.ask(Request::new(OpCode::Reconfig, |out| record.encode(out)), None).await?;
        let (data, stat) = reply::data_and_stat(&mut Reader::new(&body))?;
        Ok((data.unwrap_or_default(), stat))
    }

    /// The ensemble's configuration, whatever the chroot (`ZooKeeper.getConfig`). With a chroot its watch is lost when
    /// the connection is, as in Java: it is set again below the chroot.
    pub async fn get_config(&self, watch: bool) -> Result<(Option<Vec<u8>>, Stat)> {
        let record = PathWatch { path: Some(CONFIG_NODE), watch };
        let mut request = Request::new(OpCode::GetData, |out| record.encode(out));
        if watch {
            request.watch = WatchChange::Register(Registration::Data, CONFIG_NODE.to_owned());
        }
        let body = self.ask(request, Some(CONFIG_NODE)).await?;
        Ok(reply::data_and_stat(&mut Reader::new(&body))?)
    }

    /// Paths of the session's ephemerals that start with `prefix`. No chroot is put on or taken off, as in Java
    /// (`ZooKeeper.getEphemerals`).
    pub async fn get_ephemerals(&self, prefix: &str) -> Result<Vec<String>> {
        checked(prefix)?;
        let body = self.ask(Request::new(OpCode::GetEphemerals, |out| out.string(prefix)), None).await?;
        Ok(reply::texts(&mut Reader::new(&body))?)
    }

    /// How many nodes there are below a node (`ZooKeeper.getAllChildrenNumber`).
    pub async fn get_all_children_number(&self, path: &str) -> Result<i32> {
        let body = self.ask_of_path(OpCode::GetAllChildrenNumber, path).await?;
        Ok(Reader::new(&body).i32()?)
    }

    /// The identities that the server has for this connection (`ZooKeeper.whoAmI`, which hides errors).
    pub async fn who_am_i(&self) -> Result<Vec<ClientInfo>> {
        let body = self.ask(Request::new(OpCode::WhoAmI, |_| {}), None).await?;
        let identities = reply::client_infos(&mut Reader::new(&body))?;
        Ok(identities.into_iter().map(|id| ClientInfo { scheme: id.scheme, user: id.id }).collect())
    }

    /// Watches a path for good, whether there is a node or not (`ZooKeeper.addWatch`).
    pub async fn add_watch(&self, path: &str, mode: AddWatchMode) -> Result<()> {
        checked(path)?;
        let server_path = self.server_path(path);
        let record = PathNumber { path: Some(&server_path), number: mode as i32 };
        let mut request = Request::new(OpCode::AddWatch, |out| record.encode(out));
        request.watch = WatchChange::Register(Registration::Add(mode), path.to_owned());
        self.ask(request, Some(path)).await?;
        Ok(())
    }

    /// Removes all watches of a kind from a path; with `local`, from this client even if the server cannot
    /// (`ZooKeeper.removeAllWatches`). Each kind that was there is told as an event.
    ///
    /// # Errors
    /// [`ErrorCode::NoWatcher`] if this client has no such watch; that is known only once the server has answered.
    pub async fn remove_all_watches(&self, path: &str, kind: WatcherType, local: bool) -> Result<()> {
        checked(path)?;
        let server_path = self.server_path(path);
        let record = PathNumber { path: Some(&server_path), number: kind as i32 };
        let mut request = Request::new(OpCode::RemoveWatches, |out| record.encode(out));
        request.watch = WatchChange::Remove { path: path.to_owned(), kind, local };
        self.ask(request, Some(path)).await?;
        Ok(())
    }

    /// Proves an identity, now and on each new connection (`ZooKeeper.addAuthInfo`). Nothing is awaited: a refusal is
    /// the event and the state [`State::AuthFailed`], and the end of the session.
    #[allow(clippy::unused_async, reason = "all operations are awaited alike")]
    pub async fn add_auth(&self, scheme: &str, auth: &[u8]) {
        // The task is gone only with its runtime; there is nobody left to prove anything to.
        drop(self.commands.send(Command::AddAuth(scheme.to_owned(), auth.to_vec())));
    }

    /// Ends the session (`ZooKeeper.close`): waits for the server's answer or the connection's end, a second at most.
    /// When it returns, the state is [`State::Closed`] and the event of it is in the channel.
    pub async fn close(&self) {
        let (waiter, closed) = oneshot::channel();
        if self.commands.send(Command::Close(waiter)).is_ok() {
            // An error means that the task went away with its runtime, and the session's connection with it.
            drop(closed.await);
        }
    }

    /// The servers' path of one of this client's: behind the chroot, if there is one.
    #[must_use]
    pub fn server_path(&self, path: &str) -> String {
        proto::prepend_chroot(self.chroot.as_deref(), path)
    }

    fn path_watch(&self, opcode: OpCode, path: &str, watch: bool, registration: Registration) -> Result<Request> {
        checked(path)?;
        let server_path = self.server_path(path);
        let record = PathWatch { path: Some(&server_path), watch };
        let mut request = Request::new(opcode, |out| record.encode(out));
        if watch {
            request.watch = WatchChange::Register(registration, path.to_owned());
        }
        Ok(request)
    }

    /// Sends an operation whose record is a path.
    async fn ask_of_path(&self, opcode: OpCode, path: &str) -> Result<Bytes> {
        checked(path)?;
        let server_path = self.server_path(path);
        self.ask(Request::new(opcode, |out| out.string(&server_path)), Some(path)).await
    }

    /// Sends a request and waits for the body of its reply; `path` is for the error.
    async fn ask(&self, request: Request, path: Option<&str>) -> Result<Bytes> {
        let (waiter, answer) = oneshot::channel();
        // No task, no answer: the runtime that it lived in is gone.
        let lost = Err(ErrorCode::ConnectionLoss.code());
        let answer = match self.commands.send(Command::Submit(request, waiter)) {
            Ok(()) => answer.await.unwrap_or(lost),
            Err(_) => lost,
        };
        answer.map_err(|code| Error::Api { code, path: path.map(str::to_owned) })
    }
}

fn checked(path: &str) -> Result<()> {
    path::validate(path).map_err(Error::Path)
}
