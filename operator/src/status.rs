//! The status of a resource. Worked out anew in each pass; of the old one only times are taken over, where nothing has changed.

use crate::build;
use crate::crd::{
    Bootstrap, Condition, ConditionStatus, Member, Phase, RolloutStatus, ScalingStatus, ZooKeeperClusterStatus,
};
use crate::observe::pod_name;
use crate::servers::Answer;
use crate::validate::{Refusal, ValidatedCluster};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::{Kind, Observed, Plan, Role, Slot, State, Summary, Truth};
use std::collections::BTreeMap;

/// The reason of `StorageOK` where a disk is full.
pub(crate) const PRESSURE: &str = "StoragePressure";

/// Something that keeps the operator from doing what it has planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In one word for programs.
    pub reason: &'static str,
    /// In words for people, with what to do.
    pub message: String,
}

impl Trouble {
    /// Volumes of another ensemble stand where ours should be.
    pub const FOREIGN: &str = "ForeignVolume";
    /// The same, for servers that would be added.
    pub const FOREIGN_IN_THE_WAY: &str = "ForeignVolumeInTheWay";
    /// Nothing is done, because `spec.pause` says so.
    pub const PAUSED: &str = "Paused";
    /// Nothing is done, because an annotation says so.
    pub const DRY_RUN: &str = "DryRun";

    fn is_about_volumes(&self) -> bool {
        self.reason == Self::FOREIGN || self.reason == Self::FOREIGN_IN_THE_WAY
    }

    /// Whoever does nothing does not know whether there would be something to do.
    fn readiness(&self) -> ConditionStatus {
        if self.reason == Self::PAUSED || self.reason == Self::DRY_RUN {
            ConditionStatus::Unknown
        } else {
            ConditionStatus::False
        }
    }
}

/// What became of the objects that the Prometheus operator goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Monitoring {
    /// Nothing is done in this pass; what was said of them holds.
    NotTried,
    /// Those that are asked for are there, and no others.
    Written,
    /// Some could not be written. Nothing else depends on them.
    Refused(Trouble),
}

/// The condition of that.
const MONITORING_OK: &str = "MonitoringOK";

/// What a status is made of.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The resource.
    pub cluster: &'a ValidatedCluster,
    /// Of which version of its spec.
    pub generation: i64,
    /// What the planner looked at.
    pub observed: &'a Observed,
    /// What that comes to.
    pub summary: &'a Summary,
    /// What the planner said.
    pub plan: &'a Plan,
    /// What servers said.
    pub answers: &'a BTreeMap<Slot, Answer>,
    /// Why servers said nothing.
    pub silence: &'a BTreeMap<Slot, String>,
    /// What keeps the plan from being carried out.
    pub trouble: Option<&'a Trouble>,
    /// What became of the objects for Prometheus.
    pub monitoring: &'a Monitoring,
    /// Now.
    pub now: &'a Time,
}

/// The status, and the earlier one for its times.
#[must_use]
pub fn status(seen: Seen<'_>, before: &ZooKeeperClusterStatus) -> ZooKeeperClusterStatus {
    let (cluster, summary, plan) = (seen.cluster, seen.summary, seen.plan);
    let serving = |kind: Kind| seen.observed.pods.iter().filter(|pod| pod.slot.kind == kind && pod.ready).count();
    let pods = |kind: Kind| seen.observed.pods.iter().filter(|pod| pod.slot.kind == kind).count();
    let ready = serving(Kind::Voter);
    ZooKeeperClusterStatus {
        observed_generation: seen.generation,
        phase: Some(phase(plan.phase)),
        conditions: conditions(&seen, before),
        cluster_uid: Some(cluster.ensemble.clone()),
        bootstrap: plan
            .record
            .bootstrapped
            .then(|| before.bootstrap.clone().unwrap_or_else(|| Bootstrap { completed_at: seen.now.clone() })),
        ready: Some(format!("{ready}/{}", cluster.spec.replicas)),
        replicas: number(pods(Kind::Voter)),
        ready_replicas: number(ready),
        synced_voters: number(summary.synced_voters),
        quorum_size: number(summary.quorum),
        observer_replicas: number(pods(Kind::Observer)),
        selector: Some(build::selector_text(cluster, Some(build::Role::Voter))),
        leader: summary.leader.map(|sid| pod_name(&cluster.name, Slot::of(sid))),
        epoch: summary.epoch.map(|epoch| epoch.0),
        config_version: summary.config_version.map(|version| version.to_string()),
        members: members(&seen),
        current_version: current_version(seen.answers),
        scaling: scaling(&seen, before),
        rollout: rollout(&seen, before),
        plan: plan.steps.clone(),
    }
}

/// Whether the change is worth writing at once: figures that always change are not.
#[must_use]
pub fn is_news(before: &ZooKeeperClusterStatus, after: &ZooKeeperClusterStatus) -> bool {
    let without_figures = |status: &ZooKeeperClusterStatus| {
        let mut status = status.clone();
        for member in &mut status.members {
            (member.zxid, member.lag) = (None, None);
        }
        status
    };
    without_figures(before) != without_figures(after)
}

/// The status of a resource that cannot be meant as it is: what runs is left as it is and not spoken of.
#[must_use]
pub fn refused(
    refusals: &[Refusal],
    generation: i64,
    now: &Time,
    before: &ZooKeeperClusterStatus,
) -> ZooKeeperClusterStatus {
    let message = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let message = format!("{message}. What runs is left as it is");
    let mut status = before.clone();
    status.observed_generation = generation;
    status.plan = Vec::new();
    let new = [("ConfigValid", ConditionStatus::False), ("Ready", ConditionStatus::False)]
        .map(|(kind, truth)| condition(kind, truth, "SpecInvalid", message.clone(), generation, now));
    for mut condition in new {
        keep_time(&mut condition, before);
        status.conditions.retain(|known| known.r#type != condition.r#type);
        status.conditions.push(condition);
    }
    status
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn phase(phase: plan::Phase) -> Phase {
    match phase {
        plan::Phase::Bootstrapping => Phase::Bootstrapping,
        plan::Phase::Running => Phase::Running,
        plan::Phase::Scaling => Phase::Scaling,
        plan::Phase::RollingUpdate => Phase::RollingUpdate,
        plan::Phase::Degraded => Phase::Degraded,
        plan::Phase::NoQuorum => Phase::NoQuorum,
        plan::Phase::Paused => Phase::Paused,
        plan::Phase::Deleting => Phase::Deleting,
    }
}

fn conditions(seen: &Seen<'_>, before: &ZooKeeperClusterStatus) -> Vec<Condition> {
    let truth = |truth| match truth {
        Truth::True => ConditionStatus::True,
        Truth::False => ConditionStatus::False,
        Truth::Unknown => ConditionStatus::Unknown,
    };
    let make = |kind: &str, status, reason: &str, message: String| {
        condition(kind, status, reason, message, seen.generation, seen.now)
    };
    let full = full_disks(seen);
    let planned = seen.plan.conditions.iter().map(|it| match (it.kind, seen.trouble, &full) {
        // Nothing is as the spec says as long as the operator cannot make it so.
        (plan::ConditionKind::Ready, Some(trouble), _) => {
            make("Ready", trouble.readiness(), trouble.reason, trouble.message.clone())
        }
        (plan::ConditionKind::StorageOk, Some(trouble), _) if trouble.is_about_volumes() => {
            make("StorageOK", ConditionStatus::False, trouble.reason, trouble.message.clone())
        }
        (plan::ConditionKind::StorageOk, _, Some(message)) if it.status == Truth::True => {
            make("StorageOK", ConditionStatus::False, PRESSURE, message.clone())
        }
        (kind, ..) => make(&kind.to_string(), truth(it.status), it.reason, it.message.clone()),
    });
    let valid = make("ConfigValid", ConditionStatus::True, "Valid", "every field makes sense".to_owned());
    let mut all: Vec<Condition> = planned.chain([valid]).chain(monitoring(seen, before)).collect();
    for condition in &mut all {
        keep_time(condition, before);
    }
    all
}

/// Only where something is asked for. `Ready` does not depend on it: clients are served whoever looks on.
fn monitoring(seen: &Seen<'_>, before: &ZooKeeperClusterStatus) -> Option<Condition> {
    if !seen.cluster.spec.monitoring.is_wanted() {
        return None;
    }
    let (truth, reason, message) = match seen.monitoring {
        Monitoring::NotTried => {
            return before.conditions.iter().find(|known| known.r#type == MONITORING_OK).cloned();
        }
        Monitoring::Written => (ConditionStatus::True, "Written", "Prometheus is told what is asked for".to_owned()),
        Monitoring::Refused(trouble) => (ConditionStatus::False, trouble.reason, trouble.message.clone()),
    };
    Some(condition(MONITORING_OK, truth, reason, message, seen.generation, seen.now))
}

/// Which servers wait for room.
fn full_disks(seen: &Seen<'_>) -> Option<String> {
    let full = seen.answers.iter().filter(|(_, answer)| answer.is_disk_full);
    let pods: Vec<String> = full.map(|(slot, _)| pod_name(&seen.cluster.name, *slot)).collect();
    (!pods.is_empty()).then(|| {
        format!(
            "the disk is full at {}: what is written there waits, and goes on by itself when there is room. Ask for more in \
             `spec.storage.data.size`, or remove what does not belong there",
            pods.join(", ")
        )
    })
}

fn condition(
    kind: &str,
    status: ConditionStatus,
    reason: &str,
    message: String,
    observed_generation: i64,
    now: &Time,
) -> Condition {
    Condition {
        r#type: kind.to_owned(),
        status,
        observed_generation,
        last_transition_time: now.clone(),
        reason: reason.to_owned(),
        message,
    }
}

/// A condition that says what it said before has said so since then.
fn keep_time(condition: &mut Condition, before: &ZooKeeperClusterStatus) {
    let known = before.conditions.iter().find(|known| known.r#type == condition.r#type);
    if let Some(known) = known.filter(|known| known.status == condition.status) {
        condition.last_transition_time = known.last_transition_time.clone();
    }
}

fn members(seen: &Seen<'_>) -> Vec<Member> {
    let mut slots: Vec<Slot> = seen.observed.pods.iter().map(|pod| pod.slot).collect();
    // Members without a pod are missed most.
    slots.extend(seen.summary.config.keys().map(|sid| Slot::of(*sid)));
    slots.sort_unstable();
    slots.dedup();
    slots.into_iter().map(|slot| member(seen, slot)).collect()
}

fn member(seen: &Seen<'_>, slot: Slot) -> Member {
    let sid = slot.sid();
    let pod = seen.observed.pod(slot);
    let answer = seen.answers.get(&slot);
    let lag = seen.observed.members.iter().find(|member| member.slot == slot);
    let lag = lag.and_then(|member| member.answer.as_ref()).map(|status| status.lag_txns);
    let silent = || match pod {
        None => "it has no pod".to_owned(),
        Some(_) => seen.silence.get(&slot).cloned().unwrap_or_else(|| "it was not asked".to_owned()),
    };
    Member {
        id: i32::from(sid.get()),
        pod: pod_name(&seen.cluster.name, slot),
        role: match seen.summary.config.get(&sid) {
            Some(Role::Voter) => "voter",
            Some(Role::Observer) => "observer",
            None => "none",
        }
        .to_owned(),
        state: answer.map_or("unknown", |answer| state(answer.status.state)).to_owned(),
        ready: pod.is_some_and(|pod| pod.ready),
        zxid: answer.map(|answer| answer.status.last_zxid.to_string()),
        lag: lag.and_then(|lag| i64::try_from(lag).ok()),
        config_version: answer.map(|answer| answer.status.config_version.to_string()),
        last_error: match answer {
            Some(answer) => answer.not_ready.clone(),
            None => Some(silent()),
        },
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Loading => "loading",
        State::Joining => "joining",
        State::Looking => "looking",
        State::Following => "following",
        State::Leading => "leading",
        State::Observing => "observing",
        State::Retired => "retired",
    }
}

/// The oldest that anybody runs: what may be relied on.
fn current_version(answers: &BTreeMap<Slot, Answer>) -> Option<String> {
    let parts = |version: &str| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>();
    answers.values().map(|answer| answer.version.clone()).min_by_key(|version| parts(version))
}

fn scaling(seen: &Seen<'_>, before: &ZooKeeperClusterStatus) -> Option<ScalingStatus> {
    match seen.plan.phase {
        plan::Phase::Scaling => {}
        plan::Phase::Running => return None,
        // What interrupts a step does not end it.
        _ => return before.scaling.clone(),
    }
    let voters = number(seen.summary.config.values().filter(|role| **role == Role::Voter).count());
    let step = seen.plan.steps.first().cloned().unwrap_or_default();
    let stage = seen.plan.stage.map_or("", plan::Stage::as_str).to_owned();
    let known = before.scaling.as_ref().filter(|known| known.stage == stage);
    let since = known.map_or_else(|| seen.now.clone(), |known| known.since.clone());
    // Once the votes have changed, `from` is what they were when the step began.
    let from = before.scaling.as_ref().map_or(voters, |known| known.from);
    Some(ScalingStatus { from, to: seen.cluster.spec.replicas, step, stage, since })
}

fn rollout(seen: &Seen<'_>, before: &ZooKeeperClusterStatus) -> Option<RolloutStatus> {
    let [(voters, all_voters), (observers, all_observers)] = seen.summary.updated;
    let (updated, total) = (voters + observers, all_voters + all_observers);
    let blocked = seen.plan.conditions.iter().find(|it| it.kind == plan::ConditionKind::RolloutBlocked);
    let blocked = blocked.filter(|it| it.status == Truth::True).map(|it| it.message.clone());
    let current = match &seen.plan.action {
        Some(plan::Action::EvictPod { slot, .. }) => Some(*slot),
        _ => seen.observed.pods.iter().find(|pod| pod.terminating).map(|pod| pod.slot),
    };
    let is_under_way = updated < total || (before.rollout.is_some() && seen.plan.phase != plan::Phase::Running);
    let since = before.rollout.as_ref().map_or_else(|| Some(seen.now.clone()), |known| known.since.clone());
    is_under_way.then(|| RolloutStatus {
        since,
        updated: number(updated),
        total: number(total),
        current: current.map(|slot| pod_name(&seen.cluster.name, slot)),
        blocked_reason: blocked,
    })
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
