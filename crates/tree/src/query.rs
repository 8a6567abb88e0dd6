//! Reads (`FinalRequestProcessor`): one call appends the whole reply frame and registers the watch.
//!
//! A reply is written straight into the connection's output: nothing is allocated and a value is copied once. The reply's
//! length and error are patched in at the end, so a body that turns out to be impossible is simply cut off again.

use crate::acl;
use crate::node::{Node, NodeId};
use crate::store::Store;
use crate::watch::{Modes, TablesFull};
use crate::{ConnId, Tree};
use bytes::BytesMut;
use planted::Bug;
use wire::client::encode_event_frame;
use wire::client::{EventType, MultiHeader, MultiOp, OpCode, PathNumber, PathWatch, ReplyHeader, SetWatches};
use wire::{Acl, DecodeError, ErrorCode, Id, Perms, Reader, SessionId, Writer, Xid, Zxid};

/// A multiRead that grows beyond this is refused: its request may name one large value thousands of times.
const MULTI_READ_BYTES_MAX: usize = 64 << 20;

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub struct ReadContext<'a> {
    /// The connection: its watches are set.
    pub conn: ConnId,
    /// Its session: getEphemerals answers for it.
    pub session: SessionId,
    /// Its identities.
    pub identities: &'a [Id],
    /// `skipACL=yes`.
    pub skip_acl: bool,
}

/// What was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The answer in the reply's header.
    pub error: ErrorCode,
    /// Watch events in front of the reply; only setWatches has any.
    pub events: usize,
}

/// A read's answer when it is not a success.
struct Refused(ErrorCode);

impl From<DecodeError> for Refused {
    fn from(_: DecodeError) -> Refused {
        Refused(ErrorCode::MarshallingError)
    }
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Refused {
        Refused(code)
    }
}

impl From<TablesFull> for Refused {
    fn from(_: TablesFull) -> Refused {
        Refused(ErrorCode::SystemError)
    }
}

type Answer = Result<(), Refused>;

/// Apache's watch tables have a place for the null path too. No node has this name, so nothing ever fires there.
const NULL_PATH: &str = "\0";

/// A path that Apache would fail on if it were null.
fn required(path: Option<&str>) -> Result<&str, Refused> {
    path.ok_or(Refused(ErrorCode::MarshallingError))
}

impl Tree {
    /// Appends the complete reply to a read to `out`. Operations that are not reads are answered UNIMPLEMENTED.
    pub fn read(
        &self,
        opcode: OpCode,
        xid: Xid,
        body: &[u8],
        context: &ReadContext<'_>,
        out: &mut BytesMut,
    ) -> ReadOutcome {
        let mut events = 0;
        let mut input = Reader::new(body);
        let caught_up = match opcode {
            OpCode::SetWatches | OpCode::SetWatches2 => self.set_watches(opcode, &mut input, context, &mut events, out),
            _ => Ok(()),
        };
        let start = out.len();
        out.i32(0);
        let xid = if opcode == OpCode::Ping { Xid::PING } else { xid };
        ReplyHeader { xid, zxid: self.last_zxid(), error: ErrorCode::Ok }.encode(out);
        let body_start = out.len();
        let error = match caught_up.and_then(|()| self.answer(opcode, &mut input, context, out)) {
            Ok(()) => ErrorCode::Ok,
            Err(Refused(code)) => {
                out.truncate(body_start);
                out[body_start - 4..].copy_from_slice(&code.code().to_be_bytes());
                let is_readable = |reads| MultiOp::decode_all(&mut Reader::new(body), reads).is_ok();
                if opcode == OpCode::MultiRead && (is_readable(true) || is_readable(false)) {
                    // A list that can be read fails while it is carried out: by then Apache's reply record exists, empty.
                    MultiHeader::END.encode(out);
                }
                code
            }
        };
        let length =
            i32::try_from(out.len() - start - 4).expect("a reply is far below 2 GiB: it holds one node or one level");
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        ReadOutcome { error, events }
    }

    fn answer(&self, opcode: OpCode, input: &mut Reader<'_>, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        match opcode {
            OpCode::GetData => self.get_data_reply(&PathWatch::decode(input)?, context, out),
            OpCode::Exists => self.exists(&PathWatch::decode(input)?, context, out),
            OpCode::GetChildren => self.get_children(&PathWatch::decode(input)?, context, out).map(|_| ()),
            OpCode::GetChildren2 => {
                let node = self.get_children(&PathWatch::decode(input)?, context, out)?;
                self.encode_stat(node, out);
                Ok(())
            }
            OpCode::GetAcl => self.get_acl(input, context, out),
            OpCode::MultiRead => self.multi_read(input, context, out),
            OpCode::GetEphemerals => self.get_ephemerals(input.string()?, context.session, out),
            OpCode::GetAllChildrenNumber => self.get_all_children_number(required(input.string()?)?, context, out),
            OpCode::AddWatch => self.add_watch(&PathNumber::decode(input)?, context, out),
            OpCode::CheckWatches | OpCode::RemoveWatches => {
                let request = PathNumber::decode(input)?;
                self.check_or_remove_watches(opcode, &request, context)
            }
            OpCode::WhoAmI => {
                who_am_i(context.identities, out);
                Ok(())
            }
            OpCode::Sync => {
                match input.string()? {
                    Some(path) => out.java_string(path),
                    None => out.buffer(None),
                }
                Ok(())
            }
            OpCode::Ping | OpCode::SetWatches | OpCode::SetWatches2 => Ok(()),
            _ => Err(Refused(ErrorCode::Unimplemented)),
        }
    }

    /// Finds a node that the caller may use for any of `wanted`.
    fn readable(&self, path: &str, wanted: Perms, context: &ReadContext<'_>) -> Result<(NodeId, &Node), Refused> {
        let id = self.store.lookup(path).ok_or(ErrorCode::NoNode)?;
        let node = self.store.get(id);
        if self.may(node, wanted, context) { Ok((id, node)) } else { Err(Refused(ErrorCode::NoAuth)) }
    }

    fn may(&self, node: &Node, wanted: Perms, context: &ReadContext<'_>) -> bool {
        context.skip_acl
            || self.acls.world(node.acl).intersects(wanted)
            || acl::is_allowed(self.acls.get(node.acl).map(|acl| &acl[..]), wanted, context.identities)
    }

    fn encode_stat(&self, node: &Node, out: &mut BytesMut) {
        node.client_stat(self.settings.extended_types).encode(out);
    }

    fn watch(&self, context: &ReadContext<'_>, path: &str, modes: Modes) -> Answer {
        Ok(self.watches.lock().add(context.conn, path, modes)?)
    }

    fn get_data_reply(&self, request: &PathWatch<'_>, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        let path = required(request.path)?;
        let (_, node) = self.readable(path, Perms::READ, context)?;
        if request.watch {
            self.watch(context, path, Modes::DATA)?;
        }
        out.buffer(node.data.as_deref());
        self.encode_stat(node, out);
        Ok(())
    }

    /// The only read that leaves a watch where there is no node.
    fn exists(&self, request: &PathWatch<'_>, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        let path = required(request.path)?;
        if path.contains('\0') {
            return Err(Refused(ErrorCode::BadArguments));
        }
        let node = self.store.lookup(path).map(|id| self.store.get(id));
        if node.is_some_and(|node| !self.may(node, Perms::READ, context)) {
            return Err(Refused(ErrorCode::NoAuth));
        }
        if request.watch {
            self.watch(context, path, Modes::DATA)?;
        }
        self.encode_stat(node.ok_or(ErrorCode::NoNode)?, out);
        Ok(())
    }

    fn get_children(
        &self,
        request: &PathWatch<'_>,
        context: &ReadContext<'_>,
        out: &mut BytesMut,
    ) -> Result<&Node, Refused> {
        let path = required(request.path)?;
        let (id, node) = self.readable(path, Perms::READ, context)?;
        if request.watch {
            self.watch(context, path, Modes::CHILD)?;
        }
        encode_children(&self.store, id, node, out);
        Ok(node)
    }

    /// With READ alone the hashes of digest identities are hidden.
    fn get_acl(&self, input: &mut Reader<'_>, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        let path = required(input.string()?)?;
        let (_, node) = self.readable(path, Perms::READ.union(Perms::ADMIN), context)?;
        match self.acls.get(node.acl) {
            None => Acl::encode_vec(&Acl::open(), out),
            Some(acl) if self.may(node, Perms::ADMIN, context) => Acl::encode_vec(acl, out),
            Some(acl) => {
                out.length(acl.len());
                for entry in acl.iter() {
                    out.i32(entry.perms.0);
                    out.string(&entry.id.scheme);
                    out.string(acl::masked(entry).as_deref().unwrap_or(&entry.id.id));
                }
            }
        }
        self.encode_stat(node, out);
        Ok(())
    }

    /// Each part fails or succeeds by itself; watch flags are ignored. Apache has no bound but its heap's.
    fn multi_read(&self, input: &mut Reader<'_>, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        let start = out.len();
        for op in MultiOp::decode_all(input, true)? {
            if out.len() - start > MULTI_READ_BYTES_MAX {
                return Err(Refused(ErrorCode::SystemError));
            }
            let (kind, request) = match op {
                MultiOp::GetChildren(request) => (OpCode::GetChildren, request),
                MultiOp::GetData(request) => (OpCode::GetData, request),
                _ => return Err(Refused(ErrorCode::MarshallingError)),
            };
            let path = required(request.path)?;
            match self.readable(path, Perms::READ, context) {
                Err(Refused(code)) => {
                    MultiHeader { kind: -1, done: false, error: code.code() }.encode(out);
                    out.i32(code.code());
                }
                Ok((id, node)) => {
                    MultiHeader { kind: kind as i32, done: false, error: 0 }.encode(out);
                    if kind == OpCode::GetChildren {
                        encode_children(&self.store, id, node, out);
                    } else {
                        out.buffer(node.data.as_deref());
                        self.encode_stat(node, out);
                    }
                }
            }
        }
        MultiHeader::END.encode(out);
        Ok(())
    }

    /// The prefix is one of characters, not of segments: `/a` also finds `/ab`.
    fn get_ephemerals(&self, prefix: Option<&str>, session: SessionId, out: &mut BytesMut) -> Answer {
        let prefix = match prefix {
            Some(prefix) if !matches!(prefix.trim_matches(|c| c <= ' '), "" | "/") => prefix,
            _ => "",
        };
        let mut paths = self.ephemerals_of(session);
        paths.retain(|path| path.starts_with(prefix));
        out.strings(&paths);
        Ok(())
    }

    fn get_all_children_number(&self, path: &str, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        let (_, node) = self.readable(path, Perms::READ, context)?;
        // Apache counts the keys that start with the path and a slash, and `/` is a key of its own.
        let number = node.descendants + u32::from(path.is_empty());
        out.i32(number as i32);
        Ok(())
    }

    fn add_watch(&self, request: &PathNumber<'_>, context: &ReadContext<'_>, out: &mut BytesMut) -> Answer {
        let modes = match request.number {
            0 => Modes::PERSISTENT,
            1 => Modes::RECURSIVE,
            _ => return Err(Refused(ErrorCode::MarshallingError)),
        };
        self.watch(context, request.path.unwrap_or(NULL_PATH), modes)?;
        out.i32(0);
        Ok(())
    }

    fn check_or_remove_watches(&self, opcode: OpCode, request: &PathNumber<'_>, context: &ReadContext<'_>) -> Answer {
        let modes = match request.number {
            1 => Modes::CHILD,
            2 => Modes::DATA,
            3 => Modes::ALL,
            4 => Modes::PERSISTENT,
            5 => Modes::RECURSIVE,
            _ => return Err(Refused(ErrorCode::MarshallingError)),
        };
        let path = request.path.unwrap_or(NULL_PATH);
        let mut watches = self.watches.lock();
        let found = match opcode {
            OpCode::CheckWatches => watches.contains(context.conn, path, modes),
            _ if planted::is(Bug::RemovedWatchStays) => watches.contains(context.conn, path, modes),
            _ => watches.remove(context.conn, path, modes),
        };
        if found { Ok(()) } else { Err(Refused(ErrorCode::NoWatcher)) }
    }

    /// Registers again what a client watched before it lost its connection. What it has missed since `relative_zxid` goes
    /// out at once, in front of the reply (`DataTree.setWatches`).
    fn set_watches(
        &self,
        opcode: OpCode,
        input: &mut Reader<'_>,
        context: &ReadContext<'_>,
        events: &mut usize,
        out: &mut BytesMut,
    ) -> Answer {
        let request = SetWatches::decode(opcode, input)?;
        let since = request.relative_zxid.0;
        let mut watches = self.watches.lock();
        let mut tell = |kind: EventType, path: &str| {
            encode_event_frame(out, Zxid::NONE, kind, path);
            *events += 1;
        };
        let node = |path: &str| self.store.lookup(path).map(|id| &self.store.get(id).stat);
        for path in request.data {
            match node(path) {
                None => tell(EventType::NodeDeleted, path),
                Some(stat) if stat.mzxid > since => tell(EventType::NodeDataChanged, path),
                Some(_) => watches.add(context.conn, path, Modes::DATA)?,
            }
        }
        for path in request.exist {
            match node(path) {
                Some(_) => tell(EventType::NodeCreated, path),
                None => watches.add(context.conn, path, Modes::DATA)?,
            }
        }
        for path in request.child {
            match node(path) {
                None => tell(EventType::NodeDeleted, path),
                Some(stat) if stat.pzxid > since => tell(EventType::NodeChildrenChanged, path),
                Some(_) => watches.add(context.conn, path, Modes::CHILD)?,
            }
        }
        if planted::is(Bug::ReconnectForgetsPersistent) {
            return Ok(());
        }
        for path in request.persistent {
            watches.add(context.conn, path, Modes::PERSISTENT)?;
        }
        for path in request.persistent_recursive {
            watches.add(context.conn, path, Modes::RECURSIVE)?;
        }
        Ok(())
    }
}

fn encode_children(store: &Store, id: NodeId, node: &Node, out: &mut BytesMut) {
    out.length(node.num_children as usize);
    for (_, child) in store.children(id) {
        out.string(&child.name);
    }
}

fn who_am_i(identities: &[Id], out: &mut BytesMut) {
    out.length(identities.len());
    for id in identities {
        out.string(&id.scheme);
        out.string(acl::user_name(id));
    }
}
