//! Transaction logs, cut and flipped.

use std::path::{Path, PathBuf};

use damage::fixture::Fixture;
use damage::log_bytes::{Entry, FILE_HEADER_BYTES, MAGIC_BYTES, entries, has_zero_sector};
use damage::recovery::zxid_of_name;
use damage::sweep::{Expected, Sweep};
use store::testing::MemFs;
use wire::Zxid;

use super::name;

/// So many bytes of padding behind the data are flipped bit by bit.
const PADDING_NEAR: usize = 100;
/// Farther out only each so-manieth byte is.
const PADDING_STRIDE: usize = 97;

/// The newest log, whose transactions no snapshot has.
struct Newest {
    path: PathBuf,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The last transaction before this log.
    before: Zxid,
}

fn newest(fixture: &Fixture) -> Newest {
    let path = fixture.logs().pop().expect("there is a log");
    let bytes = fixture.bytes(&path);
    let entries = entries(&bytes);
    assert!(entries.len() > 5, "{} has {} entries: too few to prove anything", path.display(), entries.len());
    let last = entries.last().expect("there are entries");
    assert_eq!(Zxid(last.zxid), fixture.history.last().zxid, "the newest log ends with the last transaction");
    let snapshot = fixture.snapshots().pop().and_then(|path| zxid_of_name(&path)).expect("there is a snapshot");
    assert!(snapshot < Zxid(entries[0].zxid), "{snapshot} covers a part of {}", path.display());
    let earlier: Vec<PathBuf> = fixture.logs().into_iter().filter(|log| *log != path).collect();
    let ends = earlier.iter().filter_map(|log| entries_of(fixture, log).last().map(|entry| Zxid(entry.zxid)));
    let before = ends.max().unwrap_or(Zxid::ZERO);
    Newest { path, bytes, entries, before }
}

fn entries_of(fixture: &Fixture, log: &Path) -> Vec<Entry> {
    entries(&fixture.bytes(log))
}

/// The file ends at any byte, or what follows was never written and reads as zeros.
pub fn newest_log_cut(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let Newest { path, bytes, entries, before } = newest(fixture);
    let end = entries.last().expect("there are entries").range.end;
    for cut in 0..=end {
        let whole = entries.iter().rev().find(|entry| entry.range.end <= cut);
        let expected = Expected::Upto(whole.map_or(before, |entry| Zxid(entry.zxid)));
        for padded in [false, true] {
            let mut damaged = bytes[..cut].to_vec();
            if padded {
                damaged.resize(bytes.len(), 0);
            }
            let how = if padded { " with zeros behind" } else { "" };
            let case = format!("cut {} at byte {cut}{how}", name(&path));
            sweep.case(&case, &fixture.fs, &expected, |fs| fs.write(&path, &damaged));
        }
    }
}

/// Any bit of the newest log.
pub fn newest_log_flipped(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let Newest { path, bytes, entries, .. } = newest(fixture);
    let (last, inner) = entries.split_last().expect("there are entries");
    // A bit set in the only sector of zeros shows that it was written.
    let is_torn = |offset: usize, bit: u32| {
        let mut flipped = bytes.clone();
        flipped[offset] ^= 1 << bit;
        has_zero_sector(&flipped, last.range.clone())
    };
    let without_last = Expected::Upto(Zxid(inner.last().expect("there is more than one entry").zxid));
    for (offset, bit) in bits(places(bytes.len(), last.range.end)) {
        let expected = match offset {
            0..MAGIC_BYTES => Expected::RefusedNaming(path.clone()),
            MAGIC_BYTES..FILE_HEADER_BYTES => Expected::Whole,
            _ if offset >= last.range.end => Expected::Whole,
            // A body that its checksum confirms was written, zeros and all.
            _ if last.decides(offset) && is_torn(offset, bit) => without_last.clone(),
            _ => Expected::RefusedNaming(path.clone()),
        };
        flip(&path, (offset, bit), &fixture.fs, sweep, &expected);
    }
}

/// Any bit of a log that is read and is not the newest.
pub fn older_log_flipped(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let logs = fixture.logs();
    let [.., path, newest] = logs.as_slice() else { panic!("two logs are needed") };
    // Without the snapshots that cover it the log is read.
    let base = fixture.fs.fork();
    let from = entries_of(fixture, path).first().map(|entry| Zxid(entry.zxid)).expect("the log has entries");
    for snapshot in fixture.snapshots().iter().filter(|snapshot| zxid_of_name(snapshot) >= Some(from)) {
        base.vfs().remove(snapshot).expect("it is there");
    }
    let (bytes, entries) = (fixture.bytes(path), entries_of(fixture, path));
    assert!(!entries.is_empty() && !entries_of(fixture, newest).is_empty());
    let end = entries.last().expect("there are entries").range.end;
    for (offset, bit) in bits(places(bytes.len(), end)) {
        let expected = match offset {
            MAGIC_BYTES..FILE_HEADER_BYTES => Expected::Whole,
            _ if offset < end => Expected::RefusedNaming(path.clone()),
            _ => Expected::Whole,
        };
        flip(path, (offset, bit), &base, sweep, &expected);
    }
}

/// A bit of a log from before the newest snapshot: nobody looks.
pub fn unread_log_flipped(fixture: &Fixture, sweep: &mut Sweep<'_>) {
    let logs = fixture.logs();
    let snapshot = fixture.snapshots().last().and_then(|path| zxid_of_name(path));
    let [path, next, ..] = logs.as_slice() else { panic!("two logs are needed") };
    assert!(zxid_of_name(next) <= snapshot, "{} is read", path.display());
    let end = entries_of(fixture, path).last().expect("there are entries").range.end;
    for (offset, bit) in bits((0..end).step_by(7)) {
        flip(path, (offset, bit), &fixture.fs, sweep, &Expected::Whole);
    }
}

/// The data and what lies near it byte by byte, a sample of the rest.
fn places(file: usize, data: usize) -> impl Iterator<Item = usize> {
    let near = file.min(data + PADDING_NEAR);
    (0..near).chain((near..file).step_by(PADDING_STRIDE)).chain(file.checked_sub(1).filter(|last| *last >= near))
}

fn bits(places: impl Iterator<Item = usize>) -> impl Iterator<Item = (usize, u32)> {
    places.flat_map(|offset| (0..8).map(move |bit| (offset, bit)))
}

fn flip(path: &Path, (offset, bit): (usize, u32), base: &MemFs, sweep: &mut Sweep<'_>, expected: &Expected) {
    let case = format!("flip bit {bit} of byte {offset} of {}", name(path));
    sweep.case(&case, base, expected, |fs| fs.flip(path, offset as u64, 1 << bit));
}
