//! Names and labels, the same on every object.

use super::Role;
use crate::crd::Metadata;
use crate::validate::ValidatedCluster;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// The API version of the owner.
const OWNER_API_VERSION: &str = "zookube.dev/v1alpha1";
/// The kind of the owner.
pub const OWNER_KIND: &str = "ZooKeeperCluster";

/// The label that says who made an object.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Who that is.
const MANAGER: &str = "zookube-operator";

pub(super) type Labels = BTreeMap<String, String>;

/// By which pods are found. Never changed: a StatefulSet's selector cannot be.
pub(super) fn selector_labels(cluster: &ValidatedCluster, role: Option<Role>) -> Labels {
    let mut labels = Labels::from([("app.kubernetes.io/instance".to_owned(), cluster.name.clone())]);
    match role {
        Some(role) => labels.insert("app.kubernetes.io/component".to_owned(), role.component().to_owned()),
        None => labels.insert("app.kubernetes.io/name".to_owned(), "zookeeper".to_owned()),
    };
    labels
}

/// The same as a text, for the scale subresource and for lists.
#[must_use]
pub fn selector_text(cluster: &ValidatedCluster, role: Option<Role>) -> String {
    let labels = selector_labels(cluster, role);
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

pub(super) fn selector(cluster: &ValidatedCluster, role: Option<Role>) -> LabelSelector {
    LabelSelector { match_labels: Some(selector_labels(cluster, role)), match_expressions: None }
}

/// By which services find the servers, and nobody else's: charts give their pods the same name and instance.
pub(super) fn own_pods(cluster: &ValidatedCluster) -> Labels {
    let mut labels = selector_labels(cluster, None);
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// All labels of an object; those of users cannot take the place of ours.
pub(super) fn labels(cluster: &ValidatedCluster, role: Option<Role>, more: &Metadata) -> Labels {
    let mut labels = more.labels.clone();
    labels.extend(selector_labels(cluster, role));
    labels.insert("app.kubernetes.io/name".to_owned(), "zookeeper".to_owned());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// An object's metadata. It goes when the cluster goes.
pub(super) fn meta(cluster: &ValidatedCluster, suffix: &str, role: Option<Role>, more: &Metadata) -> ObjectMeta {
    ObjectMeta {
        name: Some(format!("{}{suffix}", cluster.name)),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels(cluster, role, more)),
        annotations: (!more.annotations.is_empty()).then(|| more.annotations.clone()),
        owner_references: Some(vec![owner(cluster)]),
        ..ObjectMeta::default()
    }
}

/// The cluster as an owner.
#[must_use]
pub fn owner(cluster: &ValidatedCluster) -> OwnerReference {
    OwnerReference {
        api_version: OWNER_API_VERSION.to_owned(),
        kind: OWNER_KIND.to_owned(),
        name: cluster.name.clone(),
        uid: cluster.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The name of the service that gives each server its name.
pub(super) fn headless_name(cluster: &ValidatedCluster) -> String {
    format!("{}-headless", cluster.name)
}
