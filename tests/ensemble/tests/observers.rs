//! Observers that hang on followers: what they serve, how they change from one to the other, and that ours and Apache's may be
//! on either side.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ensemble::load::Load;
use ensemble::tree;
use support::ServerKind::{Apache39, Zookube};
use support::client::{ConnectRequest, RawClient, Received};
use support::ensemble::Plan;
use support::jute::{Decoder, Encoder};
use support::ports::free_port;
use support::session::{Failure, Mode, NO_NODE, Session};
use support::{Ensemble, Role, Server, ServerKind, wait, words};

const LIMIT: Duration = Duration::from_secs(90);
const WRITES: u64 = 60;
/// Pings pass through two servers on their way to the leader, with a tick of 1000 ms.
const TIMEOUT_MS: i32 = 4_000;
const TIMEOUT: Duration = Duration::from_millis(TIMEOUT_MS as u64);

fn figure(server: &Server, name: &str) -> Option<i64> {
    let mntr = words::ask(server.addr(), "mntr")?;
    let line = mntr.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The index of the server that an observer hangs on.
fn master_of(ensemble: &Ensemble, observer: usize) -> Option<usize> {
    let id = figure(&ensemble.servers[observer], "zk_observer_master_id")?;
    usize::try_from(id - 1).ok()
}

/// Waits until the observer hangs on one of these; returns which.
fn wait_for_master(ensemble: &Ensemble, observer: usize, candidates: &[usize]) -> usize {
    wait::until(&format!("observer {} to hang on one of {candidates:?}", observer + 1), LIMIT, || {
        master_of(ensemble, observer).filter(|master| candidates.contains(master))
    })
}

fn followers(ensemble: &Ensemble) -> Vec<usize> {
    (0..3).filter(|&index| ensemble.role(index) == Role::Follower).collect()
}

/// Three voters and observers, where the servers of these ids have the port for observers. The last voter leads.
fn start(voters: [ServerKind; 3], observers: &[ServerKind], with_port: &[usize]) -> Ensemble {
    let port = free_port();
    let mut plan = observers.iter().fold(Plan::voters(&voters).own_addresses(), |plan, kind| plan.observer(*kind));
    for id in with_port {
        plan = plan.set_on(*id, "observerMasterPort", port);
    }
    let mut ensemble = plan.prepare();
    ensemble.servers[2].start();
    ensemble.servers[2].wait_electing();
    ensemble.servers[1].start();
    assert_eq!(ensemble.wait_settled(), 2, "equal histories: the larger id leads");
    ensemble.servers[0].start();
    ensemble.wait_settled();
    for observer in &mut ensemble.servers[3..] {
        observer.start();
    }
    ensemble.wait_settled();
    ensemble
}

/// Every write that a writer through an observer was told of is on every server.
fn finish(ensemble: &mut Ensemble, mut load: Load) {
    ensemble.wait_settled();
    load.progress(WRITES, LIMIT);
    let outcome = load.finish();
    let records: Vec<_> = outcome.iter().map(|(record, _)| record.clone()).collect();
    tree::assert_kept(&ensemble.addrs(), &records);
    tree::assert_equal(&ensemble.addrs());
}

/// Waits for the event of a watch on `path` that is set through `addr` and set off by `change`.
fn watch_through(addr: SocketAddr, path: &str, change: impl FnOnce()) {
    let mut client = RawClient::connect(addr).expect("a connection");
    client.send_frame(&ConnectRequest::new_session(30_000).encode());
    assert!(matches!(client.receive(LIMIT), Received::Frame(_)), "no session through {addr}");
    client.send_frame(&Encoder::new().int(1).int(3).string(path).bool(true).0);
    assert!(matches!(client.receive(LIMIT), Received::Frame(_)), "no answer to exists through {addr}");
    change();
    let Received::Frame(event) = client.receive(LIMIT) else { panic!("no event through {addr}") };
    let mut event = Decoder::new(&event);
    assert_eq!(event.int(), Ok(-1), "a watch event's xid");
}

#[test]
fn observers_hang_on_followers_and_change_to_another() {
    let mut ensemble = start([Zookube; 3], &[Zookube, Zookube], &[1, 2, 3, 4, 5]);
    let masters = [3, 4].map(|observer| wait_for_master(&ensemble, observer, &[0, 1]));
    assert_ne!(masters[0], masters[1], "each follower has one");
    wait::until("the followers to count them", LIMIT, || {
        (0..2).all(|index| figure(&ensemble.servers[index], "zk_synced_observers") == Some(1)).then_some(())
    });
    assert_eq!(figure(&ensemble.servers[2], "zk_synced_observers"), Some(0), "the leader has none");
    assert_eq!(figure(&ensemble.servers[2], "zk_learners"), Some(2), "the leader serves the followers alone");

    let observer = ensemble.servers[3].addr();
    let mut other = Session::open_any(&[ensemble.servers[2].addr()], 30_000, LIMIT);
    watch_through(observer, "/watched", || {
        other.create("/watched", b"", Mode::Persistent).expect("create through the leader");
    });
    let mut session = Session::open_any(&[observer], 30_000, LIMIT);
    session.create("/mine", b"", Mode::Ephemeral).expect("create through the observer");
    other.set("/watched", b"new").expect("set through the leader");
    session.sync().expect("sync through the observer");
    assert_eq!(session.get("/watched").expect("get").0, b"new", "what sync promises");

    let mut load = Load::start(&ensemble.addrs()[3..], 4);
    load.progress(WRITES, LIMIT);
    ensemble.servers[masters[0]].kill_9();
    wait_for_master(&ensemble, 3, &[masters[1]]);
    load.progress(WRITES, LIMIT);
    session.reconnect_any(&[observer], LIMIT).expect("the session has outlived the master");
    session.set("/mine", b"still").expect("set through the other master");
    ensemble.servers[masters[0]].start();
    ensemble.wait_settled();
    session.close().expect("close");
    wait::until("the ephemeral to go with its session", LIMIT, || {
        (other.get("/mine") == Err(Failure::Code(NO_NODE))).then_some(())
    });
    finish(&mut ensemble, load);
}

#[test]
fn observers_come_through_a_change_of_leaders() {
    let mut ensemble = start([Zookube; 3], &[Zookube, Zookube], &[1, 2, 3, 4, 5]);
    let mut load = Load::start(&ensemble.addrs()[3..], 4);
    load.progress(WRITES, LIMIT);
    ensemble.servers[2].kill_9();
    let leader = ensemble.wait_settled();
    assert!(leader < 2, "one of the followers leads, not {leader}");
    load.progress(WRITES, LIMIT);
    for observer in 3..5 {
        assert_ne!(master_of(&ensemble, observer), Some(leader), "there is a follower to hang on");
    }
    ensemble.servers[2].start();
    finish(&mut ensemble, load);
}

/// Without a port on the followers observers are not lost: the leader takes them.
#[test]
fn the_leader_takes_observers_that_find_no_master() {
    let ensemble = start([Zookube; 3], &[Zookube], &[4]);
    assert_eq!(wait_for_master(&ensemble, 3, &[2]), 2);
}

#[test]
fn a_new_observer_gets_a_snapshot_from_its_master() {
    let plan = Plan::voters(&[Zookube; 3]).own_addresses().observer(Zookube);
    let mut ensemble = plan.set("observerMasterPort", free_port()).prepare();
    for server in &mut ensemble.servers[..3] {
        server.start();
    }
    ensemble.wait_settled();
    let mut writer = Session::open_any(&[ensemble.servers[0].addr()], 30_000, LIMIT);
    writer.create("/large", b"", Mode::Persistent).expect("create");
    // More than the history keeps: 500 transactions and 16 MiB.
    for _ in 0..550 {
        writer.set("/large", &[7; 40_000]).expect("set");
    }
    ensemble.servers[3].start();
    ensemble.wait_settled();
    let master = wait_for_master(&ensemble, 3, &followers(&ensemble));
    assert_eq!(figure(&ensemble.servers[master], "zk_snap_count"), Some(1), "by a snapshot");
    tree::assert_equal(&ensemble.addrs());
}

#[test]
fn sessions_of_observers_live_as_long_as_they_ping() {
    let ensemble = start([Zookube; 3], &[Zookube], &[1, 2, 3, 4]);
    wait_for_master(&ensemble, 3, &[0, 1]);
    pings_and_falls_silent(&ensemble, 3);
}

fn pings_and_falls_silent(ensemble: &Ensemble, observer: usize) {
    let mut session = Session::open_any(&[ensemble.servers[observer].addr()], TIMEOUT_MS, LIMIT);
    session.create("/pings", b"", Mode::Ephemeral).expect("create");
    let (end, mut next) = (Instant::now() + 3 * TIMEOUT, Instant::now());
    wait::until("three timeouts to pass", LIMIT, || {
        if Instant::now() >= next {
            next = Instant::now() + TIMEOUT / 4;
            session.ping().expect("a ping's answer through the observer");
        }
        (Instant::now() >= end).then_some(())
    });
    let mut watcher = Session::open_any(&[ensemble.servers[2].addr()], 30_000, LIMIT);
    watcher.get("/pings").expect("the ephemeral of a session that pings");
    session.disconnect();
    wait::until("the silent session to expire", LIMIT, || {
        (watcher.get("/pings") == Err(Failure::Code(NO_NODE))).then_some(())
    });
}

/// One of ours and one of Apache's, on either side of the port: server 1 is the only master, server 3 leads.
fn mixed(voters: [ServerKind; 3], observer: ServerKind) {
    let mut ensemble = start(voters, &[observer], &[1, 4]);
    wait_for_observer(&ensemble);
    let addr = ensemble.servers[3].addr();
    let mut other = Session::open_any(&[ensemble.servers[2].addr()], 30_000, LIMIT);
    watch_through(addr, "/watched", || {
        other.create("/watched", b"", Mode::Persistent).expect("create through the leader");
    });
    let mut load = Load::start(&[addr, ensemble.servers[1].addr()], 4);
    load.progress(WRITES, LIMIT);
    let mut session = Session::open_any(&[addr], 30_000, LIMIT);
    session.create("/mine", b"", Mode::Ephemeral).expect("create through the observer");
    other.set("/watched", b"new").expect("set through the leader");
    session.sync().expect("sync through the observer");
    assert_eq!(session.get("/watched").expect("get").0, b"new", "what sync promises");

    // The session moves to its observer's master and back, and outlives the observer.
    session.reconnect_any(&[ensemble.servers[0].addr()], LIMIT).expect("the master knows the session");
    session.set("/mine", b"1").expect("set through the master");
    session.reconnect_any(&[addr], LIMIT).expect("the observer asks for the session");
    session.set("/mine", b"2").expect("set through the observer");
    ensemble.servers[3].kill_9();
    load.progress(WRITES, LIMIT);
    ensemble.servers[3].start();
    ensemble.wait_settled();
    wait_for_observer(&ensemble);
    session.reconnect_any(&[addr], LIMIT).expect("the session has outlived the observer");
    session.set("/mine", b"3").expect("set through the observer that has come again");
    session.close().expect("close");
    pings_and_falls_silent(&ensemble, 3);
    finish(&mut ensemble, load);
}

/// Until server 1 counts the observer. One of ours goes to the leader where it finds no master, so that must be the first it
/// finds: the only follower with a port is.
fn wait_for_observer(ensemble: &Ensemble) {
    wait::until("the master to have its observer", LIMIT, || {
        (figure(&ensemble.servers[0], "zk_synced_observers") == Some(1)).then_some(())
    });
}

#[test]
fn an_apache_observer_on_our_follower_of_our_leader() {
    mixed([Zookube, Zookube, Zookube], Apache39);
}

#[test]
fn an_apache_observer_on_our_follower_of_an_apache_leader() {
    mixed([Zookube, Apache39, Apache39], Apache39);
}

#[test]
fn our_observer_on_an_apache_follower_of_an_apache_leader() {
    mixed([Apache39, Apache39, Apache39], Zookube);
}

#[test]
fn our_observer_on_an_apache_follower_of_our_leader() {
    mixed([Apache39, Zookube, Zookube], Zookube);
}
