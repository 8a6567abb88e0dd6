//! When to say that a peer cannot be reached: early, then ever more rarely, and never in a flood.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::time::Duration;

use tokio::time::Instant;
use wire::ServerId;

/// Lines about unreachable peers in one window, for all peers together.
const LINES_MAX: usize = 20;
const WINDOW: Duration = Duration::from_secs(30);
/// A peer is named again when the wait between attempts has grown by this factor,
const GROWTH: u32 = 4;
/// or after this long, or after this long where it fails for another reason than before.
const REMINDER: Duration = Duration::from_secs(60);
const NEW_REASON: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Reports {
    /// Of each unreachable peer, the last line. As many as peers are being dialled.
    last: BTreeMap<ServerId, Line>,
    recent: VecDeque<Instant>,
}

struct Line {
    at: Instant,
    reason: ErrorKind,
    retry: Duration,
}

impl Line {
    /// Whether there is something new to say.
    fn is_old(&self, reason: ErrorKind, retry: Duration, now: Instant) -> bool {
        let age = now.duration_since(self.at);
        retry >= self.retry * GROWTH || age >= REMINDER || (reason != self.reason && age >= NEW_REASON)
    }
}

impl Reports {
    /// Whether a failed attempt deserves a line now.
    pub fn is_due(&mut self, sid: ServerId, reason: ErrorKind, retry: Duration, now: Instant) -> bool {
        let news = self.last.get(&sid).is_none_or(|line| line.is_old(reason, retry, now));
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        if !news || self.recent.len() >= LINES_MAX {
            return false;
        }
        self.recent.push_back(now);
        self.last.insert(sid, Line { at: now, reason, retry });
        true
    }

    /// The peer was reached: its next failure is news. Answers whether its absence had been reported.
    pub fn reached(&mut self, sid: ServerId) -> bool {
        self.last.remove(&sid).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RETRY_MS_MAX, RETRY_MS_MIN};
    use super::*;

    /// The lines of the first half minute with `peers` unreachable from the start, for these reasons in turn.
    fn lines(peers: i64, reasons: &[ErrorKind]) -> BTreeMap<ServerId, usize> {
        let start = Instant::now();
        let mut reports = Reports::default();
        let mut attempts: Vec<(u64, i64, u64)> = (1..=peers).map(|sid| (0, sid, RETRY_MS_MIN)).collect();
        let mut lines = BTreeMap::new();
        let mut reasons = reasons.iter().copied().cycle();
        loop {
            attempts.sort_unstable();
            let (at, sid, retry) = attempts[0];
            if at >= 30_000 {
                return lines;
            }
            let now = start + Duration::from_millis(at);
            let reason = reasons.next().unwrap();
            if reports.is_due(ServerId(sid), reason, Duration::from_millis(retry), now) {
                *lines.entry(ServerId(sid)).or_default() += 1;
            }
            attempts[0] = (at + retry, sid, (retry * 2).min(RETRY_MS_MAX));
        }
    }

    #[test]
    fn a_missing_ensemble_is_no_flood() {
        for peers in 1..30 {
            for reasons in [&[ErrorKind::NotFound][..], &[ErrorKind::NotFound, ErrorKind::TimedOut]] {
                let lines = lines(peers, reasons);
                let total: usize = lines.values().sum();
                assert!(total <= LINES_MAX, "{total} lines for {peers} peers");
                assert_eq!(
                    lines.len(),
                    usize::try_from(peers).unwrap().min(LINES_MAX),
                    "some of {peers} peers are never named"
                );
            }
        }
    }

    #[test]
    fn another_reason_is_news_but_not_each_time() {
        let now = Instant::now();
        let mut reports = Reports::default();
        let retry = Duration::from_millis(RETRY_MS_MAX);
        let (unresolved, refused) = (ErrorKind::NotFound, ErrorKind::ConnectionRefused);
        assert!(reports.is_due(ServerId(1), unresolved, retry, now));
        assert!(!reports.is_due(ServerId(1), refused, retry, now + retry));
        assert!(reports.is_due(ServerId(1), refused, retry, now + NEW_REASON));
        assert!(!reports.is_due(ServerId(1), refused, retry, now + NEW_REASON * 2));
    }

    #[test]
    fn a_peer_that_came_and_went_is_news() {
        let now = Instant::now();
        let mut reports = Reports::default();
        let (reason, retry) = (ErrorKind::TimedOut, Duration::from_millis(RETRY_MS_MIN));
        assert!(reports.is_due(ServerId(1), reason, retry, now));
        assert!(!reports.is_due(ServerId(1), reason, retry, now));
        assert!(reports.reached(ServerId(1)));
        assert!(reports.is_due(ServerId(1), reason, retry, now));
        assert!(reports.is_due(ServerId(1), reason, retry, now + REMINDER));
    }
}
