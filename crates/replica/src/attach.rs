//! Sessions begin and move here: the client's handshake (`ZooKeeperServer.processConnectRequest`).

use crate::conns::{Conn, Handshake, reply};
use crate::io::{Action, CloseReason, Identities, Now};
use crate::pipeline::Submission;
use crate::replica::Replica;
use crate::tracker::Owner;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use tree::ConnId;
use wire::client::{ConnectRequest, ConnectResponse, OpCode, Password};
use wire::quorum::{PacketType, QuorumPacket};
use wire::{SessionId, Writer, Xid, Zxid};

impl Replica {
    pub(crate) fn on_connect(
        &mut self,
        now: Now,
        conn: ConnId,
        request: ConnectRequest,
        identities: Identities,
        out: &mut Vec<Action>,
    ) {
        if self.serving.is_none() {
            out.push(Action::CloseConn { conn, reason: CloseReason::NotServing });
            return;
        }
        if self.is_read_only() && request.read_only != Some(true) {
            out.push(Action::CloseConn { conn, reason: CloseReason::NotReadOnlyClient });
            return;
        }
        if request.last_zxid_seen > self.tree.read().last_zxid() {
            // No response: the client must not take this server's older view for an answer (I8).
            out.push(Action::CloseConn { conn, reason: CloseReason::ClientAhead });
            return;
        }
        let timeout_ms =
            request.timeout.clamp(self.settings.session_timeout_ms_min, self.settings.session_timeout_ms_max);
        let mut state = Conn {
            session: request.session,
            timeout_ms,
            read_only_field: request.read_only.map(|_| self.is_read_only()),
            handshake: Handshake::Creating,
            pending: VecDeque::new(),
        };
        if request.session == SessionId::NONE {
            state.session = SessionId(self.next_session);
            self.next_session += 1;
            if self.local.is_some() {
                self.create_local_session(now, conn, state, out);
            } else {
                self.create_session(now, conn, state, &identities, out);
            }
        } else {
            self.attach(now, conn, state, &request.password, out);
        }
    }

    fn create_session(&mut self, now: Now, conn: ConnId, state: Conn, identities: &Identities, out: &mut Vec<Action>) {
        let session = state.session;
        let mut body = Vec::with_capacity(4);
        body.i32(state.timeout_ms);
        self.conns.add(conn, state, out);
        let submission = Submission {
            session,
            cxid: Xid(0),
            opcode: OpCode::CreateSession,
            body: &Bytes::from(body),
            identities,
            owner: Some(Owner::Local),
        };
        self.submit(now, submission, out);
    }

    fn attach(&mut self, now: Now, conn: ConnId, mut state: Conn, password: &[u8], out: &mut Vec<Action>) {
        let Conn { session, timeout_ms, read_only_field, .. } = state;
        if self.is_read_only() && self.tree.read().has_session(session) {
            // Whether it still lives cannot be told here, and the ephemerals that it may own must not outlive it unseen.
            out.push(Action::CloseConn { conn, reason: CloseReason::GlobalSession });
            return;
        }
        self.conns.close_session_conn(session, CloseReason::SessionMoved, out);
        if !Password::matches(session, password) {
            refuse(conn, read_only_field, out);
            return;
        }
        self.status.counters.revalidations += 1;
        if let Some(local) = &mut self.local {
            let is_here = local.sessions_mut().touch(now.mono, session, Some(timeout_ms));
            if is_here {
                state.handshake = Handshake::Done;
                self.conns.add(conn, state, out);
                self.welcome(conn, out);
                return;
            } else if self.is_read_only() {
                refuse(conn, read_only_field, out);
                return;
            }
        }
        let leader_link = self.leader_link();
        match (&mut self.tracker, leader_link) {
            (Some(tracker), _) => {
                if !tracker.touch(now.mono, session, Some(timeout_ms)) {
                    refuse(conn, read_only_field, out);
                    return;
                }
                tracker.set_owner(session, Owner::Local);
                state.handshake = Handshake::Done;
                self.conns.add(conn, state, out);
                self.welcome(conn, out);
            }
            (None, Some(link)) => {
                state.handshake = Handshake::Revalidating;
                self.conns.add(conn, state, out);
                self.revalidations.insert(session, conn);
                // Before the answer: the client may leave, and still its observer has lost it.
                self.relay.take(session);
                let mut data = Vec::with_capacity(12);
                data.i64(session.0);
                data.i32(timeout_ms);
                let packet = QuorumPacket::with_data(PacketType::Revalidate, Zxid::NONE, Bytes::from(data));
                out.push(Action::Send { link, packet });
            }
            (None, None) => out.push(Action::CloseConn { conn, reason: CloseReason::NotServing }),
        }
    }

    /// createSession was applied: its client, if it is ours, has a session.
    pub(crate) fn on_session_created(&mut self, session: SessionId, out: &mut Vec<Action>) {
        let Some(conn) = self.conns.of_session(session) else { return };
        if let Some(state) = self.conns.get_mut(conn).filter(|state| state.handshake == Handshake::Creating) {
            state.handshake = Handshake::Done;
            self.welcome(conn, out);
        }
    }

    /// The leader has answered whether a session lives.
    pub(crate) fn on_revalidated(&mut self, session: SessionId, is_valid: bool, out: &mut Vec<Action>) {
        let Some(conn) = self.revalidations.remove(&session) else { return };
        let Some(state) = self.conns.get_mut(conn).filter(|state| state.handshake == Handshake::Revalidating) else {
            return;
        };
        state.handshake = Handshake::Done;
        let read_only_field = state.read_only_field;
        if is_valid {
            self.welcome(conn, out);
        } else {
            self.relay.forget(session);
            self.conns.remove(conn);
            refuse(conn, read_only_field, out);
        }
    }

    pub(crate) fn welcome(&mut self, conn: ConnId, out: &mut Vec<Action>) {
        let Some(state) = self.conns.get_mut(conn) else { return };
        let Conn { session, timeout_ms, read_only_field, .. } = *state;
        let response = ConnectResponse {
            timeout: timeout_ms,
            session,
            password: Password::of(session),
            read_only: read_only_field,
        };
        let mut frame = BytesMut::with_capacity(48);
        response.encode_frame(&mut frame);
        out.push(Action::Connected { conn, session, timeout_ms, frame });
    }
}

/// The session has expired, or the password is wrong: say so, then close.
fn refuse(conn: ConnId, read_only_field: Option<bool>, out: &mut Vec<Action>) {
    reply(out, conn, 0, |frame| ConnectResponse::refused(read_only_field).encode_frame(frame));
    out.push(Action::CloseConn { conn, reason: CloseReason::Refused });
}
