//! Sessions that only this server knows (`localSessionsEnabled`; `LocalSessionTracker`, `UpgradeableSessionTracker`).
//!
//! ```text
//!            creates an ephemeral                createSession applied
//! local ──────────────────────────> upgrading ────────────────────────> known to all
//! ```
//!
//! A local session is in no log and in nobody's tree: beginning and ending it costs the ensemble nothing. The price is that it
//! ends with the server's role and cannot move to another server. It owns no ephemerals: before it creates one it is made known
//! to all by a createSession of its own, where that is allowed (`localSessionsUpgradingEnabled`); else the ephemeral is refused.
//! Its other writes go the way of all writes. The leader lets them pass, although it cannot know the session, and so it cannot
//! tell it from one that has expired meanwhile: where sessions are local, that is for the session's own server to notice.
//!
//! In read-only mode every session is local: there is nobody else to know it.

use crate::conns::{Conn, Handshake, Pending, reply};
use crate::io::{Action, CloseReason, Now, ServingRole};
use crate::pipeline::Submission;
use crate::replica::Replica;
use crate::settings::LocalSessions;
use crate::tracker::{Owner, SessionTracker};
use bytes::Bytes;
use std::collections::BTreeSet;
use tree::{ConnId, Tree};
use wire::client::{CreateMode, CreateRequest, MultiOp, OpCode, ReplyHeader};
use wire::{ErrorCode, Millis, Reader, SessionId, Writer, Xid};

/// The local sessions of a server that serves.
#[derive(Debug)]
pub(crate) struct LocalTracker {
    sessions: SessionTracker,
    /// Not local any more; their createSession is under way.
    upgrading: BTreeSet<SessionId>,
}

impl LocalTracker {
    /// None yet.
    pub(crate) fn new(now: Millis, tick_ms: i64) -> LocalTracker {
        LocalTracker { sessions: SessionTracker::new(now, tick_ms, []), upgrading: BTreeSet::new() }
    }

    /// Those that are local, with their expiry.
    pub(crate) fn sessions(&self) -> &SessionTracker {
        &self.sessions
    }

    /// As [`sessions`](Self::sessions), to change them.
    pub(crate) fn sessions_mut(&mut self) -> &mut SessionTracker {
        &mut self.sessions
    }

    /// Whether the session is on its way to be known to all.
    pub(crate) fn is_upgrading(&self, session: SessionId) -> bool {
        self.upgrading.contains(&session)
    }

    /// All servers know the session, or it is over.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.sessions.remove(session);
        self.upgrading.remove(&session);
    }
}

impl Replica {
    /// The sessions to begin with in a role.
    pub(crate) fn new_local_sessions(&self, now: Now, role: ServingRole) -> Option<LocalTracker> {
        let keeps_some = match role {
            ServingRole::Standalone => false,
            ServingRole::ReadOnly => true,
            ServingRole::Leader | ServingRole::Follower | ServingRole::Observer => {
                self.settings.local_sessions != LocalSessions::Never
            }
        };
        keeps_some.then(|| LocalTracker::new(now.mono, self.settings.tick_ms))
    }

    /// Whether only this server knows the session.
    pub(crate) fn is_local(&self, session: SessionId) -> bool {
        self.local.as_ref().is_some_and(|local| local.sessions.contains(session))
    }

    /// A session begins that only this server knows: there is nobody to agree with.
    pub(crate) fn create_local_session(&mut self, now: Now, conn: ConnId, state: Conn, out: &mut Vec<Action>) {
        let Some(local) = &mut self.local else { return };
        local.sessions.add(now.mono, state.session, state.timeout_ms, Some(Owner::Local));
        self.conns.add(conn, Conn { handshake: Handshake::Done, ..state }, out);
        self.welcome(conn, out);
    }

    /// A local session creates an ephemeral: it is made known to all first. Answers what the client is to be told if that is not
    /// allowed (`QuorumZooKeeperServer.checkUpgradeSession`); the leader's word on the request is another one then.
    pub(crate) fn upgrade_for(
        &mut self,
        now: Now,
        session: SessionId,
        opcode: OpCode,
        body: &[u8],
        out: &mut Vec<Action>,
    ) -> Option<ErrorCode> {
        let is_upgraded = self.settings.local_sessions == LocalSessions::UntilEphemeral;
        let local = self.local.as_mut()?;
        let timeout_ms = local.sessions.timeout_ms(session)?;
        if !creates_ephemeral(opcode, body) {
            return None;
        }
        if !is_upgraded {
            return Some(ErrorCode::EphemeralOnLocalSession);
        }
        tracing::info!(%session, "a local session becomes one that all servers know");
        local.sessions.remove(session);
        local.upgrading.insert(session);
        let mut body = Vec::with_capacity(4);
        body.i32(timeout_ms);
        let submission = Submission {
            session,
            cxid: Xid(0),
            opcode: OpCode::CreateSession,
            body: &Bytes::from(body),
            identities: &[],
            owner: Some(Owner::Local),
        };
        self.submit(now, submission, out);
        None
    }

    /// closeSession of a local session: nobody else is asked, but what the session has under way comes first (I7).
    pub(crate) fn close_local_session(
        &mut self,
        (conn, session): (ConnId, SessionId),
        xid: Xid,
        out: &mut Vec<Action>,
    ) {
        if let Some(local) = &mut self.local {
            local.sessions.set_closing(session);
        }
        self.conns.push(conn, Pending::LocalClose { xid });
        let shared = self.tree.clone();
        let tree = shared.read();
        self.answer_ready(&tree, conn, out);
    }

    /// The closeSession of a local session is next.
    pub(crate) fn end_local_session(
        &mut self,
        tree: &Tree,
        (conn, session): (ConnId, SessionId),
        xid: Xid,
        out: &mut Vec<Action>,
    ) {
        let ended = ReplyHeader { xid, zxid: tree.last_zxid(), error: ErrorCode::Ok };
        reply(out, conn, 1, |frame| ended.encode_frame(frame));
        if let Some(local) = &mut self.local {
            local.forget(session);
        }
        self.conns.close(conn, CloseReason::SessionClosed, out);
    }

    pub(crate) fn expire_local_sessions(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(local) = &mut self.local else { return };
        for session in local.sessions.expire(now.mono) {
            tracing::info!(%session, "local session expired");
            local.sessions.remove(session);
            self.status.counters.sessions_expired += 1;
            self.conns.close_session_conn(session, CloseReason::SessionExpired, out);
        }
    }
}

/// Whether a request would leave an ephemeral behind. One that cannot be read leaves nothing.
fn creates_ephemeral(opcode: OpCode, body: &[u8]) -> bool {
    let is_ephemeral =
        |request: &CreateRequest<'_>| CreateMode::from_flags(request.flags).is_some_and(CreateMode::is_ephemeral);
    let mut input = Reader::new(body);
    match opcode {
        OpCode::Create | OpCode::Create2 => {
            CreateRequest::decode(opcode, &mut input).is_ok_and(|request| is_ephemeral(&request))
        }
        OpCode::Multi => MultiOp::decode_all(&mut input, false).is_ok_and(|ops| {
            ops.iter().any(
                |op| matches!(op, MultiOp::Create(OpCode::Create | OpCode::Create2, request) if is_ephemeral(request)),
            )
        }),
        _ => false,
    }
}
