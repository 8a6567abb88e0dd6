//! What is repaired whatever else is going on: StatefulSets that somebody made too small, pods that cannot run as they are.
//!
//! None of it needs a quorum, because it may be what the quorum waits for (rows 8, 17).

use crate::Flow;
use crate::action::{Action, EvictReason, Removal};
use crate::conditions::Draft;
use crate::ids::Kind;
use crate::observed::{Pod, State};
use crate::view::View;

/// Grows a StatefulSet back over members that it has lost. Only ever grows.
pub(crate) fn restore_sizes(view: &View<'_>, draft: &mut Draft) -> Flow {
    // Without a leader the latest configuration may be one that only a silent server knows. Then who answers could
    // speak of times long gone, so it counts only if everybody who is ready answers.
    let is_sure =
        view.leader().is_some() || !view.silent().iter().any(|slot| view.seen.pod(*slot).is_some_and(|pod| pod.ready));
    if !is_sure {
        return Flow::Continue;
    }
    for kind in [Kind::Voter, Kind::Observer] {
        let size = match view.committed {
            // Nobody is there to say who is a member. Those who are wanted say so when they run; without a vote they harm nobody.
            None if kind == Kind::Voter && draft.record.bootstrapped => view.seen.cluster.desired(kind),
            _ => view.size_for_members(kind),
        };
        if size > draft.replicas(kind).unwrap_or(0) {
            draft.grow(kind, size);
            draft.wait(format!("bring the pods of members back: {size} of them are needed"));
        }
    }
    Flow::Continue
}

/// A pod that cannot run and whose template has changed since gets the new template: that cannot hurt.
pub(crate) fn replace_stuck(view: &View<'_>, draft: &mut Draft) -> Flow {
    let pods = &view.seen.pods;
    // The new template is no better: replacing more pods would show nothing new.
    if pods.iter().any(|pod| pod.failing && !pod.terminating && !view.is_outdated(pod)) {
        return Flow::Continue;
    }
    let mut stuck: Vec<&Pod> = pods.iter().filter(|pod| is_stuck(view, pod)).collect();
    // Those without a vote first, then the highest.
    stuck.sort_by_key(|pod| (view.is_member(pod.slot.sid()), std::cmp::Reverse(pod.slot)));
    let Some(pod) = stuck.first() else { return Flow::Continue };
    // One at a time: the last one that was replaced must be there again before it can be judged.
    let is_away = pods.iter().any(|other| other.slot.kind == pod.slot.kind && other.terminating);
    if is_away {
        draft.wait("wait until the pod that was replaced last is gone".to_owned());
        return Flow::Stop;
    }
    draft.evict(view, pod, EvictReason::Stuck);
    Flow::Stop
}

/// Whether the pod is of no use and its template has changed. Silence alone is no proof: Kubernetes must agree.
fn is_stuck(view: &View<'_>, pod: &Pod) -> bool {
    let sid = pod.slot.sid();
    if !view.is_outdated(pod) || pod.ready || pod.terminating || view.is_in_sync(sid) {
        return false;
    }
    // A large disk takes its time; the startup probe watches that.
    let is_loading = view.answer(sid).is_some_and(|status| status.state == State::Loading);
    let is_overdue = view.now.since(pod.ready_changed) > view.seen.cluster.rollout.member_timeout;
    pod.failing || (is_overdue && !is_loading)
}

impl Draft {
    /// Removes this very pod, as seen.
    pub(crate) fn evict(&mut self, view: &View<'_>, pod: &Pod, reason: EvictReason) {
        let removal = if view.seen.cluster.disruption_budget { Removal::Evict } else { Removal::Delete };
        self.act(Action::EvictPod {
            slot: pod.slot,
            uid: pod.uid.clone(),
            resource_version: pod.resource_version.clone(),
            removal,
            reason,
        });
    }
}

#[cfg(test)]
#[path = "recover_test.rs"]
mod tests;
