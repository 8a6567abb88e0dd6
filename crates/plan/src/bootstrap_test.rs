use crate::scene::{Scene, VERSION, check_condition, sid};
use crate::{Action, ConditionKind, Phase, Record, State, Truth, Uid, Znode};

/// Three founders with data, in sync; the record says that the ensemble is not founded yet.
fn founding() -> Scene {
    let mut scene = Scene::running(3, 0);
    scene.seen.record =
        Record { cluster_uid: Some("ours".into()), bootstrapped: false, initial_members: vec![sid(1), sid(2), sid(3)] };
    scene.seen.znode = Znode::Absent;
    scene
}

#[test]
fn a_new_ensemble_is_written_down_before_its_first_pod() {
    let plan = Scene::nothing(3).plan();
    assert_eq!(plan.record.initial_members, [sid(1), sid(2), sid(3)]);
    assert_eq!(plan.record.cluster_uid, Some(Uid::from("ours")));
    assert!(!plan.record.bootstrapped);
    assert_eq!((plan.voters_replicas, plan.observers_replicas, plan.action), (Some(3), None, None));
    assert_eq!(plan.phase, Phase::Bootstrapping);
}

#[test]
fn row_4_an_ensemble_is_founded_when_all_founders_are_in_sync_and_not_before() {
    let found = Action::Found { cluster_uid: "ours".into(), after: VERSION };
    let mut scene = founding();
    scene.check(Some(&found));
    scene.answer(crate::scene::voter(3)).synced = false;
    let plan = scene.check(None);
    check_condition(&plan, ConditionKind::ScaleAllowed, Truth::False, "Bootstrapping");
    assert!(!plan.record.bootstrapped);
}

#[test]
fn row_19_a_founding_that_was_interrupted_goes_on_from_the_znode() {
    let mut scene = founding();
    scene.seen.znode = Znode::Present { cluster_uid: "ours".into(), barrier: VERSION };
    let plan = scene.plan();
    assert!(plan.record.bootstrapped);
    assert_eq!(plan.action, None);
}

#[test]
fn row_4_a_founded_ensemble_is_not_founded_again_when_all_its_pods_are_empty() {
    let mut scene = Scene::running(3, 0);
    for number in 1..=3 {
        scene.empty(crate::scene::voter(number));
    }
    let plan = scene.check(None);
    assert!(plan.record.bootstrapped);
    check_condition(&plan, ConditionKind::DataLossRisk, Truth::True, "MajorityWithoutData");
}

#[test]
fn a_change_of_the_wish_waits_until_the_ensemble_is_founded() {
    let plan = founding().wish(5).plan();
    assert_eq!(plan.voters_replicas, Some(3));
    assert!(matches!(plan.action, Some(Action::Found { .. })));
    assert_eq!(plan.record.initial_members.len(), 3);
}

#[test]
fn a_lost_record_is_written_again_as_founded_when_a_member_has_data() {
    let mut scene = Scene::running(3, 0);
    scene.seen.record = Record::default();
    let plan = scene.check(None);
    assert!(plan.record.bootstrapped);
    assert_eq!(plan.record.initial_members, [sid(1), sid(2), sid(3)]);
}

#[test]
fn a_lost_record_is_not_made_anew_while_all_pods_are_silent() {
    let mut scene = Scene::running(3, 0);
    scene.seen.record = Record::default();
    scene.seen.members.clear();
    let plan = scene.check(None);
    assert_eq!(plan.record, Record::default());
    check_condition(&plan, ConditionKind::StorageOk, Truth::False, "RecordMissing");
}

#[test]
fn the_record_of_another_ensemble_stops_everything() {
    let mut scene = Scene::running(3, 0).wish(5);
    scene.seen.record.cluster_uid = Some("theirs".into());
    scene.check_waits(ConditionKind::StorageOk, Truth::False, "ForeignRecord");
}

#[test]
fn a_deleted_stateful_set_is_made_again() {
    let mut scene = Scene::running(3, 0);
    (scene.seen.voters, scene.seen.znode) = (None, Znode::Unread);
    scene.seen.pods.clear();
    scene.seen.members.clear();
    let plan = scene.plan();
    assert_eq!((plan.voters_replicas, plan.action), (Some(3), None));
    assert!(plan.record.bootstrapped);
}

#[test]
fn founders_that_still_load_are_waited_for() {
    let mut scene = founding();
    scene.depose();
    scene.answer(crate::scene::voter(1)).state = State::Loading;
    assert_eq!(scene.check(None).phase, Phase::Bootstrapping);
}

/// A StatefulSet that is gone while nobody answers: its pods may all be voters, however few are wished for.
#[test]
fn row_7_a_set_made_anew_has_a_place_for_every_pod() {
    let mut scene = Scene::running(5, 2);
    scene.seen.cluster.voters = 3;
    scene.seen.cluster.observers = 0;
    scene.seen.members.clear();
    scene.seen.voters = None;
    scene.seen.observers = None;
    let plan = scene.plan();
    assert_eq!((plan.voters_replicas, plan.observers_replicas), (Some(5), Some(2)));
}
