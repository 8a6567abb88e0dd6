//! What the kernel says of this process.

use crate::limits::PROCESS_FIGURES_MS;
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use std::time::{Duration, Instant};

/// Figures with the names that Prometheus' clients have for them.
type Figures = Vec<(&'static str, f64)>;

/// The last figures and when they were taken. Counting the file descriptors of a server with many clients takes longer than a
/// whole scrape should.
static LAST: Mutex<Option<(Instant, Figures)>> = Mutex::new(None);

/// The names that are published, of those that the collector knows.
const NAMES: [&str; 7] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
    "process_virtual_memory_bytes",
];

/// The figures, at most a few seconds old.
#[must_use]
pub fn figures() -> Figures {
    let mut last = LAST.lock();
    match &*last {
        Some((at, figures)) if at.elapsed() < Duration::from_millis(PROCESS_FIGURES_MS) => figures.clone(),
        _ => {
            let figures = collect();
            *last = Some((Instant::now(), figures.clone()));
            figures
        }
    }
}

/// One of the figures.
#[must_use]
pub fn figure(name: &str) -> Option<f64> {
    figures().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn collect() -> Figures {
    let families = ProcessCollector::for_self().collect();
    let known = families.iter().filter_map(|family| {
        let name = NAMES.iter().find(|name| **name == family.name())?;
        let metric = family.get_metric().first()?;
        // A family has a counter or a gauge; what it has not is 0.
        Some((*name, metric.get_counter().get_value() + metric.get_gauge().get_value()))
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_this_process() {
        let figures = figures();
        assert_eq!(figures.len(), NAMES.len(), "{figures:?}");
        for name in
            ["process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds", "process_threads"]
        {
            assert!(figure(name).is_some_and(|value| value > 0.0), "{name}: {figures:?}");
        }
    }
}
