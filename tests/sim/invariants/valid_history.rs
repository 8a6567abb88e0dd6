//! Every committed transaction is possible where it stands: nothing is created twice, changed or deleted while it is not
//! there, and versions count up one by one.

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;

/// Looks at the committed history by itself, with the model's own znodes: leaders may be wrong all together, and then no
/// comparison of servers finds it.
#[derive(Default)]
pub struct ValidHistory {
    cursor: usize,
    examined: u64,
}

impl Invariant for ValidHistory {
    fn name(&self) -> &'static str {
        "valid_history"
    }

    fn observe(&mut self, _seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        self.examined += model.newly_committed(&mut self.cursor).len() as u64;
        model.impossible().map_or(Ok(()), |reason| Err(reason.to_owned()))
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
