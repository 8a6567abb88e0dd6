//! A server alone: its own disk is the quorum.

use crate::io::Action;
use std::collections::VecDeque;
use wire::Zxid;
use zab::Proposal;

/// Proposals between append and sync.
#[derive(Debug)]
pub struct Standalone {
    last_proposed: Zxid,
    outstanding: VecDeque<Proposal>,
}

impl Standalone {
    /// Continues behind the last zxid on disk.
    #[must_use]
    pub fn new(last_zxid: Zxid) -> Standalone {
        Standalone { last_proposed: last_zxid.max(Zxid::ZERO), outstanding: VecDeque::new() }
    }

    /// The next proposal's zxid. A standalone server has no epochs: the counter simply runs on into the high half, as in
    /// Apache.
    #[must_use]
    pub fn next_zxid(&self) -> Zxid {
        Zxid(self.last_proposed.0 + 1)
    }

    /// Proposes.
    pub fn propose(&mut self, proposal: Proposal, out: &mut Vec<Action>) {
        assert_eq!(proposal.zxid, self.next_zxid(), "I1: no gap");
        self.last_proposed = proposal.zxid;
        out.push(Action::Append(proposal.clone()));
        self.outstanding.push_back(proposal);
    }

    /// Gives up what is outstanding: the next proposal comes behind this zxid.
    pub fn restart_at(&mut self, last: Zxid) {
        *self = Standalone::new(last);
    }

    /// Takes what is durable now, in order.
    pub fn synced(&mut self, upto: Zxid) -> Vec<Proposal> {
        let mut committed = Vec::new();
        while let Some(proposal) = self.outstanding.pop_front_if(|proposal| proposal.zxid <= upto) {
            committed.push(proposal);
        }
        committed
    }
}
