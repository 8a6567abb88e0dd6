//! The few request frames of the benchmark, as templates in which only the xid changes.

use bytes::BytesMut;
use wire::client::OpCode;
use wire::jute::{self, Writer};
use wire::{Acl, Stat};

/// Bytes of data in every znode.
pub const DATA_BYTES: usize = 100;
/// What those bytes are.
pub const DATA: [u8; DATA_BYTES] = [b'z'; DATA_BYTES];
/// Bytes of a reply's header.
pub const REPLY_HEADER_BYTES: usize = wire::client::ReplyHeader::BYTES;
/// Bytes of the length before every frame.
pub const LENGTH_BYTES: usize = 4;

/// What the answer to a request must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Length of the frame's body, header included.
    pub body_bytes: usize,
    /// Which histogram it counts in, and whether the znode's data is in it.
    pub kind: Kind,
}

/// The kinds of request that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answered by the server itself.
    Read,
    /// Through the log and the quorum.
    Write,
}

/// A request frame that is sent again and again.
#[derive(Debug, Clone)]
pub struct Template {
    frame: Vec<u8>,
    expected: Expected,
}

impl Template {
    /// `getData` without a watch.
    pub fn get(path: &str) -> Template {
        let body_bytes = REPLY_HEADER_BYTES + 4 + DATA_BYTES + Stat::BYTES;
        Template::new(OpCode::GetData, Expected { body_bytes, kind: Kind::Read }, |out| {
            out.string(path);
            out.bool(false);
        })
    }

    /// `setData` of any version.
    pub fn set(path: &str) -> Template {
        let body_bytes = REPLY_HEADER_BYTES + Stat::BYTES;
        Template::new(OpCode::SetData, Expected { body_bytes, kind: Kind::Write }, |out| {
            out.string(path);
            out.buffer(Some(&DATA));
            out.i32(-1);
        })
    }

    /// `setData` of a number, if the znode has this version.
    pub fn set_number_if(path: &str, number: u64, version: i32) -> Template {
        let body_bytes = REPLY_HEADER_BYTES + Stat::BYTES;
        Template::new(OpCode::SetData, Expected { body_bytes, kind: Kind::Write }, |out| {
            out.string(path);
            out.buffer(Some(&padded(number)));
            out.i32(version);
        })
    }

    /// `create` of a persistent znode that everybody may change.
    pub fn create(path: &str) -> Template {
        let body_bytes = REPLY_HEADER_BYTES + 4 + path.len();
        Template::new(OpCode::Create, Expected { body_bytes, kind: Kind::Write }, |out| {
            out.string(path);
            out.buffer(Some(&DATA));
            Acl::encode_vec(&Acl::open(), out);
            out.i32(0);
        })
    }

    /// `sync` of a path.
    pub fn sync(path: &str) -> Template {
        let body_bytes = REPLY_HEADER_BYTES + 4 + path.len();
        Template::new(OpCode::Sync, Expected { body_bytes, kind: Kind::Write }, |out| out.string(path))
    }

    /// The end of a session.
    pub fn close() -> Template {
        Template::new(OpCode::CloseSession, Expected { body_bytes: REPLY_HEADER_BYTES, kind: Kind::Write }, |_| {})
    }

    fn new(opcode: OpCode, expected: Expected, body: impl FnOnce(&mut BytesMut)) -> Template {
        let mut frame = BytesMut::new();
        jute::frame(&mut frame, |out| {
            out.i32(0);
            out.i32(opcode as i32);
            body(out);
        });
        Template { frame: frame.to_vec(), expected }
    }

    /// Appends the frame with this xid; returns what to expect.
    pub fn append(&self, xid: i32, out: &mut Vec<u8>) -> Expected {
        let start = out.len() + LENGTH_BYTES;
        out.extend_from_slice(&self.frame);
        out[start..start + 4].copy_from_slice(&xid.to_be_bytes());
        self.expected
    }
}

/// Data of the usual length that begins with a number.
pub fn padded(number: u64) -> [u8; DATA_BYTES] {
    let mut data = DATA;
    data[..8].copy_from_slice(&number.to_be_bytes());
    data
}

/// The length of the frame at the front, once all of it is there. `Err` holds a length nobody sends here.
pub fn complete(bytes: &[u8]) -> Result<Option<usize>, u32> {
    const FRAME_BYTES_MAX: u32 = 1 << 20;
    let Some(length) = bytes.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    if length > FRAME_BYTES_MAX {
        return Err(length);
    }
    let whole = LENGTH_BYTES + length as usize;
    Ok((bytes.len() >= whole).then_some(whole))
}
