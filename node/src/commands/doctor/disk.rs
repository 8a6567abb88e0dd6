//! How long the disk takes to make a small write durable: what every write of every client waits for.
//!
//! A bounded series of writes with `fdatasync` into a temporary file beside the transaction log, in space that was written
//! before, as the log's is. The file is removed afterwards, also when the series is interrupted or fails.

use super::finding::Finding;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Syncs in a series; enough for a 99th percentile.
const SYNCS_MAX: usize = 200;
/// A slow disk ends the series early, after at least one sync.
const SERIES_MAX: Duration = Duration::from_secs(3);
/// Bytes of a write: a batch of a few transactions.
const WRITE_BYTES: usize = 4 << 10;
/// Size of the temporary file.
const FILE_BYTES: usize = WRITE_BYTES * SYNCS_MAX;
/// A 99th percentile from here on is worth knowing about.
const P99_SLOW: Duration = Duration::from_millis(10);
/// And from here on every client feels it.
const P99_BAD: Duration = Duration::from_millis(50);

/// A measured series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// One for each sync, ascending.
    took: Vec<Duration>,
}

/// What the times are held against.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `fsync.warningthresholdms`: the server reports a longer sync.
    pub warning: Duration,
    /// `syncLimit`: a learner that acknowledges nothing for so long is given up. `None` for a standalone server.
    pub sync_limit: Option<Duration>,
}

/// Removes the file whatever happens.
struct Temporary {
    file: File,
    path: PathBuf,
}

impl Temporary {
    fn create(dir: &Path) -> io::Result<Temporary> {
        let path = dir.join(format!("doctor-{}.tmp", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Temporary { file, path })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            eprintln!("remove {}: {error}. hint: remove it by hand; a server ignores it", self.path.display());
        }
    }
}

impl Series {
    /// Measures in `dir`. Ends early when `stop` is set.
    ///
    /// # Errors
    /// When the file cannot be made, written or synced.
    pub fn measure(dir: &Path, stop: &AtomicBool) -> io::Result<Series> {
        let temporary = Temporary::create(dir)?;
        temporary.file.write_all_at(&vec![0; FILE_BYTES], 0)?;
        temporary.file.sync_all()?;
        let bytes = [0x5a; WRITE_BYTES];
        let began = Instant::now();
        let mut took = Vec::with_capacity(SYNCS_MAX);
        for offset in (0..FILE_BYTES as u64).step_by(WRITE_BYTES) {
            let before = Instant::now();
            temporary.file.write_all_at(&bytes, offset)?;
            temporary.file.sync_data()?;
            took.push(before.elapsed());
            if began.elapsed() > SERIES_MAX || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        took.sort_unstable();
        Ok(Series { took })
    }

    /// The time that this many of a hundred syncs do not exceed.
    fn percentile(&self, hundredths: usize) -> Duration {
        let rank = (self.took.len() * hundredths).div_ceil(100).max(1);
        self.took.get(rank - 1).copied().unwrap_or_default()
    }

    fn max(&self) -> Duration {
        self.took.last().copied().unwrap_or_default()
    }

    /// What it means for a server.
    #[must_use]
    pub fn judge(&self, dir: &Path, limits: Limits) -> Finding {
        let id = "disk.latency";
        let (p50, p99, max) = (self.percentile(50), self.percentile(99), self.max());
        let found = format!(
            "{} writes of {WRITE_BYTES} bytes with fdatasync: p50 {}, p99 {}, max {}",
            self.took.len(),
            ms(p50),
            ms(p99),
            ms(max)
        );
        let about = dir.display().to_string();
        let remedy = "put dataLogDir on a device of its own (local SSD), away from snapshots, swap and other programs";
        if limits.sync_limit.is_some_and(|limit| max >= limit / 2) {
            let found =
                format!("{found}; a learner is given up after {} without an acknowledgement", ms_of_limit(limits));
            return Finding::problem(id, about, found, remedy);
        }
        if p99 >= P99_BAD || max >= limits.warning {
            return Finding::warning(id, about, found, remedy);
        }
        if p99 >= P99_SLOW {
            return Finding::note(id, about, found).with_remedy(remedy);
        }
        Finding::ok(id, about, found)
    }
}

fn ms_of_limit(limits: Limits) -> String {
    limits.sync_limit.map_or_else(String::new, ms)
}

fn ms(time: Duration) -> String {
    let us = time.as_micros();
    format!("{}.{:02} ms", us / 1000, us % 1000 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;

    fn series(took_ms: &[u64]) -> Series {
        let mut took: Vec<Duration> = took_ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
        took.sort_unstable();
        Series { took }
    }

    #[test]
    fn percentiles_are_of_the_series() {
        let hundred = series(&(1..=100).collect::<Vec<_>>());
        assert_eq!(hundred.percentile(50), Duration::from_millis(50));
        assert_eq!(hundred.percentile(99), Duration::from_millis(99));
        assert_eq!(hundred.max(), Duration::from_millis(100));
        assert_eq!(series(&[7]).percentile(50), Duration::from_millis(7));
    }

    #[test]
    fn slowness_is_graded() {
        let limits = Limits { warning: Duration::from_secs(1), sync_limit: Some(Duration::from_secs(10)) };
        let check = |took_ms: &[u64], status: Status| {
            let finding = series(took_ms).judge(Path::new("/log"), limits);
            assert_eq!(finding.status, status, "{finding:?}");
        };
        check(&[1, 1, 2], Status::Ok);
        check(&[1, 1, 12], Status::Note);
        check(&[1, 1, 60], Status::Warning);
        check(&[1, 1, 5000], Status::Problem);
        // One slow sync in many is seen by its length, not by the percentile.
        check(&[vec![1; 199], vec![1100]].concat(), Status::Warning);
        let alone = Limits { sync_limit: None, ..limits };
        assert_eq!(series(&[5000]).judge(Path::new("/log"), alone).status, Status::Warning);
    }

    #[test]
    fn a_measurement_leaves_nothing_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let series = Series::measure(dir.path(), &AtomicBool::new(false)).expect("a series");
        assert!((1..=SYNCS_MAX).contains(&series.took.len()), "{series:?}");
        let stopped = Series::measure(dir.path(), &AtomicBool::new(true)).expect("a series");
        assert_eq!(stopped.took.len(), 1);
        assert_eq!(fs::read_dir(dir.path()).expect("the directory").count(), 0);
    }
}
