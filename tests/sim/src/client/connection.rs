//! A client's connections: how they begin and end, and what comes in on them.

use std::collections::VecDeque;

use bytes::BytesMut;
use tree::ConnId;
use wire::client::{ConnectRequest, PASSWORD_BYTES, Password};
use wire::{ErrorCode, Reader, ServerId, SessionId, Xid, Zxid};

use super::codec::{self, Front, Greeting};
use super::planner::brief;
use super::watches::Watches;
use super::{Client, ClientAction, Io, Link, Session, State};
use crate::observe::{Answer, Body, Call, Observation, Op};

/// A server that takes longer to answer the handshake is given up, µs at least.
const GREETING_US_MIN: i64 = 500_000;

impl Client {
    pub(super) fn dial(&mut self, io: &mut Io<'_>) {
        let next_visit = self.calm.as_ref().and_then(|calm| calm.to_visit.front().copied());
        let server = next_visit.unwrap_or_else(|| self.pick_server());
        self.last_server = Some(server);
        let timeout_us = i64::from(self.planner.workload().session_timeout_ms) * 1000;
        let patience_us = (timeout_us / self.servers.len() as i64).max(GREETING_US_MIN);
        self.state = State::Dialing { server, give_up_us: io.now_us + patience_us };
        io.out.push(ClientAction::Dial(server));
    }

    /// Any server but the last one, if there is another.
    fn pick_server(&mut self) -> ServerId {
        let others: Vec<ServerId> =
            self.servers.iter().copied().filter(|server| Some(*server) != self.last_server).collect();
        let from = if others.is_empty() { &self.servers } else { &others };
        self.planner.rng().pick(from).copied().unwrap_or(self.servers[0])
    }

    pub(super) fn on_connected(&mut self, conn: ConnId, io: &mut Io<'_>) {
        let State::Dialing { server, give_up_us } = self.state else { return };
        let asked = self.session.map_or(SessionId::NONE, |session| session.id);
        let password = if asked == SessionId::NONE { [0; PASSWORD_BYTES] } else { Password::of(asked).0 };
        let request = ConnectRequest {
            last_zxid_seen: self.last_zxid_seen,
            timeout: self.planner.workload().session_timeout_ms,
            session: asked,
            password: password.to_vec(),
            read_only: Some(false),
        };
        let mut frame = BytesMut::new();
        request.encode_frame(&mut frame);
        self.received.clear();
        self.state = State::Greeting { server, conn, give_up_us, asked };
        io.out.push(ClientAction::Send(frame.freeze()));
    }

    pub(super) fn hang_up(&mut self, io: &mut Io<'_>) {
        io.out.push(ClientAction::HangUp);
        self.lose_connection(io);
    }

    /// No connection any more: what waits for an answer will never get one.
    pub(super) fn lose_connection(&mut self, io: &mut Io<'_>) {
        let pause_us = self.planner.redial_us();
        let before = std::mem::replace(&mut self.state, State::Away { until_us: io.now_us + pause_us });
        let session = self.session.map_or(SessionId::NONE, |session| session.id);
        match before {
            State::Away { until_us } => {
                self.state = State::Away { until_us };
                return;
            }
            State::Dialing { .. } => {}
            State::Greeting { .. } => {
                (io.seen)(Observation::Detached { client: self.id, session: SessionId::NONE });
            }
            State::Attached(link) => {
                let is_request = |call: &&Call| !matches!(call.op, Op::Ping | Op::SetWatches { .. });
                self.progress.lost_calls += link.waiting.iter().filter(is_request).count() as u64;
                (io.seen)(Observation::Detached { client: self.id, session });
                if link.closing {
                    // Closed or not, this client is done with it.
                    self.forget_session();
                }
            }
        }
        self.received.clear();
        if let Some(calm) = &mut self.calm {
            // A server that cannot be visited now is visited after the others.
            if calm.to_visit.front().copied() == self.last_server {
                calm.to_visit.rotate_left(1.min(calm.to_visit.len()));
            }
            calm.sent = false;
        }
    }

    pub(super) fn forget_session(&mut self) {
        self.session = None;
        self.watches = Watches::default();
        self.last_zxid_seen = Zxid::ZERO;
        self.last_xid = 0;
    }

    fn complain(&mut self, what: String, io: &mut Io<'_>) {
        self.complaint.get_or_insert(brief(&format!("client {}: {what}", self.id.0)));
        self.hang_up(io);
    }

    // --- what servers send ---------------------------------------------------------------------------------------

    pub(super) fn on_bytes(&mut self, bytes: &[u8], io: &mut Io<'_>) {
        self.received.extend_from_slice(bytes);
        loop {
            let taken = match &mut self.state {
                State::Away { .. } | State::Dialing { .. } => return,
                State::Greeting { .. } => codec::take_frame(&mut self.received),
                State::Attached(link) => {
                    link.heard_us = io.now_us;
                    codec::take_frame(&mut self.received)
                }
            };
            let handled = match taken {
                Ok(None) => return,
                Ok(Some(frame)) => self.on_frame(&frame, io),
                Err(what) => Err(what),
            };
            if let Err(what) = handled {
                self.complain(what, io);
            }
        }
    }

    fn on_frame(&mut self, frame: &[u8], io: &mut Io<'_>) -> Result<(), String> {
        if matches!(self.state, State::Greeting { .. }) {
            return self.on_greeting(codec::decode_greeting(frame)?, io);
        }
        let mut input = Reader::new(frame);
        let front = codec::decode_front(&mut input)?;
        if front.xid == Xid::NOTIFICATION {
            let (kind, path) = codec::decode_event(&mut input)?;
            let session = self.session.map_or(SessionId::NONE, |session| session.id);
            self.progress.events += 1;
            self.watches.fired(kind, path);
            (io.seen)(Observation::Event { client: self.id, session, kind, path, zxid: front.zxid });
            return Ok(());
        }
        if front.xid == Xid::AUTH {
            return match (front.error, self.planner.user()) {
                (ErrorCode::Ok, Some(_)) => Ok(()),
                (error, user) => Err(format!("an auth packet of {user:?} is answered with {error}")),
            };
        }
        self.on_reply(front, &mut input, io)
    }

    fn on_greeting(&mut self, greeting: Greeting, io: &mut Io<'_>) -> Result<(), String> {
        let State::Greeting { server, conn, asked, .. } = self.state else { return Ok(()) };
        let fresh = asked == SessionId::NONE;
        let (session, timeout_ms) = match greeting {
            Greeting::Refused if fresh => return Err("a new session is refused".to_owned()),
            Greeting::Refused => {
                (io.seen)(Observation::SessionLost { client: self.id, session: asked });
                self.progress.sessions_lost += 1;
                self.forget_session();
                self.hang_up(io);
                return Ok(());
            }
            Greeting::Welcome { session, .. } if !fresh && session != asked => {
                return Err(format!("session {asked} was asked for and {session} given"));
            }
            Greeting::Welcome { session, timeout_ms } => (session, timeout_ms),
        };
        self.progress.sessions += u64::from(fresh);
        self.progress.reattached += u64::from(!fresh);
        self.session = Some(Session { id: session, timeout_us: i64::from(timeout_ms) * 1000 });
        let burst_us = io.now_us + self.planner.think_us();
        self.state = State::Attached(Link {
            server,
            conn,
            waiting: VecDeque::new(),
            heard_us: io.now_us,
            sent_us: io.now_us,
            burst_us,
            closing: false,
        });
        let user = self.planner.user();
        if let Some(user) = user {
            io.out.push(ClientAction::Send(codec::encode_auth(user)));
        }
        (io.seen)(Observation::Attached { client: self.id, session, fresh, server, conn, timeout_ms, user });
        if let Some(op) = self.watches.to_register(self.last_zxid_seen) {
            let frame = self.call(op, io);
            io.out.push(ClientAction::Send(frame));
        }
        Ok(())
    }

    fn on_reply(&mut self, front: Front, input: &mut Reader<'_>, io: &mut Io<'_>) -> Result<(), String> {
        let State::Attached(link) = &mut self.state else { return Ok(()) };
        // Mostly the first; if not, whoever watches the order of answers is to see it.
        let Some(at) = link.waiting.iter().position(|call| call.xid == front.xid.0) else {
            return Err(format!("reply {} of zxid {} answers nothing that was asked", front.xid, front.zxid));
        };
        let call = link.waiting.remove(at).ok_or("a call that was found is gone")?;
        let answer = codec::decode_answer(&call.op, front, input)?;
        self.count(&call.op, &answer);
        self.watches.answered(&call.op, answer.error);
        self.planner.learn(&call.op, &answer);
        (io.seen)(Observation::Answered { call: &call, answer: &answer });
        if call.op != Op::Ping {
            // Neither pings nor events count: a transaction may fire several, and a client that took the first one's zxid
            // for seen would not be told of the others after a reconnect.
            self.last_zxid_seen = self.last_zxid_seen.max(answer.zxid);
        }
        match &call.op {
            Op::SetWatches { .. } | Op::Ping if answer.error != ErrorCode::Ok => {
                Err(format!("{:?} is answered with {}", call.op, answer.error))
            }
            Op::CloseSession => {
                self.hang_up(io);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, op: &Op, answer: &Answer) {
        let is_refused = answer.error != ErrorCode::Ok || matches!(answer.body, Body::Multi(Err(_)));
        match op {
            Op::Get { .. } | Op::Exists { .. } | Op::Children { .. } | Op::GetAcl { .. } => {
                self.progress.answered_reads += 1;
            }
            op if op.is_write() && is_refused => self.progress.refused_writes += 1,
            op if op.is_write() => self.progress.acknowledged_writes += 1,
            _ => {}
        }
    }
}
