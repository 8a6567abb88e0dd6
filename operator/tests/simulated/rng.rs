//! The only source of chance: everything in a run follows from its seed.

use std::ops::Range;

/// `xorshift64*` over a scrambled seed.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring runs, and zero is the one state that xorshift never leaves.
        Self((seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number in the range, which must not be empty.
    pub fn among(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// True so many times in a thousand.
    pub fn in_1000(&mut self, times: u64) -> bool {
        self.among(0..1000) < times
    }

    /// One of them, if there is one.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.among(0..of.len() as u64) as usize]) }
    }
}
