use crate::scene::{Scene, VERSION, check_condition, sid};
use crate::{Action, ConditionKind, Role, Slot, State, Truth};

fn change(joining: &[u8], leaving: &[u8]) -> Action {
    Action::Reconfig {
        expect_version: VERSION,
        joining: joining.iter().map(|number| (sid(*number), Role::Observer)).collect(),
        leaving: leaving.iter().map(|number| sid(*number)).collect(),
    }
}

fn wish(scene: Scene, observers: u32) -> Scene {
    let mut scene = scene;
    scene.seen.cluster.observers = observers;
    scene
}

#[test]
fn observers_get_pods_first_and_a_place_when_they_are_in_sync() {
    let plan = wish(Scene::running(3, 0), 2).plan();
    assert_eq!((plan.observers_replicas, plan.action), (Some(2), None));
    let mut scene = wish(Scene::running(3, 0).stage(Slot::observer(0)).stage(Slot::observer(1)), 2);
    scene.check(Some(&change(&[101, 102], &[])));
    scene.empty(Slot::observer(0));
    scene.check(Some(&change(&[102], &[])));
}

#[test]
fn observers_join_although_a_voter_is_away() {
    let mut scene = wish(Scene::running(3, 0).stage(Slot::observer(0)), 1);
    scene.lose_pod(Slot::voter(2));
    scene.check(Some(&change(&[101], &[])));
}

#[test]
fn observers_leave_the_configuration_before_their_pods_end() {
    let mut scene = wish(Scene::running(3, 2), 1);
    let plan = scene.check(Some(&change(&[], &[102])));
    assert_eq!(plan.observers_replicas, Some(2));
    scene.depose();
    let plan = scene.check(None);
    assert_eq!(plan.observers_replicas, Some(2), "not without a leader");
}

#[test]
fn observers_that_left_are_retired_and_end() {
    let mut scene = wish(Scene::running(3, 0).stage(Slot::observer(0)), 0);
    scene.check(Some(&Action::Retire { sid: sid(101), config_version: VERSION }));
    scene.answer(Slot::observer(0)).state = State::Retired;
    let plan = scene.check(None);
    assert_eq!(plan.observers_replicas, Some(0));
}

#[test]
fn observers_wait_until_the_ensemble_is_founded() {
    let plan = wish(Scene::nothing(3), 2).plan();
    assert_eq!(plan.observers_replicas, None);
}

#[test]
fn a_rollout_waits_for_an_observer_that_is_slow_to_join_until_it_is_wished_away() {
    let mut scene = wish(Scene::running(3, 0).stage(Slot::observer(0)), 1);
    scene.answer(Slot::observer(0)).synced = false;
    scene.pod(Slot::observer(0)).ready = false;
    scene.pod(Slot::observer(0)).ready_changed = scene.now;
    scene.change_template();
    scene.check(None);
    assert_eq!(crate::scene::evicted(&wish(scene, 0).plan()), Some(Slot::voter(2)));
}

#[test]
fn roles_that_somebody_changed_by_hand_are_changed_back_by_leaving_first() {
    let set_role = |scene: &mut Scene, number: u8, role: Role| {
        for member in &mut scene.seen.members {
            member.answer.as_mut().unwrap().config.insert(sid(number), role);
        }
    };
    let mut scene = Scene::running(3, 1);
    set_role(&mut scene, 3, Role::Observer);
    let plan = scene.check(Some(&change(&[], &[3])));
    check_condition(&plan, ConditionKind::Ready, Truth::False, "Scaling");
    let mut scene = Scene::running(3, 1);
    set_role(&mut scene, 101, Role::Voter);
    scene.check(Some(&change(&[], &[101])));
}
