//! Start: the newest usable snapshot, the log behind it, and what a crash left at the end of the log
//! (`FileTxnSnapLog.restore`, `FileSnap.deserialize`).
//!
//! Only temporary files are removed before everything that can refuse has been checked: the torn tail is cut last.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use wire::Zxid;

use crate::dirs::DataDirs;
use crate::entry::{ENTRY_BYTES_MAX_DEFAULT, Flaw};
use crate::error::{Error, Result, at, sync_failed};
use crate::log_reader::{BadTail, LogReader};
use crate::names::{Compression, SnapshotFile, is_temporary_snapshot, list_logs, list_snapshots};
use crate::snapshot::{SnapshotTrailer, SnapshotWriter};
use crate::snapshot_reader::{SnapshotReader, looks_valid};
use crate::vfs::{Open, Vfs, exists};

/// How many snapshots are tried (`FileSnap.deserialize`).
const SNAPSHOTS_TRIED_MAX: usize = 100;

/// Settings of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoverSettings {
    /// `snapshot.trust.empty`: logs without a snapshot are replayed onto an empty tree.
    pub trust_empty_snapshot: bool,
    /// `zookeeper.db.autocreate`: an empty directory is a new database. Otherwise the `initialize` marker must be there.
    pub autocreate_database: bool,
    /// How `snapshot.0` of a new database is packed.
    pub compression: Compression,
    /// The longest transaction accepted.
    pub entry_bytes_max: usize,
}

impl Default for RecoverSettings {
    fn default() -> RecoverSettings {
        RecoverSettings {
            trust_empty_snapshot: false,
            autocreate_database: true,
            compression: Compression::None,
            entry_bytes_max: ENTRY_BYTES_MAX_DEFAULT,
        }
    }
}

/// Why the state machine did not take what it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Rejected(pub String);

/// The state that is rebuilt: the tree, which this crate does not know.
pub trait RecoverTarget {
    /// Forget everything: a snapshot follows, perhaps after another one that turned out bad half-way.
    fn begin_snapshot(&mut self);
    /// Read exactly the body of a snapshot, from the session count to the closing `/`.
    fn load(&mut self, body: &mut dyn BufRead) -> Result<(), Rejected>;
    /// The snapshot was good to its last byte; `zxid` is the one in its name.
    fn loaded(&mut self, zxid: Zxid, trailer: &SnapshotTrailer);
    /// Become the empty database.
    fn empty(&mut self);
    /// Apply a transaction of the log. Repeating one that the snapshot already holds must do no harm.
    fn replay(&mut self, entry: Bytes) -> Result<(), Rejected>;
    /// Write the body of a snapshot of the present state, for `snapshot.0` of a new database.
    fn write_body(&mut self, out: &mut dyn Write) -> io::Result<SnapshotTrailer>;
}

/// Where the recovered state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A snapshot of this zxid and the log behind it.
    Snapshot(Zxid),
    /// Only the log (`snapshot.trust.empty`).
    LogOnly,
    /// A new database, for which `snapshot.0` was written; nobody has said that there ought to be one.
    New,
    /// The same, and the file `initialize` said so.
    Initialized,
    /// Nothing is there and nothing says that this is right: the server must not vote before it was synced.
    Unknown,
}

/// What recovery cut off the end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The file; removed where `offset` is 0.
    pub path: PathBuf,
    /// Its new length.
    pub offset: u64,
    /// How many bytes of data went, padding not counted.
    pub bytes: u64,
    /// The zxid the bad entry claimed; may be nonsense.
    pub claimed: Option<Zxid>,
    /// What was wrong; `None` for an empty file.
    pub flaw: Option<Flaw>,
}

/// Where the server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The last transaction of the state; -1 for [`Origin::Unknown`].
    pub last: Zxid,
    /// Where the state comes from.
    pub origin: Origin,
    /// The snapshot's trailer.
    pub trailer: SnapshotTrailer,
    /// Transactions replayed.
    pub entries: u64,
    /// What was cut off the log.
    pub cut_tail: Option<CutTail>,
    /// Newer snapshots that could not be used, with the reason.
    pub unusable: Vec<(PathBuf, String)>,
}

/// Rebuilds the state and repairs the end of the log. Call it once, after [`crate::open_dirs`], before the log is opened.
pub fn recover(
    vfs: &Arc<dyn Vfs>,
    dirs: &DataDirs,
    settings: &RecoverSettings,
    target: &mut dyn RecoverTarget,
) -> Result<Recovered> {
    let recovery = Recovery { vfs, dirs, settings };
    recovery.remove_unfinished_snapshots()?;
    let Some(mut rebuilt) = recovery.rebuild(None, target)? else { return recovery.without_snapshot(target) };
    if rebuilt.is_ahead_of_log() {
        let ahead = rebuilt.snapshot.path.clone();
        let instead = match recovery.rebuild(Some(&ahead), target) {
            Ok(Some(older)) if older.replayed.last == rebuilt.replayed.last => Some(older),
            // An older one does not help: what is there is still the best there is.
            _ => recovery.rebuild(None, target)?,
        };
        rebuilt = instead.unwrap_or(rebuilt);
        rebuilt.warn_if_ahead();
    }
    let Rebuilt { snapshot, trailer, unusable, replayed } = rebuilt;
    let cut_tail = recovery.cut(replayed.tail)?;
    recovery.make_durable(snapshot.zxid)?;
    recovery.remove_marker()?;
    Ok(Recovered {
        last: replayed.last,
        origin: Origin::Snapshot(snapshot.zxid),
        trailer,
        entries: replayed.entries,
        cut_tail,
        unusable: unusable.into_iter().map(|(file, reason)| (file.path, reason)).collect(),
    })
}

struct Recovery<'a> {
    vfs: &'a Arc<dyn Vfs>,
    dirs: &'a DataDirs,
    settings: &'a RecoverSettings,
}

struct Loaded {
    /// `None` where there is no snapshot at all.
    snapshot: Option<SnapshotFile>,
    trailer: SnapshotTrailer,
    unusable: Vec<(SnapshotFile, String)>,
}

/// A state from a snapshot and the log behind it; nothing on disk has been changed for it.
struct Rebuilt {
    snapshot: SnapshotFile,
    trailer: SnapshotTrailer,
    unusable: Vec<(SnapshotFile, String)>,
    replayed: Replayed,
}

impl Rebuilt {
    /// A snapshot is written while transactions go on and holds some of them in part. Where the log ends before the last of
    /// those, the state is none that ever was: a power cut took what was applied before it was synced, or the log was removed.
    fn is_ahead_of_log(&self) -> bool {
        self.trailer.digest.is_some_and(|digest| digest.zxid > self.replayed.last)
    }

    /// In an ensemble the leader sends those transactions once more; alone, nobody has them.
    fn warn_if_ahead(&self) {
        if let Some(digest) = self.trailer.digest.filter(|_| self.is_ahead_of_log()) {
            tracing::warn!(
                snapshot = %self.snapshot.path.display(), log_ends = %self.replayed.last, holds_parts_upto = %digest.zxid,
                "the log ends before the last transaction of which the snapshot holds parts; if its end was removed, put it back"
            );
        }
    }
}

struct Replayed {
    last: Zxid,
    entries: u64,
    tail: Option<BadTail>,
}

impl Recovery<'_> {
    /// A crash while a snapshot was written leaves its temporary file. No one ever reads it.
    fn remove_unfinished_snapshots(&self) -> Result<()> {
        let dir = self.dirs.snap_dir();
        for name in self.vfs.list(&dir).map_err(at("list", &dir))? {
            if is_temporary_snapshot(&name) {
                let path = dir.join(name);
                self.vfs.remove(&path).map_err(at("remove", &path))?;
            }
        }
        Ok(())
    }

    /// The state from the newest snapshot that is good, but not `ahead`; `None` where there is no snapshot at all.
    fn rebuild(&self, ahead: Option<&Path>, target: &mut dyn RecoverTarget) -> Result<Option<Rebuilt>> {
        let Loaded { snapshot, trailer, unusable } = self.load_snapshot(ahead, target)?;
        let Some(snapshot) = snapshot else { return Ok(None) };
        let replayed = self.replay(snapshot.zxid, &unusable, target)?;
        Ok(Some(Rebuilt { snapshot, trailer, unusable, replayed }))
    }

    /// Loads the newest snapshot that is good, but not `ahead`.
    fn load_snapshot(&self, ahead: Option<&Path>, target: &mut dyn RecoverTarget) -> Result<Loaded> {
        let snap_dir = self.dirs.snap_dir();
        let mut unusable = Vec::new();
        let mut tried = 0;
        for file in list_snapshots(&**self.vfs, &snap_dir)? {
            if !looks_valid(&**self.vfs, &file)? {
                let reason = format!("{} ends early or is no snapshot", file.path.display());
                unusable.push((file, reason));
                continue;
            }
            if ahead == Some(&*file.path) {
                let reason = format!("{} holds transactions behind the end of the log", file.path.display());
                unusable.push((file, reason));
                continue;
            }
            if tried == SNAPSHOTS_TRIED_MAX {
                break;
            }
            tried += 1;
            match self.try_snapshot(&file, target) {
                Ok(trailer) => return Ok(Loaded { snapshot: Some(file), trailer, unusable }),
                Err(error @ (Error::Damaged { .. } | Error::Replay { .. })) => {
                    tracing::warn!(%error, "snapshot cannot be used, trying an older one");
                    unusable.push((file, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        // The first snapshot of a new database may be unfinished: Apache writes it in place. Any other had one before.
        if tried == 0 && unusable.iter().all(|(file, _)| file.zxid == Zxid::ZERO) {
            return Ok(Loaded { snapshot: None, trailer: SnapshotTrailer::default(), unusable: Vec::new() });
        }
        let reasons: Vec<_> = unusable.into_iter().map(|(_, reason)| reason).collect();
        Err(Error::NoUsableSnapshot { snap_dir, reasons: reasons.join("; ") })
    }

    fn try_snapshot(&self, file: &SnapshotFile, target: &mut dyn RecoverTarget) -> Result<SnapshotTrailer> {
        let mut reader = SnapshotReader::open(&**self.vfs, file)?;
        target.begin_snapshot();
        if let Err(Rejected(reason)) = target.load(&mut reader) {
            let (path, offset) = (file.path.clone(), reader.offset());
            return Err(Error::Replay { path, offset, zxid: file.zxid, reason });
        }
        let trailer = reader.finish()?;
        target.loaded(file.zxid, &trailer);
        Ok(trailer)
    }

    /// Applies every transaction behind `after`. The log must lead through each of the `unusable` snapshots.
    ///
    /// Falling back to an older snapshot is harmless only while the log has everything that the newer one had. It has not
    /// where a leader sent that snapshot in place of the transactions; and a later epoch hides that some are missing.
    fn replay(
        &self,
        after: Zxid,
        unusable: &[(SnapshotFile, String)],
        target: &mut dyn RecoverTarget,
    ) -> Result<Replayed> {
        // A file may be named after the last zxid there is.
        let from = Zxid(after.0.saturating_add(1));
        let mut reader = self.reader(from)?;
        let mut replayed = Replayed { last: after, entries: 0, tail: None };
        while let Some(entry) = reader.next() {
            let entry = entry?;
            let path = || reader.path().map_or_else(PathBuf::new, ToOwned::to_owned);
            check_led_through(unusable, replayed.last, entry.zxid)?;
            if let Some(gap) = reader.gap() {
                return Err(Error::Gap { path: path(), expected: Zxid(gap.after.0 + 1), found: gap.next });
            }
            if let Err(Rejected(reason)) = target.replay(entry.bytes) {
                return Err(Error::Replay { path: path(), offset: entry.offset, zxid: entry.zxid, reason });
            }
            replayed.entries += 1;
            replayed.last = replayed.last.max(entry.zxid);
        }
        replayed.tail = reader.bad_tail().cloned();
        check_led_through(unusable, replayed.last, Zxid(i64::MAX))?;
        Ok(replayed)
    }

    fn reader(&self, from: Zxid) -> Result<LogReader> {
        LogReader::open(self.vfs, &self.dirs.log_dir(), from, Zxid(i64::MAX), self.settings.entry_bytes_max)
    }

    fn cut(&self, tail: Option<BadTail>) -> Result<Option<CutTail>> {
        let Some(BadTail { path, offset, data_end, claimed, flaw, nothing_behind }) = tail else { return Ok(None) };
        let dir = self.dirs.log_dir();
        let removed = nothing_behind.iter().chain((offset == 0).then_some(&path));
        for path in removed {
            self.vfs.remove(path).map_err(at("remove", path))?;
            self.vfs.sync_dir(&dir).map_err(sync_failed(&dir))?;
        }
        if offset > 0 {
            let mut file = self.vfs.open(&path, Open::Write).map_err(at("open", &path))?;
            file.set_len(offset).map_err(at("cut", &path))?;
            file.sync_data().map_err(sync_failed(&path))?;
        }
        Ok(Some(CutTail { path, offset, bytes: data_end.saturating_sub(offset), claimed, flaw }))
    }

    /// What was read counts as durable from here on: this server votes with it and acknowledges it. After a process that was
    /// killed it may be in the system's memory only, where a power cut would still take it.
    fn make_durable(&self, from: Zxid) -> Result<()> {
        let dir = self.dirs.log_dir();
        let logs = list_logs(&**self.vfs, &dir)?;
        // The file that holds `from` is named after an earlier transaction.
        let first = logs.iter().rposition(|(zxid, _)| *zxid <= from).unwrap_or(0);
        for (_, path) in &logs[first..] {
            let mut file = self.vfs.open(path, Open::Write).map_err(at("open", path))?;
            file.sync_data().map_err(sync_failed(path))?;
        }
        self.vfs.sync_dir(&dir).map_err(sync_failed(&dir))?;
        let snap_dir = self.dirs.snap_dir();
        if snap_dir != dir {
            self.vfs.sync_dir(&snap_dir).map_err(sync_failed(&snap_dir))?;
        }
        Ok(())
    }

    fn without_snapshot(&self, target: &mut dyn RecoverTarget) -> Result<Recovered> {
        let mut recovered = Recovered {
            last: Zxid::ZERO,
            origin: Origin::New,
            trailer: SnapshotTrailer::default(),
            entries: 0,
            cut_tail: None,
            unusable: Vec::new(),
        };
        let mut reader = self.reader(Zxid::ZERO)?;
        let first = reader.next().transpose()?;
        if let Some(first) = first {
            if !self.settings.trust_empty_snapshot {
                let log = reader.path().map_or_else(PathBuf::new, ToOwned::to_owned);
                return Err(Error::LogWithoutSnapshot { snap_dir: self.dirs.snap_dir(), log, first: first.zxid });
            }
            target.empty();
            let replayed = self.replay(Zxid(first.zxid.0 - 1), &[], target)?;
            recovered.cut_tail = self.cut(replayed.tail)?;
            self.make_durable(first.zxid)?;
            self.remove_marker()?;
            (recovered.last, recovered.entries, recovered.origin) = (replayed.last, replayed.entries, Origin::LogOnly);
            return Ok(recovered);
        }
        recovered.cut_tail = self.cut(reader.bad_tail().cloned())?;
        target.empty();
        let marker = self.dirs.initialize_marker();
        let is_told = exists(&**self.vfs, &marker).map_err(at("look at", &marker))?;
        if is_told {
            recovered.origin = Origin::Initialized;
        } else if !self.settings.autocreate_database {
            (recovered.last, recovered.origin) = (Zxid::NONE, Origin::Unknown);
            return Ok(recovered);
        }
        let snap_dir = self.dirs.snap_dir();
        let mut out = SnapshotWriter::create(self.vfs, &snap_dir, Zxid::ZERO, self.settings.compression)?;
        let trailer = target.write_body(&mut out).map_err(at("write", out.path()))?;
        out.finish(trailer)?;
        recovered.trailer = trailer;
        // Last: while the marker is there a crash changes nothing (Apache removes it first).
        self.remove_marker()?;
        Ok(recovered)
    }

    fn remove_marker(&self) -> Result<()> {
        let marker = self.dirs.initialize_marker();
        if exists(&**self.vfs, &marker).map_err(at("look at", &marker))? {
            self.vfs.remove(&marker).map_err(at("remove", &marker))?;
            let dir = &self.dirs.data_log_dir;
            self.vfs.sync_dir(dir).map_err(sync_failed(dir))?;
        }
        Ok(())
    }
}

/// Refuses where the log steps from `last` to `next` over the state of an unusable snapshot.
///
/// A new leader's snapshot may be named after its epoch, with the counter 0, which is no transaction.
fn check_led_through(unusable: &[(SnapshotFile, String)], last: Zxid, next: Zxid) -> Result<()> {
    let stepped_over = |file: &SnapshotFile| {
        let is_transaction = file.zxid.counter() != 0 || next.0 == i64::MAX;
        is_transaction && last < file.zxid && file.zxid < next
    };
    match unusable.iter().find(|(file, _)| stepped_over(file)) {
        None => Ok(()),
        Some((file, reason)) => {
            Err(Error::HistoryLost { path: file.path.clone(), reason: reason.clone(), reached: last, lost: file.zxid })
        }
    }
}
