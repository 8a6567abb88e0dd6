//! `zookube-operator run`: from the first look at the API server to the end.

use anyhow::{Context, Result};
use clap::ValueEnum;
use kube::{Client, Config};
use operator::controller::{self, Settings};
use operator::http::{self, Health};
use operator::lease::Election;
use operator::metrics::Metrics;
use operator::validate::Release;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Between two attempts to reach the API server.
const PAUSE: Duration = Duration::from_secs(2);
/// Passes that are under way may take so long to end.
const STOP_PATIENCE: Duration = Duration::from_secs(25);
/// The namespace where nothing says which.
const NAMESPACE: &str = "default";

/// What an operator is told. Every option can be given as a variable, too.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  zookube-operator run --no-leader-election --log-format text\n\nWithout a service account it uses the current context of ~/.kube/config, or of $KUBECONFIG."
)]
pub(crate) struct Arguments {
    /// Namespaces that it looks at, separated by commas; none: all.
    #[arg(long, env = "ZOOKUBE_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMES")]
    watch_namespaces: Vec<String>,
    /// Where /metrics, /livez and /readyz are.
    #[arg(long, env = "ZOOKUBE_HTTP_ADDRESS", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    http_address: String,
    /// The namespace of the Lease by which one of several operators works; its own if nothing is said.
    #[arg(long, env = "ZOOKUBE_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// The name of that Lease.
    #[arg(long, env = "ZOOKUBE_LEASE_NAME", default_value = "zookube-operator", value_name = "NAME")]
    lease_name: String,
    /// Works without asking whether another one does. Two that do so together harm nobody's data, and get in each other's way.
    #[arg(long)]
    no_leader_election: bool,
    /// The image of servers, without a tag, where a resource does not name one.
    #[arg(long, env = "ZOOKUBE_NODE_IMAGE", default_value_t = Release::default().repository, value_name = "REPOSITORY")]
    node_image: String,
    /// What is logged: error, warn, info, debug, trace, or directives such as `operator=debug,kube=info`.
    #[arg(long, env = "ZOOKUBE_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// How it is logged.
    #[arg(long, env = "ZOOKUBE_LOG_FORMAT", default_value = "json")]
    log_format: LogFormat,
    /// The name of this pod.
    #[arg(long, env = "POD_NAME", hide = true)]
    pod_name: Option<String>,
    /// The namespace of this pod.
    #[arg(long, env = "POD_NAMESPACE", hide = true)]
    pod_namespace: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// An object a line.
    Json,
    /// For people.
    Text,
}

/// Works until SIGTERM or SIGINT.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    start_log(&arguments)?;
    // One thread: what takes time here is other machines.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(work(arguments))
}

fn start_log(arguments: &Arguments) -> Result<()> {
    let filter = EnvFilter::try_new(directives(&arguments.log_level))
        .with_context(|| format!("--log-level {}: expected a level such as info", arguments.log_level))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match arguments.log_format {
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        LogFormat::Text => log.try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("start the log: {error}"))
}

/// A level alone is ours: what the client of servers has to say about each session is for those who ask for it.
fn directives(level: &str) -> String {
    if level.contains(['=', ',']) { level.to_owned() } else { format!("{level},zookeeper_client=warn") }
}

async fn work(arguments: Arguments) -> Result<()> {
    let mut stop = stop_signals()?;
    let metrics = Arc::new(Metrics::new().context("make the metrics")?);
    let health = Arc::new(Health { metrics: metrics.clone(), is_ready: AtomicBool::new(false) });
    let address = &arguments.http_address;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("--http-address {address}: cannot be listened at. hint: another program has it; name another port")
    })?;
    tokio::spawn(http::serve(listener, health.clone()));
    let Some(client) = until(&mut stop, reach()).await else { return Ok(()) };
    let client = client?;
    health.is_ready.store(true, Ordering::Relaxed);
    let instance = arguments.pod_name.clone().unwrap_or_else(own_name);
    let settings = Settings {
        namespaces: arguments.watch_namespaces.iter().filter(|name| !name.is_empty()).cloned().collect(),
        release: Release { repository: arguments.node_image.clone(), ..Release::default() },
        instance: instance.clone(),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), namespaces = ?settings.namespaces, "the operator has started");
    if arguments.no_leader_election {
        metrics.is_leader.set(1);
        controller::run(client, settings, metrics, stopped(stop)).await;
        return Ok(());
    }
    let namespace = arguments.lease_namespace.or(arguments.pod_namespace);
    let namespace = namespace.unwrap_or_else(|| NAMESPACE.to_owned());
    let mut election = Election::new(client.clone(), &namespace, &arguments.lease_name, instance);
    if until(&mut stop, election.win()).await.is_none() {
        return Ok(());
    }
    tracing::info!("this operator works");
    metrics.is_leader.set(1);
    let outcome = tokio::select! {
        lost = election.keep() => Err(lost),
        () = controller::run(client, settings, metrics, stopped(stop)) => Ok(()),
    };
    match outcome {
        Ok(()) => {
            election.release().await;
            tracing::info!("the operator has stopped");
            Ok(())
        }
        // Another one may work by now: the process ends, and with it whatever it was about to do.
        Err(lost) => anyhow::bail!("the Lease {namespace}/{} is lost: {lost}", arguments.lease_name),
    }
}

/// Where there is no pod to be named after, no other operator has this name either.
fn own_name() -> String {
    format!("zookube-operator-{}", std::process::id())
}

/// A client of an API server that answers.
async fn reach() -> Result<Client> {
    let mut config = Config::infer().await.context(
        "no Kubernetes to work for. hint: in a pod the service account's token must be mounted; elsewhere set KUBECONFIG",
    )?;
    // What was refused was decided on what was seen then: it is looked at again, and never sent again.
    config.default_retry = false;
    let client = Client::try_from(config).context("make a client of the API server")?;
    loop {
        match tokio::time::timeout(PAUSE * 5, client.apiserver_version()).await {
            Ok(Ok(version)) => {
                tracing::info!(kubernetes = version.git_version, "the API server answers");
                return Ok(client);
            }
            Ok(Err(error)) => tracing::warn!("the API server was not reached: {error}; tried again"),
            Err(_) => tracing::warn!("the API server does not answer; tried again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn stop_signals() -> Result<watch::Receiver<bool>> {
    let mut term = signal(SignalKind::terminate()).context("watch SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("watch SIGINT")?;
    let (tell, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::info!("told to stop");
        let _ = tell.send(true);
        // Whatever hangs does not keep the process: nothing is lost with it.
        tokio::time::sleep(STOP_PATIENCE).await;
        tracing::warn!("stopping took too long");
        std::process::exit(1);
    });
    Ok(stop)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// What comes of it, or `None` when told to stop before.
async fn until<T>(stop: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => None,
        outcome = work => Some(outcome),
    }
}
