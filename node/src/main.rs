//! `zookube-node`: arguments, configuration, exit codes.

mod lab;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use node::cgroup::Cgroups;
use node::commands;
use node::exit::{self, Fatal};
use node::{memory, telemetry};
use std::iter::Peekable;
use std::path::Path;
use std::process::ExitCode;

/// Returns memory of many threads faster than the system's allocator and keeps small blocks dense.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What stands below the list of commands.
const OTHER_NAMES: &str = "\
The same program by other names, which may also stand in front of the arguments:
  cli, zkCli.sh      Apache's shell: `zookube-node cli -server host:2181 ls /`
  zkServer.sh        Apache's script: start, stop, status, ...
  zk                 tools for ensembles, trees and data directories: `zookube-node zk --help`";

/// A ZooKeeper server.
#[derive(Debug, Parser)]
#[command(name = "zookube-node", version, after_help = OTHER_NAMES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server.
    Run(commands::run::RunArgs),
    /// Show or check what a server would run with.
    Config(commands::config::ConfigCommand),
    /// Say whether the server on the configured client port serves: exit code 0 or 1.
    Health(commands::health::HealthArgs),
    /// Look for what keeps a server from working: peers, names, disk, limits. Exit code 0, 1 (something is wrong) or 2.
    Doctor(commands::doctor::DoctorArgs),
    /// Whose data a data directory holds.
    Volume(commands::volume::VolumeCommand),
    /// Ask the leader on this machine to let another server lead. Exit code 0: it does.
    HandOver(commands::hand_over::HandOverArgs),
    /// Run several servers on this machine, with a live table and a prompt.
    Lab(lab::LabArgs),
    /// Print the version.
    Version,
}

/// What this program is depends on the name it is called by: the image links the names of Apache's scripts to it. Such a
/// name as the first argument does the same, because that is how the command of a compose file reaches an entry point.
fn main() -> ExitCode {
    memory::prepare(Cgroups::of_process().memory_limit_bytes());
    let mut arguments = std::env::args().peekable();
    match script(&mut arguments) {
        Some((Script::ZkServer, name)) => as_process(|| commands::zk_server::run(&name, arguments)),
        // Not a server: what it writes is for whoever typed the command.
        Some((Script::ZkCli, _)) => cli::shell::main(arguments),
        Some((Script::Zk, _)) => {
            cli::zk::main_beside(std::iter::once("zk".to_owned()).chain(arguments), &[Arguments::command])
        }
        None => {
            let command = Arguments::parse().command;
            as_process(|| perform(command))
        }
    }
}

/// A script of Apache's that this program stands for.
#[derive(Debug, Clone, Copy)]
enum Script {
    ZkServer,
    ZkCli,
    Zk,
}

/// Reads the names before the arguments: the script, and how it was called. `zk server` is `zkServer.sh`, and a `zk` before the
/// name of a script changes nothing.
fn script(arguments: &mut Peekable<impl Iterator<Item = String>>) -> Option<(Script, String)> {
    let called = arguments.next().unwrap_or_default();
    let name = match Script::named(&called) {
        Some(_) => called,
        None => arguments.next_if(|word| Script::named(word).is_some())?,
    };
    match Script::named(&name)? {
        Script::Zk if arguments.next_if_eq("server").is_some() => Some((Script::ZkServer, format!("{name} server"))),
        Script::Zk => match arguments.next_if(|word| word.ends_with(".sh") && Script::named(word).is_some()) {
            Some(script) => Some((Script::named(&script)?, script)),
            None => Some((Script::Zk, name)),
        },
        script => Some((script, name)),
    }
}

impl Script {
    fn named(path: &str) -> Option<Script> {
        match Path::new(path).file_name()?.to_str()? {
            "zkServer.sh" => Some(Script::ZkServer),
            "zkCli.sh" | "cli" => Some(Script::ZkCli),
            "zk" => Some(Script::Zk),
            _ => None,
        }
    }
}

/// Prepares the process, and turns an error into one log line and Apache's exit code.
fn as_process(work: impl FnOnce() -> Result<ExitCode>) -> ExitCode {
    // Before any thread exists: the signal of a parent's death belongs to a thread.
    lab::die_with_parent();
    telemetry::start();
    stop_on_panic();
    let outcome = work();
    let code = match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            let code = error.downcast_ref::<Fatal>().map_or(exit::UNEXPECTED, |fatal| fatal.code);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
    };
    telemetry::stop();
    code
}

#[expect(clippy::print_stdout, reason = "the answer of `version` is what was asked for on standard output")]
fn perform(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run(arguments) => commands::run::run(&arguments),
        Command::Config(command) => commands::config::run(&command),
        Command::Health(arguments) => commands::health::run(&arguments),
        Command::Doctor(arguments) => commands::doctor::run(&arguments),
        Command::Volume(command) => commands::volume::run(&command),
        Command::HandOver(arguments) => commands::hand_over::run(&arguments),
        Command::Lab(arguments) => lab::run(arguments),
        Command::Version => {
            println!("zookube-node {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A server that has lost an invariant must stop, whichever thread found it: no other one may carry on with its state.
fn stop_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        std::process::exit(exit::UNEXPECTED);
    }));
}
