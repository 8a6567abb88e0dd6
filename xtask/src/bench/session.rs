//! One session over plain bytes: handshake and single calls. The load itself runs in [`super::load`].

use crate::bench::frames::{self, LENGTH_BYTES, REPLY_HEADER_BYTES, Template};
use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use wire::client::ConnectRequest;
use wire::{SessionId, Zxid};

/// How long a single call may take.
const CALL_PATIENCE: Duration = Duration::from_secs(30);
/// How long the handshake may take where it is begun again: one sent too early may never be answered.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// Session timeout asked for; every cell is shorter or keeps talking.
const SESSION_TIMEOUT_MS: i32 = 40_000;
/// The error of a create whose znode is there.
pub const NODE_EXISTS: i32 = -110;

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
        ensure!(addr.ip().is_loopback(), "the load generator talks to 127.0.0.1 only, not to {addr}");
        let stream = TcpStream::connect_timeout(&addr, patience).with_context(|| format!("connect to {addr}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(CALL_PATIENCE))?;
        let mut session = Session { stream, xid: 0 };
        let mut out = BytesMut::new();
        let request = ConnectRequest {
            last_zxid_seen: Zxid(0),
            timeout: SESSION_TIMEOUT_MS,
            session: SessionId(0),
            password: vec![0; 16],
            read_only: Some(false),
        };
        request.encode_frame(&mut out);
        session.stream.write_all(&out)?;
        let reply = session.frame().context("read the answer to the handshake")?;
        let timeout = reply.get(4..8).map(|bytes| bytes != [0; 4]);
        ensure!(timeout == Some(true), "{addr} refused the session");
        session.stream.set_read_timeout(Some(CALL_PATIENCE))?;
        Ok(session)
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
        self.xid += 1;
        let mut out = Vec::new();
        request.append(self.xid, &mut out);
        self.stream.write_all(&out)?;
        let reply = self.frame()?;
        ensure!(reply.len() >= REPLY_HEADER_BYTES, "a reply of {} bytes has no header", reply.len());
        let (xid, error) = (int(&reply, 0), int(&reply, 12));
        ensure!(xid == self.xid, "the reply has xid {xid}, expected {}", self.xid);
        Ok(error)
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
