//! What simulated clients ask for.

use bytes::Bytes;
use wire::Zxid;

use super::Access;

/// What becomes of a znode by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It stays until somebody deletes it.
    Persistent,
    /// It goes with its session.
    Ephemeral,
    /// It goes when its last child is gone.
    Container,
    /// It goes when it has no children and was not changed for so many ms.
    Ttl(i64),
}

/// Which watches checkWatches and removeWatches mean (`Watcher.WatcherType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum WatchType {
    /// One-shot, of getChildren.
    Children = 1,
    /// One-shot, of getData and exists.
    Data = 2,
    /// All of them.
    Any = 3,
    /// Persistent.
    Persistent = 4,
    /// Persistent and recursive.
    PersistentRecursive = 5,
}

/// What a simulated client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// create2, createContainer or createTTL.
    Create {
        /// Where; the sequence number not included.
        path: String,
        /// With which data.
        data: Bytes,
        /// What becomes of it.
        lifetime: Lifetime,
        /// Whether a number is appended; not to containers.
        sequential: bool,
        /// With which ACL.
        access: Access,
    },
    /// delete.
    Delete {
        /// Which.
        path: String,
        /// Of which version, -1 for any.
        version: i32,
    },
    /// setData.
    Set {
        /// Which.
        path: String,
        /// With which data.
        data: Bytes,
        /// Of which version, -1 for any.
        version: i32,
    },
    /// setACL.
    SetAcl {
        /// Of which.
        path: String,
        /// The new one.
        access: Access,
        /// Of which ACL version, -1 for any.
        version: i32,
    },
    /// check, only within a multi.
    Check {
        /// Which.
        path: String,
        /// Of which version.
        version: i32,
    },
    /// multi.
    Multi(Vec<Op>),
    /// getData.
    Get {
        /// Which.
        path: String,
        /// Whether to watch.
        watch: bool,
    },
    /// exists.
    Exists {
        /// Which.
        path: String,
        /// Whether to watch.
        watch: bool,
    },
    /// getChildren2.
    Children {
        /// Of which.
        path: String,
        /// Whether to watch.
        watch: bool,
    },
    /// getACL.
    GetAcl {
        /// Of which.
        path: String,
    },
    /// sync.
    Sync {
        /// The path, which is echoed.
        path: String,
    },
    /// addWatch: a persistent watch.
    AddWatch {
        /// Of what.
        path: String,
        /// Whether of everything below as well.
        recursive: bool,
    },
    /// removeWatches.
    RemoveWatches {
        /// Of what.
        path: String,
        /// Which.
        kind: WatchType,
    },
    /// checkWatches.
    CheckWatches {
        /// Of what.
        path: String,
        /// Which.
        kind: WatchType,
    },
    /// Watches taken along to a new connection (setWatches; setWatches2 where there are persistent ones), with the last zxid
    /// seen.
    SetWatches {
        /// The last zxid the client has seen.
        relative: Zxid,
        /// getData watches.
        data: Vec<String>,
        /// exists watches on what was not there.
        exist: Vec<String>,
        /// getChildren watches.
        child: Vec<String>,
        /// Persistent watches.
        persistent: Vec<String>,
        /// Persistent recursive watches.
        recursive: Vec<String>,
    },
    /// reconfig.
    Reconfig {
        /// Who joins or takes another role: server lines.
        joining: String,
        /// Who leaves: server ids.
        leaving: String,
        /// All who are to be members, in place of those who join and leave.
        members: Option<String>,
        /// Of which version, -1 for any.
        version: i64,
    },
    /// ping.
    Ping,
    /// closeSession.
    CloseSession,
}

impl Op {
    /// Whether it becomes a transaction.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(
            self,
            Op::Create { .. }
                | Op::Delete { .. }
                | Op::Set { .. }
                | Op::SetAcl { .. }
                | Op::Multi(_)
                | Op::Check { .. }
                | Op::Reconfig { .. }
                | Op::CloseSession
        )
    }
}
