//! What is done to the disk, one job at a time: no thread, no waiting, no giving up. The disk thread and the simulator share
//! it.

use crate::recovery::{Recovered, Recovery};
use crate::snapshots::Snapshots;
use std::sync::Arc;
use store::{Error, Result, TxnLog};
use wire::{Millis, Zxid};
use zab::{Epochs, Proposal};

/// How a snapshot relates to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The log leads up to it.
    Continued,
    /// It came from the leader or an operator, and what the log holds was given up.
    Replaced,
}

/// The log, the epoch files and the snapshots of one server.
pub struct DiskWork {
    log: TxnLog,
    recovery: Recovery,
    snapshots: Arc<Snapshots>,
    epochs: Epochs,
}

impl DiskWork {
    /// The disk of a server whose epoch files hold `epochs`.
    #[must_use]
    pub fn new(log: TxnLog, recovery: Recovery, snapshots: Arc<Snapshots>, epochs: Epochs) -> DiskWork {
        DiskWork { log, recovery, snapshots, epochs }
    }

    /// The snapshots.
    #[must_use]
    pub fn snapshots(&self) -> &Arc<Snapshots> {
        &self.snapshots
    }

    /// Hands a transaction to the log; it is not durable before [`DiskWork::sync`].
    ///
    /// # Errors
    /// As [`TxnLog::append`].
    pub fn append(&mut self, proposal: &Proposal) -> Result<()> {
        self.log.append(proposal.zxid, &proposal.bytes)
    }

    /// Whether everything appended is durable.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.log.synced() == self.log.appended()
    }

    /// Makes everything appended durable; answers the last zxid.
    ///
    /// # Errors
    /// As [`TxnLog::sync`]: after a full disk it may be tried again, any other error is final.
    pub fn sync(&mut self) -> Result<Zxid> {
        self.log.sync()
    }

    /// Writes what has changed. Accepted first: current is never above it (I3).
    ///
    /// # Errors
    /// When a file cannot be written; it may be tried again.
    pub fn save_epochs(&mut self, epochs: Epochs) -> Result<()> {
        let (vfs, dir) = (&*self.recovery.vfs, self.recovery.dirs.snap_dir());
        if epochs.accepted != self.epochs.accepted {
            store::epochs::write_accepted(vfs, &dir, epochs.accepted)?;
            self.epochs.accepted = epochs.accepted;
        }
        if epochs.current != self.epochs.current {
            store::epochs::write_current(vfs, &dir, epochs.current)?;
            self.epochs.current = epochs.current;
        }
        Ok(())
    }

    /// Removes what the log and the snapshots hold beyond `after`; answers how many files went. A snapshot that is being
    /// written is given up first, and waited for.
    ///
    /// # Errors
    /// When a file cannot be read, cut or removed.
    pub fn cut(&mut self, after: Zxid) -> Result<Option<usize>> {
        // Where the log ends at the cut already there is nothing to remove.
        if after >= self.log.appended() {
            return Ok(Some(0));
        }
        let (log, snap_dir) = (&mut self.log, self.recovery.dirs.snap_dir());
        match self.snapshots.without_writer(|| log.truncate(&snap_dir, after)) {
            Ok(cut) => Ok(Some(cut.removed.len())),
            Err(
                error @ (Error::NothingToTruncate { .. }
                | Error::TruncateBeyondEnd { .. }
                | Error::TruncateBelowSnapshots { .. }),
            ) => {
                tracing::warn!("the log cannot be cut ({error}): everything is to be had anew from the leader");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads everything again.
    ///
    /// # Errors
    /// When the directory must not be used as it is.
    pub fn reload(&self, now: Millis) -> Result<Recovered> {
        self.recovery.run(now)
    }

    /// Lets the next transaction begin a new file, because a snapshot of what was logged before is due.
    pub fn roll(&mut self) {
        self.log.roll();
        self.log.reset_total_bytes();
    }

    /// A snapshot of this zxid is durable. Where it replaces this server's history, what the log held beyond it is discarded.
    ///
    /// # Errors
    /// When a file cannot be removed; it may be tried again.
    pub fn snapshot_saved(&mut self, zxid: Zxid, history: History) -> Result<()> {
        if history == History::Replaced {
            let Recovery { vfs, dirs, .. } = &self.recovery;
            let removed = store::discard_all_but(&**vfs, &dirs.log_dir(), &dirs.snap_dir(), zxid)?;
            tracing::info!(%zxid, removed = removed.len(), "a snapshot replaces this server's history");
            self.log.restart_at(zxid);
        }
        self.roll();
        Ok(())
    }
}
