//! How runs are told of on a terminal.

use crate::run::{Report, Run};
use std::cell::RefCell;
use std::io::{self, Write};

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps what a panic says, with its place, instead of printing it: in a run it is a violation like others.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        LAST_PANIC.set(Some(info.to_string()));
    }));
}

/// What the last panic on this thread said, once.
#[must_use]
pub fn take_panic() -> Option<String> {
    LAST_PANIC.take()
}

/// Writes lines to standard output; a reader that went away is no reason to stop.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).is_err() {
        tracing::debug!("nobody reads the output");
    }
}

/// The failure of a run, as it is read: what, where, how to see it again.
#[must_use]
pub fn failure(run: &Run, report: &Report) -> String {
    let Some(violation) = &report.violation else { return String::new() };
    let again = Run { until: Some(violation.step), ..run.clone() };
    format!(
        "FAILED seed={} step={} invariant={}\n  {}\nreplay: {} --log debug",
        run.seed,
        violation.step,
        violation.invariant,
        violation.message,
        again.command()
    )
}

/// Runs one seed and tells of it; answers whether it was good.
#[must_use]
pub fn show_one(run: &Run) -> bool {
    let report = run.execute();
    if report.violation.is_some() {
        say(&failure(run, &report));
        if run.until.is_none() {
            let (smaller, report) = run.shrink(&report);
            if smaller.less != run.less {
                say(&format!("smaller:\n{}", failure(&smaller, &report)));
            }
        }
    }
    let Report { steps, simulated_us, operations, trace, .. } = &report;
    let seconds = *simulated_us as f64 / 1e6;
    say(&format!(
        "seed {}: {steps} steps, {operations} operations, {seconds:.1} simulated s, trace {trace:016x}",
        run.seed
    ));
    let counts: Vec<String> = report.coverage.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    say(&format!("exercised: {}", counts.join(", ")));
    report.violation.is_none()
}
