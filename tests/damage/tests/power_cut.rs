//! The power goes at every call that a workload makes to its disk, and what was not synced survives in every way: not at
//! all, wholly, up to some byte, in any set of sectors. Then it goes again at every call of the recovery.

#![allow(clippy::print_stdout, reason = "how many cases there were is what a person reads this for")]

use std::path::Path;

use damage::power::{DATA_DIR, Step, Truth, has_hole, run, zxids_of};
use damage::recovery::{Found, Mode, recover};
use store::Compression;
use store::testing::{Fault, Keep, MemFs};

/// The server's allocator; a million recoveries each take buffers and give them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The life of a server: elected twice, with snapshots of every packing, large and small batches, a history that is cut and
/// one that is replaced.
const WORKLOAD: &[Step] = {
    use Step::*;
    &[
        Accept(1),
        Follow(1),
        Begin(1),
        Append(10),
        Append(200),
        Sync,
        Append(700),
        Append(40),
        Append(900),
        Append(3),
        Sync,
        Snapshot(Compression::None),
        Append(20),
        AppendZeros(1500),
        Sync,
        Append(5000),
        Append(600),
        Append(2500),
        Sync,
        Snapshot(Compression::Gz),
        Append(30),
        Sync,
        Truncate(2),
        Append(60),
        Append(1100),
        Sync,
        Accept(2),
        Begin(2),
        // Caught up by a leader of the new epoch before its epoch is written.
        Append(50),
        Sync,
        Follow(2),
        Append(400),
        Append(500),
        Append(70),
        Sync,
        Snapshot(Compression::Snappy),
        Append(10),
        Sync,
        Snapshot(Compression::None),
        Purge,
        Append(800),
        Append(90),
        Accept(4),
        Begin(4),
        Replace(3),
        Follow(4),
        Append(10),
        Append(1200),
        Append(20),
        Sync,
        Purge,
        Append(33),
        Append(44),
    ]
};

/// So many ways to lose sectors are tried at each call.
const SEEDS: u64 = 12;

/// What the cases came to.
#[derive(Debug, Default)]
struct Tally {
    /// Power cuts after which everything that was handed over was there.
    all: u64,
    /// Those after which only a beginning was.
    beginning: u64,
    /// Those that left a hole in the last batch, which is refused.
    holes: u64,
    /// Second cuts, during recovery.
    second: u64,
    /// Cuts behind a start after a kill.
    killed: u64,
}

fn ways_to_survive(fs: &MemFs) -> Vec<Keep> {
    let mut ways = vec![Keep::Nothing, Keep::Everything];
    for ops in 0..fs.unsynced() {
        ways.extend([0, 1, 13, 100, 511, 512, 1024, 4096].map(|bytes| Keep::First { ops, bytes }));
    }
    ways.extend((0..SEEDS).map(Keep::Random));
    ways
}

fn start(fs: &MemFs) -> store::Result<Found> {
    recover(fs, Path::new(DATA_DIR), Mode::Ensemble)
}

/// Checks what a start has found against what must be there.
fn check(found: &Found, truth: &Truth, what: &str) {
    let there = zxids_of(&found.state);
    let is_beginning = truth.zxids.starts_with(&there) && there.len() >= truth.least;
    let is_leaders = truth.instead.as_ref() == Some(&there);
    assert!(is_beginning || is_leaders, "{what}: {there:?} is there instead of {truth:?}");
    assert_eq!(Some(&found.state.zxid), there.last().or(Some(&wire::Zxid::ZERO)), "{what}");
    let (accepted, current) = found.epochs.expect("a member of an ensemble has epochs");
    assert!(current <= accepted, "{what}: current epoch {current}, accepted {accepted}");
    assert!(truth.accepted.contains(&accepted), "{what}: accepted epoch {accepted} instead of {:?}", truth.accepted);
    let raised = found.state.zxid.epoch().0;
    assert!(
        truth.current.contains(&current) || current == raised,
        "{what}: current epoch {current} instead of {:?}",
        truth.current
    );
}

/// A later part of an unfinished batch survived. It cannot be told from a transaction that was acknowledged and is damaged.
fn check_refused(fs: &MemFs, log: &Path, what: &str) {
    let before = fs.read(log);
    let Err(error) = start(fs) else { panic!("{what}: a hole in {} was not noticed", log.display()) };
    let text = error.to_string();
    let file = log.display().to_string();
    for part in [&*file, "lies behind it", "power", "move version-2 aside", "hint: "] {
        assert!(text.contains(part), "{what}: {part:?} is missing in: {text}");
    }
    assert_eq!(fs.read(log), before, "{what}: nothing may be changed");
}

/// The power goes again at each call of the start.
fn cut_again(fs: &MemFs, first: &Found, what: &str) -> u64 {
    let calls = {
        let copy = fs.fork();
        start(&copy).expect("it started a moment ago");
        copy.calls()
    };
    let mut cases = 0;
    for call in 1..=calls {
        for keep in [Keep::Nothing, Keep::Everything, Keep::Random(call)] {
            let copy = fs.fork();
            (call..call + 20).for_each(|call| copy.fail_call(call, Fault::Io));
            let what = format!("{what}; then at call {call} of the start, {keep:?}");
            assert!(start(&copy).is_err(), "{what}: a call failed and nobody noticed");
            copy.crash(keep);
            let second = start(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(first.state.difference(&second.state), None, "{what}");
            assert_eq!(first.epochs, second.epochs, "{what}");
            cases += 1;
        }
    }
    cases
}

fn cut_at(call: u64, tally: &mut Tally) {
    let probe = MemFs::new();
    drop(run(&probe, WORKLOAD, Some(call)));
    for keep in ways_to_survive(&probe) {
        let what = format!("power cut at call {call}, {keep:?}");
        let fs = MemFs::new();
        let truth = run(&fs, WORKLOAD, Some(call));
        fs.crash(keep);
        if let Some(log) = has_hole(&fs, &truth) {
            assert!(matches!(keep, Keep::Random(_)), "{what}: only sectors in disorder leave a hole");
            check_refused(&fs, &log, &what);
            tally.holes += 1;
            continue;
        }
        let crashed = fs.fork();
        let found = start(&fs).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&found, &truth, &what);
        let is_all = zxids_of(&found.state) == truth.zxids;
        *(if is_all { &mut tally.all } else { &mut tally.beginning }) += 1;
        let again = start(&fs).unwrap_or_else(|error| panic!("{what}: second start: {error}"));
        assert!(!again.cut, "{what}: the second start has something to cut");
        assert_eq!(found.state.difference(&again.state), None, "{what}: at the second start");
        if matches!(keep, Keep::Nothing | Keep::Everything | Keep::Random(0)) {
            tally.second += cut_again(&crashed, &found, &what);
        }
    }
}

/// The process is killed at a call and starts again; then the power goes. What the start has found must still be there: the
/// server may have voted with it.
fn killed_then_cut_at(call: u64, tally: &mut Tally) {
    for keep in [Keep::Nothing, Keep::Everything, Keep::Random(call)] {
        let what = format!("killed at call {call}, started, power cut, {keep:?}");
        let fs = MemFs::new();
        let truth = run(&fs, WORKLOAD, Some(call));
        fs.kill();
        let found = start(&fs).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&found, &truth, &what);
        fs.crash(keep);
        let again = start(&fs).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(found.state.difference(&again.state), None, "{what}");
        assert_eq!(found.epochs, again.epochs, "{what}");
        tally.killed += 1;
    }
}

/// Every second call, from `first` on: the two halves run side by side.
fn at_every_second_call(first: u64) {
    let whole = MemFs::new();
    let truth = run(&whole, WORKLOAD, None);
    let calls = whole.calls();
    assert_eq!(truth.least + 2, truth.zxids.len(), "the workload runs to its end");
    let mut tally = Tally::default();
    for call in (first..=calls).step_by(2) {
        cut_at(call, &mut tally);
        killed_then_cut_at(call, &mut tally);
    }
    println!("power cut at every second of {calls} calls: {tally:?}");
    assert!(tally.all > 0 && tally.beginning > 0 && tally.holes > 0 && tally.second > 0, "{tally:?}");
}

#[test]
fn at_every_odd_call_of_a_workload() {
    at_every_second_call(1);
}

#[test]
fn at_every_even_call_of_a_workload() {
    at_every_second_call(2);
}
