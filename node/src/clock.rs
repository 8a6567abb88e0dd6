//! The one place that reads clocks.

use replica::Now;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::Millis;

/// The start of the process, the zero of monotonic milliseconds. A little later than zero, so that "never" can be 0.
static START: OnceLock<Instant> = OnceLock::new();

fn start() -> Instant {
    *START.get_or_init(Instant::now)
}

/// Monotonic milliseconds since the start of the process.
#[must_use]
pub fn mono() -> Millis {
    Millis(i64::try_from(start().elapsed().as_millis()).unwrap_or(i64::MAX))
}

/// Monotonic microseconds since the start of the process, never 0: for measuring.
#[must_use]
pub fn micros() -> u64 {
    u64::try_from(start().elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
}

/// The monotonic milliseconds of such microseconds.
#[must_use]
pub fn mono_of(us: u64) -> Millis {
    Millis(i64::try_from(us / 1000).unwrap_or(i64::MAX))
}

/// Milliseconds since 1970; 0 for a clock set before that.
#[must_use]
pub fn wall() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Both clocks, for the core.
#[must_use]
pub fn now() -> Now {
    Now { mono: mono(), wall: wall() }
}

/// The instant of a monotonic time.
#[must_use]
pub fn instant(at: Millis) -> Instant {
    start() + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}
