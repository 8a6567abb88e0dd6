//! Seeds nobody has tried before, on every run of the tests.

use sim::sweep::{Sweep, fresh_start};
use sim::{plan::Less, report};

/// Seeds of one run of the tests.
const SEEDS: u64 = 500;

/// The first seed: drawn from the clock, or the one in `ZOOKUBE_TEST_SEED`.
fn start() -> u64 {
    match std::env::var("ZOOKUBE_TEST_SEED") {
        Ok(text) => text.parse().expect("ZOOKUBE_TEST_SEED is a number"),
        Err(_) => fresh_start(),
    }
}

#[test]
fn fresh_seeds_violate_nothing_and_meet_every_kind_of_fault() {
    report::catch_panics();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let sweep = Sweep { start: start(), seeds: SEEDS, jobs, less: Less::default(), bug: None };
    let is_good = sweep.show(false);
    // What went wrong is printed above, with the command that shows it again.
    assert!(is_good, "seeds from {} on", sweep.start);
}
