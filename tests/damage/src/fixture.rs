//! The directory of a real server after a workload, in memory.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use store::testing::MemFs;
use support::ensemble::Plan;
use support::{Server, ServerKind, ServerSpec, wait};
use wire::Zxid;

use crate::history::History;
use crate::log_bytes::entries;
use crate::recovery::{Mode, zxid_of_name};
use crate::workload::{self, Acknowledged};

/// Names a directory that an earlier failure kept; it is used in place of a server's.
pub const DIR_VARIABLE: &str = "ZOOKUBE_DAMAGE_DIR";

/// Enough for a handful of logs and snapshots in the first run.
const SNAP_COUNT_FIRST: u32 = 10;
/// One log for the whole last run.
const SNAP_COUNT_LAST: u32 = 100_000;
/// Padding that is soon copied.
const PREALLOC_KB: u32 = 12;
/// So many snapshots there must be after the first run, whatever was skipped because one was still being written.
const SNAPSHOTS_MIN: usize = 4;
/// So often the first run is prolonged for that.
const PROLONGED_MAX: usize = 50;
/// Nothing is deleted: the logs must reach back to the first transaction.
const NO_PURGE: (&str, u32) = ("autopurge.purgeInterval", 0);
/// For what must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where the copy lies in memory.
const DATA_DIR: &str = "/data";

/// A server's directory, and what must be in it.
#[derive(Debug)]
pub struct Fixture {
    /// For messages and for choosing a case.
    pub name: &'static str,
    /// The files, undamaged. Fork them.
    pub fs: MemFs,
    /// Whether there are epochs.
    pub mode: Mode,
    /// All states.
    pub history: History,
}

impl Fixture {
    /// The directory of one server that serves alone.
    #[must_use]
    pub fn standalone(name: &'static str, settings: &[(&str, &str)], last: &[u8]) -> Fixture {
        if let Some(kept) = Fixture::kept(name, Mode::Standalone) {
            return kept;
        }
        let mut spec = ServerSpec::new(ServerKind::Zookube);
        for (key, value) in settings {
            spec = spec.set(key, value);
        }
        let spec = spec.set("snapCount", SNAP_COUNT_FIRST).set("preAllocSize", PREALLOC_KB).set(NO_PURGE.0, NO_PURGE.1);
        let mut server = Server::standalone(spec);
        let mut acknowledged = first_run(&server);
        server.terminate();
        server.reconfigure("snapCount", SNAP_COUNT_LAST);
        let ends = last_logged(&copy(&server.data_dir()));
        server.start();
        server.wait_serving();
        // It writes one as it starts, unless there is one already; what comes in meanwhile would be in it as well.
        wait::until("a snapshot of the first run's end", PATIENCE, || {
            let snapshots = snapshots(&copy(&server.data_dir()));
            (snapshots.iter().filter_map(|path| zxid_of_name(path)).max() >= Some(ends)).then_some(())
        });
        acknowledged.extend(workload::last_run(server.addr(), last));
        server.terminate();
        Fixture::taken(name, Mode::Standalone, &server.data_dir(), &acknowledged)
    }

    /// The directory of the first of two servers of an ensemble, which follows.
    #[must_use]
    pub fn ensemble(name: &'static str, kind: ServerKind, last: &[u8]) -> Fixture {
        if let Some(kept) = Fixture::kept(name, Mode::Ensemble) {
            return kept;
        }
        let plan = Plan::voters(&[kind; 2]).set("snapCount", SNAP_COUNT_FIRST).set("preAllocSize", PREALLOC_KB);
        let mut ensemble = plan.set(NO_PURGE.0, NO_PURGE.1).start();
        let first: SocketAddr = ensemble.servers[0].addr();
        let mut acknowledged = first_run(&ensemble.servers[0]);
        for server in &mut ensemble.servers {
            server.terminate();
        }
        for server in &mut ensemble.servers {
            server.reconfigure("snapCount", SNAP_COUNT_LAST);
            server.start();
        }
        ensemble.wait_settled();
        acknowledged.extend(workload::last_run(first, last));
        for server in &mut ensemble.servers {
            server.terminate();
        }
        Fixture::taken(name, Mode::Ensemble, &ensemble.servers[0].data_dir(), &acknowledged)
    }

    fn kept(name: &'static str, mode: Mode) -> Option<Fixture> {
        let dir = PathBuf::from(std::env::var_os(DIR_VARIABLE)?);
        let fs = copy(&dir);
        let history = History::of(&fs, Path::new(DATA_DIR));
        Some(Fixture { name, fs, mode, history })
    }

    fn taken(name: &'static str, mode: Mode, dir: &Path, acknowledged: &[Acknowledged]) -> Fixture {
        let fs = copy(dir);
        let history = History::of(&fs, Path::new(DATA_DIR));
        history.assert_holds(acknowledged);
        Fixture { name, fs, mode, history }
    }

    /// `dataDir`.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        Path::new(DATA_DIR)
    }

    /// All files in `version-2`.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        files(&self.fs)
    }

    /// The logs, oldest first.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        sorted(&self.fs, "log.")
    }

    /// The snapshots, oldest first, without one that the server did not finish before it was stopped.
    #[must_use]
    pub fn snapshots(&self) -> Vec<PathBuf> {
        snapshots(&self.fs)
    }

    /// The content of a file.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        self.fs.read(path).unwrap_or_else(|| panic!("{} is there", path.display()))
    }

    /// Writes the undamaged files to the disk, for a case to be run again; returns the directory.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn keep(&self) -> std::io::Result<PathBuf> {
        let dir = std::env::temp_dir().join(format!("zookube-damage-{}-{}", self.name, std::process::id()));
        for path in self.fs.paths() {
            let target = dir.join(path.strip_prefix(DATA_DIR).unwrap_or(&path));
            std::fs::create_dir_all(target.parent().unwrap_or(&dir))?;
            std::fs::write(target, self.bytes(&path))?;
        }
        Ok(dir)
    }
}

/// Runs until there are logs and snapshots enough.
fn first_run(server: &Server) -> Vec<Acknowledged> {
    let mut acknowledged = workload::first_run(server.addr());
    for round in 0..PROLONGED_MAX {
        if copy(&server.data_dir()).paths().iter().filter(|path| is_named(path, "snapshot.")).count() >= SNAPSHOTS_MIN {
            return acknowledged;
        }
        acknowledged.extend(workload::prolonged(server.addr(), round));
    }
    panic!("{} has not written {SNAPSHOTS_MIN} snapshots", server.kind().name());
}

/// The last transaction in the logs.
fn last_logged(fs: &MemFs) -> Zxid {
    let logs = sorted(fs, "log.").into_iter().filter_map(|path| fs.read(&path));
    logs.filter_map(|bytes| entries(&bytes).last().map(|entry| Zxid(entry.zxid))).max().unwrap_or(Zxid::ZERO)
}

fn files(fs: &MemFs) -> Vec<PathBuf> {
    fs.paths().into_iter().filter(|path| path.parent().is_some_and(|dir| dir.ends_with("version-2"))).collect()
}

fn sorted(fs: &MemFs, prefix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = files(fs).into_iter().filter(|path| is_named(path, prefix)).collect();
    files.sort_by_key(|path| zxid_of_name(path));
    files
}

fn snapshots(fs: &MemFs) -> Vec<PathBuf> {
    let mut snapshots = sorted(fs, "snapshot.");
    snapshots.retain(|path| path.extension().is_none_or(|extension| extension != "tmp"));
    snapshots
}

fn is_named(path: &Path, prefix: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
}

/// A real data directory in memory. While its server runs, files may come and go.
fn copy(dir: &Path) -> MemFs {
    let fs = MemFs::new();
    for inside in [dir.to_owned(), dir.join("version-2")] {
        let listing = std::fs::read_dir(&inside).unwrap_or_else(|error| panic!("list {}: {error}", inside.display()));
        for entry in listing {
            let path = entry.expect("a directory entry").path();
            if path.is_file() && path.file_name().is_none_or(|name| name != "zookube.lock") {
                let bytes = match std::fs::read(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    read => read.unwrap_or_else(|error| panic!("read {}: {error}", path.display())),
                };
                let place = path.strip_prefix(dir).expect("it lies in the directory");
                fs.write(&Path::new(DATA_DIR).join(place), &bytes);
            }
        }
    }
    fs
}
