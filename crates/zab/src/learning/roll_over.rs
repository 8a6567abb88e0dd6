//! The next epoch in place: the leader begins it on the links that it has.

use super::{Learning, SyncMode};
use crate::action::Action;
use wire::Epoch;

impl Learning {
    /// The leader moves to the next epoch. Everything it has proposed is committed, so this server lacks nothing; what follows is
    /// what follows at the beginning of every epoch.
    pub(super) fn begin_roll_over(&mut self, next: Epoch, out: &mut Vec<Action>) -> Result<(), String> {
        if next <= self.epoch {
            return Err(format!("LEADERINFO of epoch {next} within epoch {}", self.epoch));
        }
        if let Some(open) = self.pending.front() {
            return Err(format!("LEADERINFO of epoch {next}, but {} is not committed", open.zxid));
        }
        tracing::info!(leader = %self.leader, from = %self.epoch, to = %next, "following into the next epoch");
        self.is_rolling_over = true;
        self.mode = SyncMode::Log;
        self.unacked.clear();
        // Its observers come again when there is an epoch to tell them of.
        if let Some(master) = self.master.take() {
            self.past_syncs.add(master.sync_counts());
            out.push(Action::StopListening);
            let reason = format!("the ensemble moves to epoch {next}");
            out.extend(master.links().map(|link| Action::Close(link, reason.clone())));
        }
        Ok(())
    }
}
