//! The znodes all clients fight for.
//!
//! A linearizability checker's work grows with the operations on one object and, steeply, with those of unknown outcome,
//! each of which may have happened at any time since. So a place is not one znode for ever: after a number of either, all
//! clients go on with a new one.

use std::sync::{Mutex, PoisonError};

use support::rng::Rng;

/// The znode above all others.
pub const ROOT: &str = "/history";

/// Znodes in use at a time: fewer than clients would be a queue, many more would be no contention.
const PLACES: usize = 8;

/// Operations on one znode.
const OPERATIONS_MAX: u32 = 150;

/// Operations of unknown outcome on one znode after which nobody begins another; those under way may still be added.
const UNKNOWN_MAX: u32 = 2;

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    generation: u32,
    operations: u32,
    unknown: u32,
}

/// The znodes in use.
#[derive(Debug)]
pub struct Keys(Mutex<[Place; PLACES]>);

impl Default for Keys {
    fn default() -> Self {
        Self(Mutex::new([Place::default(); PLACES]))
    }
}

impl Keys {
    /// A znode to do something with.
    pub fn pick(&self, rng: &mut Rng) -> String {
        let number = rng.below(PLACES);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut places[number];
        if place.operations >= OPERATIONS_MAX || place.unknown >= UNKNOWN_MAX {
            *place = Place { generation: place.generation + 1, ..Place::default() };
        }
        place.operations += 1;
        path(number, place.generation)
    }

    /// Notes that an operation on `of` has an unknown outcome.
    pub fn note_unknown(&self, of: &str) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A znode that is no longer in use needs no count.
        if let Some((_, place)) = places.iter_mut().enumerate().find(|(n, place)| path(*n, place.generation) == of) {
            place.unknown += 1;
        }
    }
}

fn path(place: usize, generation: u32) -> String {
    format!("{ROOT}/{place}-{generation}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn no_znode_is_used_too_often() {
        let (keys, mut rng) = (Keys::default(), Rng::new(1));
        let mut uses: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..10_000 {
            *uses.entry(keys.pick(&mut rng)).or_default() += 1;
        }
        assert!(uses.values().all(|n| *n <= OPERATIONS_MAX), "{uses:?}");
        assert!(uses.len() >= 10_000 / OPERATIONS_MAX as usize);
    }

    #[test]
    fn unknown_outcomes_retire_a_znode() {
        let (keys, mut rng) = (Keys::default(), Rng::new(1));
        let path = keys.pick(&mut rng);
        for _ in 0..UNKNOWN_MAX {
            keys.note_unknown(&path);
        }
        assert!((0..1000).all(|_| keys.pick(&mut rng) != path));
    }
}
