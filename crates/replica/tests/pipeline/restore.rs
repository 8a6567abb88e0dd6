//! Another tree in the place of a standalone server's own.

use super::support::{World, copy_of, create_body};
use super::{CREATE, standalone};
use replica::Input;
use wire::ServerId;
use wire::client::Password;

const ALONE: i64 = 1;

#[test]
fn everything_is_given_up_for_the_restored_tree_and_zxids_go_on() {
    let (mut world, conn) = standalone();
    let exists = |world: &World, path: &str| world.servers[&ServerId(ALONE)].tree.read().stat(path).is_some();
    let session = world.session(ALONE, conn);
    world.send(ALONE, conn, 1, CREATE, create_body("/kept", b"", 0));
    world.drain();
    let tree = copy_of(&world.servers[&ServerId(ALONE)].tree.read());
    let taken_at = tree.last_zxid();
    world.send(ALONE, conn, 2, CREATE, create_body("/undone", b"", 0));
    world.drain();
    let seen = world.servers[&ServerId(ALONE)].tree.read().last_zxid();
    world.stalled_disks.insert(ServerId(ALONE));
    world.send(ALONE, conn, 3, CREATE, create_body("/under-way", b"", 0));
    world.drain();
    world.give(ALONE, Input::Restore { zxid: taken_at, tree: Box::new(tree) });
    assert!(exists(&world, "/kept") && !exists(&world, "/undone") && !exists(&world, "/under-way"));
    assert!(world.servers[&ServerId(ALONE)].closed.contains(&conn), "nobody reads the one tree and then the other");
    world.stalled_disks.clear();
    let back = world.connect(ALONE, Some((session, Password::of(session).0.to_vec())));
    assert_eq!(world.session(ALONE, back), session, "the snapshot holds the session");
    world.next_frame(ALONE, back).expect("a connect response");
    world.send(ALONE, back, 4, CREATE, create_body("/behind", b"", 0));
    world.drain();
    let (xid, zxid, error, _) = world.next_frame(ALONE, back).expect("a reply");
    assert_eq!((xid, error), (4, 0));
    assert!(zxid > seen.0 + 1, "{zxid:#x} is behind {seen} and what was under way");
    assert!(exists(&world, "/behind"));
}

#[test]
fn a_member_of_an_ensemble_keeps_its_history() {
    let mut world = World::new(3);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    let conn = world.connect(leader, None);
    let tree = copy_of(&world.servers[&ServerId(leader)].tree.read());
    let zxid = tree.last_zxid();
    world.send(leader, conn, 1, CREATE, create_body("/a", b"", 0));
    world.drain();
    world.give(leader, Input::Restore { zxid, tree: Box::new(tree) });
    assert!(world.servers[&ServerId(leader)].tree.read().stat("/a").is_some());
    assert_eq!(world.leader(), Some(leader));
}
