//! Transactions: the header, the bodies and the digest trailer, shared by the log, proposals and INFORM.
//!
//! The bytes are those of `SerializeUtils.deserializeTxn` and `Util.marshallTxnEntry`: a [`TxnHeader`], the record of its
//! type, then an optional [`TxnDigest`].

use crate::acl::Acl;
use crate::error_code::ErrorCode;
use crate::ids::{Millis, SessionId, Xid, Zxid};
use crate::jute::{DecodeError, Reader, Result, Writer};
use bytes::Bytes;

/// What every transaction says of itself (`org.apache.zookeeper.txn.TxnHeader`), without its type, which follows from the
/// body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnHeader {
    /// The session that asked for it; 0 for the server's own.
    pub session: SessionId,
    /// The request number of that session.
    pub cxid: Xid,
    /// Its place in the order.
    pub zxid: Zxid,
    /// Wall clock of the leader when it was made, ms since 1970.
    pub time: Millis,
}

impl TxnHeader {
    /// Encoded size in bytes, type included.
    pub const BYTES: usize = 32;
}

/// The type numbers of transactions.
pub mod kind {
    #![allow(missing_docs)]
    pub const CREATE_SESSION: i32 = -10;
    pub const CLOSE_SESSION: i32 = -11;
    pub const ERROR: i32 = -1;
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const SET_DATA: i32 = 5;
    pub const SET_ACL: i32 = 7;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const RECONFIG: i32 = 16;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const DELETE_CONTAINER: i32 = 20;
    pub const CREATE_TTL: i32 = 21;
}

/// What a created node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateKind {
    /// Opcode 1: persistent, or ephemeral of the header's session.
    Create {
        /// Whether the header's session owns it.
        ephemeral: bool,
    },
    /// Opcode 15: as `Create`; only the reply differs.
    Create2 {
        /// Whether the header's session owns it.
        ephemeral: bool,
    },
    /// Opcode 19: deleted by the server once its last child has gone.
    Container,
    /// Opcode 21: deleted by the server when unused for this many ms.
    Ttl(i64),
}

/// The body of a create of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTxn {
    /// The full path, sequence number included.
    pub path: String,
    /// The data; null and empty differ.
    pub data: Option<Bytes>,
    /// The ACL, with `auth` already replaced by identities.
    pub acl: Vec<Acl>,
    /// Which kind of node.
    pub kind: CreateKind,
    /// The parent's stored cversion after this create; -1 in logs of very old servers ("the parent's plus one").
    pub parent_cversion: i32,
}

/// A transaction's body: unconditional, so that every server that applies it ends with the same tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Txn {
    /// A session with this timeout in ms begins.
    CreateSession {
        /// Timeout in ms.
        timeout: i32,
    },
    /// The header's session ends. The ephemerals to delete are listed since 3.6; earlier leaders write no list.
    CloseSession {
        /// Paths to delete, or `None` where the leader wrote no body.
        paths: Option<Vec<String>>,
    },
    /// A request that was refused; it takes a zxid but changes nothing.
    Error {
        /// The answer, as a number because a later version may know more codes.
        code: i32,
    },
    /// A node is created.
    Create(CreateTxn),
    /// A node is deleted.
    Delete {
        /// Its path.
        path: String,
    },
    /// An unused container or TTL node is deleted by the server.
    DeleteContainer {
        /// Its path.
        path: String,
    },
    /// Data are replaced.
    SetData {
        /// The path.
        path: String,
        /// The new data.
        data: Option<Bytes>,
        /// The new version.
        version: i32,
    },
    /// The ensemble's configuration changes; on the tree this is a setData of `/zookeeper/config`.
    Reconfig {
        /// The path, `/zookeeper/config`.
        path: String,
        /// The configuration text.
        data: Option<Bytes>,
        /// -1.
        version: i32,
    },
    /// An ACL is replaced.
    SetAcl {
        /// The path.
        path: String,
        /// The new ACL.
        acl: Vec<Acl>,
        /// The new ACL version.
        version: i32,
    },
    /// A version was checked; only inside a multi.
    Check {
        /// The path.
        path: String,
        /// The version asked for.
        version: i32,
    },
    /// Several bodies under one header. If one of them is an error, nothing is applied.
    Multi(Vec<Txn>),
}

impl Txn {
    /// An error body.
    #[must_use]
    pub fn error(code: ErrorCode) -> Txn {
        Txn::Error { code: code.code() }
    }

    /// The type number in the header.
    #[must_use]
    pub fn kind(&self) -> i32 {
        match self {
            Txn::CreateSession { .. } => kind::CREATE_SESSION,
            Txn::CloseSession { .. } => kind::CLOSE_SESSION,
            Txn::Error { .. } => kind::ERROR,
            Txn::Create(create) => match create.kind {
                CreateKind::Create { .. } => kind::CREATE,
                CreateKind::Create2 { .. } => kind::CREATE2,
                CreateKind::Container => kind::CREATE_CONTAINER,
                CreateKind::Ttl(_) => kind::CREATE_TTL,
            },
            Txn::Delete { .. } => kind::DELETE,
            Txn::DeleteContainer { .. } => kind::DELETE_CONTAINER,
            Txn::SetData { .. } => kind::SET_DATA,
            Txn::Reconfig { .. } => kind::RECONFIG,
            Txn::SetAcl { .. } => kind::SET_ACL,
            Txn::Check { .. } => kind::CHECK,
            Txn::Multi(_) => kind::MULTI,
        }
    }

    /// Appends the body (no type, no header).
    pub fn encode(&self, out: &mut impl Writer) {
        match self {
            Txn::CreateSession { timeout } => out.i32(*timeout),
            Txn::CloseSession { paths } => {
                if let Some(paths) = paths {
                    out.strings(paths);
                }
            }
            Txn::Error { code } => out.i32(*code),
            Txn::Create(create) => create.encode(out),
            Txn::Delete { path } | Txn::DeleteContainer { path } => out.string(path),
            Txn::SetData { path, data, version } | Txn::Reconfig { path, data, version } => {
                out.string(path);
                out.buffer(data.as_deref());
                out.i32(*version);
            }
            Txn::SetAcl { path, acl, version } => {
                out.string(path);
                Acl::encode_vec(acl, out);
                out.i32(*version);
            }
            Txn::Check { path, version } => {
                out.string(path);
                out.i32(*version);
            }
            Txn::Multi(parts) => {
                out.length(parts.len());
                let mut body = Vec::new();
                for part in parts {
                    body.clear();
                    part.encode(&mut body);
                    out.i32(part.kind());
                    out.buffer(Some(&body));
                }
            }
        }
    }

    /// Reads the body of a type. `owner` shares the memory of data buffers with the bytes that `input` reads from.
    fn decode(kind: i32, input: &mut Reader<'_>, owner: &Bytes) -> Result<Txn> {
        Ok(match kind {
            kind::CREATE_SESSION => Txn::CreateSession { timeout: input.i32()? },
            kind::CLOSE_SESSION => Txn::CloseSession { paths: close_session_paths(input)? },
            kind::ERROR => Txn::Error { code: input.i32()? },
            kind::CREATE | kind::CREATE2 | kind::CREATE_CONTAINER | kind::CREATE_TTL => {
                Txn::Create(CreateTxn::decode(kind, input, owner)?)
            }
            kind::DELETE => Txn::Delete { path: path(input)? },
            kind::DELETE_CONTAINER => Txn::DeleteContainer { path: path(input)? },
            kind::SET_DATA => Txn::SetData { path: path(input)?, data: data(input, owner)?, version: input.i32()? },
            kind::RECONFIG => Txn::Reconfig { path: path(input)?, data: data(input, owner)?, version: input.i32()? },
            kind::SET_ACL => {
                Txn::SetAcl { path: path(input)?, acl: Acl::decode_required(input)?, version: input.i32()? }
            }
            kind::CHECK => Txn::Check { path: path(input)?, version: input.i32()? },
            kind::MULTI => Txn::Multi(decode_multi(input, owner)?),
            _ => return Err(DecodeError::Unknown { field: "transaction type", value: i64::from(kind) }),
        })
    }
}

fn path(input: &mut Reader<'_>) -> Result<String> {
    Ok(input.str("path")?.to_owned())
}

fn data(input: &mut Reader<'_>, owner: &Bytes) -> Result<Option<Bytes>> {
    Ok(input.buffer()?.map(|slice| owner.slice_ref(slice)))
}

/// The paths of a closeSession: absent from leaders older than 3.6 (`SerializeUtils.deserializeTxn` tolerates EOF here).
fn close_session_paths(input: &mut Reader<'_>) -> Result<Option<Vec<String>>> {
    if input.is_empty() {
        return Ok(None);
    }
    Ok(Some(input.strings()?.into_iter().map(str::to_owned).collect()))
}

fn decode_multi(input: &mut Reader<'_>, owner: &Bytes) -> Result<Vec<Txn>> {
    let count = input.count(8)?.unwrap_or(0);
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = input.i32()?;
        let body = input.buffer()?.ok_or(DecodeError::Null { field: "multi part" })?;
        if kind == kind::MULTI {
            // Apache refuses nested multis too; without this a crafted body could recurse without bound.
            return Err(DecodeError::Unknown { field: "type inside a multi", value: i64::from(kind) });
        }
        // Java turns the earlier parts of a failed multi into errors but may keep their longer bodies: extra bytes are fine.
        parts.push(Txn::decode(kind, &mut Reader::new(body), owner)?);
    }
    Ok(parts)
}

impl CreateTxn {
    fn encode(&self, out: &mut impl Writer) {
        out.string(&self.path);
        out.buffer(self.data.as_deref());
        Acl::encode_vec(&self.acl, out);
        match self.kind {
            CreateKind::Create { ephemeral } | CreateKind::Create2 { ephemeral } => {
                out.bool(ephemeral);
                out.i32(self.parent_cversion);
            }
            CreateKind::Container => out.i32(self.parent_cversion),
            CreateKind::Ttl(ttl) => {
                out.i32(self.parent_cversion);
                out.i64(ttl);
            }
        }
    }

    fn decode(kind: i32, input: &mut Reader<'_>, owner: &Bytes) -> Result<CreateTxn> {
        let path = path(input)?;
        let data = data(input, owner)?;
        let acl = Acl::decode_required(input)?;
        let ephemeral = match kind {
            kind::CREATE | kind::CREATE2 => input.bool()?,
            _ => false,
        };
        // A CreateTxnV0 ends here (logs written before 3.3.3).
        let parent_cversion = if input.is_empty() { -1 } else { input.i32()? };
        let kind = match kind {
            kind::CREATE => CreateKind::Create { ephemeral },
            kind::CREATE2 => CreateKind::Create2 { ephemeral },
            kind::CREATE_CONTAINER => CreateKind::Container,
            _ => CreateKind::Ttl(input.i64()?),
        };
        Ok(CreateTxn { path, data, acl, kind, parent_cversion })
    }
}

/// The digest of the whole tree after a transaction (AdHash, version 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxnDigest {
    /// The digest algorithm's version; [`TxnDigest::VERSION`] is the one we can check.
    pub version: i32,
    /// The digest.
    pub digest: u64,
}

impl TxnDigest {
    /// The algorithm of Apache 3.6 and later.
    pub const VERSION: i32 = 2;
}

/// A transaction with its header and the bytes it travels and is logged as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnEntry {
    /// The header.
    pub header: TxnHeader,
    /// The body.
    pub txn: Txn,
    /// The tree's digest after it, where the leader sent one.
    pub digest: Option<TxnDigest>,
    /// The whole entry, encoded once and shared by the log and every proposal.
    pub bytes: Bytes,
}

impl TxnEntry {
    /// Encodes an entry.
    #[must_use]
    pub fn new(header: TxnHeader, txn: Txn, digest: Option<TxnDigest>) -> TxnEntry {
        let mut out = Vec::with_capacity(96);
        out.i64(header.session.0);
        out.i32(header.cxid.0);
        out.i64(header.zxid.0);
        out.i64(header.time.0);
        out.i32(txn.kind());
        txn.encode(&mut out);
        if let Some(digest) = digest {
            out.i32(digest.version);
            out.i64(digest.digest as i64);
        }
        TxnEntry { header, txn, digest, bytes: Bytes::from(out) }
    }

    /// Decodes an entry from a log record or a proposal.
    pub fn decode(bytes: Bytes) -> Result<TxnEntry> {
        let mut input = Reader::new(&bytes);
        let session = SessionId(input.i64()?);
        let cxid = Xid(input.i32()?);
        let zxid = Zxid(input.i64()?);
        let time = Millis(input.i64()?);
        let kind = input.i32()?;
        let txn = Txn::decode(kind, &mut input, &bytes)?;
        let digest = if input.rest().len() >= 12 {
            Some(TxnDigest { version: input.i32()?, digest: input.i64()? as u64 })
        } else {
            None
        };
        let header = TxnHeader { session, cxid, zxid, time };
        Ok(TxnEntry { header, txn, digest, bytes })
    }

    /// The zxid.
    #[must_use]
    pub fn zxid(&self) -> Zxid {
        self.header.zxid
    }

    /// Reads only the zxid of an encoded entry.
    pub fn peek_zxid(bytes: &[u8]) -> Result<Zxid> {
        let mut input = Reader::new(bytes);
        input.take(12)?;
        Ok(Zxid(input.i64()?))
    }
}
