//! Where servers keep what they must not lose.

use super::rules;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The volumes of each server.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("has(self.log) == has(oldSelf.log)", "spec.storage.log: a volume of its own for the logs cannot be added or removed later; make another cluster and move the data")])))]
pub struct Storage {
    /// Snapshots, and the logs too unless they have a volume of their own.
    pub data: Volume,
    /// A volume of its own for the transaction logs: their syncs then wait for nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Volume>,
    /// What becomes of volumes that are no longer used.
    pub retention: Retention,
}

/// How the ensemble comes to be: new, unless it goes on with the volumes of an earlier one.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("has(self.adoptVolumesOf) == has(oldSelf.adoptVolumesOf)", "spec.bootstrap.adoptVolumesOf: cannot be added or removed later: the ensemble already has its identity")])))]
pub struct Founding {
    /// Goes on with the retained volumes of a cluster of the same name and namespace that was deleted: its uid, as the volume claims'
    /// label `zookube.dev/cluster-uid` tells. Left out: a new ensemble, without data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"))]
    #[schemars(extend("x-kubernetes-validations" = rules(&[("self == oldSelf", "spec.bootstrap.adoptVolumesOf: cannot be changed: the ensemble already has its identity")])))]
    pub adopt_volumes_of: Option<String>,
}

/// A volume.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("has(self.storageClassName) == has(oldSelf.storageClassName)", "storageClassName: cannot be added or removed later: Kubernetes moves no volume to another class")])))]
pub struct Volume {
    /// How large it is. It can be made larger.
    #[schemars(extend("x-kubernetes-validations" = rules(&[("quantity(self).compareTo(quantity(oldSelf)) >= 0", "size: volumes can be made larger and never smaller")])))]
    pub size: Size,
    /// The storage class; left out: the cluster's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[schemars(extend("x-kubernetes-validations" = rules(&[("self == oldSelf", "storageClassName: cannot be changed: Kubernetes moves no volume to another class")])))]
    pub storage_class_name: Option<String>,
}

/// A size in Kubernetes' notation, such as `10Gi`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(transparent)]
pub struct Size(pub String);

impl Default for Size {
    fn default() -> Size {
        Size("10Gi".to_owned())
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": 32, "pattern": r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$" })
    }
}

/// What becomes of volumes that are no longer used.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Retention {
    /// When the cluster is deleted.
    pub on_delete: RetentionPolicy,
    /// When a server is removed by making the cluster smaller.
    pub on_scale_down: RetentionPolicy,
}

/// Whether something stays.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RetentionPolicy {
    /// It stays, and is used again only by who is entitled to it.
    #[default]
    Retain,
    /// It is deleted, with everything on it.
    Delete,
}
