//! Containers that have lost their last child go, within what the leader's check may take. (What else a leader deletes by
//! itself, or too early, makes the history invalid: `valid_history`.)

use wire::Zxid;
use wire::txn::Txn;

use super::Invariant;
use crate::model::Model;
use crate::observe::Observation;

/// How long after its last child's end, the leader's beginning, and the last node that the leader's check deleted a container
/// may still be there, µs: two of these checks. What one has found is deleted at a measured pace before the next begins.
const LATE_US: i64 = 2_500_000;

/// Looks at what is left when all is at rest.
#[derive(Debug, Default)]
pub struct Containers {
    cursor: usize,
    /// When each transaction was committed.
    committed: Vec<(Zxid, i64)>,
    /// When the leader's check last deleted something.
    reaped_us: i64,
    examined: u64,
}

impl Containers {
    fn follow(&mut self, model: &Model) {
        for &no in model.newly_committed(&mut self.cursor) {
            let entry = model.entry(no);
            self.committed.push((entry.zxid(), model.now_us()));
            if matches!(entry.txn, Txn::DeleteContainer { .. }) {
                self.examined += 1;
                self.reaped_us = model.now_us();
            }
        }
    }

    fn committed_us(&self, zxid: Zxid) -> Option<i64> {
        let at = self.committed.partition_point(|(other, _)| *other < zxid);
        self.committed.get(at).filter(|(other, _)| *other == zxid).map(|(_, us)| *us)
    }

    fn check(&mut self, model: &Model) -> Result<(), String> {
        let services = model.servers().filter_map(|(_, view)| view.service());
        let Some(leader) = services.filter(|service| service.decides()).max_by_key(|service| service.since_us) else {
            return Ok(());
        };
        let late = |(path, zxid)| {
            let since_us = self.committed_us(zxid)?.max(leader.since_us).max(self.reaped_us);
            (model.now_us() - since_us > LATE_US).then_some((path, zxid, since_us))
        };
        match model.znodes().emptied_containers().filter_map(late).min() {
            None => Ok(()),
            Some((path, zxid, since_us)) => Err(format!(
                "{zxid} took the last child of the container {path}, and nothing was deleted for {} ms: it is still there",
                (model.now_us() - since_us) / 1000
            )),
        }
    }
}

impl Invariant for Containers {
    fn name(&self) -> &'static str {
        "containers"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        self.follow(model);
        match seen {
            Observation::AtRest { .. } => self.check(model),
            _ => Ok(()),
        }
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
