//! Between two epochs: the counter of one is used up, and the leader takes the ensemble to the next without letting go of anybody.
//!
//! ```text
//!        no zxid is left                        the next epoch is established
//! leads -----------------> between two epochs ---------------------------------> leads
//!                              |
//!                              | its followers are Apache's: they cannot come along
//!                              v
//!                          hands over
//! ```
//!
//! How that is done is the broadcast protocol's business (`zab::Leading::pursue_roll_over`), and it begins by itself when nothing
//! is outstanding. What cannot be proposed meanwhile waits here: inputs as for a hand-over, and before them what was in the
//! middle of an input when the last zxid was taken. Sessions, watches, connections and what waits on them stay as they are, on
//! the leader and on its learners, which only see their writes answered a little later.

use crate::io::{Action, Now, ServingRole};
use crate::pipeline::Submission;
use crate::replica::{Engine, Replica};
use crate::tracker::Owner;
use bytes::Bytes;
use wire::client::OpCode;
use wire::{Epoch, ErrorCode, Id, SessionId, Xid};

/// What found no zxid.
#[derive(Debug)]
pub(crate) enum Deferred {
    /// A write.
    Write { session: SessionId, cxid: Xid, opcode: OpCode, body: Bytes, identities: Vec<Id>, owner: Option<Owner> },
    /// A refusal.
    Error { session: SessionId, cxid: Xid, error: ErrorCode },
    /// The rest of the ephemerals of a session that is closing.
    RestOfClose { session: SessionId },
}

impl Deferred {
    /// Keeps a write.
    pub(crate) fn write(submission: Submission<'_>) -> Deferred {
        let Submission { session, cxid, opcode, body, identities, owner } = submission;
        Deferred::Write { session, cxid, opcode, body: body.clone(), identities: identities.to_vec(), owner }
    }
}

impl Replica {
    /// Whether this server leads and has no zxid to propose with until the next epoch.
    pub(crate) fn is_between_epochs(&self) -> bool {
        match &self.engine {
            Engine::Standalone(_) => false,
            Engine::Ensemble(peer) => self.tracker.is_some() && peer.next_zxid().is_none(),
        }
    }

    /// Whether the epoch is used up, and this leadership with it.
    pub(crate) fn has_to_leave_epoch(&self) -> bool {
        let Engine::Ensemble(peer) = &self.engine else { return false };
        self.is_between_epochs() && peer.leading().is_some_and(zab::Leading::has_to_hand_over)
    }

    /// Ends a leadership whose epoch is used up, if it cannot go on to the next one: another leads then, where that is possible.
    pub(crate) fn leave_used_up_epoch(&mut self, now: Now, out: &mut Vec<Action>) {
        if !self.has_to_leave_epoch() {
            return;
        }
        tracing::info!("the epoch's counter is used up, and too many followers cannot go on to the next one in place");
        let ms = self.hand_over_ms();
        if let Err(reason) = self.begin_hand_over(now, None, None, ms, out) {
            self.step_down(now, format!("the epoch's counter is used up, and nobody else can lead: {reason}"), out);
        }
    }

    /// The next epoch is established in the role this server has had before.
    pub(crate) fn serve_on(&mut self, now: Now, role: ServingRole, epoch: Epoch) {
        tracing::info!(%epoch, ?role, "serving on in the next epoch");
        self.sink.serves_on(role, epoch, &self.tree.read());
        self.status.counters.roll_overs += 1;
        let Some(since) = self.between_epochs_since.take() else { return };
        // What sessions have sent meanwhile has waited: it was no sign of life.
        let waited_ms = now.mono.since(since);
        if let Some(tracker) = self.tracker.as_mut().filter(|_| waited_ms > self.settings.tick_ms) {
            tracker.forgive(waited_ms);
        }
    }

    /// Proposes what found no zxid, in its order, as far as there are some now.
    pub(crate) fn propose_deferred(&mut self, now: Now, out: &mut Vec<Action>) {
        while !self.holds_back()
            && let Some(deferred) = self.deferred.pop_front()
        {
            match deferred {
                Deferred::Write { session, cxid, opcode, body, identities, owner } => {
                    let submission = Submission { session, cxid, opcode, body: &body, identities: &identities, owner };
                    self.propose(now, submission, out);
                }
                Deferred::Error { session, cxid, error } => self.propose_error(now, session, cxid, error, out),
                Deferred::RestOfClose { session } => self.propose_rest_of_close(now, session, out),
            }
        }
    }
}
