//! What clients do to the world, and the world to them.

use super::{Event, Phase, World, count};
use crate::client::{ClientAction, ClientInput};
use crate::network::{Holder, PipeId};
use crate::observe::ClientId;
use crate::server::ServerEvent;
use wire::ServerId;

impl World {
    pub(super) fn drive(&mut self, id: ClientId, input: ClientInput<'_>) {
        let Some(host) = self.clients.get_mut(&id) else { return };
        let mut actions = std::mem::take(&mut self.actions);
        let checks = &self.checks;
        host.client.step(self.now_us, input, &mut actions, &mut |seen| {
            let mut checks = checks.lock();
            count(&mut checks, &seen);
            checks.see(&seen);
        });
        if let Some(complaint) = host.client.complaint() {
            self.checks.lock().fail("protocol", format!("client {}: {complaint}", id.0));
        }
        for action in actions.drain(..) {
            self.act(id, action);
        }
        self.actions = actions;
        let Some(host) = self.clients.get_mut(&id) else { return };
        let deadline_us = host.client.deadline_us().unwrap_or(i64::MAX);
        if deadline_us != host.timer.1 {
            host.timer = (host.timer.0 + 1, deadline_us);
            if deadline_us < i64::MAX {
                self.agenda.plan(deadline_us.max(self.now_us + 1), Event::Timer(id, host.timer.0));
            }
        }
    }

    pub(super) fn act(&mut self, id: ClientId, action: ClientAction) {
        let Some(host) = self.clients.get_mut(&id) else { return };
        match action {
            ClientAction::Dial(server) => {
                host.dial += 1;
                let delay_us = self.net.delay_us(Holder::Client(id), Holder::Client(id));
                self.agenda.plan(self.now_us + delay_us, Event::ClientDial(id, host.dial, server));
            }
            ClientAction::Send(bytes) => {
                if let Some(pipe) = host.pipe {
                    let delivery = self.net.send(self.now_us, pipe, Holder::Client(id), bytes);
                    self.deliver(delivery);
                }
            }
            ClientAction::HangUp => {
                host.dial += 1;
                if let Some(pipe) = host.pipe.take() {
                    let delivery = self.net.close(self.now_us, pipe, Holder::Client(id));
                    self.deliver(delivery);
                }
            }
        }
    }

    pub(super) fn on_client_dial(&mut self, id: ClientId, dial: u64, server: ServerId) {
        if self.clients.get(&id).is_none_or(|host| host.dial != dial) || self.phase_is_over_for_clients() {
            return;
        }
        // A process that stands still is dialled by its system; the client waits for an answer in vain.
        let Some(host) = self.hosts.get(&server).filter(|host| host.process.is_some() && host.held.is_none()) else {
            return self.drive(id, ClientInput::Closed);
        };
        let pipe = self.net.open(Holder::Client(id), Holder::Server(server, host.incarnation));
        self.tell(server, ServerEvent::ClientAccepted(pipe));
        let conn = self.process(server).and_then(|process| process.conn_of(pipe));
        match (conn, self.clients.get_mut(&id)) {
            (Some(conn), Some(client)) => {
                client.pipe = Some(pipe);
                self.drive(id, ClientInput::Connected(conn));
            }
            _ => self.drive(id, ClientInput::Closed),
        }
    }

    pub(super) fn phase_is_over_for_clients(&self) -> bool {
        matches!(self.phase, Phase::Rest { .. } | Phase::Over)
    }

    /// The pipe of a random client.
    pub(crate) fn client_pipes(&self) -> Vec<PipeId> {
        self.clients.values().filter_map(|host| host.pipe).collect()
    }
}
