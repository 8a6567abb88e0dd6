//! An ensemble in a bottle, for tests of clients and of the checkers of what clients see: one log, a leader that carries
//! everything out at once, followers that lag, connections that break. No broadcast, no disk. It can be told to do wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use replica::ServingRole;
use tree::acl::{AuthSettings, authenticate};
use tree::{ConnId, Events, Prep, PrepSettings, ReadContext, Tree, TreeSettings, WriteRequest, encode_write_reply};
use wire::client::{AuthPacket, ConnectRequest, ConnectResponse, OpCode, Password, ReplyHeader, RequestHeader};
use wire::txn::{Txn, TxnEntry, TxnHeader};
use wire::{Epoch, ErrorCode, Id, Millis, Reader, ServerId, SessionId, Writer, Xid, Zxid};
use zab::Epochs;

use super::{Client, ClientAction, ClientInput, Workload, codec};
use crate::invariants::{self, Invariant};
use crate::model::Model;
use crate::observe::{ClientId, Observation};
use crate::rng::Rng;

/// Something that servers may do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// A follower answers a delete before it has applied it, with the zxid that it stands at.
    WriteAnsweredEarly,
    /// The leader answers a write with the zxid of the one before.
    OldZxid,
    /// The answers to two requests change places.
    AnswersSwapped,
    /// A follower lets clients in that have seen more than it has.
    BehindClient,
    /// A read shows the tree of a server that lags behind the zxid of its answer.
    StaleRead,
    /// A watch event is lost.
    EventLost,
    /// A watch event comes twice.
    EventTwice,
    /// setWatches registers without telling what was missed.
    NotCaughtUp,
    /// setWatches2 registers the one-shot watches alone.
    PersistentForgotten,
    /// removeWatches is answered and removes nothing.
    RemovalIgnored,
    /// Reads ask nobody for permission.
    ReadUnchecked,
    /// A failed write is answered as if it had been carried out.
    ErrorHidden,
    /// A frame has a byte too many.
    LongFrame,
}

/// What a connection waits for.
#[derive(Debug)]
enum Pending {
    Write(Xid),
    Read(RequestHeader, OpCode, Bytes, usize),
}

#[derive(Debug)]
struct Conn {
    id: ConnId,
    server: usize,
    session: SessionId,
    identities: Arc<[Id]>,
    greeted: bool,
    inbox: BytesMut,
    outbox: BytesMut,
    pending: VecDeque<Pending>,
}

struct Server {
    tree: Tree,
    applied: usize,
    /// How often in a hundred rounds it catches up a little.
    pace_percent: u64,
}

/// See the module.
pub struct Bottle {
    wrong: Wrong,
    rng: Rng,
    now_us: i64,
    log: Vec<TxnEntry>,
    prep: Prep,
    servers: Vec<Server>,
    clients: Vec<Client>,
    conns: BTreeMap<usize, Conn>,
    last_conn: u64,
    last_session: i64,
    /// Sessions without a connection, and since when.
    orphans: BTreeMap<SessionId, i64>,
    /// How long they may have none.
    expiry_us: i64,
    checks: Checks,
}

/// The model and the checkers.
pub struct Checks {
    model: Model,
    invariants: Vec<Box<dyn Invariant>>,
    /// The first violation: whose, and in which words.
    pub violation: Option<(&'static str, String)>,
    now_us: i64,
}

impl Checks {
    fn see(&mut self, seen: &Observation<'_>) {
        if self.violation.is_some() {
            return;
        }
        if let Err(why) = self.model.observe(self.now_us, seen) {
            self.violation = Some(("model", why));
            return;
        }
        for invariant in &mut self.invariants {
            if let Err(why) = invariant.observe(seen, &self.model) {
                self.violation = Some((invariant.name(), why));
                return;
            }
        }
    }
}

fn sid(server: usize) -> ServerId {
    ServerId(server as i64 + 1)
}

impl Bottle {
    /// Three servers and five clients.
    pub fn new(seed: u64, wrong: Wrong) -> Bottle {
        let mut rng = Rng::new(seed);
        let ids: BTreeSet<ServerId> = (0..3).map(sid).collect();
        let servers = ids.iter().map(|_| Server {
            tree: Tree::new(TreeSettings { extended_types: true, ..TreeSettings::default() }),
            applied: 0,
            pace_percent: *rng.pick(&[60, 60, 10, 1]).unwrap_or(&60),
        });
        let servers: Vec<Server> = servers.collect();
        let shared = Workload::draw(&mut rng);
        let clients = (0..5).map(|id| {
            let mut workload = Workload { keys: shared.keys, ..Workload::draw(&mut rng) };
            workload.think_us.1 = workload.think_us.1.min(20_000);
            workload.watch_percent = workload.watch_percent.max(20);
            Client::new(ClientId(id), ids.iter().copied().collect(), workload, rng.bits())
        });
        let clients = clients.collect();
        let expiry_us = rng.range(50_000, 3_000_000);
        let model = Model::new(ids, BTreeSet::new());
        let mut bottle = Bottle {
            wrong,
            rng,
            now_us: 0,
            log: Vec::new(),
            prep: Prep::new(PrepSettings::default()),
            servers,
            clients,
            conns: BTreeMap::new(),
            last_conn: 0,
            last_session: 0x100_0000_0000_0000,
            orphans: BTreeMap::new(),
            expiry_us,
            checks: Checks { model, invariants: invariants::sessions(), violation: None, now_us: 0 },
        };
        for (index, server) in bottle.servers.iter().enumerate() {
            let role = if index == 0 { ServingRole::Leader } else { ServingRole::Follower };
            let (server, tree) = (sid(index), &server.tree);
            let epochs = Epochs::default();
            bottle.checks.see(&Observation::Recovered { server, last: Zxid::ZERO, epochs, tree });
            bottle.checks.see(&Observation::Serving { server, role, epoch: Epoch(1), tree });
        }
        bottle
    }

    /// Goes on for some rounds, or until something is wrong.
    pub fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            if self.checks.violation.is_some() {
                return;
            }
            self.round();
        }
    }

    /// Lets every client visit every server, nothing breaking meanwhile. Answers whether all of them came to rest.
    pub fn settle(&mut self, rounds: usize) -> bool {
        let servers: Vec<ServerId> = (0..self.servers.len()).map(sid).collect();
        for client in 0..self.clients.len() {
            self.step(client, ClientInput::Calm(&servers));
        }
        for _ in 0..rounds {
            if self.checks.violation.is_some() || self.clients.iter().all(Client::is_idle) {
                break;
            }
            self.advance();
        }
        self.catch_up();
        let idle = self.clients.iter().all(Client::is_idle);
        for (index, server) in self.servers.iter().enumerate() {
            self.checks.see(&Observation::AtRest { server: sid(index), tree: &server.tree });
        }
        for invariant in &mut self.checks.invariants {
            if let Err(why) = invariant.finish(&self.checks.model) {
                self.checks.violation.get_or_insert((invariant.name(), why));
            }
        }
        idle
    }

    /// What was found.
    pub fn violation(&self) -> Option<&(&'static str, String)> {
        self.checks.violation.as_ref()
    }

    /// How often each invariant has looked.
    pub fn examined(&self) -> Vec<(&'static str, u64)> {
        self.checks.invariants.iter().map(|invariant| (invariant.name(), invariant.examined())).collect()
    }

    /// The clients.
    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    fn round(&mut self) {
        if self.rng.permille(5) {
            let client = self.rng.index(self.clients.len());
            self.cut(client);
        }
        self.advance();
    }

    fn advance(&mut self) {
        self.now_us += self.rng.range(1, 3_000);
        self.checks.now_us = self.now_us;
        for client in 0..self.clients.len() {
            if self.clients[client].deadline_us().is_some_and(|deadline_us| deadline_us <= self.now_us) {
                self.step(client, ClientInput::Timer);
            }
            self.serve(client);
        }
        for server in 1..self.servers.len() {
            if self.rng.chance(self.servers[server].pace_percent) {
                let behind = self.log.len() - self.servers[server].applied;
                let count = self.rng.index(behind + 1);
                self.apply(server, count);
            }
        }
        for client in 0..self.clients.len() {
            self.deliver(client);
        }
        self.expire();
    }

    fn catch_up(&mut self) {
        for server in 1..self.servers.len() {
            self.apply(server, self.log.len() - self.servers[server].applied);
        }
    }

    fn step(&mut self, client: usize, input: ClientInput<'_>) {
        let mut actions = Vec::new();
        let checks = &mut self.checks;
        self.clients[client].step(self.now_us, input, &mut actions, &mut |seen| checks.see(&seen));
        assert!(self.clients[client].deadline_us().is_some_and(|deadline_us| deadline_us > self.now_us));
        if let Some(complaint) = self.clients[client].complaint() {
            self.checks.violation.get_or_insert(("protocol", complaint));
        }
        for action in actions {
            match action {
                ClientAction::Dial(_) if self.rng.chance(10) => self.step(client, ClientInput::Closed),
                ClientAction::Dial(server) => {
                    self.last_conn += 1;
                    let id = ConnId(self.last_conn);
                    let conn = Conn {
                        id,
                        server: server.0 as usize - 1,
                        session: SessionId::NONE,
                        identities: Arc::from(Vec::new()),
                        greeted: false,
                        inbox: BytesMut::new(),
                        outbox: BytesMut::new(),
                        pending: VecDeque::new(),
                    };
                    self.conns.insert(client, conn);
                    self.step(client, ClientInput::Connected(id));
                }
                ClientAction::Send(bytes) => {
                    if let Some(conn) = self.conns.get_mut(&client) {
                        conn.inbox.extend_from_slice(&bytes);
                    }
                }
                ClientAction::HangUp => self.drop_conn(client),
            }
        }
    }

    fn drop_conn(&mut self, client: usize) {
        let Some(conn) = self.conns.remove(&client) else { return };
        self.servers[conn.server].tree.remove_watcher(conn.id);
        if conn.session != SessionId::NONE {
            self.orphans.insert(conn.session, self.now_us);
        }
    }

    fn cut(&mut self, client: usize) {
        if self.conns.contains_key(&client) {
            self.drop_conn(client);
            self.step(client, ClientInput::Closed);
        }
    }

    fn expire(&mut self) {
        let due = self.orphans.iter().find(|(_, since_us)| self.now_us - **since_us > self.expiry_us);
        if let Some((&session, _)) = due {
            self.orphans.remove(&session);
            self.propose((session, Xid(0)), OpCode::CloseSession, &Bytes::new(), &[]);
        }
    }

    fn propose(&mut self, (session, cxid): (SessionId, Xid), opcode: OpCode, body: &Bytes, identities: &[Id]) {
        let zxid = Zxid::new(Epoch(1), self.log.len() as u32 + 1);
        let header = TxnHeader { session, cxid, zxid, time: Millis(self.now_us / 1000) };
        let request = WriteRequest {
            header,
            opcode,
            body,
            identities,
            session_error: None,
            ephemeral_error: None,
            next_config: None,
        };
        let entry = self.prep.prepare(&self.servers[0].tree, &request);
        self.log.push(entry);
        self.apply(0, 1);
        self.prep.applied(zxid);
    }

    // --- the servers' side of connections ------------------------------------------------------------------------

    fn serve(&mut self, client: usize) {
        loop {
            let Some(conn) = self.conns.get_mut(&client) else { return };
            let Ok(Some(mut frame)) = codec::take_frame(&mut conn.inbox) else { return };
            if !conn.greeted {
                self.greet(client, &frame);
                continue;
            }
            let header = RequestHeader::decode(&frame).unwrap();
            frame.advance(RequestHeader::BYTES);
            self.request(client, header, frame);
        }
    }

    fn greet(&mut self, client: usize, frame: &[u8]) {
        let request = ConnectRequest::decode(frame).unwrap();
        let conn = &self.conns[&client];
        let (id, server) = (conn.id, conn.server);
        if request.last_zxid_seen > self.servers[server].tree.last_zxid() && self.wrong != Wrong::BehindClient {
            self.cut(client);
            return;
        }
        let mut session = request.session;
        if session == SessionId::NONE {
            self.last_session += 1;
            session = SessionId(self.last_session);
            let mut body = BytesMut::new();
            body.i32(request.timeout);
            self.propose((session, Xid(0)), OpCode::CreateSession, &body.freeze(), &[]);
        }
        let alive = self.servers[0].tree.has_session(session);
        let response = if alive {
            ConnectResponse {
                timeout: request.timeout,
                session,
                password: Password::of(session),
                read_only: request.read_only,
            }
        } else {
            ConnectResponse::refused(request.read_only)
        };
        self.orphans.remove(&session);
        let identities: Arc<[Id]> = Arc::from(Vec::new());
        self.servers[server].tree.add_watcher(id, identities);
        let Some(conn) = self.conns.get_mut(&client) else { return };
        response.encode_frame(&mut conn.outbox);
        conn.greeted = true;
        conn.session = if alive { session } else { SessionId::NONE };
    }

    fn request(&mut self, client: usize, header: RequestHeader, body: Bytes) {
        let opcode = OpCode::from_i32(header.opcode).unwrap();
        let upto = self.log.len();
        let Some(conn) = self.conns.get_mut(&client) else { return };
        let (session, server) = (conn.session, conn.server);
        if opcode == OpCode::Auth {
            let packet = AuthPacket::decode(&mut Reader::new(&body)).unwrap();
            conn.identities = authenticate(packet.scheme, packet.auth, &AuthSettings::default()).unwrap().into();
            self.servers[server].tree.update_watcher(conn.id, conn.identities.clone());
            ReplyHeader { xid: header.xid, zxid: Zxid::ZERO, error: ErrorCode::Ok }.encode_frame(&mut conn.outbox);
            return;
        }
        if opcode.is_write() {
            conn.pending.push_back(Pending::Write(header.xid));
            if self.wrong == Wrong::WriteAnsweredEarly && server != 0 && opcode == OpCode::Delete {
                conn.pending.pop_back();
                let zxid = self.servers[server].tree.last_zxid();
                encode_write_reply(header.xid, zxid, &tree::TxnResult::Deleted, &mut conn.outbox);
            }
            let identities = self.conns.get(&client).map_or_else(Default::default, |conn| conn.identities.clone());
            self.propose((session, header.xid), opcode, &body, &identities);
        } else {
            let due = if opcode == OpCode::Sync { upto } else { 0 };
            conn.pending.push_back(Pending::Read(header, opcode, body, due));
            self.answer_ready(client);
        }
    }

    /// Answers the reads at the front.
    fn answer_ready(&mut self, client: usize) {
        let Some(conn) = self.conns.get_mut(&client) else { return };
        let server = &self.servers[conn.server];
        while let Some(Pending::Read(header, opcode, body, due)) = conn.pending.front() {
            if *due > server.applied {
                return;
            }
            let skip_acl = self.wrong == Wrong::ReadUnchecked;
            let context = ReadContext { conn: conn.id, session: conn.session, identities: &conn.identities, skip_acl };
            let opcode = &match (self.wrong, *opcode) {
                (Wrong::PersistentForgotten, OpCode::SetWatches2) => OpCode::SetWatches,
                (Wrong::RemovalIgnored, OpCode::RemoveWatches) => OpCode::CheckWatches,
                (_, opcode) => opcode,
            };
            let mut frame = BytesMut::new();
            let is_data = matches!(opcode, OpCode::GetData | OpCode::GetChildren2);
            if self.wrong == Wrong::StaleRead && is_data && self.rng.chance(20) {
                // What another server has, as if this one had it.
                self.servers[2].tree.read(*opcode, header.xid, body, &context, &mut frame);
                frame[8..16].copy_from_slice(&server.tree.last_zxid().0.to_be_bytes());
            } else if self.wrong == Wrong::NotCaughtUp && matches!(opcode, OpCode::SetWatches | OpCode::SetWatches2) {
                // As if nothing had happened since.
                let mut body = body.to_vec();
                body[..8].copy_from_slice(&i64::MAX.to_be_bytes());
                server.tree.read(*opcode, header.xid, &body, &context, &mut frame);
            } else {
                server.tree.read(*opcode, header.xid, body, &context, &mut frame);
            }
            if self.wrong == Wrong::LongFrame && self.rng.permille(10) {
                frame.extend_from_slice(&[0]);
                frame[3] = frame[3].wrapping_add(1);
            }
            conn.outbox.extend_from_slice(&frame);
            conn.pending.pop_front();
        }
    }

    fn apply(&mut self, server: usize, count: usize) {
        for _ in 0..count {
            let at = self.servers[server].applied;
            let entry = self.log[at].clone();
            let mut events = Events::new();
            let state = &mut self.servers[server];
            let result = state.tree.apply(&entry, &mut events);
            state.applied += 1;
            self.checks.see(&Observation::Applied { server: sid(server), entry: &entry, tree: &state.tree });
            for event in events.iter() {
                for conn in self.conns.values_mut().filter(|conn| conn.server == server) {
                    let copies = match self.wrong {
                        _ if !event.receivers.contains(&conn.id) => 0,
                        Wrong::EventLost if self.rng.chance(20) => 0,
                        Wrong::EventTwice if self.rng.chance(20) => 2,
                        _ => 1,
                    };
                    for _ in 0..copies {
                        conn.outbox.extend_from_slice(event.frame);
                    }
                }
            }
            self.answer_write(server, &entry, &result);
        }
        for client in 0..self.clients.len() {
            if self.conns.get(&client).is_some_and(|conn| conn.server == server) {
                self.answer_ready(client);
            }
        }
    }

    fn answer_write(&mut self, server: usize, entry: &TxnEntry, result: &tree::TxnResult) {
        let TxnHeader { session, cxid, zxid, .. } = entry.header;
        let of_session = |conn: &Conn| conn.server == server && conn.session == session;
        let Some((&client, conn)) = self.conns.iter_mut().find(|(_, conn)| of_session(conn)) else { return };
        if !matches!(conn.pending.front(), Some(Pending::Write(xid)) if *xid == cxid) {
            return;
        }
        conn.pending.pop_front();
        let mut told = zxid;
        if self.wrong == Wrong::OldZxid && self.rng.chance(5) {
            told = Zxid(zxid.0 - 1);
        }
        let hides = self.wrong == Wrong::ErrorHidden && matches!(entry.txn, Txn::Error { .. });
        let mut frame = BytesMut::new();
        if hides {
            encode_write_reply(cxid, told, &tree::TxnResult::Deleted, &mut frame);
        } else {
            encode_write_reply(cxid, told, result, &mut frame);
        }
        let is_plain = !matches!(entry.txn, Txn::CloseSession { .. });
        if self.wrong == Wrong::AnswersSwapped && is_plain && matches!(conn.pending.front(), Some(Pending::Read(..))) {
            self.answer_ready(client);
        }
        if let Some(conn) = self.conns.get_mut(&client) {
            conn.outbox.extend_from_slice(&frame);
        }
        self.answer_ready(client);
    }

    /// Brings some of what was sent to a client.
    fn deliver(&mut self, client: usize) {
        let Some(conn) = self.conns.get_mut(&client) else { return };
        if conn.outbox.is_empty() {
            return;
        }
        let count = self.rng.range(1, conn.outbox.len() as i64) as usize;
        let bytes = conn.outbox.split_to(count);
        let session_over = conn.greeted && conn.session == SessionId::NONE && conn.outbox.is_empty();
        self.step(client, ClientInput::Bytes(&bytes));
        if session_over {
            self.cut(client);
        }
    }
}
