//! The configuration in force and the one that is to follow it (`QuorumPeer.quorumVerifier`, `lastSeenQuorumVerifier`).
//!
//! A reconfiguration is a transaction whose text is the next [`Membership`], with its own zxid as version. From its proposal
//! until it is activated every decision must hold in both: it needs a quorum of the old servers, which could otherwise go on
//! without noticing, and one of the new, which will decide alone from then on. A server that has logged the transaction knows
//! of it for good, also after a restart: it is in its tree.

use crate::quorum::{MemberRole, Membership};
use crate::types::Proposal;
use planted::Bug;
use std::collections::BTreeSet;
use wire::ServerId;
use wire::txn::{Txn, TxnEntry};

/// Where a transaction's header says what kind it is, and the kind of a reconfiguration.
const KIND_AT: usize = 8 + 4 + 8 + 8;
const RECONFIG: [u8; 4] = 16_i32.to_be_bytes();

/// The configuration in force and the proposed one.
#[derive(Debug, Clone)]
pub struct Config {
    committed: Membership,
    /// Always of a later version than `committed`.
    proposed: Option<Membership>,
}

impl Config {
    /// What a server begins with. A proposed configuration that is not newer than the committed one is none.
    #[must_use]
    pub fn new(committed: Membership, proposed: Option<Membership>) -> Config {
        let proposed = proposed.filter(|proposed| proposed.version > committed.version);
        Config { committed, proposed }
    }

    /// The one in force.
    #[must_use]
    pub fn committed(&self) -> &Membership {
        &self.committed
    }

    /// The one that is to follow it, while a reconfiguration is under way.
    #[must_use]
    pub fn proposed(&self) -> Option<&Membership> {
        self.proposed.as_ref()
    }

    /// The last one this server has seen, committed or not (`getLastSeenQuorumVerifier`).
    #[must_use]
    pub fn last_seen(&self) -> &Membership {
        self.proposed.as_ref().unwrap_or(&self.committed)
    }

    /// Sees another one (`setLastSeenQuorumVerifier`). A leader's word counts even if it is older than what was seen before:
    /// what a quorum does not hold cannot have been committed.
    pub fn see(&mut self, membership: Membership) {
        self.proposed = Some(membership).filter(|seen| seen.version > self.committed.version);
    }

    /// Puts one in force (`setQuorumVerifier`). Answers whether it is newer than the one before.
    pub fn activate(&mut self, membership: Membership) -> bool {
        if membership.version <= self.committed.version {
            return false;
        }
        self.committed = membership;
        self.proposed.take_if(|proposed| proposed.version <= self.committed.version);
        true
    }

    /// Whether a server votes in either.
    #[must_use]
    pub fn is_voter(&self, sid: ServerId) -> bool {
        self.committed.is_voter(sid) || self.proposed.as_ref().is_some_and(|proposed| proposed.is_voter(sid))
    }

    /// Whether a server is a member of either.
    #[must_use]
    pub fn is_member(&self, sid: ServerId) -> bool {
        self.committed.is_member(sid) || self.proposed.as_ref().is_some_and(|proposed| proposed.is_member(sid))
    }

    /// Whether these are a quorum of both.
    #[must_use]
    pub fn is_quorum(&self, supporters: &BTreeSet<ServerId>) -> bool {
        self.committed.is_quorum(supporters)
            && (planted::is(Bug::NextLeaderAsksOldQuorum)
                || self.proposed.as_ref().is_none_or(|proposed| proposed.is_quorum(supporters)))
    }

    /// Whether a server only observes. One that is no member follows without a vote until it is let in.
    #[must_use]
    pub fn observes(&self, sid: ServerId) -> bool {
        self.committed.role(sid) == Some(MemberRole::Observer)
    }
}

/// The configuration that a transaction proposes, if it is a reconfiguration.
///
/// # Errors
/// When it says that it is one and is not.
pub fn reconfiguration(proposal: &Proposal) -> Result<Option<Membership>, String> {
    if proposal.bytes.get(KIND_AT..KIND_AT + RECONFIG.len()) != Some(&RECONFIG[..]) {
        return Ok(None);
    }
    let wrong = |reason: String| format!("reconfiguration {}: {reason}", proposal.zxid);
    let entry = TxnEntry::decode(proposal.bytes.clone()).map_err(|error| wrong(error.to_string()))?;
    let Txn::Reconfig { data: Some(text), .. } = entry.txn else { return Err(wrong("without a text".to_owned())) };
    let text = std::str::from_utf8(&text).map_err(|error| wrong(error.to_string()))?;
    let membership = Membership::parse(text).map_err(|error| wrong(error.to_string()))?;
    if membership.version != proposal.zxid.0 {
        return Err(wrong(format!("its text is of version {:x}", membership.version)));
    }
    Ok(Some(membership))
}
