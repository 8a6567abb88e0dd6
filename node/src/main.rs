//! `zookube-node`: arguments, configuration, exit codes.

mod lab;

use anyhow::Result;
use clap::{Parser, Subcommand};
use node::config::{Config, Overrides};
use node::exit::{self, Fatal};
use node::{server, telemetry};
use std::path::PathBuf;
use std::process::ExitCode;

/// Returns memory of many threads faster than the system's allocator and keeps small blocks dense.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A ZooKeeper server.
#[derive(Debug, Parser)]
#[command(name = "zookube-node", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server.
    Run {
        /// Apache's zoo.cfg, read unchanged.
        #[arg(long)]
        config: PathBuf,
        /// A key that takes the place of the file's, as `key=value`; may be given several times.
        #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
        set: Vec<(String, String)>,
        /// The server id where there is no myid file.
        #[arg(long)]
        myid: Option<String>,
    },
    /// Run several servers on this machine, with a live table and a prompt.
    Lab(lab::LabArgs),
    /// Print the version.
    Version,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("expected key=value, found {text:?}")),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.command, Command::Run { .. }) {
        // Before any thread exists: the signal of a parent's death belongs to a thread.
        lab::die_with_parent();
    }
    telemetry::start();
    stop_on_panic();
    match perform(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            let code = error.downcast_ref::<Fatal>().map_or(exit::UNEXPECTED, |fatal| fatal.code);
            ExitCode::from(u8::try_from(code).unwrap_or(1))
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer of `version` is what was asked for on standard output")]
fn perform(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run { config, set, myid } => {
            let overrides = Overrides { keys: set, myid };
            let config = load(&config, &overrides)?;
            server::run(config)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Lab(arguments) => lab::run(arguments),
        Command::Version => {
            println!("zookube-node {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(path: &std::path::Path, overrides: &Overrides) -> Result<Config, Fatal> {
    match Config::load(path, overrides) {
        Ok((config, warnings)) => {
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            Ok(config)
        }
        Err(error) => Err(Fatal::new(exit::INVALID_INVOCATION, error.to_string())),
    }
}

/// A server that has lost an invariant must stop, whichever thread found it: no other one may carry on with its state.
fn stop_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
        std::process::exit(exit::UNEXPECTED);
    }));
}
