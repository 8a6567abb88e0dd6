//! The whole interface of a server: [`Replica::step`] and what surrounds it.

use crate::conns::Conns;
use crate::epochs::Deferred;
use crate::hand_over::HandOver;
use crate::io::{Action, Input, Now, ServingRole, Status};
use crate::local::LocalTracker;
use crate::read_only::ReadOnly;
use crate::reaper::Reaper;
use crate::reconfig;
use crate::relay::{Relay, SyncAsker};
use crate::schedule::SnapshotSchedule;
use crate::settings::{Mode, Recovered, Settings};
use crate::standalone::Standalone;
use crate::tracker::SessionTracker;
use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use planted::Bug;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tree::{ConnId, Events, Prep, PrepSettings, Tree};
use wire::client::OpCode;
use wire::quorum::{PacketType, QuorumPacket};
use wire::txn::TxnEntry;
use wire::{Epoch, Millis, ServerId, SessionId, Xid};
use zab::election::{ElectionAction, ElectionSettings};
use zab::{EstablishedRole, LinkId, Peer, PeerSettings, PeerStart, Timing};

/// The tree behind its lock: connection tasks read, only [`Replica`] writes.
pub type SharedTree = Arc<RwLock<Tree>>;

/// Takes watch events, and the replies among them, while the tree is still locked for writing, so that no read can see a
/// change before its event is in the outbox of every connection that watches (I9).
pub trait EventSink: Send {
    /// Queues an event's frame for a connection. Must not block and must not lock the tree.
    fn deliver(&mut self, conn: ConnId, frame: &Bytes);

    /// Queues replies that were made while transactions were applied: they keep their place among the events, so that a
    /// client never gets an event before the reply to the read that set the watch. As [`Action::Reply`] otherwise.
    fn reply(&mut self, conn: ConnId, frames: BytesMut, answered: usize);

    /// A committed transaction was applied to this tree; its events and replies follow. For those who watch every step.
    fn applied(&mut self, _entry: &TxnEntry, _tree: &Tree) {}

    /// The events of the transaction that was applied last, where somebody has to be told; they are delivered next.
    fn fired(&mut self, _events: &Events) {}

    /// A snapshot from the leader has become the tree; what is applied next comes on top of it.
    fn installed(&mut self, _tree: &Tree) {}

    /// The server serves on in the next epoch, in the role it has had before.
    fn serves_on(&mut self, _role: ServingRole, _epoch: Epoch, _tree: &Tree) {}

    /// The server has let go of its leader or its leadership. What is applied from here on, until it serves again, is what
    /// its log holds, committed or not: nobody may read it. Every connection must end before this returns, [`Action::StopServing`]
    /// comes too late for that.
    fn left(&mut self);
}

/// What makes transactions durable and committed.
pub(crate) enum Engine {
    /// The own disk alone.
    Standalone(Standalone),
    /// A quorum.
    Ensemble(Box<Peer>),
}

/// One server.
///
/// [`start`](Self::start) once, then [`step`](Self::step) for every input; both append actions to `out`, to be started in
/// order. [`next_deadline`](Self::next_deadline) says when [`Input::Deadline`] is wanted.
pub struct Replica {
    pub(crate) settings: Settings,
    pub(crate) tree: SharedTree,
    pub(crate) sink: Box<dyn EventSink>,
    pub(crate) engine: Engine,
    /// In which role clients are served, if they are.
    pub(crate) serving: Option<ServingRole>,
    pub(crate) prep: Prep,
    /// Proposed here and not applied, in order: the decoded form of what the engine holds as bytes.
    pub(crate) in_flight: VecDeque<TxnEntry>,
    /// Leader and standalone only.
    pub(crate) tracker: Option<SessionTracker>,
    /// The sessions that only this server knows, where there may be such.
    pub(crate) local: Option<LocalTracker>,
    /// Whether this server, without a leader, serves clients that only read.
    pub(crate) read_only: ReadOnly,
    /// Learner only: sessions to report with the next ping.
    pub(crate) touched: BTreeMap<SessionId, i32>,
    pub(crate) conns: Conns,
    /// Learner only: whose sync was forwarded, in order.
    pub(crate) syncs: VecDeque<SyncAsker>,
    /// Follower only: the observers that hang on it.
    pub(crate) relay: Relay,
    /// Learner only: who waits for the leader's word on a session.
    pub(crate) revalidations: HashMap<SessionId, ConnId>,
    /// Leader only: what has found no zxid in its epoch, in order.
    pub(crate) deferred: VecDeque<Deferred>,
    /// Leader only: since when there is none, monotonic.
    pub(crate) between_epochs_since: Option<Millis>,
    /// Asked to stop, and not stopped yet.
    pub(crate) stops: bool,
    /// Leader only: another is about to lead.
    pub(crate) hand_over: Option<HandOver>,
    /// What waits until something may be proposed again, in order.
    pub(crate) held: VecDeque<Input>,
    pub(crate) next_session: i64,
    pub(crate) reaper: Reaper,
    pub(crate) snapshots: SnapshotSchedule,
    /// A snapshot received from the leader that NEWLEADER has not confirmed yet.
    pub(crate) received: Option<Box<Tree>>,
    pub(crate) events: Events,
    pub(crate) status: Status,
}

impl Replica {
    /// A server that has read its data directory into `tree`.
    #[must_use]
    pub fn new(settings: Settings, tree: SharedTree, recovered: Recovered, sink: Box<dyn EventSink>) -> Replica {
        let engine = match &settings.mode {
            Mode::Standalone => Engine::Standalone(Standalone::new(recovered.last_zxid)),
            Mode::Ensemble(membership) => {
                let peer = PeerSettings {
                    me: settings.me,
                    membership: membership.clone(),
                    reconfig_enabled: settings.prep.reconfig_enabled,
                    timing: Timing {
                        tick_ms: settings.tick_ms,
                        init_limit_ticks: settings.init_limit_ticks,
                        sync_limit_ticks: settings.sync_limit_ticks,
                    },
                    election: ElectionSettings {
                        min_notification_interval_ms: settings.notification_interval_ms_min,
                        max_notification_interval_ms: settings.notification_interval_ms_max,
                        ..ElectionSettings::default()
                    },
                    commit_log_count: settings.commit_log_count,
                    counter_max: settings.counter_max,
                    observers: settings.observers,
                };
                let last_seen = reconfig::config_in(&tree.read());
                let Recovered { last_zxid, epochs, history, config_before, is_new_ensemble } = recovered;
                let start = PeerStart { last_zxid, epochs, history, config_before, last_seen, is_new_ensemble };
                Engine::Ensemble(Box::new(Peer::new(peer, start)))
            }
        };
        Replica {
            prep: Prep::new(PrepSettings {
                container_never_used_ms_max: settings.container_never_used_ms_max,
                ..settings.prep.clone()
            }),
            reaper: Reaper::new(&settings),
            snapshots: SnapshotSchedule::new(&settings),
            settings,
            tree,
            sink,
            engine,
            serving: None,
            in_flight: VecDeque::new(),
            tracker: None,
            local: None,
            read_only: ReadOnly::Off,
            touched: BTreeMap::new(),
            conns: Conns::default(),
            syncs: VecDeque::new(),
            relay: Relay::default(),
            revalidations: HashMap::new(),
            deferred: VecDeque::new(),
            between_epochs_since: None,
            stops: false,
            hand_over: None,
            held: VecDeque::new(),
            next_session: 0,
            received: None,
            events: Events::default(),
            status: Status { mode: "looking", proposal_bytes: [-1; 3], ..Status::default() },
        }
    }

    /// Begins: a standalone server serves at once, a member of an ensemble looks for a leader.
    pub fn start(&mut self, now: Now, out: &mut Vec<Action>) {
        self.next_session = first_session_id(now.wall, self.settings.me.0);
        match &mut self.engine {
            Engine::Standalone(_) => self.begin_serving(now, ServingRole::Standalone, out),
            Engine::Ensemble(peer) => {
                let mut actions = Vec::new();
                peer.on_start(now.mono, &mut actions);
                self.perform(now, actions, out);
            }
        }
    }

    /// Takes one input, and what was held back until it came.
    pub fn step(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        // Not in the step that took the last zxid: what it has proposed is on its way to the log then. What a server has not begun
        // to log it does not apply.
        self.leave_used_up_epoch(now, out);
        if self.is_held_back(&input) {
            self.held.push_back(input);
        } else {
            self.step_one(now, input, out);
        }
        self.propose_deferred(now, out);
        while !self.holds_back()
            && let Some(input) = self.held.pop_front()
        {
            self.step_one(now, input, out);
        }
        if self.is_between_epochs() {
            self.between_epochs_since.get_or_insert(now.mono);
        }
        self.finish_shutdown(out);
    }

    fn step_one(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        self.forgive_stall(now);
        match input {
            Input::Connect { conn, request, identities } => self.on_connect(now, conn, request, identities, out),
            Input::Request { conn, session, header, body, identities } => {
                self.on_request(now, conn, session, header, body, identities, out);
            }
            Input::ConnGone(conn) => {
                let session = self.conns.remove(conn);
                if let Some(session) = session.filter(|_| planted::is(Bug::FollowerEndsSession)) {
                    self.forward(session, Xid(0), OpCode::CloseSession, Bytes::new(), Vec::new(), out);
                }
            }
            Input::Touched(sessions) => self.on_touched(now, &sessions),
            Input::LogSynced { upto } if matches!(self.engine, Engine::Standalone(_)) => {
                self.on_standalone_synced(now, upto, out);
            }
            Input::SnapshotSaved if matches!(self.engine, Engine::Standalone(_)) => self.on_restored(now, out),
            Input::Restore { zxid, tree } => self.on_restore(zxid, tree, out),
            Input::Memory(memory) => self.on_memory(memory),
            Input::Deadline => self.on_deadline(now, out),
            Input::HandOver { id, to } => self.on_hand_over(now, id, to, out),
            Input::Shutdown => self.on_shutdown(now, out),
            Input::Packet { link, packet } if !self.holds_a_transaction(link, &packet) => {
                // Logged, it would end this server now or at its next start: whoever sends it is given up instead.
                tracing::warn!(peer = self.sid_of(link), kind = ?packet.kind, zxid = %packet.zxid, "closing a link: its packet holds no transaction with this zxid");
                out.push(Action::CloseLink(link));
                let reason = "unreadable transaction".to_owned();
                self.on_peer_input(now, Input::LinkGone { link, reason }, out);
            }
            peer_input => self.on_peer_input(now, peer_input, out),
        }
    }

    /// Whether a packet that must carry a transaction does, and carries the one that it names. The decoded transaction is
    /// kept until its commit.
    fn holds_a_transaction(&mut self, link: LinkId, packet: &QuorumPacket) -> bool {
        let before = match packet.kind {
            PacketType::Proposal | PacketType::Inform => 0,
            // The new leader comes first.
            PacketType::InformAndActivate => size_of::<ServerId>(),
            _ => return true,
        };
        let data = packet.data.clone().filter(|data| data.len() >= before);
        let entry = data.and_then(|data| TxnEntry::decode(data.slice(before..)).ok());
        let Some(entry) = entry.filter(|entry| entry.zxid() == packet.zxid) else { return false };
        if self.serving.is_some_and(ServingRole::is_in_quorum) && self.leader_link() == Some(link) {
            self.in_flight.push_back(entry);
            self.status.counters.proposals_received += u64::from(packet.kind == PacketType::Proposal);
        }
        true
    }

    /// The learner behind a link, where this server leads and has heard from it who it is.
    #[must_use]
    pub fn learner_sid(&self, link: LinkId) -> Option<ServerId> {
        match &self.engine {
            Engine::Standalone(_) => None,
            Engine::Ensemble(peer) => peer.leading()?.learner_sid(link),
        }
    }

    /// Whether the server looks for a leader.
    #[must_use]
    pub fn is_looking(&self) -> bool {
        match &self.engine {
            Engine::Standalone(_) => false,
            Engine::Ensemble(peer) => peer.leading().is_none() && peer.leader().is_none(),
        }
    }

    /// When [`Input::Deadline`] is wanted, monotonic ms.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        if self.has_to_leave_epoch() {
            // At once.
            return Some(Millis(0));
        }
        let peer = match &self.engine {
            Engine::Standalone(_) => None,
            Engine::Ensemble(peer) => peer.next_deadline(),
        };
        let proposer = self.tracker.as_ref().filter(|_| !self.holds_back());
        let expiry = proposer.and_then(SessionTracker::next_expiry);
        let reap = proposer.and_then(|_| self.reaper.next_deadline());
        let local_expiry = self.local.as_ref().and_then(|local| local.sessions().next_expiry());
        [peer, expiry, local_expiry, reap, self.read_only.next_deadline()].into_iter().flatten().min()
    }

    fn on_peer_input(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        let Engine::Ensemble(peer) = &mut self.engine else { return };
        let mono = now.mono;
        let mut actions = Vec::new();
        match input {
            Input::Vote { from, notification } => peer.on_vote(mono, from, notification, &mut actions),
            Input::Reach { sid, reach } => peer.on_reach(mono, sid, reach, &mut actions),
            Input::VotesDelivered(delivered) => peer.on_votes_delivered(delivered),
            Input::LinkUp { link, .. } => peer.on_link_up(mono, link, &mut actions),
            Input::Packet { link, packet } => peer.on_packet(mono, link, packet, &mut actions),
            Input::LinkProgress(link) => peer.on_progress(mono, link),
            Input::SnapshotBegins(link) => {
                if peer.on_snapshot_begins(link) {
                    drop_tree(&self.tree);
                }
            }
            Input::SnapshotReceived { link, zxid, mut tree } => {
                tree.distrust();
                if peer.on_snapshot_received(mono, link, zxid, &mut actions) {
                    self.received = Some(tree);
                }
            }
            Input::LinkGone { link, reason } => {
                self.relay.link_gone(link);
                peer.on_link_gone(mono, link, reason, &mut actions);
            }
            Input::LogSynced { upto } => peer.on_log_synced(mono, upto, &mut actions),
            Input::EpochsSaved(epochs) => peer.on_epochs_saved(mono, epochs, &mut actions),
            Input::SnapshotSaved => peer.on_snapshot_saved(mono, &mut actions),
            Input::Truncated { tree, history } => {
                let last_zxid = tree.last_zxid();
                replace_tree(&self.tree, *tree);
                peer.on_truncated(mono, last_zxid, history, &mut actions);
            }
            other => unreachable!("{other:?} is not the protocol's input"),
        }
        self.perform(now, actions, out);
    }

    fn on_deadline(&mut self, now: Now, out: &mut Vec<Action>) {
        // A session is not expired for what was held back of it.
        let may_propose = !self.holds_back();
        if let Engine::Ensemble(peer) = &mut self.engine
            && peer.next_deadline().is_some_and(|deadline| deadline <= now.mono)
        {
            let mut actions = Vec::new();
            peer.on_deadline(now.mono, &mut actions);
            self.perform(now, actions, out);
        }
        if may_propose {
            self.expire_sessions(now, out);
            self.reap(now, out);
        }
        self.expire_local_sessions(now, out);
        self.on_read_only_deadline(now, out);
    }

    fn on_shutdown(&mut self, now: Now, out: &mut Vec<Action>) {
        self.read_only = ReadOnly::Off;
        self.stops = true;
        if self.stops_after_hand_over(now, out) {
            return;
        }
        if let Engine::Ensemble(peer) = &mut self.engine {
            let mut actions = Vec::new();
            peer.shutdown(&mut actions);
            self.perform(now, actions, out);
        }
    }

    fn finish_shutdown(&mut self, out: &mut Vec<Action>) {
        let is_there_yet = match &self.engine {
            Engine::Standalone(_) => true,
            Engine::Ensemble(peer) => peer.has_stopped(),
        };
        if !self.stops || !is_there_yet {
            return;
        }
        self.stops = false;
        if self.serving.is_some() {
            self.stop_serving(out);
        }
        out.push(Action::Stopped);
    }

    /// Carries out what the broadcast protocol asks for; runs of commits are applied under one lock.
    pub(crate) fn perform(&mut self, now: Now, actions: Vec<zab::Action>, out: &mut Vec<Action>) {
        let mut actions = actions.into_iter().peekable();
        let mut commits = Vec::new();
        while let Some(action) = actions.next() {
            match action {
                zab::Action::Commit(proposal) => {
                    commits.push(proposal);
                    if !matches!(actions.peek(), Some(zab::Action::Commit(_) | zab::Action::Send(..))) {
                        self.apply_all(now, std::mem::take(&mut commits), out);
                    }
                }
                zab::Action::Send(link, packet) => out.push(Action::Send { link, packet }),
                other => {
                    self.apply_all(now, std::mem::take(&mut commits), out);
                    self.perform_one(now, other, out);
                }
            }
        }
        self.apply_all(now, commits, out);
    }

    fn perform_one(&mut self, now: Now, action: zab::Action, out: &mut Vec<Action>) {
        match action {
            zab::Action::Looking => {
                let is_there = !self.tree.read().is_placeholder();
                assert!(is_there, "I5: a server that looks for a leader has the tree of its log");
                self.on_looking(now);
            }
            zab::Action::Elected => self.end_read_only(out),
            zab::Action::Election(ElectionAction::Send(to, notification)) => {
                out.push(Action::SendVote { to, notification });
            }
            zab::Action::Election(ElectionAction::ConnectAll) => out.push(Action::ConnectElection),
            zab::Action::Election(ElectionAction::DuplicateSid(_)) => {
                tracing::error!(myid = %self.settings.me, "another server votes with this server's id: give each server its own myid");
            }
            zab::Action::Election(other) => tracing::warn!(?other, "ignored in the election"),
            zab::Action::Listen => out.push(Action::Listen),
            zab::Action::StopListening => out.push(Action::StopListening),
            zab::Action::ListenForObservers => out.push(Action::ListenForObservers),
            zab::Action::DialMaster(link, master) => out.push(Action::DialMaster { link, master }),
            zab::Action::Dial(link, leader) => out.push(Action::Dial { link, leader }),
            zab::Action::SendSnapshot(link, zxid) => out.push(Action::SendSnapshot { link, zxid }),
            zab::Action::Close(link, reason) => {
                self.relay.link_gone(link);
                tracing::debug!(link = link.0, reason, "closing a link");
                out.push(Action::CloseLink(link));
            }
            zab::Action::Append(proposal) => {
                self.snapshots.appended(proposal.bytes.len());
                out.push(Action::Append(proposal));
                if self.snapshots.is_due() {
                    out.push(Action::BackgroundSnapshot);
                }
            }
            zab::Action::SaveEpochs(epochs) => out.push(Action::SaveEpochs(epochs)),
            zab::Action::Truncate(after) => {
                // The disk's answer brings another.
                drop_tree(&self.tree);
                out.push(Action::Truncate { after });
            }
            zab::Action::InstallSnapshot => match self.received.take() {
                Some(tree) => {
                    replace_tree(&self.tree, *tree);
                    self.sink.installed(&self.tree.read());
                }
                None => panic!("NEWLEADER confirms a snapshot that was not received"),
            },
            zab::Action::SaveSnapshot => out.push(Action::SaveSnapshot),
            zab::Action::Established(role, epoch) => self.on_established(now, serving_role(role), epoch, out),
            zab::Action::HandOverEnded { to, end } => self.on_hand_over_ended(to, end, out),
            zab::Action::Left(_) => self.on_left(out),
            zab::Action::ConfigSeen(membership) => out.push(Action::ConfigSeen(membership)),
            zab::Action::ConfigActivated(membership) => {
                self.put_config_into_tree(now, &membership);
                out.push(Action::ConfigActivated(membership));
            }
            zab::Action::Deliver(link, packet) => self.on_delivered(now, link, packet, out),
            zab::Action::Commit(_) | zab::Action::Send(..) => unreachable!("handled by perform"),
        }
    }

    fn on_left(&mut self, out: &mut Vec<Action>) {
        self.sink.left();
        self.received = None;
        self.tree.write().abandon_images();
        if self.tracker.is_some() || !planted::is(Bug::ServesWithoutLeader) {
            self.stop_serving(out);
        }
    }

    fn on_established(&mut self, now: Now, role: ServingRole, epoch: Epoch, out: &mut Vec<Action>) {
        let mut tree = self.tree.write();
        if tree.last_zxid() < epoch.start() {
            tree.set_last_zxid(epoch.start());
        }
        // Since it was put there the log may have been cut, or an earlier reconfiguration repeated: a configuration that was heard
        // of in an election need not have a transaction.
        if let Engine::Ensemble(peer) = &self.engine {
            reconfig::put_config_into(&mut tree, peer.membership(), now.wall);
        }
        drop(tree);
        if self.serving == Some(role) {
            self.serve_on(now, role, epoch);
        } else {
            self.begin_serving(now, role, out);
        }
    }

    pub(crate) fn begin_serving(&mut self, now: Now, role: ServingRole, out: &mut Vec<Action>) {
        self.prep.clear();
        self.in_flight.clear();
        self.tracker = match role {
            ServingRole::Standalone | ServingRole::Leader => {
                let tree = self.tree.read();
                Some(SessionTracker::new(now.mono, self.settings.tick_ms, tree.sessions()))
            }
            ServingRole::Follower | ServingRole::Observer | ServingRole::ReadOnly => None,
        };
        self.local = self.new_local_sessions(now, role);
        self.reaper.restart(now.mono);
        tracing::info!(?role, zxid = %self.tree.read().last_zxid(), "serving");
        if role != ServingRole::Leader || self.settings.leader_serves {
            out.push(Action::StartServing(role));
        }
        self.serving = Some(role);
        self.close_dead_sessions(now, out);
    }

    /// Ephemerals whose session is not in the table any more (a log of a server that crashed between the two) end by a
    /// transaction like every other session (I10, I11).
    fn close_dead_sessions(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.tracker.is_none() {
            return;
        }
        let dead: Vec<SessionId> = {
            let tree = self.tree.read();
            tree.ephemerals().into_iter().map(|(owner, _)| owner).filter(|owner| !tree.has_session(*owner)).collect()
        };
        for session in dead {
            tracing::warn!(%session, "closing a session that is gone but still owns ephemerals");
            self.close_session(now, session, out);
        }
    }

    pub(crate) fn stop_serving(&mut self, out: &mut Vec<Action>) {
        self.prep.clear();
        self.in_flight.clear();
        self.tracker = None;
        self.local = None;
        self.touched.clear();
        self.conns.clear();
        self.syncs.clear();
        self.relay = Relay::default();
        self.revalidations.clear();
        self.deferred.clear();
        self.between_epochs_since = None;
        if self.serving.take().is_some() {
            out.push(Action::StopServing);
        }
    }

    /// A server that was stalled (stopped process, starved machine) could not hear its sessions: if it wakes long after it
    /// wanted to, the time in between does not count against them.
    fn forgive_stall(&mut self, now: Now) {
        if self.tracker.is_none() && self.local.is_none() {
            return;
        }
        let Some(wanted) = self.next_deadline() else { return };
        let late_ms = now.mono.since(wanted);
        if late_ms > 2 * self.settings.tick_ms {
            tracing::warn!(late_ms, "this server was stalled; sessions are granted the time it could not hear them");
            let local = self.local.as_mut().map(LocalTracker::sessions_mut);
            self.tracker.as_mut().into_iter().chain(local).for_each(|tracker| tracker.forgive(late_ms));
        }
    }
}

/// Lets go of the current tree before the next one is there.
fn drop_tree(shared: &SharedTree) {
    let placeholder = Tree::placeholder(shared.read().settings());
    replace_tree(shared, placeholder);
}

/// Puts another tree in the place of the current one.
pub(crate) fn replace_tree(shared: &SharedTree, tree: Tree) {
    // The old tree may be large: let go of it outside the lock.
    let old = std::mem::replace(&mut *shared.write(), tree);
    drop(old);
}

fn serving_role(role: EstablishedRole) -> ServingRole {
    match role {
        EstablishedRole::Leader => ServingRole::Leader,
        EstablishedRole::Follower => ServingRole::Follower,
        EstablishedRole::Observer => ServingRole::Observer,
    }
}

/// The first session id of this process: its server in the top byte, then the time (`initializeNextSessionId`). The wall
/// clock, other than Java's monotonic one, does not start again with the machine.
fn first_session_id(wall: Millis, server: i64) -> i64 {
    let id = (((wall.0 << 24) as u64) >> 8) as i64 | (server << 56);
    if id == i64::MIN { id + 1 } else { id }
}
