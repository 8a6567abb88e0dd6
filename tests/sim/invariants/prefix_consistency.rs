//! PrefixConsistency: of what two servers have delivered, one is the beginning of the other. (I5)

use super::Invariant;
use crate::model::{Model, TxnNo};
use crate::observe::Observation;
use wire::ServerId;

/// Looks at the transaction in each position: it is the same wherever it was delivered.
#[derive(Default)]
pub struct PrefixConsistency {
    /// By position: what was delivered there first, and by whom.
    positions: Vec<(TxnNo, ServerId)>,
    examined: u64,
}

impl Invariant for PrefixConsistency {
    fn name(&self) -> &'static str {
        "prefix_consistency"
    }

    fn observe(&mut self, _seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Some(delivery) = model.delivery() else { return Ok(()) };
        for (at, &no) in delivery.history.iter().enumerate().skip(delivery.from) {
            let Some(&(expected, other)) = self.positions.get(at) else {
                self.positions.push((no, delivery.server));
                continue;
            };
            self.examined += 1;
            if no != expected {
                return Err(format!(
                    "server {} delivered {} as number {}, server {other} delivered {} there",
                    delivery.server,
                    model.describe(no),
                    at + 1,
                    model.describe(expected)
                ));
            }
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
