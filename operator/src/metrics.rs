//! Figures of the operator itself (`zkop_…`), for Prometheus.

use crate::crd::{ConditionStatus, ZooKeeperClusterStatus};
use crate::validate::ValidatedCluster;
use parking_lot::Mutex;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::collections::BTreeMap;

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Passes, by result.
    pub reconciles: IntCounterVec,
    /// How long passes take, s.
    pub reconcile_seconds: Histogram,
    /// Actions that were carried out, by what they are.
    pub actions: IntCounterVec,
    /// Actions that failed or were refused, by what they are.
    pub action_failures: IntCounterVec,
    /// Servers that were asked and did not answer.
    pub silent_servers: IntCounter,
    /// Whether this operator is the one that works.
    pub is_leader: IntGauge,
    info: IntGaugeVec,
    voters: IntGaugeVec,
    quorum: IntGaugeVec,
    config_version: IntGaugeVec,
    lag: IntGaugeVec,
    leader_changes: IntCounterVec,
    known: Mutex<BTreeMap<(String, String), Known>>,
}

/// What was said of a cluster last; it must be unsaid when it changes.
#[derive(Debug, Default)]
struct Known {
    info: Option<[String; 4]>,
    members: Vec<String>,
    leader: Option<String>,
}

/// The labels of a cluster.
const CLUSTER: [&str; 2] = ["namespace", "name"];

impl Metrics {
    /// New ones, all at zero.
    ///
    /// # Errors
    /// Never: the names are given here and are valid and different.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let all = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(all.clone()))?;
            Ok(all)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntGaugeVec> {
            let all = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(all.clone()))?;
            Ok(all)
        };
        let seconds = HistogramOpts::new("zkop_reconcile_duration_seconds", "How long passes over a cluster take.")
            .buckets(vec![0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]);
        let reconcile_seconds = Histogram::with_opts(seconds)?;
        registry.register(Box::new(reconcile_seconds.clone()))?;
        let silent_servers = IntCounter::new(
            "zkop_admin_call_errors_total",
            "Servers that were asked what they do and did not answer.",
        )?;
        registry.register(Box::new(silent_servers.clone()))?;
        let is_leader = IntGauge::new(
            "zkop_leader_election_is_leader",
            "1 if this operator works, 0 if it waits for another one.",
        )?;
        registry.register(Box::new(is_leader.clone()))?;
        let with = |more: &[&'static str]| [&CLUSTER[..], more].concat();
        Ok(Self {
            reconciles: counters("zkop_reconcile_total", "Passes over a cluster.", &["result"])?,
            actions: counters("zkop_action_total", "Steps that were carried out.", &["action"])?,
            action_failures: counters(
                "zkop_action_failures_total",
                "Steps that failed or were refused; each is looked at again.",
                &["action"],
            )?,
            info: gauges("zkop_cluster_info", "What servers run, and what is going on.", &with(&["version", "phase"]))?,
            voters: gauges("zkop_cluster_voters", "Voters: wanted, ready, synced.", &with(&["state"]))?,
            quorum: gauges("zkop_cluster_quorum", "1 if a leader has a quorum.", &CLUSTER)?,
            config_version: gauges("zkop_cluster_config_version", "Version of the configuration in force.", &CLUSTER)?,
            lag: gauges("zkop_member_lag_txns", "Transactions that a server lacks.", &with(&["id"]))?,
            leader_changes: counters("zkop_cluster_leader_changes_total", "Times that another pod led.", &CLUSTER)?,
            reconcile_seconds,
            silent_servers,
            is_leader,
            registry,
            known: Mutex::default(),
        })
    }

    /// Takes over what a status says.
    pub fn observe(&self, cluster: &ValidatedCluster, status: &ZooKeeperClusterStatus) {
        let (namespace, name) = (cluster.namespace.as_str(), cluster.name.as_str());
        let key = [namespace, name];
        let mut known = self.known.lock();
        let known = known.entry((namespace.to_owned(), name.to_owned())).or_default();
        let phase = status.phase.map(|phase| format!("{phase:?}")).unwrap_or_default();
        let info = [namespace.to_owned(), name.to_owned(), status.current_version.clone().unwrap_or_default(), phase];
        if let Some(old) = known.info.replace(info.clone()).filter(|old| *old != info) {
            let _ = self.info.remove_label_values(&old.each_ref().map(String::as_str));
        }
        self.info.with_label_values(&info.each_ref().map(String::as_str)).set(1);
        let counts =
            [("wanted", cluster.spec.replicas), ("ready", status.ready_replicas), ("synced", status.synced_voters)];
        for (state, count) in counts {
            self.voters.with_label_values(&[namespace, name, state]).set(i64::from(count));
        }
        let is_led = status
            .conditions
            .iter()
            .any(|condition| condition.r#type == "QuorumAvailable" && condition.status == ConditionStatus::True);
        self.quorum.with_label_values(&key).set(i64::from(is_led));
        let version = status.config_version.as_deref().and_then(|text| text.strip_prefix("0x"));
        let version = version.and_then(|digits| i64::from_str_radix(digits, 16).ok());
        self.config_version.with_label_values(&key).set(version.unwrap_or(0));
        self.observe_members(known, key, status);
        if let Some(leader) = &status.leader
            && known.leader.replace(leader.clone()).is_some_and(|old| old != *leader)
        {
            self.leader_changes.with_label_values(&key).inc();
        }
    }

    fn observe_members(&self, known: &mut Known, [namespace, name]: [&str; 2], status: &ZooKeeperClusterStatus) {
        for id in known.members.drain(..) {
            let _ = self.lag.remove_label_values(&[namespace, name, &id]);
        }
        for member in &status.members {
            if let Some(lag) = member.lag {
                let id = member.id.to_string();
                self.lag.with_label_values(&[namespace, name, &id]).set(lag);
                known.members.push(id);
            }
        }
    }

    /// A cluster is no more.
    pub fn forget(&self, namespace: &str, name: &str) {
        let Some(known) = self.known.lock().remove(&(namespace.to_owned(), name.to_owned())) else { return };
        if let Some(info) = known.info {
            let _ = self.info.remove_label_values(&info.each_ref().map(String::as_str));
        }
        for state in ["wanted", "ready", "synced"] {
            let _ = self.voters.remove_label_values(&[namespace, name, state]);
        }
        for id in known.members {
            let _ = self.lag.remove_label_values(&[namespace, name, &id]);
        }
        let _ = self.quorum.remove_label_values(&[namespace, name]);
        let _ = self.config_version.remove_label_values(&[namespace, name]);
        let _ = self.leader_changes.remove_label_values(&[namespace, name]);
    }

    /// As Prometheus reads them.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!("metrics were not written: {error}");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}
