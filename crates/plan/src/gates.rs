//! What must hold before anything is done, and what must hold before the ensemble changes its members.

use crate::Flow;
use crate::action::Phase;
use crate::conditions::Draft;
use crate::ids::{Kind, ServerId, Slot};
use crate::view::{Leadership, View, majority, servers};

/// A resource that is paused, goes away or has somebody else's record is only watched.
pub(crate) fn operator_may_act(view: &View<'_>, draft: &mut Draft) -> Flow {
    let cluster = &view.seen.cluster;
    if cluster.deleting {
        draft.phase = Some(Phase::Deleting);
        draft.scale("Deleting", "the resource is being deleted; its ensemble is left alone".to_owned());
        return Flow::Stop;
    }
    if cluster.pause {
        draft.phase = Some(Phase::Paused);
        draft.scale("Paused", "`spec.pause` is true; set it to false to go on".to_owned());
        return Flow::Stop;
    }
    match &view.seen.record.cluster_uid {
        Some(uid) if *uid != cluster.uid => {
            draft.record_trouble = Some((
                "ForeignRecord",
                format!(
                    "the record (ensemble.json) is of the ensemble {uid}, this resource is {}; remove the ConfigMap if the \
                     other ensemble is no more",
                    cluster.uid
                ),
            ));
            Flow::Stop
        }
        _ => Flow::Continue,
    }
}

/// With a majority of voters empty nobody can tell what was acknowledged: the operator stops and asks (rows 4, 5, 8).
pub(crate) fn data_is_there(view: &View<'_>, draft: &mut Draft) -> Flow {
    if view.leader().is_some() || !draft.record.bootstrapped {
        return Flow::Continue;
    }
    let is_empty = |sid: &ServerId| {
        view.answer(*sid).is_some_and(|status| !status.has_data) || view.foreign.contains(&Slot::of(*sid))
    };
    // Without any configuration nobody knows who votes: then only if all who could be voters are empty, for one that is silent
    // may be the only one that matters.
    let (voters, needed) = match view.voters() {
        voters if voters.is_empty() => {
            ((0..view.replicas(Kind::Voter)).map(|ordinal| Slot::voter(ordinal).sid()).collect(), 1)
        }
        voters => {
            let needed = majority(voters.len());
            (voters, needed)
        }
    };
    let empty: Vec<ServerId> = voters.iter().copied().filter(is_empty).collect();
    if voters.is_empty() || voters.len() - empty.len() >= needed {
        return Flow::Continue;
    }
    draft.data_loss = Some(format!(
        "{} of {} voters have no data of this ensemble ({}); nothing is done until you choose: restore a backup, bring the \
         volumes back, or say from which server to go on",
        empty.len(),
        voters.len(),
        servers(&empty)
    ));
    draft.scale("NoQuorum", "a majority of the voters has no data".to_owned());
    Flow::Stop
}

/// Without a leader that a quorum follows, members stay as they are (row 7).
pub(crate) fn leader_is_known(view: &View<'_>, draft: &mut Draft) -> Flow {
    let Some(leader) = view.leader() else {
        let (reason, message) = why_no_leader(view);
        draft.scale(reason, message);
        return Flow::Stop;
    };
    if let Some(version) = view.pending() {
        draft.scale(
            "ReconfigInProgress",
            format!("server {leader} has proposed configuration {version}; it must be committed first"),
        );
        draft.wait(format!("wait until configuration {version} is committed"));
        return Flow::Stop;
    }
    Flow::Continue
}

/// Why no leader is known: a reason of `QuorumAvailable` and a message.
pub(crate) fn why_no_leader(view: &View<'_>) -> (&'static str, String) {
    let silent: Vec<ServerId> = view.silent().into_iter().map(Slot::sid).collect();
    let silence = match &silent[..] {
        [] => String::new(),
        silent => format!("; {} did not answer", servers(silent)),
    };
    match view.leadership {
        Leadership::Known(leader) => ("QuorumAvailable", format!("server {leader} leads")),
        Leadership::Several => {
            ("MultipleLeaders", format!("more than one server says that it leads; one of them will notice{silence}"))
        }
        Leadership::Unconfirmed(leader) => {
            ("LeaderUnconfirmed", format!("server {leader} leads, but no quorum was heard to follow{silence}"))
        }
        Leadership::Nobody => ("NoQuorum", format!("no server leads; start the missing voters{silence}")),
    }
}

/// Before the set of voters changes: every one of `needed` is in sync.
pub(crate) fn voters_in_sync(view: &View<'_>, draft: &mut Draft, needed: &[ServerId]) -> bool {
    let missing = view.not_in_sync(needed);
    if missing.is_empty() {
        return true;
    }
    draft.scale("NotEnoughVoters", format!("{} must be in sync before the voters change", servers(&missing)));
    draft.wait(format!("wait for {} to be in sync", servers(&missing)));
    false
}

/// Before a StatefulSet grows to `size`: nothing of an earlier server is left in its new slots (row 3).
pub(crate) fn slots_are_free(view: &View<'_>, draft: &mut Draft, kind: Kind, size: u32) -> bool {
    for ordinal in view.replicas(kind)..size {
        let slot = Slot { kind, ordinal };
        if view.seen.volume(slot).is_some_and(|volume| volume.terminating) {
            draft.scale(
                "PVCDeleting",
                format!("the volume of {slot} is being deleted; a new one can be made when it is gone"),
            );
            draft.wait(format!("wait until the volume of {slot} is gone"));
            return false;
        }
        if view.seen.pod(slot).is_some() {
            draft.scale("PodTerminating", format!("the earlier pod of {slot} is still there"));
            draft.wait(format!("wait until the pod of {slot} is gone"));
            return false;
        }
    }
    true
}

#[cfg(test)]
#[path = "gates_test.rs"]
mod tests;
