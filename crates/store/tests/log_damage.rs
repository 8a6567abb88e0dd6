//! A damaged log is either read whole, or cut behind its last good transaction, or refused. What is in the middle is
//! never lost.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what it did not expect")]

mod common;

use std::path::Path;

use common::*;
use store::testing::MemFs;
use store::*;
use wire::Zxid;

/// What recovery made of a damaged log.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// All transactions.
    Whole,
    /// All but the last one of the newest file.
    LastCut,
    Refused,
}

/// Recovers and checks that nothing but the last transaction is missing; then that a second start finds the same, and
/// that the server can go on writing.
fn check(fs: &MemFs, expected: &[i64], what: &str) -> Outcome {
    let outcome = match recovered(fs) {
        Err(error) => {
            assert!(matches!(error, Error::Damaged { .. } | Error::Gap { .. }), "{what}: {error}");
            return Outcome::Refused;
        }
        Ok((recovered, model)) if model.zxids == expected => {
            assert_eq!(recovered.last.0, *expected.last().unwrap_or(&0), "{what}");
            Outcome::Whole
        }
        Ok((recovered, model)) => {
            assert_eq!(model.zxids, expected[..expected.len() - 1], "{what}");
            assert!(recovered.cut_tail.is_some(), "{what}: a cut must be told");
            Outcome::LastCut
        }
    };
    let (again, model) = recovered(fs).unwrap();
    assert!(again.cut_tail.is_none(), "{what}: second start finds nothing to cut");
    let next = again.last.next().unwrap();
    let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), again.last);
    log.append(next, &txn(next.0, 3)).unwrap();
    log.sync().unwrap();
    let (_, after) = recovered(fs).unwrap();
    assert_eq!(after.zxids.len(), model.zxids.len() + 1, "{what}: after one more transaction");
    outcome
}

/// Where each entry of a file begins, and where the last one ends.
fn boundaries(fs: &MemFs, path: &Path) -> Vec<u64> {
    let vfs = fs.vfs();
    let mut reader = LogReader::open(&vfs, &log_dir(), Zxid(1), Zxid(i64::MAX), ENTRY_BYTES_MAX_DEFAULT).unwrap();
    let (mut bounds, mut end) = (Vec::new(), 0);
    while let Some(entry) = reader.next() {
        let entry = entry.unwrap();
        if reader.path() == Some(path) {
            bounds.push(entry.offset);
            end = entry.next;
        }
    }
    bounds.push(end);
    bounds
}

#[test]
fn cut_at_every_byte_keeps_every_whole_transaction() {
    let fs = with_log(&[&[1, 2, 3, 4, 5]], 10);
    let path = log_dir().join("log.1");
    let bytes = fs.read(&path).unwrap();
    let bounds = boundaries(&fs, &path);
    for cut in 0..=data_end(&bytes) {
        let whole = bounds.iter().skip(1).filter(|end| **end <= cut as u64).count() as i64;
        let expected: Vec<i64> = (1..=whole).collect();
        for padded in [false, true] {
            let mut damaged = bytes[..cut].to_vec();
            if padded {
                damaged.resize(bytes.len(), 0);
            }
            let copy = fs.fork();
            copy.write(&path, &damaged);
            let (first, model) = recovered(&copy).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(model.zxids, expected, "cut at {cut}, padded {padded}");
            // What was begun and not finished is told; a few zeros cannot be told from padding.
            let good_end = bounds.iter().rev().find(|bound| **bound <= cut as u64);
            let begun = good_end.is_some_and(|end| bytes[*end as usize..cut].iter().any(|&byte| byte != 0));
            assert_eq!(first.cut_tail.is_some(), begun || cut < 4 || (cut < 16 && !padded), "cut at {cut}, {padded}");
            assert_eq!(check(&copy, &expected, &format!("cut at {cut}")), Outcome::Whole);
        }
    }
}

#[test]
fn flip_every_bit_of_the_only_file() {
    let fs = with_log(&[&[1, 2, 3, 4]], 3);
    let path = log_dir().join("log.1");
    let end = data_end(&fs.read(&path).unwrap()) as u64;
    for offset in 0..end + 40 {
        for bit in 0..8 {
            let copy = fs.fork();
            copy.flip(&path, offset, 1 << bit);
            let what = format!("bit {bit} of byte {offset}");
            let outcome = check(&copy, &[1, 2, 3, 4], &what);
            match offset {
                0..4 => assert_eq!(outcome, Outcome::Refused, "{what} of the magic"),
                4..16 => assert_eq!(outcome, Outcome::Whole, "{what} of version and dbid"),
                _ if offset < end => assert_eq!(outcome, Outcome::Refused, "{what} of an entry"),
                _ => assert_eq!(outcome, Outcome::Whole, "{what} of the padding"),
            }
        }
    }
}

#[test]
fn damaged_last_transaction_is_not_taken_for_a_torn_one() {
    // What was never written is zeros: a last entry without a sector of them was acknowledged, for all one can know.
    let check = |damage: &dyn Fn(&mut [u8], std::ops::Range<usize>), expected: Outcome, what: &str| {
        let fs = with_log(&[&[1, 2, 3]], 1500);
        let path = log_dir().join("log.1");
        let bounds = boundaries(&fs, &path);
        let mut bytes = fs.read(&path).unwrap();
        damage(&mut bytes, bounds[2] as usize..bounds[3] as usize);
        fs.write(&path, &bytes);
        assert_eq!(check(&fs, &[1, 2, 3], what), expected, "{what}");
    };
    check(&|bytes, last| bytes[last.start + 100] ^= 1, Outcome::Refused, "a bit of the body");
    check(&|bytes, last| bytes[last.start + 9] ^= 1, Outcome::Refused, "a bit of the length");
    check(&|bytes, last| bytes[last.end - 1] = 0x43, Outcome::Refused, "another end mark");
    check(&|bytes, last| bytes[last.end - 1] = 0, Outcome::LastCut, "no end mark");
    check(&|bytes, last| bytes[last.end - 40..last.end].fill(0), Outcome::LastCut, "no end");
    let sector = |last: &std::ops::Range<usize>| (last.start / 512 + 1) * 512;
    check(&|bytes, last| bytes[sector(&last)..][..512].fill(0), Outcome::LastCut, "a sector that was not written");
    check(&|bytes, last| bytes[sector(&last) + 1..][..511].fill(0), Outcome::Refused, "a sector that was");
    check(&|bytes, last| bytes[last.start..sector(&last)].fill(0), Outcome::LastCut, "the first sector not written");
}

#[test]
fn flip_every_bit_of_an_older_file() {
    let epoch_2 = 2_i64 << 32;
    for second in [[4, 5], [epoch_2 + 1, epoch_2 + 2]] {
        let fs = with_log(&[&[1, 2, 3], &second], 3);
        let path = log_dir().join("log.1");
        let expected = [1, 2, 3, second[0], second[1]];
        let end = data_end(&fs.read(&path).unwrap()) as u64;
        for offset in 0..end {
            for bit in 0..8 {
                let copy = fs.fork();
                copy.flip(&path, offset, 1 << bit);
                let what = format!("bit {bit} of byte {offset}, next file {:#x}", second[0]);
                let outcome = check(&copy, &expected, &what);
                let harmless = (4..16).contains(&offset);
                assert_eq!(outcome, if harmless { Outcome::Whole } else { Outcome::Refused }, "{what}");
            }
        }
    }
}

#[test]
fn torn_tail_of_an_older_file_is_passed_over_where_nothing_is_missing() {
    // Apache crashed while it wrote 3, went on without cutting, and wrote 3 again into a new file.
    let check = |second: &[i64], expect_ok: bool| {
        let fs = with_log(&[&[1, 2, 3], second], 10);
        let path = log_dir().join("log.1");
        let bounds = boundaries(&fs, &path);
        let mut bytes = fs.read(&path).unwrap();
        bytes[bounds[2] as usize + 30..].fill(0);
        fs.write(&path, &bytes);
        match recovered(&fs) {
            Ok((_, model)) => assert_eq!(model.zxids, [&[1, 2], second].concat()),
            Err(error) => assert!(!expect_ok, "next file {second:?}: {error}"),
        }
        assert_eq!(recovered(&fs).is_ok(), expect_ok, "next file {second:?}");
    };
    check(&[4, 5], false);
    check(&[(1 << 32) + 1, (1 << 32) + 2], true);
    // The same file continues at 3: put together by hand, since our log never repeats a zxid.
    let fs = with_log(&[&[1, 2, 3]], 10);
    let path = log_dir().join("log.1");
    let bounds = boundaries(&fs, &path);
    let bytes = fs.read(&path).unwrap();
    let mut torn = bytes.clone();
    torn[bounds[2] as usize + 30..].fill(0);
    let mut third = bytes[..16].to_vec();
    third.extend_from_slice(&bytes[bounds[2] as usize..]);
    fs.write(&path, &torn);
    fs.write(&log_dir().join("log.3"), &third);
    assert_eq!(recovered(&fs).unwrap().1.zxids, [1, 2, 3]);
}

#[test]
fn hole_before_a_whole_transaction_is_refused_with_the_way_out() {
    let fs = with_log(&[&[1, 2, 3, 4]], 700);
    let path = log_dir().join("log.1");
    let bounds = boundaries(&fs, &path);
    let mut bytes = fs.read(&path).unwrap();
    bytes[bounds[1] as usize..bounds[2] as usize].fill(0);
    fs.write(&path, &bytes);
    let error = recovered(&fs).unwrap_err();
    let text = error.to_string();
    for part in ["/data/version-2/log.1", &format!("byte {}", bounds[1]), "expected", "found", "0x3", "hint:"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
    assert_eq!(fs.read(&path).unwrap(), bytes, "nothing may be changed");
}

#[test]
fn missing_file_in_the_middle_is_refused() {
    let fs = with_log(&[&[1, 2], &[3, 4], &[5]], 10);
    fs.vfs().remove(&log_dir().join("log.3")).unwrap();
    let Err(Error::Gap { expected, found, .. }) = recovered(&fs) else { panic!("a gap must be refused") };
    assert_eq!((expected, found), (Zxid(3), Zxid(5)));
}

#[test]
fn empty_and_headless_newest_files_are_removed() {
    for bytes in [&b""[..], b"ZK", b"ZKLG\0\0\0\x02\0", &[0; 16], &[0; 9000]] {
        let fs = with_log(&[&[1, 2]], 10);
        let path = log_dir().join("log.3");
        fs.write(&path, bytes);
        let (first, model) = recovered(&fs).unwrap();
        assert_eq!(model.zxids, [1, 2]);
        assert_eq!(first.cut_tail.unwrap().offset, 0);
        assert_eq!(fs.read(&path), None);
    }
    // Not the newest: refused, as Apache does.
    let fs = with_log(&[&[1, 2], &[3]], 10);
    fs.write(&log_dir().join("log.1"), b"");
    assert!(matches!(recovered(&fs), Err(Error::Damaged { .. })));
}

#[test]
fn a_file_with_transactions_is_never_overwritten() {
    let fs = with_log(&[&[1, 2]], 10);
    let mut log = TxnLog::open(fs.vfs(), log_dir(), small(), Zxid::ZERO);
    log.append(Zxid(1), &txn(1, 5)).unwrap();
    assert!(matches!(log.sync(), Err(Error::WouldOverwrite { zxid: Zxid(1), .. })));
    assert!(matches!(log.append(Zxid(2), &txn(2, 5)), Err(Error::LogFailed { .. })), "the log takes nothing more");
    assert_eq!(recovered(&fs).unwrap().1.zxids, [1, 2]);
}

#[test]
fn lengths_out_of_bounds_are_refused_without_taking_memory() {
    for length in [i32::MAX, -1, i32::MIN, 31, 0x10_0000 * 3] {
        let fs = with_log(&[&[1, 2, 3]], 10);
        let path = log_dir().join("log.1");
        let at = boundaries(&fs, &path)[1] as usize + 8;
        let mut bytes = fs.read(&path).unwrap();
        bytes[at..at + 4].copy_from_slice(&length.to_be_bytes());
        fs.write(&path, &bytes);
        assert!(matches!(recovered(&fs), Err(Error::Damaged { .. })), "length {length}");
    }
}

#[test]
fn file_without_a_header_does_not_vouch_for_the_one_before() {
    for header in [&b""[..], b"ZK", &[0; 40]] {
        // Its name says that it goes on behind 1, so what lies behind 1 was never acknowledged; but it is removed.
        let fs = with_log(&[&[1, 2, 3, 4]], 700);
        let (path, newest) = (log_dir().join("log.1"), log_dir().join("log.2"));
        let bounds = boundaries(&fs, &path);
        let mut bytes = fs.read(&path).unwrap();
        bytes[bounds[1] as usize..bounds[2] as usize].fill(0);
        fs.write(&path, &bytes);
        fs.write(&newest, header);
        let error = recovered(&fs).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert_eq!(
            (fs.read(&path).unwrap(), fs.read(&newest).unwrap()),
            (bytes, header.to_vec()),
            "nothing is changed"
        );
    }
}

#[test]
fn torn_tail_goes_together_with_a_newer_file_without_a_header() {
    for header in [&b""[..], b"ZK", &[0; 40]] {
        let fs = with_log(&[&[1, 2, 3]], 10);
        let (path, newest) = (log_dir().join("log.1"), log_dir().join("log.3"));
        let bounds = boundaries(&fs, &path);
        let bytes = fs.read(&path).unwrap();
        fs.write(&path, &bytes[..bounds[2] as usize + 30]);
        fs.write(&newest, header);
        let (found, model) = recovered(&fs).unwrap();
        assert_eq!(model.zxids, [1, 2]);
        assert_eq!(found.cut_tail.map(|cut| (cut.path, cut.offset)), Some((path.clone(), bounds[2])));
        assert_eq!(fs.read(&path).unwrap(), bytes[..bounds[2] as usize]);
        assert_eq!(list_logs(&*fs.vfs(), &log_dir()).unwrap().len(), 1, "what holds nothing is gone");
        assert_eq!(recovered(&fs).unwrap().0.cut_tail, None, "the second start has nothing to do");
    }
}
