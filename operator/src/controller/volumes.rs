//! Volume claims: those of others are not touched, those of ours get the owner that they should have, and grow.

use super::api::{ApiError, ClusterApi};
use crate::crd::{RetentionPolicy, Size};
use crate::events::Notice;
use crate::observe::{ENSEMBLE_LABEL, Objects, role_of, slot_of_claim};
use crate::status::Trouble;
use crate::validate::ValidatedCluster;
use crate::{build, quantity};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use plan::{Config, Kind, Observed, Slot};
use serde_json::json;

/// Claims that are to outlive the cluster would go with it.
const NOT_RETAINED: &str = "VolumesNotRetained";

/// Keeps servers from being started on volumes that are not theirs: they would only refuse them.
pub(super) fn hold_back(
    cluster: &ValidatedCluster,
    objects: &Objects,
    members: &Config,
    observed: &mut Observed,
) -> Option<Trouble> {
    let foreign = foreign(cluster, objects, members, observed);
    let (_, _, ensemble) = foreign.first()?;
    let names: Vec<&str> = foreign.iter().map(|(_, name, _)| name.as_str()).collect();
    let way = match ensemble {
        Some(ensemble) => format!(
            "to go on with their data, make this resource anew with `spec.bootstrap.adoptVolumesOf: {ensemble}`; to begin without \
             data, delete the claims"
        ),
        None => format!(
            "to go on with their data, label them `{ENSEMBLE_LABEL}: NAME` and make this resource anew with \
             `spec.bootstrap.adoptVolumesOf: NAME`; to begin without data, delete the claims"
        ),
    };
    let message =
        format!("there are volume claims of another ensemble where this one's would be ({}): {way}", names.join(", "));
    let is_new = observed.voters.is_none() && !observed.record.bootstrapped;
    // Nothing is added where somebody else's volume is in the way; who is there stays.
    for kind in [Kind::Voter, Kind::Observer].into_iter().filter(|kind| foreign.iter().any(|it| it.0.kind == *kind)) {
        let places = members.keys().map(|sid| Slot::of(*sid)).filter(|slot| slot.kind == kind);
        let needed = places.map(|slot| slot.ordinal + 1).max().unwrap_or(0);
        let size = needed.max(observed.stateful_set(kind).map_or(0, |set| set.replicas));
        match kind {
            Kind::Voter => observed.cluster.voters = size.max(1),
            Kind::Observer => observed.cluster.observers = size,
        }
    }
    Some(Trouble { reason: if is_new { Trouble::FOREIGN } else { Trouble::FOREIGN_IN_THE_WAY }, message })
}

/// Claims of others in places that are wanted and that nobody has.
fn foreign(
    cluster: &ValidatedCluster,
    objects: &Objects,
    members: &Config,
    observed: &Observed,
) -> Vec<(Slot, String, Option<String>)> {
    let mut all: Vec<_> = objects
        .claims
        .iter()
        .filter_map(|claim| {
            let slot = slot_of_claim(&cluster.name, &claim.name_any())?;
            let ensemble = claim.labels().get(ENSEMBLE_LABEL).cloned();
            let running = observed.stateful_set(slot.kind).map_or(0, |set| set.replicas);
            let is_wanted = slot.ordinal < observed.cluster.desired(slot.kind) && slot.ordinal >= running;
            let is_taken = members.contains_key(&slot.sid()) || observed.pod(slot).is_some();
            (is_wanted && !is_taken && ensemble.as_ref() != Some(&cluster.ensemble))
                .then(|| (slot, claim.name_any(), ensemble))
        })
        .collect();
    all.sort();
    all
}

/// What `spec` says of volumes and is not so yet.
pub(super) fn unfinished(cluster: &ValidatedCluster, objects: &Objects) -> Option<Trouble> {
    let wanted = sizes(cluster);
    let smaller = |name: &str, claim: &PersistentVolumeClaim| {
        let (_, size) = wanted.iter().find(|(volume, _)| name == *volume || name.starts_with(&format!("{volume}-")))?;
        is_smaller(claim, size).then(|| (name.to_owned(), size.0.clone()))
    };
    let claims = own(cluster, objects).filter_map(|claim| smaller(&claim.name_any(), claim));
    let templates = [Kind::Voter, Kind::Observer].into_iter().filter_map(|kind| objects.stateful_set(kind));
    let templates = templates.flat_map(templates_of).filter_map(|claim| smaller(&claim.name_any(), claim));
    let (name, size) = claims.chain(templates).next()?;
    let message = format!("volumes grow: {name} is to have {size}. If that does not end, events say what is refused");
    Some(Trouble { reason: "VolumesGrow", message })
}

/// Takes the owner from claims that are to outlive the cluster. That must be so before anything else is done, and whatever else goes
/// wrong: the next thing that happens may be the deletion of the cluster.
pub(super) async fn retain(cluster: &ValidatedCluster, api: &ClusterApi<'_>, objects: &Objects) -> Option<Trouble> {
    if cluster.retention.on_delete == RetentionPolicy::Delete {
        return None;
    }
    for claim in own(cluster, objects) {
        if let Err(error) = set_owner(cluster, api, claim, false).await {
            let message = format!("{error}. Until it is done, the claim goes when this resource is deleted");
            return Some(Trouble { reason: NOT_RETAINED, message });
        }
    }
    None
}

/// Gives claims the owner and the size that they should have. What is refused is told and tried again.
pub(super) async fn tend(
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    objects: &Objects,
    may_recreate: bool,
    notices: &mut Vec<Notice>,
) {
    if cluster.retention.on_delete == RetentionPolicy::Delete {
        for claim in own(cluster, objects) {
            if let Err(error) = set_owner(cluster, api, claim, true).await {
                tracing::warn!(cluster = cluster.name, "{error}");
            }
        }
    }
    for kind in [Kind::Voter, Kind::Observer] {
        let Some(set) = objects.stateful_set(kind) else { continue };
        if let Err(error) = grow(cluster, api, objects, kind, set, may_recreate, notices).await {
            tracing::warn!(cluster = cluster.name, "{error}");
            if !matches!(error, ApiError::Conflict(..)) {
                notices.push(Notice::warning("VolumeResizeFailed", error.to_string()));
            }
        }
    }
}

fn sizes(cluster: &ValidatedCluster) -> Vec<(&'static str, &Size)> {
    let storage = &cluster.spec.storage;
    [("data", Some(&storage.data.size)), ("log", storage.log.as_ref().map(|log| &log.size))]
        .into_iter()
        .filter_map(|(volume, size)| Some((volume, size?)))
        .collect()
}

fn templates_of(set: &StatefulSet) -> impl Iterator<Item = &PersistentVolumeClaim> {
    set.spec.iter().flat_map(|spec| spec.volume_claim_templates.iter().flatten())
}

fn own<'a>(cluster: &'a ValidatedCluster, objects: &'a Objects) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
    let claims = objects.claims.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none());
    claims.filter(|claim| claim.labels().get(ENSEMBLE_LABEL) == Some(&cluster.ensemble))
}

/// Claims that are to go with the cluster belong to it; then Kubernetes deletes them, whether an operator is there or not.
async fn set_owner(
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    claim: &PersistentVolumeClaim,
    shall_be: bool,
) -> Result<(), ApiError> {
    let is_owned = claim.owner_references().iter().any(|owner| owner.uid == cluster.uid);
    if is_owned == shall_be {
        return Ok(());
    }
    let others = claim.owner_references().iter().filter(|owner| owner.uid != cluster.uid);
    let mut owners: Vec<_> = others.map(build::json).collect();
    if shall_be {
        let mut owner = build::json(build::owner(cluster));
        owner["controller"] = json!(false);
        // To hold the deletion up would take a right that the operator does not have.
        owner["blockOwnerDeletion"] = json!(false);
        owners.push(owner);
    }
    api.patch_claim(claim, json!({ "metadata": { "ownerReferences": owners } })).await
}

/// Volumes grow first; then the StatefulSet, which cannot be changed, is made anew around its pods.
async fn grow(
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    objects: &Objects,
    kind: Kind,
    set: &StatefulSet,
    may_recreate: bool,
    notices: &mut Vec<Notice>,
) -> Result<(), ApiError> {
    let mut is_larger = false;
    for (volume, size) in sizes(cluster) {
        is_larger |= templates_of(set).filter(|claim| claim.name_any() == volume).any(|claim| is_smaller(claim, size));
        for claim in own(cluster, objects).filter(|claim| is_smaller(claim, size)) {
            let name = claim.name_any();
            let slot = slot_of_claim(&cluster.name, &name);
            if slot.is_none_or(|slot| slot.kind != kind) || !name.starts_with(&format!("{volume}-")) {
                continue;
            }
            let change = json!({ "spec": { "resources": { "requests": { "storage": size.0 } } } });
            api.patch_claim(claim, change).await?;
            let note = format!("volume claim {name} grows to {}", size.0);
            notices.push(Notice::normal("VolumeResizeStarted", note).about(&name));
        }
    }
    // Made anew it has a place for every pod only if it is known who is a member.
    if is_larger && may_recreate {
        api.orphan(set).await?;
        let note = format!("the StatefulSet of {}s is made anew with larger volumes", role_of(kind).component());
        notices.push(Notice::normal("StatefulSetRecreated", note));
    }
    Ok(())
}

fn is_smaller(claim: &PersistentVolumeClaim, size: &Size) -> bool {
    let requests = claim.spec.as_ref().and_then(|spec| spec.resources.as_ref()).and_then(|it| it.requests.as_ref());
    let found = requests.and_then(|requests| requests.get("storage"));
    match (found.and_then(|found| quantity::bytes(&found.0)), quantity::bytes(&size.0)) {
        (Some(found), Some(wanted)) => found < wanted,
        _ => false,
    }
}
