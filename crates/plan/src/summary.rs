//! What the observation comes to, for the status and for whoever carries a plan out: who leads, what is committed, who is
//! in sync.

use std::collections::BTreeSet;

use crate::ids::{ConfigVersion, Epoch, Kind, Millis, ServerId};
use crate::observed::{Config, Observed};
use crate::view::{View, majority};

/// What everybody asks first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The leader that a quorum follows.
    pub leader: Option<ServerId>,
    /// Its epoch.
    pub epoch: Option<Epoch>,
    /// The version of the configuration in force; without a leader the latest that anybody with data holds.
    pub config_version: Option<ConfigVersion>,
    /// That configuration; empty if none is known.
    pub config: Config,
    /// Servers that follow that leader, hold what is committed, and lack little. It is one of them itself.
    pub in_sync: BTreeSet<ServerId>,
    /// Voters that are needed; 0 if no configuration is known.
    pub quorum: usize,
    /// Voters in sync.
    pub synced_voters: usize,
    /// Pods of each kind, voters first, that were made from the present template, of all.
    pub updated: [(usize, usize); 2],
}

/// Sums the observation up.
#[must_use]
pub fn summary(observed: &Observed) -> Summary {
    let view = View::new(observed, Millis::default());
    let voters = view.voters();
    let servers = observed.members.iter().map(|member| member.slot.sid());
    let in_sync: BTreeSet<ServerId> = servers.filter(|sid| view.is_in_sync(*sid)).collect();
    let updated = [Kind::Voter, Kind::Observer].map(|kind| {
        let pods = || observed.pods.iter().filter(|pod| pod.slot.kind == kind);
        (pods().filter(|pod| !view.is_outdated(pod)).count(), pods().count())
    });
    let leader = view.leader();
    Summary {
        leader,
        epoch: leader.and_then(|sid| view.answer(sid)).and_then(|status| status.epoch),
        config_version: view.committed.map(|committed| committed.version),
        config: view.committed.map(|committed| committed.config.clone()).unwrap_or_default(),
        quorum: if voters.is_empty() { 0 } else { majority(voters.len()) },
        synced_voters: voters.iter().filter(|sid| in_sync.contains(sid)).count(),
        in_sync,
        updated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    #[test]
    fn a_quiet_ensemble_is_led_and_in_sync() {
        let summary = summary(&Scene::running(3, 0).seen);
        assert!(summary.leader.is_some() && summary.epoch.is_some());
        assert_eq!((summary.quorum, summary.synced_voters, summary.config.len()), (2, 3, 3));
        assert_eq!(summary.updated, [(3, 3), (0, 0)]);
    }

    #[test]
    fn nothing_is_known_of_nothing() {
        let mut scene = Scene::running(3, 0);
        scene.seen.members.clear();
        let summary = summary(&scene.seen);
        assert_eq!((summary.leader, summary.config_version, summary.quorum), (None, None, 0));
        assert!(summary.in_sync.is_empty());
    }
}
