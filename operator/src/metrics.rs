//! Figures of the operator itself (`zkop_…`), for Prometheus. `docs/operator-metrics.md` is made from what is said here.

use crate::crd::{ConditionStatus, ZooKeeperClusterStatus};
use crate::ended::Ended;
use crate::validate::ValidatedCluster;
use parking_lot::Mutex;
use plan::Stage;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use std::collections::BTreeMap;

/// All of them.
#[derive(Debug)]
pub struct Metrics {
    families: Families,
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
    failures: IntCounterVec,
    stage_seconds: HistogramVec,
    rollout_seconds: HistogramVec,
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

/// What kept a pass from doing what it was about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The API server did not answer in time.
    Timeout,
    /// Something had changed since it was looked at.
    Conflict,
    /// The API server has too much to do, or a disruption budget is used up.
    TooManyRequests,
    /// What was asked for is not there, or its kind is not.
    NotFound,
    /// The operator has not the right.
    Forbidden,
    /// An object of that name is somebody else's.
    NameTaken,
    /// The API server refused for another reason, or was not reached.
    Api,
    /// A watch ended in another way than it should.
    Watch,
    /// This machine has no random numbers.
    Machine,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Conflict,
        Self::TooManyRequests,
        Self::NotFound,
        Self::Forbidden,
        Self::NameTaken,
        Self::Api,
        Self::Watch,
        Self::Machine,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::TooManyRequests => "too_many_requests",
            Self::NotFound => "not_found",
            Self::Forbidden => "forbidden",
            Self::NameTaken => "name_taken",
            Self::Api => "api",
            Self::Watch => "watch",
            Self::Machine => "machine",
        }
    }
}

/// A metric, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// Counter, gauge or histogram.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// What it means.
    pub help: String,
}

/// The labels of a cluster.
const CLUSTER: [&str; 2] = ["namespace", "name"];
/// A pass takes as long as the API server and the servers let it, s.
const PASS_BUCKETS: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// A stage waits for a pod and for a snapshot to be fetched, s.
const STAGE_BUCKETS: [f64; 10] = [1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0];
/// A rollout waits for that of every pod, s.
const ROLLOUT_BUCKETS: [f64; 10] = [10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 7200.0, 21600.0];

/// What is published, with its description.
#[derive(Debug, Default)]
struct Families {
    registry: Registry,
    described: Vec<Described>,
}

impl Families {
    fn add<T: Collector + Clone + 'static>(&mut self, kind: &'static str, family: T) -> prometheus::Result<T> {
        self.registry.register(Box::new(family.clone()))?;
        self.described.extend(family.desc().into_iter().map(|it| Described {
            name: it.fq_name.clone(),
            kind,
            labels: it.variable_labels.clone(),
            help: it.help.clone(),
        }));
        Ok(family)
    }

    fn counters(&mut self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add("counter", IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(&mut self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        self.add("gauge", IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> prometheus::Result<HistogramVec> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add("histogram", HistogramVec::new(options, labels)?)
    }
}

impl Metrics {
    /// New ones, all at zero.
    ///
    /// # Errors
    /// Never: the names are given here and are valid and different.
    pub fn new() -> prometheus::Result<Self> {
        let mut all = Families::default();
        let with = |more: &[&'static str]| [&CLUSTER[..], more].concat();
        let pass = HistogramOpts::new("zkop_reconcile_duration_seconds", "How long passes over a cluster take.");
        let silent = "Servers that were asked what they do and did not answer.";
        let leads = "1 if this operator works, 0 if it waits for another one.";
        let failed = "What passes could not do, by kind; each is tried again.";
        let refused = "Steps that failed or were refused; each is looked at again.";
        let stage = "How long stages of changes of the number of servers took, from the first sight of one to its end.";
        let rollout = "How long rollouts took, from the first pod with another template to the last.";
        let info = "1: what servers run, and what is going on.";
        let metrics = Self {
            reconciles: all.counters("zkop_reconcile_total", "Passes over a cluster: success, error.", &["result"])?,
            reconcile_seconds: all.add("histogram", Histogram::with_opts(pass.buckets(PASS_BUCKETS.to_vec()))?)?,
            failures: all.counters("zkop_reconcile_errors_total", failed, &["error"])?,
            actions: all.counters("zkop_action_total", "Steps that were carried out.", &["action"])?,
            action_failures: all.counters("zkop_action_failures_total", refused, &["action"])?,
            stage_seconds: all.histograms("zkop_scale_step_seconds", stage, &with(&["step"]), &STAGE_BUCKETS)?,
            rollout_seconds: all.histograms("zkop_rollout_seconds", rollout, &CLUSTER, &ROLLOUT_BUCKETS)?,
            silent_servers: all.add("counter", IntCounter::new("zkop_admin_call_errors_total", silent)?)?,
            is_leader: all.add("gauge", IntGauge::new("zkop_leader_election_is_leader", leads)?)?,
            info: all.gauges("zkop_cluster_info", info, &with(&["version", "phase"]))?,
            voters: all.gauges("zkop_cluster_voters", "Voters: wanted, ready, synced.", &with(&["state"]))?,
            quorum: all.gauges("zkop_cluster_quorum", "1 if a leader has a quorum.", &CLUSTER)?,
            config_version: all.gauges(
                "zkop_cluster_config_version",
                "Version of the configuration in force.",
                &CLUSTER,
            )?,
            lag: all.gauges("zkop_member_lag_txns", "Transactions that a server lacks.", &with(&["id"]))?,
            leader_changes: all.counters(
                "zkop_cluster_leader_changes_total",
                "Times that another pod led.",
                &CLUSTER,
            )?,
            families: all,
            known: Mutex::default(),
        };
        // From zero on: the first of a kind is an increase, too.
        for failure in Failure::ALL {
            metrics.failures.with_label_values(&[failure.label()]).inc_by(0);
        }
        Ok(metrics)
    }

    /// What there is, by name.
    #[must_use]
    pub fn described(&self) -> Vec<Described> {
        let mut all = self.families.described.clone();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Counts what a pass could not do.
    pub fn failed(&self, failure: Failure) {
        self.failures.with_label_values(&[failure.label()]).inc();
    }

    /// Takes over how long something took that has ended.
    pub fn took(&self, cluster: &ValidatedCluster, ended: &[Ended]) {
        let (namespace, name) = (cluster.namespace.as_str(), cluster.name.as_str());
        for ended in ended {
            match ended {
                Ended::Stage(stage, seconds) => {
                    self.stage_seconds.with_label_values(&[namespace, name, stage.as_str()]).observe(*seconds);
                }
                Ended::Rollout(seconds) => {
                    self.rollout_seconds.with_label_values(&[namespace, name]).observe(*seconds);
                }
            }
        }
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
        for stage in Stage::ALL {
            let _ = self.stage_seconds.remove_label_values(&[namespace, name, stage.as_str()]);
        }
        let _ = self.rollout_seconds.remove_label_values(&[namespace, name]);
        let _ = self.quorum.remove_label_values(&[namespace, name]);
        let _ = self.config_version.remove_label_values(&[namespace, name]);
        let _ = self.leader_changes.remove_label_values(&[namespace, name]);
    }

    /// As Prometheus reads them.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.families.registry.gather(), &mut text) {
            tracing::warn!("metrics were not written: {error}");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
#[path = "metrics_test.rs"]
mod tests;
