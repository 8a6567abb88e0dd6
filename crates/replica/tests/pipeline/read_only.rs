//! A server that has lost the others, and clients that only read.

use super::support::{World, create_body, set_body, watch_body};
use super::{CLOSE, CREATE, EXISTS, GET, SET, SYNC, data_of};
use tree::ConnId;
use wire::client::Password;
use wire::{ServerId, SessionId};

const NOT_READ_ONLY: i32 = -119;
const NO_NODE: i32 = -101;
/// How long these servers look for a leader before they serve reads, ms.
const PATIENCE_MS: i64 = 500;

fn is_closed(world: &World, sid: i64, conn: ConnId) -> bool {
    world.servers[&ServerId(sid)].closed.contains(&conn)
}

fn password(session: SessionId) -> Vec<u8> {
    Password::of(session).0.to_vec()
}

/// Three servers that hold `/a`, the session that made it, and one server of which the others are gone.
struct Alone {
    world: World,
    sid: i64,
    global: SessionId,
}

impl Alone {
    fn new() -> Alone {
        let mut world = World::with_read_only_mode(3, PATIENCE_MS);
        world.run(2000);
        let sid = 1;
        let conn = world.connect(sid, None);
        let global = world.session(sid, conn);
        assert_eq!(world.next_response(sid, conn).unwrap().read_only, Some(false));
        world.send(sid, conn, 1, CREATE, create_body("/a", b"0", 0));
        world.run(100);
        assert_eq!(world.next_frame(sid, conn).unwrap().2, 0);
        world.kill(2);
        world.kill(3);
        Alone { world, sid, global }
    }

    /// The same, when it serves reads.
    fn serving() -> Alone {
        let mut alone = Alone::new();
        alone.world.run(3_000);
        assert_eq!(alone.world.mode(alone.sid), "read-only");
        alone
    }

    fn reader(&mut self) -> ConnId {
        let conn = self.world.connect_as(self.sid, None, Some(true));
        let response = self.world.next_response(self.sid, conn).expect("an answer to the handshake");
        assert_eq!((response.timeout, response.read_only), (1000, Some(true)));
        conn
    }

    /// Sends a request and answers the error in its reply, with the body.
    fn call(&mut self, conn: ConnId, xid: i32, opcode: i32, body: impl FnOnce(&mut Vec<u8>)) -> (i32, bytes::Bytes) {
        self.world.send(self.sid, conn, xid, opcode, body);
        self.world.drain();
        let (answered, zxid, error, body) = self.world.next_frame(self.sid, conn).expect("a reply");
        let applied = self.world.servers[&ServerId(self.sid)].tree.read().last_zxid();
        assert_eq!((answered, zxid), (xid, applied.0));
        (error, body)
    }
}

#[test]
fn a_short_search_shows_nobody_anything() {
    let mut alone = Alone::new();
    let lost_after_ms = (0..100).find(|_| {
        alone.world.run(20);
        alone.world.mode(1) == "looking"
    });
    assert!(lost_after_ms.is_some(), "it notices that the others are gone");
    alone.world.run(PATIENCE_MS - 40);
    assert_eq!(alone.world.mode(1), "looking");
    let early = alone.world.connect_as(1, None, Some(true));
    assert!(is_closed(&alone.world, 1, early));
    alone.world.run(40);
    assert_eq!(alone.world.mode(1), "read-only");
    alone.reader();
}

#[test]
fn without_the_setting_a_server_without_a_leader_serves_nobody() {
    let mut world = World::new(3);
    world.run(2000);
    world.kill(2);
    world.kill(3);
    world.run(10_000);
    assert_eq!(world.mode(1), "looking");
    let reader = world.connect_as(1, None, Some(true));
    assert!(is_closed(&world, 1, reader));
}

#[test]
fn who_agreed_to_it_reads_and_cannot_write() {
    let mut alone = Alone::serving();
    for read_only in [None, Some(false)] {
        let conn = alone.world.connect_as(1, None, read_only);
        assert!(is_closed(&alone.world, 1, conn));
        assert_eq!(alone.world.next_response(1, conn), None, "closed without a word");
    }
    let conn = alone.reader();
    let (error, body) = alone.call(conn, 1, GET, watch_body("/a", true));
    assert_eq!((error, data_of(&body)), (0, "0".to_owned()));
    assert_eq!(alone.call(conn, 2, EXISTS, watch_body("/b", true)).0, NO_NODE);
    assert_eq!(alone.call(conn, 3, SET, set_body("/a", b"1")).0, NOT_READ_ONLY);
    assert_eq!(alone.call(conn, 4, CREATE, create_body("/b", b"", 1)).0, NOT_READ_ONLY);
    assert_eq!(alone.call(conn, 5, SYNC, |out| wire::Writer::string(out, "/")).0, NOT_READ_ONLY);
    let (error, body) = alone.call(conn, 6, GET, watch_body("/a", false));
    assert_eq!((error, data_of(&body)), (0, "0".to_owned()));
    assert_eq!(alone.call(conn, 7, CLOSE, |_| {}).0, 0);
    assert!(is_closed(&alone.world, 1, conn));
}

#[test]
fn sessions_of_the_ensemble_are_turned_away_and_its_own_come_back() {
    let mut alone = Alone::serving();
    let global = alone.global;
    let conn = alone.world.connect_as(1, Some((global, password(global))), Some(true));
    assert!(is_closed(&alone.world, 1, conn));
    assert_eq!(alone.world.next_response(1, conn), None, "whether it lives is not for this server to say");

    let first = alone.reader();
    let session = alone.world.session(1, first);
    let wrong = alone.world.connect_as(1, Some((session, vec![1; 16])), Some(true));
    assert_eq!(alone.world.next_response(1, wrong).unwrap().session, SessionId::NONE);
    let again = alone.world.connect_as(1, Some((session, password(session))), Some(true));
    assert_eq!(alone.world.next_response(1, again).unwrap().session, session);
    assert!(is_closed(&alone.world, 1, first), "the last connection wins");
    let unknown = SessionId(session.0 + 1_000);
    let stranger = alone.world.connect_as(1, Some((unknown, password(unknown))), Some(true));
    let refusal = alone.world.next_response(1, stranger).unwrap();
    assert_eq!((refusal.session, refusal.timeout, refusal.read_only), (SessionId::NONE, 0, Some(true)));
    assert!(is_closed(&alone.world, 1, stranger));
}

#[test]
fn a_session_that_is_silent_ends_and_one_that_reads_does_not() {
    let mut alone = Alone::serving();
    let (silent, reader) = (alone.reader(), alone.reader());
    for xid in 1..4 {
        alone.world.run(800);
        alone.call(reader, xid, GET, watch_body("/a", false));
    }
    assert!(is_closed(&alone.world, 1, silent) && !is_closed(&alone.world, 1, reader));
    let session = alone.world.session(1, silent);
    let late = alone.world.connect_as(1, Some((session, password(session))), Some(true));
    assert_eq!(alone.world.next_response(1, late).unwrap().session, SessionId::NONE, "it has expired");
    alone.world.run(3_000);
    assert!(is_closed(&alone.world, 1, reader));
}

#[test]
fn everybody_goes_when_there_is_a_leader_again() {
    let mut alone = Alone::serving();
    let conn = alone.reader();
    let session = alone.world.session(1, conn);
    alone.call(conn, 1, GET, watch_body("/a", true));
    alone.world.start(2);
    alone.world.run(3_000);
    assert!(["leader", "follower"].contains(&alone.world.mode(1)), "{}", alone.world.mode(1));
    assert!(is_closed(&alone.world, 1, conn));
    assert_eq!(alone.world.next_frame(1, conn), None, "without a word about what came since");
    let (tree, global) = (alone.world.servers[&ServerId(1)].tree.clone(), alone.global);
    assert!(!tree.read().has_session(session), "nobody ever heard of it");
    let late = alone.world.connect_as(1, Some((session, password(session))), Some(true));
    alone.world.run(500);
    let refusal = alone.world.next_response(1, late).unwrap();
    assert_eq!((refusal.session, refusal.read_only), (SessionId::NONE, Some(false)));
    let back = alone.world.connect_as(1, Some((global, password(global))), Some(true));
    alone.world.run(500);
    assert!(alone.world.next_response(1, back).is_some_and(|response| response.read_only == Some(false)));
}

/// The price of the mode, as in Apache: nobody knows any more whether the end of the log was committed.
#[test]
fn what_the_log_holds_is_shown_committed_or_not() {
    let mut world = World::with_read_only_mode(3, PATIENCE_MS);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    let writer = world.connect(leader, None);
    let others: Vec<i64> = (1..=3).filter(|sid| *sid != leader).collect();
    world.stalled_disks.extend(others.iter().map(|sid| ServerId(*sid)));
    world.send(leader, writer, 1, CREATE, create_body("/a", b"0", 0));
    world.drain();
    others.iter().for_each(|sid| world.kill(*sid));
    world.run(3_000);
    let mut alone = Alone { world, sid: leader, global: SessionId::NONE };
    let conn = alone.reader();
    assert_eq!(data_of(&alone.call(conn, 1, GET, watch_body("/a", false)).1), "0");
}

#[test]
fn a_server_that_hears_of_a_later_configuration_goes_on_to_serve_none_but_readers() {
    let mut alone = Alone::serving();
    let reader = alone.reader();
    let config = "server.1=h1:2888:3888:participant\nserver.2=h2:2888:3888:participant\nversion=500000000";
    alone.world.hear(alone.sid, 2, config);
    assert_eq!(alone.world.mode(alone.sid), "read-only");
    assert_eq!(data_of(&alone.call(reader, 1, GET, watch_body("/a", false)).1), "0");
    let writer = alone.world.connect_as(alone.sid, None, Some(false));
    assert!(is_closed(&alone.world, alone.sid, writer), "it has not agreed to what may be old");
}
