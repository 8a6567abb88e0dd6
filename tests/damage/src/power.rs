//! One server's disk under a fixed workload, until the power is cut: the calls of the disk thread, on a disk in memory.
//!
//! Every transaction creates a znode that is named after its zxid, so a recovered tree says which transactions it has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::testing::{Fault, MemFs};
use store::{
    Autocreate, Compression, DataDirs, DirLock, LogSettings, Result, SnapshotTrailer, SnapshotWriter, TxnLog, Vfs,
    ZxidDigest, discard_all_but, epochs, open_dirs, purge,
};
use tree::image::Writer;
use tree::{Events, Tree};
use wire::txn::{CreateKind, CreateTxn, Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Acl, Epoch, Id, Millis, Perms, SessionId, Xid, Zxid};

use crate::history::State;
use crate::recovery::{Mode, TREE, recover};

/// `dataDir`.
pub const DATA_DIR: &str = "/data";
/// Padding that runs out within a workload.
const PREALLOC_BYTES: u64 = 8 * 1024;
/// Snapshots are written in pieces.
const CHUNK_BYTES: usize = 700;
/// More calls than anything makes between the cut and its notice.
const CALLS_AFTER_CUT: u64 = 50;

/// What the disk thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A transaction with so many bytes of data.
    Append(usize),
    /// A transaction whose data are zeros.
    AppendZeros(usize),
    /// The sync behind a batch; what it covers is acknowledged.
    Sync,
    /// A snapshot of what is synced, and a new log.
    Snapshot(Compression),
    /// `acceptedEpoch`.
    Accept(i64),
    /// `currentEpoch`.
    Follow(i64),
    /// The next transaction is the first of this epoch.
    Begin(i64),
    /// So many transactions are taken back.
    Truncate(usize),
    /// A leader's snapshot replaces everything. It holds so many transactions that this log never had.
    Replace(usize),
    /// Old files are deleted.
    Purge,
}

/// What must be on the disk at some point of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// All transactions handed over, oldest first.
    pub zxids: Vec<Zxid>,
    /// How many of them must be there.
    pub least: usize,
    /// What may be there in place of a beginning of `zxids`: a leader's history on its way.
    pub instead: Option<Vec<Zxid>>,
    /// The accepted epoch: the one that is there, and the one that is being written.
    pub accepted: [i64; 2],
    /// The current epoch, likewise.
    pub current: [i64; 2],
    /// The encoded transactions that are handed over and not acknowledged.
    pub unsynced: Vec<TxnEntry>,
}

/// A server's disk thread.
pub struct Disk {
    vfs: Arc<dyn Vfs>,
    log: TxnLog,
    tree: Tree,
    events: Events,
    next: Zxid,
    truth: Truth,
    _lock: DirLock,
}

/// The directories.
#[must_use]
pub fn dirs() -> DataDirs {
    DataDirs::single(DATA_DIR)
}

fn snap_dir() -> PathBuf {
    dirs().snap_dir()
}

fn log_settings() -> LogSettings {
    LogSettings { prealloc_bytes: PREALLOC_BYTES, ..LogSettings::default() }
}

/// The data of a transaction: neither zeros nor a repetition of anything else.
fn data(zxid: Zxid, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| ((at as i64 * 31 + zxid.0 * 7) % 251) as u8 + 1).collect()
}

/// Starts a server on an empty disk, runs `steps`, and returns what must be on the disk. The power is cut at call `cut`: that
/// call and all later ones fail. `None` cuts nothing.
#[must_use]
pub fn run(fs: &MemFs, steps: &[Step], cut: Option<u64>) -> Truth {
    for call in cut.into_iter().flat_map(|cut| cut..cut + CALLS_AFTER_CUT) {
        fs.fail_call(call, Fault::Io);
    }
    let mut truth =
        Truth { zxids: Vec::new(), least: 0, instead: None, accepted: [0, 0], current: [0, 0], unsynced: Vec::new() };
    if recover(fs, Path::new(DATA_DIR), Mode::Ensemble).is_err() {
        return truth;
    }
    let Ok(mut disk) = Disk::open(fs, truth.clone()) else { return truth };
    for step in steps {
        let done = disk.step(*step).is_ok();
        truth = disk.truth.clone();
        if !done {
            break;
        }
    }
    truth
}

impl Disk {
    fn open(fs: &MemFs, truth: Truth) -> Result<Disk> {
        let vfs = fs.vfs();
        let lock = open_dirs(&*vfs, &dirs(), Autocreate::Yes)?;
        let log = TxnLog::open(vfs.clone(), dirs().log_dir(), log_settings(), Zxid::ZERO);
        let (tree, events) = (Tree::new(TREE), Events::new());
        Ok(Disk { vfs, log, tree, events, next: Zxid(1), truth, _lock: lock })
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Append(bytes) => self.append(data(self.next, bytes)),
            Step::AppendZeros(bytes) => self.append(vec![0; bytes]),
            Step::Sync => self.sync(),
            Step::Snapshot(compression) => {
                self.sync()?;
                self.log.roll();
                self.log.reset_total_bytes();
                self.snapshot(compression)
            }
            Step::Accept(epoch) => {
                self.sync()?;
                self.truth.accepted[1] = epoch;
                epochs::write_accepted(&*self.vfs, &snap_dir(), Epoch(epoch))?;
                self.truth.accepted[0] = epoch;
                Ok(())
            }
            Step::Follow(epoch) => {
                self.sync()?;
                self.truth.current[1] = epoch;
                epochs::write_current(&*self.vfs, &snap_dir(), Epoch(epoch))?;
                self.truth.current[0] = epoch;
                Ok(())
            }
            Step::Begin(epoch) => {
                self.next = Zxid((epoch << 32) + 1);
                Ok(())
            }
            Step::Truncate(back) => self.truncate(back),
            Step::Replace(more) => self.replace(more),
            Step::Purge => purge::purge(&*self.vfs, &dirs(), purge::KEEP_MIN).map(drop),
        }
    }

    /// The next transaction of this epoch, applied to the tree as the ensemble will have it.
    fn transaction(&mut self, data: Vec<u8>) -> TxnEntry {
        let zxid = self.next;
        self.next = zxid.next().expect("an epoch has room");
        let header = TxnHeader { session: SessionId(1 << 56), cxid: Xid(1), zxid, time: Millis(1_700_000_000_000) };
        let body = Txn::Create(CreateTxn {
            path: name_of(zxid),
            data: Some(data.into()),
            acl: vec![Acl { perms: Perms::ALL, id: Id::new("world", "anyone") }],
            kind: CreateKind::Create { ephemeral: false },
            parent_cversion: i32::try_from(self.tree.paths().len()).expect("a small tree"),
        });
        self.tree.apply(&TxnEntry::new(header, body.clone(), None), &mut self.events);
        self.events.clear();
        let digest = TxnDigest { version: TxnDigest::VERSION, digest: self.tree.digest() };
        TxnEntry::new(header, body, Some(digest))
    }

    fn append(&mut self, data: Vec<u8>) -> Result<()> {
        let entry = self.transaction(data);
        self.log.append(entry.zxid(), &entry.bytes)?;
        self.truth.zxids.push(entry.zxid());
        self.truth.unsynced.push(entry);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        let outcome = self.log.sync();
        // A part of a batch may be durable, and then it was said so.
        let synced = self.log.synced();
        self.truth.least = self.truth.zxids.iter().filter(|zxid| **zxid <= synced).count();
        self.truth.unsynced.retain(|entry| entry.zxid() > synced);
        outcome.map(drop)
    }

    fn snapshot(&mut self, compression: Compression) -> Result<()> {
        let mut body = Writer::new(&self.tree);
        let mut out = SnapshotWriter::create(&self.vfs, &snap_dir(), body.zxid(), compression)?;
        let mut chunk = Vec::new();
        while {
            chunk.clear();
            let more = body.next_chunk(&self.tree, &mut chunk, CHUNK_BYTES).expect("nobody replaces this tree");
            out.append(&chunk)?;
            more
        } {}
        let digest = body.digest_section();
        let digest = digest.map(|found| ZxidDigest { zxid: found.zxid, version: found.version, digest: found.digest });
        let last_processed = Some(body.zxid());
        out.finish(SnapshotTrailer { digest, last_processed }).map(drop)
    }

    fn truncate(&mut self, back: usize) -> Result<()> {
        self.sync()?;
        let left = self.truth.zxids.len() - back;
        self.truth.least = left;
        self.log.truncate(&snap_dir(), self.truth.zxids[left - 1])?;
        self.truth.zxids.truncate(left);
        // The server reloads its tree.
        self.tree = Tree::new(TREE);
        let found = recover_tree(&self.vfs)?;
        self.next = found.last_zxid().next().expect("an epoch has room");
        self.tree = found;
        Ok(())
    }

    fn replace(&mut self, more: usize) -> Result<()> {
        for _ in 0..more {
            drop(self.transaction(b"of the leader".to_vec()));
        }
        let theirs = zxids_of(&State::of(&self.tree));
        let last = self.tree.last_zxid();
        self.truth.instead = Some(theirs.clone());
        self.snapshot(Compression::None)?;
        discard_all_but(&*self.vfs, &dirs().log_dir(), &snap_dir(), last)?;
        self.log.restart_at(last);
        (self.truth.least, self.truth.zxids, self.truth.instead) = (theirs.len(), theirs, None);
        self.truth.unsynced.clear();
        self.log.roll();
        Ok(())
    }
}

fn recover_tree(vfs: &Arc<dyn Vfs>) -> Result<Tree> {
    crate::recovery::rebuild(vfs, Path::new(DATA_DIR)).map(|recovered| recovered.tree)
}

fn name_of(zxid: Zxid) -> String {
    format!("/n{:016x}", zxid.0)
}

/// The transactions that a state has, oldest first.
#[must_use]
pub fn zxids_of(state: &State) -> Vec<Zxid> {
    let names = state.znodes.keys().filter_map(|path| path.strip_prefix("/n"));
    names.filter_map(|name| i64::from_str_radix(name, 16).ok().map(Zxid)).collect()
}

/// Whether the newest log has an unacknowledged transaction whole and lacks one before it: the disk kept a later part of an
/// unfinished batch.
#[must_use]
pub fn has_hole(fs: &MemFs, truth: &Truth) -> Option<PathBuf> {
    let vfs = fs.vfs();
    let logs = store::list_logs(&*vfs, &dirs().log_dir()).ok()?;
    logs.iter().find_map(|(_, path)| {
        let bytes = fs.read(path)?;
        let is_there = |entry: &TxnEntry| {
            let mut framed = i32::try_from(entry.bytes.len()).ok()?.to_be_bytes().to_vec();
            framed.extend_from_slice(&entry.bytes);
            framed.push(b'B');
            bytes.windows(framed.len()).position(|window| window == framed)
        };
        let places: Vec<Option<usize>> = truth.unsynced.iter().map(is_there).collect();
        let last_whole = places.iter().rposition(Option::is_some)?;
        let first_missing = places.iter().position(Option::is_none)?;
        (first_missing < last_whole).then(|| path.clone())
    })
}
