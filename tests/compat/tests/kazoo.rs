//! kazoo from PyPI and its recipes (`kazoo/recipes.py`), and on a server that can only be read (`kazoo/read_only.py`).

use compat::{SUITE_LIMIT, Topology};
use support::ensemble::Plan;
use support::external::Conversation;
use support::server::PATIENCE;
use support::session::{Mode, Session};
use support::{ServerKind, external, prerequisites, process, wait, words};

fn recipes_pass(topology: &Topology) {
    let mut command = process::command(prerequisites::python());
    command.arg(prerequisites::workspace().join("tests/compat/kazoo/recipes.py")).arg(topology.connect_string());
    external::run(command, "", SUITE_LIMIT).expect_success("kazoo's recipes");
}

#[test]
fn recipes_on_one_server() {
    recipes_pass(&Topology::one());
}

#[test]
fn recipes_on_three_servers() {
    recipes_pass(&Topology::three());
}

#[test]
fn a_client_that_agreed_reads_without_a_quorum_and_writes_when_it_is_back() {
    // Apache's servers let nobody in without a quorum unless sessions may be local.
    let mut plan = Plan::voters(&[ServerKind::under_test(); 3]).set("localSessionsEnabled", true);
    plan.specs = plan.specs.into_iter().map(|spec| spec.set_unprefixed("readonlymode.enabled", true)).collect();
    let mut ensemble = plan.start();
    let addr = ensemble.servers[0].addr();
    let mut writer = Session::open_any(&[addr], 30_000, PATIENCE);
    writer.create("/read-only", b"0", Mode::Persistent).expect("a znode");
    for index in 1..3 {
        ensemble.servers[index].kill_9();
    }
    wait::until("a server that can only be read", PATIENCE, || {
        (words::ask(addr, "isro").as_deref() == Some("ro")).then_some(())
    });
    let mut command = process::command(prerequisites::python());
    command.arg(prerequisites::workspace().join("tests/compat/kazoo/read_only.py")).arg(addr.to_string());
    let mut kazoo = Conversation::start(command);
    kazoo.hear("read", SUITE_LIMIT);
    ensemble.servers[1].start();
    ensemble.wait_settled();
    kazoo.say("back");
    kazoo.hear("written", SUITE_LIMIT);
}
