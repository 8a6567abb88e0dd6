//! The cluster: it keeps the clock, performs what the peers ask for, and checks the invariants after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use wire::election::Notification;
use wire::quorum::PacketType;
use wire::{Epoch, Millis, ServerId, Zxid};
use zab::election::{ElectionSettings, Reach};
use zab::quorum::Membership;
use zab::{Epochs, EstablishedRole, LinkId, ObserverSettings, Peer, PeerSettings, PeerStart, Timing};

use super::disk::{Disk, Done, Entry, Lane};
use super::invariants::{self, Check, Ledger, Violation};
use super::network::{Network, Payload, pair};
use super::reconfig;
use super::render;
use super::rng::Rng;

/// How often a refused dial is repeated, and after which wait (`Learner.connectToLeader`).
const DIAL_TRIES: u32 = 5;
const DIAL_RETRY_MS: i64 = 100;
/// More steps than this without the clock moving are an endless loop.
const STEPS_PER_MS_MAX: u64 = 20_000;
/// Votes under way from one server to another; more are lost. `QuorumCnxManager` has room for one that is unsent.
const VOTES_IN_FLIGHT_MAX: usize = 8;

/// A rule that the driver around the peers breaks on purpose, to show that somebody notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// `log_synced` before the disk has it.
    SyncedTooEarly,
    /// `epochs_saved` before the disk has them.
    EpochsTooEarly,
    /// A server restarts with its current epoch as its accepted epoch.
    ForgetsAcceptedEpoch,
    /// A truncation is answered and not done.
    KeepsTruncated,
    /// A snapshot's save is answered and not done.
    ForgetsSnapshot,
    /// The state machine drops a commit now and then.
    LosesCommits,
    /// A restarted server reads back a log without its last durable transaction.
    LosesLastTxn,
}

/// How the network behaves.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub vote_ms: (i64, i64),
    pub vote_loss_percent: usize,
    pub vote_repeat_percent: usize,
    pub link_ms: (i64, i64),
    pub disk_ms: (i64, i64),
    /// What is under way when a link closes may be lost, and a crash keeps part of what was written.
    pub torn: bool,
}

impl Weather {
    pub const CALM: Weather = Weather {
        vote_ms: (1, 1),
        vote_loss_percent: 0,
        vote_repeat_percent: 0,
        link_ms: (1, 1),
        disk_ms: (2, 2),
        torn: false,
    };
}

/// Where a server may be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// A leader's.
    Quorum,
    /// A follower's.
    Observers,
}

pub(super) enum Event {
    Vote {
        from: ServerId,
        to: ServerId,
        vote: Notification,
    },
    /// A server finds nobody at the election port of another.
    Gone {
        sid: ServerId,
        to: ServerId,
        life: u64,
    },
    Link {
        id: u64,
        end: usize,
    },
    Dial {
        from: ServerId,
        life: u64,
        link: LinkId,
        to: ServerId,
        port: Port,
        tries: u32,
    },
    Disk {
        sid: ServerId,
        life: u64,
        lane: Lane,
    },
    /// An answer that a planted bug gives before its time.
    TooEarly {
        sid: ServerId,
        life: u64,
        done: Done,
    },
}

pub struct Server {
    /// Where it runs.
    pub peer: Option<Peer>,
    pub(super) life: u64,
    pub disk: Disk,
    /// The state machine.
    pub applied: Vec<Entry>,
    pub applied_upto: Zxid,
    pub serving: Option<(EstablishedRole, Epoch)>,
    /// How much of `applied` its clients may have seen in this life.
    pub(super) shown: usize,
    pub(super) listening: Option<Port>,
    pub(super) received: Option<(Zxid, Vec<Entry>)>,
    /// The configuration in force, as its file has it.
    pub config: Membership,
    /// It hands over by this proposal; nothing else may be proposed.
    pub(super) offer: Option<Entry>,
}

impl Server {
    pub(super) fn new(config: Membership, disk_ms: (i64, i64)) -> Server {
        Server {
            peer: None,
            life: 0,
            disk: Disk::new(disk_ms),
            applied: Vec::new(),
            applied_upto: Zxid::ZERO,
            serving: None,
            shown: 0,
            listening: None,
            received: None,
            config,
            offer: None,
        }
    }
}

/// What happened in a run, so that a test can show that something did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub established: u64,
    pub diffs: u64,
    pub truncs: u64,
    pub snaps: u64,
    pub crashes: u64,
    pub torn: u64,
    pub proposals: u64,
    pub commits: u64,
    pub informs: u64,
    /// Of these, those that followers have passed on.
    pub relayed: u64,
    pub reconfigs: u64,
    pub cuts: u64,
    pub stalls: u64,
    pub abandoned: u64,
    pub handed_over: u64,
    pub given_up: u64,
    pub undecided: u64,
    pub stopped: u64,
    /// Leaders that went on to the next epoch in place.
    pub rolled_over: u64,
    /// The same of learners.
    pub taken_along: u64,
    pub steps: u64,
}

pub struct World {
    pub now: Millis,
    /// The first configuration.
    pub membership: Membership,
    pub reconfig_enabled: bool,
    pub servers: BTreeMap<ServerId, Server>,
    pub network: Network,
    pub ledger: Ledger,
    pub rng: Rng,
    pub weather: Weather,
    pub timing: Timing,
    pub bug: Option<Bug>,
    pub commit_log_count: usize,
    /// Whether observers hang on followers, and how.
    pub observers: ObserverSettings,
    /// How many zxids an epoch has.
    pub counter_max: u32,
    /// Servers whose leaders take them for Apache's.
    pub apaches: BTreeSet<ServerId>,
    /// Whether servers learn who is gone.
    pub evidence: bool,
    /// After a restart the history begins somewhere in the log, as behind a snapshot.
    pub short_histories: bool,
    pub counts: Counts,
    pub violation: Option<Violation>,
    /// `None`: nobody reads it.
    pub trace: Option<String>,
    pub trace_votes: bool,
    pub trace_pings: bool,
    events: BTreeMap<(Millis, u64), Event>,
    votes_in_flight: BTreeMap<(ServerId, ServerId), usize>,
    scheduled: u64,
    steps_in_this_ms: u64,
}

impl World {
    pub fn new(membership: Membership, weather: Weather, seed: u64) -> World {
        let server = || Server::new(membership.clone(), weather.disk_ms);
        World {
            now: Millis(0),
            servers: membership.servers.keys().map(|&sid| (sid, server())).collect(),
            membership,
            reconfig_enabled: false,
            network: Network::default(),
            ledger: Ledger::default(),
            rng: Rng::new(seed),
            weather,
            timing: Timing { tick_ms: 100, init_limit_ticks: 10, sync_limit_ticks: 5 },
            bug: None,
            commit_log_count: 500,
            observers: ObserverSettings::default(),
            counter_max: Zxid::COUNTER_MAX,
            apaches: BTreeSet::new(),
            evidence: true,
            short_histories: false,
            counts: Counts::default(),
            violation: None,
            trace: None,
            trace_votes: false,
            trace_pings: false,
            events: BTreeMap::new(),
            votes_in_flight: BTreeMap::new(),
            scheduled: 0,
            steps_in_this_ms: 0,
        }
    }

    pub fn say(&mut self, text: impl FnOnce() -> String) {
        let now = self.now.0;
        if let Some(trace) = &mut self.trace {
            writeln!(trace, "{now:>6}  {}", text()).unwrap();
        }
    }

    pub(super) fn judge(&mut self, check: Check) {
        if let Err(violation) = check {
            self.violation.get_or_insert(violation);
        }
    }

    pub(super) fn schedule(&mut self, delay_ms: i64, event: Event) {
        self.schedule_at(self.now.plus(delay_ms), event);
    }

    fn schedule_at(&mut self, at: Millis, event: Event) {
        self.scheduled += 1;
        self.events.insert((at, self.scheduled), event);
    }

    pub(super) fn server(&mut self, sid: ServerId) -> &mut Server {
        self.servers.get_mut(&sid).expect("a member of the ensemble")
    }

    pub fn running(&self) -> Vec<ServerId> {
        self.servers.iter().filter(|(_, server)| server.peer.is_some()).map(|(&sid, _)| sid).collect()
    }

    pub fn down(&self) -> Vec<ServerId> {
        self.servers.iter().filter(|(_, server)| server.peer.is_none()).map(|(&sid, _)| sid).collect()
    }

    /// Who would take a proposal now; after a partition there may be two.
    pub fn proposers(&self) -> Vec<ServerId> {
        let can = |peer: &Peer| peer.next_zxid().is_some();
        let proposes = |server: &Server| server.offer.is_none() && server.peer.as_ref().is_some_and(can);
        self.servers.iter().filter(|(_, server)| proposes(server)).map(|(&sid, _)| sid).collect()
    }

    // --- processes -----------------------------------------------------------------------------------------------

    pub fn start(&mut self, sid: ServerId) {
        let (bug, short) = (self.bug, self.short_histories);
        let settings = PeerSettings {
            me: sid,
            membership: self.servers[&sid].config.clone(),
            reconfig_enabled: self.reconfig_enabled,
            timing: self.timing,
            election: ElectionSettings { max_notification_interval_ms: 1600, ..ElectionSettings::default() },
            commit_log_count: self.commit_log_count,
            counter_max: self.counter_max,
            observers: self.observers,
        };
        let server = self.servers.get_mut(&sid).expect("a member of the ensemble");
        assert!(server.peer.is_none(), "server {sid} runs already");
        let disk = &mut server.disk;
        if bug == Some(Bug::LosesLastTxn) && self.rng.chance(50) {
            disk.list.pop();
            disk.last = disk.list.last().map_or(Zxid::ZERO, |entry| entry.zxid);
        }
        let from =
            if short && !disk.list.is_empty() { disk.list[self.rng.below(disk.list.len())].zxid } else { Zxid::ZERO };
        let last_seen = disk.list.iter().rev().find_map(|entry| reconfig::membership(*entry));
        let mut start = PeerStart {
            last_zxid: disk.last,
            epochs: disk.epochs,
            history: disk.history(from),
            config_before: None,
            last_seen,
            is_new_ensemble: false,
        };
        if bug == Some(Bug::ForgetsAcceptedEpoch) {
            start.epochs.accepted = start.epochs.current;
        }
        server.applied.clone_from(&disk.list);
        server.applied_upto = disk.last;
        server.life += 1;
        let (last, epochs) = (start.last_zxid, start.epochs);
        server.peer = Some(Peer::new(settings, start));
        self.say(|| format!("{sid}: starts at {last}, {}", render::epochs(epochs)));
        self.with_peer(sid, |peer, now, out| peer.on_start(now, out));
    }

    /// The process is killed. Of what its disk had under way a part may be durable.
    pub fn kill(&mut self, sid: ServerId) {
        let survives_percent = if self.weather.torn { 70 } else { 0 };
        let server = self.servers.get_mut(&sid).expect("a member of the ensemble");
        self.counts.crashes += 1;
        self.counts.torn += u64::from(!server.disk.is_idle());
        server.disk.crash(&mut self.rng, survives_percent);
        self.say(|| format!("{sid}: killed"));
        self.end(sid);
    }

    /// A server that does not run loses its disk.
    pub fn wipe(&mut self, sid: ServerId) {
        let server = self.servers.get_mut(&sid).expect("a member of the ensemble");
        assert!(server.peer.is_none(), "server {sid} runs");
        server.disk = Disk::new(server.disk.latency_ms);
        self.ledger.forget_disk(sid);
    }

    /// The process is asked to end.
    pub fn stop(&mut self, sid: ServerId) {
        self.with_peer(sid, |peer, _, out| peer.shutdown(out));
        self.end_cleanly(sid);
    }

    /// The process is asked to end once it has handed over, in so many ms at the latest.
    pub fn stop_after_hand_over(&mut self, sid: ServerId, ms: i64) {
        let until = self.now.plus(ms);
        let peer = self.server(sid).peer.as_mut().expect("it runs");
        assert!(peer.shutdown_after_hand_over(until), "server {sid} hands nothing over");
    }

    fn end_those_that_have_stopped(&mut self) {
        let has_stopped = |server: &Server| server.peer.as_ref().is_some_and(Peer::has_stopped);
        let stopped: Vec<ServerId> =
            self.servers.iter().filter(|(_, server)| has_stopped(server)).map(|(&sid, _)| sid).collect();
        for sid in stopped {
            self.counts.stopped += 1;
            self.end_cleanly(sid);
        }
    }

    fn end_cleanly(&mut self, sid: ServerId) {
        self.server(sid).disk.crash(&mut Rng::new(0), 100);
        self.say(|| format!("{sid}: stopped"));
        self.end(sid);
    }

    fn end(&mut self, sid: ServerId) {
        for other in self.running() {
            self.miss(other, sid);
        }
        let server = self.server(sid);
        (server.peer, server.serving, server.received, server.offer) = (None, None, None, None);
        (server.listening, server.shown) = (None, 0);
        for id in self.network.between(|a, b| a == sid || b == sid) {
            for end in 0..2 {
                if self.network.connections.get(&id).is_some_and(|connection| connection.ends[end].sid == sid) {
                    self.close(id, end, "connection reset".to_owned());
                }
            }
        }
    }

    // --- network -------------------------------------------------------------------------------------------------

    /// Cuts everything between two servers. A link may break at once or stand still until the network heals.
    pub fn cut(&mut self, a: ServerId, b: ServerId) {
        self.counts.cuts += 1;
        self.network.votes_cut.insert((a, b));
        self.network.votes_cut.insert((b, a));
        self.network.links_cut.insert(pair(a, b));
        for id in self.network.between(|x, y| pair(x, y) == pair(a, b)) {
            if self.weather.torn && self.rng.chance(50) {
                self.freeze(id);
            } else {
                self.break_link(id);
            }
        }
    }

    /// A link stands still until the network heals.
    pub fn freeze(&mut self, id: u64) {
        self.network.connections.get_mut(&id).expect("a link that stands").stalled = true;
    }

    pub fn heal(&mut self) {
        self.network.votes_cut.clear();
        self.network.links_cut.clear();
        let mut arrivals = Vec::new();
        for (&id, connection) in &mut self.network.connections {
            connection.stalled = false;
            for (end, side) in connection.ends.iter_mut().enumerate() {
                arrivals.extend(std::iter::repeat_n((id, end), std::mem::take(&mut side.held)));
            }
        }
        for (id, end) in arrivals {
            self.schedule(1, Event::Link { id, end });
        }
    }

    /// Breaks a link: each side receives some of what was under way, then learns that it is gone.
    pub fn break_link(&mut self, id: u64) {
        for end in 0..2 {
            if self.weather.torn {
                self.network.lose_tail(id, end, &mut self.rng);
            }
            self.deliver(id, end, Payload::Gone("connection reset".to_owned()));
        }
    }

    /// Breaks the links of a server; the first packets under way to it still arrive.
    pub fn break_links_of(&mut self, sid: ServerId, packets: usize) {
        for id in self.links_of(sid) {
            for end in &mut self.network.connections.get_mut(&id).expect("a link that stands").ends {
                if end.sid == sid {
                    end.inbound.truncate(packets);
                }
            }
            self.break_link(id);
        }
    }

    pub fn links_of(&self, sid: ServerId) -> Vec<u64> {
        self.network.between(|a, b| a == sid || b == sid)
    }

    pub fn links(&self) -> Vec<u64> {
        self.network.connections.keys().copied().collect()
    }

    /// Puts something on its way to an end.
    pub(super) fn deliver(&mut self, id: u64, end: usize, payload: Payload) {
        let delay = self.rng.range(self.weather.link_ms);
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        let side = &mut connection.ends[end];
        if !side.open {
            return;
        }
        side.ready_at = side.ready_at.max(self.now.plus(delay));
        let at = side.ready_at;
        side.inbound.push_back(payload);
        self.schedule_at(at, Event::Link { id, end });
    }

    /// An end closes its side; the other learns of it behind what is under way.
    pub(super) fn close(&mut self, id: u64, end: usize, reason: String) {
        let other = 1 - end;
        if self.weather.torn && self.rng.chance(30) {
            self.network.lose_tail(id, other, &mut self.rng);
        }
        self.deliver(id, other, Payload::Gone(reason));
        self.network.unplug(id, end);
    }

    pub(super) fn send(&mut self, from: ServerId, link: LinkId, mut payload: Payload) {
        if self.apaches.contains(&from) {
            payload.pose_as_apache();
        }
        if let Some(&(id, end)) = self.network.sockets.get(&(from, link)) {
            let to = self.network.connections[&id].ends[1 - end].sid;
            match &payload {
                Payload::Packet(packet) if packet.kind != PacketType::Ping || self.trace_pings => {
                    self.count(packet.kind);
                    let leads = self.servers[&from].peer.as_ref().is_some_and(|peer| peer.leading().is_some());
                    self.counts.relayed += u64::from(packet.kind == PacketType::Inform && !leads);
                    self.say(|| format!("{from}->{to}: {}", render::packet(packet)));
                }
                Payload::Snapshot(zxid, list) => {
                    self.counts.snaps += 1;
                    self.say(|| format!("{from}->{to}: SNAP {zxid} with {} transactions", list.len()));
                }
                _ => {}
            }
            self.deliver(id, 1 - end, payload);
        }
    }

    pub(super) fn count(&mut self, kind: PacketType) {
        match kind {
            PacketType::Diff => self.counts.diffs += 1,
            PacketType::Trunc => self.counts.truncs += 1,
            PacketType::Inform => self.counts.informs += 1,
            _ => {}
        }
    }

    pub(super) fn cast(&mut self, from: ServerId, to: ServerId, vote: &Notification) {
        if self.trace_votes {
            self.say(|| format!("{from}->{to}: {}", render::vote(vote)));
        }
        if self.network.votes_cut.contains(&(from, to)) || self.rng.chance(self.weather.vote_loss_percent) {
            return;
        }
        if self.server(to).peer.is_none() {
            self.miss(from, to);
        }
        let copies = 1 + usize::from(self.rng.chance(self.weather.vote_repeat_percent));
        for _ in 0..copies {
            let in_flight = self.votes_in_flight.entry((from, to)).or_default();
            if *in_flight == VOTES_IN_FLIGHT_MAX {
                return;
            }
            *in_flight += 1;
            let delay = self.rng.range(self.weather.vote_ms);
            self.schedule(delay, Event::Vote { from, to, vote: vote.clone() });
        }
    }

    /// A server's election connection to another ends with that process, or it is refused one. It learns so as late as a vote
    /// arrives, or not at all.
    fn miss(&mut self, server: ServerId, gone: ServerId) {
        let is_cut =
            self.network.votes_cut.contains(&(gone, server)) || self.network.votes_cut.contains(&(server, gone));
        if server == gone || !self.evidence || is_cut || self.rng.chance(self.weather.vote_loss_percent) {
            return;
        }
        let (delay, life) = (self.rng.range(self.weather.vote_ms), self.server(server).life);
        self.schedule(delay, Event::Gone { sid: gone, to: server, life });
    }

    // --- time ----------------------------------------------------------------------------------------------------

    pub fn run_until(&mut self, end: Millis) {
        while self.violation.is_none() && self.step(end) {}
        self.now = end;
    }

    pub fn run(&mut self, ms: i64) {
        self.run_until(self.now.plus(ms));
    }

    /// Does the next thing that happens up to `end`, if any.
    pub fn step(&mut self, end: Millis) -> bool {
        let event_at = self.events.keys().next().map_or(Millis(i64::MAX), |(at, _)| *at);
        let due = |server: &Server| server.peer.as_ref().and_then(Peer::next_deadline);
        let deadline = self.servers.iter().filter_map(|(&sid, server)| Some((due(server)?, sid))).min();
        let next = deadline.map_or(event_at, |(at, _)| at.min(event_at)).max(self.now);
        if next > end {
            return false;
        }
        self.steps_in_this_ms = if next > self.now { 0 } else { self.steps_in_this_ms + 1 };
        if self.steps_in_this_ms > STEPS_PER_MS_MAX {
            let states = self.servers.iter().map(|(sid, server)| (sid, server.peer.as_ref().map(Peer::state_name)));
            let text = format!("an endless loop at {}: {:?}, due {deadline:?}", self.now, states.collect::<Vec<_>>());
            self.judge(Err(Violation { invariant: "progress", text }));
            return false;
        }
        self.now = next;
        self.counts.steps += 1;
        if event_at <= next {
            let (_, event) = self.events.pop_first().expect("an event was seen");
            self.happen(event);
        } else if let Some((_, sid)) = deadline {
            self.with_peer(sid, |peer, now, out| {
                peer.on_votes_delivered(true);
                peer.on_deadline(now, out);
            });
        }
        self.end_those_that_have_stopped();
        self.hand_over_used_up();
        self.check();
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Vote { from, to, vote } => {
                *self.votes_in_flight.get_mut(&(from, to)).expect("a vote that arrives was under way") -= 1;
                self.with_peer(to, |peer, now, out| peer.on_vote(now, from, vote, out));
            }
            Event::Gone { sid, to, life } => {
                if self.server(to).life == life && self.server(sid).peer.is_none() {
                    self.with_peer(to, |peer, now, out| peer.on_reach(now, sid, Reach::Gone, out));
                }
            }
            Event::Link { id, end } => self.arrive(id, end),
            Event::Dial { from, life, link, to, port, tries } => self.try_dial(from, life, link, (to, port), tries),
            Event::Disk { sid, life, lane } => {
                let keep = self.bug == Some(Bug::KeepsTruncated);
                let server = self.server(sid);
                if server.life == life && server.peer.is_some() {
                    let done = server.disk.finish(lane, keep);
                    self.begin_writes(sid, lane);
                    self.answer(sid, done);
                }
            }
            Event::TooEarly { sid, life, done } => {
                if self.server(sid).life == life && self.server(sid).peer.is_some() {
                    self.tell(sid, done);
                }
            }
        }
    }

    fn arrive(&mut self, id: u64, end: usize) {
        let Some(connection) = self.network.connections.get_mut(&id) else { return };
        if connection.stalled {
            connection.ends[end].held += 1;
            return;
        }
        let side = &mut connection.ends[end];
        let (sid, link) = (side.sid, side.link);
        let Some(payload) = side.inbound.pop_front() else { return };
        match payload {
            Payload::Up => self.with_peer(sid, |peer, now, out| peer.on_link_up(now, link, out)),
            Payload::Packet(packet) => self.with_peer(sid, |peer, now, out| peer.on_packet(now, link, packet, out)),
            Payload::Snapshot(zxid, list) => {
                let mut wanted = false;
                self.with_peer(sid, |peer, now, out| wanted = peer.on_snapshot_received(now, link, zxid, out));
                if wanted {
                    self.server(sid).received = Some((zxid, list));
                }
            }
            Payload::Gone(reason) => {
                self.network.unplug(id, end);
                self.with_peer(sid, |peer, now, out| peer.on_link_gone(now, link, reason, out));
            }
        }
    }

    fn try_dial(&mut self, from: ServerId, life: u64, link: LinkId, (to, port): (ServerId, Port), tries: u32) {
        let server = self.server(from);
        let wants = |peer: &Peer| peer.leader_link() == Some(link);
        if server.life != life || !server.peer.as_ref().is_some_and(wants) {
            return;
        }
        if self.server(to).listening == Some(port) && self.network.can_reach(from, to) {
            let (id, accepted) = self.network.connect(self.now, (from, link), to);
            self.deliver(id, 0, Payload::Up);
            self.with_peer(to, |peer, now, out| peer.on_link_up(now, accepted, out));
        } else if tries < DIAL_TRIES {
            self.schedule(DIAL_RETRY_MS, Event::Dial { from, life, link, to, port, tries: tries + 1 });
        } else {
            self.with_peer(from, |peer, now, out| {
                peer.on_link_gone(now, link, format!("server {to} cannot be reached"), out);
            });
        }
    }

    /// The configuration that the last committed reconfiguration has made.
    pub fn in_force(&self) -> Membership {
        let committed = self.ledger.committed.iter().rev().find_map(|entry| reconfig::membership(*entry));
        committed.unwrap_or_else(|| self.membership.clone())
    }

    pub(super) fn disks(&self) -> BTreeMap<ServerId, &Disk> {
        self.servers.iter().map(|(&sid, server)| (sid, &server.disk)).collect()
    }

    fn check(&mut self) {
        let durability = self.ledger.durability(&self.in_force(), &self.disks());
        let serving = self.servers.iter().filter(|(_, server)| server.serving.is_some());
        let agreement = invariants::agreement(&serving.map(|(&sid, server)| (sid, &server.applied[..])).collect());
        let files = self.servers.iter().map(|(&sid, server)| (sid, server.disk.epochs)).collect::<Vec<_>>();
        self.judge(durability);
        self.judge(agreement);
        for (sid, epochs) in files {
            let check = self.ledger.epochs(sid, epochs);
            self.judge(check);
        }
    }

    /// Whether every server runs, serves, and has delivered all that was ever committed, and the leader is one that votes.
    pub fn is_complete(&self) -> bool {
        let in_force = self.in_force();
        let leads = |server: &Server| matches!(server.serving, Some((EstablishedRole::Leader, _)));
        let leaders_vote = self.servers.iter().all(|(&sid, server)| !leads(server) || in_force.is_voter(sid));
        leaders_vote
            && self.servers.values().all(|server| server.serving.is_some() && server.applied == self.ledger.committed)
    }

    pub fn epochs(&self, sid: ServerId) -> Epochs {
        self.servers[&sid].disk.epochs
    }
}
