//! Small types that every phase of the protocol shares.

use bytes::Bytes;
use wire::{Epoch, Zxid};

/// A connection on the quorum port, numbered by the runtime (accepted) or by the peer (dialled).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A transaction as the broadcast protocol sees it: opaque bytes with a place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Its place.
    pub zxid: Zxid,
    /// The encoded [`wire::txn::TxnEntry`].
    pub bytes: Bytes,
}

/// The contents of the two epoch files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epochs {
    /// The highest epoch promised to a leader (`acceptedEpoch`).
    pub accepted: Epoch,
    /// The epoch whose history this server holds (`currentEpoch`); never above `accepted` (I3).
    pub current: Epoch,
}

/// The times of the protocol (`tickTime`, `initLimit`, `syncLimit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The base unit, ms.
    pub tick_ms: i64,
    /// For connecting and synchronizing, ticks.
    pub init_limit_ticks: i64,
    /// For staying in sync, ticks.
    pub sync_limit_ticks: i64,
}

impl Timing {
    /// `initLimit` in ms.
    #[must_use]
    pub const fn init_ms(&self) -> i64 {
        self.tick_ms * self.init_limit_ticks
    }

    /// `syncLimit` in ms.
    #[must_use]
    pub const fn sync_ms(&self) -> i64 {
        self.tick_ms * self.sync_limit_ticks
    }
}
