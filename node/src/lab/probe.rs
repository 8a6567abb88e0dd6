//! Asks the servers how they are, over their client ports, with the four-letter words `srvr` and `mntr`.
//!
//! One thread per server, so that one that hangs delays nobody. A thread knows nothing about processes: it reports what
//! it hears, and when it asked, and the ensemble judges.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use wire::Zxid;

use super::Event;

/// A local connection is made at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);
/// A server that takes longer for a whole answer counts as silent.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(700);
/// The longest answer that is read; `mntr` of a busy server is about 30 KB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Pause between two questions to a settled ensemble.
const CALM_PAUSE: Duration = Duration::from_secs(1);
/// Pause while a server starts or an election runs.
const BRISK_PAUSE: Duration = Duration::from_millis(100);

/// What a server that serves says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `leader`
    Leader,
    /// `follower`
    Follower,
    /// `observer`
    Observer,
    /// `standalone`
    Standalone,
    /// `read-only`
    ReadOnly,
}

/// One answer, or the lack of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nobody listens, or the connection was cut.
    Closed,
    /// Somebody listens but says nothing in time.
    Silent,
    /// It runs but does not serve: an election or a synchronization is going on.
    NotServing,
    /// It serves.
    Serving(Serving),
}

/// The figures of a server that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    /// Its role.
    pub mode: Mode,
    /// The last transaction it has processed.
    pub zxid: Option<Zxid>,
    /// Client connections without the one that asked.
    pub connections: Option<u64>,
    /// Sessions it knows of: those of the whole ensemble and its local ones.
    pub sessions: Option<u64>,
}

/// What one question to a server brought.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Which server, by its place in the list.
    pub place: usize,
    /// An answer to a question from before a start says nothing about the new process.
    pub asked_at: Instant,
    /// What it said.
    pub answer: Answer,
}

/// How often the servers are asked; shared by all probes.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    calm: Arc<AtomicBool>,
}

impl Pace {
    /// Often while something is going on, else once a second.
    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::Relaxed);
    }

    fn rest(&self) {
        let until = Instant::now() + CALM_PAUSE;
        loop {
            thread::sleep(BRISK_PAUSE);
            if !self.calm.load(Ordering::Relaxed) || Instant::now() >= until {
                return;
            }
        }
    }
}

/// Reports about the server on this client port until the lab ends.
pub fn start(place: usize, port: u16, pace: Pace, events: SyncSender<Event>) {
    thread::spawn(move || {
        loop {
            let asked_at = Instant::now();
            let answer = ask_both(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            if events.send(Event::Probe(Report { place, asked_at, answer })).is_err() {
                return;
            }
            pace.rest();
        }
    });
}

fn ask_both(address: SocketAddr) -> Answer {
    let mut answer = match ask(address, "srvr") {
        Ok(text) => parse_srvr(&text),
        Err(failure) => return failure,
    };
    if let Answer::Serving(serving) = &mut answer
        && let Ok(text) = ask(address, "mntr")
    {
        serving.sessions = parse_sessions(&text);
    }
    answer
}

fn ask(address: SocketAddr, word: &str) -> Result<String, Answer> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(|error| match error.kind() {
        ErrorKind::TimedOut => Answer::Silent,
        _ => Answer::Closed,
    })?;
    stream.write_all(word.as_bytes()).map_err(|_| Answer::Closed)?;
    let mut text = Vec::new();
    let mut buffer = [0; 8192];
    while text.len() < ANSWER_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would mean none.
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(Answer::Silent);
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(Answer::Silent),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Answer::Closed),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Reads the answer to `srvr` (StatCommand, ServerStats.toString).
fn parse_srvr(text: &str) -> Answer {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim);
    let mode = match field("Mode") {
        Some("leader") => Mode::Leader,
        Some("follower") => Mode::Follower,
        Some("observer") => Mode::Observer,
        Some("standalone") => Mode::Standalone,
        Some("read-only") => Mode::ReadOnly,
        _ if text.is_empty() => return Answer::Closed,
        _ => return Answer::NotServing,
    };
    let zxid = field("Zxid").and_then(|hex| u64::from_str_radix(hex.strip_prefix("0x")?, 16).ok());
    let connections = field("Connections").and_then(|count| count.parse::<u64>().ok());
    Answer::Serving(Serving {
        mode,
        zxid: zxid.map(|bits| Zxid(bits.cast_signed())),
        // Our own connection is open while the server counts.
        connections: connections.map(|count| count.saturating_sub(1)),
        sessions: None,
    })
}

/// Reads the sessions from the answer to `mntr`.
fn parse_sessions(text: &str) -> Option<u64> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))?;
        line.trim().parse::<u64>().ok()
    };
    let global = value("zk_global_sessions")?;
    Some(global.saturating_add(value("zk_local_sessions").unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const SRVR: &str = "Zookeeper version: 3.9.5-abc, built on 2025\nLatency min/avg/max: 0/0.0/0\nReceived: 9\nSent: 8\n\
        Connections: 3\nOutstanding: 0\nZxid: 0x20000000a\nMode: leader\nNode count: 5\n\
        Proposal sizes last/min/max: 48/48/48\n";

    #[test]
    fn srvr_answers() {
        let serving =
            Serving { mode: Mode::Leader, zxid: Some(Zxid(0x2_0000_000a)), connections: Some(2), sessions: None };
        assert_eq!(parse_srvr(SRVR), Answer::Serving(serving));
        assert_eq!(parse_srvr("This ZooKeeper instance is not currently serving requests\n"), Answer::NotServing);
        assert_eq!(parse_srvr(""), Answer::Closed);
        let odd = parse_srvr("Mode: follower\nZxid: what\nConnections: -1\n");
        let serving = Serving { mode: Mode::Follower, zxid: None, connections: None, sessions: None };
        assert_eq!(odd, Answer::Serving(serving));
    }

    #[test]
    fn sessions_of_mntr() {
        assert_eq!(parse_sessions("zk_server_state\tleader\nzk_global_sessions\t4\nzk_local_sessions\t1\n"), Some(5));
        assert_eq!(parse_sessions("zk_global_sessions\t4\n"), Some(4));
        assert_eq!(parse_sessions("zk_version\t3.9.5\n"), None);
    }

    #[test]
    fn a_server_that_never_answers_is_silent() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        assert_eq!(ask_both(address), Answer::Silent);
    }
}
