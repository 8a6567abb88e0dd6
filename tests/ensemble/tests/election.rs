//! Who leads when, and who is connected to whom.

use std::collections::BTreeSet;

use support::ensemble::Plan;
use support::server::PATIENCE;
use support::sockets::{self, Socket};
use support::{Ensemble, Role, ServerKind, wait};

/// Starts 1, 2, 3, 4 of four in order: 3 leads when it arrives, 4 follows; when 3 is killed, 4 leads.
#[test]
fn four_servers_started_in_order() {
    let mut ensemble = Plan::voters(&[ServerKind::under_test(); 4]).prepare();
    ensemble.servers[0].start();
    ensemble.servers[0].wait_electing();
    ensemble.servers[1].start();
    ensemble.servers[1].wait_electing();
    assert_eq!([ensemble.role(0), ensemble.role(1)], [Role::None; 2], "two of four are no quorum");

    ensemble.servers[2].start();
    assert_eq!(ensemble.wait_settled(), 2, "server 3 leads when it arrives");
    ensemble.servers[3].start();
    assert_eq!(ensemble.wait_settled(), 2, "server 4 follows the leader it finds");
    assert_eq!(ensemble.role(3), Role::Follower);
    assert_sockets(&ensemble, 2);

    ensemble.servers[2].kill_9();
    assert_eq!(ensemble.wait_settled(), 3, "server 4 leads when 3 is killed");
    ensemble.servers[2].start();
    assert_eq!(ensemble.wait_settled(), 3, "server 3 follows the leader it finds");
    assert_sockets(&ensemble, 3);
}

/// An observer follows without a vote: two voters and one observer do not survive the loss of a voter.
#[test]
fn an_observer_has_no_vote() {
    let kind = ServerKind::under_test();
    let mut ensemble = Plan::voters(&[kind; 2]).observer(kind).start();
    assert_eq!(ensemble.role(2), Role::Observer);
    let follower = (0..2).find(|&i| ensemble.role(i) == Role::Follower).expect("a follower");
    ensemble.servers[follower].kill_9();
    wait::until("nobody to serve without a quorum", PATIENCE, || {
        (0..3).all(|i| ensemble.role(i) == Role::None).then_some(())
    });
    ensemble.servers[follower].start();
    ensemble.wait_settled();
    assert_eq!(ensemble.role(2), Role::Observer);
}

/// The picture an operator sees: everybody listens for votes, only the leader for learners; of two servers the one with
/// the larger id has dialled the other; each follower has one connection to the leader.
fn assert_sockets(ensemble: &Ensemble, leader: usize) {
    let right = wait::poll(PATIENCE, || complaints(ensemble, leader).is_empty().then_some(()));
    assert!(right.is_some(), "the sockets are not Apache's picture:\n{}", complaints(ensemble, leader).join("\n"));
}

fn complaints(ensemble: &Ensemble, leader: usize) -> Vec<String> {
    let all: Vec<BTreeSet<Socket>> = ensemble.servers.iter().map(|s| sockets::of_process(s.pid())).collect();
    let mut complaints = Vec::new();
    let mut expect = |what: String, wanted: usize, found: usize| {
        if wanted != found {
            complaints.push(format!("{what}: {found} instead of {wanted}"));
        }
    };
    let to_leader = ensemble.servers[leader].ports().quorum;
    for (index, sockets) in all.iter().enumerate() {
        let (id, ports) = (index + 1, ensemble.servers[index].ports());
        let count = |wanted: &dyn Fn(&&Socket) -> bool| sockets.iter().filter(wanted).count();
        let listens = |port: u16| count(&|s| s.listening && s.local_port == port);
        expect(format!("server {id} listens for votes"), 1, listens(ports.election));
        expect(format!("server {id} listens for learners"), usize::from(index == leader), listens(ports.quorum));
        let followers = if index == leader { all.len() - 1 } else { 0 };
        let accepted = count(&|s| !s.listening && s.local_port == ports.quorum);
        expect(format!("server {id} has accepted learners"), followers, accepted);
        let dialled = count(&|s| !s.listening && s.peer_port == to_leader);
        expect(format!("server {id} has dialled the leader"), usize::from(index != leader), dialled);
        for (other, server) in ensemble.servers.iter().enumerate() {
            let election = server.ports().election;
            let dialled = count(&|s| !s.listening && s.peer_port == election);
            expect(format!("server {id} has dialled {} for votes", other + 1), usize::from(other < index), dialled);
        }
        let accepted = count(&|s| !s.listening && s.local_port == ports.election);
        expect(format!("server {id} has been dialled for votes"), all.len() - 1 - index, accepted);
    }
    complaints
}
