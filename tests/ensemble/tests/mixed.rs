//! Ours and Apache's in one ensemble: each elects, follows and leads under writing clients, and every znode reads the
//! same through each server.

use std::time::Duration;

use ensemble::load::Load;
use ensemble::tree;
use support::ServerKind::{Apache38, Apache39, Zookube};
use support::ensemble::Plan;
use support::{Ensemble, Server, ServerKind, words};

const LIMIT: Duration = Duration::from_secs(90);
const WRITES: u64 = 60;

/// Every one of the three leads once, whatever its kind, while six writers write through all of them.
fn each_leads_in_turn(kinds: [ServerKind; 3]) {
    // The last one first: were it a virtual machine, slow to start, the other two would not wait for it.
    let mut ensemble = Plan::voters(&kinds).prepare();
    ensemble.servers[2].start();
    ensemble.servers[2].wait_electing();
    ensemble.servers[1].start();
    assert_eq!(ensemble.wait_settled(), 2, "equal histories: the larger id leads");
    ensemble.servers[0].start();
    assert_eq!(ensemble.wait_settled(), 2, "who comes late follows");
    let mut load = Load::start(&ensemble.addrs(), 6);
    load.progress(WRITES, LIMIT);

    // Under load either of the two may hold one transaction more; that one leads, with equal histories the larger id.
    ensemble.servers[2].kill_9();
    let second = ensemble.wait_settled();
    assert!(second < 2, "one of the two that are left leads, not {second}");
    load.progress(WRITES, LIMIT);

    // Server 3 has missed the last writes, so the other one must lead although its id is smaller.
    let third = 1 - second;
    ensemble.servers[second].kill_9();
    ensemble.servers[2].start();
    assert_eq!(ensemble.wait_settled(), third, "the longer history leads");
    load.progress(WRITES, LIMIT);

    ensemble.servers[second].start();
    assert_eq!(ensemble.wait_settled(), third, "who comes late follows");
    load.progress(WRITES, LIMIT);
    finish(&mut ensemble, load);
}

fn finish(ensemble: &mut Ensemble, mut load: Load) {
    ensemble.wait_settled();
    let before: Vec<u64> = ensemble.servers.iter().map(digest_mismatches).collect();
    load.progress(WRITES, LIMIT);
    let outcome = load.finish();
    let records: Vec<_> = outcome.iter().map(|(record, _)| record.clone()).collect();
    tree::assert_kept(&ensemble.addrs(), &records);
    tree::assert_equal(&ensemble.addrs());
    for (server, before) in ensemble.servers.iter().zip(before) {
        // Apache's learners compare already the transactions that a streamed snapshot may be ahead of, and raise false
        // alarms there; once in step they must not. Ours never.
        let allowed = if matches!(server.kind(), Zookube) { 0 } else { before };
        let found = digest_mismatches(server);
        assert_eq!(found, allowed, "digest mismatches on {} server {}", server.kind().name(), server.id());
    }
    drop(outcome);
}

fn digest_mismatches(server: &Server) -> u64 {
    let mntr = words::ask(server.addr(), "mntr").expect("an answer to mntr");
    let line = mntr.lines().find(|line| line.starts_with("zk_digest_mismatches_count"));
    let count = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|count| count.parse().ok());
    count.expect("mntr has zk_digest_mismatches_count")
}

#[test]
fn apache_38_as_the_third_of_two_of_ours() {
    each_leads_in_turn([Zookube, Zookube, Apache38]);
}

#[test]
fn apache_38_as_the_first_of_two_of_ours() {
    each_leads_in_turn([Apache38, Zookube, Zookube]);
}

#[test]
fn one_of_ours_above_two_apaches() {
    each_leads_in_turn([Apache39, Apache39, Zookube]);
}

#[test]
fn one_of_ours_beneath_two_apaches() {
    each_leads_in_turn([Zookube, Apache39, Apache39]);
}

#[test]
fn one_of_each() {
    each_leads_in_turn([Apache38, Zookube, Apache39]);
}
