//! What can be seen of a simulated ensemble, as the checkers see it.
//!
//! Servers are watched from inside (every append, sync and applied transaction), clients from outside: a checker never
//! takes a server's word for what a client was told.

mod access;
mod op;

use bytes::Bytes;
use replica::ServingRole;
use tree::{ConnId, Tree};
use wire::client::EventType;
use wire::txn::TxnEntry;
use wire::{Acl, Epoch, ErrorCode, ServerId, SessionId, Stat, Zxid};
use zab::quorum::Membership;
use zab::{Epochs, Proposal};

pub use access::{ADMIN, Access, User, grants, shown};
pub use op::{Lifetime, Op, WatchType};

/// A simulated client; it keeps its number when it loses its session and gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// Something that was seen, in the order in which it happened.
#[derive(Debug)]
pub enum Observation<'a> {
    // --- servers ---------------------------------------------------------------------------------------------------
    /// A server started and read its disk. What it found may be less than it knew when it died, and may hold transactions
    /// that are not committed.
    Recovered {
        /// Which.
        server: ServerId,
        /// The last transaction found; [`Zxid::NONE`] where the disk was empty and must not count as history.
        last: Zxid,
        /// The epoch files.
        epochs: Epochs,
        /// The tree as it was read.
        tree: &'a Tree,
    },
    /// A server's process is gone (crash, kill, refusal to go on).
    Died {
        /// Which.
        server: ServerId,
    },
    /// A server's disk was replaced by an empty one.
    Wiped {
        /// Which.
        server: ServerId,
    },
    /// A server handed a proposal to its log; as the leader it made it itself.
    Appended {
        /// Which.
        server: ServerId,
        /// The transaction.
        proposal: &'a Proposal,
        /// Whether it is this server's own proposal: it leads (or stands alone).
        own: bool,
    },
    /// A leader sent a proposal to the one that is to lead next, and to nobody else.
    Offered {
        /// The leader.
        server: ServerId,
        /// The transaction.
        proposal: &'a Proposal,
    },
    /// A server's log is on disk up to here.
    Synced {
        /// Which.
        server: ServerId,
        /// The last transaction that a power cut would leave.
        upto: Zxid,
    },
    /// The epoch files of a server hold these values, durably.
    EpochsSaved {
        /// Which.
        server: ServerId,
        /// The values.
        epochs: Epochs,
    },
    /// A server cut its log (TRUNC) and loaded its tree again.
    Truncated {
        /// Which.
        server: ServerId,
        /// The last transaction kept.
        after: Zxid,
        /// The tree as it was read again.
        tree: &'a Tree,
    },
    /// A snapshot from the leader took the place of a server's tree, in memory. It may hold effects beyond its zxid.
    Installed {
        /// Which.
        server: ServerId,
        /// Whose snapshot.
        from: ServerId,
        /// What it stands for.
        zxid: Zxid,
    },
    /// A snapshot from the leader is on a server's disk; what the log held before counts no more.
    SnapshotSaved {
        /// Which.
        server: ServerId,
        /// The zxid in its name.
        zxid: Zxid,
    },
    /// A server was established in a role and serves: everything in its tree is committed now.
    Serving {
        /// Which.
        server: ServerId,
        /// In which role.
        role: ServingRole,
        /// Of which epoch.
        epoch: Epoch,
        /// Its tree.
        tree: &'a Tree,
    },
    /// A server serves no more.
    Stopped {
        /// Which.
        server: ServerId,
    },
    /// A server's process stands still (SIGSTOP), or goes on.
    Paused {
        /// Which.
        server: ServerId,
        /// Whether it stands still now.
        is_paused: bool,
    },
    /// A server applied a committed transaction.
    Applied {
        /// Which.
        server: ServerId,
        /// The transaction.
        entry: &'a TxnEntry,
        /// The tree with it.
        tree: &'a Tree,
    },
    /// A server goes by a configuration from here on: it has just started with it, or it came into force.
    Configured {
        /// Which.
        server: ServerId,
        /// The configuration.
        membership: &'a Membership,
        /// Whether it came into force just now.
        is_news: bool,
    },
    /// How full a server's queues are.
    Queues {
        /// Which.
        server: ServerId,
        /// Name, found, bound.
        queues: &'a [(&'static str, usize, usize)],
    },
    /// The end of the run: everything is healed, nothing is under way, every server should hold the same.
    AtRest {
        /// Which.
        server: ServerId,
        /// Its tree.
        tree: &'a Tree,
    },

    // --- clients ---------------------------------------------------------------------------------------------------
    /// A client has a session on a connection.
    Attached {
        /// Who.
        client: ClientId,
        /// Its session.
        session: SessionId,
        /// Whether it is a new session, not one that moved or came back.
        fresh: bool,
        /// Through which server.
        server: ServerId,
        /// The connection, as that server numbers it.
        conn: ConnId,
        /// The timeout granted, ms.
        timeout_ms: i32,
        /// Whom it proves to be, ahead of its first request on this connection.
        user: Option<User>,
    },
    /// A client's connection is gone. Calls without an answer are lost: they may have happened or may yet happen.
    Detached {
        /// Who.
        client: ClientId,
        /// Its session, [`SessionId::NONE`] during the handshake.
        session: SessionId,
    },
    /// A client was told that its session is no more.
    SessionLost {
        /// Who.
        client: ClientId,
        /// The session.
        session: SessionId,
    },
    /// A client sent a request.
    Called(&'a Call),
    /// A client got the answer to a request.
    Answered {
        /// The request.
        call: &'a Call,
        /// What came back.
        answer: &'a Answer,
    },
    /// A client got a watch event.
    Event {
        /// Who.
        client: ClientId,
        /// Its session.
        session: SessionId,
        /// What happened.
        kind: EventType,
        /// Where.
        path: &'a str,
        /// The zxid in the event's header: of the transaction, or -1 for one that was caught up on.
        zxid: Zxid,
    },
}

/// A request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who asks.
    pub client: ClientId,
    /// In which session.
    pub session: SessionId,
    /// Through which server.
    pub server: ServerId,
    /// On which connection of it.
    pub conn: ConnId,
    /// The request's number.
    pub xid: i32,
    /// When it was sent, simulated µs.
    pub sent_at_us: i64,
    /// What is asked for.
    pub op: Op,
}

/// What a client was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The zxid in the reply's header.
    pub zxid: Zxid,
    /// The error in the reply's header ([`ErrorCode::Ok`] also for a multi that failed).
    pub error: ErrorCode,
    /// The body.
    pub body: Body,
}

/// The body of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// The path created, and the node's stat.
    Created(String, Stat),
    /// A stat.
    Stat(Stat),
    /// Data and stat.
    Data(Option<Bytes>, Stat),
    /// Children, sorted, and stat.
    Children(Vec<String>, Stat),
    /// An ACL and stat.
    Acl(Vec<Acl>, Stat),
    /// The results of a multi: all of it, or the error of each part.
    Multi(Result<Vec<Body>, Vec<ErrorCode>>),
    /// The path of a sync.
    Path(String),
}

impl std::fmt::Display for Observation<'_> {
    /// One line for the log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Observation::Recovered { server, last, epochs, .. } => write!(
                f,
                "server {server} starts at {last}, epochs {} accepted and {} current",
                epochs.accepted, epochs.current
            ),
            Observation::Died { server } => write!(f, "server {server} is down"),
            Observation::Wiped { server } => write!(f, "server {server} gets an empty disk"),
            Observation::Appended { server, proposal, own } => {
                write!(f, "server {server} appends {}{}", proposal.zxid, if *own { ", its own" } else { "" })
            }
            Observation::Offered { server, proposal } => {
                write!(f, "server {server} offers {} to its successor", proposal.zxid)
            }
            Observation::Synced { server, upto } => write!(f, "server {server} has synced up to {upto}"),
            Observation::EpochsSaved { server, epochs } => write!(
                f,
                "server {server} has saved the epochs {} accepted and {} current",
                epochs.accepted, epochs.current
            ),
            Observation::Truncated { server, after, .. } => write!(f, "server {server} has cut its log behind {after}"),
            Observation::Installed { server, from, zxid } => {
                write!(f, "server {server} takes over the snapshot {zxid} of server {from}")
            }
            Observation::SnapshotSaved { server, zxid } => write!(f, "server {server} has saved the snapshot {zxid}"),
            Observation::Serving { server, role, epoch, tree } => {
                write!(f, "server {server} serves as {role:?} in epoch {epoch} from {} on", tree.last_zxid())
            }
            Observation::Stopped { server } => write!(f, "server {server} stops serving"),
            Observation::Paused { server, is_paused: true } => write!(f, "server {server} stands still"),
            Observation::Paused { server, is_paused: false } => write!(f, "server {server} goes on"),
            Observation::Applied { server, entry, .. } => {
                let TxnEntry { header, txn, .. } = entry;
                let (session, cxid) = (header.session, header.cxid);
                write!(f, "server {server} applies {} of session {session} number {cxid}: {txn:?}", header.zxid)
            }
            Observation::Configured { server, membership, is_news } => {
                let (how, voters) = (if *is_news { "now goes by" } else { "starts with" }, membership.voters());
                let (voters, observers) = (voters.collect::<Vec<_>>(), membership.observers().collect::<Vec<_>>());
                let version = membership.version;
                write!(f, "server {server} {how} configuration {version:x}: voters {voters:?}, observers {observers:?}")
            }
            Observation::Queues { server, queues } => write!(f, "server {server} has queues {queues:?}"),
            Observation::AtRest { server, tree } => write!(f, "server {server} rests at {}", tree.last_zxid()),
            Observation::Attached { client, session, fresh, server, timeout_ms, .. } => {
                let how = if *fresh { "gets" } else { "keeps" };
                write!(f, "client {} {how} session {session} through server {server} for {timeout_ms} ms", client.0)
            }
            Observation::Detached { client, session } => {
                write!(f, "client {} of session {session} is cut off", client.0)
            }
            Observation::SessionLost { client, session } => {
                write!(f, "client {} has lost session {session}", client.0)
            }
            Observation::Called(call) => {
                write!(f, "client {} asks server {} number {}: {:?}", call.client.0, call.server, call.xid, call.op)
            }
            Observation::Answered { call, answer } => {
                write!(
                    f,
                    "client {} is answered number {} at {}: {:?}",
                    call.client.0, call.xid, answer.zxid, answer.body
                )
            }
            Observation::Event { client, kind, path, zxid, .. } => {
                write!(f, "client {} sees {kind:?} {path} of {zxid}", client.0)
            }
        }
    }
}
