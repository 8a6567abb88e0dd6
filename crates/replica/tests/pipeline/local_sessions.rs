//! Sessions that only one server knows.

use super::support::{World, create_body, replace_body, set_body, watch_body};
use super::{CLOSE, CREATE, GET, MULTI, SET, SYNC};
use replica::LocalSessions;
use tree::ConnId;
use wire::client::Password;
use wire::{ServerId, SessionId};

const EPHEMERAL_ON_LOCAL_SESSION: i32 = -120;

/// Three servers, the leader, and one of the others.
fn ensemble(local_sessions: LocalSessions) -> (World, i64, i64) {
    let mut world = World::with_local_sessions(3, local_sessions);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    (world, leader, if leader == 1 { 2 } else { 1 })
}

fn connected(world: &mut World, sid: i64) -> (ConnId, SessionId) {
    let conn = world.connect(sid, None);
    let response = world.next_response(sid, conn).expect("an answer to the handshake");
    assert_eq!(response.timeout, 1000);
    (conn, response.session)
}

fn resume(world: &mut World, sid: i64, session: SessionId) -> SessionId {
    let conn = world.connect(sid, Some((session, Password::of(session).0.to_vec())));
    world.next_response(sid, conn).expect("an answer to the handshake").session
}

/// The errors of all replies that have come, by request.
fn errors(world: &mut World, sid: i64, conn: ConnId) -> Vec<(i32, i32)> {
    world.drain();
    std::iter::from_fn(|| world.next_frame(sid, conn)).map(|(xid, _, error, _)| (xid, error)).collect()
}

/// Which servers' trees hold the session.
fn knowing(world: &World, session: SessionId) -> Vec<i64> {
    let knows = |sid: &i64| world.servers[&ServerId(*sid)].tree.read().has_session(session);
    (1..=3).filter(knows).collect()
}

fn last_zxid(world: &World, sid: i64) -> i64 {
    world.servers[&ServerId(sid)].tree.read().last_zxid().0
}

#[test]
fn beginning_and_ending_a_local_session_is_no_transaction() {
    let (mut world, leader, follower) = ensemble(LocalSessions::Always);
    for sid in [leader, follower] {
        let before = last_zxid(&world, leader);
        let (conn, session) = connected(&mut world, sid);
        assert_eq!(resume(&mut world, sid, session), session, "it comes back through the same server");
        assert!(world.servers[&ServerId(sid)].closed.contains(&conn));
        for other in (1..=3).filter(|other| *other != sid) {
            assert_eq!(resume(&mut world, other, session), SessionId::NONE, "server {other} does not know it");
        }
        let (conn, _) = connected(&mut world, sid);
        world.send(sid, conn, 1, CLOSE, |_| {});
        assert_eq!(errors(&mut world, sid, conn), [(1, 0)]);
        assert!(world.servers[&ServerId(sid)].closed.contains(&conn));
        world.run(5_000);
        assert_eq!(resume(&mut world, sid, session), SessionId::NONE, "it has expired");
        assert_eq!((last_zxid(&world, leader), knowing(&world, session)), (before, Vec::new()));
    }
}

#[test]
fn a_local_session_writes_but_owns_no_ephemeral() {
    let (mut world, leader, follower) = ensemble(LocalSessions::Always);
    for sid in [leader, follower] {
        let (conn, session) = connected(&mut world, sid);
        let path = format!("/{sid}");
        world.send(sid, conn, 1, CREATE, create_body(&path, b"0", 0));
        world.send(sid, conn, 2, CREATE, create_body(&format!("{path}/e"), b"", 1));
        world.send(sid, conn, 3, SET, set_body(&path, b"1"));
        world.send(sid, conn, 4, SYNC, |out| wire::Writer::string(out, "/"));
        world.send(sid, conn, 5, GET, watch_body(&path, false));
        world.send(sid, conn, 6, CLOSE, |_| {});
        world.send(sid, conn, 7, SET, set_body(&path, b"2"));
        let refused = EPHEMERAL_ON_LOCAL_SESSION;
        let expected = [(1, 0), (2, refused), (3, 0), (4, 0), (5, 0), (6, 0)];
        assert_eq!(errors(&mut world, sid, conn), expected, "on server {sid}; what is behind closeSession is dropped");
        assert!(knowing(&world, session).is_empty());
    }
}

#[test]
fn an_ephemeral_makes_a_local_session_known_to_all() {
    let (mut world, leader, follower) = ensemble(LocalSessions::UntilEphemeral);
    for (sid, other) in [(leader, follower), (follower, leader)] {
        let (conn, session) = connected(&mut world, sid);
        let path = format!("/e{sid}");
        world.send(sid, conn, 1, CREATE, create_body("/e", b"", 1));
        world.send(sid, conn, 2, MULTI, replace_body("/e", &path));
        world.send(sid, conn, 3, CREATE, create_body(&format!("{path}-2"), b"", 1));
        assert_eq!(errors(&mut world, sid, conn), [(1, 0), (2, 0), (3, 0)]);
        assert_eq!(knowing(&world, session), [1, 2, 3]);
        assert_eq!(resume(&mut world, other, session), session, "it may move now");
        world.run(3_000);
        assert!(knowing(&world, session).is_empty(), "it has expired, by a transaction");
        let tree = world.servers[&ServerId(other)].tree.clone();
        assert!(tree.read().stat(&format!("{path}-2")).is_none());
        assert!(tree.read().stat(&path).is_some(), "the multi's node was none of the session's");
    }
}

#[test]
fn a_session_that_is_being_made_known_goes_on_meanwhile() {
    let (mut world, leader, follower) = ensemble(LocalSessions::UntilEphemeral);
    let (conn, session) = connected(&mut world, follower);
    world.stalled_disks.extend((1..=3).map(ServerId));
    world.send(follower, conn, 1, CREATE, create_body("/e", b"", 1));
    assert_eq!(errors(&mut world, follower, conn), []);
    world.send(follower, conn, 2, CREATE, create_body("/f", b"", 1));
    world.send(follower, conn, 3, CLOSE, |_| {});
    assert_eq!(errors(&mut world, follower, conn), []);
    for sid in [follower, leader, 1, 2, 3] {
        world.sync_disk(sid);
    }
    assert_eq!(errors(&mut world, follower, conn), [(1, 0), (2, 0), (3, 0)]);
    assert!(knowing(&world, session).is_empty(), "closed by a transaction");
    assert!(world.servers[&ServerId(leader)].tree.read().ephemerals().is_empty());
}

#[test]
fn local_sessions_end_with_the_role_of_their_server() {
    let (mut world, leader, follower) = ensemble(LocalSessions::UntilEphemeral);
    let (plain, local) = connected(&mut world, follower);
    let (owner, global) = connected(&mut world, follower);
    world.send(follower, owner, 1, CREATE, create_body("/e", b"", 1));
    assert_eq!(errors(&mut world, follower, owner), [(1, 0)]);
    world.kill(leader);
    world.run(600);
    assert!(world.leader().is_some());
    let closed = &world.servers[&ServerId(follower)].closed;
    assert!(closed.contains(&plain) && closed.contains(&owner));
    assert_eq!(resume(&mut world, follower, local), SessionId::NONE);
    assert_eq!(resume(&mut world, follower, global), global);
}
