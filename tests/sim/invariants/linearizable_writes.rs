//! Writes take effect in real time: one that was asked for after another had been answered, by whomever, comes behind it
//! in the order of all transactions.

use std::collections::{BTreeMap, VecDeque};

use wire::Zxid;

use super::Invariant;
use super::history::name;
use crate::model::Model;
use crate::observe::{ClientId, Observation};

/// See the module.
#[derive(Debug, Default)]
pub struct LinearizableWrites {
    /// The greatest zxid that any write was answered with.
    answered: Zxid,
    /// Writes without an answer: what had been answered when they were sent.
    open: BTreeMap<ClientId, VecDeque<(i32, Zxid)>>,
    examined: u64,
}

impl Invariant for LinearizableWrites {
    fn name(&self) -> &'static str {
        "linearizable_writes"
    }

    fn observe(&mut self, seen: &Observation<'_>, _model: &Model) -> Result<(), String> {
        match seen {
            Observation::Called(call) if call.op.is_write() => {
                self.open.entry(call.client).or_default().push_back((call.xid, self.answered));
            }
            Observation::Answered { call, answer } if call.op.is_write() => {
                let open = self.open.entry(call.client).or_default();
                let Some(at) = open.iter().position(|(xid, _)| *xid == call.xid) else { return Ok(()) };
                let before = open.remove(at).map_or(Zxid::ZERO, |(_, before)| before);
                self.examined += u64::from(before > Zxid::ZERO);
                if answer.zxid <= before {
                    return Err(format!(
                        "{}: it was answered as {}, but {before} had been answered before it was sent",
                        name(call),
                        answer.zxid
                    ));
                }
                self.answered = self.answered.max(answer.zxid);
            }
            Observation::Detached { client, .. } => {
                self.open.remove(client);
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
