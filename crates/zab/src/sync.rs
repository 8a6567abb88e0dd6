//! How a learner catches up: DIFF, TRUNC or SNAP (`LearnerHandler.syncFollower`, `queueCommittedProposals`).

use crate::history::History;
use planted::Bug;
use wire::Zxid;

/// The leader's choice for one learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPlan {
    /// Send the transactions of the history from this index on.
    Diff {
        /// The zxid in the DIFF packet: the last one the learner will have.
        zxid: Zxid,
        /// Where in the history to begin.
        from: usize,
    },
    /// Cut the learner's log, then send the transactions of the history from this index on.
    Trunc {
        /// The last zxid the learner keeps.
        zxid: Zxid,
        /// Where in the history to begin.
        from: usize,
    },
    /// Send a snapshot.
    Snap,
}

/// Chooses for a learner whose last logged zxid is `peer_last`, given the leader's last applied zxid and history.
///
/// A zxid whose counter is 0 is never a transaction, so a learner may stand at one that the history does not hold.
#[must_use]
pub fn choose(peer_last: Zxid, last_processed: Zxid, history: &History) -> SyncPlan {
    let count = history.iter().count();
    let (min, max) = match (history.min(), history.max()) {
        (Some(min), Some(max)) => (min, max),
        _ => (last_processed, last_processed),
    };
    if peer_last == last_processed {
        return SyncPlan::Diff { zxid: peer_last, from: count };
    }
    if peer_last > max {
        return if peer_last.is_epoch_start() { SyncPlan::Snap } else { SyncPlan::Trunc { zxid: max, from: count } };
    }
    if peer_last < min {
        // Who stands at the start of an epoch misses nothing before the epoch's first transaction.
        let adjacent = min.counter() == 1 && min.epoch().start() == peer_last;
        return if adjacent { SyncPlan::Diff { zxid: max, from: 0 } } else { SyncPlan::Snap };
    }
    walk(peer_last, max, history)
}

fn walk(peer_last: Zxid, max: Zxid, history: &History) -> SyncPlan {
    let at = history.position(peer_last);
    match history.get(at) {
        // An empty history has min = max = last processed, and equality with that was answered before.
        None => SyncPlan::Snap,
        Some(found) if found.zxid == peer_last => {
            SyncPlan::Diff { zxid: max, from: at + 1 + usize::from(planted::is(Bug::DiffSkipsOne)) }
        }
        Some(_) if peer_last.is_epoch_start() => SyncPlan::Diff { zxid: max, from: at },
        // The learner holds a transaction that we do not. Cutting must not cross an epoch: a learner refuses that.
        Some(found) if found.zxid.epoch() != peer_last.epoch() => SyncPlan::Snap,
        Some(_) => match at.checked_sub(1).and_then(|previous| history.get(previous)) {
            Some(previous) => SyncPlan::Trunc { zxid: previous.zxid, from: at },
            None => SyncPlan::Snap,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Proposal;
    use bytes::Bytes;

    #[test]
    fn table() {
        let history_of = |zxids: &[i64]| {
            let mut history = History::new(500);
            zxids.iter().for_each(|&zxid| history.push(Proposal { zxid: Zxid(zxid), bytes: Bytes::new() }));
            history
        };
        let check = |peer: i64, last: i64, zxids: &[i64], expected: SyncPlan| {
            assert_eq!(choose(Zxid(peer), Zxid(last), &history_of(zxids)), expected, "{peer:#x} {last:#x} {zxids:x?}");
        };
        let (a1, a2, a3, b0, b1) = (0x1_0000_0001, 0x1_0000_0002, 0x1_0000_0003, 0x2_0000_0000, 0x2_0000_0001);
        let diff = |zxid, from| SyncPlan::Diff { zxid: Zxid(zxid), from };
        let trunc = |zxid, from| SyncPlan::Trunc { zxid: Zxid(zxid), from };
        check(a2, a2, &[a1, a2], diff(a2, 2));
        check(0, 0, &[], diff(0, 0));
        check(a1, a3, &[a1, a2, a3], diff(a3, 1));
        check(a3, b0, &[a1, a2, a3], diff(a3, 3));
        check(a3, a2, &[a1, a2], trunc(a2, 2));
        check(b0, a2, &[a1, a2], SyncPlan::Snap);
        check(b0, b1, &[a1, a2, b1], diff(b1, 2));
        check(a3, b1, &[a1, a2, b1], SyncPlan::Snap);
        check(0x1_0000_0000, a3, &[a2, a3], SyncPlan::Snap);
        check(0x1_0000_0000, a3, &[a1, a2, a3], diff(a3, 0));
        check(a1, a3, &[], SyncPlan::Snap);
        check(a3, a1, &[], trunc(a1, 0));
    }
}
