//! The election port: connections between servers that carry notifications (`QuorumCnxManager`).
//!
//! There is one connection per pair of servers, and the one with the larger id opens it. A server with the smaller id that
//! has something to say opens one too, introduces itself, and closes it: the other then connects back. Notifications go
//! through a slot per peer that holds one message; a newer message replaces an unsent one, and a new connection begins with
//! the last message sent on the old one. So messages may be lost or repeated, which the election can bear.
//!
//! What the sockets tell about who is there is told to the election: a peer whose connection has ended, or whose every address
//! refuses one, need not be waited for ([`Reach::Gone`]). Silence, timeouts and names without addresses tell nothing.
//!
//! The module decides nothing about elections. It owns the sockets of its port, and tasks of the runtime it was started in;
//! [`ElectionNet::send`] and [`ElectionNet::connect_all`] never wait and may be called from any thread.
//!
//! Whatever arrives is checked before memory is taken for it; a connection that breaks the protocol is closed with one line
//! in the log. Handshakes under way, peers and message lengths are bounded.

mod address;
mod connection;
mod dial;
mod listen;
mod peers;
#[cfg(test)]
mod reach_test;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use wire::ServerId;
use wire::election::{Handshake, Notification};
use zab::election::Reach;
use zab::quorum::{Membership, ServerSpec};

use crate::resolve::Resolver;
use address::Address;
use peers::Peers;
use report::Reports;

/// Connections that have not yet introduced themselves; more are closed at once.
const HANDSHAKES_PENDING_MAX: usize = 128;
/// Servers known at a time. Members always have a place; strangers, which may want to join, share what is left.
const PEERS_MAX: usize = 512;
/// Addresses taken from a peer's handshake.
const ADDRESSES_NAMED_MAX: usize = 8;
/// The wait after the first failed attempt to reach a peer; doubles with each.
const RETRY_MS_MIN: u64 = 200;
/// The longest wait between two attempts: a peer that has moved is to be found again within two seconds.
const RETRY_MS_MAX: u64 = 1_000;
/// Attempts to reach one peer are at least this far apart, however often the election asks.
const DIAL_SPACING_MS: u64 = 100;
/// The wait between attempts to open the port.
const BIND_RETRY_MS: u64 = 1_000;

const _: () = assert!(DIAL_SPACING_MS <= RETRY_MS_MIN);
const _: () = assert!(RETRY_MS_MIN <= RETRY_MS_MAX);

/// The configuration of the election port.
#[derive(Clone, Debug)]
pub struct ElectionNetSettings {
    /// This server.
    pub me: ServerId,
    /// Where it is while no membership says so.
    pub own: Option<ServerSpec>,
    /// Listen on every address of this machine, not only on the configured one (`quorumListenOnAllIPs`).
    pub listen_on_all_ips: bool,
    /// The longest wait for a connection to open (`cnxTimeout`).
    pub connect_timeout: Duration,
    /// The longest wait for a handshake (`quorumCnxnTimeoutMs`, else `tickTime * syncLimit`).
    pub handshake_timeout: Duration,
    /// Attempts to open the port, one second apart; 0 never gives up (`electionPortBindRetry`).
    pub bind_attempts: u32,
    /// Probe idle connections (`tcpKeepAlive`).
    pub tcp_keep_alive: bool,
    /// Send all own addresses in the handshake, which servers before 3.6 do not understand (`multiAddress.enabled`).
    pub multi_address: bool,
    /// Where the addresses of names come from.
    pub resolver: Resolver,
}

impl ElectionNetSettings {
    /// The settings of a server that configures nothing.
    #[must_use]
    pub fn new(me: ServerId) -> ElectionNetSettings {
        ElectionNetSettings {
            me,
            own: None,
            listen_on_all_ips: false,
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            bind_attempts: 3,
            tcp_keep_alive: false,
            multi_address: false,
            resolver: Resolver::default(),
        }
    }
}

/// What happens on the election port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElectionEvent {
    /// A notification has arrived.
    Notification {
        /// The id under which its sender introduced itself.
        from: ServerId,
        /// The notification.
        notification: Notification,
    },
    /// Whether a peer can be heard has become known. In the order in which it became so.
    Reach {
        /// The peer.
        sid: ServerId,
        /// What was learnt.
        reach: Reach,
    },
    /// Another server introduced itself with this server's id; its connection was closed.
    DuplicateSid {
        /// Where it connected from.
        address: SocketAddr,
    },
    /// The port no longer accepts connections, so this server cannot be elected with; the process should exit with code 14.
    ListenerFailed {
        /// The port's address and what happened.
        reason: String,
    },
}

/// Why the election port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ElectionNetError {
    /// The membership does not name this server.
    #[error("server {me} has no election address: server.{me} is missing from the configuration")]
    NoOwnAddress {
        /// This server.
        me: ServerId,
    },
    /// All attempts to open the port failed; the process exits with code 14.
    #[error(
        "open election port {address}: {source} (after {attempts} attempts). hint: another process may use the port"
    )]
    Bind {
        /// The address.
        address: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: std::io::Error,
    },
}

/// The open election port.
pub struct ElectionNet {
    shared: Arc<Shared>,
    /// Yields `None` when the last task has ended.
    ended: mpsc::Receiver<()>,
}

/// Where everybody is, in the configuration in force and in the proposed one.
struct Places {
    /// This server's handshake, ready to be sent in one write.
    introduction: bytes::Bytes,
    own: Vec<Address>,
    others: BTreeMap<ServerId, Vec<Address>>,
}

/// What the tasks have in common.
struct Shared {
    settings: ElectionNetSettings,
    places: RwLock<Places>,
    /// Which of the listeners that were opened one after the other counts: the earlier ones end.
    listening: watch::Sender<u64>,
    /// Held while the port moves: one move after the other.
    moving: tokio::sync::Mutex<()>,
    events: Box<dyn Fn(ElectionEvent) + Send + Sync>,
    runtime: Handle,
    peers: Mutex<Peers>,
    reports: Mutex<Reports>,
    handshakes: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    /// Held by every task; taken away at shutdown, after which no task starts.
    alive: Mutex<Option<mpsc::Sender<()>>>,
}

impl ElectionNet {
    /// Opens the port of `settings.me`. `events` is called from the runtime's threads, must not wait, and must not call back; it
    /// may drop notifications when it has too many.
    ///
    /// # Errors
    /// See [`ElectionNetError`].
    pub async fn start(
        settings: ElectionNetSettings,
        membership: Membership,
        events: impl Fn(ElectionEvent) + Send + Sync + 'static,
    ) -> Result<ElectionNet, ElectionNetError> {
        let own = own_addresses(&settings, &membership)?;
        let listeners = listen::open(&settings, &own).await?;
        ElectionNet::on_listeners(listeners, settings, membership, events)
    }

    /// As [`start`](Self::start), on ports that are open already.
    fn on_listeners(
        listeners: Vec<TcpListener>,
        settings: ElectionNetSettings,
        membership: Membership,
        events: impl Fn(ElectionEvent) + Send + Sync + 'static,
    ) -> Result<ElectionNet, ElectionNetError> {
        let own = own_addresses(&settings, &membership)?;
        let places = Places::new(&settings, &[&membership], own);
        let (alive, ended) = mpsc::channel(1);
        let peers = Peers::new(places.others.keys().copied());
        let shared = Arc::new(Shared {
            settings,
            places: RwLock::new(places),
            listening: watch::Sender::new(0),
            moving: tokio::sync::Mutex::default(),
            events: Box::new(events),
            runtime: Handle::current(),
            peers: Mutex::new(peers),
            reports: Mutex::new(Reports::default()),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_PENDING_MAX)),
            stop: watch::Sender::new(false),
            alive: Mutex::new(Some(alive)),
        });
        shared.accept_on(listeners);
        Ok(ElectionNet { shared, ended })
    }

    /// The ensemble has changed, or is about to: its servers are dialled where they are said to be, and if this server's own
    /// address is another now, the port moves. Connections stay as they are.
    pub fn set_memberships(&self, committed: &Membership, proposed: Option<&Membership>) {
        let memberships: Vec<&Membership> = std::iter::once(committed).chain(proposed).collect();
        let shared = &self.shared;
        // A server that is no member of either goes on at the address it had: it may be let in again.
        let own = listed_addresses(&shared.settings, &memberships).unwrap_or_else(|| shared.places.read().own.clone());
        let places = Places::new(&shared.settings, &memberships, own);
        shared.peers.lock().set_members(places.others.keys().copied());
        let ports = |places: &Places| listen::ports(&shared.settings, &places.own);
        let before = std::mem::replace(&mut *shared.places.write(), places);
        if ports(&before) != ports(&shared.places.read()) {
            shared.spawn(listen::move_port(Arc::clone(shared)));
        }
    }

    /// Sends a notification as soon as the peer can be reached, instead of any that still waits.
    pub fn send(&self, to: ServerId, notification: &Notification) {
        debug_assert_ne!(
            to, self.shared.settings.me,
            "notifications to the own server are looped back by the election"
        );
        if self.shared.peers.lock().put(to, notification.to_frame()) {
            dial::request(&self.shared, to);
        }
    }

    /// Tries at once to reach every peer for which a notification waits.
    pub fn connect_all(&self) {
        let missing = self.shared.peers.lock().waiting();
        for sid in missing {
            dial::request(&self.shared, sid);
        }
    }

    /// Whether any peer has nothing left to be sent (`haveDelivered`).
    #[must_use]
    pub fn have_delivered(&self) -> bool {
        self.shared.peers.lock().any_delivered()
    }

    /// The peers with a connection, ascending.
    #[must_use]
    pub fn connected(&self) -> Vec<ServerId> {
        self.shared.peers.lock().connected()
    }

    /// Closes the port and all connections, and waits until nothing is left of them.
    pub async fn shutdown(mut self) {
        self.shared.halt();
        while self.ended.recv().await.is_some() {}
    }
}

impl Drop for ElectionNet {
    fn drop(&mut self) {
        self.shared.halt();
    }
}

impl Shared {
    /// Accepts connections on these listeners, and no longer on those before.
    fn accept_on(self: &Arc<Shared>, listeners: Vec<TcpListener>) {
        self.listening.send_modify(|generation| *generation += 1);
        let generation = *self.listening.borrow();
        for listener in listeners {
            let (shared, mut listening) = (Arc::clone(self), self.listening.subscribe());
            self.spawn(async move {
                tokio::select! {
                    () = listen::accept(shared, listener) => {}
                    _ = listening.wait_for(|current| *current != generation) => {}
                }
            });
        }
    }

    fn halt(&self) {
        self.alive.lock().take();
        self.stop.send_replace(true);
    }

    /// Tells what was learnt about a peer. The table is locked from the change it follows from until it is told, so that of two
    /// connections the end of the older is not told after the beginning of the newer.
    fn tell_reach(&self, _changed: &MutexGuard<'_, Peers>, sid: ServerId, reach: Reach) {
        (self.events)(ElectionEvent::Reach { sid, reach });
    }

    /// Runs a task until it ends or the port closes.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(alive) = self.alive.lock().clone() else { return };
        let mut stop = self.stop.subscribe();
        self.runtime.spawn(async move {
            tokio::select! {
                () = task => {}
                _ = stop.wait_for(|stopped| *stopped) => {}
            }
            drop(alive);
        });
    }
}

impl Places {
    /// The addresses of the later membership count last: until it is in force its servers are where they are.
    fn new(settings: &ElectionNetSettings, memberships: &[&Membership], own: Vec<Address>) -> Places {
        let mut others: BTreeMap<ServerId, Vec<Address>> = BTreeMap::new();
        for membership in memberships {
            for (&sid, spec) in membership.servers.iter().filter(|(sid, _)| **sid != settings.me) {
                let known = others.entry(sid).or_default();
                known.extend(addresses_of(spec).filter(|address| !known.contains(address)).collect::<Vec<_>>());
            }
        }
        Places { introduction: introduce(settings, &own), own, others }
    }
}

fn addresses_of(spec: &ServerSpec) -> impl Iterator<Item = Address> {
    spec.addresses.iter().map(|address| Address { host: address.host.clone(), port: address.election_port })
}

/// Where this server is, by the first membership that names it.
fn listed_addresses(settings: &ElectionNetSettings, memberships: &[&Membership]) -> Option<Vec<Address>> {
    let listed = memberships.iter().filter_map(|membership| membership.servers.get(&settings.me));
    listed.map(|spec| addresses_of(spec).collect::<Vec<_>>()).find(|own| !own.is_empty())
}

/// Where this server is at the start: where it is listed, else as whom it wants to join.
fn own_addresses(settings: &ElectionNetSettings, membership: &Membership) -> Result<Vec<Address>, ElectionNetError> {
    let joining = || settings.own.as_ref().map(|spec| addresses_of(spec).collect::<Vec<_>>());
    let own = listed_addresses(settings, &[membership]).or_else(joining).filter(|own| !own.is_empty());
    own.ok_or(ElectionNetError::NoOwnAddress { me: settings.me })
}

/// The handshake of this server. V1 with one address unless several may be sent (ZOOKEEPER-3720).
fn introduce(settings: &ElectionNetSettings, own: &[Address]) -> bytes::Bytes {
    let count = if settings.multi_address { own.len() } else { 1 };
    let addresses: Vec<String> = own.iter().take(count).map(Address::to_string).collect();
    Handshake { sid: settings.me, addresses }.to_bytes()
}
