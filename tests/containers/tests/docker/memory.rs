//! A server in 64 MB: it holds what fits, and says no before the kernel does.

use std::net::SocketAddr;

use containers::container::{Container, PATIENCE, Run};
use containers::engine::engine;
use containers::images::Flavour;
use containers::network::Network;
use containers::trio::{Id, Trio, zoo_servers};
use support::Role;
use support::jute::Encoder;
use support::session::{Failure, Mode, Session};
use support::wait;

/// What must fit (row 98 of the checklist).
const ZNODES: usize = 100_000;
const DATA_BYTES: usize = 100;

/// Creates in one multi: the answer to a hundred waits for one sync.
const BATCH: usize = 100;

/// Bounds the second part: far more than 64 MB can hold.
const LARGE_ZNODES_MAX: usize = 1_000;
const LARGE_BYTES: usize = 500_000;

fn multi_create(session: &mut Session, first: usize) {
    const MULTI: i32 = 14;
    const CREATE: i32 = 1;
    let data = [b'x'; DATA_BYTES];
    let mut enc = Encoder::new();
    for number in first..first + BATCH {
        enc = enc.int(CREATE).bool(false).int(-1);
        enc = enc.string(&format!("/many/{number:06}")).buffer(Some(&data));
        enc = enc.int(1).int(31).string("world").string("anyone").int(Mode::Persistent as i32);
    }
    enc = enc.int(-1).bool(true).int(-1);
    session.call(MULTI, &enc.0).unwrap_or_else(|e| panic!("creating znodes {first} and on: {e:?}"));
}

fn create_many(session: &mut Session, znodes: usize) {
    for batch in 0..znodes / BATCH {
        multi_create(session, batch * BATCH);
    }
}

/// A server in 64 MB without swap, with what must fit in it.
fn filled() -> (Network, Container, Session, SocketAddr) {
    engine();
    let network = Network::create();
    let addr = network.next_address();
    let run = Run::new(Flavour::Zookube.image()).at(&network, addr);
    let server = run.option("--memory=64m").option("--memory-swap=64m").start();
    let client = SocketAddr::from((addr, 2181));
    let mut session = Session::open_any(&[client], 30_000, PATIENCE);
    session.create("/many", b"", Mode::Persistent).expect("create");
    create_many(&mut session, ZNODES);
    assert_eq!(session.children("/many").expect("children").len(), ZNODES);
    println!("{ZNODES} znodes of {DATA_BYTES} bytes: {:?} bytes resident", server.resident_bytes());
    (network, server, session, client)
}

/// Creates large znodes until the server says no; returns how many it took.
fn overfill(server: &Container, session: &mut Session) -> usize {
    let large = vec![b'y'; LARGE_BYTES];
    let refused = (0..LARGE_ZNODES_MAX).find_map(|number| {
        match session.create(&format!("/large-{number}"), &large, Mode::Persistent) {
            Ok(_) => None,
            Err(failure) => Some((number, failure)),
        }
    });
    let (number, failure) = refused.expect("the server takes more than its memory");
    println!("znode {number} of {LARGE_BYTES} bytes: {failure:?}; {:?} bytes resident", server.resident_bytes());
    let state = || server.inspect()["State"].clone();
    assert!(matches!(failure, Failure::Code(_)), "an answer with an error code, not {failure:?}; {:#}", state());
    number
}

#[test]
fn growth_is_refused_before_the_kernel_kills() {
    let (_network, server, mut session, _) = filled();
    let taken = overfill(&server, &mut session);
    // It refuses to grow, and does everything else.
    assert_eq!(session.get("/many/000000").expect("get").0.len(), DATA_BYTES);
    for number in 0..taken {
        session.delete(&format!("/large-{number}")).expect("delete");
    }
    let large = vec![b'y'; LARGE_BYTES];
    let again = wait::poll(PATIENCE, || session.create("/again", &large, Mode::Persistent).ok());
    assert!(again.is_some(), "there is room again, and it is not used");
    let state = server.inspect();
    assert_eq!(state["State"]["OOMKilled"], false);
    assert_eq!(state["State"]["Running"], true);
}

/// What a server took it must be able to read again: from its disk, within the same limit.
#[test]
fn what_fits_can_be_read_again() {
    let (_network, server, mut session, client) = filled();
    overfill(&server, &mut session);
    server.tell(&["restart"]);
    let there = wait::poll(PATIENCE, || Session::open(client, 30_000).ok()?.children("/many").ok());
    let Some(there) = there else { panic!("it does not come up again: {:#}", server.inspect()["State"]) };
    assert_eq!(there.len(), ZNODES);
    assert_eq!(server.inspect()["State"]["OOMKilled"], false);
}

/// Of two trees like this one 64 MB hold one only: a server that gets the leader's in place of its own lets go of that first.
#[test]
fn a_snapshot_is_received_in_place_of_the_tree() {
    engine();
    let names = ["zk1", "zk2", "zk3"];
    let servers = format!("--env=ZOO_SERVERS={}", zoo_servers(&names));
    let options = [servers, "--memory=64m".to_owned(), "--memory-swap=64m".to_owned()];
    let trio = Trio::start_with(Flavour::Zookube.image(), &names, &options, Id::Told);
    let leader = trio.wait_settled();
    let mut session = Session::open_any(&[trio.addrs()[leader]], 30_000, PATIENCE);
    session.create("/many", b"", Mode::Persistent).expect("create");
    create_many(&mut session, ZNODES * 9 / 10);

    let late = &trio.members[(leader + 1) % names.len()];
    late.container().tell(&["stop"]);
    // More than the leader keeps for those who were away, and no more of a tree.
    session.create("/churned", b"", Mode::Persistent).expect("create");
    for round in 0..20_u8 {
        session.set("/churned", &vec![round; LARGE_BYTES / 2]).expect("set");
    }
    late.container().tell(&["start"]);
    let follows = wait::poll(PATIENCE, || (late.role() == Role::Follower).then_some(()));
    let state = late.container().inspect();
    assert!(follows.is_some(), "it does not follow: {:#}\n{}", state["State"], late.container().logs());
    assert_eq!(state["RestartCount"], 0);
    assert!(late.container().logs().contains("received a snapshot"), "{}", late.container().logs());
    let mut session = Session::open_any(&[late.client_addr()], 30_000, PATIENCE);
    session.sync().expect("sync");
    assert_eq!(session.children("/many").expect("children").len(), ZNODES * 9 / 10);
    println!("{:?} bytes resident behind the snapshot", late.container().resident_bytes());
}
