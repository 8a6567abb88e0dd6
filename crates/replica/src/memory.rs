//! What follows from a measurement of memory: growth is refused here or, where somebody else decides, at least reported.

use crate::io::Memory;
use crate::replica::{Engine, Replica};

impl Replica {
    pub(crate) fn on_memory(&mut self, memory: Memory) {
        let was_short = self.prep.is_short_of_memory();
        self.prep.measured(memory.room);
        if let Engine::Ensemble(peer) = &mut self.engine {
            peer.set_history_bytes_max(memory.history_bytes_max);
        }
        self.note_memory(was_short);
    }

    /// One line for each change.
    pub(crate) fn note_memory(&self, was_short: bool) {
        let decides = self.tracker.is_some();
        match (was_short, self.prep.is_short_of_memory(), decides) {
            (false, true, true) => tracing::warn!(
                "memory is short: refuse (QuotaExceeded) what makes the tree grow until there is room. hint: delete znodes, or give this server a higher memory limit"
            ),
            (false, true, false) => tracing::warn!(
                "memory is short on this server, and only its leader may refuse what makes the tree grow. hint: give every server the same memory limit"
            ),
            (true, false, _) => tracing::info!("memory is no longer short: the tree may grow"),
            _ => {}
        }
    }
}
