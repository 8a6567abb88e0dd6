//! What servers learn on the election port about who can be heard: the ends of connections, refused ones, new ones.
//!
//! It may come late or not at all, and a connection may end between two servers that both live. It is never wrong for long: a
//! server learns that another lives before it hears its vote, and learns that nobody is there only while that is so or because
//! their connection has ended just now.

use super::{Event, World};
use crate::network::Holder;
use crate::server::ServerEvent;
use wire::ServerId;
use zab::election::Reach;

/// In a hundred: what is never learnt, and what is learnt late.
const UNNOTICED_PERCENT: u64 = 15;
const LATE_PERCENT: u64 = 15;
/// How late, µs.
const LATE_US_MAX: i64 = 1_000_000;

impl World {
    /// A process has ended and the others' connections to it with it; with the whole machine they merely fall silent.
    pub(super) fn miss(&mut self, sid: ServerId, loudly: bool) {
        if let Some(host) = self.hosts.get_mut(&sid) {
            host.is_silent = !loudly;
        }
        for by in self.hosts.keys().copied().collect::<Vec<_>>() {
            self.find_nobody(by, sid);
        }
    }

    /// A server finds out that no process answers for another, if the network lets it and the machine still runs.
    pub(super) fn find_nobody(&mut self, by: ServerId, gone: ServerId) {
        let is_blocked = self.net.is_blocked(by, gone) || self.net.is_blocked(gone, by);
        let is_silent = self.hosts.get(&gone).is_none_or(|host| host.is_silent);
        if by == gone || is_blocked || is_silent || self.rng.chance(UNNOTICED_PERCENT) {
            return;
        }
        let Some(host) = self.hosts.get(&by).filter(|host| host.process.is_some()) else { return };
        let incarnation = host.incarnation;
        let (here, there) = (Holder::Server(by, incarnation), Holder::Server(gone, 0));
        let late_us = if self.rng.chance(LATE_PERCENT) { self.rng.range(0, LATE_US_MAX) } else { 0 };
        let at_us = self.now_us + self.net.delay_us(there, here) + late_us;
        self.agenda.plan(at_us, Event::NobodyThere { by, incarnation, gone });
    }

    /// It has found out, if it is still so.
    pub(super) fn on_nobody_there(&mut self, by: ServerId, incarnation: u32, gone: ServerId) {
        let is_same = self.hosts.get(&by).is_some_and(|host| host.incarnation == incarnation);
        let is_gone = self.hosts.get(&gone).is_some_and(|host| host.process.is_none());
        if is_same && is_gone {
            self.checks.lock().coverage.count("voters found gone");
            self.found_gone.insert((by, gone));
            self.tell(by, ServerEvent::Reach(gone, Reach::Gone));
        }
    }

    /// A connection stands between two servers that may have thought each other gone.
    pub(super) fn find_each_other(&mut self, a: ServerId, b: ServerId) {
        for (by, back) in [(a, b), (b, a)] {
            if self.found_gone.remove(&(by, back)) {
                self.plan_reach(by, back, Reach::Alive);
            }
        }
    }

    fn plan_reach(&mut self, by: ServerId, whom: ServerId, reach: Reach) {
        let Some(incarnation) = self.hosts.get(&by).map(|host| host.incarnation) else { return };
        let event = Event::Server(by, incarnation, ServerEvent::Reach(whom, reach));
        self.agenda.plan(self.now_us + 1, event);
    }

    /// The election connection of two servers ends although both live.
    pub(crate) fn break_election_connection(&mut self, a: ServerId, b: ServerId) {
        for (by, gone) in [(a, b), (b, a)] {
            if a != b && self.process(by).is_some() {
                self.found_gone.insert((by, gone));
                self.plan_reach(by, gone, Reach::Gone);
            }
        }
    }
}
