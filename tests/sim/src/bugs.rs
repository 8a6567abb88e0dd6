//! Every planted bug in turn: a simulator that would not find it proves nothing.

use crate::plan::Less;
use crate::report::say;
use crate::sweep::Sweep;
use planted::Bug;

/// Seeds tried before a bug counts as not found.
pub const SEEDS_MAX: u64 = 400;
/// The first seed tried where there is no hint.
const START: u64 = 1;
/// Where to begin with bugs that not every run meets. A hint that is out of date costs time and nothing else.
const HINTS: &[(Bug, u64)] = &[
    (Bug::QuotaNotCountedOnDelete, 21),
    (Bug::DeleteOfGoneNodeKeepsPzxid, 141),
    (Bug::RepeatedSetAclSkipped, 416),
    (Bug::ContainersForgottenOnLoad, 91),
    (Bug::VoteSidBeforeZxid, 26),
    (Bug::VoteZxidBeforeEpoch, 300),
    (Bug::ElectsWithoutHistory, 45),
    (Bug::EmptyServerVotes, 258),
    (Bug::LeadsWithoutQuorum, 32),
    (Bug::ActivationMissed, 161),
    (Bug::ChangeWithoutQuorum, 146),
    (Bug::HistoryKeepsGap, 318),
    (Bug::OfferForgotten, 81),
    (Bug::AcceptedEpochNotSaved, 150),
    (Bug::TruncSkipped, 98),
    (Bug::SyncAppliesUncommitted, 256),
    (Bug::SyncAnsweredAtOnce, 161),
    (Bug::ReplyMatchedBySession, 33),
    (Bug::OldConnectionNotFenced, 411),
    (Bug::FailedSyncIgnored, 68),
    (Bug::LogNotChecked, 45),
    (Bug::DamageTakenForTornTail, 45),
    (Bug::SnapshotNotChecked, 95),
    (Bug::ServesWithoutLeader, 33),
];

/// How a bug was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The bug.
    pub bug: Bug,
    /// The seed that found it, its step, the invariant; `None` if no seed did.
    pub caught: Option<(u64, u64, String)>,
    /// Seeds tried.
    pub seeds: u64,
}

/// Looks for one bug.
#[must_use]
pub fn find(bug: Bug, jobs: usize) -> Find {
    let hint = HINTS.iter().find(|(hinted, _)| *hinted == bug).map_or(START, |(_, seed)| *seed);
    let sweep = Sweep { start: hint, seeds: SEEDS_MAX, jobs, less: Less::default(), bug: Some(bug) };
    let outcome = sweep.execute(|outcome| !outcome.failures.is_empty());
    let caught = outcome.failures.first().and_then(|(run, report)| {
        let violation = report.violation.as_ref()?;
        Some((run.seed, violation.step, violation.invariant.clone()))
    });
    Find { bug, caught, seeds: outcome.seeds }
}

/// The first line of the table.
#[must_use]
pub fn heading() -> String {
    format!("{:<34} {:>6} {:>8}  {:<24} what", "bug", "seed", "step", "invariant")
}

impl Find {
    /// A line of the table.
    #[must_use]
    pub fn row(&self) -> String {
        let (name, what) = (self.bug.name(), self.bug.what());
        match &self.caught {
            Some((seed, step, invariant)) => format!("{name:<34} {seed:>6} {step:>8}  {invariant:<24} {what}"),
            None => format!("{name:<34} NOT FOUND in {} seeds: {what}", self.seeds),
        }
    }
}

/// Looks for all of them and prints a table; answers whether each was found.
#[must_use]
pub fn show_all(jobs: usize) -> bool {
    say(&heading());
    let mut missed = 0;
    for bug in Bug::ALL {
        let find = find(*bug, jobs);
        say(&find.row());
        missed += u32::from(find.caught.is_none());
    }
    say(&format!("{} bugs planted, {missed} not found", Bug::ALL.len()));
    missed == 0
}
