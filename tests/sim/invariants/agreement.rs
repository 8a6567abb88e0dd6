//! Agreement: if one server delivers a and another delivers b, then one of the two delivers both. So of what two servers
//! have delivered, one is part of the other, whatever the order.

use super::Invariant;
use crate::model::{Delivery, Model, TxnNo};
use crate::observe::Observation;
use wire::ServerId;

/// Looks at the sets of delivered transactions: each is part of the largest so far, or holds all of it.
#[derive(Default)]
pub struct Agreement {
    /// By transaction: whether it is in the largest set.
    in_largest: Vec<bool>,
    largest: usize,
    holder: ServerId,
    examined: u64,
}

impl Agreement {
    /// Splits a history's transactions into how many are in the largest set and which are not, each counted once.
    fn split(&self, history: &[TxnNo], txn_count: usize) -> (usize, Vec<TxnNo>) {
        let mut counted = vec![false; txn_count];
        let (mut shared, mut others) = (0, Vec::new());
        for &no in history.iter().filter(|no| !std::mem::replace(&mut counted[no.index()], true)) {
            match self.in_largest[no.index()] {
                true => shared += 1,
                false => others.push(no),
            }
        }
        (shared, others)
    }

    fn compare(&mut self, delivery: &Delivery<'_>, model: &Model) -> Result<(), String> {
        let (shared, others) = self.split(delivery.history, model.txn_count());
        let Some(&own) = others.first() else { return Ok(()) };
        if shared < self.largest {
            let missing = (model.committed().iter()).find(|no| !delivery.history.contains(no));
            let missing = missing.map_or_else(|| "other transactions".to_owned(), |&no| model.describe(no));
            return Err(format!(
                "server {} delivered {}, server {} did not but delivered {missing}",
                delivery.server,
                model.describe(own),
                self.holder
            ));
        }
        for no in &others {
            self.in_largest[no.index()] = true;
        }
        self.largest += others.len();
        self.holder = delivery.server;
        Ok(())
    }
}

impl Invariant for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn observe(&mut self, _seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        let Some(delivery) = model.delivery() else { return Ok(()) };
        self.in_largest.resize(model.txn_count(), false);
        self.examined += delivery.news().len() as u64;
        // The usual cases, without a look at the whole set: the news are known, or come on top of all that is.
        if delivery.news().iter().all(|no| self.in_largest[no.index()]) {
            return Ok(());
        }
        let at_the_top = delivery.from == self.largest && self.holder == delivery.server;
        if let (true, &[no]) = (at_the_top, delivery.news()) {
            self.in_largest[no.index()] = true;
            self.largest += 1;
            return Ok(());
        }
        self.compare(&delivery, model)
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
