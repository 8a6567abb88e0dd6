//! One writer: a session with one write outstanding, which goes on at the next server at once when its connection ends.
//!
//! Each write sets the writer's own znode if it has the version that the writer knows it to have. So a write that was
//! acknowledged and is gone shows at the next write. What happened to a write whose answer was lost shows too: either its
//! version is there or the one before.

use crate::bench::frames::{self, Template};
use crate::bench::session::{BAD_VERSION, Identity, Session, int, long};
use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// How long connecting and the handshake may take together at one server.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// The pause before the next server is tried.
const PAUSE: Duration = Duration::from_millis(1);
/// A writer without an acknowledgement for so long gives up.
const GAP_MAX: Duration = Duration::from_secs(60);

/// A time without acknowledged writes, because a connection had ended.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// Whose.
    pub writer: usize,
    /// When the first write after it was acknowledged.
    pub ended: Instant,
    /// Since the last acknowledged write before it.
    pub length: Duration,
}

/// What a writer shares with whoever started it.
#[derive(Debug, Default)]
pub struct Control {
    /// Told to end.
    pub stop: AtomicBool,
    /// Acknowledged writes.
    pub acknowledged: AtomicU64,
}

/// A writer.
#[derive(Debug)]
pub struct Writer {
    number: usize,
    path: String,
    addrs: Vec<SocketAddr>,
    at: usize,
    identity: Identity,
    gaps: Sender<Gap>,
    control: Arc<Control>,
    /// The znode's version after the last write known to have been made.
    version: i32,
    /// What the last acknowledged write has set.
    acknowledged: u64,
    /// What the last write sent has set, if it was made.
    sent: u64,
    /// Writes that may have been made behind that version, of which at most one was.
    in_doubt: bool,
    last_ack: Instant,
}

/// Why a connection is not used any more.
enum Ended {
    Told,
    Lost,
}

impl Writer {
    /// Opens a session and makes its znode.
    ///
    /// # Errors
    /// When no server gives a session, or the znode is there already.
    pub fn open(number: usize, addrs: Vec<SocketAddr>, gaps: Sender<Gap>, control: Arc<Control>) -> Result<Writer> {
        let at = number % addrs.len();
        let (mut session, identity) = Session::resume(addrs[at], GAP_MAX, &Identity::default())?;
        let path = format!("/failover-{number}");
        let error = session.call(&Template::create(&path)).with_context(|| format!("create {path}"))?;
        ensure!(error == 0, "create {path}: error {error}");
        Ok(Writer {
            number,
            path,
            addrs,
            at,
            identity,
            gaps,
            control,
            version: 0,
            acknowledged: 0,
            sent: 0,
            in_doubt: false,
            last_ack: Instant::now(),
        })
    }

    /// Writes until told to end. The last write is known to have been made or not.
    ///
    /// # Errors
    /// When an acknowledged write is gone, the session has expired, or nothing was acknowledged for a long time.
    pub fn run(mut self) -> Result<Writer> {
        loop {
            if let Some(session) = self.connect()
                && matches!(self.write_on(session)?, Ended::Told)
            {
                return Ok(self);
            }
            let silent = self.last_ack.elapsed();
            ensure!(silent < GAP_MAX, "writer {} had no write acknowledged for {} s", self.number, silent.as_secs());
            self.at = (self.at + 1) % self.addrs.len();
            std::thread::sleep(PAUSE);
        }
    }

    fn connect(&mut self) -> Option<Session> {
        let (session, identity) = Session::resume(self.addrs[self.at], CONNECT_PATIENCE, &self.identity).ok()?;
        self.identity = identity;
        Some(session)
    }

    /// Uses one connection.
    fn write_on(&mut self, mut session: Session) -> Result<Ended> {
        let mut is_first = true;
        while self.in_doubt || !self.control.stop.load(Relaxed) {
            self.sent += 1;
            let doubted = std::mem::replace(&mut self.in_doubt, true);
            let Ok(reply) = session.ask(&Template::set_number_if(&self.path, self.sent, self.version)) else {
                return Ok(Ended::Lost);
            };
            self.identity.last_zxid = self.identity.last_zxid.max(long(&reply, 4));
            match int(&reply, 12) {
                0 => self.acknowledge(std::mem::take(&mut is_first)),
                // The write whose answer was lost was made; no later one can have been.
                BAD_VERSION if doubted => {
                    self.version += 1;
                    self.in_doubt = false;
                }
                BAD_VERSION => bail!(
                    "{} at {}: an acknowledged write is gone: the znode does not have version {}",
                    self.path,
                    self.addrs[self.at],
                    self.version
                ),
                // The session is at another server, or this one is losing its leader.
                _ => return Ok(Ended::Lost),
            }
        }
        Ok(Ended::Told)
    }

    fn acknowledge(&mut self, is_first: bool) {
        let now = Instant::now();
        self.version += 1;
        self.acknowledged = self.sent;
        self.in_doubt = false;
        if is_first {
            // Nobody listens any more when the run is over.
            let _ = self.gaps.send(Gap { writer: self.number, ended: now, length: now - self.last_ack });
        }
        self.last_ack = now;
        self.control.acknowledged.fetch_add(1, Relaxed);
    }

    /// Reads the znode at a server and compares it with what was acknowledged last.
    ///
    /// # Errors
    /// When it is not that.
    pub fn check(&self, addr: SocketAddr) -> Result<()> {
        let mut session = Session::open_patiently(addr, CONNECT_PATIENCE)?;
        ensure!(session.call(&Template::sync(&self.path))? == 0, "sync at {addr} is refused");
        let reply = session.ask(&Template::get(&self.path))?;
        let error = int(&reply, 12);
        ensure!(error == 0, "{} at {addr}: error {error}, expected what was acknowledged last", self.path);
        // Header, length, data, then a stat with its version behind four long numbers.
        let (data, version_at) = (20, 20 + frames::DATA_BYTES + 32);
        ensure!(reply.len() >= version_at + 4, "{} at {addr}: an answer of {} bytes", self.path, reply.len());
        let (number, version) = (long(&reply, data).cast_unsigned(), int(&reply, version_at));
        ensure!(
            (number, version) == (self.acknowledged, self.version),
            "{} at {addr} holds write {number} in version {version}, but write {} in version {} was acknowledged",
            self.path,
            self.acknowledged,
            self.version
        );
        session.close()
    }
}
