//! From the data directory to a tree: the newest usable snapshot, the log behind it, and the last transactions as history
//! for learners that were away.

use crate::snapshots::SnapshotSettings;
use bytes::Bytes;
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use store::{DataDirs, RecoverSettings, RecoverTarget, Rejected, SnapshotTrailer, Vfs};
use tree::image::{self, Loader, LoaderSettings};
use tree::{Events, ExpectedDigest, Tree, TreeSettings};
use wire::txn::{Txn, TxnDigest, TxnEntry};
use wire::{Millis, Zxid};
use zab::Proposal;
use zab::quorum::Membership;

/// Everything that is needed to read the data directory again.
#[derive(Clone)]
pub struct Recovery {
    /// The files.
    pub vfs: Arc<dyn Vfs>,
    /// Where they are.
    pub dirs: DataDirs,
    /// What is accepted.
    pub settings: RecoverSettings,
    /// Settings of the tree; every tree gets a seed of its own.
    pub tree: TreeSettings,
    /// How `snapshot.0` of a new database is written.
    pub snapshots: SnapshotSettings,
    /// Transactions kept as history.
    pub history_max: usize,
    /// Their bytes. The newest transaction is kept in any case.
    pub history_bytes_max: usize,
    /// The configuration of an ensemble, which becomes the data of `/zookeeper/config`.
    pub config_node: Option<ConfigNode>,
}

/// What `/zookeeper/config` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigNode {
    /// The configuration.
    pub membership: Membership,
    /// Whether the ensemble may change while it runs. Then a tree may hold a later configuration, which stays.
    pub may_change: bool,
}

impl ConfigNode {
    /// Puts the configuration into a tree that was just read.
    pub fn put_into(&self, tree: &mut Tree, now: Millis) {
        if self.may_change {
            replica::put_config_into(tree, &self.membership, now);
        } else {
            tree.set_config_node(self.membership.to_text().as_bytes(), Zxid(self.membership.version), now);
        }
    }
}

/// How far the data directory has been read; watched while that goes on.
#[derive(Debug, Default)]
pub struct LoadProgress {
    /// Bytes of snapshots, as they are without compression.
    pub snapshot_bytes: AtomicU64,
    /// Transactions of the log.
    pub transactions: AtomicU64,
}

/// What was found.
pub struct Recovered {
    /// The tree with everything that is logged.
    pub tree: Tree,
    /// The last transactions, oldest first, without gaps within an epoch.
    pub history: Vec<Proposal>,
    /// What the store says.
    pub found: store::Recovered,
    /// A configuration that the log proves to have been in force, if it does: the one before its last reconfiguration, since a leader
    /// proposes none before the one before is in force; or the last one, if there are transactions of a later epoch.
    pub config_before: Option<Membership>,
}

/// Settings for another tree, with a seed that clients cannot know.
#[must_use]
pub fn fresh_settings(settings: TreeSettings) -> TreeSettings {
    TreeSettings { hash_seed: RandomState::new().hash_one(settings.digest_enabled), ..settings }
}

impl Recovery {
    /// Reads everything into a new tree. Also repairs the end of the log after a crash.
    ///
    /// # Errors
    /// When the directory must not be used as it is.
    pub fn run(&self, now: Millis) -> store::Result<Recovered> {
        self.run_watched(now, &LoadProgress::default())
    }

    /// As [`Recovery::run`], while others look how far it is.
    ///
    /// # Errors
    /// When the directory must not be used as it is.
    pub fn run_watched(&self, now: Millis, progress: &LoadProgress) -> store::Result<Recovered> {
        let mut target = Target {
            progress,
            settings: fresh_settings(self.tree),
            snapshots: self.snapshots,
            record_bytes_max: self.settings.entry_bytes_max,
            tree: Tree::new(fresh_settings(self.tree)),
            events: Events::new(),
            epoch_unproven: false,
            config_before: None,
            history: Window::new(self.history_max, self.history_bytes_max),
        };
        let found = store::recover(&self.vfs, &self.dirs, &self.settings, &mut target)?;
        let Target { mut tree, history, config_before, .. } = target;
        tree.set_last_zxid(found.last);
        let config_before = established(&tree, found.last).or(config_before);
        if let Some(node) = &self.config_node {
            node.put_into(&mut tree, now);
        }
        Ok(Recovered { tree, history: history.entries.into(), found, config_before })
    }

    /// What a loader of a snapshot from a peer must know.
    #[must_use]
    pub fn loader_settings(&self) -> LoaderSettings {
        LoaderSettings { tree: fresh_settings(self.tree), record_bytes_max: self.settings.entry_bytes_max }
    }
}

/// The configuration in the tree, if the log goes on in a later epoch: who leads proposes nothing before a quorum holds the history that
/// the epoch begins with, and that quorum was one of this configuration, too.
fn established(tree: &Tree, last: Zxid) -> Option<Membership> {
    replica::config_in(tree).filter(|shown| Zxid(shown.version).epoch() < last.epoch())
}

/// The tree while it is rebuilt.
struct Target<'a> {
    progress: &'a LoadProgress,
    settings: TreeSettings,
    snapshots: SnapshotSettings,
    record_bytes_max: usize,
    tree: Tree,
    events: Events,
    /// An epoch has begun, and none of its transactions has shown by its digest that it follows from what is before it.
    epoch_unproven: bool,
    /// See [`Recovered::config_before`].
    config_before: Option<Membership>,
    history: Window,
}

/// The last transactions read. Bounded in bytes as well: a log may hold many times what memory does.
struct Window {
    entries: VecDeque<Proposal>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

impl Window {
    fn new(count_max: usize, bytes_max: usize) -> Window {
        Window { entries: VecDeque::new(), bytes: 0, count_max: count_max.max(1), bytes_max }
    }

    fn push(&mut self, proposal: Proposal) {
        self.bytes += proposal.bytes.len();
        self.entries.push_back(proposal);
        while self.entries.len() > self.count_max || (self.bytes > self.bytes_max && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.bytes.len();
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

impl Target<'_> {
    /// Applies one transaction.
    ///
    /// Within an epoch the zxids tell whether one is missing. Between two epochs they do not: there the first digest does.
    /// Digests that differ from the beginning are another matter, and no reason not to start.
    fn apply(&mut self, entry: &TxnEntry) -> Result<(), Rejected> {
        let mismatches = self.tree.digest_mismatches();
        let last = self.tree.last_zxid();
        self.epoch_unproven |= entry.zxid().epoch() > last.epoch();
        if matches!(entry.txn, Txn::Reconfig { .. }) {
            // A snapshot may hold what the log tells once more.
            let before = replica::config_in(&self.tree).filter(|before| before.version < entry.zxid().0);
            self.config_before = before.or(self.config_before.take());
        }
        self.tree.apply(entry, &mut self.events);
        self.events.clear();
        if self.epoch_unproven && mismatches == 0 && self.tree.digest_mismatches() > 0 {
            return Err(Rejected(format!(
                "its digest says that the transactions from {last} to it are not all there: a log of epoch {} was removed",
                last.epoch()
            )));
        }
        self.epoch_unproven &= entry.digest.is_none();
        Ok(())
    }
}

impl RecoverTarget for Target<'_> {
    fn begin_snapshot(&mut self) {
        self.empty();
    }

    fn load(&mut self, body: &mut dyn BufRead) -> Result<(), Rejected> {
        let mut loader = Loader::new(LoaderSettings { tree: self.settings, record_bytes_max: self.record_bytes_max });
        loop {
            let bytes = body.fill_buf().map_err(|error| Rejected(error.to_string()))?;
            let at_end = bytes.is_empty();
            let progress = loader.push(bytes).map_err(|error| Rejected(error.to_string()))?;
            body.consume(progress.consumed);
            self.progress.snapshot_bytes.fetch_add(progress.consumed as u64, Relaxed);
            if progress.done || at_end {
                break;
            }
        }
        self.tree = loader.finish().map_err(|error| Rejected(error.to_string()))?;
        Ok(())
    }

    fn loaded(&mut self, zxid: Zxid, trailer: &SnapshotTrailer) {
        self.tree.set_last_zxid(zxid);
        // One that came from a leader may be ahead of what it says of itself.
        self.tree.distrust();
        let Some(store::ZxidDigest { zxid: digested, version, digest }) = trailer.digest else { return };
        if digested > zxid {
            self.tree.expect_digest(ExpectedDigest { zxid: digested, version, digest });
        } else if digested == zxid && zxid > Zxid::ZERO && version == TxnDigest::VERSION && digest != self.tree.digest()
        {
            tracing::error!(%zxid, expected = digest, found = self.tree.digest(), "the snapshot's digest is not its tree's");
        }
    }

    fn empty(&mut self) {
        self.tree = Tree::new(self.settings);
        self.epoch_unproven = false;
        self.config_before = None;
        self.history.clear();
    }

    fn replay(&mut self, entry: Bytes) -> Result<(), Rejected> {
        let entry = TxnEntry::decode(entry).map_err(|error| Rejected(error.to_string()))?;
        self.apply(&entry)?;
        self.history.push(Proposal { zxid: entry.zxid(), bytes: entry.bytes });
        self.progress.transactions.fetch_add(1, Relaxed);
        Ok(())
    }

    fn write_body(&mut self, out: &mut dyn Write) -> io::Result<SnapshotTrailer> {
        let mut body = image::Writer::new(&self.tree);
        let mut bytes = Vec::new();
        while body.next_chunk(&self.tree, &mut bytes, usize::MAX).map_err(io::Error::other)? {}
        out.write_all(&bytes)?;
        Ok(self.snapshots.trailer(body.zxid(), body.digest_section()))
    }
}
