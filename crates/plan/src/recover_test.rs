use crate::scene::{Scene, check_condition, evicted, voter};
use crate::{ConditionKind, EvictReason, Millis, Phase, Removal, State, Truth};

#[test]
fn row_17_a_stuck_pod_gets_the_fixed_template_first() {
    let mut scene = Scene::running(3, 0);
    scene.change_template();
    scene.fail(voter(2));
    let plan = scene.plan();
    assert_eq!(evicted(&plan), Some(voter(2)));
    assert!(matches!(
        plan.action,
        Some(crate::Action::EvictPod { reason: EvictReason::Stuck, removal: Removal::Evict, .. })
    ));
}

#[test]
fn without_a_budget_a_pod_is_deleted_as_it_was_seen() {
    let mut scene = Scene::running(3, 0);
    scene.seen.cluster.disruption_budget = false;
    scene.change_template();
    scene.fail(voter(2));
    let Some(crate::Action::EvictPod { removal, uid, resource_version, .. }) = scene.plan().action else {
        panic!("{:?}", scene.plan());
    };
    let pod = scene.pod(voter(2));
    assert_eq!((removal, uid, resource_version), (Removal::Delete, pod.uid.clone(), pod.resource_version.clone()));
}

#[test]
fn row_17_all_pods_stuck_with_a_bad_template_get_the_fixed_one_without_a_quorum() {
    let mut scene = Scene::running(3, 0);
    scene.change_template();
    for number in 1..=3 {
        scene.fail(voter(number));
    }
    assert_eq!(evicted(&scene.plan()), Some(voter(3)));
    // The first is away; the next waits for it.
    scene.pod(voter(3)).terminating = true;
    scene.check(None);
}

#[test]
fn row_17_a_fix_that_cannot_run_either_is_not_spread() {
    let mut scene = Scene::running(3, 0);
    scene.change_template();
    scene.fail(voter(2));
    scene.fail(voter(3));
    scene.roll(voter(3));
    scene.check_waits(ConditionKind::QuorumAvailable, Truth::Unknown, "LeaderUnconfirmed");
}

#[test]
fn a_silent_pod_that_kubernetes_finds_ready_is_not_stuck() {
    let mut scene = Scene::running(3, 0);
    scene.change_template();
    scene.silence(voter(2));
    scene.check(None);
}

#[test]
fn an_unready_pod_is_given_time_and_one_that_loads_more_of_it() {
    let mut scene = Scene::running(3, 0);
    scene.change_template();
    scene.silence(voter(2));
    (scene.pod(voter(2)).ready, scene.pod(voter(2)).ready_changed) = (false, scene.now);
    scene.check(None);
    scene.pod(voter(2)).ready_changed = Millis(0);
    assert_eq!(evicted(&scene.plan()), Some(voter(2)));

    let mut scene = Scene::running(3, 0);
    scene.change_template();
    scene.answer(voter(2)).state = State::Loading;
    scene.pod(voter(2)).ready = false;
    scene.check(None);
}

#[test]
fn row_7_a_stateful_set_that_somebody_made_too_small_grows_back_without_a_quorum() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.depose();
    for number in 3..=5 {
        scene.lose_pod(voter(number));
    }
    scene.seen.voters.as_mut().unwrap().replicas = 2;
    let plan = scene.plan();
    assert_eq!((plan.voters_replicas, plan.action.as_ref()), (Some(5), None));
    assert_eq!(plan.phase, Phase::NoQuorum);
    check_condition(&plan, ConditionKind::Progressing, Truth::True, "Working");
}

#[test]
fn an_old_configuration_makes_nothing_grow_while_others_are_silent() {
    // Server 3 slept through 5 -> 3 and is the only one that was heard.
    let mut scene = Scene::running(5, 0).wish(3);
    for number in [4, 5] {
        scene.lose_pod(voter(number));
    }
    scene.silence(voter(1));
    scene.silence(voter(2));
    scene.depose();
    scene.seen.voters.as_mut().unwrap().replicas = 3;
    scene.check(None);
}

/// Somebody scaled the StatefulSet to nothing: nobody is left to say how many there were.
#[test]
fn row_8_pods_come_back_when_all_were_taken_away() {
    let mut scene = Scene::running(3, 0);
    scene.seen.voters.as_mut().unwrap().replicas = 0;
    scene.seen.pods.clear();
    scene.seen.members.clear();
    assert_eq!(scene.plan().voters_replicas, Some(3));
}
