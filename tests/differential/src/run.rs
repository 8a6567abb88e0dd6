//! Plays a script to a target and notes all that comes back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use support::client::{ConnectRequest, ConnectResponse, RawClient, Received, frame, password_of};
use support::words;

use crate::mask::Mask;
use crate::reply;
use crate::request::Request;
use crate::script::{Conn, Password, Script, Step};
use crate::target::Target;

/// How long an answer may take. A server that needs longer on a loaded machine is rare; one that never answers is what
/// the tests look for, and costs this once, for the connection is then given up.
const ANSWER: Duration = Duration::from_secs(15);

/// The xid of the harness's own requests, which appear in no transcript.
const BARRIER_XID: i32 = 0x7FFF_0000;

/// All lines of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepResult {
    /// What was done.
    pub step: String,
    /// What came back, each line led by its connection.
    pub lines: Vec<String>,
}

/// What a target answered to a script.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// Who answered.
    pub target: String,
    /// Step by step; the last one is the harness closing the sessions that are left.
    pub results: Vec<StepResult>,
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, result) in self.results.iter().enumerate() {
            writeln!(f, "step {}: {}", index + 1, result.step)?;
            result.lines.iter().try_for_each(|line| writeln!(f, "      = {line}"))?;
        }
        Ok(())
    }
}

struct Link {
    raw: RawClient,
    xid: i32,
    seen: i64,
}

struct Opened {
    granted: ConnectResponse,
    seen: i64,
}

struct Runner<'a> {
    target: &'a Target,
    mask: Mask,
    links: BTreeMap<Conn, Link>,
    // Every session ever granted and not closed; the newest of a connection is the one a script can resume.
    sessions: Vec<(Conn, Opened)>,
    // The highest zxid seen on any connection.
    highest: i64,
    lines: Vec<String>,
}

/// Plays `script` to `target`.
///
/// # Panics
/// When the target cannot be reached at all.
pub fn run(target: &Target, script: &Script) -> Transcript {
    let mut mask = Mask::new(target.base_zxid().unwrap_or_else(|| base_zxid(target)));
    if script.without_zxids {
        mask.hide_zxids();
    }
    for (text, symbol) in target.port_symbols() {
        mask.hide(text, symbol);
    }
    let mut runner =
        Runner { target, mask, links: BTreeMap::new(), sessions: Vec::new(), highest: 0, lines: Vec::new() };
    let mut results = Vec::new();
    for step in &script.steps {
        runner.step(step);
        results.push(StepResult { step: step.to_string(), lines: std::mem::take(&mut runner.lines) });
    }
    runner.close_all();
    results.push(StepResult { step: "the harness closes all sessions".to_owned(), lines: runner.lines });
    Transcript { target: target.name.clone(), results }
}

/// The zxid both targets have at the same point: a session's own closing.
fn base_zxid(target: &Target) -> i64 {
    let limit = Duration::from_secs(30);
    let mut session = support::session::Session::open_any(&target.addrs[..1], 30_000, limit);
    session.close().expect("a session can be closed");
    session.last_zxid()
}

impl Runner<'_> {
    fn note(&mut self, conn: Conn, line: impl std::fmt::Display) {
        self.lines.push(format!("[{conn}] {line}"));
    }

    fn step(&mut self, step: &Step) {
        let begin = self.lines.len();
        let mut closes = false;
        match step {
            Step::Connect { conn, server, timeout_ms, read_only } => {
                let request = ConnectRequest { read_only: *read_only, ..ConnectRequest::new_session(*timeout_ms) };
                self.open(*conn, *server, &request, 0);
            }
            Step::Resume { conn, session_of, server, password, ahead } => {
                self.resume(*conn, *session_of, *server, *password, *ahead);
            }
            Step::Send { conn, requests } => {
                closes = requests.iter().any(|r| r.op() == -11);
                self.send(*conn, requests);
            }
            Step::Drop { conn } => self.forget(*conn),
            Step::Bytes { server, bytes, frames } => self.bytes(*server, bytes, *frames),
            Step::BytesOn { conn, bytes, frames } => self.bytes_on(*conn, bytes, *frames),
            Step::Word { server, word } => {
                let answer = words::ask(self.addr(*server), word);
                self.lines.push(answer.map_or("no answer".to_owned(), |text| mask_numbers(&text)));
            }
            Step::AwaitGone { conn, path, limit_ms } => self.await_gone(*conn, path, *limit_ms),
        }
        self.barrier();
        if closes {
            // The ephemerals of a session go in one transaction, in an order nobody promises.
            sort_equal_zxids(&mut self.lines[begin..]);
        }
    }

    fn addr(&self, server: usize) -> std::net::SocketAddr {
        self.target.addrs[server % self.target.addrs.len()]
    }

    fn open(&mut self, conn: Conn, server: usize, request: &ConnectRequest, seen: i64) {
        self.forget(conn);
        self.catch_up(server);
        let Ok(mut raw) = RawClient::connect(self.addr(server)) else {
            return self.note(conn, "cannot connect");
        };
        raw.send_frame(&request.encode());
        match raw.receive(ANSWER) {
            Received::Closed => self.note(conn, "closed without an answer"),
            Received::Nothing => self.note(conn, "NO ANSWER to the connect request"),
            Received::Frame(body) => match ConnectResponse::decode(&body) {
                Err(e) => self.note(conn, format!("connect response {e}: {body:02x?}")),
                Ok(granted) => self.granted(conn, raw, granted, seen),
            },
        }
    }

    /// Waits until a server of an ensemble has applied what others have answered: it would turn the client away.
    fn catch_up(&self, server: usize) {
        if !self.target.is_replicated() {
            return;
        }
        let applied = || {
            let text = words::srvr_field(self.addr(server), "Zxid")?;
            let zxid = i64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
            (zxid >= self.highest).then_some(())
        };
        // A server that never gets there shows in what it answers next.
        let _ = support::wait::poll(ANSWER, applied);
    }

    fn granted(&mut self, conn: Conn, mut raw: RawClient, granted: ConnectResponse, seen: i64) {
        if granted.session_id == 0 {
            let end = if raw.receive(ANSWER) == Received::Closed { "then closed" } else { "and NOT CLOSED" };
            return self.note(conn, format!("refused: {granted:?} {end}"));
        }
        self.mask.learn_session(granted.session_id);
        let password = if granted.password == password_of(granted.session_id) { "derived" } else { "UNKNOWN" };
        let line = format!(
            "session {} version={} timeout={} password={password} read_only={:?}",
            self.mask.session(granted.session_id),
            granted.protocol_version,
            granted.timeout_ms,
            granted.read_only
        );
        self.note(conn, line);
        if self.sessions.iter().all(|(_, s)| s.granted.session_id != granted.session_id) {
            self.sessions.push((conn, Opened { granted, seen }));
        }
        self.links.insert(conn, Link { raw, xid: 0, seen });
    }

    fn resume(&mut self, conn: Conn, session_of: Conn, server: usize, password: Password, ahead: i64) {
        let Some((_, opened)) = self.sessions.iter().rev().find(|(owner, _)| *owner == session_of) else {
            return self.note(conn, "no session to resume");
        };
        let seen = self.links.get(&session_of).map_or(opened.seen, |link| link.seen);
        let mut request = resume_request(&opened.granted, seen + ahead);
        match password {
            Password::Right => {}
            Password::Wrong => request.password[0] ^= 1,
            Password::Missing => request.password.clear(),
        }
        self.open(conn, server, &request, seen);
    }

    fn forget(&mut self, conn: Conn) {
        let Some(link) = self.links.remove(&conn) else { return };
        if let Some((_, opened)) = self.sessions.iter_mut().rev().find(|(owner, _)| *owner == conn) {
            opened.seen = opened.seen.max(link.seen);
        }
    }

    fn send(&mut self, conn: Conn, requests: &[Request]) {
        let Some(link) = self.links.get_mut(&conn) else { return self.note(conn, "is not connected") };
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for request in requests {
            link.xid += 1;
            let xid = request.xid(link.xid);
            bytes.extend(frame(&request.encode(xid, link.seen)));
            expected.push((request.clone(), xid));
        }
        link.raw.send_raw(&bytes);
        self.collect(conn, expected);
    }

    /// Takes frames until every request of `expected` is answered.
    fn collect(&mut self, conn: Conn, expected: Vec<(Request, i32)>) {
        let mut waiting = expected.into_iter();
        let mut next = waiting.next();
        while let Some((request, xid)) = &next {
            let Some(frame) = self.receive(conn, &format!("to {request}")) else { return };
            let Some((header, mut dec)) = self.split(conn, &frame) else { continue };
            let line = reply::reply(request, *xid, &header, &mut dec, &mut self.mask);
            self.note(conn, line);
            if *request == Request::CloseSession && header.err == 0 {
                self.closed_session(conn);
            }
            if ends_the_connection(&header) {
                return self.await_close(conn);
            }
            next = waiting.next();
        }
    }

    /// Waits for the end that an answer announced. Requests sent meanwhile may or may not be answered.
    fn await_close(&mut self, conn: Conn) {
        while let Some(frame) = self.receive(conn, "but the connection stays") {
            if let Some((header, _)) = self.split(conn, &frame) {
                self.note(conn, format!("reply {header:?} before the end"));
            }
        }
    }

    fn closed_session(&mut self, conn: Conn) {
        if let Some(at) = self.sessions.iter().rposition(|(owner, _)| *owner == conn) {
            self.sessions.remove(at);
        }
    }

    /// One frame; when none comes, says so and gives the connection up.
    fn receive(&mut self, conn: Conn, what: &str) -> Option<Vec<u8>> {
        let link = self.links.get_mut(&conn)?;
        let line = match link.raw.receive(ANSWER) {
            Received::Frame(frame) => return Some(frame),
            Received::Closed => "closed by the server".to_owned(),
            Received::Nothing => format!("NO ANSWER {what}"),
        };
        self.forget(conn);
        self.note(conn, line);
        None
    }

    /// The header of a reply; an event is noted and yields nothing.
    fn split<'f>(&mut self, conn: Conn, frame: &'f [u8]) -> Option<(reply::Header, support::jute::Decoder<'f>)> {
        match reply::header(frame) {
            Err(e) => self.note(conn, format!("{e}: {frame:02x?}")),
            Ok((header, mut dec)) if header.xid == -1 => {
                let line = reply::event(&header, &mut dec, &self.mask).unwrap_or_else(|e| e.to_string());
                self.note(conn, line);
            }
            Ok((header, dec)) => {
                self.highest = self.highest.max(header.zxid);
                if let Some(link) = self.links.get_mut(&conn) {
                    link.seen = link.seen.max(header.zxid);
                }
                return Some((header, dec));
            }
        }
        None
    }

    /// Makes every event that earlier steps caused arrive: a request on each connection, answered behind them.
    fn barrier(&mut self) {
        let conns: Vec<Conn> = self.links.keys().copied().collect();
        for conn in conns {
            let (request, xid) = if self.target.is_replicated() {
                (Request::Sync { path: Some("/".to_owned()) }, BARRIER_XID)
            } else {
                (Request::Ping, crate::request::XID_PING)
            };
            if let Some(link) = self.links.get_mut(&conn) {
                link.raw.send_frame(&request.encode(xid, 0));
            }
            while let Some(frame) = self.receive(conn, "to the harness's barrier") {
                match self.split(conn, &frame) {
                    Some((header, _)) if header.xid == xid => break,
                    Some((header, _)) => self.note(conn, format!("unexpected reply {header:?}")),
                    None => {}
                }
            }
        }
    }

    fn bytes(&mut self, server: usize, bytes: &[u8], frames: usize) {
        let Ok(mut raw) = RawClient::connect(self.addr(server)) else {
            return self.lines.push("cannot connect".to_owned());
        };
        raw.send_raw(bytes);
        let lines = take_frames(&mut raw, frames);
        self.lines.extend(lines);
    }

    fn bytes_on(&mut self, conn: Conn, bytes: &[u8], frames: usize) {
        let Some(link) = self.links.get_mut(&conn) else { return self.note(conn, "is not connected") };
        link.raw.send_raw(bytes);
        for _ in 0..frames {
            let Some(frame) = self.receive(conn, "to raw bytes") else { return };
            let Some((header, dec)) = self.split(conn, &frame) else { continue };
            let zxid = self.mask.zxid(header.zxid);
            self.note(conn, format!("frame xid={} zxid={zxid} err={} {:02x?}", header.xid, header.err, dec.rest()));
            if ends_the_connection(&header) {
                return self.await_close(conn);
            }
        }
    }

    fn await_gone(&mut self, conn: Conn, path: &str, limit_ms: u64) {
        let begun = Instant::now();
        let request = Request::Exists { path: Some(path.to_owned()), watch: false };
        let gone = support::wait::poll(Duration::from_millis(limit_ms), || {
            let link = self.links.get_mut(&conn)?;
            link.xid += 1;
            let xid = link.xid;
            link.raw.send_frame(&request.encode(xid, 0));
            while let Some(frame) = self.receive(conn, "to exists") {
                if let Some((header, _)) = self.split(conn, &frame) {
                    return (header.err == -101).then_some(());
                }
            }
            None
        });
        let _ = begun;
        self.note(conn, format!("{path} {}", if gone.is_some() { "has gone" } else { "is still there" }));
    }

    /// Ends every session that is left, so that none expires in the middle of a later script.
    fn close_all(&mut self) {
        self.links.clear();
        for (conn, opened) in std::mem::take(&mut self.sessions) {
            // Lasting sessions may be on any server's mind; the first one knows the leader.
            self.open(conn, 0, &resume_request(&opened.granted, 0), 0);
            self.send(conn, &[Request::CloseSession]);
            self.forget(conn);
        }
        self.lines.clear();
    }
}

/// A session that began on a server that can only be read comes back to one of that kind.
fn resume_request(granted: &ConnectResponse, seen: i64) -> ConnectRequest {
    let request = ConnectRequest::resume(granted, seen);
    if granted.read_only == Some(true) { ConnectRequest { read_only: Some(true), ..request } } else { request }
}

/// Answers that a server gives beside its pipeline, and behind which it closes: unknown operations, failed auth.
fn ends_the_connection(header: &reply::Header) -> bool {
    matches!((header.err, header.zxid), (-6, -1) | (-115 | -124, 0))
}

fn take_frames(raw: &mut RawClient, frames: usize) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.len() < frames {
        match raw.receive(ANSWER) {
            Received::Frame(frame) => lines.push(format!("frame {frame:02x?}")),
            Received::Closed => {
                lines.push(format!("closed by the server, unframed {:02x?}", raw.unframed()));
                break;
            }
            Received::Nothing => {
                lines.push(format!("NO ANSWER to raw bytes, unframed {:02x?}", raw.unframed()));
                break;
            }
        }
    }
    lines
}

/// Decimal and hexadecimal numbers become `N`, the version and its build become `V`.
fn mask_numbers(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("Zookeeper version: ") {
            out.push_str("Zookeeper version: V\n");
            continue;
        }
        let mut digits = false;
        for c in line.replace("0x", "").chars() {
            let digit = c.is_ascii_digit();
            if !digit {
                out.push(c);
            } else if !digits {
                out.push('N');
            }
            digits = digit;
        }
        out.push('\n');
    }
    out
}

/// Sorts runs of events of one transaction on one connection.
fn sort_equal_zxids(lines: &mut [String]) {
    fn key(line: &str) -> Option<(&str, &str)> {
        let (conn, rest) = line.split_once(" event ")?;
        Some((conn, rest.split(' ').next()?))
    }
    let same = |a: &String, b: &String| key(a).is_some() && key(a) == key(b);
    for run in lines.chunk_by_mut(|a, b| same(a, b)) {
        run.sort();
    }
}
