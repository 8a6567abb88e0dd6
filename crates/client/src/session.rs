//! One session as a state machine: `ClientCnxn` without its threads, sockets and clock.
//!
//! Pure. Everything that happens is a method call with the time in ms of some monotonic clock; everything to be done is
//! an [`Action`] in the given list, in order. The state machine:
//!
//! ```text
//!             on_frame: session given                       close() done, on_frame: session refused,
//!   Connecting ───────────────────────▶ Connected           not heard for 4/3 of the timeout
//!       ▲                               ConnectedReadOnly ─────────────────────────────────────────▶ Closed
//!       └───────────────────────────────────┘ │ on_frame: auth refused
//!                      on_lost                └──────────────────────────────────────────────────▶ AuthFailed
//! ```
//!
//! The driver's duties: [`Session::next_attempt`], wait as long as it says, resolve; [`Session::on_attempt`]; connect;
//! [`Session::on_connect`]; then frames, requests and deadlines as they come. A method that returns [`Loss`] has found
//! that the connection is no good: the driver drops it. However a connection or an attempt at one ends, it calls
//! [`Session::on_lost`] once, and starts anew while [`Session::wants_server`].

use crate::event::{Event, EventType, KeeperState, State};
use crate::hosts::{HostPort, Hosts};
use crate::proto::{self, Request, WatchChange};
use crate::watches::{Removed, Watches};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::fmt;
use wire::client::{AuthPacket, ConnectRequest, ConnectResponse, OpCode, PASSWORD_BYTES};
use wire::reply::{ReplyFront, WatcherEvent};
use wire::{DecodeError, ErrorCode, Reader, SessionId, Xid, Zxid};

/// The longest a connection is silent before a ping goes out, in ms (`MAX_SEND_PING_INTERVAL`).
const PING_INTERVAL_MS_MAX: i64 = 10_000;
/// Pings come this much early, so that a second one can still make it in time, in ms.
const PING_MARGIN_MS: i64 = 1_000;
/// The pause after all servers were tried, in ms (`hostProvider.next(1000)`).
const ROUND_PAUSE_MS: u64 = 1_000;
/// The pause before every attempt but the first, in ms (`ClientCnxnSocketNIO.cleanup`).
const ATTEMPT_PAUSE_MS: u64 = 100;
/// Below this, in ms, a random pause is drawn once a server was reached, so that clients do not all come back at once.
const RANDOM_PAUSE_MS_MAX: u64 = 1_000;
/// The first and the longest pause between looks for a read-write server, in ms (`minPingRwTimeout`, `maxPingRwTimeout`).
const PROBE_PAUSE_MS: (i64, i64) = (100, 60_000);
/// How long the end of a session waits for its server, in ms; Java waits as long as the connection lives.
const CLOSE_WAIT_MS: i64 = 1_000;

/// What the driver has to do. `W` stands for whoever waits for an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<W> {
    /// Send this frame.
    Send(Bytes),
    /// Answer a request: the body of the reply, or the number of `KeeperException.Code`.
    Answer(W, Result<Bytes, i32>),
    /// Tell the watcher.
    Tell(Event),
    /// Ask this server whether it is read-write (`isro`) and call [`Session::on_probe`] with the answer.
    Probe(HostPort),
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Loss {
    /// A frame of a length that no server sends.
    Frame(proto::FrameLength),
    /// A frame that is not what it should be.
    Record(DecodeError),
    /// A reply where no request waits for one.
    Unasked(Xid),
    /// A reply to another request than the one whose turn it is.
    OutOfOrder {
        /// The number found.
        found: Xid,
        /// The number expected.
        expected: Xid,
    },
    /// The server is silent, for so many ms.
    Silent(i64),
    /// No session within the time for an attempt, in ms.
    Slow(i64),
    /// The session has expired.
    Expired,
    /// An identity was refused.
    AuthFailed,
    /// A read-write server was found, which is better.
    ReadWriteFound,
    /// The session is closed.
    Closed,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Frame(proto::FrameLength(length)) => write!(f, "Packet len {length} is out of range!"),
            Loss::Record(error) => write!(f, "a frame cannot be read: {error}"),
            Loss::Unasked(xid) => write!(f, "a reply with xid {xid}, but no request waits for one"),
            Loss::OutOfOrder { found, expected } => write!(f, "a reply with xid {found}, expected xid {expected}"),
            Loss::Silent(ms) => write!(f, "nothing heard from the server for {ms} ms"),
            Loss::Slow(ms) => write!(f, "no session within {ms} ms"),
            Loss::Expired => f.write_str("the session has expired"),
            Loss::AuthFailed => f.write_str("authentication failed"),
            Loss::ReadWriteFound => f.write_str("a read-write server was found"),
            Loss::Closed => f.write_str("the session is closed"),
        }
    }
}

impl From<DecodeError> for Loss {
    fn from(error: DecodeError) -> Loss {
        Loss::Record(error)
    }
}

/// What a session starts with.
#[derive(Debug)]
pub(crate) struct Start {
    /// The servers in the order in which they are tried.
    pub(crate) order: Vec<HostPort>,
    /// The path in front of all paths.
    pub(crate) chroot: Option<String>,
    /// The session timeout to ask for, in ms.
    pub(crate) timeout_ms: i32,
    /// Whether a server without a quorum will do.
    pub(crate) read_only: bool,
}

/// The next server to try, and how long to wait before, in ms.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The server.
    pub(crate) server: HostPort,
    /// The pause before.
    pub(crate) pause_ms: u64,
}

/// Something in the queue or in flight. Answers to set watches go to nobody.
#[derive(Debug)]
struct Packet<W> {
    request: Request,
    waiter: Option<W>,
}

#[derive(Debug)]
enum Outgoing<W> {
    Request(Packet<W>),
    Auth(Vec<u8>),
}

/// Timeouts in ms; they follow the one asked for, then the one given.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    connect: i64,
    read: i64,
    expiration: i64,
}

impl Timeouts {
    fn of(timeout_ms: i32, hosts: usize) -> Timeouts {
        let timeout = i64::from(timeout_ms);
        let hosts = i64::try_from(hosts).unwrap_or(i64::MAX);
        Timeouts { connect: timeout / hosts, read: timeout * 2 / 3, expiration: timeout * 4 / 3 }
    }
}

/// The search for a read-write server while connected to a read-only one.
#[derive(Debug)]
struct Search {
    next_at: i64,
    pause_ms: i64,
    asking: Option<HostPort>,
}

/// A session; see the module's text for how to drive it.
#[derive(Debug)]
pub(crate) struct Session<W> {
    start: Start,
    hosts: Hosts,
    state: State,
    id: SessionId,
    password: Vec<u8>,
    negotiated_ms: i32,
    last_zxid: Zxid,
    xid: i32,
    timeouts: Timeouts,
    last_sent_at: i64,
    last_heard_at: i64,
    /// Whether an attempt is under way or a connection there: only then do its timeouts count.
    attempting: bool,
    /// No server was asked yet.
    untried: bool,
    /// Whether any server was ever reached.
    reached: bool,
    /// Whether a read-write server ever gave the session: before that, its id means nothing elsewhere.
    seen_read_write: bool,
    search: Search,
    read_write: Option<HostPort>,
    /// The state in the event told last (`EventThread.sessionState`): a session's event that repeats it is not told.
    told: KeeperState,
    watches: Watches,
    auth: Vec<Vec<u8>>,
    queue: VecDeque<Outgoing<W>>,
    pending: VecDeque<(Xid, Packet<W>)>,
    /// Who waits for the end, once it was asked for; and until when.
    closing: Option<(Vec<W>, i64)>,
}

impl<W> Session<W> {
    /// A session that no server knows yet.
    pub(crate) fn new(start: Start, now: i64) -> Session<W> {
        let hosts = Hosts::new(start.order.clone());
        Session {
            timeouts: Timeouts::of(start.timeout_ms, hosts.count()),
            start,
            hosts,
            state: State::Connecting,
            id: SessionId::NONE,
            password: vec![0; PASSWORD_BYTES],
            negotiated_ms: 0,
            last_zxid: Zxid::ZERO,
            xid: 1,
            last_sent_at: now,
            last_heard_at: now,
            attempting: false,
            untried: true,
            reached: false,
            seen_read_write: false,
            search: Search { next_at: now, pause_ms: PROBE_PAUSE_MS.0, asking: None },
            read_write: None,
            told: KeeperState::Disconnected,
            watches: Watches::default(),
            auth: Vec::new(),
            queue: VecDeque::new(),
            pending: VecDeque::new(),
            closing: None,
        }
    }

    /// The state.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The id, 0 before the first connection.
    pub(crate) fn id(&self) -> i64 {
        self.id.0
    }

    /// The zxid of the last reply, 0 before the first.
    pub(crate) fn last_zxid(&self) -> i64 {
        self.last_zxid.0
    }

    /// The timeout that the server gave, in ms; 0 before the first connection.
    pub(crate) fn timeout_ms(&self) -> i32 {
        self.negotiated_ms
    }

    /// Whether to look for a server: the session lives and nobody has asked for its end.
    pub(crate) fn wants_server(&self) -> bool {
        self.state.is_alive() && self.closing.is_none()
    }

    /// Takes the next server's turn. `random` is any number; it becomes part of the pause. `None` if there is no server
    /// at all: that is the end of the session.
    pub(crate) fn next_attempt(&mut self, random: u64) -> Option<Attempt> {
        let next = self.read_write.take().map(|found| (found, false)).or_else(|| self.hosts.next());
        let Some((server, round_ends)) = next else {
            self.state = State::Closed;
            return None;
        };
        let mut pause_ms = if self.untried { 0 } else { ATTEMPT_PAUSE_MS };
        self.untried = false;
        if round_ends {
            pause_ms += ROUND_PAUSE_MS;
        }
        if self.reached {
            pause_ms += random % RANDOM_PAUSE_MS_MAX;
        }
        Some(Attempt { server, pause_ms })
    }

    /// The attempt begins now: the time for it starts to count (`SendThread.startConnect`).
    pub(crate) fn on_attempt(&mut self, now: i64) {
        self.attempting = true;
        self.last_sent_at = now;
    }

    /// The server accepted the connection: asks for the session (`SendThread.primeConnection`). Everything else waits
    /// until it is given, because what a server has not read when it refuses a session could cost us its answer.
    pub(crate) fn on_connect(&mut self, now: i64, out: &mut Vec<Action<W>>) {
        self.reached = true;
        self.last_sent_at = now;
        self.last_heard_at = now;
        let request = ConnectRequest {
            last_zxid_seen: self.last_zxid,
            timeout: self.start.timeout_ms,
            session: if self.seen_read_write { self.id } else { SessionId::NONE },
            password: self.password.clone(),
            read_only: Some(self.start.read_only),
        };
        let mut frame = BytesMut::new();
        request.encode_frame(&mut frame);
        out.push(Action::Send(frame.freeze()));
    }

    /// Queues a request, sends it, or answers that it cannot be (`ClientCnxn.queuePacket`).
    pub(crate) fn submit(&mut self, request: Request, waiter: W, now: i64, out: &mut Vec<Action<W>>) {
        let packet = Packet { request, waiter: Some(waiter) };
        if !self.wants_server() {
            let code = self.loss_code();
            self.finish(packet, Err(code), out);
        } else if self.state.is_connected() {
            self.send(packet, now, out);
        } else {
            self.queue.push_back(Outgoing::Request(packet));
        }
    }

    /// Keeps an identity for every connection and proves it to the one that is there (`ClientCnxn.addAuthInfo`).
    pub(crate) fn add_auth(&mut self, scheme: &str, auth: &[u8], now: i64, out: &mut Vec<Action<W>>) {
        if !self.state.is_alive() {
            return;
        }
        let mut body = Vec::new();
        AuthPacket { scheme, auth }.encode(&mut body);
        self.auth.push(body.clone());
        if self.closing.is_some() {
            return;
        }
        if self.state.is_connected() {
            self.send_auth(&body, now, out);
        } else {
            self.queue.push_back(Outgoing::Auth(body));
        }
    }

    /// Ends the session, at the server too if there is one (`ClientCnxn.close`). The waiter is answered at the end,
    /// whatever happens; one that comes late, at once.
    pub(crate) fn close(&mut self, waiter: W, now: i64, out: &mut Vec<Action<W>>) {
        if !self.state.is_alive() {
            out.push(Action::Answer(waiter, Ok(Bytes::new())));
            return;
        }
        if let Some((waiters, _)) = &mut self.closing {
            waiters.push(waiter);
            return;
        }
        // In a pause there is nothing to wait for.
        let until = if self.attempting { now + CLOSE_WAIT_MS } else { now };
        self.closing = Some((vec![waiter], until));
        let packet = Packet { request: Request::new(OpCode::CloseSession, |_| {}), waiter: None };
        if self.state.is_connected() {
            self.send(packet, now, out);
        } else {
            self.queue.push_back(Outgoing::Request(packet));
        }
    }

    /// A frame came.
    ///
    /// # Errors
    /// The connection is to be dropped.
    pub(crate) fn on_frame(&mut self, frame: &Bytes, now: i64, out: &mut Vec<Action<W>>) -> Result<(), Loss> {
        self.last_heard_at = now;
        if !self.state.is_connected() {
            return self.on_session(frame, now, out);
        }
        let mut input = Reader::new(frame);
        let front = ReplyFront::decode(&mut input)?;
        match front.xid {
            Xid::PING => Ok(()),
            Xid::AUTH if front.code == ErrorCode::AuthFailed.code() => {
                self.state = State::AuthFailed;
                self.tell(Event::session(KeeperState::AuthFailed), out);
                Err(Loss::AuthFailed)
            }
            Xid::AUTH => Ok(()),
            Xid::NOTIFICATION => self.on_event(front.zxid, WatcherEvent::decode(&mut input)?, out),
            _ => self.on_reply(front, frame.slice(input.position()..), out),
        }
    }

    /// The first frame gives the session or refuses it (`SendThread.onConnected`).
    fn on_session(&mut self, frame: &[u8], now: i64, out: &mut Vec<Action<W>>) -> Result<(), Loss> {
        let response = ConnectResponse::decode(frame)?;
        self.negotiated_ms = response.timeout;
        if response.timeout <= 0 {
            self.state = State::Closed;
            self.tell(Event::session(KeeperState::Expired), out);
            return Err(Loss::Expired);
        }
        let read_only = response.read_only.unwrap_or(false);
        if read_only && !self.start.read_only {
            tracing::error!("a read-write client got connected to a read-only server");
        }
        self.timeouts = Timeouts::of(response.timeout, self.hosts.count());
        self.hosts.on_connected();
        self.id = response.session;
        self.password = response.password.0.to_vec();
        self.state = if read_only { State::ConnectedReadOnly } else { State::Connected };
        self.seen_read_write |= !read_only;
        let told = if read_only { KeeperState::ConnectedReadOnly } else { KeeperState::SyncConnected };
        self.tell(Event::session(told), out);
        self.send_first(now, out);
        while let Some(next) = self.queue.pop_front() {
            match next {
                Outgoing::Request(packet) => self.send(packet, now, out),
                Outgoing::Auth(body) => self.send_auth(&body, now, out),
            }
        }
        Ok(())
    }

    /// Identities and watches go ahead of everything that waits, in this order: a watch may need an identity.
    fn send_first(&mut self, now: i64, out: &mut Vec<Action<W>>) {
        let identities = std::mem::take(&mut self.auth);
        for body in &identities {
            self.send_auth(body, now, out);
        }
        self.auth = identities;
        let mut requests = Vec::new();
        self.watches.for_each_set_watches(self.start.chroot.as_deref(), self.last_zxid, |watches| {
            requests.push(Request::new(watches.opcode(), |out| watches.encode(out)));
        });
        for request in requests {
            // Numbered and awaited like any request: Java's xid for them is overwritten when it sends them.
            self.send(Packet { request, waiter: None }, now, out);
        }
    }

    fn on_event(&mut self, zxid: Zxid, event: WatcherEvent, out: &mut Vec<Action<W>>) -> Result<(), Loss> {
        let unknown = |field, value: i32| DecodeError::Unknown { field, value: i64::from(value) };
        let state = KeeperState::from_i32(event.state).ok_or_else(|| unknown("state of an event", event.state))?;
        let kind = EventType::from_i32(event.kind).ok_or_else(|| unknown("type of an event", event.kind))?;
        let path = event.path.ok_or(DecodeError::Null { field: "path of an event" })?;
        let path = proto::strip_chroot(self.start.chroot.as_deref(), path);
        self.told = state;
        if self.watches.materialize(kind, &path) {
            out.push(Action::Tell(Event { state, kind, path: Some(path), zxid: zxid.0 }));
        }
        Ok(())
    }

    fn on_reply(&mut self, front: ReplyFront, body: Bytes, out: &mut Vec<Action<W>>) -> Result<(), Loss> {
        let Some((xid, packet)) = self.pending.pop_front() else { return Err(Loss::Unasked(front.xid)) };
        if xid != front.xid {
            self.finish(packet, Err(ErrorCode::ConnectionLoss.code()), out);
            return Err(Loss::OutOfOrder { found: front.xid, expected: xid });
        }
        if front.zxid > Zxid::ZERO {
            self.last_zxid = front.zxid;
        }
        if packet.request.opcode == OpCode::CloseSession {
            return Err(Loss::Closed);
        }
        let answer = if front.code == 0 { Ok(body) } else { Err(front.code) };
        self.finish(packet, answer, out);
        Ok(())
    }

    /// What the clock may bring by `now`.
    ///
    /// # Errors
    /// The connection or the attempt at one is to be dropped: it takes too long.
    pub(crate) fn on_deadline(&mut self, now: i64, out: &mut Vec<Action<W>>) -> Result<(), Loss> {
        if self.closing.as_ref().is_some_and(|&(_, until)| now >= until) {
            return Err(Loss::Closed);
        }
        if !self.attempting || !self.state.is_alive() {
            return Ok(());
        }
        let silent_ms = now - self.last_heard_at;
        if self.id != SessionId::NONE && silent_ms >= self.timeouts.expiration {
            self.state = State::Closed;
            return Err(Loss::Silent(silent_ms));
        }
        if !self.state.is_connected() {
            let slow = now - self.last_sent_at >= self.timeouts.connect;
            return if slow { Err(Loss::Slow(self.timeouts.connect)) } else { Ok(()) };
        }
        if silent_ms >= self.timeouts.read {
            return Err(Loss::Silent(silent_ms));
        }
        if now >= self.ping_at() {
            self.last_sent_at = now;
            out.push(Action::Send(proto::frame(Xid::PING, OpCode::Ping, &[])));
        }
        if self.search_due().is_some_and(|at| now >= at) {
            self.search.pause_ms = PROBE_PAUSE_MS.1.min(self.search.pause_ms * 2);
            self.search.next_at = now + self.search.pause_ms;
            if let Some((server, _)) = self.hosts.next() {
                self.search.asking = Some(server.clone());
                out.push(Action::Probe(server));
            }
        }
        Ok(())
    }

    /// When [`Self::on_deadline`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<i64> {
        let closing = self.closing.as_ref().map(|&(_, until)| until);
        if !self.attempting || !self.state.is_alive() {
            return closing;
        }
        let expires =
            (self.id != SessionId::NONE).then_some(self.last_heard_at.saturating_add(self.timeouts.expiration));
        let other = if self.state.is_connected() {
            let silent = self.last_heard_at.saturating_add(self.timeouts.read);
            [Some(silent.min(self.ping_at())), self.search_due()]
        } else {
            [Some(self.last_sent_at.saturating_add(self.timeouts.connect)), None]
        };
        [closing, expires].into_iter().chain(other).flatten().min()
    }

    /// When a ping is due: at half the read timeout, a second early where that is long, and after ten seconds at most
    /// (`SendThread.run`).
    fn ping_at(&self) -> i64 {
        let half = self.timeouts.read / 2;
        let idle = if half > PING_MARGIN_MS { (half - PING_MARGIN_MS).max(PING_MARGIN_MS + 1) } else { half };
        self.last_sent_at.saturating_add(idle.min(PING_INTERVAL_MS_MAX + 1))
    }

    fn search_due(&self) -> Option<i64> {
        let searching = self.state == State::ConnectedReadOnly && self.search.asking.is_none();
        searching.then_some(self.search.next_at)
    }

    /// Whether the server that [`Action::Probe`] named is read-write.
    ///
    /// # Errors
    /// The connection is to be dropped: that server is next.
    pub(crate) fn on_probe(&mut self, read_write: bool) -> Result<(), Loss> {
        let asked = self.search.asking.take();
        if !read_write || self.state != State::ConnectedReadOnly {
            return Ok(());
        }
        self.search.pause_ms = PROBE_PAUSE_MS.0;
        self.read_write = asked;
        Err(Loss::ReadWriteFound)
    }

    /// The connection or the attempt at one is over: whatever waits is answered, and the watcher told
    /// (`SendThread.cleanAndNotifyState` and the end of `run`). Java calls itself connected until its next attempt, up to
    /// two seconds later; here the state changes at once.
    pub(crate) fn on_lost(&mut self, out: &mut Vec<Action<W>>) {
        self.attempting = false;
        self.search.asking = None;
        let code = self.loss_code();
        for (_, packet) in std::mem::take(&mut self.pending) {
            self.finish(packet, Err(code), out);
        }
        for outgoing in std::mem::take(&mut self.queue) {
            if let Outgoing::Request(packet) = outgoing {
                self.finish(packet, Err(code), out);
            }
        }
        if let Some((waiters, _)) = self.closing.take() {
            self.state = State::Closed;
            self.tell(Event::session(KeeperState::Closed), out);
            out.extend(waiters.into_iter().map(|waiter| Action::Answer(waiter, Ok(Bytes::new()))));
        } else if self.state.is_alive() {
            self.state = State::Connecting;
            self.tell(Event::session(KeeperState::Disconnected), out);
        } else if self.state == State::Closed {
            self.tell(Event::session(KeeperState::Expired), out);
        }
    }

    /// The code of requests that go unanswered (`ClientCnxn.conLossPacket`).
    fn loss_code(&self) -> i32 {
        match self.state {
            State::AuthFailed => ErrorCode::AuthFailed,
            State::Closed => ErrorCode::SessionExpired,
            State::Connecting | State::Connected | State::ConnectedReadOnly => ErrorCode::ConnectionLoss,
        }
        .code()
    }

    #[cfg(test)]
    pub(crate) fn set_xid(&mut self, xid: i32) {
        self.xid = xid;
    }

    fn send(&mut self, packet: Packet<W>, now: i64, out: &mut Vec<Action<W>>) {
        // From the largest to 1: negative numbers have meanings of their own.
        if self.xid == i32::MAX {
            self.xid = 1;
        }
        let xid = Xid(self.xid);
        self.xid += 1;
        self.last_sent_at = now;
        out.push(Action::Send(packet.request.frame(xid)));
        self.pending.push_back((xid, packet));
    }

    fn send_auth(&mut self, body: &[u8], now: i64, out: &mut Vec<Action<W>>) {
        self.last_sent_at = now;
        out.push(Action::Send(proto::frame(Xid::AUTH, OpCode::Auth, body)));
    }

    /// Changes the watches as the answer says, then hands it out (`ClientCnxn.finishPacket`).
    fn finish(&mut self, packet: Packet<W>, answer: Result<Bytes, i32>, out: &mut Vec<Action<W>>) {
        let code = answer.as_ref().err().copied().unwrap_or_default();
        let answer = match packet.request.watch {
            WatchChange::None => answer,
            WatchChange::Register(registration, path) => {
                self.watches.register(registration, &path, code);
                answer
            }
            WatchChange::Remove { path, kind, local } => match self.watches.remove(&path, kind, local, code) {
                Removed::Failed(code) => Err(code),
                Removed::Events(kinds) => {
                    for kind in kinds {
                        self.tell_removed(kind, &path, code, out);
                    }
                    Ok(Bytes::new())
                }
            },
        };
        if let Some(waiter) = packet.waiter {
            out.push(Action::Answer(waiter, answer));
        }
    }

    /// `ClientCnxn.queueEvent`: the event of a watch that was removed here without the server says so.
    fn tell_removed(&mut self, kind: EventType, path: &str, code: i32, out: &mut Vec<Action<W>>) {
        let gone = [ErrorCode::SessionExpired.code(), ErrorCode::ConnectionLoss.code()].contains(&code);
        let state = if gone { KeeperState::Disconnected } else { KeeperState::SyncConnected };
        self.told = state;
        out.push(Action::Tell(Event { state, kind, path: Some(path.to_owned()), zxid: Event::NO_ZXID }));
    }

    /// Tells an event of the session, unless the one before said the same (`EventThread.queueEvent`).
    fn tell(&mut self, event: Event, out: &mut Vec<Action<W>>) {
        if self.told != event.state {
            self.told = event.state;
            out.push(Action::Tell(event));
        }
    }
}
