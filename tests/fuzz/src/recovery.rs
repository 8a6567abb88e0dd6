//! A whole data directory.

use crate::disk::{TreeTarget, dirs, snapshot_dir};
use crate::pieces::pieces;
use crate::world::check_digest;
use std::sync::Arc;
use store::testing::MemFs;
use store::{
    Compression, ENTRY_BYTES_MAX_DEFAULT, LogReader, RecoverSettings, SnapshotTrailer, SnapshotWriter, Vfs, list_logs,
    recover,
};
use wire::{Writer, Zxid};

/// Files in one directory.
const FILES_MAX: usize = 6;
/// What stands in front of a log's entries.
pub(crate) const LOG_HEADER: [u8; 16] = *b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0";

/// The first byte holds the settings; each piece is a file: what it is, the zxid of its name, its content. Kinds 4 to 7 are
/// packed with the right checksums here, because no mutation finds those.
pub fn recovery(data: &[u8]) {
    let Some((&flags, rest)) = data.split_first() else { return };
    let fs = MemFs::new();
    let vfs = fs.vfs();
    fs.write(&dirs().data_dir.join("other"), b"");
    fs.write(&snapshot_dir().join("other"), b"");
    for piece in pieces(rest).take(FILES_MAX) {
        let Some((&kind, piece)) = piece.split_first() else { continue };
        let Some((zxid, content)) = piece.split_first_chunk::<8>() else { continue };
        put(&fs, &vfs, kind, i64::from_be_bytes(*zxid), content);
    }
    let settings = RecoverSettings {
        trust_empty_snapshot: flags & 1 == 1,
        autocreate_database: flags & 2 == 0,
        ..RecoverSettings::default()
    };
    let is_in_order = is_in_order(&vfs);
    let mut target = TreeTarget::new();
    let Ok(found) = recover(&vfs, &dirs(), &settings, &mut target) else { return };
    check_digest(&target.tree);
    if !is_in_order {
        return;
    }
    let mut again = TreeTarget::new();
    let repeated = recover(&vfs, &dirs(), &settings, &mut again).expect("what was repaired is good");
    assert_eq!(repeated.last, found.last, "a second start stands where the first one stood");
    assert_eq!(repeated.cut_tail, None, "and has nothing to cut");
    assert_eq!(again.tree.digest(), target.tree.digest());
}

/// Whether every transaction lies in the file that its zxid belongs to. Where a reader begins rests on that, and no server
/// writes anything else.
fn is_in_order(vfs: &Arc<dyn Vfs>) -> bool {
    let files = list_logs(&**vfs, &snapshot_dir()).expect("the directory is there");
    let reader = LogReader::open(vfs, &snapshot_dir(), Zxid(i64::MIN), Zxid(i64::MAX), ENTRY_BYTES_MAX_DEFAULT);
    let mut reader = reader.expect("the directory is there");
    let mut last = Zxid(i64::MIN);
    while let Some(Ok(entry)) = reader.next() {
        let home = files.iter().rev().find(|(zxid, _)| *zxid <= entry.zxid).map(|(_, path)| path.as_path());
        if entry.zxid <= last || home != reader.path() {
            return false;
        }
        last = entry.zxid;
    }
    true
}

fn put(fs: &MemFs, vfs: &Arc<dyn Vfs>, kind: u8, zxid: i64, content: &[u8]) {
    let snapshot = |compression| {
        let trailer = SnapshotTrailer::default();
        let mut out = SnapshotWriter::create(vfs, &snapshot_dir(), Zxid(zxid), compression)?;
        out.append(content)?;
        out.finish(trailer)
    };
    let name = match kind % 9 {
        0 => format!("snapshot.{zxid:x}"),
        1 => format!("snapshot.{zxid:x}.gz"),
        2 => format!("snapshot.{zxid:x}.snappy"),
        3 => format!("log.{zxid:x}"),
        kind @ 4..=6 => {
            let compression = [Compression::None, Compression::Gz, Compression::Snappy][usize::from(kind - 4)];
            snapshot(compression).expect("a file in memory can be written");
            return;
        }
        7 => {
            let path = snapshot_dir().join(format!("log.{zxid:x}"));
            fs.write(&path, &sealed_log(pieces(content)));
            return;
        }
        _ => "snapshot.5.tmp".to_owned(),
    };
    fs.write(&snapshot_dir().join(name), content);
}

/// A log file of these entries, whatever they hold.
pub(crate) fn sealed_log<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut file = LOG_HEADER.to_vec();
    for entry in entries {
        file.i64(i64::from(simd_adler32::adler32(&entry)));
        file.buffer(Some(entry));
        file.u8(b'B');
    }
    file
}
