//! The pods of voters, and those of observers.
//!
//! Pods come back by themselves when nobody looks after them, all at once (`Parallel`), with their names and volumes. They are
//! replaced by nobody but the operator (`OnDelete`), one after another and the leader last; so `kubectl rollout restart`, which only
//! makes a new revision, is carried out in the same way.

use super::{Progress, Role, labels, pod};
use crate::crd::{Metadata, Volume};
use crate::validate::ValidatedCluster;
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// What the name of a StatefulSet has behind that of the cluster. Short: with the hash of a revision behind it, it is a label of pods, and
/// labels end at 63 characters.
#[must_use]
pub fn suffix(role: Role) -> &'static str {
    match role {
        Role::Voter => "",
        Role::Observer => "-obs",
    }
}

pub(super) fn build(cluster: &ValidatedCluster, progress: Progress, role: Role, replicas: i32) -> StatefulSet {
    let suffix = suffix(role);
    let storage = &cluster.spec.storage;
    let mut claims = vec![claim(cluster, role, "data", &storage.data)];
    claims.extend(storage.log.as_ref().map(|log| claim(cluster, role, "log", log)));
    let retain = Some("Retain".to_owned());
    StatefulSet {
        metadata: labels::meta(cluster, suffix, Some(role), &Metadata::default()),
        spec: Some(StatefulSetSpec {
            replicas: Some(replicas),
            service_name: Some(labels::headless_name(cluster)),
            selector: labels::selector(cluster, Some(role)),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            min_ready_seconds: Some(cluster.spec.rollout.min_ready_seconds),
            // Volumes are deleted by the operator, which looks at what is on them, or by nobody.
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: retain.clone(),
                when_scaled: retain,
            }),
            template: pod::template(cluster, progress, role),
            volume_claim_templates: Some(claims),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}

/// Without an owner: the data outlive the cluster unless the user has said otherwise.
fn claim(cluster: &ValidatedCluster, role: Role, name: &str, volume: &Volume) -> PersistentVolumeClaim {
    let mut labels = labels::selector_labels(cluster, Some(role));
    labels.insert("zookube.dev/cluster-uid".to_owned(), cluster.ensemble.clone());
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: volume.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(volume.size.0.clone()))].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    }
}
