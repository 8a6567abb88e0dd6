//! `cargo xtask torture`: the tests that kill servers under load, at full length. `cargo xtask test` runs the same
//! tests with fewer rounds.

use anyhow::{Context, Result, ensure};

use crate::suites;
use crate::test::run_suites;
use crate::workspace::{Metadata, take_value};

/// Which suite kills, and the variable from which it takes the number of rounds.
const SUITE: &str = "ensemble/torture";
const ROUNDS: &str = "ZOOKUBE_TEST_ROUNDS";

/// Rounds of each kind of kill.
const ROUNDS_DEFAULT: u32 = 20;

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut arguments = arguments.to_vec();
    let rounds = match take_value(&mut arguments, "--rounds")? {
        Some(text) => text.parse().with_context(|| format!("--rounds {text}: expected a number"))?,
        None => ROUNDS_DEFAULT,
    };
    ensure!(rounds > 0, "--rounds 0 shows nothing");
    ensure!(arguments.is_empty(), "`torture` takes only --rounds, not {}", arguments.join(" "));
    let metadata = Metadata::of_members()?;
    let all = suites::discover(&metadata);
    let suites: Vec<_> = all.iter().filter(|suite| suite.answers_to(SUITE)).collect();
    ensure!(!suites.is_empty(), "there is no suite {SUITE}");
    // One test at a time and what they print as they print it: each kill's gap in writes is the point.
    let harness = ["--test-threads=1", "--nocapture"].map(str::to_owned);
    run_suites(&metadata, &suites, &harness, &[(ROUNDS, rounds.to_string())])
}
