//! Sessions as the leader (or a standalone server) keeps them: who owns them and when they expire
//! (`SessionTrackerImpl`, `ExpiryQueue`). Only a tracker expires sessions, and only by a transaction (I11).

use planted::Bug;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use wire::{Millis, SessionId};
use zab::LinkId;

/// Through which server a session is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Through this one.
    Local,
    /// Through the learner behind this link.
    Learner(LinkId),
}

/// Why a request may not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown, or on its way out.
    Expired,
    /// Used through another server.
    Moved,
}

#[derive(Debug)]
struct Tracked {
    timeout_ms: i32,
    expires: Millis,
    owner: Option<Owner>,
    closing: bool,
}

/// The table of sessions, bucketed by the tick in which they expire.
#[derive(Debug)]
pub struct SessionTracker {
    tick_ms: i64,
    sessions: HashMap<SessionId, Tracked>,
    buckets: BTreeMap<Millis, BTreeSet<SessionId>>,
}

impl SessionTracker {
    /// A table of these sessions, each with a full fresh timeout: what a new leader grants.
    #[must_use]
    pub fn new(now: Millis, tick_ms: i64, sessions: impl IntoIterator<Item = (SessionId, i32)>) -> SessionTracker {
        let mut tracker = SessionTracker { tick_ms, sessions: HashMap::new(), buckets: BTreeMap::new() };
        for (session, timeout_ms) in sessions {
            let granted_ms = if planted::is(Bug::NewLeaderGrantsNothing) { 0 } else { timeout_ms };
            tracker.add(now, session, granted_ms, None);
        }
        tracker
    }

    /// A session begins. One that is known keeps its state.
    pub fn add(&mut self, now: Millis, session: SessionId, timeout_ms: i32, owner: Option<Owner>) {
        if self.sessions.contains_key(&session) {
            return;
        }
        let expires = self.expiry(now, timeout_ms);
        self.sessions.insert(session, Tracked { timeout_ms, expires, owner, closing: false });
        self.buckets.entry(expires).or_default().insert(session);
    }

    /// A session has ended.
    pub fn remove(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.remove(&session) {
            self.leave_bucket(tracked.expires, session);
        }
    }

    /// A sign of life. Answers whether the session lives; `timeout_ms` replaces the one it began with.
    pub fn touch(&mut self, now: Millis, session: SessionId, timeout_ms: Option<i32>) -> bool {
        let tick_ms = self.tick_ms;
        let Some(tracked) = self.sessions.get_mut(&session).filter(|tracked| !tracked.closing) else { return false };
        tracked.timeout_ms = timeout_ms.unwrap_or(tracked.timeout_ms);
        let expires = round_up(now, tracked.timeout_ms, tick_ms);
        let before = std::mem::replace(&mut tracked.expires, expires);
        if before != expires {
            self.leave_bucket(before, session);
            self.buckets.entry(expires).or_default().insert(session);
        }
        true
    }

    /// Whether the session is in the table.
    #[must_use]
    pub fn contains(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// The session's timeout, ms, if it is in the table.
    #[must_use]
    pub fn timeout_ms(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).map(|tracked| tracked.timeout_ms)
    }

    /// Through which server the session is used, as far as that is known.
    #[must_use]
    pub fn owner(&self, session: SessionId) -> Option<Owner> {
        self.sessions.get(&session)?.owner
    }

    /// Hands a session to an owner.
    pub fn set_owner(&mut self, session: SessionId, owner: Owner) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.owner = Some(owner);
        }
    }

    /// Whether `owner` may act for the session; a session without an owner is adopted (`checkSession`).
    pub fn check(&mut self, session: SessionId, owner: Owner) -> Result<(), Refusal> {
        match self.sessions.get_mut(&session) {
            None => Err(Refusal::Expired),
            Some(tracked) if tracked.closing => Err(Refusal::Expired),
            Some(tracked) => match *tracked.owner.get_or_insert(owner) {
                current if current == owner || planted::is(Bug::OldConnectionNotFenced) => Ok(()),
                _ => Err(Refusal::Moved),
            },
        }
    }

    /// The session is about to end: nothing else is carried out for it.
    pub fn set_closing(&mut self, session: SessionId) {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.closing = true;
        }
    }

    /// When the next session may expire.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Millis> {
        self.buckets.first_key_value().map(|(&expires, _)| expires)
    }

    /// Takes the sessions that have expired and marks them closing.
    pub fn expire(&mut self, now: Millis) -> Vec<SessionId> {
        let mut expired = Vec::new();
        while let Some(bucket) = self.buckets.first_entry().filter(|bucket| *bucket.key() <= now) {
            for session in bucket.remove() {
                if let Some(tracked) = self.sessions.get_mut(&session).filter(|tracked| !tracked.closing) {
                    tracked.closing = true;
                    expired.push(session);
                }
            }
        }
        expired
    }

    /// Grants every session this much more time: this server was stalled and could not hear them.
    pub fn forgive(&mut self, stalled_ms: i64) {
        let tick_ms = self.tick_ms;
        let buckets = std::mem::take(&mut self.buckets);
        for (expires, sessions) in buckets {
            let later = Millis((expires.0 + stalled_ms) / tick_ms * tick_ms + tick_ms);
            for session in &sessions {
                if let Some(tracked) = self.sessions.get_mut(session) {
                    tracked.expires = later;
                }
            }
            self.buckets.entry(later).or_default().extend(sessions);
        }
    }

    /// The sessions by the time they expire, for `dump`.
    #[must_use]
    pub fn buckets(&self) -> Vec<(Millis, Vec<SessionId>)> {
        self.buckets.iter().map(|(&expires, sessions)| (expires, sessions.iter().copied().collect())).collect()
    }

    fn expiry(&self, now: Millis, timeout_ms: i32) -> Millis {
        round_up(now, timeout_ms, self.tick_ms)
    }

    fn leave_bucket(&mut self, expires: Millis, session: SessionId) {
        if let Some(bucket) = self.buckets.get_mut(&expires) {
            bucket.remove(&session);
            if bucket.is_empty() {
                self.buckets.remove(&expires);
            }
        }
    }
}

/// The end of the tick in which the timeout runs out: expiry lies in (timeout, timeout + tick].
fn round_up(now: Millis, timeout_ms: i32, tick_ms: i64) -> Millis {
    Millis(((now.0 + i64::from(timeout_ms)) / tick_ms + 1) * tick_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SessionId = SessionId(7);

    #[test]
    fn expiry_lies_between_timeout_and_timeout_plus_tick() {
        for start in 0..250 {
            let tracker = SessionTracker::new(Millis(start), 100, [(S, 400)]);
            let expires = tracker.next_expiry().unwrap().0;
            assert!(expires > start + 400 && expires <= start + 500, "start {start}, expires {expires}");
        }
    }

    #[test]
    fn touch_moves_and_closing_refuses() {
        let mut tracker = SessionTracker::new(Millis(0), 100, [(S, 400)]);
        assert!(tracker.touch(Millis(300), S, None));
        assert_eq!(tracker.expire(Millis(700)), []);
        assert_eq!(tracker.expire(Millis(800)), [S]);
        assert!(!tracker.touch(Millis(800), S, None));
        assert_eq!(tracker.check(S, Owner::Local), Err(Refusal::Expired));
        assert_eq!(tracker.expire(Millis(10_000)), [], "a session expires once");
        tracker.remove(S);
        assert_eq!(tracker.next_expiry(), None);
    }

    #[test]
    fn the_first_to_act_owns_and_others_are_told_it_moved() {
        let mut tracker = SessionTracker::new(Millis(0), 100, [(S, 400)]);
        let learner = Owner::Learner(LinkId(1));
        assert_eq!(tracker.check(S, learner), Ok(()));
        assert_eq!(tracker.check(S, Owner::Local), Err(Refusal::Moved));
        tracker.set_owner(S, Owner::Local);
        assert_eq!(tracker.check(S, learner), Err(Refusal::Moved));
        assert_eq!(tracker.check(SessionId(8), learner), Err(Refusal::Expired));
    }

    #[test]
    fn a_stall_is_forgiven() {
        let mut tracker = SessionTracker::new(Millis(0), 100, [(S, 400)]);
        tracker.forgive(5_000);
        assert_eq!(tracker.expire(Millis(5_000)), []);
        assert_eq!(tracker.expire(Millis(5_700)), [S]);
    }
}
