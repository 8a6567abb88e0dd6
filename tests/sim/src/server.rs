//! One server's process: the real core, the real store, the real request handling, and around them what `node`'s driver
//! does, in simulated time.

mod clients;
mod core;
mod disk;
mod peers;

use crate::checks::SharedChecks;
use crate::conns::{ConnTask, Woken};
use crate::disk::Disk;
use crate::links::Link;
use crate::lists::Lists;
use crate::network::PipeId;
use crate::observe::Observation;
use crate::rng::Rng;
use crate::setup::{self, Setup};
use bytes::{Bytes, BytesMut};
use node::actions::{Sink, shared_clients};
use node::clients::SharedClients;
use node::disk_work::DiskWork;
use node::learner_conn::Port;
use node::recovery::Recovery;
use node::shared::{ClientInput, Shared};
use node::snapshots::Snapshots;
use parking_lot::{Mutex, RwLock};
use replica::{Action, EventSink, Input, Now, Replica, ServingRole, SharedTree};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use store::{DirLock, TxnLog};
use tree::{ConnId, Tree};
use wire::election::Notification;
use wire::txn::TxnEntry;
use wire::{Epoch, Millis, ServerId, Zxid};
use zab::election::Reach;
use zab::{LinkId, Proposal};

/// Between two sweeps for active sessions, µs.
const SWEEP_US: i64 = 25_000;
/// A task runs this much after it was woken, at most, µs.
const TASK_DELAY_US_MAX: i64 = 60;
/// The driver takes what connections sent this much later, at most, µs.
const DRIVER_DELAY_US_MAX: i64 = 80;
/// Between two pieces of a streamed snapshot, µs.
const STREAM_PAUSE_US: i64 = 200;
/// A report of progress on a link at most so often, µs: `node::limits::LINK_PROGRESS_EVERY` on the scale of a tick of 100 ms.
const PROGRESS_EVERY_US: i64 = 100_000;
/// The wall clock at the start of a run, ms since 1970.
const WALL_START_MS: i64 = 1_700_000_000_000;

/// Something that happens to a server's process.
#[derive(Debug, Clone)]
pub enum ServerEvent {
    /// A deadline may have come.
    Wake(u64),
    /// A vote arrived.
    Vote(ServerId, Notification),
    /// Whether a peer can be heard has become known.
    Reach(ServerId, Reach),
    /// Bytes came out of a pipe.
    Bytes(PipeId, Bytes),
    /// A pipe ended.
    End(PipeId),
    /// A peer has connected to the quorum port.
    Accepted(PipeId),
    /// Dialling a leader ended: with a pipe, or without.
    Dialled(LinkId, Option<PipeId>),
    /// A client has connected.
    ClientAccepted(PipeId),
    /// A connection's task runs.
    Task(ConnId),
    /// The driver takes what connections have for it.
    Clients,
    /// The disk is ready.
    Disk,
    /// A piece of the background snapshot is due.
    Background,
    /// A link sends on.
    Pump(LinkId),
    /// An operator wants another to lead.
    HandOver(Option<ServerId>),
    /// It is asked to stop.
    Stop,
}

/// What a server does to the world.
#[derive(Debug)]
pub enum Effect {
    /// Send bytes.
    Send(PipeId, Bytes),
    /// Close a pipe behind what was sent.
    Close(PipeId),
    /// Send a vote.
    Vote(ServerId, Notification),
    /// Connect to every election port: votes that waited for a connection go out.
    ConnectAll,
    /// Dial a leader, or a master of observers.
    Dial(LinkId, ServerId, Port),
    /// A snapshot is about to be sent through a pipe.
    SnapshotBegins(PipeId),
    /// It leads and has proposed other members.
    ChangeBegins,
    /// Something for itself, later.
    After(i64, ServerEvent),
    /// The process ends.
    Dead(String),
    /// The process ends as it was asked to.
    Stopped,
}

/// How a server's clocks differ from the world's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// How much faster the monotonic clock runs, parts in a million.
    pub drift_ppm: i64,
    /// How far the wall clock is off, ms.
    pub wall_offset_ms: i64,
}

impl Clock {
    /// The server's time.
    #[must_use]
    pub fn now(&self, now_us: i64) -> Now {
        let mono_us = now_us + now_us / 1000 * self.drift_ppm / 1000;
        let wall = WALL_START_MS + now_us / 1000 + self.wall_offset_ms;
        Now { mono: Millis(mono_us / 1000 + 1000), wall: Millis(wall) }
    }

    /// When the monotonic clock shows this, in the world's time.
    #[must_use]
    pub fn world_us(&self, mono: Millis) -> i64 {
        let mono_us = mono.0.saturating_sub(1000).saturating_mul(1000);
        // A little late is late enough: the core compares with its own clock again.
        mono_us - mono_us / 1000 * self.drift_ppm / 1000 + 1000
    }
}

/// Where the core delivers while the tree is locked; the checkers see every transaction there.
struct Watcher {
    sink: Sink,
    checks: SharedChecks,
    sid: ServerId,
    source: Arc<Mutex<Option<(ServerId, Zxid)>>>,
}

impl EventSink for Watcher {
    fn deliver(&mut self, conn: ConnId, frame: &Bytes) {
        self.sink.deliver(conn, frame);
    }

    fn reply(&mut self, conn: ConnId, frames: BytesMut, answered: usize) {
        self.sink.reply(conn, frames, answered);
    }

    fn applied(&mut self, entry: &TxnEntry, tree: &Tree) {
        self.checks.lock().see(&Observation::Applied { server: self.sid, entry, tree });
    }

    fn installed(&mut self, _tree: &Tree) {
        if let Some((from, zxid)) = *self.source.lock() {
            self.checks.lock().see(&Observation::Installed { server: self.sid, from, zxid });
        }
    }

    fn serves_on(&mut self, role: ServingRole, epoch: Epoch, tree: &Tree) {
        let mut checks = self.checks.lock();
        if role == ServingRole::Leader {
            checks.coverage.count("roll-overs in place");
        }
        checks.see(&Observation::Serving { server: self.sid, role, epoch, tree });
    }

    fn left(&mut self) {
        self.sink.left();
        self.checks.lock().see(&Observation::Stopped { server: self.sid });
    }
}

/// A running server.
pub struct Server {
    sid: ServerId,
    /// Where a leader runs out of transactions.
    counter_max: u32,
    replica: Replica,
    shared: Arc<Shared>,
    tree: SharedTree,
    clients: SharedClients,
    conns: BTreeMap<ConnId, ConnTask>,
    woken: Woken,
    links: BTreeMap<LinkId, Link>,
    link_of: BTreeMap<PipeId, LinkId>,
    conn_of: BTreeMap<PipeId, ConnId>,
    next_link: u64,
    listening: Option<Port>,
    role: Option<ServingRole>,
    snapshot_from: Option<LinkId>,
    source: Arc<Mutex<Option<(ServerId, Zxid)>>>,
    appends: Vec<Proposal>,
    /// The last transaction that it was to log. A leader's proposals beyond it are offers to its successor.
    last_appended: Zxid,
    actions: Vec<Action>,
    client_inputs: VecDeque<ClientInput>,
    taking_clients: bool,
    /// Its disk.
    pub disk: Disk,
    background_planned: bool,
    recovery: Recovery,
    setup: Arc<Setup>,
    clock: Clock,
    now_us: i64,
    swept_us: i64,
    progress_us: i64,
    wake: (u64, i64),
    votes_delivered: bool,
    checks: SharedChecks,
    rng: Rng,
    effects: Vec<Effect>,
    _lock: DirLock,
}

impl Server {
    /// Starts a process on what the disk holds; answers it with its first effects.
    ///
    /// # Errors
    /// When it refuses to start.
    pub fn start(
        sid: ServerId,
        setup: &Arc<Setup>,
        clock: Clock,
        now_us: i64,
        checks: &SharedChecks,
        mut rng: Rng,
    ) -> Result<(Server, Vec<Effect>), String> {
        let recovery = setup.recovery(sid);
        let (vfs, dirs) = (recovery.vfs.clone(), recovery.dirs.clone());
        let lock = store::open_dirs(&*vfs, &dirs, store::Autocreate::Yes).map_err(|error| error.to_string())?;
        let wall = clock.now(now_us).wall;
        let recovered = recovery.run(wall).map_err(|error| error.to_string())?;
        let last = recovered.found.last;
        let epochs = node::epochs::load(&*vfs, &dirs.snap_dir(), last).map_err(|error| error.to_string())?;
        checks.lock().see(&Observation::Recovered { server: sid, last, epochs, tree: &recovered.tree });
        let lists = setup.lists.lock().get(&sid).cloned();
        if let Some(membership) = lists.as_ref().map(Lists::in_force) {
            checks.lock().see(&Observation::Configured { server: sid, membership, is_news: false });
        }
        let tree: SharedTree = Arc::new(RwLock::new(recovered.tree));
        let shared = setup::shared(&tree);
        let keep = Some(setup.snapshots_kept);
        let snapshots =
            Snapshots::new(vfs.clone(), dirs.clone(), tree.clone(), recovery.snapshots, keep, shared.disk.clone());
        let log = TxnLog::open(vfs, dirs.log_dir(), setup.log, last);
        let work = DiskWork::new(log, recovery.clone(), Arc::new(snapshots), epochs);
        let clients = shared_clients();
        let source = Arc::new(Mutex::new(None));
        let watcher =
            Watcher { sink: Sink::unmeasured(clients.clone()), checks: checks.clone(), sid, source: source.clone() };
        // No empty disk is a database unless somebody has said so.
        let (history, config_before) = (recovered.history, recovered.config_before);
        let core = replica::Recovered { last_zxid: last, epochs, history, config_before, is_new_ensemble: true };
        let mut server = Server {
            sid,
            counter_max: setup.counter_max,
            replica: Replica::new(setup.replica(sid), tree.clone(), core, Box::new(watcher)),
            shared,
            tree,
            clients,
            conns: BTreeMap::new(),
            woken: Woken::default(),
            links: BTreeMap::new(),
            link_of: BTreeMap::new(),
            conn_of: BTreeMap::new(),
            next_link: 0,
            listening: None,
            role: None,
            snapshot_from: None,
            source,
            appends: Vec::new(),
            last_appended: last,
            actions: Vec::new(),
            client_inputs: VecDeque::new(),
            taking_clients: false,
            disk: Disk::new(work, setup.sync_us, rng.fork("disk")),
            background_planned: false,
            recovery,
            setup: setup.clone(),
            clock,
            now_us,
            swept_us: now_us,
            progress_us: now_us,
            wake: (0, i64::MAX),
            votes_delivered: true,
            checks: checks.clone(),
            rng,
            effects: Vec::new(),
            _lock: lock,
        };
        let mut actions = Vec::new();
        server.replica.start(server.now(), &mut actions);
        server.actions = actions;
        server.perform();
        server.end_batch();
        let effects = std::mem::take(&mut server.effects);
        Ok((server, effects))
    }

    fn now(&self) -> Now {
        self.clock.now(self.now_us)
    }

    /// Sets the clocks.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// In which role it serves, if it does.
    #[must_use]
    pub fn role(&self) -> Option<ServingRole> {
        self.role
    }

    /// Whether this port between servers is open.
    #[must_use]
    pub fn is_listening(&self, port: Port) -> bool {
        self.listening == Some(port)
    }

    /// The connection that a pipe carries.
    #[must_use]
    pub fn conn_of(&self, pipe: PipeId) -> Option<ConnId> {
        self.conn_of.get(&pipe).copied()
    }

    /// Its tree.
    #[must_use]
    pub fn tree(&self) -> &SharedTree {
        &self.tree
    }

    /// Tells whether the last votes reached anybody.
    pub fn note_votes(&mut self, delivered: bool) {
        self.votes_delivered = delivered;
    }

    /// Something happens to it.
    pub fn handle(&mut self, now_us: i64, event: ServerEvent) -> Vec<Effect> {
        self.now_us = now_us;
        match event {
            ServerEvent::Wake(number) if number == self.wake.0 => {
                self.wake.1 = i64::MAX;
                self.take_time();
            }
            ServerEvent::Wake(_) => return Vec::new(),
            ServerEvent::Vote(from, notification) => self.step(Input::Vote { from, notification }),
            ServerEvent::Reach(sid, reach) => self.step(Input::Reach { sid, reach }),
            ServerEvent::Bytes(pipe, bytes) => self.on_bytes(pipe, &bytes),
            ServerEvent::End(pipe) => self.on_end(pipe),
            ServerEvent::Accepted(pipe) => self.on_accepted(pipe),
            ServerEvent::Dialled(link, pipe) => self.on_dialled(link, pipe),
            ServerEvent::ClientAccepted(pipe) => self.on_client(pipe),
            ServerEvent::Task(conn) => self.run_task(conn),
            ServerEvent::Clients => {
                self.taking_clients = false;
                while let Some(input) = self.client_inputs.pop_front() {
                    self.take_client(input);
                }
            }
            ServerEvent::Disk => self.on_disk(),
            ServerEvent::Background => self.on_background(),
            ServerEvent::Pump(link) => self.pump(link),
            ServerEvent::HandOver(to) => self.step(Input::HandOver { id: 0, to }),
            ServerEvent::Stop => self.step(Input::Shutdown),
        }
        self.end_batch();
        std::mem::take(&mut self.effects)
    }
}
