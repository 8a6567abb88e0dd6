//! Everything that can grow has a bound. (I13)

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;

/// Looks at the queues as their owners report them.
#[derive(Default)]
pub struct QueueBounds {
    examined: u64,
}

impl Invariant for QueueBounds {
    fn name(&self) -> &'static str {
        "queue_bounds"
    }

    fn observe(&mut self, seen: &Observation<'_>, _model: &Model) -> Result<(), String> {
        let Observation::Queues { server, queues } = *seen else { return Ok(()) };
        self.examined += queues.len() as u64;
        match queues.iter().find(|(_, found, bound)| found > bound) {
            Some((name, found, bound)) => {
                Err(format!("queue {name} of server {server} holds {found}, its bound is {bound}"))
            }
            None => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
