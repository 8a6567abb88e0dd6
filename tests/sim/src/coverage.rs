//! What a run has exercised: a simulation that never did something has proved nothing about it.

use std::collections::BTreeMap;

use wire::txn::Txn;
use wire::{ErrorCode, Zxid};

use crate::model::{Members, Model};
use crate::observe::{Answer, Body, Call, Lifetime, Observation, Op};

/// Counts by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// Every kind that a sweep must have met.
    pub const REQUIRED: &'static [&'static str] = &[
        "elections",
        "epochs used up",
        "roll-overs in place",
        "servers without a leader that could be read",
        "observers on followers",
        "DIFF",
        "TRUNC",
        "SNAP",
        "snapshots cut off",
        "background snapshots",
        "crashes, process only",
        "crashes, unsynced lost",
        "crashes, unsynced kept",
        "crashes, unsynced torn",
        "crashes, unsynced reordered",
        "power cuts inside a disk call",
        "all servers down at once",
        "restarts",
        "partitions",
        "one-way partitions",
        "partial partitions",
        "links cut",
        "election connections broken",
        "voters found gone",
        "votes lost",
        "slow servers",
        "slow disks",
        "fsync failures",
        "read failures at start",
        "bits flipped at rest",
        "disks full",
        "disks replaced",
        "pauses",
        "minorities left broken",
        "clock jumps",
        "leaderships handed over",
        "hand-overs given up",
        "hand-overs undecided",
        "hand-overs refused",
        "servers stopped",
        "stale server lists",
        "starts refused",
        "sessions moved",
        "sessions expired",
        "watch events",
        "multis",
        "persistent watches",
        "recursive watches",
        "persistent watches taken along",
        "watches removed",
        "ACLs changed",
        "ACL refusals",
        "containers deleted",
        "expired nodes deleted",
        "reconfigurations",
        "reconfigurations refused",
        "reconfigurations completed by the next leader",
        "reconfigurations that came to nothing",
        "leaders removed",
        "servers let in as voters",
        "observers made voters",
        "voters made observers",
        "servers stopped behind their removal",
        "servers emptied behind their removal",
    ];

    /// Counts what an observation shows to have happened. The model knows of it already.
    pub fn note(&mut self, seen: &Observation<'_>, model: &Model) {
        if let Some([old, new]) = model.news_of_members() {
            self.note_members(seen, old, new, model);
        }
        match seen {
            Observation::Answered { call, answer } => self.note_answer(call, answer),
            Observation::Applied { entry, .. } => {
                let Txn::DeleteContainer { path } = &entry.txn else { return };
                // Every server applies it; what it was is in the history before it.
                let before = wire::Zxid(entry.zxid().0 - 1);
                match model.znodes().at(path, before).map(|node| node.lifetime()) {
                    Some(Lifetime::Container) => self.count("containers deleted"),
                    Some(Lifetime::Ttl(_)) => self.count("expired nodes deleted"),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn note_members(&mut self, seen: &Observation<'_>, old: &Members, new: &Members, model: &Model) {
        if Zxid(new.version).is_epoch_start() {
            return;
        }
        self.count("reconfigurations");
        match *seen {
            Observation::Configured { .. } => self.count("reconfigurations completed without their transaction"),
            Observation::Serving { epoch, .. } if Zxid(new.version).epoch() < epoch => {
                self.count("reconfigurations completed by the next leader");
            }
            _ => {}
        }
        let services = model.servers().filter_map(|(sid, view)| Some((view.service()?, sid)));
        let leader = services.filter(|(service, _)| service.decides()).max_by_key(|(service, _)| service.epoch);
        if leader.is_some_and(|(_, leader)| !new.voters.contains(&leader)) {
            self.count("leaders removed");
        }
        for sid in new.voters.difference(&old.voters) {
            self.count(if old.observers.contains(sid) { "observers made voters" } else { "servers let in as voters" });
        }
        self.add("voters made observers", new.observers.intersection(&old.voters).count() as u64);
    }

    fn note_answer(&mut self, call: &Call, answer: &Answer) {
        let kind = match (&call.op, &answer.body) {
            (_, Body::Multi(Err(codes))) if codes.contains(&ErrorCode::NoAuth) => "ACL refusals",
            _ if answer.error == ErrorCode::NoAuth => "ACL refusals",
            (Op::Reconfig { .. }, _) if answer.error != ErrorCode::Ok => "reconfigurations refused",
            _ if answer.error != ErrorCode::Ok => return,
            (Op::AddWatch { recursive: false, .. }, _) => "persistent watches",
            (Op::AddWatch { recursive: true, .. }, _) => "recursive watches",
            (Op::SetWatches { persistent, recursive, .. }, _) if !persistent.is_empty() || !recursive.is_empty() => {
                "persistent watches taken along"
            }
            (Op::RemoveWatches { .. }, _) => "watches removed",
            (Op::SetAcl { .. }, _) => "ACLs changed",
            _ => return,
        };
        self.count(kind);
    }

    /// Counts one.
    pub fn count(&mut self, kind: &'static str) {
        self.add(kind, 1);
    }

    /// Counts several.
    pub fn add(&mut self, kind: &'static str, more: u64) {
        *self.counts.entry(kind).or_default() += more;
    }

    /// How often it happened.
    #[must_use]
    pub fn of(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Coverage) {
        for (kind, count) in &other.counts {
            self.add(kind, *count);
        }
    }

    /// The required kinds that never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        Coverage::REQUIRED.iter().copied().filter(|kind| self.of(kind) == 0).collect()
    }

    /// All counts, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(kind, count)| (*kind, *count))
    }
}
