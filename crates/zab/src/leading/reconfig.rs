//! What a leader does about a change of its ensemble.

use super::Leading;
use crate::action::Action;
use crate::config::Config;
use crate::learner::{Learner, Stage};
use crate::quorum::Membership;
use crate::types::Proposal;
use bytes::Bytes;
use planted::Bug;
use std::collections::BTreeSet;
use wire::quorum::{PacketType, QuorumPacket};
use wire::{Epoch, ServerId};

impl Leading {
    /// The configuration of a new ensemble has version 0, and so has that of whoever wants to join it and knows only a part.
    /// The first leader gives it a version, which is agreed on with NEWLEADER (ZOOKEEPER-1783).
    pub(super) fn give_first_version(&mut self, epoch: Epoch, out: &mut Vec<Action>) {
        if self.reconfig_enabled && self.config.last_seen().version == 0 {
            let first = Membership { version: epoch.start().0, ..self.config.committed().clone() };
            self.config.see(first.clone());
            out.push(Action::ConfigSeen(first));
        }
    }

    /// A quorum of both configurations has acknowledged NEWLEADER, which carried the next one: it is in force, whether the
    /// leader that proposed it has known that or not.
    pub(super) fn complete_reconfiguration(&mut self, out: &mut Vec<Action>) {
        if let Some(next) = self.config.proposed().filter(|_| self.reconfig_enabled).cloned() {
            let leader = self.designated_leader(&next);
            self.put_in_force(next, leader, out);
        }
    }

    pub(super) fn put_in_force(&mut self, next: Membership, leader: ServerId, out: &mut Vec<Action>) {
        self.config.activate(next.clone());
        out.push(Action::ConfigActivated(next));
        if leader != self.me && !planted::is(Bug::RemovedLeaderGoesOn) {
            self.retired = Some(format!("the new configuration makes server {leader} the leader"));
        }
    }

    /// This server, if it votes in the next configuration at the same address; otherwise of its voters the one that holds most
    /// (`Leader.getDesignatedLeader`).
    pub(super) fn designated_leader(&self, next: &Membership) -> ServerId {
        let addresses = |membership: &Membership, sid| {
            let server = membership.servers.get(&sid)?;
            Some(server.addresses.iter().map(|address| (address.host.clone(), address.quorum_port)).collect::<Vec<_>>())
        };
        if next.is_voter(self.me) && addresses(next, self.me) == addresses(self.config.committed(), self.me) {
            return self.me;
        }
        let candidates = self.links.values().filter(|learner| learner.stage >= Stage::Synced);
        let candidates = candidates.filter_map(|learner| Some((learner.acked, learner.sid()?)));
        let best = candidates.filter(|(_, sid)| *sid != self.me && next.is_voter(*sid)).max();
        best.map_or(self.me, |(_, sid)| sid)
    }

    /// What NEWLEADER carries. Before the broadcast it is the last configuration seen: with the acknowledgements of NEWLEADER a
    /// reconfiguration is completed that an earlier leader began. Later one that is under way is a proposal like others. (Apache
    /// sends it all the same, and a learner that comes just then puts it in force before it is committed.)
    pub(super) fn new_leader_config(&self) -> &Membership {
        if self.is_broadcasting() { self.config.committed() } else { self.config.last_seen() }
    }

    /// Whether a quorum of `next` is connected and in sync (`Leader.isQuorumSynced`).
    #[must_use]
    pub fn is_quorum_synced(&self, next: &Membership) -> bool {
        let active = self.links.values().filter(|learner| learner.stage == Stage::Active && !learner.observes);
        // Whoever was just made an observer follows still, until it knows, and then acknowledges nothing more.
        let stays = |sid: &ServerId| !self.config.observes(*sid);
        let synced: BTreeSet<ServerId> = active.filter_map(Learner::sid).filter(stays).chain([self.me]).collect();
        next.is_quorum(&synced)
    }

    /// The configurations this leader counts by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Why another is to lead from now on, if so.
    #[must_use]
    pub fn retired(&self) -> Option<&str> {
        self.retired.as_deref()
    }
}

/// INFORM and COMMIT of a proposal, or what takes their place where it is a reconfiguration.
pub(crate) fn announcements(proposal: &Proposal, leader: Option<ServerId>) -> (QuorumPacket, QuorumPacket) {
    let (zxid, txn) = (proposal.zxid, &proposal.bytes);
    match leader {
        None => (
            QuorumPacket::with_data(PacketType::Inform, zxid, txn.clone()),
            QuorumPacket::bare(PacketType::Commit, zxid),
        ),
        Some(leader) => {
            let leader = Bytes::copy_from_slice(&leader.0.to_be_bytes());
            let both = Bytes::from([&leader[..], &txn[..]].concat());
            (
                QuorumPacket::with_data(PacketType::InformAndActivate, zxid, both),
                QuorumPacket::with_data(PacketType::CommitAndActivate, zxid, leader),
            )
        }
    }
}
