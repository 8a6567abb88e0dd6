//! A leader hands over: who leads then, what it takes, and how it fails.

use wire::ServerId;
use zab::quorum::Membership;

use crate::support::disk::{Entry, Lane};
use crate::support::world::{Weather, World};

const A_WHILE_MS: i64 = 5_000;
const OFFER: u64 = 1 << 50;

/// An ensemble of which the server with the greatest id leads, with something in its history.
fn led_by(leader: i64, membership: &str) -> World {
    let mut world = World::new(Membership::parse(membership).unwrap(), Weather::CALM, 1);
    for sid in world.down() {
        world.start(sid);
    }
    world.run(A_WHILE_MS);
    assert_eq!(leaders(&world), [ServerId(leader)]);
    for tag in 1..=3 {
        world.propose(ServerId(leader), tag);
    }
    world.run(A_WHILE_MS);
    world
}

fn voters(count: i64) -> String {
    (1..=count).map(|sid| format!("server.{sid}=zk{sid}:2888:3888:participant\n")).collect()
}

fn leaders(world: &World) -> Vec<ServerId> {
    let leads = |sid: &ServerId| {
        world.servers[sid].peer.as_ref().and_then(zab::Peer::leading).is_some_and(zab::Leading::is_broadcasting)
    };
    world.servers.keys().copied().filter(leads).collect()
}

/// Runs until another than this server leads, and answers who does.
fn next_leader(world: &mut World, old: i64) -> ServerId {
    let end = world.now.plus(A_WHILE_MS);
    loop {
        assert!(world.violation.is_none(), "{:?}", world.violation);
        if let [leader] = leaders(world)[..]
            && leader != ServerId(old)
        {
            return leader;
        }
        assert!(world.step(end), "nobody else leads");
    }
}

fn finish(world: &mut World) {
    world.run(A_WHILE_MS);
    assert!(world.violation.is_none(), "{:?}", world.violation);
}

#[test]
fn the_target_leads_whatever_its_id() {
    for target in 1..=4 {
        let mut world = led_by(5, &voters(5));
        // Proposals under way are committed first.
        for tag in 10..13 {
            world.propose(ServerId(5), tag);
        }
        assert_eq!(world.hand_over(ServerId(5), Some(ServerId(target)), OFFER, 1000), Ok(ServerId(target)));
        let begun = world.now;
        assert_eq!(next_leader(&mut world, 5), ServerId(target));
        assert!(world.now.since(begun) < 100, "it took {} ms of mere milliseconds", world.now.since(begun));
        assert_eq!((world.counts.handed_over, world.counts.given_up, world.counts.undecided), (1, 0, 0));
        finish(&mut world);
        assert!(world.is_complete());
        let tags: Vec<u64> = world.ledger.committed.iter().map(|entry| entry.tag).collect();
        assert_eq!(tags, [1, 2, 3, 10, 11, 12, OFFER], "the offer is the last of the target's history");
    }
}

/// Who notices the end of the leader last has missed the others' votes. It is told them again.
#[test]
fn nobody_waits_for_who_notices_the_end_last() {
    for seed in 0..40 {
        let weather = Weather { link_ms: (1, 60), ..Weather::CALM };
        let mut world = World::new(Membership::parse(&voters(3)).unwrap(), weather, seed);
        for sid in world.down() {
            world.start(sid);
        }
        world.run(A_WHILE_MS);
        let old = leaders(&world)[0];
        world.hand_over(old, None, OFFER, 1000).unwrap();
        while world.counts.handed_over == 0 {
            assert!(world.step(wire::Millis(i64::MAX)));
        }
        let begun = world.now;
        let settled = |world: &World| {
            let roles = world.servers.values().filter_map(|server| server.peer.as_ref());
            roles.filter(|peer| peer.leader().is_some_and(|leader| leader != old)).count()
        };
        while settled(&world) < 3 {
            assert!(world.step(wire::Millis(i64::MAX)));
        }
        // A link takes up to 60 ms to tell; a vote that were only repeated by the clock would take 200.
        assert!(world.now.since(begun) < 150, "seed {seed}: an election of {} ms", world.now.since(begun));
    }
}

#[test]
fn without_a_target_the_voter_that_has_acknowledged_most_leads() {
    let mut world = led_by(5, &voters(5));
    for slow in [2, 3, 4] {
        world.stall_disk(ServerId(slow), &[Lane::Log]);
    }
    world.propose(ServerId(5), 10);
    world.run(20);
    assert_eq!(world.hand_over(ServerId(5), None, OFFER, 1000), Ok(ServerId(1)));
}

#[test]
fn who_cannot_lead_is_refused() {
    let membership = format!(
        "{}server.5=zk5:2888:3888:observer\ngroup.1=1:2:3:4\nweight.1=0\nweight.2=1\nweight.3=1\nweight.4=1\n",
        voters(4)
    );
    let mut world = led_by(4, &membership);
    world.kill(ServerId(2));
    world.run(100);
    for (to, reason) in [
        (1, "server 1 has weight 0: such a voter is never elected"),
        (2, "server 2 is not in sync with this leader"),
        (4, "server 4 leads already"),
        (5, "server 5 is an observer: only a voter can lead"),
        (6, "server 6 is not a member of the ensemble"),
    ] {
        let found = world.hand_over(ServerId(4), Some(ServerId(to)), OFFER, 1000);
        assert_eq!(found.unwrap_err(), reason);
    }
    assert_eq!(world.hand_over(ServerId(4), None, OFFER, 1000), Ok(ServerId(3)), "not 1, which never leads");
    let again = world.hand_over(ServerId(4), None, OFFER + 1, 1000);
    assert_eq!(again.unwrap_err(), "a hand-over to server 3 is under way");
}

#[test]
fn a_leader_goes_on_where_its_proposals_are_not_committed_in_time() {
    let mut world = led_by(3, &voters(3));
    for slow in [1, 2] {
        world.stall_disk(ServerId(slow), &[Lane::Log]);
    }
    world.propose(ServerId(3), 10);
    world.hand_over(ServerId(3), None, OFFER, 200).unwrap();
    world.run(250);
    assert_eq!((world.counts.given_up, world.counts.undecided), (1, 0));
    assert_eq!(leaders(&world), [ServerId(3)]);
    for slow in [1, 2] {
        world.stall_disk(ServerId(slow), &[]);
    }
    // The zxid of the offer, which nobody was sent, is the next proposal's.
    world.propose(ServerId(3), 11);
    finish(&mut world);
    let tags: Vec<u64> = world.ledger.committed.iter().map(|entry| entry.tag).collect();
    assert_eq!(tags, [1, 2, 3, 10, 11]);
}

#[test]
fn a_leader_whose_offer_is_not_answered_ends_all_the_same() {
    let mut world = led_by(3, &voters(3));
    world.stall_disk(ServerId(1), &[Lane::Log]);
    world.hand_over(ServerId(3), Some(ServerId(1)), OFFER, 200).unwrap();
    let before = world.now;
    assert_eq!(world.counts.undecided, 0);
    next_leader_of_a_stalled_target(&mut world);
    assert!(world.now.since(before) >= 200);
    assert_eq!((world.counts.given_up, world.counts.undecided), (0, 1));
    world.stall_disk(ServerId(1), &[]);
    finish(&mut world);
    assert!(world.is_complete());
}

/// The old leader may lead again: only a later epoch tells.
fn next_leader_of_a_stalled_target(world: &mut World) {
    let end = world.now.plus(A_WHILE_MS);
    let established = world.counts.established;
    while world.counts.established == established {
        assert!(world.step(end), "nobody leads again");
    }
}

#[test]
fn what_the_target_alone_holds_is_not_committed_by_the_old_leader() {
    // Server 4 alone is a quorum, and the leader, which has come before it, is none.
    let membership = format!("{}group.1=1:2:3:4\nweight.1=1\nweight.2=1\nweight.3=1\nweight.4=9\n", voters(4));
    let mut world = led_by(4, &membership);
    world.hand_over(ServerId(4), Some(ServerId(3)), OFFER, 1000).unwrap();
    assert_eq!(next_leader(&mut world, 4), ServerId(3));
    finish(&mut world);
    world.hand_over(ServerId(3), Some(ServerId(4)), OFFER + 1, 1000).unwrap();
    let end = world.now.plus(A_WHILE_MS);
    while world.counts.handed_over == 1 {
        assert!(world.step(end), "it is not handed over");
        let is_offer = |entry: &Entry| entry.tag == OFFER + 1;
        assert!(!world.servers[&ServerId(3)].applied.iter().any(is_offer), "the old leader has committed the offer");
    }
    finish(&mut world);
    assert_eq!(leaders(&world), [ServerId(4)]);
}

#[test]
fn a_server_that_is_to_stop_hands_over_first() {
    let mut world = led_by(3, &voters(3));
    world.propose(ServerId(3), 10);
    world.hand_over(ServerId(3), Some(ServerId(1)), OFFER, 1000).unwrap();
    world.stop_after_hand_over(ServerId(3), 500);
    assert_eq!(next_leader(&mut world, 3), ServerId(1));
    assert!(world.servers[&ServerId(3)].peer.is_none(), "it runs on");
    assert_eq!((world.counts.handed_over, world.counts.stopped), (1, 1));
    finish(&mut world);
    assert!(world.ledger.committed.iter().any(|entry| entry.tag == 10));
}

#[test]
fn a_server_that_is_to_stop_stops_without_a_successor_too() {
    let mut world = led_by(3, &voters(3));
    for slow in [1, 2] {
        world.stall_disk(ServerId(slow), &[Lane::Log]);
    }
    world.propose(ServerId(3), 10);
    world.hand_over(ServerId(3), None, OFFER, 1000).unwrap();
    world.stop_after_hand_over(ServerId(3), 100);
    world.run(101);
    assert!(world.servers[&ServerId(3)].peer.is_none(), "it runs on");
    assert_eq!((world.counts.undecided, world.counts.stopped), (1, 1));
}
