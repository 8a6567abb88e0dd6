//! What a run has exercised: a simulation that never did something has proved nothing about it.

use std::collections::BTreeMap;

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
        "DIFF",
        "TRUNC",
        "SNAP",
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
        "starts refused",
        "sessions moved",
        "sessions expired",
        "watch events",
        "multis",
    ];

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
