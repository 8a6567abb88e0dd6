//! A server's whole life, seen from its clients.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "pipeline/hand_over.rs"]
mod hand_over;
#[path = "pipeline/local_sessions.rs"]
mod local_sessions;
#[path = "pipeline/observers.rs"]
mod observers;
#[path = "pipeline/read_only.rs"]
mod read_only;
#[path = "pipeline/restore.rs"]
mod restore;
#[path = "pipeline/roll_over.rs"]
mod roll_over;
mod support;

use support::{World, create_body, delete_body, replace_body, set_body, watch_body};
use wire::client::Password;
use wire::{ServerId, SessionId};

const CREATE: i32 = 1;
const DELETE: i32 = 2;
const EXISTS: i32 = 3;
const GET: i32 = 4;
const SET: i32 = 5;
const SYNC: i32 = 9;
const MULTI: i32 = 14;
const CLOSE: i32 = -11;

fn data_of(body: &[u8]) -> String {
    String::from_utf8(wire::Reader::new(body).buffer().unwrap().unwrap().to_vec()).unwrap()
}

fn standalone() -> (World, tree::ConnId) {
    let mut world = World::new(0);
    world.drain();
    let conn = world.connect(1, None);
    world.next_frame(1, conn).expect("a connect response");
    (world, conn)
}

#[test]
fn reads_between_pipelined_writes_see_exactly_the_writes_before_them() {
    let check = |mut world: World, sid: i64| {
        let conn = world.connect(sid, None);
        world.next_frame(sid, conn).expect("a connect response");
        world.send(sid, conn, 1, CREATE, create_body("/a", b"0", 0));
        for turn in 1..20 {
            world.send(sid, conn, 2 * turn, SET, set_body("/a", turn.to_string().as_bytes()));
            world.send(sid, conn, 2 * turn + 1, GET, watch_body("/a", false));
        }
        world.drain();
        assert_eq!(world.next_frame(sid, conn).unwrap().0, 1);
        let mut last_zxid = 0;
        for turn in 1..20 {
            let (xid, zxid, error, _) = world.next_frame(sid, conn).unwrap();
            assert_eq!((xid, error), (2 * turn, 0));
            assert!(zxid > last_zxid, "reply zxids grow");
            let (xid, read_zxid, _, body) = world.next_frame(sid, conn).unwrap();
            assert_eq!((xid, read_zxid), (2 * turn + 1, zxid));
            assert_eq!(data_of(&body), turn.to_string());
            last_zxid = zxid;
        }
    };
    check(World::new(0), 1);
    for sid in 1..=3 {
        let mut world = World::new(3);
        world.run(2000);
        check(world, sid);
    }
}

#[test]
fn a_watch_event_comes_before_the_reply_of_the_write_that_fires_it() {
    let (mut world, conn) = standalone();
    world.send(1, conn, 1, CREATE, create_body("/a", b"0", 0));
    world.send(1, conn, 2, GET, watch_body("/a", true));
    world.send(1, conn, 3, SET, set_body("/a", b"1"));
    world.drain();
    let xids: Vec<i32> = std::iter::from_fn(|| world.next_frame(1, conn)).map(|frame| frame.0).collect();
    assert_eq!(xids, [1, 2, -1, 3]);
}

#[test]
fn an_event_never_overtakes_the_reply_that_set_its_watch() {
    let (mut world, reader) = standalone();
    let writer = world.connect(1, None);
    world.next_frame(1, writer).expect("a connect response");
    world.send(1, reader, 1, CREATE, create_body("/a", b"0", 0));
    world.send(1, reader, 2, CREATE, create_body("/b", b"0", 0));
    world.drain();
    // All three writes become durable with one sync; the read stands between its session's write and the other session's.
    world.stalled_disks.insert(wire::ServerId(1));
    world.send(1, reader, 3, SET, set_body("/b", b"1"));
    world.send(1, reader, 4, GET, watch_body("/a", true));
    world.send(1, writer, 1, SET, set_body("/a", b"1"));
    world.drain();
    world.sync_disk(1);
    let xids: Vec<i32> = std::iter::from_fn(|| world.next_frame(1, reader)).map(|frame| frame.0).collect();
    assert_eq!(xids, [1, 2, 3, 4, -1]);
}

#[test]
fn nothing_is_answered_before_it_is_on_disk() {
    let (mut world, conn) = standalone();
    world.stalled_disks.insert(wire::ServerId(1));
    world.send(1, conn, 1, CREATE, create_body("/a", b"0", 0));
    world.drain();
    assert_eq!(world.next_frame(1, conn), None);
}

#[test]
fn closing_a_session_deletes_its_ephemerals_answers_and_closes() {
    let (mut world, conn) = standalone();
    world.send(1, conn, 1, CREATE, create_body("/e", b"", 1));
    world.send(1, conn, 2, CLOSE, |_| {});
    world.send(1, conn, 3, CREATE, create_body("/late", b"", 0));
    world.drain();
    let xids: Vec<i32> = std::iter::from_fn(|| world.next_frame(1, conn)).map(|frame| frame.0).collect();
    assert_eq!(xids, [1, 2], "a request behind closeSession is dropped");
    let server = &world.servers[&wire::ServerId(1)];
    assert!(server.closed.contains(&conn));
    assert!(server.tree.read().stat("/e").is_none());
    assert!(server.tree.read().stat("/late").is_none());
}

#[test]
fn a_silent_session_expires_and_a_touched_one_does_not() {
    let (mut world, conn) = standalone();
    world.send(1, conn, 1, CREATE, create_body("/e", b"", 1));
    world.run(900);
    world.send(1, conn, 2, GET, watch_body("/e", false));
    world.run(900);
    assert!(!world.servers[&wire::ServerId(1)].closed.contains(&conn));
    world.run(1200);
    assert!(world.servers[&wire::ServerId(1)].closed.contains(&conn));
    assert!(world.servers[&wire::ServerId(1)].tree.read().stat("/e").is_none());
}

#[test]
fn a_session_moves_between_servers_and_survives_the_leader() {
    let mut world = World::new(3);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    let follower = (1..=3).find(|sid| *sid != leader).unwrap();
    let conn = world.connect(leader, None);
    let session = world.session(leader, conn);
    world.next_frame(leader, conn).unwrap();
    world.send(leader, conn, 1, CREATE, create_body("/e", b"x", 1));
    world.drain();
    assert_eq!(world.next_frame(leader, conn).unwrap().2, 0);
    world.kill(leader);
    world.run(600);
    assert!(world.leader().is_some_and(|new| new != leader));
    let conn = world.connect(follower, Some((session, Password::of(session).0.to_vec())));
    assert_eq!(world.session(follower, conn), session);
    world.next_frame(follower, conn).unwrap();
    world.send(follower, conn, 2, SYNC, |out| wire::Writer::string(out, "/e"));
    world.send(follower, conn, 3, GET, watch_body("/e", false));
    world.drain();
    assert_eq!(world.next_frame(follower, conn).unwrap().0, 2);
    assert_eq!(data_of(&world.next_frame(follower, conn).unwrap().3), "x");
    world.start(leader);
    world.run(2000);
    let digests: Vec<u64> = world.servers.values().map(|server| server.tree.read().digest()).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "I12: {digests:x?}");
}

/// ZOOKEEPER-1277: the counter must not run over into the epoch. Several sessions expire at once, more than
/// there are zxids left.
#[test]
fn an_epoch_without_zxids_left_ends_and_the_next_one_goes_on() {
    let mut world = World::with_counter_max(3, 9);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    let conns: Vec<tree::ConnId> = (0..6).map(|_| world.connect(leader, None)).collect();
    let sessions: Vec<wire::SessionId> = conns.iter().map(|conn| world.session(leader, *conn)).collect();
    let first = world.servers[&ServerId(leader)].tree.read().last_zxid();
    assert_eq!((first.counter(), sessions.len()), (6, 6), "six sessions, one less than the epoch has zxids");
    world.run(10_000);
    let last = world.servers[&ServerId(leader)].tree.read().last_zxid();
    assert!(last.epoch() > first.epoch(), "{last} is still of the epoch of {first}");
    for server in world.servers.values() {
        let tree = server.tree.read();
        assert!(sessions.iter().all(|session| !tree.has_session(*session)), "server {} keeps a session", server.sid);
    }
    let digests: Vec<u64> = world.servers.values().map(|server| server.tree.read().digest()).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "I12: {digests:x?}");
    let leader = world.leader().expect("a leader of the next epoch");
    let conn = world.connect(leader, None);
    world.next_frame(leader, conn).unwrap();
    world.send(leader, conn, 1, CREATE, create_body("/a", b"x", 0));
    world.drain();
    assert_eq!(world.next_frame(leader, conn).unwrap().2, 0);
}

#[test]
fn a_sync_between_pipelined_writes_is_answered_in_its_place() {
    let mut world = World::new(3);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    for sid in 1..=3 {
        let conn = world.connect(sid, None);
        world.next_frame(sid, conn).expect("a connect response");
        // The disks answer only when everything has been proposed: both writes are committed together.
        world.stalled_disks.extend((1..=3).map(wire::ServerId));
        world.send(sid, conn, 1, CREATE, create_body(&format!("/a{sid}"), b"0", 0));
        world.send(sid, conn, 2, SYNC, |out| wire::Writer::string(out, "/"));
        world.send(sid, conn, 3, CREATE, create_body(&format!("/b{sid}"), b"0", 0));
        world.drain();
        // One follower alone is no quorum; then the leader's own sync commits both at once.
        let first = (1..=3).find(|disk| *disk != leader).unwrap();
        for disk in [first, leader].into_iter().chain((1..=3).filter(|disk| *disk != leader && *disk != first)) {
            world.sync_disk(disk);
        }
        let frames: Vec<_> = std::iter::from_fn(|| world.next_frame(sid, conn)).collect();
        let xids: Vec<i32> = frames.iter().map(|frame| frame.0).collect();
        assert_eq!(xids, [1, 2, 3], "on server {sid}, leader {leader}");
        assert_eq!(frames[0].1, frames[1].1, "the sync shows the write before it and not the one behind it");
    }
}

#[test]
fn a_wrong_password_is_refused() {
    let (mut world, conn) = standalone();
    let session = world.session(1, conn);
    let other = world.connect(1, Some((session, vec![1; 16])));
    let frame = world.next_frame(1, other).expect("a refusal");
    assert_eq!(frame.1 as i32, 0);
    assert!(world.servers[&wire::ServerId(1)].closed.contains(&other));
    assert_ne!(session, SessionId::NONE);
}

/// A server that leaves its role applies what its log holds, so that it votes with all of it. Others may elect without it:
/// nobody may be shown what was not committed.
#[test]
fn a_watcher_never_hears_of_what_was_not_committed_when_its_leader_lost_the_others() {
    let mut world = World::new(3);
    world.run(2000);
    let leader = world.leader().unwrap();
    let (watcher, writer) = (world.connect(leader, None), world.connect(leader, None));
    for conn in [watcher, writer] {
        world.next_frame(leader, conn).unwrap();
    }
    world.send(leader, watcher, 1, EXISTS, watch_body("/a", true));
    world.drain();
    assert_eq!(world.next_frame(leader, watcher).unwrap().2, -101, "not there yet");
    let others: Vec<i64> = (1..=3).filter(|sid| *sid != leader).collect();
    world.stalled_disks.extend(others.iter().map(|sid| ServerId(*sid)));
    world.send(leader, writer, 1, CREATE, create_body("/a", b"", 0));
    world.drain();
    for other in others {
        world.kill(other);
    }
    world.run(2000);
    assert_eq!(world.leader(), None, "it has lost its quorum");
    let tree = world.servers[&ServerId(leader)].tree.clone();
    assert!(tree.read().get_data("/a").is_some(), "its log holds it");
    assert_eq!(world.next_frame(leader, watcher), None);
    assert_eq!(world.next_frame(leader, writer), None);
}

const QUOTA_EXCEEDED: i32 = -125;
/// Writes a request's body.
type Body = Box<dyn FnOnce(&mut Vec<u8>)>;

#[test]
fn only_the_leaders_memory_decides_and_what_shrinks_the_tree_goes_on() {
    let mut world = World::new(3);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    let follower = if leader == 1 { 2 } else { 1 };
    let conn = world.connect(follower, None);
    world.next_frame(follower, conn).expect("a connect response");
    let mut xid = 0;
    let mut call = |world: &mut World, opcode: i32, body: Body| {
        xid += 1;
        world.send(follower, conn, xid, opcode, body);
        world.drain();
        let (answered, _, error, _) = world.next_frame(follower, conn).expect("a reply");
        assert_eq!(answered, xid);
        error
    };
    world.measure(follower, 0);
    for path in ["/a", "/b"] {
        assert_eq!(
            call(&mut world, CREATE, Box::new(create_body(path, b"1234", 0))),
            0,
            "not the follower's to refuse"
        );
    }
    world.measure(leader, 0);
    assert_eq!(call(&mut world, CREATE, Box::new(create_body("/c", b"", 0))), QUOTA_EXCEEDED);
    assert_eq!(call(&mut world, SET, Box::new(set_body("/a", b"12345"))), QUOTA_EXCEEDED);
    assert_eq!(call(&mut world, MULTI, Box::new(replace_body("/b", "/c"))), 0, "the parts have the error");
    assert_eq!(call(&mut world, GET, Box::new(watch_body("/b", false))), 0, "a refused multi deletes nothing");
    assert_eq!(call(&mut world, SET, Box::new(set_body("/a", b"4321"))), 0);
    assert_eq!(call(&mut world, DELETE, Box::new(delete_body("/b"))), 0);
    world.measure(leader, 9_999);
    assert_eq!(call(&mut world, CREATE, Box::new(create_body("/c", b"", 0))), QUOTA_EXCEEDED, "not in drops");
    world.measure(leader, 10_000);
    assert_eq!(call(&mut world, CREATE, Box::new(create_body("/c", b"", 0))), 0);
    assert_eq!(
        call(&mut world, CREATE, Box::new(create_body("/d", &[0; 10_000], 0))),
        QUOTA_EXCEEDED,
        "a burst counts"
    );
    let digests: Vec<u64> = world.servers.values().map(|server| server.tree.read().digest()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}
