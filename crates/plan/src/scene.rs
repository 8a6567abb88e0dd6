//! Scenes for the tests: an ensemble in which all is well, and what may have become of it.

use crate::ids::{ConfigVersion, Epoch, Kind, Millis, ServerId, Slot, Zxid};
use crate::observed::{
    Cluster, Config, Member, Observed, Pod, Record, Retention, Role, Rollout, State, StatefulSet, Status, Volume, Znode,
};
use crate::{Action, ConditionKind, Plan, Truth};

/// The version of the configuration in every scene.
pub(crate) const VERSION: ConfigVersion = ConfigVersion(0x1_0000_0001);
/// A time at which everything has been as it is for long.
const NOW: Millis = Millis(10_000_000);

pub(crate) struct Scene {
    pub seen: Observed,
    pub now: Millis,
}

pub(crate) fn sid(number: u8) -> ServerId {
    ServerId::new(number).expect("an id")
}

pub(crate) fn voter(number: u8) -> Slot {
    Slot::of(sid(number))
}

impl Scene {
    /// Nothing but the wish.
    pub(crate) fn nothing(voters: u32) -> Self {
        let cluster = Cluster {
            uid: "ours".into(),
            voters,
            observers: 0,
            pause: false,
            deleting: false,
            joint: true,
            sync_lag_max_txns: 100,
            rollout: Rollout { max_unavailable: 1, min_ready: Millis(10_000), member_timeout: Millis(600_000) },
            step_timeout: Millis(900_000),
            retention_on_scale_down: Retention::Retain,
            disruption_budget: true,
        };
        let seen = Observed {
            cluster,
            record: Record::default(),
            znode: Znode::Unread,
            voters: None,
            observers: None,
            pods: Vec::new(),
            volumes: Vec::new(),
            members: Vec::new(),
        };
        Self { seen, now: NOW }
    }

    /// So many voters and observers, as wished and well, led by server 1.
    pub(crate) fn running(voters: u32, observers: u32) -> Self {
        let mut scene = Self::nothing(voters);
        scene.seen.cluster.observers = observers;
        let slots: Vec<Slot> = (0..voters).map(Slot::voter).chain((0..observers).map(Slot::observer)).collect();
        let config: Config = slots.iter().map(|slot| (slot.sid(), Role::from(slot.kind))).collect();
        scene.seen.record =
            Record { cluster_uid: Some("ours".into()), bootstrapped: true, initial_members: vec![sid(1)] };
        scene.seen.znode = Znode::Present { cluster_uid: "ours".into(), barrier: VERSION };
        scene.seen.voters = Some(stateful_set());
        scene.seen.observers = (observers > 0).then(stateful_set);
        for slot in slots {
            scene.add(slot, &config);
        }
        scene.lead(1);
        scene
    }

    fn add(&mut self, slot: Slot, config: &Config) {
        let set = match slot.kind {
            Kind::Voter => self.seen.voters.get_or_insert_with(stateful_set),
            Kind::Observer => self.seen.observers.get_or_insert_with(stateful_set),
        };
        set.replicas = set.replicas.max(slot.ordinal + 1);
        self.seen.pods.push(Pod {
            slot,
            uid: format!("pod of {slot}").as_str().into(),
            resource_version: "1".into(),
            revision: "new".into(),
            ready: true,
            ready_changed: Millis(0),
            failing: false,
            terminating: false,
        });
        self.seen.volumes.push(Volume { slot, uid: format!("volume of {slot}").as_str().into(), terminating: false });
        let status = Status {
            sid: slot.sid(),
            state: if slot.kind == Kind::Voter { State::Following } else { State::Observing },
            has_data: true,
            ensemble: Some("ours".into()),
            incarnation: 1,
            retired_at: None,
            leader: Some(sid(1)),
            epoch: Some(Epoch(1)),
            synced: true,
            last_zxid: Zxid(0x1_0000_0100),
            lag_txns: 0,
            config_version: VERSION,
            config: config.clone(),
            pending: None,
        };
        self.seen.members.push(Member { slot, answer: Some(status) });
    }

    /// A server that follows in sync and that the configuration does not have.
    pub(crate) fn stage(mut self, slot: Slot) -> Self {
        let config = self.seen.members[0].answer.as_ref().expect("somebody answers").config.clone();
        self.add(slot, &config);
        self
    }

    pub(crate) fn wish(mut self, voters: u32) -> Self {
        self.seen.cluster.voters = voters;
        self
    }

    /// Another server leads.
    pub(crate) fn lead(&mut self, leader: u8) {
        for member in &mut self.seen.members {
            let Some(status) = &mut member.answer else { continue };
            status.leader = Some(sid(leader));
            if status.state == State::Leading {
                status.state = State::Following;
            }
            if status.sid == sid(leader) {
                status.state = State::Leading;
            }
        }
    }

    /// Nobody leads; everybody who answers looks for a leader.
    pub(crate) fn depose(&mut self) {
        for status in self.seen.members.iter_mut().filter_map(|member| member.answer.as_mut()) {
            (status.state, status.leader, status.synced) = (State::Looking, None, false);
        }
    }

    pub(crate) fn pod(&mut self, slot: Slot) -> &mut Pod {
        self.seen.pods.iter_mut().find(|pod| pod.slot == slot).expect("there is a pod")
    }

    pub(crate) fn answer(&mut self, slot: Slot) -> &mut Status {
        let member = self.seen.members.iter_mut().find(|member| member.slot == slot);
        member.and_then(|member| member.answer.as_mut()).expect("it answers")
    }

    /// It does not answer; nothing else is known of it.
    pub(crate) fn silence(&mut self, slot: Slot) {
        self.seen.members.retain(|member| member.slot != slot);
    }

    /// The pod is gone, its volume stays.
    pub(crate) fn lose_pod(&mut self, slot: Slot) {
        self.silence(slot);
        self.seen.pods.retain(|pod| pod.slot != slot);
    }

    /// The pod cannot run.
    pub(crate) fn fail(&mut self, slot: Slot) {
        self.silence(slot);
        let pod = self.pod(slot);
        (pod.ready, pod.failing) = (false, true);
    }

    /// The disk is empty and the server looks for somebody.
    pub(crate) fn empty(&mut self, slot: Slot) {
        let status = self.answer(slot);
        (status.state, status.leader, status.synced, status.has_data) = (State::Joining, None, false, false);
        (status.ensemble, status.config) = (None, Config::new());
    }

    /// Everybody's template has changed.
    pub(crate) fn change_template(&mut self) {
        for set in [&mut self.seen.voters, &mut self.seen.observers].into_iter().flatten() {
            set.update_revision = "newer".into();
        }
    }

    /// The pod has the newest template, and has been ready for long.
    pub(crate) fn roll(&mut self, slot: Slot) {
        self.pod(slot).revision = "newer".into();
    }

    pub(crate) fn plan(&self) -> Plan {
        crate::plan(&self.seen, self.now)
    }

    /// Checks the action, and that the size of the voters' StatefulSet stays.
    pub(crate) fn check(&self, action: Option<&Action>) -> Plan {
        let plan = self.plan();
        assert_eq!(plan.action.as_ref(), action, "{plan:#?}");
        assert_eq!(plan.voters_replicas, self.seen.voters.as_ref().map(|set| set.replicas), "{plan:#?}");
        plan
    }

    /// Checks that nothing is done, and why.
    pub(crate) fn check_waits(&self, kind: ConditionKind, truth: Truth, reason: &str) {
        let plan = self.check(None);
        check_condition(&plan, kind, truth, reason);
    }
}

/// Checks a condition.
pub(crate) fn check_condition(plan: &Plan, kind: ConditionKind, truth: Truth, reason: &str) {
    let condition = plan.conditions.iter().find(|condition| condition.kind == kind).expect("every condition is told");
    assert_eq!((condition.status, condition.reason), (truth, reason), "{condition:?}");
}

/// The slot whose pod the plan replaces.
pub(crate) fn evicted(plan: &Plan) -> Option<Slot> {
    match &plan.action {
        Some(Action::EvictPod { slot, .. }) => Some(*slot),
        _ => None,
    }
}

fn stateful_set() -> StatefulSet {
    StatefulSet { resource_version: "1".into(), replicas: 0, update_revision: "new".into() }
}
