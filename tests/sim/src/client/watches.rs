//! The watches a client believes it has: kept beyond a connection, registered again on the next.

use std::collections::BTreeSet;

use wire::client::EventType;
use wire::{ErrorCode, Zxid};

use crate::observe::Op;

/// One-shot watches, by the list of setWatches that takes them along.
#[derive(Debug, Default)]
pub struct Watches {
    data: BTreeSet<String>,
    exist: BTreeSet<String>,
    child: BTreeSet<String>,
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
            _ => {}
        }
    }

    /// An event came: it uses up every watch that it answers.
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
        if self.data.is_empty() && self.exist.is_empty() && self.child.is_empty() {
            return None;
        }
        let list = |paths: &BTreeSet<String>| paths.iter().cloned().collect();
        Some(Op::SetWatches { relative, data: list(&self.data), exist: list(&self.exist), child: list(&self.child) })
    }
}
