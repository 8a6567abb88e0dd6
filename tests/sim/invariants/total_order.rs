//! TotalOrder: if one server delivers a before b, every server that delivers b delivers a, and before b.

use super::Invariant;
use crate::model::{Model, TxnNo};
use crate::observe::Observation;
use wire::ServerId;

/// How a transaction was delivered first.
#[derive(Clone, Copy)]
struct Place {
    /// What had been delivered last before it.
    behind: Option<TxnNo>,
    /// How many had been delivered before it.
    count: usize,
    server: ServerId,
}

/// Looks at what comes immediately before each transaction, and at how many come before it: by induction from the first on,
/// what comes before b is then the same on all servers.
#[derive(Default)]
pub struct TotalOrder {
    places: Vec<Option<Place>>,
    examined: u64,
}

impl Invariant for TotalOrder {
    fn name(&self) -> &'static str {
        "total_order"
    }

    fn observe(&mut self, _seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Some(delivery) = model.delivery() else { return Ok(()) };
        self.places.resize(model.txn_count(), None);
        for (count, &no) in delivery.history.iter().enumerate().skip(delivery.from) {
            let behind = count.checked_sub(1).map(|before| delivery.history[before]);
            let Some(first) = self.places[no.index()] else {
                self.places[no.index()] = Some(Place { behind, count, server: delivery.server });
                continue;
            };
            self.examined += 1;
            if (first.behind, first.count) != (behind, count) {
                let name = |behind: Option<TxnNo>| behind.map_or_else(|| "nothing".to_owned(), |no| model.describe(no));
                return Err(format!(
                    "server {} delivered {} as number {} behind {}, server {} as number {} behind {}",
                    delivery.server,
                    model.describe(no),
                    count + 1,
                    name(behind),
                    first.server,
                    first.count + 1,
                    name(first.behind)
                ));
            }
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
