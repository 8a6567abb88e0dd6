//! One session over plain bytes: handshake and single calls. The load itself runs in [`super::load`].

use crate::bench::frames::{self, LENGTH_BYTES, REPLY_HEADER_BYTES, Template};
use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::client::{ConnectRequest, PASSWORD_BYTES};
use wire::{SessionId, Zxid};

/// How long a single call may take.
const CALL_PATIENCE: Duration = Duration::from_secs(30);
/// How long the handshake may take where it is begun again: one sent too early may never be answered.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer to the handshake up to the password: protocol, timeout, session, length, password.
const ANSWER_BYTES: usize = 20 + PASSWORD_BYTES;
/// Session timeout asked for; every cell is shorter or keeps talking.
const SESSION_TIMEOUT_MS: i32 = 40_000;
/// The error of a create whose znode is there.
pub const NODE_EXISTS: i32 = -110;

/// The error of a setData whose expected version is not the znode's.
pub const BAD_VERSION: i32 = -103;

/// What lets a session go on over another connection.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The session, or 0 to ask for a new one.
    pub id: i64,
    /// Its password.
    pub password: Vec<u8>,
    /// The last zxid seen; a server that has not come as far refuses the session.
    pub last_zxid: i64,
}

impl Default for Identity {
    fn default() -> Identity {
        Identity { id: 0, password: vec![0; PASSWORD_BYTES], last_zxid: 0 }
    }
}

/// A connected session with nothing outstanding.
#[derive(Debug)]
pub struct Session {
    /// Its socket.
    pub stream: TcpStream,
    /// The xid of the last request.
    pub xid: i32,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// When the server does not answer the handshake with a session in time. Only this machine is ever a target.
    pub fn open_within(addr: SocketAddr, patience: Duration) -> Result<Session> {
        Ok(Session::resume(addr, patience, &Identity::default())?.0)
    }

    /// Opens a new session, or goes on with an earlier one, and answers who it is.
    ///
    /// # Errors
    /// As [`Session::open_within`]; a session that has expired is refused.
    pub fn resume(addr: SocketAddr, patience: Duration, identity: &Identity) -> Result<(Session, Identity)> {
        ensure!(addr.ip().is_loopback(), "the load generator talks to 127.0.0.1 only, not to {addr}");
        let stream = TcpStream::connect_timeout(&addr, patience).with_context(|| format!("connect to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(CALL_PATIENCE))?;
        let mut session = Session { stream, xid: 0 };
        let mut out = BytesMut::new();
        let request = ConnectRequest {
            last_zxid_seen: Zxid(identity.last_zxid),
            timeout: SESSION_TIMEOUT_MS,
            session: SessionId(identity.id),
            password: identity.password.clone(),
            read_only: Some(false),
        };
        request.encode_frame(&mut out);
        session.stream.write_all(&out)?;
        let reply = session.frame().context("read the answer to the handshake")?;
        ensure!(reply.len() >= ANSWER_BYTES, "{addr} answers the handshake with {} bytes", reply.len());
        ensure!(int(&reply, 4) != 0, "{addr} refused the session");
        let identity = Identity {
            id: long(&reply, 8),
            password: reply[20..20 + PASSWORD_BYTES].to_vec(),
            last_zxid: identity.last_zxid,
        };
        session.stream.set_read_timeout(Some(CALL_PATIENCE))?;
        Ok((session, identity))
    }

    /// Opens a session on a server that may not serve yet.
    ///
    /// # Errors
    /// As [`Session::open_within`], once the patience is over.
    pub fn open_patiently(addr: SocketAddr, patience: Duration) -> Result<Session> {
        let deadline = Instant::now() + patience;
        loop {
            match Session::open_within(addr, HANDSHAKE_PATIENCE) {
                Ok(session) => return Ok(session),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Sends one request and returns the error code of its answer.
    ///
    /// # Errors
    /// When the connection fails or the answer is not this request's.
    pub fn call(&mut self, request: &Template) -> Result<i32> {
        Ok(int(&self.ask(request)?, 12))
    }

    /// Sends one request and returns its answer: the header (xid, zxid, error) and the body.
    ///
    /// # Errors
    /// As [`Session::call`].
    pub fn ask(&mut self, request: &Template) -> Result<Vec<u8>> {
        self.xid += 1;
        let mut out = Vec::new();
        request.append(self.xid, &mut out);
        self.stream.write_all(&out)?;
        let reply = self.frame()?;
        ensure!(reply.len() >= REPLY_HEADER_BYTES, "a reply of {} bytes has no header", reply.len());
        let xid = int(&reply, 0);
        ensure!(xid == self.xid, "the reply has xid {xid}, expected {}", self.xid);
        Ok(reply)
    }

    /// Makes sure that a znode is there.
    ///
    /// # Errors
    /// When the server refuses to create it.
    pub fn ensure_znode(&mut self, path: &str) -> Result<()> {
        match self.call(&Template::create(path)).with_context(|| format!("create {path}"))? {
            0 | NODE_EXISTS => Ok(()),
            error => bail!("create {path}: error {error}"),
        }
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub fn close(mut self) -> Result<()> {
        let error = self.call(&Template::close()).context("close the session")?;
        ensure!(error == 0, "close the session: error {error}");
        Ok(())
    }

    fn frame(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut length)?;
        if let Err(length) = frames::complete(&length) {
            bail!("a frame of {length} bytes announced");
        }
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}

/// The big-endian number at a position that is known to be there.
pub fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The big-endian number of eight bytes at a position that is known to be there.
pub fn long(bytes: &[u8], at: usize) -> i64 {
    i64::from(int(bytes, at)) << 32 | i64::from(int(bytes, at + 4).cast_unsigned())
}
