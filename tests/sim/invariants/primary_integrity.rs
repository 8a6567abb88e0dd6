//! PrimaryIntegrity: before a primary broadcasts anything, it has delivered everything of earlier epochs that any server
//! delivers, then or later.

use super::Invariant;
use crate::model::{Model, TxnNo};
use crate::observe::Observation;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use wire::{Epoch, ServerId};

/// What a primary had delivered when it made its first proposal.
struct Primary {
    server: ServerId,
    /// By transaction.
    delivered: Vec<bool>,
}

/// Looks at each epoch's first proposal, and compares what its primary had applied by then with everything delivered
/// anywhere, before and after.
#[derive(Default)]
pub struct PrimaryIntegrity {
    primaries: BTreeMap<Epoch, Primary>,
    /// What any server has delivered, once each.
    delivered: Vec<TxnNo>,
    is_delivered: Vec<bool>,
    examined: u64,
}

impl PrimaryIntegrity {
    fn begin(&mut self, server: ServerId, epoch: Epoch, model: &Model) -> Result<(), String> {
        let mut delivered = vec![false; model.txn_count()];
        for no in model.server(server).applied() {
            delivered[no.index()] = true;
        }
        let primary = Primary { server, delivered };
        for &no in self.delivered.iter().filter(|&&no| model.zxid(no).epoch() < epoch) {
            self.examined += 1;
            primary.check(epoch, no, model)?;
        }
        self.primaries.insert(epoch, primary);
        Ok(())
    }
}

impl Primary {
    fn check(&self, epoch: Epoch, no: TxnNo, model: &Model) -> Result<(), String> {
        if self.delivered.get(no.index()) == Some(&true) {
            return Ok(());
        }
        Err(format!(
            "server {} proposed in epoch {epoch} without having delivered {}, which another server delivered",
            self.server,
            model.describe(no)
        ))
    }
}

impl Invariant for PrimaryIntegrity {
    fn name(&self) -> &'static str {
        "primary_integrity"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        if let Observation::Appended { server, proposal, own: true } = *seen {
            let epoch = proposal.zxid.epoch();
            return if self.primaries.contains_key(&epoch) { Ok(()) } else { self.begin(server, epoch, model) };
        }
        let Some(delivery) = model.delivery() else { return Ok(()) };
        self.is_delivered.resize(model.txn_count(), false);
        for &no in delivery.news() {
            for (&epoch, primary) in self.primaries.range((Excluded(model.zxid(no).epoch()), Unbounded)) {
                self.examined += 1;
                primary.check(epoch, no, model)?;
            }
            if !std::mem::replace(&mut self.is_delivered[no.index()], true) {
                self.delivered.push(no);
            }
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
