//! Client connections as the pipeline sees them: what each of them waits for, in order (I7).

use crate::io::{Action, CloseReason, Identities};
use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, VecDeque};
use tree::ConnId;
use wire::client::{OpCode, RequestHeader};
use wire::{ErrorCode, SessionId, Xid};

/// A request that has not been answered.
#[derive(Debug)]
pub enum Pending {
    /// A write: answered when its transaction is applied.
    Write {
        /// The client's number of it.
        xid: Xid,
        /// The operation.
        opcode: OpCode,
        /// What is answered where the transaction turns out to be an error: this server knows why, the leader does not.
        refusal: Option<ErrorCode>,
    },
    /// closeSession of a session that only this server knows.
    LocalClose {
        /// The client's number of it.
        xid: Xid,
    },
    /// A read behind a write.
    Read {
        /// The header.
        header: RequestHeader,
        /// The operation.
        opcode: OpCode,
        /// The body.
        body: Bytes,
        /// The connection's identities when it arrived.
        identities: Identities,
    },
    /// A sync that was forwarded to the leader.
    Sync {
        /// The read that answers it once the leader's SYNC has come.
        header: RequestHeader,
        /// The body.
        body: Bytes,
        /// Whether SYNC has come.
        done: bool,
    },
}

/// How far a connection's handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// createSession is on its way.
    Creating,
    /// The leader is asked whether the session lives.
    Revalidating,
    /// The session stands.
    Done,
}

/// A connection with a session, or on its way to one.
#[derive(Debug)]
pub struct Conn {
    /// The session.
    pub session: SessionId,
    /// Its negotiated timeout in ms.
    pub timeout_ms: i32,
    /// Whether the response carries the readOnly field.
    pub read_only_field: Option<bool>,
    /// How far the handshake has come.
    pub handshake: Handshake,
    /// Requests in order of arrival.
    pub pending: VecDeque<Pending>,
}

/// All connections of this server.
#[derive(Debug, Default)]
pub struct Conns {
    conns: HashMap<ConnId, Conn>,
    by_session: HashMap<SessionId, ConnId>,
    /// Requests in the pipeline, of all connections.
    outstanding: usize,
}

impl Conns {
    /// Adds a connection; one that held the session before is closed (ZooKeeper lets the latest win).
    pub fn add(&mut self, id: ConnId, conn: Conn, out: &mut Vec<Action>) {
        self.close_session_conn(conn.session, CloseReason::SessionMoved, out);
        self.by_session.insert(conn.session, id);
        self.conns.insert(id, conn);
    }

    /// The connection of a number.
    #[must_use]
    pub fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(&id)
    }

    /// The connection that holds a session here.
    #[must_use]
    pub fn of_session(&self, session: SessionId) -> Option<ConnId> {
        self.by_session.get(&session).copied()
    }

    /// Queues a request.
    pub fn push(&mut self, id: ConnId, pending: Pending) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.pending.push_back(pending);
            self.outstanding += 1;
        }
    }

    /// Takes the first request if `test` says so.
    pub fn pop_if(&mut self, id: ConnId, test: impl FnOnce(&Pending) -> bool) -> Option<Pending> {
        let popped = self.conns.get_mut(&id)?.pending.pop_front_if(|pending| test(pending))?;
        self.outstanding -= 1;
        Some(popped)
    }

    /// Forgets a connection. Answers its session.
    pub fn remove(&mut self, id: ConnId) -> Option<SessionId> {
        let conn = self.conns.remove(&id)?;
        self.outstanding -= conn.pending.len();
        if self.by_session.get(&conn.session) == Some(&id) {
            self.by_session.remove(&conn.session);
        }
        Some(conn.session)
    }

    /// Closes a connection and forgets it.
    pub fn close(&mut self, id: ConnId, reason: CloseReason, out: &mut Vec<Action>) {
        self.remove(id);
        out.push(Action::CloseConn { conn: id, reason });
    }

    /// Closes the connection that holds a session, if there is one.
    pub fn close_session_conn(&mut self, session: SessionId, reason: CloseReason, out: &mut Vec<Action>) {
        if let Some(id) = self.of_session(session) {
            self.close(id, reason, out);
        }
    }

    /// Forgets every connection; the runtime closes them.
    pub fn clear(&mut self) {
        *self = Conns::default();
    }

    /// Requests in the pipeline.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }
}

/// Appends a reply for a connection, joining it to the one before where that is for the same connection.
pub fn reply(out: &mut Vec<Action>, conn: ConnId, answered: usize, encode: impl FnOnce(&mut BytesMut)) {
    if let Some(Action::Reply { conn: last, frames, answered: count }) = out.last_mut()
        && *last == conn
    {
        encode(frames);
        *count += answered;
        return;
    }
    let mut frames = BytesMut::with_capacity(128);
    encode(&mut frames);
    out.push(Action::Reply { conn, frames, answered });
}
