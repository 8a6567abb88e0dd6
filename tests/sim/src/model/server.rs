//! What one server's disk and tree hold.

use super::common_prefix;
use super::ledger::{Ledger, TxnNo};
use super::members::Members;
use replica::ServingRole;
use std::collections::VecDeque;
use wire::{Epoch, ServerId, Zxid};
use zab::Epochs;

/// How many histories that a server has lost are remembered: a snapshot of one may still be on its way.
const LOST_HISTORIES_MAX: usize = 8;

/// How a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// In which role.
    pub role: ServingRole,
    /// Of which epoch.
    pub epoch: Epoch,
    /// Since when, in this epoch or in those before without a break, simulated µs.
    pub since_us: i64,
}

impl Service {
    /// Whether it makes the proposals.
    #[must_use]
    pub fn decides(&self) -> bool {
        matches!(self.role, ServingRole::Leader | ServingRole::Standalone)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct ServerView {
    up: bool,
    is_paused: bool,
    went_on_us: i64,
    /// Whether it served when it died: then no cut of its log was under way.
    died_serving: bool,
    /// What the disk would give back if nothing were lost, snapshots included.
    log: Vec<TxnNo>,
    /// How much of it is durable.
    synced: usize,
    applied: Vec<TxnNo>,
    lost: VecDeque<Vec<TxnNo>>,
    epochs: Epochs,
    service: Option<Service>,
    /// The configuration that it goes by.
    members: Option<Members>,
    /// The zxid of a leader's snapshot that is the tree but not known to be on disk.
    unsaved: Option<Zxid>,
    /// From how many applied transactions on the tree is what they make of it; `None` where that cannot be told yet.
    sure_from: Option<usize>,
}

impl ServerView {
    // --- getters ---------------------------------------------------------------------------------------------------

    /// Whether its process runs.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Everything on its disk or on the way there.
    #[must_use]
    pub fn log(&self) -> &[TxnNo] {
        &self.log
    }

    /// Everything that a power cut would leave.
    #[must_use]
    pub fn durable(&self) -> &[TxnNo] {
        &self.log[..self.synced]
    }

    /// Everything in its tree, in the order in which it came there.
    #[must_use]
    pub fn applied(&self) -> &[TxnNo] {
        &self.applied
    }

    /// Whether the process before the present one died while it synchronized or looked for a leader. A cut of its log that
    /// the leader had asked for may then have been made, although nobody heard of it.
    #[must_use]
    pub fn may_have_cut(&self) -> bool {
        !self.died_serving
    }

    /// Its epoch files.
    #[must_use]
    pub fn epochs(&self) -> Epochs {
        self.epochs
    }

    /// Since when its process has not stood still, simulated µs; `None` while it does.
    #[must_use]
    pub fn runs_since_us(&self) -> Option<i64> {
        (!self.is_paused).then_some(self.went_on_us)
    }

    /// How it serves, if it does.
    #[must_use]
    pub fn service(&self) -> Option<Service> {
        self.service
    }

    /// The configuration that it goes by, where the ensemble may change.
    #[must_use]
    pub fn members(&self) -> Option<&Members> {
        self.members.as_ref()
    }

    pub(super) fn set_members(&mut self, members: Members) {
        self.members = Some(members);
    }

    pub(super) fn tree_is_sure(&self) -> bool {
        self.sure_from.is_some_and(|from| self.applied.len() >= from)
    }

    /// Its history up to a zxid, if it has or had one that holds this transaction.
    pub(super) fn history_upto(&self, zxid: Zxid, ledger: &Ledger) -> Option<&[TxnNo]> {
        std::iter::once(&self.applied).chain(self.lost.iter().rev()).find_map(|history| upto(history, zxid, ledger))
    }

    // --- events ----------------------------------------------------------------------------------------------------

    pub(super) fn paused(&mut self, is_paused: bool, now_us: i64) {
        (self.is_paused, self.went_on_us) = (is_paused, now_us);
    }

    /// Answers what was durable and is gone.
    pub(super) fn recovered(
        &mut self,
        server: ServerId,
        last: Zxid,
        epochs: Epochs,
        ledger: &Ledger,
    ) -> Result<Vec<TxnNo>, String> {
        let kept = match (upto(&self.log, last, ledger), self.unsaved) {
            (Some(kept), _) => kept.to_vec(),
            // It died when the leader's snapshot was in place and nobody had been told.
            (None, Some(zxid)) if last == self.snapshot_zxid(zxid, ledger) => self.applied.clone(),
            (None, _) if last.is_epoch_start() || last == Zxid::NONE => {
                self.log[..ledger.count_upto(&self.log, last)].to_vec()
            }
            (None, _) => {
                let end = self.log.last().map_or(Zxid::ZERO, |&no| ledger.zxid(no));
                return Err(format!(
                    "server {server} recovered up to {last}, but its log never held it and ends at {end}"
                ));
            }
        };
        let gone = self.replace_log(kept);
        self.reload();
        (self.up, self.service, self.epochs) = (true, None, epochs);
        Ok(gone)
    }

    pub(super) fn died(&mut self) {
        (self.up, self.is_paused, self.died_serving) = (false, false, self.service.take().is_some());
    }

    /// Answers what was durable and is gone.
    pub(super) fn wiped(&mut self) -> Vec<TxnNo> {
        let gone = self.replace_log(Vec::new());
        self.reload();
        (self.service, self.epochs) = (None, Epochs::default());
        gone
    }

    pub(super) fn appended(&mut self, server: ServerId, no: TxnNo, ledger: &Ledger) -> Result<(), String> {
        if let Some(&last) = self.log.last().filter(|&&last| ledger.zxid(last) >= ledger.zxid(no)) {
            return Err(format!("server {server} logs {} behind {}", ledger.zxid(no), ledger.zxid(last)));
        }
        self.log.push(no);
        Ok(())
    }

    pub(super) fn synced(&mut self, upto: Zxid, ledger: &Ledger) {
        // What a sync says is nearly always the end, or a few before it.
        let mut count = self.log.len();
        while count > self.synced && ledger.zxid(self.log[count - 1]) > upto {
            count -= 1;
        }
        self.synced = count;
    }

    pub(super) fn set_epochs(&mut self, epochs: Epochs) {
        self.epochs = epochs;
    }

    /// Answers what was durable and is gone.
    pub(super) fn truncated(&mut self, after: Zxid, ledger: &Ledger) -> Vec<TxnNo> {
        let kept = self.log[..ledger.count_upto(&self.log, after)].to_vec();
        let gone = self.replace_log(kept);
        self.reload();
        gone
    }

    pub(super) fn installed(&mut self, zxid: Zxid, history: Vec<TxnNo>) {
        self.replace_applied(history);
        self.unsaved = Some(zxid);
    }

    /// Answers what was durable and is gone.
    pub(super) fn snapshot_saved(&mut self, zxid: Zxid, ledger: &Ledger) -> Vec<TxnNo> {
        self.unsaved = None;
        let kept = self.applied[..ledger.count_upto(&self.applied, zxid)].to_vec();
        self.replace_log(kept)
    }

    pub(super) fn serving(&mut self, service: Service) {
        // Who goes on in the next epoch has served all the time.
        let before = self.service.filter(|before| before.role == service.role);
        let since_us = before.map_or(service.since_us, |before| before.since_us);
        self.service = Some(Service { since_us, ..service });
        self.sure_from.get_or_insert(self.applied.len());
    }

    pub(super) fn stopped(&mut self) {
        self.service = None;
    }

    pub(super) fn apply(&mut self, no: TxnNo) {
        self.applied.push(no);
    }

    // --- small things ----------------------------------------------------------------------------------------------

    /// The zxid in the name of a snapshot of the present tree, which began as a leader's snapshot with this one.
    fn snapshot_zxid(&self, installed: Zxid, ledger: &Ledger) -> Zxid {
        self.applied.last().map_or(installed, |&no| ledger.zxid(no).max(installed))
    }

    /// Puts another log, all of it durable, in the place of the present one. Answers what was durable and is gone.
    fn replace_log(&mut self, log: Vec<TxnNo>) -> Vec<TxnNo> {
        let common = common_prefix(&self.log[..self.synced], &log);
        let gone = self.log[common..self.synced].to_vec();
        self.log = log;
        self.synced = self.log.len();
        gone
    }

    /// The tree is read from disk.
    fn reload(&mut self) {
        self.unsaved = None;
        let history = self.log.clone();
        self.replace_applied(history);
    }

    fn replace_applied(&mut self, history: Vec<TxnNo>) {
        let before = std::mem::replace(&mut self.applied, history);
        self.sure_from = None;
        if common_prefix(&before, &self.applied) == before.len() {
            return;
        }
        if self.lost.len() == LOST_HISTORIES_MAX {
            self.lost.pop_front();
        }
        self.lost.push_back(before);
    }
}

/// A history up to a transaction, if it holds that.
fn upto<'a>(history: &'a [TxnNo], zxid: Zxid, ledger: &Ledger) -> Option<&'a [TxnNo]> {
    let kept = &history[..ledger.count_upto(history, zxid)];
    kept.last().is_some_and(|&no| ledger.zxid(no) == zxid).then_some(kept)
}
