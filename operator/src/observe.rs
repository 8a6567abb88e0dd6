//! From the objects of the API server and the answers of servers to what the planner looks at. Pure; nothing is decided here.

use crate::build::{self, Role};
use crate::crd::RetentionPolicy;
use crate::servers::{Answer, lag_txns};
use crate::validate::ValidatedCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, ContainerStatus, PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use plan::{Kind, Member, Millis, Observed, Record, Retention, Revision, ServerId, Slot, Uid, Volume, Znode};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The label that says whose data a volume holds.
pub const ENSEMBLE_LABEL: &str = "zookube.dev/cluster-uid";
/// States of a container in which it cannot run, whatever is waited for.
const FAILING: [&str; 8] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

/// What the API server has of a cluster, all of it read in this pass.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// The record of the ensemble.
    pub record: Option<ConfigMap>,
    /// The StatefulSet of voters.
    pub voters: Option<StatefulSet>,
    /// The StatefulSet of observers.
    pub observers: Option<StatefulSet>,
    /// The pods of both.
    pub pods: Vec<Pod>,
    /// The volume claims of both.
    pub claims: Vec<PersistentVolumeClaim>,
}

impl Objects {
    /// The StatefulSet of a kind.
    #[must_use]
    pub fn stateful_set(&self, kind: Kind) -> Option<&StatefulSet> {
        match kind {
            Kind::Voter => self.voters.as_ref(),
            Kind::Observer => self.observers.as_ref(),
        }
    }

    /// The pod in a slot.
    #[must_use]
    pub fn pod(&self, cluster: &str, slot: Slot) -> Option<&Pod> {
        self.pods.iter().find(|pod| slot_of(cluster, &pod.name_any()) == Some(slot))
    }
}

/// Whose StatefulSet it is.
#[must_use]
pub fn role_of(kind: Kind) -> Role {
    match kind {
        Kind::Voter => Role::Voter,
        Kind::Observer => Role::Observer,
    }
}

/// The name of a StatefulSet.
#[must_use]
pub fn set_name(cluster: &str, kind: Kind) -> String {
    format!("{cluster}{}", build::suffix(role_of(kind)))
}

/// The place of a pod by its name.
#[must_use]
pub fn slot_of(cluster: &str, pod: &str) -> Option<Slot> {
    let (set, digits) = pod.rsplit_once('-')?;
    let kind = [Kind::Voter, Kind::Observer].into_iter().find(|kind| set == set_name(cluster, *kind))?;
    let ordinal: u32 = digits.parse().ok()?;
    // Neither `01` nor `+1` is an ordinal.
    (ordinal < Slot::ordinals_max(kind) && ordinal.to_string() == digits).then_some(Slot { kind, ordinal })
}

/// The name of the pod in a place.
#[must_use]
pub fn pod_name(cluster: &str, slot: Slot) -> String {
    format!("{}-{}", set_name(cluster, slot.kind), slot.ordinal)
}

/// What the record says, as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordFile {
    cluster_uid: String,
    bootstrapped: bool,
    initial_members: Vec<u8>,
}

/// Reads the record.
///
/// # Errors
/// What is wrong with it: nobody may guess what it said.
pub fn record(map: Option<&ConfigMap>) -> Result<Record, String> {
    let Some(map) = map else { return Ok(Record::default()) };
    let text = map.data.as_ref().and_then(|data| data.get(build::RECORD_FILE));
    let text = text.ok_or_else(|| format!("the key {} is missing", build::RECORD_FILE))?;
    let file: RecordFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let id = |number: u8| ServerId::new(number).ok_or_else(|| format!("initialMembers: {number} is no server id"));
    Ok(Record {
        cluster_uid: Some(Uid(file.cluster_uid)),
        bootstrapped: file.bootstrapped,
        initial_members: file.initial_members.into_iter().map(id).collect::<Result<_, _>>()?,
    })
}

/// Everything that the planner looks at.
#[must_use]
pub fn observed(
    cluster: &ValidatedCluster,
    is_deleting: bool,
    objects: &Objects,
    record: Record,
    answers: &BTreeMap<Slot, Answer>,
    znode: Znode,
) -> Observed {
    let name = &cluster.name;
    let mut volumes: Vec<Volume> = objects.claims.iter().filter_map(|claim| volume(cluster, claim)).collect();
    // Of two claims of one place the one that ends is the one that counts.
    volumes.sort_by_key(|volume| (volume.slot, !volume.terminating));
    let pods: Vec<plan::Pod> = objects.pods.iter().filter_map(|it| pod(name, it)).collect();
    let leader = answers.values().find(|answer| answer.status.state == plan::State::Leading);
    let member = |pod: &plan::Pod| Member {
        slot: pod.slot,
        answer: answers.get(&pod.slot).map(|answer| plan::Status {
            lag_txns: leader.map_or(0, |leader| lag_txns(&leader.status, &answer.status)),
            ..answer.status.clone()
        }),
    };
    Observed {
        cluster: wish(cluster, is_deleting),
        record,
        znode,
        voters: objects.voters.as_ref().map(stateful_set),
        observers: objects.observers.as_ref().map(stateful_set),
        members: pods.iter().map(member).collect(),
        pods,
        volumes,
    }
}

fn wish(cluster: &ValidatedCluster, is_deleting: bool) -> plan::Cluster {
    let spec = &cluster.spec;
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    let seconds = |seconds: i32| Millis(i64::from(seconds) * 1000);
    plan::Cluster {
        uid: Uid(cluster.ensemble.clone()),
        voters: number(spec.replicas),
        observers: number(spec.observers.replicas),
        pause: spec.pause,
        deleting: is_deleting,
        joint: spec.scaling.joint,
        sync_lag_max_txns: u64::from(number(spec.scaling.sync_lag_max_transactions)),
        rollout: plan::Rollout {
            max_unavailable: number(spec.rollout.max_unavailable),
            min_ready: seconds(spec.rollout.min_ready_seconds),
            member_timeout: seconds(spec.rollout.member_timeout_seconds),
        },
        step_timeout: seconds(spec.scaling.step_timeout_seconds),
        retention_on_scale_down: match cluster.retention.on_scale_down {
            RetentionPolicy::Retain => Retention::Retain,
            RetentionPolicy::Delete => Retention::Delete,
        },
        disruption_budget: spec.pod_disruption_budget.enabled,
    }
}

fn stateful_set(set: &StatefulSet) -> plan::StatefulSet {
    let replicas = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let revision = set.status.as_ref().and_then(|status| status.update_revision.clone());
    plan::StatefulSet {
        resource_version: plan::ResourceVersion(set.resource_version().unwrap_or_default()),
        replicas: u32::try_from(replicas).unwrap_or(0),
        update_revision: Revision(revision.unwrap_or_default()),
    }
}

/// Whether the StatefulSet's status speaks of its present template. Until then nobody knows which pods are out of date.
#[must_use]
pub fn is_status_current(set: &StatefulSet) -> bool {
    let seen = set.status.as_ref().and_then(|status| status.observed_generation);
    set.metadata.generation.is_none() || seen >= set.metadata.generation
}

fn pod(cluster: &str, pod: &Pod) -> Option<plan::Pod> {
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    let since = ready.and_then(|ready| ready.last_transition_time.clone()).or_else(|| pod.creation_timestamp());
    let containers = status.container_statuses.unwrap_or_default();
    let init = status.init_container_statuses.unwrap_or_default();
    Some(plan::Pod {
        slot: slot_of(cluster, &pod.name_any())?,
        uid: Uid(pod.uid().unwrap_or_default()),
        resource_version: plan::ResourceVersion(pod.resource_version().unwrap_or_default()),
        revision: Revision(pod.labels().get("controller-revision-hash").cloned().unwrap_or_default()),
        ready: ready.is_some_and(|ready| ready.status == "True"),
        ready_changed: Millis(since.map_or(0, |since| since.0.as_millisecond())),
        failing: containers.iter().chain(&init).any(is_failing),
        terminating: pod.metadata.deletion_timestamp.is_some(),
    })
}

/// Whether the container cannot run as it is. One that has just ended with an error and ended so before is about to be put off.
fn is_failing(container: &ContainerStatus) -> bool {
    let state = container.state.clone().unwrap_or_default();
    let is_stuck = state.waiting.and_then(|waiting| waiting.reason).is_some_and(|why| FAILING.contains(&why.as_str()));
    let has_ended = state.terminated.is_some_and(|ended| ended.exit_code != 0);
    is_stuck || (has_ended && container.restart_count > 0)
}

fn volume(cluster: &ValidatedCluster, claim: &PersistentVolumeClaim) -> Option<Volume> {
    if claim.labels().get(ENSEMBLE_LABEL) != Some(&cluster.ensemble) {
        return None;
    }
    Some(Volume {
        slot: slot_of_claim(&cluster.name, &claim.name_any())?,
        uid: Uid(claim.uid().unwrap_or_default()),
        terminating: claim.metadata.deletion_timestamp.is_some(),
    })
}

/// The place of a claim by its name: that of a volume, then that of its pod.
#[must_use]
pub fn slot_of_claim(cluster: &str, claim: &str) -> Option<Slot> {
    let pod = claim.strip_prefix("data-").or_else(|| claim.strip_prefix("log-"))?;
    slot_of(cluster, pod)
}

#[cfg(test)]
#[path = "observe_test.rs"]
pub(crate) mod tests;
