//! Apache's own shells against the goldens: what is recorded is what they say, on this machine, today.
//!
//! `ZOOKUBE_TEST_RECORD=goldens` records.

use cli_tests::compare::{self, Report};
use cli_tests::run;
use cli_tests::shell::Program;
use support::ServerKind;

/// Plays all scripts of some directories and compares, or records.
fn check(directories: &[&str], version: &str, program: Program) {
    let mut report = Report::default();
    for script in directories.iter().flat_map(|dir| compare::scripts(dir)) {
        let found = run::run(&script, program, ServerKind::under_test());
        if compare::records("goldens") {
            compare::record(version, &script, &found);
        }
        let what = format!("{} says in script {}", program.name(), script.name);
        report.compare(&what, &compare::golden(version, &script), &found);
    }
    report.finish();
}

#[test]
fn the_shell_of_3_9_says_what_is_recorded() {
    check(&["shell", "calls"], "3.9", Program::Apache39);
}

#[test]
fn the_shell_of_3_8_says_what_is_recorded() {
    check(&["old"], "3.8", Program::Apache38);
}
