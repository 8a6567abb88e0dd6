//! Links of the quorum port: FIFO both ways, cut at any packet with nothing delivered after the cut. Votes travel alone and
//! are not modelled here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::quorum::{LearnerInfo, PROTOCOL_VERSION, PacketType, QuorumPacket};
use wire::{Millis, ServerId, Zxid};
use zab::LinkId;

use super::disk::Entry;
use super::rng::Rng;

/// What arrives at one end of a link.
pub enum Payload {
    Up,
    Packet(QuorumPacket),
    Snapshot(Zxid, Vec<Entry>),
    Gone(String),
}

impl Payload {
    /// Makes a learner introduce itself as Apache's do.
    pub fn pose_as_apache(&mut self) {
        let Payload::Packet(packet) = self else { return };
        if matches!(packet.kind, PacketType::FollowerInfo | PacketType::ObserverInfo) {
            let info = LearnerInfo::decode(packet.data.as_ref().unwrap()).unwrap();
            packet.data = Some(LearnerInfo { protocol_version: PROTOCOL_VERSION, ..info }.to_bytes());
        }
    }
}

/// One end; index 0 is the side that dialled.
pub struct End {
    pub sid: ServerId,
    pub link: LinkId,
    pub open: bool,
    pub inbound: VecDeque<Payload>,
    pub ready_at: Millis,
    /// Arrivals that a partition held up.
    pub held: usize,
}

pub struct Connection {
    pub ends: [End; 2],
    pub stalled: bool,
}

#[derive(Default)]
pub struct Network {
    pub connections: BTreeMap<u64, Connection>,
    /// Where a server's link is plugged in.
    pub sockets: BTreeMap<(ServerId, LinkId), (u64, usize)>,
    /// Votes from the first to the second are lost.
    pub votes_cut: BTreeSet<(ServerId, ServerId)>,
    /// Pairs (smaller id first) between which no link can carry anything.
    pub links_cut: BTreeSet<(ServerId, ServerId)>,
    made: u64,
}

pub fn pair(a: ServerId, b: ServerId) -> (ServerId, ServerId) {
    (a.min(b), a.max(b))
}

impl Network {
    pub fn connect(&mut self, now: Millis, dialler: (ServerId, LinkId), acceptor: ServerId) -> (u64, LinkId) {
        self.made += 1;
        let accepted = LinkId(self.made);
        let end = |sid, link| End { sid, link, open: true, inbound: VecDeque::new(), ready_at: now, held: 0 };
        let ends = [end(dialler.0, dialler.1), end(acceptor, accepted)];
        self.sockets.insert(dialler, (self.made, 0));
        self.sockets.insert((acceptor, accepted), (self.made, 1));
        self.connections.insert(self.made, Connection { ends, stalled: false });
        (self.made, accepted)
    }

    pub fn can_reach(&self, a: ServerId, b: ServerId) -> bool {
        !self.links_cut.contains(&pair(a, b))
    }

    /// Closes an end from within: nothing arrives there any more.
    pub fn unplug(&mut self, id: u64, end: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let this = &mut connection.ends[end];
        this.open = false;
        this.inbound.clear();
        self.sockets.remove(&(this.sid, this.link));
        if connection.ends.iter().all(|end| !end.open) {
            self.connections.remove(&id);
        }
    }

    /// Drops what is under way to an end, from a random packet on.
    pub fn lose_tail(&mut self, id: u64, end: usize, rng: &mut Rng) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let inbound = &mut connection.ends[end].inbound;
            // The dialler is always told first that the link stood.
            let keep = usize::from(matches!(inbound.front(), Some(Payload::Up)));
            let length = rng.below(inbound.len() + 1).max(keep);
            inbound.truncate(length);
        }
    }

    pub fn between(&self, test: impl Fn(ServerId, ServerId) -> bool) -> Vec<u64> {
        let of = |connection: &Connection| test(connection.ends[0].sid, connection.ends[1].sid);
        self.connections.iter().filter(|(_, connection)| of(connection)).map(|(&id, _)| id).collect()
    }
}
