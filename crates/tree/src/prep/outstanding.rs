//! What was prepared and not applied yet (`ZooKeeperServer.outstandingChanges`).

use crate::hash::Seeded;
use crate::node::StoredStat;
use hashbrown::HashMap;
use planted::Bug;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use wire::{Acl, SessionId, Zxid};

/// A node as outstanding transactions leave it (`ChangeRecord`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) stat: StoredStat,
    pub(super) child_count: u32,
    /// `None` is the open ACL.
    pub(super) acl: Option<Arc<[Acl]>>,
    pub(super) data_len: usize,
    /// The CRC of path and data; `None` while the data are still those in the tree.
    pub(super) content_crc: Option<u32>,
    /// The node's digest.
    pub(super) digest: u32,
}

/// The latest change of a path, and which one it is.
#[derive(Debug, Clone)]
struct Latest {
    number: u64,
    /// `None`: the node will be gone.
    record: Option<Record>,
}

#[derive(Debug)]
struct Change {
    zxid: Zxid,
    path: Arc<str>,
    number: u64,
}

/// An ephemeral that is about to exist.
#[derive(Debug)]
struct Ephemeral {
    zxid: Zxid,
    session: SessionId,
    path: Arc<str>,
}

/// A point to roll back to.
#[derive(Debug)]
pub(super) struct Mark {
    changes: usize,
    ephemerals: usize,
    undo: usize,
}

/// All outstanding changes, oldest first, and the latest one of each path.
#[derive(Debug)]
pub(super) struct Outstanding {
    changes: VecDeque<Change>,
    latest: HashMap<Arc<str>, Latest, Seeded>,
    ephemerals: VecDeque<Ephemeral>,
    /// What the request in hand has replaced, for a roll back.
    undo: Vec<(Arc<str>, Option<Latest>)>,
    next_number: u64,
}

impl Default for Outstanding {
    fn default() -> Self {
        Outstanding {
            changes: VecDeque::new(),
            latest: HashMap::with_hasher(Seeded(0)),
            ephemerals: VecDeque::new(),
            undo: Vec::new(),
            next_number: 0,
        }
    }
}

impl Outstanding {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// The latest change of a path: `None` if there is none, `Some(None)` if it is a delete.
    pub(super) fn get(&self, path: &str) -> Option<&Option<Record>> {
        self.latest.get(path).map(|latest| &latest.record)
    }

    pub(super) fn put(&mut self, zxid: Zxid, path: &str, record: Option<Record>, owner: Option<SessionId>) {
        let number = self.next_number;
        self.next_number += 1;
        let path = self.latest.get_key_value(path).map_or_else(|| Arc::from(path), |(path, _)| Arc::clone(path));
        if let Some(session) = owner {
            self.ephemerals.push_back(Ephemeral { zxid, session, path: Arc::clone(&path) });
        }
        let replaced = self.latest.insert(Arc::clone(&path), Latest { number, record });
        self.undo.push((Arc::clone(&path), replaced));
        self.changes.push_back(Change { zxid, path, number });
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { changes: self.changes.len(), ephemerals: self.ephemerals.len(), undo: self.undo.len() }
    }

    /// The request in hand is decided: its changes stay.
    pub(super) fn commit(&mut self, mark: &Mark) {
        self.undo.truncate(mark.undo);
    }

    /// The request in hand is refused: its changes never were. Restoring what they replaced, the parent's record included,
    /// keeps sequence numbers from drifting (ZOOKEEPER-1624).
    pub(super) fn roll_back(&mut self, mark: Mark) {
        for (path, replaced) in self.undo.drain(mark.undo..).rev() {
            match replaced {
                Some(latest) if !planted::is(Bug::RollBackForgetsParent) => self.latest.insert(path, latest),
                _ => self.latest.remove(&path),
            };
        }
        self.changes.truncate(mark.changes);
        self.ephemerals.truncate(mark.ephemerals);
    }

    /// Changes up to `zxid` are in the tree.
    pub(super) fn applied(&mut self, zxid: Zxid) {
        while let Some(change) = self.changes.pop_front_if(|change| change.zxid <= zxid) {
            if self.latest.get(&change.path).is_some_and(|latest| latest.number == change.number) {
                self.latest.remove(&change.path);
            }
        }
        while self.ephemerals.pop_front_if(|ephemeral| ephemeral.zxid <= zxid).is_some() {}
    }

    pub(super) fn clear(&mut self) {
        self.changes.clear();
        self.latest.clear();
        self.ephemerals.clear();
        self.undo.clear();
    }

    /// Which ephemerals a session will have, given those that the tree knows, in order.
    pub(super) fn ephemerals_of(&self, session: SessionId, applied: Vec<String>) -> BTreeSet<String> {
        let mut paths: BTreeSet<String> = applied.into_iter().collect();
        let created = self.ephemerals.iter().filter(|ephemeral| ephemeral.session == session);
        if !planted::is(Bug::CloseMissesNewEphemerals) {
            paths.extend(created.map(|ephemeral| ephemeral.path.to_string()));
        }
        paths.retain(|path| match self.get(path) {
            None => true,
            Some(None) => false,
            Some(Some(record)) => record.stat.ephemeral_owner == session.0,
        });
        paths
    }
}
