//! GlobalPrimaryOrder: a server that delivers a of one epoch and b of a later epoch delivers a before b.

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;

/// Looks at the epochs in each server's delivered history: they never go down.
#[derive(Default)]
pub struct GlobalPrimaryOrder {
    examined: u64,
}

impl Invariant for GlobalPrimaryOrder {
    fn name(&self) -> &'static str {
        "global_primary_order"
    }

    fn observe(&mut self, _seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Some(delivery) = model.delivery() else { return Ok(()) };
        // One before the news: what joins them to the rest.
        let start = delivery.from.saturating_sub(1);
        for pair in delivery.history[start..].windows(2) {
            self.examined += 1;
            if model.zxid(pair[0]).epoch() > model.zxid(pair[1]).epoch() {
                return Err(format!(
                    "server {} delivered {} behind {}, which is of a later epoch",
                    delivery.server,
                    model.describe(pair[1]),
                    model.describe(pair[0])
                ));
            }
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
