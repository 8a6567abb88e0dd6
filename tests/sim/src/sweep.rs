//! Many seeds: on all processors, with progress, with what they exercised in all.

use crate::coverage::Coverage;
use crate::plan::Less;
use crate::report::{failure, say};
use crate::run::{Report, Run};
use parking_lot::Mutex;
use planted::Bug;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Failures that are told of one by one.
const FAILURES_SHOWN_MAX: usize = 5;
/// A sweep of so many seeds must have met every kind of thing.
const COMPLETE_SEEDS: u64 = 300;
/// Between two lines of progress where there is no terminal.
const PROGRESS_EVERY: Duration = Duration::from_secs(15);

/// A first seed that nobody has tried.
#[must_use]
pub fn fresh_start() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64 / 1000 * 1000
}

/// Seeds to run.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The first.
    pub start: u64,
    /// How many.
    pub seeds: u64,
    /// At the same time.
    pub jobs: usize,
    /// What is left out.
    pub less: Less,
    /// A bug to plant.
    pub bug: Option<Bug>,
}

/// What a sweep led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Runs with a violation, smallest seed first.
    pub failures: Vec<(Run, Report)>,
    /// Seeds run.
    pub seeds: u64,
    /// Simulated time, µs.
    pub simulated_us: i64,
    /// Requests of clients.
    pub operations: u64,
    /// Steps.
    pub steps: u64,
    /// What was exercised.
    pub coverage: Coverage,
    /// How often each invariant has looked.
    pub examined: BTreeMap<&'static str, u64>,
}

impl Outcome {
    fn add(&mut self, run: Run, report: Report) {
        self.seeds += 1;
        self.simulated_us += report.simulated_us;
        self.operations += report.operations;
        self.steps += report.steps;
        self.coverage.merge(&report.coverage);
        for (name, count) in &report.examined {
            *self.examined.entry(name).or_default() += count;
        }
        if report.violation.is_some() {
            self.failures.push((run, report));
        }
    }

    /// The invariants that never looked at anything.
    #[must_use]
    pub fn idle(&self) -> Vec<&'static str> {
        self.examined.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect()
    }
}

impl Sweep {
    /// Runs all seeds. Stops taking new ones once `stop` says so.
    pub fn execute(&self, stop: impl Fn(&Outcome) -> bool + Sync) -> Outcome {
        let (next, outcome) = (AtomicU64::new(0), Mutex::new(Outcome::default()));
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Relaxed);
                        if number >= self.seeds || stop(&outcome.lock()) {
                            break;
                        }
                        let seed = self.start.wrapping_add(number);
                        let run = Run { seed, until: None, less: self.less.clone(), bug: self.bug };
                        let report = run.execute();
                        outcome.lock().add(run, report);
                    }
                });
            }
        });
        let mut outcome = outcome.into_inner();
        outcome.failures.sort_by_key(|(run, _)| run.seed);
        outcome
    }

    /// Runs all seeds with progress and tells of them; answers whether all was good.
    #[must_use]
    pub fn show(&self, is_terminal: bool) -> bool {
        let started = Instant::now();
        say(&format!("{} seeds from {} on, {} at a time", self.seeds, self.start, self.jobs));
        let told = Mutex::new((started, BTreeSet::new()));
        let outcome = self.execute(|outcome| {
            let (at, failures) = &mut *told.lock();
            for (run, report) in &outcome.failures {
                if failures.len() < FAILURES_SHOWN_MAX && failures.insert(run.seed) {
                    say(&format!("{}{}", if is_terminal { "\n" } else { "" }, failure(run, report)));
                }
            }
            let pause = if is_terminal { Duration::from_millis(200) } else { PROGRESS_EVERY };
            if at.elapsed() >= pause {
                *at = Instant::now();
                self.progress(outcome, started, is_terminal);
            }
            false
        });
        if is_terminal {
            say("");
        }
        self.tell(&outcome, &told.into_inner().1, started)
    }

    fn progress(&self, outcome: &Outcome, started: Instant, is_terminal: bool) {
        let Outcome { seeds, operations, failures, .. } = outcome;
        let rate = *operations as f64 / started.elapsed().as_secs_f64();
        let filled = usize::try_from(seeds * 30 / self.seeds.max(1)).unwrap_or(30).min(30);
        let line = format!(
            "[{}{}] {seeds}/{} seeds, {operations} operations, {rate:.0}/s, {} failed",
            "#".repeat(filled),
            "-".repeat(30 - filled),
            self.seeds,
            failures.len()
        );
        if !is_terminal {
            return say(&line);
        }
        let mut out = io::stdout().lock();
        if write!(out, "\r{line}\x1b[K").and_then(|()| out.flush()).is_err() {
            tracing::debug!("nobody reads the output");
        }
    }

    /// Tells how it ended; of failures that nobody was told of while it ran, too.
    fn tell(&self, outcome: &Outcome, told: &BTreeSet<u64>, started: Instant) -> bool {
        let untold = outcome.failures.iter().filter(|(run, _)| !told.contains(&run.seed));
        for (run, report) in untold.take(FAILURES_SHOWN_MAX.saturating_sub(told.len())) {
            say(&failure(run, report));
        }
        if let Some((run, report)) = outcome.failures.first() {
            let (smaller, report) = run.shrink(report);
            say(&format!("the first one, smaller:\n{}", failure(&smaller, &report)));
        }
        let is_whole = self.seeds >= COMPLETE_SEEDS && self.bug.is_none() && self.less == Less::default();
        let missing = if is_whole { outcome.coverage.missing() } else { Vec::new() };
        let idle = if is_whole { outcome.idle() } else { Vec::new() };
        say("exercised:");
        for (kind, count) in outcome.coverage.iter() {
            say(&format!("  {count:>10}  {kind}"));
        }
        say("compared by the invariants:");
        for (name, count) in &outcome.examined {
            say(&format!("  {count:>10}  {name}"));
        }
        let (seconds, hours) = (started.elapsed().as_secs_f64(), outcome.simulated_us as f64 / 3.6e9);
        say(&format!(
            "{} seeds, {:.2} simulated hours, {} operations, {} steps in {seconds:.1} s ({:.0} operations a second)",
            outcome.seeds,
            hours,
            outcome.operations,
            outcome.steps,
            outcome.operations as f64 / seconds
        ));
        for kind in &missing {
            say(&format!("NEVER HAPPENED: {kind}"));
        }
        for name in &idle {
            say(&format!("NEVER COMPARED ANYTHING: {name}"));
        }
        say(&format!("{} failed", outcome.failures.len()));
        outcome.failures.is_empty() && missing.is_empty() && idle.is_empty()
    }
}
