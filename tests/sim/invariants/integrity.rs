//! Integrity: whatever is delivered, some primary has broadcast.

use super::Invariant;
use crate::model::{Model, TxnNo};
use crate::observe::Observation;
use wire::ServerId;

/// Looks at the content of everything that is applied, also before it counts as delivered, and compares it with what
/// leaders handed to their own logs as their own proposals, or offered to their successors.
#[derive(Default)]
pub struct Integrity {
    /// By transaction: whether a leader proposed it.
    broadcast: Vec<bool>,
    examined: u64,
}

impl Integrity {
    fn check(&mut self, no: TxnNo, server: ServerId, model: &Model) -> Result<(), String> {
        self.examined += 1;
        if self.broadcast.get(no.index()) == Some(&true) {
            return Ok(());
        }
        Err(format!("server {server} applied {}, which no leader has proposed", model.describe(no)))
    }
}

impl Invariant for Integrity {
    fn name(&self) -> &'static str {
        "integrity"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match (seen, model.txn()) {
            (Observation::Appended { own: true, .. } | Observation::Offered { .. }, Some(no)) => {
                if self.broadcast.len() <= no.index() {
                    self.broadcast.resize(no.index() + 1, false);
                }
                self.broadcast[no.index()] = true;
                Ok(())
            }
            (Observation::Applied { server, .. }, Some(no)) => self.check(no, *server, model),
            (Observation::Serving { server, .. }, _) => {
                let news = model.delivery().map(|delivery| delivery.news()).unwrap_or_default();
                news.iter().try_for_each(|&no| self.check(no, *server, model))
            }
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
