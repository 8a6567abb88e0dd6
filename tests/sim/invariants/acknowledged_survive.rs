//! What was acknowledged stays: a write whose client was told "done" is in the committed history when it is told, and is
//! still there when all is over, on every server.

use wire::{ErrorCode, SessionId, Zxid};

use super::Invariant;
use super::history::{committed, name};
use crate::model::Model;
use crate::observe::{Body, Observation};

/// See the module.
#[derive(Debug, Default)]
pub struct AcknowledgedSurvive {
    acknowledged: Vec<Acknowledged>,
    last: Zxid,
    examined: u64,
}

#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    zxid: Zxid,
    session: SessionId,
    xid: i32,
}

impl AcknowledgedSurvive {
    /// Compares one acknowledged write with the history.
    fn check(write: Acknowledged, model: &Model) -> Result<(), String> {
        let Acknowledged { zxid, session, xid } = write;
        match committed(model, zxid).map(|entry| entry.header) {
            Some(found) if found.session == session && found.cxid.0 == xid => Ok(()),
            Some(found) => Err(format!(
                "request {xid} of session {session} was acknowledged as {zxid}, but the committed {zxid} is request {} of \
                 session {}",
                found.cxid, found.session
            )),
            None => Err(format!(
                "request {xid} of session {session} was acknowledged as {zxid}, which is not committed: the committed \
                 history ends at {}",
                model.znodes().last_zxid()
            )),
        }
    }
}

impl Invariant for AcknowledgedSurvive {
    fn name(&self) -> &'static str {
        "acknowledged_survive"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match seen {
            Observation::Answered { call, answer } if call.op.is_write() && answer.error == ErrorCode::Ok => {
                if matches!(answer.body, Body::Multi(Err(_))) {
                    return Ok(());
                }
                let write = Acknowledged { zxid: answer.zxid, session: call.session, xid: call.xid };
                self.examined += 1;
                Self::check(write, model).map_err(|why| format!("{}: {why}", name(call)))?;
                self.last = self.last.max(write.zxid);
                self.acknowledged.push(write);
                Ok(())
            }
            Observation::AtRest { server, tree } if self.last > Zxid::ZERO => {
                self.examined += 1;
                if tree.last_zxid() < self.last {
                    return Err(format!(
                        "server {server} is at {} when all is at rest, but {} was acknowledged",
                        tree.last_zxid(),
                        self.last
                    ));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, model: &Model) -> Result<(), String> {
        for write in &self.acknowledged {
            self.examined += 1;
            Self::check(*write, model)?;
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
