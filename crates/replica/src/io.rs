//! Everything that can happen to a server ([`Input`]) and everything it may ask of the outside world ([`Action`]).
//!
//! The runtime is dumb on purpose: it feeds inputs one at a time, starts the returned actions in their order, and reports
//! back what became of them. Durability is an event: an ACK or a reply never rests on a write that is only probably done,
//! because the core emits it only after it was told that the write is on disk.

use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::sync::Arc;
use tree::{ConnId, GrowthRoom, Tree};
use wire::client::{ConnectRequest, RequestHeader};
use wire::election::Notification;
use wire::quorum::QuorumPacket;
use wire::{Id, Millis, ServerId, SessionId, Zxid};
use zab::election::Reach;
use zab::quorum::Membership;
use zab::{Epochs, LinkId, Proposal};

/// The time of an input, read once by the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic milliseconds since an arbitrary start; drives every timeout.
    pub mono: Millis,
    /// Wall clock, ms since 1970; only for the time stamps of transactions.
    pub wall: Millis,
}

/// A connection's identities, shared with its task.
pub type Identities = Arc<[Id]>;

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A client's first frame.
    Connect {
        /// The connection.
        conn: ConnId,
        /// What it asks for.
        request: ConnectRequest,
        /// Who it is (its address).
        identities: Identities,
    },
    /// A request that its connection's task does not answer itself: every write, sync and closeSession, and every other
    /// request that arrived behind one of those (I7).
    Request {
        /// The connection.
        conn: ConnId,
        /// Its session.
        session: SessionId,
        /// The request's header.
        header: RequestHeader,
        /// The request's body, header excluded.
        body: Bytes,
        /// The connection's identities when the request arrived.
        identities: Identities,
    },
    /// A connection is gone; its session lives on until it expires.
    ConnGone(ConnId),
    /// Sessions that sent something since the last report and whose requests did not come through [`Input::Request`].
    Touched(Vec<SessionId>),
    /// A vote arrived on the election port.
    Vote {
        /// The voter.
        from: ServerId,
        /// The vote.
        notification: Notification,
    },
    /// Whether the last notifications were handed to at least one peer's socket (`haveDelivered`); given with a deadline.
    VotesDelivered(bool),
    /// Whether a peer can be heard on the election port has become known.
    Reach {
        /// The peer.
        sid: ServerId,
        /// What was learnt.
        reach: Reach,
    },
    /// A link on the quorum port stands: one we dialled (`dialled` names the leader) or one we accepted.
    LinkUp {
        /// The link.
        link: LinkId,
        /// The leader we dialled, or `None` for an accepted link.
        dialled: Option<ServerId>,
    },
    /// A packet arrived on a link.
    Packet {
        /// The link.
        link: LinkId,
        /// The packet; for SNAP see [`Input::SnapshotBegins`] and [`Input::SnapshotReceived`].
        packet: QuorumPacket,
    },
    /// A SNAP packet arrived on a link, and its stream follows. The core lets go of its tree, so that it and the one that is
    /// being received need not be in memory together.
    SnapshotBegins(LinkId),
    /// A SNAP packet and the whole stream behind it arrived and was decoded.
    SnapshotReceived {
        /// The link.
        link: LinkId,
        /// The zxid in the SNAP packet.
        zxid: Zxid,
        /// The decoded tree.
        tree: Box<Tree>,
    },
    /// A snapshot is being sent or received on a link and bytes have moved since the last report (at most once a second).
    LinkProgress(LinkId),
    /// A link is gone, or could not be set up (`link` is then the number given in [`Action::Dial`]).
    LinkGone {
        /// The link.
        link: LinkId,
        /// Why, for the log.
        reason: String,
    },
    /// Everything appended up to here is on disk.
    LogSynced {
        /// The last durable zxid.
        upto: Zxid,
    },
    /// The epoch files hold these values.
    EpochsSaved(Epochs),
    /// The snapshot asked for by [`Action::SaveSnapshot`] is durable.
    SnapshotSaved,
    /// The log was cut as asked by [`Action::Truncate`] and the tree was loaded again from disk.
    Truncated {
        /// The reloaded tree.
        tree: Box<Tree>,
        /// The most recent transactions of the remaining log, oldest first.
        history: Vec<Proposal>,
    },
    /// Memory was measured.
    Memory(Memory),
    /// The time given by `next_deadline` has come.
    Deadline,
    /// An operator wants another server to lead; [`Action::HandOverAnswer`] answers.
    HandOver {
        /// Names the answer.
        id: u64,
        /// Who is to lead; without it the voter that has acknowledged most.
        to: Option<ServerId>,
    },
    /// An operator wants a standalone server to go on from another tree. Not done where [`Replica::restores_at`] refuses; else it
    /// is with [`Action::StartServing`].
    ///
    /// [`Replica::restores_at`]: crate::Replica::restores_at
    Restore {
        /// The latest transaction of which the tree may hold something.
        zxid: Zxid,
        /// The tree.
        tree: Box<Tree>,
    },
    /// The process was asked to stop: hand over leadership or let go of it, close every connection, say [`Action::Stopped`].
    Shutdown,
}

/// A measurement of this server's memory. What follows from it is decided by whoever makes the transactions, the leader or a
/// standalone server, from its own measurements: a learner that refused by itself would no longer hold what the others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What is left for the tree to grow; `None` without a limit.
    pub room: Option<GrowthRoom>,
    /// Bytes of committed transactions to keep for learners that were away, at most.
    pub history_bytes_max: usize,
}

/// Why a client's connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// It asked for it; its reply was sent.
    SessionClosed,
    /// Its session expired.
    SessionExpired,
    /// Its session is now used through another connection or server.
    SessionMoved,
    /// The client has seen a later zxid than this server has applied.
    ClientAhead,
    /// This server does not serve: it looks for a leader.
    NotServing,
    /// The request is not legal from a client.
    BadRequest,
    /// The session was refused (expired, wrong password); the refusal was sent.
    Refused,
    /// This server can only be read, and the client did not say that it would be content with that.
    NotReadOnlyClient,
    /// This server can only be read, and the session is one that only the ensemble may decide about.
    GlobalSession,
    /// An operator has asked for some connections to move to other servers.
    Shed,
}

/// Something to do, in the order given.
#[derive(Debug)]
pub enum Action {
    /// Send bytes (one or more complete frames) to a client. `answered` of the connection's requests are done with it.
    Reply {
        /// The connection.
        conn: ConnId,
        /// The frames.
        frames: BytesMut,
        /// How many [`Input::Request`]s these frames answer.
        answered: usize,
    },
    /// The connection has a session from here on: send the response, then read its requests.
    Connected {
        /// The connection.
        conn: ConnId,
        /// The session.
        session: SessionId,
        /// Its negotiated timeout in ms.
        timeout_ms: i32,
        /// The ConnectResponse's frame.
        frame: BytesMut,
    },
    /// Close a client's connection after what was sent to it has left.
    CloseConn {
        /// The connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Serve clients from here on, in this role.
    StartServing(ServingRole),
    /// Stop serving: close every client connection.
    StopServing,
    /// Append to the log; report [`Input::LogSynced`] when durable. Several appends may share one sync.
    Append(Proposal),
    /// Write the epoch files; report [`Input::EpochsSaved`].
    SaveEpochs(Epochs),
    /// Cut the log behind this zxid, reload the tree from disk, report [`Input::Truncated`].
    Truncate {
        /// The last zxid to keep.
        after: Zxid,
    },
    /// Write a snapshot of the tree as it is now and report [`Input::SnapshotSaved`] when it is durable. On a standalone server it
    /// takes the place of everything that was logged before ([`Input::Restore`]).
    SaveSnapshot,
    /// Roll the log and write a snapshot beside the normal work; nothing waits for it.
    BackgroundSnapshot,
    /// Send a vote.
    SendVote {
        /// To whom.
        to: ServerId,
        /// The vote.
        notification: Notification,
    },
    /// Dial every peer of the election port that is not connected.
    ConnectElection,
    /// Dial the leader's quorum port; report [`Input::LinkUp`] or [`Input::LinkGone`] with this link.
    Dial {
        /// The number of the new link.
        link: LinkId,
        /// The leader.
        leader: ServerId,
    },
    /// Dial a follower's port for observers; reported in the same way.
    DialMaster {
        /// The number of the new link.
        link: LinkId,
        /// The follower.
        master: ServerId,
    },
    /// Listen on the quorum port (we lead).
    Listen,
    /// Listen on the port for observers (we follow): links are accepted as on the quorum port.
    ListenForObservers,
    /// Stop listening on the quorum port, or on that for observers.
    StopListening,
    /// Send a packet on a link.
    Send {
        /// The link.
        link: LinkId,
        /// The packet.
        packet: QuorumPacket,
    },
    /// Send a SNAP packet with this zxid and the snapshot stream behind it, in its place among the link's packets.
    SendSnapshot {
        /// The link.
        link: LinkId,
        /// The zxid that the snapshot stands for.
        zxid: Zxid,
    },
    /// Close a link after what was sent on it has left.
    CloseLink(LinkId),
    /// A configuration was proposed: keep it for the next start (`zoo.cfg.dynamic.next`), and be ready to talk to its servers.
    ConfigSeen(Membership),
    /// A configuration is in force: keep it, and go by its addresses, also by one's own.
    ConfigActivated(Membership),
    /// The answer to [`Input::HandOver`].
    HandOverAnswer {
        /// Of which question.
        id: u64,
        /// What became of it.
        outcome: HandOverOutcome,
    },
    /// The answer to [`Input::Shutdown`], not always of the same step: this server takes no further part; what was asked of the disk is still to be done.
    Stopped,
    /// The server cannot go on: end the process with this code and message.
    Halt {
        /// Apache's exit code (`ExitCode`).
        code: i32,
        /// What happened and what to do.
        message: String,
    },
}

/// What became of a hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOverOutcome {
    /// This server leads no longer. Nobody holds more than the server named, which every quorum with it elects now.
    HandedOver {
        /// The target.
        to: ServerId,
    },
    /// This server leads no longer, but the target was not known to hold more than the others: any of them may be elected.
    SteppedDown {
        /// The target.
        to: ServerId,
        /// What came in between.
        reason: String,
    },
    /// This server leads on; what clients asked for meanwhile is done late.
    GivenUp {
        /// The target.
        to: ServerId,
        /// What it failed for.
        reason: String,
    },
    /// Nothing was begun.
    Refused {
        /// Who leads, as far as this server knows.
        leader: Option<ServerId>,
        /// Why.
        reason: String,
    },
}

/// The role in which a server serves clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServingRole {
    /// Alone.
    Standalone,
    /// As the leader.
    Leader,
    /// As a follower.
    Follower,
    /// As an observer.
    Observer,
    /// Without a leader: reads only, for clients that agreed to that.
    ReadOnly,
}

impl ServingRole {
    /// Whether what is served is the ensemble's history, rather than what this server alone has of it.
    #[must_use]
    pub fn is_in_quorum(self) -> bool {
        self != ServingRole::ReadOnly
    }
}

/// What the outside may show of a server (four-letter words, the lab, metrics): a copy, taken between two inputs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// `standalone`, `leader`, `follower`, `observer`, `read-only`, or `looking`.
    pub mode: &'static str,
    /// Whether clients are served.
    pub serving: bool,
    /// Apache's `zk_peer_state`: `leading - broadcast` and the like; empty for a standalone server.
    pub peer_state: String,
    /// The leader followed or being.
    pub leader: Option<ServerId>,
    /// Learner: through whom it follows the leader, the leader itself or a master of observers.
    pub upstream: Option<ServerId>,
    /// The current epoch.
    pub epoch: i64,
    /// Last applied zxid.
    pub last_zxid: Zxid,
    /// Leader: the counter of its epoch's last proposal, and how many counters an epoch has.
    pub epoch_counter: Option<(u32, u32)>,
    /// Requests of clients that are in the pipeline.
    pub outstanding: usize,
    /// Leader and master of observers: learners connected and in sync: (sid, is voter).
    pub synced_learners: Vec<(ServerId, bool)>,
    /// Leader and master of observers: learners connected.
    pub learners: usize,
    /// Leader: of each follower, the transactions that it was sent and has not acknowledged,
    /// and their bytes. Observers acknowledge nothing.
    pub lags: Vec<(ServerId, u64, u64)>,
    /// Leader: pending syncs.
    pub pending_syncs: usize,
    /// Leader: size of the last, smallest and largest proposal, -1 where there was none.
    pub proposal_bytes: [i64; 3],
    /// Leader and standalone: sessions by the time they expire, monotonic ms: for `dump`.
    pub session_buckets: Vec<(Millis, Vec<SessionId>)>,
    /// The same for the sessions that only this server knows; `None` where there can be none.
    pub local_session_buckets: Option<Vec<(Millis, Vec<SessionId>)>>,
    /// Leader and standalone: writes that were refused by a hard limit of a quota, by the first name in the path of the quota.
    pub quota_refusals: Arc<BTreeMap<String, u64>>,
    /// Whether memory is short: a leader and a standalone server then refuse what makes the tree grow.
    pub is_short_of_memory: bool,
    /// Counters: proposals, commits, elections (looking), snapshots sent, diffs sent.
    pub counters: Counters,
}

/// Counts since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Times this server looked for a leader.
    pub looking: u64,
    /// Transactions that this server made, as a leader or alone.
    pub proposals: u64,
    /// Those of them that it sent to learners, as a leader.
    pub proposals_sent: u64,
    /// Follower: proposals of the leader behind the synchronization.
    pub proposals_received: u64,
    /// Leader: transactions that it told learners to be committed.
    pub commits_sent: u64,
    /// Learner: transactions that it was told to be committed, behind the synchronization.
    pub commits_received: u64,
    /// Transactions applied.
    pub commits: u64,
    /// Synchronizations by DIFF that this server sent.
    pub diffs_sent: u64,
    /// Synchronizations by SNAP that this server sent.
    pub snaps_sent: u64,
    /// Synchronizations by TRUNC that this server sent.
    pub truncs_sent: u64,
    /// Sessions that this server expired: the ensemble's while it leads, and those that only it knows.
    pub sessions_expired: u64,
    /// Sessions re-attached through this server.
    pub revalidations: u64,
    /// Leader: sessions that learners asked about.
    pub revalidations_for_learners: u64,
    /// Requests of learners' clients that this leader was sent.
    pub forwarded_requests: u64,
    /// Requests that this server refused for want of memory.
    pub refused_for_memory: u64,
    /// Times this server went on in the next epoch without leaving its role.
    pub roll_overs: u64,
}
