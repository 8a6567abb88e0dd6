//! Snapshots: every packing there and back, damage, and the fall back to an older one.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what it did not expect")]

mod common;

use std::io::Read;
use std::path::Path;

use common::*;
use store::testing::{Fault, Keep, MemFs};
use store::*;
use wire::Zxid;

const ALL: [Compression; 3] = [Compression::None, Compression::Gz, Compression::Snappy];

fn newest(fs: &MemFs) -> SnapshotFile {
    list_snapshots(fs, &dirs().snap_dir()).unwrap().remove(0)
}

fn load(fs: &MemFs, file: &SnapshotFile) -> Result<(Model, SnapshotTrailer), String> {
    let mut model = Model::default();
    let mut reader = SnapshotReader::open(fs, file).map_err(|error| error.to_string())?;
    model.load(&mut reader).map_err(|error| error.to_string())?;
    Ok((model, reader.finish().map_err(|error| error.to_string())?))
}

#[test]
fn round_trip_of_every_packing_and_trailer() {
    let digest = ZxidDigest { zxid: Zxid(7), version: 2, digest: u64::MAX - 5 };
    let trailers = [
        SnapshotTrailer::default(),
        SnapshotTrailer { digest: Some(digest), last_processed: None },
        SnapshotTrailer { digest: None, last_processed: Some(Zxid(9)) },
        SnapshotTrailer { digest: Some(digest), last_processed: Some(Zxid(9)) },
    ];
    for compression in ALL {
        for trailer in trailers {
            // Many buffers and blocks long, and not a multiple of either.
            for count in [0, 3, 80_001] {
                let fs = fresh();
                let model = Model::upto((0..count).map(|at| at * 7919));
                let dir = dirs().snap_dir();
                let mut out = SnapshotWriter::create(&fs.vfs(), &dir, Zxid(9), compression).unwrap();
                for chunk in model.body().chunks(1000) {
                    out.append(chunk).unwrap();
                }
                assert!(
                    list_snapshots(&fs, &dir).unwrap().iter().all(|file| file.zxid != Zxid(9)),
                    "not before finish"
                );
                let bytes = out.finish(trailer).unwrap();
                fs.crash(Keep::Nothing);
                let file = newest(&fs);
                assert_eq!(file.path, dir.join(snapshot_name(Zxid(9), compression)));
                assert_eq!(fs.metadata(&file.path).unwrap().len, bytes);
                assert!(looks_valid(&fs, &file).unwrap());
                let (loaded, found) = load(&fs, &file).unwrap();
                assert!(loaded.zxids == model.zxids, "{compression:?} {count}");
                assert_eq!(found, trailer, "{compression:?} {count}");
            }
        }
    }
}

#[test]
fn older_formats_without_sections_are_read() {
    // 3.5 ends after the first seal, 3.6 to 3.8 after the second.
    let fs = fresh();
    save(&fs.vfs(), &Model::upto([1, 2]), 2, Compression::None);
    let file = newest(&fs);
    let whole = fs.read(&file.path).unwrap();
    for (cut, digest) in [(54, false), (21, true)] {
        fs.write(&file.path, &whole[..whole.len() - cut]);
        let (model, trailer) = load(&fs, &file).unwrap();
        assert_eq!(model.zxids, [1, 2]);
        assert_eq!((trailer.digest.is_some(), trailer.last_processed), (digest, None));
    }
}

#[test]
fn damaged_newest_snapshot_falls_back_to_the_older_and_its_log() {
    for compression in ALL {
        let base = with_log(&[&[1, 2, 3, 4, 5, 6]], 10);
        save(&base.vfs(), &Model::upto([1, 2]), 2, Compression::None);
        let path = save(&base.vfs(), &Model::upto([1, 2, 3, 4]), 4, compression);
        let whole = base.read(&path).unwrap();
        let check = |bytes: &[u8], what: &str| {
            let fs = base.fork();
            fs.write(&path, bytes);
            let (recovered, model) = recovered(&fs).unwrap_or_else(|error| panic!("{compression:?} {what}: {error}"));
            assert_eq!(model.zxids, [1, 2, 3, 4, 5, 6], "{compression:?} {what}");
            assert_eq!(recovered.last, Zxid(6), "{compression:?} {what}");
            recovered.origin == Origin::Snapshot(Zxid(4))
        };
        assert!(check(&whole, "as it was"));
        for cut in 0..whole.len() {
            // A plain snapshot cut between two seals is a whole snapshot of an older version.
            let used = check(&whole[..cut], &format!("cut at {cut}"));
            let sealed = compression == Compression::None && [whole.len() - 54, whole.len() - 21].contains(&cut);
            assert_eq!(used, sealed, "{compression:?} cut at {cut}");
        }
        for offset in 0..whole.len() {
            for bit in [0, 3, 7] {
                let mut flipped = whole.clone();
                flipped[offset] ^= 1 << bit;
                let used = check(&flipped, &format!("bit {bit} of byte {offset}"));
                // A packing has bits that nobody reads (gzip: time, padding of the last block; snappy: version).
                assert!(!used || compression != Compression::None, "byte {offset}");
            }
        }
    }
}

#[test]
fn fall_back_that_would_lose_transactions_is_refused() {
    // The log ends before the damaged snapshot: it came from a leader.
    let fs = with_log(&[&[1, 2, 3]], 10);
    let path = save(&fs.vfs(), &Model::upto(1..=9), 9, Compression::None);
    fs.flip(&path, 30, 1);
    let error = recovered(&fs).unwrap_err();
    assert!(matches!(error, Error::HistoryLost { reached: Zxid(3), lost: Zxid(9), .. }), "{error}");
    assert!(error.to_string().contains("hint:"));
    // Cut short it is the same.
    fs.write(&path, b"ZKSN");
    assert!(matches!(recovered(&fs), Err(Error::HistoryLost { .. })));
}

#[test]
fn damaged_snapshot_of_a_leader_is_not_skipped_where_the_log_has_a_hole_behind_an_epoch() {
    // The leader sent the snapshot of 9 in place of 4 to 9; then it began a new epoch, which hides the gap.
    let next = 1 << 32;
    let fs = with_log(&[&[1, 2, 3], &[next + 1, next + 2]], 10);
    save(&fs.vfs(), &Model::upto(1..=9), 9, Compression::None);
    assert_eq!(recovered(&fs).unwrap().1.zxids.len(), 11);
    fs.flip(&dirs().snap_dir().join("snapshot.9"), 40, 1);
    let error = recovered(&fs).unwrap_err();
    assert!(matches!(error, Error::HistoryLost { reached: Zxid(3), lost: Zxid(9), .. }), "{error}");
}

#[test]
fn snapshot_ahead_of_the_log_gives_way_to_an_older_one() {
    // Written while 3 and 4 were applied, which the log then lost: it holds a part of them.
    let mixed = |fs: &MemFs| {
        let mut out = SnapshotWriter::create(&fs.vfs(), &dirs().snap_dir(), Zxid(2), Compression::None).unwrap();
        out.append(&Model::upto([1, 2, 4]).body()).unwrap();
        out.finish(trailer(4)).unwrap();
    };
    let fs = with_log(&[&[1, 2]], 10);
    mixed(&fs);
    let (found, model) = recovered(&fs).unwrap();
    assert_eq!((model.zxids, found.last), (vec![1, 2], Zxid(2)));
    assert_eq!(found.unusable.len(), 1, "it is told");
    // While the log leads on, the snapshot is as good as any.
    let fs = with_log(&[&[1, 2, 3, 4]], 10);
    mixed(&fs);
    assert_eq!(recovered(&fs).unwrap().0.origin, Origin::Snapshot(Zxid(2)));
    // And it is better than nothing.
    let fs = with_log(&[&[1, 2]], 10);
    mixed(&fs);
    fs.vfs().remove(&dirs().snap_dir().join("snapshot.0")).unwrap();
    assert_eq!(recovered(&fs).unwrap().0.origin, Origin::Snapshot(Zxid(2)));
}

#[test]
fn no_good_snapshot_is_refused() {
    let fs = fresh();
    let path = save(&fs.vfs(), &Model::upto([1]), 1, Compression::None);
    fs.remove(&dirs().snap_dir().join("snapshot.0")).unwrap();
    fs.flip(&path, 20, 1);
    assert!(matches!(recovered(&fs), Err(Error::NoUsableSnapshot { .. })));
    fs.write(&path, b"");
    assert!(matches!(recovered(&fs), Err(Error::NoUsableSnapshot { .. })));
}

#[test]
fn unfinished_snapshot_leaves_nothing_and_every_failure_is_clean() {
    for compression in ALL {
        let calls = {
            let fs = fresh();
            let before = fs.calls();
            save(&fs.vfs(), &Model::upto(1..=40_000), 40_000, compression);
            fs.calls() - before
        };
        for nth in 1..=calls {
            for fault in [Fault::Io, Fault::NoSpace] {
                let fs = fresh();
                let before = fs.paths();
                fs.fail_call(nth, fault);
                let outcome = (|| {
                    let vfs = fs.vfs();
                    let mut out = SnapshotWriter::create(&vfs, &dirs().snap_dir(), Zxid(40_000), compression)?;
                    out.append(&Model::upto(1..=40_000).body())?;
                    out.finish(trailer(40_000))
                })();
                let error = outcome.unwrap_err();
                let retry = error.is_no_space();
                let renamed = nth == calls;
                assert!(retry || fault == Fault::Io || matches!(error, Error::SyncFailed { .. }), "{error}");
                assert!(renamed || fs.paths() == before, "call {nth}: a temporary file is left");
                fs.crash(Keep::Nothing);
                assert_eq!(recovered(&fs).unwrap().0.last, Zxid(0), "call {nth}");
            }
        }
    }
}

#[test]
fn temporary_files_are_never_read_and_removed_at_start() {
    let fs = fresh();
    let whole = save(&fs.vfs(), &Model::upto([1]), 1, Compression::None);
    let temporary = dirs().snap_dir().join("snapshot.1.tmp");
    fs.rename(&whole, &temporary).unwrap();
    assert_eq!(recovered(&fs).unwrap().0.last, Zxid(0));
    assert_eq!(fs.read(&temporary), None);
}

#[test]
fn reader_never_panics_on_noise() {
    let mut seed = 1_u64;
    for round in 0..2000_u64 {
        let name = ["snapshot.1", "snapshot.1.gz", "snapshot.1.snappy"][round as usize % 3];
        let mut bytes = golden(["snapshot.3", "snapshot.3.gz", "snapshot.3.snappy"][round as usize % 3]);
        for _ in 0..=round % 7 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) as usize % bytes.len();
            bytes[at] = (seed >> 20) as u8;
        }
        let fs = MemFs::new();
        fs.write(&Path::new("/s").join(name), &bytes);
        let file = list_snapshots(&fs, Path::new("/s")).unwrap().remove(0);
        let Ok(mut reader) = SnapshotReader::open(&fs, &file) else { continue };
        // The body of the golden file; whatever comes is read and checked.
        let mut body = vec![0; golden("snapshot.3").len() - 67 - 16];
        if reader.read_exact(&mut body).is_ok() {
            let sealed = reader.finish().is_ok();
            let plain = golden("snapshot.3");
            assert!(!sealed || body == plain[16..plain.len() - 67], "a wrong body was taken for good");
        }
    }
}
