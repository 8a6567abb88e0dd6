//! Observers that hang on a follower: what they ask of the leader passes through it, and the answers find their way.

use super::support::{World, create_body, set_body, watch_body};
use super::{CREATE, EXISTS, SET, SYNC};
use replica::Input;
use tree::ConnId;
use wire::client::Password;
use wire::{ServerId, SessionId};

const OBSERVER: i64 = 4;

/// Three voters and an observer, and the follower that it hangs on.
fn ensemble() -> (World, i64) {
    let world = World::with_observers(3, 1);
    let master = world.upstream(OBSERVER).expect("the observer has found somebody");
    assert_ne!(Some(master), world.leader(), "it hangs on a follower");
    (world, master)
}

fn connected(world: &mut World, sid: i64) -> (ConnId, SessionId) {
    let conn = world.connect(sid, None);
    world.next_frame(sid, conn).expect("a connect response");
    (conn, world.session(sid, conn))
}

fn moved(world: &mut World, sid: i64, session: SessionId) -> ConnId {
    let conn = world.connect(sid, Some((session, Password::of(session).0.to_vec())));
    assert_eq!(world.session(sid, conn), session);
    world.next_frame(sid, conn).expect("a connect response");
    conn
}

fn exists(world: &World, sid: i64, path: &str) -> bool {
    world.servers[&ServerId(sid)].tree.read().stat(path).is_some()
}

#[test]
fn syncs_of_an_observer_and_of_its_masters_clients_are_each_answered_in_their_place() {
    let (mut world, master) = ensemble();
    let clients: Vec<(i64, ConnId)> =
        [OBSERVER, master, OBSERVER, master].map(|sid| (sid, connected(&mut world, sid).0)).to_vec();
    // The disks answer when everything has been proposed: all is committed together.
    world.stalled_disks.extend((1..=3).map(ServerId));
    for (number, (sid, conn)) in clients.iter().enumerate() {
        world.send(*sid, *conn, 1, CREATE, create_body(&format!("/a{number}"), b"", 0));
        world.send(*sid, *conn, 2, SYNC, |out| wire::Writer::string(out, "/"));
        world.send(*sid, *conn, 3, CREATE, create_body(&format!("/b{number}"), b"", 0));
    }
    world.drain();
    (1..=3).for_each(|disk| world.sync_disk(disk));
    for (sid, conn) in clients {
        let frames: Vec<_> = std::iter::from_fn(|| world.next_frame(sid, conn)).collect();
        let (xids, errors): (Vec<i32>, Vec<i32>) = frames.iter().map(|frame| (frame.0, frame.2)).unzip();
        assert_eq!((xids, errors), (vec![1, 2, 3], vec![0, 0, 0]), "on server {sid}");
    }
}

#[test]
fn a_session_moves_between_an_observer_and_its_master() {
    let (mut world, master) = ensemble();
    let (old, session) = connected(&mut world, OBSERVER);
    world.send(OBSERVER, old, 1, CREATE, create_body("/e", b"", 1));
    world.drain();
    for (number, sid) in [(2, master), (3, OBSERVER), (4, master), (5, OBSERVER)] {
        let conn = moved(&mut world, sid, session);
        world.send(sid, conn, number, SET, set_body("/e", b"x"));
        world.drain();
        assert_eq!(world.next_frame(sid, conn).map(|frame| (frame.0, frame.2)), Some((number, 0)), "on server {sid}");
    }
    // It lives as long as its last server reports it, and not longer.
    let conn = world.connect(OBSERVER, Some((session, Password::of(session).0.to_vec())));
    for xid in 1..=20 {
        world.send(OBSERVER, conn, xid, EXISTS, watch_body("/e", false));
        world.run(200);
    }
    assert!(exists(&world, 3, "/e"), "a session that asks for something every 200 ms of 1000 lives");
    world.run(4000);
    assert!(!exists(&world, 3, "/e"), "a silent session ends");
}

#[test]
fn what_comes_late_through_the_observer_that_a_session_has_left_is_dropped() {
    let (mut world, master) = ensemble();
    let (_, session) = connected(&mut world, OBSERVER);
    world.forwarded(OBSERVER, session, CREATE, create_body("/in-time", b"", 0));
    world.drain();
    assert!(exists(&world, 3, "/in-time"), "while the session is there");
    let conn = moved(&mut world, master, session);
    world.forwarded(OBSERVER, session, CREATE, create_body("/late", b"", 0));
    world.drain();
    assert!(!exists(&world, 3, "/late"), "the session is used through the master");
    world.leave(master, conn);
    world.forwarded(OBSERVER, session, CREATE, create_body("/later", b"", 0));
    world.drain();
    assert!(!exists(&world, 3, "/later"), "the client has left the master, too, and has not come back to the observer");
    moved(&mut world, OBSERVER, session);
    world.forwarded(OBSERVER, session, CREATE, create_body("/again", b"", 0));
    world.drain();
    assert!(exists(&world, 3, "/again"), "the session has come back");
}

#[test]
fn what_comes_late_through_the_master_that_a_session_leaves_for_its_observer_is_dropped() {
    let (mut world, master) = ensemble();
    let (conn, session) = connected(&mut world, master);
    world.asked(OBSERVER, session);
    world.send(master, conn, 1, CREATE, create_body("/late", b"", 0));
    world.drain();
    assert!(!exists(&world, 3, "/late"), "another connection had asked for the session");
}

#[test]
fn what_comes_late_while_a_session_is_asked_about_is_dropped() {
    let (mut world, master) = ensemble();
    let (_, session) = connected(&mut world, OBSERVER);
    let conn = world.begin_connect(master, Some((session, Password::of(session).0.to_vec())), Some(false));
    world.input(ServerId(master), Input::ConnGone(conn));
    world.forwarded(OBSERVER, session, CREATE, create_body("/left", b"", 0));
    world.drain();
    assert!(!exists(&world, 3, "/left"), "the client came to the master and left before the leader had answered");
    moved(&mut world, OBSERVER, session);
    world.forwarded(OBSERVER, session, CREATE, create_body("/again", b"", 0));
    world.drain();
    assert!(exists(&world, 3, "/again"), "the session has come back");
}
