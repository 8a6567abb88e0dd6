use super::*;
use crate::observe::tests::cluster;
use crate::observe::{self, Objects};
use jiff::Timestamp;
use plan::{Config, ConfigVersion, Epoch, Millis, Record, ServerId, Status, Uid, Znode, Zxid};
use serde_json::json;

const VERSION: ConfigVersion = ConfigVersion(0x1_0000_0002);

/// Three servers of which the first leads; those in `silent` say nothing.
fn objects_and_answers(silent: &[u32]) -> (Objects, BTreeMap<Slot, Answer>) {
    let pod = |ordinal: u32| {
        let status = if silent.contains(&ordinal) { "False" } else { "True" };
        serde_json::from_value(json!({
            "metadata": { "name": format!("main-{ordinal}"), "uid": format!("p{ordinal}"), "labels": { "controller-revision-hash": "r1" } },
            "status": { "conditions": [{ "type": "Ready", "status": status, "lastTransitionTime": "1970-01-01T00:00:01Z" }] },
        }))
        .unwrap()
    };
    let set = json!({ "spec": { "replicas": 3, "selector": {}, "serviceName": "s", "template": {} }, "status": { "replicas": 3, "updateRevision": "r1" } });
    let objects = Objects {
        voters: Some(serde_json::from_value(set).unwrap()),
        pods: (0..3).map(pod).collect(),
        ..Objects::default()
    };
    let config: Config = (0..3).map(|ordinal| (Slot::voter(ordinal).sid(), Role::Voter)).collect();
    let answer = |ordinal: u32| {
        let status = Status {
            sid: Slot::voter(ordinal).sid(),
            state: if ordinal == 0 { State::Leading } else { State::Following },
            has_data: true,
            ensemble: Some(Uid("u-1".to_owned())),
            incarnation: 0,
            retired_at: None,
            leader: ServerId::new(1),
            epoch: Some(Epoch(1)),
            synced: true,
            last_zxid: Zxid(0x1_0000_0010 - i64::from(ordinal)),
            lag_txns: 0,
            config_version: VERSION,
            config: config.clone(),
            pending: None,
        };
        let version = if ordinal == 1 { "0.9.0" } else { "0.10.0" };
        let answer =
            Answer { status, generation: 1, not_ready: None, version: version.to_owned(), is_disk_full: false };
        (Slot::voter(ordinal), answer)
    };
    (objects, (0..3).filter(|ordinal| !silent.contains(ordinal)).map(answer).collect())
}

fn scaling(since: Time) -> ScalingStatus {
    ScalingStatus { from: 5, to: 3, step: "s".to_owned(), stage: "leave".to_owned(), since }
}

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// What is looked at.
struct Look<'a> {
    cluster: &'a ValidatedCluster,
    /// Servers that say nothing.
    silent: &'a [u32],
    /// Servers whose disks are full.
    full: &'a [u32],
    /// That of the voters' template; pods have `r1`.
    revision: &'a str,
    trouble: Option<&'a Trouble>,
    monitoring: &'a Monitoring,
}

impl<'a> Look<'a> {
    /// All is well with it.
    fn at(cluster: &'a ValidatedCluster) -> Look<'a> {
        Look { cluster, silent: &[], full: &[], revision: "r1", trouble: None, monitoring: &Monitoring::Written }
    }

    fn status(&self, now: i64, before: &ZooKeeperClusterStatus) -> ZooKeeperClusterStatus {
        let (mut objects, mut answers) = objects_and_answers(self.silent);
        for ordinal in self.full {
            answers.get_mut(&Slot::voter(*ordinal)).unwrap().is_disk_full = true;
        }
        let set = objects.voters.as_mut().and_then(|set| set.status.as_mut()).unwrap();
        set.update_revision = Some(self.revision.to_owned());
        let record = Record {
            cluster_uid: Some("u-1".into()),
            bootstrapped: true,
            initial_members: (0..3).map(|ordinal| Slot::voter(ordinal).sid()).collect(),
        };
        let znode = Znode::Present { cluster_uid: "u-1".into(), barrier: VERSION };
        let observed = observe::observed(self.cluster, false, &objects, record, &answers, znode);
        let (plan, summary) = (plan::plan(&observed, Millis(now * 1000)), plan::summary(&observed));
        let silent = self.silent.iter();
        let silence = silent.map(|ordinal| (Slot::voter(*ordinal), "nothing within 2 s".to_owned())).collect();
        let seen = Seen {
            cluster: self.cluster,
            generation: 4,
            observed: &observed,
            summary: &summary,
            plan: &plan,
            answers: &answers,
            silence: &silence,
            trouble: self.trouble,
            monitoring: self.monitoring,
            now: &at(now),
        };
        status(seen, before)
    }
}

fn status_of(
    silent: &[u32],
    trouble: Option<&Trouble>,
    now: i64,
    before: &ZooKeeperClusterStatus,
) -> ZooKeeperClusterStatus {
    Look { silent, trouble, ..Look::at(&cluster("main", &json!({}))) }.status(now, before)
}

fn condition_of<'a>(status: &'a ZooKeeperClusterStatus, kind: &str) -> &'a Condition {
    status.conditions.iter().find(|condition| condition.r#type == kind).unwrap()
}

#[test]
fn an_ensemble_that_runs_says_who_leads_and_who_is_there() {
    let status = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    assert_eq!(
        (status.phase, status.ready.as_deref(), status.leader.as_deref()),
        (Some(Phase::Running), Some("3/3"), Some("main-0"))
    );
    assert_eq!((status.synced_voters, status.quorum_size, status.epoch), (3, 2, Some(1)));
    assert_eq!(status.config_version.as_deref(), Some("0x100000002"));
    assert_eq!(status.current_version.as_deref(), Some("0.9.0"), "the oldest, by number and not by letter");
    let lags: Vec<_> = status.members.iter().map(|member| (member.id, member.lag, member.state.as_str())).collect();
    assert_eq!(lags, [(1, Some(0), "leading"), (2, Some(1), "following"), (3, Some(2), "following")]);
    assert_eq!(condition_of(&status, "Ready").status, ConditionStatus::True);
    assert_eq!(condition_of(&status, "ConfigValid").status, ConditionStatus::True);
    assert!(status.scaling.is_none() && status.rollout.is_none());
}

#[test]
fn a_silent_server_is_named_with_what_is_wrong() {
    let status = status_of(&[2], None, 100, &ZooKeeperClusterStatus::default());
    assert_eq!(status.ready.as_deref(), Some("2/3"));
    let member = &status.members[2];
    assert_eq!((member.state.as_str(), member.last_error.as_deref()), ("unknown", Some("nothing within 2 s")));
    assert_eq!(condition_of(&status, "Degraded").status, ConditionStatus::True);
    assert_eq!(condition_of(&status, "QuorumAvailable").status, ConditionStatus::True);
}

#[test]
fn conditions_keep_the_time_since_when_they_hold() {
    let first = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    let second = status_of(&[], None, 200, &first);
    assert_eq!(first, second, "nothing has changed, so nothing is written");
    let third = status_of(&[2], None, 300, &second);
    assert_eq!(condition_of(&third, "Ready").last_transition_time, at(300));
    assert_eq!(condition_of(&third, "QuorumAvailable").last_transition_time, at(100));
    assert_eq!(third.bootstrap, first.bootstrap);
}

#[test]
fn what_cannot_be_carried_out_is_not_ready() {
    let trouble = Trouble { reason: "ApplyFailed", message: "no".to_owned() };
    let status = status_of(&[], Some(&trouble), 100, &ZooKeeperClusterStatus::default());
    let ready = condition_of(&status, "Ready");
    assert_eq!(
        (ready.status, ready.reason.as_str(), ready.message.as_str()),
        (ConditionStatus::False, "ApplyFailed", "no")
    );
}

#[test]
fn a_spec_that_makes_no_sense_leaves_the_rest_of_the_status() {
    let before = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    let refusal = Refusal { field: "spec.x".to_owned(), problem: "is wrong".to_owned(), hint: "write it right" };
    let after = refused(&[refusal], 5, &at(200), &before);
    assert_eq!((after.observed_generation, after.leader.as_deref()), (5, Some("main-0")));
    let valid = condition_of(&after, "ConfigValid");
    assert_eq!((valid.status, valid.reason.as_str()), (ConditionStatus::False, "SpecInvalid"));
    assert!(valid.message.starts_with("spec.x: is wrong. hint: write it right"));
    assert_eq!(condition_of(&after, "QuorumAvailable").status, ConditionStatus::True);
    assert_eq!(after.conditions.len(), before.conditions.len(), "each once");
}

#[test]
fn figures_alone_are_no_news() {
    let before = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    let mut after = before.clone();
    (after.members[1].zxid, after.members[1].lag) = (Some("0x1".to_owned()), Some(7));
    assert!(before != after && !is_news(&before, &after));
    after.members[1].ready = false;
    assert!(is_news(&before, &after));
}

#[test]
fn who_only_watches_does_not_say_that_all_is_as_the_spec_says() {
    let trouble = Trouble { reason: Trouble::PAUSED, message: "p".to_owned() };
    let status = status_of(&[], Some(&trouble), 100, &ZooKeeperClusterStatus::default());
    assert_eq!(condition_of(&status, "Ready").status, ConditionStatus::Unknown);
    let trouble = Trouble { reason: Trouble::FOREIGN, message: "whose".to_owned() };
    let status = status_of(&[], Some(&trouble), 100, &ZooKeeperClusterStatus::default());
    assert_eq!(condition_of(&status, "StorageOK").message, "whose");
    assert_eq!(condition_of(&status, "StorageOK").status, ConditionStatus::False);
}

#[test]
fn full_disks_are_named_and_told_of() {
    let before = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    let after = Look { full: &[1, 2], ..Look::at(&cluster("main", &json!({}))) }.status(200, &before);
    let storage = condition_of(&after, "StorageOK");
    assert_eq!((storage.status, storage.reason.as_str()), (ConditionStatus::False, "StoragePressure"));
    assert!(storage.message.starts_with("the disk is full at main-1, main-2: "), "{}", storage.message);
    assert_eq!(condition_of(&status_of(&[], None, 300, &after), "StorageOK").status, ConditionStatus::True);
}

#[test]
fn what_interrupts_a_step_does_not_end_it() {
    let mut before = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    before.scaling = Some(scaling(at(1)));
    // Two of three are away: nobody leads as far as anybody knows.
    let interrupted = status_of(&[1, 2], None, 200, &before);
    assert_eq!(interrupted.scaling, before.scaling);
    assert_eq!(status_of(&[], None, 300, &interrupted).scaling, None);
}

#[test]
fn what_prometheus_cannot_be_told_is_a_condition_of_its_own() {
    let mut cluster = cluster("main", &json!({}));
    let tell = |cluster: &ValidatedCluster, monitoring: &Monitoring, now, before: &ZooKeeperClusterStatus| {
        Look { monitoring, ..Look::at(cluster) }.status(now, before)
    };
    let refused = Monitoring::Refused(Trouble { reason: "KindMissing", message: "no PodMonitors".to_owned() });
    let nothing = tell(&cluster, &refused, 100, &ZooKeeperClusterStatus::default());
    assert!(nothing.conditions.iter().all(|it| it.r#type != MONITORING_OK), "nobody has asked for it");
    cluster.spec.monitoring.pod_monitor.enabled = true;
    let first = tell(&cluster, &refused, 200, &nothing);
    let found = condition_of(&first, MONITORING_OK);
    assert_eq!((found.status, found.reason.as_str()), (ConditionStatus::False, "KindMissing"));
    assert_eq!(condition_of(&first, "Ready").status, ConditionStatus::True, "clients are served all the same");
    let paused = tell(&cluster, &Monitoring::NotTried, 300, &first);
    assert_eq!(condition_of(&paused, MONITORING_OK), found, "what was found out holds while nothing is tried");
    let written = tell(&cluster, &Monitoring::Written, 400, &paused);
    let found = condition_of(&written, MONITORING_OK);
    assert_eq!((found.status, &found.last_transition_time), (ConditionStatus::True, &at(400)));
}

#[test]
fn a_rollout_and_a_stage_have_a_beginning() {
    let idle = status_of(&[], None, 100, &ZooKeeperClusterStatus::default());
    let mut cluster = cluster("main", &json!({}));
    let rolling = Look { revision: "r2", ..Look::at(&cluster) };
    let begun = rolling.status(200, &idle);
    assert_eq!(begun.rollout.as_ref().and_then(|rollout| rollout.since.clone()), Some(at(200)));
    let later = rolling.status(300, &begun);
    assert_eq!(later.rollout.and_then(|rollout| rollout.since), Some(at(200)), "not since the last look");

    cluster.spec.replicas = 1;
    let shrinking = Look::at(&cluster);
    let smaller = shrinking.status(400, &idle).scaling.unwrap();
    assert_eq!((smaller.stage.as_str(), smaller.since), ("leave", at(400)));
    // Another server is spoken of; it is the same stage.
    let mut before = idle.clone();
    before.scaling = Some(scaling(at(1)));
    assert_eq!(shrinking.status(500, &before).scaling.unwrap().since, at(1));
    before.scaling.as_mut().unwrap().stage = "retire".to_owned();
    assert_eq!(shrinking.status(600, &before).scaling.unwrap().since, at(600));
}
