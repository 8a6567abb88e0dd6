//! How often an expensive command may be asked for (`RateLimiter`).

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Admits one call in an interval, whoever makes it; calls that then fail count, too.
#[derive(Debug)]
pub struct Limiter {
    interval: Duration,
    admitted: Mutex<Option<Instant>>,
}

impl Limiter {
    /// One that admits a call at once. Without an interval it admits all.
    #[must_use]
    pub fn new(interval: Duration) -> Limiter {
        Limiter { interval, admitted: Mutex::default() }
    }

    /// Admits a call that is made at `now`.
    ///
    /// # Errors
    /// How long it is until the next one is admitted.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut admitted = self.admitted.lock();
        let since = admitted.map(|at| now.saturating_duration_since(at));
        if let Some(since) = since.filter(|since| *since < self.interval) {
            return Err(self.interval - since);
        }
        *admitted = Some(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_an_interval() {
        let (limiter, start) = (Limiter::new(Duration::from_millis(300)), Instant::now());
        let admit = |ms: u64| limiter.admit(start + Duration::from_millis(ms));
        assert_eq!(admit(0), Ok(()));
        assert_eq!(admit(100), Err(Duration::from_millis(200)));
        assert_eq!(admit(299), Err(Duration::from_millis(1)), "a refusal does not begin another interval");
        assert_eq!(admit(300), Ok(()));
        assert!(admit(301).is_err());
    }

    #[test]
    fn without_an_interval_all_are_admitted() {
        let (limiter, now) = (Limiter::new(Duration::ZERO), Instant::now());
        assert!((0..3).all(|_| limiter.admit(now).is_ok()));
    }
}
