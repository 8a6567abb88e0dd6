//! Waiting for a condition, with a deadline and a name.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Short enough not to distort a measured gap, long enough to leave two cores to
/// the servers under test.
const POLL: Duration = Duration::from_millis(10);

/// Polls `probe` until it yields a value; panics with `what` once `limit` has passed.
///
/// # Panics
/// When the condition did not come true in time: a test can do nothing better.
pub fn until<T>(what: &str, limit: Duration, probe: impl FnMut() -> Option<T>) -> T {
    match poll(limit, probe) {
        Some(value) => value,
        None => panic!("waited {limit:?} in vain for {what}"),
    }
}

/// As [`until`], for callers with a way on: `None` once `limit` has passed.
pub fn poll<T>(limit: Duration, probe: impl FnMut() -> Option<T>) -> Option<T> {
    poll_every(POLL, limit, probe)
}

/// As [`poll`], with a pause of the caller's between two looks, where a look costs more than a moment.
pub fn poll_every<T>(pause: Duration, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
    }
}
