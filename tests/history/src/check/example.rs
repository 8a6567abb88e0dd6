//! A small right history for the tests of the checks, which then break it.
//!
//! Session 1 creates `/r/a`, sets it twice, session 2 has a condition fail in between, session 1 deletes it, and somebody
//! who did not wait for the answer tries to create it again in vain.

use bytes::Bytes;
use support::jute::Stat;
use wire::txn::{CreateKind, CreateTxn, Txn, TxnEntry, TxnHeader};
use wire::{Acl, Millis, SessionId, Xid, Zxid};

use crate::record::{Answer, Operation, Outcome, Request};

/// The only znode.
pub const PATH: &str = "/r/a";

const BAD_VERSION: i32 = -103;

fn entry(zxid: i64, (session, cxid): (i64, i32), txn: Txn) -> TxnEntry {
    let header = TxnHeader { session: SessionId(session), cxid: Xid(cxid), zxid: Zxid(zxid), time: Millis(zxid) };
    TxnEntry::new(header, txn, None)
}

/// A logged setData.
pub fn set(zxid: i64, request: (i64, i32), data: &'static str, version: i32) -> TxnEntry {
    let data = Some(Bytes::from_static(data.as_bytes()));
    entry(zxid, request, Txn::SetData { path: PATH.to_owned(), data, version })
}

/// A logged create.
pub fn create(zxid: i64, request: (i64, i32), data: &'static str) -> TxnEntry {
    let create = CreateTxn {
        path: PATH.to_owned(),
        data: Some(Bytes::from_static(data.as_bytes())),
        acl: Acl::open(),
        kind: CreateKind::Create2 { ephemeral: false },
        parent_cversion: 1,
    };
    entry(zxid, request, Txn::Create(create))
}

/// The servers' log.
pub fn log() -> Vec<TxnEntry> {
    vec![
        create(1, (1, 1), "one"),
        set(2, (1, 2), "two", 1),
        entry(3, (2, 1), Txn::Error { code: BAD_VERSION }),
        set(4, (1, 3), "three", 2),
        entry(5, (1, 4), Txn::Delete { path: PATH.to_owned() }),
        entry(6, (3, 1), Txn::Error { code: -101 }),
    ]
}

fn stat(version: i32, mzxid: i64, data: &str) -> Stat {
    Stat { czxid: 1, mzxid, version, data_length: data.len() as i32, ..Stat::default() }
}

/// An operation that took from tick `at` to the one behind it.
pub fn operation((session, cxid): (i64, i32), at: u64, request: Request, outcome: Outcome) -> Operation {
    Operation { client: session as usize, session, cxid, request, invoked: at, ended: at + 1, outcome }
}

/// A setData.
pub fn set_request(data: &str, version: i32) -> Request {
    Request::Set { path: PATH.to_owned(), data: data.as_bytes().to_vec(), version }
}

/// A getData that was answered.
pub fn read(request: (i64, i32), at: u64, zxid: i64, data: &str, stat: Stat) -> Operation {
    let answer = Answer::Read { data: data.as_bytes().to_vec(), stat };
    operation(request, at, Request::Get { path: PATH.to_owned(), synced: false }, Outcome::Ok { zxid, answer })
}

/// The clients' side of [`log`]: the creation, two sets with reads between them, a condition that failed, the deletion and
/// an operation without an answer.
pub fn operations() -> Vec<Operation> {
    let written = |zxid, version, data| Outcome::Ok { zxid, answer: Answer::Written(stat(version, zxid, data)) };
    let create = Request::Create { path: PATH.to_owned(), data: b"one".to_vec() };
    let delete = Request::Delete { path: PATH.to_owned(), version: 2 };
    vec![
        operation((1, 1), 10, create, written(1, 0, "one")),
        operation((1, 2), 20, set_request("two", 0), written(2, 1, "two")),
        operation((2, 1), 30, set_request("never", 0), Outcome::Refused { zxid: 3, code: BAD_VERSION }),
        read((2, 2), 40, 3, "two", stat(1, 2, "two")),
        operation((1, 3), 50, set_request("three", -1), written(4, 2, "three")),
        // Another server, a little behind: right, because a session may lag.
        read((2, 3), 60, 3, "two", stat(1, 2, "two")),
        operation((1, 4), 70, delete, Outcome::Ok { zxid: 5, answer: Answer::Done }),
        operation((3, 1), 80, set_request("lost", -1), Outcome::Unknown),
    ]
}
