//! The state of the data directory, read without changing anything in it.

use super::finding::{Finding, Status, plural};
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{DataDirs, LogReader, RealFs, Vfs, list_logs, list_snapshots};
use wire::Zxid;

/// The lock's name, beside the files it protects (`store::open_dirs`).
const LOCK_NAME: &str = "zookube.lock";
/// How much of the lock's text is read.
const LOCK_TEXT_BYTES_MAX: u64 = 64;
/// How much of an epoch file is read.
const EPOCH_TEXT_BYTES_MAX: u64 = 64;
/// A newest log longer than this is not read to its end: it would take the disk's time from a series of syncs.
const LOG_BYTES_MAX: u64 = 1 << 30;
/// Foreign files that are counted at most.
const FILES_MAX: usize = 100_000;

/// The process that has the data directory open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id, as it wrote it down: in a container that of the container's own numbering.
    pub pid: Option<u32>,
}

/// What is in the directories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Snapshot files.
    pub snapshots: usize,
    /// Size of the newest, in bytes.
    pub snapshot_bytes: u64,
    /// Zxid of the newest.
    pub snapshot_zxid: Option<Zxid>,
    /// Log files.
    pub logs: usize,
    /// The zxid the newest log begins with.
    pub log_zxid: Option<Zxid>,
}

/// Who runs a server on these directories at the moment.
///
/// The lock is asked for as a reader and given back at once. A server that starts in this very instant is refused and
/// started again by its supervisor; without asking nothing tells a lock that is held from one that a crash left.
#[must_use]
pub fn holder(dirs: &DataDirs) -> Option<Holder> {
    let mut file = File::open(dirs.snap_dir().join(LOCK_NAME)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // A holder without a name is still a holder.
            let _ = Read::by_ref(&mut file).take(LOCK_TEXT_BYTES_MAX).read_to_string(&mut text);
            Some(Holder { pid: text.trim().strip_prefix("pid ").and_then(|pid| pid.parse().ok()) })
        }
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Whether a server runs here. Neither is wrong.
#[must_use]
pub fn lock(dirs: &DataDirs, holder: Option<&Holder>) -> Finding {
    let about = dirs.data_dir.display().to_string();
    let is_hidden = |error: std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    let found = match holder {
        None if File::open(dirs.snap_dir().join(LOCK_NAME)).is_err_and(is_hidden) => {
            return Finding::unknown("data.lock", about, "this user may not see whether a server has it open");
        }
        None => "no server has this directory open".to_owned(),
        Some(Holder { pid: Some(pid) }) => format!("a server has this directory open (pid {pid})"),
        Some(Holder { pid: None }) => "a server has this directory open".to_owned(),
    };
    Finding::ok("data.lock", about, found)
}

/// Whether a directory can be used by this user.
#[must_use]
pub fn directory(dir: &Path, autocreate: bool) -> Finding {
    use rustix::fs::Access;
    let id = "data.directory";
    let about = dir.display().to_string();
    if !dir.exists() {
        let parent = super::volume::nearest(dir);
        return match parent {
            _ if !autocreate => {
                Finding::problem(id, about, "is missing and datadir.autocreate=false", "mount the volume, or make it")
            }
            Ok(parent) if rustix::fs::access(&parent, Access::WRITE_OK | Access::EXEC_OK).is_err() => Finding::problem(
                id,
                about,
                format!("is missing, and this user may not make it in {}", parent.display()),
                format!("mkdir -p {0} and give it to the server's user with chown", dir.display()),
            ),
            Ok(_) => Finding::note(id, about, "is missing; the first start makes it"),
            Err(error) => Finding::problem(id, about, format!("cannot be made: {error}"), "choose another directory"),
        };
    }
    if rustix::fs::access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let user = rustix::process::geteuid().as_raw();
        let owner = fs::metadata(dir).map_or_else(|_| "unknown".to_owned(), |metadata| metadata.uid().to_string());
        return Finding::problem(
            id,
            about,
            format!("this user (uid {user}) may not read and write it; it belongs to uid {owner}"),
            format!(
                "run this command as the server's user, or give the directory to it: chown -R {user} {}",
                dir.display()
            ),
        );
    }
    Finding::ok(id, about, "can be read and written")
}

/// Files in it can be removed by their owners only, whoever may make some: a volume that is open to every user.
const STICKY: u32 = 0o1000;

/// Whether everything in a directory belongs to the directory's owner, or to this user where the directory is open to all. A
/// server that was once started as root leaves files behind that its own user cannot write.
#[must_use]
pub fn ownership(dir: &Path) -> Option<Finding> {
    let id = "data.owner";
    let about = dir.display().to_string();
    let user = rustix::process::geteuid().as_raw();
    let metadata = fs::metadata(dir).ok()?;
    let owner = if metadata.mode() & STICKY == 0 { metadata.uid() } else { user };
    let inside = [dir.to_owned(), dir.join("version-2")];
    let files = inside.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten()).take(FILES_MAX);
    let foreign: Vec<(PathBuf, u32)> = files
        .filter_map(|file| Some((file.path(), file.metadata().ok()?.uid())))
        .filter(|(_, uid)| *uid != owner)
        .collect();
    Some(match foreign.first() {
        Some((path, uid)) => Finding::warning(
            id,
            about,
            format!(
                "is for uid {owner}, but {} in it belong to others, such as {} to uid {uid}",
                plural(foreign.len(), "file"),
                path.display()
            ),
            format!("chown -R {owner} {}", dir.display()),
        ),
        None if user != owner => {
            Finding::note(id, about, format!("everything belongs to uid {owner}; this command runs as uid {user}"))
                .with_remedy(
                    "run it as the server's user: what it finds out about permissions and limits is its own user's",
                )
        }
        None => Finding::ok(id, about, format!("everything belongs to uid {owner}")),
    })
}

/// Counts logs and snapshots.
///
/// # Errors
/// When a directory that is there cannot be read.
pub fn inventory(dirs: &DataDirs) -> store::Result<Inventory> {
    let snapshots = if dirs.snap_dir().exists() { list_snapshots(&RealFs, &dirs.snap_dir())? } else { Vec::new() };
    let logs = if dirs.log_dir().exists() { list_logs(&RealFs, &dirs.log_dir())? } else { Vec::new() };
    let newest = snapshots.iter().max_by_key(|snapshot| snapshot.zxid);
    Ok(Inventory {
        snapshots: snapshots.len(),
        snapshot_bytes: newest.and_then(|newest| fs::metadata(&newest.path).ok()).map_or(0, |metadata| metadata.len()),
        snapshot_zxid: newest.map(|newest| newest.zxid),
        logs: logs.len(),
        log_zxid: logs.iter().map(|(zxid, _)| *zxid).max(),
    })
}

/// How far the history reaches. The newest log is read to its end, unless a server is writing it.
#[must_use]
pub fn history(dirs: &DataDirs, inventory: &Inventory, running: Option<&Holder>, entry_bytes_max: usize) -> Finding {
    let id = "data.history";
    let about = dirs.data_dir.display().to_string();
    let count = format!("{}, {}", plural(inventory.snapshots, "snapshot"), plural(inventory.logs, "log"));
    let Some(log_zxid) = inventory.log_zxid else {
        let found = match inventory.snapshot_zxid {
            None => "empty: the first start begins a new database".to_owned(),
            Some(zxid) => format!("{count}, last zxid {zxid}"),
        };
        return Finding::ok(id, about, found);
    };
    if inventory.snapshots == 0 {
        return Finding::problem(
            id,
            about,
            format!("{count}: the snapshots were deleted"),
            "restore them from a backup, or, if the other servers are a quorum without this one, move version-2 aside",
        );
    }
    if running.is_some() {
        return Finding::ok(
            id,
            about,
            format!("{count}, the newest log begins at zxid {log_zxid} and is being written"),
        );
    }
    match last_zxid(dirs, log_zxid, entry_bytes_max) {
        Ok(End::At(zxid)) => {
            let zxid = inventory.snapshot_zxid.map_or(zxid, |snapshot| snapshot.max(zxid));
            Finding::ok(id, about, format!("{count}, last zxid {zxid}"))
        }
        Ok(End::Torn(zxid)) => Finding::note(
            id,
            about,
            format!("{count}, last zxid {zxid}; behind it an unfinished entry, which the next start cuts off"),
        ),
        Ok(End::TooLong) => Finding::note(id, about, format!("{count}; the newest log is too long to be read here")),
        Err(error) => Finding::problem(id, about, format!("{count}: {error}"), "see docs/operating/failure-modes.md"),
    }
}

enum End {
    At(Zxid),
    Torn(Zxid),
    TooLong,
}

fn last_zxid(dirs: &DataDirs, from: Zxid, entry_bytes_max: usize) -> store::Result<End> {
    let vfs: Arc<dyn Vfs> = Arc::new(RealFs);
    let mut reader = LogReader::open(&vfs, &dirs.log_dir(), from, Zxid(i64::MAX), entry_bytes_max)?;
    if reader.storage_bytes()? > LOG_BYTES_MAX {
        return Ok(End::TooLong);
    }
    for entry in reader.by_ref() {
        entry?;
    }
    // Not the iterator's `last`, which would read on.
    let last = LogReader::last(&reader).unwrap_or(from);
    // An empty newest file is how a log begins; nothing of it is lost.
    let torn = reader.bad_tail().is_some_and(|tail| tail.flaw.is_some());
    Ok(if torn { End::Torn(last) } else { End::At(last) })
}

/// What this server has promised. The server itself checks more when it starts.
#[must_use]
pub fn epochs(dirs: &DataDirs) -> Option<Finding> {
    let id = "data.epochs";
    let about = dirs.snap_dir().display().to_string();
    let read = |name: &str| -> Result<Option<i64>, String> {
        let path = dirs.snap_dir().join(name);
        let Ok(file) = File::open(&path) else { return Ok(None) };
        let mut text = String::new();
        let read = file.take(EPOCH_TEXT_BYTES_MAX).read_to_string(&mut text);
        read.map_err(|error| format!("{name} cannot be read: {error}"))?;
        text.trim().parse().map(Some).map_err(|_| format!("{name} holds {:?} instead of a number", text.trim()))
    };
    let remedy = "an epoch must not be guessed: restore the directory from one copy, or, if the other servers are a quorum \
                  without this one, move version-2 aside and let the leader send everything again";
    let found = match (read("currentEpoch"), read("acceptedEpoch")) {
        (Ok(None), Ok(None)) => return None,
        (Err(why), _) | (_, Err(why)) => Err(why),
        (Ok(Some(current)), Ok(Some(accepted))) if accepted >= current => {
            Ok(format!("accepted epoch {accepted}, current epoch {current}"))
        }
        (Ok(Some(current)), Ok(Some(accepted))) => {
            Err(format!("accepted epoch {accepted} is less than current epoch {current}"))
        }
        // The first start was interrupted between the two.
        (Ok(Some(0)), Ok(None)) => Ok("current epoch 0".to_owned()),
        (Ok(Some(_)), Ok(None)) => Err("currentEpoch is there without acceptedEpoch".to_owned()),
        (Ok(None), Ok(Some(_))) => Err("acceptedEpoch is there without currentEpoch".to_owned()),
    };
    Some(match found {
        Ok(found) => Finding::ok(id, about, found),
        Err(found) => Finding { status: Status::Problem, ..Finding::ok(id, about, found) }.with_remedy(remedy),
    })
}

#[cfg(test)]
#[path = "data_test.rs"]
mod tests;
