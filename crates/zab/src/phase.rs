//! What a member does between two roles, as spans for whoever collects traces: an election, then the synchronization with whom
//! it has made the leader.
//!
//! A span is held, never entered: no line changes for it, and where nobody collects spans it is nothing.

use crate::election::Elected;
use tracing::Span;
use tracing::field::{Empty, debug, display};
use wire::{Epoch, ServerId, Zxid};

/// The span of what a member does now; none while it serves.
#[derive(Debug)]
pub(crate) struct PhaseSpan(Span);

impl PhaseSpan {
    /// Nothing that has a span.
    pub(crate) fn none() -> PhaseSpan {
        PhaseSpan(Span::none())
    }

    /// It looks for a leader.
    pub(crate) fn election(me: ServerId, zxid: Zxid, epoch: Epoch) -> PhaseSpan {
        let (leader, role, round, outcome) = (Empty, Empty, Empty, Empty);
        PhaseSpan(
            tracing::info_span!(parent: None, "election", sid = me.0, %zxid, epoch = epoch.0, leader, role, round, outcome),
        )
    }

    /// It has found one: what follows is the synchronization, of itself or, where it leads, of a quorum.
    pub(crate) fn elected(&mut self, me: ServerId, elected: &Elected) {
        self.0
            .record("leader", elected.vote.leader.0)
            .record("role", debug(elected.role))
            .record("round", elected.vote.round);
        let (leader, role) = (elected.vote.leader.0, debug(elected.role));
        *self = PhaseSpan(
            tracing::info_span!(parent: None, "synchronization", sid = me.0, leader, role, epoch = Empty, outcome = Empty),
        );
    }

    /// It serves in this epoch.
    pub(crate) fn established(&mut self, epoch: Epoch) {
        self.0.record("epoch", epoch.0).record("outcome", "established");
        *self = PhaseSpan::none();
    }

    /// It came to nothing.
    pub(crate) fn given_up(&mut self, reason: &str) {
        self.0.record("outcome", display(reason));
        *self = PhaseSpan::none();
    }
}
