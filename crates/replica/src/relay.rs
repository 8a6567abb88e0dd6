//! A follower between its observers and the leader (`ObserverMaster`, `FollowerZooKeeperServer.processObserverRequest`): what
//! observers ask of the leader is passed on as it came, and the answers find their way back.
//!
//! The leader answers on one link in the order in which it was asked, and tells neither for whom an answer is. So the asker of
//! each SYNC is kept in one queue, this server's own clients and observers alike; an answer about a session goes to the observer
//! that has waited for it longest, if it is about the same session, else to a client of this server.

use crate::io::{Action, CloseReason};
use crate::replica::Replica;
use std::collections::{HashMap, VecDeque};
use tree::ConnId;
use wire::client::OpCode;
use wire::quorum::{ForwardedRequest, PacketType, QuorumPacket, decode_touched};
use wire::{DecodeError, Reader, SessionId, Zxid};
use zab::LinkId;

/// Who waits for the leader's SYNC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncAsker {
    /// A client of this server.
    Client(ConnId),
    /// A client of the observer behind this link.
    Observer(LinkId),
}

/// What a follower remembers of its observers.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// Sessions that the leader was asked about for observers, oldest first.
    revalidations: VecDeque<(SessionId, LinkId)>,
    /// Through which observer a session is used; `None` = through none any more. The leader sees one link for all of them and
    /// for this server, so it is for this server to refuse what comes late from an observer that the client has left.
    owners: HashMap<SessionId, Option<LinkId>>,
}

impl Relay {
    /// An observer is gone.
    pub fn link_gone(&mut self, link: LinkId) {
        // The leader's answers still come, and are for nobody then: the queue must keep its length.
        for owner in self.owners.values_mut() {
            owner.take_if(|owner| *owner == link);
        }
    }

    /// A client has come to this server itself with a session. An observer gets it back by asking the leader about it, as a
    /// client makes it do that comes back.
    pub fn take(&mut self, session: SessionId) {
        self.owners.insert(session, None);
    }

    /// A session has ended.
    pub fn forget(&mut self, session: SessionId) {
        self.owners.remove(&session);
    }
}

impl Replica {
    /// A packet from an observer that hangs on this server.
    pub(crate) fn on_observer_packet(
        &mut self,
        link: LinkId,
        packet: QuorumPacket,
        out: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        match packet.kind {
            PacketType::Request => self.relay_request(link, packet, out),
            PacketType::Revalidate => self.relay_revalidation(link, packet, out),
            PacketType::Ping => {
                // They travel on with this server's own.
                self.touched.extend(decode_touched(packet.data.as_deref().unwrap_or_default())?);
                Ok(())
            }
            kind => Err(DecodeError::Unknown { field: "packet type from an observer", value: kind as i64 }),
        }
    }

    fn relay_request(&mut self, link: LinkId, packet: QuorumPacket, out: &mut Vec<Action>) -> Result<(), DecodeError> {
        let data = packet.data.clone().ok_or(DecodeError::Null { field: "request" })?;
        let ForwardedRequest { session, opcode, .. } = ForwardedRequest::decode(&data)?;
        let Some(leader) = self.leader_link() else { return Ok(()) };
        let is_sync = opcode == OpCode::Sync as i32;
        // A sync changes nothing, and its asker waits for an answer.
        if !is_sync && !self.may_act(session, opcode, link) {
            tracing::debug!(%session, peer = self.sid_of(link), "dropped a request of a client that has left this observer");
            return Ok(());
        }
        if is_sync {
            self.syncs.push_back(SyncAsker::Observer(link));
        }
        out.push(Action::Send { link: leader, packet });
        Ok(())
    }

    /// Whether the observer may act for the session. One that nobody acts for is adopted.
    fn may_act(&mut self, session: SessionId, opcode: i32, link: LinkId) -> bool {
        if self.conns.of_session(session).is_some() {
            return false;
        }
        if let Some(owner) = self.relay.owners.get(&session) {
            return *owner == Some(link);
        }
        // Of those that are no more there would be no end.
        if opcode == OpCode::CreateSession as i32 || self.tree.read().has_session(session) {
            self.relay.owners.insert(session, Some(link));
        }
        true
    }

    fn relay_revalidation(
        &mut self,
        link: LinkId,
        packet: QuorumPacket,
        out: &mut Vec<Action>,
    ) -> Result<(), DecodeError> {
        let session = SessionId(Reader::new(packet.data.as_deref().unwrap_or_default()).i64()?);
        let Some(leader) = self.leader_link() else { return Ok(()) };
        // From now on, not from the answer on: to the leader all that this server sends behind the question is of the session's
        // new place, and between the old one and this the client may have been elsewhere.
        self.relay.owners.insert(session, Some(link));
        self.conns.close_session_conn(session, CloseReason::SessionMoved, out);
        self.relay.revalidations.push_back((session, link));
        out.push(Action::Send { link: leader, packet });
        Ok(())
    }

    /// The leader has answered about a session. Answers whether that was for an observer.
    pub(crate) fn relay_revalidated(
        &mut self,
        session: SessionId,
        is_valid: bool,
        packet: &QuorumPacket,
        out: &mut Vec<Action>,
    ) -> bool {
        let asked = self.relay.revalidations.pop_front_if(|(asked, _)| *asked == session);
        let Some((_, link)) = asked else { return false };
        if !is_valid {
            self.relay.forget(session);
        }
        out.push(Action::Send { link, packet: packet.clone() });
        true
    }

    /// The leader's SYNC is for the observer: it goes behind all that was committed before.
    pub(crate) fn relay_synced(link: LinkId, out: &mut Vec<Action>) {
        out.push(Action::Send { link, packet: QuorumPacket::bare(PacketType::Sync, Zxid::ZERO) });
    }
}
