use crate::scene::{Scene, VERSION, check_condition, sid, voter};
use crate::{Action, ConditionKind, Phase, Retention, Stage, State, Truth, Volume, Zxid};

fn leave(numbers: &[u8]) -> Action {
    let leaving = numbers.iter().map(|number| sid(*number)).collect();
    Action::Reconfig { expect_version: VERSION, joining: Vec::new(), leaving }
}

#[test]
fn row_6_members_leave_the_configuration_before_their_pods_end() {
    let plan = Scene::running(5, 0).wish(3).check(Some(&leave(&[4, 5])));
    assert_eq!(plan.stage, Some(Stage::Leave));
}

#[test]
fn without_a_change_of_the_number_there_is_no_stage() {
    assert_eq!(Scene::running(3, 0).plan().stage, None);
    let mut scene = Scene::running(5, 0).wish(3);
    scene.depose();
    let plan = scene.plan();
    assert_eq!((plan.phase, plan.stage), (Phase::NoQuorum, None), "what interrupts it is none");
}

#[test]
fn one_by_one_the_highest_leaves_first() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.seen.cluster.joint = false;
    scene.check(Some(&leave(&[5])));
}

#[test]
fn row_7_without_a_quorum_nobody_leaves() {
    let mut scene = Scene::running(5, 0).wish(3);
    for number in 3..=5 {
        scene.lose_pod(voter(number));
    }
    scene.depose();
    scene.check_waits(ConditionKind::ScaleAllowed, Truth::False, "NoQuorum");
}

#[test]
fn row_6_those_who_stay_must_be_in_sync() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.lose_pod(voter(2));
    scene.check_waits(ConditionKind::ScaleAllowed, Truth::False, "NotEnoughVoters");
}

#[test]
fn row_9_those_who_leave_may_be_broken() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.fail(voter(4));
    scene.fail(voter(5));
    scene.check(Some(&leave(&[4, 5])));
}

#[test]
fn a_leader_that_leaves_hands_over_to_the_most_advanced_that_stays() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.lead(5);
    scene.answer(voter(2)).last_zxid = Zxid(0x1_0000_0101);
    scene.answer(voter(4)).last_zxid = Zxid(0x1_0000_0102);
    scene.check(Some(&Action::HandOver { to: sid(2) }));
}

#[test]
fn row_1_those_who_left_are_retired_the_highest_first_and_then_end() {
    let mut scene = Scene::running(3, 0).stage(voter(4)).stage(voter(5));
    let plan = scene.check(Some(&Action::Retire { sid: sid(5), config_version: VERSION }));
    assert_eq!(plan.stage, Some(Stage::Retire));
    scene.answer(voter(5)).state = State::Retired;
    let plan = scene.plan();
    assert_eq!(plan.action, Some(Action::Retire { sid: sid(4), config_version: VERSION }));
    assert_eq!(plan.voters_replicas, Some(5), "nothing ends before both are retired");
    scene.answer(voter(4)).state = State::Retired;
    let plan = scene.plan();
    assert_eq!((plan.voters_replicas, plan.action.as_ref()), (Some(3), None));
    check_condition(&plan, ConditionKind::Ready, Truth::False, "Scaling");
}

#[test]
fn one_that_left_and_has_not_heard_of_it_is_not_retired_yet() {
    let mut scene = Scene::running(3, 0).stage(voter(4));
    scene.answer(voter(4)).config_version = crate::ConfigVersion(0);
    scene.check(None);
}

#[test]
fn one_that_left_and_is_ready_but_silent_is_waited_for() {
    let mut scene = Scene::running(3, 0).stage(voter(4));
    scene.silence(voter(4));
    scene.check(None);
    scene.pod(voter(4)).ready = false;
    assert_eq!(scene.plan().voters_replicas, Some(3));
}

#[test]
fn row_3_volumes_are_deleted_whether_or_not_pods_are_ready_and_only_if_that_is_wished() {
    let mut scene = Scene::running(3, 0);
    scene.seen.volumes.push(Volume { slot: voter(5), uid: "left".into(), terminating: false });
    scene.check(None);
    scene.seen.cluster.retention_on_scale_down = Retention::Delete;
    scene.pod(voter(2)).ready = false;
    scene.check(Some(&Action::DeleteVolume { slot: voter(5), uid: "left".into() }));
    scene.seen.volumes.last_mut().unwrap().terminating = true;
    scene.check(None);
}

#[test]
fn row_20_a_volume_whose_pod_or_membership_remains_is_not_deleted() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.seen.cluster.retention_on_scale_down = Retention::Delete;
    scene.check(Some(&leave(&[4, 5])));
    // The StatefulSet is small again, but a pod is still ending.
    let mut scene = Scene::running(3, 0).stage(voter(4));
    scene.seen.cluster.retention_on_scale_down = Retention::Delete;
    scene.seen.voters.as_mut().unwrap().replicas = 3;
    scene.check(None);
}

#[test]
fn row_20_an_old_look_at_the_pods_does_not_shrink_below_the_configuration() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.seen.pods.retain(|pod| pod.slot.ordinal < 3);
    assert_eq!(scene.plan().voters_replicas, Some(5));
}

#[test]
fn a_greater_wish_in_the_middle_of_the_step_lets_them_stay() {
    let scene = Scene::running(3, 0).stage(voter(4)).stage(voter(5)).wish(5);
    let plan = scene.plan();
    assert!(matches!(plan.action, Some(Action::Reconfig { joining, .. }) if joining.len() == 2));
}

#[test]
fn to_one_voter_and_to_none() {
    Scene::running(3, 0).wish(1).check(Some(&leave(&[2, 3])));
    // Nobody can wish for none: that is hibernation, another field.
    Scene::running(3, 0).wish(0).check(Some(&leave(&[2, 3])));
}

#[test]
fn one_that_left_from_between_members_is_not_retired_where_its_pod_cannot_end() {
    // Found by the simulation: somebody removed server 4 by hand, and its retired pod used up the disruption budget.
    let mut scene = Scene::running(5, 0).wish(3);
    for member in &mut scene.seen.members {
        member.answer.as_mut().unwrap().config.remove(&sid(4));
    }
    scene.check(Some(&leave(&[5])));
}
