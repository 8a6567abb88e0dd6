//! The reference by hand, and its verdicts against those of the leader's own code.

use bytes::Bytes;
use tree::{Events, Prep, PrepSettings, Tree, TreeSettings, WriteRequest};
use wire::client::{EventType, OpCode};
use wire::txn::{CreateKind, CreateTxn, Txn, TxnEntry, TxnHeader};
use wire::{Acl, Epoch, ErrorCode, Millis, SessionId, Xid, Zxid};

use super::verdict::{Verdict, judge};
use super::{Change, Watched, Znodes};
use crate::observe::Op;

const SESSION: SessionId = SessionId(77);

fn zxid(counter: u32) -> Zxid {
    Zxid::new(Epoch(1), counter)
}

fn entry(counter: u32, txn: Txn) -> TxnEntry {
    let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: zxid(counter), time: Millis(5) };
    TxnEntry::new(header, txn, None)
}

fn create(path: &str, parent_cversion: i32) -> Txn {
    let kind = CreateKind::Create2 { ephemeral: false };
    let data = Some(Bytes::from_static(b"x"));
    Txn::Create(CreateTxn { path: path.to_owned(), data, acl: Acl::open(), kind, parent_cversion })
}

fn ephemeral(path: &str, parent_cversion: i32) -> Txn {
    let Txn::Create(mut txn) = create(path, parent_cversion) else { unreachable!("create makes a create") };
    txn.kind = CreateKind::Create2 { ephemeral: true };
    Txn::Create(txn)
}

fn delete(path: &str) -> Txn {
    Txn::Delete { path: path.to_owned() }
}

fn set(path: &str, version: i32) -> Txn {
    Txn::SetData { path: path.to_owned(), data: None, version }
}

/// The tree behind these transactions, numbered from 1.
fn after(txns: &[Txn]) -> Result<Znodes, String> {
    let mut znodes = Znodes::new();
    for (index, txn) in txns.iter().enumerate() {
        znodes.apply(&entry(index as u32 + 1, txn.clone()))?;
    }
    Ok(znodes)
}

#[test]
fn an_empty_database_has_four_znodes() {
    let znodes = Znodes::new();
    let tree = Tree::new(TreeSettings::default());
    for path in tree.paths() {
        assert_eq!(znodes.at(&path, Zxid::ZERO).map(|node| node.stat()), tree.stat(&path), "{path}");
    }
    assert_eq!(znodes.paths.len(), 4);
}

#[test]
fn every_moment_of_the_past_is_kept() {
    let multi = Txn::Multi(vec![create("/a/b", 1), set("/a", 1), delete("/a/b")]);
    let failed = Txn::Multi(vec![create("/z", 2), Txn::error(ErrorCode::NoNode)]);
    let znodes = after(&[create("/a", 1), multi, failed, delete("/a"), create("/a", 2)]).unwrap();
    let version = |at| znodes.at("/a", zxid(at)).map(|node| node.stat().version);
    assert_eq!([0, 1, 2, 3, 4, 5].map(version), [None, Some(0), Some(1), Some(1), None, Some(0)]);
    // Within the multi: the node, its new data, and its child's end.
    let at_part = |part| znodes.at_part("/a", zxid(2), part).unwrap();
    let seen = |part| (at_part(part).stat().num_children, at_part(part).stat().cversion, at_part(part).children());
    assert_eq!([seen(0), seen(1), seen(2)], [(1, 1, vec!["b"]), (1, 1, vec!["b"]), (0, 2, vec![])]);
    assert_eq!([0, 1].map(|part| at_part(part).stat().version), [0, 1]);
    assert_eq!(znodes.at("/a/b", zxid(2)).map(|node| node.stat()), None);
    assert_eq!(znodes.at("/", zxid(3)).unwrap().children(), ["a", "zookeeper"]);
    assert_eq!(znodes.at("/", zxid(4)).unwrap().children(), ["zookeeper"]);
}

#[test]
fn watches_are_fired_by_the_first_change() {
    let txns = [create("/a", 1), create("/a/b", 1), set("/a", 1), delete("/a/b"), delete("/a")];
    let znodes = after(&txns).unwrap();
    let first = |path: &str, after, watched| {
        let change = znodes.first_change_after(path, zxid(after), watched);
        change.map(|Change { zxid, kind }| (zxid.counter(), kind))
    };
    assert_eq!(first("/a", 0, Watched::Node), Some((1, EventType::NodeCreated)));
    assert_eq!(first("/a", 1, Watched::Node), Some((3, EventType::NodeDataChanged)));
    assert_eq!(first("/a", 3, Watched::Node), Some((5, EventType::NodeDeleted)));
    assert_eq!(first("/a", 1, Watched::Children), Some((2, EventType::NodeChildrenChanged)));
    assert_eq!(first("/a", 4, Watched::Children), Some((5, EventType::NodeDeleted)));
    assert_eq!(first("/a", 5, Watched::Node), None);
    assert_eq!(first("/b", 0, Watched::Node), None);
}

#[test]
fn impossible_transactions_are_refused() {
    let open = || Txn::CreateSession { timeout: 1000 };
    let close = |paths: &[&str]| Txn::CloseSession { paths: Some(paths.iter().map(|&path| path.to_owned()).collect()) };
    let check = |txns: &[Txn], why: &str| match after(txns) {
        Ok(_) => panic!("{txns:?} is possible"),
        Err(found) => assert!(found.contains(why), "{found}: expected {why}"),
    };
    check(&[create("/a", 1), create("/a", 2)], "/a is there already");
    check(&[create("/a/b", 1)], "there is no /a");
    check(&[create("/a", 2)], "cversion goes from 0 to 2");
    check(&[set("/a", 1)], "there is no /a");
    check(&[create("/a", 1), set("/a", 2)], "version goes from 0 to 2");
    check(&[create("/a", 1), create("/a/b", 1), delete("/a")], "/a has 1 children");
    check(&[delete("/a")], "there is no /a");
    check(&[ephemeral("/a", 1)], "which is not there");
    check(&[open(), ephemeral("/a", 1), create("/a/b", 1)], "/a is ephemeral");
    check(&[open(), ephemeral("/a", 1), close(&[])], "leaves its ephemerals");
    check(&[open(), create("/a", 1), close(&["/a"])], "/a belongs to 0x0");
    check(&[open(), close(&[]), ephemeral("/a", 1)], "which is not there");
    check(&[open(), open()], "is there already");
    check(&[Txn::Multi(vec![create("/a", 1), set("/b", 1)])], "part 1: there is no /b");
    let znodes = after(&[open(), ephemeral("/a", 1), close(&["/a"])]).unwrap();
    assert_eq!([1, 2, 3].map(|at| znodes.is_session_open(SESSION, zxid(at))), [true, true, false]);
    assert!(Znodes::new().apply(&entry(1, create("/a", 1))).is_ok());
    let mut znodes = after(&[create("/a", 1), create("/b", 2)]).unwrap();
    assert!(znodes.apply(&entry(2, create("/c", 3))).is_err_and(|why| why.contains("0x100000002")));
}

/// Every verdict is the one that the leader's own code comes to.
#[test]
fn verdicts_are_the_leaders() {
    let txns =
        [Txn::CreateSession { timeout: 1 }, create("/a", 1), create("/a/b", 1), set("/a", 1), ephemeral("/e", 2)];
    let znodes = after(&txns).unwrap();
    let mut tree = Tree::new(TreeSettings::default());
    for (index, txn) in txns.iter().enumerate() {
        tree.apply(&entry(index as u32 + 1, txn.clone()), &mut Events::new());
    }
    let create =
        |path: &str, sequential| Op::Create { path: path.to_owned(), data: Bytes::new(), ephemeral: false, sequential };
    let set = |path: &str, version| Op::Set { path: path.to_owned(), data: Bytes::new(), version };
    let delete = |path: &str, version| Op::Delete { path: path.to_owned(), version };
    let check = |path: &str, version| Op::Check { path: path.to_owned(), version };
    let ops = [
        create("/c", false),
        create("/a", false),
        create("/x/y", false),
        create("/e/y", false),
        create("/a/s-", true),
        set("/a", 1),
        set("/a", 0),
        set("/x", -1),
        delete("/a", -1),
        delete("/a/b", -1),
        delete("/a/b", 3),
        delete("/x", -1),
        Op::Multi(vec![create("/a/s-", true), delete("/a/b", 0), create("/a/s-", true), check("/a", 1)]),
        Op::Multi(vec![set("/a", 1), check("/a", 1), create("/q", false)]),
        Op::Multi(vec![delete("/a/b", -1), delete("/a", -1), create("/a/b", false)]),
        Op::Multi(vec![delete("/a/b", -1), delete("/a", -1), create("/a", false)]),
    ];
    for op in ops {
        let frame = crate::client::encode(1, &op);
        let opcode = OpCode::from_i32(i32::from_be_bytes(frame[8..12].try_into().unwrap())).unwrap();
        let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: zxid(6), time: Millis(5) };
        let body = &frame.slice(12..);
        let request =
            WriteRequest { header, opcode, body, identities: &[], session_error: None, ephemeral_error: None };
        let decided = Prep::new(PrepSettings::default()).prepare(&tree, &request).txn;
        assert_eq!(judge(&znodes, &op, zxid(5)), verdict_of(&decided), "{op:?}");
    }
}

fn verdict_of(txn: &Txn) -> Verdict {
    let path = |txn: &Txn| match txn {
        Txn::Create(create) => Some(create.path.clone()),
        _ => None,
    };
    let code = |txn: &Txn| match txn {
        Txn::Error { code } => ErrorCode::from_i32(*code).unwrap(),
        _ => ErrorCode::Ok,
    };
    match txn {
        Txn::Error { .. } => Verdict::Refused(code(txn)),
        Txn::Multi(parts) if parts.iter().any(|part| code(part) != ErrorCode::Ok) => {
            Verdict::AllRefused(parts.iter().map(code).collect())
        }
        Txn::Multi(parts) => Verdict::AllDone(parts.iter().map(path).collect()),
        other => Verdict::Done(path(other)),
    }
}
