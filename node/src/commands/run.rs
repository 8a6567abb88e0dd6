//! `zookube-node run`: a server, by this program's engine or by a stock Apache ZooKeeper beneath it.

use crate::commands::{ConfigArgs, zk_server};
use crate::config::{self, Environment};
use crate::engine::{Engine, apache};
use crate::exit::{self, Fatal};
use crate::{server, telemetry};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `run`.
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// What serves, unless ZOOKUBE_ENGINE says it: this program, or a stock Apache ZooKeeper that it configures and watches.
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
}

/// Runs a server until it is told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(arguments: &RunArgs) -> Result<ExitCode> {
    zk_server::leave_the_terminal_if_asked();
    let environment = Environment::of_process();
    let engine = Engine::chosen(arguments.engine, &environment)?;
    match engine {
        Engine::Zookube => {
            let config = arguments.config.load()?;
            telemetry::export(&config);
            server::run(config)?;
            Ok(ExitCode::SUCCESS)
        }
        Engine::Apache => {
            let read = config::load(&arguments.config.options_for(engine));
            let (config, warnings) = read.map_err(|error| Fatal::new(exit::INVALID_INVOCATION, error.to_string()))?;
            telemetry::configure(&config);
            for warning in warnings.iter().filter(|warning| !warning.is_only_here()) {
                tracing::warn!("{warning}");
            }
            Ok(apache::run(&config, &environment)?)
        }
    }
}
