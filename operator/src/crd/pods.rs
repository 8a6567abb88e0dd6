//! What pods and services get besides what the operator knows by itself.

use super::rules;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What voters ask for unless they are told otherwise: enough for a few hundred thousand znodes.
#[must_use]
pub fn default_resources() -> ResourceRequirements {
    let quantity = |text: &str| Quantity(text.to_owned());
    ResourceRequirements {
        requests: Some([("cpu".to_owned(), quantity("250m")), ("memory".to_owned(), quantity("512Mi"))].into()),
        limits: Some([("memory".to_owned(), quantity("1Gi"))].into()),
        claims: None,
    }
}

/// Servers without a vote.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Observers {
    /// How many there are.
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// What each of them asks for; left out: what voters do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// What their pods get besides; left out: what voters' pods do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

/// An image.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("!(has(self.tag) && has(self.digest))", "spec.image: tag and digest exclude each other; the digest says exactly what runs")])))]
pub struct Image {
    /// Where it is, without tag and digest; left out: that of the operator's release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9]([-._/:a-z0-9]*[a-z0-9])?$"))]
    pub repository: Option<String>,
    /// Its tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub tag: Option<String>,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// When it is pulled.
    pub pull_policy: PullPolicy,
    /// Secrets with which it is pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pull_secrets: Vec<PullSecret>,
}

/// The name of a Secret of the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PullSecret {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// When an image is pulled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the words are Kubernetes'")]
pub enum PullPolicy {
    Always,
    #[default]
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PullPolicy::Always => "Always",
            PullPolicy::IfNotPresent => "IfNotPresent",
            PullPolicy::Never => "Never",
        }
    }
}

/// What pods get besides.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Fields of a pod's `spec`, laid over the operator's: affinity, tolerations, nodeSelector, topologySpreadConstraints,
    /// priorityClassName, volumes, initContainers, further containers, env of the container `zookeeper`. What the operator needs,
    /// such as the image, ports, probes and volumes of that container, cannot be changed here.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "anything")]
    pub spec: Map<String, Value>,
}

/// Any object: its schema would be larger than all of the others together.
pub(super) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Labels and annotations.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// Labels. Those by which the operator finds its objects cannot be changed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations")]
    pub annotations: BTreeMap<String, String>,
}

pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    let rules = rules(&[(
        "self.all(key, !(key in ['app.kubernetes.io/name', 'app.kubernetes.io/instance', 'app.kubernetes.io/component', \
         'app.kubernetes.io/managed-by']))",
        "labels: app.kubernetes.io/name, instance, component and managed-by are the operator's",
    )]);
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 63 },
        "x-kubernetes-validations": rules,
    })
}

fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 65536 },
    })
}

impl Metadata {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

/// How servers are asked whether they live and serve.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Probes {
    /// For so many seconds a server may read its data before it is thought to hang. It may take longer: reading counts as living
    /// as long as it makes progress.
    #[schemars(range(min = 60, max = 86400))]
    pub start_delay_seconds: i32,
    /// For so many seconds a question may go without an answer.
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: i32,
}

impl Default for Probes {
    fn default() -> Probes {
        Probes { start_delay_seconds: 3600, timeout_seconds: 5 }
    }
}

/// How many pods others, such as a drain of a node, may take away at the same time.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDisruptionBudget {
    /// Whether there is a budget.
    pub enabled: bool,
    /// How many voters may be missing.
    #[schemars(range(min = 1, max = 4))]
    pub max_unavailable: i32,
}

impl Default for PodDisruptionBudget {
    fn default() -> PodDisruptionBudget {
        PodDisruptionBudget { enabled: true, max_unavailable: 1 }
    }
}

/// What the services get besides.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Services {
    /// The service that clients use, which has the cluster's name.
    pub client: Service,
    /// The one that gives each server its name.
    pub headless: Service,
}

/// What a service gets besides.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Labels and annotations.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

/// Who may connect.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct NetworkPolicy {
    /// Whether there is a policy. With one, only servers of the cluster reach the quorum and election ports.
    pub enabled: bool,
    /// Who reaches the client port: peers as in a NetworkPolicy's `from`. Empty = everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), schema_with = "peers")]
    pub client_from: Vec<Map<String, Value>>,
}

fn peers(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    })
}
