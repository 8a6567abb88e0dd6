//! Numbers and names that must not be confused with one another.

use std::fmt;

/// A time or a span of time in milliseconds. As a time: since an origin that the caller chose and keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub i64);

impl Millis {
    /// The span from `earlier` until this time; zero if `earlier` is later, as clocks of two machines may have it.
    #[must_use]
    pub fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0).max(0))
    }
}

/// The number of a server of the ensemble (`myid`), 1..=254.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerId(u8);

impl ServerId {
    /// The largest: session ids carry the number in their top byte, and 255 is taken for TTL nodes.
    pub const MAX: u8 = 254;

    /// The id with this number, if it is one.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// The number, 1..=254.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The version of a configuration: the zxid of the change that led to it, 0 for the first. Printed `0x…`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigVersion(pub i64);

/// The reign of one leader; a server that leads again has a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// The place of a transaction in the log: epoch in the upper half, counter in the lower. Printed `0x…`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Zxid(pub i64);

macro_rules! printed_in_hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    )*};
}
printed_in_hex!(ConfigVersion, Zxid);

macro_rules! name {
    ($(#[$doc:meta] $name:ident),*) => {$(
        #[$doc]
        #[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub String);

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
name!(
    /// `metadata.uid` of an object: another object of the same name has another one.
    Uid,
    /// `metadata.resourceVersion` of an object; opaque, compared only for equality.
    ResourceVersion,
    /// The revision of a pod template (`controller-revision-hash`).
    Revision
);

/// Which of the two StatefulSets a pod or a volume belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The StatefulSet of those who vote.
    Voter,
    /// The StatefulSet of those who do not.
    Observer,
}

/// A place in a StatefulSet: what a pod, its volume and its server have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// Which StatefulSet.
    pub kind: Kind,
    /// The number at the end of the pod's name; see [`Slot::ordinals_max`].
    pub ordinal: u32,
}

impl Slot {
    /// The slot of a voter.
    #[must_use]
    pub const fn voter(ordinal: u32) -> Self {
        Self { kind: Kind::Voter, ordinal }
    }

    /// The slot of an observer.
    #[must_use]
    pub const fn observer(ordinal: u32) -> Self {
        Self { kind: Kind::Observer, ordinal }
    }

    /// How many slots of a kind there can be: ids 1..=100 are of voters, 101..=254 of observers.
    #[must_use]
    pub const fn ordinals_max(kind: Kind) -> u32 {
        match kind {
            Kind::Voter => FIRST_OBSERVER as u32 - 1,
            Kind::Observer => (ServerId::MAX - FIRST_OBSERVER) as u32 + 1,
        }
    }

    /// The id of the server in this slot: voter `o` is `o + 1`, observer `o` is `101 + o`.
    ///
    /// # Panics
    /// If the ordinal is beyond [`Slot::ordinals_max`], which no StatefulSet of ours is let grow to.
    #[must_use]
    pub fn sid(self) -> ServerId {
        assert!(self.ordinal < Self::ordinals_max(self.kind), "{self} has no server id");
        let first = match self.kind {
            Kind::Voter => 1,
            Kind::Observer => FIRST_OBSERVER,
        };
        ServerId(first + u8::try_from(self.ordinal).unwrap_or(u8::MAX))
    }

    /// The slot of the server with this id.
    #[must_use]
    pub const fn of(sid: ServerId) -> Self {
        if sid.0 < FIRST_OBSERVER {
            Self::voter(sid.0 as u32 - 1)
        } else {
            Self::observer((sid.0 - FIRST_OBSERVER) as u32)
        }
    }
}

/// The id of observer 0.
const FIRST_OBSERVER: u8 = 101;

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Voter => write!(f, "voter {}", self.ordinal),
            Kind::Observer => write!(f, "observer {}", self.ordinal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_id_has_one_slot() {
        for number in 1..=ServerId::MAX {
            let sid = ServerId::new(number).unwrap();
            assert_eq!(Slot::of(sid).sid(), sid);
        }
        assert_eq!(Slot::voter(0).sid().get(), 1);
        assert_eq!(Slot::observer(0).sid().get(), 101);
        assert_eq!(ServerId::new(0), None);
        assert_eq!(ServerId::new(255), None);
    }

    #[test]
    fn versions_print_as_people_search_for_them() {
        assert_eq!(ConfigVersion(0x1_0000_0007).to_string(), "0x100000007");
        assert_eq!(format!("{:?}", Zxid(16)), "Zxid(0x10)");
    }
}
