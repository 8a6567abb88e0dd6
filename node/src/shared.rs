//! What the tasks of the process share. None of it decides anything: the tree is the core's, the rest are figures and
//! queues.

use crate::clock;
use crate::config::Config;
use crate::connection::{Conn, Latency, Registry};
use crate::memory::{Bounds, MemoryStats};
use crate::metrics::instruments::Instruments;
use crate::{holdings, settings};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use replica::{Identities, SharedTree, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tree::ConnId;
use tree::acl::AuthSettings;
use wire::client::{ConnectRequest, RequestHeader};
use wire::{SessionId, Zxid};
use zab::quorum::Membership;

/// What a connection's task has for the driver.
#[derive(Debug)]
pub enum ClientInput {
    /// A client's first frame.
    Connect {
        /// The connection; the driver keeps it until [`ClientInput::Gone`].
        conn: Arc<Conn>,
        /// What it asks for.
        request: ConnectRequest,
        /// Its address.
        identities: Identities,
    },
    /// Requests of one connection in their order: all that one read of its socket brought for the driver.
    Requests {
        /// The connection.
        conn: ConnId,
        /// Its session.
        session: SessionId,
        /// Its identities.
        identities: Identities,
        /// Header and body of each.
        requests: Vec<(RequestHeader, Bytes)>,
        /// When they arrived, monotonic µs.
        since_us: u64,
    },
    /// The connection is gone.
    Gone(ConnId),
}

/// Bounds of client connections, from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// `jute.maxbuffer`.
    pub frame_bytes_max: usize,
    /// `maxClientCnxns`; 0 = no limit.
    pub per_address_max: usize,
    /// `maxCnxns`; 0 = no limit.
    pub total_max: usize,
    /// `nio.sessionlessCnxnTimeout`.
    pub sessionless: Duration,
    /// `clientTcpKeepAlive`.
    pub keep_alive: bool,
    /// `clientPortListenBacklog`.
    pub backlog: i32,
}

/// Figures of the whole server since its start or `srst`.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Packets received from clients.
    pub received: AtomicU64,
    /// Packets sent to clients.
    pub sent: AtomicU64,
    /// Time from a request's arrival to its reply.
    pub latency: Latency,
    /// Connections refused by a limit.
    pub rejected: AtomicU64,
    /// Failed authentications.
    pub auth_failed: AtomicU64,
    /// First frames taken.
    pub connection_requests: AtomicU64,
    /// Connections closed because they had no session in time.
    pub sessionless_expired: AtomicU64,
    /// Connections that came before the server served.
    pub closed_not_serving: AtomicU64,
    /// Bytes received from clients.
    pub bytes_received: AtomicU64,
}

impl ServerStats {
    /// Starts over (`srst`).
    pub fn reset(&self) {
        self.received.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.latency.reset();
    }
}

/// Figures of the disk thread.
#[derive(Debug, Default)]
pub struct DiskStats {
    /// Syncs that took longer than `fsync.warningthresholdms`.
    pub slow_syncs: AtomicU64,
    /// Bytes appended to the queue and not yet durable.
    pub queued_bytes: AtomicU64,
    /// What the disk thread does.
    pub thread: DiskThread,
    /// The zxid of the last snapshot.
    pub last_snapshot_zxid: AtomicI64,
    /// When it was complete, wall clock ms; 0 where there was none.
    pub last_snapshot_at: AtomicI64,
    /// What is measured, of the disk and of everything else.
    pub instruments: Arc<Instruments>,
}

/// What the disk thread does, for whoever asks whether it is alive.
#[derive(Debug, Default)]
pub struct DiskThread {
    /// Since when it does the job that it does, monotonic ms; 0 while it waits for one.
    pub busy_since: AtomicI64,
    /// Whether it waits for room on a full disk.
    pub waits_for_room: AtomicBool,
    /// Whether it is gone.
    pub has_ended: AtomicBool,
}

/// What the driver publishes, taken between two inputs, so that its parts agree.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The core's status.
    pub status: Arc<Status>,
    /// The configurations that the core goes by.
    pub configurations: Configurations,
    /// Whether this server's volume holds what an ensemble has given it; see [`crate::holdings`].
    pub holds_data: bool,
}

/// The configurations that a server knows. A standalone server has empty ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configurations {
    /// The one that it goes by: the last that it knows to be committed, or, of version 0, the list that it was given.
    pub committed: Arc<Membership>,
    /// A later one, which was proposed and is not committed as far as this server knows.
    pub pending: Option<Arc<Membership>>,
}

/// Everything shared.
#[derive(Debug)]
pub struct Shared {
    /// The tree: tasks read, only the core writes.
    pub tree: SharedTree,
    /// Whether clients are served.
    pub serving: AtomicBool,
    /// The open connections.
    pub registry: Registry,
    /// Figures of the clients' side.
    pub stats: ServerStats,
    /// Figures of the disk.
    pub disk: Arc<DiskStats>,
    /// What is measured.
    pub instruments: Arc<Instruments>,
    /// From how long on an operation is kept as slow, µs.
    pub slow_operation_us: u64,
    /// Bounds of client connections.
    pub client: ClientLimits,
    /// The driver's queue for clients.
    pub clients: mpsc::Sender<ClientInput>,
    /// What authentication must know.
    pub auth: AuthSettings,
    /// `skipACL`.
    pub skip_acl: bool,
    /// The configuration.
    pub config: Arc<Config>,
    /// Bounds that depend on the memory there is.
    pub bounds: Bounds,
    /// Figures of memory.
    pub memory: MemoryStats,
    /// Bytes of requests in the pipeline, of all connections; counted where they have a bound only.
    pub request_bytes: AtomicUsize,
    /// The ensemble as it is now; the configuration says how it was at the start.
    membership: RwLock<Arc<Membership>>,
    published: Mutex<Published>,
    last_zxid: AtomicI64,
    /// When the core's status was last published, monotonic ms.
    published_at: AtomicI64,
    /// Told at every publication; one waits at most.
    pub publication: Notify,
}

impl Shared {
    /// Joins the parts.
    #[must_use]
    pub fn new(config: Arc<Config>, tree: SharedTree, clients: mpsc::Sender<ClientInput>) -> Shared {
        let disk: Arc<DiskStats> = Arc::default();
        let membership = Arc::new(config.membership.clone());
        let configurations = Configurations { committed: membership.clone(), pending: None };
        Shared {
            tree,
            serving: AtomicBool::new(false),
            registry: Registry::default(),
            stats: ServerStats::default(),
            instruments: disk.instruments.clone(),
            disk,
            slow_operation_us: settings::slow_operation_us(&config),
            client: settings::clients(&config),
            clients,
            auth: settings::auth(&config),
            skip_acl: config.settings.skip_acl,
            membership: RwLock::new(membership),
            config,
            bounds: Bounds::default(),
            memory: MemoryStats::default(),
            request_bytes: AtomicUsize::new(0),
            published: Mutex::new(Published { configurations, ..Published::default() }),
            last_zxid: AtomicI64::new(0),
            published_at: AtomicI64::new(clock::mono().0),
            publication: Notify::new(),
        }
    }

    /// The ensemble as it is now; empty for a standalone server.
    #[must_use]
    pub fn membership(&self) -> Arc<Membership> {
        self.membership.read().clone()
    }

    /// The ensemble has changed.
    pub fn set_membership(&self, membership: Arc<Membership>) {
        *self.membership.write() = membership;
    }

    /// The last published copy of the core's status.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.published.lock().status.clone()
    }

    /// All that was published last.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published.lock().clone()
    }

    /// This server has found its volume to hold an ensemble's data. Never taken back: what it is given later replaces it.
    pub fn note_data(&self) {
        self.published.lock().holds_data = true;
    }

    /// Whether this server leads and, as `leaderServes=no` has it, takes no clients for that reason.
    #[must_use]
    pub fn leads_without_clients(&self) -> bool {
        self.is_leader_without_clients(&self.status())
    }

    /// Whether the server that published this does so.
    #[must_use]
    pub fn is_leader_without_clients(&self, status: &Status) -> bool {
        !self.config.settings.leader_serves && status.mode == "leader"
    }

    /// The last applied zxid as last published.
    #[must_use]
    pub fn last_zxid(&self) -> Zxid {
        Zxid(self.last_zxid.load(Relaxed))
    }

    /// Counts bytes of a request that goes into the pipeline.
    pub fn count_request_bytes(&self, bytes: usize) {
        if self.bounds.request_bytes_max != usize::MAX {
            self.request_bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// Counts bytes of requests that were answered or given up.
    pub fn count_request_bytes_done(&self, bytes: usize) {
        if self.bounds.request_bytes_max != usize::MAX {
            self.request_bytes.fetch_sub(bytes, Relaxed);
        }
    }

    /// How long ago the core's status was published, ms: it is whenever the core has done something, and while it has nothing
    /// to do several times a second.
    #[must_use]
    pub fn published_ms_ago(&self) -> i64 {
        clock::mono().0 - self.published_at.load(Relaxed)
    }

    /// As if the last publication were so much older, ms.
    #[cfg(test)]
    pub fn note_published_before(&self, ms: i64) {
        self.published_at.fetch_sub(ms, Relaxed);
    }

    /// Publishes a copy of the core's status, and the configurations of the same moment.
    pub fn publish(&self, status: Status, configurations: Configurations) {
        self.last_zxid.store(status.last_zxid.0, Relaxed);
        self.published_at.store(clock::mono().0, Relaxed);
        let is_given_data = holdings::is_given_data(&status);
        let status = Arc::new(status);
        let mut published = self.published.lock();
        let holds_data = published.holds_data || is_given_data;
        *published = Published { status, configurations, holds_data };
        drop(published);
        self.publication.notify_one();
    }
}
