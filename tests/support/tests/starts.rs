//! The harness starts what it says it starts, and leaves nothing behind.

use std::time::Duration;

use support::client::password_of;
use support::server::ServerSpec;
use support::session::{Mode, Refused, Session};
use support::{Ensemble, Role, Server, ServerKind, wait};

const LIMIT: Duration = Duration::from_secs(30);

fn a_server_serves(kind: ServerKind) {
    let mut server = Server::standalone(ServerSpec::new(kind));
    assert_eq!(server.mode().as_deref(), Some("standalone"));
    let mut session = Session::open(server.addr(), 30_000).expect("a session");
    assert_eq!(session.granted().password, password_of(session.granted().session_id));
    session.create("/a", b"data", Mode::Persistent).expect("create");
    session.create("/e", b"", Mode::Ephemeral).expect("create");

    let pid = server.pid();
    server.kill_9();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the process is gone");
    assert_eq!(session.reconnect(server.addr()), Err(Refused::NoAnswer));
    server.start();
    server.wait_serving();
    assert_eq!(session.reconnect(server.addr()), Ok(()), "the session is in the log");
    assert_eq!(session.get("/a").expect("get").0, b"data");
    assert!(server.terminate() < LIMIT);
}

#[test]
fn apache_39() {
    a_server_serves(ServerKind::Apache39);
}

#[test]
fn apache_38() {
    a_server_serves(ServerKind::Apache38);
}

#[test]
fn zookube() {
    a_server_serves(ServerKind::Zookube);
}

#[test]
fn an_ensemble_settles_and_goes() {
    let ensemble = Ensemble::of_three(ServerKind::under_test());
    let leaders = (0..3).filter(|&index| ensemble.role(index) == Role::Leader).count();
    assert_eq!(leaders, 1);
    let pids: Vec<u32> = ensemble.servers.iter().map(Server::pid).collect();
    drop(ensemble);
    let alive = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    wait::until("all processes to be gone", LIMIT, || (!pids.iter().any(alive)).then_some(()));
}
