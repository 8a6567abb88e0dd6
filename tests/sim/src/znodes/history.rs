//! Everything that ever happened at one path.

use std::collections::BTreeSet;

use bytes::Bytes;
use wire::client::EventType;
use wire::{Stat, Zxid};

/// A moment: behind one part of a transaction. Everything but a multi has only part 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) zxid: Zxid,
    pub(super) part: u32,
}

impl Moment {
    /// Behind all of a transaction.
    pub(super) fn end_of(zxid: Zxid) -> Moment {
        Moment { zxid, part: u32::MAX }
    }
}

/// A znode in one of its states. The stat's `cversion` is the stored one: creates of children.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) stat: Stat,
    pub(super) data: Option<Bytes>,
}

#[derive(Debug)]
struct State {
    since: Moment,
    /// `None` while there is no node.
    node: Option<Node>,
}

/// A child that came or went.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) at: Moment,
    pub(super) name: String,
    pub(super) came: bool,
}

/// Something that fires a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// By which transaction.
    pub zxid: Zxid,
    /// What a watcher is told.
    pub kind: EventType,
}

/// What is watched about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// The node itself (getData, exists).
    Node,
    /// The names of its children (getChildren).
    Children,
}

/// Everything that ever happened at one path.
#[derive(Debug, Default)]
pub(super) struct History {
    states: Vec<State>,
    /// What watches of the node see, oldest first.
    pub(super) node_changes: Vec<Change>,
    /// What watches of its children see, oldest first.
    pub(super) child_changes: Vec<Change>,
    /// The children it has now.
    pub(super) children: BTreeSet<String>,
    /// How they became these, oldest first. Nearly every question is about the recent past, so walking back from the
    /// present is short.
    pub(super) memberships: Vec<Membership>,
}

impl History {
    pub(super) fn now(&self) -> Option<&Node> {
        self.states.last().and_then(|state| state.node.as_ref())
    }

    pub(super) fn at(&self, moment: Moment) -> Option<&Node> {
        let behind = self.states.partition_point(|state| state.since <= moment);
        self.states[..behind].last().and_then(|state| state.node.as_ref())
    }

    pub(super) fn become_at(&mut self, since: Moment, node: Option<Node>) {
        match self.states.last_mut() {
            Some(last) if last.since == since => last.node = node,
            _ => self.states.push(State { since, node }),
        }
    }

    pub(super) fn children_at(&self, moment: Moment) -> Vec<&str> {
        let mut names: BTreeSet<&str> = self.children.iter().map(String::as_str).collect();
        for change in self.memberships.iter().rev().take_while(|change| change.at > moment) {
            if change.came {
                names.remove(change.name.as_str());
            } else {
                names.insert(&change.name);
            }
        }
        names.into_iter().collect()
    }
}
