//! The client port: handshake, requests, replies and watch events.
//!
//! Requests borrow from the frame they were decoded from, replies are encoded straight into a connection's output: the
//! path of a read allocates nothing here.

use crate::acl::Acl;
use crate::error_code::ErrorCode;
use crate::ids::{SessionId, Version, Xid, Zxid};
use crate::jute::{self, DecodeError, Reader, Result, Writer};
use bytes::BytesMut;

/// Bytes of a session's password.
pub const PASSWORD_BYTES: usize = 16;

/// A session's password: derived from its id, the same on every server (`ZooKeeperServer.generatePasswd`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; PASSWORD_BYTES]);

impl Password {
    const SECRET: i64 = 0xB341_5C00;

    /// The password of a session: the first 16 bytes of `java.util.Random` seeded with the id and a constant.
    #[must_use]
    pub fn of(session: SessionId) -> Password {
        const MASK: u64 = (1 << 48) - 1;
        let mut state = ((session.0 ^ Self::SECRET) as u64 ^ 0x5_DEEC_E66D) & MASK;
        let mut bytes = [0; PASSWORD_BYTES];
        for word in bytes.chunks_exact_mut(4) {
            state = state.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & MASK;
            word.copy_from_slice(&((state >> 16) as u32).to_le_bytes());
        }
        Password(bytes)
    }

    /// Whether `given` opens `session`.
    #[must_use]
    pub fn matches(session: SessionId, given: &[u8]) -> bool {
        session != SessionId::NONE && Password::of(session).0 == given
    }
}

/// A client's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The latest zxid the client has seen.
    pub last_zxid_seen: Zxid,
    /// The session timeout it asks for, in ms.
    pub timeout: i32,
    /// The session to re-attach to, or 0 for a new one.
    pub session: SessionId,
    /// That session's password.
    pub password: Vec<u8>,
    /// Whether it accepts a read-only server; `None` from clients that predate the field.
    pub read_only: Option<bool>,
}

impl ConnectRequest {
    /// Reads the frame's body.
    pub fn decode(body: &[u8]) -> Result<ConnectRequest> {
        let mut input = Reader::new(body);
        input.i32()?; // The protocol version: always 0, never looked at.
        let last_zxid_seen = Zxid(input.i64()?);
        let timeout = input.i32()?;
        let session = SessionId(input.i64()?);
        let password = input.buffer()?.unwrap_or_default().to_vec();
        let read_only = if input.is_empty() { None } else { Some(input.bool()?) };
        Ok(ConnectRequest { last_zxid_seen, timeout, session, password, read_only })
    }

    /// Appends the frame (for tests and tools that speak as a client).
    pub fn encode_frame(&self, out: &mut BytesMut) {
        jute::frame(out, |out| {
            out.i32(0);
            out.i64(self.last_zxid_seen.0);
            out.i32(self.timeout);
            out.i64(self.session.0);
            out.buffer(Some(&self.password));
            if let Some(read_only) = self.read_only {
                out.bool(read_only);
            }
        });
    }
}

/// The server's first frame. A refused session has timeout 0, session 0 and a password of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectResponse {
    /// The negotiated timeout in ms; 0 = the session has expired.
    pub timeout: i32,
    /// The session.
    pub session: SessionId,
    /// Its password.
    pub password: Password,
    /// Whether the server is read-only; sent only to clients whose request had the field (ZOOKEEPER-4814).
    pub read_only: Option<bool>,
}

impl ConnectResponse {
    /// The answer for a session that has expired or whose password is wrong.
    #[must_use]
    pub fn refused(read_only: Option<bool>) -> ConnectResponse {
        ConnectResponse { timeout: 0, session: SessionId::NONE, password: Password([0; PASSWORD_BYTES]), read_only }
    }

    /// Appends the frame.
    pub fn encode_frame(&self, out: &mut BytesMut) {
        jute::frame(out, |out| {
            out.i32(0);
            out.i32(self.timeout);
            out.i64(self.session.0);
            out.buffer(Some(&self.password.0));
            if let Some(read_only) = self.read_only {
                out.bool(read_only);
            }
        });
    }
}

macro_rules! opcodes {
    ($($(#[$doc:meta])* $name:ident = $value:literal),* $(,)?) => {
        /// An operation's number (`ZooDefs.OpCode`), as far as a client may send it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum OpCode { $($(#[$doc])* $name = $value),* }

        impl OpCode {
            /// Every operation.
            pub const ALL: &'static [OpCode] = &[$(OpCode::$name),*];

            /// The operation of a number.
            #[must_use]
            pub const fn from_i32(value: i32) -> Option<OpCode> {
                match value { $($value => Some(OpCode::$name),)* _ => None }
            }
        }
    };
}

opcodes! {
    /// Create a node; the reply is its path.
    Create = 1,
    /// Delete a node.
    Delete = 2,
    /// Stat of a node, if there.
    Exists = 3,
    /// Data and stat.
    GetData = 4,
    /// Replace the data.
    SetData = 5,
    /// ACL and stat.
    GetAcl = 6,
    /// Replace the ACL.
    SetAcl = 7,
    /// Names of the children.
    GetChildren = 8,
    /// Catch up with the leader.
    Sync = 9,
    /// Keep the session alive.
    Ping = 11,
    /// Names of the children, and stat.
    GetChildren2 = 12,
    /// Check a version; legal only inside a multi.
    Check = 13,
    /// Several writes, all or nothing.
    Multi = 14,
    /// As Create; the reply has the stat too.
    Create2 = 15,
    /// Change the ensemble.
    Reconfig = 16,
    /// Is this watch there?
    CheckWatches = 17,
    /// Remove this watch.
    RemoveWatches = 18,
    /// Create a container node.
    CreateContainer = 19,
    /// The server's own: delete an unused container or TTL node.
    DeleteContainer = 20,
    /// Create a node with a time to live.
    CreateTtl = 21,
    /// Several reads.
    MultiRead = 22,
    /// Prove an identity.
    Auth = 100,
    /// Register watches again after a reconnect.
    SetWatches = 101,
    /// A step of a SASL exchange.
    Sasl = 102,
    /// Paths of the session's ephemerals.
    GetEphemerals = 103,
    /// Number of descendants.
    GetAllChildrenNumber = 104,
    /// As SetWatches, with persistent watches.
    SetWatches2 = 105,
    /// Add a persistent watch.
    AddWatch = 106,
    /// The connection's identities.
    WhoAmI = 107,
    /// The server's own: a session begins.
    CreateSession = -10,
    /// The session ends.
    CloseSession = -11,
}

impl OpCode {
    /// Whether the operation changes the replicated state and so goes through the leader as a transaction
    /// (`Request.isQuorum`, sync excluded).
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(
            self,
            OpCode::Create
                | OpCode::Create2
                | OpCode::CreateTtl
                | OpCode::CreateContainer
                | OpCode::Delete
                | OpCode::DeleteContainer
                | OpCode::SetData
                | OpCode::Reconfig
                | OpCode::SetAcl
                | OpCode::Multi
                | OpCode::Check
                | OpCode::CreateSession
                | OpCode::CloseSession
        )
    }

    /// Whether a client may send it. Apache also accepts deleteContainer and createSession from clients, without any check;
    /// that is a hole and is not copied (`docs/compatibility.md`).
    #[must_use]
    pub const fn is_legal_from_client(self) -> bool {
        !matches!(self, OpCode::Check | OpCode::DeleteContainer | OpCode::CreateSession)
    }
}

/// The front of every request after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// The client's number of it.
    pub xid: Xid,
    /// The operation's number, known or not.
    pub opcode: i32,
}

impl RequestHeader {
    /// Encoded size in bytes.
    pub const BYTES: usize = 8;

    /// Reads the front of a frame's body.
    pub fn decode(body: &[u8]) -> Result<RequestHeader> {
        let mut input = Reader::new(body);
        Ok(RequestHeader { xid: Xid(input.i32()?), opcode: input.i32()? })
    }
}

/// The front of every reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The request's number.
    pub xid: Xid,
    /// The server's last applied zxid when the reply was made.
    pub zxid: Zxid,
    /// The answer.
    pub error: ErrorCode,
}

impl ReplyHeader {
    /// Encoded size in bytes.
    pub const BYTES: usize = 16;

    /// Appends the header.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i32(self.xid.0);
        out.i64(self.zxid.0);
        out.i32(self.error.code());
    }

    /// Appends a reply frame that has no body.
    pub fn encode_frame(&self, out: &mut BytesMut) {
        out.i32(Self::BYTES as i32);
        self.encode(out);
    }
}

/// The body of create, create2, createContainer and createTTL. Nulls are kept apart from empties because Apache answers
/// them differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRequest<'a> {
    /// The path asked for; null is a decode error in Apache's record but a bad argument behind it.
    pub path: Option<&'a str>,
    /// The data.
    pub data: Option<&'a [u8]>,
    /// The ACL; `None` is null.
    pub acl: Option<Vec<Acl>>,
    /// The mode's number, see [`CreateMode`].
    pub flags: i32,
    /// The time to live in ms; only createTTL has one.
    pub ttl: Option<i64>,
}

impl<'a> CreateRequest<'a> {
    /// Reads the body of `opcode`.
    pub fn decode(opcode: OpCode, input: &mut Reader<'a>) -> Result<CreateRequest<'a>> {
        Ok(CreateRequest {
            path: input.string()?,
            data: input.buffer()?,
            acl: Acl::decode_vec(input)?,
            flags: input.i32()?,
            ttl: if matches!(opcode, OpCode::CreateTtl) { Some(input.i64()?) } else { None },
        })
    }
}

/// The seven modes of a create (`CreateMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum CreateMode {
    /// Stays until deleted.
    Persistent = 0,
    /// Ends with its session.
    Ephemeral = 1,
    /// Persistent, with a number appended to the name.
    PersistentSequential = 2,
    /// Ephemeral, with a number appended to the name.
    EphemeralSequential = 3,
    /// Deleted by the server after its last child.
    Container = 4,
    /// Deleted by the server when unused for its time to live.
    PersistentTtl = 5,
    /// As `PersistentTtl`, with a number appended to the name.
    PersistentSequentialTtl = 6,
}

impl CreateMode {
    /// The longest time to live, ms (`EphemeralType.TTL.maxValue`): so many bits the owner of a node has for it.
    pub const TTL_MS_MAX: i64 = 0xff_ffff_ffff;

    /// The mode of a request's flags.
    #[must_use]
    pub const fn from_flags(flags: i32) -> Option<CreateMode> {
        Some(match flags {
            0 => CreateMode::Persistent,
            1 => CreateMode::Ephemeral,
            2 => CreateMode::PersistentSequential,
            3 => CreateMode::EphemeralSequential,
            4 => CreateMode::Container,
            5 => CreateMode::PersistentTtl,
            6 => CreateMode::PersistentSequentialTtl,
            _ => return None,
        })
    }

    /// Whether the node ends with its session.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }

    /// Whether a number is appended to the name.
    #[must_use]
    pub const fn is_sequential(self) -> bool {
        matches!(
            self,
            CreateMode::PersistentSequential | CreateMode::EphemeralSequential | CreateMode::PersistentSequentialTtl
        )
    }

    /// Whether the node has a time to live.
    #[must_use]
    pub const fn is_ttl(self) -> bool {
        matches!(self, CreateMode::PersistentTtl | CreateMode::PersistentSequentialTtl)
    }
}

/// `string path, i32 version`: delete and check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathVersion<'a> {
    /// The path.
    pub path: Option<&'a str>,
    /// The version expected.
    pub version: Version,
}

impl<'a> PathVersion<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<PathVersion<'a>> {
        Ok(PathVersion { path: input.string()?, version: Version(input.i32()?) })
    }
}

/// The body of setData.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetDataRequest<'a> {
    /// The path.
    pub path: Option<&'a str>,
    /// The new data.
    pub data: Option<&'a [u8]>,
    /// The version expected.
    pub version: Version,
}

impl<'a> SetDataRequest<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<SetDataRequest<'a>> {
        Ok(SetDataRequest { path: input.string()?, data: input.buffer()?, version: Version(input.i32()?) })
    }
}

/// The body of setACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAclRequest<'a> {
    /// The path.
    pub path: Option<&'a str>,
    /// The new ACL.
    pub acl: Option<Vec<Acl>>,
    /// The ACL version expected.
    pub version: Version,
}

impl<'a> SetAclRequest<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<SetAclRequest<'a>> {
        Ok(SetAclRequest { path: input.string()?, acl: Acl::decode_vec(input)?, version: Version(input.i32()?) })
    }
}

/// The body of reconfig. Either members join and leave, or all of them are named anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconfigRequest<'a> {
    /// Server lines (`server.N=...`) separated by commas.
    pub joining: Option<&'a str>,
    /// Server ids separated by commas.
    pub leaving: Option<&'a str>,
    /// The whole configuration, lines separated by commas or newlines; then nobody joins or leaves.
    pub members: Option<&'a str>,
    /// The version of the configuration that is to change; -1 = whatever it is.
    pub config_version: i64,
}

impl<'a> ReconfigRequest<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<ReconfigRequest<'a>> {
        Ok(ReconfigRequest {
            joining: input.string()?,
            leaving: input.string()?,
            members: input.string()?,
            config_version: input.i64()?,
        })
    }
}

/// `string path, bool watch`: exists, getData, getChildren, getChildren2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathWatch<'a> {
    /// The path.
    pub path: Option<&'a str>,
    /// Whether to set a one-shot watch.
    pub watch: bool,
}

impl<'a> PathWatch<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<PathWatch<'a>> {
        Ok(PathWatch { path: input.string()?, watch: input.bool()? })
    }
}

/// `string path, i32 number`: addWatch (mode), checkWatches and removeWatches (type).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathNumber<'a> {
    /// The path.
    pub path: Option<&'a str>,
    /// The mode or type.
    pub number: i32,
}

impl<'a> PathNumber<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<PathNumber<'a>> {
        Ok(PathNumber { path: input.string()?, number: input.i32()? })
    }
}

/// The body of auth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthPacket<'a> {
    /// The scheme.
    pub scheme: &'a str,
    /// What proves the identity.
    pub auth: &'a [u8],
}

impl<'a> AuthPacket<'a> {
    /// Reads the body.
    pub fn decode(input: &mut Reader<'a>) -> Result<AuthPacket<'a>> {
        input.i32()?; // The type: always 0.
        Ok(AuthPacket { scheme: input.str("scheme")?, auth: input.buffer()?.unwrap_or_default() })
    }
}

/// The body of setWatches and setWatches2.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetWatches<'a> {
    /// The latest zxid the client has seen: what changed since is answered at once.
    pub relative_zxid: Zxid,
    /// Paths watched by getData.
    pub data: Vec<&'a str>,
    /// Paths watched by exists that were missing.
    pub exist: Vec<&'a str>,
    /// Paths watched by getChildren.
    pub child: Vec<&'a str>,
    /// Paths with a persistent watch.
    pub persistent: Vec<&'a str>,
    /// Paths with a persistent recursive watch.
    pub persistent_recursive: Vec<&'a str>,
}

impl<'a> SetWatches<'a> {
    /// Reads the body of `opcode`.
    pub fn decode(opcode: OpCode, input: &mut Reader<'a>) -> Result<SetWatches<'a>> {
        let mut request = SetWatches {
            relative_zxid: Zxid(input.i64()?),
            data: input.strings()?,
            exist: input.strings()?,
            child: input.strings()?,
            ..SetWatches::default()
        };
        if matches!(opcode, OpCode::SetWatches2) {
            request.persistent = input.strings()?;
            request.persistent_recursive = input.strings()?;
        }
        Ok(request)
    }
}

/// The header in front of every part of a multi, request and reply (`MultiHeader`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiHeader {
    /// The part's operation or result type.
    pub kind: i32,
    /// Whether this is the end.
    pub done: bool,
    /// The part's error.
    pub error: i32,
}

impl MultiHeader {
    /// The header behind the last part.
    pub const END: MultiHeader = MultiHeader { kind: -1, done: true, error: -1 };

    /// Appends the header.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i32(self.kind);
        out.bool(self.done);
        out.i32(self.error);
    }

    /// Reads the header.
    pub fn decode(input: &mut Reader<'_>) -> Result<MultiHeader> {
        Ok(MultiHeader { kind: input.i32()?, done: input.bool()?, error: input.i32()? })
    }
}

/// One operation of a multi or multiRead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiOp<'a> {
    /// Any create.
    Create(OpCode, CreateRequest<'a>),
    /// A delete.
    Delete(PathVersion<'a>),
    /// A setData.
    SetData(SetDataRequest<'a>),
    /// A version check.
    Check(PathVersion<'a>),
    /// A read of the children.
    GetChildren(PathWatch<'a>),
    /// A read of the data.
    GetData(PathWatch<'a>),
}

impl<'a> MultiOp<'a> {
    /// Reads all operations of a multi (`reads` false) or multiRead (`reads` true). Mixing kinds is an error, as in
    /// `MultiOperationRecord.deserialize`.
    pub fn decode_all(input: &mut Reader<'a>, reads: bool) -> Result<Vec<MultiOp<'a>>> {
        let mut ops = Vec::new();
        loop {
            let header = MultiHeader::decode(input)?;
            if header.done {
                return Ok(ops);
            }
            let opcode = OpCode::from_i32(header.kind);
            let op = match opcode {
                Some(op @ (OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl)) => {
                    MultiOp::Create(op, CreateRequest::decode(op, input)?)
                }
                Some(OpCode::Delete) => MultiOp::Delete(PathVersion::decode(input)?),
                Some(OpCode::SetData) => MultiOp::SetData(SetDataRequest::decode(input)?),
                Some(OpCode::Check) => MultiOp::Check(PathVersion::decode(input)?),
                Some(OpCode::GetChildren) => MultiOp::GetChildren(PathWatch::decode(input)?),
                Some(OpCode::GetData) => MultiOp::GetData(PathWatch::decode(input)?),
                _ => return Err(DecodeError::Unknown { field: "multi operation", value: i64::from(header.kind) }),
            };
            if matches!(op, MultiOp::GetChildren(_) | MultiOp::GetData(_)) != reads {
                return Err(DecodeError::Unknown { field: "kind of multi operation", value: i64::from(header.kind) });
            }
            ops.push(op);
        }
    }
}

/// The type of a watch event that a server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum EventType {
    /// The node was created.
    NodeCreated = 1,
    /// The node was deleted.
    NodeDeleted = 2,
    /// The data changed.
    NodeDataChanged = 3,
    /// A child was created or deleted.
    NodeChildrenChanged = 4,
}

/// The state in every event that a server sends: SyncConnected.
pub const EVENT_STATE_CONNECTED: i32 = 3;

/// Appends a watch event's frame. `zxid` is the transaction's (3.9), or [`Zxid::NONE`] for the catch-up events of
/// setWatches.
pub fn encode_event_frame(out: &mut BytesMut, zxid: Zxid, event: EventType, path: &str) {
    jute::frame(out, |out| {
        ReplyHeader { xid: Xid::NOTIFICATION, zxid, error: ErrorCode::Ok }.encode(out);
        out.i32(event as i32);
        out.i32(EVENT_STATE_CONNECTED);
        out.java_string(path);
    });
}
