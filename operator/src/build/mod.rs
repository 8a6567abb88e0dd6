//! The objects of a cluster, a kind a file. Each function is pure: what it makes depends on what it is given.

mod config_map;
mod disruption_budget;
mod labels;
mod network_policy;
mod pod;
mod service;
mod service_account;
mod stateful_set;

use crate::validate::ValidatedCluster;
use serde::Serialize;
use serde_json::Value;

/// A port of a server.
#[derive(Debug, Clone, Copy)]
struct Port {
    /// Its name in pods and services.
    name: &'static str,
    number: i32,
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
    /// Pods of voters that there shall be now.
    pub voters: i32,
    /// Pods of observers that there shall be now.
    pub observers: i32,
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
        Progress { voters, observers, first_voters: voters, is_founded: false }
    }
}

/// All objects of a cluster, in the order in which they are applied: what pods need before the pods.
#[must_use]
pub fn objects(cluster: &ValidatedCluster, progress: Progress) -> Vec<Value> {
    let mut all = vec![
        json(service_account::build(cluster)),
        json(config_map::build(cluster, progress)),
        json(config_map::record(cluster, progress)),
        json(service::headless(cluster)),
    ];
    all.extend(network_policy::build(cluster).map(json));
    all.extend(disruption_budget::build(cluster).map(json));
    all.push(json(stateful_set::build(cluster, progress, Role::Voter)));
    if progress.observers > 0 || cluster.spec.observers.replicas > 0 {
        all.push(json(stateful_set::build(cluster, progress, Role::Observer)));
    }
    // Not before: clients would be led to servers that may never form an ensemble.
    if progress.is_founded {
        all.push(json(service::client(cluster)));
    }
    all
}

/// What Kubernetes' types cannot fail at.
fn json(object: impl Serialize) -> Value {
    match serde_json::to_value(object) {
        Ok(value) => value,
        Err(error) => unreachable!("an object of Kubernetes is no JSON: {error}"),
    }
}
