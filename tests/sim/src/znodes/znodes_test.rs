//! The reference by hand.

mod verdicts;

use bytes::Bytes;
use tree::{Events, Prep, PrepSettings, Tree, TreeSettings, WriteRequest};
use wire::client::{EventType, OpCode};
use wire::txn::{CreateKind, CreateTxn, Txn, TxnEntry, TxnHeader};
use wire::{Acl, Epoch, ErrorCode, Millis, SessionId, Xid, Zxid};

use super::Znodes;
use super::verdict::{Verdict, judge};
use crate::observe::{Access, Lifetime, Op, User};

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
        let node = znodes.at(&path, Zxid::ZERO).unwrap();
        assert_eq!(Some(node.stat()), tree.stat(&path), "{path}");
        assert_eq!(node.acl()[..], tree.acl(&path).unwrap().map_or_else(Acl::open, <[Acl]>::to_vec), "{path}");
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
fn changes_are_told_in_order_to_those_who_may_read() {
    let Txn::Create(mut hidden) = create("/a/b", 1) else { unreachable!("create makes a create") };
    hidden.acl = Access::Private(User::Ann).asked();
    let multi = Txn::Multi(vec![Txn::Create(hidden), set("/a", 1)]);
    let acl = Access::ReadOnly.asked();
    let opened = Txn::SetAcl { path: "/a/b".to_owned(), acl, version: 1 };
    let znodes = after(&[create("/a", 1), multi, opened, delete("/a/b"), delete("/a")]).unwrap();
    let seen = |user: Option<User>| -> Vec<(u32, EventType, &str)> {
        let told = znodes.changes().iter().filter(|change| change.may_be_told(user));
        told.map(|change| (change.zxid.counter(), change.kind, &*change.path)).collect()
    };
    let (created, deleted) = (EventType::NodeCreated, EventType::NodeDeleted);
    let (data, children) = (EventType::NodeDataChanged, EventType::NodeChildrenChanged);
    let mut expected = vec![
        (1, created, "/a"),
        (1, children, "/"),
        (2, created, "/a/b"),
        (2, children, "/a"),
        (2, data, "/a"),
        (4, deleted, "/a/b"),
        (4, children, "/a"),
        (5, deleted, "/a"),
        (5, children, "/"),
    ];
    assert_eq!(seen(Some(User::Ann)), expected);
    expected.remove(2);
    assert_eq!(seen(None), expected);
    let of: Vec<(bool, bool)> =
        znodes.changes()[..2].iter().map(|change| (change.is_of_node(), change.is_of_children())).collect();
    assert_eq!(of, [(true, false), (false, true)]);
    let acl = |at| znodes.at("/a/b", zxid(at)).map(|node| node.acl().to_vec());
    assert_eq!([acl(2), acl(3)], [Some(Access::Private(User::Ann).asked()), Some(Access::ReadOnly.asked())]);
}

#[test]
fn leaders_delete_what_nobody_uses_and_not_before() {
    let of = |path: &str, parent_cversion, kind| {
        let Txn::Create(txn) = create(path, parent_cversion) else { unreachable!("create makes a create") };
        Txn::Create(CreateTxn { kind, ..txn })
    };
    let reap = |path: &str| Txn::DeleteContainer { path: path.to_owned() };
    // All transactions are made in the same millisecond.
    let container = of("/c", 1, CreateKind::Container);
    let used = [container.clone(), create("/c/x", 1), delete("/c/x")];
    let check = |txns: &[Txn], why: &str| assert!(after(txns).unwrap_err().contains(why), "{txns:?} should say {why}");
    check(&[container, reap("/c")], "never had children");
    check(&[used[0].clone(), used[1].clone(), reap("/c")], "has 1 children");
    check(&[of("/t", 1, CreateKind::Ttl(3)), reap("/t")], "lives for 3 ms and was changed 0 ms ago");
    check(&[create("/p", 1), reap("/p")], "not for the leader");
    let mut znodes = after(&used).unwrap();
    assert_eq!(znodes.emptied_containers().collect::<Vec<_>>(), [("/c", zxid(3))]);
    znodes.apply(&entry(4, reap("/c"))).unwrap();
    assert_eq!(znodes.emptied_containers().count(), 0);
    znodes.apply(&entry(5, of("/t", 2, CreateKind::Ttl(3)))).unwrap();
    let mut late = entry(6, reap("/t"));
    late.header.time = Millis(9);
    assert_eq!(znodes.apply(&late), Ok(()));
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
