//! The directories of a server: made, checked and locked before anything in them is read (`FileTxnSnapLog` constructor).

use std::path::{Path, PathBuf};

use crate::error::{Error, Result, at, sync_failed};
use crate::vfs::{LockError, LockGuard, Vfs, exists};

/// Held by every process that uses a data directory. Apache ignores it: the name is neither a log's nor a snapshot's.
const LOCK_NAME: &str = "zookube.lock";

/// `dataDir` and `dataLogDir` as configured; the files lie in `version-2` beneath.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirs {
    /// `dataDir`: snapshots and epoch files.
    pub data_dir: PathBuf,
    /// `dataLogDir`: transaction logs. The same as `data_dir` unless split.
    pub data_log_dir: PathBuf,
}

impl DataDirs {
    /// One directory for both.
    #[must_use]
    pub fn single(dir: impl Into<PathBuf>) -> DataDirs {
        let data_dir = dir.into();
        DataDirs { data_log_dir: data_dir.clone(), data_dir }
    }

    /// Where snapshots and epoch files are.
    #[must_use]
    pub fn snap_dir(&self) -> PathBuf {
        self.data_dir.join("version-2")
    }

    /// Where transaction logs are.
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.data_log_dir.join("version-2")
    }

    /// The marker that says "an empty database is expected here".
    #[must_use]
    pub fn initialize_marker(&self) -> PathBuf {
        self.data_log_dir.join("initialize")
    }
}

/// `datadir.autocreate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Autocreate {
    /// Missing directories are made.
    #[default]
    Yes,
    /// Missing directories are refused: on a volume that was not mounted an empty database would come up.
    No,
}

/// The exclusive use of the directories. Held while it lives; the kernel gives it back when the process is gone.
#[derive(Debug)]
#[must_use = "the directories are locked only while this lives"]
pub struct DirLock {
    _guards: Vec<Box<dyn LockGuard>>,
}

impl DirLock {
    /// Locks one directory.
    pub fn acquire(vfs: &dyn Vfs, dir: &Path) -> Result<DirLock> {
        Ok(DirLock { _guards: vec![lock(vfs, dir)?] })
    }
}

/// Makes (or refuses to make) the directories, locks them, and checks that logs and snapshots lie where they belong.
pub fn open_dirs(vfs: &dyn Vfs, dirs: &DataDirs, autocreate: Autocreate) -> Result<DirLock> {
    let (log_dir, snap_dir) = (dirs.log_dir(), dirs.snap_dir());
    ensure(vfs, &log_dir, autocreate)?;
    ensure(vfs, &snap_dir, autocreate)?;
    let mut guards = vec![lock(vfs, &snap_dir)?];
    if log_dir != snap_dir {
        guards.push(lock(vfs, &log_dir)?);
        check_content(vfs, &log_dir, "snapshot.", "snapshot", "transaction log")?;
        check_content(vfs, &snap_dir, "log.", "transaction log", "snapshot")?;
    }
    Ok(DirLock { _guards: guards })
}

fn ensure(vfs: &dyn Vfs, dir: &Path, autocreate: Autocreate) -> Result<()> {
    if exists(vfs, dir).map_err(at("look at", dir))? {
        return Ok(());
    }
    if autocreate == Autocreate::No {
        return Err(Error::MissingDirectory { path: dir.to_owned() });
    }
    vfs.create_dir_all(dir).map_err(at("create directory", dir))?;
    // The names of the new directories must survive a power cut, or synced files in them would not.
    for parent in dir.ancestors().skip(1).take(2).filter(|parent| !parent.as_os_str().is_empty()) {
        vfs.sync_dir(parent).map_err(sync_failed(parent))?;
    }
    Ok(())
}

fn lock(vfs: &dyn Vfs, dir: &Path) -> Result<Box<dyn LockGuard>> {
    let path = dir.join(LOCK_NAME);
    vfs.lock(&path).map_err(|error| match error {
        LockError::Held(holder) if holder.is_empty() => {
            Error::Locked { path: dir.to_owned(), holder: "unknown".to_owned() }
        }
        LockError::Held(holder) => Error::Locked { path: dir.to_owned(), holder },
        LockError::Io(source) => at("lock", &path)(source),
    })
}

fn check_content(vfs: &dyn Vfs, dir: &Path, prefix: &str, kind: &'static str, place: &'static str) -> Result<()> {
    let names = vfs.list(dir).map_err(at("list", dir))?;
    match names.iter().find(|name| name.starts_with(prefix)) {
        Some(name) => Err(Error::MisplacedFile { path: dir.join(name), kind, place }),
        None => Ok(()),
    }
}
