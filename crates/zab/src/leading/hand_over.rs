//! Handing the leadership to a voter of the leader's choice.
//!
//! ```text
//!          nothing is outstanding, the target lacks nothing            ACK of the offer
//! Draining ------------------------------------------------> Offered ------------------> the leadership ends,
//!    |                                                          |                        the target is elected
//!    | deadline, link gone                                      | deadline, link gone
//!    v                                                          v
//! the leader goes on                                            the leadership ends, whoever holds most is elected
//! ```
//!
//! Who is elected is decided by epoch and zxid before the id. So the leader makes its target hold more than any other: it sends
//! one more proposal, the offer, to the target alone, and keeps it out of its own log. Once the target has logged it, every
//! quorum elects the target, of whichever version its servers are, unless it is lost meanwhile. The offer is never committed by
//! this leader. It is what any proposal is that only a minority has logged: the next leader's history holds it or does not.
//!
//! Once the offer is sent its zxid is used, and the leader can only end.

use super::Leading;
use crate::action::Action;
use crate::learner::{Learner, Stage};
use crate::types::{LinkId, Proposal};
use planted::Bug;
use wire::quorum::{PacketType, QuorumPacket};
use wire::{Millis, ServerId, Zxid};

/// How far a hand-over has come; see `hand_over`.
#[derive(Debug)]
pub(super) enum Step {
    /// Waits until nothing is outstanding.
    Draining { offer: Proposal },
    /// The target alone was sent this proposal.
    Offered { zxid: Zxid },
    /// The target has logged it.
    Accepted,
}

/// A hand-over that is under way.
#[derive(Debug)]
pub(super) struct HandOver {
    pub(super) to: ServerId,
    pub(super) link: LinkId,
    pub(super) until: Millis,
    /// Whether this server stops for good behind it.
    pub(super) stops: bool,
    pub(super) step: Step,
}

/// What became of a hand-over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOverEnd {
    /// The target holds more than any other voter, and this leadership has ended.
    Accepted,
    /// This server leads on, for this reason.
    GivenUp(String),
    /// This leadership has ended before the target was known to hold more than the others, for this reason.
    Undecided(String),
}

impl Leading {
    /// Who would take over: `to`, or without it the voter in sync that has acknowledged most (of several the one with the
    /// greatest id).
    ///
    /// # Errors
    /// Why it cannot be handed over now.
    pub fn hand_over_target(&self, to: Option<ServerId>) -> Result<ServerId, String> {
        if let Some(under_way) = &self.hand_over {
            return Err(format!("a hand-over to server {} is under way", under_way.to));
        }
        if !self.is_broadcasting() || self.retired.is_some() {
            return Err("this leadership is not established, or ends already".to_owned());
        }
        if self.config.proposed().is_some() {
            return Err("a reconfiguration is under way".to_owned());
        }
        if self.offer_zxid().is_none() {
            return Err("the epoch's transaction counter is used up: the ensemble is about to move to the next epoch"
                .to_owned());
        }
        let config = self.config.committed();
        let in_sync = || self.links.values().filter(|learner| learner.stage == Stage::Active && !learner.observes);
        let Some(to) = to else {
            let electable = |sid: &ServerId| config.is_voter(*sid) && config.weight(*sid) > 0;
            let candidates = in_sync().filter_map(|learner| Some((learner.acked, learner.sid().filter(electable)?)));
            let best = candidates.max().map(|(_, sid)| sid);
            return best.ok_or_else(|| "no other voter is in sync with this leader".to_owned());
        };
        if to == self.me {
            return Err(format!("server {to} leads already"));
        }
        if !config.is_member(to) {
            return Err(format!("server {to} is not a member of the ensemble"));
        }
        if !config.is_voter(to) {
            return Err(format!("server {to} is an observer: only a voter can lead"));
        }
        if config.weight(to) == 0 {
            return Err(format!("server {to} has weight 0: such a voter is never elected"));
        }
        if !in_sync().any(|learner| learner.sid() == Some(to)) {
            return Err(format!("server {to} is not in sync with this leader"));
        }
        Ok(to)
    }

    /// Begins to hand over to `to`, which [`hand_over_target`](Self::hand_over_target) has named: nothing may be proposed until
    /// it has ended. `offer` is a transaction without effect whose zxid is [`offer_zxid`](Self::offer_zxid); `until` is when it is
    /// given up.
    ///
    /// # Panics
    /// If the target is not in sync, or the offer's zxid is not the next one.
    pub fn begin_hand_over(&mut self, to: ServerId, offer: Proposal, until: Millis) {
        assert_eq!(Some(offer.zxid), self.offer_zxid(), "I1: the offer continues {}", self.last_proposed);
        let is_target = |(_, learner): &(&LinkId, &Learner)| learner.sid() == Some(to);
        let (&link, _) = self.links.iter().find(is_target).expect("the target was found in sync");
        tracing::info!(%to, "handing over the leadership");
        self.hand_over = Some(HandOver { to, link, until, stops: false, step: Step::Draining { offer } });
    }

    /// This server leaves the ensemble for good when the hand-over has ended, however it ends, and `until` at the latest.
    /// Answers whether there is one.
    pub fn stop_after_hand_over(&mut self, until: Millis) -> bool {
        let Some(under_way) = &mut self.hand_over else { return false };
        under_way.stops = true;
        under_way.until = under_way.until.min(until);
        true
    }

    /// Whether a hand-over is under way behind which this server leaves the ensemble for good.
    #[must_use]
    pub fn stops_after_hand_over(&self) -> bool {
        self.hand_over.as_ref().is_some_and(|under_way| under_way.stops)
    }

    /// Takes the hand-over on where it can go on. Called after every input.
    pub fn pursue_hand_over(&mut self, now: Millis, out: &mut Vec<Action>) {
        let Some(HandOver { to, link, until, stops, step }) = &self.hand_over else { return };
        let (to, link, stops) = (*to, *link, *stops);
        let target = self.links.get(&link).filter(|learner| learner.stage == Stage::Active);
        let obstacle = match target {
            None => Some(format!("server {to} is gone")),
            Some(_) if now >= *until => Some(format!("server {to} took too long to acknowledge all proposals")),
            Some(_) => None,
        };
        match (step, obstacle) {
            (Step::Accepted, _) => {}
            (Step::Offered { .. }, None) => {}
            (Step::Offered { .. }, Some(obstacle)) if stops || !planted::is(Bug::OfferForgotten) => {
                self.retired = Some(obstacle);
            }
            (Step::Draining { .. }, Some(obstacle)) if stops => self.retired = Some(obstacle),
            (Step::Draining { .. } | Step::Offered { .. }, Some(obstacle)) => {
                tracing::warn!(%to, obstacle, "the hand-over is given up: this server leads on");
                self.hand_over = None;
                out.push(Action::HandOverEnded { to, end: HandOverEnd::GivenUp(obstacle) });
            }
            (Step::Draining { offer }, None) => {
                // Everybody's writes are answered before the connections end.
                if self.outstanding.is_empty() && target.is_some_and(Learner::has_acknowledged_all) {
                    let Proposal { zxid, bytes } = offer.clone();
                    out.push(Action::Send(link, QuorumPacket::with_data(PacketType::Proposal, zxid, bytes)));
                    if let Some(under_way) = &mut self.hand_over {
                        under_way.step = Step::Offered { zxid };
                    }
                }
            }
        }
    }

    /// Whether this acknowledges the offer.
    pub(super) fn is_offer(&self, from: LinkId, acked: Zxid) -> bool {
        self.hand_over.as_ref().is_some_and(|HandOver { link, step, .. }| {
            *link == from && matches!(step, Step::Offered { zxid } if *zxid == acked)
        })
    }

    /// The target has logged the offer, which is no proposal of this leadership: nothing is committed for it.
    pub(super) fn on_offer_acknowledged(&mut self) {
        if let Some(HandOver { to, step, .. }) = &mut self.hand_over {
            *step = Step::Accepted;
            self.retired = Some(format!("the leadership is handed over to server {to}"));
        }
    }

    /// What became of the hand-over that is under way, now that the leadership ends for this reason.
    #[must_use]
    pub fn hand_over_end(&self, reason: &str) -> Option<(ServerId, HandOverEnd)> {
        self.hand_over.as_ref().map(|HandOver { to, step, .. }| match step {
            Step::Accepted => (*to, HandOverEnd::Accepted),
            Step::Draining { .. } | Step::Offered { .. } => (*to, HandOverEnd::Undecided(reason.to_owned())),
        })
    }
}
