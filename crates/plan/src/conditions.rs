//! The plan under construction, and what people are told. Everything is computed anew each pass (row 18).

use std::fmt;

use crate::action::{Action, Phase, Plan, Stage};
use crate::gates::why_no_leader;
use crate::ids::{Kind, Millis, ServerId, Slot};
use crate::observed::{Observed, Record};
use crate::rollout::first_bad_pod;
use crate::view::{Leadership, View, majority, servers};

/// When to look again after something was done.
const REQUEUE_AFTER_ACTION: Millis = Millis(2_000);
/// When to look again while something is waited for.
const REQUEUE_WAITING: Millis = Millis(10_000);
/// When to look again if all is well.
const REQUEUE_IDLE: Millis = Millis(60_000);

/// A condition of the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionKind,
    /// Whether it holds.
    pub status: Truth,
    /// One word for programs.
    pub reason: &'static str,
    /// What is waited for and what to do, for people.
    pub message: String,
}

/// What a condition is about; its name is the `type` in the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionKind {
    /// Clients can write.
    Available,
    /// A leader is known and a quorum follows it.
    QuorumAvailable,
    /// Everything is as the spec says.
    Ready,
    /// Something is being done or waited for.
    Progressing,
    /// It serves with less than it should have.
    Degraded,
    /// A change of the number of servers could begin or go on now.
    ScaleAllowed,
    /// A pod with the present template is no good.
    RolloutBlocked,
    /// Volumes are ours, and the record is.
    StorageOk,
    /// A majority of the voters has no data.
    DataLossRisk,
    /// The operator only watches.
    Paused,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows: too few have answered.
    Unknown,
}

impl fmt::Display for ConditionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "Available",
            Self::QuorumAvailable => "QuorumAvailable",
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::ScaleAllowed => "ScaleAllowed",
            Self::RolloutBlocked => "RolloutBlocked",
            Self::StorageOk => "StorageOK",
            Self::DataLossRisk => "DataLossRisk",
            Self::Paused => "Paused",
        })
    }
}

/// A reason and a message.
pub(crate) type Finding = (&'static str, String);

/// The plan as the stories leave it.
pub(crate) struct Draft {
    pub record: Record,
    voters_replicas: Option<u32>,
    observers_replicas: Option<u32>,
    action: Option<Action>,
    steps: Vec<String>,
    /// Set where it does not follow from the rest.
    pub phase: Option<Phase>,
    stage: Option<Stage>,
    pub is_rolling: bool,
    /// Why the number of servers cannot change now.
    scale_blocked: Option<Finding>,
    pub record_trouble: Option<Finding>,
    pub data_loss: Option<String>,
}

impl Draft {
    /// Everything stays as it is.
    pub(crate) fn unchanged(seen: &Observed) -> Self {
        Self {
            record: seen.record.clone(),
            voters_replicas: seen.voters.as_ref().map(|set| set.replicas),
            observers_replicas: seen.observers.as_ref().map(|set| set.replicas),
            action: None,
            steps: Vec::new(),
            phase: None,
            stage: None,
            is_rolling: false,
            scale_blocked: None,
            record_trouble: None,
            data_loss: None,
        }
    }

    /// The one action of this pass.
    pub(crate) fn act(&mut self, action: Action) {
        assert!(self.action.is_none(), "two actions in one pass: {:?} and {action:?}", self.action);
        self.steps.push(action.to_string());
        self.action = Some(action);
    }

    /// Something that is waited for or done with the sizes.
    pub(crate) fn wait(&mut self, step: String) {
        self.steps.push(step);
    }

    /// The number of servers changes; the first that is under way counts.
    pub(crate) fn scaling(&mut self, stage: Stage) {
        self.stage.get_or_insert(stage);
    }

    /// Why the number of servers cannot change now; the first reason counts.
    pub(crate) fn scale(&mut self, reason: &'static str, message: String) {
        self.scale_blocked.get_or_insert((reason, message));
    }

    pub(crate) fn replicas(&self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::Voter => self.voters_replicas,
            Kind::Observer => self.observers_replicas,
        }
    }

    fn replicas_mut(&mut self, kind: Kind) -> &mut Option<u32> {
        match kind {
            Kind::Voter => &mut self.voters_replicas,
            Kind::Observer => &mut self.observers_replicas,
        }
    }

    /// A StatefulSet of at least this size.
    pub(crate) fn grow(&mut self, kind: Kind, size: u32) {
        let replicas = self.replicas_mut(kind);
        *replicas = Some(replicas.map_or(size, |now| now.max(size)));
    }

    /// A StatefulSet of at most this size.
    pub(crate) fn shrink(&mut self, kind: Kind, size: u32) {
        let replicas = self.replicas_mut(kind);
        *replicas = replicas.map(|now| now.min(size));
    }

    /// Whether something is being done or waited for.
    fn is_busy(&self, seen: &Observed) -> bool {
        self.action.is_some()
            || !self.steps.is_empty()
            || self.record != seen.record
            || self.voters_replicas != seen.voters.as_ref().map(|set| set.replicas)
            || self.observers_replicas != seen.observers.as_ref().map(|set| set.replicas)
    }
}

/// Makes the plan of the draft.
pub(crate) fn finish(view: &View<'_>, draft: Draft) -> Plan {
    let conditions = conditions(view, &draft);
    let is_busy = draft.is_busy(view.seen);
    let is_ready = conditions.iter().any(|it| it.kind == ConditionKind::Ready && it.status == Truth::True);
    let requeue = match () {
        () if draft.action.is_some() => REQUEUE_AFTER_ACTION,
        () if is_busy || !is_ready => REQUEUE_WAITING,
        () => REQUEUE_IDLE,
    };
    let phase = phase(view, &draft, is_ready);
    Plan {
        phase,
        stage: draft.stage.filter(|_| phase == Phase::Scaling),
        record: draft.record,
        voters_replicas: draft.voters_replicas,
        observers_replicas: draft.observers_replicas,
        action: draft.action,
        conditions,
        requeue,
        steps: draft.steps,
    }
}

fn phase(view: &View<'_>, draft: &Draft, is_ready: bool) -> Phase {
    match draft.phase {
        Some(phase) => phase,
        None if view.leader().is_none() => Phase::NoQuorum,
        None if draft.stage.is_some() => Phase::Scaling,
        None if draft.is_rolling => Phase::RollingUpdate,
        None if is_ready => Phase::Running,
        None => Phase::Degraded,
    }
}

fn conditions(view: &View<'_>, draft: &Draft) -> Vec<Condition> {
    let quorum = quorum(view);
    let available = Condition { kind: ConditionKind::Available, ..quorum.clone() };
    let unfinished = unfinished(view, draft);
    let is_busy = draft.is_busy(view.seen);
    let not_well = not_well(view);
    let cluster = &view.seen.cluster;
    vec![
        available,
        quorum,
        bad_if(ConditionKind::Ready, &unfinished, Truth::False, ("AsSpecified", "all is as the spec says")),
        match is_busy {
            true => condition(ConditionKind::Progressing, Truth::True, "Working", draft.steps.join("; then ")),
            false => condition(ConditionKind::Progressing, Truth::False, "Idle", "nothing is to be done".to_owned()),
        },
        bad_if(
            ConditionKind::Degraded,
            &not_well,
            Truth::True,
            ("AllMembersWell", "every member is ready and in sync"),
        ),
        bad_if(
            ConditionKind::ScaleAllowed,
            &draft.scale_blocked,
            Truth::False,
            ("ReadyToScale", "the number of servers can change"),
        ),
        bad_if(
            ConditionKind::RolloutBlocked,
            &first_bad_pod(view),
            Truth::True,
            ("NotBlocked", "no pod stands in the way of a rollout"),
        ),
        bad_if(
            ConditionKind::StorageOk,
            &storage(view, draft),
            Truth::False,
            ("VolumesAreOurs", "no volume belongs to another ensemble"),
        ),
        bad_if(
            ConditionKind::DataLossRisk,
            &draft.data_loss.clone().map(|message| ("MajorityWithoutData", message)),
            Truth::True,
            ("MajorityHasData", "no majority of voters is known to be without data"),
        ),
        match cluster.pause {
            true => condition(ConditionKind::Paused, Truth::True, "Paused", "`spec.pause` is true".to_owned()),
            false => condition(ConditionKind::Paused, Truth::False, "NotPaused", "the operator works".to_owned()),
        },
    ]
}

fn condition(kind: ConditionKind, status: Truth, reason: &'static str, message: String) -> Condition {
    Condition { kind, status, reason, message }
}

/// The condition for a finding that makes it `bad`, or for there being none.
fn bad_if(kind: ConditionKind, finding: &Option<Finding>, bad: Truth, good: (&'static str, &str)) -> Condition {
    let opposite = if bad == Truth::True { Truth::False } else { Truth::True };
    match finding {
        Some((reason, message)) => condition(kind, bad, reason, message.clone()),
        None => condition(kind, opposite, good.0, good.1.to_owned()),
    }
}

fn quorum(view: &View<'_>) -> Condition {
    let (reason, message) = why_no_leader(view);
    let status = match view.leadership {
        Leadership::Known(_) => Truth::True,
        // With too few answers to tell, nobody may say that there is no quorum.
        Leadership::Unconfirmed(_) => Truth::Unknown,
        Leadership::Several => Truth::False,
        Leadership::Nobody => {
            let voters = view.voters();
            let known = voters.iter().filter(|sid| view.answer(**sid).is_some()).count();
            let silent_ready = view.silent().iter().any(|slot| view.seen.pod(*slot).is_some_and(|pod| pod.ready));
            let is_told = !voters.is_empty() && known >= majority(voters.len());
            if is_told || !silent_ready { Truth::False } else { Truth::Unknown }
        }
    };
    condition(ConditionKind::QuorumAvailable, status, reason, message)
}

/// Members that are not ready or not in sync.
fn not_well(view: &View<'_>) -> Option<Finding> {
    let members = view.members(Kind::Voter).into_iter().chain(view.members(Kind::Observer));
    let is_unwell = |slot: &Slot| !view.seen.pod(*slot).is_some_and(|pod| view.is_well(pod));
    let unwell: Vec<ServerId> = members.filter(is_unwell).map(Slot::sid).collect();
    (!unwell.is_empty()).then(|| ("MembersMissing", format!("{} must be ready and in sync", servers(&unwell))))
}

/// What is not as the spec says.
fn unfinished(view: &View<'_>, draft: &Draft) -> Option<Finding> {
    let cluster = &view.seen.cluster;
    let sizes = [Kind::Voter, Kind::Observer]
        .map(|kind| (cluster.desired(kind), view.members_in_role(kind), view.replicas(kind)));
    let is_sized = sizes.iter().all(|(wanted, members, replicas)| *members == *wanted as usize && replicas == wanted);
    match () {
        () if cluster.deleting => Some(("Deleting", "the resource is being deleted".to_owned())),
        () if draft.data_loss.is_some() => Some(("DataLossRisk", "a majority of the voters has no data".to_owned())),
        () if draft.record_trouble.is_some() => draft.record_trouble.clone(),
        () if !draft.record.bootstrapped => Some(("Bootstrapping", "the ensemble is being founded".to_owned())),
        () if view.leader().is_none() => Some(why_no_leader(view)),
        () if !is_sized || draft.stage.is_some() => Some((
            "Scaling",
            format!(
                "the ensemble has {} voters of {}, {} observers of {}",
                sizes[0].1, sizes[0].0, sizes[1].1, sizes[1].0
            ),
        )),
        () if draft.is_rolling => Some(("RollingUpdate", "pods are being replaced".to_owned())),
        () => not_well(view),
    }
}

fn storage(view: &View<'_>, draft: &Draft) -> Option<Finding> {
    if let Some(slot) = view.foreign.first() {
        return Some((
            "ForeignVolume",
            format!(
                "the volume of {slot} is of another ensemble or server, so its server does not take part; put the right volume \
                 there, or delete the claim to let it start without data"
            ),
        ));
    }
    draft.record_trouble.clone()
}

#[cfg(test)]
#[path = "conditions_test.rs"]
mod tests;
