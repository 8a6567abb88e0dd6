use crate::scene::{Scene, check_condition, voter};
use crate::{ConditionKind, Millis, Phase, Truth};

#[test]
fn an_ensemble_in_which_all_is_well_is_left_alone() {
    let plan = Scene::running(3, 2).check(None);
    assert_eq!((plan.phase, plan.requeue), (Phase::Running, Millis(60_000)));
    assert!(plan.steps.is_empty());
    for (kind, truth, reason) in [
        (ConditionKind::Available, Truth::True, "QuorumAvailable"),
        (ConditionKind::QuorumAvailable, Truth::True, "QuorumAvailable"),
        (ConditionKind::Ready, Truth::True, "AsSpecified"),
        (ConditionKind::Progressing, Truth::False, "Idle"),
        (ConditionKind::Degraded, Truth::False, "AllMembersWell"),
        (ConditionKind::ScaleAllowed, Truth::True, "ReadyToScale"),
        (ConditionKind::RolloutBlocked, Truth::False, "NotBlocked"),
        (ConditionKind::StorageOk, Truth::True, "VolumesAreOurs"),
        (ConditionKind::DataLossRisk, Truth::False, "MajorityHasData"),
        (ConditionKind::Paused, Truth::False, "NotPaused"),
    ] {
        check_condition(&plan, kind, truth, reason);
    }
}

#[test]
fn a_missing_member_degrades_and_says_which() {
    let mut scene = Scene::running(3, 0);
    scene.lose_pod(voter(2));
    let plan = scene.check(None);
    assert_eq!((plan.phase, plan.requeue), (Phase::Degraded, Millis(10_000)));
    check_condition(&plan, ConditionKind::Degraded, Truth::True, "MembersMissing");
    check_condition(&plan, ConditionKind::Ready, Truth::False, "MembersMissing");
    let degraded = plan.conditions.iter().find(|condition| condition.kind == ConditionKind::Degraded).unwrap();
    assert!(degraded.message.contains("server 2"), "{}", degraded.message);
}

#[test]
fn the_plan_says_in_words_what_it_does() {
    let plan = Scene::running(5, 0).wish(3).plan();
    assert_eq!(
        plan.steps,
        ["change the configuration, server 4 leaves, server 5 leaves, if its version is still 0x100000001"]
    );
    assert_eq!((plan.phase, plan.requeue), (Phase::Scaling, Millis(2_000)));
}

#[test]
fn row_18_nothing_is_remembered_between_passes() {
    let scene = Scene::running(5, 2).wish(3);
    assert_eq!(scene.plan(), scene.plan());
}
