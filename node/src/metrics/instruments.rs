//! What the threads of the server count and measure: no lock, no memory, a few atomic additions for each request.
//!
//! One struct for each part of the process. [`super::families`] turns them into what is published.

use super::histogram::{Histogram, Summary, bump};
use super::slow::SlowOperations;
use super::txn_times::TxnTimes;
use crate::clock;
use crate::frames::LENGTH_BYTES;
use parking_lot::Mutex;
use replica::ServingRole;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use tree::Events;
use wire::client::{EventType, OpCode};
use wire::{Millis, ServerId, Zxid};

/// Bounds of durations between 50 µs and half a minute.
const DURATIONS_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
];
/// Bounds of durations between 5 ms and five minutes.
const LONG_DURATIONS_US: &[u64] = &[
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
];
/// Bounds of numbers of things.
const NUMBERS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000, 1_000_000];

/// The roles by which times are told apart, with their names.
pub const ROLES: [&str; 6] = ["looking", "standalone", "leader", "follower", "observer", "read-only"];
/// The phases of a write, with their names.
pub const PHASES: [&str; 6] = ["queue", "log_append", "fsync", "quorum", "apply", "reply"];

/// A phase of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// From the arrival at the connection until the driver takes it.
    Queue,
    /// From its proposal, or its arrival from the leader, until it is handed to the kernel.
    LogAppend,
    /// From there until it is durable.
    Fsync,
    /// From there until it is committed.
    Quorum,
    /// From there until it is in the tree.
    Apply,
    /// From there until the reply is given to the socket.
    Reply,
}

/// Names by which requests are counted.
pub const OPERATIONS: [&str; 16] = [
    "create",
    "delete",
    "set_data",
    "multi",
    "set_acl",
    "get_data",
    "exists",
    "get_children",
    "get_acl",
    "sync",
    "reconfig",
    "watch",
    "ping",
    "auth",
    "close_session",
    "other",
];

/// Under which of [`OPERATIONS`] an operation is counted.
#[must_use]
pub fn operation_index(opcode: Option<OpCode>) -> usize {
    use OpCode::{
        AddWatch, Auth, CheckWatches, CloseSession, Create, Create2, CreateContainer, CreateTtl, Delete, Exists,
        GetAcl, GetAllChildrenNumber, GetChildren, GetChildren2, GetData, Multi, MultiRead, Ping, Reconfig,
        RemoveWatches, Sasl, SetAcl, SetData, SetWatches, SetWatches2, Sync,
    };
    match opcode {
        Some(Create | Create2 | CreateContainer | CreateTtl) => 0,
        Some(Delete) => 1,
        Some(SetData) => 2,
        Some(Multi | MultiRead) => 3,
        Some(SetAcl) => 4,
        Some(GetData) => 5,
        Some(Exists) => 6,
        Some(GetChildren | GetChildren2 | GetAllChildrenNumber) => 7,
        Some(GetAcl) => 8,
        Some(Sync) => 9,
        Some(Reconfig) => 10,
        Some(AddWatch | CheckWatches | RemoveWatches | SetWatches | SetWatches2) => 11,
        Some(Ping) => 12,
        Some(Auth | Sasl) => 13,
        Some(CloseSession) => 14,
        _ => 15,
    }
}

/// The name under which an operation is counted.
#[must_use]
pub fn operation_name(opcode: Option<OpCode>) -> &'static str {
    OPERATIONS[operation_index(opcode)]
}

/// Why connections of clients ended, with their names.
pub const CLOSED: [&str; 7] = ["client", "socket", "ended", "not_serving", "not_reading", "bad_request", "no_session"];

/// Why a connection of a client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The client closed it.
    Client,
    /// The socket failed.
    Socket,
    /// Its session ended, expired or moved, a word was answered, or the server stops.
    Ended,
    /// This server does not serve it.
    NotServing,
    /// The client did not read what it was sent.
    NotReading,
    /// It sent what cannot be answered.
    BadRequest,
    /// It had no session in time.
    NoSession,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Instruments {
    role: AtomicUsize,
    /// Requests of clients.
    pub requests: RequestInstruments,
    /// Connections, sessions and watches of clients.
    pub clients: ClientInstruments,
    /// The log and snapshots.
    pub disk: DiskInstruments,
    /// The driver and the core.
    pub core: CoreInstruments,
    /// The last transactions.
    pub times: TxnTimes,
    /// The last slow operations.
    pub slow: SlowOperations,
}

impl Default for Instruments {
    fn default() -> Instruments {
        Instruments {
            role: AtomicUsize::new(0),
            requests: RequestInstruments::default(),
            clients: ClientInstruments::default(),
            disk: DiskInstruments::default(),
            core: CoreInstruments::default(),
            times: TxnTimes::default(),
            slow: SlowOperations::default(),
        }
    }
}

impl Instruments {
    /// What is measured from now on is measured in this role; `None` = without a leader.
    pub fn set_role(&self, role: Option<ServingRole>) {
        let index = match role {
            None => 0,
            Some(ServingRole::Standalone) => 1,
            Some(ServingRole::Leader) => 2,
            Some(ServingRole::Follower) => 3,
            Some(ServingRole::Observer) => 4,
            Some(ServingRole::ReadOnly) => 5,
        };
        self.role.store(index, Relaxed);
    }

    /// A phase of a write took this long, µs; every phase but the reply is measured by one thread alone.
    pub fn phase_owned(&self, phase: Phase, us: u64) {
        self.requests.phases[self.role.load(Relaxed)][phase as usize].add_owned(us);
    }

    /// A phase of so many writes took this long each, µs.
    pub fn phase(&self, phase: Phase, us: u64, times: u64) {
        self.requests.phases[self.role.load(Relaxed)][phase as usize].add_many(us, times);
    }

    /// Which of [`ROLES`] is that of the moment.
    #[must_use]
    pub fn role(&self) -> &'static str {
        ROLES[self.role.load(Relaxed)]
    }

    /// A transaction that a leader made at this time, by its clock, has come to a follower.
    pub fn received(&self, made_at: Millis) {
        if self.role() == "follower" {
            self.core.proposal_ms.add_owned(self.core.step_since(made_at));
        }
    }

    /// A transaction is in the tree that a leader made at this time, by its clock.
    pub fn propagated(&self, made_at: Millis) {
        let ms = self.core.step_since(made_at);
        self.core.propagation_ms.add_owned(ms);
        if matches!(self.role(), "follower" | "observer") {
            self.core.commit_propagation_ms.add_owned(ms);
        }
    }

    /// So many requests have come to the driver, this long after their arrival, µs.
    pub fn queued(&self, us: u64, requests: u64) {
        self.phase(Phase::Queue, us, requests);
        self.core.queued.fetch_add(requests, Relaxed);
        if !matches!(self.role(), "follower" | "observer") {
            self.core.queue_ms.add_many(us / 1000, requests);
        }
    }

    /// How much the driver finds when it looks.
    pub fn found_queued(&self, inputs: usize) {
        match self.role() {
            "follower" | "observer" => self.core.learner_queue_size.add_owned(inputs as u64),
            _ => self.core.queue_size.add_owned(inputs as u64),
        }
    }

    /// A transaction is applied in this step. Everything up to it is committed since the step began.
    pub fn applied(&self, zxid: Zxid) {
        let core = &self.core;
        if core.first_applied_zxid.load(Relaxed) == 0 {
            core.first_applied_zxid.store(zxid.0, Relaxed);
        }
        core.last_applied_zxid.store(zxid.0, Relaxed);
        let began_us = core.step_began_us.load(Relaxed);
        let Some(times) = self.times.committed(zxid, began_us) else { return };
        // An observer applies what is committed already.
        if times.proposed_us < began_us {
            let durable_us = if times.synced_us == 0 { began_us } else { times.synced_us };
            self.phase_owned(Phase::Quorum, began_us.saturating_sub(durable_us));
            self.core.quorum_ack_ms.add_owned(began_us.saturating_sub(times.proposed_us) / 1000);
        }
    }

    /// A step has ended. What it applied is told apart no further: a look at the clock costs as much as applying does.
    pub fn step_done(&self, began_us: u64) {
        let core = &self.core;
        let first = Zxid(core.first_applied_zxid.load(Relaxed));
        if first.0 == 0 {
            return;
        }
        core.first_applied_zxid.store(0, Relaxed);
        let last = Zxid(core.last_applied_zxid.load(Relaxed));
        let now_us = clock::micros();
        // The transactions of one epoch follow each other; one step may go on to the next epoch, of which little is lost here.
        let applied = if first.epoch() == last.epoch() { (last.0 - first.0 + 1).clamp(1, APPLIED_MAX) } else { 1 };
        let each_us = now_us.saturating_sub(began_us) / applied.unsigned_abs().max(1);
        for zxid in (last.0 - applied + 1)..=last.0 {
            self.times.applied(Zxid(zxid), now_us);
            self.phase_owned(Phase::Apply, each_us);
        }
    }

    /// A request that the driver has answered: so many writes and reads together took this long, µs.
    pub fn answered(&self, us: u64, writes: u64, reads: u64) {
        let role = self.role.load(Relaxed);
        if writes > 0 {
            self.requests.writes[role].add_many(us, writes);
            self.requests.update_ms.add_many(us / 1000, writes);
        }
        if reads > 0 {
            self.requests.reads[role].add_many(us, reads);
            self.requests.read_ms.add_many(us / 1000, reads);
        }
    }
}

/// Requests of clients.
#[derive(Debug)]
pub struct RequestInstruments {
    /// By role and phase, µs.
    pub phases: [[Histogram; PHASES.len()]; ROLES.len()],
    /// Whole writes by role, µs.
    pub writes: [Histogram; ROLES.len()],
    /// Whole reads by role, µs.
    pub reads: [Histogram; ROLES.len()],
    /// How many, by [`OPERATIONS`].
    pub by_operation: [AtomicU64; OPERATIONS.len()],
    /// `updatelatency`.
    pub update_ms: Summary,
    /// `readlatency`.
    pub read_ms: Summary,
    /// Bytes given to clients' sockets.
    pub bytes_sent: AtomicU64,
    /// `response_bytes`: replies to requests, without their lengths.
    pub response_bytes: AtomicU64,
    /// `last_client_response_size`, `min_client_response_size`, `max_client_response_size`: replies to reads, bytes.
    pub response_size: Sizes,
}

/// The last, the smallest and the largest of some sizes; -1 where there was none.
#[derive(Debug)]
pub struct Sizes {
    last: AtomicI64,
    min: AtomicI64,
    max: AtomicI64,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { last: AtomicI64::new(-1), min: AtomicI64::new(i64::MAX), max: AtomicI64::new(-1) }
    }
}

impl Sizes {
    /// Notes several at once.
    pub fn note(&self, last: usize, min: usize, max: usize) {
        let bytes = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        self.last.store(bytes(last), Relaxed);
        if bytes(min) < self.min.load(Relaxed) {
            self.min.fetch_min(bytes(min), Relaxed);
        }
        if bytes(max) > self.max.load(Relaxed) {
            self.max.fetch_max(bytes(max), Relaxed);
        }
    }

    /// Last, smallest, largest.
    #[must_use]
    pub fn get(&self) -> [i64; 3] {
        let min = self.min.load(Relaxed);
        [self.last.load(Relaxed), if min == i64::MAX { -1 } else { min }, self.max.load(Relaxed)]
    }
}

impl Default for RequestInstruments {
    fn default() -> RequestInstruments {
        let by_role = || [const { Histogram::new(DURATIONS_US) }; ROLES.len()];
        RequestInstruments {
            phases: [const { [const { Histogram::new(DURATIONS_US) }; PHASES.len()] }; ROLES.len()],
            writes: by_role(),
            reads: by_role(),
            by_operation: [const { AtomicU64::new(0) }; OPERATIONS.len()],
            update_ms: Summary::default(),
            read_ms: Summary::default(),
            bytes_sent: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            response_size: Sizes::default(),
        }
    }
}

impl RequestInstruments {
    /// So many replies were made, of so many bytes with their lengths.
    pub fn note_replies(&self, bytes: usize, replies: usize) {
        self.response_bytes.fetch_add(bytes.saturating_sub(replies * LENGTH_BYTES) as u64, Relaxed);
    }
}

/// Connections, sessions and watches of clients.
#[derive(Debug)]
pub struct ClientInstruments {
    /// Connections accepted.
    pub opened: AtomicU64,
    /// Connections that ended, by [`CLOSED`].
    pub closed: [AtomicU64; CLOSED.len()],
    /// Sessions that began, of the whole ensemble.
    pub sessions_created: AtomicU64,
    /// Sessions that ended, however, of the whole ensemble.
    pub sessions_closed: AtomicU64,
    /// Events that were sent for one transaction, where there were any.
    pub fanout: Histogram,
    /// `watch_bytes`: events sent, without their lengths.
    pub watch_bytes: AtomicU64,
    /// Events sent.
    pub watch_events: AtomicU64,
    /// `node_created_watch_count` and its like: watchers of what was changed.
    pub watchers: WatcherSummaries,
}

impl Default for ClientInstruments {
    fn default() -> ClientInstruments {
        ClientInstruments {
            opened: AtomicU64::new(0),
            closed: [const { AtomicU64::new(0) }; CLOSED.len()],
            sessions_created: AtomicU64::new(0),
            sessions_closed: AtomicU64::new(0),
            fanout: Histogram::new(NUMBERS),
            watch_bytes: AtomicU64::new(0),
            watch_events: AtomicU64::new(0),
            watchers: WatcherSummaries::default(),
        }
    }
}

impl ClientInstruments {
    /// A connection has ended.
    pub fn note_closed(&self, why: Closed) {
        self.closed[why as usize].fetch_add(1, Relaxed);
    }

    /// Events of one transaction are on their way.
    pub fn note_events(&self, events: &Events) {
        let (mut sent, mut bytes) = (0, 0);
        for event in events.iter() {
            let receivers = event.receivers.len() as u64;
            sent += receivers;
            bytes += receivers * event.frame.len().saturating_sub(LENGTH_BYTES) as u64;
        }
        self.fanout.add_owned(sent);
        bump(&self.watch_events, sent);
        bump(&self.watch_bytes, bytes);
        for &(kind, watchers) in events.triggered() {
            self.watchers.of(kind).add_owned(u64::from(watchers));
        }
    }
}

/// How many watchers a change had, by what it was.
#[derive(Debug, Default)]
pub struct WatcherSummaries {
    /// `node_created_watch_count`.
    pub created: Summary,
    /// `node_deleted_watch_count`.
    pub deleted: Summary,
    /// `node_changed_watch_count`.
    pub changed: Summary,
    /// `node_children_watch_count`.
    pub children: Summary,
}

impl WatcherSummaries {
    fn of(&self, kind: EventType) -> &Summary {
        match kind {
            EventType::NodeCreated => &self.created,
            EventType::NodeDeleted => &self.deleted,
            EventType::NodeDataChanged => &self.changed,
            _ => &self.children,
        }
    }
}

/// The log and snapshots.
#[derive(Debug)]
pub struct DiskInstruments {
    /// Syncs of the log, µs.
    pub fsync: Histogram,
    /// Transactions that became durable with one sync.
    pub batch: Histogram,
    /// `fsynctime`.
    pub fsync_ms: Summary,
    /// `sync_processor_batch_size`.
    pub batch_size: Summary,
    /// `sync_processor_queue_time_ms`: from its proposal until the disk thread has written it.
    pub queue_ms: Summary,
    /// `sync_processor_queue_and_flush_time_ms`: from its proposal until it is durable.
    pub queue_and_flush_ms: Summary,
    /// `sync_processor_request_queued`: transactions handed to the disk thread.
    pub queued: AtomicU64,
    /// Those of them that it has taken.
    pub taken: AtomicU64,
    /// `sync_processor_queue_size`: those that wait when it takes some.
    pub queue_size: Summary,
    /// Bytes appended to the log.
    pub appended_bytes: AtomicU64,
    /// Snapshots, µs.
    pub snapshot: Histogram,
    /// `snapshottime`.
    pub snapshot_ms: Summary,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: AtomicU64,
    /// Snapshots that could not be written.
    pub snapshot_errors: AtomicU64,
    /// `snapshot_error_count`: snapshots that an operator asked for and that could not be written.
    pub asked_snapshot_errors: AtomicU64,
    /// `snapshot_rate_limited_count`: those that were refused because they came too soon.
    pub asked_snapshots_refused: AtomicU64,
    /// `restore_time`: from the first byte of a snapshot to restore until it is served, ms.
    pub restore_ms: Summary,
    /// `restore_error_count`: snapshots that were not restored.
    pub restore_errors: AtomicU64,
    /// `restore_rate_limited_count`: those that were refused because they came too soon.
    pub restores_refused: AtomicU64,
    /// `dbinittime`: reading the data directory at the start, ms.
    pub recovery_ms: Summary,
    /// `startup_txns_loaded`: transactions that were replayed at the start.
    pub recovered_txns: Summary,
}

impl Default for DiskInstruments {
    fn default() -> DiskInstruments {
        DiskInstruments {
            fsync: Histogram::new(DURATIONS_US),
            batch: Histogram::new(NUMBERS),
            fsync_ms: Summary::default(),
            batch_size: Summary::default(),
            queue_ms: Summary::default(),
            queue_and_flush_ms: Summary::default(),
            queued: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            queue_size: Summary::default(),
            appended_bytes: AtomicU64::new(0),
            snapshot: Histogram::new(LONG_DURATIONS_US),
            snapshot_ms: Summary::default(),
            snapshot_bytes: AtomicU64::new(0),
            snapshot_errors: AtomicU64::new(0),
            asked_snapshot_errors: AtomicU64::new(0),
            asked_snapshots_refused: AtomicU64::new(0),
            restore_ms: Summary::default(),
            restore_errors: AtomicU64::new(0),
            restores_refused: AtomicU64::new(0),
            recovery_ms: Summary::default(),
            recovered_txns: Summary::default(),
        }
    }
}

impl DiskInstruments {
    /// The data directory was read, with so many transactions of the log.
    pub fn note_recovery(&self, ms: u64, transactions: u64) {
        self.recovery_ms.add(ms);
        if transactions > 0 {
            self.recovered_txns.add(transactions);
        }
    }
}

/// More transactions than a step applies.
const APPLIED_MAX: i64 = 4096;
/// How many servers' acknowledgements are told apart: those of the largest ensemble there may be.
const ACKNOWLEDGERS_MAX: usize = 256;

/// The driver and the core.
#[derive(Debug)]
pub struct CoreInstruments {
    /// When the step that goes on began, monotonic µs.
    pub step_began_us: AtomicU64,
    /// The wall clock then, ms since 1970.
    step_wall_ms: AtomicI64,
    /// The first transaction that this step applied; 0 before it.
    first_applied_zxid: AtomicI64,
    /// The transaction that was applied last; 0 before the first.
    pub last_applied_zxid: AtomicI64,
    /// How late the driver came to its deadlines, µs.
    pub late: Histogram,
    /// From looking for a leader until clients are served, µs.
    pub election: Histogram,
    /// `election_time`: from looking for a leader until one is elected, ms.
    pub election_ms: Summary,
    /// `follower_sync_time`, ms.
    pub follower_sync_ms: Summary,
    /// `observer_sync_time`, ms.
    pub observer_sync_ms: Summary,
    /// `leader_unavailable_time`: from looking for a leader until this one leads, ms.
    pub leader_unavailable_ms: Summary,
    /// `unavailable_time`: from the end of serving until clients are served again, ms.
    pub unavailable_ms: Summary,
    /// `quorum_ack_latency`: from its proposal until it is committed.
    pub quorum_ack_ms: Summary,
    /// `propagation_latency`: from its proposal by the leader, by the leader's clock, until it is applied here.
    pub propagation_ms: Summary,
    /// `proposal_latency`: from its proposal, by the leader's clock, until a follower has it.
    pub proposal_ms: Summary,
    /// `proposal_ack_creation_latency`: from its proposal, by the leader's clock, until it is durable here.
    pub ack_creation_ms: Summary,
    /// `commit_propagation_latency`: as `propagation_ms`, on learners.
    pub commit_propagation_ms: Summary,
    /// `ack_latency`: from the proposal until a server has acknowledged it, by server.
    pub acks_ms: Mutex<BTreeMap<ServerId, Arc<Summary>>>,
    /// `prep_processor_queue_time_ms`: from the arrival of a write until the driver takes it.
    pub queue_ms: Summary,
    /// `prep_processor_queue_size`: what the driver finds when it looks, where it prepares.
    pub queue_size: Summary,
    /// `learner_request_processor_queue_size`: the same on learners.
    pub learner_queue_size: Summary,
    /// `prep_processor_request_queued`, requests of own clients.
    pub queued: AtomicU64,
    /// When this server became the leader, monotonic ms; 0 = it does not lead.
    pub leads_since_ms: AtomicI64,
}

impl Default for CoreInstruments {
    fn default() -> CoreInstruments {
        CoreInstruments {
            step_began_us: AtomicU64::new(0),
            step_wall_ms: AtomicI64::new(0),
            first_applied_zxid: AtomicI64::new(0),
            last_applied_zxid: AtomicI64::new(0),
            late: Histogram::new(DURATIONS_US),
            election: Histogram::new(LONG_DURATIONS_US),
            election_ms: Summary::default(),
            follower_sync_ms: Summary::default(),
            observer_sync_ms: Summary::default(),
            leader_unavailable_ms: Summary::default(),
            unavailable_ms: Summary::default(),
            quorum_ack_ms: Summary::default(),
            propagation_ms: Summary::default(),
            proposal_ms: Summary::default(),
            ack_creation_ms: Summary::default(),
            commit_propagation_ms: Summary::default(),
            acks_ms: Mutex::default(),
            queue_ms: Summary::default(),
            queue_size: Summary::default(),
            learner_queue_size: Summary::default(),
            queued: AtomicU64::new(0),
            leads_since_ms: AtomicI64::new(0),
        }
    }
}

impl CoreInstruments {
    /// A step begins, monotonic µs and wall clock.
    pub fn begin_step(&self, now_us: u64, wall: Millis) {
        self.step_began_us.store(now_us, Relaxed);
        self.step_wall_ms.store(wall.0, Relaxed);
    }

    /// How long before this step a time was by another server's clock, ms; nothing where that is ahead.
    fn step_since(&self, at: Millis) -> u64 {
        u64::try_from(Millis(self.step_wall_ms.load(Relaxed)).since(at)).unwrap_or(0)
    }

    /// Where the acknowledgements of a server are counted; `None` where there are too many servers.
    #[must_use]
    pub fn acks_of(&self, sid: ServerId) -> Option<Arc<Summary>> {
        let mut acks = self.acks_ms.lock();
        let has_room = acks.len() < ACKNOWLEDGERS_MAX;
        match acks.entry(sid) {
            Entry::Occupied(known) => Some(known.get().clone()),
            Entry::Vacant(place) => has_room.then(|| place.insert(Arc::default()).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_counted_for_the_role_of_the_moment() {
        let instruments = Instruments::default();
        instruments.set_role(Some(ServingRole::Follower));
        instruments.phase(Phase::Reply, 70, 2);
        instruments.set_role(None);
        instruments.phase(Phase::Reply, 70, 1);
        let count = |role: usize| instruments.requests.phases[role][Phase::Reply as usize].count();
        assert_eq!((count(0), count(3)), (1, 2));
        assert_eq!((ROLES[3], PHASES[Phase::Reply as usize]), ("follower", "reply"));
    }

    #[test]
    fn every_operation_has_a_name() {
        for (opcode, name) in [
            (OpCode::CreateTtl, "create"),
            (OpCode::GetChildren2, "get_children"),
            (OpCode::SetWatches2, "watch"),
            (OpCode::CloseSession, "close_session"),
            (OpCode::WhoAmI, "other"),
        ] {
            assert_eq!(operation_name(Some(opcode)), name);
        }
        assert_eq!(operation_name(None), "other");
    }

    #[test]
    fn reasons_and_phases_have_their_names() {
        assert_eq!((CLOSED[Closed::NoSession as usize], CLOSED.len()), ("no_session", Closed::NoSession as usize + 1));
        assert_eq!(PHASES.len(), Phase::Reply as usize + 1);
    }
}
