//! The watches a client believes it has: kept beyond a connection, registered again on the next.

use std::collections::BTreeSet;

use wire::client::EventType;
use wire::{ErrorCode, Zxid};

use crate::observe::{Op, WatchType};

/// Watches, by the list of setWatches that takes them along.
#[derive(Debug, Default)]
pub struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
    persistent: BTreeSet<String>,
    recursive: BTreeSet<String>,
}

impl Watches {
    /// A request was answered: its watch is set, or not.
    pub fn answered(&mut self, op: &Op, error: ErrorCode) {
        match (op, error) {
            (Op::Get { path, watch: true } | Op::Exists { path, watch: true }, ErrorCode::Ok) => {
                self.data.insert(path.clone());
            }
            (Op::Exists { path, watch: true }, ErrorCode::NoNode) => {
                self.exist.insert(path.clone());
            }
            (Op::Children { path, watch: true }, ErrorCode::Ok) => {
                self.child.insert(path.clone());
            }
            (Op::AddWatch { path, recursive: false }, ErrorCode::Ok) => {
                self.persistent.insert(path.clone());
            }
            (Op::AddWatch { path, recursive: true }, ErrorCode::Ok) => {
                self.recursive.insert(path.clone());
            }
            (Op::RemoveWatches { path, kind }, ErrorCode::Ok) => self.removed(path, *kind),
            _ => {}
        }
    }

    fn removed(&mut self, path: &str, kind: WatchType) {
        let is_meant = |one: WatchType| kind == one || kind == WatchType::Any;
        if is_meant(WatchType::Data) {
            self.data.remove(path);
            self.exist.remove(path);
        }
        if is_meant(WatchType::Children) {
            self.child.remove(path);
        }
        if is_meant(WatchType::Persistent) {
            self.persistent.remove(path);
        }
        if is_meant(WatchType::PersistentRecursive) {
            self.recursive.remove(path);
        }
    }

    /// Something to check or remove: mostly a watch that is there.
    #[must_use]
    pub fn nth_lasting(&self, index: usize) -> Option<(&str, WatchType)> {
        let persistent = self.persistent.iter().map(|path| (path.as_str(), WatchType::Persistent));
        let recursive = self.recursive.iter().map(|path| (path.as_str(), WatchType::PersistentRecursive));
        let count = self.persistent.len() + self.recursive.len();
        persistent.chain(recursive).nth(index.checked_rem(count)?)
    }

    /// An event came: it uses up every one-shot watch that it answers.
    pub fn fired(&mut self, kind: EventType, path: &str) {
        if kind != EventType::NodeChildrenChanged {
            self.data.remove(path);
            self.exist.remove(path);
        }
        if matches!(kind, EventType::NodeChildrenChanged | EventType::NodeDeleted) {
            self.child.remove(path);
        }
    }

    /// The request that takes them to a new connection; none where there are none.
    #[must_use]
    pub fn to_register(&self, relative: Zxid) -> Option<Op> {
        let lists = [&self.data, &self.exist, &self.child, &self.persistent, &self.recursive];
        if lists.iter().all(|paths| paths.is_empty()) {
            return None;
        }
        let [data, exist, child, persistent, recursive] = lists.map(|paths| paths.iter().cloned().collect());
        Some(Op::SetWatches { relative, data, exist, child, persistent, recursive })
    }
}
