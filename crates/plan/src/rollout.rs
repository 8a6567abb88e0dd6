//! New templates, one pod after the other: observers, followers, the leader last (row 17).
//!
//! Nothing is remembered: a pod is rolled if its revision is the StatefulSet's, and the first rolled pod that is not well
//! stops everything until the template changes again, which [`crate::recover`] brings to the stuck pod first.

use std::cmp::Reverse;

use crate::Flow;
use crate::action::{Action, EvictReason};
use crate::conditions::{Draft, Finding};
use crate::ids::{Kind, ServerId, Slot};
use crate::observed::Pod;
use crate::view::{View, majority, servers};

/// One pass of the rollout.
pub(crate) fn run(view: &View<'_>, draft: &mut Draft) -> Flow {
    let outdated: Vec<&Pod> =
        view.seen.pods.iter().filter(|pod| view.is_outdated(pod) && view.is_member(pod.slot.sid())).collect();
    if outdated.is_empty() {
        return Flow::Continue;
    }
    draft.is_rolling = true;
    draft.scale("RolloutInProgress", format!("{} pods have an earlier template", outdated.len()));
    if first_bad_pod(view).is_some() {
        return Flow::Stop;
    }
    let (observers, voters): (Vec<&Pod>, Vec<&Pod>) =
        outdated.into_iter().partition(|pod| pod.slot.kind == Kind::Observer);
    if observers.is_empty() {
        roll_voter(view, draft, &voters)
    } else {
        roll_observer(view, draft, &observers)
    }
    Flow::Stop
}

/// A pod with the present template that cannot run or does not become ready in time: a reason and a message.
pub(crate) fn first_bad_pod(view: &View<'_>) -> Option<Finding> {
    let timeout = view.seen.cluster.rollout.member_timeout;
    // Without a leader nobody is ready, whatever the template.
    let is_overdue = |pod: &Pod| !pod.ready && view.leader().is_some() && view.now.since(pod.ready_changed) > timeout;
    let is_bad = |pod: &&Pod| !view.is_outdated(pod) && !pod.terminating && (pod.failing || is_overdue(pod));
    let pod = view.seen.pods.iter().find(is_bad)?;
    let reason = if pod.failing { "PodFailing" } else { "MemberTimeout" };
    let message = format!(
        "the pod of {} has the present template ({}) and does not become ready; look at its events and logs and change the \
         template, the fixed one is applied to this pod first",
        pod.slot, pod.revision
    );
    Some((reason, message))
}

/// Up to a quarter of the observers at once: they have no vote, but clients.
fn roll_observer(view: &View<'_>, draft: &mut Draft, outdated: &[&Pod]) {
    // A voter that is away may be one that a pod of the new template has just replaced, because it was stuck.
    let unproven = |sid: &ServerId| !is_proven(view, Slot::of(*sid));
    if let Some(sid) = view.voters().into_iter().find(unproven) {
        draft.wait(format!("wait for server {sid} to be ready and in sync"));
        return;
    }
    let away = unproven_observers(view).len();
    let allowed = (view.members(Kind::Observer).len() / 4).max(1);
    let next = outdated.iter().filter(|pod| view.is_well(pod)).max_by_key(|pod| pod.slot);
    match next {
        Some(pod) if away < allowed => draft.evict(view, pod, EvictReason::NewRevision),
        _ => draft.wait(format!("wait for {away} observers to be ready and in sync")),
    }
}

/// Wanted observers that are not well, whatever their template: in an old look at the pods a bad new one is an old one still.
fn unproven_observers(view: &View<'_>) -> Vec<Slot> {
    let wanted = view.seen.cluster.desired(Kind::Observer).min(view.replicas(Kind::Observer));
    (0..wanted).map(Slot::observer).filter(|slot| !is_proven(view, *slot)).collect()
}

fn roll_voter(view: &View<'_>, draft: &mut Draft, outdated: &[&Pod]) {
    // Observers test the template first.
    if let Some(slot) = unproven_observers(view).first() {
        draft.wait(format!("wait for {slot} to be ready and in sync, or wish for fewer observers"));
        return;
    }
    let leader = view.leader();
    let lag = |pod: &Pod| view.answer(pod.slot.sid()).map_or(u64::MAX, |status| status.lag_txns);
    let mut order: Vec<&Pod> = outdated.to_vec();
    order.sort_by_key(|pod| (leader == Some(pod.slot.sid()), lag(pod), Reverse(pod.slot)));
    // One that is not well comes back by itself or is stuck; it is not what may be taken away next.
    let Some(pod) = order.into_iter().find(|pod| view.is_well(pod)) else {
        draft.wait("wait for the voters with an earlier template to be ready and in sync".to_owned());
        return;
    };
    if let Err(awaited) = may_be_away(view, pod) {
        draft.wait(awaited);
        return;
    }
    if leader == Some(pod.slot.sid())
        && let Some(to) = heir(view, pod)
    {
        draft.act(Action::HandOver { to });
        return;
    }
    draft.evict(view, pod, EvictReason::NewRevision);
}

/// The voter that leads next: the most advanced that is well, one that stays rather than one that is rolled next.
fn heir(view: &View<'_>, leader: &Pod) -> Option<ServerId> {
    let well = |pod: &&Pod| pod.slot.kind == Kind::Voter && pod.slot != leader.slot && view.is_well(pod);
    let pods: Vec<&Pod> = view.seen.pods.iter().filter(well).collect();
    let voters = view.voters();
    let sids_of = |is_rolled: bool| -> Vec<_> {
        let pods = pods.iter().filter(|pod| view.is_outdated(pod) != is_rolled);
        pods.map(|pod| pod.slot.sid()).filter(|sid| voters.contains(sid)).collect()
    };
    view.most_advanced(&sids_of(true)).or_else(|| view.most_advanced(&sids_of(false)))
}

/// Whether the ensemble can spare this voter; else what is waited for.
fn may_be_away(view: &View<'_>, pod: &Pod) -> Result<(), String> {
    let voters = view.voters();
    let rollout = &view.seen.cluster.rollout;
    // What an ensemble cannot spare is not spared, whatever the setting says.
    let spare = u32::try_from((voters.len() - 1) / 2).unwrap_or(u32::MAX).max(1);
    let unavailable_max = rollout.max_unavailable.clamp(1, spare) as usize;
    let others = voters.iter().copied().filter(|sid| *sid != pod.slot.sid());
    let away: Vec<ServerId> = others.filter(|sid| !is_proven(view, Slot::of(*sid))).collect();
    let in_sync_after = voters.len() - 1 - away.len();
    // One or two voters cannot be replaced without a pause; the least bad is with everybody there.
    let needed = if voters.len() <= 2 { voters.len() - 1 } else { majority(voters.len()) + unavailable_max - 1 };
    if away.len() < unavailable_max && in_sync_after >= needed {
        return Ok(());
    }
    Err(format!("wait for {} to be ready and in sync for {} ms", servers(&away), rollout.min_ready.0))
}

/// The pod is there and well, and has been for long enough if its template is the new one.
fn is_proven(view: &View<'_>, slot: Slot) -> bool {
    view.seen.pod(slot).is_some_and(|pod| view.is_well(pod) && has_settled(view, pod))
}

/// A pod with the new template has been ready for long enough.
fn has_settled(view: &View<'_>, pod: &Pod) -> bool {
    view.is_outdated(pod) || view.now.since(pod.ready_changed) >= view.seen.cluster.rollout.min_ready
}

#[cfg(test)]
#[path = "rollout_test.rs"]
mod tests;
