//! LocalPrimaryOrder: if a primary broadcasts a before b, every server that delivers b delivers a before it.

use super::Invariant;
use crate::model::{Model, TxnNo};
use crate::observe::Observation;
use std::collections::BTreeMap;
use wire::ServerId;

/// Looks at the proposals of each primary in the order in which it made them: behind each, on every server, its next one.
/// A primary is one server while it leads once: a server alone that starts again is another one.
#[derive(Default)]
pub struct LocalPrimaryOrder {
    /// What the primary that a server is has proposed last.
    last: BTreeMap<ServerId, TxnNo>,
    /// By transaction: what its primary proposed before it.
    before: Vec<Option<TxnNo>>,
    examined: u64,
}

impl Invariant for LocalPrimaryOrder {
    fn name(&self) -> &'static str {
        "local_primary_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match (seen, model.txn()) {
            (Observation::Appended { server, own: true, .. } | Observation::Offered { server, .. }, Some(no)) => {
                self.before.resize(model.txn_count(), None);
                self.before[no.index()] = self.last.insert(*server, no);
            }
            (Observation::Serving { server, .. }, _) => {
                self.last.remove(server);
            }
            _ => {}
        }
        let Some(delivery) = model.delivery() else { return Ok(()) };
        for (at, &no) in delivery.history.iter().enumerate().skip(delivery.from) {
            let Some(earlier) = self.before.get(no.index()).copied().flatten() else { continue };
            self.examined += 1;
            let earlier_history = &delivery.history[..at];
            // Nearly always the one immediately before.
            if earlier_history.last() != Some(&earlier) && !earlier_history.contains(&earlier) {
                return Err(format!(
                    "server {} delivered {} without {}, which the same leader had proposed before it",
                    delivery.server,
                    model.describe(no),
                    model.describe(earlier)
                ));
            }
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
