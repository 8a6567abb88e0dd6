//! The log on a disk that fails, fills up and loses power: what `sync` returned is there afterwards, in order.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what it did not expect")]

mod common;

use common::*;
use proptest::prelude::*;
use store::testing::{Fault, Keep, MemFs};
use store::*;
use wire::Zxid;

/// What a workload does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(usize),
    Sync,
    Roll,
}

const WORKLOAD: [Step; 16] = {
    use Step::*;
    [
        Append(10),
        Append(700),
        Sync,
        Append(5),
        Sync,
        Roll,
        Append(2000),
        Append(1),
        Sync,
        Append(9000),
        Sync,
        Append(40),
        Roll,
        Append(50),
        Append(60),
        Sync,
    ]
};

/// Starts, then runs until a call fails; returns the last zxid appended and the last one that a returned `sync` covers.
/// `fault` names the call to fail, counted from the end of the start.
fn run(fs: &MemFs, steps: &[Step], fault: Option<(u64, Fault)>) -> (i64, i64) {
    let (_, model) = recovered(fs).unwrap();
    let start = model.zxids.last().copied().unwrap_or(0);
    if let Some((nth, fault)) = fault {
        fs.fail_call(nth, fault);
    }
    let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid(start));
    let mut synced = start;
    for step in steps {
        let outcome = match step {
            Step::Append(size) => {
                let next = log.appended().0 + 1;
                log.append(Zxid(next), &txn(next, *size))
            }
            Step::Sync => log.sync().map(|position| synced = position.0),
            Step::Roll => {
                log.roll();
                Ok(())
            }
        };
        assert!(log.synced() <= log.written() && log.written() <= log.appended());
        if outcome.is_err() {
            // A part of a batch may have become durable, and then it was said so.
            synced = synced.max(log.synced().0);
            break;
        }
    }
    (log.appended().0, synced)
}

/// After a crash: what was synced is there, nothing was invented, and a second start sees the same.
fn check(fs: &MemFs, appended: i64, synced: i64, what: &str) {
    let (first, model) = recovered(fs).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(first.last.0 >= synced, "{what}: {synced} was synced, {} is there", first.last);
    assert!(first.last.0 <= appended, "{what}: {appended} was appended, {} is there", first.last);
    assert_eq!(model.zxids, (1..=first.last.0).collect::<Vec<_>>(), "{what}");
    let (again, second) = recovered(fs).unwrap();
    assert_eq!((again.last, again.cut_tail), (first.last, None), "{what}");
    assert_eq!(model.zxids, second.zxids, "{what}");
}

/// How many calls the workload makes after its start.
fn workload_calls() -> u64 {
    let fs = fresh();
    let before = fs.calls();
    recovered(&fs).unwrap();
    let start = fs.calls() - before;
    run(&fs, &WORKLOAD, None);
    let calls = fs.calls() - before - 2 * start;
    assert!(calls > 20, "the workload makes calls, found {calls}");
    calls
}

#[test]
fn each_call_fails_in_turn() {
    let calls = workload_calls();
    for fault in [Fault::Io, Fault::NoSpace] {
        for nth in 1..=calls {
            for keep in [Keep::Nothing, Keep::Everything] {
                let fs = fresh();
                let (appended, synced) = run(&fs, &WORKLOAD, Some((nth, fault)));
                fs.heal();
                fs.crash(keep);
                check(&fs, appended, synced, &format!("call {nth} fails with {fault:?}, {keep:?}"));
            }
        }
    }
}

#[test]
fn each_call_of_a_start_fails_in_turn() {
    let fs = with_log(&[&[1, 2], &[3]], 20);
    let path = log_dir().join("log.3");
    let mut bytes = fs.read(&path).unwrap();
    let end = data_end(&bytes);
    bytes.truncate(end - 3);
    fs.write(&path, &bytes);
    let calls = {
        let copy = fs.fork();
        recovered(&copy).unwrap();
        copy.calls()
    };
    for nth in 1..=calls {
        for keep in [Keep::Nothing, Keep::Everything] {
            let copy = fs.fork();
            copy.fail_call(nth, Fault::Io);
            assert!(recovered(&copy).is_err(), "call {nth} of {calls} fails the start");
            copy.crash(keep);
            let (_, model) = recovered(&copy).unwrap();
            assert_eq!(model.zxids, [1, 2], "after call {nth} failed");
        }
    }
}

#[test]
fn power_is_cut_after_each_change() {
    let calls = workload_calls();
    for nth in 1..=calls {
        for ops in 0..6 {
            for bytes in [0, 1, 15, 16, 27, 100, 1000] {
                let fs = fresh();
                let (appended, synced) = run(&fs, &WORKLOAD, Some((nth, Fault::Io)));
                if ops > fs.unsynced() {
                    continue;
                }
                fs.crash(Keep::First { ops, bytes });
                check(&fs, appended, synced, &format!("call {nth}, then {ops} changes and {bytes} bytes survive"));
            }
        }
    }
}

/// Appends one large transaction and syncs until there is room; nothing may count as written before.
fn fill_up(fs: &MemFs, log: &mut TxnLog, free_pages: u64) {
    let synced = log.synced();
    let next = synced.next().unwrap();
    let files = fs.paths().into_iter().map(|path| (fs.read(&path), path)).collect::<Vec<_>>();
    fs.set_capacity(Some(fs.used_bytes() + free_pages * 4096));
    log.append(next, &txn(next.0, 20_000)).unwrap();
    for _ in 0..3 {
        let error = log.sync().unwrap_err();
        assert!(error.is_no_space(), "{error}");
        assert_eq!((log.synced(), log.written(), log.appended()), (synced, synced, next));
        for (bytes, path) in &files {
            // Only padding may be gone.
            let (before, now) = (bytes.as_ref().unwrap(), fs.read(path).unwrap());
            assert_eq!(before[..data_end(before)], now[..data_end(&now)], "{}", path.display());
        }
        assert_eq!(fs.paths().len(), files.len(), "no new file is left");
        check(&fs.fork(), synced.0, synced.0, "a start while the disk is full");
    }
    // Clients go on; their transactions wait as well.
    let second = next.next().unwrap();
    log.append(second, &txn(second.0, 10)).unwrap();
    assert!(log.sync().unwrap_err().is_no_space());
    fs.set_capacity(None);
    assert_eq!(log.sync().unwrap(), second);
    let copy = fs.fork();
    check(&copy, second.0, second.0, "after there was room");
}

#[test]
fn full_disk_keeps_the_batch_and_goes_on_when_there_is_room() {
    // The first file, an open file, a new one; without any room and with room for a part of the batch.
    for free_pages in [0, 1, 3] {
        let fs = fresh();
        let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid::ZERO);
        fill_up(&fs, &mut log, free_pages);
        fill_up(&fs, &mut log, free_pages);
        log.roll();
        fill_up(&fs, &mut log, free_pages);
        fs.crash(Keep::Nothing);
        check(&fs, 6, 6, "everything synced survives a crash");
    }
}

#[test]
fn failed_sync_is_final() {
    for fault in [Fault::Io, Fault::NoSpace] {
        let fs = fresh();
        let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid::ZERO);
        log.append(Zxid(1), &txn(1, 5)).unwrap();
        log.sync().unwrap();
        log.append(Zxid(2), &txn(2, 5)).unwrap();
        fs.fail_call(2, fault);
        let error = log.sync().unwrap_err();
        assert!(matches!(error, Error::SyncFailed { .. }), "{fault:?}: {error}");
        assert_eq!(log.synced(), Zxid(1));
        assert!(matches!(log.sync(), Err(Error::LogFailed { .. })), "no second try");
        assert!(matches!(log.append(Zxid(3), &txn(3, 5)), Err(Error::LogFailed { .. })));
    }
}

#[test]
fn one_write_and_one_sync_per_batch() {
    let fs = fresh();
    let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid::ZERO);
    log.append(Zxid(1), &txn(1, 5)).unwrap();
    log.sync().unwrap();
    for zxid in 2..100 {
        log.append(Zxid(zxid), &txn(zxid, 1)).unwrap();
    }
    let before = fs.calls();
    log.sync().unwrap();
    assert_eq!(fs.calls() - before, 2, "write, fdatasync");
    log.append(Zxid(100), &txn(100, 1)).unwrap();
    let before = fs.calls();
    log.sync().unwrap();
    assert_eq!(fs.calls() - before, 3, "grow, write, fdatasync");
    let before = fs.calls();
    log.sync().unwrap();
    assert_eq!(fs.calls(), before, "nothing to do");
}

#[test]
fn files_are_named_after_their_first_transaction_and_rolled() {
    let fs = fresh();
    let settings = LogSettings { prealloc_bytes: 0, file_bytes_limit: Some(1024), ..LogSettings::default() };
    let mut log = TxnLog::open(fs.vfs(), log_dir(), settings, Zxid::ZERO);
    for zxid in 1..=10 {
        log.append(Zxid(zxid), &txn(zxid, 400)).unwrap();
        log.sync().unwrap();
    }
    let names: Vec<_> = list_logs(&fs, &log_dir()).unwrap().iter().map(|(zxid, _)| zxid.0).collect();
    assert_eq!(names, [1, 4, 7, 10]);
    assert!(log.total_bytes() > 4000);
    log.reset_total_bytes();
    assert!(log.total_bytes() < 1000);
    log.roll();
    log.roll();
    log.append(Zxid(11), &txn(11, 1)).unwrap();
    log.roll();
    log.append(Zxid(12), &txn(12, 1)).unwrap();
    log.sync().unwrap();
    let names: Vec<_> = list_logs(&fs, &log_dir()).unwrap().iter().map(|(zxid, _)| zxid.0).collect();
    assert_eq!(names, [1, 4, 7, 10, 11, 12]);
    assert_eq!(read_all(&fs.vfs(), 5, 11), [5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(read_all(&fs.vfs(), 0, i64::MAX), (1..=12).collect::<Vec<_>>());
    assert_eq!(read_all(&fs.vfs(), 13, i64::MAX), [0; 0]);
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![0..200_usize, 3000..6000_usize].prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::Roll),
    ]
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![
        Just(Keep::Nothing),
        Just(Keep::Everything),
        (0..8_usize, 0..7000_usize).prop_map(|(ops, bytes)| Keep::First { ops, bytes }),
        any::<u64>().prop_map(Keep::Random),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Life after life: append, sync, lose power, recover. Where sectors of an unfinished batch survive in any order, a
    /// start may be refused, because a whole transaction lies behind a bad one; it must never lose what was synced.
    #[test]
    fn lives(lives in prop::collection::vec((prop::collection::vec(step(), 0..12), 1..60_u64, keep()), 1..5)) {
        let fs = fresh();
        for (steps, fail_at, keep) in lives {
            let (appended, synced) = run(&fs, &steps, Some((fail_at, Fault::Io)));
            fs.heal();
            fs.crash(keep);
            if let Keep::Random(_) = keep {
                match recovered(&fs) {
                    Ok(_) => {}
                    Err(Error::Damaged { .. }) => return Ok(()),
                    Err(error) => panic!("{error}"),
                }
            }
            check(&fs, appended, synced, &format!("{steps:?}, {keep:?}"));
        }
    }
}
