//! Memory of a large tree, and the time from exec to the first answer, empty and with that tree on disk.

use crate::bench::frames::{DATA_BYTES, Expected, Template};
use crate::bench::load::{self, Requests, Span};
use crate::bench::options::Options;
use crate::bench::proc;
use crate::bench::progress;
use crate::bench::server::{Contender, Launch, Server, Workshop};
use crate::bench::session::Session;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use support::words;

/// Parents that the znodes are spread over.
const PARENTS: u32 = 100;
/// Sessions that create them, and requests outstanding on each.
const CREATORS: usize = 30;
const CREATE_WINDOW: usize = 50;
/// Starts with an empty data directory, and with the large one.
const EMPTY_STARTS: usize = 10;
const LOADED_STARTS: usize = 5;
const QUICK_STARTS: usize = 3;
/// Between two attempts to get a first answer.
const ATTEMPT_PAUSE: Duration = Duration::from_micros(500);
/// A handshake that is not answered for so long is begun again.
const HANDSHAKE_PATIENCE: Duration = Duration::from_millis(500);
/// A connection that is taken but not answered yet.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// Memory of one contender.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// Who.
    pub contender: Contender,
    /// Znodes created.
    pub znodes: u32,
    /// Creates per second meanwhile.
    pub creates_per_second: f64,
    /// VmRSS of an empty server, in bytes.
    pub empty_bytes: u64,
    /// VmRSS with the tree.
    pub full_bytes: u64,
    /// What a znode costs beyond its path segment and its data.
    pub overhead_per_znode_bytes: f64,
    /// VmRSS after a restart with the tree, when measured.
    pub restarted_bytes: Option<u64>,
}

/// Start times of one contender, in ms from exec.
#[derive(Debug, Serialize)]
pub struct Starts {
    /// Who.
    pub contender: Contender,
    /// Znodes on disk, as snapshots and log.
    pub znodes: u32,
    /// Until `ruok` is answered with `imok`, each start. Apache says so before it has loaded its data.
    pub ruok_ms: Vec<f64>,
    /// Until a session is established, each start.
    pub session_ms: Vec<f64>,
}

struct Creates {
    next: u32,
    count: u32,
}

fn segment(index: u32) -> String {
    format!("n{index:07}")
}

impl Requests for Creates {
    fn next(&mut self, _session: usize, xid: i32, out: &mut Vec<u8>) -> Option<Expected> {
        let index = self.next;
        if index == self.count {
            return None;
        }
        self.next += 1;
        Some(Template::create(&format!("/p{:02}/{}", index % PARENTS, segment(index))).append(xid, out))
    }
}

/// Starts a server, fills it, reads its memory; leaves it down with its data.
///
/// # Errors
/// When the server fails.
pub fn fill(workshop: &Workshop, server: &mut Server, contender: Contender, znodes: u32) -> Result<Memory> {
    server.start(&workshop.node, Launch::Tied)?;
    server.wait_for(Duration::from_millis(10), |addr, _| ruok(addr))?;
    let pid = server.pid()?;
    let empty_bytes = proc::settled_resident_bytes(pid)?;
    progress(&format!("memory: {} empty has {} KiB, creating {znodes} znodes", contender.name(), empty_bytes / 1024));
    let mut sessions = Vec::with_capacity(CREATORS);
    for _ in 0..CREATORS {
        sessions.push(Session::open_patiently(server.addr(), ANSWER_PATIENCE)?);
    }
    for parent in 0..PARENTS {
        sessions[0].ensure_znode(&format!("/p{parent:02}"))?;
    }
    let mut creates = Creates { next: 0, count: znodes };
    let (measured, sessions) = load::run(sessions, &mut creates, CREATE_WINDOW, Span::All, || {})?;
    ensure!(measured.ops == u64::from(znodes), "{} znodes created, expected {znodes}", measured.ops);
    for session in sessions {
        session.close()?;
    }
    let full_bytes = proc::settled_resident_bytes(pid)?;
    let grown = full_bytes.saturating_sub(empty_bytes) as f64 / f64::from(znodes);
    let memory = Memory {
        contender,
        znodes,
        creates_per_second: measured.ops as f64 / measured.seconds,
        empty_bytes,
        full_bytes,
        overhead_per_znode_bytes: grown - (segment(0).len() + DATA_BYTES) as f64,
        restarted_bytes: None,
    };
    server.kill();
    Ok(memory)
}

/// Times starts of the contenders in turns, each on the directory it has; empty ones are fresh every time.
///
/// # Errors
/// When a server does not come up.
pub fn time_starts_empty(workshop: &Workshop, options: &Options) -> Result<Vec<Starts>> {
    let mut all: Vec<Starts> = options.servers.iter().map(|contender| Starts::of(*contender, 0)).collect();
    for round in 0..if options.quick { QUICK_STARTS } else { EMPTY_STARTS } {
        for starts in &mut all {
            let mut servers = workshop.prepare(starts.contender, 1, &format!("start-{round}"))?;
            starts.add(&mut servers[0], workshop)?;
        }
    }
    Ok(all)
}

/// As [`time_starts_empty`], with the data that [`fill`] left; also reads the memory after the last start.
///
/// # Errors
/// When a server does not come up.
pub fn time_starts_loaded(
    workshop: &Workshop,
    options: &Options,
    filled: &mut [(Server, Memory)],
) -> Result<Vec<Starts>> {
    let mut all: Vec<Starts> = filled.iter().map(|(_, memory)| Starts::of(memory.contender, memory.znodes)).collect();
    for _ in 0..if options.quick { QUICK_STARTS } else { LOADED_STARTS } {
        for (starts, (server, memory)) in all.iter_mut().zip(filled.iter_mut()) {
            memory.restarted_bytes = Some(starts.add(server, workshop)?);
        }
    }
    Ok(all)
}

impl Starts {
    fn of(contender: Contender, znodes: u32) -> Starts {
        Starts { contender, znodes, ruok_ms: Vec::new(), session_ms: Vec::new() }
    }

    /// One start; returns the memory it had at the end.
    fn add(&mut self, server: &mut Server, workshop: &Workshop) -> Result<u64> {
        let begun = Instant::now();
        server.start(&workshop.node, Launch::Bare)?;
        server.wait_for(ATTEMPT_PAUSE, |addr, _| ruok(addr))?;
        let ruok_ms = begun.elapsed().as_secs_f64() * 1e3;
        // A handshake sent before Apache serves may never be answered, and the wait for it would be counted.
        server.wait_for(ATTEMPT_PAUSE, |addr, _| words::srvr_field(addr, "Mode").is_some())?;
        server.wait_for(ATTEMPT_PAUSE, |addr, _| Session::open_within(addr, HANDSHAKE_PATIENCE).is_ok())?;
        let session_ms = begun.elapsed().as_secs_f64() * 1e3;
        self.ruok_ms.push(ruok_ms);
        self.session_ms.push(session_ms);
        progress(&format!(
            "start: {} with {} znodes: ruok after {ruok_ms:.1} ms, session after {session_ms:.1} ms",
            self.contender.name(),
            self.znodes
        ));
        let resident = proc::resident_bytes(server.pid()?).context("read the memory after a start")?;
        server.kill();
        Ok(resident)
    }
}

/// Whether the server says that it serves.
fn ruok(addr: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.write_all(b"ruok")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"imok")
    };
    // Refused, reset or silent all mean the same here: not yet.
    ask().unwrap_or(false)
}

/// The smallest and the middle of some times.
pub fn best_and_median(times: &[f64]) -> (f64, f64) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2))
}
