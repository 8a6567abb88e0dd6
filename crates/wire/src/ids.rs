//! Numbers that must not be confused with each other.
//!
//! All of them are signed, as in Apache: `-1` is a legal zxid on the wire, and votes are compared as signed numbers.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! decimal {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        })*
    };
}

macro_rules! hexadecimal {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        })*
    };
}

number! {
    /// A transaction id: the epoch in the high 32 bits, a counter from 1 in the low 32 bits. Counter 0 names the start of
    /// an epoch (NEWLEADER) and is never a transaction. `-1` means "unknown" on the wire.
    Zxid(i64)
}
number! {
    /// A leadership epoch, the high half of a zxid. Kept as 64 bits because the epoch files hold 64-bit decimals.
    Epoch(i64)
}
number! {
    /// A server id (`myid`, sid), 1 to 255 for a server that serves clients.
    ServerId(i64)
}
number! {
    /// A session id; the sid of the server that created it sits in the top byte.
    SessionId(i64)
}
number! {
    /// A client's request number; negative values have a fixed meaning (see [`Xid::NOTIFICATION`] and its siblings).
    Xid(i32)
}
number! {
    /// A data, child or ACL version as clients send it; [`Version::ANY`] matches every version.
    Version(i32)
}
number! {
    /// Milliseconds: of the wall clock since 1970 where a field says so, else of a monotonic clock.
    Millis(i64)
}

decimal!(Epoch, ServerId, Xid, Version, Millis);
hexadecimal!(Zxid, SessionId);

impl Zxid {
    /// The zxid of an empty tree.
    pub const ZERO: Zxid = Zxid(0);
    /// "No zxid": sent where a packet has none, and by a server whose database may not be trusted.
    pub const NONE: Zxid = Zxid(-1);
    /// The last counter value an epoch may use; at this point the leader steps down (ZOOKEEPER-1277).
    pub const COUNTER_MAX: u32 = u32::MAX;

    /// Joins an epoch and a counter.
    #[must_use]
    pub const fn new(epoch: Epoch, counter: u32) -> Zxid {
        Zxid((epoch.0 << 32) | counter as i64)
    }

    /// The epoch in the high half.
    #[must_use]
    pub const fn epoch(self) -> Epoch {
        Epoch(self.0 >> 32)
    }

    /// The counter in the low half.
    #[must_use]
    pub const fn counter(self) -> u32 {
        (self.0 & 0xffff_ffff) as u32
    }

    /// The following zxid of the same epoch, or `None` where the counter is used up.
    #[must_use]
    pub const fn next(self) -> Option<Zxid> {
        if self.counter() == Self::COUNTER_MAX { None } else { Some(Zxid(self.0 + 1)) }
    }

    /// Whether this is `epoch << 32`: the zxid of a NEWLEADER, behind which there is no transaction.
    #[must_use]
    pub const fn is_epoch_start(self) -> bool {
        self.counter() == 0
    }
}

impl Epoch {
    /// The last epoch that fits a zxid.
    pub const MAX: Epoch = Epoch(i32::MAX as i64);

    /// The zxid of this epoch's NEWLEADER, `epoch << 32`.
    #[must_use]
    pub const fn start(self) -> Zxid {
        Zxid::new(self, 0)
    }
}

impl SessionId {
    /// No session.
    pub const NONE: SessionId = SessionId(0);

    /// The id of the server that created the session (its top byte).
    #[must_use]
    pub const fn server(self) -> ServerId {
        ServerId((self.0 >> 56) & 0xff)
    }
}

impl Xid {
    /// A watch event from the server.
    pub const NOTIFICATION: Xid = Xid(-1);
    /// A ping, both ways.
    pub const PING: Xid = Xid(-2);
    /// An auth packet, both ways.
    pub const AUTH: Xid = Xid(-4);
    /// setWatches and setWatches2, both ways.
    pub const SET_WATCHES: Xid = Xid(-8);
}

impl Version {
    /// Matches every version.
    pub const ANY: Version = Version(-1);

    /// Whether a request that expects `self` is satisfied by `current`.
    #[must_use]
    pub const fn accepts(self, current: i32) -> bool {
        self.0 == Self::ANY.0 || self.0 == current
    }
}

impl Millis {
    /// `self - earlier`, never below zero.
    #[must_use]
    pub const fn since(self, earlier: Millis) -> i64 {
        let passed = self.0 - earlier.0;
        if passed < 0 { 0 } else { passed }
    }

    /// `self + ms`, saturating.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Millis {
        Millis(self.0.saturating_add(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zxid_splits_and_joins() {
        let zxid = Zxid::new(Epoch(3), 7);
        assert_eq!(zxid, Zxid(0x3_0000_0007));
        assert_eq!((zxid.epoch(), zxid.counter()), (Epoch(3), 7));
        assert_eq!(zxid.next(), Some(Zxid(0x3_0000_0008)));
        assert_eq!(Zxid(0x3_ffff_ffff).next(), None);
        assert_eq!(zxid.to_string(), "0x300000007");
        assert!(Epoch(3).start().is_epoch_start());
    }

    #[test]
    fn session_id_carries_its_server() {
        assert_eq!(SessionId(0x0200_0000_0000_0001).server(), ServerId(2));
        assert_eq!(SessionId(i64::MIN).server(), ServerId(0x80));
    }
}
