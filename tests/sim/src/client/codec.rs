//! A client's side of the protocol: requests to bytes, frames to answers and events.

use bytes::{Buf, Bytes, BytesMut};
use wire::client::{CreateMode, EVENT_STATE_CONNECTED, EventType, MultiHeader, OpCode, PASSWORD_BYTES, Password};
use wire::{Acl, DecodeError, ErrorCode, Reader, SessionId, Stat, Writer, Xid, Zxid, jute};

use crate::observe::{Answer, Body, Lifetime, Op, User};

/// Longer frames no server sends here: it is one node's data, or one level of names.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// The request's frame.
#[must_use]
pub fn encode(xid: i32, op: &Op) -> Bytes {
    jute::framed(|out| {
        out.i32(xid);
        out.i32(opcode(op) as i32);
        encode_body(op, out);
    })
}

/// The frame of an auth packet.
#[must_use]
pub fn encode_auth(user: User) -> Bytes {
    jute::framed(|out| {
        out.i32(Xid::AUTH.0);
        out.i32(OpCode::Auth as i32);
        // The type, always 0.
        out.i32(0);
        out.string("digest");
        out.buffer(Some(user.secret().as_bytes()));
    })
}

fn opcode(op: &Op) -> OpCode {
    match op {
        Op::Create { lifetime: Lifetime::Container, .. } => OpCode::CreateContainer,
        Op::Create { lifetime: Lifetime::Ttl(_), .. } => OpCode::CreateTtl,
        Op::Create { .. } => OpCode::Create2,
        Op::SetAcl { .. } => OpCode::SetAcl,
        Op::GetAcl { .. } => OpCode::GetAcl,
        Op::AddWatch { .. } => OpCode::AddWatch,
        Op::RemoveWatches { .. } => OpCode::RemoveWatches,
        Op::CheckWatches { .. } => OpCode::CheckWatches,
        Op::Delete { .. } => OpCode::Delete,
        Op::Set { .. } => OpCode::SetData,
        Op::Check { .. } => OpCode::Check,
        Op::Multi(_) => OpCode::Multi,
        Op::Get { .. } => OpCode::GetData,
        Op::Exists { .. } => OpCode::Exists,
        Op::Children { .. } => OpCode::GetChildren2,
        Op::Sync { .. } => OpCode::Sync,
        Op::SetWatches { persistent, recursive, .. } if persistent.is_empty() && recursive.is_empty() => {
            OpCode::SetWatches
        }
        Op::SetWatches { .. } => OpCode::SetWatches2,
        Op::Reconfig { .. } => OpCode::Reconfig,
        Op::Ping => OpCode::Ping,
        Op::CloseSession => OpCode::CloseSession,
    }
}

fn encode_body(op: &Op, out: &mut BytesMut) {
    match op {
        Op::Create { path, data, lifetime, sequential, access } => {
            out.string(path);
            out.buffer(Some(data));
            Acl::encode_vec(&access.asked(), out);
            out.i32(mode(*lifetime, *sequential) as i32);
            if let Lifetime::Ttl(ttl_ms) = lifetime {
                out.i64(*ttl_ms);
            }
        }
        Op::SetAcl { path, access, version } => {
            out.string(path);
            Acl::encode_vec(&access.asked(), out);
            out.i32(*version);
        }
        Op::Delete { path, version } | Op::Check { path, version } => {
            out.string(path);
            out.i32(*version);
        }
        Op::Set { path, data, version } => {
            out.string(path);
            out.buffer(Some(data));
            out.i32(*version);
        }
        Op::Multi(parts) => {
            for part in parts {
                MultiHeader { kind: opcode(part) as i32, done: false, error: -1 }.encode(out);
                encode_body(part, out);
            }
            MultiHeader::END.encode(out);
        }
        Op::Get { path, watch } | Op::Exists { path, watch } | Op::Children { path, watch } => {
            out.string(path);
            out.bool(*watch);
        }
        Op::Sync { path } | Op::GetAcl { path } => out.string(path),
        Op::AddWatch { path, recursive } => {
            out.string(path);
            out.i32(i32::from(*recursive));
        }
        Op::RemoveWatches { path, kind } | Op::CheckWatches { path, kind } => {
            out.string(path);
            out.i32(*kind as i32);
        }
        Op::SetWatches { relative, data, exist, child, persistent, recursive } => {
            out.i64(relative.0);
            out.strings(data);
            out.strings(exist);
            out.strings(child);
            if opcode(op) == OpCode::SetWatches2 {
                out.strings(persistent);
                out.strings(recursive);
            }
        }
        Op::Reconfig { joining, leaving, members, version } => {
            encode_changes(joining, leaving, members.as_deref(), out);
            out.i64(*version);
        }
        Op::Ping | Op::CloseSession => {}
    }
}

/// Who joins and who leaves, or all who are to be members.
fn encode_changes(joining: &str, leaving: &str, members: Option<&str>, out: &mut BytesMut) {
    match members {
        Some(members) => {
            out.buffer(None);
            out.buffer(None);
            out.string(members);
        }
        None => {
            out.string(joining);
            out.string(leaving);
            out.buffer(None);
        }
    }
}

fn mode(lifetime: Lifetime, sequential: bool) -> CreateMode {
    match (lifetime, sequential) {
        (Lifetime::Persistent, false) => CreateMode::Persistent,
        (Lifetime::Ephemeral, false) => CreateMode::Ephemeral,
        (Lifetime::Persistent, true) => CreateMode::PersistentSequential,
        (Lifetime::Ephemeral, true) => CreateMode::EphemeralSequential,
        (Lifetime::Container, _) => CreateMode::Container,
        (Lifetime::Ttl(_), false) => CreateMode::PersistentTtl,
        (Lifetime::Ttl(_), true) => CreateMode::PersistentSequentialTtl,
    }
}

/// Takes the first complete frame off the front of what was received.
///
/// # Errors
/// When the length in front of it is none.
pub fn take_frame(received: &mut BytesMut) -> Result<Option<Bytes>, String> {
    let Some(length) = received.first_chunk::<4>() else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES_MAX) else {
        return Err(format!("a frame of {length} bytes"));
    };
    if received.len() < 4 + length {
        return Ok(None);
    }
    received.advance(4);
    Ok(Some(received.split_to(length).freeze()))
}

/// A server's answer to the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// There is a session.
    Welcome {
        /// It.
        session: SessionId,
        /// The timeout granted, ms.
        timeout_ms: i32,
    },
    /// There is none (any more).
    Refused,
}

/// Reads the answer to a handshake that had the readOnly field.
///
/// # Errors
/// When it cannot be read or contradicts itself.
pub fn decode_greeting(frame: &[u8]) -> Result<Greeting, String> {
    let mut input = Reader::new(frame);
    let mut fields = || -> wire::jute::Result<_> {
        let version = input.i32()?;
        let timeout_ms = input.i32()?;
        let session = SessionId(input.i64()?);
        let password = input.buffer()?.unwrap_or_default();
        Ok((version, timeout_ms, session, password, input.bool()?))
    };
    let (version, timeout_ms, session, password, read_only) =
        fields().map_err(|error| format!("the answer to the handshake cannot be read: {error}"))?;
    if version != 0 || read_only || !input.is_empty() {
        return Err(format!(
            "the answer to the handshake has version {version}, readOnly {read_only}, {} bytes too many",
            input.rest().len()
        ));
    }
    if timeout_ms <= 0 {
        let is_blank = session == SessionId::NONE && password == [0; PASSWORD_BYTES];
        return if is_blank { Ok(Greeting::Refused) } else { Err(format!("a refusal that names session {session}")) };
    }
    if session == SessionId::NONE || password != Password::of(session).0 {
        return Err(format!("session {session} comes with a password that is not its own: {password:02x?}"));
    }
    Ok(Greeting::Welcome { session, timeout_ms })
}

/// The front of a frame behind the handshake.
#[derive(Debug, Clone, Copy)]
pub struct Front {
    /// The request's number, or one of the negative ones.
    pub xid: Xid,
    /// The zxid.
    pub zxid: Zxid,
    /// The answer.
    pub error: ErrorCode,
}

/// Reads the front of a frame.
///
/// # Errors
/// When it is too short, or its error code unknown: stock clients crash on such.
pub fn decode_front(input: &mut Reader<'_>) -> Result<Front, String> {
    let mut fields = || -> wire::jute::Result<_> { Ok((Xid(input.i32()?), Zxid(input.i64()?), input.i32()?)) };
    let (xid, zxid, code) = fields().map_err(|error| format!("a frame without a header: {error}"))?;
    let error = ErrorCode::from_i32(code).ok_or_else(|| format!("reply {xid} has the unknown error {code}"))?;
    Ok(Front { xid, zxid, error })
}

/// Reads a watch event behind its header.
///
/// # Errors
/// When it cannot be read or is none that a server may send.
pub fn decode_event<'a>(input: &mut Reader<'a>) -> Result<(EventType, &'a str), String> {
    let mut fields = || -> wire::jute::Result<_> { Ok((input.i32()?, input.i32()?, input.str("path")?)) };
    let (kind, state, path) = fields().map_err(|error| format!("an event that cannot be read: {error}"))?;
    let kind = match kind {
        1 => EventType::NodeCreated,
        2 => EventType::NodeDeleted,
        3 => EventType::NodeDataChanged,
        4 => EventType::NodeChildrenChanged,
        other => return Err(format!("an event of {path} of type {other}")),
    };
    if state != EVENT_STATE_CONNECTED || !input.is_empty() {
        return Err(format!("{kind:?} of {path} has state {state} and {} bytes too many", input.rest().len()));
    }
    Ok((kind, path))
}

/// Reads the body of the reply to `op`.
///
/// # Errors
/// When it is not what `op` is answered with.
pub fn decode_answer(op: &Op, front: Front, input: &mut Reader<'_>) -> Result<Answer, String> {
    let body = match front.error {
        ErrorCode::Ok => decode_body(op, input)
            .map_err(|error| format!("the reply to {op:?} of zxid {} cannot be read: {error}", front.zxid))?,
        _ => Body::Empty,
    };
    if !input.is_empty() {
        return Err(format!("the reply to {op:?} has {} bytes too many", input.rest().len()));
    }
    Ok(Answer { zxid: front.zxid, error: front.error, body })
}

fn decode_body(op: &Op, input: &mut Reader<'_>) -> Result<Body, DecodeError> {
    Ok(match op {
        Op::Create { .. } => Body::Created(input.str("path")?.to_owned(), Stat::decode(input)?),
        Op::Set { .. } | Op::SetAcl { .. } | Op::Exists { .. } => Body::Stat(Stat::decode(input)?),
        Op::GetAcl { .. } => Body::Acl(Acl::decode_required(input)?, Stat::decode(input)?),
        Op::AddWatch { .. } => match input.i32()? {
            0 => Body::Empty,
            code => return Err(DecodeError::Unknown { field: "error of an added watch", value: i64::from(code) }),
        },
        Op::Get { .. } | Op::Reconfig { .. } => {
            Body::Data(input.buffer()?.map(Bytes::copy_from_slice), Stat::decode(input)?)
        }
        Op::Children { .. } => {
            let mut names: Vec<String> = input.strings()?.into_iter().map(str::to_owned).collect();
            names.sort_unstable();
            Body::Children(names, Stat::decode(input)?)
        }
        Op::Sync { .. } => Body::Path(input.str("path")?.to_owned()),
        Op::Multi(parts) => Body::Multi(decode_multi(parts, input)?),
        Op::Delete { .. }
        | Op::Check { .. }
        | Op::RemoveWatches { .. }
        | Op::CheckWatches { .. }
        | Op::SetWatches { .. }
        | Op::Ping
        | Op::CloseSession => Body::Empty,
    })
}

/// Either every part is a result or every part is an error; a mixture is not readable.
fn decode_multi(parts: &[Op], input: &mut Reader<'_>) -> Result<Result<Vec<Body>, Vec<ErrorCode>>, DecodeError> {
    let unknown = |field, value: i32| DecodeError::Unknown { field, value: i64::from(value) };
    let mut bodies = Vec::with_capacity(parts.len());
    let mut errors = Vec::new();
    for part in parts {
        let header = MultiHeader::decode(input)?;
        if header.done {
            return Err(unknown("end of a multi before its part", bodies.len() as i32));
        }
        if header.kind == -1 {
            let code = input.i32()?;
            if code != header.error {
                return Err(unknown("error in a part's body that is not its header's", code));
            }
            errors.push(ErrorCode::from_i32(code).ok_or_else(|| unknown("error of a part", code))?);
        } else {
            // Whatever kind of node was created, its result has one type.
            let kind = if matches!(part, Op::Create { .. }) { OpCode::Create2 } else { opcode(part) };
            if header.kind != kind as i32 || header.error != 0 {
                return Err(unknown("result type of a part", header.kind));
            }
            bodies.push(decode_body(part, input)?);
        }
    }
    let end = MultiHeader::decode(input)?;
    if end != MultiHeader::END {
        return Err(unknown("header behind the last part", end.kind));
    }
    match (bodies.len(), errors.len()) {
        (_, 0) => Ok(Ok(bodies)),
        (0, _) => Ok(Err(errors)),
        (done, _) => Err(unknown("number of results beside errors", done as i32)),
    }
}
