//! Votes: what they hold, which one wins, and when two of them count as the same.

use std::fmt;

use planted::Bug;
use wire::election::{Notification, ServerState};
use wire::{Epoch, ServerId, Zxid};

/// A vote as it is kept (`Vote`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The server voted for. `i64::MIN` in the vote of a server that may not vote.
    pub leader: ServerId,
    /// That server's last logged zxid.
    pub zxid: Zxid,
    /// The round (logical clock) in which the vote was cast; -1 before the first election of a process.
    pub round: i64,
    /// The current epoch of the server voted for; the new epoch once its leadership is established.
    pub peer_epoch: Epoch,
    /// The state of the server that cast the vote.
    pub state: ServerState,
    /// The message version the vote came with. 0 for a vote from a server older than 3.5, and for every vote that did not
    /// come out of a message.
    pub version: i32,
}

impl Vote {
    /// `Vote.equals`. Deliberately not `PartialEq`: it is not transitive.
    ///
    /// Out of an election zxid and round are not compared, because servers that joined at different times remember
    /// different ones (ZOOKEEPER-1805); and where exactly one side is of version 0, not even the epoch is, because servers
    /// without ZOOKEEPER-1732 never learn the new one.
    #[must_use]
    pub fn agrees_with(&self, other: &Vote) -> bool {
        if self.state == ServerState::Looking || other.state == ServerState::Looking {
            return self.leader == other.leader
                && self.zxid == other.zxid
                && self.round == other.round
                && self.peer_epoch == other.peer_epoch;
        }
        let one_is_old = (self.version > 0) != (other.version > 0);
        self.leader == other.leader && (one_is_old || self.peer_epoch == other.peer_epoch)
    }

    /// The vote that a message carries.
    pub(super) fn of_message(message: &Notification) -> Vote {
        Vote {
            leader: message.leader,
            zxid: message.zxid,
            round: message.round,
            peer_epoch: message.peer_epoch,
            state: message.state,
            version: message.version,
        }
    }
}

impl fmt::Display for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of round {}", Proposal::of_vote(self), self.round)
    }
}

/// The part of a vote that decides who wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub leader: ServerId,
    pub zxid: Zxid,
    pub peer_epoch: Epoch,
}

impl Proposal {
    pub fn of_message(message: &Notification) -> Proposal {
        Proposal { leader: message.leader, zxid: message.zxid, peer_epoch: message.peer_epoch }
    }

    fn of_vote(vote: &Vote) -> Proposal {
        Proposal { leader: vote.leader, zxid: vote.zxid, peer_epoch: vote.peer_epoch }
    }

    /// `totalOrderPredicate` without the weight: epoch, then zxid, then id, all signed.
    pub fn is_above(&self, other: &Proposal) -> bool {
        if planted::is(Bug::VoteZxidBeforeEpoch) {
            return (self.zxid, self.peer_epoch, self.leader) > (other.zxid, other.peer_epoch, other.leader);
        }
        if planted::is(Bug::VoteSidBeforeZxid) || planted::is(Bug::ElectsWithoutHistory) {
            return (self.peer_epoch, self.leader, self.zxid) > (other.peer_epoch, other.leader, other.zxid);
        }
        (self.peer_epoch, self.zxid, self.leader) > (other.peer_epoch, other.zxid, other.leader)
    }

    /// This proposal as a vote of the given round.
    pub fn in_round(&self, round: i64) -> Vote {
        Vote {
            leader: self.leader,
            zxid: self.zxid,
            round,
            peer_epoch: self.peer_epoch,
            state: ServerState::Looking,
            version: 0,
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {} at {} in epoch {}", self.leader, self.zxid, self.peer_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServerState::{Following, Leading, Looking};

    fn vote(leader: i64, zxid: i64, round: i64, epoch: i64, state: ServerState, version: i32) -> Vote {
        Vote { leader: ServerId(leader), zxid: Zxid(zxid), round, peer_epoch: Epoch(epoch), state, version }
    }

    #[test]
    fn votes_agree_as_in_apache() {
        let check = |a: &Vote, b: &Vote, expected: bool| {
            assert_eq!(a.agrees_with(b), expected, "{a:?} and {b:?}");
            assert_eq!(b.agrees_with(a), expected, "{b:?} and {a:?}");
        };
        // While one side is looking all four numbers count.
        check(&vote(3, 7, 1, 2, Looking, 0), &vote(3, 7, 1, 2, Looking, 2), true);
        check(&vote(3, 7, 1, 2, Looking, 0), &vote(3, 7, 1, 2, Following, 2), true);
        check(&vote(3, 7, 1, 2, Looking, 0), &vote(3, 8, 1, 2, Following, 2), false);
        check(&vote(3, 7, 1, 2, Looking, 0), &vote(3, 7, 2, 2, Looking, 0), false);
        check(&vote(3, 7, 1, 2, Looking, 0), &vote(3, 7, 1, 3, Looking, 0), false);
        check(&vote(3, 7, 1, 2, Looking, 0), &vote(2, 7, 1, 2, Looking, 0), false);
        // Afterwards only the leader and, between servers of the same kind, the epoch.
        check(&vote(3, 7, 1, 2, Following, 2), &vote(3, 9, 5, 2, Leading, 2), true);
        check(&vote(3, 7, 1, 2, Following, 2), &vote(3, 7, 1, 3, Leading, 2), false);
        check(&vote(3, 7, 1, 2, Following, 0), &vote(3, 7, 1, 3, Leading, 2), true);
        check(&vote(3, 7, 1, 2, Following, 0), &vote(3, 7, 1, 3, Leading, 0), false);
        check(&vote(3, 7, 1, 2, Following, 0), &vote(4, 7, 1, 2, Leading, 2), false);
    }

    #[test]
    fn epoch_beats_zxid_beats_id() {
        let proposal =
            |epoch, zxid, leader| Proposal { leader: ServerId(leader), zxid: Zxid(zxid), peer_epoch: Epoch(epoch) };
        // Ascending, so each beats exactly those before it.
        let table = [
            proposal(i64::MIN, i64::MIN, i64::MIN),
            proposal(0, -1, 9),
            proposal(0, 0, 1),
            proposal(0, 0, 2),
            proposal(0, 0x1_0000_0000, 1),
            proposal(1, 0, 1),
            proposal(1, 5, 1),
            proposal(2, 0, 1),
        ];
        for (i, a) in table.iter().enumerate() {
            for (j, b) in table.iter().enumerate() {
                assert_eq!(a.is_above(b), i > j, "{a} above {b}");
            }
        }
    }
}
