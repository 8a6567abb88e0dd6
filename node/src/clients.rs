//! The driver's side of the clients: whom to append to, whom to wake at the end of the batch.

use crate::connection::Conn;
use crate::outbox::{Attached, Wake};
use crate::shared::ClientInput;
use parking_lot::Mutex;
use replica::{CloseReason, Input};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tree::ConnId;
use wire::SessionId;

/// Shared by the driver and the core's event sink, both on the driver's thread: never contended.
pub type SharedClients = Arc<Mutex<Clients>>;

/// The connections that have sent their first frame.
#[derive(Debug, Default)]
pub struct Clients {
    conns: HashMap<ConnId, Client>,
    to_wake: Vec<Arc<Conn>>,
}

#[derive(Debug)]
struct Client {
    conn: Arc<Conn>,
    session: SessionId,
}

impl Clients {
    /// Takes a connection in.
    pub fn add(&mut self, conn: Arc<Conn>) {
        self.conns.insert(conn.id, Client { conn, session: SessionId::NONE });
    }

    /// Forgets a connection.
    pub fn remove(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
    }

    /// Does something with a connection's outbox, if the connection is still there.
    pub fn with(&mut self, conn: ConnId, append: impl FnOnce(&Conn) -> Wake) {
        let Some(client) = self.conns.get(&conn) else { return };
        if append(&client.conn) == Wake::Needed {
            self.to_wake.push(client.conn.clone());
        }
    }

    /// The connection has a session.
    pub fn connected(&mut self, conn: ConnId, attached: Attached, frame: &[u8]) {
        if let Some(client) = self.conns.get_mut(&conn) {
            client.session = attached.session;
        }
        self.with(conn, |conn| conn.outbox.connected(attached, frame));
    }

    /// Closes every connection.
    pub fn close_all(&mut self, reason: CloseReason) {
        for client in self.conns.values() {
            client.conn.outbox.close(reason);
            self.to_wake.push(client.conn.clone());
        }
    }

    /// The session of a connection, if it was active since the last sweep.
    pub fn take_touched_of(&mut self, conn: ConnId) -> Option<SessionId> {
        let client = self.conns.get(&conn)?;
        (client.session != SessionId::NONE && client.conn.take_touched()).then_some(client.session)
    }

    /// The sessions that were active since the last call, in order.
    pub fn take_touched(&mut self) -> Vec<SessionId> {
        let active =
            self.conns.values().filter(|client| client.session != SessionId::NONE && client.conn.take_touched());
        let mut sessions: Vec<SessionId> = active.map(|client| client.session).collect();
        sessions.sort_unstable();
        sessions
    }

    /// Requests of a connection are taken now, monotonic µs.
    pub fn note_taken(&self, conn: ConnId, at_us: u64) {
        if let Some(client) = self.conns.get(&conn) {
            client.conn.stats.taken_us.store(at_us, Relaxed);
        }
    }

    /// Gives the core what connections have for it.
    pub fn take_in(clients: &Mutex<Clients>, item: ClientInput, mut step: impl FnMut(Input)) {
        match item {
            ClientInput::Connect { conn, request, identities } => {
                let id = conn.id;
                clients.lock().add(conn);
                step(Input::Connect { conn: id, request, identities });
            }
            ClientInput::Requests { conn, session, identities, requests, since_us: _ } => {
                for (header, body) in requests {
                    step(Input::Request { conn, session, header, body, identities: identities.clone() });
                }
            }
            ClientInput::Gone(conn) => {
                // The last sign of life counts, although no sweep will find it any more: else the session expires early.
                let touched = clients.lock().take_touched_of(conn);
                if let Some(session) = touched {
                    step(Input::Touched(vec![session]));
                }
                clients.lock().remove(conn);
                step(Input::ConnGone(conn));
            }
        }
    }

    /// Wakes every connection that was appended to since the last call, each once.
    pub fn wake_all(&mut self) {
        for conn in self.to_wake.drain(..) {
            conn.outbox.wake();
        }
    }
}
