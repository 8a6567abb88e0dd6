//! What a power cut leaves of the changes that were not synced.

use std::path::PathBuf;

/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// Which unsynced changes survive a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None: the power went, and nothing had been written back.
    Nothing,
    /// All: the process died, the operating system did not.
    Everything,
    /// The first `ops` changes in the order they were made, and `bytes` bytes of the next one if it is a write.
    First {
        /// Whole changes kept.
        ops: usize,
        /// Bytes of the one behind them.
        bytes: usize,
    },
    /// Any set of written sectors, and the first few changes of names and lengths.
    Random(u64),
}

/// A change that is not durable yet.
#[derive(Clone)]
pub(super) enum Change {
    Write { file: u64, offset: u64, bytes: Vec<u8> },
    SetLen { file: u64, len: u64 },
    Link { path: PathBuf, file: u64 },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, file: u64 },
}

/// The changes that reach the disk, in order.
pub(super) fn surviving(journal: Vec<Change>, keep: Keep) -> Vec<Change> {
    match keep {
        Keep::Nothing => Vec::new(),
        Keep::Everything => journal,
        Keep::First { ops, bytes } => {
            let torn = journal.get(ops).cloned();
            let mut kept: Vec<_> = journal.into_iter().take(ops).collect();
            if let Some(Change::Write { file, offset, bytes: mut written }) = torn {
                written.truncate(bytes);
                kept.push(Change::Write { file, offset, bytes: written });
            }
            kept
        }
        Keep::Random(seed) => surviving_at_random(journal, seed),
    }
}

fn surviving_at_random(journal: Vec<Change>, mut seed: u64) -> Vec<Change> {
    let metadata = journal.iter().filter(|change| !matches!(change, Change::Write { .. })).count() as u64;
    // Journalling file systems keep the order of names and lengths, but not their order against data.
    let mut metadata_left = next_random(&mut seed) % (metadata + 1);
    let mut kept = Vec::new();
    for change in journal {
        match change {
            Change::Write { file, offset, bytes } => {
                let mut at = 0;
                while at < bytes.len() {
                    let in_sector = (offset as usize + at) % SECTOR_BYTES;
                    let end = bytes.len().min(at + SECTOR_BYTES - in_sector);
                    if next_random(&mut seed) & 1 == 1 {
                        kept.push(Change::Write { file, offset: offset + at as u64, bytes: bytes[at..end].to_vec() });
                    }
                    at = end;
                }
            }
            other if metadata_left > 0 => {
                metadata_left -= 1;
                kept.push(other);
            }
            _ => {}
        }
    }
    kept
}

/// splitmix64.
fn next_random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
