//! What can go wrong with the files. Every error names the path; those about content name offset, expected and found.

use std::io;
use std::path::{Path, PathBuf};

use wire::{Epoch, Zxid};

/// The result of an operation on the data directory.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on the data directory failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the quota is full. Nothing of what was asked for is on disk; the same call may be made again later.
    #[error("{operation} {path}: no space left\n  hint: free space on this disk; the operation can be repeated")]
    NoSpace {
        /// What was attempted.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// An fsync failed: what was written before may or may not be on disk, and asking again proves nothing.
    #[error(
        "sync {path}: {source}\n  hint: what is on this disk is unknown now; the server must stop and recover from its log"
    )]
    SyncFailed {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The log failed before and takes nothing more.
    #[error("transaction log {dir} failed before: {reason}")]
    LogFailed {
        /// The log directory.
        dir: PathBuf,
        /// The first failure.
        reason: String,
    },
    /// A transaction is longer than a reader would accept.
    #[error("transaction {zxid} has {found} bytes, at most {expected} can be read back\n  hint: raise jute.maxbuffer")]
    EntryTooLong {
        /// The transaction.
        zxid: Zxid,
        /// The limit.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// A new log file would destroy one that holds transactions.
    #[error(
        "create {path}: the file exists and holds transaction {zxid}\n  hint: another process writes here, or the server lost its place; restart it"
    )]
    WouldOverwrite {
        /// The file.
        path: PathBuf,
        /// A transaction in it.
        zxid: Zxid,
    },
    /// Bytes that must be whole are not.
    #[error("damaged file {path} at byte {offset}: expected {expected}, found {found}\n  hint: {hint}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// The way out.
        hint: String,
    },
    /// Another process uses the directory.
    #[error(
        "data directory {path} is in use by another process ({holder})\n  hint: one server per data directory; stop the other one or give this one its own dataDir"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// The directory is missing and must not be created.
    #[error(
        "missing data directory {path}, and datadir.autocreate is false\n  hint: create it, or set datadir.autocreate=true"
    )]
    MissingDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Logs among the snapshots or snapshots among the logs.
    #[error("{path} is a {kind} in the {place} directory\n  hint: check dataDir and dataLogDir: they may be swapped")]
    MisplacedFile {
        /// The file.
        path: PathBuf,
        /// `transaction log` or `snapshot`.
        kind: &'static str,
        /// `snapshot` or `transaction log`.
        place: &'static str,
    },
    /// There are transactions but nothing to apply them to.
    #[error(
        "no snapshot in {snap_dir}, but {log} holds transactions from {first}\n  hint: put the snapshots back; when upgrading from ZooKeeper 3.4 set snapshot.trust.empty=true for one start"
    )]
    LogWithoutSnapshot {
        /// Where snapshots should be.
        snap_dir: PathBuf,
        /// A log file with transactions.
        log: PathBuf,
        /// The first of them.
        first: Zxid,
    },
    /// Snapshots exist, none is good.
    #[error("no usable snapshot in {snap_dir}: {reasons}\n  hint: restore one of them from a copy of this directory")]
    NoUsableSnapshot {
        /// The directory.
        snap_dir: PathBuf,
        /// Each snapshot tried and what is wrong with it.
        reasons: String,
    },
    /// The newest snapshot is bad and what is left does not reach as far.
    #[error(
        "snapshot {path} is unusable ({reason}), and older snapshots with the log only reach {reached}\n  hint: restore the snapshot from a copy; removing it loses the transactions up to {lost}"
    )]
    HistoryLost {
        /// The unusable snapshot.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// The last zxid that can be rebuilt.
        reached: Zxid,
        /// The zxid of the unusable snapshot.
        lost: Zxid,
    },
    /// Transactions are missing between two others of one epoch.
    #[error(
        "{path}: expected transaction {expected}, found {found}: those between are missing\n  hint: a log file was removed or lost its end; restore it from a copy, or, if the other servers of the ensemble are a quorum without this one, move version-2 aside and let the leader send everything again"
    )]
    Gap {
        /// The file with the first transaction behind the gap.
        path: PathBuf,
        /// The first one missing.
        expected: Zxid,
        /// What came instead.
        found: Zxid,
    },
    /// A transaction was read whole but could not be applied.
    #[error(
        "transaction {zxid} in {path} at byte {offset} cannot be applied: {reason}\n  hint: it does not follow from the files before it; restore the whole data directory from one copy, or, if the other servers of the ensemble are a quorum without this one, move version-2 aside and let the leader send everything again"
    )]
    Replay {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// The transaction.
        zxid: Zxid,
        /// The reason given.
        reason: String,
    },
    /// TRUNC was ordered and there is no log.
    #[error(
        "truncate after {after}: no transaction log in {dir}\n  hint: log files were removed by hand, or dataLogDir was changed in zoo.cfg"
    )]
    NothingToTruncate {
        /// The log directory.
        dir: PathBuf,
        /// The cut.
        after: Zxid,
    },
    /// TRUNC was ordered to a point this log does not reach.
    #[error("truncate after {after}: the last transaction in {dir} is {last}, expected {after} or later")]
    TruncateBeyondEnd {
        /// The log directory.
        dir: PathBuf,
        /// The cut.
        after: Zxid,
        /// The last transaction; 0 where there is none.
        last: Zxid,
    },
    /// TRUNC was ordered to a point before every snapshot.
    #[error(
        "truncate after {after}: the oldest snapshot in {snap_dir} is {oldest}, expected one at or before the cut\n  hint: move version-2 aside and let the leader send a snapshot"
    )]
    TruncateBelowSnapshots {
        /// The snapshot directory.
        snap_dir: PathBuf,
        /// The cut.
        after: Zxid,
        /// The oldest snapshot.
        oldest: Zxid,
    },
    /// The log is ahead of the epoch this server says it is in.
    #[error(
        "{path}: expected an epoch of at least {expected} (last transaction {last}), found {found}\n  hint: the epoch files do not belong to this log; restore the whole data directory from one copy"
    )]
    EpochBehindLog {
        /// The currentEpoch file.
        path: PathBuf,
        /// The last transaction.
        last: Zxid,
        /// Its epoch.
        expected: Epoch,
        /// The current epoch on disk.
        found: Epoch,
    },
    /// A server cannot have taken part in an epoch it never accepted.
    #[error(
        "{path}: expected an accepted epoch of at least {current} (currentEpoch), found {accepted}\n  hint: restore the whole data directory from one copy"
    )]
    AcceptedBehindCurrent {
        /// The acceptedEpoch file.
        path: PathBuf,
        /// What it says.
        accepted: Epoch,
        /// The current epoch.
        current: Epoch,
    },
    /// Retention below Apache's minimum.
    #[error("cannot keep {found} snapshots, expected {expected} or more")]
    KeepTooFew {
        /// The minimum.
        expected: usize,
        /// What was asked for.
        found: usize,
    },
}

impl Error {
    /// Whether only space is missing: the caller may wait and repeat. Every other error of a write ends the server.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        matches!(self, Error::NoSpace { .. })
    }
}

/// Whether the operating system says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Adds operation and path to an I/O error.
pub(crate) fn at<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| {
        if is_full(&source) {
            Error::NoSpace { operation, path: path.to_owned() }
        } else {
            Error::Io { operation, path: path.to_owned(), source }
        }
    }
}

/// Adds the path to a failed sync.
pub(crate) fn sync_failed(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::SyncFailed { path: path.to_owned(), source }
}
