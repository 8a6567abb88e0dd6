//! A znode of the past.

use std::sync::Arc;

use bytes::Bytes;
use wire::{Acl, Stat};

use super::history::{History, Moment, Node};
use crate::observe::Lifetime;

/// A znode as it was at some zxid.
#[derive(Debug, Clone, Copy)]
pub struct NodeAt<'a> {
    pub(super) node: &'a Node,
    pub(super) history: &'a History,
    pub(super) moment: Moment,
}

impl<'a> NodeAt<'a> {
    /// The data; null and empty differ.
    #[must_use]
    pub fn data(&self) -> Option<&'a Bytes> {
        self.node.data.as_ref()
    }

    /// The stat as clients see it: `cversion` counts creates and deletes of children.
    #[must_use]
    pub fn stat(&self) -> Stat {
        let mut stat = self.node.stat;
        stat.cversion = stat.cversion.wrapping_mul(2).wrapping_sub(stat.num_children);
        stat
    }

    /// `cversion` as it is stored: creates of children only, the next sequence number.
    #[must_use]
    pub fn cversion_stored(&self) -> i32 {
        self.node.stat.cversion
    }

    /// Who may do what.
    #[must_use]
    pub fn acl(&self) -> &'a Arc<[Acl]> {
        &self.node.acl
    }

    /// What becomes of it by itself.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        self.node.lifetime
    }

    /// The names of the children, sorted.
    #[must_use]
    pub fn children(&self) -> Vec<&'a str> {
        self.history.children_at(self.moment)
    }
}
