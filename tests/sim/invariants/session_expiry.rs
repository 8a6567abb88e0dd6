//! Only the server that decides expires sessions, and none before its time. (I11)

use super::Invariant;
use crate::model::{Model, Service};
use crate::observe::{Observation, Op};
use std::collections::HashMap;
use wire::txn::Txn;
use wire::{ServerId, SessionId};

/// How much of its timeout a session has at least, in hundredths: clocks may run up to a tenth too fast. Monotonic clocks do
/// not jump.
const GRANTED_PERCENT: i64 = 80;

/// What is known of a session.
#[derive(Default)]
struct Session {
    /// The shortest that was ever granted, ms; `None` until the session is proposed.
    timeout_ms: Option<i32>,
    created_us: i64,
    /// Whether its client has asked for its end: then that is no expiry.
    is_asked_for: bool,
    /// The last request that was answered: through which server, and when it was sent at the earliest.
    heard: Option<(ServerId, i64)>,
}

/// Looks at every closeSession that a server proposes and no client asked for, and at what happened last that must have
/// granted the session a whole timeout: the server began to decide, the session was created, or its client sent something
/// through that very server and was answered. What it sent through other servers may have been lost on its way to the
/// leader, and what was not answered may not have arrived.
#[derive(Default)]
pub struct SessionExpiry {
    sessions: HashMap<SessionId, Session>,
    examined: u64,
}

impl SessionExpiry {
    fn proposed(&mut self, server: ServerId, model: &Model) -> Result<(), String> {
        let Some(entry) = model.txn().map(|no| model.entry(no)) else { return Ok(()) };
        let session = entry.header.session;
        match entry.txn {
            Txn::CreateSession { timeout } => {
                let known = self.sessions.entry(session).or_default();
                known.timeout_ms = Some(known.timeout_ms.map_or(timeout, |known| known.min(timeout)));
                known.created_us = model.now_us();
                Ok(())
            }
            Txn::CloseSession { .. } => match self.sessions.get(&session) {
                Some(known) if !known.is_asked_for => {
                    self.examined += 1;
                    known.check_expiry(session, server, model)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Session {
    fn check_expiry(&self, session: SessionId, server: ServerId, model: &Model) -> Result<(), String> {
        let Some(service) = model.server(server).service().filter(Service::decides) else {
            return Err(format!(
                "server {server} expires session {session}, but serves as {:?}",
                model.server(server).service().map(|service| service.role)
            ));
        };
        let Some(timeout_ms) = self.timeout_ms else { return Ok(()) };
        let granted_us = i64::from(timeout_ms) * 10 * GRANTED_PERCENT;
        let heard =
            self.heard.filter(|(through, _)| *through == server).map(|(_, sent_us)| ("was last heard", sent_us));
        let reasons = [("was created", self.created_us), ("found a new leader", service.since_us)];
        for (what, since_us) in reasons.into_iter().chain(heard) {
            let passed_us = model.now_us() - since_us;
            if passed_us < granted_us {
                return Err(format!(
                    "server {server} expires session {session} {passed_us} µs after it {what}; its timeout is {timeout_ms} ms"
                ));
            }
        }
        Ok(())
    }
}

impl Invariant for SessionExpiry {
    fn name(&self) -> &'static str {
        "session_expiry"
    }

    fn observe(&mut self, seen: &Observation<'_>, model: &Model) -> Result<(), String> {
        match *seen {
            Observation::Appended { server, own: true, .. } => return self.proposed(server, model),
            Observation::Attached { session, timeout_ms, .. } => {
                let known = self.sessions.entry(session).or_default();
                known.timeout_ms = Some(known.timeout_ms.map_or(timeout_ms, |known| known.min(timeout_ms)));
            }
            Observation::Called(call) if call.op == Op::CloseSession => {
                self.sessions.entry(call.session).or_default().is_asked_for = true;
            }
            Observation::Answered { call, .. } => {
                self.sessions.entry(call.session).or_default().heard = Some((call.server, call.sent_at_us));
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
