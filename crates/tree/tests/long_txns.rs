//! No transaction is longer than what a log or a peer gives back, whatever a request or a session would make of it
//! (ZOOKEEPER-3496).

mod support;

use bytes::Bytes;
use support::{SESSION, World, acl, create, dump, multi, settings};
use tree::{Events, PrepSettings, Tree};
use wire::client::OpCode;
use wire::txn::{Txn, TxnHeader};
use wire::{Acl, ErrorCode, Id, Millis, Xid, Zxid};

const BYTES_MAX: usize = 400;

fn world() -> World {
    World::with(settings(), PrepSettings { txn_bytes_max: BYTES_MAX, ..PrepSettings::default() })
}

/// Prepares the end of the session as the leader does.
fn submit_close(world: &mut World) {
    world.submit(OpCode::CloseSession, &Bytes::new());
    while world.prep.has_rest() {
        world.zxid += 1;
        let header = TxnHeader { session: SESSION, cxid: Xid(0), zxid: Zxid(world.zxid), time: Millis(world.now) };
        let entry = world.prep.prepare_rest(&world.tree, header);
        world.in_flight.push_back(entry);
    }
}

/// Closes the session; answers how many transactions that took.
fn close(world: &mut World) -> usize {
    submit_close(world);
    let count = world.in_flight.len();
    for entry in &world.in_flight {
        assert!(entry.bytes.len() <= BYTES_MAX, "{} bytes: {:?}", entry.bytes.len(), entry.txn);
    }
    world.apply_next();
    assert_eq!(world.tree.ephemerals_of(SESSION), Vec::<String>::new(), "the first one ends them all");
    while !world.in_flight.is_empty() {
        world.apply_next();
    }
    count
}

fn with_ephemerals(count: usize) -> World {
    let mut world = world();
    world.create("/a");
    world.create("/b");
    for number in 0..count {
        let parent = if number % 2 == 0 { "/a" } else { "/b" };
        world.ok(OpCode::Create, &create(&format!("{parent}/member-{number:03}"), b"", &Acl::open(), 1));
    }
    world
}

#[test]
fn a_session_with_many_ephemerals_is_closed_in_several_transactions() {
    let mut world = with_ephemerals(100);
    let count = close(&mut world);
    assert!(count > 3, "{count} transactions");
    for parent in ["/a", "/b"] {
        let stat = world.tree.stat(parent).unwrap();
        assert_eq!(stat.num_children, 0);
        assert!(stat.pzxid > 0x1_0000_0000 + 102, "{parent} shows the close: {:#x}", stat.pzxid);
    }
    assert_eq!(world.prep.outstanding(), 0);
    // One with few takes one.
    assert_eq!(close(&mut with_ephemerals(3)), 1);
    assert_eq!(close(&mut with_ephemerals(0)), 1);
}

#[test]
fn ephemerals_that_are_not_applied_yet_are_closed_too() {
    let mut world = with_ephemerals(50);
    for number in 0..50 {
        world.submit(OpCode::Create, &create(&format!("/a/late-{number:03}"), b"", &Acl::open(), 1));
    }
    submit_close(&mut world);
    while !world.in_flight.is_empty() {
        world.apply_next();
    }
    assert_eq!(world.tree.ephemerals_of(SESSION), Vec::<String>::new());
    assert_eq!(world.tree.stat("/a").unwrap().num_children, 0);
}

/// ZOOKEEPER-3145: on a snapshot that was written while the close was applied, some of the ephemerals are gone already.
#[test]
fn repeated_on_any_snapshot_the_close_leads_to_the_same_tree() {
    let mut world = with_ephemerals(60);
    let before = world.log.len();
    close(&mut world);
    let wanted = dump(&world.tree);
    for applied in before..=world.log.len() {
        let mut tree = Tree::new(settings());
        for entry in world.log[..applied].iter().chain(&world.log[before..]) {
            tree.apply(entry, &mut Events::new());
        }
        assert_eq!(dump(&tree), wanted, "with {applied} transactions in the snapshot");
    }
}

#[test]
fn a_multi_that_grows_too_long_is_refused_as_a_whole() {
    let mut world = world();
    world.create("/a");
    world.identities = (0..20).map(|number| Id::new("digest", &format!("user{number}:hash"))).collect();
    let part = |name: &str| (OpCode::Create, create(&format!("/a/{name}"), b"", &[acl(31, "auth", "")], 0));
    let before = (dump(&world.tree), world.prep.outstanding());
    let body = multi(&[part("x"), part("y")]);
    assert!(body.len() < BYTES_MAX, "the request itself is short: {} bytes", body.len());
    let entry = world.submit(OpCode::Multi, &body);
    assert_eq!((entry.txn, entry.digest), (Txn::error(ErrorCode::MarshallingError), None));
    assert_eq!(world.prep.outstanding(), before.1, "nothing of it stays");
    world.apply_next();
    assert_eq!(dump(&world.tree).nodes, before.0.nodes);
    world.identities.truncate(1);
    world.ok(OpCode::Multi, &body);
}
