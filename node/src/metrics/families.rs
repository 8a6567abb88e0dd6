//! From what the process shares to the families of samples that are published.

use super::catalog::{self, Entry, Kind};
use super::histogram::{Histogram, Summary};
use super::instruments::{CLOSED, Instruments, OPERATIONS, PHASES, ROLES};
use super::process;
use crate::four_letter::{self, text::Metric};
use crate::settings;
use crate::shared::Shared;
use crate::telemetry;
use prometheus::proto::{self, LabelPair, MetricFamily, MetricType};
use replica::Status;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use wire::ServerId;
use zab::quorum::Membership;

/// By how many names of quotas' paths samples are told apart at most.
const NAMESPACES_MAX: usize = 100;
/// The states of a server, one of which it is in.
const STATES: [&str; 6] = ["standalone", "leader", "follower", "observer", "read-only", "looking"];
/// What mntr calls differently, or what is no gauge of its own there.
const RENAMED: [(&str, &str); 4] = [
    ("epoch_roll_over_count", "zookube_epoch_roll_overs_total"),
    ("refused_for_memory_count", "zookube_refused_for_memory_total"),
    ("observer_master_id", "zookube_observer_master_sid"),
    ("looking_count", "zookube_elections_total"),
];

/// A summary of Apache's: its name, and what it is made from.
pub type NamedSummary<'a> = (&'static str, &'a Summary);

/// Apache's summaries without labels.
#[must_use]
pub fn summaries(instruments: &Instruments) -> Vec<NamedSummary<'_>> {
    let Instruments { requests, clients, disk, core, .. } = instruments;
    vec![
        ("commit_propagation_latency", &core.commit_propagation_ms),
        ("dbinittime", &disk.recovery_ms),
        ("election_time", &core.election_ms),
        ("follower_sync_time", &core.follower_sync_ms),
        ("fsynctime", &disk.fsync_ms),
        ("leader_unavailable_time", &core.leader_unavailable_ms),
        ("learner_request_processor_queue_size", &core.learner_queue_size),
        ("node_changed_watch_count", &clients.watchers.changed),
        ("node_children_watch_count", &clients.watchers.children),
        ("node_created_watch_count", &clients.watchers.created),
        ("node_deleted_watch_count", &clients.watchers.deleted),
        ("observer_sync_time", &core.observer_sync_ms),
        ("prep_processor_queue_size", &core.queue_size),
        ("prep_processor_queue_time_ms", &core.queue_ms),
        ("propagation_latency", &core.propagation_ms),
        ("proposal_ack_creation_latency", &core.ack_creation_ms),
        ("proposal_latency", &core.proposal_ms),
        ("quorum_ack_latency", &core.quorum_ack_ms),
        ("readlatency", &requests.read_ms),
        ("restore_time", &disk.restore_ms),
        ("snapshottime", &disk.snapshot_ms),
        ("startup_txns_loaded", &disk.recovered_txns),
        ("sync_processor_batch_size", &disk.batch_size),
        ("sync_processor_queue_and_flush_time_ms", &disk.queue_and_flush_ms),
        // What is flushed is what is synced.
        ("sync_processor_queue_flush_time_ms", &disk.fsync_ms),
        ("sync_processor_queue_size", &disk.queue_size),
        ("sync_processor_queue_time_ms", &disk.queue_ms),
        ("unavailable_time", &core.unavailable_ms),
        ("updatelatency", &requests.update_ms),
    ]
}

/// Everything that is published of a server, by name.
#[must_use]
pub fn of_server(shared: &Shared) -> Vec<MetricFamily> {
    let status = shared.status();
    let mut families = Families::default();
    families.put_values(&four_letter::values(shared));
    families.put_state(status.mode, &four_letter::version());
    families.put_counters(shared, &status);
    families.put_gauges(shared, &status);
    families.put_quotas(shared, &status);
    families.put_disks(shared);
    for (name, summary) in summaries(&shared.instruments) {
        families.summary(name, None, summary);
    }
    for (sid, summary) in &*shared.instruments.core.acks_ms.lock() {
        families.summary("ack_latency", Some(("key", &sid.to_string())), summary);
    }
    families.put_histograms(&shared.instruments);
    families.put_export();
    families.put_process();
    families.done()
}

/// What can be said of another server from its answer to `mntr`.
#[must_use]
pub fn of_mntr(values: &[(String, f64)], state: &str, version: &str) -> Vec<MetricFamily> {
    let mut families = Families::default();
    let known = values.iter().filter(|(name, _)| catalog::find(name).is_some());
    for (name, value) in known {
        families.number(name, &[], *value);
    }
    for (name, count) in values.iter().filter_map(|(name, value)| Some((name.strip_prefix("cnt_")?, *value))) {
        let of = |prefix: &str| {
            let found = values.iter().find(|(other, _)| other.strip_prefix(prefix) == Some(name));
            found.map(|(_, value)| *value)
        };
        families.summary_of_mntr(name, count, of("sum_").unwrap_or(0.0));
    }
    families.put_state(state, version);
    families.done()
}

/// Families by name, each with its samples so far.
#[derive(Default)]
struct Families(BTreeMap<&'static str, MetricFamily>);

impl Families {
    /// Families without a sample are left out.
    fn done(self) -> Vec<MetricFamily> {
        self.0.into_values().filter(|family| !family.get_metric().is_empty()).collect()
    }

    /// Adds a sample to its family. What the catalog does not know is not published; a test sees to it that all is known.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], fill: impl FnOnce(Kind, &mut proto::Metric)) {
        let Some(Entry { name, kind, help, .. }) = catalog::find(name) else {
            debug_assert!(false, "{name} is not in the catalog");
            return;
        };
        let pair = |&(name, value): &(&str, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        };
        let mut metric = proto::Metric::from_label(labels.iter().map(pair).collect());
        fill(*kind, &mut metric);
        let family = self.0.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name((*name).to_owned());
            family.set_help((*help).to_owned());
            family.set_field_type(match kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
                Kind::Basic | Kind::Advanced => MetricType::SUMMARY,
                Kind::Histogram => MetricType::HISTOGRAM,
            });
            family
        });
        family.mut_metric().push(metric);
    }

    fn number(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.sample(name, labels, |kind, metric| {
            if kind == Kind::Counter {
                let mut counter = proto::Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            } else {
                let mut gauge = proto::Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        });
    }

    fn count(&mut self, name: &str, value: u64) {
        self.number(name, &[], value as f64);
    }

    fn summary(&mut self, name: &str, label: Option<(&str, &str)>, summary: &Summary) {
        let labels = label.as_slice();
        self.sample(name, labels, |kind, metric| {
            let wanted: &[f64] = if kind == Kind::Basic { &[0.5] } else { &[0.5, 0.9, 0.99] };
            let found = summary.quantiles([0.5, 0.9, 0.99]);
            let quantiles = wanted.iter().enumerate().map(|(at, wanted)| {
                let mut quantile = proto::Quantile::default();
                quantile.set_quantile(*wanted);
                quantile.set_value(found.map_or(f64::NAN, |found| found[at] as f64));
                quantile
            });
            let mut made = proto::Summary::default();
            made.set_quantile(quantiles.collect());
            made.set_sample_count(summary.totals().count());
            made.set_sample_sum(summary.totals().sum() as f64);
            metric.set_summary(made);
        });
    }

    fn summary_of_mntr(&mut self, name: &str, count: f64, sum: f64) {
        if catalog::find(name).is_some_and(|entry| matches!(entry.kind, Kind::Basic | Kind::Advanced)) {
            self.sample(name, &[], |_, metric| {
                let mut made = proto::Summary::default();
                made.set_sample_count(count as u64);
                made.set_sample_sum(sum);
                metric.set_summary(made);
            });
        }
    }

    /// `scale` makes the unit that is published of the one that is counted in. One without values is left out, where it has
    /// labels: most roles are never taken.
    fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram, scale: f64) {
        if !labels.is_empty() && histogram.count() == 0 {
            return;
        }
        self.sample(name, labels, |_, metric| {
            let buckets = histogram.cumulative().map(|(bound, count)| {
                let mut bucket = proto::Bucket::default();
                bucket.set_upper_bound(bound as f64 * scale);
                bucket.set_cumulative_count(count);
                bucket
            });
            let mut made = proto::Histogram::default();
            made.set_bucket(buckets.collect());
            made.set_sample_count(histogram.count());
            made.set_sample_sum(histogram.sum() as f64 * scale);
            metric.set_histogram(made);
        });
    }

    /// What mntr has, too.
    fn put_values(&mut self, values: &[(&'static str, Metric)]) {
        for (name, metric) in values {
            let value = match metric {
                Metric::Integer(value) => *value as f64,
                Metric::Real(value) => *value,
                Metric::Text(_) => continue,
            };
            if let Some((_, renamed)) = RENAMED.iter().find(|(of_mntr, _)| of_mntr == name) {
                self.number(renamed, &[], value);
            }
            let ours = format!("zookube_{name}");
            if catalog::find(name).is_some() {
                self.number(name, &[], value);
            } else if catalog::find(&ours).is_some() {
                self.number(&ours, &[], value);
            }
        }
    }

    fn put_state(&mut self, mode: &str, version: &str) {
        for state in STATES {
            self.number("zookube_server_state", &[("state", state)], f64::from(u8::from(state == mode)));
        }
        self.number("zookube_build_info", &[("version", version)], 1.0);
    }

    fn put_counters(&mut self, shared: &Shared, status: &Status) {
        let Instruments { requests, clients, disk, slow, .. } = &*shared.instruments;
        let received = shared.stats.bytes_received.load(Relaxed);
        for (name, value) in [
            ("zookube_client_received_bytes_total", received),
            ("zookube_client_sent_bytes_total", requests.bytes_sent.load(Relaxed)),
            ("zookube_connections_opened_total", clients.opened.load(Relaxed)),
            ("zookube_log_appended_bytes_total", disk.appended_bytes.load(Relaxed)),
            ("zookube_sessions_created_total", clients.sessions_created.load(Relaxed)),
            ("zookube_sessions_closed_total", clients.sessions_closed.load(Relaxed)),
            ("zookube_sessions_expired_total", status.counters.sessions_expired),
            ("zookube_slow_operations_total", slow.count()),
            ("zookube_snapshot_errors_total", disk.snapshot_errors.load(Relaxed)),
            ("zookube_watch_events_total", clients.watch_events.load(Relaxed)),
        ] {
            self.count(name, value);
        }
        for (operation, count) in OPERATIONS.iter().zip(&requests.by_operation) {
            self.number("zookube_requests_total", &[("op", operation)], count.load(Relaxed) as f64);
        }
        for (reason, count) in CLOSED.iter().zip(&clients.closed) {
            self.number("zookube_connections_closed_total", &[("reason", reason)], count.load(Relaxed) as f64);
        }
    }

    fn put_gauges(&mut self, shared: &Shared, status: &Status) {
        let (disk, membership) = (&shared.instruments.disk, shared.membership());
        for (name, value) in [
            ("zookube_disk_is_full", f64::from(u8::from(shared.disk.thread.waits_for_room.load(Relaxed)))),
            ("zookube_epoch", status.epoch as f64),
            ("zookube_last_snapshot_bytes", disk.snapshot_bytes.load(Relaxed) as f64),
            ("zookube_last_snapshot_timestamp_seconds", shared.disk.last_snapshot_at.load(Relaxed) as f64 / 1000.0),
            ("zookube_leader_sid", status.leader.map_or(0, |sid| sid.0) as f64),
            ("zookube_log_queue_bytes", shared.disk.queued_bytes.load(Relaxed) as f64),
            ("zookube_serving", f64::from(u8::from(shared.serving.load(Relaxed)))),
        ] {
            self.number(name, &[], value);
        }
        if !membership.servers.is_empty() {
            self.number("zookube_config_version", &[], membership.version as f64);
            self.number("zookube_voters", &[], membership.voters().count() as f64);
        }
        if status.mode == "leader" {
            self.put_quorum(status, &membership, settings::own_sid(&shared.config));
        }
    }

    fn put_quorum(&mut self, status: &Status, membership: &Membership, me: ServerId) {
        let voters = status.synced_learners.iter().filter(|(_, votes)| *votes).map(|(sid, _)| *sid);
        let synced: Vec<ServerId> = voters.chain([me]).filter(|sid| membership.is_voter(*sid)).collect();
        self.number("zookube_synced_voters", &[], synced.len() as f64);
        self.number("zookube_quorum_margin", &[], membership.margin(&synced.into_iter().collect()) as f64);
        for (sid, proposals, bytes) in &status.lags {
            let peer = sid.to_string();
            self.number("zookube_peer_lag_zxids", &[("peer", &peer)], *proposals as f64);
            self.number("zookube_peer_lag_bytes", &[("peer", &peer)], *bytes as f64);
        }
    }

    /// Several quotas below one name are added up, as in Apache (`QuotaMetricsUtils`).
    fn put_quotas(&mut self, shared: &Shared, status: &Status) {
        let mut sums: BTreeMap<String, [i64; 4]> = BTreeMap::new();
        for quota in shared.tree.read().quota_usage() {
            let namespace = quota.path.split('/').nth(1).unwrap_or_default();
            if sums.len() == NAMESPACES_MAX && !sums.contains_key(namespace) {
                continue;
            }
            let limit = |hard: i64, soft: i64| if hard > -1 { hard } else { soft };
            let (limits, used) = (&quota.limits, &quota.used);
            let figures = [
                limit(limits.count_hard_limit(), limits.count()),
                limit(limits.byte_hard_limit(), limits.bytes()),
                used.count(),
                used.bytes(),
            ];
            let sum = sums.entry(namespace.to_owned()).or_default();
            sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum = sum.saturating_add(figure));
        }
        const NAMES: [&str; 4] = [
            "quota_count_limit_per_namespace",
            "quota_bytes_limit_per_namespace",
            "quota_count_usage_per_namespace",
            "quota_bytes_usage_per_namespace",
        ];
        for (namespace, figures) in &sums {
            for (name, figure) in NAMES.iter().zip(figures) {
                self.number(name, &[("key", namespace)], *figure as f64);
            }
        }
        for (namespace, count) in &*status.quota_refusals {
            self.number("quota_exceeded_error_per_namespace", &[("key", namespace)], *count as f64);
        }
    }

    fn put_disks(&mut self, shared: &Shared) {
        let (dirs, _) = settings::dirs(&shared.config);
        for (dir, path) in [("snap", dirs.snap_dir()), ("log", dirs.log_dir())] {
            let path: PathBuf = path;
            // A directory that cannot be looked at has no figures; the doctor says why.
            let Ok(found) = rustix::fs::statvfs(&path) else { continue };
            let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize) as f64;
            self.number("zookube_disk_free_bytes", &[("dir", dir)], bytes(found.f_bavail));
            self.number("zookube_disk_size_bytes", &[("dir", dir)], bytes(found.f_blocks));
        }
    }

    fn put_histograms(&mut self, instruments: &Instruments) {
        const FROM_US: f64 = 1e-6;
        let Instruments { requests, clients, disk, core, .. } = instruments;
        for (name, histogram, scale) in [
            ("zookube_election_seconds", &core.election, FROM_US),
            ("zookube_fsync_batch_transactions", &disk.batch, 1.0),
            ("zookube_fsync_seconds", &disk.fsync, FROM_US),
            ("zookube_snapshot_seconds", &disk.snapshot, FROM_US),
            ("zookube_tick_late_seconds", &core.late, FROM_US),
            ("zookube_watch_fanout_events", &clients.fanout, 1.0),
        ] {
            self.histogram(name, &[], histogram, scale);
        }
        for (at, role) in ROLES.iter().enumerate() {
            self.histogram("zookube_read_seconds", &[("role", role)], &requests.reads[at], FROM_US);
            self.histogram("zookube_write_seconds", &[("role", role)], &requests.writes[at], FROM_US);
            for (phase, histogram) in PHASES.iter().zip(&requests.phases[at]) {
                let labels = [("phase", *phase), ("role", *role)];
                self.histogram("zookube_write_phase_seconds", &labels, histogram, FROM_US);
            }
        }
    }

    /// Nothing where there is no collector.
    fn put_export(&mut self) {
        let Some(figures) = telemetry::export_figures() else { return };
        let requests = &figures.requests;
        for (name, outcome, count) in [
            ("zookube_otel_requests_total", "failed", &requests.failed),
            ("zookube_otel_requests_total", "taken", &requests.taken),
            ("zookube_otel_spans_total", "ended", &figures.spans_ended),
            ("zookube_otel_spans_total", "sent", &figures.spans_sent),
        ] {
            self.number(name, &[("outcome", outcome)], count.load(Relaxed) as f64);
        }
    }

    fn put_process(&mut self) {
        for (name, value) in process::figures() {
            self.number(name, &[], value);
        }
    }
}
