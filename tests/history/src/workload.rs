//! Clients at work on the same few znodes, each through whichever server it finds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::rng::Rng;
use support::wait;

use crate::client::{Client, Recorded};
use crate::keys::{Keys, ROOT};
use crate::record::{Answer, Outcome, Request, Ticks};

/// The longest a client thinks between two operations, µs. Without it the clients would take both cores from the servers,
/// and the check at the end more time than the run.
const THINKING_US_MAX: usize = 8000;

/// A pause of one client between two servers that did not take it, so that a dead ensemble is not hammered.
const BETWEEN_SERVERS: Duration = Duration::from_millis(20);

/// One in so many operations is done on another server than the one before.
const MOVES: usize = 50;

/// What the clients tell while they work.
#[derive(Debug)]
pub struct Progress {
    writes: AtomicU64,
    /// When a write was last acknowledged to anybody, and the longest pause between two so far.
    gap: Mutex<(Instant, Duration)>,
}

impl Progress {
    fn note_write(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        let mut gap = self.gap.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *gap = (now, gap.1.max(now.duration_since(gap.0)));
    }

    /// Writes acknowledged so far, over all clients.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// The longest time in which no client had a write acknowledged.
    pub fn longest_gap(&self) -> Duration {
        self.gap.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Waits for `more` acknowledged writes.
    ///
    /// # Panics
    /// When they do not come within `limit`.
    pub fn wait_writes(&self, more: u64, limit: Duration) {
        let goal = self.writes() + more;
        wait::until(&format!("{more} more acknowledged writes"), limit, || (self.writes() >= goal).then_some(()));
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Workload {
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Recorded>>,
}

impl Workload {
    /// Starts `clients` clients; the calling thread's network is theirs.
    pub fn start(addrs: &[SocketAddr], clients: usize, seed: u64) -> Self {
        let progress =
            Arc::new(Progress { writes: AtomicU64::new(0), gap: Mutex::new((Instant::now(), Duration::ZERO)) });
        let (stop, ticks, keys): (Arc<AtomicBool>, Arc<Ticks>, Arc<Keys>) = Default::default();
        let mut rng = Rng::new(seed);
        let start = |number| {
            let mut worker = Worker {
                number,
                client: Client::new(number, addrs.to_vec(), Arc::clone(&ticks)),
                rng: Rng::new(rng.next_u64()),
                keys: Arc::clone(&keys),
                progress: Arc::clone(&progress),
                values: 0,
                seen: BTreeMap::new(),
            };
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    worker.turn();
                }
                worker.client.finish()
            })
        };
        let threads = (0..clients).map(start).collect();
        Self { progress, stop, threads }
    }

    /// What the clients tell.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Lets the clients end; what each recorded.
    ///
    /// # Panics
    /// As a client did.
    pub fn finish(mut self) -> Vec<Recorded> {
        self.stop.store(true, Ordering::Relaxed);
        let join =
            |thread: JoinHandle<Recorded>| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        std::mem::take(&mut self.threads).into_iter().map(join).collect()
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        // A test that fails in the middle does not wait for its clients, but they do not go on either.
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Worker {
    number: usize,
    client: Client,
    rng: Rng,
    keys: Arc<Keys>,
    progress: Arc<Progress>,
    /// Values written so far: no two writes of a run write the same.
    values: u64,
    /// What this client was last told of a znode: its version, or that it is not there. Others change it meanwhile, which
    /// makes some conditions fail; a client that was refused looks before it tries again.
    seen: BTreeMap<String, Option<i32>>,
}

impl Worker {
    fn turn(&mut self) {
        if !self.client.is_connected() && !self.client.try_connect() {
            std::thread::sleep(BETWEEN_SERVERS);
            return;
        }
        if self.rng.chance(1, MOVES) {
            self.client.disconnect();
            return;
        }
        std::thread::sleep(Duration::from_micros(self.rng.below(THINKING_US_MAX) as u64));
        let path = self.keys.pick(&mut self.rng);
        let request = self.choose(path);
        if matches!(request, Request::Get { .. }) && self.rng.chance(1, 3) {
            self.perform(Request::Sync);
        }
        let request = match request {
            Request::Get { path, .. } => Request::Get { path, synced: self.client.is_synced() },
            write => write,
        };
        self.perform(request);
    }

    fn choose(&mut self, path: String) -> Request {
        self.values += 1;
        let data = format!("{}:{}", self.number, self.values).into_bytes();
        let known = self.seen.get(&path).copied();
        let version = known.flatten().unwrap_or(0);
        let draw = self.rng.below(100);
        match (known, draw) {
            (None, 0..70) | (Some(Some(_)), 0..25) => Request::Get { path, synced: false },
            (Some(None), 0..70) | (_, 94..96) => Request::Create { path, data },
            (_, 96..98) => Request::Delete { path, version },
            (_, 98..) => Request::Delete { path, version: -1 },
            (_, 60..) => Request::Set { path, data, version },
            (_, _) => Request::Set { path, data, version: -1 },
        }
    }

    fn perform(&mut self, request: Request) {
        let Some(operation) = self.client.perform(request) else { return };
        if operation.request.is_write() && operation.is_acknowledged() {
            self.progress.note_write();
        }
        let Some(path) = operation.request.path() else { return };
        match &operation.outcome {
            Outcome::Ok { answer: Answer::Written(stat) | Answer::Read { stat, .. }, .. } => {
                self.seen.insert(path.to_owned(), Some(stat.version));
            }
            Outcome::Ok { answer: Answer::Done, .. } | Outcome::Refused { code: support::session::NO_NODE, .. } => {
                self.seen.insert(path.to_owned(), None);
            }
            // Something else than was known: the next read tells.
            Outcome::Refused { .. } => {
                self.seen.remove(path);
            }
            Outcome::Unknown => self.keys.note_unknown(path),
        }
    }
}

/// Makes the znode above all others.
///
/// # Panics
/// When no server does it within `limit`.
pub fn prepare(addrs: &[SocketAddr], limit: Duration) {
    use support::session::{Failure, Mode, NODE_EXISTS, Session};
    wait::until("a server to create the root of the test's znodes", limit, || {
        let mut session = addrs.iter().find_map(|addr| Session::open(*addr, 10_000).ok())?;
        let created = session.create(ROOT, b"", Mode::Persistent);
        // The session ends now or when it expires.
        let _ = session.close();
        matches!(created, Ok(_) | Err(Failure::Code(NODE_EXISTS))).then_some(())
    });
}
