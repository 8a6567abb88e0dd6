//! What is told as events: what was done, and what has become true or untrue between two statuses. Pure.

use crate::crd::{ConditionStatus, ZooKeeperClusterStatus};
use crate::status::PRESSURE;
use plan::{Action, EvictReason, Plan, Slot};

/// Something worth an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// In one word for programs.
    pub reason: &'static str,
    /// Whether somebody should look.
    pub is_warning: bool,
    /// In words for people.
    pub note: String,
    /// What it is about, if not the whole cluster: one event tells of one such thing.
    pub about: Option<String>,
}

impl Notice {
    /// Something that is as it should be.
    #[must_use]
    pub fn normal(reason: &'static str, note: impl Into<String>) -> Self {
        Self { reason, is_warning: false, note: note.into(), about: None }
    }

    /// Something that somebody should look at.
    #[must_use]
    pub fn warning(reason: &'static str, note: impl Into<String>) -> Self {
        Self { reason, is_warning: true, note: note.into(), about: None }
    }

    /// The same, about this.
    #[must_use]
    pub fn about(self, what: &str) -> Self {
        Self { about: Some(what.to_owned()), ..self }
    }
}

/// What an action that was carried out is told as; `pod_of` names the pod of a server.
#[must_use]
pub fn done(action: &Action, pod_of: impl Fn(Slot) -> String) -> Vec<Notice> {
    let about = |slot: Slot, reason, note: &dyn Fn(&str) -> String| {
        let pod = pod_of(slot);
        Notice::normal(reason, note(&pod)).about(&pod)
    };
    match action {
        Action::Found { .. } | Action::Barrier { .. } => Vec::new(),
        Action::Reconfig { joining, leaving, .. } => {
            let added = joining.iter().map(|(sid, role)| {
                let role = match role {
                    plan::Role::Voter => "voter",
                    plan::Role::Observer => "observer",
                };
                let note = |pod: &str| format!("server {sid} ({pod}) is a member now, as {role}");
                about(Slot::of(*sid), "MemberAdded", &note)
            });
            let removed = leaving.iter().map(|sid| {
                about(Slot::of(*sid), "MemberRemoved", &|pod| format!("server {sid} ({pod}) is no member any more"))
            });
            added.chain(removed).collect()
        }
        Action::HandOver { to } => {
            let note = |pod: &str| format!("the leader was asked to let server {to} ({pod}) lead");
            vec![about(Slot::of(*to), "LeaderHandedOver", &note)]
        }
        Action::Retire { sid, .. } => {
            vec![about(Slot::of(*sid), "MemberRetired", &|pod| format!("server {sid} ({pod}) has left for good"))]
        }
        Action::EvictPod { slot, reason, .. } => {
            let why = match reason {
                EvictReason::Stuck => "it cannot run, and its template has changed",
                EvictReason::NewRevision => "its template has changed",
                EvictReason::Rejoin => "its server was retired and is wanted again",
            };
            vec![about(*slot, "PodEvicted", &|pod| format!("pod {pod} is replaced: {why}"))]
        }
        Action::DeleteVolume { slot, .. } => {
            vec![about(*slot, "VolumeDeleted", &|pod| format!("the volume of {pod} is deleted"))]
        }
    }
}

/// What an action that failed is told as.
#[must_use]
pub fn failed(action: &Action, why: &str) -> Notice {
    let reason = match action {
        Action::Found { .. } | Action::Barrier { .. } => "EnsembleWriteFailed",
        Action::Reconfig { .. } => "ReconfigFailed",
        Action::HandOver { .. } => "HandOverFailed",
        Action::Retire { .. } => "RetireFailed",
        Action::EvictPod { .. } => "EvictionRefused",
        Action::DeleteVolume { .. } => "VolumeDeletionFailed",
    };
    Notice::warning(reason, format!("{action}: {why}. It is looked at again"))
}

/// What has changed from one status to the next.
#[must_use]
pub fn changes(before: &ZooKeeperClusterStatus, after: &ZooKeeperClusterStatus, plan: &Plan) -> Vec<Notice> {
    let mut all = Vec::new();
    let is_held = condition(after, "StorageOK").0 == Some(ConditionStatus::False);
    let is_held = is_held || condition(after, "Paused").0 == Some(ConditionStatus::True);
    if before.observed_generation == 0 && !plan.record.bootstrapped && !is_held {
        all.push(Notice::normal("BootstrapStarted", "a new ensemble is being founded"));
    }
    if before.bootstrap.is_none() && after.bootstrap.is_some() {
        all.push(Notice::normal(
            "BootstrapCompleted",
            "the ensemble is founded: from now on an empty disk never votes",
        ));
    }
    if let (Some(old), Some(new)) = (&before.leader, &after.leader)
        && old != new
    {
        all.push(Notice::normal("LeaderChanged", format!("{new} leads, after {old}")).about(new));
    }
    all.extend(begun_and_ended(before, after));
    for (kind, bad, reason, good_reason) in CONDITIONS {
        let (old, _) = condition(before, kind);
        let (new, message) = condition(after, kind);
        // Before the ensemble is founded there is nothing that could be lost.
        if *kind == "QuorumAvailable" && before.bootstrap.is_none() {
            continue;
        }
        if new == Some(*bad) && old != Some(*bad) {
            let is_pressure = after.conditions.iter().any(|it| it.r#type == *kind && it.reason == PRESSURE);
            all.push(Notice::warning(if is_pressure { PRESSURE } else { reason }, message));
        } else if old == Some(*bad) && new.is_some_and(|new| new != *bad && new != ConditionStatus::Unknown) {
            all.extend(good_reason.map(|reason| Notice::normal(reason, message)));
        }
    }
    all
}

fn begun_and_ended(before: &ZooKeeperClusterStatus, after: &ZooKeeperClusterStatus) -> Vec<Notice> {
    let mut all = Vec::new();
    match (&before.scaling, &after.scaling) {
        (None, Some(scaling)) => {
            let note = format!("from {} voters to {}", scaling.from, scaling.to);
            all.push(Notice::normal("ScaleStarted", note).about(&format!("{}-{}", scaling.from, scaling.to)));
        }
        (Some(scaling), None) => {
            all.push(Notice::normal("ScaleCompleted", format!("{} voters", scaling.to)).about(&scaling.to.to_string()));
        }
        _ => {}
    }
    match (&before.rollout, &after.rollout) {
        (None, Some(rollout)) => {
            let note = format!(
                "{} of {} pods have another template than they should",
                rollout.total - rollout.updated,
                rollout.total
            );
            all.push(Notice::normal("RolloutStarted", note));
        }
        (Some(_), None) => all.push(Notice::normal("RolloutCompleted", "every pod has its template")),
        _ => {}
    }
    all
}

/// Conditions that are told of: which value is bad, what becoming bad is called, and what becoming good is.
const CONDITIONS: &[(&str, ConditionStatus, &str, Option<&str>)] = &[
    ("QuorumAvailable", ConditionStatus::False, "QuorumLost", Some("QuorumRestored")),
    ("RolloutBlocked", ConditionStatus::True, "RolloutBlocked", None),
    ("StorageOK", ConditionStatus::False, "ForeignVolume", None),
    ("DataLossRisk", ConditionStatus::True, "DataLossRisk", None),
    ("ConfigValid", ConditionStatus::False, "SpecInvalid", Some("SpecValid")),
    ("Paused", ConditionStatus::True, "Paused", Some("Resumed")),
    ("MonitoringOK", ConditionStatus::False, "MonitoringUnavailable", Some("MonitoringAvailable")),
];

fn condition<'a>(status: &'a ZooKeeperClusterStatus, kind: &str) -> (Option<ConditionStatus>, &'a str) {
    let found = status.conditions.iter().find(|condition| condition.r#type == kind);
    found.map_or((None, ""), |found| (Some(found.status), &found.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::{Bootstrap, Condition, ScalingStatus};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn time() -> Time {
        Time(jiff::Timestamp::UNIX_EPOCH)
    }

    fn with(kind: &str, status: ConditionStatus) -> ZooKeeperClusterStatus {
        let condition = Condition {
            r#type: kind.to_owned(),
            status,
            observed_generation: 1,
            last_transition_time: time(),
            reason: "R".to_owned(),
            message: "m".to_owned(),
        };
        ZooKeeperClusterStatus {
            observed_generation: 1,
            conditions: vec![condition],
            ..ZooKeeperClusterStatus::default()
        }
    }

    fn plan() -> Plan {
        Plan {
            record: plan::Record::default(),
            voters_replicas: None,
            observers_replicas: None,
            action: None,
            conditions: Vec::new(),
            phase: plan::Phase::Running,
            stage: None,
            requeue: plan::Millis(0),
            steps: Vec::new(),
        }
    }

    fn reasons(before: &ZooKeeperClusterStatus, after: &ZooKeeperClusterStatus) -> Vec<&'static str> {
        changes(before, after, &plan()).iter().map(|notice| notice.reason).collect()
    }

    #[test]
    fn a_lost_quorum_is_told_once_and_its_return_too() {
        let [lost, unknown, there] =
            [ConditionStatus::False, ConditionStatus::Unknown, ConditionStatus::True].map(|status| {
                ZooKeeperClusterStatus {
                    bootstrap: Some(Bootstrap { completed_at: time() }),
                    ..with("QuorumAvailable", status)
                }
            });
        assert_eq!(reasons(&there, &lost), ["QuorumLost"]);
        assert_eq!(reasons(&lost, &lost), [""; 0]);
        assert_eq!(reasons(&lost, &unknown), [""; 0], "nobody knows");
        assert_eq!(reasons(&lost, &there), ["QuorumRestored"]);
    }

    #[test]
    fn what_prometheus_cannot_be_told_is_told_once_and_a_withdrawn_wish_is_not() {
        let [bad, good] = [ConditionStatus::False, ConditionStatus::True].map(|status| with("MonitoringOK", status));
        let none = with("Paused", ConditionStatus::False);
        assert_eq!(reasons(&none, &bad), ["MonitoringUnavailable"]);
        assert_eq!(reasons(&bad, &bad), [""; 0]);
        assert_eq!(reasons(&bad, &good), ["MonitoringAvailable"]);
        assert_eq!(reasons(&bad, &none), [""; 0]);
    }

    #[test]
    fn what_is_wrong_with_the_storage_is_what_the_event_is_called() {
        let mut full = with("StorageOK", ConditionStatus::False);
        let good = with("StorageOK", ConditionStatus::True);
        assert_eq!(reasons(&good, &full), ["ForeignVolume"]);
        full.conditions[0].reason = PRESSURE.to_owned();
        assert_eq!(reasons(&good, &full), ["StoragePressure"]);
    }

    #[test]
    fn a_step_begins_and_ends() {
        let none = with("Paused", ConditionStatus::False);
        let scaling = ScalingStatus { from: 1, to: 3, step: "s".to_owned(), stage: "join".to_owned(), since: time() };
        let some = ZooKeeperClusterStatus { scaling: Some(scaling), ..none.clone() };
        assert_eq!(reasons(&none, &some), ["ScaleStarted"]);
        assert_eq!(reasons(&some, &some), [""; 0]);
        assert_eq!(reasons(&some, &none), ["ScaleCompleted"]);
    }

    #[test]
    fn a_new_resource_is_told_as_founding_alone() {
        let new = ZooKeeperClusterStatus::default();
        assert_eq!(reasons(&new, &with("QuorumAvailable", ConditionStatus::False)), ["BootstrapStarted"]);
    }

    #[test]
    fn a_new_resource_that_is_paused_founds_nothing() {
        let new = ZooKeeperClusterStatus::default();
        assert_eq!(reasons(&new, &with("Paused", ConditionStatus::True)), ["Paused"]);
    }

    #[test]
    fn actions_name_pods() {
        let slot = Slot::voter(2);
        let name = |slot: Slot| format!("main-{}", slot.ordinal);
        let action = Action::Reconfig {
            expect_version: plan::ConfigVersion(1),
            joining: vec![(slot.sid(), plan::Role::Voter)],
            leaving: vec![Slot::voter(0).sid()],
        };
        let notices = done(&action, name);
        assert_eq!(notices[0].note, "server 3 (main-2) is a member now, as voter");
        assert_eq!(notices[1].note, "server 1 (main-0) is no member any more");
        assert!(failed(&action, "no").is_warning);
    }
}
