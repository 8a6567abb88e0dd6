//! The record, the objects and the sizes: written in each pass, whatever is there.

use super::Context;
use super::api::{ApiError, ClusterApi};
use crate::build::{self, Progress};
use crate::observe::{Objects, is_status_current};
use crate::status::Trouble;
use crate::validate::ValidatedCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use plan::{Kind, Observed, Plan, ResourceVersion};
use serde_json::Value;

/// Something has changed since it was looked at; it is looked at again at once.
pub(super) const CHANGED: &str = "Changed";

/// Writes all that there should be.
///
/// Returns what is not done with that, if anything: Kubernetes has yet to look at what was written.
pub(super) async fn run(
    context: &Context,
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    objects: &Objects,
    observed: &Observed,
    plan: &Plan,
) -> Result<Option<Trouble>, ApiError> {
    let progress = progress(plan);
    // The record before anything else, over the one that was read: whatever comes after rests on it.
    let record = objects.record.as_ref().and_then(|map| map.metadata.resource_version.clone()).map(ResourceVersion);
    if plan.record != observed.record || objects.record.is_none() {
        api.apply(build::json(build::record(cluster, progress)), record.as_ref()).await?;
    }
    let wanted = build::objects(cluster, progress);
    let mut settled = None;
    for object in &wanted {
        let kind = match (object["kind"].as_str(), object["metadata"]["name"].as_str()) {
            (Some("ConfigMap"), Some(name)) if name == build::record_name(cluster) => continue,
            (Some("StatefulSet"), Some(name)) if name == cluster.name => Some(Kind::Voter),
            (Some("StatefulSet"), _) => Some(Kind::Observer),
            _ => None,
        };
        must_be_ours(context, cluster, api, object).await?;
        let Some(kind) = kind else {
            api.apply(object.clone(), None).await?;
            continue;
        };
        let written = stateful_set(cluster, api, objects, observed, kind, object.clone()).await?;
        if !is_status_current(&written) {
            settled = Some(Trouble {
                reason: "TemplateChanged",
                message: "Kubernetes has yet to look at what has changed in the StatefulSet".to_owned(),
            });
        }
    }
    api.remove_unwanted(&wanted).await?;
    Ok(settled)
}

/// Looks once whose an object is; what was ours stays ours.
async fn must_be_ours(
    context: &Context,
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    object: &Value,
) -> Result<(), ApiError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
    if context.memory.lock().get(&cluster.uid).is_some_and(|memory| memory.ours.contains(&key)) {
        return Ok(());
    }
    api.must_be_ours(object).await?;
    context.memory.lock().entry(cluster.uid.clone()).or_default().ours.insert(key);
    Ok(())
}

/// A StatefulSet with its size, over the one that was looked at.
async fn stateful_set(
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    objects: &Objects,
    observed: &Observed,
    kind: Kind,
    mut object: Value,
) -> Result<StatefulSet, ApiError> {
    let seen = observed.stateful_set(kind).map(|set| set.resource_version.clone());
    if let Some(set) = objects.stateful_set(kind) {
        // Claims cannot be changed in place: as long as the StatefulSet is the old one, it keeps the sizes that it has.
        let claims = set.spec.as_ref().and_then(|spec| spec.volume_claim_templates.clone());
        keep_sizes(&mut object, &build::json(claims));
    }
    let written = api.apply(object, seen.as_ref()).await?;
    serde_json::from_value(written).map_err(|error| ApiError::Failed(cluster.name.clone(), error.to_string()))
}

fn keep_sizes(object: &mut Value, seen: &Value) {
    let Some(wanted) = object["spec"]["volumeClaimTemplates"].as_array_mut() else { return };
    for claim in wanted {
        let name = &claim["metadata"]["name"];
        let known = seen.as_array().into_iter().flatten().find(|known| known["metadata"]["name"] == *name);
        if let Some(known) = known {
            claim["spec"]["resources"] = known["spec"]["resources"].clone();
            // Which ensemble's they are is said once, when they are made.
            claim["metadata"]["labels"] = known["metadata"]["labels"].clone();
        }
    }
}

fn progress(plan: &Plan) -> Progress {
    let size = |size: Option<u32>| size.map(|size| i32::try_from(size).unwrap_or(i32::MAX));
    Progress {
        voters: size(plan.voters_replicas),
        observers: size(plan.observers_replicas),
        first_voters: i32::try_from(plan.record.initial_members.len()).unwrap_or(i32::MAX),
        is_founded: plan.record.bootstrapped,
    }
}

/// What a status says when something could not be written.
pub(super) fn trouble(error: &ApiError) -> Trouble {
    let reason = match error {
        ApiError::Conflict(..) => CHANGED,
        ApiError::NotOurs(..) => "NameTaken",
        _ => "ApplyFailed",
    };
    Trouble { reason, message: error.to_string() }
}
