//! Writing snapshots of the tree while it goes on changing.

use crate::clock;
use crate::exit;
use crate::limits::{SNAPSHOT_AT_ONCE_BYTES_MAX, SNAPSHOT_CHUNK_BYTES};
use crate::shared::DiskStats;
use parking_lot::Mutex;
use replica::SharedTree;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use store::{Compression, DataDirs, Open, SnapshotTrailer, SnapshotWriter, Vfs, VfsFile, ZxidDigest, snapshot_name};
use tracing::field::{Empty, display};
use tree::image::{self, DigestSection, TreeReplaced};
use wire::Zxid;

/// How snapshots are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// `snapshot.compression.method`.
    pub compression: Compression,
    /// `serializeLastProcessedZxid.enabled`.
    pub last_processed: bool,
    /// `digest.enabled`.
    pub digest: bool,
}

impl SnapshotSettings {
    /// What stands behind a body.
    #[must_use]
    pub fn trailer(&self, named: Zxid, digest: Option<DigestSection>) -> SnapshotTrailer {
        let section = digest.filter(|_| self.digest);
        SnapshotTrailer {
            digest: section.map(|DigestSection { zxid, version, digest }| ZxidDigest { zxid, version, digest }),
            last_processed: self.last_processed.then_some(named),
        }
    }
}

/// Why a snapshot was not written.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file could not be written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Another tree took the place of the one being written.
    #[error(transparent)]
    Replaced(#[from] TreeReplaced),
}

/// Why there is no snapshot to hand out.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It was not written.
    #[error(transparent)]
    Write(#[from] SnapshotError),
    /// It was written and cannot be opened.
    #[error("open {name}: {source}")]
    Open {
        /// The file's name.
        name: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A snapshot that is durable, open for reading: it can be read to its end even if the file is deleted meanwhile.
#[derive(Debug)]
pub struct TakenSnapshot {
    /// The zxid in its name.
    pub zxid: Zxid,
    /// The file's name.
    pub name: String,
    /// The file.
    pub file: Box<dyn VfsFile>,
    /// Its bytes.
    pub bytes: u64,
    /// Whether nothing was written while it was made. Otherwise it holds some of what came after its zxid, and is whole only
    /// with the log behind it.
    pub is_exact: bool,
}

/// When a snapshot's first piece is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstPiece {
    /// With the first step.
    Later,
    /// Before anything else can be written. A small tree is that piece.
    AtOnce,
}

/// Writes snapshots of one tree into one directory.
pub struct Snapshots {
    vfs: Arc<dyn Vfs>,
    dirs: DataDirs,
    tree: SharedTree,
    settings: SnapshotSettings,
    /// How many are kept; `None` = all.
    keep: Option<usize>,
    stats: Arc<DiskStats>,
    running: AtomicBool,
    purging: Mutex<()>,
    /// Held while one is written, and by who must not find one appear: a snapshot that ends behind a cut of the log would
    /// bring back what was cut.
    writing: Mutex<()>,
    /// Counts the cuts of the log: what was begun before one is given up.
    cuts: AtomicU64,
}

impl Snapshots {
    /// Snapshots of `tree` in `dirs`.
    #[must_use]
    pub fn new(
        vfs: Arc<dyn Vfs>,
        dirs: DataDirs,
        tree: SharedTree,
        settings: SnapshotSettings,
        keep: Option<usize>,
        stats: Arc<DiskStats>,
    ) -> Snapshots {
        let (running, purging, writing) = (AtomicBool::new(false), Mutex::new(()), Mutex::new(()));
        Snapshots { vfs, dirs, tree, settings, keep, stats, running, purging, writing, cuts: AtomicU64::new(0) }
    }

    /// Writes one now and makes it durable; answers the zxid in its name.
    ///
    /// # Errors
    /// When the file cannot be written, or the tree was replaced meanwhile; nothing is left behind then.
    pub fn write(self: &Arc<Self>) -> Result<Zxid, SnapshotError> {
        self.write_unless_cut(self.cuts())
    }

    /// Writes one now, makes it durable and opens it.
    ///
    /// # Errors
    /// As [`Self::write`], and when the file cannot be opened.
    pub fn take(self: &Arc<Self>) -> Result<TakenSnapshot, TakeError> {
        let alone = self.writing.lock();
        let job = self.begin_with(self.cuts(), SNAPSHOT_CHUNK_BYTES, FirstPiece::AtOnce)?;
        let (job, bytes) = self.write_alone(job)?;
        let (zxid, is_exact) = (job.zxid(), job.is_exact());
        let name = snapshot_name(zxid, self.settings.compression);
        // Before the next one is written, and so before this one is old enough to be deleted.
        let file = self.vfs.open(&self.dirs.snap_dir().join(&name), Open::Read);
        drop(alone);
        match file {
            Ok(file) => Ok(TakenSnapshot { zxid, name, file, bytes, is_exact }),
            Err(source) => Err(TakeError::Open { name, source }),
        }
    }

    /// How often the log was cut, for [`Self::begin`].
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Acquire)
    }

    /// As [`Self::write`], unless the log was cut since there were `cuts` cuts.
    fn write_unless_cut(self: &Arc<Self>, cuts: u64) -> Result<Zxid, SnapshotError> {
        let _alone = self.writing.lock();
        let job = self.begin(cuts, SNAPSHOT_CHUNK_BYTES)?;
        self.write_alone(job).map(|(job, _)| job.zxid())
    }

    /// Writes one to its end for whoever holds `writing`; answers the file's bytes, too.
    fn write_alone(&self, mut job: SnapshotJob) -> Result<(SnapshotJob, u64), SnapshotError> {
        // Held, not entered: for whoever collects traces.
        let span = tracing::info_span!(parent: None, "snapshot", zxid = Empty, bytes = Empty);
        let started_us = clock::micros();
        loop {
            if let Some(bytes) = job.step()? {
                let (took_us, disk) = (clock::micros().saturating_sub(started_us), &self.stats.instruments.disk);
                disk.snapshot.add(took_us);
                disk.snapshot_ms.add(took_us / 1000);
                disk.snapshot_bytes.store(bytes, Relaxed);
                tracing::info!(zxid = %job.zxid(), bytes, ms = took_us / 1000, "wrote a snapshot");
                span.record("zxid", display(job.zxid())).record("bytes", bytes);
                return Ok((job, bytes));
            }
        }
    }

    /// Begins one that is written in steps of about `chunk_bytes`, unless the log was cut since there were `cuts` cuts. The
    /// caller sees to it that only one is written at a time.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn begin(self: &Arc<Self>, cuts: u64, chunk_bytes: usize) -> Result<SnapshotJob, SnapshotError> {
        self.begin_with(cuts, chunk_bytes, FirstPiece::Later)
    }

    fn begin_with(
        self: &Arc<Self>,
        cuts: u64,
        chunk_bytes: usize,
        first: FirstPiece,
    ) -> Result<SnapshotJob, SnapshotError> {
        if self.cuts() != cuts {
            return Err(SnapshotError::Replaced(TreeReplaced));
        }
        let tree = self.tree.read();
        if tree.is_placeholder() {
            return Err(SnapshotError::Replaced(TreeReplaced));
        }
        let mut body = image::Writer::new(&tree);
        let mut chunk = Vec::new();
        let encoded = match first {
            FirstPiece::AtOnce => Some(body.next_chunk(&tree, &mut chunk, SNAPSHOT_AT_ONCE_BYTES_MAX)?),
            FirstPiece::Later => None,
        };
        drop(tree);
        let zxid = body.zxid();
        let out = SnapshotWriter::create(&self.vfs, &self.dirs.snap_dir(), zxid, self.settings.compression)?;
        let snapshots = self.clone();
        Ok(SnapshotJob { snapshots, body, out: Some(out), zxid, chunk, encoded, chunk_bytes })
    }

    /// Gives up the one that is being written, and every one that was asked for and has not begun: the log is cut.
    pub fn give_up(&self) {
        self.cuts.fetch_add(1, AcqRel);
        self.tree.write().abandon_images();
    }

    /// Runs `work` while no snapshot is being written; one under way is given up.
    pub fn without_writer<T>(&self, work: impl FnOnce() -> T) -> T {
        self.give_up();
        let _alone = self.writing.lock();
        work()
    }

    /// Deletes snapshots and logs that are not needed any more. What cannot be deleted now is tried again next time.
    pub fn purge(&self) {
        let Some(keep) = self.keep else { return };
        let _one_at_a_time = self.purging.lock();
        match store::purge::purge(&*self.vfs, &self.dirs, keep) {
            Ok(plan) if plan.snapshots.is_empty() && plan.logs.is_empty() => {}
            Ok(plan) => {
                tracing::info!(
                    snapshots = plan.snapshots.len(),
                    logs = plan.logs.len(),
                    "deleted old snapshots and logs"
                );
            }
            Err(error) => tracing::warn!("delete old snapshots: {error}"),
        }
    }

    /// Writes one on a thread of its own, unless one is being written already.
    pub fn start(self: Arc<Self>) {
        if self.running.swap(true, AcqRel) {
            tracing::info!("a snapshot is still being written; the next one is skipped");
            return;
        }
        let cuts = self.cuts();
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        let started = thread.spawn(move || {
            match self.write_unless_cut(cuts) {
                Ok(_) => self.purge(),
                Err(SnapshotError::Replaced(reason)) => tracing::info!("give up a snapshot: {reason}"),
                // The log still holds everything: it is tried again at the next trigger.
                Err(SnapshotError::Store(error)) if error.is_no_space() => {
                    self.stats.instruments.disk.snapshot_errors.fetch_add(1, Relaxed);
                    tracing::warn!("write a snapshot: {error}");
                }
                Err(error) => exit::halt(exit::SNAPSHOT, &format!("write a snapshot: {error}")),
            }
            self.running.store(false, Release);
        });
        if let Err(error) = started {
            exit::halt(exit::SNAPSHOT, &format!("start a thread for a snapshot: {error}"));
        }
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("dirs", &self.dirs).finish_non_exhaustive()
    }
}

/// A snapshot that is being written. Dropped before its end, it leaves nothing behind.
pub struct SnapshotJob {
    snapshots: Arc<Snapshots>,
    body: image::Writer,
    /// `None` once it is durable.
    out: Option<SnapshotWriter>,
    zxid: Zxid,
    chunk: Vec<u8>,
    /// A piece is in `chunk` already: whether more follow.
    encoded: Option<bool>,
    chunk_bytes: usize,
}

impl SnapshotJob {
    /// The zxid in its name.
    #[must_use]
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Whether it holds nothing of what came after its zxid; known once it is complete.
    fn is_exact(&self) -> bool {
        self.body.digest_section().is_some_and(|section| section.zxid == self.zxid.max(Zxid::ZERO))
    }

    /// Writes the next piece; answers the file's bytes once it is complete and durable.
    ///
    /// # Errors
    /// As [`Snapshots::write`].
    pub fn step(&mut self) -> Result<Option<u64>, SnapshotError> {
        let Snapshots { tree, settings, stats, .. } = &*self.snapshots;
        let Some(out) = &mut self.out else { return Ok(Some(0)) };
        let more = match self.encoded.take() {
            Some(more) => more,
            None => {
                self.chunk.clear();
                self.body.next_chunk(&tree.read(), &mut self.chunk, self.chunk_bytes)?
            }
        };
        out.append(&self.chunk)?;
        if more {
            return Ok(None);
        }
        let Some(out) = self.out.take() else { return Ok(Some(0)) };
        let bytes = out.finish(settings.trailer(self.zxid, self.body.digest_section()))?;
        stats.last_snapshot_zxid.store(self.zxid.0, Relaxed);
        stats.last_snapshot_at.store(clock::wall().0, Relaxed);
        Ok(Some(bytes))
    }
}
