//! Deletes containers and TTL nodes that nobody uses (`ContainerManager`), on the leader or a standalone server only.

use crate::settings::Settings;
use std::collections::VecDeque;
use wire::Millis;

/// How often a queue of deletions is looked at, ms.
const PACE_MS: i64 = 100;

/// Finds candidates every interval and hands them out evenly, so that a million of them do not stop the writes of clients.
#[derive(Debug)]
pub struct Reaper {
    interval_ms: i64,
    per_minute_max: usize,
    queue: VecDeque<String>,
    next_scan: Millis,
    next_release: Millis,
}

impl Reaper {
    /// Not running.
    #[must_use]
    pub fn new(settings: &Settings) -> Reaper {
        Reaper {
            interval_ms: settings.container_check_interval_ms,
            per_minute_max: settings.container_max_per_minute,
            queue: VecDeque::new(),
            next_scan: Millis(0),
            next_release: Millis(0),
        }
    }

    /// Begins: the first scan is one interval away.
    pub fn restart(&mut self, now: Millis) {
        self.queue.clear();
        self.next_scan = now.plus(self.interval_ms);
    }

    /// When [`Self::release`] is wanted.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.interval_ms <= 0 {
            return None;
        }
        Some(if self.queue.is_empty() { self.next_scan } else { self.next_release })
    }

    /// The paths to delete now. `scan` finds candidates; it is called once an interval, when the queue has run dry.
    pub fn release(&mut self, now: Millis, scan: impl FnOnce() -> Vec<String>) -> Vec<String> {
        if self.interval_ms <= 0 || self.next_deadline().is_some_and(|deadline| now < deadline) {
            return Vec::new();
        }
        if self.queue.is_empty() {
            self.next_scan = now.plus(self.interval_ms);
            self.queue.extend(scan());
        }
        self.next_release = now.plus(PACE_MS);
        let share = (self.per_minute_max as i64 * PACE_MS / 60_000).max(1) as usize;
        self.queue.drain(..share.min(self.queue.len())).collect()
    }
}
