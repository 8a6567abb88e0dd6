//! Moving to the next epoch in place, when the counter of this one is used up.
//!
//! ```text
//!           nothing is outstanding, the own log holds all       as at the beginning of a leadership, on the links that stand
//! Broadcast ---------------------------------------------> SavingAccepted -> EpochAcks -> SavingCurrent -> Synchronization
//!     ^                                                                                                          |
//!     +------------------- a quorum has acknowledged NEWLEADER, and every learner taken along, or time is up ----+
//! ```
//!
//! What makes an epoch safe is not the election before it: it is the promises of a quorum, and that a quorum holds the leader's
//! history and the epoch on disk before anything is committed in it. So the leader asks the learners that follow it for just
//! that once more, on the links they have. Nobody looks for a leader, no link ends, and no client notices more than a pause.
//! Discovery has nothing to find out: who follows has accepted this leader's epoch and no later one.
//!
//! A learner of Apache's takes no notice of LEADERINFO once it serves. Ours say that they do by the version in their FOLLOWERINFO
//! ([`ROLL_OVER_VERSION`](wire::quorum::ROLL_OVER_VERSION)). The others are let go of, and come back; where ours alone are no quorum,
//! the leadership has to be handed over instead.

use super::{Leading, Phase};
use crate::action::Action;
use crate::learner::{Learner, Stage};
use crate::types::{Epochs, LinkId};
use std::collections::BTreeSet;
use wire::{Epoch, Millis, ServerId, Zxid};

impl Leading {
    /// The zxid of the next proposal, or `None` where this epoch has none left (ZOOKEEPER-1277) or nothing may be proposed yet.
    #[must_use]
    pub fn next_zxid(&self) -> Option<Zxid> {
        // The last one is kept for a hand-over.
        self.offer_zxid().filter(|zxid| zxid.counter() < self.counter_max - 1)
    }

    /// The zxid of the proposal that a hand-over takes: there is one more than for all others.
    #[must_use]
    pub fn offer_zxid(&self) -> Option<Zxid> {
        self.last_proposed.next().filter(|zxid| self.is_broadcasting() && zxid.counter() < self.counter_max)
    }

    /// The counter of the last proposal, and how many counters an epoch has.
    #[must_use]
    pub fn counter(&self) -> (u32, u32) {
        (self.last_proposed.counter(), self.counter_max)
    }

    /// Whether the epoch is used up and the ensemble cannot move to the next one under this leader: its followers are not of a
    /// kind that does. Then it is to be handed over.
    #[must_use]
    pub fn has_to_hand_over(&self) -> bool {
        let stays = |learner: &Learner| learner.stage == Stage::Active && !learner.observes && !learner.can_roll_over();
        // What is outstanding may be a reconfiguration, with which nothing is handed over.
        let is_drained = self.outstanding.is_empty();
        self.is_used_up() && is_drained && self.links.values().any(stays) && self.next_epoch().is_none()
    }

    /// Whether nothing more can be proposed in this epoch, though this server broadcasts.
    fn is_used_up(&self) -> bool {
        self.is_broadcasting() && self.next_zxid().is_none() && self.hand_over.is_none() && self.retired.is_none()
    }

    /// The epoch to move to, if those that can be taken along are a quorum.
    fn next_epoch(&self) -> Option<Epoch> {
        let comes = |learner: &&Learner| learner.stage == Stage::Active && !learner.observes && learner.can_roll_over();
        let come: BTreeSet<ServerId> =
            self.links.values().filter(comes).filter_map(Learner::sid).chain([self.me]).collect();
        let current = self.epoch()?;
        let next = Epoch(self.outbid().map_or(current, |outbid| outbid.max(current)).0 + 1);
        Some(next).filter(|next| *next < Epoch::MAX && self.config.is_quorum(&come))
    }

    /// Moves to the next epoch when it is time to, and on in it. Called after every input.
    pub fn pursue_roll_over(&mut self, now: Millis, out: &mut Vec<Action>) {
        // The own log counts as one of the quorum's when the next epoch begins.
        let is_drained = self.outstanding.is_empty() && self.own_synced >= self.last_proposed;
        if self.is_used_up()
            && is_drained
            && let Some(next) = self.next_epoch()
        {
            self.begin_roll_over(now, next, out);
        } else if self.roll_over_until.is_some() {
            self.roll_over_until.take_if(|until| now >= *until);
            self.check_established(now, out);
        }
    }

    fn begin_roll_over(&mut self, now: Millis, next: Epoch, out: &mut Vec<Action>) {
        let Some(current) = self.epoch() else { return };
        tracing::info!(%current, %next, last = %self.last_committed, "the epoch's counter is used up: moving to the next epoch");
        self.outbid = None;
        self.own_epochs = Epochs { accepted: current, current };
        self.own_last_zxid = self.last_committed;
        let patient_until = now.plus(self.timing.init_ms() + self.timing.sync_ms());
        let mut left_behind = Vec::new();
        for (&link, learner) in &mut self.links {
            match learner.stage {
                // It has not been told of any epoch.
                Stage::Connected => {}
                Stage::Active if learner.can_roll_over() => learner.begin_roll_over(patient_until),
                _ => left_behind.push(link),
            }
        }
        for link in left_behind {
            self.drop_link(link, format!("the ensemble moves to epoch {next}: it has to come again"), out);
        }
        out.push(Action::SaveEpochs(Epochs { accepted: next, current }));
        self.phase = Phase::SavingAccepted { epoch: next };
        self.phase_deadline = now.plus(self.timing.init_ms());
    }

    /// The synchronization of an epoch begins. Where it takes learners along it waits for them a little: a quorum could do without,
    /// but they have clients. The time is short, because all writes wait.
    pub(super) fn begin_to_await_companions(&mut self, now: Millis) {
        let until = now.plus(self.timing.tick_ms);
        let awaits = self.companions_behind().next().is_some();
        self.roll_over_until = awaits.then_some(until);
    }

    /// Whether the epoch waits for learners that it takes along.
    pub(super) fn awaits_companions(&self) -> bool {
        self.roll_over_until.is_some() && self.companions_behind().next().is_some()
    }

    /// The roll-over has come to its end: who is not there yet has to come again.
    pub(super) fn end_roll_over(&mut self, out: &mut Vec<Action>) {
        self.roll_over_until = None;
        for link in self.companions_behind().collect::<Vec<_>>() {
            self.drop_link(link, "too slow for the next epoch".to_owned(), out);
        }
    }

    fn companions_behind(&self) -> impl Iterator<Item = LinkId> {
        let is_behind = |learner: &Learner| learner.is_rolling_over() && learner.stage < Stage::Synced;
        self.links.iter().filter(move |(_, learner)| is_behind(learner)).map(|(&link, _)| link)
    }
}
