//! What a member shows of itself.

use super::{Peer, Role};
use crate::sync::SyncCounts;
use wire::ServerId;

impl Peer {
    /// Apache's `zk_peer_state`.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match &self.role {
            Role::Settling | Role::Looking => "looking - election",
            Role::Leading(leading) => leading.phase_name(),
            Role::Learning(learning) => learning.phase_name(),
            Role::Stopped => "stopped",
        }
    }

    /// Leader: see [`crate::Leading::lags`].
    #[must_use]
    pub fn lags(&self) -> Vec<(ServerId, u64, u64)> {
        self.leading().map(|leading| leading.lags(&self.history).collect()).unwrap_or_default()
    }

    /// Elections since the start.
    #[must_use]
    pub fn election_count(&self) -> u64 {
        self.election_count
    }

    /// Synchronizations sent since the start.
    #[must_use]
    pub fn sync_counts(&self) -> SyncCounts {
        let mut counts = self.past_syncs;
        counts.add(self.current_syncs());
        counts
    }
}
