//! `zookube-node doctor`: looks at everything a server needs before, or while, it runs, and says what is wrong and what to do.
//!
//! ```text
//! configuration ──> members, own line ─┐
//! names, ports of peers ── dial ───────┼──> findings ──> text or JSON, exit code
//! directories, disk, machine ──────────┘
//! ```
//! Asking and judging are apart: what is asked of the network and the kernel comes back as plain values, and small functions
//! turn values into [`finding::Finding`]s. Nothing is changed but for a temporary file of the disk's measurement.

mod clock;
mod configuration;
pub(crate) mod data;
mod dial;
mod disk;
pub mod finding;
mod machine;
mod members;
mod peers;
mod ports;
mod print;
mod progress;
pub mod quorum;
mod volume;

use crate::commands::ConfigArgs;
use crate::config::{Config, Listen, Mode};
use crate::resolve::Resolver;
use crate::settings;
use crate::{admin, metrics};
use anyhow::{Context, Result};
use data::Holder;
use dial::DialSettings;
use finding::{Finding, Report, Strictness};
use members::{Binding, Locality, Neighbours, OwnLine};
use print::{Paint, Style};
use progress::Progress;
use std::io::{IsTerminal, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::ServerId;

/// Where Apache's administration answers HTTP.
const ADMIN_PORT: u16 = 8080;
/// The exit code of a shell for a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Let warnings count: exit code 1.
    #[arg(long)]
    strict: bool,
    /// How long to wait for each connection and each answer.
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    timeout_ms: u64,
    /// A port on which peers answer HTTP and so tell their time; may be given several times. If not given: this server's
    /// metricsProvider.httpPort, then 8080.
    #[arg(long = "http-port", value_name = "PORT")]
    http_ports: Vec<u16>,
}

/// Checks, prints, and answers 0 (nothing is wrong), 1 (something is) or 2 (there is nothing to check).
///
/// # Errors
/// When the checks cannot be begun or standard output cannot be written.
pub fn run(arguments: &DoctorArgs) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime of the checks")?;
    // What the parts report to an operator's log is in the findings; between them it would spoil the document.
    let silent = tracing::subscriber::NoSubscriber::default();
    let stop = Arc::new(AtomicBool::new(false));
    let report = tracing::subscriber::with_default(silent, || {
        runtime.block_on(async {
            let checks = examine(arguments, stop.clone());
            tokio::pin!(checks);
            tokio::select! {
                report = &mut checks => Ok(Some(report)),
                interrupted = tokio::signal::ctrl_c() => {
                    stop.store(true, Ordering::Relaxed);
                    interrupted.context("listen for an interruption").map(|()| None)
                }
            }
        })
    });
    // Waits for a measurement under way: it removes its file.
    drop(runtime);
    let Some(report) = report? else { return Ok(ExitCode::from(INTERRUPTED)) };
    let strictness = if arguments.strict { Strictness::Warnings } else { Strictness::Problems };
    let text = if arguments.json {
        print::json(&report, strictness).context("write the document")?
    } else {
        print::text(&report, strictness, style())
    };
    std::io::stdout().write_all(text.as_bytes()).context("write to standard output")?;
    Ok(ExitCode::from(report.verdict(strictness).exit_code()))
}

/// Colours on a terminal, unless they are refused (<https://no-color.org>), and lines that fit it.
fn style() -> Style {
    let is_terminal = std::io::stdout().is_terminal();
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style {
        paint: if is_terminal && !refused { Paint::Colours } else { Paint::Plain },
        columns: is_terminal.then(crossterm::terminal::size).and_then(Result::ok).map(|(columns, _)| columns.into()),
    }
}

async fn examine(arguments: &DoctorArgs, stop: Arc<AtomicBool>) -> Report {
    let options = arguments.config.options();
    let read = configuration::read(&options);
    let mut report = Report { findings: read.findings, nothing_configured: read.nothing_configured };
    let Some(config) = read.config else {
        report.findings.extend(machine::all(None));
        return report;
    };
    let progress = Progress::new();
    let resolver = Resolver::new(settings::resolver(&config));
    let running = data::holder(&settings::dirs(&config).0);
    let dial = DialSettings {
        patience: Duration::from_millis(arguments.timeout_ms),
        client_port: config.client_listen().port,
        http_ports: match arguments.http_ports.as_slice() {
            [] => vec![config.settings.metrics_port, ADMIN_PORT],
            given => given.to_vec(),
        },
    };
    let (of_ensemble, of_ports, of_disk) = tokio::join!(
        ensemble(&config, &dial, &resolver, &progress),
        own_ports(&config, running.as_ref(), &resolver),
        storage(&config, running.clone(), stop, &progress),
    );
    progress.clear();
    report.findings.extend(of_ensemble);
    report.findings.extend(of_ports);
    report.findings.extend(of_disk);
    report.findings.extend(machine::all(running.as_ref()));
    report
}

/// The server list, this server's own line, the peers and their clocks.
async fn ensemble(config: &Config, dial: &DialSettings, resolver: &Resolver, progress: &Progress) -> Vec<Finding> {
    let (Mode::Ensemble, Some(me)) = (config.mode, config.myid) else {
        return vec![
            Finding::note("members.count", "", "a standalone server: no failure is tolerated")
                .with_remedy("an ensemble of three tolerates one failure"),
        ];
    };
    let others = || config.membership.servers.iter().filter(move |(sid, _)| **sid != me);
    let asked = dial::join_all(others().map(|(sid, spec)| dial::peer(*sid, spec, dial, resolver, progress)));
    let own_host = config.client_listen().host.unwrap_or_else(|| "127.0.0.1".to_owned());
    let (peers, own_mode) = tokio::join!(asked, dial::own_mode(&own_host, dial, resolver, progress));
    let mut findings = vec![members::count(&config.membership)];
    findings.extend(own_lines(config, me, resolver, &peers).await);
    findings.extend(
        peers::Asked {
            membership: &config.membership,
            me,
            own_mode: &own_mode,
            peers: &peers,
            patience: dial.patience,
        }
        .judge(),
    );
    findings.extend(peers.iter().map(|peer| clock::judge(peer.sid, &peer.skew)));
    findings
}

async fn own_lines(config: &Config, me: ServerId, resolver: &Resolver, peers: &[dial::Peer]) -> Vec<Finding> {
    let binds_everywhere = config.election_listen().iter().all(|listen| listen.host.is_none());
    let binding = if binds_everywhere { Binding::EveryInterface } else { Binding::OwnAddress };
    let attempts = peers.iter().flat_map(|peer| &peer.election).filter_map(|dialed| dialed.attempts.as_deref().ok());
    let unknown = peers.iter().flat_map(|peer| &peer.election).any(|dialed| dialed.attempts.is_err());
    let on_loopback = attempts.flatten().all(|attempt| attempt.address.ip().is_loopback());
    let neighbours = if on_loopback && !unknown { Neighbours::OnLoopback } else { Neighbours::Remote };
    let mut findings = Vec::new();
    for address in config.own_spec().iter().flat_map(|spec| &spec.addresses) {
        let addresses = dial::resolve(resolver, &address.host, address.election_port).await;
        let addresses = addresses.map(|found| found.iter().map(|one| (one.ip(), locality(one.ip()))).collect());
        let line = OwnLine { host: &address.host, addresses: &addresses, binding, neighbours };
        findings.push(line.judge(me));
    }
    findings
}

fn locality(address: IpAddr) -> Locality {
    if ports::is_here(address) { Locality::Here } else { Locality::Elsewhere }
}

/// The ports this server will bind.
async fn own_ports(config: &Config, running: Option<&Holder>, resolver: &Resolver) -> Vec<Finding> {
    let of = |purpose: &'static str, listens: Vec<Listen>| listens.into_iter().map(move |listen| (purpose, listen));
    let metrics = metrics::address(config).map(|(host, port)| Listen::on(host, port));
    let admin = admin::address(config).filter(|(_, port)| *port != 0).map(|(host, port)| Listen::on(host, port));
    let all = of("clients", vec![config.client_listen()])
        .chain(of("quorum", config.quorum_listen()))
        .chain(of("election", config.election_listen()))
        .chain(of("metrics", metrics.into_iter().collect()))
        .chain(of("admin", admin.into_iter().collect()));
    let mut findings = Vec::new();
    for (purpose, listen) in all {
        let addresses = match &listen.host {
            None => Vec::new(),
            Some(host) => match dial::resolve(resolver, host, listen.port).await {
                Ok(addresses) => addresses.iter().map(std::net::SocketAddr::ip).collect(),
                Err(why) => {
                    let about = format!("{host}:{} ({purpose})", listen.port);
                    findings.push(Finding::unknown("ports.free", about, format!("{host} {why}")));
                    continue;
                }
            },
        };
        findings.push(ports::check(&ports::Wanted { purpose, listen, addresses }, running));
    }
    findings
}

/// The directories, what is in them and what they lie on. Blocking work, on a thread of its own.
async fn storage(config: &Config, running: Option<Holder>, stop: Arc<AtomicBool>, progress: &Progress) -> Vec<Finding> {
    let _step = progress.begin(format!("the disk of {}", config.data_log_dir().display()));
    let config = config.clone();
    let work = tokio::task::spawn_blocking(move || storage_now(&config, running.as_ref(), &stop));
    work.await.unwrap_or_else(|error| vec![Finding::unknown("disk.latency", "", format!("the check ended: {error}"))])
}

fn storage_now(config: &Config, running: Option<&Holder>, stop: &AtomicBool) -> Vec<Finding> {
    let (dirs, autocreate) = settings::dirs(config);
    let autocreate = autocreate == store::Autocreate::Yes;
    let mut places: Vec<PathBuf> = vec![dirs.data_dir.clone()];
    if dirs.data_log_dir != dirs.data_dir {
        places.push(dirs.data_log_dir.clone());
    }
    let mut findings: Vec<Finding> = places.iter().map(|dir| data::directory(dir, autocreate)).collect();
    findings.extend(places.iter().filter_map(|dir| data::ownership(dir)));
    findings.push(data::lock(&dirs, running));
    let snapshot_bytes = match data::inventory(&dirs) {
        Ok(inventory) => {
            findings.push(data::history(&dirs, &inventory, running, settings::record_bytes_max(config)));
            inventory.snapshot_bytes
        }
        Err(error) => {
            let about = dirs.data_dir.display().to_string();
            findings.push(Finding::unknown("data.history", about, error.to_string()));
            0
        }
    };
    findings.extend(data::epochs(&dirs));
    let volumes = places.iter().map(|dir| volume::Volume::of(dir).map_err(|error| (dir.clone(), error)));
    let prealloc_bytes = settings::log(config).prealloc_bytes;
    let mut found = Vec::new();
    for volume in volumes {
        match volume {
            Ok(volume) => {
                findings.extend([volume.file_system(), volume.space(prealloc_bytes, snapshot_bytes), volume.inodes()]);
                found.push(volume);
            }
            Err((dir, error)) => {
                findings.push(Finding::unknown("disk.file_system", dir.display().to_string(), error.to_string()));
            }
        }
    }
    if let (Some(data), Some(log)) = (found.first(), found.last()) {
        findings.push(volume::separate(data, log));
        findings.push(latency(config, log, stop));
    }
    findings
}

/// Measures where the log will be: in its directory, or, before the first start, beside it.
fn latency(config: &Config, log: &volume::Volume, stop: &AtomicBool) -> Finding {
    let positive_ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let limits = disk::Limits {
        warning: positive_ms(config.settings.fsync_warning_threshold_ms),
        sync_limit: (config.mode == Mode::Ensemble).then(|| positive_ms(config.sync_limit_ms())),
    };
    match disk::Series::measure(&log.dir, stop) {
        Ok(series) => series.judge(&log.dir, limits),
        Err(error) => {
            Finding::unknown("disk.latency", log.dir.display().to_string(), format!("cannot be measured: {error}"))
                .with_remedy("run this command as the server's user, once its directories are there")
        }
    }
}
