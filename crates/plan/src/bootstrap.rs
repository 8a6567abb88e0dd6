//! Founding the ensemble, once.
//!
//! The decision is the operator's and is written down before the first pod exists; a pod with an empty disk only reads it
//! (rows 4 and 5). The record can only ever go forward: none, not bootstrapped, bootstrapped.

use crate::Flow;
use crate::action::{Action, Phase};
use crate::conditions::Draft;
use crate::ids::{Kind, ServerId, Slot};
use crate::observed::{Record, Znode};
use crate::view::{View, servers};

/// Brings the record up to what is known, and the founders' pods into being.
pub(crate) fn record(view: &View<'_>, draft: &mut Draft) -> Flow {
    let cluster = &view.seen.cluster;
    if view.seen.record.cluster_uid.is_none() {
        return first_record(view, draft);
    }
    // The ensemble itself remembers, too: a record that was set back does not found it again.
    if matches!(&view.seen.znode, Znode::Present { cluster_uid, .. } if *cluster_uid == cluster.uid) {
        draft.record.bootstrapped = true;
    }
    let founders = u32::try_from(draft.record.initial_members.len()).unwrap_or(u32::MAX);
    if draft.record.bootstrapped {
        // Somebody deleted the StatefulSet. Its pods come back with their volumes; the sizes follow from what they say.
        if view.seen.voters.is_none() {
            draft.grow(Kind::Voter, cluster.desired(Kind::Voter).max(size_for_pods(view, Kind::Voter)));
        }
        if view.seen.observers.is_none() && size_for_pods(view, Kind::Observer) > 0 {
            draft.grow(Kind::Observer, size_for_pods(view, Kind::Observer));
        }
        return Flow::Continue;
    }
    draft.phase = Some(Phase::Bootstrapping);
    draft.grow(Kind::Voter, founders.max(view.replicas(Kind::Voter)));
    Flow::Continue
}

/// A StatefulSet that is made around pods which are there must have a place for each, or Kubernetes ends them: they may vote.
fn size_for_pods(view: &View<'_>, kind: Kind) -> u32 {
    let pods = view.seen.pods.iter().filter(|pod| pod.slot.kind == kind && !pod.terminating);
    pods.map(|pod| pod.slot.ordinal + 1).max().unwrap_or(0)
}

/// Without a record: a new ensemble, unless there is any sign of an old one.
fn first_record(view: &View<'_>, draft: &mut Draft) -> Flow {
    let cluster = &view.seen.cluster;
    let record = |bootstrapped, initial_members| Record {
        cluster_uid: Some(cluster.uid.clone()),
        bootstrapped,
        initial_members,
    };
    if let Some(committed) = view.committed {
        draft.record =
            record(true, committed.config.keys().copied().filter(|sid| Slot::of(*sid).kind == Kind::Voter).collect());
        draft.wait("write the lost record again: the ensemble exists".to_owned());
        return Flow::Stop;
    }
    if view.seen.voters.is_some() || !view.seen.pods.is_empty() {
        draft.record_trouble = Some((
            "RecordMissing",
            "the record (ensemble.json) is missing, there are pods, and none has said whether it has data; it is written again \
             when one does"
                .to_owned(),
        ));
        return Flow::Stop;
    }
    let desired = cluster.desired(Kind::Voter);
    draft.record = record(false, (0..desired).map(|ordinal| Slot::voter(ordinal).sid()).collect());
    draft.grow(Kind::Voter, desired);
    draft.phase = Some(Phase::Bootstrapping);
    draft.wait(format!("found an ensemble of {}", servers(&draft.record.initial_members)));
    Flow::Stop
}

/// When all founders are there with one configuration: the znode, and only then the record.
pub(crate) fn found(view: &View<'_>, draft: &mut Draft) -> Flow {
    if draft.record.bootstrapped {
        return Flow::Continue;
    }
    let cluster = &view.seen.cluster;
    let missing = view.not_in_sync(&draft.record.initial_members);
    let Some(committed) = view.committed else { return Flow::Stop };
    let strangers: Vec<ServerId> =
        committed.config.keys().copied().filter(|sid| !draft.record.initial_members.contains(sid)).collect();
    if !missing.is_empty() || !strangers.is_empty() {
        draft.scale("Bootstrapping", format!("the ensemble is being founded; {} must be in sync", servers(&missing)));
        draft.wait(format!("wait for {} to be in sync", servers(&missing)));
        return Flow::Stop;
    }
    match &view.seen.znode {
        Znode::Unread => draft.wait("wait until the operator's znode can be read".to_owned()),
        // Present means present with another uid here: ours has set `bootstrapped` above.
        Znode::Absent | Znode::Present { .. } => {
            draft.act(Action::Found { cluster_uid: cluster.uid.clone(), after: committed.version });
        }
    }
    Flow::Stop
}

#[cfg(test)]
#[path = "bootstrap_test.rs"]
mod tests;
