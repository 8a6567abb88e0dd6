//! The objects of a cluster, a kind a file. Each function is pure: what it makes depends on what it is given.

mod config_map;
mod disruption_budget;
mod labels;
mod monitor;
mod network_policy;
mod pod;
mod prometheus_rule;
mod promql;
mod secret;
mod service;
mod service_account;
mod stateful_set;

pub use config_map::{RECORD_FILE, SERVERS, address, host_of, name as config_name, record, record_name};
pub use labels::{OWNER_KIND, owner, selector_text};
pub use secret::{build as superuser_secret, name as superuser_secret_name};
pub use stateful_set::suffix;

use crate::validate::ValidatedCluster;
use serde::Serialize;
use serde_json::Value;

/// A port of a server.
#[derive(Debug, Clone, Copy)]
struct Port {
    /// Its name in pods and services.
    name: &'static str,
    number: u16,
    /// A mesh that is told leaves the bytes alone.
    protocol: &'static str,
}

const CLIENT: Port = Port { name: "client", number: 2181, protocol: "tcp" };
const QUORUM: Port = Port { name: "quorum", number: 2888, protocol: "tcp" };
const ELECTION: Port = Port { name: "election", number: 3888, protocol: "tcp" };
/// Commands and probes.
const ADMIN: Port = Port { name: "admin", number: 8080, protocol: "http" };
const METRICS: Port = Port { name: "metrics", number: 7000, protocol: "http" };
/// All of them.
const PORTS: [Port; 5] = [CLIENT, QUORUM, ELECTION, ADMIN, METRICS];

/// Where clients connect.
pub const CLIENT_PORT: u16 = CLIENT.number;
/// Where servers are asked what they do.
pub const ADMIN_PORT: u16 = ADMIN.number;

/// What is added to a voter's ordinal to make its id.
pub const VOTER_ID_OFFSET: i32 = 1;
/// The same of an observer: their ids begin behind those of any number of voters, and end before 255, where session ids do.
pub const OBSERVER_ID_OFFSET: i32 = 101;

/// Who a pod is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server with a vote.
    Voter,
    /// A server without.
    Observer,
}

impl Role {
    /// As the label says.
    #[must_use]
    pub fn component(self) -> &'static str {
        match self {
            Role::Voter => "voter",
            Role::Observer => "observer",
        }
    }
}

/// How far a cluster is, as the planner decides and the record of the ensemble says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pods of voters that there shall be now; `None`: no StatefulSet is made.
    pub voters: Option<i32>,
    /// The same of observers.
    pub observers: Option<i32>,
    /// How many voters the ensemble was founded with. Never changed afterwards: it is part of every pod.
    pub first_voters: i32,
    /// Whether it was founded.
    pub is_founded: bool,
}

impl Progress {
    /// That of a cluster that has just been asked for.
    #[must_use]
    pub fn first(cluster: &ValidatedCluster) -> Progress {
        let (voters, observers) = (cluster.spec.replicas, cluster.spec.observers.replicas);
        Progress {
            voters: Some(voters),
            observers: (observers > 0).then_some(observers),
            first_voters: voters,
            is_founded: false,
        }
    }
}

/// All objects of a cluster, in the order in which they are applied: what pods need before the pods.
#[must_use]
pub fn objects(cluster: &ValidatedCluster, progress: Progress) -> Vec<Value> {
    let mut all = vec![
        json(service_account::build(cluster)),
        json(record(cluster, progress)),
        json(config_map::build(cluster, progress)),
        json(service::headless(cluster)),
    ];
    all.extend(network_policy::build(cluster).map(json));
    all.extend(disruption_budget::build(cluster).map(json));
    for (role, replicas) in [(Role::Voter, progress.voters), (Role::Observer, progress.observers)] {
        all.extend(replicas.map(|replicas| json(stateful_set::build(cluster, progress, role, replicas))));
    }
    // Not before: clients would be led to servers that may never form an ensemble.
    if progress.is_founded {
        all.push(json(service::client(cluster)));
    }
    all
}

/// What the Prometheus operator is told. Not among the [`objects`]: a Kubernetes cluster need not know these kinds, and nothing of the
/// ensemble depends on them.
#[must_use]
pub fn monitoring(cluster: &ValidatedCluster) -> Vec<Value> {
    let all = [monitor::of_pods(cluster), monitor::of_service(cluster), prometheus_rule::build(cluster)];
    all.into_iter().flatten().collect()
}

/// The kinds of [`monitoring`], whether they are asked for or not; all objects have the cluster's name.
pub const MONITORING_KINDS: [&str; 3] = ["PodMonitor", "ServiceMonitor", "PrometheusRule"];
/// Whose kinds they are.
pub const MONITORING_API: &str = "monitoring.coreos.com/v1";

/// As JSON, which Kubernetes' types cannot fail to become.
#[must_use]
pub fn json(object: impl Serialize) -> Value {
    match serde_json::to_value(object) {
        Ok(value) => value,
        Err(error) => unreachable!("an object of Kubernetes is no JSON: {error}"),
    }
}
