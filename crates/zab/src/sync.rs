//! How a learner catches up: DIFF, TRUNC or SNAP (`LearnerHandler.syncFollower`, `queueCommittedProposals`).

use crate::action::Action;
use crate::history::History;
use crate::types::LinkId;
use planted::Bug;
use wire::Zxid;
use wire::quorum::{PacketType, QuorumPacket};

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

impl SyncPlan {
    /// Which of the two limits it counts against.
    #[must_use]
    pub fn kind(self) -> SyncKind {
        match self {
            SyncPlan::Diff { .. } | SyncPlan::Trunc { .. } => SyncKind::Diff,
            SyncPlan::Snap => SyncKind::Snap,
        }
    }
}

/// The two kinds of synchronizations, of which so many may go on at the same time (`LearnerSyncThrottler.SyncType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncKind {
    /// By transactions, whether or not the learner's log is cut before.
    Diff,
    /// By a snapshot.
    Snap,
}

/// How many synchronizations may go on at the same time before an observer has to come again. Followers are never sent away,
/// but count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncLimits {
    /// By transactions (`leader.maxConcurrentDiffSyncs`).
    pub diffs_max: usize,
    /// By snapshots (`leader.maxConcurrentSnapSyncs`).
    pub snaps_max: usize,
}

impl Default for SyncLimits {
    fn default() -> SyncLimits {
        SyncLimits { diffs_max: 100, snaps_max: 10 }
    }
}

impl SyncLimits {
    /// Why no other of this kind may begin while these go on, if none may.
    #[must_use]
    pub fn refusal(&self, kind: SyncKind, under_way: impl Iterator<Item = SyncKind>) -> Option<String> {
        let under_way = under_way.filter(|other| *other == kind).count();
        let (max, key) = match kind {
            SyncKind::Diff => (self.diffs_max, "leader.maxConcurrentDiffSyncs"),
            SyncKind::Snap => (self.snaps_max, "leader.maxConcurrentSnapSyncs"),
        };
        (under_way >= max).then(|| format!("{key} is {max}, and {under_way} are under way"))
    }
}

/// Counts of synchronizations sent, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncCounts {
    /// By DIFF.
    pub diffs: u64,
    /// By TRUNC.
    pub truncs: u64,
    /// By SNAP.
    pub snaps: u64,
}

impl SyncCounts {
    /// One more.
    pub fn count(&mut self, plan: SyncPlan) {
        match plan {
            SyncPlan::Diff { .. } => self.diffs += 1,
            SyncPlan::Trunc { .. } => self.truncs += 1,
            SyncPlan::Snap => self.snaps += 1,
        }
    }

    /// Those of another time too.
    pub fn add(&mut self, other: SyncCounts) {
        self.diffs += other.diffs;
        self.truncs += other.truncs;
        self.snaps += other.snaps;
    }
}

/// Sends a learner what it lacks by the plan. A snapshot stands for everything up to `last_processed`.
pub fn send(plan: SyncPlan, link: LinkId, last_processed: Zxid, history: &History, out: &mut Vec<Action>) {
    let from = match plan {
        SyncPlan::Diff { zxid, from } => {
            out.push(Action::Send(link, QuorumPacket::bare(PacketType::Diff, zxid)));
            from
        }
        SyncPlan::Trunc { zxid, from } => {
            out.push(Action::Send(link, QuorumPacket::bare(PacketType::Trunc, zxid)));
            from
        }
        SyncPlan::Snap => {
            out.push(Action::SendSnapshot(link, last_processed));
            return;
        }
    };
    for proposal in history.iter_from(from) {
        let packet = QuorumPacket::with_data(PacketType::Proposal, proposal.zxid, proposal.bytes.clone());
        out.push(Action::Send(link, packet));
        out.push(Action::Send(link, QuorumPacket::bare(PacketType::Commit, proposal.zxid)));
    }
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
        // Who stands at the start of an epoch misses nothing before the epoch's first transaction. That must be there to be sent: it
        // is not where a snapshot ends with it.
        let adjacent = count > 0 && min.counter() == 1 && min.epoch().start() == peer_last;
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
        check(0x1_0000_0000, a1, &[], SyncPlan::Snap);
        check(a3, a1, &[], trunc(a1, 0));
    }
}
