//! Every metric that is published, once: its kind, what it means, and what Apache has that is not here, with the reason.
//!
//! The page of the metrics port, `mntr` and `docs/metrics.md` are made from this.

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Count, sum and median, as Apache's `BASIC` summaries.
    Basic,
    /// Count, sum and three quantiles, as Apache's `ADVANCED` summaries.
    Advanced,
    /// Buckets.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its label, if it has one; all of them are bounded.
    pub labels: &'static str,
    /// What it means, unit included.
    pub help: &'static str,
}

const fn entry(name: &'static str, kind: Kind, labels: &'static str, help: &'static str) -> Entry {
    Entry { name, kind, labels, help }
}

use Kind::{Advanced, Basic, Counter, Gauge, Histogram};

/// Apache's metrics, with the names, kinds and labels of its Prometheus provider.
pub const APACHE: &[Entry] = &[
    entry(
        "ack_latency",
        Advanced,
        "key",
        "Leader: from a proposal until a server has acknowledged it, ms, by the server's id; every acknowledgement counts",
    ),
    entry("approximate_data_size", Gauge, "", "Paths and data of all znodes, bytes"),
    entry("auth_failed_count", Gauge, "", "Identities that clients claimed and did not prove"),
    entry("avg_latency", Gauge, "", "Mean time of this server's clients' requests since the start or srst, ms"),
    entry("bytes_received_count", Counter, "", "Bytes received from clients"),
    entry(
        "cnxn_closed_without_zk_server_running",
        Counter,
        "",
        "Connections closed at their first frame because no clients are served",
    ),
    entry("commit_count", Counter, "", "Leader: commits sent to learners"),
    entry(
        "commit_propagation_latency",
        Advanced,
        "",
        "Learner: from the proposal, by the leader's clock, until the commit has come and is applied, ms",
    ),
    entry("connection_drop_count", Counter, "", "Connections that clients closed without closing their session"),
    entry("connection_drop_probability", Gauge, "", "Always 0: connections are bounded by number, not thinned out"),
    entry("connection_rejected", Counter, "", "Connections refused by maxClientCnxns or maxCnxns"),
    entry("connection_request_count", Counter, "", "Connect requests"),
    entry("connection_revalidate_count", Counter, "", "Connect requests with a session and its password"),
    entry("dbinittime", Basic, "", "Reading the data directory at the start, ms"),
    entry("diff_count", Counter, "", "Synchronizations of learners by DIFF or TRUNC"),
    entry(
        "digest_mismatches_count",
        Counter,
        "",
        "Transactions after which the tree was not as the leader's digest says",
    ),
    entry("election_time", Basic, "", "From looking for a leader until one was elected, ms"),
    entry("ephemerals_count", Gauge, "", "Ephemeral znodes"),
    entry("follower_sync_time", Basic, "", "Follower: from the election until it serves, in sync with the leader, ms"),
    entry("fsynctime", Basic, "", "Syncs of the log, ms"),
    entry("global_sessions", Gauge, "", "Sessions of the ensemble"),
    entry("last_client_response_size", Gauge, "", "The last reply to a read, bytes; -1 before the first"),
    entry("last_proposal_size", Gauge, "", "Leader: the last proposal, bytes; -1 before the first"),
    entry("leader_unavailable_time", Basic, "", "Leader: from looking for a leader until it serves as one, ms"),
    entry("leader_uptime", Gauge, "", "Leader: since when it serves as one, ms"),
    entry("learner_commit_received_count", Counter, "", "Learner: transactions that it was told to be committed"),
    entry("learner_proposal_received_count", Counter, "", "Follower: proposals received behind the synchronization"),
    entry(
        "learner_request_processor_queue_size",
        Basic,
        "",
        "Learner: inputs of clients that wait when the driver looks",
    ),
    entry("learners", Gauge, "", "Leader: learners that are connected, in sync or not"),
    entry("local_sessions", Gauge, "", "Sessions that only this server knows"),
    entry("looking_count", Counter, "", "Times this server began to look for a leader"),
    entry("max_client_response_size", Gauge, "", "The largest reply to a read, bytes; -1 before the first"),
    entry("max_file_descriptor_count", Gauge, "", "File descriptors that this process may have"),
    entry("max_latency", Gauge, "", "Longest time of a request since the start or srst, ms"),
    entry("max_proposal_size", Gauge, "", "Leader: the largest proposal, bytes; -1 before the first"),
    entry("min_client_response_size", Gauge, "", "The smallest reply to a read, bytes; -1 before the first"),
    entry("min_latency", Gauge, "", "Shortest time of a request since the start or srst, ms"),
    entry("min_proposal_size", Gauge, "", "Leader: the smallest proposal, bytes; -1 before the first"),
    entry("node_changed_watch_count", Basic, "", "Watchers of a znode whose data changed"),
    entry("node_children_watch_count", Basic, "", "Watchers of a znode whose children changed"),
    entry("node_created_watch_count", Basic, "", "Watchers of a znode that was created"),
    entry("node_deleted_watch_count", Basic, "", "Watchers of a znode that was deleted"),
    entry("num_alive_connections", Gauge, "", "Connections of clients"),
    entry("observer_sync_time", Basic, "", "Observer: from the election until it serves, in sync, ms"),
    entry("open_file_descriptor_count", Gauge, "", "File descriptors that this process has, connections included"),
    entry("outstanding_requests", Gauge, "", "Requests of clients in the pipeline"),
    entry("packets_received", Gauge, "", "Packets received from clients"),
    entry("packets_sent", Gauge, "", "Packets sent to clients"),
    entry("pending_syncs", Gauge, "", "Leader: syncs that wait for a commit"),
    entry(
        "prep_processor_queue_size",
        Basic,
        "",
        "Leader, standalone: inputs of clients that wait when the driver looks",
    ),
    entry(
        "prep_processor_queue_time_ms",
        Advanced,
        "",
        "Leader, standalone: from the arrival of a request until the driver takes it, ms",
    ),
    entry(
        "prep_processor_request_queued",
        Counter,
        "",
        "Requests that came to the driver, and those that learners forwarded to this leader",
    ),
    entry("process_cpu_seconds_total", Counter, "", "Processor time of this process, seconds"),
    entry("process_max_fds", Gauge, "", "File descriptors that this process may have"),
    entry("process_open_fds", Gauge, "", "File descriptors that this process has"),
    entry("process_resident_memory_bytes", Gauge, "", "Resident memory of this process, bytes"),
    entry("process_start_time_seconds", Gauge, "", "When this process started, seconds since 1970"),
    entry("process_virtual_memory_bytes", Gauge, "", "Virtual memory of this process, bytes"),
    entry(
        "propagation_latency",
        Advanced,
        "",
        "From the proposal, by the leader's clock, until it is applied here, ms",
    ),
    entry(
        "proposal_ack_creation_latency",
        Advanced,
        "",
        "From the proposal, by the leader's clock, until it is durable here, ms",
    ),
    entry("proposal_count", Counter, "", "Leader: proposals sent to learners"),
    entry(
        "proposal_latency",
        Advanced,
        "",
        "Follower: from the proposal, by the leader's clock, until it has come here, ms",
    ),
    entry("quorum_ack_latency", Advanced, "", "From the proposal, or its arrival here, until it is committed, ms"),
    entry("quorum_size", Gauge, "", "Voters of the configuration in force"),
    entry(
        "quota_bytes_limit_per_namespace",
        Gauge,
        "key",
        "Quotas in bytes: the hard limits where there are such, by the first name of the path",
    ),
    entry("quota_bytes_usage_per_namespace", Gauge, "key", "Bytes below quotas, by the first name of the path"),
    entry(
        "quota_count_limit_per_namespace",
        Gauge,
        "key",
        "Quotas in znodes: the hard limits where there are such, by the first name of the path",
    ),
    entry("quota_count_usage_per_namespace", Gauge, "key", "Znodes below quotas, by the first name of the path"),
    entry(
        "quota_exceeded_error_per_namespace",
        Counter,
        "key",
        "Leader, standalone: writes refused by a hard limit, by the first name of the path",
    ),
    entry(
        "readlatency",
        Advanced,
        "",
        "Reads, syncs and pings of this server's clients: from arrival until the reply, ms",
    ),
    entry("request_commit_queued", Counter, "", "Commits that came to this server's pipeline"),
    entry("response_bytes", Counter, "", "Replies to requests, bytes"),
    entry("restore_error_count", Counter, "", "Snapshots that the command `restore` could not restore"),
    entry(
        "restore_rate_limited_count",
        Counter,
        "",
        "Commands `restore` that were refused because they came too soon after another",
    ),
    entry("restore_time", Basic, "", "Restoring a snapshot, from its first byte until it is served, ms"),
    entry("revalidate_count", Counter, "", "Leader: sessions that learners asked about"),
    entry("sessionless_connections_expired", Counter, "", "Connections closed because they had no session in time"),
    entry("snap_count", Counter, "", "Synchronizations of learners by SNAP"),
    entry(
        "snapshot_error_count",
        Counter,
        "",
        "Snapshots asked for by the command `snapshot` that could not be written",
    ),
    entry(
        "snapshot_rate_limited_count",
        Counter,
        "",
        "Commands `snapshot` that were refused because they came too soon after another",
    ),
    entry("snapshottime", Basic, "", "Snapshots written, ms"),
    entry("stale_sessions_expired", Counter, "", "Sessions that this server expired"),
    entry("startup_txns_loaded", Basic, "", "Transactions of the log that were replayed at the start"),
    entry("sync_processor_batch_size", Basic, "", "Transactions that became durable with one sync"),
    entry(
        "sync_processor_queue_and_flush_time_ms",
        Advanced,
        "",
        "From the proposal, or its arrival here, until it is durable, ms",
    ),
    entry("sync_processor_queue_flush_time_ms", Advanced, "", "Syncs of the log, ms"),
    entry("sync_processor_queue_size", Basic, "", "Transactions that wait for the disk thread when it takes some"),
    entry(
        "sync_processor_queue_time_ms",
        Advanced,
        "",
        "From the proposal, or its arrival here, until it is handed to the kernel, ms",
    ),
    entry("sync_processor_request_queued", Counter, "", "Transactions handed to the disk thread"),
    entry("synced_followers", Gauge, "", "Leader: followers in sync, those without a vote too"),
    entry("synced_non_voting_followers", Gauge, "", "Leader: followers in sync that are no voters"),
    entry("synced_observers", Gauge, "", "Leader, master of observers: observers in sync"),
    entry("unavailable_time", Basic, "", "From the end of serving until clients are served again, ms"),
    entry("updatelatency", Advanced, "", "Writes of this server's clients: from arrival until the reply, ms"),
    entry("uptime", Gauge, "", "Since the start of the process, ms"),
    entry("watch_bytes", Counter, "", "Watch events sent, bytes"),
    entry("watch_count", Gauge, "", "Watches"),
    entry("znode_count", Gauge, "", "Znodes"),
];

/// Metrics of our own.
pub const OURS: &[Entry] = &[
    entry("process_threads", Gauge, "", "Threads of this process"),
    entry("zookube_build_info", Gauge, "version", "1, with the version as label"),
    entry("zookube_client_received_bytes_total", Counter, "", "Bytes received from clients"),
    entry("zookube_client_sent_bytes_total", Counter, "", "Bytes sent to clients"),
    entry(
        "zookube_config_version",
        Gauge,
        "",
        "Version of the configuration in force: the zxid of the reconfiguration that made it",
    ),
    entry(
        "zookube_connections_closed_total",
        Counter,
        "reason",
        "Connections of clients that ended: closed by the client, failed socket, ended session, not served, not reading, bad request, no session in time",
    ),
    entry("zookube_connections_opened_total", Counter, "", "Connections of clients that were accepted"),
    entry(
        "zookube_disk_free_bytes",
        Gauge,
        "dir",
        "Room on the file system of snapshots (snap) and of the log (log), bytes",
    ),
    entry("zookube_disk_is_full", Gauge, "", "1 while the disk thread waits for room"),
    entry(
        "zookube_disk_size_bytes",
        Gauge,
        "dir",
        "Size of the file system of snapshots (snap) and of the log (log), bytes",
    ),
    entry("zookube_election_seconds", Histogram, "", "From looking for a leader until clients are served, seconds"),
    entry("zookube_elections_total", Counter, "", "Times this server began to look for a leader"),
    entry("zookube_epoch", Gauge, "", "The epoch"),
    entry(
        "zookube_epoch_roll_overs_total",
        Counter,
        "",
        "Times this server went on in the next epoch without leaving its role",
    ),
    entry("zookube_fsync_batch_transactions", Histogram, "", "Transactions that became durable with one sync"),
    entry("zookube_fsync_seconds", Histogram, "", "Syncs of the log, seconds"),
    entry(
        "zookube_last_snapshot_bytes",
        Gauge,
        "",
        "Size of the last snapshot that this process wrote, bytes; 0 before the first",
    ),
    entry(
        "zookube_last_snapshot_timestamp_seconds",
        Gauge,
        "",
        "When the last snapshot of this process was complete, seconds since 1970; 0 before the first",
    ),
    entry("zookube_leader_sid", Gauge, "", "The id of the leader; 0 where there is none"),
    entry("zookube_log_appended_bytes_total", Counter, "", "Bytes appended to the log"),
    entry("zookube_log_queue_bytes", Gauge, "", "Bytes that wait to be durable"),
    entry(
        "zookube_max_cversion",
        Gauge,
        "",
        "The highest number that a parent has given to a sequential child; they end at 2147483647",
    ),
    entry("zookube_max_data_version", Gauge, "", "The highest version of a znode's data; they end at 2147483647"),
    entry(
        "zookube_memory_growth_limit_bytes",
        Gauge,
        "",
        "Memory beyond which the tree may not grow, bytes; only where there is a limit",
    ),
    entry(
        "zookube_memory_is_short",
        Gauge,
        "",
        "1 while writes that make the tree grow are refused; only where there is a limit",
    ),
    entry(
        "zookube_memory_limit_bytes",
        Gauge,
        "",
        "Memory that this process may use, bytes; only where there is a limit",
    ),
    entry("zookube_memory_used_bytes", Gauge, "", "Memory that this process uses, bytes; only where there is a limit"),
    entry("zookube_observer_master_sid", Gauge, "", "Observer: the server through which it follows"),
    entry(
        "zookube_otel_requests_total",
        Counter,
        "outcome",
        "Requests to the collector of OpenTelemetry that it took, and that failed; only where there is one",
    ),
    entry(
        "zookube_otel_spans_total",
        Counter,
        "outcome",
        "Spans that ended, and that the collector took; only where there is one",
    ),
    entry("zookube_peer_lag_bytes", Gauge, "peer", "Leader: bytes of proposals that a follower has not acknowledged"),
    entry("zookube_peer_lag_zxids", Gauge, "peer", "Leader: proposals that a follower has not acknowledged"),
    entry(
        "zookube_quorum_margin",
        Gauge,
        "",
        "Leader: servers in sync that can be lost, whichever they are, before the quorum is",
    ),
    entry(
        "zookube_read_seconds",
        Histogram,
        "role",
        "Reads of this server's clients: from arrival until the reply is given to the socket, seconds",
    ),
    entry(
        "zookube_refused_for_memory_total",
        Counter,
        "",
        "Writes refused for want of memory; only where there is a limit",
    ),
    entry("zookube_requests_total", Counter, "op", "Requests of this server's clients, by what they ask for"),
    entry("zookube_server_state", Gauge, "state", "1 for the state that the server is in, 0 for the others"),
    entry("zookube_serving", Gauge, "", "1 while clients are served"),
    entry(
        "zookube_sessions_closed_total",
        Counter,
        "",
        "Sessions of the ensemble that ended, as this server has applied it",
    ),
    entry(
        "zookube_sessions_created_total",
        Counter,
        "",
        "Sessions of the ensemble that began, as this server has applied it",
    ),
    entry(
        "zookube_sessions_expired_total",
        Counter,
        "",
        "Sessions that this server expired: the ensemble's while it leads, and those that only it knows",
    ),
    entry("zookube_slow_operations_total", Counter, "", "Operations slower than slowOperation.thresholdMs"),
    entry("zookube_snapshot_errors_total", Counter, "", "Snapshots that could not be written for want of room"),
    entry("zookube_snapshot_seconds", Histogram, "", "Snapshots written, seconds"),
    entry("zookube_synced_voters", Gauge, "", "Leader: voters in sync, itself included"),
    entry(
        "zookube_tick_late_seconds",
        Histogram,
        "",
        "How late the server comes to what is due: stalls, and a starved processor, seconds",
    ),
    entry("zookube_voters", Gauge, "", "Voters of the configuration in force"),
    entry("zookube_watch_events_total", Counter, "", "Watch events sent"),
    entry("zookube_watch_fanout_events", Histogram, "", "Watch events sent for one transaction, where there were any"),
    entry(
        "zookube_write_phase_seconds",
        Histogram,
        "phase, role",
        "Phases of a write, seconds: queue, log_append, fsync, quorum, apply, reply",
    ),
    entry(
        "zookube_write_seconds",
        Histogram,
        "role",
        "Writes of this server's clients: from arrival until the reply is given to the socket, seconds",
    ),
    entry(
        "zookube_zxid_counter_used_ratio",
        Gauge,
        "",
        "Leader: how much of the epoch's zxids is used; the next epoch follows at 1",
    ),
];

/// Metrics of Apache that are not here, and why.
pub const MISSING: &[(&[&str], &str)] = &[
    (
        &[
            "outstanding_tls_handshake",
            "unsuccessful_handshake",
            "tls_handshake_exceeded",
            "non_mtls_remote_conn_count",
            "non_mtls_local_conn_count",
        ],
        "Connections with TLS are not supported yet; `connection_request_count` has all others.",
    ),
    (&["insecure_admin_count"], "The admin port does not speak TLS, so there is nothing to tell apart."),
    (&["netty_queued_buffer_capacity"], "There is no Netty: a client that may not send more is not read from."),
    (&["jvm_*"], "There is no Java virtual machine. `zookube_tick_late_seconds` shows stalls of any cause."),
    (
        &[
            "response_packet_cache_hits",
            "response_packet_cache_misses",
            "response_packet_get_children_cache_hits",
            "response_packet_get_children_cache_misses",
        ],
        "Replies are made from the tree, without a cache.",
    ),
    (
        &[
            "request_throttle_queue_time_ms",
            "request_throttle_wait_count",
            "throttled_ops",
            "stale_requests",
            "stale_requests_dropped",
            "stale_replies",
            "large_requests_rejected",
        ],
        "There is no throttle queue: requests in the pipeline are bounded for each connection, in number and in bytes, and what is beyond is not read from the socket. No reply is made for a connection that is gone.",
    ),
    (&["connection_token_deficit"], "Connections are bounded by `maxClientCnxns` and `maxCnxns`, not by tokens."),
    (
        &["close_session_prep_time", "prep_process_time", "proposal_process_time"],
        "Preparing and proposing are one step of the pipeline; the phases of `zookube_write_phase_seconds` show what a write waits for.",
    ),
    (
        &["outstanding_changes_queued", "outstanding_changes_removed"],
        "Records of an inner table of Apache's; `outstanding_requests` shows what is in the pipeline.",
    ),
    (
        &["sync_process_time"],
        "The time of one turn of a loop; `sync_processor_queue_time_ms` and `zookube_fsync_seconds` show both parts of it.",
    ),
    (
        &["startup_snap_load_time", "startup_txns_load_time"],
        "The snapshot and the log are read as one; `dbinittime` has both.",
    ),
    (&["unrecoverable_error_count"], "Such an error ends the process at once, with a message and an exit code."),
    (
        &["learner_handler_qp_size", "learner_handler_qp_time_ms"],
        "What is queued for a follower shows in `zookube_peer_lag_zxids` and `zookube_peer_lag_bytes`.",
    ),
    (
        &["inflight_diff_count", "inflight_snap_count"],
        "`learners` less those in sync shows how many synchronize now; `diff_count` and `snap_count` show how.",
    ),
    (
        &["quit_leading_due_to_disloyal_voter"],
        "The option `leader.maxTimeToWaitForEpoch` is not there: a leader without a quorum gives up after `initLimit`, or as soon as its voters leave.",
    ),
    (
        &["requests_not_forwarded_to_commit_processor", "skip_learner_request_to_next_processor_count"],
        "There is one pipeline, with nothing to leave out.",
    ),
    (
        &["om_proposal_process_time_ms", "om_commit_process_time_ms"],
        "A follower keeps no second queue of proposals for its observers: they are given from its history, in the step that applies a commit.",
    ),
    (&["socket_closing_time"], "Closing a link never blocks the protocol."),
    (
        &[
            "read_commit_proc_req_queued",
            "write_commit_proc_req_queued",
            "commit_commit_proc_req_queued",
            "read_commit_proc_issued",
            "write_commit_proc_issued",
            "requests_in_session_queue",
            "pending_session_queue_size",
            "reads_after_write_in_session_queue",
            "reads_issued_from_session_queue",
            "session_queues_drained",
            "time_waiting_empty_pool_in_commit_processor_read_ms",
            "concurrent_request_processing_in_commit_processor",
            "write_batch_time_in_commit_processor",
            "commit_process_time",
            "read_commitproc_time_ms",
            "write_commitproc_time_ms",
            "local_write_committed_time_ms",
            "server_write_committed_time_ms",
            "read_final_proc_time_ms",
            "write_final_proc_time_ms",
        ],
        "They watch the queues and threads of Apache's commit processor. Here a commit is applied in the step that learns of it, and reads do not pass through the pipeline: `zookube_write_phase_seconds`, `readlatency` and `updatelatency` show where time goes.",
    ),
    (
        &[
            "add_dead_watcher_stall_time",
            "dead_watchers_queued",
            "dead_watchers_cleared",
            "dead_watchers_cleaner_latency",
        ],
        "There is one watch table, and it needs no cleaner.",
    ),
    (
        &["write_per_namespace", "read_per_namespace"],
        "Their label is a part of clients' paths, of which there is no end. Ask a server about its slow operations and owners instead (`/commands/slow_operations`, `/commands/owner`).",
    ),
    (
        &["ensemble_auth_success", "ensemble_auth_fail", "ensemble_auth_skip"],
        "The authentication scheme `ensemble` is not supported.",
    ),
];

/// The entry of a metric.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    let in_table =
        |table: &'static [Entry]| table.binary_search_by(|entry| entry.name.cmp(name)).ok().map(|at| &table[at]);
    in_table(APACHE).or_else(|| in_table(OURS))
}

/// `docs/metrics.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(INTRODUCTION);
    for (title, table) in [("Our own", OURS), ("Apache's", APACHE)] {
        text += &format!("\n## {title}\n\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n");
        for Entry { name, kind, labels, help } in table {
            let kind = match kind {
                Counter => "counter",
                Gauge => "gauge",
                Histogram => "histogram",
                Basic => "summary (0.5)",
                Advanced => "summary (0.5, 0.9, 0.99)",
            };
            text += &format!("| `{name}` | {kind} | {labels} | {help} |\n");
        }
    }
    text += "\n## What Apache has and this server has not\n\n| Metric | Why |\n| --- | --- |\n";
    for (names, reason) in MISSING {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        text += &format!("| {} | {reason} |\n", names.join(", "));
    }
    text
}

const INTRODUCTION: &str = "# Metrics

<!-- Made from node/src/metrics/catalog.rs: UPDATE_DOCS=1 cargo test -p zookube-node --lib catalog -->

`/metrics` on the metrics port (7000, `metricsProvider.httpPort`) has what Prometheus scrapes, in its text format or, for whoever
accepts it, as OpenMetrics. Names, types and labels are those of Apache ZooKeeper 3.9's Prometheus provider wherever it has the
same thing, so that dashboards and rules made for it go on working; what only this server has begins with `zookube_`. `mntr` and
`/commands/monitor` show Apache's as Apache does, with `avg_`, `min_`, `max_`, `cnt_`, `sum_` and `p50_` to `p999_` for summaries.

Differences from Apache that a rule may notice: counters and gauges go on counting over changes of the role (Apache starts again at
each), and gauges stay while the server looks for a leader (Apache's vanish; `zookube_server_state` says what it does). Quantiles are
of the last five to ten minutes and at most an eighth too large. Labels are bounded: none is a path, a session or an address of a
client. Ready dashboards and rules are in [`deploy/monitoring`](../deploy/monitoring/README.md); what to do about an alert is in
[alerts](operating/alerts.md).
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn each_name_is_there_once_and_in_order() {
        for table in [APACHE, OURS] {
            assert!(table.is_sorted_by(|a, b| a.name < b.name), "{table:#?}");
            assert!(table.iter().all(|entry| find(entry.name).is_some_and(|found| found.name == entry.name)));
        }
        let missing: Vec<&str> = MISSING.iter().flat_map(|(names, _)| *names).copied().collect();
        let distinct: BTreeSet<&str> = missing.iter().copied().collect();
        assert_eq!(distinct.len(), missing.len());
        assert_eq!(missing.iter().find(|name| find(name).is_some()), None, "both here and missing");
    }

    /// What Apache 3.9.5 published on a leader, without the Java virtual machine's.
    #[test]
    fn every_metric_of_apache_is_here_or_has_a_reason() {
        let apache = include_str!("apache_names.txt");
        let missing: BTreeSet<&str> = MISSING.iter().flat_map(|(names, _)| *names).copied().collect();
        let mut known = 0;
        for line in apache.lines().filter(|line| !line.starts_with('#')) {
            let (name, kind) = line.split_once(' ').expect("a name and a type");
            let ours = APACHE.iter().find(|entry| entry.name == name);
            assert!(ours.is_some() || missing.contains(name), "{name} is neither here nor missing for a reason");
            let expected = match ours.map(|entry| entry.kind) {
                Some(Counter) => "counter",
                Some(Gauge) => "gauge",
                Some(Basic | Advanced) => "summary",
                Some(Histogram) => "histogram",
                None => continue,
            };
            assert_eq!(kind, expected, "{name}");
            known += 1;
        }
        assert_eq!(known, APACHE.len(), "a name that Apache does not have");
    }

    #[test]
    fn the_page_of_the_documentation_is_made_from_the_catalog() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, markdown(), "docs/metrics.md is not that of the code: UPDATE_DOCS=1 writes it");
    }
}
