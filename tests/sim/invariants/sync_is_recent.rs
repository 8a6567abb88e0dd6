//! Behind a sync a client sees everything that anybody had been told of before it asked.
//!
//! ZooKeeper promises that only as long as the leader that answers has not been deposed without knowing: a sync whose answer
//! comes from an earlier epoch than the last acknowledged write is let pass. Within one epoch there is only one leader, which
//! had committed the write before it was asked to sync.

use super::Invariant;
use crate::model::Model;
use crate::observe::{ClientId, Observation, Op};
use std::collections::BTreeMap;
use wire::{ErrorCode, Zxid};

/// Compares the answer of each sync with the last write that anybody knew to be done when the sync was sent.
#[derive(Default)]
pub struct SyncIsRecent {
    acknowledged: Zxid,
    asked: BTreeMap<(ClientId, i32), Zxid>,
    examined: u64,
}

impl Invariant for SyncIsRecent {
    fn name(&self) -> &'static str {
        "sync_is_recent"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Model) -> Result<(), String> {
        match seen {
            Observation::Called(call) if matches!(call.op, Op::Sync { .. }) => {
                self.asked.insert((call.client, call.xid), self.acknowledged);
            }
            Observation::Answered { call, answer } if matches!(call.op, Op::Sync { .. }) => {
                let Some(before) = self.asked.remove(&(call.client, call.xid)) else { return Ok(()) };
                if answer.error != ErrorCode::Ok || answer.zxid.epoch() != before.epoch() {
                    return Ok(());
                }
                self.examined += u64::from(before > Zxid::ZERO);
                if answer.zxid < before {
                    return Err(format!(
                        "client {} asked server {} for a sync (number {}) when {before} was acknowledged, and was answered \
                         at {}",
                        call.client.0, call.server, call.xid, answer.zxid
                    ));
                }
            }
            Observation::Answered { call, answer } if call.op.is_write() && answer.error == ErrorCode::Ok => {
                self.acknowledged = self.acknowledged.max(answer.zxid);
            }
            Observation::Detached { client, .. } => self.asked.retain(|(asker, _), _| asker != client),
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
