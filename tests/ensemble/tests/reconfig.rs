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
use support::session::{Failure, Reconfig, Session};
use support::words;

const LIMIT: Duration = Duration::from_secs(90);
const WRITES: u64 = 40;
const PARTICIPANT: &str = "participant";
/// How often the leaders are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
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
            while !stopped.load(Ordering::Relaxed) {
                for &addr in &addrs {
                    let Some(srvr) = words::ask(addr, "srvr").filter(|srvr| srvr.contains("Mode: leader")) else {
                        continue;
                    };
                    let zxid = srvr.lines().find_map(|line| line.strip_prefix("Zxid: 0x"));
                    let zxid = zxid.and_then(|zxid| u64::from_str_radix(zxid, 16).ok()).expect("srvr has a zxid");
                    let leader = *by_epoch.entry(zxid >> 32).or_insert(addr);
                    assert_eq!(leader, addr, "two leaders in epoch {}", zxid >> 32);
                }
                // A look now and then is enough, and leaves the processors to the servers.
                std::thread::sleep(BETWEEN_LOOKS);
            }
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
