//! What operations take and give, where it is not a record of the wire.

use crate::error::Error;
use std::fmt;
use wire::client::CreateMode;
use wire::{Acl, Stat};

/// What a create made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The path without the chroot, with its number where it is sequential.
    pub path: String,
    /// Its stat; `None` where the operation's reply has none.
    pub stat: Option<Stat>,
}

/// One operation of a multi (`Op`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Create a node.
    Create {
        /// The path.
        path: String,
        /// The data; `None` = null.
        data: Option<Vec<u8>>,
        /// The ACL.
        acl: Vec<Acl>,
        /// The mode.
        mode: CreateMode,
        /// The time to live in ms, for the two modes that have one.
        ttl_ms: Option<i64>,
    },
    /// Delete a node.
    Delete {
        /// The path.
        path: String,
        /// The version it must have; -1 = any.
        version: i32,
    },
    /// Replace a node's data.
    SetData {
        /// The path.
        path: String,
        /// The data; `None` = null.
        data: Option<Vec<u8>>,
        /// The version it must have; -1 = any.
        version: i32,
    },
    /// Check a node's version.
    Check {
        /// The path.
        path: String,
        /// The version it must have; -1 = any.
        version: i32,
    },
}

/// The result of one operation of a multi (`OpResult`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// Of a create.
    Create(Created),
    /// Of a delete.
    Delete,
    /// Of a setData.
    SetData(Stat),
    /// Of a check.
    Check,
    /// The operation's error: 0 = it would have succeeded, -2 = it was not tried, because another failed.
    Error(i32),
}

/// Why a multi failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiError {
    /// The failure; that of the first operation at fault has no path, as in Java.
    pub error: Error,
    /// One result for each operation, where the server answered (`KeeperException.getResults`); else empty.
    pub results: Vec<OpResult>,
}

impl fmt::Display for MultiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for MultiError {}

impl From<Error> for MultiError {
    fn from(error: Error) -> MultiError {
        MultiError { error, results: Vec::new() }
    }
}

/// How far a persistent watch reaches (`AddWatchMode`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum AddWatchMode {
    /// The node, its data and the names of its children.
    Persistent = 0,
    /// The node and everything below it; no child events.
    PersistentRecursive = 1,
}

/// Which watches to remove (`Watcher.WatcherType`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum WatcherType {
    /// Those of getChildren.
    Children = 1,
    /// Those of getData and exists.
    Data = 2,
    /// All.
    Any = 3,
    /// Persistent ones that are not recursive.
    Persistent = 4,
    /// Persistent recursive ones.
    PersistentRecursive = 5,
}

/// An identity that the server has for the connection (`ClientInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The scheme: `ip`, `digest`, `x509`, `sasl`.
    pub scheme: String,
    /// The user, as the scheme's provider shows it.
    pub user: String,
}
