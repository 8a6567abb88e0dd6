//! Room for growth: how much more memory the tree may take, as far as the runtime has measured it.
//!
//! A measurement is a moment old, so what was granted since is taken off it. Whether memory is short has two thresholds:
//! growth that was refused once goes on only when a good deal of room is there again, not in drops.

use wire::ErrorCode;

/// What a znode takes besides its path and its data, on its way and in the tree, bytes: measured, and rounded up.
pub const ZNODE_BYTES: u64 = 512;

/// A measurement of the memory that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrowthRoom {
    /// How many bytes the tree may still grow by.
    pub left_bytes: u64,
    /// How many must be left before growth that was refused goes on.
    pub resume_bytes: u64,
}

/// The last measurement and what became of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    /// `None` = memory has no limit.
    left_bytes: Option<u64>,
    short: bool,
    refused: u64,
}

impl Room {
    pub(super) fn measured(&mut self, room: Option<GrowthRoom>) {
        self.left_bytes = room.map(|room| room.left_bytes);
        self.short = room.is_some_and(|room| room.left_bytes == 0 || self.short && room.left_bytes < room.resume_bytes);
    }

    pub(super) fn is_short(&self) -> bool {
        self.short
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes what a request needs. What a multi had taken before it was refused comes back with the next measurement.
    pub(super) fn take(&mut self, bytes: u64) -> Result<(), ErrorCode> {
        let Some(left) = self.left_bytes else { return Ok(()) };
        match left.checked_sub(bytes) {
            Some(rest) if !self.short => {
                self.left_bytes = Some(rest);
                Ok(())
            }
            _ => {
                self.short = true;
                self.refused += 1;
                Err(ErrorCode::QuotaExceeded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(left_bytes: u64) -> Option<GrowthRoom> {
        Some(GrowthRoom { left_bytes, resume_bytes: 100 })
    }

    #[test]
    fn what_was_granted_since_the_measurement_counts() {
        let mut here = Room::default();
        assert_eq!(here.take(u64::MAX), Ok(()), "no limit");
        here.measured(room(50));
        assert_eq!(here.take(30), Ok(()));
        assert_eq!(here.take(30), Err(ErrorCode::QuotaExceeded));
        assert!(here.is_short());
        assert_eq!(here.take(1), Err(ErrorCode::QuotaExceeded), "no drops once it is short");
        assert_eq!(here.refused(), 2);
    }

    #[test]
    fn growth_goes_on_when_a_good_deal_of_room_is_there_again() {
        let mut here = Room::default();
        here.measured(room(0));
        assert!(here.is_short());
        here.measured(room(99));
        assert!(here.is_short());
        here.measured(room(100));
        assert!(!here.is_short());
        here.measured(room(1));
        assert!(!here.is_short(), "what is left may still be taken");
        here.measured(room(0));
        here.measured(None);
        assert!(!here.is_short());
    }
}
