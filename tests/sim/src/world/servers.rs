//! What servers do to the world, and the world to them.

use super::{DIAL_PAUSE_US, DIAL_TRIES, Event, World};
use crate::client::ClientInput;
use crate::network::{Delivery, Flow, Holder, PipeId};
use crate::observe::{ClientId, Observation};
use crate::server::{Effect, Server, ServerEvent};
use node::learner_conn::Port;
use store::testing::Keep;
use wire::ServerId;
use wire::election::Notification;
use zab::LinkId;

impl World {
    /// Something happens to a server, now or when it goes on.
    pub(crate) fn tell(&mut self, sid: ServerId, event: ServerEvent) {
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        if let Some(held) = &mut host.held {
            held.push_back(event);
            return;
        }
        let Some(process) = &mut host.process else { return };
        let effects = process.handle(self.now_us, event);
        self.carry_out(sid, effects);
    }

    pub(super) fn carry_out(&mut self, sid: ServerId, effects: Vec<Effect>) {
        let Some(incarnation) = self.hosts.get(&sid).map(|host| host.incarnation) else { return };
        let holder = Holder::Server(sid, incarnation);
        let (mut has_voted, mut dead, mut stopped) = (false, None, false);
        for effect in effects {
            match effect {
                Effect::Send(pipe, bytes) => {
                    let delivery = self.net.send(self.now_us, pipe, holder, bytes);
                    self.deliver(delivery);
                }
                Effect::Close(pipe) => {
                    let delivery = self.net.close(self.now_us, pipe, holder);
                    self.deliver(delivery);
                }
                Effect::Vote(to, notification) => {
                    has_voted = true;
                    self.send_vote(sid, to, notification);
                }
                Effect::ConnectAll => {
                    has_voted = true;
                    let waiting: Vec<_> = self.waiting_votes.extract_if(.., |(from, _), _| *from == sid).collect();
                    for ((_, to), notification) in waiting {
                        self.send_vote(sid, to, notification);
                    }
                }
                Effect::Dial(link, to, port) => {
                    let event = Event::Dial { from: sid, incarnation, link, to, port, tries: DIAL_TRIES };
                    let delay_us = self.net.delay_us(holder, holder);
                    self.agenda.plan(self.now_us + delay_us, event);
                }
                Effect::SnapshotBegins(pipe) => self.perhaps_cut_snapshot(pipe),
                Effect::ChangeBegins => self.perhaps_interrupt_change(sid),
                Effect::After(delay_us, event) => {
                    self.agenda.plan(self.now_us + delay_us.max(1), Event::Server(sid, incarnation, event));
                }
                Effect::Dead(reason) => dead = Some(reason),
                Effect::Stopped => stopped = true,
            }
        }
        if has_voted {
            let others = self.hosts.keys().filter(|other| **other != sid);
            let delivered = others.clone().count() == 0
                || others.into_iter().any(|other| !self.waiting_votes.contains_key(&(sid, *other)));
            if let Some(process) = self.process(sid) {
                process.note_votes(delivered);
            }
        }
        if let Some(reason) = dead {
            self.on_dead(sid, &reason);
        } else if stopped {
            self.on_stopped(sid);
        }
    }

    /// A vote goes out, or waits for a connection: the last one for each peer (`QuorumCnxManager`).
    pub(super) fn send_vote(&mut self, from: ServerId, to: ServerId, notification: Notification) {
        let target = self.hosts.get(&to).filter(|host| host.process.is_some()).map(|host| host.incarnation);
        if target.is_none() {
            self.find_nobody(from, to);
        }
        let Some(target) = target.filter(|_| !self.net.is_blocked(from, to)) else {
            self.waiting_votes.insert((from, to), notification);
            return;
        };
        self.waiting_votes.remove(&(from, to));
        self.find_each_other(from, to);
        match self.net.vote_at_us(self.now_us, from, to) {
            Some(at_us) => self.agenda.plan(at_us, Event::Server(to, target, ServerEvent::Vote(from, notification))),
            None => self.checks.lock().coverage.count("votes lost"),
        }
    }

    pub(crate) fn process(&mut self, sid: ServerId) -> Option<&mut Server> {
        self.hosts.get_mut(&sid)?.process.as_mut()
    }

    pub(super) fn deliver(&mut self, delivery: impl IntoIterator<Item = Delivery>) {
        for Delivery { at_us, pipe, end, flow } in delivery {
            self.agenda.plan(at_us, Event::Arrival(pipe, end, flow));
        }
    }

    pub(crate) fn deliver_all(&mut self, deliveries: Vec<Delivery>) {
        self.deliver(deliveries);
    }

    pub(super) fn on_arrival(&mut self, pipe: PipeId, end: usize, flow: Flow) {
        let Some(holder) = self.net.holder(pipe, end) else { return };
        for flow in self.net.arrive(pipe, end, flow) {
            match holder {
                Holder::Server(sid, incarnation) => self.reach_server(sid, incarnation, pipe, flow),
                Holder::Client(id) => self.reach_client(id, pipe, &flow),
            }
        }
    }

    pub(super) fn reach_server(&mut self, sid: ServerId, incarnation: u32, pipe: PipeId, flow: Flow) {
        if self.hosts.get(&sid).is_none_or(|host| host.incarnation != incarnation) {
            return;
        }
        match flow {
            Flow::Bytes(bytes) => self.tell(sid, ServerEvent::Bytes(pipe, bytes)),
            Flow::End => self.tell(sid, ServerEvent::End(pipe)),
            Flow::Held => {}
        }
    }

    pub(super) fn reach_client(&mut self, id: ClientId, pipe: PipeId, flow: &Flow) {
        let Some(host) = self.clients.get_mut(&id).filter(|host| host.pipe == Some(pipe)) else { return };
        match flow {
            Flow::Bytes(bytes) => self.drive(id, ClientInput::Bytes(bytes)),
            Flow::End => {
                host.pipe = None;
                // The client closes its end too.
                let delivery = self.net.close(self.now_us, pipe, Holder::Client(id));
                self.deliver(delivery);
                self.drive(id, ClientInput::Closed);
            }
            Flow::Held => {}
        }
    }

    pub(super) fn on_dial(
        &mut self,
        from: ServerId,
        incarnation: u32,
        link: LinkId,
        (to, port): (ServerId, Port),
        tries: u32,
    ) {
        if self.hosts.get(&from).is_none_or(|host| host.incarnation != incarnation || host.process.is_none()) {
            return;
        }
        let target = self.hosts.get(&to).filter(|host| host.process.is_some()).map(|host| host.incarnation);
        let is_blocked = self.net.is_blocked(from, to) || self.net.is_blocked(to, from);
        let is_heard = self.process(to).is_some_and(|process| process.is_listening(port));
        match target.filter(|_| is_heard && !is_blocked) {
            Some(target) => {
                let pipe = self.net.open(Holder::Server(from, incarnation), Holder::Server(to, target));
                if port == Port::Observers {
                    self.checks.lock().coverage.count("observers on followers");
                }
                self.tell(to, ServerEvent::Accepted(pipe));
                self.tell(from, ServerEvent::Dialled(link, Some(pipe)));
            }
            None if tries > 1 => {
                let pause_us = self.rng.range(DIAL_PAUSE_US.0, DIAL_PAUSE_US.1);
                let event = Event::Dial { from, incarnation, link, to, port, tries: tries - 1 };
                self.agenda.plan(self.now_us + pause_us, event);
            }
            None => self.tell(from, ServerEvent::Dialled(link, None)),
        }
    }

    /// Starts a server on what its disk holds.
    pub(super) fn start(&mut self, sid: ServerId) {
        if self.hosts.get(&sid).is_none_or(|host| host.process.is_some()) {
            return;
        }
        self.provide_list(sid);
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        host.incarnation += 1;
        host.held = None;
        let (incarnation, clock) = (host.incarnation, host.clock);
        let rng = self.rng.fork("server");
        if incarnation > 1 {
            self.checks.lock().coverage.count("restarts");
        }
        match Server::start(sid, &self.setup, clock, self.now_us, &self.checks, rng) {
            Ok((process, effects)) => {
                if let Some(host) = self.hosts.get_mut(&sid) {
                    host.process = Some(process);
                }
                self.started(sid);
                self.carry_out(sid, effects);
            }
            Err(reason) => self.on_refusal(sid, &reason),
        }
    }

    /// Ends a server's process.
    pub(crate) fn end(&mut self, sid: ServerId, keep: Keep, loudly: bool) {
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        let Some(process) = host.process.take() else { return };
        drop(process);
        (host.held, host.power_fails, host.fault_pending) = (None, None, false);
        self.waiting_votes.retain(|(from, _), _| *from != sid);
        self.found_gone.retain(|(by, _)| *by != sid);
        let holder = Holder::Server(sid, host.incarnation);
        let disk = self.setup.disk(sid);
        match keep {
            // The system lives on: what it holds in memory may be lost by a later crash.
            Keep::Everything => disk.kill(),
            keep => disk.crash(keep),
        }
        self.checks.lock().see(&Observation::Died { server: sid });
        let deliveries = self.net.drop_holder(self.now_us, holder, loudly);
        self.deliver(deliveries);
        self.miss(sid, loudly);
    }
}
