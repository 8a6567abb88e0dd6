//! What fires watches: every change of the history, in the order in which watchers must hear of it.

use std::sync::Arc;

use wire::client::EventType;
use wire::{Acl, Perms, Zxid};

use crate::observe::{User, grants};

/// Something that fires watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// By which transaction.
    pub zxid: Zxid,
    /// What a watcher is told.
    pub kind: EventType,
    /// Where.
    pub path: Arc<str>,
    /// Who may read there, and so be told.
    acl: Arc<[Acl]>,
}

impl Change {
    pub(super) fn new(zxid: Zxid, kind: EventType, path: &str, acl: Arc<[Acl]>) -> Change {
        Change { zxid, kind, path: Arc::from(path), acl }
    }

    /// Whether it fires watches of the node itself: those of getData and exists, persistent and recursive ones.
    #[must_use]
    pub fn is_of_node(&self) -> bool {
        self.kind != EventType::NodeChildrenChanged
    }

    /// Whether it fires watches of the names of the children: those of getChildren and persistent ones.
    #[must_use]
    pub fn is_of_children(&self) -> bool {
        matches!(self.kind, EventType::NodeChildrenChanged | EventType::NodeDeleted)
    }

    /// Whether it is told to a watcher who is this user. A watch that may not be told of it is used up all the same.
    #[must_use]
    pub fn may_be_told(&self, user: Option<User>) -> bool {
        grants(&self.acl, Perms::READ, user)
    }
}
