//! Distributions that any thread adds to without a lock and without memory: [`Histogram`] for Prometheus' buckets, [`Summary`] for
//! the quantiles that Apache shows.

use crate::clock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use wire::Millis;

/// How many bounds a histogram may have.
const BOUNDS_MAX: usize = 20;

/// Counts of values by bounds that suit what is measured.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds, ascending; a value equal to a bound is below it.
    bounds: &'static [u64],
    /// Values up to each bound and above the one before; the last are those above all bounds.
    counts: [AtomicU64; BOUNDS_MAX + 1],
    sum: AtomicU64,
}

impl Histogram {
    /// An empty one. Values and bounds have the same unit, of the caller's choice.
    ///
    /// # Panics
    /// When there are more than 20 bounds.
    #[must_use]
    pub const fn new(bounds: &'static [u64]) -> Histogram {
        assert!(bounds.len() <= BOUNDS_MAX, "too many bounds");
        Histogram { bounds, counts: [const { AtomicU64::new(0) }; BOUNDS_MAX + 1], sum: AtomicU64::new(0) }
    }

    /// Adds a value.
    pub fn add(&self, value: u64) {
        self.add_many(value, 1);
    }

    /// Adds a value this often.
    pub fn add_many(&self, value: u64, times: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(times, Relaxed);
        self.sum.fetch_add(value.saturating_mul(times), Relaxed);
    }

    /// As [`Histogram::add`], where one thread alone adds to it: at a fraction of the cost.
    pub fn add_owned(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        bump(&self.counts[at], 1);
        bump(&self.sum, value);
    }

    /// The bounds, each with how many values are not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let counts = self.counts.iter().scan(0, |total, count| {
            *total += count.load(Relaxed);
            Some(*total)
        });
        self.bounds.iter().copied().zip(counts)
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }
}

/// Each power of two is divided into so many parts: a quantile is at most an eighth too large.
const PARTS: u64 = 8;
/// The powers of two that are told apart; what is larger counts as this large. In ms more than an hour.
const POWERS: u64 = 24;
const CELLS: usize = (PARTS * POWERS) as usize;
/// Quantiles are of the values of the last five to ten minutes (`PrometheusMetricsProvider`: ten minutes, in five parts).
const WINDOW_MS: i64 = 300_000;

/// How many values there were, their sum, the smallest and the largest.
#[derive(Debug)]
pub struct Totals {
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Totals {
    fn default() -> Totals {
        let [count, sum, max] = [const { AtomicU64::new(0) }; 3];
        Totals { count, sum, min: AtomicU64::new(u64::MAX), max }
    }
}

impl Totals {
    /// Adds a value this often.
    pub fn add_many(&self, value: u64, times: u64) {
        self.count.fetch_add(times, Relaxed);
        self.sum.fetch_add(value.saturating_mul(times), Relaxed);
        if value < self.min.load(Relaxed) {
            self.min.fetch_min(value, Relaxed);
        }
        if value > self.max.load(Relaxed) {
            self.max.fetch_max(value, Relaxed);
        }
    }

    /// Adds a value where one thread alone adds: at a fraction of the cost.
    pub fn add_owned(&self, value: u64) {
        bump(&self.count, 1);
        bump(&self.sum, value);
        if value < self.min.load(Relaxed) {
            self.min.store(value, Relaxed);
        }
        if value > self.max.load(Relaxed) {
            self.max.store(value, Relaxed);
        }
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// The smallest, 0 where there was none.
    #[must_use]
    pub fn min(&self) -> u64 {
        match self.min.load(Relaxed) {
            u64::MAX => 0,
            min => min,
        }
    }

    /// The largest, 0 where there was none.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max.load(Relaxed)
    }

    /// The mean, 0 where there was none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self.count() {
            0 => 0.0,
            count => self.sum() as f64 / count as f64,
        }
    }

    /// Starts over.
    pub fn reset(&self) {
        self.min.store(u64::MAX, Relaxed);
        for counter in [&self.max, &self.count, &self.sum] {
            counter.store(0, Relaxed);
        }
    }
}

/// What Apache's summaries show: count, sum, smallest, largest, mean, and quantiles of the recent values.
#[derive(Debug)]
pub struct Summary {
    totals: Totals,
    /// How often values of each size came, in the window that goes on and in the one before.
    cells: [Box<[AtomicU64; CELLS]>; 2],
    /// When the window that goes on began, monotonic ms.
    began: AtomicI64,
    /// Which of the two goes on.
    current: AtomicU64,
}

impl Default for Summary {
    fn default() -> Summary {
        let cells = || Box::new([const { AtomicU64::new(0) }; CELLS]);
        Summary {
            totals: Totals::default(),
            cells: [cells(), cells()],
            began: AtomicI64::new(0),
            current: AtomicU64::new(0),
        }
    }
}

impl Summary {
    /// Adds a value.
    pub fn add(&self, value: u64) {
        self.add_many(value, 1);
    }

    /// Adds a value this often.
    pub fn add_many(&self, value: u64, times: u64) {
        self.totals.add_many(value, times);
        let current = (self.current.load(Relaxed) & 1) as usize;
        self.cells[current][cell_of(value)].fetch_add(times, Relaxed);
    }

    /// As [`Summary::add`], where one thread alone adds to it: at a fraction of the cost. (A value may be missing in the quantiles
    /// that comes while a window begins.)
    pub fn add_owned(&self, value: u64) {
        self.totals.add_owned(value);
        let current = (self.current.load(Relaxed) & 1) as usize;
        bump(&self.cells[current][cell_of(value)], 1);
    }

    /// Of all values since the start.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Quantiles of the recent values, each from 0 to 1; `None` where there were none. Values below 16 are exact.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, wanted: [f64; N]) -> Option<[u64; N]> {
        self.turn(clock::mono());
        let counts: Vec<u64> =
            (0..CELLS).map(|cell| self.cells.iter().map(|cells| cells[cell].load(Relaxed)).sum()).collect();
        let total: u64 = counts.iter().sum();
        (total > 0).then(|| wanted.map(|quantile| value_at(&counts, (quantile * total as f64).ceil().max(1.0) as u64)))
    }

    /// Starts another window when the present one is old. Only whoever reads does this: nothing is shown in between.
    fn turn(&self, now: Millis) {
        let began = self.began.load(Relaxed);
        let windows = now.since(Millis(began)) / WINDOW_MS;
        if windows <= 0 || self.began.compare_exchange(began, now.0, Relaxed, Relaxed).is_err() {
            return;
        }
        let next = (self.current.load(Relaxed) + 1) & 1;
        let clear = |cells: &[AtomicU64; CELLS]| cells.iter().for_each(|cell| cell.store(0, Relaxed));
        clear(&self.cells[next as usize]);
        self.current.store(next, Relaxed);
        if windows > 1 {
            clear(&self.cells[(next as usize + 1) & 1]);
        }
    }
}

/// Adds to what only this thread adds to: others may read it, so it is atomic, but no bus is locked for it.
pub(super) fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

/// Where a value is counted: those below 16 one by one, others by their highest bit and the three behind it.
fn cell_of(value: u64) -> usize {
    let value = value.min((1 << POWERS) - 1);
    if value < 2 * PARTS {
        return value as usize;
    }
    let power = u64::from(value.ilog2());
    let part = (value >> (power - PARTS.ilog2() as u64)) & (PARTS - 1);
    ((power - 2) * PARTS + part) as usize
}

/// The largest value that is counted in a cell.
fn largest_in(cell: u64) -> u64 {
    if cell < 2 * PARTS {
        return cell;
    }
    let (power, part) = (cell / PARTS + 2, cell % PARTS);
    ((PARTS + part + 1) << (power - u64::from(PARTS.ilog2()))) - 1
}

fn value_at(counts: &[u64], rank: u64) -> u64 {
    let mut below = 0;
    let found = counts.iter().position(|count| {
        below += count;
        below >= rank
    });
    largest_in(found.unwrap_or(counts.len() - 1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_equal_to_a_bound_is_below_it() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 100, 101] {
            histogram.add(value);
        }
        histogram.add_many(5, 3);
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(1, 2), (10, 7), (100, 8)]);
        assert_eq!((histogram.count(), histogram.sum()), (9, 229));
    }

    #[test]
    fn whoever_adds_alone_counts_the_same() {
        let (histogram, summary) = (Histogram::new(&[1, 10]), Summary::default());
        for value in [0, 5, 70] {
            histogram.add_owned(value);
            summary.add_owned(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(1, 1), (10, 2)]);
        assert_eq!((histogram.count(), histogram.sum()), (3, 75));
        let totals = summary.totals();
        assert_eq!((totals.count(), totals.sum(), totals.min(), totals.max()), (3, 75, 0, 70));
        assert_eq!(summary.quantiles([0.5]), Some([5]));
    }

    #[test]
    fn every_value_is_in_the_cell_that_begins_behind_the_one_before() {
        for value in (0..5_000).chain([1 << 20, (1 << 24) - 1, 1 << 24, u64::MAX]) {
            let cell = cell_of(value) as u64;
            let counted = value.min((1 << POWERS) - 1);
            assert!(counted <= largest_in(cell), "{value}");
            assert!(cell == 0 || counted > largest_in(cell - 1), "{value}");
            assert!(cell < CELLS as u64, "{value}");
        }
    }

    #[test]
    fn quantiles_are_at_most_an_eighth_too_large() {
        let summary = Summary::default();
        assert_eq!(summary.quantiles([0.5]), None);
        (1..=1_000).for_each(|value| summary.add(value));
        let [p50, p90, p99] = summary.quantiles([0.5, 0.9, 0.99]).unwrap();
        for (found, exact) in [(p50, 500), (p90, 900), (p99, 990)] {
            assert!(found >= exact && found <= exact + exact / 8, "{found} for {exact}");
        }
        let totals = summary.totals();
        assert_eq!((totals.count(), totals.sum(), totals.min(), totals.max()), (1_000, 500_500, 1, 1_000));
    }

    #[test]
    fn old_values_leave_the_quantiles_and_stay_in_the_sum() {
        let summary = Summary::default();
        summary.add(7);
        summary.turn(Millis(WINDOW_MS));
        summary.add(3);
        assert_eq!(summary.quantiles([0.0, 1.0]), Some([3, 7]), "the window before still counts");
        summary.turn(Millis(2 * WINDOW_MS));
        assert_eq!(summary.quantiles([0.0, 1.0]), Some([3, 3]));
        summary.turn(Millis(4 * WINDOW_MS));
        assert_eq!(summary.quantiles([0.5]), None);
        let totals = summary.totals();
        assert_eq!((totals.count(), totals.sum()), (2, 10));
    }
}
