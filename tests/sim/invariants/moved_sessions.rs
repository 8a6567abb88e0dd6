//! Once a session has moved to another server, nothing that it sent through the old one is carried out any more
//! (`SessionTrackerImpl.checkSession`): else a write that its client has given up for lost could overtake the ones behind it.
//!
//! Only the leader that let the session move knows its owner: the one of the epoch in which the new server served. Another
//! learns it from whoever acts first.

use super::Invariant;
use crate::model::Model;
use crate::observe::{Observation, Op};
use std::collections::{BTreeMap, HashMap};
use wire::txn::{Txn, TxnEntry};
use wire::{Epoch, Reader, ServerId, SessionId};
use zab::Proposal;

/// Looks at each transaction that a leader makes of a request whose connection had been lost before.
#[derive(Default)]
pub struct MovedSessions {
    /// Writes without an answer, by session and number: through which server they went.
    open: BTreeMap<(SessionId, i32), ServerId>,
    /// Those of them whose connection is gone.
    lost: HashMap<(SessionId, i32), ServerId>,
    /// Where each session is, and in which epoch it came there.
    owners: HashMap<SessionId, (ServerId, Epoch)>,
    /// In which epoch each server serves.
    epochs: BTreeMap<ServerId, Epoch>,
    examined: u64,
}

impl MovedSessions {
    fn on_proposal(&mut self, leader: ServerId, proposal: &Proposal) -> Result<(), String> {
        let mut input = Reader::new(&proposal.bytes);
        let (Ok(session), Ok(xid)) = (input.i64(), input.i32()) else { return Ok(()) };
        let session = SessionId(session);
        let Some(&through) = self.lost.get(&(session, xid)) else { return Ok(()) };
        let Some(&(owner, epoch)) = self.owners.get(&session) else { return Ok(()) };
        if owner == through || epoch != proposal.zxid.epoch() {
            return Ok(());
        }
        self.examined += 1;
        let entry = TxnEntry::decode(proposal.bytes.clone()).map_err(|error| error.to_string())?;
        if is_refused(&entry.txn) {
            return Ok(());
        }
        Err(format!(
            "leader {leader} makes {} of request {xid} that session {session} sent through server {through} before it moved \
             to server {owner}",
            proposal.zxid
        ))
    }
}

fn is_refused(txn: &Txn) -> bool {
    match txn {
        Txn::Error { .. } => true,
        Txn::Multi(parts) => parts.iter().any(|part| matches!(part, Txn::Error { .. })),
        _ => false,
    }
}

impl Invariant for MovedSessions {
    fn name(&self) -> &'static str {
        "moved_sessions"
    }

    fn observe(&mut self, seen: &Observation<'_>, _: &Model) -> Result<(), String> {
        match seen {
            Observation::Called(call) if call.op.is_write() && call.op != Op::CloseSession => {
                self.open.insert((call.session, call.xid), call.server);
            }
            Observation::Answered { call, .. } => drop(self.open.remove(&(call.session, call.xid))),
            Observation::Detached { session, .. } => {
                let of_session = (*session, i32::MIN)..=(*session, i32::MAX);
                self.lost.extend(self.open.extract_if(of_session, |_, _| true));
            }
            Observation::Attached { session, server, .. } => {
                if let Some(&epoch) = self.epochs.get(server) {
                    self.owners.insert(*session, (*server, epoch));
                }
            }
            Observation::Serving { server, epoch, .. } => drop(self.epochs.insert(*server, *epoch)),
            Observation::Appended { server, proposal, own: true } => self.on_proposal(*server, proposal)?,
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
