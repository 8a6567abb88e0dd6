//! `cargo xtask bench`: our server and Apache's, side by side, in one run that anybody can repeat.
//!
//! Both run on 127.0.0.1 with the same `zoo.cfg` on the same disk and take turns in every cell, so that whatever else the
//! machine does hits both; the median of the rounds counts. The generator is one thread ([`load`]); its share of the
//! processor is in the table, because on two cores it is often the limit. The result goes to standard output as
//! markdown and to `target/bench/<commit>.json` with everything raw. Children are ended by their guards, on errors too,
//! and by the kernel should this process be killed. [`failover`] measures what a killed leader costs, [`observers`] what observers cost, each with a load of its own; [`shell`]
//! how long a command of the shell takes.

#![allow(clippy::print_stdout, reason = "the table is what the command was asked for")]

mod big_tree;
mod cells;
mod echo;
mod failover;
mod frames;
mod histogram;
mod load;
mod observers;
mod options;
mod proc;
mod report;
mod server;
mod session;
mod shell;

use anyhow::{Context, Result, bail, ensure};
use cells::{CELLS, Cell};
use options::Options;
use proc::Machine;
use report::{CellResult, Report, Versions, first_line};
use server::{Contender, Ensemble, Workshop};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long Apache's virtual machine is warmed up with each kind of work before the first round.
const WARM_UP: Duration = Duration::from_secs(4);
const WARM_UP_QUICK: Duration = Duration::from_secs(2);

/// Runs the benchmark.
///
/// # Errors
/// When an option is wrong, something is missing, or a server fails.
pub fn run(args: &[String]) -> Result<()> {
    if let [word, port] = args
        && word == echo::WORD
    {
        return echo::serve(port.parse().context("the echo's port")?);
    }
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{}\n\n{}\n\n{}\n\n{}", options::USAGE, failover::USAGE, observers::USAGE, shell::USAGE);
        return Ok(());
    }
    let options = match args.first() {
        Some(word) if [failover::WORD, observers::WORD, shell::WORD].contains(&word.as_str()) => None,
        _ => Some(Options::parse(args)?),
    };
    if cfg!(debug_assertions) {
        return again_optimised(args);
    }
    let root = support::prerequisites::workspace().canonicalize().context("find the workspace")?;
    let results = root.join("target/bench");
    std::fs::create_dir_all(&results).with_context(|| format!("create {}", results.display()))?;
    let Some(options) = options else {
        let (word, rest) = args.split_first().context("a word that was seen before")?;
        let run = match word.as_str() {
            failover::WORD => failover::run,
            observers::WORD => observers::run,
            _ => shell::run,
        };
        return run(rest, &root, &results);
    };
    let node = match &options.node {
        Some(path) => path.canonicalize().with_context(|| format!("find {}", path.display()))?,
        None => build(&root)?,
    };
    let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&results)?;
    let report = measure(args, options, &results, &Workshop { node, dir }, &root)?;
    let path = results.join(format!("{}.json", report.commit));
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))?;
    println!("{}", report.markdown());
    progress(&format!("raw figures in {}", path.display()));
    Ok(())
}

/// `cargo xtask` is a debug build; a load generator must not be.
fn again_optimised(args: &[String]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "xtask", "--", "bench"])
        .args(args)
        .status()
        .context("run the optimised build of this command")?;
    ensure!(status.success(), "the optimised build of this command ended with {status}");
    Ok(())
}

fn build(root: &Path) -> Result<PathBuf> {
    progress("build zookube-node");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--release", "--package", "zookube-node"]);
    let status = command.status().context("build zookube-node")?;
    ensure!(status.success(), "building zookube-node ended with {status}");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let node = target.join("release/zookube-node");
    ensure!(node.exists(), "{} is not there after the build", node.display());
    Ok(node)
}

fn measure(args: &[String], options: Options, results: &Path, workshop: &Workshop, root: &Path) -> Result<Report> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut report = Report {
        commit: commit(root)?,
        started_unix_seconds: started,
        command: format!("cargo xtask bench {}", args.join(" ")).trim_end().to_owned(),
        machine: Machine::look(results)?,
        versions: Versions::ask(&workshop.node),
        options: options.clone(),
        cells: Vec::new(),
        memory: Vec::new(),
        starts: Vec::new(),
    };
    for servers in [1, 3] {
        throughput(&options, workshop, servers, &mut report.cells)?;
    }
    if options.wants("start") {
        report.starts.extend(big_tree::time_starts_empty(workshop, &options)?);
    }
    if options.wants("start") || options.wants("memory") {
        let mut filled = Vec::new();
        for contender in &options.servers {
            let server = workshop.prepare(*contender, 1, "tree")?.pop();
            let mut server = server.context("one server was asked for")?;
            let memory = big_tree::fill(workshop, &mut server, *contender, options.znodes)?;
            filled.push((server, memory));
        }
        if options.wants("start") {
            report.starts.extend(big_tree::time_starts_loaded(workshop, &options, &mut filled)?);
        }
        report.memory.extend(filled.into_iter().map(|(_, memory)| memory));
    }
    ensure!(!(report.cells.is_empty() && report.memory.is_empty()), "no cell matches --cells\n\n{}", options::USAGE);
    Ok(report)
}

/// All cells of one size of ensemble. The contenders' servers run all the while and idle when it is not their turn.
fn throughput(options: &Options, workshop: &Workshop, servers: usize, results: &mut Vec<CellResult>) -> Result<()> {
    let cells: Vec<&Cell> = CELLS.iter().filter(|cell| cell.servers == servers && options.wants(cell.name)).collect();
    if cells.is_empty() {
        return Ok(());
    }
    let mut ensembles = Vec::new();
    for contender in &options.servers {
        progress(&format!("start {servers} of {}", contender.name()));
        ensembles.push(workshop.start(*contender, servers, &format!("load-{servers}"))?);
    }
    if cells.iter().any(|cell| cell.has_echo()) {
        ensembles.push(workshop.start(Contender::Echo, 1, "echo")?);
    }
    for ensemble in &ensembles {
        for cell in &cells {
            cells::warm_up(cell, ensemble, if options.quick { WARM_UP_QUICK } else { WARM_UP })?;
        }
    }
    for cell in cells {
        let mut result = CellResult::new(cell);
        for round in 1..=options.rounds {
            for ensemble in ensembles.iter().filter(|ensemble| takes_part(ensemble, cell)) {
                let sample = cells::measure(cell, ensemble, options)?;
                progress(&format!(
                    "{} {} round {round}: {:.0} ops/s, p99 {:.0} µs, generator {:.2}, servers {:.2}, others {:.2} cores",
                    cell.name,
                    ensemble.contender.name(),
                    sample.ops_per_second,
                    sample.p99_us,
                    sample.generator_cpu,
                    sample.server_cpu,
                    sample.others_cpu
                ));
                result.add(ensemble.contender, sample);
            }
        }
        results.push(result);
    }
    Ok(())
}

fn takes_part(ensemble: &Ensemble, cell: &Cell) -> bool {
    ensemble.contender != Contender::Echo || cell.has_echo()
}

fn commit(root: &Path) -> Result<String> {
    let git = |args: &[&str]| first_line(Command::new("git").current_dir(root).args(args));
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    if !commit.chars().all(|c| c.is_ascii_hexdigit()) {
        bail!("git does not know the commit of {}: {commit}", root.display());
    }
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"]);
    Ok(if dirty == "unknown" { commit } else { format!("{commit}-dirty") })
}

/// One line of progress, away from the table.
fn progress(text: &str) {
    eprintln!("bench: {text}");
}
