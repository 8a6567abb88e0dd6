//! From what the process shares to the figures of the four-letter words.

use super::text::{self, rounded};
use super::text::{Conf, Connection, ConnectionSession, Dump, EnsembleConf, Latencies, Metric, Server, Sessions};
use crate::clock;
use crate::config::{Config, Mode};
use crate::connection::{Conn, Latency};
use crate::metrics::catalog::{self, Kind};
use crate::metrics::instruments::{Closed, Instruments};
use crate::metrics::{families, process};
use crate::settings;
use crate::shared::Shared;
use replica::Status;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use tree::ConnId;
use wire::client::OpCode;
use wire::{Millis, SessionId, Zxid};
use zab::quorum::{MemberRole, Membership};

/// The release whose behaviour this is; clients compare it.
const APACHE_VERSION: &str = "3.9.5";
/// Bucket width of Apache's queue of idle connections (`NIOServerCnxnFactory.configure`).
const CONNECTION_BUCKET_MS: i64 = 10_000;
/// How deep a data directory is searched for its size; ours are flat.
const DIRECTORY_DEPTH_MAX: usize = 8;

/// Version, revision and build date in Apache's form.
#[must_use]
pub fn version() -> String {
    let built = option_env!("ZOOKUBE_BUILT_ON").unwrap_or("an unknown date");
    format!("{APACHE_VERSION}-zookube.{}, built on {built}", env!("CARGO_PKG_VERSION"))
}

/// `srvr`, `stat`.
pub(crate) fn server<'a>(shared: &Shared, version: &'a str) -> Server<'a> {
    let status = shared.status();
    Server {
        version,
        latency: latencies(&shared.stats.latency),
        received: shared.stats.received.load(Relaxed),
        sent: shared.stats.sent.load(Relaxed),
        connections: shared.registry.len(),
        outstanding: status.outstanding,
        zxid: shared.last_zxid(),
        mode: status.mode,
        nodes: shared.tree.read().node_count(),
        proposal_bytes: (status.mode == "leader").then_some(status.proposal_bytes),
    }
}

fn latencies(latency: &Latency) -> Latencies {
    Latencies {
        last: latency.last(),
        min: latency.totals().min(),
        mean: latency.totals().mean(),
        max: latency.totals().max(),
    }
}

/// The lines of `stat` and `cons`, oldest connection first.
pub(crate) fn connections(shared: &Shared) -> Vec<Connection> {
    shared.registry.list().iter().map(|conn| connection(conn)).collect()
}

fn connection(conn: &Conn) -> Connection {
    let stats = &conn.stats;
    let session = (conn.session() != SessionId::NONE).then(|| ConnectionSession {
        id: conn.session(),
        operation: OpCode::from_i32(stats.last_opcode.load(Relaxed)),
        established: conn.established,
        timeout_ms: conn.timeout_ms(),
        last_cxid: stats.last_cxid.load(Relaxed),
        last_zxid: Zxid(stats.last_zxid.load(Relaxed)),
        last_response: Millis(stats.last_response.load(Relaxed)),
        latency: latencies(&stats.latency),
    });
    Connection {
        peer: conn.peer,
        queued: stats.outstanding.load(Relaxed),
        received: stats.received.load(Relaxed),
        sent: stats.sent.load(Relaxed),
        session,
    }
}

/// `conf`.
pub(crate) fn conf(shared: &Shared) -> String {
    let config = &shared.config;
    let (dirs, _) = settings::dirs(config);
    let (data_dir_bytes, data_log_bytes) = dir_sizes(shared);
    text::conf(&Conf {
        client_port: config.client_listen().port,
        data_dir: &absolute(&dirs.snap_dir()),
        data_dir_bytes,
        data_log_dir: &absolute(&dirs.log_dir()),
        data_log_bytes,
        tick_time_ms: config.settings.tick_time_ms,
        max_client_cnxns: config.settings.max_client_cnxns,
        session_timeout_bounds_ms: config.session_timeout_bounds_ms(),
        listen_backlog: config.settings.client_port_listen_backlog,
        server_id: config.myid.filter(|_| config.mode == Mode::Ensemble).map_or(0, |sid| sid.0),
        ensemble: (config.mode == Mode::Ensemble).then(|| ensemble_conf(config, &shared.membership())),
    })
}

fn ensemble_conf(config: &Config, membership: &Membership) -> EnsembleConf {
    let own = config.myid.and_then(|sid| membership.servers.get(&sid)).or(config.own_spec());
    let addresses = own.map_or(&[][..], |spec| &spec.addresses);
    let distinct = |ports: Vec<u16>| {
        ports.iter().enumerate().filter(|(at, port)| !ports[..*at].contains(port)).map(|(_, port)| *port).collect()
    };
    EnsembleConf {
        init_limit_ticks: config.settings.init_limit_ticks.unwrap_or(0),
        sync_limit_ticks: config.settings.sync_limit_ticks.unwrap_or(0),
        election_ports: distinct(addresses.iter().map(|address| address.election_port).collect()),
        quorum_ports: distinct(addresses.iter().map(|address| address.quorum_port).collect()),
        is_observer: own.is_some_and(|spec| spec.role == MemberRole::Observer),
        membership: membership.to_text(),
    }
}

pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Sizes of the directories of snapshots and of the log.
pub(crate) fn dir_sizes(shared: &Shared) -> (u64, u64) {
    let (dirs, _) = settings::dirs(&shared.config);
    (dir_size(&dirs.snap_dir(), DIRECTORY_DEPTH_MAX), dir_size(&dirs.log_dir(), DIRECTORY_DEPTH_MAX))
}

/// The lengths of all files beneath. A file that disappears meanwhile counts nothing.
fn dir_size(dir: &Path, depth: usize) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let data = entry.metadata().ok()?;
        Some(match data.is_dir() {
            true if depth > 0 => dir_size(&entry.path(), depth - 1),
            true => 0,
            false => data.len(),
        })
    });
    sizes.sum()
}

/// `dump`.
pub(crate) fn dump(shared: &Shared) -> Dump {
    let status = shared.status();
    let to_wall = clock::wall().0 - clock::mono().0;
    let tree = shared.tree.read();
    let by_wall = |buckets: &[(Millis, Vec<SessionId>)]| {
        buckets.iter().map(|(at, sessions)| (at.plus(to_wall), sessions.clone())).collect()
    };
    let sessions = match status.mode {
        "follower" | "observer" | "read-only" => Sessions::Known(tree.sessions().collect()),
        _ => Sessions::Tracked(by_wall(&status.session_buckets)),
    };
    let local_sessions = status.local_session_buckets.as_deref().map(by_wall);
    let ephemerals = tree.ephemerals();
    drop(tree);
    let mut buckets: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for conn in shared.registry.list() {
        buckets.entry(given_up_at(&conn, shared) + to_wall).or_default().push((conn.peer, conn.session()));
    }
    let connections = buckets.into_iter().map(|(at, connections)| (Millis(at), connections)).collect();
    Dump { local_sessions, sessions, ephemerals, connections }
}

/// When a silent connection would be closed, monotonic, rounded as in `ExpiryQueue.roundToNextInterval`.
fn given_up_at(conn: &Conn, shared: &Shared) -> i64 {
    let sessionless_ms = i64::try_from(shared.client.sessionless.as_millis()).unwrap_or(i64::MAX);
    let (heard, patience_ms) = if conn.session() == SessionId::NONE {
        (clock::mono().0, sessionless_ms)
    } else {
        (conn.stats.last_response.load(Relaxed), i64::from(conn.timeout_ms()))
    };
    (heard.saturating_add(patience_ms) / CONNECTION_BUCKET_MS + 1) * CONNECTION_BUCKET_MS
}

/// `wchc`.
pub(crate) fn watches_by_session(shared: &Shared) -> Vec<(SessionId, Vec<String>)> {
    let watches = shared.tree.read().watches_by_conn();
    let session_of = sessions_by_conn(shared);
    watches.into_iter().filter_map(|(conn, paths)| Some((*session_of.get(&conn)?, paths))).collect()
}

/// `wchp`.
pub(crate) fn watches_by_path(shared: &Shared) -> Vec<(String, Vec<SessionId>)> {
    let watches = shared.tree.read().watches_by_path();
    let session_of = sessions_by_conn(shared);
    let sessions = |conns: Vec<ConnId>| conns.iter().filter_map(|conn| session_of.get(conn).copied()).collect();
    watches.into_iter().map(|(path, conns)| (path, sessions(conns))).collect()
}

fn sessions_by_conn(shared: &Shared) -> HashMap<ConnId, SessionId> {
    shared.registry.list().iter().map(|conn| (conn.id, conn.session())).collect()
}

/// `envi`, with `<NA>` for what only a Java process has, as Apache writes where it does not know.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    let unknown = || "<NA>".to_owned();
    let line_of = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| unknown());
    let mut entries = vec![
        ("zookeeper.version", version()),
        ("host.name", line_of("/proc/sys/kernel/hostname").unwrap_or_else(unknown)),
    ];
    let java = [
        "java.version",
        "java.vendor",
        "java.home",
        "java.class.path",
        "java.library.path",
        "java.io.tmpdir",
        "java.compiler",
    ];
    entries.extend(java.map(|key| (key, unknown())));
    // Java's name of the architecture.
    let architecture = if std::env::consts::ARCH == "x86_64" { "amd64" } else { std::env::consts::ARCH };
    let current_dir = std::env::current_dir().map_or_else(|_| unknown(), |dir| dir.display().to_string());
    let memory_mb = |file: &str, key: &str| proc_kib(file, key).map_or_else(unknown, |kib| format!("{}MB", kib / 1024));
    entries.extend([
        ("os.name", line_of("/proc/sys/kernel/ostype").unwrap_or_else(unknown)),
        ("os.arch", architecture.to_owned()),
        ("os.version", line_of("/proc/sys/kernel/osrelease").unwrap_or_else(unknown)),
        ("user.name", variable("USER")),
        ("user.home", variable("HOME")),
        ("user.dir", current_dir),
        ("os.memory.free", memory_mb("/proc/meminfo", "MemAvailable:")),
        ("os.memory.max", memory_mb("/proc/meminfo", "MemTotal:")),
        ("os.memory.total", memory_mb("/proc/self/status", "VmRSS:")),
    ]);
    entries
}

/// The number behind a key of a file in `/proc`.
fn proc_kib(file: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `mntr`: what is truly measured, under Apache's names. Summaries are told as by Apache's provider without a port
/// (`AvgMinMaxCounter`, `AvgMinMaxPercentileCounter`).
pub(crate) fn metrics(shared: &Shared) -> Vec<(String, Metric)> {
    let values = values(shared).into_iter().map(|(name, value)| (name.to_owned(), value));
    let mut metrics: Vec<(String, Metric)> = values.collect();
    for (name, summary) in families::summaries(&shared.instruments) {
        metrics.extend([
            (format!("avg_{name}"), Metric::Real(rounded(summary.totals().mean()))),
            (format!("min_{name}"), integer(summary.totals().min())),
            (format!("max_{name}"), integer(summary.totals().max())),
            (format!("cnt_{name}"), integer(summary.totals().count())),
            (format!("sum_{name}"), integer(summary.totals().sum())),
        ]);
        if catalog::find(name).is_some_and(|entry| entry.kind == Kind::Advanced) {
            let quantiles = summary.quantiles([0.5, 0.95, 0.99, 0.999]).unwrap_or_default();
            let named = ["p50", "p95", "p99", "p999"].into_iter().zip(quantiles);
            metrics.extend(named.map(|(quantile, value)| (format!("{quantile}_{name}"), integer(value))));
        }
    }
    metrics
}

/// The figures that are one number, or a text, each.
pub(crate) fn values(shared: &Shared) -> Metrics {
    let status = shared.status();
    let mut metrics =
        vec![("version", Metric::Text(version())), ("server_state", Metric::Text(status.mode.to_owned()))];
    if shared.config.mode == Mode::Ensemble {
        metrics.push(("peer_state", Metric::Text(status.peer_state.clone())));
        let voters = shared.membership().voters().count();
        metrics.push(("quorum_size", integer(voters)));
    }
    if let (Some(master), "observer") = (status.upstream, status.mode) {
        metrics.push(("observer_master_id", Metric::Integer(master.0)));
    }
    push_client_metrics(shared, &status, &mut metrics);
    push_tree_metrics(shared, &status, &mut metrics);
    push_process_metrics(&mut metrics);
    push_memory_metrics(shared, &status, &mut metrics);
    push_protocol_metrics(shared, &status, &mut metrics);
    metrics
}

pub(crate) type Metrics = Vec<(&'static str, Metric)>;

fn integer(value: impl TryInto<i64>) -> Metric {
    Metric::Integer(value.try_into().unwrap_or(i64::MAX))
}

fn push_client_metrics(shared: &Shared, status: &Status, metrics: &mut Metrics) {
    let stats = &shared.stats;
    let Instruments { requests, clients, .. } = &*shared.instruments;
    let counters = [
        ("max_latency", stats.latency.totals().max()),
        ("min_latency", stats.latency.totals().min()),
        ("packets_received", stats.received.load(Relaxed)),
        ("packets_sent", stats.sent.load(Relaxed)),
        ("auth_failed_count", stats.auth_failed.load(Relaxed)),
        ("connection_request_count", stats.connection_requests.load(Relaxed)),
        ("connection_rejected", stats.rejected.load(Relaxed)),
        ("bytes_received_count", stats.bytes_received.load(Relaxed)),
        ("sessionless_connections_expired", stats.sessionless_expired.load(Relaxed)),
        ("cnxn_closed_without_zk_server_running", stats.closed_not_serving.load(Relaxed)),
        ("connection_drop_count", clients.closed[Closed::Client as usize].load(Relaxed)),
        ("response_bytes", requests.response_bytes.load(Relaxed)),
        ("watch_bytes", clients.watch_bytes.load(Relaxed)),
    ];
    let [last, min, max] = requests.response_size.get();
    metrics.extend([
        ("last_client_response_size", Metric::Integer(last)),
        ("max_client_response_size", Metric::Integer(max)),
        ("min_client_response_size", Metric::Integer(min)),
    ]);
    metrics.push(("avg_latency", Metric::Real(rounded(stats.latency.totals().mean()))));
    metrics.extend(counters.map(|(name, value)| (name, integer(value))));
    metrics.push(("num_alive_connections", integer(shared.registry.len())));
    metrics.push(("outstanding_requests", integer(status.outstanding)));
    metrics.push(("connection_drop_probability", Metric::Real(0.0)));
}

fn push_tree_metrics(shared: &Shared, status: &Status, metrics: &mut Metrics) {
    let local_sessions: usize = status.local_session_buckets.iter().flatten().map(|(_, sessions)| sessions.len()).sum();
    let tree = shared.tree.read();
    metrics.extend([
        ("znode_count", integer(tree.node_count())),
        ("watch_count", integer(tree.watch_count())),
        ("ephemerals_count", integer(tree.ephemerals_count())),
        ("approximate_data_size", Metric::Integer(tree.approximate_data_size())),
        ("global_sessions", integer(tree.sessions().len())),
        ("local_sessions", integer(local_sessions)),
        ("digest_mismatches_count", integer(tree.digest_mismatches())),
        ("max_cversion", integer(tree.max_cversion())),
        ("max_data_version", integer(tree.max_version())),
    ]);
}

fn push_process_metrics(metrics: &mut Metrics) {
    metrics.push(("uptime", Metric::Integer(clock::mono().0)));
    for (name, of_kernel) in
        [("open_file_descriptor_count", "process_open_fds"), ("max_file_descriptor_count", "process_max_fds")]
    {
        metrics.extend(process::figure(of_kernel).map(|count| (name, Metric::Integer(count as i64))));
    }
}

/// Only where there is a limit.
fn push_memory_metrics(shared: &Shared, status: &Status, metrics: &mut Metrics) {
    let stats = &shared.memory;
    let limit = stats.limit_bytes.load(Relaxed);
    if limit > 0 {
        metrics.extend([
            ("memory_limit_bytes", integer(limit)),
            ("memory_growth_limit_bytes", integer(stats.growth_limit_bytes.load(Relaxed))),
            ("memory_used_bytes", integer(stats.used_bytes.load(Relaxed))),
            ("memory_is_short", integer(u8::from(status.is_short_of_memory))),
            ("refused_for_memory_count", integer(status.counters.refused_for_memory)),
        ]);
    }
}

fn push_protocol_metrics(shared: &Shared, status: &Status, metrics: &mut Metrics) {
    let (counters, instruments) = (&status.counters, &shared.instruments);
    metrics.extend([
        ("looking_count", integer(counters.looking)),
        ("diff_count", integer(counters.diffs_sent + counters.truncs_sent)),
        ("snap_count", integer(counters.snaps_sent)),
        ("commit_count", integer(counters.commits_sent)),
        ("stale_sessions_expired", integer(counters.sessions_expired)),
        ("connection_revalidate_count", integer(counters.revalidations)),
        ("proposal_count", integer(counters.proposals_sent)),
        ("learner_proposal_received_count", integer(counters.proposals_received)),
        ("learner_commit_received_count", integer(counters.commits_received)),
        ("request_commit_queued", integer(counters.commits_sent + counters.commits_received)),
        ("revalidate_count", integer(counters.revalidations_for_learners)),
        ("prep_processor_request_queued", integer(instruments.core.queued.load(Relaxed) + counters.forwarded_requests)),
        ("sync_processor_request_queued", integer(instruments.disk.queued.load(Relaxed))),
        ("restore_error_count", integer(instruments.disk.restore_errors.load(Relaxed))),
        ("restore_rate_limited_count", integer(instruments.disk.restores_refused.load(Relaxed))),
        ("snapshot_error_count", integer(instruments.disk.asked_snapshot_errors.load(Relaxed))),
        ("snapshot_rate_limited_count", integer(instruments.disk.asked_snapshots_refused.load(Relaxed))),
        ("epoch_roll_over_count", integer(counters.roll_overs)),
    ]);
    match status.mode {
        "leader" => push_leader_metrics(shared, status, metrics),
        "follower" => metrics.push(("synced_observers", integer(status.synced_learners.len()))),
        _ => {}
    }
}

fn push_leader_metrics(shared: &Shared, status: &Status, metrics: &mut Metrics) {
    let membership = shared.membership();
    let roles = status.synced_learners.iter().map(|(sid, _)| membership.role(*sid));
    let (mut followers, mut observers, mut strangers) = (0, 0, 0);
    for role in roles {
        match role {
            Some(MemberRole::Participant) => followers += 1,
            Some(MemberRole::Observer) => observers += 1,
            None => strangers += 1,
        }
    }
    let [last, min, max] = status.proposal_bytes;
    let leads_since_ms = shared.instruments.core.leads_since_ms.load(Relaxed);
    metrics.extend([
        ("leader_uptime", Metric::Integer(clock::mono().0 - leads_since_ms)),
        ("learners", integer(status.learners)),
        // Apache counts servers that follow without being members among the followers too.
        ("synced_followers", Metric::Integer(followers + strangers)),
        ("synced_non_voting_followers", Metric::Integer(strangers)),
        ("synced_observers", Metric::Integer(observers)),
        ("pending_syncs", integer(status.pending_syncs)),
        ("last_proposal_size", Metric::Integer(last)),
        ("min_proposal_size", Metric::Integer(min)),
        ("max_proposal_size", Metric::Integer(max)),
    ]);
    if let Some((used, of)) = status.epoch_counter {
        metrics.push(("zxid_counter_used_ratio", Metric::Real(f64::from(used) / f64::from(of))));
    }
}
