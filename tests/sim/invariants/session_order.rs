//! A session's requests are answered in order (I7), and what it sees on a connection never goes back: neither below the
//! last zxid it was told, nor below a write of its own.

use std::collections::{BTreeMap, VecDeque};

use wire::{ErrorCode, Zxid};

use super::Invariant;
use super::history::name;
use crate::model::Model;
use crate::observe::{Answer, Call, ClientId, Observation, Op};

/// See the module.
#[derive(Debug, Default)]
pub struct SessionOrder {
    clients: BTreeMap<ClientId, Order>,
    examined: u64,
}

#[derive(Debug, Default)]
struct Order {
    /// Requests of the connection without an answer.
    open: VecDeque<i32>,
    /// The last zxid of the connection.
    floor: Zxid,
    /// The last write of the session that was acknowledged, whatever the connection.
    written: Zxid,
}

/// Pings and setWatches are no part of the order.
fn is_ordinary(op: &Op) -> bool {
    !matches!(op, Op::Ping | Op::SetWatches { .. })
}

impl SessionOrder {
    fn on_answer(&mut self, call: &Call, answer: &Answer) -> Result<(), String> {
        let order = self.clients.entry(call.client).or_default();
        if is_ordinary(&call.op) {
            self.examined += 1;
            let expected = order.open.pop_front();
            if expected != Some(call.xid) {
                return Err(format!("{}: it was answered while request {expected:?} was due", name(call)));
            }
        }
        Self::rise(order, answer.zxid).map_err(|floor| {
            format!("{}: the answer is of {}, but {floor} was seen on this connection", name(call), answer.zxid)
        })?;
        if call.op.is_write() {
            if answer.error == ErrorCode::Ok {
                order.written = order.written.max(answer.zxid);
            }
        } else if order.written > Zxid::ZERO {
            self.examined += 1;
            if answer.zxid < order.written {
                return Err(format!(
                    "{}: the answer is of {}, before the session's own write {}",
                    name(call),
                    answer.zxid,
                    order.written
                ));
            }
        }
        Ok(())
    }

    /// Raises the floor of a connection, or answers the one that is undercut.
    fn rise(order: &mut Order, zxid: Zxid) -> Result<(), Zxid> {
        if zxid < order.floor {
            return Err(order.floor);
        }
        order.floor = zxid;
        Ok(())
    }
}

impl Invariant for SessionOrder {
    fn name(&self) -> &'static str {
        "session_order"
    }

    fn observe(&mut self, seen: &Observation<'_>, _model: &Model) -> Result<(), String> {
        match seen {
            Observation::Attached { client, fresh, .. } => {
                let order = self.clients.entry(*client).or_default();
                let written = if *fresh { Zxid::ZERO } else { order.written };
                *order = Order { written, ..Order::default() };
            }
            Observation::Called(call) if is_ordinary(&call.op) => {
                self.clients.entry(call.client).or_default().open.push_back(call.xid);
            }
            Observation::Answered { call, answer } => return self.on_answer(call, answer),
            // A caught up event has no zxid.
            Observation::Event { client, session, kind, path, zxid } if *zxid != Zxid::NONE => {
                self.examined += 1;
                let order = self.clients.entry(*client).or_default();
                return Self::rise(order, *zxid).map_err(|floor| {
                    format!(
                        "client {} (session {session}) is told {kind:?} of {path} with {zxid}, but {floor} was seen on this \
                         connection",
                        client.0
                    )
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
