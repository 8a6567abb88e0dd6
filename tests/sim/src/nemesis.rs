//! What goes wrong, when, and how it ends.
//!
//! Some faults take a disk's memory away: a damaged or replaced disk. ZooKeeper survives that for a minority that was not
//! needed to commit, one disk at a time: the next one is not damaged before the last one has caught up.

mod mend;
mod strike;

use crate::plan::{Fault, Plan};
use crate::rng::Rng;
use std::collections::BTreeSet;
use store::testing::Keep;
use wire::ServerId;

/// How long a server stays down, µs.
const DOWN_US: (i64, i64) = (5_000, 2_500_000);
/// How long other faults last, µs.
const LAST_US: (i64, i64) = (20_000, 3_000_000);

/// The end of a fault.
#[derive(Debug, Clone, Copy)]
pub enum Undo {
    /// All partitions.
    Partitions,
    /// Votes.
    VoteLoss,
    /// A slow server.
    SlowServer(ServerId),
    /// A slow disk.
    SlowDisk(ServerId),
    /// A full disk.
    FullDisk(ServerId),
    /// A pause.
    Pause(ServerId, u32),
    /// A disk fault that nothing has met.
    DiskFault(ServerId, u32),
}

/// Draws the faults.
#[derive(Debug)]
pub struct Nemesis {
    faults: Vec<(Fault, u32)>,
    every_us: i64,
    pub(crate) rng: Rng,
    voters: BTreeSet<ServerId>,
    /// A server whose disk has lost something and that has not caught up yet.
    forgetful: Option<ServerId>,
}

impl Nemesis {
    /// The faults of a plan.
    #[must_use]
    pub fn new(plan: &Plan, rng: Rng) -> Nemesis {
        Nemesis {
            faults: plan.faults.iter().map(|(fault, weight)| (*fault, *weight)).collect(),
            every_us: plan.fault_every_us,
            rng,
            voters: plan.voters.clone(),
            forgetful: None,
        }
    }

    /// Who votes now. A disk of which nothing is needed any more has lost nothing.
    pub(crate) fn set_voters(&mut self, voters: BTreeSet<ServerId>) {
        self.voters = voters;
    }

    /// A server's disk holds nothing that anybody counts on.
    pub(crate) fn remember(&mut self, sid: ServerId) {
        self.forgetful.take_if(|forgetful| *forgetful == sid);
    }

    /// Until the next fault, µs.
    pub fn pause_us(&mut self) -> i64 {
        self.rng.range(self.every_us / 8, self.every_us * 2)
    }

    fn draw(&mut self) -> Option<Fault> {
        if self.faults.is_empty() {
            return None;
        }
        let weights: Vec<u32> = self.faults.iter().map(|(_, weight)| *weight).collect();
        Some(self.faults[self.rng.weighted(&weights)].0)
    }

    /// Whether a fault of this kind happens in this run.
    fn may(&self, fault: Fault) -> bool {
        self.faults.iter().any(|(one, _)| *one == fault)
    }

    fn last_us(&mut self) -> i64 {
        // Most faults are short, some are long.
        let max = if self.rng.chance(70) { LAST_US.1 / 6 } else { LAST_US.1 };
        self.rng.range(LAST_US.0, max)
    }

    /// What a power cut leaves of what was not synced. Sectors out of order can look like damage: only where a disk may be
    /// lost.
    fn draw_keep(&mut self, may_forget: bool) -> (Keep, &'static str) {
        match self.rng.below(if may_forget { 5 } else { 4 }) {
            0 => (Keep::Everything, "crashes, process only"),
            1 => (Keep::Nothing, "crashes, unsynced lost"),
            2 => (Keep::First { ops: self.rng.index(6), bytes: 0 }, "crashes, unsynced kept"),
            3 => (Keep::First { ops: self.rng.index(6), bytes: self.rng.index(4096) }, "crashes, unsynced torn"),
            _ => (Keep::Random(self.rng.bits()), "crashes, unsynced reordered"),
        }
    }
}
