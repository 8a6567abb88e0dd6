//! The broadcast protocol under hostile peers: whatever they send, no assertion of ours is reached.
//!
//! A piece is one event: a byte that says which, and what belongs to it. The disk answers at once unless it is told to hold,
//! and checks what the real one insists on.

use crate::election::MEMBERS;
use crate::pieces::pieces;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use wire::election::{Notification, ServerState};
use wire::quorum::QuorumPacket;
use wire::{Epoch, Millis, ServerId, Zxid};
use zab::election::{ElectionAction, ElectionSettings, Reach};
use zab::quorum::Membership;
use zab::{Action, Epochs, EstablishedRole, LinkId, ObserverSettings, Peer, PeerSettings, PeerStart, Proposal, Timing};

/// Events looked at in one input.
const EVENTS_MAX: usize = 64;
/// Links that learners have to us.
const LINKS: u8 = 4;
const DATA_BYTES_MAX: usize = 4096;
const START: Zxid = Zxid(0x1_0000_0002);

/// A leader and its learners.
pub fn peer_leading(data: &[u8]) {
    let mut world = World::new(ServerId(3));
    world.elect(ServerId(3));
    assert!(world.peer.leading().is_some(), "elected: {}", world.peer.state_name());
    world.run(data);
}

/// A learner and its leader. The first byte says whether it observes.
pub fn peer_learning(data: &[u8]) {
    let Some((&flags, events)) = data.split_first() else { return };
    let mut world = World::new(ServerId(if flags & 1 == 1 { 4 } else { 1 }));
    world.elect(ServerId(3));
    assert!(world.peer.leader_link().is_some(), "elected: {}", world.peer.state_name());
    world.run(events);
}

enum Job {
    Synced(Zxid),
    EpochsSaved(Epochs),
    SnapshotSaved,
    Truncated,
}

struct World {
    peer: Peer,
    now: Millis,
    out: Vec<Action>,
    log: Vec<Proposal>,
    /// The last zxid handed to the log.
    appended: Zxid,
    /// The zxid of the newest snapshot.
    base: Zxid,
    epochs: Epochs,
    jobs: VecDeque<Job>,
    is_holding: bool,
    /// A snapshot was received and waits for NEWLEADER.
    received: bool,
    installed: bool,
    /// The process would have ended.
    stopped: bool,
}

impl World {
    fn new(me: ServerId) -> World {
        let membership = Membership::parse(&format!("{MEMBERS}version=0")).expect("a fixed text");
        let timing = Timing { tick_ms: 100, init_limit_ticks: 10, sync_limit_ticks: 5 };
        let election = ElectionSettings::default();
        let observers = ObserverSettings::default();
        let settings = PeerSettings {
            me,
            membership,
            reconfig_enabled: true,
            timing,
            election,
            commit_log_count: 8,
            counter_max: Zxid::COUNTER_MAX,
            observers,
        };
        let log: Vec<Proposal> = [START.0 - 1, START.0].map(|zxid| proposal(Zxid(zxid))).to_vec();
        let epochs = Epochs { accepted: Epoch(1), current: Epoch(1) };
        let start = PeerStart { last_zxid: START, epochs, history: log.clone(), ..PeerStart::default() };
        let mut world = World {
            peer: Peer::new(settings, start),
            now: Millis(1000),
            out: Vec::new(),
            log,
            appended: START,
            base: Zxid(START.0 - 2),
            epochs,
            jobs: VecDeque::new(),
            is_holding: false,
            received: false,
            installed: false,
            stopped: false,
        };
        world.peer.on_start(world.now, &mut world.out);
        world.settle();
        world
    }

    /// Two others vote, and the election ends.
    fn elect(&mut self, leader: ServerId) {
        for from in [2, 3, 1] {
            let vote = Notification {
                state: ServerState::Looking,
                leader,
                zxid: START,
                round: 1,
                peer_epoch: Epoch(1),
                version: Notification::VERSION,
                config: None,
            };
            if !matches!(self.peer.state_name(), "looking - election") {
                break;
            }
            self.peer.on_vote(self.now, ServerId(from), vote, &mut self.out);
            self.settle();
        }
        // Where somebody who could vote has not, a wait must pass.
        if matches!(self.peer.state_name(), "looking - election") {
            self.pass(0);
        }
        if let Some(link) = self.peer.leader_link() {
            self.peer.on_link_up(self.now, link, &mut self.out);
            self.settle();
        }
    }

    fn run(&mut self, data: &[u8]) {
        for event in pieces(data).take(EVENTS_MAX) {
            let Some((&kind, rest)) = event.split_first() else { continue };
            let (number, body) = rest.split_first().map_or((0, rest), |(&number, body)| (number, body));
            self.event(kind, number, body);
            self.settle();
            if self.stopped {
                return;
            }
        }
        self.is_holding = false;
        self.settle();
        self.peer.shutdown(&mut self.out);
        self.settle();
    }

    fn link(&self, number: u8) -> LinkId {
        match self.peer.leader_link() {
            Some(link) if number & 0x80 == 0 => link,
            _ => LinkId(u64::from(number % LINKS)),
        }
    }

    fn event(&mut self, kind: u8, number: u8, body: &[u8]) {
        let (now, link) = (self.now, self.link(number));
        let first_word = body.first_chunk::<8>().map_or(0, |word| i64::from_be_bytes(*word));
        match kind % 10 {
            0 => {
                let mut buffer = BytesMut::from(body);
                while let Ok(Some(packet)) = QuorumPacket::parse(&mut buffer, DATA_BYTES_MAX) {
                    self.peer.on_packet(now, link, packet, &mut self.out);
                    self.settle();
                }
            }
            1 => self.peer.on_link_up(now, link, &mut self.out),
            2 => self.peer.on_link_gone(now, link, "gone".to_owned(), &mut self.out),
            3 => self.pass(i64::from(number)),
            4 => {
                if let Ok(Some(vote)) = Notification::decode(body) {
                    self.peer.on_vote(now, ServerId(i64::from(number & 7)), vote, &mut self.out);
                }
            }
            5 => {
                if let Some(zxid) = self.peer.next_zxid() {
                    self.peer.propose(now, proposal(zxid), &mut self.out);
                }
            }
            6 => self.peer.sync(link, &mut self.out),
            7 => {
                let wanted = self.peer.on_snapshot_received(now, link, Zxid(first_word), &mut self.out);
                self.received = self.received || wanted;
            }
            8 => self.is_holding = number & 1 == 1,
            _ => {
                self.peer.on_votes_delivered(number & 1 == 1);
                self.peer.on_progress(now, link);
                if let [sid, alive, ..] = body {
                    let reach = if alive & 1 == 1 { Reach::Alive } else { Reach::Gone };
                    self.peer.on_reach(now, ServerId(i64::from(sid & 7)), reach, &mut self.out);
                }
            }
        }
    }

    /// Time passes: to the next deadline, and a little more.
    fn pass(&mut self, more_ms: i64) {
        let next = self.peer.next_deadline().unwrap_or(self.now);
        self.now = self.now.max(next).plus(more_ms);
        self.peer.on_deadline(self.now, &mut self.out);
        self.settle();
    }

    /// Does what is asked, and lets the disk answer.
    fn settle(&mut self) {
        loop {
            for action in std::mem::take(&mut self.out) {
                self.perform(action);
            }
            if self.is_holding || self.stopped {
                return;
            }
            let Some(job) = self.jobs.pop_front() else { return };
            match job {
                Job::Synced(upto) => self.peer.on_log_synced(self.now, upto, &mut self.out),
                Job::EpochsSaved(epochs) => self.peer.on_epochs_saved(self.now, epochs, &mut self.out),
                Job::SnapshotSaved => self.peer.on_snapshot_saved(self.now, &mut self.out),
                Job::Truncated => {
                    let last = self.log.last().map_or(self.base, |last| last.zxid);
                    self.peer.on_truncated(self.now, last, self.log.clone(), &mut self.out);
                }
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Append(proposal) => {
                // `TxnLog::append` insists on it (I1).
                assert!(proposal.zxid > self.appended, "append {} behind {}", proposal.zxid, self.appended);
                self.appended = proposal.zxid;
                self.jobs.push_back(Job::Synced(proposal.zxid));
                self.log.push(proposal);
            }
            Action::SaveEpochs(epochs) => {
                assert!(epochs.current <= epochs.accepted, "I3: {epochs:?}");
                assert!(epochs.accepted >= self.epochs.accepted, "I3: {epochs:?} after {:?}", self.epochs);
                assert!(epochs.accepted.start() >= Zxid::ZERO, "no zxid can carry {epochs:?}");
                self.epochs = epochs;
                self.jobs.push_back(Job::EpochsSaved(epochs));
            }
            Action::Truncate(after) => {
                // The only snapshot is later than the cut: the process ends.
                self.stopped = after < self.base;
                self.log.retain(|entry| entry.zxid <= after);
                self.appended = self.appended.min(after);
                self.jobs.push_back(Job::Truncated);
            }
            Action::InstallSnapshot => {
                assert!(std::mem::take(&mut self.received), "NEWLEADER confirms a snapshot that was not received");
                self.installed = true;
            }
            Action::SaveSnapshot => {
                if std::mem::take(&mut self.installed) {
                    self.log.clear();
                    self.appended = self.peer.last_logged();
                    self.base = self.appended;
                }
                self.jobs.push_back(Job::SnapshotSaved);
            }
            Action::Left(_) => self.received = false,
            Action::Established(role, epoch) => {
                assert_eq!(role == EstablishedRole::Leader, self.peer.leading().is_some());
                assert_eq!(epoch, self.epochs.current, "I3: an epoch is established only when it is on disk");
            }
            Action::Election(ElectionAction::Elected(elected)) => panic!("{elected:?} is the peer's own business"),
            _ => {}
        }
    }
}

fn proposal(zxid: Zxid) -> Proposal {
    Proposal { zxid, bytes: Bytes::from_static(b"a transaction") }
}
