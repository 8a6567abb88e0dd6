//! The project's own commands: `cargo xtask <command>`. Cargo is all they need; CI is a thin caller of them.
//!
//! `verify` only reads, `fix` only rewrites, `test` runs the product. A command that cannot do its whole work fails:
//! nothing is skipped in silence.
#![allow(clippy::print_stdout, reason = "a command-line tool talks on standard output")]

mod bench;
mod charts;
mod containers;
mod dashboards;
mod dist;
mod e2e;
mod fix;
mod paint;
mod runner;
mod setup;
mod sim;
mod suites;
mod test;
mod torture;
mod verify;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "run",
        arguments: "[lab arguments]",
        about: "Three servers on this machine, with a prompt to kill and start them (the same as `cargo lab`).",
        run: lab,
    },
    Command {
        name: "test",
        arguments: "[suite]... [--list] [-- test arguments]",
        about: "Every test: ours, stock clients, Apache's servers beside ours. Installs what it needs first.",
        run: test::run,
    },
    Command {
        name: "sim",
        arguments: "[--seed S [--until STEP] [--log debug] | --seeds N | --bugs]",
        about: "Whole ensembles in simulated time: one seed, a sweep, or every planted bug (`--help` tells more).",
        run: sim::run,
    },
    Command {
        name: "e2e",
        arguments: "[--keep] [--all] [--nodes N] [filter]... | --up | --down",
        about: "Kubernetes on this machine, and what is tried on it (`--help` tells more).",
        run: e2e::run,
    },
    Command {
        name: "torture",
        arguments: "[--rounds 20]",
        about: "The tests that kill servers under load, at full length.",
        run: torture::run,
    },
    Command {
        name: "verify",
        arguments: "[step]...",
        about: "Format, clippy, docs, dependency rules, tidiness. Changes nothing.",
        run: verify::run,
    },
    Command {
        name: "fix",
        arguments: "",
        about: "Rewrites what `verify` complains about, where a machine can.",
        run: fix::run,
    },
    Command {
        name: "bench",
        arguments: "[failover] [bench arguments]",
        about: "Speed and memory beside Apache's server in the same run, or the write gaps of killed leaders.",
        run: bench::run,
    },
    Command {
        name: "setup",
        arguments: "",
        about: "Installs what the tests need (Debian, root), or says what to install.",
        run: setup::run,
    },
    Command { name: "dashboards", arguments: "", about: "Writes deploy/monitoring/dashboards.", run: dashboards::run },
    Command {
        name: "dist",
        arguments: "",
        about: "The static programs, a unit file and a sample configuration in one tarball, with sums and a list of parts.",
        run: dist::run,
    },
    Command {
        name: "sbom",
        arguments: "[path] [--package zookube-operator]",
        about: "Only the list of parts (CycloneDX), of what `dist` ships or of one package.",
        run: dist::sbom,
    },
    Command { name: "help", arguments: "", about: "This list.", run: help },
];

/// A failure whose report is complete: its last line must stay the last, for programs that read it.
#[derive(Debug)]
struct AlreadyTold;

impl std::fmt::Display for AlreadyTold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for AlreadyTold {}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<AlreadyTold>() {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let Some((name, rest)) = arguments.split_first() else { return help(&[]) };
    if name == "--help" || name == "-h" {
        return help(&[]);
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => bail!("there is no command `{name}`; `cargo xtask help` lists them"),
    }
}

fn help(_: &[String]) -> Result<()> {
    println!("cargo xtask <command>\n");
    for command in COMMANDS {
        println!("  {} {}\n      {}", paint::bold(command.name), command.arguments, command.about);
    }
    Ok(())
}

fn lab(arguments: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--release", "-p", "zookube-node", "--", "lab"]).args(arguments);
    workspace::run(&mut cargo)
}
