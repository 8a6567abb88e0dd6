//! Every planted bug is found.

use planted::Bug;
use sim::bugs::{self, Find};
use sim::report;

#[test]
fn every_planted_bug_is_found_and_the_table_says_where() {
    report::catch_panics();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(Bug::ALL.len() >= 25, "{} bugs are planted", Bug::ALL.len());
    let mut missed = Vec::new();
    report::say(&bugs::heading());
    for bug in Bug::ALL {
        let find = bugs::find(*bug, jobs);
        report::say(&find.row());
        if let Find { caught: None, .. } = find {
            missed.push(bug.name());
        }
    }
    assert!(missed.is_empty(), "not found: {}", missed.join(", "));
}
