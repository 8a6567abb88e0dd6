//! What the operator says of a cluster. Everything is worked out anew from what is observed; nothing is decided from it but the one
//! record that the ensemble was founded.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What there is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct ZooKeeperClusterStatus {
    /// Of which version of the spec this is.
    pub observed_generation: i64,
    /// What is going on, in a word for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What holds and what does not, with the reason and what to do.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The identity that the ensemble's volumes are stamped with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// How the ensemble came to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// Voters that serve, of those asked for, such as `3/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Pods of voters.
    pub replicas: i32,
    /// Those that serve.
    pub ready_replicas: i32,
    /// Voters that hold what is committed.
    pub synced_voters: i32,
    /// Voters that are needed.
    pub quorum_size: i32,
    /// Pods of observers.
    pub observer_replicas: i32,
    /// By which labels the voters' pods are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The pod that leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Its epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// The configuration in force: a zxid, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_version: Option<String>,
    /// The servers, one by one.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub members: Vec<Member>,
    /// What the servers run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<String>,
    /// A change of the number of voters that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// A rollout that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// The steps that come next, in words.
    pub plan: Vec<String>,
}

/// A word for people; programs look at the conditions.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum Phase {
    Bootstrapping,
    Running,
    Scaling,
    RollingUpdate,
    Degraded,
    NoQuorum,
    Paused,
    Deleting,
}

/// What holds or not (`metav1.Condition`).
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is spoken of.
    pub r#type: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Of which version of the spec.
    #[serde(default)]
    pub observed_generation: i64,
    /// Since when.
    pub last_transition_time: Time,
    /// Why, in one word for programs.
    pub reason: String,
    /// Why, in words for people, and what to do.
    pub message: String,
}

/// Whether something holds.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

/// How the ensemble came to be.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// When all its first servers held the first configuration.
    pub completed_at: Time,
}

/// A server.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Member {
    /// Its id in the ensemble.
    pub id: i32,
    /// Its pod.
    pub pod: String,
    /// What the configuration in force has it as: `voter`, `observer`, or `none`.
    pub role: String,
    /// What it does: `leading`, `following`, `observing`, `looking`, `joining`, `loading`, `unknown`.
    pub state: String,
    /// Whether it serves.
    pub ready: bool,
    /// The last transaction that it has: a zxid, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zxid: Option<String>,
    /// How many transactions it lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// The configuration that it goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_version: Option<String>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A change of the number of voters.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scaling {
    /// Voters before.
    pub from: i32,
    /// Voters afterwards.
    pub to: i32,
    /// What is being done.
    pub step: String,
    /// How far that is: `start`, `join`, `leave`, `retire`, `end_pods`, `delete_volumes`.
    #[serde(default)]
    pub stage: String,
    /// Since when it is so far.
    pub since: Time,
}

/// A rollout.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Pods that have the new revision.
    pub updated: i32,
    /// All of them.
    pub total: i32,
    /// Since when there are two revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The pod that is being replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Why it does not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_reason: Option<String>,
}
