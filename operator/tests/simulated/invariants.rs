//! What must hold at every step, checked against the world as it is and not as the operator sees it.

use crate::ensemble::{Entry, What, is_quorum, voters};
use crate::world::World;
use plan::{Config, Kind, Slot};
use serde_json::Value;
use std::collections::BTreeSet;

impl World {
    /// No acknowledged write is lost: whoever leads has everything that was ever committed.
    pub fn check_new_leader(&mut self, leader: Slot) {
        let log = &self.data(leader).expect("a leader has data").log;
        if !log.starts_with(&self.acked) {
            let at = log.iter().zip(&self.acked).take_while(|(a, b)| a == b).count();
            let (has, acked) = (log.get(at).cloned(), self.acked[at].clone());
            let what = format!("{leader} leads without entry {at}: it has {has:?}, acknowledged is {acked:?}");
            self.violate("no_acknowledged_write_lost", &what);
        }
    }

    /// Committed prefixes agree, and a configuration is in the logs of a quorum of the one before and of itself.
    pub fn check_commit(&mut self, leader: Slot, at: usize, entry: &Entry, old: &Config) {
        if self.acked.is_empty() && at > 0 {
            // What founds the ensemble is committed by being in every founder's log.
            self.acked = self.data(leader).map(|data| data.log[..at].to_vec()).unwrap_or_default();
        }
        match self.acked.get(at) {
            Some(known) if known != entry => {
                let what = format!("{leader} commits {entry:?} where {known:?} was committed");
                self.violate("committed_prefixes_agree", &what);
            }
            Some(_) => {}
            None => {
                self.acked.push(entry.clone());
                if let What::Config(new) = &entry.what {
                    self.check_configuration(at, entry, old, new);
                }
            }
        }
    }

    fn check_configuration(&mut self, at: usize, entry: &Entry, old: &Config, new: &Config) {
        self.meet("configuration committed");
        let has = |data: &crate::ensemble::Data| data.log.get(at) == Some(entry);
        let have: BTreeSet<Slot> =
            self.disks.iter().filter(|(_, disk)| disk.data.as_ref().is_some_and(has)).map(|(slot, _)| *slot).collect();
        if !is_quorum(old, &have) || !is_quorum(new, &have) {
            let what = format!("{old:?} -> {new:?} with only {have:?} holding it");
            self.violate("successive_configurations_share_a_quorum", &what);
        }
        for kind in [Kind::Voter, Kind::Observer] {
            // Somebody may do so between the operator's look and its order.
            let by_hand = self.met.contains_key("StatefulSet scaled by hand");
            if let Some(size) = self.size(kind).filter(|_| !by_hand) {
                self.check_size(kind, size);
            }
        }
    }

    /// A StatefulSet is never smaller than the committed configuration needs.
    pub fn check_size(&mut self, kind: Kind, size: u32) {
        let Some((version, config)) = self.governing() else { return };
        let outside = config.keys().map(|sid| Slot::of(*sid)).find(|slot| slot.kind == kind && slot.ordinal >= size);
        if let Some(slot) = outside {
            self.violate("members_have_pods", &format!("{slot} is in configuration {version:#x}, the size is {size}"));
        }
    }

    /// The operator takes no pod away that the quorum needs, and not the leader's while another could lead.
    pub fn check_eviction(&mut self, slot: Slot) {
        let Some((_, config)) = self.governing() else { return };
        let (voters, synced) = (voters(&config).count(), self.synced_voters());
        // A pod of no use may go at any time.
        if !synced.contains(&slot.sid()) {
            return;
        }
        let left = synced.len() - 1;
        if voters > 2 && left <= voters / 2 {
            let what = format!("{slot} is removed, {left} synced voters of {voters} are left");
            self.violate("eviction_leaves_a_quorum", &what);
        }
        if self.is_calm() && !self.is_stubborn && left > 0 && self.leader().is_some_and(|(leader, _)| leader == slot) {
            let what = format!("{slot} leads and is removed with {left} others in sync");
            self.violate("leader_is_last", &what);
        }
    }

    /// Founded once is founded for ever, and by nobody else.
    pub fn check_record(&mut self, before: &Value, after: &Value) {
        let is_founded = self.acked.iter().any(|entry| matches!(entry.what, What::Znode(_)));
        if before["bootstrapped"] == true && after["bootstrapped"] != true {
            self.violate("founding_happens_once", &format!("{before} becomes {after}"));
        }
        // A record that says otherwise while there is data would let empty disks vote.
        let has_changed = before["clusterUid"].is_string() && before["clusterUid"] != after["clusterUid"];
        if has_changed || (is_founded && after["bootstrapped"] != true) {
            self.violate("founding_happens_once", &format!("{before} becomes {after}, and there is an ensemble"));
        }
    }

    /// No claim of a member is deleted by the operator.
    pub fn check_claim(&mut self, slot: Slot) {
        if self.governing().is_some_and(|(_, config)| config.contains_key(&slot.sid())) {
            self.violate("members_keep_their_volumes", &format!("the volume of {slot} is deleted"));
        }
    }
}
