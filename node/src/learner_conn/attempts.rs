//! How often and how long a leader is dialled that is not there yet.

use crate::limits::{DIAL_LONGER, DIAL_PAUSE_MIN, DIAL_TRIES};
use std::time::Duration;

/// When a leader that does not answer is dialled again, and for how long: as many times as Apache's server does and as long as
/// it takes for that, and a little longer, but without a long pause at the beginning.
pub(super) struct Attempts {
    made: u32,
    pause: Duration,
    pause_max: Duration,
}

impl Attempts {
    pub(super) fn new(pause_max: Duration) -> Attempts {
        Attempts { made: 0, pause: DIAL_PAUSE_MIN, pause_max: pause_max.max(DIAL_PAUSE_MIN) }
    }

    /// An attempt has failed so long after the first began: the pause before the next, if there is to be one.
    pub(super) fn pause_after(&mut self, elapsed: Duration) -> Option<Duration> {
        self.made += 1;
        if self.made >= DIAL_TRIES
            && elapsed >= self.pause_max.saturating_mul(DIAL_TRIES - 1).saturating_add(DIAL_LONGER)
        {
            return None;
        }
        let pause = self.pause;
        self.pause = self.pause.saturating_mul(2).min(self.pause_max);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pauses of a leader that refuses each attempt, in ms.
    fn pauses(attempt_ms: u64, pause_max_ms: u64) -> Vec<u128> {
        let mut attempts = Attempts::new(Duration::from_millis(pause_max_ms));
        let (mut pauses, mut elapsed) = (Vec::new(), Duration::ZERO);
        loop {
            elapsed += Duration::from_millis(attempt_ms);
            let Some(pause) = attempts.pause_after(elapsed) else { return pauses };
            elapsed += pause;
            pauses.push(pause.as_millis());
        }
    }

    #[test]
    fn the_first_pauses_are_short_and_the_last_attempt_is_late() {
        let refused = pauses(0, 100);
        assert_eq!(refused[..8], [1, 2, 4, 8, 16, 32, 64, 100]);
        // Apache's fifth attempt comes after 400 ms, and its leaders open their ports up to 200 ms later than ours.
        assert!((600..800).contains(&refused.iter().sum::<u128>()), "{refused:?}");
    }

    #[test]
    fn attempts_that_hang_are_as_many_as_apaches() {
        assert_eq!(pauses(10_000, 100).len() + 1, DIAL_TRIES as usize);
    }

    #[test]
    fn without_a_pause_configured_the_end_is_still_reached() {
        assert_eq!(pauses(50, 0).len() + 1, DIAL_TRIES as usize);
    }
}
