//! A request's life, top to bottom: admit, prepare, propose, (the quorum), apply, reply.
//!
//! On the leader and on a standalone server `submit` turns a write into a transaction; on a learner it forwards the write to
//! the leader, and the transaction comes back as a proposal. Either way the reply leaves when the transaction is applied
//! here, matched by session and request number with the first request that its connection waits for.

use crate::conns::{Pending, reply};
use crate::epochs::Deferred;
use crate::io::{Action, CloseReason, Identities, Now, ServingRole};
use crate::local::LocalTracker;
use crate::relay::SyncAsker;
use crate::replica::{Engine, Replica};
use crate::tracker::{Owner, Refusal, SessionTracker};
use bytes::Bytes;
use planted::Bug;
use tree::{ConnId, ReadContext, Tree, TxnResult, WriteRequest, encode_write_reply};
use wire::client::{OpCode, RequestHeader};
use wire::txn::{Txn, TxnEntry, TxnHeader};
use wire::{ErrorCode, Id, Reader, ServerId, SessionId, Writer, Xid, Zxid};
use zab::Proposal;

/// A write on its way to becoming a transaction.
pub(crate) struct Submission<'a> {
    pub session: SessionId,
    pub cxid: Xid,
    pub opcode: OpCode,
    pub body: &'a Bytes,
    pub identities: &'a [Id],
    /// Who acts for the session; `None` for the server itself, which needs no session.
    pub owner: Option<Owner>,
}

impl Replica {
    // --- admit ---------------------------------------------------------------------------------------------------

    #[allow(clippy::too_many_arguments)] // The fields of one input.
    pub(crate) fn on_request(
        &mut self,
        now: Now,
        conn: ConnId,
        session: SessionId,
        header: RequestHeader,
        body: Bytes,
        identities: Identities,
        out: &mut Vec<Action>,
    ) {
        let Some(state) = self.conns.get_mut(conn).filter(|state| state.session == session) else { return };
        let timeout_ms = state.timeout_ms;
        let is_idle = state.pending.is_empty();
        let Some(opcode) = OpCode::from_i32(header.opcode).filter(|opcode| opcode.is_legal_from_client()) else {
            self.conns.close(conn, CloseReason::BadRequest, out);
            return;
        };
        if !self.touch(now, session, timeout_ms) {
            // Closing or expired: dropped without an answer, the connection is closed when the session ends
            // (`ZooKeeperServer.submitRequestNow`).
            return;
        }
        if opcode == OpCode::CloseSession && self.is_local(session) {
            self.close_local_session((conn, session), header.xid, out);
        } else if self.is_read_only() {
            self.answer_read_only((conn, session), header, opcode, &body, &identities, out);
        } else if opcode.is_write() {
            let refusal = self.upgrade_for(now, session, opcode, &body, out);
            self.conns.push(conn, Pending::Write { xid: header.xid, opcode, refusal });
            let owner = Some(Owner::Local);
            let submission =
                Submission { session, cxid: header.xid, opcode, body: &body, identities: &identities, owner };
            self.submit(now, submission, out);
        } else if opcode == OpCode::Sync && self.leader_link().is_some() && !planted::is(Bug::SyncAnsweredAtOnce) {
            self.conns.push(conn, Pending::Sync { header, body: body.clone(), done: false });
            self.syncs.push_back(SyncAsker::Client(conn));
            self.forward(session, header.xid, opcode, body, identities.to_vec(), out);
        } else if is_idle || planted::is(Bug::ReadOvertakesWrite) {
            let tree = self.tree.read();
            answer_read(&tree, self.settings.skip_acl, (conn, session), header, opcode, &body, &identities, out);
        } else {
            self.conns.push(conn, Pending::Read { header, opcode, body, identities });
        }
    }

    /// A sign of life of a local session. Answers whether it may still act.
    pub(crate) fn touch(&mut self, now: Now, session: SessionId, timeout_ms: i32) -> bool {
        if let Some(local) = &mut self.local {
            if local.sessions_mut().touch(now.mono, session, Some(timeout_ms)) {
                return true;
            }
            // The leader's own table says the rest; a learner has none.
            if self.tracker.is_none() && !local.is_upgrading(session) && !self.tree.read().has_session(session) {
                return false;
            }
        }
        match &mut self.tracker {
            Some(tracker) => tracker.touch(now.mono, session, Some(timeout_ms)),
            None => {
                self.touched.insert(session, timeout_ms);
                true
            }
        }
    }

    pub(crate) fn on_touched(&mut self, now: Now, sessions: &[SessionId]) {
        for &session in sessions {
            let conn = self.conns.of_session(session).and_then(|conn| self.conns.get_mut(conn));
            if let Some(timeout_ms) = conn.map(|conn| conn.timeout_ms) {
                self.touch(now, session, timeout_ms);
            }
        }
    }

    // --- prepare and propose -------------------------------------------------------------------------------------

    /// Sends a write on its way: as a proposal where this server decides, else to the leader.
    pub(crate) fn submit(&mut self, now: Now, submission: Submission<'_>, out: &mut Vec<Action>) {
        if self.tracker.is_some() {
            self.propose(now, submission, out);
        } else {
            let Submission { session, cxid, opcode, body, identities, .. } = submission;
            self.forward(session, cxid, opcode, body.clone(), identities.to_vec(), out);
        }
    }

    /// Makes a transaction of a write. Exactly one comes of each, an error transaction where the write is refused: a learner
    /// that forwarded it waits for one.
    pub(crate) fn propose(&mut self, now: Now, submission: Submission<'_>, out: &mut Vec<Action>) {
        let Some(zxid) = self.next_zxid() else {
            self.deferred.push_back(Deferred::write(submission));
            return;
        };
        let Submission { session, cxid, opcode, body, identities, owner } = submission;
        let Objections { session: session_error, ephemeral: ephemeral_error } =
            self.admit_session(now, session, opcode, body, owner);
        let header = TxnHeader { session, cxid, zxid, time: now.wall };
        let was_short = self.prep.is_short_of_memory();
        let may_change = opcode == OpCode::Reconfig && self.settings.prep.reconfig_enabled;
        let next_config = if may_change { self.next_config(body, zxid) } else { None };
        let next_config = next_config.as_ref().map(|next| next.as_ref().map_err(|code| *code));
        let entry = {
            let tree = self.tree.read();
            let request =
                WriteRequest { header, opcode, body, identities, session_error, ephemeral_error, next_config };
            self.prep.prepare(&tree, &request)
        };
        self.note_memory(was_short);
        self.propose_entry(now, entry, out);
        self.propose_rest_of_close(now, session, out);
    }

    /// A session with very many ephemerals takes more than one closeSession to list them.
    pub(crate) fn propose_rest_of_close(&mut self, now: Now, session: SessionId, out: &mut Vec<Action>) {
        while self.prep.has_rest() {
            let Some(zxid) = self.next_zxid() else {
                // Before whatever else waits: it belongs to what was proposed last.
                self.deferred.push_front(Deferred::RestOfClose { session });
                return;
            };
            // No request has this number: the first one answers.
            let header = TxnHeader { session, cxid: Xid(0), zxid, time: now.wall };
            let entry = self.prep.prepare_rest(&self.tree.read(), header);
            self.propose_entry(now, entry, out);
        }
    }

    /// Proposes a refusal for a request that cannot even be prepared.
    pub(crate) fn propose_error(
        &mut self,
        now: Now,
        session: SessionId,
        cxid: Xid,
        error: ErrorCode,
        out: &mut Vec<Action>,
    ) {
        let Some(zxid) = self.next_zxid() else {
            self.deferred.push_back(Deferred::Error { session, cxid, error });
            return;
        };
        let header = TxnHeader { session, cxid, zxid, time: now.wall };
        self.propose_entry(now, TxnEntry::new(header, Txn::error(error), None), out);
    }

    fn propose_entry(&mut self, now: Now, entry: TxnEntry, out: &mut Vec<Action>) {
        let bytes = entry.bytes.len() as i64;
        let [last, min, max] = &mut self.status.proposal_bytes;
        *last = bytes;
        *min = if *min < 0 { bytes } else { bytes.min(*min) };
        *max = bytes.max(*max);
        self.status.counters.proposals += 1;
        self.status.counters.proposals_sent += u64::from(matches!(self.engine, Engine::Ensemble(_)));
        let proposal = Proposal { zxid: entry.zxid(), bytes: entry.bytes.clone() };
        self.in_flight.push_back(entry);
        match &mut self.engine {
            Engine::Standalone(standalone) => {
                self.snapshots.appended(proposal.bytes.len());
                standalone.propose(proposal, out);
                if self.snapshots.is_due() {
                    out.push(Action::BackgroundSnapshot);
                }
            }
            Engine::Ensemble(peer) => {
                let mut actions = Vec::new();
                peer.propose(now.mono, proposal, &mut actions);
                self.perform(now, actions, out);
            }
        }
    }

    fn next_zxid(&self) -> Option<Zxid> {
        match &self.engine {
            Engine::Standalone(standalone) => Some(standalone.next_zxid()),
            Engine::Ensemble(peer) => peer.next_zxid(),
        }
    }

    pub(crate) fn step_down(&mut self, now: Now, reason: String, out: &mut Vec<Action>) {
        if let Engine::Ensemble(peer) = &mut self.engine {
            let mut actions = Vec::new();
            peer.step_down(now.mono, reason, &mut actions);
            self.perform(now, actions, out);
        }
    }

    /// Checks and updates the session table for a write (`PrepRequestProcessor`: checkSession, trackSession, setOwner,
    /// setSessionClosing).
    fn admit_session(
        &mut self,
        now: Now,
        session: SessionId,
        opcode: OpCode,
        body: &Bytes,
        owner: Option<Owner>,
    ) -> Objections {
        let Some(tracker) = &mut self.tracker else { return Objections::default() };
        match (opcode, owner) {
            (OpCode::CreateSession, owner) => {
                let timeout_ms = Reader::new(body).i32().unwrap_or(0);
                tracker.add(now.mono, session, timeout_ms, owner);
                Objections::default()
            }
            (OpCode::CloseSession, _) => {
                tracker.set_closing(session);
                Objections::default()
            }
            (_, None) => Objections::default(),
            (_, Some(owner)) => {
                if let Some(local) = self.local.as_ref().filter(|_| !tracker.contains(session)) {
                    return object_to_unknown(local, session, self.settings.me);
                }
                let session = match tracker.check(session, owner) {
                    Ok(()) => None,
                    Err(Refusal::Expired) => Some(ErrorCode::SessionExpired),
                    Err(Refusal::Moved) => Some(ErrorCode::SessionMoved),
                };
                Objections { session, ephemeral: None }
            }
        }
    }

    // --- apply and reply -----------------------------------------------------------------------------------------

    pub(crate) fn on_standalone_synced(&mut self, now: Now, upto: Zxid, out: &mut Vec<Action>) {
        if let Engine::Standalone(standalone) = &mut self.engine {
            let committed = standalone.synced(upto);
            self.apply_all(now, committed, out);
        }
    }

    /// Applies committed transactions in order under one lock, and answers who waits for them, with every read behind a
    /// write answered between that write and the next.
    pub(crate) fn apply_all(&mut self, now: Now, committed: Vec<Proposal>, out: &mut Vec<Action>) {
        if committed.is_empty() {
            return;
        }
        let shared = self.tree.clone();
        let mut tree = shared.write();
        let mut made = Vec::new();
        self.count_commits(committed.len() as u64);
        for proposal in committed {
            let entry = match self.in_flight.pop_front_if(|entry| entry.zxid() == proposal.zxid) {
                Some(entry) => entry,
                None => match TxnEntry::decode(proposal.bytes) {
                    Ok(entry) => entry,
                    Err(error) => {
                        out.push(Action::Halt {
                            code: 1,
                            message: format!("committed transaction {} cannot be read: {error}", proposal.zxid),
                        });
                        return;
                    }
                },
            };
            let result = tree.apply(&entry, &mut self.events);
            self.sink.applied(&entry, &tree);
            self.status.counters.commits += 1;
            if self.tracker.is_some() {
                self.prep.applied(entry.zxid());
            }
            if planted::is(Bug::WatchAfterReply) {
                self.on_applied(now, &tree, &entry, &result, &mut made);
            }
            if !self.events.is_empty() {
                self.hand_over(&mut made, out);
                self.sink.fired(&self.events);
                for event in self.events.iter() {
                    for &receiver in event.receivers {
                        self.sink.deliver(receiver, event.frame);
                    }
                }
                self.events.clear();
            }
            if !planted::is(Bug::WatchAfterReply) {
                self.on_applied(now, &tree, &entry, &result, &mut made);
            }
        }
        self.hand_over(&mut made, out);
    }

    fn count_commits(&mut self, committed: u64) {
        let counters = &mut self.status.counters;
        match self.serving {
            Some(ServingRole::Leader) => counters.commits_sent += committed,
            Some(ServingRole::Follower | ServingRole::Observer) => counters.commits_received += committed,
            _ => {}
        }
    }

    /// Passes on what applying has led to: replies at once, in their place among the events, the rest as actions.
    fn hand_over(&mut self, made: &mut Vec<Action>, out: &mut Vec<Action>) {
        for action in made.drain(..) {
            match action {
                Action::Reply { conn, frames, answered } => self.sink.reply(conn, frames, answered),
                other => out.push(other),
            }
        }
    }

    fn on_applied(&mut self, now: Now, tree: &Tree, entry: &TxnEntry, result: &TxnResult, out: &mut Vec<Action>) {
        let TxnHeader { session, cxid, zxid, .. } = entry.header;
        match &entry.txn {
            Txn::CreateSession { timeout } => {
                if let Some(tracker) = &mut self.tracker {
                    tracker.add(now.mono, session, *timeout, None);
                }
                if let Some(local) = &mut self.local {
                    local.forget(session);
                }
                self.on_session_created(session, out);
            }
            Txn::CloseSession { .. } => {
                self.relay.forget(session);
                if let Some(tracker) = &mut self.tracker {
                    tracker.remove(session);
                }
                self.touched.remove(&session);
                self.on_session_closed(session, cxid, zxid, result, out);
            }
            _ => {
                let Some(conn) = self.conns.of_session(session) else { return };
                let any_xid = planted::is(Bug::ReplyMatchedBySession);
                let is_ours =
                    |pending: &Pending| matches!(pending, Pending::Write { xid, .. } if any_xid || *xid == cxid);
                let Some(Pending::Write { refusal, .. }) = self.conns.pop_if(conn, is_ours) else { return };
                if result.is_session_moved() {
                    self.conns.close(conn, CloseReason::SessionMoved, out);
                    return;
                }
                let refused = refusal.filter(|_| matches!(result, TxnResult::Error(_))).map(TxnResult::error);
                let result = refused.as_ref().unwrap_or(result);
                reply(out, conn, 1, |frame| encode_write_reply(cxid, zxid, result, frame));
                self.answer_ready(tree, conn, out);
            }
        }
    }

    fn on_session_closed(
        &mut self,
        session: SessionId,
        cxid: Xid,
        zxid: Zxid,
        result: &TxnResult,
        out: &mut Vec<Action>,
    ) {
        let Some(conn) = self.conns.of_session(session) else { return };
        let asked = |pending: &Pending| {
            let Pending::Write { xid, opcode, .. } = pending else { return false };
            (*xid, *opcode) == (cxid, OpCode::CloseSession)
        };
        if self.conns.pop_if(conn, asked).is_some() {
            reply(out, conn, 1, |frame| encode_write_reply(cxid, zxid, result, frame));
            self.conns.close(conn, CloseReason::SessionClosed, out);
        } else {
            self.conns.close(conn, CloseReason::SessionExpired, out);
        }
    }

    /// Answers the requests at the front of a connection's queue that wait for nothing any more.
    pub(crate) fn answer_ready(&mut self, tree: &Tree, conn: ConnId, out: &mut Vec<Action>) {
        let Some(session) = self.conns.get_mut(conn).map(|state| state.session) else { return };
        let is_ready = |pending: &Pending| {
            matches!(pending, Pending::Read { .. } | Pending::Sync { done: true, .. } | Pending::LocalClose { .. })
        };
        while let Some(pending) = self.conns.pop_if(conn, is_ready) {
            let skip_acl = self.settings.skip_acl;
            match pending {
                Pending::Read { header, opcode, body, identities } => {
                    answer_read(tree, skip_acl, (conn, session), header, opcode, &body, &identities, out);
                }
                Pending::Sync { header, body, .. } => {
                    answer_read(tree, skip_acl, (conn, session), header, OpCode::Sync, &body, &[], out);
                }
                Pending::LocalClose { xid } => {
                    self.end_local_session(tree, (conn, session), xid, out);
                    return;
                }
                Pending::Write { .. } => unreachable!("a write is never ready before its transaction"),
            }
        }
    }

    // --- what the server itself writes ---------------------------------------------------------------------------

    pub(crate) fn expire_sessions(&mut self, now: Now, out: &mut Vec<Action>) {
        let expired = self.tracker.as_mut().map(|tracker| tracker.expire(now.mono)).unwrap_or_default();
        for session in expired {
            tracing::info!(%session, "session expired");
            self.status.counters.sessions_expired += 1;
            self.close_session(now, session, out);
        }
    }

    /// Ends a session by the server's own decision.
    pub(crate) fn close_session(&mut self, now: Now, session: SessionId, out: &mut Vec<Action>) {
        self.submit_own(now, session, OpCode::CloseSession, Bytes::new(), out);
    }

    pub(crate) fn reap(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.tracker.is_none() {
            return;
        }
        let tree = &self.tree;
        let never_used_ms_max = self.settings.container_never_used_ms_max;
        let paths = self.reaper.release(now.mono, || tree.read().reapable(now.wall, never_used_ms_max));
        for path in paths {
            let mut body = Vec::with_capacity(4 + path.len());
            body.buffer(Some(path.as_bytes()));
            self.submit_own(now, SessionId::NONE, OpCode::DeleteContainer, Bytes::from(body), out);
        }
    }

    fn submit_own(&mut self, now: Now, session: SessionId, opcode: OpCode, body: Bytes, out: &mut Vec<Action>) {
        if self.tracker.is_some() {
            let submission = Submission { session, cxid: Xid(0), opcode, body: &body, identities: &[], owner: None };
            self.propose(now, submission, out);
        }
    }

    /// The tracker, for tests and status.
    pub(crate) fn tracker(&self) -> Option<&SessionTracker> {
        self.tracker.as_ref()
    }
}

/// What the session tables say against a write.
#[derive(Debug, Default, Clone, Copy)]
struct Objections {
    /// In any case.
    session: Option<ErrorCode>,
    /// If it creates an ephemeral.
    ephemeral: Option<ErrorCode>,
}

/// A session that is not known to all may be local: here, or, unless it began here, elsewhere. Such a one may write, but own
/// nothing (`LeaderSessionTracker.checkSession`, `checkGlobalSession`).
fn object_to_unknown(local: &LocalTracker, session: SessionId, me: ServerId) -> Objections {
    if local.sessions().contains(session) {
        return Objections { session: None, ephemeral: Some(ErrorCode::EphemeralOnLocalSession) };
    }
    let expired = Some(ErrorCode::SessionExpired);
    if session.0 >> 56 == me.0 {
        return Objections { session: expired, ephemeral: expired };
    }
    Objections { session: None, ephemeral: expired }
}

#[allow(clippy::too_many_arguments)] // A leaf that joins the parts of a request with the parts of a server.
pub(crate) fn answer_read(
    tree: &Tree,
    skip_acl: bool,
    (conn, session): (ConnId, SessionId),
    header: RequestHeader,
    opcode: OpCode,
    body: &[u8],
    identities: &[Id],
    out: &mut Vec<Action>,
) {
    let context = ReadContext { conn, session, identities, skip_acl };
    reply(out, conn, 1, |frame| {
        tree.read(opcode, header.xid, body, &context, frame);
    });
}
