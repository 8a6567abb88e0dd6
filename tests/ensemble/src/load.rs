//! Writers with a memory. What a server has acknowledged to one of them must be there for ever after.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::session::{Failure, Mode, NODE_EXISTS, Refused, Session};
use support::wait;

/// Long enough for a session to outlive the restart of a whole ensemble.
pub const SESSION_MS: i32 = 60_000;

/// How long a writer may take to find its way back to a server.
const RECONNECT: Duration = Duration::from_secs(60);

/// What one writer was told.
#[derive(Debug, Default, Clone)]
pub struct Record {
    /// The session that wrote all this.
    pub session_id: i64,
    /// Znodes whose creation was acknowledged and that were never deleted.
    pub created: Vec<String>,
    /// Znodes whose deletion was acknowledged.
    pub deleted: Vec<String>,
    /// The znode that is set again and again.
    pub counter: String,
    /// The last value of it that was acknowledged.
    pub counter_value: u64,
    /// The ephemeral that must live as long as the session.
    pub ephemeral: String,
    /// Pauses between two acknowledgements that were longer than [`Load::GAP`], when they ended.
    pub gaps: Vec<(Instant, Duration)>,
}

/// Writers at work.
#[derive(Debug)]
pub struct Load {
    acks: Vec<Arc<AtomicU64>>,
    stop: Arc<AtomicBool>,
    records: Vec<Arc<Mutex<Record>>>,
    threads: Vec<JoinHandle<Result<Session, String>>>,
}

impl Load {
    /// Pauses shorter than this are ordinary.
    pub const GAP: Duration = Duration::from_millis(20);

    /// Starts `writers` writers beneath `/load`; each prefers another server.
    ///
    /// # Panics
    /// When no session can be had.
    pub fn start(addrs: &[SocketAddr], writers: usize) -> Self {
        let mut first = Session::open_any(addrs, SESSION_MS, RECONNECT);
        match first.create("/load", b"", Mode::Persistent) {
            Ok(_) | Err(Failure::Code(NODE_EXISTS)) => {}
            Err(e) => panic!("create /load: {e:?}"),
        }
        first.close().expect("a session can be closed");
        let mut load = Self { acks: vec![], stop: Arc::default(), records: vec![], threads: vec![] };
        for number in 0..writers {
            let mut addrs = addrs.to_vec();
            let servers = addrs.len();
            addrs.rotate_left(number % servers);
            let (acks, record): (Arc<AtomicU64>, Arc<Mutex<Record>>) = Default::default();
            let mut writer = Writer {
                name: format!("w{number}"),
                addrs,
                acks: Arc::clone(&acks),
                stop: Arc::clone(&load.stop),
                record: Arc::clone(&record),
                last_ack: Instant::now(),
            };
            load.acks.push(acks);
            load.records.push(record);
            load.threads.push(std::thread::spawn(move || writer.run()));
        }
        load
    }

    /// Waits until every writer has had `more` further acknowledgements.
    ///
    /// # Panics
    /// When one does not get them within `limit`; with what ended a writer, if one has ended.
    pub fn progress(&mut self, more: u64, limit: Duration) {
        let goals: Vec<u64> = self.acks.iter().map(|acks| acks.load(Ordering::Relaxed) + more).collect();
        let done = wait::poll(limit, || {
            if let Some(ended) = self.threads.iter().position(JoinHandle::is_finished) {
                return Some(Some(ended));
            }
            let there = self.acks.iter().zip(&goals).all(|(acks, goal)| acks.load(Ordering::Relaxed) >= *goal);
            there.then_some(None)
        });
        match done {
            Some(None) => {}
            None => panic!("writers did not get {more} more acknowledgements each within {limit:?}"),
            Some(Some(ended)) => {
                let outcome = self.threads.swap_remove(ended).join();
                panic!("a writer has ended: {:?}", outcome.map(|o| o.map(drop)));
            }
        }
    }

    /// The longest pause that ended since `since`, over all writers.
    pub fn longest_gap(&self, since: Instant) -> Duration {
        let longest = |record: &Arc<Mutex<Record>>| {
            let record = record.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            record.gaps.iter().filter(|(at, _)| *at >= since).map(|(_, gap)| *gap).max()
        };
        self.records.iter().filter_map(longest).max().unwrap_or_default()
    }

    /// Stops the writers and returns what they know, with their sessions still open.
    ///
    /// # Panics
    /// When a writer had lost its session or had been told something that cannot be.
    pub fn finish(self) -> Vec<(Record, Session)> {
        self.stop.store(true, Ordering::Relaxed);
        let outcomes = self.threads.into_iter().map(|thread| match thread.join() {
            Ok(Ok(session)) => session,
            Ok(Err(reason)) => panic!("{reason}"),
            Err(panic) => std::panic::resume_unwind(panic),
        });
        let sessions: Vec<Session> = outcomes.collect();
        let records = self.records.iter().map(|r| r.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone());
        records.zip(sessions).collect()
    }
}

struct Writer {
    name: String,
    addrs: Vec<SocketAddr>,
    acks: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    last_ack: Instant,
}

impl Writer {
    fn run(&mut self) -> Result<Session, String> {
        let mut session = Session::open_any(&self.addrs, SESSION_MS, RECONNECT);
        let (counter, ephemeral) = (format!("/load/{}-counter", self.name), format!("/load/{}-ephemeral", self.name));
        self.write(&mut session, |s| s.create(&counter, b"0", Mode::Persistent).map(drop))?;
        self.write(&mut session, |s| s.create(&ephemeral, b"", Mode::Ephemeral).map(drop))?;
        self.remember(|r| {
            r.session_id = session.granted().session_id;
            r.counter = counter.clone();
            r.ephemeral = ephemeral.clone();
        });
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let path = format!("/load/{}-{number:06}", self.name);
            self.write(&mut session, |s| s.create(&path, path.as_bytes(), Mode::Persistent).map(drop))?;
            self.remember(|r| r.created.push(path.clone()));
            self.write(&mut session, |s| s.set(&counter, number.to_string().as_bytes()).map(drop))?;
            self.remember(|r| r.counter_value = number);
            if number % 3 == 0 {
                // From the moment it is asked for, the znode may be gone.
                self.remember(|r| r.created.retain(|p| *p != path));
                self.write(&mut session, |s| s.delete(&path))?;
                self.remember(|r| r.deleted.push(path));
            }
        }
        Ok(session)
    }

    fn remember(&self, note: impl FnOnce(&mut Record)) {
        note(&mut self.record.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    /// Repeats `request` until it is acknowledged. After a broken connection it may find its own earlier work done.
    fn write(
        &mut self,
        session: &mut Session,
        mut request: impl FnMut(&mut Session) -> Result<(), Failure>,
    ) -> Result<(), String> {
        let mut repeated = false;
        loop {
            match request(session) {
                Ok(()) => break,
                Err(Failure::Code(NODE_EXISTS | support::session::NO_NODE)) if repeated => break,
                Err(Failure::Code(code)) => return Err(format!("{} was refused with {code}", self.name)),
                Err(Failure::Broken) => {
                    repeated = true;
                    self.reconnect(session)?;
                }
            }
        }
        let (now, before) = (Instant::now(), self.last_ack);
        self.last_ack = now;
        self.acks.fetch_add(1, Ordering::Relaxed);
        if now - before > Load::GAP {
            self.remember(|r| r.gaps.push((now, now - before)));
        }
        Ok(())
    }

    fn reconnect(&mut self, session: &mut Session) -> Result<(), String> {
        session.reconnect_any(&self.addrs, RECONNECT).map_err(|refused| match refused {
            Refused::Expired => format!("{}: the session {:#x} was lost", self.name, session.granted().session_id),
            Refused::NoAnswer => format!("{}: no server took the session back within {RECONNECT:?}", self.name),
        })
    }
}
