//! Puts a server together, runs it, and takes it down again.

use crate::actions::{Hands, PeerPorts, Peers, Sink, shared_clients};
use crate::admin::state::{Node, Running};
use crate::cgroup::Cgroups;
use crate::client_port::ClientPort;
use crate::config::{Config, Listen, Mode};
use crate::disk::{Disk, DiskQueue, Job};
use crate::driver::Driver;
use crate::election_conn::{ElectionEvent, ElectionNet, ElectionNetError};
use crate::exit::{self, Fatal};
use crate::inbox::Internal;
use crate::init::{self, StopOrder};
use crate::learner_conn::LinkNet;
use crate::limits::{STOP_PATIENCE, STOP_POLL};
use crate::membership_files::MembershipFiles;
use crate::memory::{Bounds, Gauge};
use crate::notation::Remote;
use crate::reconfig::Reconfig;
use crate::recovery::{LoadProgress, Recovered, Recovery};
use crate::resolve::Resolver;
use crate::shared::{DiskStats, Shared};
use crate::snapshots::Snapshots;
use crate::volume::{self, Volume};
use crate::{admin, clock, epochs, founding, holdings, memory, metrics, settings};
use parking_lot::RwLock;
use replica::limits::{CLIENT_INPUTS_MAX, INTERNAL_INPUTS_MAX};
use replica::{Input, Replica, SharedTree};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{DataDirs, DirLock, Origin, RealFs, TxnLog};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use wire::{ServerId, Zxid};

/// Runs a server until it is told to stop.
///
/// # Errors
/// When it cannot start. What goes wrong later ends the process ([`exit::halt`]).
pub fn run(config: Config) -> Result<(), Fatal> {
    let started = Instant::now();
    tracing::debug!(mono = %clock::mono(), "the clock starts");
    let cgroups = Cgroups::of_process();
    memory::prepare(config.settings.memory_growth_limit.bytes());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers(&cgroups))
        .thread_name("net")
        .enable_all()
        .build()
        .map_err(|error| Fatal::new(exit::UNEXPECTED, format!("start the runtime: {error}")))?;
    let outcome = runtime.block_on(serve(config, cgroups, started));
    // Connections that still wait for their clients must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// As many threads as processors may be used. A share of one is one: less would be none.
fn workers(cgroups: &Cgroups) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let quota = cgroups.cpus().map_or(processors, |cpus| cpus.ceil() as usize);
    quota.clamp(1, processors)
}

async fn serve(mut config: Config, cgroups: Cgroups, started: Instant) -> Result<(), Fatal> {
    let signals = |error: io::Error| Fatal::new(exit::UNEXPECTED, format!("listen for signals: {error}"));
    let delay = Duration::from_millis(config.settings.shutdown_delay_ms.unsigned_abs());
    let stop_order = StopOrder::listen(delay).map_err(signals)?;
    init::reap_orphans_if_first().map_err(signals)?;
    let (dirs, volume, _lock) = take_volume(&mut config)?;
    let config = Arc::new(config);
    let kernels_limit = cgroups.memory_limit_bytes();
    let gauge = Gauge::new(cgroups, config.settings.memory_growth_limit);
    let bounds = Bounds::within(gauge.as_ref().map_or(kernels_limit, Gauge::limit_bytes));
    let recovery = recovery(&config, &bounds);
    let progress = Arc::new(LoadProgress::default());
    // Whoever restarts processes must see that this one is alive, however long it reads its data directory.
    let node = Node::new(config.clone(), volume, progress.clone(), started);
    admin::start(&node);
    metrics::start(&config, node.clone(), admin::pages::pages_beside_metrics(node.clone()));
    let recovered = recovery.run_watched(clock::wall(), &progress).map_err(unusable)?;
    report(&recovered, started);
    let recovery_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Recovered { tree, history, found, config_before } = recovered;
    let epochs = match config.mode {
        Mode::Standalone => zab::Epochs::default(),
        Mode::Ensemble => epochs::load(&*recovery.vfs, &dirs.snap_dir(), found.last).map_err(unusable)?,
    };
    let tree: SharedTree = Arc::new(RwLock::new(tree));
    let (internal, internal_inputs) = mpsc::channel(INTERNAL_INPUTS_MAX);
    let (clients, client_inputs) = mpsc::channel(CLIENT_INPUTS_MAX);
    let mut shared = Shared::new(config.clone(), tree.clone(), clients);
    shared.bounds = bounds;
    shared.instruments.disk.note_recovery(recovery_ms, found.entries);
    let shared = Arc::new(shared);
    if holdings::are_data(config.mode, found.last, epochs) {
        shared.note_data();
    }

    let (disk, snapshots) = start_disk(&shared, &recovery, &internal, epochs, found.last)?;
    if config.mode == Mode::Standalone && found.entries > 0 {
        // As Apache does at this point (`ZooKeeperServer.loadData`): the next start replays less.
        disk.send(Job::BackgroundSnapshot);
    }
    let resolver = Resolver::new(settings::resolver(&config));
    let (client_place, client_places) = watch::channel(config.client_listen());
    let peers = peers(&config, &recovery, &tree, &internal, &resolver, client_place).await?;
    let client_port = ClientPort::open(&config, resolver).await?;
    let core = replica::Recovered {
        last_zxid: found.last,
        epochs,
        history,
        config_before,
        // Without `db.autocreate` there is no database that nobody has asked for.
        is_new_ensemble: found.origin == Origin::Initialized || !config.settings.db_autocreate,
    };
    let sink_clients = shared_clients();
    let sink = Sink { clients: sink_clients.clone(), instruments: shared.instruments.clone() };
    let replica = Replica::new(settings::replica(&config), tree, core, Box::new(sink));
    let hands = Hands::new(shared.clone(), sink_clients, disk.clone(), peers);
    let tick = Duration::from_millis(config.settings.tick_time_ms.unsigned_abs());
    if let Some(gauge) = gauge {
        tokio::spawn(memory::watch(gauge, shared.clone(), internal.clone()));
    }
    let stopped = spawn_driver(Driver::new(replica, hands, internal_inputs, client_inputs, tick))?;
    node.runs(Running { shared: shared.clone(), internal: internal.clone(), snapshots });
    let accepting = tokio::spawn(client_port.serve(shared.clone(), internal.clone(), client_places));
    Serving { node, shared, internal, disk, accepting, stopped, delay }.until_told(stop_order).await;
    Ok(())
}

/// A server that serves.
struct Serving {
    node: Arc<Node>,
    shared: Arc<Shared>,
    internal: mpsc::Sender<Internal>,
    disk: DiskQueue,
    accepting: JoinHandle<()>,
    /// Whether the core has stopped.
    stopped: watch::Receiver<bool>,
    /// How long it serves on after the order to stop.
    delay: Duration,
}

impl Serving {
    /// Waits for the order to stop, and carries it out.
    async fn until_told(mut self, order: StopOrder) {
        let mut order = pin!(order.given());
        let signal = tokio::select! {
            signal = &mut order => Some(signal),
            // Without an order the core stops when it is retired. If its thread is lost, `/livez` tells.
            Ok(_) = self.stopped.wait_for(|stopped| *stopped) => None,
        };
        let Some(signal) = signal else { return self.park(order).await };
        self.node.drain();
        self.serve_on(signal).await;
        let stopping = Instant::now();
        tracing::info!("stop on {signal}");
        if self.internal.send(Internal::Input(Input::Shutdown)).await.is_err() {
            tracing::debug!("the driver had stopped already");
        }
        self.accepting.abort();
        stop(self.stopped, &self.disk, &self.shared, stopping).await;
    }

    /// Waits until nobody sends clients here any more, as far as `shutdown.delayMs` gives time for that. Who is turned away later
    /// dials again, but who dials the address of a pod that has just gone hears nothing.
    async fn serve_on(&mut self, signal: &str) {
        if self.delay.is_zero() {
            return;
        }
        tracing::info!(
            ms = self.delay.as_millis(),
            "{signal}: not ready from now on, and stops behind shutdown.delayMs"
        );
        // Whether the time is over or the core has stopped by itself, what follows is the same.
        let _ = tokio::time::timeout(self.delay, self.stopped.wait_for(|stopped| *stopped)).await;
    }

    /// Ends everything but the process, which can be asked what has become of its server until it is told to stop.
    async fn park(self, mut order: Pin<&mut impl Future<Output = &'static str>>) {
        self.accepting.abort();
        let (done, synced) = std::sync::mpsc::channel();
        self.disk.send(Job::Stop(done));
        // A full disk may take for ever; the stamp is on it.
        let mut flushed = tokio::task::spawn_blocking(move || synced.recv().is_ok());
        let told = tokio::select! {
            _ = &mut flushed => None,
            signal = &mut order => Some(signal),
        };
        let signal = match told {
            Some(signal) => {
                let is_late = tokio::time::timeout(STOP_PATIENCE, flushed).await.is_err();
                tracing::debug!(is_late, "what was to be written when the order came");
                signal
            }
            None => {
                tracing::info!("retired: this server has stopped, its process waits to be ended");
                order.await
            }
        };
        self.node.drain();
        tracing::info!("end on {signal}");
    }
}

/// Starts the thread that writes, and the one that deletes what is old.
fn start_disk(
    shared: &Shared,
    recovery: &Recovery,
    internal: &mpsc::Sender<Internal>,
    epochs: zab::Epochs,
    last: Zxid,
) -> Result<(DiskQueue, Arc<Snapshots>), Fatal> {
    let (config, vfs, dirs) = (&shared.config, recovery.vfs.clone(), recovery.dirs.clone());
    let snapshots = Arc::new(Snapshots::new(
        vfs.clone(),
        dirs.clone(),
        shared.tree.clone(),
        settings::snapshots(config),
        settings::retention(config).map(|(keep, _)| keep),
        shared.disk.clone(),
    ));
    let log = TxnLog::open(vfs, dirs.log_dir(), settings::log(config), last);
    let slow_sync = Duration::from_millis(config.settings.fsync_warning_threshold_ms.unsigned_abs());
    let stats: Arc<DiskStats> = shared.disk.clone();
    let disk = Disk::new(log, recovery.clone(), snapshots.clone(), internal.clone(), stats, epochs, slow_sync)
        .spawn()
        .map_err(|error| Fatal::new(exit::UNEXPECTED, format!("start the disk thread: {error}")))?;
    if let Some((_, every)) = settings::retention(config) {
        tokio::spawn(purge(snapshots.clone(), every));
    }
    Ok((disk, snapshots))
}

/// Takes the data directories for this process and this server, whatever they were used for before.
fn take_volume(config: &mut Config) -> Result<(DataDirs, Volume, DirLock), Fatal> {
    let (dirs, autocreate) = settings::dirs(config);
    let lock = store::open_dirs(&RealFs, &dirs, autocreate).map_err(unusable)?;
    let stamp = volume::admit(config, &dirs)?;
    let volume = Volume::new(&dirs, stamp, holdings::are_on_volume(config.mode, &dirs));
    founding::apply(config)?;
    store_myid(config)?;
    go_by_kept_list(config);
    Ok((dirs, volume, lock))
}

/// Where the ensemble may change while it runs, the last list that this server kept counts, if it is later than the configured
/// one.
fn go_by_kept_list(config: &mut Config) {
    if !config.settings.reconfig_enabled || config.mode == Mode::Standalone {
        return;
    }
    let files = MembershipFiles::of(config);
    if config.membership.version == 0
        && let Err(error) = files.back_up_static()
    {
        tracing::warn!("copy the configuration file, out of which the server list will be taken: {error}");
    }
    let Some(kept) = files.newest_in_data_dir().filter(|kept| kept.version > config.membership.version) else { return };
    tracing::info!(
        version = format_args!("{:x}", kept.version),
        than_configured = zab::reconfig::difference(&config.membership, &kept),
        "the server list in the data directory counts, it is later than the configured one"
    );
    config.set_membership(kept);
}

/// How the data directory is read, in the memory there is. Alone a server has no learners to keep a history for.
fn recovery(config: &Config, bounds: &Bounds) -> Recovery {
    let history_bytes_max = match config.mode {
        Mode::Standalone => 0,
        Mode::Ensemble => bounds.history_bytes_max,
    };
    Recovery { history_bytes_max, ..settings::recovery(config) }
}

/// Writes `myid` at the first start, so that the data directory says whose it is from then on.
pub(crate) fn store_myid(config: &Config) -> Result<(), Fatal> {
    let Some(identity) = config.identity() else { return Ok(()) };
    match identity.store() {
        Ok(false) => Ok(()),
        Ok(true) => {
            tracing::info!(myid = %identity.sid, from = %identity.place, "wrote {}", identity.file.display());
            Ok(())
        }
        Err(error) => Err(Fatal::new(
            exit::DATA_DIR,
            format!(
                "write {}: {error}. hint: the data directory must be writable for this user",
                identity.file.display()
            ),
        )),
    }
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
    if found.origin == Origin::Unknown {
        tracing::info!(
            "there are no data, and who founds an ensemble does so elsewhere: without a vote until a leader has given it everything. \
             hint: if all servers have lost their data, restore a backup, or put an empty file `initialize` into the data \
             directory to begin anew"
        );
    }
}

/// Opens the ports between servers. `client` is told when clients are to connect elsewhere.
async fn peers(
    config: &Arc<Config>,
    recovery: &Recovery,
    tree: &SharedTree,
    internal: &mpsc::Sender<Internal>,
    resolver: &Resolver,
    client: watch::Sender<Listen>,
) -> Result<Option<Peers>, Fatal> {
    if config.mode == Mode::Standalone {
        return Ok(None);
    }
    let me = settings::own_sid(config);
    let events = internal.clone();
    let on_event = move |event| on_election_event(&events, me, event);
    let election = ElectionNet::start(settings::election(config, resolver), config.membership.clone(), on_event)
        .await
        .map_err(|error| match error {
            ElectionNetError::Bind { .. } => Fatal::new(exit::BIND_QUORUM_PORT, error.to_string()),
            ElectionNetError::NoOwnAddress { .. } => Fatal::new(exit::INVALID_INVOCATION, error.to_string()),
        })?;
    let links = LinkNet::new(settings::links(config, recovery, resolver), tree.clone(), internal.clone());
    let reconfig = Reconfig::new(config.clone(), replica::config_in(&tree.read()), client);
    Ok(Some(Peers { ports: PeerPorts { election, links }, reconfig }))
}

fn on_election_event(internal: &mpsc::Sender<Internal>, me: ServerId, event: ElectionEvent) {
    let item = match event {
        ElectionEvent::Notification { from, notification } => Internal::Input(Input::Vote { from, notification }),
        ElectionEvent::Reach { sid, reach } => Internal::Input(Input::Reach { sid, reach }),
        ElectionEvent::DuplicateSid { address } => {
            tracing::error!(remote = %Remote(address), "another server introduced itself with this server's id {me}. hint: every server needs a myid of its own");
            return;
        }
        ElectionEvent::ListenerFailed { reason } => {
            Internal::Halt { code: exit::BIND_QUORUM_PORT, message: format!("election port: {reason}") }
        }
    };
    if internal.try_send(item).is_err() {
        // Votes may be lost: they are sent again. Who is said to be gone too late is waited for, and who is said to be back too
        // late is heard.
        tracing::debug!("dropped what the election port had to say: the driver has too much to do");
    }
}

/// Starts the driver's thread; the receiver tells whether the core has stopped.
fn spawn_driver(driver: Driver) -> Result<watch::Receiver<bool>, Fatal> {
    let fatal = |error: io::Error| Fatal::new(exit::UNEXPECTED, format!("start the driver: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(fatal)?;
    let (done, stopped) = watch::channel(false);
    std::thread::Builder::new()
        .name("driver".to_owned())
        .spawn(move || {
            runtime.block_on(driver.run());
            // Nobody waits where the start failed meanwhile.
            let _ = done.send(true);
        })
        .map_err(fatal)?;
    Ok(stopped)
}

/// Waits for the core, the disk and the last bytes to the clients, but not for ever.
async fn stop(mut stopped: watch::Receiver<bool>, disk: &DiskQueue, shared: &Shared, since: Instant) {
    let left = || STOP_PATIENCE.saturating_sub(since.elapsed());
    let core = tokio::time::timeout(left(), stopped.wait_for(|stopped| *stopped)).await;
    let core = core.is_ok_and(|core| core.is_ok());
    let (done, synced) = std::sync::mpsc::channel();
    disk.send(Job::Stop(done));
    while !shared.registry.is_empty() && left() > STOP_PATIENCE / 2 {
        tokio::time::sleep(STOP_POLL).await;
    }
    let disk = synced.recv_timeout(left()).is_ok();
    let ms = since.elapsed().as_millis();
    match (core && disk, shared.config.mode) {
        (true, Mode::Ensemble) => tracing::info!(ms, "stopped: this server has left the ensemble"),
        (true, Mode::Standalone) => tracing::info!(ms, "stopped"),
        (false, _) => tracing::warn!(core, disk, ms, "stopped before all was done; what was acknowledged is on disk"),
    }
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
