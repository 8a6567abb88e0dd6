//! A small blocking client over [`RawClient`], for tests that need writes and reads, not bytes.
//!
//! It does one thing ordinary clients hide: it says which connection carried a request, and whether a request whose
//! connection broke may or may not have been carried out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::client::{ConnectRequest, ConnectResponse, RawClient, Received};
use crate::jute::{Decoder, Encoder, Stat};

/// How long one reply may take before the connection counts as broken.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// Why a request brought no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server said no, with this error code.
    Code(i32),
    /// The connection broke: the request may have been carried out, or not.
    Broken,
}

/// The error code for a znode that is not there.
pub const NO_NODE: i32 = -101;
/// The error code for a znode that is there already.
pub const NODE_EXISTS: i32 = -110;

/// A change of the ensemble.
#[derive(Debug, Clone, Copy)]
pub struct Reconfig<'a> {
    /// Server lines, separated by commas.
    pub joining: Option<&'a str>,
    /// Server ids, separated by commas.
    pub leaving: Option<&'a str>,
    /// The whole configuration.
    pub members: Option<&'a str>,
    /// The version of the configuration that is to change.
    pub version: i64,
}

impl Reconfig<'_> {
    /// Changes nothing, whatever the version.
    pub const NOTHING: Reconfig<'static> = Reconfig { joining: None, leaving: None, members: None, version: -1 };
}

/// What a request yields.
pub type Outcome<T> = Result<T, Failure>;

/// Create flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Stays until deleted.
    Persistent = 0,
    /// Goes with the session.
    Ephemeral = 1,
    /// Stays; the server completes the name.
    Sequential = 2,
}

/// A session, on some connection or between two.
#[derive(Debug)]
pub struct Session {
    raw: Option<RawClient>,
    granted: ConnectResponse,
    last_zxid: i64,
    xid: i32,
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Nobody answered, or the connection was closed without an answer: try another server.
    NoAnswer,
    /// The server answered that the session is gone.
    Expired,
}

impl Session {
    /// Opens a new session at `addr`.
    ///
    /// # Errors
    /// When the server does not grant one.
    pub fn open(addr: SocketAddr, timeout_ms: i32) -> Result<Self, Refused> {
        let (raw, granted) = handshake(addr, &ConnectRequest::new_session(timeout_ms))?;
        Ok(Self { raw: Some(raw), granted, last_zxid: 0, xid: 0 })
    }

    /// Opens a new session at whichever of `addrs` first grants one.
    ///
    /// # Panics
    /// When none does within `limit`.
    pub fn open_any(addrs: &[SocketAddr], timeout_ms: i32, limit: Duration) -> Self {
        crate::wait::until("a server that grants a session", limit, || {
            addrs.iter().find_map(|addr| Self::open(*addr, timeout_ms).ok())
        })
    }

    /// What the server granted.
    pub fn granted(&self) -> &ConnectResponse {
        &self.granted
    }

    /// The highest zxid of any reply so far.
    pub fn last_zxid(&self) -> i64 {
        self.last_zxid
    }

    /// Whether a connection is up, as far as known.
    pub fn is_connected(&self) -> bool {
        self.raw.is_some()
    }

    /// Drops the connection, keeps the session.
    pub fn disconnect(&mut self) {
        self.raw = None;
    }

    /// Moves the session to `addr`.
    ///
    /// # Errors
    /// [`Refused::Expired`] when the session is gone, [`Refused::NoAnswer`] when this server is no use now.
    pub fn reconnect(&mut self, addr: SocketAddr) -> Result<(), Refused> {
        let (raw, _) = handshake(addr, &ConnectRequest::resume(&self.granted, self.last_zxid))?;
        self.raw = Some(raw);
        Ok(())
    }

    /// Moves the session to the first of `addrs` that takes it; gives up when `limit` has passed.
    ///
    /// # Errors
    /// As [`Session::reconnect`].
    pub fn reconnect_any(&mut self, addrs: &[SocketAddr], limit: Duration) -> Result<(), Refused> {
        let mut next = 0;
        let taken = crate::wait::poll(limit, || {
            next += 1;
            match self.reconnect(addrs[next % addrs.len()]) {
                Err(Refused::NoAnswer) => None,
                outcome => Some(outcome),
            }
        });
        taken.unwrap_or(Err(Refused::NoAnswer))
    }

    /// Sends one request and waits for its reply; yields the body behind the reply header.
    ///
    /// # Errors
    /// The server's error code, or [`Failure::Broken`].
    pub fn call(&mut self, op: i32, body: &[u8]) -> Outcome<Vec<u8>> {
        self.xid += 1;
        let xid = self.xid;
        let request = Encoder::new().int(xid).int(op).raw(body).0;
        let outcome = self.exchange(xid, &request);
        if outcome == Err(Failure::Broken) {
            self.raw = None;
        }
        outcome
    }

    fn exchange(&mut self, xid: i32, request: &[u8]) -> Outcome<Vec<u8>> {
        let raw = self.raw.as_mut().ok_or(Failure::Broken)?;
        raw.send_frame(request);
        let deadline = Instant::now() + REPLY_LIMIT;
        loop {
            let Received::Frame(reply) = raw.receive(deadline.saturating_duration_since(Instant::now())) else {
                return Err(Failure::Broken);
            };
            let mut dec = Decoder::new(&reply);
            let header = (|| Ok::<_, crate::jute::Malformed>((dec.int()?, dec.long()?, dec.int()?)))();
            let (got, zxid, err) = header.map_err(|_| Failure::Broken)?;
            if got != xid {
                continue; // A watch event or a late ping.
            }
            assert!(zxid >= self.last_zxid, "reply zxid {zxid:#x} after {:#x}: time ran backwards", self.last_zxid);
            self.last_zxid = zxid;
            return if err == 0 { Ok(dec.rest().to_vec()) } else { Err(Failure::Code(err)) };
        }
    }

    /// Tells the server that the client lives.
    ///
    /// # Errors
    /// [`Failure::Broken`] when no answer comes.
    pub fn ping(&mut self) -> Outcome<()> {
        let xid = -2;
        let outcome = self.exchange(xid, &Encoder::new().int(xid).int(11).0);
        if outcome == Err(Failure::Broken) {
            self.raw = None;
        }
        outcome.map(drop)
    }

    /// Creates a znode that everybody may do everything with; yields its path.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn create(&mut self, path: &str, data: &[u8], mode: Mode) -> Outcome<String> {
        let enc = Encoder::new().string(path).buffer(Some(data));
        let enc = enc.int(1).int(31).string("world").string("anyone").int(mode as i32);
        let body = self.call(1, &enc.0)?;
        Decoder::new(&body).string().map_err(|_| Failure::Broken)
    }

    /// Replaces the data of a znode.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn set(&mut self, path: &str, data: &[u8]) -> Outcome<Stat> {
        let body = self.call(5, &Encoder::new().string(path).buffer(Some(data)).int(-1).0)?;
        Decoder::new(&body).stat().map_err(|_| Failure::Broken)
    }

    /// Deletes a znode, whatever its version.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn delete(&mut self, path: &str) -> Outcome<()> {
        self.call(2, &Encoder::new().string(path).int(-1).0).map(drop)
    }

    /// Data and Stat of a znode.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn get(&mut self, path: &str) -> Outcome<(Vec<u8>, Stat)> {
        let body = self.call(4, &Encoder::new().string(path).bool(false).0)?;
        let mut dec = Decoder::new(&body);
        let read = (|| Ok::<_, crate::jute::Malformed>((dec.buffer()?.unwrap_or_default().to_vec(), dec.stat()?)))();
        read.map_err(|_| Failure::Broken)
    }

    /// The names of a znode's children, sorted.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn children(&mut self, path: &str) -> Outcome<Vec<String>> {
        let body = self.call(8, &Encoder::new().string(path).bool(false).0)?;
        let mut names = Decoder::new(&body).strings().map_err(|_| Failure::Broken)?;
        names.sort();
        Ok(names)
    }

    /// Waits until this server has applied what the leader had proposed.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn sync(&mut self) -> Outcome<()> {
        self.call(9, &Encoder::new().string("/").0).map(drop)
    }

    /// Changes the ensemble; yields the text of its new configuration.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn reconfig(&mut self, request: &Reconfig<'_>) -> Outcome<String> {
        let text = |enc: Encoder, text: Option<&str>| enc.buffer(text.map(str::as_bytes));
        let enc = [request.joining, request.leaving, request.members].into_iter().fold(Encoder::new(), text);
        let body = self.call(16, &enc.long(request.version).0)?;
        let data = Decoder::new(&body).buffer().map_err(|_| Failure::Broken)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(data).into_owned())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn close(&mut self) -> Outcome<()> {
        self.call(-11, &[]).map(drop)
    }
}

fn handshake(addr: SocketAddr, request: &ConnectRequest) -> Result<(RawClient, ConnectResponse), Refused> {
    let mut raw = RawClient::connect(addr).map_err(|_| Refused::NoAnswer)?;
    raw.send_frame(&request.encode());
    let Received::Frame(body) = raw.receive(REPLY_LIMIT) else { return Err(Refused::NoAnswer) };
    let response = ConnectResponse::decode(&body).map_err(|_| Refused::NoAnswer)?;
    if response.timeout_ms <= 0 { Err(Refused::Expired) } else { Ok((raw, response)) }
}
