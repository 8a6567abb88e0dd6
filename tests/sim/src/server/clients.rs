//! Its client connections.

use super::{DRIVER_DELAY_US_MAX, Effect, Server, ServerEvent};
use crate::conns::ConnTask;
use crate::network::PipeId;
use node::clients::Clients;
use node::shared::ClientInput;
use tree::ConnId;

impl Server {
    pub(super) fn on_client(&mut self, pipe: PipeId) {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let Ok(conn) = self.shared.registry.admit(peer, 0, 0) else { return };
        let id = conn.id;
        self.conn_of.insert(pipe, id);
        self.conns.insert(id, ConnTask::new(conn, self.shared.clone(), pipe, &self.woken));
    }

    pub(super) fn run_task(&mut self, id: ConnId) {
        let Some(task) = self.conns.get_mut(&id) else { return };
        let pipe = task.pipe;
        let outcome = task.run();
        if !outcome.output.is_empty() {
            self.effects.push(Effect::Send(pipe, outcome.output.freeze()));
        }
        self.client_inputs.extend(outcome.inputs);
        if outcome.close {
            self.effects.push(Effect::Close(pipe));
            self.drop_conn(id);
        }
        self.call_driver();
    }

    pub(super) fn call_driver(&mut self) {
        if !self.client_inputs.is_empty() && !std::mem::replace(&mut self.taking_clients, true) {
            let delay_us = self.rng.range(1, DRIVER_DELAY_US_MAX);
            self.effects.push(Effect::After(delay_us, ServerEvent::Clients));
        }
    }

    pub(super) fn drop_conn(&mut self, id: ConnId) {
        let Some(task) = self.conns.remove(&id) else { return };
        self.conn_of.remove(&task.pipe);
        self.client_inputs.extend(task.gone());
        self.call_driver();
    }

    pub(super) fn take_client(&mut self, input: ClientInput) {
        let clients = self.clients.clone();
        Clients::take_in(&clients, input, |input| self.step(input));
    }
}
