//! What a learner does about a change of its ensemble.

use super::Learning;
use crate::action::Action;
use crate::config::reconfiguration;
use crate::history::History;
use crate::quorum::Membership;
use planted::Bug;
use wire::{ServerId, Zxid};

impl Learning {
    /// NEWLEADER carries the last configuration that the leader has seen. It is the one this server goes by from here, whatever
    /// it has seen itself: with its acknowledgement the leader completes it.
    pub(super) fn see_leaders_config(&mut self, text: Option<&[u8]>, out: &mut Vec<Action>) -> Result<(), String> {
        let Some(text) = text.filter(|text| self.reconfig_enabled && !text.is_empty()) else { return Ok(()) };
        let text = std::str::from_utf8(text).map_err(|error| format!("NEWLEADER's configuration: {error}"))?;
        let config = Membership::parse(text).map_err(|error| format!("NEWLEADER's configuration: {error}"))?;
        // What is under way only its own commit puts in force, not UPTODATE, although a NEWLEADER of Apache's may carry it.
        let under_way = self.reconfiguration_under_way()?;
        let is_under_way = under_way.as_ref().is_some_and(|next| next.version == config.version);
        let seen = under_way.unwrap_or_else(|| config.clone());
        self.config.see(seen.clone());
        out.push(Action::ConfigSeen(seen));
        self.leaders_config = Some(config).filter(|_| !is_under_way);
        Ok(())
    }

    /// The last reconfiguration that was proposed and not committed, as far as this server has been told.
    pub(super) fn reconfiguration_under_way(&self) -> Result<Option<Membership>, String> {
        let open = self.pending.iter().filter(|proposal| !self.commits.contains(&proposal.zxid));
        let found: Vec<Option<Membership>> = open.map(reconfiguration).collect::<Result<_, _>>()?;
        Ok(found.into_iter().flatten().next_back())
    }

    /// A reconfiguration is committed. It is in force at once; what it makes of this server may end the learning.
    pub(super) fn commit_and_activate(
        &mut self,
        zxid: Zxid,
        leader: ServerId,
        history: &mut History,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let next = match self.pending.iter().find(|proposal| proposal.zxid == zxid) {
            Some(proposal) if self.reconfig_enabled && !planted::is(Bug::ActivationMissed) => {
                reconfiguration(proposal)?
            }
            _ => None,
        };
        if self.is_active() {
            self.commit(zxid, Some(leader), history, out)?;
        } else {
            self.commits.push_back(zxid);
        }
        next.map_or(Ok(()), |next| self.put_in_force(next, Some(leader), out))
    }

    /// Puts a configuration in force (`QuorumPeer.processReconfig`). An error ends the learning: this server has another part in
    /// it, or another leader.
    pub(super) fn put_in_force(
        &mut self,
        next: Membership,
        leader: Option<ServerId>,
        out: &mut Vec<Action>,
    ) -> Result<(), String> {
        let addresses =
            |membership: &Membership, sid| membership.servers.get(&sid).map(|server| server.addresses.clone());
        let before = addresses(self.config.committed(), self.leader);
        if !self.config.activate(next.clone()) {
            return Ok(());
        }
        let leader_stays = match leader {
            Some(leader) => leader == self.leader,
            None => next.is_voter(self.leader) && addresses(&next, self.leader) == before,
        };
        out.push(Action::ConfigActivated(next));
        if self.config.observes(self.me) != self.observes {
            return Err("the new configuration gives this server another role".to_owned());
        }
        if !leader_stays {
            return Err("the new configuration gives the ensemble another leader".to_owned());
        }
        Ok(())
    }
}
