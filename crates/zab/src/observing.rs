//! Where an observer gets the history from: the leader, or followers that are masters of observers (`Observer`,
//! `QuorumPeer.findLearnerMaster`).

use crate::quorum::Membership;
use crate::sync::SyncLimits;
use std::collections::VecDeque;
use wire::ServerId;

/// What concerns observers, on their own side and on that of the servers they hang on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObserverSettings {
    /// Whether there is a port for observers (`observerMasterPort`): a follower listens on it, an observer dials it.
    pub masters: bool,
    /// The longest pause before an observer that has lost its link looks for a leader again, ms
    /// (`observer.election.DelayMs`).
    pub election_delay_ms_max: i64,
    /// The longest further pause once it has tried everybody, ms (`observer.reconnectDelayMs`).
    pub reconnect_delay_ms_max: i64,
    /// How many observers may synchronize at the same time with a leader or master.
    pub sync_limits: SyncLimits,
}

/// A server that an observer may hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// A follower, through its port for observers.
    Master(ServerId),
    /// The leader, through its quorum port.
    Leader(ServerId),
}

/// Takes an observer round the masters, and draws its pauses. Both depend on its id, so that observers do not all come to the same
/// master, nor at the same time.
#[derive(Debug)]
pub(crate) struct Rounds {
    settings: ObserverSettings,
    /// Counts the masters dialled.
    turn: i64,
    /// Links lost since the last one that held.
    failures: usize,
    random: u64,
}

impl Rounds {
    pub fn new(me: ServerId, settings: ObserverSettings) -> Rounds {
        Rounds { settings, turn: me.0, failures: 0, random: (me.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// Whom to dial, one after the other until one answers: the followers, beginning behind the one dialled last, and then the
    /// leader, in case that none of them is a master. Without masters the leader alone.
    pub fn route(&self, config: &Membership, leader: ServerId) -> VecDeque<Upstream> {
        let mut route = VecDeque::new();
        if self.settings.masters {
            route.extend(config.voters().filter(|sid| *sid != leader).map(Upstream::Master));
            let count = route.len().max(1) as i64;
            let first = usize::try_from(self.turn.rem_euclid(count)).unwrap_or(0);
            route.rotate_left(first.min(route.len()));
        }
        route.push_back(Upstream::Leader(leader));
        route
    }

    /// A server was dialled: next time another comes first.
    pub fn dialled(&mut self, upstream: Upstream) {
        if matches!(upstream, Upstream::Master(_)) {
            self.turn = self.turn.wrapping_add(1);
        }
    }

    /// How long to pause, ms, when a link is lost, or none could be had: `was_active` says whether this one held, `candidates`
    /// how many there are.
    pub fn pause_ms(&mut self, was_active: bool, candidates: usize) -> i64 {
        self.failures = if was_active { 0 } else { self.failures + 1 };
        let is_through = !self.settings.masters || self.failures >= candidates;
        let mut pause_ms = self.draw(self.settings.election_delay_ms_max);
        if is_through {
            self.failures = 0;
            pause_ms += self.draw(self.settings.reconnect_delay_ms_max);
        }
        pause_ms
    }

    /// From 0 to below `end`: xorshift64, a fixed sequence for each server.
    fn draw(&mut self, end: i64) -> i64 {
        let Some(end) = u64::try_from(end).ok().filter(|end| *end > 0) else { return 0 };
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        i64::try_from(self.random % end).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Membership {
        let line = |sid, role| format!("server.{sid}=h:2888:3888:{role}\n");
        let text: String =
            [line(1, "participant"), line(2, "participant"), line(3, "participant"), line(4, "observer")].concat();
        Membership::parse(&text).unwrap()
    }

    const MASTERS: ObserverSettings = ObserverSettings {
        masters: true,
        election_delay_ms_max: 200,
        reconnect_delay_ms_max: 1000,
        sync_limits: SyncLimits { diffs_max: 1, snaps_max: 1 },
    };

    #[test]
    fn followers_come_in_turn_and_the_leader_last() {
        use Upstream::{Leader, Master};
        let mut rounds = Rounds::new(ServerId(4), MASTERS);
        let route = rounds.route(&config(), ServerId(2));
        assert_eq!(route, [Master(ServerId(1)), Master(ServerId(3)), Leader(ServerId(2))]);
        rounds.dialled(route[0]);
        let route = rounds.route(&config(), ServerId(2));
        assert_eq!(route, [Master(ServerId(3)), Master(ServerId(1)), Leader(ServerId(2))]);
        rounds.dialled(Leader(ServerId(2)));
        assert_eq!(rounds.route(&config(), ServerId(2)), route, "only masters take turns");
        let other = Rounds::new(ServerId(5), MASTERS).route(&config(), ServerId(2));
        assert_eq!(other[0], Master(ServerId(3)), "another observer begins elsewhere");
        let without = Rounds::new(ServerId(4), ObserverSettings::default());
        assert_eq!(without.route(&config(), ServerId(2)), [Leader(ServerId(2))]);
    }

    #[test]
    fn pauses_are_within_their_bounds_and_longer_after_a_whole_round() {
        let mut rounds = Rounds::new(ServerId(4), MASTERS);
        let pauses: Vec<i64> = (0..200).map(|_| rounds.pause_ms(true, 3)).collect();
        assert!(pauses.iter().all(|pause| (0..200).contains(pause)) && pauses.iter().any(|pause| *pause > 100));
        let rounds_through: Vec<i64> = (0..300).map(|_| rounds.pause_ms(false, 3)).collect();
        let (through, within): (Vec<_>, Vec<_>) = rounds_through.iter().enumerate().partition(|(at, _)| at % 3 == 2);
        assert!(within.iter().all(|(_, pause)| **pause < 200));
        assert!(through.iter().any(|(_, pause)| **pause > 600));
        let mut none = Rounds::new(ServerId(4), ObserverSettings::default());
        assert_eq!(none.pause_ms(false, 1), 0);
    }
}
