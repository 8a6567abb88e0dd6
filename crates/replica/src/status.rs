//! What a server shows of itself.

use crate::io::{ServingRole, Status};
use crate::replica::{Engine, Replica};
use crate::tracker::SessionTracker;

impl Replica {
    /// A copy of what may be shown.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.status.clone();
        status.serving = self.serving.is_some();
        status.mode = match self.serving {
            None => "looking",
            Some(ServingRole::Standalone) => "standalone",
            Some(ServingRole::Leader) => "leader",
            Some(ServingRole::Follower) => "follower",
            Some(ServingRole::Observer) => "observer",
            Some(ServingRole::ReadOnly) => "read-only",
        };
        status.last_zxid = self.tree.read().last_zxid();
        status.session_buckets = self.tracker().map(SessionTracker::buckets).unwrap_or_default();
        status.local_session_buckets = self.local.as_ref().map(|local| local.sessions().buckets());
        status.is_short_of_memory = self.prep.is_short_of_memory();
        status.counters.refused_for_memory = self.prep.refused_for_memory();
        status.quota_refusals = self.prep.quota_refusals().clone();
        status.outstanding = self.conns.outstanding();
        match &self.engine {
            Engine::Standalone(_) => status.epoch = status.last_zxid.epoch().0,
            Engine::Ensemble(peer) => {
                status.peer_state = peer.state_name().to_owned();
                status.leader = peer.leader();
                status.upstream = peer.upstream();
                status.epoch = peer.epoch().0;
                status.counters.looking = peer.election_count();
                let syncs = peer.sync_counts();
                status.counters.diffs_sent = syncs.diffs;
                status.counters.snaps_sent = syncs.snaps;
                status.counters.truncs_sent = syncs.truncs;
                if let Some(master) = peer.observer_master() {
                    status.synced_learners = master.active().map(|sid| (sid, false)).collect();
                    status.learners = master.links().count();
                }
                if let Some(leading) = peer.leading() {
                    status.synced_learners = leading.active_learners().collect();
                    status.learners = leading.links().count();
                    status.lags = peer.lags();
                    status.pending_syncs = leading.pending_syncs();
                    status.epoch_counter = Some(leading.counter());
                }
            }
        }
        status
    }
}
