//! What the peers ask for is done here: disks write and answer, links carry, the state machine applies.

use bytes::Bytes;
use wire::quorum::{PacketType, QuorumPacket};
use wire::{Epoch, Millis, ServerId, Zxid};
use zab::election::ElectionAction;
use zab::{Action, EstablishedRole, HandOverEnd, LinkId, Peer, Proposal};

use super::disk::{Done, Entry, Lane, Work};
use super::invariants::{self, Violation};
use super::network::Payload;
use super::render;
use super::world::{Bug, Event, Port, World};

impl World {
    // --- disks ---------------------------------------------------------------------------------------------------

    fn write(&mut self, sid: ServerId, work: Work) {
        let early = match (self.bug, &work) {
            (Some(Bug::SyncedTooEarly), Work::Append(entry)) => Some(Done::Synced(entry.zxid)),
            (Some(Bug::EpochsTooEarly), Work::SaveEpochs(epochs)) => Some(Done::EpochsSaved(*epochs)),
            (Some(Bug::ForgetsSnapshot), Work::SaveSnapshot(..)) => Some(Done::SnapshotSaved),
            _ => None,
        };
        let forgets = self.bug == Some(Bug::ForgetsSnapshot) && early.is_some();
        if let Some(done) = early {
            let life = self.server(sid).life;
            self.schedule(0, Event::TooEarly { sid, life, done });
        }
        if !forgets {
            let lane = self.server(sid).disk.submit(work);
            self.begin_writes(sid, lane);
        }
    }

    pub(super) fn begin_writes(&mut self, sid: ServerId, lane: Lane) {
        let server = self.servers.get_mut(&sid).expect("a member of the ensemble");
        if server.disk.begin(lane) {
            let delay = self.rng.range(server.disk.latency_ms);
            let life = server.life;
            self.schedule(delay, Event::Disk { sid, life, lane });
        }
    }

    /// The given lanes of a disk stand still; the others go on.
    pub fn stall_disk(&mut self, sid: ServerId, stalled: &[Lane]) {
        self.counts.stalls += u64::from(!stalled.is_empty());
        self.server(sid).disk.stalled = stalled.to_vec();
        for lane in [Lane::Log, Lane::Files] {
            self.begin_writes(sid, lane);
        }
    }

    /// A write is durable: the peer learns of it, unless a planted bug has told it before.
    pub(super) fn answer(&mut self, sid: ServerId, done: Done) {
        self.say(|| match &done {
            Done::Synced(upto) => format!("{sid}: log synced up to {upto}"),
            Done::Truncated(to) => format!("{sid}: log cut behind {to}"),
            Done::EpochsSaved(epochs) => format!("{sid}: epochs saved, {}", render::epochs(*epochs)),
            Done::SnapshotSaved => format!("{sid}: snapshot saved"),
        });
        let epochs = self.server(sid).disk.epochs;
        let check = self.ledger.epochs(sid, epochs);
        self.judge(check);
        let told = matches!(
            (self.bug, &done),
            (Some(Bug::SyncedTooEarly), Done::Synced(_)) | (Some(Bug::EpochsTooEarly), Done::EpochsSaved(_))
        );
        if !told {
            self.tell(sid, done);
        }
    }

    pub(super) fn tell(&mut self, sid: ServerId, done: Done) {
        if let Done::Truncated(to) = done {
            return self.reload(sid, to);
        }
        self.with_peer(sid, |peer, now, out| match done {
            Done::Synced(upto) => peer.on_log_synced(now, upto, out),
            Done::EpochsSaved(epochs) => peer.on_epochs_saved(now, epochs, out),
            Done::SnapshotSaved => peer.on_snapshot_saved(now, out),
            Done::Truncated(_) => unreachable!("handled above"),
        });
    }

    fn reload(&mut self, sid: ServerId, to: Zxid) {
        let claims_cut = self.bug == Some(Bug::KeepsTruncated);
        let server = self.server(sid);
        let list = server.disk.list.clone();
        let shown = server.applied[..server.shown].to_vec();
        server.applied = list;
        server.applied_upto = server.disk.last;
        let last = if claims_cut { to } else { server.disk.last };
        let history = server.disk.history(Zxid::ZERO);
        let check = invariants::kept(sid, &shown, &server.applied);
        self.judge(check);
        self.with_peer(sid, |peer, now, out| peer.on_truncated(now, last, history, out));
    }

    // --- actions -------------------------------------------------------------------------------------------------

    pub(super) fn with_peer(&mut self, sid: ServerId, event: impl FnOnce(&mut Peer, Millis, &mut Vec<Action>)) {
        let now = self.now;
        let Some(peer) = self.server(sid).peer.as_mut() else { return };
        let mut out = Vec::new();
        event(peer, now, &mut out);
        for action in out {
            self.perform(sid, action);
        }
    }

    fn perform(&mut self, sid: ServerId, action: Action) {
        match action {
            Action::Election(ElectionAction::Send(to, vote)) => self.cast(sid, to, &vote),
            Action::Election(_) | Action::Looking | Action::Elected => {}
            Action::Listen => self.server(sid).listening = Some(Port::Quorum),
            Action::ListenForObservers => self.server(sid).listening = Some(Port::Observers),
            Action::StopListening => self.server(sid).listening = None,
            Action::Dial(link, to) => {
                self.say(|| format!("{sid}: dials {to}"));
                self.begin_dial(sid, link, (to, Port::Quorum));
            }
            Action::DialMaster(link, to) => {
                self.say(|| format!("{sid}: dials {to}, a master of observers"));
                self.begin_dial(sid, link, (to, Port::Observers));
            }
            Action::Send(link, packet) => self.send(sid, link, Payload::Packet(packet)),
            Action::SendSnapshot(link, zxid) => self.send_snapshot(sid, link, zxid),
            Action::Close(link, reason) => {
                if let Some(&(id, end)) = self.network.sockets.get(&(sid, link)) {
                    let to = self.network.connections[&id].ends[1 - end].sid;
                    self.say(|| format!("{sid}: closes its link to {to}: {reason}"));
                    self.close(id, end, reason);
                }
            }
            Action::Append(proposal) => {
                self.say(|| format!("{sid}: Append {}", render::proposal(&proposal)));
                self.write(sid, Work::Append(Entry::of(&proposal)));
            }
            Action::SaveEpochs(epochs) => {
                self.say(|| format!("{sid}: SaveEpochs {}", render::epochs(epochs)));
                self.write(sid, Work::SaveEpochs(epochs));
            }
            Action::Truncate(to) => {
                self.say(|| format!("{sid}: Truncate behind {to}"));
                self.write(sid, Work::Truncate(to));
            }
            // What was proposed is in the log.
            Action::ConfigSeen(_) => {}
            Action::ConfigActivated(membership) => {
                self.say(|| format!("{sid}: configuration {:x} is in force", membership.version));
                self.server(sid).config = membership;
            }
            Action::InstallSnapshot => self.install_snapshot(sid),
            Action::SaveSnapshot => {
                let server = self.server(sid);
                let (zxid, list) = (server.applied_upto, server.applied.clone());
                self.say(|| format!("{sid}: SaveSnapshot {zxid}"));
                self.write(sid, Work::SaveSnapshot(zxid, list));
            }
            Action::Commit(proposal) => self.commit(sid, &proposal),
            Action::Established(role, epoch) => self.established(sid, role, epoch),
            Action::HandOverEnded { to, end } => {
                self.say(|| format!("{sid}: hand-over to {to}: {end:?}"));
                match end {
                    HandOverEnd::Accepted => self.counts.handed_over += 1,
                    HandOverEnd::GivenUp(_) => self.counts.given_up += 1,
                    HandOverEnd::Undecided(_) => self.counts.undecided += 1,
                }
                if let (Some(offer), HandOverEnd::GivenUp(_)) = (self.server(sid).offer.take(), end) {
                    self.ledger.withdrawn(offer);
                }
            }
            Action::Left(reason) => {
                self.counts.abandoned += 1;
                self.say(|| format!("{sid}: left: {reason}"));
                let server = self.server(sid);
                (server.serving, server.received) = (None, None);
            }
            Action::Deliver(link, packet) => self.request(sid, link, &packet),
        }
    }

    fn begin_dial(&mut self, from: ServerId, link: LinkId, (to, port): (ServerId, Port)) {
        let life = self.server(from).life;
        let delay = self.rng.range(self.weather.link_ms);
        self.schedule(delay, Event::Dial { from, life, link, to, port, tries: 1 });
    }

    /// What the server around a learner does with a ping: it answers at once, with an empty and not a null list.
    fn request(&mut self, sid: ServerId, link: LinkId, packet: &QuorumPacket) {
        let learns = self.server(sid).peer.as_ref().is_some_and(|peer| peer.leader_link() == Some(link));
        if packet.kind == PacketType::Ping && learns {
            let reply = QuorumPacket::with_data(PacketType::Ping, packet.zxid, Bytes::new());
            self.send(sid, link, Payload::Packet(reply));
        } else if packet.kind == PacketType::Sync {
            self.say(|| format!("{sid}: sync is complete"));
        }
    }

    fn send_snapshot(&mut self, sid: ServerId, link: LinkId, zxid: Zxid) {
        let server = self.server(sid);
        let list = server.applied.clone();
        let last = list.last().map_or(Zxid::ZERO, |entry| entry.zxid);
        if last != zxid && !zxid.is_epoch_start() || last > zxid {
            let text = format!("server {sid} sends a snapshot called {zxid} that ends at {last}");
            self.judge(Err(Violation { invariant: "snapshot_zxid", text }));
        }
        self.send(sid, link, Payload::Snapshot(zxid, list));
    }

    fn install_snapshot(&mut self, sid: ServerId) {
        let server = self.server(sid);
        let (zxid, list) = server.received.take().expect("a snapshot is installed that was received");
        let check = invariants::kept(sid, &server.applied[..server.shown], &list);
        (server.applied, server.applied_upto) = (list, zxid);
        self.judge(check);
        self.say(|| format!("{sid}: InstallSnapshot {zxid}"));
    }

    fn commit(&mut self, sid: ServerId, proposal: &Proposal) {
        let entry = Entry::of(proposal);
        self.say(|| format!("{sid}: Commit {}", render::proposal(proposal)));
        if self.bug == Some(Bug::LosesCommits) && self.rng.chance(1) {
            return;
        }
        let server = self.servers.get_mut(&sid).expect("a member of the ensemble");
        server.applied.push(entry);
        server.applied_upto = entry.zxid;
        let check = match server.serving {
            Some((role, _)) => {
                self.counts.commits += 1;
                server.shown = server.applied.len();
                self.ledger.delivered(sid, role == EstablishedRole::Leader, &server.applied)
            }
            None => invariants::total_order(sid, &server.applied[server.applied.len().saturating_sub(2)..]),
        };
        self.judge(check);
    }

    fn established(&mut self, sid: ServerId, role: EstablishedRole, epoch: Epoch) {
        self.say(|| format!("{sid}: Established {role:?} of epoch {epoch}"));
        let server = self.servers.get_mut(&sid).expect("a member of the ensemble");
        let before = server.serving.replace((role, epoch));
        if let Some((role_before, epoch_before)) = before {
            assert!(role_before == role && epoch_before < epoch, "server {sid} was {before:?}, is {role:?} of {epoch}");
            match role {
                EstablishedRole::Leader => self.counts.rolled_over += 1,
                EstablishedRole::Follower | EstablishedRole::Observer => self.counts.taken_along += 1,
            }
        }
        server.shown = server.applied.len();
        let check = self.ledger.established(sid, role, epoch, &server.applied);
        let last = server.applied.last().copied();
        self.judge(check);
        if role == EstablishedRole::Leader {
            self.counts.established += 1;
            let check = self.ledger.history_before_epoch(&self.in_force(), &self.disks(), epoch, last);
            self.judge(check);
        }
    }
}
