//! Between learner and leader: forwarded requests, SYNC, pings and revalidation (`Learner.request`,
//! `LearnerHandler.run`).

use crate::conns::Pending;
use crate::io::{Action, CloseReason, Now};
use crate::pipeline::Submission;
use crate::relay::SyncAsker;
use crate::replica::{Engine, Replica};
use crate::tracker::Owner;
use bytes::Bytes;
use planted::Bug;
use wire::client::OpCode;
use wire::quorum::{ForwardedRequest, PacketType, QuorumPacket, decode_touched, encode_touched};
use wire::{DecodeError, ErrorCode, Id, Reader, SessionId, Writer, Xid, Zxid};
use zab::LinkId;

impl Replica {
    /// The link to the leader, where this server learns.
    pub(crate) fn leader_link(&self) -> Option<LinkId> {
        match &self.engine {
            Engine::Standalone(_) => None,
            Engine::Ensemble(peer) => peer.leader_link(),
        }
    }

    /// Sends a client's write or sync to the leader.
    pub(crate) fn forward(
        &mut self,
        session: SessionId,
        cxid: Xid,
        opcode: OpCode,
        body: Bytes,
        identities: Vec<Id>,
        out: &mut Vec<Action>,
    ) {
        let Some(link) = self.leader_link() else { return };
        let request = ForwardedRequest { session, cxid: cxid.0, opcode: opcode as i32, body };
        let mut packet = QuorumPacket::with_data(PacketType::Request, Zxid::NONE, request.to_bytes());
        packet.identities = Some(identities);
        out.push(Action::Send { link, packet });
    }

    /// Who is at the other end of a link, for log lines: the number of a server.
    pub(crate) fn sid_of(&self, link: LinkId) -> Option<i64> {
        match &self.engine {
            Engine::Ensemble(peer) => Some(peer.sid_of(link)?.0),
            Engine::Standalone(_) => None,
        }
    }

    /// A packet that is not the broadcast protocol's own business.
    pub(crate) fn on_delivered(&mut self, now: Now, link: LinkId, packet: QuorumPacket, out: &mut Vec<Action>) {
        let leader = self.leader_link();
        let is_leader = leader.is_none();
        let outcome = match (packet.kind, is_leader) {
            _ if leader.is_some_and(|leader| leader != link) => self.on_observer_packet(link, packet, out),
            (PacketType::Request, true) => self.on_forwarded(now, link, packet, out),
            (PacketType::Ping, true) => self.on_ping_reply(now, &packet),
            (PacketType::Revalidate, true) => self.on_revalidate_request(now, link, &packet, out),
            (PacketType::Ping, false) => {
                self.on_ping(link, packet.zxid, out);
                Ok(())
            }
            (PacketType::Revalidate, false) => self.on_revalidate_answer(&packet, out),
            (PacketType::Sync, false) => {
                self.on_synced(out);
                Ok(())
            }
            (kind, _) => Err(DecodeError::Unknown { field: "packet type in this role", value: kind as i64 }),
        };
        if let Err(error) = outcome {
            tracing::warn!(peer = self.sid_of(link), %error, "closing a link after an unreadable packet");
            out.push(Action::CloseLink(link));
        }
    }

    // --- leader --------------------------------------------------------------------------------------------------

    fn on_forwarded(
        &mut self,
        now: Now,
        link: LinkId,
        packet: QuorumPacket,
        out: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        if self.tracker().is_none() {
            return Ok(()); // Not established yet; a learner only forwards behind UPTODATE.
        }
        let data = packet.data.ok_or(DecodeError::Null { field: "request" })?;
        let ForwardedRequest { session, cxid, opcode, body } = ForwardedRequest::decode(&data)?;
        let identities = packet.identities.unwrap_or_default();
        let cxid = Xid(cxid);
        self.status.counters.forwarded_requests += 1;
        match OpCode::from_i32(opcode) {
            Some(OpCode::Sync) => {
                if let Engine::Ensemble(peer) = &mut self.engine {
                    let mut actions = Vec::new();
                    peer.sync(link, &mut actions);
                    self.perform(now, actions, out);
                }
            }
            Some(opcode) if opcode.is_write() => {
                let owner = Some(Owner::Learner(link));
                let submission = Submission { session, cxid, opcode, body: &body, identities: &identities, owner };
                self.propose(now, submission, out);
            }
            _ => self.propose_error(now, session, cxid, ErrorCode::Unimplemented, out),
        }
        Ok(())
    }

    fn on_ping_reply(&mut self, now: Now, packet: &QuorumPacket) -> Result<(), DecodeError> {
        let touched = decode_touched(packet.data.as_deref().unwrap_or_default())?;
        if let Some(tracker) = &mut self.tracker {
            for (session, timeout_ms) in touched {
                tracker.touch(now.mono, session, Some(timeout_ms));
            }
        }
        Ok(())
    }

    fn on_revalidate_request(
        &mut self,
        now: Now,
        link: LinkId,
        packet: &QuorumPacket,
        out: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        let mut input = Reader::new(packet.data.as_deref().unwrap_or_default());
        let (session, timeout_ms) = (SessionId(input.i64()?), input.i32()?);
        let Some(tracker) = &mut self.tracker else { return Ok(()) };
        let is_valid = tracker.touch(now.mono, session, Some(timeout_ms));
        self.status.counters.revalidations_for_learners += 1;
        if is_valid {
            tracker.set_owner(session, Owner::Learner(link));
            // Whoever used the session through this server is an older incarnation of the same client.
            self.conns.close_session_conn(session, CloseReason::SessionMoved, out);
        }
        let mut data = Vec::with_capacity(9);
        data.i64(session.0);
        data.bool(is_valid);
        let answer = QuorumPacket {
            kind: PacketType::Revalidate,
            zxid: packet.zxid,
            data: Some(Bytes::from(data)),
            identities: packet.identities.clone(),
        };
        out.push(Action::Send { link, packet: answer });
        Ok(())
    }

    // --- learner -------------------------------------------------------------------------------------------------

    /// The leader's heartbeat takes the sessions that were touched since the last one back with it. The data are never null:
    /// a Java leader dereferences them.
    fn on_ping(&mut self, link: LinkId, zxid: Zxid, out: &mut Vec<Action>) {
        let mut touched: Vec<(SessionId, i32)> = std::mem::take(&mut self.touched).into_iter().collect();
        if planted::is(Bug::TouchesDropped) {
            touched.clear();
        }
        let packet = QuorumPacket::with_data(PacketType::Ping, zxid, encode_touched(&touched));
        out.push(Action::Send { link, packet });
    }

    fn on_revalidate_answer(&mut self, packet: &QuorumPacket, out: &mut Vec<Action>) -> Result<(), DecodeError> {
        let mut input = Reader::new(packet.data.as_deref().unwrap_or_default());
        let (session, is_valid) = (SessionId(input.i64()?), input.bool()?);
        if !self.relay_revalidated(session, is_valid, packet, out) {
            self.on_revalidated(session, is_valid, out);
        }
        Ok(())
    }

    /// Everything the leader had proposed when it handled our oldest sync has been applied here.
    fn on_synced(&mut self, out: &mut Vec<Action>) {
        let conn = match self.syncs.pop_front() {
            Some(SyncAsker::Client(conn)) => conn,
            Some(SyncAsker::Observer(link)) => return Replica::relay_synced(link, out),
            None => return,
        };
        if let Some(state) = self.conns.get_mut(conn) {
            let waiting = state.pending.iter_mut().find_map(|pending| match pending {
                Pending::Sync { done, .. } if !*done => Some(done),
                _ => None,
            });
            if let Some(done) = waiting {
                *done = true;
            }
        }
        let shared = self.tree.clone();
        let tree = shared.read();
        self.answer_ready(&tree, conn, out);
    }
}
