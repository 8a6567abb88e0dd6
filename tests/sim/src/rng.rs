//! The one source of chance in a simulated run: everything follows from its seed.

/// xorshift64*, seeded through splitmix so that neighbouring seeds differ at once.
#[derive(Debug, Clone)]
pub struct Rng(u64);

/// splitmix64's finisher: spreads every bit of `value` over all of the result.
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Rng {
    /// The numbers that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        // The state of an xorshift generator must not be 0.
        Rng(mix(seed) | 1)
    }

    /// A generator of its own for one part of the run. It depends on the seed, on `label` and on how often `self` was
    /// used before, but what is drawn from it changes nothing for the other parts.
    #[must_use]
    pub fn fork(&mut self, label: &str) -> Rng {
        let mut seed = self.bits();
        for byte in label.bytes() {
            seed = mix(seed ^ u64::from(byte));
        }
        Rng::new(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// When `bound` is 0: there is no such number.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0 to draw");
        // The high half of the product is uniform without the low bits of the generator, which are its weak ones.
        let wide = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// An index into something of `len` elements.
    ///
    /// # Panics
    /// When `len` is 0.
    pub fn index(&mut self, len: usize) -> usize {
        // A length always fits into 64 bits, and the result is below it.
        self.below(len as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    ///
    /// # Panics
    /// When `high` is below `low`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        assert!(low <= high, "the range {low}..={high} is empty");
        let span = high.wrapping_sub(low) as u64;
        match span.checked_add(1) {
            Some(count) => low.wrapping_add(self.below(count) as i64),
            None => self.bits() as i64,
        }
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Whether something happens that happens `permille` times in a thousand.
    pub fn permille(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of `from`, or none where there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.index(from.len())) }
    }

    /// An index into `weights`, each drawn as often as it weighs.
    ///
    /// # Panics
    /// When all weights are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut left = self.below(total);
        for (index, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return index,
            }
        }
        unreachable!("{left} is left of a number below the sum {total} of all weights")
    }

    /// Puts `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_a_neighbour_others() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..20).map(|_| rng.bits()).collect::<Vec<u64>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(0), draw(1));
    }

    #[test]
    fn a_fork_is_its_own_whatever_is_drawn_from_another() {
        let mut one = Rng::new(3);
        let mut other = Rng::new(3);
        let mut first = one.fork("disk");
        for _ in 0..5 {
            first.bits();
        }
        let _unused = other.fork("disk");
        assert_eq!(one.fork("clients").bits(), other.fork("clients").bits());
        assert_ne!(Rng::new(3).fork("disk").bits(), Rng::new(3).fork("clients").bits());
    }

    #[test]
    fn every_value_of_a_range_comes_up_and_no_other() {
        let mut rng = Rng::new(1);
        let mut seen = [0u32; 5];
        for _ in 0..1000 {
            let value = rng.range(-2, 2);
            seen[usize::try_from(value + 2).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
        rng.range(i64::MIN, i64::MAX);
    }

    #[test]
    fn weights_count() {
        let mut rng = Rng::new(1);
        let mut seen = [0u32; 3];
        for _ in 0..1000 {
            seen[rng.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!(seen[2] > 2 * seen[0], "{seen:?}");
    }
}
