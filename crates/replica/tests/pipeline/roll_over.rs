//! The counter of an epoch comes to its end while clients are at work.

use super::support::{World, create_body, set_body, watch_body};
use super::{CREATE, EXISTS, GET, SET, SYNC, data_of};
use tree::ConnId;
use wire::{ServerId, SessionId, Zxid};

/// How many zxids an epoch has here.
const COUNTERS: u32 = 12;

/// Three servers; the leader and a follower with a client each, which has an ephemeral and a watch on the other's.
struct AtWork {
    world: World,
    leader: i64,
    clients: [(i64, ConnId, SessionId); 2],
}

impl AtWork {
    fn new() -> AtWork {
        let mut world = World::with_counter_max(3, COUNTERS);
        world.run(2000);
        let leader = world.leader().expect("a leader");
        let follower = (1..=3).find(|sid| *sid != leader).unwrap();
        let clients = [leader, follower].map(|sid| {
            let conn = world.connect(sid, None);
            world.next_frame(sid, conn).expect("a connect response");
            world.send(sid, conn, 1, CREATE, create_body(&format!("/e{sid}"), b"0", 1));
            world.drain();
            assert_eq!(world.next_frame(sid, conn).unwrap().2, 0);
            (sid, conn, world.session(sid, conn))
        });
        AtWork { world, leader, clients }
    }

    fn last_zxid(&self) -> Zxid {
        self.world.servers[&ServerId(self.leader)].tree.read().last_zxid()
    }

    /// Nobody has left its role, and no client its connection or its session.
    fn assert_nobody_was_disturbed(&self) {
        assert_eq!(self.world.leader(), Some(self.leader));
        for (sid, conn, session) in self.clients {
            let server = &self.world.servers[&ServerId(sid)];
            assert!(server.serving && !server.closed.contains(&conn), "server {sid} has let go of its client");
            let tree = server.tree.read();
            assert!(tree.has_session(session), "session {session} is gone");
            assert!(tree.stat(&format!("/e{sid}")).is_some(), "the ephemeral of {session} is gone");
        }
    }
}

#[test]
fn clients_notice_nothing_of_the_next_epoch() {
    let AtWork { world, leader, clients } = AtWork::new();
    let mut at_work = AtWork { world, leader, clients };
    let first = at_work.last_zxid();
    let [(_, _, _), (follower, ..)] = clients;
    for (sid, conn, _) in clients {
        let other = if sid == leader { follower } else { leader };
        at_work.world.send(sid, conn, 2, EXISTS, watch_body(&format!("/e{other}"), true));
        at_work.world.drain();
        assert_eq!(at_work.world.next_frame(sid, conn).unwrap().0, 2);
    }
    // More than the epoch has zxids for, from both at once, with reads and syncs between.
    for xid in 1..=30 {
        for (sid, conn, _) in clients {
            at_work.world.send(sid, conn, 3 * xid, SET, set_body(&format!("/e{sid}"), xid.to_string().as_bytes()));
            at_work.world.send(sid, conn, 3 * xid + 1, GET, watch_body(&format!("/e{sid}"), false));
            at_work.world.send(sid, conn, 3 * xid + 2, SYNC, |out| wire::Writer::string(out, "/"));
        }
    }
    at_work.world.drain();
    assert!(at_work.last_zxid().epoch().0 >= first.epoch().0 + 5, "{} after {first}", at_work.last_zxid());
    at_work.assert_nobody_was_disturbed();
    for (sid, conn, _) in clients {
        let frames: Vec<_> = std::iter::from_fn(|| at_work.world.next_frame(sid, conn)).collect();
        let (events, replies): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| frame.0 == -1);
        assert_eq!(events.len(), 1, "the watch on the other's ephemeral has fired once");
        let xids: Vec<i32> = replies.iter().map(|reply| reply.0).collect();
        assert_eq!(xids, (3..=92).collect::<Vec<_>>(), "on server {sid}");
        assert!(replies.iter().all(|reply| reply.2 == 0));
        assert!(replies.windows(2).all(|two| two[0].1 <= two[1].1), "reply zxids never go back");
        let read: Vec<String> =
            replies.iter().filter(|reply| reply.0 % 3 == 1).map(|reply| data_of(&reply.3)).collect();
        assert_eq!(read, (1..=30).map(|xid| xid.to_string()).collect::<Vec<_>>());
    }
    // The sessions are still watched over: silent, they expire.
    at_work.world.run(5000);
    for (sid, _, session) in clients {
        assert!(!at_work.world.servers[&ServerId(sid)].tree.read().has_session(session));
    }
}

#[test]
fn what_waits_for_the_next_epoch_is_lost_with_the_leadership_and_not_with_the_session() {
    let mut at_work = AtWork::new();
    let [_, (follower, conn, session)] = at_work.clients;
    let others: Vec<i64> = (1..=3).filter(|sid| *sid != at_work.leader).collect();
    let mut xid = 1;
    while at_work.last_zxid().counter() < COUNTERS - 3 {
        xid += 1;
        at_work.world.send(follower, conn, xid, SET, set_body("/", b"1"));
        at_work.world.drain();
        assert_eq!(at_work.world.next_frame(follower, conn).unwrap().0, xid);
    }
    // The last zxid is proposed and not committed: there is no next epoch yet, and the write behind it waits.
    at_work.world.stalled_disks.extend(others.iter().copied().map(ServerId));
    for xid in [xid + 1, xid + 2] {
        at_work.world.send(follower, conn, xid, SET, set_body("/", b"2"));
    }
    at_work.world.drain();
    assert_eq!(at_work.world.next_frame(follower, conn), None);
    at_work.world.kill(at_work.leader);
    others.iter().for_each(|sid| at_work.world.sync_disk(*sid));
    at_work.world.run(600);
    assert!(at_work.world.leader().is_some_and(|new| new != at_work.leader));
    assert!(at_work.world.servers[&ServerId(follower)].tree.read().has_session(session));
}

/// The time in which a session's signs of life had to wait is not held against it.
#[test]
fn a_session_does_not_expire_because_the_next_epoch_is_long_in_coming() {
    let mut at_work = AtWork::new();
    let [(leader, conn, _), _] = at_work.clients;
    let others: Vec<i64> = (1..=3).filter(|sid| *sid != at_work.leader).collect();
    while at_work.last_zxid().counter() < COUNTERS - 3 {
        at_work.world.send(leader, conn, 2, SET, set_body("/", b"1"));
        at_work.world.drain();
        at_work.world.next_frame(leader, conn).unwrap();
    }
    at_work.world.stalled_disks.extend(others.iter().copied().map(ServerId));
    at_work.world.send(leader, conn, 3, SET, set_body("/", b"2"));
    at_work.world.run(450);
    assert_eq!(at_work.last_zxid().counter(), COUNTERS - 3, "the last one is not committed");
    others.iter().for_each(|sid| at_work.world.sync_disk(*sid));
    at_work.world.run(700);
    at_work.assert_nobody_was_disturbed();
    assert_eq!(at_work.world.next_frame(leader, conn).unwrap().0, 3);
    assert!(at_work.last_zxid().epoch().0 >= 2);
}
