//! Names and labels, the same on every object.

use super::Role;
use crate::crd::Metadata;
use crate::validate::ValidatedCluster;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use std::collections::BTreeMap;

/// The API version of the owner.
const OWNER_API_VERSION: &str = "zookube.dev/v1alpha1";
/// The kind of the owner.
const OWNER_KIND: &str = "ZooKeeperCluster";

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

pub(super) fn selector(cluster: &ValidatedCluster, role: Option<Role>) -> LabelSelector {
    LabelSelector { match_labels: Some(selector_labels(cluster, role)), match_expressions: None }
}

/// All labels of an object; those of users cannot take the place of ours.
pub(super) fn labels(cluster: &ValidatedCluster, role: Option<Role>, more: &Metadata) -> Labels {
    let mut labels = more.labels.clone();
    labels.extend(selector_labels(cluster, role));
    labels.insert("app.kubernetes.io/name".to_owned(), "zookeeper".to_owned());
    labels.insert("app.kubernetes.io/managed-by".to_owned(), "zookube-operator".to_owned());
    labels
}

/// An object's metadata. It goes when the cluster goes.
pub(super) fn meta(cluster: &ValidatedCluster, suffix: &str, role: Option<Role>, more: &Metadata) -> ObjectMeta {
    ObjectMeta {
        name: Some(format!("{}{suffix}", cluster.name)),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels(cluster, role, more)),
        annotations: (!more.annotations.is_empty()).then(|| more.annotations.clone()),
        owner_references: Some(vec![OwnerReference {
            api_version: OWNER_API_VERSION.to_owned(),
            kind: OWNER_KIND.to_owned(),
            name: cluster.name.clone(),
            uid: cluster.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}

/// The name of the service that gives each server its name.
pub(super) fn headless_name(cluster: &ValidatedCluster) -> String {
    format!("{}-headless", cluster.name)
}
