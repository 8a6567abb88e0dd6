//! More voters: stage as learners, wait until they hold the data, one compare-and-swap change (rows 5, 10, 11).

use crate::Flow;
use crate::action::{Action, EvictReason, Stage};
use crate::conditions::Draft;
use crate::gates;
use crate::ids::{Kind, ServerId, Slot};
use crate::observed::{Role, State};
use crate::view::{View, servers};

/// Wanted voters that the committed configuration does not have yet, ascending.
fn joiners(view: &View<'_>) -> Vec<ServerId> {
    let wanted = (0..view.seen.cluster.desired(Kind::Voter)).map(|ordinal| Slot::voter(ordinal).sid());
    wanted.filter(|sid| !view.is_member(*sid)).collect()
}

/// Whether the StatefulSet has a place for the server.
pub(crate) fn is_staged(view: &View<'_>, sid: ServerId) -> bool {
    let slot = Slot::of(sid);
    slot.ordinal < view.replicas(slot.kind)
}

/// A step that was begun: some joiners are staged.
pub(crate) fn finish(view: &View<'_>, draft: &mut Draft) -> Flow {
    let joiners = joiners(view);
    if !joiners.iter().any(|sid| is_staged(view, *sid)) {
        return Flow::Continue;
    }
    draft.scaling(Stage::Join);
    if rejoin(view, draft, &joiners) || !gates::voters_in_sync(view, draft, &view.voters()) {
        return Flow::Stop;
    }
    // More were wished for meanwhile: they come along, none of this step has a vote yet.
    stage(view, draft);
    let joining = if view.seen.cluster.joint { &joiners[..] } else { &joiners[..1] };
    let behind: Vec<ServerId> = joining.iter().copied().filter(|sid| !view.may_join(*sid)).collect();
    if !behind.is_empty() {
        wait_for_learners(view, draft, &behind);
        return Flow::Stop;
    }
    let Some(committed) = view.committed else { return Flow::Stop };
    draft.act(Action::Reconfig {
        expect_version: committed.version,
        joining: joining.iter().map(|sid| (*sid, Role::Voter)).collect(),
        leaving: Vec::new(),
    });
    Flow::Stop
}

/// A new step: the StatefulSet grows.
pub(crate) fn begin(view: &View<'_>, draft: &mut Draft) -> Flow {
    let joiners = joiners(view);
    if joiners.is_empty() {
        return Flow::Continue;
    }
    draft.scaling(Stage::Start);
    if gates::voters_in_sync(view, draft, &view.voters()) && stage(view, draft) {
        draft.wait(format!("start {} as learners", servers(&joiners)));
    }
    Flow::Stop
}

/// Sets the wanted size, if the new slots are free.
fn stage(view: &View<'_>, draft: &mut Draft) -> bool {
    let size = view.seen.cluster.desired(Kind::Voter);
    if size <= view.replicas(Kind::Voter) {
        return true;
    }
    let is_free = gates::slots_are_free(view, draft, Kind::Voter, size);
    if is_free {
        draft.grow(Kind::Voter, size);
    }
    is_free
}

/// A server that was retired and is wanted again starts anew: that sets its old data aside. It has no vote to lose.
pub(crate) fn rejoin(view: &View<'_>, draft: &mut Draft, joiners: &[ServerId]) -> bool {
    let is_retired = |sid: &ServerId| view.answer(*sid).is_some_and(|status| status.state == State::Retired);
    let Some(sid) = joiners.iter().find(|sid| is_retired(sid)) else { return false };
    match view.seen.pod(Slot::of(*sid)) {
        Some(pod) if !pod.terminating => draft.evict(view, pod, EvictReason::Rejoin),
        _ => draft.wait(format!("wait for the pod of server {sid}")),
    }
    true
}

fn wait_for_learners(view: &View<'_>, draft: &mut Draft, behind: &[ServerId]) {
    let foreign: Vec<ServerId> = behind.iter().copied().filter(|sid| view.foreign.contains(&Slot::of(*sid))).collect();
    if !foreign.is_empty() {
        let message = format!(
            "the volumes of {} belong to another ensemble; remove them or lower `spec.replicas`",
            servers(&foreign)
        );
        draft.scale("StaleVolume", message);
    } else {
        let timeout = view.seen.cluster.step_timeout;
        let is_overdue = |sid: &ServerId| {
            view.seen.pod(Slot::of(*sid)).is_some_and(|pod| !pod.ready && view.now.since(pod.ready_changed) > timeout)
        };
        let overdue: Vec<ServerId> = behind.iter().copied().filter(is_overdue).collect();
        let advice = match &overdue[..] {
            [] => String::new(),
            overdue => format!(
                "; {} took longer than `scaling.stepTimeout`: look at the pods or lower `spec.replicas`",
                servers(overdue)
            ),
        };
        draft.scale(
            "LearnersCatchingUp",
            format!("{} must hold the data before getting a vote{advice}", servers(behind)),
        );
    }
    draft.wait(format!("wait for {} to be in sync, then give them their votes", servers(behind)));
}

#[cfg(test)]
#[path = "scale_up_test.rs"]
mod tests;
