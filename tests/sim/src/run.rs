//! One run from its seed to its report, and how a failing one is made smaller.

use crate::checks::Violation;
use crate::coverage::Coverage;
use crate::plan::{Fault, Less};
use crate::world::World;
use planted::Bug;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Everything follows from it.
    pub seed: u64,
    /// Stop after so many steps.
    pub until: Option<u64>,
    /// What is left out.
    pub less: Less,
    /// A bug to plant, where the program was built for that.
    pub bug: Option<Bug>,
}

/// What a run led to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The first violation.
    pub violation: Option<Violation>,
    /// Steps taken.
    pub steps: u64,
    /// Simulated time, µs.
    pub simulated_us: i64,
    /// Requests of clients.
    pub operations: u64,
    /// What was exercised.
    pub coverage: Coverage,
    /// How often each invariant has looked.
    pub examined: BTreeMap<&'static str, u64>,
    /// A number that two runs share only if they did the same in the same order.
    pub trace: u64,
}

impl Run {
    /// The run of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Run {
        Run { seed, ..Run::default() }
    }

    /// Runs. A panic of the servers is a violation like others.
    #[must_use]
    pub fn execute(&self) -> Report {
        plant(self.bug);
        let mut world = World::new(self.seed, &self.less);
        let outcome = catch_unwind(AssertUnwindSafe(|| world.run(self.until)));
        plant(None);
        let (simulated_us, operations, trace) = (world.now_us(), world.operations(), world.trace());
        let mut checks = world.checks().lock();
        if let Err(panic) = &outcome {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            checks.fail("no_panic", crate::report::take_panic().unwrap_or_else(|| said.to_owned()));
        }
        let steps = outcome.unwrap_or_else(|_| checks.violation().map_or(0, |violation| violation.step));
        Report {
            violation: checks.violation().cloned(),
            steps,
            simulated_us,
            operations,
            coverage: checks.coverage.clone(),
            examined: checks.examined(),
            trace,
        }
    }

    /// Leaves out what the failure does not need: faults one by one, clients, time. Answers the smallest run that still
    /// violates the same invariant, with its report.
    #[must_use]
    pub fn shrink(&self, report: &Report) -> (Run, Report) {
        let Some(violation) = &report.violation else { return (self.clone(), report.clone()) };
        let mut best = (self.clone(), report.clone());
        let attempt = |less: Less, best: &mut (Run, Report)| {
            let run = Run { less, ..best.0.clone() };
            let report = run.execute();
            let is_same = report.violation.as_ref().is_some_and(|found| found.invariant == violation.invariant);
            if is_same {
                *best = (run, report);
            }
            is_same
        };
        for (fault, _) in Fault::ALL {
            let mut less = best.0.less.clone();
            if less.without.insert(*fault) {
                attempt(less, &mut best);
            }
        }
        for clients in [1, 2, 3, 4, 6] {
            let less = Less { clients_max: Some(clients), ..best.0.less.clone() };
            if attempt(less, &mut best) {
                break;
            }
        }
        for ms in [250, 500, 1_000, 2_000, 4_000] {
            let less = Less { phase_ms_max: Some(ms), ..best.0.less.clone() };
            if attempt(less, &mut best) {
                break;
            }
        }
        best
    }

    /// The command that does it again, as it is typed.
    #[must_use]
    pub fn command(&self) -> String {
        let mut command = format!("cargo xtask sim --seed {}", self.seed);
        if let Some(bug) = self.bug {
            command.push_str(&format!(" --bug {}", bug.name()));
        }
        for fault in &self.less.without {
            command.push_str(&format!(" --without {}", fault.name()));
        }
        if let Some(clients) = self.less.clients_max {
            command.push_str(&format!(" --clients {clients}"));
        }
        if let Some(ms) = self.less.phase_ms_max {
            command.push_str(&format!(" --phase-ms {ms}"));
        }
        if let Some(until) = self.until {
            command.push_str(&format!(" --until {until}"));
        }
        command
    }
}

#[cfg(feature = "bugs")]
fn plant(bug: Option<Bug>) {
    planted::plant(bug);
}

#[cfg(not(feature = "bugs"))]
fn plant(bug: Option<Bug>) {
    assert!(bug.is_none(), "this program was built without bugs to plant. hint: --features bugs");
}
