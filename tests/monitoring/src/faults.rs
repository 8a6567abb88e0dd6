//! Clients that want too much, within bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use support::session::Session;
use support::wait;

/// Sessions that a flood keeps, more than any server lets it have from one address.
const SESSIONS_MAX: usize = 64;
/// The pause between two attempts: forty per second.
const PAUSE: Duration = Duration::from_millis(25);
/// Attempts of one flood at most, whatever becomes of who stops it.
const ATTEMPTS_MAX: usize = 40 * 120;
/// The timeout asked for; they are closed, none expires.
const TIMEOUT_MS: i32 = 60_000;

/// A client that opens one connection after the other to one server, until it is stopped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Flood {
    /// Begins.
    pub fn start(addr: SocketAddr) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let told = Arc::clone(&stop);
        Self { stop, thread: Some(std::thread::spawn(move || flood(addr, &told))) }
    }

    /// Ends, with every session closed; returns how many there were.
    ///
    /// # Panics
    /// When the client did.
    pub fn stop(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("a flood is stopped once");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn flood(addr: SocketAddr, stop: &AtomicBool) -> usize {
    let mut sessions: Vec<Session> = Vec::new();
    for attempt in 0..ATTEMPTS_MAX {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match Session::open(addr, TIMEOUT_MS) {
            Ok(session) if sessions.len() < SESSIONS_MAX => sessions.push(session),
            Ok(mut session) => drop(session.close()),
            // Refused, which is what the server should do.
            Err(_) => {}
        }
        if let Some(session) = sessions.get_mut(attempt % SESSIONS_MAX) {
            // A ping that is not answered is what floods are made of.
            let _ = session.ping();
        }
        wait::poll(PAUSE, || stop.load(Ordering::Relaxed).then_some(()));
    }
    let kept = sessions.len();
    for mut session in sessions {
        // One that the server has lost is closed already.
        let _ = session.close();
    }
    kept
}
