//! A client that records all it is told, believes nothing of it, and leaves the judgement to the checks.
//!
//! It speaks through `support`'s frames and encoding, which know nothing of the crate `wire`. Where an ordinary client
//! hides a lost connection, this one says so, and takes whatever was under way for unknown for ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use support::client::{ConnectRequest, ConnectResponse, RawClient, Received};
use support::jute::{Decoder, Encoder, Malformed};

use crate::record::{Answer, Operation, Outcome, Request, Ticks};

/// How long a server may take to accept a connection or to grant a session, or it is tried no more for now.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// How long a reply may take: longer than an election, so that some operations live through one.
const REPLY_LIMIT: Duration = Duration::from_millis(2500);

/// The session timeout asked for, ms: shorter than a reply may take, so that some sessions expire at a server that has
/// stopped.
pub const SESSION_MS: i32 = 2000;

/// Request types, as `ZooDefs.OpCode` numbers them.
mod op {
    pub const DELETE: i32 = 2;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const SYNC: i32 = 9;
    pub const CREATE2: i32 = 15;
    pub const CLOSE_SESSION: i32 = -11;
}

/// A session, its connection if there is one, and what they have been through.
#[derive(Debug)]
pub struct Client {
    number: usize,
    addrs: Vec<SocketAddr>,
    /// The server to try next.
    next_addr: usize,
    ticks: Arc<Ticks>,
    raw: Option<RawClient>,
    granted: Option<ConnectResponse>,
    /// The highest zxid the session was told of, which it tells every server it moves to.
    last_zxid: i64,
    xid: i32,
    /// The request before was a sync that was answered on this connection.
    synced: bool,
    recorded: Vec<Operation>,
    sessions: usize,
    moves: usize,
}

impl Client {
    /// A client without a connection, which prefers the server `number` of `addrs`.
    pub fn new(number: usize, addrs: Vec<SocketAddr>, ticks: Arc<Ticks>) -> Self {
        Self {
            number,
            next_addr: number,
            addrs,
            ticks,
            raw: None,
            granted: None,
            last_zxid: 0,
            xid: 0,
            synced: false,
            recorded: Vec::new(),
            sessions: 0,
            moves: 0,
        }
    }

    /// Whether there is a connection, as far as known.
    pub fn is_connected(&self) -> bool {
        self.raw.is_some()
    }

    /// Tries the next server once: the same session while it lives, else a new one.
    pub fn try_connect(&mut self) -> bool {
        let addr = self.addrs[self.next_addr % self.addrs.len()];
        self.next_addr += 1;
        let request = match &self.granted {
            Some(granted) => ConnectRequest::resume(granted, self.last_zxid),
            None => ConnectRequest::new_session(SESSION_MS),
        };
        let Ok(mut raw) = RawClient::connect_within(addr, CONNECT_LIMIT) else { return false };
        raw.send_frame(&request.encode());
        let Received::Frame(body) = raw.receive(CONNECT_LIMIT) else { return false };
        let Ok(response) = ConnectResponse::decode(&body) else { return false };
        if response.timeout_ms <= 0 {
            // The session has expired: what comes next is another one, which has seen nothing.
            self.granted = None;
            return false;
        }
        if self.granted.is_none() {
            (self.last_zxid, self.xid) = (0, 0);
            self.sessions += 1;
        } else {
            self.moves += 1;
        }
        self.granted = Some(response);
        self.raw = Some(raw);
        self.synced = false;
        true
    }

    /// Leaves the server; the session goes on elsewhere.
    pub fn disconnect(&mut self) {
        self.raw = None;
    }

    /// Whether the request before was a sync of this connection.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// Sends a request and records what becomes of it; `None` without a connection, where nothing is sent.
    pub fn perform(&mut self, request: Request) -> Option<&Operation> {
        let session = self.granted.as_ref()?.session_id;
        self.raw.as_ref()?;
        self.xid += 1;
        let cxid = self.xid;
        let frame = encode(cxid, &request);
        let invoked = self.ticks.next();
        let outcome = self.exchange(cxid, &frame, &request).unwrap_or(Outcome::Unknown);
        let ended = self.ticks.next();
        if outcome == Outcome::Unknown {
            self.raw = None;
        }
        self.synced = request == Request::Sync && self.raw.is_some();
        self.recorded.push(Operation { client: self.number, session, cxid, request, invoked, ended, outcome });
        self.recorded.last()
    }

    /// Sends a frame and waits for the reply with its number; `None` when there is none or it makes no sense.
    fn exchange(&mut self, cxid: i32, frame: &[u8], request: &Request) -> Option<Outcome> {
        let raw = self.raw.as_mut()?;
        raw.send_frame(frame);
        let deadline = Instant::now() + REPLY_LIMIT;
        loop {
            let Received::Frame(reply) = raw.receive(deadline.saturating_duration_since(Instant::now())) else {
                return None;
            };
            let (xid, outcome) = decode(&reply, request).ok()?;
            if xid == cxid {
                if let Outcome::Ok { zxid, .. } | Outcome::Refused { zxid, .. } = outcome {
                    self.last_zxid = self.last_zxid.max(zxid);
                }
                return Some(outcome);
            }
        }
    }

    /// Ends the session where there is a connection, and hands over what was recorded.
    pub fn finish(mut self) -> Recorded {
        if let Some(raw) = &mut self.raw {
            self.xid += 1;
            raw.send_frame(&Encoder::new().int(self.xid).int(op::CLOSE_SESSION).0);
            // Without an answer the session ends by itself.
            raw.receive(REPLY_LIMIT);
        }
        Recorded { operations: self.recorded, sessions: self.sessions, moves: self.moves }
    }
}

/// What one client has been through.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Its operations, in its order.
    pub operations: Vec<Operation>,
    /// How many sessions it had.
    pub sessions: usize,
    /// How often a session got a new connection.
    pub moves: usize,
}

fn encode(cxid: i32, request: &Request) -> Vec<u8> {
    let header = |op| Encoder::new().int(cxid).int(op);
    let encoded = match request {
        Request::Create { path, data } => {
            let acl = |enc: Encoder| enc.int(1).int(31).string("world").string("anyone");
            acl(header(op::CREATE2).string(path).buffer(Some(data))).int(0)
        }
        Request::Set { path, data, version } => header(op::SET_DATA).string(path).buffer(Some(data)).int(*version),
        Request::Delete { path, version } => header(op::DELETE).string(path).int(*version),
        Request::Get { path, .. } => header(op::GET_DATA).string(path).bool(false),
        Request::Sync => header(op::SYNC).string("/"),
    };
    encoded.0
}

/// The number of a reply and what it says, taken for the reply to `request`.
fn decode(reply: &[u8], request: &Request) -> Result<(i32, Outcome), Malformed> {
    let mut dec = Decoder::new(reply);
    let (xid, zxid, code) = (dec.int()?, dec.long()?, dec.int()?);
    if xid < 0 || code != 0 {
        return Ok((xid, Outcome::Refused { zxid, code }));
    }
    let answer = match request {
        Request::Create { .. } => {
            dec.string()?;
            Answer::Written(dec.stat()?)
        }
        Request::Set { .. } => Answer::Written(dec.stat()?),
        Request::Delete { .. } | Request::Sync => Answer::Done,
        Request::Get { .. } => Answer::Read { data: dec.buffer()?.unwrap_or_default().to_vec(), stat: dec.stat()? },
    };
    Ok((xid, Outcome::Ok { zxid, answer }))
}
