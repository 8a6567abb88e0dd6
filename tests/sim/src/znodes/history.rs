//! Everything that ever happened at one path.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use wire::{Acl, Stat, Zxid};

use crate::observe::Lifetime;

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
    pub(super) acl: Arc<[Acl]>,
    pub(super) lifetime: Lifetime,
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

/// Everything that ever happened at one path.
#[derive(Debug, Default)]
pub(super) struct History {
    states: Vec<State>,
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
