//! What has come to an end between two statuses, and how long it took. Pure: the times are in the statuses, so that an operator which
//! takes over in the middle measures from the beginning.

use crate::crd::ZooKeeperClusterStatus;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use plan::Stage;

/// Something that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ended {
    /// A stage of a change of the number of servers.
    Stage(Stage, Seconds),
    /// A rollout, from the first pod with another template than it should have to the last.
    Rollout(Seconds),
}

/// How long it took.
pub type Seconds = f64;

/// What `before` has under way and `after` has not.
#[must_use]
pub fn between(before: &ZooKeeperClusterStatus, after: &ZooKeeperClusterStatus, now: Timestamp) -> Vec<Ended> {
    let mut all = Vec::new();
    if let Some(scaling) = &before.scaling
        && after.scaling.as_ref().is_none_or(|now| now.stage != scaling.stage)
        // One that an earlier release has not named, or somebody has written who is no operator, is not measured.
        && let Some(stage) = Stage::ALL.into_iter().find(|stage| stage.as_str() == scaling.stage)
    {
        all.push(Ended::Stage(stage, since(&scaling.since, now)));
    }
    if let Some(rollout) = &before.rollout
        && after.rollout.is_none()
        && let Some(begun) = &rollout.since
    {
        all.push(Ended::Rollout(since(begun, now)));
    }
    all
}

/// Two operators have two clocks: what begins in the future has just begun.
fn since(begun: &Time, now: Timestamp) -> Seconds {
    now.duration_since(begun.0).as_secs_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::{RolloutStatus, ScalingStatus};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn scaling(stage: &str, since: i64) -> ZooKeeperClusterStatus {
        let scaling =
            ScalingStatus { from: 3, to: 5, step: "s".to_owned(), stage: stage.to_owned(), since: Time(at(since)) };
        ZooKeeperClusterStatus { scaling: Some(scaling), ..ZooKeeperClusterStatus::default() }
    }

    fn rolling(updated: i32, since: Option<i64>) -> ZooKeeperClusterStatus {
        let rollout = RolloutStatus {
            updated,
            total: 3,
            since: since.map(|since| Time(at(since))),
            current: None,
            blocked_reason: None,
        };
        ZooKeeperClusterStatus { rollout: Some(rollout), ..ZooKeeperClusterStatus::default() }
    }

    #[test]
    fn a_stage_ends_with_the_next_one_and_with_the_whole() {
        let idle = ZooKeeperClusterStatus::default();
        assert_eq!(between(&idle, &scaling("start", 100), at(100)), []);
        assert_eq!(between(&scaling("start", 100), &scaling("start", 100), at(105)), []);
        let ended = between(&scaling("start", 100), &scaling("join", 110), at(110));
        assert_eq!(ended, [Ended::Stage(Stage::Start, 10.0)]);
        assert_eq!(between(&scaling("join", 110), &idle, at(170)), [Ended::Stage(Stage::Join, 60.0)]);
    }

    #[test]
    fn a_rollout_ends_when_every_pod_has_its_template() {
        let idle = ZooKeeperClusterStatus::default();
        assert_eq!(between(&rolling(0, Some(50)), &rolling(1, Some(50)), at(60)), []);
        assert_eq!(between(&rolling(2, Some(50)), &idle, at(200)), [Ended::Rollout(150.0)]);
    }

    #[test]
    fn what_nobody_has_seen_begin_is_not_measured() {
        let idle = ZooKeeperClusterStatus::default();
        assert_eq!(between(&scaling("", 100), &idle, at(200)), []);
        assert_eq!(between(&scaling("anything", 100), &idle, at(200)), []);
        assert_eq!(between(&rolling(2, None), &idle, at(200)), []);
    }

    #[test]
    fn another_clock_makes_nothing_end_before_it_begins() {
        let idle = ZooKeeperClusterStatus::default();
        assert_eq!(between(&scaling("join", 100), &idle, at(98)), [Ended::Stage(Stage::Join, 0.0)]);
    }
}
