//! What must hold at every step, checked against the world as it is and not as the operator sees it.

use std::collections::BTreeSet;

use plan::{Config, Kind, Record, Slot};

use crate::ensemble::{is_quorum, voters};
use crate::world::{Does, Entry, What, World};

impl World {
    /// No acknowledged write is lost: whoever leads has everything that was ever committed.
    pub fn check_new_leader(&mut self, leader: Slot) {
        let log = &self.data(leader).expect("a leader has data").log;
        if !log.starts_with(&self.acked) {
            let at = log.iter().zip(&self.acked).take_while(|(a, b)| a == b).count();
            let what = format!(
                "{leader} leads without entry {at}: it has {:?}, acknowledged is {:?}",
                log.get(at),
                self.acked[at]
            );
            self.violate("no_acknowledged_write_lost", what);
        }
    }

    /// Committed prefixes agree, and a configuration is in the logs of a quorum of the one before and of itself.
    pub fn check_commit(&mut self, leader: Slot, at: usize, entry: &Entry, old: &Config) {
        if self.acked.is_empty() && at > 0 {
            // What founds the ensemble is committed by being in every founder's log.
            let founding = self.data(leader).map(|data| data.log[..at].to_vec()).unwrap_or_default();
            self.acked.extend(founding);
        }
        match self.acked.get(at) {
            Some(known) if known != entry => {
                let what = format!("{leader} commits {entry:?} where {known:?} was committed");
                self.violate("committed_prefixes_agree", what);
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
        let have = |(slot, disk): (&Slot, &crate::world::Disk)| {
            disk.data.as_ref().is_some_and(|data| data.log.get(at) == Some(entry)).then_some(*slot)
        };
        let have: BTreeSet<Slot> = self.disks.iter().filter_map(have).collect();
        if !is_quorum(old, &have) || !is_quorum(new, &have) {
            let what = format!("{old:?} -> {new:?} with only {have:?} holding it");
            self.violate("successive_configurations_share_a_quorum", what);
        }
        for kind in [Kind::Voter, Kind::Observer] {
            let size = self.sets.get(&kind).map_or(0, |set| set.replicas);
            self.check_size(kind, size);
        }
    }

    /// A StatefulSet is never smaller than the committed configuration needs.
    pub fn check_size(&mut self, kind: Kind, size: u32) {
        let Some((version, config)) = self.governing() else { return };
        let outside = config.keys().map(|sid| Slot::of(*sid)).find(|slot| slot.kind == kind && slot.ordinal >= size);
        if let Some(slot) = outside {
            self.violate("members_have_pods", format!("{slot} is in configuration {version:#x}, the size is {size}"));
        }
    }

    /// The operator takes no pod away that the quorum needs, and not the leader's while another could lead.
    pub fn check_eviction(&mut self, slot: Slot) {
        let Some((_, config)) = self.governing() else { return };
        let (voters, synced) = (voters(&config).count(), self.synced_voters());
        // A pod of no use may go at any time: an old cache may hide that the new template is bad, but not that.
        let observes = matches!(self.servers.get(&slot), Some(Does::Follows { synced: true, .. }));
        if !(synced.contains(&slot.sid()) || slot.kind == Kind::Observer && observes) {
            return;
        }
        // A bad pod that somebody wished away stops nothing any more.
        let is_wanted = |other: &Slot| {
            let size = self.sets.get(&other.kind).map_or(0, |set| set.replicas);
            *other != slot && other.ordinal < self.cluster.desired(other.kind).min(size)
        };
        let bad =
            self.pods.iter().find(|(other, pod)| is_wanted(other) && pod.failing && pod.revision == self.template);
        if let Some((bad, _)) = bad
            && self.bad_templates.contains(&self.template)
        {
            let what = format!("{slot} is evicted although {bad} cannot run with template {}", self.template);
            self.violate("first_bad_pod_stops_the_roll", what);
        }
        if slot.kind == Kind::Observer {
            return;
        }
        let left = synced.len() - 1;
        if voters > 2 && left <= voters / 2 {
            self.violate(
                "eviction_leaves_a_quorum",
                format!("{slot} is evicted, {left} synced voters of {voters} are left"),
            );
        }
        let leads = self.leader().is_some_and(|(leader, _)| leader == slot);
        if leads && left > 0 {
            self.violate("leader_is_last", format!("{slot} leads and is evicted with {left} others in sync"));
        }
    }

    /// Bootstrapped once is bootstrapped for ever.
    pub fn check_record(&mut self, next: &Record) {
        if self.record.bootstrapped && !next.bootstrapped {
            self.violate("bootstrap_happens_once", format!("{:?} becomes {next:?}", self.record));
        }
    }

    /// No volume of a member is deleted.
    pub fn check_volume(&mut self, slot: Slot) {
        if self.governing().is_some_and(|(_, config)| config.contains_key(&slot.sid())) {
            self.violate("members_keep_their_volumes", format!("the volume of {slot} is deleted"));
        }
    }
}
