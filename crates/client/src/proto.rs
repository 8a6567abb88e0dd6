//! Bytes of a connection: frames, requests ready to be numbered, and the chroot in paths.
//!
//! Pure. What is in a record is `wire`'s; here it is put into frames and taken out of them.

use crate::error::Error;
use crate::op::{Created, Op, OpResult, WatcherType};
use crate::path;
use crate::watches::Registration;
use bytes::{Buf, Bytes, BytesMut};
use wire::client::{CreateMode, CreateRequest, MultiOp, OpCode, PathVersion, RequestHeader, SetDataRequest};
use wire::reply::{CreateReply, MultiResult};
use wire::{Acl, DecodeError, ErrorCode, Version, Xid, jute};

/// The config node and everything else below it is never below a chroot (`ZooDefs.ZOOKEEPER_NODE_SUBTREE`).
const ZOOKEEPER_SUBTREE: &str = "/zookeeper/";

/// A request that has no number yet: it gets one when it is sent (`ClientCnxn.Packet`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The operation.
    pub(crate) opcode: OpCode,
    /// The record behind the header.
    pub(crate) body: Vec<u8>,
    /// What the reply does to the watches.
    pub(crate) watch: WatchChange,
}

/// What a reply does to the session's watches; paths are the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WatchChange {
    /// Nothing.
    None,
    /// One more, if the code allows it.
    Register(Registration, String),
    /// All of a kind less, on a path.
    Remove {
        /// The path.
        path: String,
        /// The kind.
        kind: WatcherType,
        /// Whether to remove them whatever the server says.
        local: bool,
    },
}

impl Request {
    /// A request without a watch, its body written by `write`.
    pub(crate) fn new(opcode: OpCode, write: impl FnOnce(&mut Vec<u8>)) -> Request {
        let mut body = Vec::new();
        write(&mut body);
        Request { opcode, body, watch: WatchChange::None }
    }

    /// The frame, with its number.
    pub(crate) fn frame(&self, xid: Xid) -> Bytes {
        frame(xid, self.opcode, &self.body)
    }
}

/// A request's frame.
pub(crate) fn frame(xid: Xid, opcode: OpCode, body: &[u8]) -> Bytes {
    jute::framed(|out| {
        RequestHeader { xid, opcode: opcode as i32 }.encode(out);
        out.extend_from_slice(body);
    })
}

/// A length in front of a frame that no server sends (`ClientCnxnSocket.readLength`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameLength(pub(crate) i32);

/// Takes the next frame's body out of what was received; `None` while it is not complete.
///
/// # Errors
/// A length that is negative or above `bytes_max`, before anything is allocated for it.
pub(crate) fn take_frame(input: &mut BytesMut, bytes_max: usize) -> Result<Option<Bytes>, FrameLength> {
    let Some(&front) = input.first_chunk::<4>() else { return Ok(None) };
    let announced = i32::from_be_bytes(front);
    let length = usize::try_from(announced).map_err(|_| FrameLength(announced))?;
    if length > bytes_max {
        return Err(FrameLength(announced));
    }
    if input.len() < 4 + length {
        input.reserve(4 + length - input.len());
        return Ok(None);
    }
    input.advance(4);
    Ok(Some(input.split_to(length).freeze()))
}

/// The server's path of a client's (`ZooKeeper.prependChroot`).
pub(crate) fn prepend_chroot(chroot: Option<&str>, path: &str) -> String {
    match chroot {
        None => path.to_owned(),
        Some(chroot) if path.len() <= 1 => chroot.to_owned(),
        Some(chroot) => format!("{chroot}{path}"),
    }
}

/// The client's path of a server's (`SendThread.stripChroot`). A path outside of the chroot stays as it is: that of the
/// config node, or one that no server should send.
pub(crate) fn strip_chroot(chroot: Option<&str>, path: String) -> String {
    match chroot.and_then(|chroot| path.strip_prefix(chroot)) {
        Some("") => "/".to_owned(),
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        _ => {
            if chroot.is_some() && !path.starts_with(ZOOKEEPER_SUBTREE) {
                tracing::warn!(path, "the server sends a path outside of the chroot");
            }
            path
        }
    }
}

/// Which create an operation's mode needs, if `plain` is the one of modes that every server knows.
pub(crate) fn create_opcode(mode: CreateMode, plain: OpCode) -> OpCode {
    match mode {
        _ if mode.is_ttl() => OpCode::CreateTtl,
        CreateMode::Container => OpCode::CreateContainer,
        _ => plain,
    }
}

/// What Java checks of a create before it sends it: path and time to live (`PathUtils`, `EphemeralType.validateTTL`).
pub(crate) fn check_create(path: &str, mode: CreateMode, ttl_ms: Option<i64>) -> Result<(), Error> {
    let checked = if mode.is_sequential() { path::validate_sequential(path) } else { path::validate(path) };
    checked.map_err(Error::Path)?;
    match ttl_ms {
        Some(1..=CreateMode::TTL_MS_MAX) if mode.is_ttl() => Ok(()),
        _ if mode.is_ttl() => {
            Err(Error::Argument(format!("ttl must be positive and cannot be larger than: {}", CreateMode::TTL_MS_MAX)))
        }
        Some(0..) => Err(Error::Argument(format!("ttl not valid for mode: {}", mode_name(mode)))),
        _ => Ok(()),
    }
}

fn mode_name(mode: CreateMode) -> &'static str {
    match mode {
        CreateMode::Persistent => "PERSISTENT",
        CreateMode::Ephemeral => "EPHEMERAL",
        CreateMode::PersistentSequential => "PERSISTENT_SEQUENTIAL",
        CreateMode::EphemeralSequential => "EPHEMERAL_SEQUENTIAL",
        CreateMode::Container => "CONTAINER",
        CreateMode::PersistentTtl => "PERSISTENT_WITH_TTL",
        CreateMode::PersistentSequentialTtl => "PERSISTENT_SEQUENTIAL_WITH_TTL",
    }
}

/// `ZooKeeper.validateACL`.
pub(crate) fn check_acl(acl: &[Acl]) -> Result<(), Error> {
    if acl.is_empty() { Err(Error::api(ErrorCode::InvalidAcl)) } else { Ok(()) }
}

/// A create's request; `path` is the server's.
pub(crate) fn create_request<'a>(
    path: &'a str,
    data: Option<&'a [u8]>,
    acl: &[Acl],
    mode: CreateMode,
    ttl_ms: Option<i64>,
) -> CreateRequest<'a> {
    let ttl = if mode.is_ttl() { ttl_ms } else { None };
    CreateRequest { path: Some(path), data, acl: Some(acl.to_vec()), flags: mode as i32, ttl }
}

impl Op {
    /// The path, as the caller gave it.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Op::Create { path, .. } | Op::Delete { path, .. } | Op::SetData { path, .. } | Op::Check { path, .. } => {
                path
            }
        }
    }

    /// `Op.validate`.
    fn check(&self) -> Result<(), Error> {
        match self {
            Op::Create { path, mode, ttl_ms, .. } => check_create(path, *mode, *ttl_ms),
            _ => path::validate(self.path()).map_err(Error::Path),
        }
    }

    /// The operation's record, for the server's `path`.
    fn record<'a>(&'a self, path: &'a str) -> MultiOp<'a> {
        match self {
            Op::Create { data, acl, mode, ttl_ms, .. } => MultiOp::Create(
                create_opcode(*mode, OpCode::Create),
                create_request(path, data.as_deref(), acl, *mode, *ttl_ms),
            ),
            Op::Delete { version, .. } => MultiOp::Delete(PathVersion { path: Some(path), version: Version(*version) }),
            Op::Check { version, .. } => MultiOp::Check(PathVersion { path: Some(path), version: Version(*version) }),
            Op::SetData { data, version, .. } => {
                MultiOp::SetData(SetDataRequest { path: Some(path), data: data.as_deref(), version: Version(*version) })
            }
        }
    }
}

/// A multi's request (`ZooKeeper.multi`).
///
/// # Errors
/// The first operation with a wrong path or time to live.
pub(crate) fn multi(chroot: Option<&str>, ops: &[Op]) -> Result<Request, Error> {
    ops.iter().try_for_each(Op::check)?;
    let paths: Vec<String> = ops.iter().map(|op| prepend_chroot(chroot, op.path())).collect();
    let records: Vec<MultiOp<'_>> = ops.iter().zip(&paths).map(|(op, path)| op.record(path)).collect();
    Ok(Request::new(OpCode::Multi, |out| MultiOp::encode_all(&records, out)))
}

/// A create's answer, with the client's path: what is behind the chroot, and so nothing at all where the chroot itself
/// was created (`ZooKeeper.create`).
pub(crate) fn created(chroot: Option<&str>, reply: CreateReply) -> Created {
    let path = match chroot.and_then(|chroot| reply.path.strip_prefix(chroot)) {
        Some(rest) => rest.to_owned(),
        None => reply.path,
    };
    Created { path, stat: reply.stat }
}

/// A multi's answer. Java leaves the chroot in the paths of its results; it is taken off here as everywhere else.
pub(crate) fn multi_results(chroot: Option<&str>, body: &[u8]) -> Result<Vec<OpResult>, DecodeError> {
    let results = MultiResult::decode_all(&mut wire::Reader::new(body))?;
    let result = |result| match result {
        MultiResult::Create(reply) => OpResult::Create(created(chroot, reply)),
        MultiResult::Delete => OpResult::Delete,
        MultiResult::SetData(stat) => OpResult::SetData(stat),
        MultiResult::Check => OpResult::Check,
        MultiResult::Error(code) => OpResult::Error(code),
    };
    Ok(results.into_iter().map(result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_complete() {
        let mut input = BytesMut::from(&[0, 0, 0, 2, 7][..]);
        assert_eq!(take_frame(&mut input, 10), Ok(None));
        input.extend_from_slice(&[8, 0, 0, 0, 0, 0]);
        assert_eq!(take_frame(&mut input, 10), Ok(Some(Bytes::from_static(&[7, 8]))));
        assert_eq!(take_frame(&mut input, 10), Ok(Some(Bytes::new())));
        assert_eq!(take_frame(&mut input, 10), Ok(None));
        assert_eq!(&input[..], [0]);
    }

    #[test]
    fn a_length_is_checked_before_memory_is_taken() {
        let mut input = BytesMut::from(&[0, 0, 0, 11][..]);
        assert_eq!(take_frame(&mut input, 10), Err(FrameLength(11)));
        let mut input = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert_eq!(take_frame(&mut input, 10), Err(FrameLength(-1)));
        let mut input = BytesMut::from(&[0, 0, 0, 10][..]);
        assert_eq!(take_frame(&mut input, 10), Ok(None));
    }

    #[test]
    fn chroots() {
        assert_eq!(prepend_chroot(None, "/a"), "/a");
        assert_eq!(prepend_chroot(Some("/r"), "/a"), "/r/a");
        assert_eq!(prepend_chroot(Some("/r"), "/"), "/r");
        let strip = |path: &str| strip_chroot(Some("/r"), path.to_owned());
        assert_eq!(strip("/r/a"), "/a");
        assert_eq!(strip("/r"), "/");
        assert_eq!(strip("/rest"), "/rest");
        assert_eq!(strip("/zookeeper/config"), "/zookeeper/config");
        assert_eq!(strip_chroot(None, "/a".into()), "/a");
    }

    #[test]
    fn times_to_live_are_checked_as_in_java() {
        let check = |mode, ttl_ms| check_create("/a", mode, ttl_ms).map_err(|error| error.to_string());
        let range = Err("ttl must be positive and cannot be larger than: 1099511627775".to_owned());
        assert_eq!(check(CreateMode::PersistentTtl, None), range);
        assert_eq!(check(CreateMode::PersistentTtl, Some(0)), range);
        assert_eq!(check(CreateMode::PersistentSequentialTtl, Some(CreateMode::TTL_MS_MAX + 1)), range);
        assert_eq!(check(CreateMode::PersistentTtl, Some(CreateMode::TTL_MS_MAX)), Ok(()));
        assert_eq!(check(CreateMode::Ephemeral, Some(5)), Err("ttl not valid for mode: EPHEMERAL".to_owned()));
        assert_eq!(check(CreateMode::Ephemeral, Some(-1)), Ok(()));
    }
}
