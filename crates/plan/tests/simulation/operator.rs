//! The operator around the planner: looks with old caches and lost answers, carries the plan out through preconditions,
//! and is killed between any two calls.

use plan::{
    Action, ConfigVersion, Epoch, Kind, Member, Observed, Plan, Pod, Removal, ServerId, Slot, State, StatefulSet,
    Status, Volume, Zxid,
};

use crate::mistakes::Mistake;
use crate::world::{Does, Set, World};

/// What came of a call.
#[derive(Debug, PartialEq)]
enum Call {
    Done,
    /// A precondition does not hold; the pass ends.
    Refused,
}

impl World {
    /// A look at the world, as far as caches and networks allow.
    pub fn observe(&mut self) -> Observed {
        // Each kind of object has a cache of its own.
        let sets = self.cached().map_or_else(|| self.sets.clone(), |age| self.history[age].sets.clone());
        let pods = self.cached().map_or_else(|| self.pods.clone(), |age| self.history[age].pods.clone());
        let volumes = self.cached().map_or_else(|| self.objects().volumes, |age| self.history[age].volumes.clone());
        let set = |kind| sets.get(&kind).map(seen_set);
        let znode = if self.is_lost(30) { plan::Znode::Unread } else { self.znode() };
        let members = pods.keys().copied().collect::<Vec<_>>().into_iter();
        let lossy = if self.faulty && self.rng.in_1000(50) { 500 } else { 30 };
        let members =
            members.map(|slot| Member { slot, answer: if self.is_lost(lossy) { None } else { self.status(slot) } });
        let members = members.collect();
        Observed {
            cluster: self.cluster.clone(),
            record: self.record.clone(),
            znode,
            voters: set(Kind::Voter),
            observers: set(Kind::Observer),
            pods: pods.iter().map(|(slot, pod)| seen_pod(*slot, pod)).collect(),
            volumes: volumes
                .iter()
                .map(|(slot, (uid, terminating))| Volume { slot: *slot, uid: id(*uid), terminating: *terminating })
                .collect(),
            members,
        }
    }

    fn is_lost(&mut self, times: u64) -> bool {
        self.faulty && self.rng.in_1000(times)
    }

    /// How old what a cache shows is, in places of the history; mostly it is not.
    fn cached(&mut self) -> Option<usize> {
        if !self.faulty || self.history.is_empty() || !self.rng.in_1000(120) {
            return None;
        }
        self.meet("old cache");
        Some(self.rng.among(0..self.history.len() as u64) as usize)
    }

    fn status(&self, slot: Slot) -> Option<Status> {
        let does = *self.servers.get(&slot)?;
        let disk = self.disks.get(&slot)?;
        let data = disk.data.as_ref();
        let (version, config) =
            data.map(|data| data.config()).map_or((0, plan::Config::new()), |(v, c)| (v, (**c).clone()));
        let sid = slot.sid();
        let role = config.get(&sid).copied();
        let epoch = match does {
            Does::Leads { epoch, .. } | Does::Follows { epoch, .. } => Some(Epoch(epoch)),
            _ => None,
        };
        let (state, leader, synced) = match does {
            Does::Loading { .. } => (State::Loading, None, false),
            Does::Idle if role == Some(plan::Role::Voter) => (State::Looking, None, false),
            Does::Idle => (State::Joining, None, false),
            Does::Retired => (State::Retired, None, false),
            Does::Leads { established, .. } => (State::Leading, Some(sid), established),
            Does::Follows { leader, synced, .. } => match (synced, role) {
                (false, _) => (State::Joining, None, false),
                (true, Some(plan::Role::Observer)) => (State::Observing, Some(leader.sid()), true),
                (true, _) => (State::Following, Some(leader.sid()), true),
            },
        };
        // A leader without a quorum of its own has not finished: it says so only when it is established.
        let state = if state == State::Leading && !synced { State::Looking } else { state };
        let leads_log = leader.and_then(|leader| self.data(Slot::of(leader))).map_or(0, |data| data.log.len());
        let length = data.map_or(0, |data| data.log.len());
        Some(Status {
            sid,
            state,
            has_data: data.is_some(),
            ensemble: data.map(|_| self.cluster.uid.clone()),
            incarnation: 1,
            retired_at: disk.retired_at.map(ConfigVersion),
            leader: if state == State::Looking { None } else { leader },
            epoch,
            synced,
            last_zxid: Zxid(data.map_or(0, |data| data.last_zxid())),
            lag_txns: leads_log.saturating_sub(length) as u64,
            config_version: ConfigVersion(version),
            config,
            pending: data.and_then(|data| data.pending()).map(|(version, _)| ConfigVersion(version)),
        })
    }

    /// One pass; what was seen and planned in it.
    pub fn operate(&mut self, mistake: Option<Mistake>) -> (Observed, Plan) {
        let observed = self.observe();
        let mut plan = plan::plan(&observed, self.now());
        if let Some(mistake) = mistake {
            mistake.alter(&observed, &mut plan);
        }
        let keeps_preconditions = !matches!(mistake, Some(Mistake::IgnorePreconditions | Mistake::DeleteVolumesInUse));
        // Killed before this call; 4 is after the last.
        let killed_at = if self.is_lost(80) { self.rng.among(0..4) } else { 4 };
        for call in 0..killed_at {
            let outcome = match call {
                0 => self.write_record(&plan),
                1 => self.write_size(Kind::Voter, plan.voters_replicas, &observed, keeps_preconditions),
                2 => self.write_size(Kind::Observer, plan.observers_replicas, &observed, keeps_preconditions),
                _ => self.act(&plan, &observed, keeps_preconditions),
            };
            if outcome == Call::Refused {
                self.meet("call refused");
                return (observed, plan);
            }
        }
        if killed_at < 4 {
            self.meet("operator killed");
        }
        (observed, plan)
    }

    fn write_record(&mut self, plan: &Plan) -> Call {
        if plan.record != self.record {
            self.check_record(&plan.record);
            self.say(format!("record {:?}", plan.record));
            self.record = plan.record.clone();
        }
        Call::Done
    }

    fn write_size(&mut self, kind: Kind, size: Option<u32>, observed: &Observed, careful: bool) -> Call {
        let seen = observed.stateful_set(kind);
        let Some(size) = size else { return Call::Done };
        if seen.is_some_and(|seen| seen.replicas == size) {
            return Call::Done;
        }
        let (rv, revision) = (self.serial(), self.template);
        let is_as_seen = match (self.sets.get(&kind), seen) {
            (Some(set), Some(seen)) => seen.resource_version.0 == set.rv.to_string(),
            (None, None) => true,
            _ => false,
        };
        if careful && !is_as_seen {
            return Call::Refused;
        }
        let before = self.sets.get(&kind).map_or(0, |set| set.replicas);
        self.say(format!("{kind:?} StatefulSet {before} -> {size}"));
        if size < before {
            self.check_size(kind, size);
        }
        self.sets.insert(kind, Set { rv, replicas: size, revision });
        Call::Done
    }

    fn act(&mut self, plan: &Plan, observed: &Observed, careful: bool) -> Call {
        let Some(action) = &plan.action else { return Call::Done };
        self.say(format!("{action:?}"));
        match action {
            Action::Found { after, .. } | Action::Barrier { after } => self.set_znode(after.0),
            Action::HandOver { to } => self.hand_over(*to),
            Action::Retire { sid, config_version } => self.retire(*sid, config_version.0),
            Action::Reconfig { expect_version, joining, leaving } => {
                return self.ask_reconfig(*expect_version, joining, leaving, observed);
            }
            Action::EvictPod { slot, uid, resource_version, removal, .. } => {
                let Some(pod) = self.pods.get(slot) else { return Call::Refused };
                let is_as_seen = id(pod.uid) == *uid && pod.rv.to_string() == resource_version.0;
                if careful && (!is_as_seen || (*removal == Removal::Evict && !self.budget_allows(*slot))) {
                    return Call::Refused;
                }
                let is_another = id(pod.uid) != *uid;
                self.meet("pod evicted");
                if is_another {
                    self.violate("only_what_was_seen_is_removed", format!("{slot} is another pod by now"));
                }
                self.check_eviction(*slot);
                self.end_pod(*slot);
            }
            Action::DeleteVolume { slot, uid } => return self.delete_volume(*slot, uid, careful),
        }
        Call::Done
    }

    fn delete_volume(&mut self, slot: Slot, uid: &plan::Uid, careful: bool) -> Call {
        let in_use =
            self.pods.contains_key(&slot) || self.sets.get(&slot.kind).is_some_and(|set| set.replicas > slot.ordinal);
        let Some(disk) = self.disks.get_mut(&slot) else { return Call::Refused };
        if careful && (in_use || id(disk.uid) != *uid) {
            return Call::Refused;
        }
        disk.terminating = true;
        self.meet("volume deleted");
        self.check_volume(slot);
        Call::Done
    }

    fn ask_reconfig(
        &mut self,
        expect: ConfigVersion,
        joining: &[(ServerId, plan::Role)],
        leaving: &[ServerId],
        observed: &Observed,
    ) -> Call {
        self.somebody_else_changes_the_ensemble();
        // The request is lost on its way.
        if self.is_lost(80) {
            return Call::Refused;
        }
        let has_place = |sid: &ServerId| {
            let slot = Slot::of(*sid);
            self.sets.get(&slot.kind).is_some_and(|set| set.replicas > slot.ordinal)
        };
        if !joining.iter().all(|(sid, _)| has_place(sid)) {
            return Call::Refused;
        }
        let version_now = self.leader().and_then(|(leader, _)| self.data(leader)).map(|data| data.config().0);
        let expected = (expect != Mistake::ANY_VERSION).then_some(expect.0);
        let answer = self.reconfig(expected, joining, leaving);
        self.say(format!("reconfig answers {answer:?}"));
        if answer.is_err() {
            self.meet("reconfig refused");
            return Call::Refused;
        }
        let decided_on = observed.members.iter().filter_map(|member| member.answer.as_ref());
        let decided_on = decided_on.map(|status| status.config_version.0).max();
        if decided_on != version_now {
            let what = format!("decided on {decided_on:x?}, done on {version_now:x?}");
            self.violate("reconfig_is_compare_and_swap", what);
        }
        // Done, but the answer is lost on its way.
        if self.is_lost(80) { Call::Refused } else { Call::Done }
    }
}

fn id(number: u64) -> plan::Uid {
    plan::Uid(number.to_string())
}

fn seen_set(set: &Set) -> StatefulSet {
    StatefulSet {
        resource_version: plan::ResourceVersion(set.rv.to_string()),
        replicas: set.replicas,
        update_revision: plan::Revision(set.revision.to_string()),
    }
}

fn seen_pod(slot: Slot, pod: &crate::world::PodState) -> Pod {
    Pod {
        slot,
        uid: id(pod.uid),
        resource_version: plan::ResourceVersion(pod.rv.to_string()),
        revision: plan::Revision(pod.revision.to_string()),
        ready: pod.ready,
        ready_changed: plan::Millis(pod.ready_changed as i64 * 1000),
        failing: pod.failing,
        terminating: pod.ends_at.is_some(),
    }
}
