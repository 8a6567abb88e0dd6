//! The resource `ZooKeeperCluster` (`zookeeperclusters.zookube.dev/v1alpha1`, short `zk`), as Kubernetes stores it.
//!
//! What is written here is all that a user may write: the schema that the API server enforces is generated from these types
//! (`zookube-operator crd`), rules between fields included. Every text, list and map has a bound, because the API server refuses
//! rules whose cost it cannot estimate. Documentation comments are what `kubectl explain` shows.

mod config;
mod monitoring;
mod pods;
mod status;
mod storage;

pub use config::{Config, FourLetterWord, LogFormat, Logging};
pub use monitoring::{Monitor, Monitoring, Rule};
pub use pods::{
    Image, Metadata, NetworkPolicy, Observers, PodDisruptionBudget, PodTemplate, Probes, PullPolicy, PullSecret,
    Service, Services, default_resources,
};
pub use status::{Bootstrap, Condition, ConditionStatus, Member, Rollout as RolloutStatus, Scaling as ScalingStatus};
pub use status::{Phase, ZooKeeperClusterStatus};
pub use storage::{Founding, Retention, RetentionPolicy, Size, Storage, Volume};

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The longest name: what Kubernetes appends to it for pods and revisions must fit into a label (63 characters).
pub const NAME_CHARS_MAX: usize = 45;
/// The most voters. More make writes slower and tolerate no fault that matters.
pub const VOTERS_MAX: i32 = 9;

/// Rules of the API server (CEL) with what it says when they do not hold.
fn rules(all: &[(&str, &str)]) -> Value {
    all.iter().map(|(rule, message)| json!({ "rule": rule, "message": message })).collect()
}

/// An ensemble of ZooKeeper servers: voters, and observers that follow without a vote.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "zookube.dev",
    version = "v1alpha1",
    kind = "ZooKeeperCluster",
    plural = "zookeeperclusters",
    shortname = "zk",
    namespaced,
    status = "ZooKeeperClusterStatus",
    derive = "PartialEq",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(json_path = ".status.ready", name = "Ready", type_ = "string", description = "voters that serve, of those asked for"),
    printcolumn(json_path = ".status.conditions[?(@.type==\"QuorumAvailable\")].status", name = "Quorum", type_ = "string", description = "whether a leader has a quorum"),
    printcolumn(json_path = ".status.leader", name = "Leader", type_ = "string", description = "the pod that leads"),
    printcolumn(json_path = ".status.currentVersion", name = "Version", type_ = "string", description = "what the servers run"),
    printcolumn(json_path = ".status.phase", name = "Phase", type_ = "string", description = "what is going on, in a word"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"),
    printcolumn(json_path = ".status.observerReplicas", name = "Observers", type_ = "integer", priority = 1),
    printcolumn(json_path = ".status.configVersion", name = "Config", type_ = "string", priority = 1, description = "version of the configuration in force"),
    printcolumn(json_path = ".status.epoch", name = "Epoch", type_ = "integer", priority = 1),
    printcolumn(json_path = ".status.conditions[?(@.type==\"Ready\")].message", name = "Message", type_ = "string", priority = 1, description = "what is waited for"),
    validation = Rule::new("size(self.metadata.name) <= 45").message("metadata.name: at most 45 characters, so that names of pods and revisions fit into labels"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name: must begin with a letter and have neither dots nor capitals: it is part of DNS names")
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("self.replicas % 2 == 1 || self.allowEvenReplicas", "spec.replicas: even voter counts add cost but no fault tolerance; take one more or one less, or set spec.allowEvenReplicas"), ("self.rollout.maxUnavailable * 2 < self.replicas || self.rollout.maxUnavailable == 1", "spec.rollout.maxUnavailable: a majority of the voters must stay; at most (replicas-1)/2"), ("has(self.clusterDomain) == has(oldSelf.clusterDomain)", "spec.clusterDomain: cannot be added or removed later: servers know each other by names that end with it")])))]
pub struct ZooKeeperClusterSpec {
    /// How many servers vote: 1, 3, 5, 7 or 9. The ensemble goes on while more than half of them do. Changes are carried out by
    /// reconfiguration, with the data, one step at a time.
    #[schemars(range(min = 1, max = 9))]
    pub replicas: i32,
    /// Lets `replicas` be even.
    pub allow_even_replicas: bool,
    /// Servers that follow without a vote: they answer reads, and a slow one slows nobody.
    pub observers: Observers,
    /// The image of the servers. Left out: the one that this operator was released with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// How the servers are configured.
    pub config: Config,
    /// Where they keep their data.
    pub storage: Storage,
    /// How the ensemble comes to be.
    pub bootstrap: Founding,
    /// Processor time and memory of each voter, and of each observer unless it says otherwise. Servers refuse growth before their
    /// memory limit is reached.
    pub resources: ResourceRequirements,
    /// What pods get besides.
    pub template: PodTemplate,
    /// How servers are asked whether they live and serve.
    pub probes: Probes,
    /// How servers are replaced one after another.
    pub rollout: Rollout,
    /// How the number of voters is changed.
    pub scaling: Scaling,
    /// How many pods others may take away at the same time.
    pub pod_disruption_budget: PodDisruptionBudget,
    /// What the services get besides.
    pub service: Services,
    /// Who may connect.
    pub network_policy: NetworkPolicy,
    /// What servers write about themselves.
    pub logging: Logging,
    /// What a Prometheus is told of them.
    pub monitoring: Monitoring,
    /// Nothing is changed any more; the status is still kept.
    pub pause: bool,
    /// The domain of the cluster, such as `cluster.local`, where pods cannot find it out (they look at `/etc/resolv.conf`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    #[schemars(extend("x-kubernetes-validations" = rules(&[("self == oldSelf", "spec.clusterDomain: cannot be changed: servers know each other by names that end with it")])))]
    pub cluster_domain: Option<String>,
}

impl Default for ZooKeeperClusterSpec {
    fn default() -> ZooKeeperClusterSpec {
        ZooKeeperClusterSpec {
            replicas: 3,
            allow_even_replicas: false,
            observers: Observers::default(),
            image: None,
            config: Config::default(),
            storage: Storage::default(),
            bootstrap: Founding::default(),
            resources: default_resources(),
            template: PodTemplate::default(),
            probes: Probes::default(),
            rollout: Rollout::default(),
            scaling: Scaling::default(),
            pod_disruption_budget: PodDisruptionBudget::default(),
            service: Services::default(),
            network_policy: NetworkPolicy::default(),
            logging: Logging::default(),
            monitoring: Monitoring::default(),
            pause: false,
            cluster_domain: None,
        }
    }
}

/// How servers are replaced.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    /// Voters that may be missing at the same time, those included that are missing anyhow.
    #[schemars(range(min = 1, max = 2))]
    pub max_unavailable: i32,
    /// For so long a replaced server must have been ready, in seconds, before the next one is taken.
    #[schemars(range(min = 0, max = 3600))]
    pub min_ready_seconds: i32,
    /// A replaced server that is not ready after so many seconds stops the rollout.
    #[schemars(range(min = 30, max = 86400))]
    pub member_timeout_seconds: i32,
}

impl Default for Rollout {
    fn default() -> Rollout {
        Rollout { max_unavailable: 1, min_ready_seconds: 10, member_timeout_seconds: 600 }
    }
}

/// How the number of voters is changed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Scaling {
    /// A server gets its vote when it lacks at most so many transactions.
    #[schemars(range(min = 0, max = 1000000))]
    pub sync_lag_max_transactions: i32,
    /// After so many seconds in one step an event says what is waited for. The step goes on.
    #[schemars(range(min = 30, max = 86400))]
    pub step_timeout_seconds: i32,
    /// All servers that were added get their votes by one reconfiguration; otherwise one after another.
    pub joint: bool,
}

impl Default for Scaling {
    fn default() -> Scaling {
        Scaling { sync_lag_max_transactions: 100, step_timeout_seconds: 900, joint: true }
    }
}
