//! Performs what the core asks for.
//!
//! Actions are performed in their order. Three effects are held back to the end of the batch, where one of each is enough:
//! handing appends to the disk, waking connections, waking links. An effect that must come after an append (another job of
//! the disk) flushes the appends first.

use crate::clients::{Clients, SharedClients};
use crate::clock;
use crate::disk::{DiskQueue, History, Job};
use crate::election_conn::ElectionNet;
use crate::exit;
use crate::learner_conn::{LinkNet, Port};
use crate::link::{Link, Queued};
use crate::metrics::elections::Elections;
use crate::metrics::histogram::Summary;
use crate::metrics::instruments::Instruments;
use crate::outbox::Attached;
use crate::reconfig::Reconfig;
use crate::shared::{Configurations, Shared};
use replica::{Action, CloseReason, HandOverOutcome, Input};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::oneshot;
use tree::{ConnId, Events, Tree};
use wire::txn::{Txn, TxnEntry};
use wire::{Millis, ServerId, SessionId, Zxid};
use zab::{LinkId, Proposal};

/// Whether the driver goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It does.
    Goes,
    /// The core has stopped.
    Stopped,
}

/// Everything the core's actions work on.
pub struct Hands {
    shared: Arc<Shared>,
    clients: SharedClients,
    disk: DiskQueue,
    /// Absent in a standalone server.
    peers: Option<Peers>,
    links: HashMap<LinkId, Arc<Link>>,
    busy_links: Vec<Arc<Link>>,
    appends: Vec<Proposal>,
    own: VecDeque<Input>,
    /// Who waits for what becomes of a hand-over, by the number of the question.
    asked: BTreeMap<u64, oneshot::Sender<HandOverOutcome>>,
    questions: u64,
    /// Who waits until a restored tree is served.
    restore: Option<oneshot::Sender<()>>,
    /// The link on which a snapshot arrived that is not durable yet: once it is, what the log holds beyond it belongs to a
    /// history that was given up. Forgotten with the link, because then the core drops the snapshot too.
    snapshot_from: Option<LinkId>,
    elections: Elections,
    /// Where the acknowledgements of the learners behind links are counted.
    acks: HashMap<LinkId, Arc<Summary>>,
}

/// The sockets between servers.
pub struct PeerPorts {
    /// The election port.
    pub election: ElectionNet,
    /// The quorum port.
    pub links: LinkNet,
}

/// The sockets between servers, and what moves them.
pub struct Peers {
    /// The sockets.
    pub ports: PeerPorts,
    /// The ensemble.
    pub reconfig: Reconfig,
}

impl Hands {
    /// Joins the parts. `clients` is also what the core's event sink delivers to.
    #[must_use]
    pub fn new(shared: Arc<Shared>, clients: SharedClients, disk: DiskQueue, peers: Option<Peers>) -> Hands {
        Hands {
            shared,
            clients,
            disk,
            peers,
            links: HashMap::new(),
            busy_links: Vec::new(),
            appends: Vec::new(),
            own: VecDeque::new(),
            asked: BTreeMap::new(),
            questions: 0,
            restore: None,
            snapshot_from: None,
            elections: Elections::default(),
            acks: HashMap::new(),
        }
    }

    /// A step begins, monotonic µs and wall clock.
    pub fn note_step(&self, now_us: u64, wall: Millis) {
        self.shared.instruments.core.begin_step(now_us, wall);
    }

    /// The step that began then has ended; what it asks for is not done yet.
    pub fn note_step_done(&self, began_us: u64) {
        self.shared.instruments.step_done(began_us);
    }

    /// So many requests of a client have come to the driver.
    pub fn note_queued(&self, conn: ConnId, since_us: u64, requests: u64) {
        let now_us = clock::micros();
        self.clients.lock().note_taken(conn, now_us);
        self.shared.instruments.queued(now_us.saturating_sub(since_us), requests);
    }

    /// A learner has acknowledged a transaction; `sid` says who it is.
    pub fn note_ack(&mut self, link: LinkId, zxid: Zxid, sid: impl FnOnce() -> Option<ServerId>) {
        let Instruments { times, core, .. } = &*self.shared.instruments;
        let Some(us) = times.since_proposed(zxid, clock::micros()) else { return };
        let acks = match self.acks.entry(link) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(place) => sid().and_then(|sid| core.acks_of(sid)).map(|acks| place.insert(acks)),
        };
        if let Some(acks) = acks {
            acks.add(us / 1000);
        }
    }

    /// So many inputs were found when the driver looked.
    pub fn note_batch(&self, inputs: usize) {
        self.shared.instruments.found_queued(inputs);
    }

    /// The driver has come to something that was due at this time.
    pub fn note_late(&self, deadline: Millis) {
        let due_us = u64::try_from(deadline.0).unwrap_or(0).saturating_mul(1000);
        self.shared.instruments.core.late.add(clock::micros().saturating_sub(due_us));
    }

    /// Whether the core looks for a leader now.
    pub fn note_looking(&mut self, looks: bool) {
        self.elections.looks(looks, &self.shared.instruments);
    }

    /// What the tasks share.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The configurations that the core goes by; `None` for a standalone server.
    #[must_use]
    pub fn configurations(&self) -> Option<Configurations> {
        self.peers.as_ref().map(|peers| peers.reconfig.configurations())
    }

    /// Bytes that wait for the disk.
    #[must_use]
    pub fn disk_bytes(&self) -> usize {
        usize::try_from(self.shared.disk.queued_bytes.load(Relaxed)).unwrap_or(usize::MAX)
    }

    /// An input that performing an action gave rise to.
    pub fn take_own_input(&mut self) -> Option<Input> {
        self.own.pop_front()
    }

    /// The clients, shared with the core's event sink.
    #[must_use]
    pub fn clients(&self) -> SharedClients {
        self.clients.clone()
    }

    /// The sessions that were active since the last call.
    pub fn take_touched(&mut self) -> Vec<SessionId> {
        self.clients.lock().take_touched()
    }

    /// Whether the last votes were handed to a peer; `None` without an election port.
    #[must_use]
    pub fn votes_delivered(&self) -> Option<bool> {
        self.peers.as_ref().map(|peers| peers.ports.election.have_delivered())
    }

    /// A link, while it is known.
    #[must_use]
    pub fn link(&self, link: LinkId) -> Option<&Arc<Link>> {
        self.links.get(&link)
    }

    /// Whether the link is known and was not closed.
    #[must_use]
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Takes in a link that stands. A dialled one is known since it was dialled, unless it was closed meanwhile.
    pub fn link_up(&mut self, link: Arc<Link>, dialled: Option<ServerId>) -> bool {
        if dialled.is_some() {
            return self.links.contains_key(&link.id);
        }
        let listening = self.peers.as_ref().is_some_and(|peers| peers.ports.links.is_listening());
        if listening {
            self.links.insert(link.id, link);
        } else {
            link.cut();
            link.wake();
        }
        listening
    }

    /// Forgets a link that is gone; answers whether it was known.
    pub fn forget_link(&mut self, link: LinkId) -> bool {
        self.remove_link(link).is_some()
    }

    /// Notes on which link a snapshot has arrived.
    pub fn note_snapshot_from(&mut self, link: LinkId) {
        self.snapshot_from = Some(link);
    }

    /// Somebody waits for what becomes of a hand-over. Answers the number of the question.
    pub fn expect_hand_over(&mut self, answer: oneshot::Sender<HandOverOutcome>) -> u64 {
        self.questions += 1;
        self.asked.insert(self.questions, answer);
        self.questions
    }

    /// Somebody waits until clients are served again, from a tree that is restored now.
    pub fn expect_restore(&mut self, answer: oneshot::Sender<()>) {
        self.restore = Some(answer);
    }

    fn remove_link(&mut self, link: LinkId) -> Option<Arc<Link>> {
        self.snapshot_from.take_if(|from| *from == link);
        self.acks.remove(&link);
        self.links.remove(&link)
    }

    /// Performs one action.
    pub fn perform(&mut self, action: Action) -> Outcome {
        match action {
            Action::Reply { conn, frames, answered } => {
                self.shared.instruments.requests.note_replies(frames.len(), answered);
                self.clients.lock().with(conn, |conn| conn.outbox.replies(frames, answered));
            }
            Action::Connected { conn, session, timeout_ms, frame } => {
                let attached = Attached { session, timeout_ms };
                self.clients.lock().connected(conn, attached, &frame);
            }
            Action::CloseConn { conn, reason } => {
                self.clients.lock().with(conn, |conn| conn.outbox.close(reason));
            }
            Action::StartServing(role) => {
                tracing::info!(?role, "serve clients");
                self.elections.serves(role, &self.shared.instruments);
                self.shared.serving.store(true, Relaxed);
                if let Some(answer) = self.restore.take() {
                    // Whoever asked may have given up waiting.
                    let _ = answer.send(());
                }
            }
            Action::StopServing => self.stop_serving(),
            Action::Append(proposal) => {
                let Instruments { times, core, .. } = &*self.shared.instruments;
                let began_us = core.step_began_us.load(Relaxed);
                let made_at = times.proposed(proposal.zxid, &proposal.bytes, began_us);
                self.shared.instruments.received(made_at);
                self.appends.push(proposal);
            }
            Action::SaveEpochs(epochs) => self.disk_job(Job::SaveEpochs(epochs)),
            Action::Truncate { after } => self.disk_job(Job::Truncate { after }),
            Action::SaveSnapshot => {
                // A standalone server is asked for one when an operator has put another tree in the place of its own.
                let replaces = self.snapshot_from.take().is_some() || self.peers.is_none();
                let history = if replaces { History::Replaced } else { History::Continued };
                self.disk_job(Job::SaveSnapshot(history));
            }
            Action::BackgroundSnapshot => self.disk_job(Job::BackgroundSnapshot),
            Action::HandOverAnswer { id, outcome } => {
                if let Some(answer) = self.asked.remove(&id) {
                    // Whoever asked may have given up waiting.
                    let _ = answer.send(outcome);
                }
            }
            Action::Stopped => {
                self.flush_appends();
                return Outcome::Stopped;
            }
            Action::Halt { code, message } => exit::halt(code, &message),
            peer => self.perform_for_peers(peer),
        }
        Outcome::Goes
    }

    fn perform_for_peers(&mut self, action: Action) {
        let Some(Peers { ports: peers, reconfig }) = &mut self.peers else {
            unreachable!("a standalone server has no peers, but was asked for {action:?}");
        };
        match action {
            Action::ConfigSeen(membership) => reconfig.seen(membership, peers),
            Action::ConfigActivated(membership) => reconfig.activated(membership, peers, &self.shared),
            Action::SendVote { to, notification } => peers.election.send(to, &notification),
            Action::ConnectElection => peers.election.connect_all(),
            Action::Listen => peers.links.listen(Port::Quorum),
            Action::ListenForObservers => peers.links.listen(Port::Observers),
            Action::StopListening => peers.links.stop_listening(),
            Action::Dial { link, leader } => {
                peers.links.dial(new_link(&mut self.links, link), leader, Port::Quorum);
            }
            Action::DialMaster { link, master } => {
                peers.links.dial(new_link(&mut self.links, link), master, Port::Observers);
            }
            Action::Send { link, packet } => {
                let Some(link) = self.links.get(&link).cloned() else { return };
                match link.send(&packet) {
                    Queued::First => self.busy_links.push(link),
                    Queued::Behind => {}
                    Queued::Full => self.cut_link(&link),
                }
            }
            Action::SendSnapshot { link, zxid } => {
                let Some(link) = self.links.get(&link).cloned() else { return };
                link.send_snapshot(zxid);
                self.busy_links.push(link);
            }
            Action::CloseLink(link) => {
                let Some(link) = self.remove_link(link) else { return };
                link.close();
                self.busy_links.push(link);
            }
            other => unreachable!("{other:?} is performed elsewhere"),
        }
    }

    fn cut_link(&mut self, link: &Arc<Link>) {
        link.cut();
        self.remove_link(link.id);
        self.busy_links.push(link.clone());
        let reason = "it takes too little of what it is sent".to_owned();
        self.own.push_back(Input::LinkGone { link: link.id, reason });
    }

    fn stop_serving(&mut self) {
        tracing::info!("stop serving clients");
        self.shared.serving.store(false, Relaxed);
        self.elections.is_silent(&self.shared.instruments);
        self.clients.lock().close_all(CloseReason::NotServing);
    }

    fn disk_job(&mut self, job: Job) {
        self.flush_appends();
        self.disk.send(job);
    }

    fn flush_appends(&mut self) {
        if !self.appends.is_empty() {
            self.disk.send(Job::Append(std::mem::take(&mut self.appends)));
        }
    }

    /// Starts everything that was held back.
    pub fn end_batch(&mut self) {
        self.flush_appends();
        for link in self.busy_links.drain(..) {
            link.wake();
        }
        self.clients.lock().wake_all();
    }
}

/// A link that is known from now on.
fn new_link(links: &mut HashMap<LinkId, Arc<Link>>, id: LinkId) -> Arc<Link> {
    let link = Arc::new(Link::new(id));
    links.insert(id, link.clone());
    link
}

/// Where the core delivers watch events while it holds the tree for writing.
pub struct Sink {
    /// The connections.
    pub clients: SharedClients,
    /// What is measured.
    pub instruments: Arc<Instruments>,
}

impl Sink {
    /// One whose figures nobody looks at.
    #[must_use]
    pub fn unmeasured(clients: SharedClients) -> Sink {
        Sink { clients, instruments: Arc::default() }
    }
}

impl replica::EventSink for Sink {
    fn applied(&mut self, entry: &TxnEntry, _tree: &Tree) {
        let clients = &self.instruments.clients;
        self.instruments.applied(entry.header.zxid);
        self.instruments.propagated(entry.header.time);
        match entry.txn {
            Txn::CreateSession { .. } => clients.sessions_created.fetch_add(1, Relaxed),
            Txn::CloseSession { .. } => clients.sessions_closed.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    fn fired(&mut self, events: &Events) {
        self.instruments.clients.note_events(events);
    }

    fn deliver(&mut self, conn: ConnId, frame: &bytes::Bytes) {
        self.clients.lock().with(conn, |conn| conn.outbox.event(frame));
    }

    fn reply(&mut self, conn: ConnId, frames: bytes::BytesMut, answered: usize) {
        self.instruments.requests.note_replies(frames.len(), answered);
        self.clients.lock().with(conn, |conn| conn.outbox.replies(frames, answered));
    }

    fn left(&mut self) {
        self.clients.lock().close_all(CloseReason::NotServing);
    }
}

/// An empty set of clients, to be shared between the driver and the core's event sink (both on one thread).
#[must_use]
pub fn shared_clients() -> SharedClients {
    Arc::new(parking_lot::Mutex::new(Clients::default()))
}
