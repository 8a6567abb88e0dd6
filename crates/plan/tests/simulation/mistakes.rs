//! Mistakes that somebody could make in the planner or around it. A harness that catches none of them proves nothing.

use plan::{Action, ConfigVersion, EvictReason, Kind, Observed, Plan, Pod, Removal, Slot, State};

/// A planted mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The StatefulSet gets the wished size at once.
    ShrinkBeforeReconfig,
    /// Pods with an earlier template are evicted, whoever else is away.
    EvictWithoutGate,
    /// The leader is evicted instead of asked to hand over.
    EvictLeader,
    /// Pods are replaced although the first new one cannot run.
    RollPastBadPod,
    /// Changes are asked for whatever the version is by now.
    ReconfigWithoutVersion,
    /// The record is made anew.
    BootstrapAgain,
    /// Volumes are deleted by name, members' included.
    DeleteVolumesInUse,
    /// What was seen in an old cache is done to what is there now.
    IgnorePreconditions,
}

impl Mistake {
    pub const ALL: [Self; 8] = [
        Self::ShrinkBeforeReconfig,
        Self::EvictWithoutGate,
        Self::EvictLeader,
        Self::RollPastBadPod,
        Self::ReconfigWithoutVersion,
        Self::BootstrapAgain,
        Self::DeleteVolumesInUse,
        Self::IgnorePreconditions,
    ];

    /// Apache's "any version".
    pub const ANY_VERSION: ConfigVersion = ConfigVersion(-1);

    /// Makes the mistake.
    pub fn alter(self, observed: &Observed, plan: &mut Plan) {
        match self {
            Self::ShrinkBeforeReconfig => {
                if observed.record.bootstrapped && observed.voters.is_some() {
                    plan.voters_replicas = Some(observed.cluster.voters);
                }
            }
            Self::EvictWithoutGate => {
                evict(observed, plan, |pod| pod.slot.kind == Kind::Voter && is_outdated(observed, pod))
            }
            Self::EvictLeader => {
                if let Some(Action::HandOver { .. }) = plan.action {
                    plan.action = None;
                    evict(observed, plan, |pod| state(observed, pod.slot) == Some(State::Leading));
                }
            }
            Self::RollPastBadPod => {
                let is_bad = |pod: &Pod| pod.failing && !is_outdated(observed, pod);
                if observed.pods.iter().any(is_bad) && plan.action.is_none() {
                    evict(observed, plan, |pod| pod.ready && is_outdated(observed, pod));
                }
            }
            Self::ReconfigWithoutVersion => {
                if let Some(Action::Reconfig { expect_version, .. }) = &mut plan.action {
                    *expect_version = Self::ANY_VERSION;
                }
            }
            Self::BootstrapAgain => {
                if observed.pods.iter().all(|pod| !pod.ready) {
                    plan.record.bootstrapped = false;
                }
            }
            Self::DeleteVolumesInUse => {
                let volume = observed.volumes.iter().find(|volume| volume.slot.ordinal >= observed.cluster.voters);
                if let Some(volume) = volume {
                    plan.action = Some(Action::DeleteVolume { slot: volume.slot, uid: volume.uid.clone() });
                }
            }
            // Made by who carries the plan out.
            Self::IgnorePreconditions => {}
        }
    }
}

fn is_outdated(observed: &Observed, pod: &Pod) -> bool {
    observed.stateful_set(pod.slot.kind).is_some_and(|set| set.update_revision != pod.revision)
}

fn state(observed: &Observed, slot: Slot) -> Option<State> {
    let member = observed.members.iter().find(|member| member.slot == slot)?;
    member.answer.as_ref().map(|status| status.state)
}

fn evict(observed: &Observed, plan: &mut Plan, which: impl Fn(&Pod) -> bool) {
    if let Some(pod) = observed.pods.iter().rev().find(|pod| !pod.terminating && which(pod)) {
        plan.action = Some(Action::EvictPod {
            slot: pod.slot,
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            removal: Removal::Delete,
            reason: EvictReason::NewRevision,
        });
    }
}
