//! A leader of one: requests are prepared, applied and answered here, several in flight where a test wants it.
#![allow(dead_code, clippy::unwrap_used)]

pub mod workload;

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use tree::{ConnId, Events, Prep, PrepSettings, ReadContext, Tree, TreeSettings, TxnResult, WriteRequest};
use wire::client::{EventType, OpCode};
use wire::txn::{TxnEntry, TxnHeader};
use wire::{Acl, ErrorCode, Id, Millis, Reader, SessionId, Stat, Writer, Xid, Zxid};

pub const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);
pub const CONN: ConnId = ConnId(1);
pub const START_MS: i64 = 1_700_000_000_000;

pub struct World {
    pub tree: Tree,
    pub prep: Prep,
    pub events: Events,
    pub zxid: i64,
    pub now: i64,
    pub log: Vec<TxnEntry>,
    pub in_flight: VecDeque<TxnEntry>,
    pub session: SessionId,
    pub identities: Vec<Id>,
    pub session_error: Option<ErrorCode>,
    pub ephemeral_error: Option<ErrorCode>,
}

pub fn settings() -> TreeSettings {
    TreeSettings { hash_seed: 42, digest_enabled: true, extended_types: true }
}

impl World {
    pub fn new() -> World {
        World::with(settings(), PrepSettings::default())
    }

    pub fn with(settings: TreeSettings, prep: PrepSettings) -> World {
        World {
            tree: Tree::new(settings),
            prep: Prep::new(prep),
            events: Events::new(),
            zxid: 0x1_0000_0000,
            now: START_MS,
            log: Vec::new(),
            in_flight: VecDeque::new(),
            session: SESSION,
            identities: vec![Id::new("ip", "127.0.0.1")],
            session_error: None,
            ephemeral_error: None,
        }
    }

    /// Prepares a request and leaves it in flight.
    pub fn submit(&mut self, opcode: OpCode, body: &Bytes) -> TxnEntry {
        self.zxid += 1;
        self.now += 10;
        let header = TxnHeader {
            session: self.session,
            cxid: Xid((self.zxid & 0xffff) as i32),
            zxid: Zxid(self.zxid),
            time: Millis(self.now),
        };
        let request = WriteRequest {
            header,
            opcode,
            body,
            identities: &self.identities,
            session_error: self.session_error,
            ephemeral_error: self.ephemeral_error,
            next_config: None,
        };
        let entry = self.prep.prepare(&self.tree, &request);
        let entry = TxnEntry::decode(entry.bytes.clone()).unwrap();
        self.in_flight.push_back(entry.clone());
        entry
    }

    /// Applies the oldest request in flight.
    pub fn apply_next(&mut self) -> TxnResult {
        let entry = self.in_flight.pop_front().unwrap();
        let result = self.tree.apply(&entry, &mut self.events);
        self.prep.applied(entry.zxid());
        assert_eq!(self.tree.last_zxid(), entry.zxid());
        assert_eq!(self.tree.digest_mismatches(), 0, "digest of {:?}", entry.txn);
        self.log.push(entry);
        result
    }

    pub fn write(&mut self, opcode: OpCode, body: &Bytes) -> TxnResult {
        self.submit(opcode, body);
        let mut result = self.apply_next();
        while !self.in_flight.is_empty() {
            result = self.apply_next();
        }
        result
    }

    /// A write that must succeed.
    pub fn ok(&mut self, opcode: OpCode, body: &Bytes) -> TxnResult {
        let result = self.write(opcode, body);
        assert_eq!(result.error_code(), 0, "{result:?}");
        result
    }

    pub fn create(&mut self, path: &str) {
        self.ok(OpCode::Create, &create(path, b"", &Acl::open(), 0));
    }

    pub fn read(&self, opcode: OpCode, body: &Bytes) -> Reply {
        self.read_as(opcode, body, CONN, &self.identities)
    }

    pub fn read_as(&self, opcode: OpCode, body: &Bytes, conn: ConnId, identities: &[Id]) -> Reply {
        let context = ReadContext { conn, session: self.session, identities, skip_acl: false };
        let mut out = BytesMut::new();
        let outcome = self.tree.read(opcode, Xid(7), body, &context, &mut out);
        let mut frames = frames(&out);
        let reply = frames.pop().unwrap();
        let mut input = Reader::new(&reply);
        let (xid, zxid) = (input.i32().unwrap(), input.i64().unwrap());
        assert_eq!(xid, if opcode == OpCode::Ping { -2 } else { 7 });
        assert_eq!(zxid, self.tree.last_zxid().0);
        let error = input.i32().unwrap();
        assert_eq!(error, outcome.error.code());
        assert_eq!(frames.len(), outcome.events);
        Reply { error, body: Bytes::copy_from_slice(input.rest()), events: frames.iter().map(|f| event(f)).collect() }
    }

    /// What the last writes told whom, forgotten afterwards.
    pub fn told(&mut self) -> Vec<Told> {
        let told = self.events.iter().map(|pending| {
            let told = event(&frames(pending.frame).pop().unwrap());
            assert_eq!(told.kind, pending.kind as i32);
            (told, pending.receivers.iter().map(|conn| conn.0).collect::<Vec<_>>())
        });
        let told = told.map(|(event, receivers)| Told { event, receivers }).collect();
        self.events.clear();
        told
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEvent {
    pub kind: i32,
    pub path: String,
    pub zxid: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub event: WatchEvent,
    pub receivers: Vec<u64>,
}

impl Told {
    /// `kind path receivers`, for tables.
    pub fn line(&self) -> String {
        let name = match self.event.kind {
            1 => "created",
            2 => "deleted",
            3 => "changed",
            _ => "children",
        };
        format!("{name} {} {:?}", self.event.path, self.receivers)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub error: i32,
    pub body: Bytes,
    pub events: Vec<WatchEvent>,
}

pub fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut input = Reader::new(bytes);
    while !input.is_empty() {
        frames.push(input.buffer().unwrap().unwrap().to_vec());
    }
    frames
}

fn event(frame: &[u8]) -> WatchEvent {
    let mut input = Reader::new(frame);
    assert_eq!(input.i32().unwrap(), -1);
    let zxid = input.i64().unwrap();
    assert_eq!(input.i32().unwrap(), 0);
    let kind = input.i32().unwrap();
    assert_eq!(input.i32().unwrap(), wire::client::EVENT_STATE_CONNECTED);
    let path = input.str("path").unwrap().to_owned();
    assert!(input.is_empty());
    assert!([EventType::NodeCreated as i32, 2, 3, 4].contains(&kind));
    WatchEvent { kind, path, zxid }
}

pub fn body(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::new();
    write(&mut out);
    out.into()
}

pub fn create(path: &str, data: &[u8], acl: &[Acl], flags: i32) -> Bytes {
    body(|out| {
        out.string(path);
        out.buffer(Some(data));
        Acl::encode_vec(acl, out);
        out.i32(flags);
    })
}

pub fn create_ttl(path: &str, flags: i32, ttl: i64) -> Bytes {
    body(|out| {
        out.raw(&create(path, b"", &Acl::open(), flags));
        out.i64(ttl);
    })
}

/// delete, check; removeWatches, checkWatches, addWatch with a number.
pub fn path_number(path: &str, number: i32) -> Bytes {
    body(|out| {
        out.string(path);
        out.i32(number);
    })
}

pub fn set_data(path: &str, data: &[u8], version: i32) -> Bytes {
    body(|out| {
        out.string(path);
        out.buffer(Some(data));
        out.i32(version);
    })
}

pub fn set_acl(path: &str, acl: &[Acl], version: i32) -> Bytes {
    body(|out| {
        out.string(path);
        Acl::encode_vec(acl, out);
        out.i32(version);
    })
}

pub fn path_watch(path: &str, watch: bool) -> Bytes {
    body(|out| {
        out.string(path);
        out.bool(watch);
    })
}

pub fn only_path(path: &str) -> Bytes {
    body(|out| out.string(path))
}

pub fn multi(parts: &[(OpCode, Bytes)]) -> Bytes {
    body(|out| {
        for (opcode, part) in parts {
            out.i32(*opcode as i32);
            out.bool(false);
            out.i32(-1);
            out.raw(part);
        }
        out.i32(-1);
        out.bool(true);
        out.i32(-1);
    })
}

pub fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl { perms: wire::Perms(perms), id: Id::new(scheme, id) }
}

pub type NodeDump = (String, Option<Vec<u8>>, Stat, Option<Vec<Acl>>);

/// Everything in a tree that two servers must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    pub nodes: Vec<NodeDump>,
    pub sessions: Vec<(SessionId, i32)>,
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    pub digest: u64,
    pub size: i64,
    pub last_zxid: Zxid,
}

pub fn dump(tree: &Tree) -> Dump {
    let node = |path: String| {
        let data = tree.get_data(&path).unwrap().map(<[u8]>::to_vec);
        let (stat, acl) = (tree.stat(&path).unwrap(), tree.acl(&path).unwrap().map(<[Acl]>::to_vec));
        assert_eq!(tree.children(&path).unwrap().len() as i32, stat.num_children, "{path}");
        (path, data, stat, acl)
    };
    let nodes: Vec<NodeDump> = tree.paths().into_iter().map(node).collect();
    assert_eq!(nodes.len() + 1, tree.node_count());
    assert_eq!(tree.digest(), tree.recomputed_digest());
    let sizes = nodes.iter().map(|(path, data, ..)| (path.len() + data.as_ref().map_or(0, Vec::len)) as i64);
    let quota = |path: &str| path.starts_with("/zookeeper/quota");
    if !nodes.iter().any(|(path, ..)| quota(path) && path != "/zookeeper/quota") {
        assert_eq!(sizes.sum::<i64>(), tree.approximate_data_size());
    }
    Dump {
        nodes,
        sessions: tree.sessions().collect(),
        ephemerals: tree.ephemerals().into_iter().filter(|(_, paths)| !paths.is_empty()).collect(),
        digest: tree.digest(),
        size: tree.approximate_data_size(),
        last_zxid: tree.last_zxid(),
    }
}
