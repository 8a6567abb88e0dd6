//! What the servers around the peers ask of them: proposals, other members, hand-overs, syncs; and scripted learners.

use wire::ServerId;
use wire::quorum::QuorumPacket;
use zab::{LinkId, Peer};

use super::disk::Entry;
use super::network::Payload;
use super::reconfig;
use super::world::{Server, World};

/// The tag of proposals by which an epoch that is used up is handed over.
const LAST_OF_EPOCH: u64 = 1 << 52;

impl World {
    pub fn propose(&mut self, sid: ServerId, tag: u64) {
        if self.server(sid).offer.is_some() {
            return;
        }
        let Some(zxid) = self.server(sid).peer.as_ref().and_then(Peer::next_zxid) else { return };
        let entry = Entry { zxid, tag };
        self.counts.proposals += 1;
        let check = self.ledger.proposed(sid, entry);
        self.judge(check);
        self.with_peer(sid, |peer, now, out| peer.propose(now, entry.proposal(), out));
    }

    /// Allows reconfigurations, among these servers and others that are no members yet.
    pub fn let_change(&mut self, servers: i64) {
        self.reconfig_enabled = true;
        for sid in (1..=servers).map(ServerId) {
            let (config, disk_ms) = (self.membership.clone(), self.weather.disk_ms);
            self.servers.entry(sid).or_insert_with(|| Server::new(config, disk_ms));
        }
    }

    /// Asks a leader for another configuration, and gets it proposed if it may be.
    pub fn reconfigure(&mut self, leader: ServerId, voters: &[ServerId], observers: &[ServerId]) {
        let Some(peer) = self.server(leader).peer.as_ref() else { return };
        let (Some(leading), Some(zxid)) = (peer.leading(), peer.next_zxid()) else { return };
        let tag = reconfig::of(voters, observers);
        let next = reconfig::membership(Entry { zxid, tag }).expect("it is one");
        if !voters.is_empty() && leading.config().proposed().is_none() && leading.is_quorum_synced(&next) {
            self.counts.reconfigs += 1;
            self.propose(leader, tag);
        }
    }

    /// Asks a leader to hand over within so many ms, to the voter that holds most or to a given one. Answers the target.
    pub fn hand_over(&mut self, sid: ServerId, to: Option<ServerId>, tag: u64, ms: i64) -> Result<ServerId, String> {
        let Some(peer) = self.server(sid).peer.as_ref() else { return Err("it is down".to_owned()) };
        let Some(leading) = peer.leading() else { return Err("it does not lead".to_owned()) };
        let to = leading.hand_over_target(to)?;
        let zxid = peer.offer_zxid().expect("a leader that may hand over has a zxid left");
        let entry = Entry { zxid, tag };
        let check = self.ledger.proposed(sid, entry);
        self.judge(check);
        self.server(sid).offer = Some(entry);
        self.with_peer(sid, |peer, now, out| peer.hand_over(now, to, entry.proposal(), now.plus(ms), out));
        Ok(to)
    }

    /// What the server around a peer does: an epoch that is used up and cannot be left in place is left by a hand-over, or else
    /// the leadership ends.
    pub(super) fn hand_over_used_up(&mut self) {
        let has_to = |server: &Server| {
            let leading = server.peer.as_ref().and_then(Peer::leading);
            leading.is_some_and(zab::Leading::has_to_hand_over)
        };
        let leaders: Vec<ServerId> =
            self.servers.iter().filter(|(_, server)| has_to(server)).map(|(&sid, _)| sid).collect();
        for sid in leaders {
            if self.hand_over(sid, None, LAST_OF_EPOCH, self.timing.tick_ms).is_err() {
                self.step_down(sid);
            }
        }
    }

    pub fn step_down(&mut self, sid: ServerId) {
        self.with_peer(sid, |peer, now, out| peer.step_down(now, "asked to".to_owned(), out));
    }

    /// A learner's client asks for a sync; the request itself is not modelled.
    pub fn sync(&mut self, learner: ServerId) {
        let Some((&id, end)) = self.network.connections.iter().find_map(|(id, connection)| {
            (connection.ends[0].sid == learner && connection.ends[0].open).then_some((id, &connection.ends[1]))
        }) else {
            panic!("server {learner} has no leader");
        };
        let _ = id;
        let (leader, link) = (end.sid, end.link);
        self.with_peer(leader, |peer, _, out| peer.sync(link, out));
    }

    /// A scripted learner dials.
    pub fn dial(&mut self, from: ServerId, to: ServerId) {
        let (_, accepted) = self.network.connect(self.now, (from, LinkId(u64::MAX)), to);
        self.with_peer(to, |peer, now, out| peer.on_link_up(now, accepted, out));
    }

    /// Bytes of a snapshot move on a leader's link to a learner.
    pub fn progress(&mut self, leader: ServerId, learner: ServerId) {
        self.with_peer(leader, |peer, now, _| {
            let leading = peer.leading().expect("it leads");
            let is_it = |link: &LinkId| leading.learner_sid(*link) == Some(learner);
            let link = leading.links().find(is_it).expect("the learner has a link");
            peer.on_progress(now, link);
        });
    }

    /// A scripted learner sends.
    pub fn say_packet(&mut self, from: ServerId, packet: QuorumPacket) {
        self.send(from, LinkId(u64::MAX), Payload::Packet(packet));
    }
}
