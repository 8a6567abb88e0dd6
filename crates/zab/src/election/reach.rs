//! Which voters cannot be heard at present.

use std::collections::BTreeMap;

use wire::{Millis, ServerId};

/// What the owner learns about the election connection to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A connection stands, or the peer has asked for one: it runs, and what it has to say will come.
    Alive,
    /// Its connection has ended and no other stands, or every address of it refused a connection: no process of it runs there,
    /// or none that could be heard. A peer that merely does not answer is not gone.
    Gone,
}

/// The voters for which [`Reach::Gone`] was the last word, and when.
#[derive(Debug, Default)]
pub(super) struct Gone {
    since: BTreeMap<ServerId, Millis>,
}

impl Gone {
    /// There is evidence as of now.
    pub fn insert(&mut self, sid: ServerId, now: Millis) {
        self.since.insert(sid, now);
    }

    /// The voter was heard or reached.
    pub fn remove(&mut self, sid: ServerId) {
        self.since.remove(&sid);
    }

    /// Drops evidence that is older.
    pub fn forget_before(&mut self, oldest: Millis) {
        self.since.retain(|_, at| *at >= oldest);
    }

    pub fn contains(&self, sid: ServerId) -> bool {
        self.since.contains_key(&sid)
    }
}
