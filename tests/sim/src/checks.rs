//! The checkers of one run, shared by the world and the servers' event sinks.

use crate::coverage::Coverage;
use crate::invariants::{self, Invariant};
use crate::model::Model;
use crate::observe::Observation;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The step at which it was seen.
    pub step: u64,
    /// Its name.
    pub invariant: String,
    /// Both sides' values.
    pub message: String,
}

/// The model, the invariants, the first violation.
pub struct Checks {
    /// What is known in common.
    pub model: Model,
    /// What was exercised.
    pub coverage: Coverage,
    invariants: Vec<Box<dyn Invariant>>,
    violation: Option<Violation>,
    now_us: i64,
    step: u64,
}

/// One thread uses it; the lock is never contended.
pub type SharedChecks = Arc<Mutex<Checks>>;

impl Checks {
    /// Checkers of a run that has not begun.
    #[must_use]
    pub fn new(model: Model) -> Checks {
        let mut invariants = invariants::zab();
        invariants.extend(invariants::sessions());
        Checks { model, coverage: Coverage::default(), invariants, violation: None, now_us: 0, step: 0 }
    }

    /// What follows happens now.
    pub fn at(&mut self, now_us: i64, step: u64) {
        (self.now_us, self.step) = (now_us, step);
    }

    /// Shows an observation to everyone. After the first violation nothing is looked at any more.
    pub fn see(&mut self, seen: &Observation<'_>) {
        if self.violation.is_some() {
            return;
        }
        tracing::debug!(step = self.step, us = self.now_us, "{seen}");
        if let Err(message) = self.model.observe(self.now_us, seen) {
            self.fail("model", message);
            return;
        }
        self.coverage.note(seen, &self.model);
        for at in 0..self.invariants.len() {
            let invariant = &mut self.invariants[at];
            if let Err(message) = invariant.observe(seen, &self.model) {
                let name = invariant.name();
                self.fail(name, message);
                return;
            }
        }
    }

    /// Notes a violation, if it is the first.
    pub fn fail(&mut self, invariant: &str, message: String) {
        let step = self.step;
        self.violation.get_or_insert(Violation { step, invariant: invariant.to_owned(), message });
    }

    /// Looks back from the end.
    pub fn finish(&mut self) {
        let abandoned = self.model.abandoned_changes();
        if abandoned > 0 {
            self.coverage.add("reconfigurations that came to nothing", abandoned);
        }
        for at in 0..self.invariants.len() {
            let invariant = &mut self.invariants[at];
            if let Err(message) = invariant.finish(&self.model) {
                let name = invariant.name();
                self.fail(name, message);
                return;
            }
        }
    }

    /// The first violation.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// How often each invariant has looked.
    #[must_use]
    pub fn examined(&self) -> BTreeMap<&'static str, u64> {
        self.invariants.iter().map(|invariant| (invariant.name(), invariant.examined())).collect()
    }
}
