//! Random requests, and a naive model that says what must come of them.
#![allow(dead_code)]

use super::{World, acl, create, create_ttl, multi, path_number, set_acl, set_data};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use wire::client::OpCode;
use wire::{Acl, ErrorCode, SessionId, Stat};

#[derive(Debug, Clone)]
pub enum Op {
    Create { path: String, data: Vec<u8>, flags: i32, closed: bool, opcode: OpCode },
    CreateTtl { path: String, ttl: i64, sequential: bool },
    Delete { path: String, version: i32 },
    SetData { path: String, data: Vec<u8>, version: i32 },
    SetAcl { path: String, closed: bool, version: i32 },
    Check { path: String, version: i32 },
    Multi(Vec<Op>),
    CloseSession,
}

/// Nobody may do anything but read and change the ACL.
fn closed_acl() -> Vec<Acl> {
    vec![acl(17, "world", "anyone"), acl(31, "digest", "u:h")]
}

fn acl_of(closed: bool) -> Vec<Acl> {
    if closed { closed_acl() } else { Acl::open() }
}

fn path() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "zookeeper"]);
    let deep = prop::collection::vec(name, 1..4).prop_map(|names| format!("/{}", names.join("/")));
    let odd =
        prop::sample::select(vec!["/", "", "/a/", "x", "/a//b", "/./a", "/zookeeper/quota"]).prop_map(String::from);
    prop_oneof![20 => deep, 1 => odd]
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..12)
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![4 => Just(-1), 2 => 0..3]
}

fn simple() -> impl Strategy<Value = Op> {
    let opcode = prop::sample::select(vec![OpCode::Create, OpCode::Create, OpCode::Create2, OpCode::CreateContainer]);
    prop_oneof![
        8 => (path(), data(), 0..5, prop::bool::weighted(0.1), opcode).prop_map(|(path, data, flags, closed, opcode)| {
            Op::Create { path, data, flags, closed, opcode }
        }),
        1 => (path(), 1i64..5000, any::<bool>()).prop_map(|(path, ttl, sequential)| Op::CreateTtl { path, ttl, sequential }),
        4 => (path(), version()).prop_map(|(path, version)| Op::Delete { path, version }),
        3 => (path(), data(), version()).prop_map(|(path, data, version)| Op::SetData { path, data, version }),
        1 => (path(), any::<bool>(), version()).prop_map(|(path, closed, version)| Op::SetAcl { path, closed, version }),
    ]
}

pub fn op() -> impl Strategy<Value = Op> {
    let part = prop_oneof![
        6 => simple(),
        1 => (path(), version()).prop_map(|(path, version)| Op::Check { path, version }),
    ];
    // setACL cannot stand in a multi.
    let part = part.prop_filter("not in a multi", |op| !matches!(op, Op::SetAcl { .. }));
    prop_oneof![
        12 => simple(),
        3 => prop::collection::vec(part, 0..5).prop_map(Op::Multi),
        1 => Just(Op::CloseSession),
    ]
}

impl Op {
    pub fn request(&self) -> (OpCode, Bytes) {
        match self {
            Op::Create { path, data, flags, closed, opcode } => (*opcode, create(path, data, &acl_of(*closed), *flags)),
            Op::CreateTtl { path, ttl, sequential } => {
                (OpCode::CreateTtl, create_ttl(path, if *sequential { 6 } else { 5 }, *ttl))
            }
            Op::Delete { path, version } => (OpCode::Delete, path_number(path, *version)),
            Op::SetData { path, data, version } => (OpCode::SetData, set_data(path, data, *version)),
            Op::SetAcl { path, closed, version } => (OpCode::SetAcl, set_acl(path, &acl_of(*closed), *version)),
            Op::Check { path, version } => (OpCode::Check, path_number(path, *version)),
            Op::Multi(ops) => (OpCode::Multi, multi(&ops.iter().map(Op::request).collect::<Vec<_>>())),
            Op::CloseSession => (OpCode::CloseSession, Bytes::new()),
        }
    }

    pub fn submit(&self, world: &mut World) {
        let (opcode, body) = self.request();
        world.submit(opcode, &body);
        if let Op::CloseSession = self {
            // A session that was closed asks for nothing more.
            world.session.0 += 1;
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelNode {
    pub data: Vec<u8>,
    pub closed: bool,
    pub creates: i32,
    pub owner: i64,
    pub stat: Stat,
}

#[derive(Debug, Clone)]
pub struct Model {
    pub nodes: BTreeMap<String, ModelNode>,
    pub zxid: i64,
    pub now: i64,
    pub session: SessionId,
}

type Answer = Result<(), ErrorCode>;

fn node(creates: i32) -> ModelNode {
    ModelNode { data: vec![], closed: false, creates, owner: 0, stat: Stat::default() }
}

impl Model {
    pub fn new(world: &World) -> Model {
        let mut nodes: BTreeMap<String, ModelNode> =
            ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"].map(|path| (path.to_owned(), node(0))).into();
        let config = nodes.get_mut("/zookeeper/config").unwrap();
        config.closed = true;
        config.stat.aversion = -1;
        Model { nodes, zxid: world.zxid, now: world.now, session: world.session }
    }

    fn children(&self, path: &str) -> usize {
        let front = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        self.nodes
            .keys()
            .filter(|key| key.len() > front.len() && key.starts_with(&front) && !key[front.len()..].contains('/'))
            .count()
    }

    /// The stat that clients must see.
    pub fn stat(&self, path: &str) -> Stat {
        let node = &self.nodes[path];
        let children = self.children(path) as i32;
        Stat {
            cversion: node.creates * 2 - children,
            num_children: children,
            data_length: node.data.len() as i32,
            ephemeral_owner: if node.owner > 0 { node.owner } else { 0 },
            ..node.stat
        }
    }

    pub fn step(&mut self, op: &Op) -> Vec<i32> {
        self.zxid += 1;
        self.now += 10;
        if let Op::Multi(ops) = op {
            return self.multi(ops);
        }
        vec![self.one(op).map_or_else(ErrorCode::code, |()| 0)]
    }

    fn multi(&mut self, ops: &[Op]) -> Vec<i32> {
        let before = self.nodes.clone();
        for (at, op) in ops.iter().enumerate() {
            let op = match op {
                Op::Create { path, data, flags: 4, closed, .. } => {
                    let (path, data, closed) = (path.clone(), data.clone(), *closed);
                    Op::Create { path, data, flags: 4, closed, opcode: OpCode::CreateContainer }
                }
                op => op.clone(),
            };
            if let Err(code) = self.one(&op) {
                self.nodes = before;
                return (0..ops.len())
                    .map(|n| {
                        if n < at {
                            0
                        } else if n == at {
                            code.code()
                        } else {
                            -2
                        }
                    })
                    .collect();
            }
        }
        vec![0; ops.len()]
    }

    fn one(&mut self, op: &Op) -> Answer {
        match op {
            Op::Create { path, data, flags, closed, opcode } => {
                let ephemeral = flags & 1 == 1 && *flags < 4;
                let owner = match opcode {
                    OpCode::CreateContainer => i64::MIN,
                    _ if ephemeral => self.session.0,
                    _ => 0,
                };
                self.create(path, data, owner, flags & 2 == 2, *closed)
            }
            Op::CreateTtl { path, ttl, sequential } => {
                self.create(path, b"", (0xff_u64 << 56) as i64 | ttl, *sequential, false)
            }
            Op::Delete { path, version } => self.delete(path, *version),
            Op::SetData { path, data, version } => {
                valid(path)?;
                let (zxid, now) = (self.zxid, self.now);
                let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
                if node.closed {
                    return Err(ErrorCode::NoAuth);
                }
                expect(*version, node.stat.version)?;
                node.data.clone_from(data);
                node.stat = Stat { version: node.stat.version + 1, mzxid: zxid, mtime: now, ..node.stat };
                Ok(())
            }
            Op::SetAcl { path, closed, version } => {
                valid(path)?;
                let node = self.nodes.get_mut(path).ok_or(ErrorCode::NoNode)?;
                if path == "/zookeeper/config" && node.stat.aversion == -1 {
                    return Err(ErrorCode::NoAuth);
                }
                expect(*version, node.stat.aversion)?;
                node.closed = *closed;
                node.stat.aversion += 1;
                Ok(())
            }
            Op::Check { path, version } => {
                valid(path)?;
                expect(*version, self.nodes.get(path).ok_or(ErrorCode::NoNode)?.stat.version)
            }
            Op::CloseSession => {
                let owned: Vec<String> = self
                    .nodes
                    .iter()
                    .filter(|(_, node)| node.owner == self.session.0)
                    .map(|(path, _)| path.clone())
                    .collect();
                for path in owned {
                    self.remove(&path);
                }
                self.session.0 += 1;
                Ok(())
            }
            Op::Multi(_) => unreachable!("multis do not nest"),
        }
    }

    fn create(&mut self, path: &str, data: &[u8], owner: i64, sequential: bool, closed: bool) -> Answer {
        let slash = path.rfind('/').ok_or(ErrorCode::BadArguments)?;
        let parent = if slash == 0 { "/" } else { &path[..slash] };
        let above = self.nodes.get(parent).ok_or(ErrorCode::NoNode)?;
        if above.closed {
            return Err(ErrorCode::NoAuth);
        }
        let full = if sequential { format!("{path}{:010}", above.creates) } else { path.to_owned() };
        valid(&full)?;
        if self.nodes.contains_key(&full) {
            return Err(ErrorCode::NodeExists);
        }
        if above.owner > 0 {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        let (zxid, now) = (self.zxid, self.now);
        let above = self.nodes.get_mut(parent).unwrap();
        above.creates += 1;
        above.stat.pzxid = zxid;
        let stat = Stat { czxid: zxid, mzxid: zxid, pzxid: zxid, ctime: now, mtime: now, ..Stat::default() };
        self.nodes.insert(full, ModelNode { data: data.to_vec(), closed, creates: 0, owner, stat });
        Ok(())
    }

    fn delete(&mut self, path: &str, version: i32) -> Answer {
        let slash = path.rfind('/').ok_or(ErrorCode::BadArguments)?;
        if ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"].contains(&path) {
            return Err(ErrorCode::BadArguments);
        }
        let parent = if slash == 0 { "/" } else { &path[..slash] };
        if self.nodes.get(parent).ok_or(ErrorCode::NoNode)?.closed {
            return Err(ErrorCode::NoAuth);
        }
        expect(version, self.nodes.get(path).ok_or(ErrorCode::NoNode)?.stat.version)?;
        if self.children(path) > 0 {
            return Err(ErrorCode::NotEmpty);
        }
        self.remove(path);
        Ok(())
    }

    fn remove(&mut self, path: &str) {
        self.nodes.remove(path);
        let slash = path.rfind('/').unwrap();
        let parent = if slash == 0 { "/" } else { &path[..slash] };
        self.nodes.get_mut(parent).unwrap().stat.pzxid = self.zxid;
    }
}

fn valid(path: &str) -> Answer {
    let names = path.strip_prefix('/').ok_or(ErrorCode::BadArguments)?;
    let bad = !names.is_empty() && names.split('/').any(|name| name.is_empty() || name == ".");
    if bad { Err(ErrorCode::BadArguments) } else { Ok(()) }
}

fn expect(version: i32, current: i32) -> Answer {
    if version == -1 || version == current { Ok(()) } else { Err(ErrorCode::BadVersion) }
}
