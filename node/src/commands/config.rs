//! `zookube-node config`: what a server would run with, where each value comes from, and whether it could run.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::json;

use super::ConfigArgs;
use crate::config::{Config, ConfigError, Effective, Mode, Warning};
use crate::exit;

/// Arguments of `config`.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Action {
    /// Print every key with the value that counts and where it comes from. Nothing is written or bound.
    Print {
        /// Where the configuration is.
        #[command(flatten)]
        config: ConfigArgs,
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Say whether a server could run with the configuration; the exit code is 2 if it could not.
    Check(ConfigArgs),
}

/// Runs the command. Warnings and errors go to standard error, a line each.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    let args = match &command.action {
        Action::Print { config, .. } | Action::Check(config) => config,
    };
    let (config, warnings) = match args.read() {
        Ok(read) => read,
        Err(error) => {
            report(&error);
            return Ok(ExitCode::from(u8::try_from(exit::INVALID_INVOCATION).unwrap_or(1)));
        }
    };
    let mut out = io::stdout().lock();
    match &command.action {
        Action::Print { json: true, .. } => writeln!(out, "{:#}", document(&config, &warnings))?,
        Action::Print { json: false, .. } => {
            remark(&warnings);
            out.write_all(table(&config).as_bytes())?;
        }
        Action::Check(_) => {
            remark(&warnings);
            writeln!(out, "the configuration is good: {}", config.described())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(error: &ConfigError) {
    for problem in &error.problems {
        eprintln!("error: {problem}");
    }
}

fn remark(warnings: &[Warning]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

/// A row of the table: key, value, source.
type Row = (String, String, String);

/// What `myid` holds or will hold.
fn identity(config: &Config) -> Option<Row> {
    let identity = config.identity()?;
    let stored = if identity.is_stored { String::new() } else { format!("; not yet in {}", identity.file.display()) };
    Some(("myid".to_owned(), identity.sid.to_string(), format!("{}{stored}", identity.place)))
}

fn table(config: &Config) -> String {
    let mut rows: Vec<Row> = vec![("KEY".to_owned(), "VALUE".to_owned(), "FROM".to_owned())];
    rows.extend(identity(config));
    rows.extend(config.effective().into_iter().map(|Effective { key, value, place }| (key, value, place.to_string())));
    let width = |of: fn(&Row) -> &String| rows.iter().map(|row| of(row).len()).max().unwrap_or(0);
    let (keys, values) = (width(|row| &row.0), width(|row| &row.1));
    rows.iter().map(|(key, value, from)| format!("{key:keys$}  {value:values$}  {from}\n")).collect()
}

fn document(config: &Config, warnings: &[Warning]) -> serde_json::Value {
    let keys: Vec<serde_json::Value> = config
        .effective()
        .into_iter()
        .map(|Effective { key, value, place }| json!({"key": key, "value": value, "from": place.to_string()}))
        .collect();
    let identity = config.identity().map(|identity| {
        json!({
            "sid": identity.sid.0,
            "from": identity.place.to_string(),
            "file": identity.file,
            "stored": identity.is_stored,
        })
    });
    json!({
        "file": config.file,
        "mode": match config.mode { Mode::Standalone => "standalone", Mode::Ensemble => "ensemble" },
        "myid": identity,
        "keys": keys,
        "srv": config.peer_srv(),
        "warnings": warnings.iter().map(Warning::to_string).collect::<Vec<_>>(),
    })
}
