//! A leader hands over, because it is asked to, because it stops, or because its epoch is used up.
//!
//! ```text
//!   asked, or Shutdown            the target takes over, or the leadership ends otherwise
//! leads --------------> hands over -----------------------------------------------------> looks, or has stopped
//!   ^                       |
//!   +-----------------------+ given up
//! ```
//!
//! How another is made to lead is the broadcast protocol's business (`zab::Leading::begin_hand_over`). What is held back
//! meanwhile is ours: nothing may be proposed, so whatever could lead to a proposal waits in its order and is taken in when the
//! hand-over has ended. If it was given up, that is as if it had come late. Otherwise this server does not serve any more, and
//! it meets what meets everybody who asks such a server.

use crate::io::{Action, HandOverOutcome, Input, Now};
use crate::limits::{HAND_OVER_MS_MAX, HAND_OVER_TO_STOP_MS_MAX};
use crate::replica::{Engine, Replica};
use wire::quorum::PacketType;
use wire::txn::{Txn, TxnEntry, TxnHeader};
use wire::{ErrorCode, ServerId, SessionId, Xid};
use zab::{HandOverEnd, Proposal};

/// A hand-over that is under way.
#[derive(Debug, Default)]
pub(crate) struct HandOver {
    /// Who asked for it, if anybody did.
    asked: Option<u64>,
}

impl Replica {
    /// Whether an input has to wait: it could lead to a proposal, or must not overtake one that could.
    pub(crate) fn is_held_back(&self, input: &Input) -> bool {
        let could_propose = match input {
            Input::Connect { .. } | Input::Request { .. } | Input::ConnGone(_) => true,
            Input::Packet { packet, .. } => matches!(packet.kind, PacketType::Request | PacketType::Revalidate),
            _ => false,
        };
        could_propose && self.holds_back()
    }

    /// Whether nothing may be proposed for now.
    pub(crate) fn holds_back(&self) -> bool {
        self.hand_over.is_some() || self.is_between_epochs()
    }

    /// How long a hand-over may take, ms.
    pub(crate) fn hand_over_ms(&self) -> i64 {
        self.settings.tick_ms.min(HAND_OVER_MS_MAX)
    }

    /// Begins a hand-over, or says why not.
    pub(crate) fn on_hand_over(&mut self, now: Now, id: u64, to: Option<ServerId>, out: &mut Vec<Action>) {
        let ms = self.hand_over_ms();
        if let Err(reason) = self.begin_hand_over(now, Some(id), to, ms, out) {
            let leader = match &self.engine {
                Engine::Standalone(_) => None,
                Engine::Ensemble(peer) => peer.leader(),
            };
            out.push(Action::HandOverAnswer { id, outcome: HandOverOutcome::Refused { leader, reason } });
        }
    }

    pub(crate) fn begin_hand_over(
        &mut self,
        now: Now,
        asked: Option<u64>,
        to: Option<ServerId>,
        ms: i64,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let Engine::Ensemble(peer) = &mut self.engine else { return Err("this server runs alone".to_owned()) };
        let Some(leading) = peer.leading() else {
            let leader = peer.leader().map(|leader| format!("server {leader} does"));
            let leader = leader.unwrap_or_else(|| "nobody does, as far as it knows".to_owned());
            return Err(format!("this server does not lead: {leader}"));
        };
        let to = leading.hand_over_target(to)?;
        let zxid = peer.offer_zxid().ok_or("the epoch's transaction counter is used up")?;
        let header = TxnHeader { session: SessionId::NONE, cxid: Xid(0), zxid, time: now.wall };
        let offer = TxnEntry::new(header, Txn::error(ErrorCode::Unimplemented), None);
        let offer = Proposal { zxid, bytes: offer.bytes };
        self.hand_over = Some(HandOver { asked });
        let mut actions = Vec::new();
        peer.hand_over(now.mono, to, offer, now.mono.plus(ms), &mut actions);
        self.perform(now, actions, out);
        Ok(())
    }

    /// A hand-over has ended: tells who asked for it.
    pub(crate) fn on_hand_over_ended(&mut self, to: ServerId, end: HandOverEnd, out: &mut Vec<Action>) {
        let Some(HandOver { asked }) = self.hand_over.take() else { return };
        let outcome = match end {
            HandOverEnd::Accepted => HandOverOutcome::HandedOver { to },
            HandOverEnd::GivenUp(reason) => HandOverOutcome::GivenUp { to, reason },
            HandOverEnd::Undecided(reason) => HandOverOutcome::SteppedDown { to, reason },
        };
        if let Some(id) = asked {
            out.push(Action::HandOverAnswer { id, outcome });
        }
    }

    /// The process is asked to stop. A leader that can names its successor first, and stops when that is done. Answers whether
    /// it stops later.
    pub(crate) fn stops_after_hand_over(&mut self, now: Now, out: &mut Vec<Action>) -> bool {
        if self.hand_over.is_none()
            && let Err(reason) = self.begin_hand_over(now, None, None, HAND_OVER_TO_STOP_MS_MAX, out)
        {
            tracing::debug!(reason, "stopping without a hand-over");
        }
        let Engine::Ensemble(peer) = &mut self.engine else { return false };
        peer.shutdown_after_hand_over(now.mono.plus(HAND_OVER_TO_STOP_MS_MAX))
    }
}
