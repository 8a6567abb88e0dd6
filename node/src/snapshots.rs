//! Writing snapshots of the tree while it goes on changing.

use crate::clock;
use crate::exit;
use crate::limits::SNAPSHOT_CHUNK_BYTES;
use crate::shared::DiskStats;
use parking_lot::Mutex;
use replica::SharedTree;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use store::{Compression, DataDirs, SnapshotTrailer, SnapshotWriter, Vfs, ZxidDigest};
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
    pub fn write(&self) -> Result<Zxid, SnapshotError> {
        self.write_unless_cut(self.cuts.load(Acquire))
    }

    /// As [`Self::write`], unless the log was cut since there were `cuts` cuts.
    fn write_unless_cut(&self, cuts: u64) -> Result<Zxid, SnapshotError> {
        let _alone = self.writing.lock();
        if self.cuts.load(Acquire) != cuts {
            return Err(SnapshotError::Replaced(image::TreeReplaced));
        }
        let started = clock::mono();
        let mut body = image::Writer::new(&self.tree.read());
        let zxid = body.zxid();
        let mut out = SnapshotWriter::create(&self.vfs, &self.dirs.snap_dir(), zxid, self.settings.compression)?;
        let mut chunk = Vec::with_capacity(SNAPSHOT_CHUNK_BYTES);
        loop {
            chunk.clear();
            let more = body.next_chunk(&self.tree.read(), &mut chunk, SNAPSHOT_CHUNK_BYTES)?;
            out.append(&chunk)?;
            if !more {
                break;
            }
        }
        let bytes = out.finish(self.settings.trailer(zxid, body.digest_section()))?;
        self.stats.snapshots.fetch_add(1, Relaxed);
        self.stats.last_snapshot_zxid.store(zxid.0, Relaxed);
        self.stats.last_snapshot_at.store(clock::wall().0, Relaxed);
        tracing::info!(%zxid, bytes, ms = clock::mono().since(started), "wrote a snapshot");
        Ok(zxid)
    }

    /// Runs `work` while no snapshot is being written; one under way is given up.
    pub fn without_writer<T>(&self, work: impl FnOnce() -> T) -> T {
        self.cuts.fetch_add(1, AcqRel);
        self.tree.write().abandon_images();
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
        let cuts = self.cuts.load(Acquire);
        let thread = std::thread::Builder::new().name("snapshot".to_owned());
        let started = thread.spawn(move || {
            match self.write_unless_cut(cuts) {
                Ok(_) => self.purge(),
                Err(SnapshotError::Replaced(reason)) => tracing::info!("give up a snapshot: {reason}"),
                // The log still holds everything: it is tried again at the next trigger.
                Err(SnapshotError::Store(error)) if error.is_no_space() => tracing::warn!("write a snapshot: {error}"),
                Err(error) => exit::halt(exit::SNAPSHOT, &format!("write a snapshot: {error}")),
            }
            self.running.store(false, Release);
        });
        if let Err(error) = started {
            exit::halt(exit::SNAPSHOT, &format!("start a thread for a snapshot: {error}"));
        }
    }
}
