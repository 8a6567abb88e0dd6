//! The observation, read once: who leads, what is committed, who is in sync.
//!
//! Nothing here decides; every story asks the same questions of the same answers.

use std::collections::BTreeMap;

use crate::ids::{ConfigVersion, Kind, Millis, ServerId, Slot};
use crate::observed::{Config, Observed, Pod, Role, State, Status};

/// Who leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// This one, and a quorum of its configuration says so.
    Known(ServerId),
    /// It says that it leads, but no quorum was heard to follow.
    Unconfirmed(ServerId),
    /// More than one says that it leads.
    Several,
    /// Nobody says so.
    Nobody,
}

/// The configuration that governs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed<'a> {
    pub version: ConfigVersion,
    pub config: &'a Config,
}

/// The observation and what follows from it.
pub(crate) struct View<'a> {
    pub seen: &'a Observed,
    pub now: Millis,
    /// Answers of servers whose volume is ours or empty.
    pub answers: BTreeMap<ServerId, &'a Status>,
    /// Slots whose volume belongs to another ensemble, or whose server has another id than its place.
    pub foreign: Vec<Slot>,
    pub leadership: Leadership,
    /// The leader's configuration; without a known leader the latest that anybody with data holds.
    pub committed: Option<Committed<'a>>,
}

/// More than half of `voters`.
pub(crate) fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// The voters of a configuration, ascending.
pub(crate) fn voters_of(config: &Config) -> impl Iterator<Item = ServerId> + '_ {
    config.iter().filter(|(_, role)| **role == Role::Voter).map(|(&sid, _)| sid)
}

impl<'a> View<'a> {
    pub(crate) fn new(seen: &'a Observed, now: Millis) -> Self {
        let mut answers = BTreeMap::new();
        let mut foreign = Vec::new();
        for member in &seen.members {
            let Some(status) = &member.answer else { continue };
            let is_ours = match &status.ensemble {
                Some(ensemble) => *ensemble == seen.cluster.uid,
                None => !status.has_data,
            };
            if is_ours && status.sid == member.slot.sid() {
                answers.insert(status.sid, status);
            } else {
                foreign.push(member.slot);
            }
        }
        let leadership = leadership(&answers);
        let committed = match leadership {
            Leadership::Known(leader) => answers.get(&leader).copied(),
            _ => {
                let with_data = answers.values().filter(|status| status.has_data && !status.config.is_empty());
                with_data.max_by_key(|status| status.config_version).copied()
            }
        };
        let committed = committed.map(|status| Committed { version: status.config_version, config: &status.config });
        Self { seen, now, answers, foreign, leadership, committed }
    }

    /// The leader that a quorum follows.
    pub(crate) fn leader(&self) -> Option<ServerId> {
        match self.leadership {
            Leadership::Known(leader) => Some(leader),
            _ => None,
        }
    }

    /// What the server said, if it did.
    pub(crate) fn answer(&self, sid: ServerId) -> Option<&'a Status> {
        self.answers.get(&sid).copied()
    }

    /// The committed voters, ascending; none if no configuration is known.
    pub(crate) fn voters(&self) -> Vec<ServerId> {
        self.committed.map(|committed| voters_of(committed.config).collect()).unwrap_or_default()
    }

    /// Whether the committed configuration has the server.
    pub(crate) fn is_member(&self, sid: ServerId) -> bool {
        self.committed.is_some_and(|committed| committed.config.contains_key(&sid))
    }

    /// The members whose place is in the StatefulSet of this kind, ascending.
    pub(crate) fn members(&self, kind: Kind) -> Vec<Slot> {
        let config = self.committed.map(|committed| committed.config);
        let slots = config.into_iter().flat_map(|config| config.keys().map(|&sid| Slot::of(sid)));
        slots.filter(|slot| slot.kind == kind).collect()
    }

    /// How many members in this kind of place have the role that belongs to it.
    pub(crate) fn members_in_role(&self, kind: Kind) -> usize {
        let config = self.committed.into_iter().flat_map(|committed| committed.config);
        config.filter(|(sid, role)| Slot::of(**sid).kind == kind && **role == Role::from(kind)).count()
    }

    /// The smallest size of the StatefulSet that has all its members.
    pub(crate) fn size_for_members(&self, kind: Kind) -> u32 {
        self.members(kind).last().map_or(0, |slot| slot.ordinal + 1)
    }

    /// Whether the server follows the known leader (or is it), lacks little, and holds the committed configuration.
    pub(crate) fn is_in_sync(&self, sid: ServerId) -> bool {
        let (Some(leader), Some(committed), Some(status)) = (self.leader(), self.committed, self.answer(sid)) else {
            return false;
        };
        let takes_part = matches!(status.state, State::Following | State::Leading | State::Observing);
        takes_part
            && status.has_data
            && status.synced
            && status.leader == Some(leader)
            && self.answer(leader).is_some_and(|leader| leader.epoch == status.epoch)
            && status.config_version == committed.version
            && status.lag_txns <= self.seen.cluster.sync_lag_max_txns
    }

    /// Those of `sids` that are not in sync.
    pub(crate) fn not_in_sync(&self, sids: &[ServerId]) -> Vec<ServerId> {
        sids.iter().copied().filter(|sid| !self.is_in_sync(*sid)).collect()
    }

    /// Whether the server may become a member: in sync, with a pod that is not ending.
    pub(crate) fn may_join(&self, sid: ServerId) -> bool {
        self.is_in_sync(sid) && self.seen.pod(Slot::of(sid)).is_some_and(|pod| !pod.terminating)
    }

    /// Whether the pod is ready, stays, and its server is in sync.
    pub(crate) fn is_well(&self, pod: &Pod) -> bool {
        pod.ready && !pod.terminating && self.is_in_sync(pod.slot.sid())
    }

    /// The version of a configuration that the known leader has proposed and not committed.
    pub(crate) fn pending(&self) -> Option<ConfigVersion> {
        self.leader().and_then(|leader| self.answer(leader)).and_then(|status| status.pending)
    }

    /// The current size of a StatefulSet; 0 if there is none.
    pub(crate) fn replicas(&self, kind: Kind) -> u32 {
        self.seen.stateful_set(kind).map_or(0, |set| set.replicas)
    }

    /// Whether the pod was made from an earlier template than its StatefulSet has now.
    pub(crate) fn is_outdated(&self, pod: &Pod) -> bool {
        self.seen.stateful_set(pod.slot.kind).is_some_and(|set| set.update_revision != pod.revision)
    }

    /// The most advanced of `sids` that is in sync; of equals the lowest id.
    pub(crate) fn most_advanced(&self, sids: &[ServerId]) -> Option<ServerId> {
        let in_sync = sids.iter().copied().filter(|sid| self.is_in_sync(*sid));
        in_sync.max_by_key(|sid| (self.answer(*sid).map(|status| status.last_zxid), std::cmp::Reverse(*sid)))
    }

    /// Pods that have a server we know nothing of in this pass.
    pub(crate) fn silent(&self) -> Vec<Slot> {
        let asked = self.seen.pods.iter().map(|pod| pod.slot);
        asked.filter(|slot| !self.answers.contains_key(&slot.sid()) && !self.foreign.contains(slot)).collect()
    }
}

fn leadership(answers: &BTreeMap<ServerId, &Status>) -> Leadership {
    let leading: Vec<_> = answers.values().filter(|status| status.state == State::Leading).collect();
    let [leader] = leading[..] else {
        return if leading.is_empty() { Leadership::Nobody } else { Leadership::Several };
    };
    let voters = voters_of(&leader.config);
    let supports = |sid: &ServerId| {
        answers.get(sid).is_some_and(|status| status.leader == Some(leader.sid) && status.epoch == leader.epoch)
    };
    let (all, supporting) =
        voters.fold((0, 0), |(all, supporting), sid| (all + 1, supporting + usize::from(supports(&sid))));
    // A leader that nobody asked could still be deposed; a quorum that says it follows cannot follow another.
    if supporting >= majority(all) { Leadership::Known(leader.sid) } else { Leadership::Unconfirmed(leader.sid) }
}

/// Names servers for people: `server 3`, `servers 3, 4 and 5`.
pub(crate) fn servers(sids: &[ServerId]) -> String {
    let names: Vec<String> = sids.iter().map(ToString::to_string).collect();
    match &names[..] {
        [] => "no server".to_owned(),
        [one] => format!("server {one}"),
        [first @ .., last] => format!("servers {} and {last}", first.join(", ")),
    }
}
