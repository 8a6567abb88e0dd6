//! `cargo xtask test`: prerequisites, one build, every suite, one summary.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::runner::{Outcome, Runner};
use crate::suites::{self, Built, Suite};
use crate::workspace::{self, Metadata};
use crate::{AlreadyTold, charts, e2e, paint, setup};

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    let (ours, harness) = split_at_dashes(arguments);
    let metadata = Metadata::of_members()?;
    let all = suites::discover(&metadata);
    if ours.iter().any(|argument| argument == "--list") {
        all.iter().for_each(|suite| println!("{}", suite.name));
        println!("{}", e2e::SUITE);
        return Ok(());
    }
    let chosen = choose(&all, ours)?;
    let mut outcomes = outcomes(&metadata, &chosen, harness, &[])?;
    if ours.is_empty() || ours.iter().any(|word| word == e2e::SUITE) {
        outcomes.extend(e2e::short(&metadata, harness)?);
    }
    summarize(&outcomes)
}

/// What is for us, and what is for the test programs.
pub fn split_at_dashes(arguments: &[String]) -> (&[String], &[String]) {
    match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[]),
    }
}

fn choose<'a>(all: &'a [Suite], words: &[String]) -> Result<Vec<&'a Suite>> {
    for word in words {
        ensure!(
            word == e2e::SUITE || all.iter().any(|suite| suite.answers_to(word)),
            "there is no suite `{word}`; `cargo xtask test --list` shows them"
        );
    }
    let named = |suite: &&Suite| words.iter().any(|word| suite.answers_to(word));
    if !words.is_empty() {
        return Ok(all.iter().filter(named).collect());
    }
    Ok(all.iter().collect())
}

/// Prepares, builds and runs `suites`; fails when any test does. `harness` goes to the test programs as it is,
/// `environment` tells them how long to take.
pub fn run_suites(
    metadata: &Metadata,
    suites: &[&Suite],
    harness: &[String],
    environment: &[(&str, String)],
) -> Result<()> {
    summarize(&outcomes(metadata, suites, harness, environment)?)
}

fn outcomes(
    metadata: &Metadata,
    suites: &[&Suite],
    harness: &[String],
    environment: &[(&str, String)],
) -> Result<Vec<Outcome>> {
    if suites.iter().any(|suite| suite.external) {
        setup::ensure_all()?;
    }
    if suites.iter().any(|suite| suite.starts_an_engine()) {
        setup::ensure_containers()?;
    }
    if suites.iter().any(|suite| suite.renders_charts()) {
        charts::complete().context("have Helm and kustomize")?;
    }
    paint::heading("build");
    let built = suites::build(metadata, suites)?;
    let logs = metadata.target_directory.join("xtask");
    fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))?;
    let mut outcomes = Vec::new();
    for suite in suites {
        paint::heading(&suite.name);
        outcomes.push(run_suite(suite, &built, harness, environment, logs.join(log_name(suite)))?);
    }
    Ok(outcomes)
}

fn log_name(suite: &Suite) -> String {
    format!("{}.log", suite.name.replace('/', "-"))
}

fn run_suite(
    suite: &Suite,
    built: &Built,
    harness: &[String],
    environment: &[(&str, String)],
    log: PathBuf,
) -> Result<Outcome> {
    let mut runner = Runner::new(&log)?;
    if suite.name == suites::DOC {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--locked", "--workspace", "--doc", "--quiet", "--profile", suites::PROFILE]);
        runner.run(cargo)?;
        return Ok(runner.finish(&suite.name, &log));
    }
    for program in built.programs(suite)? {
        let mut command = Command::new(program);
        // As `cargo test` would run it.
        command.current_dir(&suite.dir).env("CARGO_MANIFEST_DIR", &suite.dir).args(harness);
        command.envs(environment.iter().map(|(name, value)| (*name, value)));
        if suite.external {
            let server = built.server.as_ref().context("Cargo has not built the program zookube-node")?;
            command.env("ZOOKUBE_NODE", server);
            command.envs(built.static_server.as_ref().map(|server| ("ZOOKUBE_NODE_STATIC", server)));
        }
        runner.run(command)?;
    }
    Ok(runner.finish(&suite.name, &log))
}

/// Prints how suites went; fails when any test has.
pub fn summarize(outcomes: &[Outcome]) -> Result<()> {
    paint::heading("summary");
    println!("{:<28} {:>8} {:>8} {:>9}", "suite", "passed", "failed", "seconds");
    // A library or a set of examples without tests is nothing to report.
    for outcome in outcomes.iter().filter(|outcome| outcome.tally.passed + outcome.tally.failed > 0) {
        let failed = format!("{:>8}", outcome.tally.failed);
        let failed = if outcome.tally.failed > 0 { paint::red(&failed) } else { failed };
        let took = outcome.took.as_secs_f64();
        println!("{:<28} {:>8} {failed} {took:>9.1}", outcome.suite, outcome.tally.passed);
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.tally.failed > 0) {
        println!("\n{} {} (log: {})", paint::red("FAILED"), outcome.suite, outcome.log.display());
        outcome.tally.failures.iter().for_each(|failure| println!("  {failure}"));
        if outcome.tally.ignored > 0 {
            println!("  {} ignored: a test that does not run is a failure here", outcome.tally.ignored);
        }
    }
    let passed: u64 = outcomes.iter().map(|outcome| outcome.tally.passed).sum();
    let failed: u64 = outcomes.iter().map(|outcome| outcome.tally.failed).sum();
    // The last line on standard output is plain, for programs that read it.
    println!("\n{passed} passed, {failed} failed");
    if failed > 0 {
        bail!(AlreadyTold);
    }
    ensure!(passed > 0, "no test has run");
    Ok(())
}
