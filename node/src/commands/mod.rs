//! The commands of `zookube-node`, a file each, and the arguments they share.

pub mod config;
pub mod doctor;
pub mod hand_over;
pub mod health;
pub mod run;
pub mod volume;
pub mod zk_server;

use std::path::PathBuf;

use crate::config::{
    self as configuration, Config, ConfigError, Environment, Implementation, LoadOptions, Overrides, Warning,
};
use crate::engine::Engine;
use crate::exit::{self, Fatal};
use crate::telemetry;

/// Where a command finds the configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ConfigArgs {
    /// Apache's zoo.cfg, read unchanged. Without it: zoo.cfg in $ZOO_CONF_DIR, else the ZOO_* and ZOOKUBE_* variables.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A key that takes the place of any other, as `key=value`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// The server id where there is no myid file.
    #[arg(long, value_name = "ID")]
    pub myid: Option<String>,
}

impl ConfigArgs {
    /// The arguments together with the environment of this process.
    #[must_use]
    pub fn options(&self) -> LoadOptions {
        let environment = Environment::of_process();
        // A name that is no engine is refused where one is started.
        let server = Engine::chosen(None, &environment).map_or(Implementation::Zookube, Engine::implementation);
        LoadOptions {
            file: self.config.clone(),
            overrides: Overrides { keys: self.set.clone(), myid: self.myid.clone() },
            environment,
            server,
        }
    }

    /// The arguments for this engine, whatever the environment says of it.
    #[must_use]
    pub fn options_for(&self, engine: Engine) -> LoadOptions {
        LoadOptions { server: engine.implementation(), ..self.options() }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn read(&self) -> Result<(Config, Vec<Warning>), ConfigError> {
        configuration::load(&self.options())
    }

    /// Reads the configuration for this program's own server and logs its warnings.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once, with the exit code for it.
    pub fn load(&self) -> Result<Config, Fatal> {
        let (config, warnings) = configuration::load(&self.options_for(Engine::Zookube))
            .map_err(|error| Fatal::new(exit::INVALID_INVOCATION, error.to_string()))?;
        telemetry::configure(&config);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(config)
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("expected key=value, found {text:?}")),
    }
}
