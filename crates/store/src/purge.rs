//! Retention: which snapshots and logs may go (`PurgeTxnLog`, `DatadirCleanupManager`).
//!
//! The newest valid snapshots are kept, and every log that may hold a transaction behind the oldest of them.

use std::path::PathBuf;

use wire::Zxid;

use crate::dirs::DataDirs;
use crate::error::{Error, Result, at, sync_failed};
use crate::names::{list_logs, list_snapshots};
use crate::snapshot_reader::looks_valid;
use crate::vfs::Vfs;

/// The fewest snapshots that may be kept (`autopurge.snapRetainCount`).
pub const KEEP_MIN: usize = 3;

/// What may be deleted, in the order in which to do it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Snapshots, oldest first.
    pub snapshots: Vec<PathBuf>,
    /// Logs, oldest first.
    pub logs: Vec<PathBuf>,
}

/// A snapshot as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The zxid in its name.
    pub zxid: Zxid,
    /// The file.
    pub path: PathBuf,
    /// Whether it looks valid ([`looks_valid`]).
    pub valid: bool,
}

/// Decides from names alone.
///
/// With fewer than `keep` valid snapshots only what is older than the oldest valid one goes; with none, nothing.
pub fn plan(snapshots: &[Snapshot], logs: &[(Zxid, PathBuf)], keep: usize) -> Result<Plan> {
    if keep < KEEP_MIN {
        return Err(Error::KeepTooFew { expected: KEEP_MIN, found: keep });
    }
    let mut snapshots = snapshots.to_vec();
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.zxid));
    let Some(oldest_kept) = snapshots.iter().filter(|snapshot| snapshot.valid).take(keep).last() else {
        return Ok(Plan::default());
    };
    let least = oldest_kept.zxid;
    // A log that begins before the oldest snapshot kept may still hold transactions behind it.
    let needed = logs.iter().map(|(zxid, _)| *zxid).filter(|zxid| *zxid <= least).max();
    let old_snapshots = snapshots.iter().rev().filter(|snapshot| snapshot.zxid < least);
    let mut old_logs: Vec<_> =
        logs.iter().filter(|(zxid, _)| *zxid < least && needed.is_some_and(|needed| *zxid < needed)).collect();
    old_logs.sort();
    Ok(Plan {
        snapshots: old_snapshots.map(|snapshot| snapshot.path.clone()).collect(),
        logs: old_logs.into_iter().map(|(_, path)| path.clone()).collect(),
    })
}

/// Plans for the directories as they are and deletes; returns what was deleted.
///
/// May run beside the log and a snapshot being written: neither is ever old enough to be in the plan.
pub fn purge(vfs: &dyn Vfs, dirs: &DataDirs, keep: usize) -> Result<Plan> {
    let (snap_dir, log_dir) = (dirs.snap_dir(), dirs.log_dir());
    let mut snapshots = Vec::new();
    for file in list_snapshots(vfs, &snap_dir)? {
        let valid = looks_valid(vfs, &file)?;
        snapshots.push(Snapshot { zxid: file.zxid, path: file.path, valid });
    }
    let plan = plan(&snapshots, &list_logs(vfs, &log_dir)?, keep)?;
    for path in plan.snapshots.iter().chain(&plan.logs) {
        vfs.remove(path).map_err(at("remove", path))?;
    }
    for (paths, dir) in [(&plan.snapshots, &snap_dir), (&plan.logs, &log_dir)] {
        if !paths.is_empty() {
            vfs.sync_dir(dir).map_err(sync_failed(dir))?;
        }
    }
    Ok(plan)
}
