//! Requests as tests write them, and their bytes.

use std::fmt;

use support::jute::Encoder;

/// One access right for one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// Permission bits.
    pub perms: i32,
    /// `world`, `auth`, `digest`, `ip`, …
    pub scheme: String,
    /// The identity within the scheme.
    pub id: String,
}

/// `perms:scheme:id` as a value.
pub fn acl(perms: i32, scheme: &str, id: &str) -> Acl {
    Acl { perms, scheme: scheme.to_owned(), id: id.to_owned() }
}

/// Everybody may do everything.
pub fn open() -> Option<Vec<Acl>> {
    Some(vec![acl(31, "world", "anyone")])
}

/// The ACL identity that the server makes of `user:password`.
pub fn digest_id(user: &str, password: &str) -> String {
    use base64::Engine as _;
    use sha1::Digest as _;
    let hash = sha1::Sha1::digest(format!("{user}:{password}"));
    format!("{user}:{}", base64::engine::general_purpose::STANDARD.encode(hash))
}

/// Which of the four opcodes carries a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOp {
    /// 1: answers with the path.
    Create = 1,
    /// 15: answers with path and Stat.
    Create2 = 15,
    /// 19: makes a container.
    Container = 19,
    /// 21: carries a time to live.
    Ttl = 21,
}

/// One request, also as an element of a multi.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "variants and fields carry the protocol's own names")]
pub enum Request {
    Create {
        op: CreateOp,
        path: Option<String>,
        data: Option<Vec<u8>>,
        acl: Option<Vec<Acl>>,
        flags: i32,
        ttl: i64,
    },
    Delete {
        path: Option<String>,
        version: i32,
    },
    Exists {
        path: Option<String>,
        watch: bool,
    },
    GetData {
        path: Option<String>,
        watch: bool,
    },
    SetData {
        path: Option<String>,
        data: Option<Vec<u8>>,
        version: i32,
    },
    GetAcl {
        path: Option<String>,
    },
    SetAcl {
        path: Option<String>,
        acl: Option<Vec<Acl>>,
        version: i32,
    },
    GetChildren {
        path: Option<String>,
        watch: bool,
    },
    GetChildren2 {
        path: Option<String>,
        watch: bool,
    },
    Sync {
        path: Option<String>,
    },
    Ping,
    Check {
        path: Option<String>,
        version: i32,
    },
    Multi(Vec<Request>),
    MultiRead(Vec<Request>),
    Reconfig {
        joining: Option<String>,
        leaving: Option<String>,
        members: Option<String>,
        config_id: i64,
    },
    CheckWatches {
        path: Option<String>,
        kind: i32,
    },
    RemoveWatches {
        path: Option<String>,
        kind: i32,
    },
    Auth {
        scheme: String,
        auth: Vec<u8>,
    },
    /// The zxid is the highest this connection has seen, less `behind`; lists: data, exist, child.
    SetWatches {
        behind: i64,
        lists: [Vec<String>; 3],
    },
    /// As `SetWatches`; lists: data, exist, child, persistent, persistent recursive.
    SetWatches2 {
        behind: i64,
        lists: [Vec<String>; 5],
    },
    GetEphemerals {
        prefix: Option<String>,
    },
    GetAllChildrenNumber {
        path: Option<String>,
    },
    AddWatch {
        path: Option<String>,
        mode: i32,
    },
    WhoAmI,
    CloseSession,
    /// Any opcode with any body.
    Raw {
        op: i32,
        body: Vec<u8>,
    },
}

/// The reserved xid of a ping.
pub const XID_PING: i32 = -2;
/// The reserved xid of an auth packet.
pub const XID_AUTH: i32 = -4;
/// The reserved xid of setWatches.
pub const XID_SET_WATCHES: i32 = -8;

impl Request {
    /// The opcode.
    pub fn op(&self) -> i32 {
        match self {
            Self::Create { op, .. } => *op as i32,
            Self::Delete { .. } => 2,
            Self::Exists { .. } => 3,
            Self::GetData { .. } => 4,
            Self::SetData { .. } => 5,
            Self::GetAcl { .. } => 6,
            Self::SetAcl { .. } => 7,
            Self::GetChildren { .. } => 8,
            Self::Sync { .. } => 9,
            Self::Ping => 11,
            Self::GetChildren2 { .. } => 12,
            Self::Check { .. } => 13,
            Self::Multi(_) => 14,
            Self::Reconfig { .. } => 16,
            Self::CheckWatches { .. } => 17,
            Self::RemoveWatches { .. } => 18,
            Self::MultiRead(_) => 22,
            Self::Auth { .. } => 100,
            Self::SetWatches { .. } => 101,
            Self::GetEphemerals { .. } => 103,
            Self::GetAllChildrenNumber { .. } => 104,
            Self::SetWatches2 { .. } => 105,
            Self::AddWatch { .. } => 106,
            Self::WhoAmI => 107,
            Self::CloseSession => -11,
            Self::Raw { op, .. } => *op,
        }
    }

    /// The xid that clients use for this request when their counter stands at `counter`.
    pub fn xid(&self, counter: i32) -> i32 {
        match self {
            Self::Ping => XID_PING,
            Self::Auth { .. } => XID_AUTH,
            Self::SetWatches { .. } | Self::SetWatches2 { .. } => XID_SET_WATCHES,
            _ => counter,
        }
    }

    /// The frame's body: header and record. `seen` is the highest zxid the connection has seen.
    pub fn encode(&self, xid: i32, seen: i64) -> Vec<u8> {
        Encoder::new().int(xid).int(self.op()).raw(&self.record(seen)).0
    }

    fn record(&self, seen: i64) -> Vec<u8> {
        let enc = Encoder::new();
        let path = |p: &Option<String>| Encoder::new().buffer(p.as_deref().map(str::as_bytes));
        match self {
            Self::Create { op, path: p, data, acl, flags, ttl } => {
                let enc = acls(path(p).buffer(data.as_deref()), acl.as_deref()).int(*flags);
                if *op == CreateOp::Ttl { enc.long(*ttl) } else { enc }
            }
            Self::Delete { path: p, version } | Self::Check { path: p, version } => path(p).int(*version),
            Self::Exists { path: p, watch }
            | Self::GetData { path: p, watch }
            | Self::GetChildren { path: p, watch }
            | Self::GetChildren2 { path: p, watch } => path(p).bool(*watch),
            Self::SetData { path: p, data, version } => path(p).buffer(data.as_deref()).int(*version),
            Self::SetAcl { path: p, acl, version } => acls(path(p), acl.as_deref()).int(*version),
            Self::GetAcl { path: p }
            | Self::Sync { path: p }
            | Self::GetEphemerals { prefix: p }
            | Self::GetAllChildrenNumber { path: p } => path(p),
            Self::Multi(ops) | Self::MultiRead(ops) => ops.iter().fold(enc, multi_op).int(-1).bool(true).int(-1),
            Self::Reconfig { joining, leaving, members, config_id } => [joining, leaving, members]
                .into_iter()
                .fold(enc, |enc, text| enc.buffer(text.as_deref().map(str::as_bytes)))
                .long(*config_id),
            Self::CheckWatches { path: p, kind } | Self::RemoveWatches { path: p, kind } => path(p).int(*kind),
            Self::AddWatch { path: p, mode } => path(p).int(*mode),
            Self::Auth { scheme, auth } => enc.int(0).string(scheme).buffer(Some(auth)),
            Self::SetWatches { behind, lists } => lists.iter().fold(enc.long(seen - behind), |e, l| e.strings(l)),
            Self::SetWatches2 { behind, lists } => lists.iter().fold(enc.long(seen - behind), |e, l| e.strings(l)),
            Self::Ping | Self::WhoAmI | Self::CloseSession => enc,
            Self::Raw { body, .. } => enc.raw(body),
        }
        .0
    }
}

fn multi_op(enc: Encoder, op: &Request) -> Encoder {
    enc.int(op.op()).bool(false).int(-1).raw(&op.record(0))
}

fn acls(enc: Encoder, list: Option<&[Acl]>) -> Encoder {
    let Some(list) = list else { return enc.int(-1) };
    let one = |enc: Encoder, acl: &Acl| enc.int(acl.perms).string(&acl.scheme).string(&acl.id);
    list.iter().fold(enc.int(list.len() as i32), one)
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The derived form is complete and stable; long data is cut, the seed brings it back.
        let text = readable(&format!("{self:?}"));
        match text.char_indices().nth(1500) {
            Some((cut, _)) => write!(f, "{}… ({} characters)", &text[..cut], text.len()),
            None => f.write_str(&text),
        }
    }
}

/// Turns `Some([97, 98])` into `"ab"`, as far as the bytes are text.
fn readable(debug: &str) -> String {
    let mut out = String::new();
    let mut rest = debug;
    while let Some((before, after)) = rest.split_once("Some([") {
        out.push_str(before);
        let (list, behind) = after.split_once("])").unwrap_or((after, ""));
        let bytes: Option<Vec<u8>> = list.split_terminator(", ").map(|number| number.parse().ok()).collect();
        let Some(bytes) = bytes else {
            // A list of something else: show it as it is, and look for bytes inside.
            out.push('[');
            rest = after;
            continue;
        };
        match String::from_utf8(bytes) {
            Ok(text) if text.len() < 80 && !text.chars().any(char::is_control) => out.push_str(&format!("{text:?}")),
            _ if list.len() > 80 => out.push_str(&format!("[{} bytes]", list.split(',').count())),
            _ => out.push_str(&format!("[{list}]")),
        }
        rest = behind;
    }
    (out + rest).replace("Some(", "(").replace("path: (", "(").replace("watch: ", "")
}

/// Short forms for tests: what a client library would offer.
pub mod short {
    use super::{Acl, CreateOp, Request, open};

    fn some(path: &str) -> Option<String> {
        Some(path.to_owned())
    }

    /// create with the open ACL.
    pub fn create(path: &str, data: &str, flags: i32) -> Request {
        create_acl(path, data, flags, open())
    }

    /// create with an ACL.
    pub fn create_acl(path: &str, data: &str, flags: i32, acl: Option<Vec<Acl>>) -> Request {
        let data = Some(data.as_bytes().to_vec());
        Request::Create { op: CreateOp::Create, path: some(path), data, acl, flags, ttl: -1 }
    }

    /// create2 with the open ACL.
    pub fn create2(path: &str, data: &str, flags: i32) -> Request {
        let data = Some(data.as_bytes().to_vec());
        Request::Create { op: CreateOp::Create2, path: some(path), data, acl: open(), flags, ttl: -1 }
    }

    /// createContainer.
    pub fn container(path: &str) -> Request {
        let data = Some(Vec::new());
        Request::Create { op: CreateOp::Container, path: some(path), data, acl: open(), flags: 4, ttl: -1 }
    }

    /// createTTL.
    pub fn create_ttl(path: &str, flags: i32, ttl: i64) -> Request {
        let data = Some(Vec::new());
        Request::Create { op: CreateOp::Ttl, path: some(path), data, acl: open(), flags, ttl }
    }

    /// delete.
    pub fn delete(path: &str, version: i32) -> Request {
        Request::Delete { path: some(path), version }
    }

    /// exists.
    pub fn exists(path: &str, watch: bool) -> Request {
        Request::Exists { path: some(path), watch }
    }

    /// getData.
    pub fn get(path: &str, watch: bool) -> Request {
        Request::GetData { path: some(path), watch }
    }

    /// setData.
    pub fn set(path: &str, data: &str, version: i32) -> Request {
        Request::SetData { path: some(path), data: Some(data.as_bytes().to_vec()), version }
    }

    /// getACL.
    pub fn get_acl(path: &str) -> Request {
        Request::GetAcl { path: some(path) }
    }

    /// setACL.
    pub fn set_acl(path: &str, acl: Option<Vec<Acl>>, version: i32) -> Request {
        Request::SetAcl { path: some(path), acl, version }
    }

    /// getChildren.
    pub fn ls(path: &str, watch: bool) -> Request {
        Request::GetChildren { path: some(path), watch }
    }

    /// getChildren2.
    pub fn ls2(path: &str, watch: bool) -> Request {
        Request::GetChildren2 { path: some(path), watch }
    }

    /// sync.
    pub fn sync(path: &str) -> Request {
        Request::Sync { path: some(path) }
    }

    /// check.
    pub fn check(path: &str, version: i32) -> Request {
        Request::Check { path: some(path), version }
    }

    /// addWatch: mode 0 persistent, 1 persistent recursive.
    pub fn add_watch(path: &str, mode: i32) -> Request {
        Request::AddWatch { path: some(path), mode }
    }

    /// checkWatches.
    pub fn check_watches(path: &str, kind: i32) -> Request {
        Request::CheckWatches { path: some(path), kind }
    }

    /// removeWatches.
    pub fn remove_watches(path: &str, kind: i32) -> Request {
        Request::RemoveWatches { path: some(path), kind }
    }

    /// getEphemerals.
    pub fn ephemerals(prefix: &str) -> Request {
        Request::GetEphemerals { prefix: some(prefix) }
    }

    /// getAllChildrenNumber.
    pub fn count(path: &str) -> Request {
        Request::GetAllChildrenNumber { path: some(path) }
    }

    /// auth with the scheme digest.
    pub fn auth(user: &str, password: &str) -> Request {
        Request::Auth { scheme: "digest".to_owned(), auth: format!("{user}:{password}").into_bytes() }
    }
}
