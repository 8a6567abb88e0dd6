//! Observers of the same resource. They have no vote, so a known leader is gate enough.

use crate::Flow;
use crate::action::{Action, Stage};
use crate::conditions::Draft;
use crate::gates;
use crate::ids::{Kind, ServerId, Slot};
use crate::observed::Role;
use crate::scale_up::{is_staged, rejoin};
use crate::view::{View, servers};

/// Wanted observers that the committed configuration does not have yet, ascending.
fn joiners(view: &View<'_>) -> Vec<ServerId> {
    let wanted = (0..view.seen.cluster.desired(Kind::Observer)).map(|ordinal| Slot::observer(ordinal).sid());
    wanted.filter(|sid| !view.is_member(*sid)).collect()
}

/// Those that nobody wants leave, and those that are staged and in sync join. Neither needs more than a leader, so a rollout does
/// not have to end first: an observer that is in its way can be wished away.
pub(crate) fn change(view: &View<'_>, draft: &mut Draft) -> Flow {
    let Some(committed) = view.committed else { return Flow::Stop };
    let size = view.seen.cluster.desired(Kind::Observer);
    // One in a voter's place that somebody made an observer leaves too: only from outside can it get its vote back.
    let is_wanted = |slot: Slot| slot.kind == Kind::Observer && slot.ordinal < size;
    let observing = committed.config.iter().filter(|(_, role)| **role == Role::Observer).map(|(&sid, _)| sid);
    let leaving: Vec<ServerId> = observing.filter(|sid| !is_wanted(Slot::of(*sid))).collect();
    let staged: Vec<ServerId> = joiners(view).into_iter().filter(|sid| is_staged(view, *sid)).collect();
    if leaving.is_empty() && staged.is_empty() {
        return Flow::Continue;
    }
    draft.scaling(if leaving.is_empty() { Stage::Join } else { Stage::Leave });
    if !leaving.is_empty() {
        draft.act(Action::Reconfig { expect_version: committed.version, joining: Vec::new(), leaving });
        return Flow::Stop;
    }
    if rejoin(view, draft, &staged) {
        return Flow::Stop;
    }
    let (ready, behind): (Vec<ServerId>, Vec<ServerId>) = staged.into_iter().partition(|sid| view.may_join(*sid));
    if ready.is_empty() {
        // They hold nobody up.
        draft.wait(format!("wait for {} to be in sync", servers(&behind)));
        return Flow::Continue;
    }
    draft.act(Action::Reconfig {
        expect_version: committed.version,
        joining: ready.into_iter().map(|sid| (sid, Role::Observer)).collect(),
        leaving: Vec::new(),
    });
    Flow::Stop
}

/// Those that are wanted get a pod.
pub(crate) fn begin(view: &View<'_>, draft: &mut Draft) -> Flow {
    let size = view.seen.cluster.desired(Kind::Observer);
    if size > view.replicas(Kind::Observer) {
        draft.scaling(Stage::Start);
        if gates::slots_are_free(view, draft, Kind::Observer, size) {
            draft.grow(Kind::Observer, size);
            draft.wait(format!("start {}", servers(&joiners(view))));
        }
    }
    Flow::Continue
}

#[cfg(test)]
#[path = "observers_test.rs"]
mod tests;
