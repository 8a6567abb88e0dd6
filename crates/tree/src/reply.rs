//! What became of a transaction, and the reply frame its client gets (`DataTree.ProcessTxnResult`,
//! `FinalRequestProcessor.processRequest`, `MultiResponse`).

use bytes::{Bytes, BytesMut};
use wire::client::{MultiHeader, OpCode, ReplyHeader};
use wire::{ErrorCode, Stat, Writer, Xid, Zxid, jute};

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxnResult {
    /// It was refused, or could not be applied (which happens only in a replay). A number, because a leader of a later
    /// version may know more codes.
    Error(i32),
    /// create: the reply is the path.
    Created {
        /// The path, sequence number included.
        path: String,
    },
    /// create2, createContainer, createTTL: the reply has the stat too.
    Created2 {
        /// The path, sequence number included.
        path: String,
        /// The new node's stat.
        stat: Stat,
    },
    /// delete, deleteContainer.
    Deleted,
    /// setData.
    DataSet(Stat),
    /// setACL.
    AclSet(Stat),
    /// check, inside a multi.
    Checked,
    /// reconfig: the reply is the configuration as data, with its stat.
    Reconfigured {
        /// The configuration text.
        data: Option<Bytes>,
        /// The config node's stat.
        stat: Stat,
    },
    /// A session began. Its reply is a `ConnectResponse`, which is not made here.
    SessionCreated,
    /// A session ended.
    SessionClosed,
    /// One result per part. If any is an error, all are, and nothing was applied.
    Multi(Vec<TxnResult>),
}

impl TxnResult {
    /// An error.
    #[must_use]
    pub fn error(code: ErrorCode) -> TxnResult {
        TxnResult::Error(code.code())
    }

    /// The first error, 0 for success.
    #[must_use]
    pub fn error_code(&self) -> i32 {
        match self {
            TxnResult::Error(code) => *code,
            TxnResult::Multi(parts) => parts.iter().map(TxnResult::error_code).find(|&code| code != 0).unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether the session had moved to another server when it was asked for: its client is then not answered, its
    /// connection is closed (ZOOKEEPER-710).
    #[must_use]
    pub fn is_session_moved(&self) -> bool {
        self.error_code() == ErrorCode::SessionMoved.code()
    }

    fn encode_body(&self, out: &mut BytesMut) {
        match self {
            TxnResult::Created { path } => out.string(path),
            TxnResult::Created2 { path, stat } => {
                out.string(path);
                stat.encode(out);
            }
            TxnResult::DataSet(stat) | TxnResult::AclSet(stat) => stat.encode(out),
            TxnResult::Reconfigured { data, stat } => {
                out.buffer(data.as_deref());
                stat.encode(out);
            }
            TxnResult::Multi(parts) => {
                for part in parts {
                    part.encode_part(out);
                }
                MultiHeader::END.encode(out);
            }
            TxnResult::Error(_)
            | TxnResult::Deleted
            | TxnResult::Checked
            | TxnResult::SessionCreated
            | TxnResult::SessionClosed => {}
        }
    }

    /// A part of a multi: container and TTL creates answer as create2.
    fn encode_part(&self, out: &mut BytesMut) {
        let (kind, error) = match self {
            TxnResult::Error(code) => (-1, *code),
            TxnResult::Created { .. } => (OpCode::Create as i32, 0),
            TxnResult::Created2 { .. } => (OpCode::Create2 as i32, 0),
            TxnResult::DataSet(_) => (OpCode::SetData as i32, 0),
            TxnResult::Checked => (OpCode::Check as i32, 0),
            // Nothing else can stand in a multi that a leader made; a delete is what has no body.
            _ => (OpCode::Delete as i32, 0),
        };
        MultiHeader { kind, done: false, error }.encode(out);
        match self {
            TxnResult::Error(code) => out.i32(*code),
            TxnResult::AclSet(_) | TxnResult::Reconfigured { .. } | TxnResult::Multi(_) => {}
            part => part.encode_body(out),
        }
    }
}

/// Appends the reply to a write. A failed multi is a success in the header: its errors are in the body. createSession
/// appends nothing.
pub fn encode_write_reply(xid: Xid, zxid: Zxid, result: &TxnResult, out: &mut BytesMut) {
    if *result == TxnResult::SessionCreated {
        return;
    }
    jute::frame(out, |out| {
        ReplyHeader { xid, zxid, error: ErrorCode::Ok }.encode(out);
        if let TxnResult::Error(code) = result {
            let at = out.len() - 4;
            out[at..].copy_from_slice(&code.to_be_bytes());
        }
        result.encode_body(out);
    });
}
