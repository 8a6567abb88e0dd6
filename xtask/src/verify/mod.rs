//! `cargo xtask verify`: what CI checks without running the product. It only reads.
//!
//! Generated files are compared where they are generated, by tests: `docs/configuration.md` by the node's.

mod deny;
mod edges;
mod licence;
mod links;
mod tidy;

use std::time::Instant;

use anyhow::{Result, bail, ensure};

use crate::{e2e, paint, sim, workspace};

type Step = (&'static str, fn() -> Result<()>);

/// All of them run, whatever the ones before say: one look shows everything.
const STEPS: &[Step] = &[
    ("format", format),
    ("edges", edges::check),
    ("tidy", tidy::check),
    ("links", links::check),
    ("dependencies", deny::check),
    ("clippy", clippy),
    ("docs", docs),
];

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    for word in arguments {
        let known: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        ensure!(known.contains(&word.as_str()), "there is no step `{word}`, only {}", known.join(", "));
    }
    let chosen = STEPS.iter().filter(|(name, _)| arguments.is_empty() || arguments.iter().any(|word| word == name));
    let mut results = Vec::new();
    for (name, step) in chosen {
        paint::heading(name);
        let began = Instant::now();
        let result = step();
        if let Err(error) = &result {
            println!("{error:#}");
        }
        results.push((*name, result.is_ok(), began.elapsed()));
    }
    paint::heading("summary");
    for (name, ok, took) in &results {
        let verdict = if *ok { paint::green("ok    ") } else { paint::red("FAILED") };
        println!("{name:<14} {verdict} {:>7.1} s", took.as_secs_f64());
    }
    let failed: Vec<&str> = results.iter().filter(|(_, ok, _)| !ok).map(|(name, ..)| *name).collect();
    if !failed.is_empty() {
        bail!("verify: {} failed. hint: `cargo xtask fix` repairs what a machine can", failed.join(", "));
    }
    Ok(())
}

/// The findings of a check, one a line, as its failure.
fn report(findings: &[String]) -> Result<()> {
    ensure!(findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

fn format() -> Result<()> {
    // Left to itself it paints its diff even into a file.
    let color = if paint::enabled() { "always" } else { "never" };
    workspace::run(workspace::cargo().args(["fmt", "--all", "--check", "--", "--color", color]))
}

fn clippy() -> Result<()> {
    let arguments = ["clippy", "--locked", "--workspace", "--all-targets", "--keep-going", "--", "-D", "warnings"];
    workspace::run(workspace::cargo().args(arguments))?;
    // Once more where bugs can be planted: what is behind the feature is code too.
    let arguments = ["clippy", "--locked", "-p", sim::PACKAGE, "--features", sim::FEATURE, "--all-targets"];
    workspace::run(workspace::cargo().args(arguments).args(["--", "-D", "warnings"]))?;
    // And what `--all-targets` leaves out: programs that wait to be asked for.
    let arguments = ["clippy", "--locked", "-p", e2e::PACKAGE, "--test", "*", "--", "-D", "warnings"];
    workspace::run(workspace::cargo().args(arguments))
}

fn docs() -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["doc", "--locked", "--workspace", "--no-deps", "--keep-going"]).env("RUSTDOCFLAGS", "-D warnings");
    workspace::run(&mut cargo)
}
