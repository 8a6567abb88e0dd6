//! The task that drives a session: sockets, names, clock and randomness, and nothing else.
//!
//! One task owns the session; handles send it [`Command`]s and read the [`Status`] it publishes. The task ends with its
//! last handle. After the end of the session it stays to answer what is still asked, as Java's queue does.

use crate::event::{Event, State};
use crate::hosts::{ConnectString, HostPort};
use crate::proto::{self, Request};
use crate::session::{Action, Loss, Session, Start};
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// How long a server may take to say whether it is read-write, as in `SendThread.pingRwServer`.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// Of an answer to `isro` no more bytes than this are read.
const PROBE_BYTES_MAX: u64 = 16;
/// Bytes to make room for at each read.
const READ_BYTES: usize = 16 * 1024;

/// Who waits for a reply; it is gone if the caller lost interest.
pub(crate) type Waiter = oneshot::Sender<Result<Bytes, i32>>;

/// What a handle asks of the task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send this and answer.
    Submit(Request, Waiter),
    /// Prove this identity, now and on each new connection.
    AddAuth(String, Vec<u8>),
    /// End the session and answer.
    Close(Waiter),
}

/// What a handle can see without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// The session's state.
    pub(crate) state: State,
    /// Its id.
    pub(crate) session_id: i64,
    /// Its timeout in ms.
    pub(crate) timeout_ms: i32,
    /// The server it is connected to.
    pub(crate) server: Option<SocketAddr>,
    /// The zxid of the last reply, 0 before the first.
    pub(crate) last_zxid: i64,
}

impl Status {
    /// Before anything has happened.
    pub(crate) const NEW: Status =
        Status { state: State::Connecting, session_id: 0, timeout_ms: 0, server: None, last_zxid: 0 };
}

/// The task's ends of the channels. The queue of commands is unbounded, as Java's is: callers wait for their answers, so
/// it holds no more than there are callers.
#[derive(Debug)]
pub(crate) struct Ends {
    /// From the handles.
    pub(crate) commands: mpsc::UnboundedReceiver<Command>,
    /// To the watcher.
    pub(crate) events: mpsc::UnboundedSender<Event>,
    /// To the handles.
    pub(crate) status: watch::Sender<Status>,
}

/// Why a wait or a connection ended.
enum End {
    /// The session wants it so.
    Lost(Loss),
    /// The socket or the name failed.
    Io(io::Error),
    /// Nobody holds the client any more.
    Abandoned,
}

impl From<Loss> for End {
    fn from(loss: Loss) -> End {
        End::Lost(loss)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Io(error)
    }
}

type ProbeResult = Pin<Box<dyn Future<Output = bool> + Send>>;

pub(crate) struct Driver {
    session: Session<Waiter>,
    ends: Ends,
    epoch: Instant,
    frame_bytes_max: usize,
    server: Option<SocketAddr>,
    output: BytesMut,
    probe: Option<ProbeResult>,
    actions: Vec<Action<Waiter>>,
}

impl Driver {
    /// A driver of a new session; the servers are tried in random order.
    pub(crate) fn new(connect: ConnectString, options: &crate::Options, frame_bytes_max: usize, ends: Ends) -> Driver {
        let mut order = connect.servers;
        fastrand::shuffle(&mut order);
        let start =
            Start { order, chroot: connect.chroot, timeout_ms: options.timeout_ms, read_only: options.read_only };
        Driver {
            session: Session::new(start, 0),
            ends,
            epoch: Instant::now(),
            frame_bytes_max,
            server: None,
            output: BytesMut::new(),
            probe: None,
            actions: Vec::new(),
        }
    }

    /// Runs the session to its end, and answers until nobody asks any more.
    pub(crate) async fn run(mut self) {
        while self.session.wants_server() {
            let Some(attempt) = self.session.next_attempt(fastrand::u64(..)) else {
                self.session.on_lost(&mut self.actions);
                self.perform();
                break;
            };
            let end = self.connection(&attempt.server, Duration::from_millis(attempt.pause_ms)).await;
            match end {
                End::Abandoned => return,
                End::Lost(Loss::Closed) => tracing::debug!(server = %attempt.server, "session closed"),
                End::Lost(loss) => {
                    tracing::warn!(server = %attempt.server, session = self.session.id(), "connection ends: {loss}");
                }
                End::Io(error) => {
                    tracing::warn!(server = %attempt.server, session = self.session.id(), "connection ends: {error}");
                }
            }
            self.server = None;
            self.output.clear();
            self.probe = None;
            self.session.on_lost(&mut self.actions);
            self.perform();
        }
        while let Some(command) = self.ends.commands.recv().await {
            self.command(command);
        }
    }

    /// One attempt and, if it succeeds, the connection; returns when it is over.
    async fn connection(&mut self, server: &HostPort, pause: Duration) -> End {
        let connected = async {
            self.wait(async {
                tokio::time::sleep(pause).await;
                Ok(())
            })
            .await?;
            let addresses = self.wait(resolve(server)).await?;
            self.session.on_attempt(self.now());
            let stream = self.wait(TcpStream::connect(addresses.as_slice())).await?;
            stream.set_nodelay(true)?;
            self.server = Some(stream.peer_addr()?);
            Ok(stream)
        };
        match connected.await {
            Ok(stream) => {
                self.session.on_connect(self.now(), &mut self.actions);
                self.perform();
                self.serve(stream).await
            }
            Err(end) => end,
        }
    }

    /// Waits for `done` while commands are taken and deadlines kept.
    async fn wait<T>(&mut self, done: impl Future<Output = io::Result<T>>) -> Result<T, End> {
        let mut done = std::pin::pin!(done);
        loop {
            let deadline = self.deadline();
            // A timer is a moment late. What may take no time at all (a timeout of 0) must not win a race against it.
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.session.on_deadline(self.now(), &mut self.actions)?;
            }
            tokio::select! {
                result = &mut done => return Ok(result?),
                command = self.ends.commands.recv() => self.command(command.ok_or(End::Abandoned)?),
                () = until(deadline) => self.session.on_deadline(self.now(), &mut self.actions)?,
            }
            self.perform();
        }
    }

    /// Moves bytes until the connection is over.
    async fn serve(&mut self, stream: TcpStream) -> End {
        let (mut reader, mut writer) = stream.into_split();
        let mut input = BytesMut::with_capacity(READ_BYTES);
        loop {
            let deadline = self.deadline();
            let step = tokio::select! {
                read = reader.read_buf(&mut input) => match read {
                    Ok(0) => Err(End::Io(io::ErrorKind::UnexpectedEof.into())),
                    Ok(_) => self.received(&mut input),
                    Err(error) => Err(End::Io(error)),
                },
                written = writer.write_buf(&mut self.output), if !self.output.is_empty() => match written {
                    Ok(_) => Ok(()),
                    Err(error) => Err(End::Io(error)),
                },
                command = self.ends.commands.recv() => match command {
                    Some(command) => { self.command(command); Ok(()) }
                    None => Err(End::Abandoned),
                },
                read_write = answered(&mut self.probe) => {
                    self.probe = None;
                    self.session.on_probe(read_write).map_err(End::Lost)
                }
                () = until(deadline) => self.session.on_deadline(self.now(), &mut self.actions).map_err(End::Lost),
            };
            self.perform();
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn received(&mut self, input: &mut BytesMut) -> Result<(), End> {
        let now = self.now();
        while let Some(frame) = proto::take_frame(input, self.frame_bytes_max).map_err(Loss::Frame)? {
            self.session.on_frame(&frame, now, &mut self.actions)?;
        }
        input.reserve(READ_BYTES);
        Ok(())
    }

    fn command(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Submit(request, waiter) => self.session.submit(request, waiter, now, &mut self.actions),
            Command::AddAuth(scheme, auth) => self.session.add_auth(&scheme, &auth, now, &mut self.actions),
            Command::Close(waiter) => self.session.close(waiter, now, &mut self.actions),
        }
        self.perform();
    }

    /// Publishes the state first: whoever hears of an event or gets an answer sees the state it speaks of.
    fn perform(&mut self) {
        let state = self.session.state();
        let status = Status {
            state,
            session_id: self.session.id(),
            timeout_ms: self.session.timeout_ms(),
            server: self.server.filter(|_| state.is_connected()),
            last_zxid: self.session.last_zxid(),
        };
        self.ends.status.send_if_modified(|published| {
            let modified = *published != status;
            *published = status;
            modified
        });
        for action in self.actions.drain(..) {
            match action {
                Action::Send(frame) => self.output.extend_from_slice(&frame),
                // A caller that does not wait any more, or a watcher that does not listen, is no error.
                Action::Answer(waiter, answer) => drop(waiter.send(answer)),
                Action::Tell(event) => drop(self.ends.events.send(event)),
                Action::Probe(server) => self.probe = Some(Box::pin(is_read_write(server))),
            }
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn deadline(&self) -> Option<Instant> {
        let at = self.session.next_deadline()?;
        self.epoch.checked_add(Duration::from_millis(u64::try_from(at).unwrap_or_default()))
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn answered(probe: &mut Option<ProbeResult>) -> bool {
    match probe {
        Some(probe) => probe.await,
        None => std::future::pending().await,
    }
}

/// The addresses of a name in random order. Java takes one of them (`StaticHostProvider.resolve`) and fails where nobody listens there;
/// but a server that listens at one family only is there, whatever else `localhost` means.
async fn resolve(server: &HostPort) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = tokio::net::lookup_host((server.host.as_str(), server.port)).await?.collect();
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("{server} has no address")));
    }
    fastrand::shuffle(&mut addresses);
    Ok(addresses)
}

/// Asks a server with the four-letter word `isro`; one that does not answer in time is not read-write.
async fn is_read_write(server: HostPort) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(resolve(&server).await?.as_slice()).await?;
        stream.write_all(b"isro").await?;
        let mut answer = Vec::new();
        stream.take(PROBE_BYTES_MAX).read_to_end(&mut answer).await?;
        io::Result::Ok(answer == b"rw\n" || answer == b"rw")
    };
    match tokio::time::timeout(PROBE_WAIT, ask).await {
        Ok(Ok(read_write)) => read_write,
        Ok(Err(error)) => {
            tracing::debug!(%server, "read-write server sought, none found: {error}");
            false
        }
        Err(_) => false,
    }
}
