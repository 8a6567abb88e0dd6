//! `sim`: runs seeds. Called by `cargo xtask sim`.

use clap::Parser;
use planted::Bug;
use sim::plan::{Fault, Less};
use sim::run::Run;
use sim::{bugs, report, sweep};
use std::io::{self, IsTerminal};
use std::process::ExitCode;

/// Whole ensembles in simulated time.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", disable_version_flag = true)]
struct Args {
    /// Run this one seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after so many steps (with --seed).
    #[arg(long, requires = "seed")]
    until: Option<u64>,
    /// Leave a fault out; may be given several times.
    #[arg(long, value_parser = parse_fault)]
    without: Vec<Fault>,
    /// At most so many clients.
    #[arg(long)]
    clients: Option<u32>,
    /// The phase with faults lasts at most so long, simulated ms.
    #[arg(long)]
    phase_ms: Option<i64>,
    /// Run so many seeds.
    #[arg(long, conflicts_with = "seed")]
    seeds: Option<u64>,
    /// The first of them; drawn from the clock unless given.
    #[arg(long)]
    start: Option<u64>,
    /// Seeds run at the same time; as many as there are processors unless given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Plant a bug, by its name.
    #[arg(long, value_parser = parse_bug)]
    bug: Option<Bug>,
    /// Plant every bug in turn and show that each is found.
    #[arg(long, conflicts_with_all = ["seed", "seeds", "bug"])]
    bugs: bool,
    /// What the servers and the simulator log: error, warn, info, debug, trace.
    #[arg(long)]
    log: Option<tracing_subscriber::filter::LevelFilter>,
}

fn parse_fault(name: &str) -> Result<Fault, String> {
    let names: Vec<&str> = Fault::ALL.iter().map(|(_, name)| *name).collect();
    Fault::from_name(name).ok_or_else(|| format!("not a fault; there are: {}", names.join(", ")))
}

fn parse_bug(name: &str) -> Result<Bug, String> {
    let names: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
    Bug::from_name(name).ok_or_else(|| format!("not a bug to plant; there are: {}", names.join(", ")))
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(level) = args.log {
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(io::stderr)
            .without_time()
            .with_target(false)
            .init();
    }
    report::catch_panics();
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let less = Less {
        without: args.without.iter().copied().collect(),
        clients_max: args.clients,
        phase_ms_max: args.phase_ms,
    };
    let is_terminal = io::stdout().is_terminal();
    let all_good = if args.bugs {
        bugs::show_all(jobs)
    } else if let Some(seed) = args.seed {
        report::show_one(&Run { seed, until: args.until, less, bug: args.bug })
    } else {
        let start = args.start.unwrap_or_else(sweep::fresh_start);
        let sweep = sweep::Sweep { start, seeds: args.seeds.unwrap_or(500), jobs, less, bug: args.bug };
        sweep.show(is_terminal)
    };
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
