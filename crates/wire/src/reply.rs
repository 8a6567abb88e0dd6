//! Replies as a client reads them.
//!
//! Error codes stay numbers here: a client shows what it was sent, also from a server newer than itself. Text is read as
//! Java reads it: bytes that are no UTF-8 become U+FFFD instead of costing the connection.

use crate::acl::{Acl, Id};
use crate::client::{ConnectResponse, MultiHeader, OpCode, PASSWORD_BYTES, Password};
use crate::ids::{SessionId, Xid, Zxid};
use crate::jute::{DecodeError, Reader, Result};
use crate::stat::Stat;

/// The front of a reply as it came, its error known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyFront {
    /// The request's number, or one of the fixed ones of [`Xid`].
    pub xid: Xid,
    /// The server's last applied zxid; an event's is that of its transaction, or -1.
    pub zxid: Zxid,
    /// The error's number, 0 = none (`KeeperException.Code`).
    pub code: i32,
}

impl ReplyFront {
    /// Reads the front.
    pub fn decode(input: &mut Reader<'_>) -> Result<ReplyFront> {
        Ok(ReplyFront { xid: Xid(input.i32()?), zxid: Zxid(input.i64()?), code: input.i32()? })
    }
}

impl ConnectResponse {
    /// Reads the frame's body. A password that is not [`PASSWORD_BYTES`] long is an error: no server sends one.
    pub fn decode(body: &[u8]) -> Result<ConnectResponse> {
        let mut input = Reader::new(body);
        input.i32()?; // The protocol version: always 0, never looked at.
        let timeout = input.i32()?;
        let session = SessionId(input.i64()?);
        let at = input.position();
        let given = input.buffer()?.unwrap_or(&[0; PASSWORD_BYTES]);
        let password = <[u8; PASSWORD_BYTES]>::try_from(given).map_err(|_| DecodeError::Length {
            at,
            length: i64::try_from(given.len()).unwrap_or(i64::MAX),
            max: PASSWORD_BYTES,
        })?;
        let read_only = if input.is_empty() { None } else { Some(input.bool()?) };
        Ok(ConnectResponse { timeout, session, password: Password(password), read_only })
    }
}

/// A watch event as it came (`WatcherEvent`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherEvent {
    /// The event's type, see `Watcher.Event.EventType`.
    pub kind: i32,
    /// The session's state, see `Watcher.Event.KeeperState`.
    pub state: i32,
    /// The path; `None` is null.
    pub path: Option<String>,
}

impl WatcherEvent {
    /// Reads the record.
    pub fn decode(input: &mut Reader<'_>) -> Result<WatcherEvent> {
        Ok(WatcherEvent { kind: input.i32()?, state: input.i32()?, path: text(input)? })
    }
}

/// The body of a reply to any create: a path and, except for the plain one, a stat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateReply {
    /// The path that was created, with its number where it is sequential.
    pub path: String,
    /// Its stat, where the server sent one.
    pub stat: Option<Stat>,
}

impl CreateReply {
    /// Reads a body that ends with the record.
    pub fn decode(input: &mut Reader<'_>) -> Result<CreateReply> {
        let path = text(input)?.unwrap_or_default();
        let stat = if input.is_empty() { None } else { Some(Stat::decode(input)?) };
        Ok(CreateReply { path, stat })
    }
}

/// One result of a multi (`OpResult`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultiResult {
    /// Of a create; the stat is there for every mode but the plain ones.
    Create(CreateReply),
    /// Of a delete.
    Delete,
    /// Of a setData.
    SetData(Stat),
    /// Of a check.
    Check,
    /// The error's number; 0 stands for an operation that would have succeeded, had not another failed.
    Error(i32),
}

impl MultiResult {
    /// The type of an error in a multi's reply (`ZooDefs.OpCode.error`).
    const ERROR: i32 = -1;

    /// Reads all results of a multi (`MultiResponse.deserialize`).
    pub fn decode_all(input: &mut Reader<'_>) -> Result<Vec<MultiResult>> {
        let mut results = Vec::new();
        loop {
            let header = MultiHeader::decode(input)?;
            if header.done {
                return Ok(results);
            }
            let result = match OpCode::from_i32(header.kind) {
                Some(OpCode::Create) => {
                    MultiResult::Create(CreateReply { path: text(input)?.unwrap_or_default(), stat: None })
                }
                Some(OpCode::Create2) => {
                    let path = text(input)?.unwrap_or_default();
                    MultiResult::Create(CreateReply { path, stat: Some(Stat::decode(input)?) })
                }
                Some(OpCode::Delete) => MultiResult::Delete,
                Some(OpCode::SetData) => MultiResult::SetData(Stat::decode(input)?),
                Some(OpCode::Check) => MultiResult::Check,
                None if header.kind == Self::ERROR => MultiResult::Error(input.i32()?),
                _ => {
                    return Err(DecodeError::Unknown { field: "multi result type", value: i64::from(header.kind) });
                }
            };
            results.push(result);
        }
    }
}

/// A string as Java reads it; `None` is null.
pub fn text(input: &mut Reader<'_>) -> Result<Option<String>> {
    Ok(input.buffer()?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A vector of strings as Java reads them; null reads as empty, as does a null in it.
pub fn texts(input: &mut Reader<'_>) -> Result<Vec<String>> {
    let count = input.count(4)?.unwrap_or(0);
    (0..count).map(|_| Ok(text(input)?.unwrap_or_default())).collect()
}

/// The body of a reply to getData and reconfig: data, `None` if null, and stat.
pub fn data_and_stat(input: &mut Reader<'_>) -> Result<(Option<Vec<u8>>, Stat)> {
    Ok((input.buffer()?.map(<[u8]>::to_vec), Stat::decode(input)?))
}

/// The body of a reply to getACL; a null list reads as empty.
pub fn acl_and_stat(input: &mut Reader<'_>) -> Result<(Vec<Acl>, Stat)> {
    Ok((Acl::decode_vec(input)?.unwrap_or_default(), Stat::decode(input)?))
}

/// The body of a reply to whoAmI: scheme and user of each identity (`ClientInfo`, which has the shape of an id).
pub fn client_infos(input: &mut Reader<'_>) -> Result<Vec<Id>> {
    let count = input.count(8)?.unwrap_or(0);
    (0..count)
        .map(|_| Ok(Id { scheme: text(input)?.unwrap_or_default(), id: text(input)?.unwrap_or_default() }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{self, EventType};
    use crate::error_code::ErrorCode;
    use crate::jute::Writer;
    use bytes::BytesMut;

    #[test]
    fn what_a_server_writes_is_read() {
        let mut out = BytesMut::new();
        let session = SessionId(0x0100_0000_0000_0000);
        let connect =
            ConnectResponse { timeout: 30000, session, password: Password::of(session), read_only: Some(true) };
        connect.encode_frame(&mut out);
        assert_eq!(ConnectResponse::decode(&out[4..]), Ok(connect));
        let mut out = BytesMut::new();
        client::encode_event_frame(&mut out, Zxid(7), EventType::NodeDeleted, "/a");
        let mut input = Reader::new(&out[4..]);
        let front = ReplyFront { xid: Xid::NOTIFICATION, zxid: Zxid(7), code: 0 };
        assert_eq!(ReplyFront::decode(&mut input), Ok(front));
        let event = WatcherEvent { kind: 2, state: 3, path: Some("/a".into()) };
        assert_eq!(WatcherEvent::decode(&mut input), Ok(event));
    }

    #[test]
    fn null_data_is_not_empty_data() {
        for (length, expected) in [(-1, None), (0, Some(Vec::new()))] {
            let mut out = Vec::new();
            out.i32(length);
            Stat::default().encode(&mut out);
            assert_eq!(data_and_stat(&mut Reader::new(&out)), Ok((expected, Stat::default())));
        }
    }

    #[test]
    fn results_of_a_multi() {
        let mut out = Vec::new();
        let header = |kind, error| MultiHeader { kind, done: false, error };
        header(1, 0).encode(&mut out);
        out.string("/a");
        header(15, 0).encode(&mut out);
        out.string("/b");
        Stat::default().encode(&mut out);
        header(2, 0).encode(&mut out);
        header(5, 0).encode(&mut out);
        Stat::default().encode(&mut out);
        header(13, 0).encode(&mut out);
        header(-1, -126).encode(&mut out);
        out.i32(-126);
        MultiHeader::END.encode(&mut out);
        let expected = vec![
            MultiResult::Create(CreateReply { path: "/a".into(), stat: None }),
            MultiResult::Create(CreateReply { path: "/b".into(), stat: Some(Stat::default()) }),
            MultiResult::Delete,
            MultiResult::SetData(Stat::default()),
            MultiResult::Check,
            MultiResult::Error(-126),
        ];
        assert_eq!(MultiResult::decode_all(&mut Reader::new(&out)), Ok(expected));
        for cut in 0..out.len() {
            assert!(MultiResult::decode_all(&mut Reader::new(&out[..cut])).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn foreign_bytes_are_an_error_or_a_replacement() {
        assert!(matches!(texts(&mut Reader::new(&[0x7f, 0xff, 0xff, 0xff])), Err(DecodeError::Length { .. })));
        assert_eq!(text(&mut Reader::new(&[0, 0, 0, 2, b'/', 0xff])), Ok(Some("/\u{fffd}".into())));
        assert_eq!(ErrorCode::from_i32(-126), None, "a code that only a number can hold");
        let mut out = Vec::new();
        out.i32(0);
        out.i32(1);
        out.i64(1);
        out.buffer(Some(b"short"));
        assert!(matches!(ConnectResponse::decode(&out), Err(DecodeError::Length { length: 5, .. })));
    }
}
