//! What is recorded of a run: every operation with all that its reply said, and when it was under way.

use std::sync::atomic::{AtomicU64, Ordering};

use support::jute::Stat;

/// One clock for all clients that only knows before and after: an operation that was completed at a smaller tick than
/// another was invoked at was over before the other began.
#[derive(Debug, Default)]
pub struct Ticks(AtomicU64);

impl Ticks {
    /// A tick later than every tick handed out before.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A persistent znode with this data.
    Create {
        /// The znode.
        path: String,
        /// Its data.
        data: Vec<u8>,
    },
    /// New data, on condition of a version where it is not -1.
    Set {
        /// The znode.
        path: String,
        /// The new data.
        data: Vec<u8>,
        /// The version expected, or -1.
        version: i32,
    },
    /// A deletion, on condition of a version where it is not -1.
    Delete {
        /// The znode.
        path: String,
        /// The version expected, or -1.
        version: i32,
    },
    /// Data and Stat.
    Get {
        /// The znode.
        path: String,
        /// Whether the client's request before it was a `sync` on the same connection.
        synced: bool,
    },
    /// That the server catch up with the leader.
    Sync,
}

impl Request {
    /// The znode it is about.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Create { path, .. } | Self::Set { path, .. } | Self::Delete { path, .. } | Self::Get { path, .. } => {
                Some(path)
            }
            Self::Sync => None,
        }
    }

    /// Whether it goes through the leader and gets a zxid of its own.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Set { .. } | Self::Delete { .. })
    }
}

/// What a reply without an error said behind its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The Stat of a znode that was created or set.
    Written(Stat),
    /// A deletion or a sync is done.
    Done,
    /// What was read.
    Read {
        /// The data.
        data: Vec<u8>,
        /// The Stat.
        stat: Stat,
    },
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged.
    Ok {
        /// The zxid in the reply's header.
        zxid: i64,
        /// The rest.
        answer: Answer,
    },
    /// Refused with an error code.
    Refused {
        /// The zxid in the reply's header.
        zxid: i64,
        /// The error code.
        code: i32,
    },
    /// The connection was lost or given up: it was carried out, or was not, or still will be.
    Unknown,
}

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Which client.
    pub client: usize,
    /// The session that asked.
    pub session: i64,
    /// The number of the request in that session.
    pub cxid: i32,
    /// What was asked.
    pub request: Request,
    /// When it was sent.
    pub invoked: u64,
    /// When its reply was there, or when the client gave up.
    pub ended: u64,
    /// How it ended.
    pub outcome: Outcome,
}

impl Operation {
    /// The zxid in the reply's header, where there was a reply.
    pub fn zxid(&self) -> Option<i64> {
        match self.outcome {
            Outcome::Ok { zxid, .. } | Outcome::Refused { zxid, .. } => Some(zxid),
            Outcome::Unknown => None,
        }
    }

    /// Whether it was acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.outcome, Outcome::Ok { .. })
    }
}

/// How many operations ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Acknowledged writes that were bound to a version.
    pub conditional: usize,
    /// Reads and syncs that were answered, a missing znode included.
    pub reads: usize,
    /// Writes that were refused.
    pub refused: usize,
    /// Operations without a reply.
    pub unknown: usize,
}

impl Tally {
    /// Counts operations.
    pub fn of(operations: &[Operation]) -> Self {
        let mut tally = Self::default();
        for operation in operations {
            let expected = match operation.request {
                Request::Set { version, .. } | Request::Delete { version, .. } => version,
                _ => -1,
            };
            let conditional = expected >= 0;
            match (&operation.outcome, operation.request.is_write()) {
                (Outcome::Unknown, _) => tally.unknown += 1,
                (_, false) => tally.reads += 1,
                (Outcome::Ok { .. }, true) => {
                    tally.writes += 1;
                    tally.conditional += usize::from(conditional);
                }
                (Outcome::Refused { .. }, true) => tally.refused += 1,
            }
        }
        tally
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { writes, conditional, reads, refused, unknown } = self;
        write!(
            f,
            "{writes} writes acknowledged ({conditional} of them conditional), {refused} refused, {reads} reads \
             answered, {unknown} operations of unknown outcome"
        )
    }
}
