//! What a server shows of itself.

use crate::io::{ServingRole, Status};
use crate::replica::{Engine, Replica};
use crate::tracker::{Owner, SessionTracker};
use wire::{ServerId, SessionId};
use zab::LinkId;

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

    /// The learners on this server's links that have said who they are, by link: those of a leader, or the observers that hang on
    /// this follower. Looked up on request, so that [`Status`] need not be as long as the ensemble is wide.
    #[must_use]
    pub fn learner_links(&self) -> Vec<(LinkId, ServerId)> {
        let Engine::Ensemble(peer) = &self.engine else { return Vec::new() };
        if let Some(leading) = peer.leading() {
            return leading.links().filter_map(|link| Some((link, leading.learner_sid(link)?))).collect();
        }
        let Some(master) = peer.observer_master() else { return Vec::new() };
        master.links().filter_map(|link| Some((link, master.learner_sid(link)?))).collect()
    }

    /// Through which server a session is used. Only the leader and a standalone server know, and not before the session was active
    /// since they began.
    #[must_use]
    pub fn server_of(&self, session: SessionId) -> Option<ServerId> {
        match self.tracker()?.owner(session)? {
            Owner::Local => Some(self.settings.me),
            Owner::Learner(link) => match &self.engine {
                Engine::Ensemble(peer) => peer.leading()?.learner_sid(link),
                Engine::Standalone(_) => None,
            },
        }
    }
}
