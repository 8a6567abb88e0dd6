//! A stock Apache ZooKeeper with this server's identity and configuration, as a child of this process.
//!
//! What is around the server stays what it is for our own: the same variables and files configure it, the same ports are
//! open, `health` and `zkServer.sh status` ask the same question, signals reach it, its output is ours and so is its exit
//! code. Reference for the command line: `bin/zkServer.sh`, `bin/zkEnv.sh`.

mod files;
mod installation;
mod java;

use crate::cgroup::Cgroups;
use crate::config::{Config, Environment};
use crate::exit::{self, Fatal};
use crate::init::{Children, SIGNALLED};
use crate::metrics::{self, Probes, Source};
use crate::probe::{self, Finding, Target};
use crate::server;
use files::Files;
use installation::Installation;
use prometheus::proto::MetricFamily;
use rustix::process::{Pid, Signal, WaitStatus, kill_process};
use std::io;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How long the metrics port waits for the server's own answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// What is passed on to the server.
const FORWARDED: [(Signal, &str); 6] = [
    (Signal::TERM, "SIGTERM"),
    (Signal::INT, "SIGINT"),
    (Signal::HUP, "SIGHUP"),
    (Signal::QUIT, "SIGQUIT"),
    (Signal::USR1, "SIGUSR1"),
    (Signal::USR2, "SIGUSR2"),
];

/// Runs the server until it ends; answers its exit code.
///
/// # Errors
/// When there is no installation, or the server cannot be started.
pub fn run(config: &Config, environment: &Environment) -> Result<ExitCode, Fatal> {
    let installation = Installation::find(environment)?;
    for dir in [config.data_dir(), config.data_log_dir()] {
        std::fs::create_dir_all(dir).map_err(|error| unusable(&dir.display().to_string(), &error))?;
    }
    server::store_myid(config)?;
    let files =
        Files::write(config, &installation).map_err(|(path, error)| unusable(&path.display().to_string(), &error))?;
    let command = java::command(config, environment, &installation, &files, &Cgroups::of_process());
    tracing::info!(
        version = %installation.version, home = %installation.home.display(), java = %installation.java.display(),
        config = %files.zoo_cfg.display(), "run Apache ZooKeeper"
    );
    let failed =
        |error: io::Error| Fatal::new(exit::UNEXPECTED, format!("run {}: {error}", installation.java.display()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    let status = runtime.block_on(async {
        if !installation.has_metrics {
            let asked = Arc::new(Asked(Target::of(config)));
            metrics::start(config, asked.clone(), metrics::http::probes(asked));
        }
        watch(command).await
    });
    runtime.shutdown_background();
    let code = code_of(status.map_err(failed)?);
    tracing::info!(code, "Apache ZooKeeper has ended");
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

fn unusable(what: &str, error: &io::Error) -> Fatal {
    Fatal::new(
        exit::DATA_DIR,
        format!("write {what}: {error}. hint: the data directories must be writable for this user"),
    )
}

/// Starts the server and waits for its end. Signals go to it; as process 1, this process reaps everybody's orphans.
async fn watch(mut command: Command) -> io::Result<WaitStatus> {
    let mut signals = forwarded()?;
    let mut children = Children::watch()?;
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    let ended = children.wait_for(pid);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            status = &mut ended => return Ok(status),
            Some((signal, name)) = signals.recv() => match kill_process(pid, signal) {
                Ok(()) => tracing::info!("passed {name} on"),
                Err(error) => tracing::warn!("pass {name} on: {error}"),
            },
        }
    }
}

fn forwarded() -> io::Result<mpsc::Receiver<(Signal, &'static str)>> {
    let (arrived, signals) = mpsc::channel(FORWARDED.len());
    for (kind, name) in FORWARDED {
        let mut stream = signal(SignalKind::from_raw(kind.as_raw()))?;
        let arrived = arrived.clone();
        tokio::spawn(async move { while stream.recv().await.is_some() && arrived.send((kind, name)).await.is_ok() {} });
    }
    Ok(signals)
}

/// As a shell counts.
fn code_of(status: WaitStatus) -> i32 {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => SIGNALLED + signal,
        (None, None) => exit::UNEXPECTED,
    }
}

/// The metrics of a server that publishes none itself: what it answers to `mntr`.
struct Asked(Target);

impl Asked {
    fn ask(&self) -> Finding {
        probe::ask(&self.0, ANSWER_PATIENCE)
    }
}

impl Source for Asked {
    fn metrics(&self) -> Result<Vec<MetricFamily>, String> {
        let answer = probe::word(&self.0, "mntr", ANSWER_PATIENCE)?;
        if answer.starts_with("zk_") { Ok(metrics::mntr::families(&answer)) } else { Err(answer.trim().to_owned()) }
    }
}

impl Probes for Asked {
    fn live(&self) -> Result<(), String> {
        match self.ask() {
            Finding::Serving { .. } | Finding::NotServing => Ok(()),
            Finding::Silent { reason } => Err(reason),
        }
    }

    fn ready(&self) -> Result<(), String> {
        match self.ask() {
            finding @ Finding::Serving { .. } if finding.is_read_only() => Err(metrics::ONLY_READ.to_owned()),
            Finding::Serving { .. } => Ok(()),
            Finding::NotServing => Err(metrics::NO_LEADER.to_owned()),
            Finding::Silent { reason } => Err(reason),
        }
    }
}
