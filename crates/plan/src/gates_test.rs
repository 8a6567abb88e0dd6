use crate::scene::{Scene, check_condition, sid, voter};
use crate::{ConditionKind, ConfigVersion, Phase, Truth};

#[test]
fn a_paused_ensemble_is_only_watched() {
    let mut scene = Scene::running(3, 0).wish(5);
    scene.change_template();
    scene.seen.cluster.pause = true;
    scene.check_waits(ConditionKind::Paused, Truth::True, "Paused");
    assert_eq!(scene.plan().phase, Phase::Paused);
}

#[test]
fn an_ensemble_that_is_deleted_is_left_alone() {
    let mut scene = Scene::running(3, 0).wish(1);
    scene.seen.cluster.deleting = true;
    scene.check_waits(ConditionKind::Ready, Truth::False, "Deleting");
    assert_eq!(scene.plan().phase, Phase::Deleting);
}

#[test]
fn row_5_a_majority_without_data_stops_the_operator_and_says_so() {
    let mut scene = Scene::running(3, 0).wish(1);
    scene.depose();
    scene.empty(voter(2));
    scene.check_waits(ConditionKind::QuorumAvailable, Truth::False, "NoQuorum");
    check_condition(&scene.plan(), ConditionKind::DataLossRisk, Truth::False, "MajorityHasData");
    scene.answer(voter(3)).ensemble = Some("theirs".into());
    scene.check_waits(ConditionKind::DataLossRisk, Truth::True, "MajorityWithoutData");
}

#[test]
fn row_8_all_pods_deleted_at_once_changes_no_member() {
    let mut scene = Scene::running(3, 0);
    for number in 1..=3 {
        scene.lose_pod(voter(number));
    }
    scene.check_waits(ConditionKind::QuorumAvailable, Truth::False, "NoQuorum");
    check_condition(&scene.plan(), ConditionKind::DataLossRisk, Truth::False, "MajorityHasData");
}

#[test]
fn silence_of_everybody_is_not_the_loss_of_the_quorum() {
    let mut scene = Scene::running(3, 0).wish(1);
    scene.seen.members.clear();
    scene.check_waits(ConditionKind::QuorumAvailable, Truth::Unknown, "NoQuorum");
}

#[test]
fn a_leader_whose_followers_are_silent_is_not_believed() {
    let mut scene = Scene::running(3, 0).wish(1);
    scene.silence(voter(2));
    scene.silence(voter(3));
    scene.check_waits(ConditionKind::QuorumAvailable, Truth::Unknown, "LeaderUnconfirmed");
}

#[test]
fn two_leaders_stop_every_change() {
    let mut scene = Scene::running(5, 0).wish(3);
    scene.answer(voter(2)).state = crate::State::Leading;
    scene.answer(voter(2)).leader = Some(sid(2));
    scene.check_waits(ConditionKind::QuorumAvailable, Truth::False, "MultipleLeaders");
}

#[test]
fn row_11_a_change_under_way_is_waited_for() {
    let mut scene = Scene::running(3, 0).stage(voter(4)).stage(voter(5)).wish(5);
    scene.answer(voter(1)).pending = Some(ConfigVersion(0x2_0000_0000));
    scene.check_waits(ConditionKind::ScaleAllowed, Truth::False, "ReconfigInProgress");
}

#[test]
fn an_empty_server_that_may_have_no_vote_is_no_risk_while_a_voter_is_silent() {
    // Found by the simulation: the only voter could not run, a server that had left was empty, and the fix was not applied.
    let mut scene = Scene::running(1, 0).stage(voter(2));
    scene.empty(voter(2));
    scene.change_template();
    scene.fail(voter(1));
    let plan = scene.plan();
    check_condition(&plan, ConditionKind::DataLossRisk, Truth::False, "MajorityHasData");
    assert_eq!(crate::scene::evicted(&plan), Some(voter(1)));
}
