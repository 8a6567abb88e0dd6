//! A harness that never caught a bug proves nothing: each planted one must be caught, by name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::random::run;
use crate::support::world::Bug;

const SEEDS: u64 = 150;

/// Runs seeds until an invariant fires. A peer's own assertion may notice first; that run is passed over, since the harness
/// must see it too.
fn check(bug: Bug, expected: &[&str]) {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..SEEDS {
        match catch_unwind(AssertUnwindSafe(|| run(seed, Some(bug), false))) {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => {
                seen.insert(failure.violation.invariant);
                if expected.contains(&failure.violation.invariant) {
                    return;
                }
            }
            Err(_) => {
                seen.insert("(an assertion of the peer)");
            }
        }
    }
    panic!("{bug:?} was not caught by {expected:?} in {SEEDS} seeds, only by {seen:?}");
}

#[test]
fn an_ack_before_the_sync() {
    check(Bug::SyncedTooEarly, &["durability"]);
}

#[test]
fn an_epoch_promised_before_it_is_saved() {
    check(Bug::EpochsTooEarly, &["leadership", "history_before_epoch"]);
}

#[test]
fn a_forgotten_accepted_epoch() {
    check(Bug::ForgetsAcceptedEpoch, &["leadership", "epochs_grow"]);
}

#[test]
fn a_truncation_that_was_not_done() {
    check(Bug::KeepsTruncated, &["prefix_consistency", "primary_integrity", "commit_before_leader"]);
}

#[test]
fn a_snapshot_that_was_not_saved() {
    check(Bug::ForgetsSnapshot, &["history_before_epoch", "durability", "prefix_consistency"]);
}

#[test]
fn a_lost_commit() {
    check(Bug::LosesCommits, &["prefix_consistency"]);
}

#[test]
fn a_log_that_lost_its_end() {
    check(Bug::LosesLastTxn, &["durability"]);
}
