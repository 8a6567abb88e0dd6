//! Starting, truncating, retention, epochs and locks.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what it did not expect")]

mod common;

use std::path::{Path, PathBuf};

use common::*;
use store::purge::{Plan, Snapshot, plan, purge};
use store::testing::{Fault, Keep, MemFs};
use store::*;
use wire::{Epoch, Zxid};

fn start(fs: &MemFs, settings: &RecoverSettings) -> Result<(Recovered, Model)> {
    let mut model = Model::default();
    let recovered = recover(&fs.vfs(), &dirs(), settings, &mut model)?;
    Ok((recovered, model))
}

fn empty_dirs() -> MemFs {
    let fs = MemFs::new();
    drop(open_dirs(&fs, &dirs(), Autocreate::Yes).unwrap());
    fs
}

#[test]
fn new_database_writes_the_first_snapshot() {
    let fs = empty_dirs();
    let (first, _) = start(&fs, &RecoverSettings::default()).unwrap();
    assert_eq!((first.origin, first.last), (Origin::New, Zxid(0)));
    fs.crash(Keep::Nothing);
    let (second, _) = start(&fs, &RecoverSettings::default()).unwrap();
    assert_eq!((second.origin, second.last), (Origin::Snapshot(Zxid(0)), Zxid(0)));
    assert_eq!(second.trailer, trailer(0));
}

#[test]
fn without_autocreate_only_the_marker_makes_a_database() {
    let settings = RecoverSettings { autocreate_database: false, ..RecoverSettings::default() };
    let fs = empty_dirs();
    let (unknown, _) = start(&fs, &settings).unwrap();
    assert_eq!((unknown.origin, unknown.last), (Origin::Unknown, Zxid::NONE));
    assert!(list_snapshots(&fs, &dirs().snap_dir()).unwrap().is_empty());
    let marker = dirs().initialize_marker();
    assert_eq!(marker, Path::new("/data/initialize"));
    fs.write(&marker, b"");
    let (new, _) = start(&fs, &settings).unwrap();
    assert_eq!((new.origin, new.last), (Origin::Initialized, Zxid(0)));
    assert_eq!(fs.read(&marker), None);
    // It is used up by any start that finds a database, too.
    fs.write(&marker, b"");
    start(&fs, &settings).unwrap();
    assert_eq!(fs.read(&marker), None);
}

#[test]
fn a_crash_while_a_database_is_made_never_leaves_an_unknown_one() {
    let settings = RecoverSettings { autocreate_database: false, ..RecoverSettings::default() };
    for nth in 1..40 {
        let fs = empty_dirs();
        fs.write(&dirs().initialize_marker(), b"");
        fs.fail_call(nth, Fault::Io);
        let _outcome_of_the_first_start = start(&fs, &settings);
        fs.crash(Keep::Nothing);
        let (after, _) = start(&fs, &settings).unwrap();
        assert_eq!(after.last, Zxid(0), "call {nth}");
    }
}

#[test]
fn log_without_snapshot_is_refused_unless_trusted() {
    let fs = with_log(&[&[1, 2, 3]], 10);
    fs.remove(&dirs().snap_dir().join("snapshot.0")).unwrap();
    let error = start(&fs, &RecoverSettings::default()).unwrap_err();
    assert!(matches!(error, Error::LogWithoutSnapshot { first: Zxid(1), .. }), "{error}");
    let settings = RecoverSettings { trust_empty_snapshot: true, ..RecoverSettings::default() };
    let (trusted, model) = start(&fs, &settings).unwrap();
    assert_eq!((trusted.origin, trusted.last, model.zxids), (Origin::LogOnly, Zxid(3), vec![1, 2, 3]));
}

#[test]
fn only_the_log_behind_the_snapshot_is_replayed() {
    let fs = with_log(&[&[1, 2, 3], &[4, 5], &[6]], 10);
    for (zxid, replayed) in [(2, 4), (3, 3), (5, 1), (6, 0)] {
        save(&fs.vfs(), &Model::upto(1..=zxid), zxid, Compression::Gz);
        let (recovered, model) = recovered(&fs).unwrap();
        assert_eq!(recovered.origin, Origin::Snapshot(Zxid(zxid)));
        assert_eq!((recovered.last, recovered.entries), (Zxid(6), replayed));
        assert_eq!(model.zxids, [1, 2, 3, 4, 5, 6]);
    }
    // A snapshot from a leader, far ahead; then the log goes on behind it.
    save(&fs.vfs(), &Model::upto(1..=20), 20, Compression::None);
    let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid(20));
    log.append(Zxid(21), &txn(21, 1)).unwrap();
    log.sync().unwrap();
    assert_eq!(recovered(&fs).unwrap().1.zxids, (1..=21).collect::<Vec<_>>());
}

#[test]
fn undecodable_transaction_is_refused() {
    struct Picky;
    impl RecoverTarget for Picky {
        fn begin_snapshot(&mut self) {}
        fn load(&mut self, body: &mut dyn std::io::BufRead) -> Result<(), Rejected> {
            Model::default().load(body)
        }
        fn loaded(&mut self, _: Zxid, _: &SnapshotTrailer) {}
        fn empty(&mut self) {}
        fn replay(&mut self, _: bytes::Bytes) -> Result<(), Rejected> {
            Err(Rejected("unknown type 99".to_owned()))
        }
        fn write_body(&mut self, _: &mut dyn std::io::Write) -> std::io::Result<SnapshotTrailer> {
            Ok(SnapshotTrailer::default())
        }
    }
    let fs = with_log(&[&[1]], 10);
    let error = recover(&fs.vfs(), &dirs(), &RecoverSettings::default(), &mut Picky).unwrap_err();
    assert!(matches!(error, Error::Replay { zxid: Zxid(1), offset: 16, .. }), "{error}");
}

#[test]
fn truncate_table() {
    // Files and cut -> what is left, and the logs that are left.
    let e2 = 2_i64 << 32;
    let check = |groups: &[&[i64]], after: i64, left: &[i64], files: &[i64]| {
        let fs = with_log(groups, 30);
        let last = groups.last().unwrap().last().unwrap();
        let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid(*last));
        let truncated = log.truncate(&dirs().snap_dir(), Zxid(after)).unwrap();
        let what = format!("{groups:?} after {after:#x}");
        assert_eq!(truncated.last.map_or(0, |last| last.0), left.last().copied().unwrap_or(0), "{what}");
        fs.crash(Keep::Nothing);
        let (_, model) = recovered(&fs).unwrap();
        assert_eq!(model.zxids, left, "{what}");
        let logs: Vec<_> = list_logs(&fs, &log_dir()).unwrap().iter().map(|(zxid, _)| zxid.0).collect();
        assert_eq!(logs, files, "{what}");
        if let Some((_, path)) = list_logs(&fs, &log_dir()).unwrap().last() {
            let bytes = fs.read(path).unwrap();
            assert_eq!(data_end(&bytes), bytes.len(), "{what}: no padding is left");
        }
        let next = Zxid(after.max(0)).next().unwrap();
        let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid(after));
        log.append(next, &txn(next.0, 5)).unwrap();
        log.sync().unwrap();
        assert_eq!(recovered(&fs).unwrap().1.zxids, [left, &[next.0]].concat(), "{what}: and goes on");
    };
    check(&[&[1, 2, 3, 4]], 2, &[1, 2], &[1]);
    check(&[&[1, 2, 3, 4]], 4, &[1, 2, 3, 4], &[1]);
    check(&[&[1, 2], &[3, 4], &[5]], 3, &[1, 2, 3], &[1, 3]);
    check(&[&[1, 2], &[3, 4], &[5]], 2, &[1, 2], &[1]);
    check(&[&[1, 2], &[3, 4], &[5]], 1, &[1], &[1]);
    check(&[&[1, 2], &[3, 4], &[5]], 0, &[], &[]);
    // The cut names no transaction: the start of an epoch.
    check(&[&[1, 2], &[e2 + 1, e2 + 2]], e2, &[1, 2], &[1]);
    check(&[&[1, 2, e2 + 1, e2 + 2]], e2, &[1, 2], &[1]);
}

#[test]
fn truncate_removes_snapshots_of_what_is_taken_back() {
    let fs = with_log(&[&[1, 2, 3, 4, 5]], 10);
    for zxid in [2, 3, 5] {
        save(&fs.vfs(), &Model::upto(1..=zxid), zxid, Compression::None);
    }
    let cut = truncate(&fs.vfs(), &log_dir(), &dirs().snap_dir(), Zxid(3), ENTRY_BYTES_MAX_DEFAULT).unwrap();
    assert_eq!(cut.removed, [dirs().snap_dir().join("snapshot.5")]);
    fs.crash(Keep::Nothing);
    let (recovered, model) = recovered(&fs).unwrap();
    assert_eq!((recovered.origin, model.zxids), (Origin::Snapshot(Zxid(3)), vec![1, 2, 3]));
}

#[test]
fn truncate_refusals_change_nothing() {
    let run = |fs: &MemFs, after: i64| {
        truncate(&fs.vfs(), &log_dir(), &dirs().snap_dir(), Zxid(after), ENTRY_BYTES_MAX_DEFAULT)
    };
    let fs = fresh();
    assert!(matches!(run(&fs, 1), Err(Error::NothingToTruncate { .. })));
    let fs = with_log(&[&[1, 2, 3]], 10);
    assert!(matches!(run(&fs, 7), Err(Error::TruncateBeyondEnd { last: Zxid(3), .. })));
    save(&fs.vfs(), &Model::upto([1, 2]), 2, Compression::None);
    fs.remove(&dirs().snap_dir().join("snapshot.0")).unwrap();
    assert!(matches!(run(&fs, 1), Err(Error::TruncateBelowSnapshots { oldest: Zxid(2), .. })));
    assert_eq!(recovered(&fs).unwrap().1.zxids, [1, 2, 3]);
}

/// A leader's snapshot need not continue what this server had: were the old snapshots and logs kept and the new snapshot
/// damaged one day, they would be taken for the whole history.
#[test]
fn nothing_of_a_history_that_a_leader_replaced_is_ever_read_again() {
    let fs = with_log(&[&[1, 2], &[3]], 10);
    let keep = |zxid| discard_all_but(&*fs.vfs(), &log_dir(), &dirs().snap_dir(), Zxid(zxid));
    assert!(keep(2).is_err(), "without the snapshot everything stays");
    assert_eq!(recovered(&fs).unwrap().1.zxids, [1, 2, 3]);
    save(&fs.vfs(), &Model::upto([1, 2]), 2, Compression::None);
    keep(2).unwrap();
    fs.crash(Keep::Nothing);
    assert_eq!(recovered(&fs).unwrap().1.zxids, [1, 2]);
    fs.flip(&dirs().snap_dir().join("snapshot.2"), 20, 1);
    let refused = recovered(&fs).map(|(found, _)| found.last);
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn crash_during_truncate_leaves_the_old_history_or_a_whole_shorter_one() {
    for nth in 1..80 {
        for keep in [Keep::Nothing, Keep::Everything] {
            let fs = with_log(&[&[1, 2], &[3, 4], &[5, 6], &[7]], 10);
            save(&fs.vfs(), &Model::upto(1..=3), 3, Compression::None);
            save(&fs.vfs(), &Model::upto(1..=6), 6, Compression::None);
            fs.fail_call(nth, Fault::Io);
            let done = truncate(&fs.vfs(), &log_dir(), &dirs().snap_dir(), Zxid(3), ENTRY_BYTES_MAX_DEFAULT).is_ok();
            fs.heal();
            fs.crash(keep);
            let (_, model) = recovered(&fs).unwrap();
            let last = *model.zxids.last().unwrap();
            assert_eq!(model.zxids, (1..=last).collect::<Vec<_>>(), "call {nth}, {keep:?}");
            assert!(last >= 3 && (!done || last == 3), "call {nth}, {keep:?}: {last}");
        }
    }
}

#[test]
fn purge_table() {
    let check = |snapshots: &[(i64, bool)], logs: &[i64], keep: usize, gone_snapshots: &[i64], gone_logs: &[i64]| {
        let path = |kind: &str, zxid: i64| PathBuf::from(format!("{kind}.{zxid}"));
        let found: Vec<_> = snapshots
            .iter()
            .map(|(zxid, valid)| Snapshot { zxid: Zxid(*zxid), path: path("snapshot", *zxid), valid: *valid })
            .collect();
        let found_logs: Vec<_> = logs.iter().map(|zxid| (Zxid(*zxid), path("log", *zxid))).collect();
        let expected = Plan {
            snapshots: gone_snapshots.iter().map(|zxid| path("snapshot", *zxid)).collect(),
            logs: gone_logs.iter().map(|zxid| path("log", *zxid)).collect(),
        };
        assert_eq!(plan(&found, &found_logs, keep).unwrap(), expected, "{snapshots:?} {logs:?} keep {keep}");
    };
    let good = |zxids: &[i64]| zxids.iter().map(|zxid| (*zxid, true)).collect::<Vec<_>>();
    check(&good(&[0, 10, 20, 30, 40]), &[1, 11, 21, 31, 41], 3, &[0, 10], &[1]);
    check(&good(&[0, 10, 20, 30, 40]), &[1, 20, 31, 41], 3, &[0, 10], &[1]);
    check(&good(&[40, 0, 30, 10, 20]), &[41, 1, 31], 3, &[0, 10], &[]);
    check(&good(&[0, 10, 20, 30, 40]), &[1, 5, 15], 4, &[0], &[1]);
    // Too few: only what is older than the oldest valid one.
    check(&good(&[10, 20]), &[1, 5, 11, 21], 3, &[], &[1]);
    check(&[(5, false), (10, true), (20, false)], &[1, 6, 11], 3, &[5], &[1]);
    // Invalid ones do not count, and none valid means that nothing goes.
    check(&[(0, true), (10, true), (20, false), (30, true), (40, false)], &[1, 11, 21], 3, &[], &[]);
    check(&[(10, false)], &[1, 5], 3, &[], &[]);
    check(&[], &[1, 5], 3, &[], &[]);
    assert!(matches!(plan(&[], &[], 2), Err(Error::KeepTooFew { expected: 3, found: 2 })));
}

#[test]
fn purge_keeps_every_kept_snapshot_recoverable() {
    let fs = with_log(&[&[1, 2], &[3, 4], &[5, 6], &[7, 8]], 10);
    for zxid in [2, 3, 5, 7] {
        save(&fs.vfs(), &Model::upto(1..=zxid), zxid, Compression::None);
    }
    let done = purge(&fs, &dirs(), 3).unwrap();
    assert_eq!((done.snapshots.len(), done.logs.len()), (2, 1));
    assert_eq!(recovered(&fs).unwrap().1.zxids, (1..=8).collect::<Vec<_>>());
    for newest in ["snapshot.7", "snapshot.5"] {
        fs.flip(&dirs().snap_dir().join(newest), 40, 1);
        assert_eq!(recovered(&fs).unwrap().1.zxids, (1..=8).collect::<Vec<_>>());
    }
    assert_eq!(purge(&fs, &dirs(), 3).unwrap(), Plan::default());
}

fn epochs(fs: &MemFs, last: i64) -> Result<Epochs> {
    epochs::load(fs, &dirs().snap_dir(), Zxid(last))
}

#[test]
fn epochs_are_created_written_and_read() {
    let fs = empty_dirs();
    let dir = dirs().snap_dir();
    let both = |accepted, current| Epochs { accepted: Epoch(accepted), current: Epoch(current) };
    assert_eq!(epochs(&fs, (3 << 32) + 5).unwrap(), both(3, 3));
    fs.crash(Keep::Nothing);
    assert_eq!(fs.read(&dir.join("currentEpoch")).unwrap(), b"3");
    epochs::write_accepted(&fs, &dir, Epoch(5)).unwrap();
    epochs::write_current(&fs, &dir, Epoch(4)).unwrap();
    fs.crash(Keep::Nothing);
    assert_eq!(epochs(&fs, (4 << 32) + 1).unwrap(), both(5, 4));
    fs.write(&dir.join("acceptedEpoch"), b"7\n");
    assert_eq!(epochs(&fs, 1).unwrap(), both(7, 4));
}

#[test]
fn epochs_that_cannot_be_are_refused() {
    let fs = empty_dirs();
    let dir = dirs().snap_dir();
    epochs(&fs, 1 << 32).unwrap();
    let error = epochs(&fs, 2 << 32).unwrap_err();
    assert!(matches!(error, Error::EpochBehindLog { expected: Epoch(2), found: Epoch(1), .. }), "{error}");
    // The rename was lost; an older left-over does not help.
    fs.write(&dir.join("currentEpoch.tmp"), b"1");
    assert!(matches!(epochs(&fs, 2 << 32), Err(Error::EpochBehindLog { .. })));
    fs.write(&dir.join("currentEpoch.tmp"), b"2");
    assert!(matches!(epochs(&fs, 2 << 32), Err(Error::AcceptedBehindCurrent { accepted: Epoch(1), .. })));
    epochs::write_accepted(&fs, &dir, Epoch(2)).unwrap();
    assert_eq!(epochs(&fs, 2 << 32).unwrap().current, Epoch(2));
    for garbage in [&b""[..], b"x", b" 1", b"\xff", b"99999999999999999999999"] {
        fs.write(&dir.join("acceptedEpoch"), garbage);
        assert!(matches!(epochs(&fs, 1), Err(Error::Damaged { .. })), "{garbage:?}");
    }
}

#[test]
fn unfinished_epoch_file_does_not_stop_a_start() {
    let fs = empty_dirs();
    let dir = dirs().snap_dir();
    epochs(&fs, 1 << 32).unwrap();
    epochs::write_accepted(&fs, &dir, Epoch(2)).unwrap();
    // The power went while currentEpoch was being raised to the log's epoch.
    fs.write(&dir.join("currentEpoch.tmp"), b"");
    assert!(matches!(epochs(&fs, 2 << 32), Err(Error::EpochBehindLog { .. })), "the caller may raise it again");
}

#[test]
fn one_epoch_file_without_the_other_is_refused() {
    let check = |missing: &str, epoch: i64| {
        let fs = empty_dirs();
        let dir = dirs().snap_dir();
        epochs(&fs, epoch << 32).unwrap();
        fs.remove(&dir.join(missing)).unwrap();
        epochs(&fs, epoch << 32).map_err(|error| error.to_string())
    };
    for (missing, epoch) in [("acceptedEpoch", 3), ("currentEpoch", 3), ("currentEpoch", 0)] {
        let text = check(missing, epoch).unwrap_err();
        assert!(text.contains(missing) && text.contains("hint:"), "{text}");
    }
    // The very first start may have been cut off between the two.
    assert_eq!(check("acceptedEpoch", 0).unwrap(), Epochs { accepted: Epoch(0), current: Epoch(0) });
}

#[test]
fn epoch_file_is_the_old_or_the_new_one_whatever_fails() {
    for nth in 1..8 {
        for keep in [Keep::Nothing, Keep::Everything, Keep::First { ops: 1, bytes: 0 }, Keep::Random(nth)] {
            let fs = empty_dirs();
            let dir = dirs().snap_dir();
            epochs(&fs, 1 << 32).unwrap();
            epochs::write_accepted(&fs, &dir, Epoch(9)).unwrap();
            fs.fail_call(nth, Fault::Io);
            let done = epochs::write_current(&fs, &dir, Epoch(8)).is_ok();
            fs.crash(keep);
            let current = epochs(&fs, 1 << 32).unwrap().current;
            assert!(current == Epoch(8) || (!done && current == Epoch(1)), "call {nth}, {keep:?}: {current}");
        }
    }
}

#[test]
fn second_process_is_refused_by_name() {
    let tmp = tempfile::tempdir().unwrap();
    let dirs = DataDirs::single(tmp.path().join("data"));
    let held = open_dirs(&RealFs, &dirs, Autocreate::Yes).unwrap();
    let error = open_dirs(&RealFs, &dirs, Autocreate::Yes).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Locked { .. }), "{text}");
    assert!(text.contains(dirs.snap_dir().to_str().unwrap()), "{text}");
    assert!(text.contains(&format!("pid {}", std::process::id())), "{text}");
    drop(held);
    drop(open_dirs(&RealFs, &dirs, Autocreate::No).unwrap());
}

#[test]
fn directories_are_checked() {
    let fs = MemFs::new();
    let split = DataDirs { data_dir: "/snap".into(), data_log_dir: "/log".into() };
    let error = open_dirs(&fs, &split, Autocreate::No).unwrap_err();
    assert!(matches!(error, Error::MissingDirectory { .. }), "{error}");
    drop(open_dirs(&fs, &split, Autocreate::Yes).unwrap());
    fs.write(Path::new("/log/version-2/snapshot.5"), b"");
    let error = open_dirs(&fs, &split, Autocreate::Yes).unwrap_err();
    assert!(matches!(error, Error::MisplacedFile { kind: "snapshot", .. }), "{error}");
    fs.remove(Path::new("/log/version-2/snapshot.5")).unwrap();
    fs.write(Path::new("/snap/version-2/log.5"), b"");
    let error = open_dirs(&fs, &split, Autocreate::Yes).unwrap_err();
    assert!(matches!(error, Error::MisplacedFile { kind: "transaction log", .. }), "{error}");
}

#[test]
fn the_same_over_real_files() {
    let tmp = tempfile::tempdir().unwrap();
    let dirs = DataDirs { data_dir: tmp.path().join("snap"), data_log_dir: tmp.path().join("log") };
    let vfs: std::sync::Arc<dyn Vfs> = std::sync::Arc::new(RealFs);
    let _lock = open_dirs(&RealFs, &dirs, Autocreate::Yes).unwrap();
    for life in 0..3 {
        let mut model = Model::default();
        let recovered = recover(&vfs, &dirs, &RecoverSettings::default(), &mut model).unwrap();
        assert_eq!(model.zxids, (1..=life * 10).collect::<Vec<_>>());
        let mut log = TxnLog::open(vfs.clone(), dirs.log_dir(), LogSettings::default(), recovered.last);
        for zxid in life * 10 + 1..=life * 10 + 10 {
            log.append(Zxid(zxid), &txn(zxid, 100)).unwrap();
            if zxid % 3 == 0 {
                log.sync().unwrap();
            }
        }
        log.sync().unwrap();
    }
    let mut log = TxnLog::open(vfs.clone(), dirs.log_dir(), LogSettings::default(), Zxid(30));
    log.truncate(&dirs.snap_dir(), Zxid(15)).unwrap();
    let mut model = Model::default();
    recover(&vfs, &dirs, &RecoverSettings::default(), &mut model).unwrap();
    assert_eq!(model.zxids, (1..=15).collect::<Vec<_>>());
}
