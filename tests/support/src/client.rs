//! A client of raw frames: sends any bytes, shows what came back, understands nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::jute::{Decoder, Encoder, Malformed};

/// Frames longer than this are a harness error, not an answer.
const FRAME_MAX: usize = 64 << 20;

/// One thing that came from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A whole frame without its length word.
    Frame(Vec<u8>),
    /// The server closed the connection, in whatever way.
    Closed,
    /// Nothing whole came within the time given.
    Nothing,
}

/// A TCP connection that speaks in frames.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl RawClient {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        Self::connect_within(addr, Duration::from_secs(5))
    }

    /// Connects, for clients that would rather try another server than wait for this one.
    ///
    /// # Errors
    /// When nobody listens, or nobody has answered within `limit`.
    pub fn connect_within(addr: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, limit)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, pending: Vec::new() })
    }

    /// The socket, for tests that shut down one direction or look at addresses.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are. A connection that the server has closed swallows them: what matters is read next.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends one frame: length word and body.
    pub fn send_frame(&mut self, body: &[u8]) {
        self.send_raw(&frame(body));
    }

    /// Waits at most `limit` for a whole frame or the end of the connection.
    pub fn receive(&mut self, limit: Duration) -> Received {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(body) = self.take_frame() {
                return Received::Frame(body);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Received::Nothing;
            }
            // A socket timeout of zero means none; the smallest there is does.
            let _ = self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))));
            let mut chunk = [0; 65_536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Received::Closed,
                Ok(n) => self.pending.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Received::Closed,
            }
        }
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let length = self.pending.first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        assert!(length <= FRAME_MAX, "the server announces a frame of {length} bytes");
        if self.pending.len() < 4 + length {
            return None;
        }
        let rest = self.pending.split_off(4 + length);
        let mut frame = std::mem::replace(&mut self.pending, rest);
        frame.drain(..4);
        Some(frame)
    }

    /// What has arrived and is no whole frame.
    pub fn unframed(&self) -> &[u8] {
        &self.pending
    }
}

/// A body with its length in front.
pub fn frame(body: &[u8]) -> Vec<u8> {
    Encoder::new().buffer(Some(body)).0
}

/// What a client says first.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// The highest zxid the client has seen.
    pub last_zxid_seen: i64,
    /// The session timeout asked for, in milliseconds.
    pub timeout_ms: i32,
    /// 0 for a new session.
    pub session_id: i64,
    /// The session's password; sixteen zero bytes for a new one.
    pub password: Vec<u8>,
    /// The last byte, which clients before 3.4 do not send.
    pub read_only: Option<bool>,
}

impl ConnectRequest {
    /// Asks for a new session.
    pub fn new_session(timeout_ms: i32) -> Self {
        Self { last_zxid_seen: 0, timeout_ms, session_id: 0, password: vec![0; 16], read_only: Some(false) }
    }

    /// Asks for a session again.
    pub fn resume(response: &ConnectResponse, last_zxid_seen: i64) -> Self {
        Self {
            last_zxid_seen,
            timeout_ms: response.timeout_ms,
            session_id: response.session_id,
            password: response.password.clone(),
            read_only: Some(false),
        }
    }

    /// The body of its frame.
    pub fn encode(&self) -> Vec<u8> {
        let enc = Encoder::new().int(0).long(self.last_zxid_seen).int(self.timeout_ms).long(self.session_id);
        let enc = enc.buffer(Some(&self.password));
        match self.read_only {
            Some(flag) => enc.bool(flag).0,
            None => enc.0,
        }
    }
}

/// What the server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectResponse {
    /// Always 0.
    pub protocol_version: i32,
    /// The timeout granted; 0 when the session was refused.
    pub timeout_ms: i32,
    /// The session; 0 when refused.
    pub session_id: i64,
    /// Its password.
    pub password: Vec<u8>,
    /// The last byte, if it was there.
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// Reads the body of its frame.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut dec = Decoder::new(body);
        Ok(Self {
            protocol_version: dec.int()?,
            timeout_ms: dec.int()?,
            session_id: dec.long()?,
            password: dec.buffer()?.unwrap_or_default().to_vec(),
            read_only: if dec.rest().is_empty() { None } else { Some(dec.bool()?) },
        })
    }
}

/// The password that every server of an ensemble must derive from a session id: four outputs of the 48-bit linear
/// congruential generator of `java.util.Random`, little-endian.
pub fn password_of(session_id: i64) -> Vec<u8> {
    const MASK: u64 = (1 << 48) - 1;
    let mut state = ((session_id as u64 ^ 0xB341_5C00) ^ 0x5_DEEC_E66D) & MASK;
    let mut password = Vec::with_capacity(16);
    for _ in 0..4 {
        state = (state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB)) & MASK;
        password.extend_from_slice(&((state >> 16) as u32).to_le_bytes());
    }
    password
}
