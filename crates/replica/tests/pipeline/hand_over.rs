//! A leader hands over, and what its clients see of that.

use super::support::{World, create_body, set_body, watch_body};
use super::{CREATE, GET, SET, data_of};
use replica::HandOverOutcome;
use tree::ConnId;
use wire::client::Password;
use wire::{ServerId, SessionId};

/// Three servers, their leader, and a session there that owns `/e`.
struct Led {
    world: World,
    leader: i64,
    conn: ConnId,
    session: SessionId,
}

impl Led {
    fn new() -> Led {
        let mut world = World::new(3);
        world.run(2000);
        let leader = world.leader().expect("a leader");
        let conn = world.connect(leader, None);
        let session = world.session(leader, conn);
        world.next_frame(leader, conn).unwrap();
        world.send(leader, conn, 1, CREATE, create_body("/e", b"0", 1));
        world.drain();
        assert_eq!(world.next_frame(leader, conn).unwrap().2, 0);
        Led { world, leader, conn, session }
    }

    fn follower(&self) -> i64 {
        (1..=3).find(|sid| *sid != self.leader).expect("there are three")
    }
}

fn refusal(outcome: HandOverOutcome) -> (Option<ServerId>, String) {
    let HandOverOutcome::Refused { leader, reason } = outcome else { panic!("{outcome:?}") };
    (leader, reason)
}

#[test]
fn the_server_named_leads_and_sessions_go_on_there() {
    let Led { mut world, leader, conn, session } = Led::new();
    // The smallest id would win no election by itself.
    assert_ne!(leader, 1);
    // What is under way is answered by the old leader.
    world.send(leader, conn, 2, SET, set_body("/e", b"1"));
    world.hand_over(leader, 7, Some(1));
    assert_eq!(world.next_frame(leader, conn).map(|frame| (frame.0, frame.2)), Some((2, 0)));
    assert_eq!(world.answers, [(7, HandOverOutcome::HandedOver { to: ServerId(1) })]);
    world.run(500);
    assert_eq!(world.leader(), Some(1));
    assert!(world.servers[&ServerId(leader)].closed.contains(&conn));
    let conn = world.connect(1, Some((session, Password::of(session).0.to_vec())));
    assert_eq!(world.session(1, conn), session);
    world.next_frame(1, conn).unwrap();
    world.send(1, conn, 3, GET, watch_body("/e", false));
    world.drain();
    assert_eq!(data_of(&world.next_frame(1, conn).unwrap().3), "1");
    let digests: Vec<u64> = world.servers.values().map(|server| server.tree.read().digest()).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "I12: {digests:x?}");
}

#[test]
fn what_comes_meanwhile_waits_and_is_done_when_the_hand_over_is_given_up() {
    let led = Led::new();
    let follower = led.follower();
    let Led { mut world, leader, conn, .. } = led;
    let other = world.connect(follower, None);
    world.next_frame(follower, other).unwrap();
    for sid in (1..=3).filter(|sid| *sid != leader) {
        world.stalled_disks.insert(ServerId(sid));
    }
    world.send(leader, conn, 2, SET, set_body("/e", b"1"));
    world.hand_over(leader, 7, None);
    assert_eq!(world.answers, [], "nothing is decided while a write is under way");
    // A second write here, one from elsewhere, a client that comes, and one that goes.
    world.send(leader, conn, 3, SET, set_body("/e", b"2"));
    world.send(follower, other, 1, CREATE, create_body("/f", b"", 0));
    let late = world.connect(leader, None);
    let gone = world.connect(leader, None);
    world.leave(leader, gone);
    world.run(150);
    let [(7, HandOverOutcome::GivenUp { .. })] = &world.answers[..] else { panic!("{:?}", world.answers) };
    assert_eq!(world.leader(), Some(leader));
    assert_eq!(world.next_frame(leader, conn), None, "no quorum has logged anything");
    for sid in (1..=3).filter(|sid| *sid != leader) {
        world.sync_disk(sid);
    }
    world.run(50);
    let answers = [world.next_frame(leader, conn), world.next_frame(leader, conn)];
    assert_eq!(answers.map(|frame| frame.map(|frame| (frame.0, frame.2))), [Some((2, 0)), Some((3, 0))]);
    assert_eq!(world.next_frame(follower, other).map(|frame| frame.2), Some(0));
    assert!(world.next_response(leader, late).is_some());
    assert!(world.next_response(leader, gone).is_none());
}

#[test]
fn nobody_else_can_hand_over() {
    let mut led = Led::new();
    let (leader, follower) = (led.leader, led.follower());
    led.world.hand_over(follower, 1, None);
    led.world.hand_over(leader, 2, Some(leader));
    led.world.hand_over(leader, 3, Some(9));
    let answers: Vec<_> = led.world.answers.drain(..).map(|(id, outcome)| (id, refusal(outcome))).collect();
    let leads = Some(ServerId(leader));
    assert_eq!(
        answers,
        [
            (1, (leads, format!("this server does not lead: server {leader} does"))),
            (2, (leads, format!("server {leader} leads already"))),
            (3, (leads, "server 9 is not a member of the ensemble".to_owned())),
        ]
    );
    let mut alone = World::new(0);
    alone.drain();
    alone.hand_over(1, 4, None);
    let [(4, HandOverOutcome::Refused { leader: None, .. })] = &alone.answers[..] else {
        panic!("{:?}", alone.answers)
    };
}

#[test]
fn a_leader_that_is_to_stop_hands_over_first() {
    let Led { mut world, leader, conn, .. } = Led::new();
    world.send(leader, conn, 2, SET, set_body("/e", b"1"));
    world.shut_down(leader);
    assert!(world.stopped.contains(&ServerId(leader)));
    assert_eq!(world.next_frame(leader, conn).map(|frame| (frame.0, frame.2)), Some((2, 0)));
    let logs: Vec<usize> = world.servers.values().map(|server| server.logged()).collect();
    let most = logs.iter().max();
    assert_eq!(
        logs.iter().filter(|logged| Some(*logged) == most).count(),
        1,
        "one holds more than the others: {logs:?}"
    );
    world.kill(leader);
    world.run(600);
    assert!(world.leader().is_some_and(|new| new != leader));
}

#[test]
fn a_leader_that_is_to_stop_does_not_wait_for_ever() {
    let Led { mut world, leader, conn, .. } = Led::new();
    for sid in (1..=3).filter(|sid| *sid != leader) {
        world.stalled_disks.insert(ServerId(sid));
    }
    world.send(leader, conn, 2, SET, set_body("/e", b"1"));
    world.shut_down(leader);
    assert!(!world.stopped.contains(&ServerId(leader)), "it hopes for an answer");
    world.run(replica::limits::HAND_OVER_TO_STOP_MS_MAX);
    assert!(world.stopped.contains(&ServerId(leader)));
}

/// What waits may be more than the epoch has zxids for. Then the leadership ends, but not before the log was asked to hold what
/// was proposed.
#[test]
fn an_epoch_may_end_with_what_a_hand_over_has_held_back() {
    let mut world = World::with_counter_max(3, 10);
    world.run(2000);
    let leader = world.leader().expect("a leader");
    let conn = world.connect(leader, None);
    world.next_frame(leader, conn).unwrap();
    for sid in (1..=3).filter(|sid| *sid != leader) {
        world.stalled_disks.insert(ServerId(sid));
    }
    world.send(leader, conn, 1, CREATE, create_body("/a", b"0", 0));
    world.hand_over(leader, 7, None);
    for xid in 2..20 {
        world.send(leader, conn, xid, SET, set_body("/a", b"1"));
    }
    world.run(150);
    let [(7, HandOverOutcome::GivenUp { .. })] = &world.answers[..] else { panic!("{:?}", world.answers) };
    for sid in (1..=3).filter(|sid| *sid != leader) {
        world.sync_disk(sid);
    }
    world.run(2000);
    let leader = world.leader().expect("a leader of the next epoch");
    let conn = world.connect(leader, None);
    world.next_frame(leader, conn).unwrap();
    world.send(leader, conn, 1, SET, set_body("/a", b"2"));
    world.drain();
    assert_eq!(world.next_frame(leader, conn).unwrap().2, 0);
}
