//! When to write a snapshot beside the normal work (`SyncRequestProcessor`).

use crate::settings::Settings;

/// Counts transactions and bytes since the last snapshot. The limits are jittered between a half and the whole, so that the
/// servers of an ensemble do not write their snapshots at the same time.
#[derive(Debug)]
pub struct SnapshotSchedule {
    count_max: u64,
    bytes_max: u64,
    count: u64,
    bytes: u64,
    count_limit: u64,
    bytes_limit: u64,
    random: u64,
}

impl SnapshotSchedule {
    /// Begins to count.
    #[must_use]
    pub fn new(settings: &Settings) -> SnapshotSchedule {
        let mut schedule = SnapshotSchedule {
            count_max: settings.snap_count.max(2),
            bytes_max: settings.snap_bytes,
            count: 0,
            bytes: 0,
            count_limit: 0,
            bytes_limit: 0,
            random: settings.jitter_seed | 1,
        };
        schedule.draw();
        schedule
    }

    /// A transaction was appended.
    pub fn appended(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
    }

    /// Whether a snapshot is due; answering yes starts the count anew.
    pub fn is_due(&mut self) -> bool {
        let due = self.count > self.count_limit || (self.bytes_max > 0 && self.bytes > self.bytes_limit);
        if due {
            self.count = 0;
            self.bytes = 0;
            self.draw();
        }
        due
    }

    fn draw(&mut self) {
        self.count_limit = self.count_max / 2 + self.next_random() % (self.count_max / 2).max(1);
        self.bytes_limit = self.bytes_max / 2 + self.next_random() % (self.bytes_max / 2).max(1);
    }

    /// xorshift64: a fixed sequence for a seed, so that a simulation can be repeated.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}
