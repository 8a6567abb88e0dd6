//! A simulated client: a stock client's behaviour on the real bytes, as a state machine without sockets and clock.
//!
//! ```text
//!   Away --(pause over: Dial)--> Dialing --Connected--> Greeting --welcome--> Attached
//!    ^                             |                       |                     |
//!    +---- closed, given up, refused, session closed, nothing heard for 2/3 of the timeout
//! ```
//!
//! It keeps its session from connection to connection, with the last zxid it has seen and its watches, and begins another
//! where the session is refused, closed or abandoned. A request whose connection is lost is never sent again as the same
//! request: nobody knows what became of it. Whoever drives it reports what becomes of its actions; behind a
//! [`ClientAction::HangUp`] nothing of the old connection may reach it any more.

mod codec;
mod connection;
mod planner;
mod watches;
mod workload;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use tree::ConnId;
use wire::{ServerId, SessionId, Xid, Zxid};

use crate::observe::{Call, ClientId, Observation, Op};
use crate::rng::Rng;
use planner::{Planner, Step};
use watches::Watches;

pub use codec::encode;
pub use planner::brief;
pub use workload::{Kind, Workload};

/// What happened to a client.
#[derive(Debug)]
pub enum ClientInput<'a> {
    /// The time given by [`Client::deadline_us`] has come.
    Timer,
    /// The connection that was dialled stands.
    Connected(ConnId),
    /// Bytes came, in whatever pieces.
    Bytes(&'a [u8]),
    /// The connection is gone, or never stood.
    Closed,
    /// From here on: finish what is open, then do one write and one read on each of these servers in turn, and then nothing
    /// but stay alive. Each further one starts another round.
    Calm(&'a [ServerId]),
}

/// What a client wants done, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAction {
    /// Connect to this server; report [`ClientInput::Connected`] or [`ClientInput::Closed`].
    Dial(ServerId),
    /// Send these bytes on the connection.
    Send(Bytes),
    /// Close the connection, or stop dialling. Needs no report.
    HangUp,
}

/// What a client got done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Requests sent, pings and setWatches not counted.
    pub calls: u64,
    /// Writes that were carried out, as the client was told.
    pub acknowledged_writes: u64,
    /// Writes that were refused with an error of their own.
    pub refused_writes: u64,
    /// Reads with an answer, whether there was a node or not.
    pub answered_reads: u64,
    /// Requests whose connection was lost before the answer.
    pub lost_calls: u64,
    /// Watch events.
    pub events: u64,
    /// Sessions begun.
    pub sessions: u64,
    /// Sessions that came back on another connection.
    pub reattached: u64,
    /// Sessions that were refused: expired meanwhile.
    pub sessions_lost: u64,
    /// Servers on which this calm round's write and read were answered, in that order.
    pub visited: Vec<ServerId>,
}

/// Where a client stands.
#[derive(Debug)]
enum State {
    Away { until_us: i64 },
    Dialing { server: ServerId, give_up_us: i64 },
    Greeting { server: ServerId, conn: ConnId, give_up_us: i64, asked: SessionId },
    Attached(Link),
}

/// A connection with a session.
#[derive(Debug)]
struct Link {
    server: ServerId,
    conn: ConnId,
    /// Requests without an answer, in the order in which they were sent.
    waiting: VecDeque<Call>,
    heard_us: i64,
    sent_us: i64,
    burst_us: i64,
    /// closeSession was sent: nothing may follow it.
    closing: bool,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    id: SessionId,
    timeout_us: i64,
}

/// The calm phase.
#[derive(Debug)]
struct Calm {
    to_visit: VecDeque<ServerId>,
    /// Whether the write and the read were sent on this connection.
    sent: bool,
}

/// One step's surroundings.
struct Io<'a> {
    now_us: i64,
    out: &'a mut Vec<ClientAction>,
    seen: &'a mut dyn FnMut(Observation<'_>),
}

/// A simulated client.
#[derive(Debug)]
pub struct Client {
    id: ClientId,
    servers: Vec<ServerId>,
    planner: Planner,
    state: State,
    session: Option<Session>,
    last_zxid_seen: Zxid,
    last_xid: i32,
    last_server: Option<ServerId>,
    watches: Watches,
    received: BytesMut,
    calm: Option<Calm>,
    progress: Progress,
    complaint: Option<String>,
}

impl Client {
    /// A client that has done nothing yet; it dials one of `servers` after a pause.
    ///
    /// # Panics
    /// When there are no servers.
    #[must_use]
    pub fn new(id: ClientId, servers: Vec<ServerId>, workload: Workload, seed: u64) -> Client {
        assert!(!servers.is_empty(), "client {id:?} has no server to talk to");
        let planner = Planner::new(id, workload, Rng::new(seed));
        Client {
            id,
            servers,
            planner,
            state: State::Away { until_us: 0 },
            session: None,
            last_zxid_seen: Zxid::ZERO,
            last_xid: 0,
            last_server: None,
            watches: Watches::default(),
            received: BytesMut::new(),
            calm: None,
            progress: Progress::default(),
            complaint: None,
        }
    }

    /// Takes in what happened; appends to `out` what is to be done and tells `seen` what was seen. Afterwards
    /// [`Client::deadline_us`] is later than `now_us`.
    pub fn step(
        &mut self,
        now_us: i64,
        input: ClientInput<'_>,
        out: &mut Vec<ClientAction>,
        seen: &mut dyn FnMut(Observation<'_>),
    ) {
        let mut io = Io { now_us, out, seen };
        match input {
            ClientInput::Timer => {}
            ClientInput::Connected(conn) => self.on_connected(conn, &mut io),
            ClientInput::Bytes(bytes) => self.on_bytes(bytes, &mut io),
            ClientInput::Closed => self.lose_connection(&mut io),
            ClientInput::Calm(servers) => {
                self.calm = Some(Calm { to_visit: servers.iter().copied().collect(), sent: false });
                self.progress.visited.clear();
            }
        }
        self.on_time(&mut io);
    }

    /// When the client next wants [`ClientInput::Timer`], µs.
    #[must_use]
    pub fn deadline_us(&self) -> Option<i64> {
        Some(match &self.state {
            State::Away { until_us } => *until_us,
            State::Dialing { give_up_us, .. } | State::Greeting { give_up_us, .. } => *give_up_us,
            State::Attached(link) => {
                let silence_us = self.silence_us(link);
                let ping_us = self.ping_us(link).unwrap_or(silence_us);
                let burst_us = if self.may_burst(link) { link.burst_us } else { silence_us };
                silence_us.min(ping_us).min(burst_us)
            }
        })
    }

    /// What it got done so far.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether a calm round is over: every server was visited and nothing waits for an answer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_waiting() && self.calm.as_ref().is_some_and(|calm| calm.to_visit.is_empty())
    }

    /// Whether it waits for an answer.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(&self.state, State::Attached(link) if link.waiting.iter().any(|call| call.op != Op::Ping))
    }

    /// What a server sent that no server may send; once.
    pub fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    // --- what time brings ----------------------------------------------------------------------------------------

    /// Nothing heard for two thirds of the timeout: by then another server must be tried.
    fn silence_us(&self, link: &Link) -> i64 {
        link.heard_us + self.timeout_us() * 2 / 3
    }

    /// When the server must be told that the client lives; nothing may follow a closeSession.
    fn ping_us(&self, link: &Link) -> Option<i64> {
        (!link.closing).then(|| link.sent_us + self.timeout_us() / 3)
    }

    /// Of the session, µs; as asked for while there is none.
    fn timeout_us(&self) -> i64 {
        let asked_us = i64::from(self.planner.workload().session_timeout_ms) * 1000;
        self.session.map_or(asked_us, |session| session.timeout_us).max(3)
    }

    fn may_burst(&self, link: &Link) -> bool {
        match &self.calm {
            _ if link.closing => false,
            None => link.waiting.len() < self.planner.workload().pipeline_max.max(1),
            Some(calm) => !calm.to_visit.is_empty() && link.waiting.is_empty(),
        }
    }

    fn on_time(&mut self, io: &mut Io<'_>) {
        let now_us = io.now_us;
        match &self.state {
            State::Away { until_us } if now_us >= *until_us => self.dial(io),
            State::Dialing { give_up_us, .. } | State::Greeting { give_up_us, .. } if now_us >= *give_up_us => {
                self.hang_up(io);
            }
            State::Attached(link) if now_us >= self.silence_us(link) => self.hang_up(io),
            State::Attached(link) if self.may_burst(link) && now_us >= link.burst_us => {
                if self.calm.is_some() {
                    self.visit(io);
                } else {
                    self.burst(io);
                }
            }
            _ => {}
        }
        if let State::Attached(link) = &self.state
            && self.ping_us(link).is_some_and(|ping_us| now_us >= ping_us)
        {
            let frame = self.call(Op::Ping, io);
            io.out.push(ClientAction::Send(frame));
        }
    }

    /// Sends some requests at once, as far as the pipeline has room.
    fn burst(&mut self, io: &mut Io<'_>) {
        let State::Attached(link) = &mut self.state else { return };
        link.burst_us = io.now_us + self.planner.think_us();
        let room = self.planner.workload().pipeline_max.max(1).saturating_sub(link.waiting.len());
        let count = self.planner.rng().range(1, room.max(1) as i64);
        let in_one_piece = self.planner.rng().chance(50);
        let mut frames = BytesMut::new();
        for _ in 0..count {
            let op = match self.planner.next_step(&self.watches) {
                Step::Ask(op) => op,
                Step::Close => Op::CloseSession,
                Step::Abandon => {
                    self.hang_up(io);
                    self.forget_session();
                    return;
                }
            };
            let is_last = op == Op::CloseSession;
            let frame = self.call(op, io);
            if in_one_piece {
                frames.extend_from_slice(&frame);
            } else {
                io.out.push(ClientAction::Send(frame));
            }
            if is_last {
                break;
            }
        }
        if !frames.is_empty() {
            io.out.push(ClientAction::Send(frames.freeze()));
        }
        if self.planner.hops() {
            self.hang_up(io);
        }
    }

    /// The calm phase: a write and a read on this server, and on to the next once both are answered.
    fn visit(&mut self, io: &mut Io<'_>) {
        let State::Attached(link) = &mut self.state else { return };
        let Some(calm) = &mut self.calm else { return };
        link.burst_us = io.now_us + self.planner.think_us();
        let server = link.server;
        if calm.sent {
            calm.to_visit.retain(|other| *other != server);
            calm.sent = false;
            self.progress.visited.push(server);
            if calm.to_visit.is_empty() {
                return;
            }
        }
        if !calm.to_visit.contains(&server) {
            self.hang_up(io);
            return;
        }
        calm.sent = true;
        let data = self.planner.tag();
        // The root is always there.
        let write = self.call(Op::Set { path: "/".to_owned(), data, version: -1 }, io);
        let read = self.call(Op::Get { path: "/".to_owned(), watch: false }, io);
        io.out.push(ClientAction::Send(write));
        io.out.push(ClientAction::Send(read));
    }

    /// Makes a request on the connection that stands; its frame is still to be sent.
    fn call(&mut self, op: Op, io: &mut Io<'_>) -> Bytes {
        let session = self.session.map_or(SessionId::NONE, |session| session.id);
        let xid = match op {
            Op::Ping => Xid::PING.0,
            Op::SetWatches { .. } => Xid::SET_WATCHES.0,
            _ => {
                self.last_xid = self.last_xid.checked_add(1).unwrap_or(1);
                self.progress.calls += 1;
                self.last_xid
            }
        };
        let frame = codec::encode(xid, &op);
        let State::Attached(link) = &mut self.state else { unreachable!("a request without a connection: {op:?}") };
        link.sent_us = io.now_us;
        link.closing |= op == Op::CloseSession;
        let call =
            Call { client: self.id, session, server: link.server, conn: link.conn, xid, sent_at_us: io.now_us, op };
        (io.seen)(Observation::Called(&call));
        link.waiting.push_back(call);
        frame
    }
}

#[cfg(test)]
pub(crate) mod bottle;
#[cfg(test)]
mod client_test;
