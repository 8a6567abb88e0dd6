//! What a client chooses where it may: which watch, which ACL, which kind of znode.

use super::super::watches::Watches;
use super::{Planner, TOP};
use crate::observe::{Access, Lifetime, Op, User, WatchType};

impl Planner {
    /// A path for a persistent watch; for a recursive one mostly something with much below it.
    pub(super) fn watched(&mut self, recursive: bool) -> String {
        match self.rng.below(if recursive { 8 } else { 4 }) {
            0 | 1 => self.path(),
            2 | 3 => self.parent(),
            4 => "/".to_owned(),
            _ => TOP.to_owned(),
        }
    }

    /// A watch to look for or to remove: mostly one that is there.
    pub(super) fn watch(&mut self, watches: &Watches) -> (String, WatchType) {
        let index = self.rng.index(1 << 16);
        let found = watches.nth_lasting(index).map(|(path, kind)| (path.to_owned(), kind));
        let (path, kind) = found.unwrap_or_else(|| (self.path(), WatchType::Persistent));
        match self.rng.below(8) {
            0 => (self.path(), kind),
            1 => (path, WatchType::Any),
            2 => (path, WatchType::Data),
            3 => (path, WatchType::Children),
            _ => (path, kind),
        }
    }

    pub(super) fn access(&mut self) -> Access {
        let user = if self.rng.chance(50) { User::Ann } else { User::Bob };
        let private = if self.workload.users { [6, 6, 4] } else { [0, 0, 1] };
        match self.rng.weighted(&[4, 8, 6, 2, 1, private[0], private[1], private[2]]) {
            0 => Access::Open,
            1 => Access::Marked(self.rng.below(1 << 16) as u16),
            2 => Access::Marked(self.rng.below(4) as u16),
            3 => Access::NoAdmin,
            4 => {
                if self.rng.chance(80) {
                    Access::ReadOnly
                } else {
                    Access::Missing
                }
            }
            5 => Access::Private(self.user().unwrap_or(user)),
            6 => Access::Shown(user),
            _ => Access::Caller,
        }
    }

    pub(super) fn set_acl(&mut self) -> Op {
        let path = self.path();
        let known = self.acl_versions.get(&path).copied().unwrap_or(0);
        let version = if self.rng.chance(self.workload.versioned_percent) { known } else { -1 };
        // Mostly one that no znode has had: it is in no snapshot that is being written.
        let is_new = self.rng.chance(60);
        let access = if is_new { Access::Marked(self.rng.below(1 << 16) as u16) } else { self.access() };
        Op::SetAcl { path, access, version }
    }

    pub(super) fn lifetime(&mut self, ephemeral_percent: u64) -> Lifetime {
        let workload = &self.workload;
        if self.rng.chance(ephemeral_percent) {
            Lifetime::Ephemeral
        } else if self.rng.chance(workload.container_percent) {
            Lifetime::Container
        } else if self.rng.chance(workload.ttl_percent) {
            Lifetime::Ttl(self.rng.range(workload.ttl_ms.0, workload.ttl_ms.1))
        } else {
            Lifetime::Persistent
        }
    }
}
