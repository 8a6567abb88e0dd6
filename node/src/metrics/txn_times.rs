//! When each of the last transactions came to each stage of its way through this server.
//!
//! A ring that the driver and the disk thread write to without a lock. A transaction whose place was taken by a later one is
//! not found any more, and what would be said of it is left out.

use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed};
use wire::{Millis, Reader, SessionId, Xid, Zxid};

/// How many transactions are remembered; a power of two.
const PLACES: usize = 4096;

/// Monotonic times of one transaction, µs since the start of the process; 0 = not yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// The step began in which it was proposed, or received from the leader.
    pub proposed_us: u64,
    /// It was handed to the kernel.
    pub written_us: u64,
    /// It was durable here.
    pub synced_us: u64,
    /// The step began in which it was committed.
    pub committed_us: u64,
    /// It was in the tree.
    pub applied_us: u64,
}

#[derive(Debug, Default)]
struct Place {
    zxid: AtomicI64,
    session: AtomicI64,
    cxid: AtomicI32,
    /// When its leader made it, by the leader's clock, ms since 1970.
    made_at: AtomicI64,
    proposed_us: AtomicU64,
    written_us: AtomicU64,
    synced_us: AtomicU64,
    committed_us: AtomicU64,
    applied_us: AtomicU64,
}

/// The ring.
#[derive(Debug)]
pub struct TxnTimes {
    places: Box<[Place]>,
}

impl Default for TxnTimes {
    fn default() -> TxnTimes {
        TxnTimes { places: (0..PLACES).map(|_| Place::default()).collect() }
    }
}

impl TxnTimes {
    /// A transaction is on its way to the log. `bytes` begin with its header. Answers when its leader made it.
    pub fn proposed(&self, zxid: Zxid, bytes: &[u8], at_us: u64) -> Millis {
        let mut input = Reader::new(bytes);
        let (session, cxid) = (input.i64().unwrap_or(0), input.i32().unwrap_or(0));
        let made_at = input.i64().and_then(|_| input.i64()).unwrap_or(0);
        let place = self.place(zxid);
        place.made_at.store(made_at, Relaxed);
        place.zxid.store(zxid.0, Relaxed);
        place.session.store(session, Relaxed);
        place.cxid.store(cxid, Relaxed);
        place.proposed_us.store(at_us, Relaxed);
        for later in [&place.written_us, &place.synced_us, &place.committed_us, &place.applied_us] {
            later.store(0, Relaxed);
        }
        Millis(made_at)
    }

    /// How long ago it was proposed, µs.
    #[must_use]
    pub fn since_proposed(&self, zxid: Zxid, at_us: u64) -> Option<u64> {
        Some(at_us.saturating_sub(self.known(zxid)?.proposed_us.load(Relaxed)))
    }

    /// It was handed to the kernel. Answers how long that took since it was proposed, µs.
    pub fn written(&self, zxid: Zxid, at_us: u64) -> Option<u64> {
        let place = self.known(zxid)?;
        place.written_us.store(at_us, Relaxed);
        Some(at_us.saturating_sub(place.proposed_us.load(Relaxed)))
    }

    /// It is durable. Answers how long it took to be handed to the kernel, and from there, µs, and when its leader made it.
    pub fn synced(&self, zxid: Zxid, at_us: u64) -> Option<(u64, u64, Millis)> {
        let place = self.known(zxid)?;
        place.synced_us.store(at_us, Relaxed);
        let written_us = place.written_us.load(Relaxed);
        let waited_us = written_us.saturating_sub(place.proposed_us.load(Relaxed));
        Some((waited_us, at_us.saturating_sub(written_us), Millis(place.made_at.load(Relaxed))))
    }

    /// It is committed: the step has begun in which it is applied. Answers its times.
    pub fn committed(&self, zxid: Zxid, at_us: u64) -> Option<Times> {
        let place = self.known(zxid)?;
        place.committed_us.store(at_us, Relaxed);
        Some(place.times())
    }

    /// It is in the tree.
    pub fn applied(&self, zxid: Zxid, at_us: u64) {
        if let Some(place) = self.known(zxid) {
            place.applied_us.store(at_us, Relaxed);
        }
    }

    /// The zxid and times of the transaction that came of a request, if it is remembered.
    #[must_use]
    pub fn of_request(&self, session: SessionId, cxid: Xid) -> Option<(Zxid, Times)> {
        let place = self
            .places
            .iter()
            .filter(|place| place.cxid.load(Relaxed) == cxid.0 && place.session.load(Relaxed) == session.0)
            .max_by_key(|place| place.zxid.load(Relaxed))?;
        let zxid = place.zxid.load(Relaxed);
        (zxid != 0).then(|| (Zxid(zxid), place.times()))
    }

    fn place(&self, zxid: Zxid) -> &Place {
        &self.places[zxid.counter() as usize % PLACES]
    }

    fn known(&self, zxid: Zxid) -> Option<&Place> {
        Some(self.place(zxid)).filter(|place| place.zxid.load(Relaxed) == zxid.0)
    }
}

impl Place {
    fn times(&self) -> Times {
        Times {
            proposed_us: self.proposed_us.load(Relaxed),
            written_us: self.written_us.load(Relaxed),
            synced_us: self.synced_us.load(Relaxed),
            committed_us: self.committed_us.load(Relaxed),
            applied_us: self.applied_us.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(session: i64, cxid: i32) -> Vec<u8> {
        [&session.to_be_bytes()[..], &cxid.to_be_bytes(), &5_i64.to_be_bytes(), &77_i64.to_be_bytes()].concat()
    }

    #[test]
    fn each_stage_is_measured_from_the_one_before() {
        let times = TxnTimes::default();
        let zxid = Zxid(0x1_0000_0005);
        assert_eq!(times.proposed(zxid, &header(7, 3), 10), Millis(77));
        assert_eq!(times.written(zxid, 14), Some(4));
        assert_eq!(times.synced(zxid, 30), Some((4, 16, Millis(77))));
        assert_eq!(times.since_proposed(zxid, 31), Some(21));
        let committed = Times { proposed_us: 10, written_us: 14, synced_us: 30, committed_us: 33, applied_us: 0 };
        assert_eq!(times.committed(zxid, 33), Some(committed));
        times.applied(zxid, 35);
        let expected = Times { applied_us: 35, ..committed };
        assert_eq!(times.of_request(SessionId(7), Xid(3)), Some((zxid, expected)));
        assert_eq!(times.of_request(SessionId(7), Xid(4)), None);
    }

    #[test]
    fn what_was_overtaken_is_not_taken_for_another() {
        let times = TxnTimes::default();
        let (old, new) = (Zxid(1), Zxid(1 + PLACES as i64));
        times.proposed(old, &header(7, 3), 10);
        times.proposed(new, &[], 20);
        assert_eq!((times.written(old, 30), times.written(new, 30)), (None, Some(10)));
        assert_eq!(times.of_request(SessionId(7), Xid(3)), None);
    }
}
