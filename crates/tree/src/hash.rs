//! The crate's hash: fast on short paths, seeded from outside, the same on every run.
//!
//! The tables are keyed by paths that clients choose, so a process picks a random seed (see [`crate::TreeSettings`]); tests
//! and the simulator pick a fixed one and stay reproducible.

use std::hash::{BuildHasher, Hasher};

const MIX: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93, 0xa076_1d64_78bd_642f];

/// Multiplies to 128 bits and folds the halves together.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Hashes bytes.
pub(crate) fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ MIX[0] ^ (bytes.len() as u64);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut array = [0; 8];
        array.copy_from_slice(word);
        state = fold(state ^ u64::from_le_bytes(array), MIX[1] ^ seed);
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    fold(fold(state ^ u64::from_le_bytes(last), MIX[1]), MIX[2])
}

/// A path's hash as nodes keep it.
pub(crate) fn hash_path(seed: u64, path: &str) -> u32 {
    let hash = hash_bytes(seed, path.as_bytes());
    (hash ^ (hash >> 32)) as u32
}

/// Spreads a 32-bit hash or number over 64 bits: hash tables take their tag from the top and their slot from the bottom.
pub(crate) fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(MIX[0])
}

/// A seeded [`BuildHasher`] for maps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seeded(pub(crate) u64);

impl BuildHasher for Seeded {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { state: self.0 }
    }
}

/// The hasher of [`Seeded`].
pub(crate) struct SeededHasher {
    state: u64,
}

impl Hasher for SeededHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.state = hash_bytes(self.state, bytes);
    }

    fn write_u8(&mut self, value: u8) {
        self.state = fold(self.state ^ u64::from(value), MIX[2]);
    }

    fn write_u64(&mut self, value: u64) {
        self.state = fold(self.state ^ value ^ MIX[0], MIX[1]);
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_lengths_matter() {
        assert_ne!(hash_bytes(0, b"/a"), hash_bytes(1, b"/a"));
        assert_ne!(hash_bytes(0, b""), hash_bytes(0, b"\0"));
        assert_ne!(hash_bytes(0, b"/a"), hash_bytes(0, b"/a\0"));
    }

    #[test]
    fn sequential_names_spread() {
        let mut buckets = [0u32; 64];
        for n in 0..64_000 {
            buckets[(hash_path(0, &format!("/parent/child-{n:010}")) >> 26) as usize] += 1;
        }
        assert!(buckets.iter().all(|&n| (700..1300).contains(&n)), "{buckets:?}");
    }
}
