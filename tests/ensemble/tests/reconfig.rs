//! Ensembles whose members change while they serve.
//!
//! `ZOOKUBE_TEST_ROUNDS` sets how often the long sequence runs (1). Each of its steps prints the longest pause in the writes.

#![allow(clippy::print_stdout, reason = "the pause of each step is what a person runs this for")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ensemble::changing::Changing;
use ensemble::load::Load;
use ensemble::tree;
use support::ServerKind::{self, Apache38, Apache39, Zookube};
use support::ensemble::Role;
use support::session::{Failure, Mode, Reconfig, Session};
use support::{wait, words};

const LIMIT: Duration = Duration::from_secs(90);
/// How long a sequence of changes may take.
const SEQUENCE_LIMIT: Duration = Duration::from_secs(1800);
const WRITES: u64 = 40;
const PARTICIPANT: &str = "participant";
const OBSERVER: &str = "observer";

fn rounds() -> u32 {
    let text = std::env::var("ZOOKUBE_TEST_ROUNDS").unwrap_or_else(|_| "1".to_owned());
    text.parse().unwrap_or_else(|e| panic!("ZOOKUBE_TEST_ROUNDS={text}: {e}"))
}

/// Who said that it leads, by epoch, for as long as it is watched.
struct Leaders {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<BTreeMap<u64, SocketAddr>>,
}

impl Leaders {
    fn watch(addrs: Vec<SocketAddr>) -> Leaders {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watcher = std::thread::spawn(move || {
            let mut by_epoch = BTreeMap::new();
            let stopped = wait::poll(SEQUENCE_LIMIT, || {
                for &addr in &addrs {
                    let Some(srvr) = words::ask(addr, "srvr").filter(|srvr| srvr.contains("Mode: leader")) else {
                        continue;
                    };
                    let zxid = srvr.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
                    let zxid = zxid.and_then(|zxid| u64::from_str_radix(zxid, 16).ok()).expect("srvr has a zxid");
                    let leader = *by_epoch.entry(zxid >> 32).or_insert(addr);
                    assert_eq!(leader, addr, "two leaders in epoch {}", zxid >> 32);
                }
                stopped.load(Ordering::Relaxed).then_some(())
            });
            assert!(stopped.is_some(), "the sequence takes longer than {SEQUENCE_LIMIT:?}");
            by_epoch
        });
        Leaders { stop, watcher }
    }

    fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).len()
    }
}

/// What an ensemble has at one stage of the sequence: voters and observers.
type Stage = (&'static [u8], &'static [u8]);

const SEQUENCE: [Stage; 6] =
    [(&[1], &[]), (&[1, 2, 3], &[6]), (&[1, 2, 3, 4, 5], &[6, 7]), (&[3, 4, 5], &[7]), (&[5], &[]), (&[5, 1, 2], &[6])];

/// One run of the sequence; `kind` says which program a server is.
fn grow_and_shrink(kind: impl Fn(u8) -> ServerKind) {
    let mut servers = Changing::with_places(1..=7);
    let mut load: Option<Load> = None;
    let mut leaders = None;
    let (mut voters, mut observers): Stage = (&[], &[]);
    for (next_voters, next_observers) in SEQUENCE {
        let begun = Instant::now();
        if voters.is_empty() {
            servers.start_new(kind(next_voters[0]), next_voters[0], PARTICIPANT, &[]);
            servers.wait_settled(next_voters);
            load = Some(Load::start(&servers.addrs(), 4));
            leaders = Some(Leaders::watch(servers.addrs()));
        } else {
            let members: Vec<u8> = voters.iter().chain(observers).copied().collect();
            let coming =
                |now: &'static [u8], role| now.iter().filter(|id| !members.contains(id)).map(move |id| (*id, role));
            for (id, role) in coming(next_voters, PARTICIPANT).chain(coming(next_observers, OBSERVER)) {
                servers.start_new(kind(id), id, role, &members);
                servers.join(id, role);
            }
            let going = |id: &&u8| !next_voters.contains(id) && !next_observers.contains(id);
            let going: Vec<u8> = members.iter().filter(going).copied().collect();
            if !going.is_empty() {
                servers.leave(&going);
                for id in going {
                    servers.servers.remove(&id).expect("it was there").terminate();
                }
            }
        }
        (voters, observers) = (next_voters, next_observers);
        let load = load.as_mut().expect("it has begun");
        let members: Vec<u8> = voters.iter().chain(observers).copied().collect();
        let leader = servers.wait_settled(&members);
        load.progress(WRITES, LIMIT);
        let (changed, killed) = (load.longest_gap(begun), Instant::now());
        servers.servers.get_mut(&leader).expect("a member").kill_9();
        if voters.len() > 1 {
            load.progress(WRITES, LIMIT);
        }
        let gap = load.longest_gap(killed);
        servers.servers.get_mut(&leader).expect("a member").start();
        servers.wait_settled(&members);
        load.progress(WRITES, LIMIT);
        let gap = if voters.len() > 1 { gap } else { load.longest_gap(killed) };
        println!(
            "voters {voters:?}, observers {observers:?}: longest pause {} ms while changing, {} ms after kill -9 of leader {leader}",
            changed.as_millis(),
            gap.as_millis()
        );
    }
    let members: Vec<SocketAddr> = servers.servers.values().map(support::Server::addr).collect();
    let outcome = load.expect("it has begun").finish();
    let records: Vec<_> = outcome.iter().map(|(record, _)| record.clone()).collect();
    tree::assert_kept(&members, &records);
    tree::assert_equal(&members);
    println!("{} epochs, one leader in each", leaders.expect("they are watched").finish());
}

#[test]
fn one_to_three_to_five_to_three_to_one_to_three() {
    for _ in 0..rounds() {
        grow_and_shrink(|_| Zookube);
    }
}

#[test]
fn the_same_with_a_majority_of_apaches() {
    grow_and_shrink(|id| match id {
        1 | 5 | 7 => Zookube,
        2 | 6 => Apache38,
        _ => Apache39,
    });
}

/// The configuration as a server has it, when it has caught up.
fn config_of(servers: &Changing, id: u8) -> String {
    let mut session = Session::open_any(&[servers.servers[&id].addr()], 30_000, LIMIT);
    session.sync().expect("sync");
    String::from_utf8(session.get("/zookeeper/config").expect("get").0).expect("text")
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut servers = Changing::with_places(1..=4);
    for id in 1..=3 {
        servers.start_new(Zookube, id, PARTICIPANT, &[1, 2, 3]);
    }
    servers.wait_settled(&[1, 2, 3]);
    let before = config_of(&servers, 1);
    let mut session = Session::open_any(&servers.addrs(), 30_000, LIMIT);
    let absent = servers.line(4, PARTICIPANT);
    let mut refused = |request: Reconfig<'_>, code: i32| {
        assert_eq!(session.reconfig(&request), Err(Failure::Code(code)), "{request:?}");
    };
    refused(Reconfig { version: 7, ..Reconfig::NOTHING }, -103);
    refused(Reconfig { leaving: Some("1,2,3"), ..Reconfig::NOTHING }, -8);
    refused(Reconfig { joining: Some("server.4=127.0.0.1:1:2"), ..Reconfig::NOTHING }, -8);
    refused(Reconfig { members: Some("tickTime=3"), ..Reconfig::NOTHING }, -8);
    refused(Reconfig { leaving: Some("x"), ..Reconfig::NOTHING }, -5);
    // Nobody is there to join, and the two that stay could not be told from the two that go.
    refused(Reconfig { joining: Some(&absent), leaving: Some("1,2,3"), ..Reconfig::NOTHING }, -13);
    for id in 1..=3 {
        assert_eq!(config_of(&servers, id), before, "on server {id}");
    }
}

/// The server says that it follows, and the configuration that it does not vote.
fn assert_follows_without_a_vote(servers: &Changing, id: u8) {
    wait::until("a server that is no member to follow", LIMIT, || (servers.role(id) == Role::Follower).then_some(()));
    assert!(!config_of(servers, id).contains(&format!("server.{id}=")), "server {id} is a member");
}

#[test]
fn who_is_in_no_list_waits_follows_and_is_let_in_without_a_restart() {
    let mut servers = Changing::with_places(1..=4);
    // Nobody is there yet: it waits.
    servers.start_joining(4, &[1, 2, 3]);
    for id in 1..=3 {
        servers.start_new(Zookube, id, PARTICIPANT, &[1, 2, 3]);
    }
    servers.wait_settled(&[1, 2, 3]);
    assert_follows_without_a_vote(&servers, 4);
    let pid = servers.servers[&4].pid();
    // Its vote does not count: with two of three members away, it and the third are no quorum.
    let (gone, stays) = ([1, 2], [3]);
    for id in gone {
        servers.servers.get_mut(&id).expect("a member").kill_9();
    }
    wait::until("a server without a quorum to stop serving", LIMIT, || {
        (servers.role(stays[0]) == Role::None && servers.role(4) == Role::None).then_some(())
    });
    for id in gone {
        servers.servers.get_mut(&id).expect("a member").start();
    }
    servers.wait_settled(&[1, 2, 3, 4]);
    servers.join(4, PARTICIPANT);
    servers.wait_settled(&[1, 2, 3, 4]);
    // Now it counts, and it can lead.
    servers.leave(&[1, 2, 3]);
    assert_eq!(servers.wait_settled(&[4]), 4);
    assert_eq!(servers.servers[&4].pid(), pid, "it was not started again");
}

#[test]
fn who_was_let_go_of_and_starts_again_follows_and_can_come_back() {
    let mut servers = Changing::with_places(1..=3);
    for id in 1..=3 {
        servers.start_new(Zookube, id, PARTICIPANT, &[1, 2, 3]);
    }
    servers.wait_settled(&[1, 2, 3]);
    servers.leave(&[2]);
    let mut session = Session::open_any(&[servers.servers[&1].addr()], 30_000, LIMIT);
    session.create("/while-it-was-away", b"", Mode::Persistent).expect("create");
    servers.servers.get_mut(&2).expect("it was a member").terminate();
    servers.servers.get_mut(&2).expect("it was a member").start();
    assert_follows_without_a_vote(&servers, 2);
    servers.join(2, PARTICIPANT);
    servers.wait_settled(&[1, 2, 3]);
    tree::assert_equal(&servers.addrs());
}

#[test]
fn a_member_without_its_disk_does_not_vote_before_it_has_followed() {
    let mut servers = Changing::with_places(1..=3);
    for id in 1..=3 {
        servers.start_new(Zookube, id, PARTICIPANT, &[1, 2, 3]);
    }
    servers.wait_settled(&[1, 2, 3]);
    // Server 1 misses a write; 2 and 3 have it. 3 loses its disk, 2 is down: nobody is left who knows of the write.
    servers.servers.get_mut(&1).expect("a member").kill_9();
    servers.wait_settled(&[2, 3]);
    let mut session = Session::open_any(&[servers.servers[&2].addr()], 30_000, LIMIT);
    session.create("/acknowledged", b"", Mode::Persistent).expect("create");
    for id in [2, 3] {
        servers.servers.get_mut(&id).expect("a member").kill_9();
    }
    servers.start_new(Zookube, 3, PARTICIPANT, &[1, 2, 3]);
    servers.servers.get_mut(&1).expect("a member").start();
    wait::until("the server without data to say that it does not vote", LIMIT, || {
        let log = std::fs::read_to_string(servers.servers[&3].log_file()).unwrap_or_default();
        log.contains("this server has no data, and others have").then_some(())
    });
    assert_eq!((servers.role(1), servers.role(3)), (Role::None, Role::None));
    servers.servers.get_mut(&2).expect("a member").start();
    servers.wait_settled(&[1, 2, 3]);
    for id in 1..=3 {
        let mut session = Session::open_any(&[servers.servers[&id].addr()], 30_000, LIMIT);
        session.sync().expect("sync");
        session.get("/acknowledged").expect("what was acknowledged is there");
    }
}

/// Three voters that follow one leader, and which it is.
fn three() -> (Changing, u8) {
    let mut servers = Changing::with_places(1..=4);
    for id in 1..=3 {
        servers.start_new(Zookube, id, PARTICIPANT, &[1, 2, 3]);
    }
    let leader = servers.wait_settled(&[1, 2, 3]);
    (servers, leader)
}

fn wait_role(servers: &Changing, id: u8, role: Role) {
    wait::until("a server to get its new role", LIMIT, || (servers.role(id) == role).then_some(()));
}

#[test]
fn voters_become_observers_and_voters_again() {
    let (mut servers, leader) = three();
    let mut load = Load::start(&servers.addrs(), 3);
    let follower = if leader == 1 { 2 } else { 1 };
    servers.join(follower, OBSERVER);
    wait_role(&servers, follower, Role::Observer);
    servers.join(follower, PARTICIPANT);
    wait_role(&servers, follower, Role::Follower);
    // The leader too: somebody else leads then, and it observes.
    servers.join(leader, OBSERVER);
    wait_role(&servers, leader, Role::Observer);
    let next = servers.wait_settled(&[1, 2, 3]);
    assert_ne!(next, leader);
    servers.join(leader, PARTICIPANT);
    wait_role(&servers, leader, Role::Follower);
    load.progress(WRITES, LIMIT);
    let outcome = load.finish();
    let records: Vec<_> = outcome.iter().map(|(record, _)| record.clone()).collect();
    let members: Vec<SocketAddr> = servers.servers.values().map(support::Server::addr).collect();
    tree::assert_kept(&members, &records);
}

#[test]
fn a_server_moves_to_other_ports_while_it_runs() {
    for moves_the_leader in [false, true] {
        let (mut servers, leader) = three();
        let id = if moves_the_leader { leader } else { leader % 3 + 1 };
        let old = servers.servers[&id].addr();
        let mut session = Session::open_any(&[old], 30_000, LIMIT);
        session.create("/before", b"", Mode::Ephemeral).expect("create");
        let new = servers.give_ports(id);
        let line = servers.line(id, PARTICIPANT);
        servers.change(&Reconfig { joining: Some(&line), ..Reconfig::NOTHING }, |text| text.contains(&line));
        wait::until("the server to serve at its new port, and no longer at the old one", LIMIT, || {
            (words::srvr_field(new, "Mode").is_some() && words::ask(old, "ruok").is_none()).then_some(())
        });
        // The session goes on there, and elections find it at its new place.
        session.reconnect_any(&[new], LIMIT).expect("the session is there");
        session.get("/before").expect("its ephemeral is there");
        let leads = wait::until("a leader", LIMIT, || {
            (1..=3).find(|other| *other != id && servers.role(*other) == Role::Leader).or((words::srvr_field(
                new, "Mode",
            )
            .as_deref()
                == Some("leader"))
            .then_some(id))
        });
        let gone = if leads == id { leads % 3 + 1 } else { leads };
        servers.servers.get_mut(&gone).expect("a member").kill_9();
        let stays = (1..=3).find(|other| *other != id && *other != gone).expect("a third");
        wait::until("the two that are left to elect", LIMIT, || {
            let modes = [words::srvr_field(new, "Mode")?, words::srvr_field(servers.servers[&stays].addr(), "Mode")?];
            (modes.iter().any(|mode| mode == "leader") && modes.iter().any(|mode| mode == "follower")).then_some(())
        });
    }
}

#[test]
fn groups_and_weights_come_and_go() {
    let (servers, _) = three();
    let lines: Vec<String> = (1..=3).map(|id| servers.line(id, PARTICIPANT)).collect();
    let grouped = format!("{},group.1=1:2:3,weight.1=3,weight.2=1,weight.3=1", lines.join(","));
    let text =
        servers.change(&Reconfig { members: Some(&grouped), ..Reconfig::NOTHING }, |text| text.contains("group.1"));
    assert!(text.contains("weight.1=3\n"), "{text}");
    let mut session = Session::open_any(&servers.addrs(), 30_000, LIMIT);
    let one_by_one = Reconfig { leaving: Some("3"), ..Reconfig::NOTHING };
    assert_eq!(session.reconfig(&one_by_one), Err(Failure::Code(-8)), "with groups all members are named");
    // Server 1 weighs more than the two others: it is a quorum by itself.
    let mut servers = servers;
    for id in [2, 3] {
        servers.servers.get_mut(&id).expect("a member").kill_9();
    }
    assert_eq!(servers.wait_settled(&[1]), 1);
    let mut session = Session::open_any(&[servers.servers[&1].addr()], 30_000, LIMIT);
    session.create("/alone", b"", Mode::Persistent).expect("create");
    for id in [2, 3] {
        servers.servers.get_mut(&id).expect("a member").start();
    }
    servers.wait_settled(&[1, 2, 3]);
    let plain = lines.join("\n");
    servers.change(&Reconfig { members: Some(&plain), ..Reconfig::NOTHING }, |text| !text.contains("group.1"));
    servers.wait_settled(&[1, 2, 3]);
}

#[test]
fn the_volume_of_another_ensemble_is_refused_or_moved_aside() {
    let (mut servers, _) = three();
    for id in 1..=3 {
        let server = servers.servers.get_mut(&id).expect("a member");
        server.terminate();
        server.reconfigure("volume.clusterId", "a");
        server.start();
    }
    let leader = servers.wait_settled(&[1, 2, 3]);
    let mut session = Session::open_any(&servers.addrs(), 30_000, LIMIT);
    session.create("/kept", b"", Mode::Persistent).expect("create");
    let id = leader % 3 + 1;
    let server = servers.servers.get_mut(&id).expect("a member");
    server.terminate();
    server.reconfigure("volume.clusterId", "b");
    server.start();
    wait::until("the server to refuse its volume", LIMIT, || (!server.is_running()).then_some(()));
    let said = server.log_tail();
    assert!(said.contains("it belongs to ensemble a, and this is b") && said.contains("hint: "), "{said}");
    server.reconfigure("volume.foreign", "setAside");
    server.start();
    servers.wait_settled(&[1, 2, 3]);
    // It has begun without data, and has everything from the leader.
    tree::assert_equal(&servers.addrs()[..3]);
    let data_dir = servers.servers[&id].data_dir();
    let names =
        std::fs::read_dir(data_dir).expect("a data directory").map(|entry| entry.expect("an entry").file_name());
    let aside = names.filter(|name| name.to_string_lossy().starts_with(".set-aside-")).count();
    assert_eq!(aside, 1, "nothing is deleted");
}
