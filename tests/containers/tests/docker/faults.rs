//! What happens to containers. Whatever was acknowledged before and during it is there afterwards.

use containers::container::PATIENCE;
use containers::engine::engine;
use containers::images::Flavour;
use containers::trio::Trio;
use ensemble::load::Load;
use ensemble::tree;
use support::{Role, wait};

/// Writers while things happen.
const WRITERS: usize = 2;

/// Acknowledgements for each writer before and after.
const SOME: u64 = 30;

fn trio() -> Trio {
    engine();
    Trio::start(Flavour::Zookube.image())
}

/// Loses the leader in the way of `lose`, sees the others elect and go on, brings it back with `find` and sees it follow.
fn lose_and_find(lose: impl FnOnce(&mut Trio, usize), find: impl FnOnce(&mut Trio, usize)) {
    let mut trio = trio();
    let addrs = trio.addrs();
    let lost = trio.wait_settled();
    let mut load = Load::start(&addrs, WRITERS);
    load.progress(SOME, PATIENCE);

    let since = std::time::Instant::now();
    lose(&mut trio, lost);
    let leader = trio.wait_leader_without(lost);
    load.progress(SOME, PATIENCE);
    println!("longest pause of a writer: {} ms", load.longest_gap(since).as_millis());

    find(&mut trio, lost);
    wait::until("the lost leader to follow", PATIENCE, || (trio.members[lost].role() == Role::Follower).then_some(()));
    assert_eq!(trio.members[leader].role(), Role::Leader, "a leader that comes back does not take over");
    load.progress(SOME, PATIENCE);
    finish(&trio, load);
}

fn finish(trio: &Trio, load: Load) {
    trio.wait_settled();
    let outcome = load.finish();
    let records: Vec<_> = outcome.iter().map(|(record, _)| record.clone()).collect();
    tree::assert_kept(&trio.addrs(), &records);
    // With every session and ephemeral still in it, the tree is the same everywhere.
    tree::assert_equal(&trio.addrs());
    drop(outcome);
}

#[test]
fn the_leader_is_killed() {
    lose_and_find(
        |trio, lost| drop(trio.members[lost].container().tell(&["kill"])),
        |trio, lost| drop(trio.members[lost].container().tell(&["start"])),
    );
}

#[test]
fn the_leader_is_paused() {
    lose_and_find(
        |trio, lost| drop(trio.members[lost].container().tell(&["pause"])),
        |trio, lost| drop(trio.members[lost].container().tell(&["unpause"])),
    );
}

#[test]
fn the_leader_is_disconnected() {
    lose_and_find(
        |trio, lost| trio.network.disconnect(trio.members[lost].container().name()),
        |trio, lost| {
            let member = &trio.members[lost];
            trio.network.connect(member.container().name(), member.addr, &member.name);
        },
    );
}

/// Removed with `docker rm --force` and made again elsewhere: its name is all that stays, and the volume.
#[test]
fn the_leader_comes_back_with_a_new_address() {
    let mut trio = trio();
    let lost = trio.wait_settled();
    let mut load = Load::start(&trio.addrs(), WRITERS);
    load.progress(SOME, PATIENCE);
    trio.remove(lost);
    trio.wait_leader_without(lost);
    load.progress(SOME, PATIENCE);
    let addr = trio.network.next_address();
    trio.create_again(lost, addr);
    trio.wait_settled();
    assert_eq!(trio.members[lost].role(), Role::Follower);

    // With the other follower down the majority needs the new address.
    let leader = trio.wait_settled();
    let other = 3 - lost - leader;
    trio.members[other].container().tell(&["kill"]);
    load.progress(SOME, PATIENCE);
    trio.members[other].container().tell(&["start"]);
    trio.wait_settled();
    finish(&trio, load);
}

#[test]
fn all_are_restarted() {
    let mut trio = trio();
    trio.wait_settled();
    let mut load = Load::start(&trio.addrs(), WRITERS);
    load.progress(SOME, PATIENCE);
    let names: Vec<&str> = trio.members.iter().map(|member| member.container().name()).collect();
    engine().docker(&[&["restart", "--time=5"], &names[..]].concat());
    trio.wait_settled();
    load.progress(SOME, PATIENCE);

    // And once more the hard way: the containers are gone, the volumes are not.
    for index in 0..3 {
        trio.remove(index);
    }
    for index in 0..3 {
        let addr = trio.members[index].addr;
        trio.create_again(index, addr);
    }
    trio.wait_settled();
    load.progress(SOME, PATIENCE);
    finish(&trio, load);
}
