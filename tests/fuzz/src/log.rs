//! The transaction log and the epoch files.

use crate::disk::snapshot_dir;
use crate::pieces::pieces;
use store::testing::MemFs;
use store::{ENTRY_BYTES_MAX_DEFAULT, LogReader, epochs, truncate};
use wire::Zxid;

/// Log files in one input.
const FILES_MAX: usize = 3;
/// Names of the files, ascending.
const NAMES: [i64; FILES_MAX] = [0x1_0000_0001, 0x1_0000_0003, 0x2_0000_0001];
/// Where the log is cut afterwards.
const CUTS: [i64; 3] = [0, 0x1_0000_0002, 0x1_0000_0005];

/// Pieces are log files. What can be read stays within the files, and a cut leaves what lies before it.
pub fn txn_log(data: &[u8]) {
    let fs = MemFs::new();
    let mut held = 0;
    for (content, zxid) in pieces(data).zip(NAMES) {
        fs.write(&snapshot_dir().join(format!("log.{zxid:x}")), content);
        held += content.len();
    }
    let Some(before) = read(&fs, 0, held) else { return };
    for cut in CUTS {
        let fs = fs.fork();
        let expected: Vec<i64> = before.iter().copied().take_while(|&zxid| zxid <= cut).collect();
        let dir = snapshot_dir();
        if truncate(&fs.vfs(), &dir, &dir, Zxid(cut), ENTRY_BYTES_MAX_DEFAULT).is_ok() {
            assert_eq!(read(&fs, 0, held), Some(expected), "cut behind {cut:#x}");
        }
    }
    read(&fs, NAMES[1], held);
}

/// The zxids that can be read from `from` on; `None` where the log is refused.
fn read(fs: &MemFs, from: i64, held: usize) -> Option<Vec<i64>> {
    let dir = snapshot_dir();
    let reader = LogReader::open(&fs.vfs(), &dir, Zxid(from), Zxid(i64::MAX), ENTRY_BYTES_MAX_DEFAULT).ok()?;
    let (mut zxids, mut bytes) = (Vec::new(), 0);
    for entry in reader {
        let entry = entry.ok()?;
        assert!(entry.zxid >= Zxid(from));
        assert!(entry.next > entry.offset, "a reader goes on");
        bytes += entry.bytes.len();
        assert!(bytes <= held, "{bytes} bytes read of {held}");
        zxids.push(entry.zxid.0);
    }
    Some(zxids)
}

/// Pieces are `currentEpoch`, `currentEpoch.tmp` and `acceptedEpoch`; empty ones are not there. The first 8 bytes are the
/// last zxid of the log.
pub fn epoch_files(data: &[u8]) {
    let Some((zxid, rest)) = data.split_first_chunk::<8>() else { return };
    let last = Zxid(i64::from_be_bytes(*zxid));
    let fs = MemFs::new();
    let dir = snapshot_dir();
    fs.write(&dir.join("other"), b"");
    for (content, name) in pieces(rest).zip(["currentEpoch", "currentEpoch.tmp", "acceptedEpoch"]) {
        if !content.is_empty() {
            fs.write(&dir.join(name), content);
        }
    }
    let vfs = fs.vfs();
    let Ok(found) = epochs::load(&*vfs, &dir, last) else { return };
    assert!(found.current <= found.accepted, "I3: {found:?}");
    assert!(found.current >= last.epoch(), "{found:?} behind {last}");
    assert!(found.accepted.0 <= i64::from(i32::MAX), "no zxid can carry {found:?}");
    assert_eq!(epochs::load(&*vfs, &dir, last).ok(), Some(found), "read again it is the same");
}
