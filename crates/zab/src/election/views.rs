//! The memberships in whose eyes an election takes place.

use std::collections::BTreeSet;

use wire::ServerId;

use crate::quorum::{MemberRole, Membership};

use super::vote::Proposal;

/// The committed membership and, during a reconfiguration, the proposed one (`quorumVerifier`, `lastSeenQuorumVerifier`).
#[derive(Debug)]
pub(super) struct Views {
    committed: Membership,
    /// The committed membership's text: the tail of every notification.
    text: String,
    last_seen: Option<Membership>,
}

impl Views {
    pub fn new(committed: Membership, last_seen: Option<Membership>) -> Views {
        let text = committed.to_text();
        Views { committed, text, last_seen }
    }

    pub fn committed(&self) -> &Membership {
        &self.committed
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// `validVoter`.
    pub fn is_voter(&self, sid: ServerId) -> bool {
        self.committed.is_voter(sid) || self.last_seen.as_ref().is_some_and(|last_seen| last_seen.is_voter(sid))
    }

    /// `getCurrentAndNextConfigVoters`, ascending.
    pub fn voters(&self) -> BTreeSet<ServerId> {
        self.committed.voters().chain(self.last_seen.iter().flat_map(Membership::voters)).collect()
    }

    /// Whether `me` takes part with its own history: everybody but an observer does, a server that is no member included
    /// (it is a participant that nobody counts, until a reconfiguration lets it in).
    pub fn is_participant(&self, me: ServerId) -> bool {
        self.committed.role(me) != Some(MemberRole::Observer)
    }

    /// `hasAllQuorums`: as long as a newer membership is proposed, a decision must hold in both.
    pub fn is_quorum(&self, supporters: &BTreeSet<ServerId>) -> bool {
        let newer = self.last_seen.as_ref().filter(|last_seen| last_seen.version > self.committed.version);
        self.committed.is_quorum(supporters) && newer.is_none_or(|last_seen| last_seen.is_quorum(supporters))
    }

    /// Whether a reconfiguration is under way.
    pub fn is_changing(&self) -> bool {
        self.last_seen.is_some()
    }

    /// Whether servers that have settled on a leader are a quorum of the configuration in force. A proposed one has no say in
    /// this: whoever holds a proposal that came to nothing would wait for servers that never heard of it (and Apache's does).
    /// To follow is safe whatever the election says; what a leader needs it counts itself.
    pub fn is_led_by(&self, supporters: &BTreeSet<ServerId>) -> bool {
        self.committed.is_quorum(supporters)
    }

    /// `totalOrderPredicate`: a server of weight 0 is never preferred.
    pub fn prefers(&self, new: &Proposal, old: &Proposal) -> bool {
        self.committed.weight(new.leader) != 0 && new.is_above(old)
    }
}
