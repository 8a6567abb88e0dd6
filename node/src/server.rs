//! Puts a server together, runs it, and takes it down again.

use crate::actions::{Hands, PeerPorts, Sink, shared_clients};
use crate::client_listener::{self, Place};
use crate::config::{Config, Listen, Mode};
use crate::disk::{Disk, DiskQueue, Job};
use crate::driver::Driver;
use crate::election_conn::{ElectionEvent, ElectionNet, ElectionNetError};
use crate::exit::{self, Fatal};
use crate::inbox::Internal;
use crate::learner_conn::LinkNet;
use crate::limits::{STOP_PATIENCE, STOP_POLL};
use crate::recovery::Recovered;
use crate::shared::{DiskStats, Shared};
use crate::snapshots::Snapshots;
use crate::{clock, epochs, settings};
use parking_lot::RwLock;
use replica::limits::{CLIENT_INPUTS_MAX, INTERNAL_INPUTS_MAX};
use replica::{Input, Replica, SharedTree};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::TxnLog;
use tokio::net::lookup_host;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use wire::ServerId;

/// Runs a server until it is told to stop.
///
/// # Errors
/// When it cannot start. What goes wrong later ends the process ([`exit::halt`]).
pub fn run(config: Config) -> Result<(), Fatal> {
    let started = Instant::now();
    tracing::debug!(mono = %clock::mono(), "the clock starts");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("net")
        .enable_all()
        .build()
        .map_err(|error| Fatal::new(exit::UNEXPECTED, format!("start the runtime: {error}")))?;
    let outcome = runtime.block_on(serve(Arc::new(config), started));
    // Connections that still wait for their clients must not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Arc<Config>, started: Instant) -> Result<(), Fatal> {
    let (dirs, autocreate) = settings::dirs(&config);
    let recovery = settings::recovery(&config);
    let _lock = store::open_dirs(&*recovery.vfs, &dirs, autocreate).map_err(unusable)?;
    let recovered = recovery.run(clock::wall()).map_err(unusable)?;
    report(&recovered, started);
    let Recovered { tree, history, found } = recovered;
    let epochs = match config.mode {
        Mode::Standalone => zab::Epochs::default(),
        Mode::Ensemble => epochs::load(&*recovery.vfs, &dirs.snap_dir(), found.last).map_err(unusable)?,
    };
    let tree: SharedTree = Arc::new(RwLock::new(tree));
    let (internal, internal_inputs) = mpsc::channel(INTERNAL_INPUTS_MAX);
    let (clients, client_inputs) = mpsc::channel(CLIENT_INPUTS_MAX);
    let shared = Arc::new(Shared::new(config.clone(), tree.clone(), clients));

    let snapshots = Arc::new(Snapshots::new(
        recovery.vfs.clone(),
        dirs.clone(),
        tree.clone(),
        settings::snapshots(&config),
        settings::retention(&config).map(|(keep, _)| keep),
        shared.disk.clone(),
    ));
    let log = TxnLog::open(recovery.vfs.clone(), dirs.log_dir(), settings::log(&config), found.last);
    let slow_sync = Duration::from_millis(config.settings.fsync_warning_threshold_ms.unsigned_abs());
    let stats: Arc<DiskStats> = shared.disk.clone();
    let disk = Disk::new(log, recovery.clone(), snapshots.clone(), internal.clone(), stats, epochs, slow_sync)
        .spawn()
        .map_err(|error| Fatal::new(exit::UNEXPECTED, format!("start the disk thread: {error}")))?;
    if config.mode == Mode::Standalone && found.entries > 0 {
        // As Apache does at this point (`ZooKeeperServer.loadData`): the next start replays less.
        disk.send(Job::BackgroundSnapshot);
    }
    if let Some((_, every)) = settings::retention(&config) {
        tokio::spawn(purge(snapshots, every));
    }

    let peers = peers(&config, &recovery, &tree, &internal).await?;
    let listener = listen(&config).await?;
    let core = replica::Recovered { last_zxid: found.last, epochs, history };
    let sink_clients = shared_clients();
    let replica = Replica::new(settings::replica(&config), tree, core, Box::new(Sink(sink_clients.clone())));
    let hands = Hands::new(shared.clone(), sink_clients, disk.clone(), peers);
    let tick = Duration::from_millis(config.settings.tick_time_ms.unsigned_abs());
    let stopped = spawn_driver(Driver::new(replica, hands, internal_inputs, client_inputs, tick))?;
    let accepting = tokio::spawn(client_listener::accept(shared.clone(), listener));
    wait_for_stop(internal).await?;
    let stopping = Instant::now();
    accepting.abort();
    stop(stopped, &disk, &shared, stopping).await;
    Ok(())
}

fn unusable(error: store::Error) -> Fatal {
    Fatal::new(exit::DATA_DIR, error.to_string())
}

fn report(recovered: &Recovered, started: Instant) {
    let found = &recovered.found;
    if let Some(cut) = &found.cut_tail {
        tracing::warn!(
            path = %cut.path.display(), offset = cut.offset, bytes = cut.bytes,
            "cut the end of the log, which a crash left unfinished; nothing in it was acknowledged"
        );
    }
    tracing::info!(
        zxid = %found.last, origin = ?found.origin, entries = found.entries, znodes = recovered.tree.node_count(),
        ms = started.elapsed().as_millis(), "read the data directory"
    );
}

/// Opens the ports between servers.
async fn peers(
    config: &Config,
    recovery: &crate::recovery::Recovery,
    tree: &SharedTree,
    internal: &mpsc::Sender<Internal>,
) -> Result<Option<PeerPorts>, Fatal> {
    if config.mode == Mode::Standalone {
        return Ok(None);
    }
    let me = settings::own_sid(config);
    let events = internal.clone();
    let on_event = move |event| on_election_event(&events, me, event);
    let election =
        ElectionNet::start(settings::election(config), config.membership.clone(), on_event).await.map_err(|error| {
            match error {
                ElectionNetError::Bind { .. } => Fatal::new(exit::BIND_QUORUM_PORT, error.to_string()),
                ElectionNetError::NoOwnAddress { .. } => Fatal::new(exit::INVALID_INVOCATION, error.to_string()),
            }
        })?;
    let links = LinkNet::new(settings::links(config, recovery), tree.clone(), internal.clone());
    Ok(Some(PeerPorts { election, links }))
}

fn on_election_event(internal: &mpsc::Sender<Internal>, me: ServerId, event: ElectionEvent) {
    let item = match event {
        ElectionEvent::Notification { from, notification } => Internal::Input(Input::Vote { from, notification }),
        ElectionEvent::DuplicateSid { address } => {
            tracing::error!(%address, "another server introduced itself with this server's id {me}. hint: every server needs a myid of its own");
            return;
        }
        ElectionEvent::ListenerFailed { reason } => {
            Internal::Halt { code: exit::BIND_QUORUM_PORT, message: format!("election port: {reason}") }
        }
    };
    if internal.try_send(item).is_err() {
        // Votes may be lost: they are sent again.
        tracing::debug!("dropped a vote: the driver has too much to do");
    }
}

/// Opens the client port.
async fn listen(config: &Config) -> Result<tokio::net::TcpListener, Fatal> {
    let Listen { host, port } = config.client_listen();
    let backlog = settings::clients(config).backlog;
    let name = host.as_deref().unwrap_or("*");
    let bound = match &host {
        None => client_listener::bind(Place::Everywhere(port), backlog),
        Some(host) => bind_host(host, port, backlog).await,
    };
    let listener = bound.map_err(|error| {
        Fatal::new(
            exit::UNEXPECTED,
            format!("bind client port {name}:{port}: {error}. hint: another process uses it, or clientPortAddress is not this machine's"),
        )
    })?;
    tracing::info!(address = %name, port, "listen for clients");
    Ok(listener)
}

async fn bind_host(host: &str, port: u16, backlog: i32) -> io::Result<tokio::net::TcpListener> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match client_listener::bind(Place::of(address), backlog) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Starts the driver's thread; the receiver yields when the core has stopped.
fn spawn_driver(driver: Driver) -> Result<oneshot::Receiver<()>, Fatal> {
    let fatal = |error: io::Error| Fatal::new(exit::UNEXPECTED, format!("start the driver: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(fatal)?;
    let (done, stopped) = oneshot::channel();
    std::thread::Builder::new()
        .name("driver".to_owned())
        .spawn(move || {
            runtime.block_on(driver.run());
            // Nobody waits where the start failed meanwhile.
            let _ = done.send(());
        })
        .map_err(fatal)?;
    Ok(stopped)
}

async fn wait_for_stop(internal: mpsc::Sender<Internal>) -> Result<(), Fatal> {
    let fatal = |error: io::Error| Fatal::new(exit::UNEXPECTED, format!("listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(fatal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fatal)?;
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!("stop on {name}");
    if internal.send(Internal::Input(Input::Shutdown)).await.is_err() {
        tracing::debug!("the driver had stopped already");
    }
    Ok(())
}

/// Waits for the core, the disk and the last bytes to the clients, but not for ever.
async fn stop(stopped: oneshot::Receiver<()>, disk: &DiskQueue, shared: &Shared, since: Instant) {
    let left = || STOP_PATIENCE.saturating_sub(since.elapsed());
    let core = tokio::time::timeout(left(), stopped).await.is_ok();
    let (done, synced) = std::sync::mpsc::channel();
    disk.send(Job::Stop(done));
    while !shared.registry.is_empty() && left() > STOP_PATIENCE / 2 {
        tokio::time::sleep(STOP_POLL).await;
    }
    let disk = synced.recv_timeout(left()).is_ok();
    tracing::info!(core, disk, ms = since.elapsed().as_millis(), "stopped");
}

async fn purge(snapshots: Arc<Snapshots>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        let snapshots = snapshots.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || snapshots.purge()).await {
            tracing::warn!("delete old snapshots: {error}");
        }
    }
}
