//! Reading transactions from a zxid on, over all log files (`FileTxnLog.FileTxnIterator`).
//!
//! Where Apache stops reading a file at the first thing that is not an entry and goes on with the next file, we ask
//! whether something is missing then:
//!
//! | what ends a file | in the newest file | in an older file |
//! | --- | --- | --- |
//! | zeros or the end | end of the log | next file |
//! | a bad entry or zeros, a whole entry behind | refused | next file if it continues without a gap, else refused |
//! | an entry that a crash may have torn, nothing whole behind | [`BadTail`], which recovery cuts off | next file if it continues without a gap, or begins a later epoch; else refused |
//! | an entry that was written to its end and is bad | refused | next file if it continues without a gap, else refused |
//!
//! What a crash may have torn is defined in `torn.rs`. A power cut that kept a later part of the last, unacknowledged batch
//! leaves a bad entry with a whole one behind as well. It is refused with the rest: the format does not mark batches, so
//! nothing tells it from an acknowledged entry that was damaged.
//!
//! "Continues without a gap" (same epoch, next counter) proves that what is bad was never acknowledged here: the server
//! went on as if it had not been there. Such files come from Apache, which leaves torn tails where they are.
//!
//! A newest file without a header proves nothing: recovery removes it, and the next start would find the one before it to be
//! the newest. So that one is judged as the newest at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use planted::Bug;
use wire::Zxid;

use crate::entry::{FILE_HEADER_BYTES, Flaw, FlawKind, Header, LogFile, Step};
use crate::error::{Error, Result, at};
use crate::names::list_logs;
use crate::vfs::Vfs;

/// A transaction as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its zxid.
    pub zxid: Zxid,
    /// Where the entry begins in its file ([`LogReader::path`]).
    pub offset: u64,
    /// Where the next one begins.
    pub next: u64,
    /// Header, record and digest.
    pub bytes: Bytes,
}

/// The unusable end of the newest log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTail {
    /// The file.
    pub path: PathBuf,
    /// Where the good part ends; 0 where the file holds nothing at all.
    pub offset: u64,
    /// The end of the last byte that is not zero.
    pub data_end: u64,
    /// The zxid the bad entry claims, where it can be read.
    pub claimed: Option<Zxid>,
    /// What is wrong; `None` for an empty file.
    pub flaw: Option<Flaw>,
    /// A newer file that holds nothing at all.
    pub nothing_behind: Option<PathBuf>,
}

/// Zxids that are missing between two transactions of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last one before.
    pub after: Zxid,
    /// The first one behind.
    pub next: Zxid,
}

/// Iterates over the transactions with `from <= zxid <= upto`.
///
/// While the log is being written, `upto` must be at most [`crate::TxnLog::synced`]: a reader never looks at bytes that
/// are still under way.
#[derive(Debug)]
pub struct LogReader {
    vfs: Arc<dyn Vfs>,
    files: Vec<(Zxid, PathBuf)>,
    /// A file newer than all of `files`, whose header was not written when it was looked at.
    unwritten: Option<PathBuf>,
    /// Files opened so far; the current one is `files[opened - 1]`.
    opened: usize,
    current: Option<LogFile>,
    offset: u64,
    from: Zxid,
    upto: Zxid,
    last: Option<Zxid>,
    entry_bytes_max: usize,
    gap: Option<Gap>,
    tail: Option<BadTail>,
}

impl LogReader {
    /// Positions a reader before the first transaction with `zxid >= from`.
    pub fn open(
        vfs: &Arc<dyn Vfs>,
        log_dir: &Path,
        from: Zxid,
        upto: Zxid,
        entry_bytes_max: usize,
    ) -> Result<LogReader> {
        let mut files = list_logs(&**vfs, log_dir)?;
        let unwritten = take_unwritten(&**vfs, &mut files, entry_bytes_max)?;
        // All files from the newest one that begins before `from`, as FileTxnIterator.init.
        let before = files.iter().rposition(|(zxid, _)| *zxid < from).unwrap_or(0);
        files.drain(..before);
        Ok(LogReader {
            vfs: Arc::clone(vfs),
            files,
            unwritten,
            opened: 0,
            current: None,
            offset: 0,
            from,
            upto,
            last: None,
            entry_bytes_max,
            gap: None,
            tail: None,
        })
    }

    /// The size on disk of all files this reader will read (`FileTxnIterator.getStorageSize`).
    pub fn storage_bytes(&self) -> Result<u64> {
        let mut total = 0;
        for (_, path) in &self.files {
            total += self.vfs.metadata(path).map_err(at("look at", path))?.len;
        }
        Ok(total)
    }

    /// The last transaction read, also one before `from` that was skipped.
    #[must_use]
    pub fn last(&self) -> Option<Zxid> {
        self.last
    }

    /// The file of the transaction returned last.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.current.as_ref().map(LogFile::path)
    }

    /// The first gap found so far, also one between `from - 1` and the first transaction.
    #[must_use]
    pub fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// What is wrong with the end of the newest file; known once the iterator has ended.
    #[must_use]
    pub fn bad_tail(&self) -> Option<&BadTail> {
        self.tail.as_ref()
    }

    fn advance(&mut self) -> Result<Option<LogEntry>> {
        loop {
            if self.current.is_none() && !self.open_next()? {
                return self.end().map(|()| None);
            }
            let Some(file) = self.current.as_mut() else { return Ok(None) };
            match file.step(self.offset)? {
                Step::Entry { zxid, body, next } => {
                    if zxid > self.upto {
                        return Ok(None);
                    }
                    let entry = LogEntry { zxid, offset: self.offset, next, bytes: body };
                    self.offset = next;
                    self.note(zxid);
                    if zxid >= self.from {
                        return Ok(Some(entry));
                    }
                }
                Step::Blank => self.end_file(None)?,
                Step::Bad(flaw) => self.end_file(Some(flaw))?,
            }
            if self.tail.is_some() {
                return self.end().map(|()| None);
            }
        }
    }

    fn note(&mut self, zxid: Zxid) {
        let base = self.base();
        if zxid >= self.from && self.gap.is_none() && is_gap(base, zxid) {
            self.gap = Some(Gap { after: base, next: zxid });
        }
        self.last = Some(self.last.map_or(zxid, |last| last.max(zxid)));
    }

    /// What the next transaction that matters follows: the last one read, or what was asked to be left out.
    fn base(&self) -> Zxid {
        let before = Zxid(self.from.0.saturating_sub(1));
        self.last.map_or(before, |last| last.max(before))
    }

    fn open_next(&mut self) -> Result<bool> {
        let Some((_, path)) = self.files.get(self.opened) else { return Ok(false) };
        let mut file = LogFile::open(&*self.vfs, path, self.entry_bytes_max)?;
        self.opened += 1;
        self.offset = FILE_HEADER_BYTES;
        match file.header()? {
            Header::Good => self.current = Some(file),
            Header::Bad(flaw) => return Err(file.damaged(0, &flaw, "this is no transaction log")),
            Header::Empty | Header::Unwritten => {
                let flaw = unwritten_header(&file);
                return Err(file.damaged(0, &flaw, "this is not the end of the newest log"));
            }
        }
        Ok(true)
    }

    /// All files with a header were read: what the newest one without is.
    fn end(&mut self) -> Result<()> {
        let Some(path) = self.unwritten.take() else { return Ok(()) };
        let mut file = LogFile::open(&*self.vfs, &path, self.entry_bytes_max)?;
        let flaw = match file.header()? {
            // Written since it was looked at, and then with transactions behind `upto`.
            Header::Good => return Ok(()),
            Header::Bad(flaw) => return Err(file.damaged(0, &flaw, "this is no transaction log")),
            Header::Empty => None,
            Header::Unwritten => Some(unwritten_header(&file)),
        };
        let mut data_end = 0;
        if let Some(flaw) = &flaw {
            let behind = file.behind(0, self.base())?;
            if let Some((at, zxid)) = behind.entry {
                let why = format!("whole transaction {zxid} at byte {at} lies behind it");
                return Err(file.damaged_or_reordered(0, flaw, &why));
            }
            if behind.gave_up {
                return Err(file.damaged(0, flaw, "what lies behind could not be searched"));
            }
            data_end = behind.data_end;
        }
        match &mut self.tail {
            Some(tail) => tail.nothing_behind = Some(path),
            None => {
                self.tail = Some(BadTail { path, offset: 0, data_end, claimed: None, flaw, nothing_behind: None });
            }
        }
        Ok(())
    }

    /// Decides what the end of the current file means (table in the module description).
    fn end_file(&mut self, flaw: Option<Flaw>) -> Result<()> {
        let base = self.base();
        let Some(mut file) = self.current.take() else { return Ok(()) };
        let next = self.files.get(self.opened).map(|(zxid, _)| *zxid);
        if let Some(next) = next
            && base.next() == Some(next)
        {
            return Ok(());
        }
        let behind = file.behind(self.offset, self.last.unwrap_or(Zxid::NONE))?;
        if flaw.is_none() && behind.data_end == self.offset {
            return Ok(());
        }
        let flaw = flaw.unwrap_or_else(|| Flaw {
            kind: FlawKind::Hole,
            expected: "an entry, or zeros to the end of the file".to_owned(),
            found: format!("zeros, then data up to byte {}", behind.data_end),
        });
        if behind.gave_up {
            return Err(file.damaged(self.offset, &flaw, "what lies behind could not be searched"));
        }
        if let Some((at, zxid)) = behind.entry.filter(|_| !planted::is(Bug::DamageTakenForTornTail)) {
            let why = format!("whole transaction {zxid} at byte {at} lies behind it");
            return Err(if next.is_some() {
                file.damaged(self.offset, &flaw, &why)
            } else {
                file.damaged_or_reordered(self.offset, &flaw, &why)
            });
        }
        let is_torn =
            planted::is(Bug::DamageTakenForTornTail) || file.may_be_torn(self.offset, flaw.kind, behind.data_end)?;
        match next {
            None if is_torn => {
                let claimed = file.claimed_zxid(self.offset)?;
                let (path, offset) = (file.path().to_owned(), self.offset);
                let (data_end, flaw) = (behind.data_end, Some(flaw));
                self.tail = Some(BadTail { path, offset, data_end, claimed, flaw, nothing_behind: None });
                Ok(())
            }
            None => Err(file.damaged(self.offset, &flaw, "it was written to its end, which a crash does not leave")),
            Some(next) if is_torn && next.epoch() > base.epoch() => Ok(()),
            Some(next) => {
                let why = format!("the next log file begins at {next}, the last transaction before is {base}");
                Err(file.damaged(self.offset, &flaw, &why))
            }
        }
    }
}

impl Iterator for LogReader {
    type Item = Result<LogEntry>;

    fn next(&mut self) -> Option<Result<LogEntry>> {
        if self.tail.is_some() {
            return None;
        }
        match self.advance() {
            Ok(entry) => entry.map(Ok),
            Err(error) => {
                // Nothing behind an error may be read.
                self.current = None;
                self.opened = self.files.len();
                self.unwritten = None;
                Some(Err(error))
            }
        }
    }
}

/// Takes the newest file out of the list if its header was never written.
fn take_unwritten(vfs: &dyn Vfs, files: &mut Vec<(Zxid, PathBuf)>, entry_bytes_max: usize) -> Result<Option<PathBuf>> {
    let Some((_, path)) = files.last() else { return Ok(None) };
    let header = LogFile::open(vfs, path, entry_bytes_max)?.header()?;
    let is_unwritten = matches!(header, Header::Empty | Header::Unwritten);
    Ok(is_unwritten.then(|| files.pop()).flatten().map(|(_, path)| path))
}

fn unwritten_header(file: &LogFile) -> Flaw {
    Flaw {
        kind: FlawKind::FileHeader,
        expected: "the file header 5a4b4c47 (ZKLG)".to_owned(),
        found: format!("zeros or the end of the file ({} bytes)", file.len()),
    }
}

/// Whether zxids are missing between two that follow each other. An epoch may begin at any time, and its first
/// transaction has counter 1; what a server received as a snapshot hides that, so only one epoch is looked at.
fn is_gap(after: Zxid, next: Zxid) -> bool {
    after.epoch() == next.epoch() && next.0 > after.0.saturating_add(1) && after.0 >= 0
}

/// Whether a log file holds any whole transaction; the first one is returned.
pub(crate) fn first_entry(vfs: &dyn Vfs, path: &Path, entry_bytes_max: usize) -> Result<Option<Zxid>> {
    let mut file = LogFile::open(vfs, path, entry_bytes_max)?;
    let behind = file.behind(0, Zxid::NONE)?;
    if behind.gave_up {
        return Err(Error::WouldOverwrite { path: path.to_owned(), zxid: Zxid::NONE });
    }
    Ok(behind.entry.map(|(_, zxid)| zxid))
}
