//! The quorum port, both ways: a leader accepts learners, a learner dials its leader (`LearnerHandler`, `Learner`).
//!
//! Each link has a reader task, which cuts the stream into packets and hands each read's worth to the driver at once, and a
//! writer task, which sends what the driver queued ([`Link`]). There is no length prefix: a packet ends where its fields
//! end, and behind a SNAP packet stands a snapshot without any frame. Deadlines are the core's; only errors of the sockets
//! and bytes that are no packets end a link from here.

mod attempts;
mod directory;

use crate::client_listener::{Place, bind};
use crate::config::Listen;
use crate::exit;
use crate::inbox::Internal;
use crate::limits::{
    ACCEPT_PAUSE, BIND_PAUSE, BIND_TRIES, CLOSE_FLUSH, LINK_PROGRESS_EVERY, LINK_READ_BYTES, LINKS_MAX, LISTEN_BACKLOG,
    OBSERVER_PORT_PAUSE, OWN_NAME_PATIENCE, SNAPSHOT_CHUNK_BYTES,
};
use crate::link::{Link, Work};
use crate::notation::Remote;
use crate::recovery::Recovery;
use crate::resolve::Resolver;
use crate::resolve::bind::server_port;
use crate::resolve::dial::{DialOptions, connect};
use crate::snapshot_stream::{SnapshotStream, StreamError};
use attempts::Attempts;
use bytes::BytesMut;
pub use directory::{Directory, Port};
use parking_lot::RwLock;
use replica::SharedTree;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::Instrument;
use tree::image;
use wire::quorum::{PacketType, QuorumPacket};
use wire::{DecodeError, ServerId, Zxid};
use zab::LinkId;
use zab::quorum::Membership;

/// What the quorum port needs to know.
pub struct LinkSettings {
    /// Who is where, and where to listen.
    pub directory: Directory,
    /// The port for observers, which is the same on all servers: where a follower listens at the addresses of `listen`, and where
    /// an observer dials the followers.
    pub observer_master_port: Option<u16>,
    /// How long the leader may be dialled in all.
    pub dial_within: Duration,
    /// How long one attempt may take.
    pub connect_timeout: Duration,
    /// The longest pause between two attempts.
    pub dial_pause: Duration,
    /// The longest data of a packet.
    pub data_bytes_max: usize,
    /// How a received snapshot becomes a tree.
    pub recovery: Recovery,
    /// Where the addresses of names come from.
    pub resolver: Resolver,
}

struct Net {
    settings: LinkSettings,
    directory: RwLock<Directory>,
    tree: SharedTree,
    internal: mpsc::Sender<Internal>,
    last_accepted: AtomicU64,
    accepted: AtomicUsize,
}

/// The quorum port, and the one for observers: a server has one of them open at most.
pub struct LinkNet {
    net: Arc<Net>,
    runtime: tokio::runtime::Handle,
    /// Which port is open or being opened, and by whom.
    listener: Option<(Port, JoinHandle<()>)>,
    /// A listener that was told to end and may still hold the port.
    ending: Option<JoinHandle<()>>,
}

impl LinkNet {
    /// A closed port. Tasks run in the calling runtime.
    #[must_use]
    pub fn new(settings: LinkSettings, tree: SharedTree, internal: mpsc::Sender<Internal>) -> LinkNet {
        let (last_accepted, accepted) = (AtomicU64::new(0), AtomicUsize::new(0));
        let directory = RwLock::new(settings.directory.clone());
        let net = Arc::new(Net { settings, directory, tree, internal, last_accepted, accepted });
        LinkNet { net, runtime: tokio::runtime::Handle::current(), listener: None, ending: None }
    }

    /// Opens a port.
    pub fn listen(&mut self, port: Port) {
        let (net, before) = (self.net.clone(), self.ending.take());
        let listener = self.runtime.spawn(async move {
            if let Some(before) = before {
                // Cancelled tasks end with an error that says so.
                let _ = before.await;
            }
            net.listen(port).await;
        });
        self.listener = Some((port, listener));
    }

    /// Closes the port; links stay.
    pub fn stop_listening(&mut self) {
        if let Some((_, listener)) = self.listener.take() {
            listener.abort();
            self.ending = Some(listener);
        }
    }

    /// The ensemble has changed. A port that is open moves to where this server is now; `None` = where it was.
    pub fn set_directory(&mut self, membership: Membership, listen: Option<Vec<Listen>>) {
        let moves = {
            let mut directory = self.net.directory.write();
            directory.membership = membership;
            let moves = listen.as_ref().is_some_and(|listen| *listen != directory.listen);
            directory.listen = listen.unwrap_or(std::mem::take(&mut directory.listen));
            moves
        };
        if let Some((port, _)) = self.listener.as_ref().filter(|_| moves) {
            let port = *port;
            self.stop_listening();
            self.listen(port);
        }
    }

    /// Whether the port is open or being opened.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.listener.is_some()
    }

    /// Dials a server; the outcome comes as [`Internal::LinkUp`] or [`Internal::LinkGone`].
    pub fn dial(&self, link: Arc<Link>, server: ServerId, port: Port) {
        let net = self.net.clone();
        self.runtime.spawn(async move {
            match net.reach(&link, server, port).await {
                Ok(stream) => net.run(link, stream, Some(server)).await,
                Err(reason) => net.tell(Internal::LinkGone(link.id, reason)).await,
            }
        });
    }
}

impl Net {
    async fn tell(&self, item: Internal) {
        // Closed only when the driver has ended, that is when the process stops.
        let _ = self.internal.send(item).await;
    }

    /// The places of a port.
    fn places(&self, port: Port) -> Vec<Listen> {
        let number = match port {
            Port::Quorum => return self.directory.read().listen.clone(),
            Port::Observers => self.settings.observer_master_port,
        };
        let mut places: Vec<Listen> = Vec::new();
        for listen in &self.directory.read().listen {
            let place = number.map(|port| Listen { port, ..listen.clone() });
            places.extend(place.filter(|place| !places.contains(place)));
        }
        places
    }

    async fn listen(self: Arc<Self>, port: Port) {
        let mut accepting = tokio::task::JoinSet::new();
        for place in self.places(port) {
            accepting.spawn(self.clone().serve(place, port));
        }
        // Dropped with this task, which lets go of the ports.
        while accepting.join_next().await.is_some() {}
    }

    /// Accepts learners at one place. A leader that cannot be reached is none, and the process ends; a follower goes on without
    /// observers, and tries again.
    async fn serve(self: Arc<Self>, place: Listen, port: Port) {
        loop {
            let error = match self.bind(&place, port).await {
                Ok(listener) => return self.accept(listener).await,
                Err(error) => error,
            };
            let host = place.host.as_deref().unwrap_or("*");
            let message = format!(
                "bind {} {host}:{}: {error}. hint: another process uses it, or the address in this server's server.N line is not this machine's (quorumListenOnAllIPs=true listens on all)",
                port.name(),
                place.port
            );
            match port {
                Port::Quorum => return self.tell(Internal::Halt { code: exit::BIND_QUORUM_PORT, message }).await,
                Port::Observers => tracing::error!("{message}"),
            }
            sleep(OBSERVER_PORT_PAUSE).await;
        }
    }

    async fn bind(&self, listen: &Listen, port: Port) -> io::Result<TcpListener> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.bind_once(listen).await {
                Ok(listener) => return Ok(listener),
                Err(error) if tries >= BIND_TRIES => return Err(error),
                Err(error) => tracing::warn!(port = listen.port, "bind {}: {error}; tried again", port.name()),
            }
            sleep(BIND_PAUSE).await;
        }
    }

    /// The name is looked up each time: this server may have moved since it last led. But not for long: the learners are
    /// dialling already and soon give up.
    async fn bind_once(&self, listen: &Listen) -> io::Result<TcpListener> {
        let open = |place| bind(place, LISTEN_BACKLOG);
        let Some(host) = &listen.host else { return open(Place::Everywhere(listen.port)) };
        let opened = server_port(&self.settings.resolver, (host, listen.port), OWN_NAME_PATIENCE, open).await?;
        if let Some(reason) = opened.widened {
            let port = listen.port;
            tracing::warn!("own quorum address {host}:{port} {reason}: listening on all addresses instead");
        }
        Ok(opened.socket)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) if self.accepted.load(Relaxed) >= LINKS_MAX => {
                    tracing::warn!(remote = %Remote(peer), "refuse quorum connection: {LINKS_MAX} are open already");
                    drop(stream);
                }
                Ok((stream, _)) => {
                    let link = Arc::new(Link::new(LinkId(self.last_accepted.fetch_add(1, Relaxed) + 1)));
                    let net = self.clone();
                    tokio::spawn(async move {
                        net.accepted.fetch_add(1, Relaxed);
                        net.clone().run(link, stream, None).await;
                        net.accepted.fetch_sub(1, Relaxed);
                    });
                }
                Err(error) => {
                    tracing::warn!("accept a learner: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Attempts on all addresses of a server, until one succeeds or [`Attempts`] end; names are looked up for each, because a
    /// server that moved has a new address.
    async fn reach(&self, link: &Link, sid: ServerId, port: Port) -> Result<TcpStream, String> {
        let what = port.server();
        let number = |quorum_port| match port {
            Port::Quorum => quorum_port,
            Port::Observers => self.settings.observer_master_port.unwrap_or(quorum_port),
        };
        let places = self.directory.read().quorum_ports(sid);
        let places: Vec<(String, u16)> = places.into_iter().map(|(host, port)| (host, number(port))).collect();
        if places.is_empty() {
            return Err(format!("{what} {sid} is not in the server list"));
        }
        let started = Instant::now();
        let mut reason = format!("{what} {sid}: no time left to connect");
        let text: Vec<String> = places.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        let text = text.join(" ");
        let mut attempts = Attempts::new(self.settings.dial_pause);
        loop {
            let left = self.settings.dial_within.saturating_sub(started.elapsed());
            if left.is_zero() || link.is_closed() {
                return Err(reason);
            }
            let options = DialOptions { timeout: left.min(self.settings.connect_timeout), keep_alive: false };
            match connect(&self.settings.resolver, &places, options).await {
                Ok(stream) => return Ok(stream),
                Err(error) => reason = format!("connect to {what} {sid} at {text}: {error}"),
            }
            match attempts.pause_after(started.elapsed()) {
                Some(pause) => sleep(pause).await,
                None => return Err(reason),
            }
        }
    }

    /// Both directions of a link, until it ends.
    async fn run(self: Arc<Self>, link: Arc<Link>, stream: TcpStream, dialled: Option<ServerId>) {
        let peer = match stream.set_nodelay(true).and_then(|()| stream.peer_addr()) {
            Ok(peer) => peer,
            Err(error) => return self.tell(Internal::LinkGone(link.id, error.to_string())).await,
        };
        link.connected(peer);
        let (read, write) = stream.into_split();
        self.tell(Internal::LinkUp { link: link.clone(), dialled }).await;
        let (net, from_learner) = (self.clone(), dialled.is_none());
        let reader = Reader { net, link: link.clone(), from_learner, stream: read, input: BytesMut::new() };
        let writer = Writer { net: self.clone(), link: link.clone(), stream: write };
        // Whichever ends first ends the other.
        let both = async {
            tokio::select! {
                reason = reader.run() => reason,
                reason = writer.run() => reason,
            }
        };
        let span = tracing::debug_span!("learner", remote = %Remote(peer), peer = dialled.map(|sid| sid.0));
        let reason = both.instrument(span).await;
        if let Some(reason) = reason {
            if reason.is_protocol() {
                tracing::warn!(remote = %Remote(peer), "close quorum connection: {reason}");
            }
            self.tell(Internal::LinkGone(link.id, format!("{}: {reason}", Remote(peer)))).await;
        }
    }
}

/// Why a link ends.
#[derive(Debug, thiserror::Error)]
enum Ending {
    #[error("closed by the peer")]
    Closed,
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("no quorum packet: {0}")]
    Packet(#[from] DecodeError),
    #[error("receive a snapshot: {0}")]
    Snapshot(#[from] StreamError),
    #[error("SNAP {0} from a learner")]
    SnapshotOfLearner(Zxid),
    #[error("send a snapshot: {0}")]
    Replaced(#[from] image::TreeReplaced),
}

impl Ending {
    /// Whether the peer sent something that it must not.
    fn is_protocol(&self) -> bool {
        matches!(self, Ending::Packet(_) | Ending::Snapshot(_) | Ending::SnapshotOfLearner(_))
    }
}

struct Reader {
    net: Arc<Net>,
    link: Arc<Link>,
    /// A learner has dialled, which sends no snapshots: they would take the memory for a tree before anybody could refuse them.
    from_learner: bool,
    stream: OwnedReadHalf,
    input: BytesMut,
}

impl Reader {
    async fn run(mut self) -> Option<Ending> {
        loop {
            if let Err(ending) = self.read_once().await {
                return Some(ending);
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Ending> {
        self.input.reserve(LINK_READ_BYTES);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(Ending::Closed),
            _ => Ok(()),
        }
    }

    async fn read_once(&mut self) -> Result<(), Ending> {
        self.fill().await?;
        let mut packets = Vec::new();
        let bad = loop {
            match QuorumPacket::parse(&mut self.input, self.net.settings.data_bytes_max) {
                Ok(Some(packet)) if packet.kind == PacketType::Snap && self.from_learner => {
                    self.hand_over(packets).await;
                    return Err(Ending::SnapshotOfLearner(packet.zxid));
                }
                Ok(Some(packet)) if packet.kind == PacketType::Snap => {
                    self.hand_over(std::mem::take(&mut packets)).await;
                    self.receive_snapshot(packet.zxid).await?;
                }
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        // What came before the bad bytes is good.
        self.hand_over(packets).await;
        Ok(bad?)
    }

    async fn hand_over(&self, packets: Vec<QuorumPacket>) {
        if !packets.is_empty() {
            let requests = packets.iter().filter(|packet| packet.kind == PacketType::Request).count();
            self.link.stats.received.fetch_add(packets.len() as u64, Relaxed);
            self.link.stats.requests.fetch_add(requests as u64, Relaxed);
            self.net.tell(Internal::Packets(self.link.id, packets)).await;
        }
    }

    /// The stream behind a SNAP packet: a snapshot's body, then the signature.
    async fn receive_snapshot(&mut self, zxid: Zxid) -> Result<(), Ending> {
        tracing::info!(%zxid, "receive a snapshot from the leader");
        self.net.tell(Internal::SnapshotBegins(self.link.id)).await;
        let mut stream = SnapshotStream::new(self.net.settings.recovery.loader_settings());
        let mut reported = Instant::now();
        let mut tree = loop {
            if let Some(tree) = stream.push(&mut self.input)? {
                break tree;
            }
            if reported.elapsed() >= LINK_PROGRESS_EVERY {
                reported = Instant::now();
                self.net.tell(Internal::LinkProgress(self.link.id)).await;
            }
            self.fill().await?;
        };
        tree.set_last_zxid(zxid);
        if let Some(node) = self.net.settings.recovery.config_node.as_ref().filter(|node| !node.may_change) {
            // Without reconfiguration the own configuration counts, not the leader's (`Learner.syncWithLeader`).
            node.put_into(&mut tree, crate::clock::wall());
        }
        self.net.tell(Internal::Snapshot { link: self.link.id, zxid, tree: Box::new(tree) }).await;
        Ok(())
    }
}

struct Writer {
    net: Arc<Net>,
    link: Arc<Link>,
    stream: OwnedWriteHalf,
}

impl Writer {
    /// Answers `None` where the link was closed by the core, which knows.
    async fn run(mut self) -> Option<Ending> {
        loop {
            let link = &self.link;
            let done = match poll_fn(|context| link.poll_work(context)).await {
                Work::Bytes(bytes) => self.send(&bytes).await,
                Work::Snapshot(zxid) => self.send_snapshot(zxid).await,
                Work::Close => {
                    // The peer may be gone already; there is nothing to tell anybody.
                    let _ = timeout(CLOSE_FLUSH, self.stream.shutdown()).await;
                    return None;
                }
            };
            if let Err(ending) = done {
                return Some(ending);
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        Ok(self.stream.write_all(bytes).await?)
    }

    async fn send_snapshot(&mut self, zxid: Zxid) -> Result<(), Ending> {
        let mut chunk = BytesMut::with_capacity(SNAPSHOT_CHUNK_BYTES);
        QuorumPacket::bare(PacketType::Snap, zxid).encode(&mut chunk);
        let mut body = image::Writer::new(&self.net.tree.read());
        let (mut sent, mut reported) = (0, Instant::now());
        loop {
            let more = body.next_chunk(&self.net.tree.read(), &mut chunk, SNAPSHOT_CHUNK_BYTES)?;
            if !more {
                SnapshotStream::sign(&mut chunk);
            }
            self.send(&chunk).await?;
            sent += chunk.len();
            chunk.clear();
            if !more {
                break;
            }
            if reported.elapsed() >= LINK_PROGRESS_EVERY {
                reported = Instant::now();
                self.net.tell(Internal::LinkProgress(self.link.id)).await;
            }
        }
        tracing::info!(%zxid, bytes = sent, "sent a snapshot");
        Ok(())
    }
}
