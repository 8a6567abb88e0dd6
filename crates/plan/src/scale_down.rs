//! Fewer servers: out of the configuration first, a write behind it, retired, and only then a smaller StatefulSet (rows 1, 6, 7).
//!
//! What happens after the change of the configuration is the same for voters and observers.

use crate::action::{Action, Stage};
use crate::conditions::Draft;
use crate::gates;
use crate::ids::{Kind, ServerId, Slot};
use crate::observed::{Retention, State, Znode};
use crate::view::{View, majority, servers};
use crate::{Flow, rollout};

/// After every change: a write, so that its commit under the new configuration is known, and with it that of the change.
pub(crate) fn barrier(view: &View<'_>, draft: &mut Draft) -> Flow {
    let Some(committed) = view.committed else { return Flow::Stop };
    match &view.seen.znode {
        Znode::Present { barrier, .. } if *barrier == committed.version => Flow::Continue,
        Znode::Unread => {
            draft.scale("ZnodeUnread", "the operator's znode could not be read; asked again".to_owned());
            draft.wait("wait until the operator's znode can be read".to_owned());
            // A new template may be what lets the operator read it; who is in the ensemble does not matter to that.
            rollout::run(view, draft);
            Flow::Stop
        }
        Znode::Present { .. } | Znode::Absent => {
            draft.act(Action::Barrier { after: committed.version });
            Flow::Stop
        }
    }
}

/// A step that was begun: servers without a place in the configuration that nobody wants.
pub(crate) fn finish(view: &View<'_>, draft: &mut Draft) -> Flow {
    for kind in [Kind::Voter, Kind::Observer] {
        let surplus = surplus(view, kind);
        // Retiring stamps the volume for good, so the survivors must be seen to go on without the server.
        if let Some(slot) = surplus.iter().find(|slot| !is_released(view, **slot)) {
            draft.scaling(Stage::Retire);
            if survivors_agree(view, draft) && retire(view, draft, slot.sid()) {
                return Flow::Stop;
            }
        }
        shrink(view, draft, kind, &surplus);
        wait_for_the_last(view, draft, kind);
        if delete_volume(view, draft, kind) {
            return Flow::Stop;
        }
    }
    Flow::Continue
}

/// Places of the StatefulSet that nobody wants and the configuration does not have; the highest first.
///
/// Only those beyond the last member: a retired pod below one could not end, and would use up the disruption budget for ever.
fn surplus(view: &View<'_>, kind: Kind) -> Vec<Slot> {
    let first = view.seen.cluster.desired(kind).max(view.size_for_members(kind));
    let ordinals = first..view.replicas(kind).min(Slot::ordinals_max(kind));
    ordinals.rev().map(|ordinal| Slot { kind, ordinal }).collect()
}

/// Whether the pod may go: its server is retired, or has nothing to retire, or is not there. It has no vote.
fn is_released(view: &View<'_>, slot: Slot) -> bool {
    let sid = slot.sid();
    let is_retired = view.answer(sid).is_some_and(|status| status.state == State::Retired || !status.has_data);
    // Two witnesses: it does not answer as one in sync, and Kubernetes does not find it ready.
    let is_ready = view.seen.pod(slot).is_some_and(|pod| pod.ready);
    is_retired || (!is_ready && !view.is_in_sync(sid))
}

/// A quorum of those who stay holds the committed configuration.
fn survivors_agree(view: &View<'_>, draft: &mut Draft) -> bool {
    let voters = view.voters();
    let missing = view.not_in_sync(&voters);
    let agree = voters.len() - missing.len() >= majority(voters.len());
    if !agree {
        draft.wait(format!("wait for {} to hold the new configuration", servers(&missing)));
    }
    agree
}

/// Whether there was something to do.
fn retire(view: &View<'_>, draft: &mut Draft, sid: ServerId) -> bool {
    let Some(committed) = view.committed else { return false };
    if view.answer(sid).is_some_and(|status| status.config_version == committed.version) {
        draft.act(Action::Retire { sid, config_version: committed.version });
        return true;
    }
    draft.wait(format!("wait for server {sid}, which has left, to hear of it"));
    false
}

/// As small as wished, but never smaller than what the committed configuration or a server that is not released needs.
fn shrink(view: &View<'_>, draft: &mut Draft, kind: Kind, surplus: &[Slot]) {
    let kept = surplus.iter().find(|slot| !is_released(view, **slot)).map_or(0, |slot| slot.ordinal + 1);
    let size = view.seen.cluster.desired(kind).max(view.size_for_members(kind)).max(kept);
    if size < view.replicas(kind) {
        draft.scaling(Stage::EndPods);
        draft.wait(format!("end the pods from {} on; their servers have left", Slot { kind, ordinal: size }));
        draft.shrink(kind, size);
    }
}

/// The StatefulSet is small enough; its last pods take their time to end.
fn wait_for_the_last(view: &View<'_>, draft: &mut Draft, kind: Kind) {
    let is_beyond = |slot: &Slot| slot.kind == kind && slot.ordinal >= view.replicas(kind);
    if let Some(slot) = view.seen.pods.iter().map(|pod| pod.slot).find(is_beyond) {
        draft.scaling(Stage::EndPods);
        draft.wait(format!("wait until the pod of {slot} is gone"));
    }
}

/// Deletes one volume that nothing uses, if that is wished. Whether pods are ready does not matter (row 3).
fn delete_volume(view: &View<'_>, draft: &mut Draft, kind: Kind) -> bool {
    if view.seen.cluster.retention_on_scale_down == Retention::Retain {
        return false;
    }
    let unused = |slot: Slot| {
        slot.kind == kind
            && slot.ordinal >= view.seen.cluster.desired(kind)
            && slot.ordinal >= view.replicas(kind)
            && !view.is_member(slot.sid())
            && view.seen.pod(slot).is_none()
    };
    let Some(volume) = view.seen.volumes.iter().find(|volume| !volume.terminating && unused(volume.slot)) else {
        return false;
    };
    draft.scaling(Stage::DeleteVolumes);
    draft.act(Action::DeleteVolume { slot: volume.slot, uid: volume.uid.clone() });
    true
}

/// A new step: voters leave the configuration. Those who stay must be able to go on alone.
pub(crate) fn begin(view: &View<'_>, draft: &mut Draft) -> Flow {
    let (Some(committed), Some(leader)) = (view.committed, view.leader()) else { return Flow::Stop };
    let voters = view.voters();
    let desired = view.seen.cluster.desired(Kind::Voter);
    let (stay, mut leaving): (Vec<ServerId>, Vec<ServerId>) =
        voters.iter().copied().partition(|sid| Slot::of(*sid).kind == Kind::Voter && Slot::of(*sid).ordinal < desired);
    // With nobody to stay the wanted ones must join first.
    if leaving.is_empty() || stay.is_empty() {
        return Flow::Continue;
    }
    draft.scaling(Stage::Leave);
    if !view.seen.cluster.joint {
        leaving = leaving.split_off(leaving.len() - 1);
    }
    let remaining: Vec<ServerId> = voters.iter().copied().filter(|sid| !leaving.contains(sid)).collect();
    if !gates::voters_in_sync(view, draft, &stay) {
        return Flow::Stop;
    }
    let missing = view.not_in_sync(&remaining);
    if remaining.len() - missing.len() < majority(remaining.len()) {
        draft
            .scale("NotEnoughVoters", format!("{} must be in sync: without them no quorum remains", servers(&missing)));
        draft.wait(format!("wait for {} to be in sync", servers(&missing)));
        return Flow::Stop;
    }
    match view.most_advanced(&stay) {
        Some(to) if leaving.contains(&leader) => draft.act(Action::HandOver { to }),
        _ => draft.act(Action::Reconfig { expect_version: committed.version, joining: Vec::new(), leaving }),
    }
    Flow::Stop
}

#[cfg(test)]
#[path = "scale_down_test.rs"]
mod tests;
