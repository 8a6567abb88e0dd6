//! A session never goes back in time, also when it moves to another server (I8): whatever it is told there is not older
//! than the newest answer it got before.

use std::collections::BTreeMap;

use wire::{ServerId, Zxid};

use super::Invariant;
use super::history::name;
use crate::model::Model;
use crate::observe::{ClientId, Observation, Op};

/// See the module.
#[derive(Debug, Default)]
pub struct SessionMonotonic {
    clients: BTreeMap<ClientId, View>,
    examined: u64,
}

#[derive(Debug, Clone, Copy)]
struct View {
    server: ServerId,
    /// The newest answer. Events and pings do not raise it: a stock client does not count them when it tells the next
    /// server how far it has seen, or it would lose the second event of a transaction whose first one it got.
    newest: Zxid,
}

impl SessionMonotonic {
    fn check(&mut self, client: ClientId, zxid: Zxid) -> Result<(), String> {
        let Some(view) = self.clients.get(&client).filter(|view| view.newest > Zxid::ZERO) else { return Ok(()) };
        self.examined += 1;
        if zxid >= view.newest {
            return Ok(());
        }
        Err(format!("it has seen {} and is now, through server {}, at {zxid}", view.newest, view.server))
    }
}

impl Invariant for SessionMonotonic {
    fn name(&self) -> &'static str {
        "session_monotonic"
    }

    fn observe(&mut self, seen: &Observation<'_>, _model: &Model) -> Result<(), String> {
        match seen {
            Observation::Attached { client, fresh, server, .. } => {
                let before = self.clients.get(client).filter(|_| !fresh).map_or(Zxid::ZERO, |view| view.newest);
                self.clients.insert(*client, View { server: *server, newest: before });
            }
            Observation::Answered { call, answer } => {
                self.check(call.client, answer.zxid).map_err(|why| format!("{}: {why}", name(call)))?;
                if call.op != Op::Ping
                    && let Some(view) = self.clients.get_mut(&call.client)
                {
                    view.newest = view.newest.max(answer.zxid);
                }
            }
            Observation::Event { client, session, kind, path, zxid } if *zxid != Zxid::NONE => {
                self.check(*client, *zxid)
                    .map_err(|why| format!("client {} (session {session}), {kind:?} of {path}: {why}", client.0))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
