//! Writing the transaction log (`FileTxnLog`, `FilePadding`).
//!
//! `append` only buffers; `sync` writes everything buffered with one write and makes it durable with one fdatasync. Three
//! positions, each a zxid, always in this order:
//!
//! ```text
//! synced <= written <= appended
//! ```
//! Only what is at or below `synced` may be acknowledged (I2). Files of an earlier process are never appended to: a new
//! file is named after its first transaction, and what a crash left at the end of an older one stays where it is.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use planted::Bug;
use wire::Zxid;
use wire::txn::{TxnEntry, TxnHeader};

use crate::entry::{self, ENTRY_BYTES_MAX_DEFAULT, FILE_HEADER, FILE_HEADER_BYTES};
use crate::error::{Error, Result, at, is_full, sync_failed};
use crate::log_reader::first_entry;
use crate::names::log_name;
use crate::truncate::{Truncated, truncate};
use crate::vfs::{Open, Vfs, VfsFile, write_all_at};

/// `preAllocSize` when it is not configured.
const PREALLOC_BYTES_DEFAULT: u64 = 64 << 20;
/// A file grows when less than this is left of it (`FilePadding.calculateFileSizeWithPadding`).
const GROW_BELOW_BYTES: u64 = 4096;
/// A batch buffer larger than this is given back after use.
const SPARE_BYTES_MAX: usize = 4 << 20;

/// `forceSync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForceSync {
    /// fdatasync for every batch.
    #[default]
    Yes,
    /// The operating system writes when it likes: a power cut loses acknowledged transactions.
    No,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// `preAllocSize` in bytes; 0 switches preallocation off.
    pub prealloc_bytes: u64,
    /// `txnLogSizeLimitInKb` in bytes. As in Apache the padding counts, so a limit below `prealloc_bytes` begins a new
    /// file with every sync.
    pub file_bytes_limit: Option<u64>,
    /// `forceSync`.
    pub force_sync: ForceSync,
    /// The longest transaction that can be read back (`jute.maxbuffer` plus `jute.maxbuffer.extrasize`).
    pub entry_bytes_max: usize,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            prealloc_bytes: PREALLOC_BYTES_DEFAULT,
            file_bytes_limit: None,
            force_sync: ForceSync::Yes,
            entry_bytes_max: ENTRY_BYTES_MAX_DEFAULT,
        }
    }
}

/// The transaction log of one server, open for appending.
#[derive(Debug)]
pub struct TxnLog {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    settings: LogSettings,
    active: Option<ActiveFile>,
    /// What is appended and not synced; one segment per file it belongs to.
    batch: VecDeque<Segment>,
    /// The next transaction begins a file, whatever is open or buffered.
    roll_next: bool,
    /// An empty buffer kept for the next batch.
    spare: Vec<u8>,
    appended: Zxid,
    written: Zxid,
    synced: Zxid,
    failed: Option<String>,
    /// Bytes of the files this log has finished with, since the last reset.
    finished_bytes: u64,
}

#[derive(Debug)]
struct ActiveFile {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    /// End of the last whole entry.
    position: u64,
    /// Length the file was padded to; a large batch may have written past it (`FilePadding.currentSize`).
    padded: u64,
}

impl ActiveFile {
    fn size(&self) -> u64 {
        self.padded.max(self.position)
    }
}

#[derive(Debug)]
struct Segment {
    new_file: bool,
    first: Zxid,
    last: Zxid,
    entries: usize,
    bytes: Vec<u8>,
}

impl TxnLog {
    /// Opens the log of a directory for appending behind `last`, the last transaction that recovery found.
    ///
    /// No file is touched before the first `sync`.
    #[must_use]
    pub fn open(vfs: Arc<dyn Vfs>, dir: impl Into<PathBuf>, settings: LogSettings, last: Zxid) -> TxnLog {
        TxnLog {
            vfs,
            dir: dir.into(),
            settings,
            active: None,
            batch: VecDeque::new(),
            roll_next: false,
            spare: Vec::new(),
            appended: last,
            written: last,
            synced: last,
            failed: None,
            finished_bytes: 0,
        }
    }

    /// The last transaction handed over.
    #[must_use]
    pub fn appended(&self) -> Zxid {
        self.appended
    }

    /// The last transaction given to the operating system.
    #[must_use]
    pub fn written(&self) -> Zxid {
        self.written
    }

    /// The last transaction that survives a power cut (with `forceSync=no`: that was written).
    #[must_use]
    pub fn synced(&self) -> Zxid {
        self.synced
    }

    /// Bytes that wait for `sync`. The caller bounds them: while the disk is full they stay here.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.batch.iter().map(|segment| segment.bytes.len()).sum()
    }

    /// Size of all files written since the last [`TxnLog::reset_total_bytes`], with padding
    /// (`FileTxnLog.getTotalLogSize`, compared with `snapSizeLimitInKb`).
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.finished_bytes + self.active.as_ref().map_or(0, ActiveFile::size)
    }

    /// Begins a new count, after a snapshot was triggered (`FileTxnLog.setTotalLogSize(0)`).
    pub fn reset_total_bytes(&mut self) {
        self.finished_bytes = 0;
    }

    /// Buffers one transaction: header, record and digest as they travel.
    ///
    /// # Panics
    /// If the zxid is not greater than the last one, or not the one in the bytes: the order of the log is I1.
    pub fn append(&mut self, zxid: Zxid, bytes: &Bytes) -> Result<()> {
        self.check_usable()?;
        assert!(zxid > self.appended, "append {zxid} behind {}: the log must ascend", self.appended);
        assert!(bytes.len() >= TxnHeader::BYTES, "append {zxid}: {} bytes hold no header", bytes.len());
        let inside = TxnEntry::peek_zxid(bytes);
        assert!(inside == Ok(zxid), "append {zxid}: the header says {inside:?}");
        if bytes.len() > self.settings.entry_bytes_max {
            return Err(Error::EntryTooLong { zxid, expected: self.settings.entry_bytes_max, found: bytes.len() });
        }
        let new_file = self.roll_next || (self.active.is_none() && self.batch.is_empty());
        if new_file || self.batch.is_empty() {
            let bytes = std::mem::take(&mut self.spare);
            self.batch.push_back(Segment { new_file, first: zxid, last: zxid, entries: 0, bytes });
            self.roll_next = false;
        }
        let segment = self.batch.back_mut().expect("a segment was pushed when there was none");
        entry::encode(bytes, &mut segment.bytes);
        segment.last = zxid;
        segment.entries += 1;
        self.appended = zxid;
        Ok(())
    }

    /// Writes and syncs everything buffered; returns the new synced position.
    ///
    /// On [`Error::NoSpace`] nothing of what is still buffered counts as written, the file is as it was, and `sync` may
    /// be called again, also after more appends. Every other error is final.
    pub fn sync(&mut self) -> Result<Zxid> {
        self.check_usable()?;
        while !self.batch.is_empty() {
            if let Err(error) = self.sync_front() {
                if !error.is_no_space() {
                    self.failed = Some(error.to_string());
                }
                return Err(error);
            }
        }
        assert!(
            self.synced == self.written && self.written == self.appended,
            "after a sync all positions are equal: synced {}, written {}, appended {}",
            self.synced,
            self.written,
            self.appended
        );
        Ok(self.synced)
    }

    /// Lets the next transaction begin a new file (`FileTxnLog.rollLog`); without an open file it does so anyway.
    pub fn roll(&mut self) {
        self.roll_next = self.active.is_some() || !self.batch.is_empty();
    }

    /// Syncs what is buffered, then removes every transaction later than `after` and every snapshot of such a state.
    pub fn truncate(&mut self, snap_dir: &Path, after: Zxid) -> Result<Truncated> {
        self.sync()?;
        self.close_active();
        let truncated = truncate(&self.vfs, &self.dir, snap_dir, after, self.settings.entry_bytes_max)?;
        self.restart_at(after);
        Ok(truncated)
    }

    /// Forgets what is buffered and closes the file: the next transaction may be any one later than `last`.
    ///
    /// For a server that was given a snapshot and begins a new history behind it.
    pub fn restart_at(&mut self, last: Zxid) {
        self.batch.clear();
        self.close_active();
        self.roll_next = false;
        (self.appended, self.written, self.synced) = (last, last, last);
    }

    fn check_usable(&self) -> Result<()> {
        match &self.failed {
            Some(reason) => Err(Error::LogFailed { dir: self.dir.clone(), reason: reason.clone() }),
            None => Ok(()),
        }
    }

    fn close_active(&mut self) {
        if let Some(active) = self.active.take() {
            self.finished_bytes += active.size();
        }
    }

    /// Brings the first segment to disk and takes it out of the batch.
    fn sync_front(&mut self) -> Result<()> {
        let Some(mut segment) = self.batch.pop_front() else { return Ok(()) };
        if let Err(error) = self.write(&segment)
            && !(planted::is(Bug::FullDiskTakenForDone) && error.is_no_space())
        {
            self.batch.push_front(segment);
            return Err(error);
        }
        self.written = segment.last;
        let active = self.active.as_mut().expect("a written segment has its file open");
        if self.settings.force_sync == ForceSync::Yes {
            let outcome = if planted::is(Bug::LogNotSynced) { Ok(()) } else { active.file.sync_data() };
            if !planted::is(Bug::FailedSyncIgnored) {
                outcome.map_err(sync_failed(&active.path))?;
            }
            if segment.new_file && !planted::is(Bug::LogNameNotSynced) {
                self.vfs.sync_dir(&self.dir).map_err(sync_failed(&self.dir))?;
            }
        }
        self.synced = segment.last;
        let limit = self.settings.file_bytes_limit;
        if limit.is_some_and(|limit| active.size() > limit) {
            if let Some(next) = self.batch.front_mut() {
                next.new_file = true;
            } else {
                self.roll_next = true;
            }
        }
        segment.bytes.clear();
        if segment.bytes.capacity() <= SPARE_BYTES_MAX {
            self.spare = segment.bytes;
        }
        Ok(())
    }

    fn write(&mut self, segment: &Segment) -> Result<()> {
        if segment.new_file { self.write_first(segment) } else { self.write_more(segment) }
    }

    /// Creates a file with its header and first entries.
    fn write_first(&mut self, segment: &Segment) -> Result<()> {
        let path = self.dir.join(log_name(segment.first));
        let mut file = create(&*self.vfs, &path, self.settings.entry_bytes_max)?;
        let padded = self.padded(FILE_HEADER_BYTES, FILE_HEADER_BYTES, segment.entries);
        let mut bytes = Vec::with_capacity(FILE_HEADER.len() + segment.bytes.len());
        bytes.extend_from_slice(&FILE_HEADER);
        bytes.extend_from_slice(&segment.bytes);
        let position = bytes.len() as u64;
        let outcome = file.set_len(padded).and_then(|()| write_all_at(&mut *file, 0, &bytes));
        if let Err(error) = outcome {
            drop(file);
            if is_full(&error) {
                self.vfs.remove(&path).map_err(fatal("remove unfinished", &path))?;
            }
            return Err(at("write", &path)(error));
        }
        self.close_active();
        self.active = Some(ActiveFile { path, file, position, padded });
        Ok(())
    }

    /// Writes behind the last entry of the open file.
    fn write_more(&mut self, segment: &Segment) -> Result<()> {
        let active = self.active.as_ref().expect("a segment that begins no file continues the open one");
        let padded = self.padded(active.position, active.padded, segment.entries);
        let active = self.active.as_mut().expect("it was there a line ago");
        let grown = if padded == active.padded { Ok(()) } else { active.file.set_len(padded) };
        match grown.and_then(|()| write_all_at(&mut *active.file, active.position, &segment.bytes)) {
            Ok(()) => {
                active.position += segment.bytes.len() as u64;
                active.padded = padded;
                Ok(())
            }
            Err(error) => {
                if is_full(&error) {
                    // Give back what was taken, so that no half of a batch is ever read.
                    active.file.set_len(active.position).map_err(fatal("cut", &active.path))?;
                    active.padded = active.position;
                }
                Err(at("write", &active.path)(error))
            }
        }
    }

    /// The padded length for a batch: Apache looks once per append, before any of them is written.
    fn padded(&self, position: u64, mut size: u64, entries: usize) -> u64 {
        for _ in 0..entries {
            let grown = grow(position, size, self.settings.prealloc_bytes);
            if grown == size {
                break;
            }
            size = grown;
        }
        size
    }
}

/// An error that must not pass for [`Error::NoSpace`]: the file could not be brought back.
fn fatal<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Io { operation, path: path.to_owned(), source }
}

/// Creates a log file; one of the same name may be replaced if a crash left it without a single whole transaction.
fn create(vfs: &dyn Vfs, path: &Path, entry_bytes_max: usize) -> Result<Box<dyn VfsFile>> {
    match vfs.open(path, Open::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        outcome => return outcome.map_err(at("create", path)),
    }
    if let Some(zxid) = first_entry(vfs, path, entry_bytes_max)? {
        return Err(Error::WouldOverwrite { path: path.to_owned(), zxid });
    }
    vfs.open(path, Open::CreateEmpty).map_err(at("create", path))
}

/// The length to give a file of length `size` before writing at `position`.
fn grow(position: u64, size: u64, prealloc: u64) -> u64 {
    if prealloc == 0 || position + GROW_BELOW_BYTES < size {
        size
    } else if position > size {
        let size = position + prealloc;
        size - size % prealloc
    } else {
        size + prealloc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preallocation_follows_apache() {
        const PREALLOC: u64 = 64 << 20;
        let check = |position, size, expected| assert_eq!(grow(position, size, PREALLOC), expected);
        check(16, 16, 16 + PREALLOC);
        check(1000, 16 + PREALLOC, 16 + PREALLOC);
        check(16 + PREALLOC - 4097, 16 + PREALLOC, 16 + PREALLOC);
        check(16 + PREALLOC - 4096, 16 + PREALLOC, 16 + 2 * PREALLOC);
        check(16 + PREALLOC + 1, 16 + PREALLOC, 2 * PREALLOC);
        assert_eq!(grow(500, 100, 0), 100);
    }
}
