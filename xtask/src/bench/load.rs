//! The load generator: one thread, one epoll, every session a window of outstanding requests.
//!
//! A window is refilled as its replies arrive, in one write per read, so that the generator costs the servers as little
//! of the machine as it can; what it does cost is reported. Latency runs from the write of a request to the read of its
//! reply, as a client with one event loop sees it. Every reply is checked: order of xids, error, length, data.

use crate::bench::frames::{self, DATA, DATA_BYTES, Expected, Kind, LENGTH_BYTES, REPLY_HEADER_BYTES};
use crate::bench::histogram::Histogram;
use crate::bench::session::{Session, int};
use anyhow::{Context, Result, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// No reply for this long, and the run is given up.
const STALL_MAX: Duration = Duration::from_secs(30);
/// Any run ends after this, finished or not.
const RUN_MAX: Duration = Duration::from_secs(900);
/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 64;

/// What the sessions ask for.
pub trait Requests {
    /// Appends the next request of a session, or says that there are no more.
    fn next(&mut self, session: usize, xid: i32, out: &mut Vec<u8>) -> Option<Expected>;
}

/// When a run begins to count and ends.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// Count for a time, after a time.
    For {
        /// Not counted.
        warm_up: Duration,
        /// Counted.
        measure: Duration,
    },
    /// Until the requests run out.
    All,
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// Requests answered in the counted time.
    pub ops: u64,
    /// That time.
    pub seconds: f64,
    /// Requests answered in all, warm-up included.
    pub ops_all: u64,
    /// Latencies of reads.
    pub reads: Histogram,
    /// Latencies of writes.
    pub writes: Histogram,
    /// Share of one core that the generator's thread took in the counted time.
    pub generator_cpu: f64,
}

struct Line {
    session: Session,
    input: Vec<u8>,
    filled: usize,
    output: Vec<u8>,
    written: usize,
    waiting: VecDeque<(Instant, Expected)>,
    /// The xid of the reply that comes next.
    next_reply: i32,
    wants_write: bool,
}

struct Run<'a, R> {
    lines: Vec<Line>,
    epoll: OwnedFd,
    requests: &'a mut R,
    issuing: bool,
    counting: bool,
    outstanding: usize,
    measured: Measured,
}

/// Keeps `window` requests of each session outstanding for the span; `mark` is called where counting begins and ends.
///
/// # Errors
/// When a connection fails, an answer is wrong, or none comes.
pub fn run<R: Requests>(
    sessions: Vec<Session>,
    requests: &mut R,
    window: usize,
    span: Span,
    mut mark: impl FnMut(),
) -> Result<(Measured, Vec<Session>)> {
    let mut run = Run::new(sessions, requests)?;
    let begun = Instant::now();
    let (begin, end) = match span {
        Span::For { warm_up, measure } => (begun + warm_up, begun + warm_up + measure),
        Span::All => (begun, begun + RUN_MAX),
    };
    let mut counted_from = None;
    let mut last_reply = begun;
    let mut events = Vec::with_capacity(EVENTS_MAX);
    for index in 0..run.lines.len() {
        run.fill(index, window, begun)?;
    }
    loop {
        let now = Instant::now();
        if counted_from.is_none() && now >= begin {
            mark();
            run.counting = true;
            counted_from = Some((Instant::now(), thread_cpu()));
        }
        if run.issuing && now >= end {
            run.issuing = false;
        }
        if let (false, true, Some((from, cpu))) = (run.issuing, run.counting, counted_from) {
            // Replies to what is still outstanding are read but no longer counted.
            run.counting = matches!(span, Span::All) && run.outstanding > 0;
            if !run.counting {
                run.measured.seconds = from.elapsed().as_secs_f64();
                run.measured.generator_cpu = (thread_cpu() - cpu).as_secs_f64() / run.measured.seconds;
                mark();
            }
        }
        if !run.issuing && run.outstanding == 0 {
            break;
        }
        let before = run.measured.ops_all;
        run.wait(&mut events)?;
        for event in events.drain(..) {
            run.serve(event.data.u64() as usize)?;
        }
        let now = Instant::now();
        if run.measured.ops_all > before {
            last_reply = now;
        }
        ensure!(now - last_reply < STALL_MAX, "no reply for {STALL_MAX:?}, {} requests outstanding", run.outstanding);
        ensure!(now - begun < RUN_MAX, "not finished after {RUN_MAX:?}");
    }
    run.finish()
}

impl<'a, R: Requests> Run<'a, R> {
    fn new(sessions: Vec<Session>, requests: &'a mut R) -> Result<Run<'a, R>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("create an epoll")?;
        let mut lines = Vec::with_capacity(sessions.len());
        for (index, session) in sessions.into_iter().enumerate() {
            session.stream.set_nonblocking(true)?;
            epoll::add(&epoll, &session.stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            lines.push(Line {
                next_reply: session.xid + 1,
                session,
                input: vec![0; READ_BYTES],
                filled: 0,
                output: Vec::with_capacity(READ_BYTES),
                written: 0,
                waiting: VecDeque::new(),
                wants_write: false,
            });
        }
        let measured = Measured {
            ops: 0,
            seconds: 0.0,
            ops_all: 0,
            reads: Histogram::default(),
            writes: Histogram::default(),
            generator_cpu: 0.0,
        };
        Ok(Run { lines, epoll, requests, issuing: true, counting: false, outstanding: 0, measured })
    }

    fn wait(&self, events: &mut Vec<epoll::Event>) -> Result<()> {
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&second)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("wait for replies"),
        }
    }

    /// Issues up to `count` requests of a session in one write.
    fn fill(&mut self, index: usize, count: usize, now: Instant) -> Result<()> {
        let line = &mut self.lines[index];
        if self.issuing {
            for _ in 0..count {
                let xid = line.session.xid + 1;
                let Some(expected) = self.requests.next(index, xid, &mut line.output) else {
                    self.issuing = false;
                    break;
                };
                line.session.xid = xid;
                line.waiting.push_back((now, expected));
                self.outstanding += 1;
            }
        }
        line.flush()?;
        let wants_write = !line.output.is_empty();
        if wants_write != line.wants_write {
            line.wants_write = wants_write;
            let flags = if wants_write { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &line.session.stream, EventData::new_u64(index as u64), flags)?;
        }
        Ok(())
    }

    fn serve(&mut self, index: usize) -> Result<()> {
        let line = &mut self.lines[index];
        match line.session.stream.read(&mut line.input[line.filled..]) {
            Ok(0) => bail!("the server closed a connection with {} requests outstanding", line.waiting.len()),
            Ok(bytes) => line.filled += bytes,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error).context("read replies"),
        }
        let now = Instant::now();
        let (mut at, mut replies) = (0, 0);
        while let Some(bytes) = frames::complete(&line.input[at..line.filled])
            .map_err(|length| anyhow::anyhow!("a reply of {length} bytes announced"))?
        {
            let (sent, expected) = line.waiting.pop_front().context("a reply nobody waits for")?;
            check(&line.input[at + LENGTH_BYTES..at + bytes], line.next_reply, expected)?;
            line.next_reply += 1;
            at += bytes;
            replies += 1;
            if self.counting {
                self.measured.ops += 1;
                match expected.kind {
                    Kind::Read => self.measured.reads.record(now - sent),
                    Kind::Write => self.measured.writes.record(now - sent),
                }
            }
        }
        line.input.copy_within(at..line.filled, 0);
        line.filled -= at;
        self.outstanding -= replies;
        self.measured.ops_all += replies as u64;
        self.fill(index, replies, now)
    }

    fn finish(self) -> Result<(Measured, Vec<Session>)> {
        let mut sessions = Vec::with_capacity(self.lines.len());
        for line in self.lines {
            line.session.stream.set_nonblocking(false)?;
            sessions.push(line.session);
        }
        Ok((self.measured, sessions))
    }
}

impl Line {
    fn flush(&mut self) -> Result<()> {
        while self.written < self.output.len() {
            match self.session.stream.write(&self.output[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("write requests"),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}

fn check(body: &[u8], xid: i32, expected: Expected) -> Result<()> {
    ensure!(body.len() >= REPLY_HEADER_BYTES, "a reply of {} bytes has no header", body.len());
    let (found, error) = (int(body, 0), int(body, 12));
    ensure!(found == xid, "a reply out of order: xid {found}, expected {xid}");
    ensure!(error == 0, "the reply to xid {xid} has error {error}");
    let bytes = expected.body_bytes;
    ensure!(body.len() == bytes, "the reply to xid {xid} has {} bytes, expected {bytes}", body.len());
    if expected.kind == Kind::Read {
        let data = &body[REPLY_HEADER_BYTES + 4..][..DATA_BYTES];
        ensure!(data == DATA, "the reply to xid {xid} has the wrong data");
    }
    Ok(())
}

/// The processor time this thread has used.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
