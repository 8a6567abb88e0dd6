//! Only the server that decides expires sessions, and none before its time. (I11)

use super::Invariant;
use crate::model::{Model, Service};
use crate::observe::{Observation, Op};
use std::collections::{HashMap, VecDeque};
use wire::txn::Txn;
use wire::{ServerId, SessionId};

/// How much of its timeout a session has at least, in hundredths: clocks may run up to a tenth too fast. Monotonic clocks do
/// not jump.
const GRANTED_PERCENT: i64 = 80;

/// Of the requests of a session so many are remembered.
const HEARD_MAX: usize = 32;
/// Between two of them, µs, but for the last.
const HEARD_EVERY_US: i64 = 50_000;

/// What is known of a session.
#[derive(Default)]
struct Session {
    /// The shortest that was ever granted, ms; `None` until the session is proposed.
    timeout_ms: Option<i32>,
    created_us: i64,
    /// Whether its client has asked for its end: then that is no expiry.
    is_asked_for: bool,
    /// Requests that were answered, not all, the latest last.
    heard: VecDeque<Heard>,
}

/// A request that was answered.
#[derive(Clone, Copy)]
struct Heard {
    through: ServerId,
    sent_us: i64,
    answered_us: i64,
}

/// Looks at every closeSession that a server proposes and no client asked for, and at what happened last that must have
/// granted the session a whole timeout: the server began to decide, the session was created, or its client sent something
/// and was answered, by that very server or by a learner that has followed it ever since for so long that its reports must
/// have come through: else one of the two would have ended the link. What was not answered may not have arrived.
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
        let reasons =
            [("was created".to_owned(), self.created_us), ("found a new leader".to_owned(), service.since_us)];
        let heard = self.heard.iter().filter(|heard| heard.is_known_to(server, service, model));
        let heard = heard.map(|heard| (format!("was last heard through server {}", heard.through), heard.sent_us));
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

    fn note(&mut self, heard: Heard) {
        let is_news = |last: &Heard| last.through != heard.through || heard.sent_us - last.sent_us > HEARD_EVERY_US;
        // The very last one counts for the deciding server, those before it for learners, whose reports take time.
        if self.heard.len() >= 2 && !is_news(&self.heard[self.heard.len() - 2]) {
            self.heard.pop_back();
        }
        if self.heard.len() == HEARD_MAX {
            self.heard.pop_front();
        }
        self.heard.push_back(heard);
    }
}

impl Heard {
    /// Whether the deciding server must know of it.
    fn is_known_to(&self, decider: ServerId, its: Service, model: &Model) -> bool {
        if self.through == decider {
            return true;
        }
        let Some(report_us) = model.report_us() else { return false };
        let learner = model.server(self.through);
        let follows = learner.service().is_some_and(|own| own.epoch == its.epoch && own.since_us <= self.sent_us);
        let runs = learner.runs_since_us().is_some_and(|since_us| since_us <= self.sent_us);
        follows && runs && model.now_us() - self.answered_us > report_us
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
                let (through, sent_us) = (call.server, call.sent_at_us);
                let heard = Heard { through, sent_us, answered_us: model.now_us() };
                self.sessions.entry(call.session).or_default().note(heard);
            }
            _ => {}
        }
        Ok(())
    }

    fn examined(&self) -> u64 {
        self.examined
    }
}
