//! The watch rules (`DataTree`, `WatchManager`): who is told what, in which order, and what is used up.

mod support;

use bytes::Bytes;
use std::sync::Arc;
use support::{World, acl, body, create, multi, path_number, path_watch, set_acl, set_data};
use tree::{ConnId, WatchSummary};
use wire::client::OpCode;
use wire::{Acl, ErrorCode, Id, Writer};

const PERSISTENT: i32 = 0;
const RECURSIVE: i32 = 1;

fn world(conns: u64) -> World {
    let world = World::new();
    for conn in 1..=conns {
        world.tree.add_watcher(ConnId(conn), Arc::from([Id::new("ip", "127.0.0.1")]));
    }
    world
}

#[track_caller]
fn watch(world: &World, conn: u64, opcode: OpCode, path: &str) -> i32 {
    world.read_as(opcode, &path_watch(path, true), ConnId(conn), &world.identities).error
}

#[track_caller]
fn add_watch(world: &World, conn: u64, path: &str, mode: i32) {
    let reply = world.read_as(OpCode::AddWatch, &path_number(path, mode), ConnId(conn), &[]);
    assert_eq!((reply.error, &reply.body[..]), (0, &[0, 0, 0, 0][..]));
}

#[track_caller]
fn told(world: &mut World, expected: &[&str]) {
    let zxid = world.tree.last_zxid().0;
    let told = world.told();
    assert!(told.iter().all(|told| told.event.zxid == zxid));
    let lines: Vec<String> = told.iter().map(support::Told::line).collect();
    assert_eq!(lines, expected);
}

fn delete(world: &mut World, path: &str) {
    world.ok(OpCode::Delete, &path_number(path, -1));
}

fn set(world: &mut World, path: &str) {
    world.ok(OpCode::SetData, &set_data(path, b"x", -1));
}

#[test]
fn one_shot_watches_fire_once() {
    let mut world = world(2);
    world.create("/a");
    assert_eq!(watch(&world, 1, OpCode::GetData, "/a"), 0);
    assert_eq!(watch(&world, 1, OpCode::GetData, "/a"), 0);
    assert_eq!(watch(&world, 2, OpCode::Exists, "/a"), 0);
    assert_eq!(watch(&world, 2, OpCode::GetChildren, "/a"), 0);
    assert_eq!(world.tree.watch_count(), 3);
    set(&mut world, "/a");
    told(&mut world, &["changed /a [1, 2]"]);
    set(&mut world, "/a");
    told(&mut world, &[]);
    world.create("/a/b");
    told(&mut world, &["children /a [2]"]);
    world.create("/a/c");
    told(&mut world, &[]);
    assert_eq!(world.tree.watch_count(), 0);
}

#[test]
fn only_exists_watches_what_is_not_there() {
    let mut world = world(3);
    assert_eq!(watch(&world, 1, OpCode::Exists, "/a"), ErrorCode::NoNode.code());
    assert_eq!(watch(&world, 2, OpCode::GetData, "/a"), ErrorCode::NoNode.code());
    assert_eq!(watch(&world, 3, OpCode::GetChildren2, "/a"), ErrorCode::NoNode.code());
    assert_eq!(watch(&world, 3, OpCode::GetChildren2, "/"), 0);
    world.create("/a");
    told(&mut world, &["created /a [1]", "children / [3]"]);
}

#[test]
fn a_deleted_node_is_told_of_once() {
    let mut world = world(3);
    world.create("/a");
    watch(&world, 1, OpCode::GetData, "/a");
    watch(&world, 1, OpCode::GetChildren, "/a");
    watch(&world, 2, OpCode::GetChildren, "/a");
    watch(&world, 3, OpCode::GetChildren, "/");
    delete(&mut world, "/a");
    told(&mut world, &["deleted /a [1]", "deleted /a [2]", "children / [3]"]);
    assert_eq!(world.tree.watch_count(), 0);
}

#[test]
fn persistent_watches_stay() {
    let mut world = world(1);
    add_watch(&world, 1, "/a", PERSISTENT);
    world.create("/a");
    told(&mut world, &["created /a [1]"]);
    world.create("/a/b");
    told(&mut world, &["children /a [1]"]);
    set(&mut world, "/a");
    told(&mut world, &["changed /a [1]"]);
    set(&mut world, "/a/b");
    told(&mut world, &[]);
    delete(&mut world, "/a/b");
    told(&mut world, &["children /a [1]"]);
    delete(&mut world, "/a");
    told(&mut world, &["deleted /a [1]"]);
    assert_eq!(world.tree.watch_count(), 2);
}

#[test]
fn recursive_watches_see_everything_below_but_no_lists() {
    let mut world = world(2);
    add_watch(&world, 1, "/a", RECURSIVE);
    add_watch(&world, 2, "/", RECURSIVE);
    world.create("/a");
    told(&mut world, &["created /a [1, 2]"]);
    world.create("/a/b");
    told(&mut world, &["created /a/b [1, 2]"]);
    world.create("/ab");
    told(&mut world, &["created /ab [2]"]);
    set(&mut world, "/a/b");
    told(&mut world, &["changed /a/b [1, 2]"]);
    delete(&mut world, "/a/b");
    told(&mut world, &["deleted /a/b [1, 2]"]);
    set(&mut world, "/");
    told(&mut world, &["changed / [2]"]);
}

#[test]
fn several_modes_on_one_path_are_one_event() {
    let mut world = world(1);
    add_watch(&world, 1, "/a", RECURSIVE);
    add_watch(&world, 1, "/", RECURSIVE);
    add_watch(&world, 1, "/a", PERSISTENT);
    watch(&world, 1, OpCode::Exists, "/a");
    world.create("/a");
    told(&mut world, &["created /a [1]"]);
    delete(&mut world, "/a");
    told(&mut world, &["deleted /a [1]"]);
    let check = |number: i32| world.read_as(OpCode::CheckWatches, &path_number("/a", number), ConnId(1), &[]).error;
    assert_eq!([check(1), check(2), check(3), check(4), check(5)], [-121, -121, 0, 0, 0]);
}

#[test]
fn acls_hide_events_but_use_up_watches() {
    let mut world = world(3);
    world.create("/a");
    for conn in 1..=3 {
        watch(&world, conn, OpCode::GetData, "/a");
    }
    world.tree.update_watcher(ConnId(2), Arc::from([Id::new("digest", "u:h")]));
    world.tree.update_watcher(ConnId(3), Arc::from([Id::new("super", "")]));
    world.ok(OpCode::SetAcl, &set_acl("/a", &[acl(31, "digest", "u:h")], -1));
    told(&mut world, &[]);
    world.identities.push(Id::new("digest", "u:h"));
    set(&mut world, "/a");
    told(&mut world, &["changed /a [2, 3]"]);
    assert_eq!(world.tree.watch_count(), 0);
    // The list of children is the parent's to hide.
    watch(&world, 2, OpCode::GetChildren, "/a");
    add_watch(&world, 1, "/a", PERSISTENT);
    world.create("/a/open");
    told(&mut world, &["children /a [2]"]);
}

#[test]
fn a_multi_tells_part_by_part_and_a_failed_one_nothing() {
    let mut world = world(1);
    add_watch(&world, 1, "/", RECURSIVE);
    let open = Acl::open();
    let good = [
        (OpCode::Create, create("/a", b"", &open, 0)),
        (OpCode::SetData, set_data("/a", b"", -1)),
        (OpCode::Delete, path_number("/a", -1)),
    ];
    world.ok(OpCode::Multi, &multi(&good));
    told(&mut world, &["created /a [1]", "changed /a [1]", "deleted /a [1]"]);
    let bad = [(OpCode::Create, create("/a", b"", &open, 0)), (OpCode::Check, path_number("/b", 0))];
    world.write(OpCode::Multi, &multi(&bad));
    told(&mut world, &[]);
    world.write(OpCode::SetData, &set_data("/missing", b"", -1));
    told(&mut world, &[]);
}

#[test]
fn a_closing_session_tells_of_its_ephemerals() {
    let mut world = world(2);
    world.create("/a");
    world.ok(OpCode::Create, &create("/a/2", b"", &Acl::open(), 1));
    world.ok(OpCode::Create, &create("/a/1", b"", &Acl::open(), 1));
    watch(&world, 1, OpCode::GetChildren, "/a");
    add_watch(&world, 2, "/a", RECURSIVE);
    world.told();
    world.ok(OpCode::CloseSession, &Bytes::new());
    told(&mut world, &["deleted /a/1 [2]", "children /a [1]", "deleted /a/2 [2]"]);
}

fn set_watches(since: i64, lists: &[&[&str]]) -> Bytes {
    body(|out| {
        out.i64(since);
        for list in lists {
            out.strings(list);
        }
    })
}

#[test]
fn set_watches_catches_up() {
    let mut world = world(1);
    world.create("/old");
    world.create("/parent");
    let since = world.zxid;
    world.create("/parent/kid");
    set(&mut world, "/old");
    world.create("/new");
    let lists: [&[&str]; 3] = [&["/old", "/gone", "/parent"], &["/new", "/never"], &["/parent", "/gone", "/old"]];
    let reply = world.read(OpCode::SetWatches, &set_watches(since, &lists));
    let events: Vec<_> = reply.events.iter().map(|event| (event.kind, event.path.as_str(), event.zxid)).collect();
    assert_eq!(
        events,
        [(3, "/old", -1), (2, "/gone", -1), (1, "/new", -1), (4, "/parent", -1), (2, "/gone", -1)],
        "mzxid and pzxid decide, strictly greater"
    );
    assert_eq!(reply.body, b""[..]);
    assert_eq!(world.tree.watch_count(), 3);
    world.told();
    set(&mut world, "/parent");
    told(&mut world, &["changed /parent [1]"]);
    world.create("/never");
    told(&mut world, &["created /never [1]"]);
    world.create("/old/kid");
    told(&mut world, &["children /old [1]"]);
    let lists: [&[&str]; 5] = [&[], &[], &[], &["/p"], &["/r"]];
    assert_eq!(world.read(OpCode::SetWatches2, &set_watches(0, &lists)).events, []);
    world.create("/p");
    told(&mut world, &["created /p [1]"]);
    world.create("/r");
    world.create("/r/s");
    assert_eq!(world.told().len(), 2);
}

#[test]
fn watches_are_checked_and_removed_by_kind() {
    let world = world(2);
    let ask = |opcode: OpCode, number: i32| world.read_as(opcode, &path_number("/a", number), ConnId(1), &[]).error;
    let check = |number: i32| ask(OpCode::CheckWatches, number);
    let remove = |number: i32| ask(OpCode::RemoveWatches, number);
    let none = ErrorCode::NoWatcher.code();
    assert_eq!((check(3), remove(3), remove(9)), (none, none, ErrorCode::MarshallingError.code()));
    watch(&world, 1, OpCode::Exists, "/a");
    watch(&world, 2, OpCode::Exists, "/a");
    add_watch(&world, 1, "/a", PERSISTENT);
    assert_eq!([check(1), check(2), check(3), check(4), check(5)], [none, 0, 0, 0, none]);
    assert_eq!((remove(1), remove(4), remove(4), remove(2), remove(2)), (none, 0, none, 0, none));
    add_watch(&world, 1, "/a", RECURSIVE);
    assert_eq!((remove(3), check(3)), (0, none));
    assert_eq!(world.tree.watch_count(), 1);
}

#[test]
fn watches_die_with_their_connection() {
    let mut world = world(2);
    for path in ["/a", "/b", "/c"] {
        watch(&world, 1, OpCode::Exists, path);
        watch(&world, 2, OpCode::Exists, path);
        add_watch(&world, 1, path, RECURSIVE);
    }
    world.tree.remove_watcher(ConnId(1));
    assert_eq!(world.tree.watch_count(), 3);
    assert_eq!(watch(&world, 1, OpCode::Exists, "/a"), ErrorCode::NoNode.code());
    world.create("/a");
    told(&mut world, &["created /a [2]"]);
    world.tree.remove_watcher(ConnId(2));
    world.tree.remove_watcher(ConnId(2));
    assert_eq!(world.tree.watch_count(), 0);
}

#[test]
fn reports() {
    let mut world = world(3);
    watch(&world, 1, OpCode::Exists, "/b");
    watch(&world, 1, OpCode::Exists, "/a");
    watch(&world, 2, OpCode::Exists, "/a");
    watch(&world, 3, OpCode::GetChildren, "/");
    let summary = |connections: usize, paths: usize, watches: usize| WatchSummary { connections, paths, watches };
    assert_eq!(world.tree.watch_summary(), summary(2, 2, 3));
    assert_eq!(
        world.tree.watches_by_conn(),
        [(ConnId(1), vec!["/a".to_owned(), "/b".into()]), (ConnId(2), vec!["/a".into()])]
    );
    assert_eq!(
        world.tree.watches_by_path(),
        [("/a".to_owned(), vec![ConnId(1), ConnId(2)]), ("/b".into(), vec![ConnId(1)])]
    );
    // A fired one-shot leaves its connection listed, an explicit removal does not (`WatchManager`).
    world.create("/a");
    assert_eq!(world.tree.watch_summary(), summary(2, 1, 1));
    world.read_as(OpCode::RemoveWatches, &path_number("/b", 2), ConnId(1), &[]);
    assert_eq!(world.tree.watch_summary(), summary(1, 0, 0));
    assert_eq!(world.tree.watches_by_conn(), [(ConnId(2), vec![])]);
}
