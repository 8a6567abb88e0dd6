//! A server's disk in simulated time: the queue of the disk thread, over the same work on the same files.

use crate::rng::Rng;
use node::disk_work::{DiskWork, History};
use node::recovery::Recovered;
use node::snapshots::{SnapshotError, SnapshotJob};
use replica::Input;
use std::collections::VecDeque;
use wire::{Millis, Zxid};
use zab::{Epochs, Proposal};

/// How long the disk thread waits for room on a full disk, µs (`node::limits::DISK_FULL_PAUSE`).
const FULL_PAUSE_US: i64 = 500_000;
/// Between two pieces of a snapshot, µs.
const SNAPSHOT_PAUSE_US: i64 = 300;
/// Bytes of a piece: small, so that much happens between two.
const SNAPSHOT_PIECE_BYTES: usize = 512;

/// Work for the disk.
#[derive(Debug)]
pub enum Job {
    /// Append and sync.
    Append(Vec<Proposal>),
    /// Write the epoch files.
    SaveEpochs(Epochs),
    /// Cut the log, load again.
    Truncate(Zxid),
    /// Write a snapshot; the next job waits for it.
    SaveSnapshot(History),
    /// Write a snapshot beside the other jobs.
    BackgroundSnapshot,
}

/// Something that became durable, for the checkers and for the core.
pub enum Done {
    /// The log up to here.
    Synced(Zxid),
    /// The epoch files.
    Epochs(Epochs),
    /// The log is cut and everything was read again.
    Truncated(Zxid, Box<Recovered>),
    /// The log could not be cut where that was wanted; this is what it holds.
    NotCut(Box<Recovered>),
    /// A snapshot that something waited for.
    Snapshot(Zxid, History),
}

/// What the disk does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is ready again in so many µs.
    Busy(i64),
    /// Nothing to do.
    Idle,
}

/// Why the process ends.
pub type Fatal = String;

/// The disk of one server's process.
pub struct Disk {
    work: DiskWork,
    queue: VecDeque<Job>,
    busy: bool,
    /// The disk was full: the log is synced before anything else.
    unsynced: bool,
    saving: Option<(SnapshotJob, History)>,
    background: Option<SnapshotJob>,
    /// A background snapshot was asked for when the log had been cut so often.
    wanted: Option<u64>,
    sync_us: (i64, i64),
    rng: Rng,
    /// Times the disk was found full.
    pub full: u64,
    /// Background snapshots that became durable.
    pub snapshots: u64,
}

impl Disk {
    /// A disk with nothing to do; a sync takes between so many µs.
    #[must_use]
    pub fn new(work: DiskWork, sync_us: (i64, i64), rng: Rng) -> Disk {
        Disk {
            work,
            queue: VecDeque::new(),
            busy: false,
            unsynced: false,
            saving: None,
            background: None,
            wanted: None,
            sync_us,
            rng,
            full: 0,
            snapshots: 0,
        }
    }

    /// Changes how long a sync takes.
    pub fn set_sync_us(&mut self, sync_us: (i64, i64)) {
        self.sync_us = sync_us;
    }

    /// Queues a job; answers when the disk must be asked, if it was idle.
    pub fn push(&mut self, job: Job) -> Option<i64> {
        self.queue.push_back(job);
        if std::mem::replace(&mut self.busy, true) { None } else { Some(self.draw_us()) }
    }

    /// Proposals that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    fn draw_us(&mut self) -> i64 {
        self.rng.range(self.sync_us.0, self.sync_us.1)
    }

    /// Does what is to be done now: one batch of appends, or one other job, or one piece of a snapshot.
    ///
    /// # Errors
    /// When the process ends over it.
    pub fn work(&mut self, wall: Millis) -> Result<(Option<Done>, Next), Fatal> {
        if self.saving.is_some() {
            return self.go_on_saving();
        }
        let mut appended = std::mem::take(&mut self.unsynced);
        while let Some(Job::Append(_)) = self.queue.front() {
            let Some(Job::Append(proposals)) = self.queue.pop_front() else { break };
            for proposal in &proposals {
                self.work.append(proposal).map_err(|error| error.to_string())?;
            }
            appended = true;
        }
        if appended {
            return match self.work.sync() {
                Ok(upto) => Ok((Some(Done::Synced(upto)), self.next())),
                Err(error) if error.is_no_space() => {
                    self.unsynced = true;
                    Ok((None, self.wait_for_room()))
                }
                Err(error) => Err(error.to_string()),
            };
        }
        match self.queue.pop_front() {
            None => Ok((None, self.next())),
            Some(Job::Append(_)) => unreachable!("appends were taken before"),
            Some(job) => self.perform(job, wall),
        }
    }

    fn wait_for_room(&mut self) -> Next {
        self.full += 1;
        Next::Busy(FULL_PAUSE_US)
    }

    fn next(&mut self) -> Next {
        if self.queue.is_empty() {
            self.busy = false;
            return Next::Idle;
        }
        Next::Busy(self.draw_us())
    }

    fn perform(&mut self, job: Job, wall: Millis) -> Result<(Option<Done>, Next), Fatal> {
        match job {
            Job::Append(_) => unreachable!("appends go together"),
            Job::SaveEpochs(epochs) => match self.work.save_epochs(epochs) {
                Ok(()) => Ok((Some(Done::Epochs(epochs)), self.next())),
                Err(error) if error.is_no_space() => {
                    self.queue.push_front(job);
                    Ok((None, self.wait_for_room()))
                }
                Err(error) => Err(error.to_string()),
            },
            Job::Truncate(after) => {
                // As `Snapshots::without_writer`: what is being written is given up before the log is cut.
                self.background = None;
                let is_cut = self.work.cut(after).map_err(|error| error.to_string())?.is_some();
                let recovered = self.work.reload(wall).map_err(|error| error.to_string())?;
                let recovered = Box::new(recovered);
                let done = if is_cut { Done::Truncated(after, recovered) } else { Done::NotCut(recovered) };
                Ok((Some(done), self.next()))
            }
            Job::SaveSnapshot(history) => {
                self.end_background()?;
                self.begin_saving(history)
            }
            Job::BackgroundSnapshot => {
                self.work.roll();
                if self.background.is_none() && self.wanted.is_none() {
                    self.wanted = Some(self.work.snapshots().cuts());
                }
                Ok((None, self.next()))
            }
        }
    }

    /// The one who writes on the disk thread waits for the one who writes beside it.
    fn end_background(&mut self) -> Result<(), Fatal> {
        while self.background.is_some() {
            self.background_step()?;
        }
        Ok(())
    }

    fn begin_saving(&mut self, history: History) -> Result<(Option<Done>, Next), Fatal> {
        let snapshots = self.work.snapshots();
        match snapshots.begin(snapshots.cuts(), SNAPSHOT_PIECE_BYTES) {
            Ok(job) => {
                self.saving = Some((job, history));
                Ok((None, Next::Busy(SNAPSHOT_PAUSE_US)))
            }
            Err(error) => self.saving_failed(error, history),
        }
    }

    fn saving_failed(&mut self, error: SnapshotError, history: History) -> Result<(Option<Done>, Next), Fatal> {
        self.saving = None;
        let again = match error {
            SnapshotError::Replaced(_) => Next::Busy(SNAPSHOT_PAUSE_US),
            SnapshotError::Store(error) if error.is_no_space() => self.wait_for_room(),
            SnapshotError::Store(error) => return Err(error.to_string()),
        };
        self.queue.push_front(Job::SaveSnapshot(history));
        Ok((None, again))
    }

    fn go_on_saving(&mut self) -> Result<(Option<Done>, Next), Fatal> {
        let Some((mut job, history)) = self.saving.take() else { return Ok((None, self.next())) };
        match job.step() {
            Ok(None) => {
                self.saving = Some((job, history));
                Ok((None, Next::Busy(SNAPSHOT_PAUSE_US)))
            }
            Ok(Some(_)) => {
                let zxid = job.zxid();
                self.work.snapshot_saved(zxid, history).map_err(|error| error.to_string())?;
                Ok((Some(Done::Snapshot(zxid, history)), self.next()))
            }
            Err(error) => self.saving_failed(error, history),
        }
    }

    /// Whether a background snapshot has something to do.
    #[must_use]
    pub fn has_background(&self) -> bool {
        self.background.is_some() || self.wanted.is_some()
    }

    /// Writes a piece of the background snapshot; answers when the next one is due.
    ///
    /// # Errors
    /// When the process ends over it.
    pub fn background_step(&mut self) -> Result<Option<i64>, Fatal> {
        let snapshots = self.work.snapshots().clone();
        let outcome = match (self.background.take(), self.wanted.take()) {
            (Some(mut job), wanted) => {
                self.wanted = wanted;
                job.step().map(|done| (job, done))
            }
            // What is being saved holds the pen.
            (None, Some(cuts)) if self.saving.is_some() => {
                self.wanted = Some(cuts);
                return Ok(Some(SNAPSHOT_PAUSE_US));
            }
            (None, Some(cuts)) => snapshots.begin(cuts, SNAPSHOT_PIECE_BYTES).map(|job| (job, None)),
            (None, None) => return Ok(None),
        };
        match outcome {
            Ok((job, None)) => {
                self.background = Some(job);
                Ok(Some(SNAPSHOT_PAUSE_US))
            }
            Ok((_, Some(_))) => {
                self.snapshots += 1;
                snapshots.purge();
                Ok(None)
            }
            Err(SnapshotError::Replaced(_)) => Ok(None),
            Err(SnapshotError::Store(error)) if error.is_no_space() => {
                self.full += 1;
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Done {
    /// What the core is told.
    #[must_use]
    pub fn into_input(self) -> Input {
        match self {
            Done::Synced(upto) => Input::LogSynced { upto },
            Done::Epochs(epochs) => Input::EpochsSaved(epochs),
            Done::Truncated(_, recovered) | Done::NotCut(recovered) => {
                let Recovered { tree, history, .. } = *recovered;
                Input::Truncated { tree: Box::new(tree), history }
            }
            Done::Snapshot(..) => Input::SnapshotSaved,
        }
    }
}
