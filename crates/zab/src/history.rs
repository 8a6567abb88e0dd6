//! The most recent committed transactions, kept for learners that were away for a moment (`ZKDatabase.committedLog`).

use crate::types::Proposal;
use planted::Bug;
use std::collections::VecDeque;
use wire::Zxid;

/// Bytes of transactions kept beyond the configured count: memory spent so that a learner that was away for a while gets a
/// DIFF and not a whole snapshot.
pub const HISTORY_BYTES_MAX: usize = 16 << 20;

/// A window over the committed transactions, without gaps inside an epoch.
#[derive(Debug, Clone)]
pub struct History {
    entries: VecDeque<Proposal>,
    bytes: usize,
    count_min: usize,
    /// Bytes beyond which even those `count_min` are not all kept.
    bytes_max: usize,
}

impl History {
    /// An empty window that keeps at least `count_min` transactions (`commitLogCount`).
    #[must_use]
    pub fn new(count_min: usize) -> History {
        History { entries: VecDeque::new(), bytes: 0, count_min, bytes_max: usize::MAX }
    }

    /// Adds the next transaction. One that is already there is ignored; a gap inside an epoch empties the window first, so
    /// that a gap is never passed on to a learner (ZOOKEEPER-4925).
    pub fn push(&mut self, proposal: Proposal) {
        if let Some(max) = self.max() {
            if proposal.zxid <= max {
                return;
            }
            let is_gap = proposal.zxid.epoch() == max.epoch() && max.next() != Some(proposal.zxid);
            if is_gap && !planted::is(Bug::HistoryKeepsGap) {
                self.clear();
            }
        }
        self.bytes += proposal.bytes.len();
        self.entries.push_back(proposal);
        self.shrink();
    }

    /// Keeps no more than this, whatever `commitLogCount` says: memory is scarce. The newest transaction always stays.
    pub fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.shrink();
    }

    fn is_too_large(&self) -> bool {
        let (entries, bytes) = (self.entries.len(), self.bytes);
        (entries > self.count_min && bytes > HISTORY_BYTES_MAX) || (entries > 1 && bytes > self.bytes_max)
    }

    fn shrink(&mut self) {
        while self.is_too_large() {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.bytes.len();
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// The oldest zxid kept.
    #[must_use]
    pub fn min(&self) -> Option<Zxid> {
        self.entries.front().map(|proposal| proposal.zxid)
    }

    /// The newest zxid kept.
    #[must_use]
    pub fn max(&self) -> Option<Zxid> {
        self.entries.back().map(|proposal| proposal.zxid)
    }

    /// The transactions in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Proposal> {
        self.entries.iter()
    }

    /// The index of the first transaction at or above `zxid`.
    #[must_use]
    pub fn position(&self, zxid: Zxid) -> usize {
        self.entries.partition_point(|proposal| proposal.zxid < zxid)
    }

    /// The transaction at an index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Proposal> {
        self.entries.get(index)
    }

    /// Whether the window holds this transaction.
    #[must_use]
    pub fn contains(&self, zxid: Zxid) -> bool {
        self.get(self.position(zxid)).is_some_and(|found| found.zxid == zxid)
    }

    /// The transactions from an index on.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = &Proposal> {
        self.entries.iter().skip(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn proposal(zxid: i64) -> Proposal {
        Proposal { zxid: Zxid(zxid), bytes: Bytes::from_static(b"0123456789") }
    }

    #[test]
    fn a_gap_inside_an_epoch_empties_the_window() {
        let mut history = History::new(500);
        for zxid in [0x1_0000_0001, 0x1_0000_0002, 0x1_0000_0002, 0x2_0000_0001] {
            history.push(proposal(zxid));
        }
        assert_eq!((history.min(), history.max()), (Some(Zxid(0x1_0000_0001)), Some(Zxid(0x2_0000_0001))));
        history.push(proposal(0x2_0000_0003));
        assert_eq!((history.min(), history.max()), (Some(Zxid(0x2_0000_0003)), Some(Zxid(0x2_0000_0003))));
    }

    #[test]
    fn the_window_is_bounded() {
        let mut history = History::new(2);
        let big = Bytes::from(vec![0; HISTORY_BYTES_MAX / 2]);
        for counter in 1..=6 {
            history.push(Proposal { zxid: Zxid(counter), bytes: big.clone() });
        }
        assert_eq!(history.iter().count(), 2);
    }

    #[test]
    fn scarce_memory_keeps_fewer_than_the_count() {
        let mut history = History::new(500);
        for counter in 1..=10 {
            history.push(Proposal { zxid: Zxid(0x1_0000_0000 + counter), bytes: Bytes::from(vec![0; 100]) });
        }
        history.set_bytes_max(350);
        assert_eq!((history.iter().count(), history.max()), (3, Some(Zxid(0x1_0000_000a))));
        history.push(Proposal { zxid: Zxid(0x1_0000_000b), bytes: Bytes::from(vec![0; 1000]) });
        assert_eq!(history.iter().map(|proposal| proposal.zxid).collect::<Vec<_>>(), [Zxid(0x1_0000_000b)]);
    }
}
