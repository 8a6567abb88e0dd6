//! Several replicas on a simulated disk and network, one thread, virtual time.

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::{Mutex, RwLock};
use replica::{
    Action, EventSink, GrowthRoom, HandOverOutcome, Input, LocalSessions, Memory, Mode, Now, Recovered, Replica,
    Settings, SharedTree,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tree::{ConnId, PrepSettings, Tree, TreeSettings};
use wire::client::{ConnectRequest, ConnectResponse, Password, RequestHeader};
use wire::election::{Notification, ServerState};
use wire::quorum::{ForwardedRequest, PacketType, QuorumPacket};
use wire::txn::TxnEntry;
use wire::{Epoch, Id, Millis, Reader, ServerId, SessionId, Writer, Xid, Zxid};
use zab::quorum::Membership;
use zab::{Epochs, LinkId, ObserverSettings, Proposal};

type Frames = Arc<Mutex<BTreeMap<ConnId, VecDeque<Bytes>>>>;

struct Sink {
    frames: Frames,
    /// Connections that had got something when the server left its role: they have ended.
    ended: BTreeSet<ConnId>,
}

impl EventSink for Sink {
    fn deliver(&mut self, conn: ConnId, frame: &Bytes) {
        if !self.ended.contains(&conn) {
            self.frames.lock().entry(conn).or_default().push_back(frame.clone());
        }
    }

    fn reply(&mut self, conn: ConnId, frames: BytesMut, _answered: usize) {
        if !self.ended.contains(&conn) {
            receive(&self.frames, conn, frames);
        }
    }

    fn left(&mut self) {
        self.ended.extend(self.frames.lock().keys().copied());
    }
}

fn receive(all: &Frames, conn: ConnId, mut frames: BytesMut) {
    let mut all = all.lock();
    let queue = all.entry(conn).or_default();
    while !frames.is_empty() {
        let length = frames.clone().get_i32() as usize;
        queue.push_back(frames.split_to(4 + length).freeze());
    }
}

/// One server with its disk.
pub struct Server {
    pub sid: ServerId,
    replica: Option<Replica>,
    pub tree: SharedTree,
    pub frames: Frames,
    pub closed: BTreeSet<ConnId>,
    pub connected: BTreeMap<ConnId, SessionId>,
    log: Vec<Proposal>,
    epochs: Epochs,
    snapshot: Option<Tree>,
    inbox: VecDeque<Input>,
    listening: Option<Port>,
    pub serving: bool,
}

/// The servers and what is between them.
pub struct World {
    pub now: i64,
    pub servers: BTreeMap<ServerId, Server>,
    membership: Option<Membership>,
    /// (learner, its link number) to (leader, its link number) and back.
    links: BTreeMap<(ServerId, LinkId), (ServerId, LinkId)>,
    next_link: u64,
    next_conn: u64,
    /// Dials to servers that do not listen yet, with the tries left.
    dials: Vec<(ServerId, LinkId, (ServerId, Port), u32)>,
    /// What became of hand-overs, by the number of the question.
    pub answers: Vec<(u64, HandOverOutcome)>,
    /// Servers that were asked to stop and have done so.
    pub stopped: BTreeSet<ServerId>,
    /// Servers whose disk does not answer.
    pub stalled_disks: BTreeSet<ServerId>,
    /// How many transactions an epoch has.
    counter_max: u32,
    /// How long a server looks for a leader before it serves reads.
    read_only_after_ms: Option<i64>,
    local_sessions: LocalSessions,
}

/// Where a server may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Quorum,
    Observers,
}

pub fn settings(me: ServerId, membership: &Option<Membership>) -> Settings {
    Settings {
        me,
        mode: membership.clone().map_or(Mode::Standalone, Mode::Ensemble),
        tick_ms: 100,
        init_limit_ticks: 10,
        sync_limit_ticks: 5,
        session_timeout_ms_min: 200,
        session_timeout_ms_max: 2000,
        prep: PrepSettings::default(),
        standalone_enabled: true,
        skip_acl: false,
        leader_serves: true,
        read_only_after_ms: None,
        local_sessions: LocalSessions::Never,
        container_check_interval_ms: 1000,
        container_max_per_minute: 10_000,
        container_never_used_ms_max: 0,
        snap_count: 1_000_000,
        snap_bytes: 0,
        jitter_seed: 7,
        commit_log_count: 500,
        counter_max: Zxid::COUNTER_MAX,
        notification_interval_ms_min: 20,
        notification_interval_ms_max: 1000,
        observers: ObserverSettings::default(),
    }
}

fn fresh_tree() -> Tree {
    Tree::new(TreeSettings::default())
}

impl World {
    /// `servers` of 0 is one standalone server.
    pub fn new(servers: i64) -> World {
        World::with_counter_max(servers, Zxid::COUNTER_MAX)
    }

    /// Servers whose epochs end early.
    pub fn with_counter_max(servers: i64, counter_max: u32) -> World {
        World::with(servers, counter_max, None, LocalSessions::Never)
    }

    /// Servers that serve reads when they have looked for a leader for so long.
    /// Its servers believe each other about later configurations.
    pub fn with_read_only_mode(servers: i64, after_ms: i64) -> World {
        World::with(servers, Zxid::COUNTER_MAX, Some(after_ms), LocalSessions::Never)
    }

    /// Voters, and behind them observers that hang on the followers.
    pub fn with_observers(voters: i64, observers: i64) -> World {
        let mut world = World::with_roles(voters, observers, Zxid::COUNTER_MAX, None, LocalSessions::Never);
        world.run(3000);
        world
    }

    /// Servers whose sessions are local.
    pub fn with_local_sessions(servers: i64, local_sessions: LocalSessions) -> World {
        World::with(servers, Zxid::COUNTER_MAX, None, local_sessions)
    }

    fn with(servers: i64, counter_max: u32, read_only_after_ms: Option<i64>, local_sessions: LocalSessions) -> World {
        World::with_roles(servers, 0, counter_max, read_only_after_ms, local_sessions)
    }

    fn with_roles(
        voters: i64,
        observers: i64,
        counter_max: u32,
        read_only_after_ms: Option<i64>,
        local_sessions: LocalSessions,
    ) -> World {
        let servers = voters + observers;
        let role = |sid: i64| if sid <= voters { "participant" } else { "observer" };
        let text: String = (1..=servers).map(|sid| format!("server.{sid}=h{sid}:2888:3888:{}\n", role(sid))).collect();
        let membership = (servers > 0).then(|| Membership::parse(&format!("{text}version=0")).unwrap());
        let mut world = World {
            now: 1000,
            servers: BTreeMap::new(),
            membership,
            links: BTreeMap::new(),
            next_link: 0,
            next_conn: 0,
            dials: Vec::new(),
            answers: Vec::new(),
            stopped: BTreeSet::new(),
            stalled_disks: BTreeSet::new(),
            counter_max,
            read_only_after_ms,
            local_sessions,
        };
        for sid in 1..=servers.max(1) {
            let server = Server {
                sid: ServerId(sid),
                replica: None,
                tree: Arc::new(RwLock::new(fresh_tree())),
                frames: Frames::default(),
                closed: BTreeSet::new(),
                connected: BTreeMap::new(),
                log: Vec::new(),
                epochs: Epochs::default(),
                snapshot: None,
                inbox: VecDeque::new(),
                listening: None,
                serving: false,
            };
            world.servers.insert(ServerId(sid), server);
            world.start(sid);
        }
        world
    }

    pub fn now(&self) -> Now {
        Now { mono: Millis(self.now), wall: Millis(1_700_000_000_000 + self.now) }
    }

    /// Starts a server on what its disk holds.
    pub fn start(&mut self, sid: i64) {
        let now = self.now();
        let settings = Settings {
            counter_max: self.counter_max,
            read_only_after_ms: self.read_only_after_ms,
            local_sessions: self.local_sessions,
            observers: ObserverSettings { masters: true, ..ObserverSettings::default() },
            prep: PrepSettings { reconfig_enabled: self.read_only_after_ms.is_some(), ..PrepSettings::default() },
            ..settings(ServerId(sid), &self.membership)
        };
        let server = self.servers.get_mut(&ServerId(sid)).unwrap();
        server.reload();
        let last_zxid = server.tree.read().last_zxid();
        let recovered =
            Recovered { last_zxid, epochs: server.epochs, history: server.log.clone(), ..Recovered::default() };
        let sink = Box::new(Sink { frames: server.frames.clone(), ended: BTreeSet::new() });
        let mut replica = Replica::new(settings, server.tree.clone(), recovered, sink);
        let mut out = Vec::new();
        replica.start(now, &mut out);
        server.replica = Some(replica);
        self.perform(ServerId(sid), out);
    }

    /// Ends a server as kill -9 does.
    pub fn kill(&mut self, sid: i64) {
        let sid = ServerId(sid);
        let server = self.servers.get_mut(&sid).unwrap();
        server.replica = None;
        server.inbox.clear();
        server.listening = None;
        server.serving = false;
        server.connected.clear();
        let ends: Vec<_> = self.links.keys().filter(|(at, _)| *at == sid).copied().collect();
        for end in ends {
            self.cut(end);
        }
    }

    fn cut(&mut self, end: (ServerId, LinkId)) {
        if let Some((other, link)) = self.links.remove(&end) {
            self.links.remove(&(other, link));
            self.input(other, Input::LinkGone { link, reason: "cut".into() });
        }
    }

    /// A server will be given this.
    pub fn input(&mut self, sid: ServerId, input: Input) {
        let server = self.servers.get_mut(&sid).unwrap();
        if server.replica.is_some() {
            server.inbox.push_back(input);
        }
    }

    /// A server is given this, and what follows from it happens.
    pub fn give(&mut self, sid: i64, input: Input) {
        self.input(ServerId(sid), input);
        self.drain();
    }

    /// A server gets a vote of another one that looks, and that goes by this configuration.
    pub fn hear(&mut self, sid: i64, from: i64, config: &str) {
        let notification = Notification {
            state: ServerState::Looking,
            leader: ServerId(from),
            zxid: Zxid(0),
            round: 1,
            peer_epoch: Epoch(0),
            version: Notification::VERSION,
            config: Some(config.to_owned()),
        };
        self.input(ServerId(sid), Input::Vote { from: ServerId(from), notification });
        self.drain();
    }

    /// Delivers everything that is under way, then lets `ms` pass in steps of the next deadline.
    pub fn run(&mut self, ms: i64) {
        let end = self.now + ms;
        loop {
            self.drain();
            self.dial_all();
            self.drain();
            let next = self.servers.values().filter_map(|server| server.replica.as_ref()?.next_deadline()).min();
            let next = next.map_or(end + 1, |next| next.0.max(self.now + 1));
            let next = if self.dials.is_empty() { next } else { next.min(self.now + 20) };
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            let sids: Vec<ServerId> = self.servers.keys().copied().collect();
            for sid in sids {
                self.input(sid, Input::VotesDelivered(true));
                self.input(sid, Input::Deadline);
            }
        }
    }

    /// A stalled disk reports everything at once.
    pub fn sync_disk(&mut self, sid: i64) {
        let sid = ServerId(sid);
        self.stalled_disks.remove(&sid);
        if let Some(upto) = self.servers[&sid].log.last().map(|proposal| proposal.zxid) {
            self.input(sid, Input::LogSynced { upto });
        }
        self.drain();
    }

    pub fn drain(&mut self) {
        loop {
            let Some(sid) = self.servers.values().find(|server| !server.inbox.is_empty()).map(|server| server.sid)
            else {
                return;
            };
            let now = self.now();
            let server = self.servers.get_mut(&sid).unwrap();
            let input = server.inbox.pop_front().unwrap();
            let mut out = Vec::new();
            if let Some(replica) = &mut server.replica {
                replica.step(now, input, &mut out);
            }
            let applied = server.tree.read().last_zxid();
            // An observer gets transaction and commit in one.
            let observes = self.membership.as_ref().is_some_and(|members| !members.is_voter(sid));
            for action in &out {
                assert!(
                    observes || !matches!(action, Action::Append(proposal) if proposal.zxid <= applied),
                    "server {sid} has applied up to {applied} what it only now begins to log: {action:?}"
                );
            }
            self.perform(sid, out);
        }
    }

    fn perform(&mut self, sid: ServerId, actions: Vec<Action>) {
        for action in actions {
            let server = self.servers.get_mut(&sid).unwrap();
            match action {
                Action::Reply { conn, frames, .. } => receive(&server.frames, conn, frames),
                Action::Connected { conn, session, frame, .. } => {
                    server.connected.insert(conn, session);
                    receive(&server.frames, conn, frame);
                }
                Action::CloseConn { conn, .. } => drop(server.closed.insert(conn)),
                // Their memory is the log's.
                Action::ConfigSeen(_) | Action::ConfigActivated(_) => {}
                Action::StartServing(_) => server.serving = true,
                Action::StopServing => {
                    server.serving = false;
                    server.closed.extend(server.connected.keys().copied());
                }
                Action::Append(proposal) => {
                    let upto = proposal.zxid;
                    server.log.push(proposal);
                    if !self.stalled_disks.contains(&sid) {
                        self.input(sid, Input::LogSynced { upto });
                    }
                }
                Action::SaveEpochs(epochs) => {
                    server.epochs = epochs;
                    self.input(sid, Input::EpochsSaved(epochs));
                }
                Action::Truncate { after } => {
                    server.log.retain(|proposal| proposal.zxid <= after);
                    let tree = Box::new(server.load());
                    let history = server.log.clone();
                    self.input(sid, Input::Truncated { tree, history });
                }
                Action::SaveSnapshot => {
                    let copy = copy_of(&server.tree.read());
                    server.log.clear();
                    server.snapshot = Some(copy);
                    self.input(sid, Input::SnapshotSaved);
                }
                Action::SendVote { to, notification } => {
                    if self.servers.contains_key(&to) {
                        self.input(to, Input::Vote { from: sid, notification });
                    }
                }
                Action::Dial { link, leader } => self.dials.push((sid, link, (leader, Port::Quorum), 20)),
                Action::DialMaster { link, master } => self.dials.push((sid, link, (master, Port::Observers), 20)),
                Action::Listen => server.listening = Some(Port::Quorum),
                Action::ListenForObservers => server.listening = Some(Port::Observers),
                Action::StopListening => server.listening = None,
                Action::Send { link, packet } => {
                    if let Some(&(other, link)) = self.links.get(&(sid, link)) {
                        self.input(other, Input::Packet { link, packet });
                    }
                }
                Action::SendSnapshot { link, zxid } => {
                    let tree = Box::new(copy_of(&server.tree.read()));
                    if let Some(&(other, link)) = self.links.get(&(sid, link)) {
                        self.input(other, Input::SnapshotReceived { link, zxid, tree });
                    }
                }
                Action::CloseLink(link) => self.cut((sid, link)),
                Action::Halt { message, .. } => panic!("server {sid} halts: {message}"),
                Action::HandOverAnswer { id, outcome } => self.answers.push((id, outcome)),
                Action::Stopped => drop(self.stopped.insert(sid)),
                Action::ConnectElection | Action::BackgroundSnapshot => {}
            }
        }
    }

    fn dial_all(&mut self) {
        for (sid, link, (to, port), tries) in std::mem::take(&mut self.dials) {
            if self.servers[&to].listening == Some(port) {
                self.dial(sid, link, to);
            } else if tries == 0 {
                self.input(sid, Input::LinkGone { link, reason: "refused".into() });
            } else {
                self.dials.push((sid, link, (to, port), tries - 1));
            }
        }
    }

    fn dial(&mut self, sid: ServerId, link: LinkId, leader: ServerId) {
        let accepted = LinkId(self.next_link);
        self.next_link += 1;
        self.links.insert((sid, link), (leader, accepted));
        self.links.insert((leader, accepted), (sid, link));
        self.input(sid, Input::LinkUp { link, dialled: Some(leader) });
        self.input(leader, Input::LinkUp { link: accepted, dialled: None });
    }

    // --- clients -------------------------------------------------------------------------------------------------

    pub fn identities() -> Arc<[Id]> {
        Arc::from(vec![Id::new("ip", "127.0.0.1")])
    }

    /// Connects a client and waits for its session.
    pub fn connect(&mut self, sid: i64, session: Option<(SessionId, Vec<u8>)>) -> ConnId {
        self.connect_as(sid, session, Some(false))
    }

    /// Connects a client that says, or does not say, whether a server that can only be read will do.
    pub fn connect_as(&mut self, sid: i64, session: Option<(SessionId, Vec<u8>)>, read_only: Option<bool>) -> ConnId {
        let conn = self.begin_connect(sid, session, read_only);
        self.drain();
        conn
    }

    /// As [`World::connect_as`], without waiting.
    pub fn begin_connect(
        &mut self,
        sid: i64,
        session: Option<(SessionId, Vec<u8>)>,
        read_only: Option<bool>,
    ) -> ConnId {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        let (session, password) = session.unwrap_or((SessionId::NONE, vec![0; 16]));
        let request = ConnectRequest { last_zxid_seen: Zxid(0), timeout: 1000, session, password, read_only };
        self.servers[&ServerId(sid)].tree.read().add_watcher(conn, World::identities());
        self.input(ServerId(sid), Input::Connect { conn, request, identities: World::identities() });
        conn
    }

    pub fn session(&self, sid: i64, conn: ConnId) -> SessionId {
        self.servers[&ServerId(sid)].connected[&conn]
    }

    /// A client's connection ends.
    pub fn leave(&mut self, sid: i64, conn: ConnId) {
        self.input(ServerId(sid), Input::ConnGone(conn));
        self.drain();
    }

    /// An operator wants another server to lead.
    pub fn hand_over(&mut self, sid: i64, id: u64, to: Option<i64>) {
        self.input(ServerId(sid), Input::HandOver { id, to: to.map(ServerId) });
        self.drain();
    }

    /// A process is asked to stop; it goes on until it is killed.
    pub fn shut_down(&mut self, sid: i64) {
        self.input(ServerId(sid), Input::Shutdown);
        self.drain();
    }

    /// A server measures its memory.
    pub fn measure(&mut self, sid: i64, left_bytes: u64) {
        let room = Some(GrowthRoom { left_bytes, resume_bytes: 10_000 });
        self.input(ServerId(sid), Input::Memory(Memory { room, history_bytes_max: usize::MAX }));
    }

    /// Sends a request without waiting.
    pub fn send(&mut self, sid: i64, conn: ConnId, xid: i32, opcode: i32, body: impl FnOnce(&mut Vec<u8>)) {
        let session = self.session(sid, conn);
        let mut bytes = Vec::new();
        body(&mut bytes);
        let header = RequestHeader { xid: Xid(xid), opcode };
        let body = Bytes::from(bytes);
        self.input(ServerId(sid), Input::Request { conn, session, header, body, identities: World::identities() });
    }

    /// Through whom a server learns.
    pub fn upstream(&self, sid: i64) -> Option<i64> {
        Some(self.servers[&ServerId(sid)].replica.as_ref()?.status().upstream?.0)
    }

    /// A learner's upstream gets a request on its link, whoever uses the session by now.
    pub fn forwarded(&mut self, sid: i64, session: SessionId, opcode: i32, body: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        body(&mut bytes);
        let request = ForwardedRequest { session, cxid: 77, opcode, body: bytes.into() };
        let mut packet = QuorumPacket::with_data(PacketType::Request, Zxid::NONE, request.to_bytes());
        packet.identities = Some(World::identities().to_vec());
        self.learned(sid, packet);
    }

    /// A learner's upstream is asked on its link whether a session lives.
    pub fn asked(&mut self, sid: i64, session: SessionId) {
        let mut data = Vec::new();
        wire::Writer::i64(&mut data, session.0);
        wire::Writer::i32(&mut data, 1000);
        self.learned(sid, QuorumPacket::with_data(PacketType::Revalidate, Zxid::NONE, data.into()));
    }

    fn learned(&mut self, sid: i64, packet: QuorumPacket) {
        let dialled = |(at, link): &(ServerId, LinkId)| at.0 == sid && link.0 >= 1 << 63;
        let (_, &(upstream, link)) = self.links.iter().find(|(end, _)| dialled(end)).expect("a link to its upstream");
        self.input(upstream, Input::Packet { link, packet });
    }

    /// The answer to a handshake, with its last byte.
    pub fn next_response(&mut self, sid: i64, conn: ConnId) -> Option<ConnectResponse> {
        let frame = self.servers[&ServerId(sid)].frames.lock().get_mut(&conn)?.pop_front()?;
        let mut input = Reader::new(&frame[8..]);
        let (timeout, session) = (input.i32().unwrap(), SessionId(input.i64().unwrap()));
        let password = Password(input.buffer().unwrap().unwrap().try_into().unwrap());
        let read_only = if input.is_empty() { None } else { Some(input.bool().unwrap()) };
        Some(ConnectResponse { timeout, session, password, read_only })
    }

    /// What a server says it is.
    pub fn mode(&self, sid: i64) -> &'static str {
        self.servers[&ServerId(sid)].replica.as_ref().map_or("down", |replica| replica.status().mode)
    }

    /// The next frame a connection got: (xid, zxid, error, body).
    pub fn next_frame(&mut self, sid: i64, conn: ConnId) -> Option<(i32, i64, i32, Bytes)> {
        let frame = self.servers[&ServerId(sid)].frames.lock().get_mut(&conn)?.pop_front()?;
        let mut input = Reader::new(&frame[4..]);
        let (xid, zxid, error) = (input.i32().unwrap(), input.i64().unwrap(), input.i32().unwrap());
        Some((xid, zxid, error, frame.slice(20..)))
    }

    pub fn leader(&self) -> Option<i64> {
        let leads = |server: &&Server| server.replica.as_ref().is_some_and(|replica| replica.status().mode == "leader");
        self.servers.values().find(leads).map(|server| server.sid.0)
    }
}

impl Server {
    /// How many transactions its log holds.
    pub fn logged(&self) -> usize {
        self.log.len()
    }

    fn load(&self) -> Tree {
        let mut tree = self.snapshot.as_ref().map_or_else(fresh_tree, copy_of);
        let mut events = tree::Events::default();
        for proposal in self.log.iter().filter(|proposal| proposal.zxid > tree.last_zxid()).cloned().collect::<Vec<_>>()
        {
            tree.apply(&TxnEntry::decode(proposal.bytes).unwrap(), &mut events);
        }
        tree
    }

    fn reload(&mut self) {
        self.frames.lock().clear();
        self.tree = Arc::new(RwLock::new(self.load()));
    }
}

/// A copy of a tree, made the way a snapshot travels.
pub fn copy_of(tree: &Tree) -> Tree {
    let mut bytes = Vec::new();
    let mut writer = tree::image::Writer::new(tree);
    while writer.next_chunk(tree, &mut bytes, 1 << 16).unwrap() {}
    let mut loader = tree::image::Loader::new(tree::image::LoaderSettings {
        tree: TreeSettings::default(),
        record_bytes_max: 1 << 22,
    });
    loader.push(&bytes).unwrap();
    let mut copy = loader.finish().unwrap();
    copy.set_last_zxid(tree.last_zxid());
    copy
}

/// The body of a create of a persistent node open to everyone.
pub fn create_body(path: &str, data: &[u8], flags: i32) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        out.string(path);
        out.buffer(Some(data));
        wire::Acl::encode_vec(&wire::Acl::open(), out);
        out.i32(flags);
    }
}

pub fn set_body(path: &str, data: &[u8]) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        out.string(path);
        out.buffer(Some(data));
        out.i32(-1);
    }
}

pub fn delete_body(path: &str) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        out.string(path);
        out.i32(-1);
    }
}

/// The body of a multi that deletes one node and creates another.
pub fn replace_body(old: &str, new: &str) -> impl FnOnce(&mut Vec<u8>) {
    let header = |kind: i32, out: &mut Vec<u8>| {
        out.i32(kind);
        out.bool(kind < 0);
        out.i32(-1);
    };
    move |out| {
        header(2, out);
        delete_body(old)(out);
        header(1, out);
        create_body(new, b"", 0)(out);
        header(-1, out);
    }
}

pub fn watch_body(path: &str, watch: bool) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        out.string(path);
        out.bool(watch);
    }
}
