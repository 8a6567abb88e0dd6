//! Every kind of damage at every place, in directories of real servers. See the table in the crate's description.
//!
//! A failure names the case, keeps the undamaged directory and prints the command that runs this case alone.

#![allow(clippy::print_stdout, reason = "how many cases there were is what a person reads this for")]

mod cases;

use damage::fixture::Fixture;
use damage::sweep::{Outcome, Sweep};
use support::ServerKind;

/// The server's allocator; hundreds of thousands of recoveries each take buffers and give them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A last transaction with whole sectors of zeros: one like that cannot be told from a torn write once it is damaged.
const ZEROS: &[u8] = &[0; 1200];
/// A last transaction without.
const TEXT: &[u8] = b"the last word";
/// What a process may take in memory for all the cases of all fixtures. The lengths in a damaged file reach to 2 GiB.
const MEMORY_KB_MAX: u64 = 512 * 1024;

/// Everything that can happen to a directory with plain snapshots.
fn sweep(fixture: &Fixture) {
    let mut sweep = Sweep::new(fixture);
    cases::undamaged(fixture, &mut sweep);
    cases::newest_log_cut(fixture, &mut sweep);
    cases::newest_log_flipped(fixture, &mut sweep);
    cases::older_log_flipped(fixture, &mut sweep);
    cases::unread_log_flipped(fixture, &mut sweep);
    cases::snapshot_damaged(fixture, &mut sweep);
    cases::only_snapshot_damaged(fixture, &mut sweep);
    cases::epochs_flipped(fixture, &mut sweep);
    cases::files_removed(fixture, &mut sweep);
    cases::files_emptied(fixture, &mut sweep);
    finish(fixture, sweep);
}

/// What only concerns snapshots.
fn sweep_snapshots(fixture: &Fixture) {
    let mut sweep = Sweep::new(fixture);
    cases::undamaged(fixture, &mut sweep);
    cases::snapshot_damaged(fixture, &mut sweep);
    cases::only_snapshot_damaged(fixture, &mut sweep);
    cases::files_removed(fixture, &mut sweep);
    finish(fixture, sweep);
}

fn finish(fixture: &Fixture, sweep: Sweep<'_>) {
    let (logs, snapshots) = (fixture.logs().len(), fixture.snapshots().len());
    let transactions = fixture.history.transactions();
    let outcomes = sweep.finish(&[Outcome::Whole, Outcome::Prefix, Outcome::Refused]);
    println!("{}: {transactions} transactions, {logs} logs, {snapshots} snapshots: {outcomes:?}", fixture.name);
    let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells what a process takes");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the most it ever took");
    let peak_kb: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak_kb < MEMORY_KB_MAX, "{}: the sweep took {peak_kb} kB", fixture.name);
}

#[test]
fn ours_in_an_ensemble() {
    sweep(&Fixture::ensemble("ours_in_an_ensemble", ServerKind::Zookube, TEXT));
}

#[test]
fn apaches_in_an_ensemble() {
    sweep(&Fixture::ensemble("apaches_in_an_ensemble", ServerKind::Apache39, TEXT));
}

#[test]
fn ours_alone() {
    sweep(&Fixture::standalone("ours_alone", &[], ZEROS));
}

#[test]
fn ours_packed_with_gzip() {
    sweep_snapshots(&Fixture::standalone("ours_packed_with_gzip", &[("snapshot.compression.method", "gz")], TEXT));
}

#[test]
fn ours_packed_with_snappy() {
    sweep_snapshots(&Fixture::standalone(
        "ours_packed_with_snappy",
        &[("snapshot.compression.method", "snappy")],
        TEXT,
    ));
}
