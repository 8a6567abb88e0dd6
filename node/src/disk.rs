//! The disk thread: the only writer of the log and the epoch files.
//!
//! It takes everything that has queued up, appends it all, syncs once, and reports how far the log is durable (group
//! commit). The other jobs are done in their place among the appends, with a sync before them. A full disk stops the
//! thread where it is until there is room: everything behind waits, so nothing is acknowledged that is not durable. Any
//! other error ends the process: after a failed fsync nobody knows what is on disk (and trying again would claim that we
//! do).

use crate::clock;
use crate::disk_work::DiskWork;
pub use crate::disk_work::History;
use crate::exit;
use crate::inbox::Internal;
use crate::limits::DISK_FULL_PAUSE;
use crate::metrics::instruments::Phase;
use crate::recovery::Recovery;
use crate::shared::DiskStats;
use crate::snapshots::{SnapshotError, Snapshots};
use replica::Input;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use store::TxnLog;
use wire::Zxid;
use zab::{Epochs, Proposal};

/// The exit code where a truncation fails (`QUORUM_PACKET_ERROR`, `Learner.syncWithLeader`).
const TRUNCATE_FAILED: i32 = 13;

/// Work for the disk thread.
#[derive(Debug)]
pub enum Job {
    /// Append; answered with [`Input::LogSynced`].
    Append(Vec<Proposal>),
    /// Answered with [`Input::EpochsSaved`].
    SaveEpochs(Epochs),
    /// Answered with [`Input::Truncated`].
    Truncate {
        /// The last zxid to keep.
        after: Zxid,
    },
    /// Answered with [`Input::SnapshotSaved`].
    SaveSnapshot(History),
    /// Roll the log and write a snapshot on another thread. Not answered.
    BackgroundSnapshot,
    /// Make everything durable, answer, end.
    Stop(mpsc::Sender<()>),
}

/// The way to the disk thread. Not bounded by itself: the driver stops taking clients' requests when too many bytes wait.
#[derive(Debug, Clone)]
pub struct DiskQueue {
    jobs: mpsc::Sender<Job>,
    stats: Arc<DiskStats>,
}

impl DiskQueue {
    /// Queues a job.
    pub fn send(&self, job: Job) {
        if let Job::Append(proposals) = &job {
            let bytes: usize = proposals.iter().map(|proposal| proposal.bytes.len()).sum();
            self.stats.queued_bytes.fetch_add(bytes as u64, Relaxed);
            self.stats.instruments.disk.queued.fetch_add(proposals.len() as u64, Relaxed);
        }
        if self.jobs.send(job).is_err() {
            exit::halt(exit::UNEXPECTED, "the disk thread has ended");
        }
    }
}

/// The state of the disk thread.
pub struct Disk {
    work: DiskWork,
    results: tokio::sync::mpsc::Sender<Internal>,
    stats: Arc<DiskStats>,
    slow_sync: Duration,
    unsynced_bytes: u64,
    /// The transactions behind the last sync, with the times at which they were proposed.
    unsynced: Vec<Zxid>,
}

impl Disk {
    /// The disk of a server that has recovered up to `last`.
    #[must_use]
    pub fn new(
        log: TxnLog,
        recovery: Recovery,
        snapshots: Arc<Snapshots>,
        results: tokio::sync::mpsc::Sender<Internal>,
        stats: Arc<DiskStats>,
        epochs: Epochs,
        slow_sync: Duration,
    ) -> Disk {
        let work = DiskWork::new(log, recovery, snapshots, epochs);
        Disk { work, results, stats, slow_sync, unsynced_bytes: 0, unsynced: Vec::new() }
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn spawn(self) -> std::io::Result<DiskQueue> {
        let (jobs, queue) = mpsc::channel();
        let stats = self.stats.clone();
        std::thread::Builder::new().name("disk".to_owned()).spawn(move || self.run(&queue))?;
        Ok(DiskQueue { jobs, stats })
    }

    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        let _span = tracing::debug_span!("disk").entered();
        let _end = NotesEnd(self.stats.clone());
        while let Ok(first) = queue.recv() {
            let mut next = Some(first);
            while let Some(job) = next {
                self.stats.thread.busy_since.store(clock::mono().0.max(1), Relaxed);
                match job {
                    Job::Append(proposals) => self.append(&proposals),
                    Job::Stop(answer) => {
                        self.sync();
                        // Nobody waits any more when the patience of the stop has run out.
                        let _ = answer.send(());
                        return;
                    }
                    other => {
                        self.sync();
                        self.perform(other);
                    }
                }
                next = queue.try_recv().ok();
            }
            self.sync();
            self.stats.thread.busy_since.store(0, Relaxed);
        }
    }

    fn perform(&mut self, job: Job) {
        match job {
            Job::SaveEpochs(epochs) => self.save_epochs(epochs),
            Job::Truncate { after } => self.truncate(after),
            Job::SaveSnapshot(history) => self.save_snapshot(history),
            Job::BackgroundSnapshot => {
                self.work.roll();
                self.work.snapshots().clone().start();
            }
            Job::Append(_) | Job::Stop(_) => unreachable!("handled by run"),
        }
    }

    fn report(&self, input: Input) {
        // Closed only when the driver has ended, that is when the process stops.
        let _ = self.results.blocking_send(Internal::Input(input));
    }

    fn append(&mut self, proposals: &[Proposal]) {
        let disk = &self.stats.instruments.disk;
        let waiting = disk.queued.load(Relaxed).saturating_sub(disk.taken.load(Relaxed));
        disk.taken.fetch_add(proposals.len() as u64, Relaxed);
        disk.queue_size.add_owned(waiting);
        for proposal in proposals {
            self.unsynced_bytes += proposal.bytes.len() as u64;
            if let Err(error) = self.work.append(proposal) {
                exit::halt(exit::UNEXPECTED, &format!("append {} to the log: {error}", proposal.zxid));
            }
        }
        self.note_appended(proposals);
    }

    fn note_appended(&mut self, proposals: &[Proposal]) {
        let (now_us, instruments) = (clock::micros(), &self.stats.instruments);
        let bytes: usize = proposals.iter().map(|proposal| proposal.bytes.len()).sum();
        instruments.disk.appended_bytes.fetch_add(bytes as u64, Relaxed);
        for Proposal { zxid, .. } in proposals {
            if let Some(us) = instruments.times.written(*zxid, now_us) {
                instruments.phase_owned(Phase::LogAppend, us);
                instruments.disk.queue_ms.add_owned(us / 1000);
            }
            self.unsynced.push(*zxid);
        }
    }

    fn note_synced(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.stats.queued_bytes.fetch_sub(std::mem::take(&mut self.unsynced_bytes), Relaxed);
        let (now_us, instruments) = (clock::micros(), &self.stats.instruments);
        let disk = &instruments.disk;
        disk.fsync.add_owned(micros);
        disk.fsync_ms.add_owned(micros / 1000);
        disk.batch.add_owned(self.unsynced.len() as u64);
        disk.batch_size.add_owned(self.unsynced.len() as u64);
        let wall = clock::wall();
        for zxid in self.unsynced.drain(..) {
            if let Some((waited_us, us, made_at)) = instruments.times.synced(zxid, now_us) {
                instruments.phase_owned(Phase::Fsync, us);
                disk.queue_and_flush_ms.add_owned((waited_us + us) / 1000);
                let since_ms = wall.since(made_at);
                instruments.core.ack_creation_ms.add_owned(u64::try_from(since_ms).unwrap_or(0));
            }
        }
    }

    fn sync(&mut self) {
        if self.work.is_synced() {
            return;
        }
        let work = &mut self.work;
        // Only the attempt that succeeds counts: waiting for room is no slow disk.
        let mut started = Instant::now();
        let upto = insist(&self.stats, "sync the log", || {
            started = Instant::now();
            work.sync()
        });
        let took = started.elapsed();
        self.note_synced(took);
        if took >= self.slow_sync {
            self.stats.slow_syncs.fetch_add(1, Relaxed);
            tracing::warn!(ms = took.as_millis(), %upto, "syncing the log took long; this slows down every write");
        }
        self.report(Input::LogSynced { upto });
    }

    fn save_epochs(&mut self, epochs: Epochs) {
        insist(&self.stats, "save the epochs", || self.work.save_epochs(epochs));
        self.report(Input::EpochsSaved(epochs));
    }

    fn truncate(&mut self, after: Zxid) {
        match self.work.cut(after) {
            Ok(Some(removed)) => tracing::info!(%after, removed, "cut the log"),
            // Nothing was changed; the core sees that from what is reloaded.
            Ok(None) => {}
            Err(error) => exit::halt(TRUNCATE_FAILED, &format!("cut the log behind {after}: {error}")),
        }
        match self.work.reload(clock::wall()) {
            Ok(recovered) => {
                let (tree, history) = (Box::new(recovered.tree), recovered.history);
                self.report(Input::Truncated { tree, history });
            }
            Err(error) => exit::halt(TRUNCATE_FAILED, &format!("reload the data after cutting the log: {error}")),
        }
    }

    fn save_snapshot(&mut self, history: History) {
        let snapshots = self.work.snapshots().clone();
        let zxid = insist(&self.stats, "save a snapshot", || {
            loop {
                match snapshots.write() {
                    Ok(zxid) => return Ok(zxid),
                    Err(SnapshotError::Store(error)) => return Err(error),
                    Err(SnapshotError::Replaced(reason)) => tracing::info!("begin the snapshot again: {reason}"),
                }
            }
        });
        insist(&self.stats, "discard the log of a history that was given up", || {
            self.work.snapshot_saved(zxid, history)
        });
        self.report(Input::SnapshotSaved);
    }
}

/// Tells when the thread ends, by whatever way.
struct NotesEnd(Arc<DiskStats>);

impl Drop for NotesEnd {
    fn drop(&mut self) {
        self.0.thread.has_ended.store(true, Relaxed);
    }
}

/// Does something that must be done: waits while the disk is full, ends the process on any other error.
fn insist<T>(stats: &DiskStats, what: &str, mut attempt: impl FnMut() -> store::Result<T>) -> T {
    let mut warned = false;
    loop {
        match attempt() {
            Ok(done) => {
                if warned {
                    stats.thread.waits_for_room.store(false, Relaxed);
                    tracing::info!("{what}: there is room again");
                }
                return done;
            }
            Err(error) if error.is_no_space() => {
                if !warned {
                    tracing::warn!("{what}: {}; writes wait until there is room", exit::one_line(&error));
                }
                warned = true;
                stats.thread.waits_for_room.store(true, Relaxed);
                std::thread::sleep(DISK_FULL_PAUSE);
            }
            Err(error) => exit::halt(exit::UNEXPECTED, &format!("{what}: {error}")),
        }
    }
}

#[cfg(test)]
#[path = "disk_test.rs"]
mod tests;
