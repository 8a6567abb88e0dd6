//! Another tree in the place of a standalone server's own, by an operator's order (decision 0017).
//!
//! Everything that the server had is given up, proposals on their way to the log included: no client is told that they were done.
//! Nobody is served before the new tree is durable. The zxids go on behind all that were given out, so that no client has seen a
//! later one than the server has.

use crate::io::{Action, Now, ServingRole};
use crate::replica::{Engine, Replica, replace_tree};
use tree::Tree;
use wire::Zxid;

impl Replica {
    /// The zxid that a restored tree would get, which may hold transactions up to `zxid`.
    ///
    /// # Errors
    /// Why this server restores nothing now.
    pub fn restores_at(&self, zxid: Zxid) -> Result<Zxid, &'static str> {
        let Engine::Standalone(standalone) = &self.engine else {
            return Err("a member of an ensemble has the history of its ensemble");
        };
        if self.serving.is_none() || self.stops {
            return Err("this server does not serve");
        }
        let last = Zxid(standalone.next_zxid().0 - 1).max(zxid);
        match last.0.checked_add(1) {
            Some(next) if next < i64::MAX => Ok(Zxid(next)),
            _ => Err("no zxid is left behind that of the snapshot"),
        }
    }

    pub(crate) fn on_restore(&mut self, zxid: Zxid, mut tree: Box<Tree>, out: &mut Vec<Action>) {
        let at = match self.restores_at(zxid) {
            Ok(at) => at,
            Err(reason) => {
                tracing::warn!(%zxid, "restore nothing: {reason}");
                return;
            }
        };
        if let Engine::Standalone(standalone) = &mut self.engine {
            standalone.restart_at(at);
        }
        // Nobody may read the one tree and then the other.
        self.sink.left();
        self.stop_serving(out);
        tree.set_last_zxid(at);
        replace_tree(&self.tree, *tree);
        self.sink.installed(&self.tree.read());
        out.push(Action::SaveSnapshot);
    }

    /// The restored tree is durable.
    pub(crate) fn on_restored(&mut self, now: Now, out: &mut Vec<Action>) {
        if !self.stops && self.serving.is_none() {
            self.begin_serving(now, ServingRole::Standalone, out);
        }
    }
}
