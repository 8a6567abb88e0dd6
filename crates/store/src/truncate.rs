//! TRUNC: taking back transactions that the ensemble does not have (`FileTxnLog.truncate`, `ZKDatabase.truncateLog`).
//!
//! Two differences from Apache, both on the safe side: where the transaction of the cut is absent Apache keeps the first
//! one behind it, we do not; and Apache leaves snapshots that are newer than the cut, from which the transactions taken
//! back would rise again at the next start.
//!
//! Order, so that a crash at any point leaves either the old history or a shorter whole one: snapshots first (newest
//! first), then logs (newest first), the cut file last; every removal is synced before the next.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wire::Zxid;

use crate::error::{Error, Result, at, sync_failed};
use crate::log_reader::LogReader;
use crate::names::{list_logs, list_snapshots};
use crate::snapshot_reader::looks_valid;
use crate::vfs::{Open, Vfs};

/// What a truncation removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// The last transaction left in the logs read, if any.
    pub last: Option<Zxid>,
    /// Files removed, snapshots and logs.
    pub removed: Vec<PathBuf>,
}

/// Removes every transaction later than `after`, all padding behind it, and every snapshot of a later state.
///
/// No log may be open for writing. Fails without changing anything when there is no log, when the log ends before
/// `after`, or when no valid snapshot at or before `after` would be left.
pub fn truncate(
    vfs: &Arc<dyn Vfs>,
    log_dir: &Path,
    snap_dir: &Path,
    after: Zxid,
    entry_bytes_max: usize,
) -> Result<Truncated> {
    if list_logs(&**vfs, log_dir)?.is_empty() {
        return Err(Error::NothingToTruncate { dir: log_dir.to_owned(), after });
    }
    let cut = find_cut(vfs, log_dir, after, entry_bytes_max)?;
    if !cut.reaches {
        let last = cut.last.unwrap_or(Zxid::ZERO);
        return Err(Error::TruncateBeyondEnd { dir: log_dir.to_owned(), after, last });
    }
    apply(vfs, log_dir, snap_dir, after, cut)
}

/// Removes every log and every snapshot but that of `zxid`: the history of a server that was given this snapshot.
///
/// Call it once the snapshot is durable. What lies beyond it would be replayed on top of it; what lies before it need not
/// lead up to it, and would be taken for the whole history if the snapshot were damaged one day. Returns the files removed,
/// and fails without changing anything when there is no valid snapshot of `zxid`.
pub fn discard_all_but(vfs: &dyn Vfs, log_dir: &Path, snap_dir: &Path, zxid: Zxid) -> Result<Vec<PathBuf>> {
    let snapshots = list_snapshots(vfs, snap_dir)?;
    let mut others = Vec::new();
    let mut is_there = false;
    for snapshot in snapshots {
        if snapshot.zxid == zxid && looks_valid(vfs, &snapshot)? {
            is_there = true;
        } else {
            others.push(snapshot.path);
        }
    }
    if !is_there {
        return Err(Error::TruncateBelowSnapshots { snap_dir: snap_dir.to_owned(), after: zxid, oldest: zxid });
    }
    let mut removed = Vec::new();
    // Newest first, so that a crash in between leaves no gap.
    for (_, path) in list_logs(vfs, log_dir)?.into_iter().rev() {
        remove(vfs, log_dir, &path)?;
        removed.push(path);
    }
    for path in others {
        remove(vfs, snap_dir, &path)?;
        removed.push(path);
    }
    Ok(removed)
}

/// Where the log is cut.
struct Cut {
    /// The last transaction at or before the cut.
    last: Option<Zxid>,
    /// Whether a transaction at or behind the cut was found.
    reaches: bool,
    /// The file to shorten and its new length; `None` where no file of the cut is left.
    shorten: Option<(PathBuf, u64)>,
    /// The first file to remove, with all later ones.
    remove_from: Option<PathBuf>,
}

fn find_cut(vfs: &Arc<dyn Vfs>, log_dir: &Path, after: Zxid, entry_bytes_max: usize) -> Result<Cut> {
    // The file that begins at the cut or before it, and all later ones.
    let mut cut = Cut { last: None, reaches: false, shorten: None, remove_from: None };
    let files = list_logs(&**vfs, log_dir)?;
    let before = files.iter().rposition(|(zxid, _)| *zxid <= after);
    let start = before.map_or(after, |index| files[index].0);
    let mut reader = LogReader::open(vfs, log_dir, start.min(after), Zxid(i64::MAX), entry_bytes_max)?;
    while let Some(entry) = reader.next() {
        let entry = entry?;
        let path = reader.path().expect("an entry was read from a file").to_owned();
        if entry.zxid > after {
            cut.reaches = true;
            cut.remove_from = Some(path);
            break;
        }
        cut.last = Some(entry.zxid);
        cut.reaches = entry.zxid == after;
        cut.shorten = Some((path, entry.next));
    }
    if let Some((kept, _)) = &cut.shorten {
        // Everything behind the file that is kept goes, also files without a transaction.
        let kept = files.iter().position(|(_, path)| path == kept);
        cut.remove_from = kept.and_then(|index| files.get(index + 1)).map(|(_, path)| path.clone());
    }
    Ok(cut)
}

fn apply(vfs: &Arc<dyn Vfs>, log_dir: &Path, snap_dir: &Path, after: Zxid, cut: Cut) -> Result<Truncated> {
    let mut removed = Vec::new();
    let mut snapshots = list_snapshots(&**vfs, snap_dir)?;
    let mut valid_left = false;
    for kept in snapshots.iter().filter(|snapshot| snapshot.zxid <= after) {
        valid_left = valid_left || looks_valid(&**vfs, kept)?;
    }
    snapshots.retain(|snapshot| snapshot.zxid > after);
    if let Some(oldest) = snapshots.last()
        && !valid_left
    {
        return Err(Error::TruncateBelowSnapshots { snap_dir: snap_dir.to_owned(), after, oldest: oldest.zxid });
    }
    for snapshot in snapshots {
        remove(&**vfs, snap_dir, &snapshot.path)?;
        removed.push(snapshot.path);
    }
    if let Some(first) = &cut.remove_from {
        let mut logs = list_logs(&**vfs, log_dir)?;
        let keep = logs.iter().position(|(_, path)| path == first).unwrap_or(logs.len());
        for (_, path) in logs.drain(keep..).rev() {
            remove(&**vfs, log_dir, &path)?;
            removed.push(path);
        }
    }
    if let Some((path, length)) = &cut.shorten {
        let mut file = vfs.open(path, Open::Write).map_err(at("open", path))?;
        file.set_len(*length).map_err(at("cut", path))?;
        file.sync_data().map_err(sync_failed(path))?;
    }
    Ok(Truncated { last: cut.last, removed })
}

fn remove(vfs: &dyn Vfs, dir: &Path, path: &Path) -> Result<()> {
    vfs.remove(path).map_err(at("remove", path))?;
    vfs.sync_dir(dir).map_err(sync_failed(dir))
}
