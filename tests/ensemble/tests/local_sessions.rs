//! Local sessions where ours and Apache's serve together: what one server alone knows, the others must let pass, and what a
//! learner makes known to all, a leader of the other kind must take.

use std::time::Duration;

use support::ServerKind::{Apache39, Zookube};
use support::ensemble::Plan;
use support::session::{Failure, Mode, NO_NODE, Refused, Session};
use support::{Ensemble, ServerKind, wait};

const LIMIT: Duration = Duration::from_secs(60);
const TIMEOUT_MS: i32 = 30_000;
const EPHEMERAL_ON_LOCAL_SESSION: i32 = -120;

fn ensemble(kinds: [ServerKind; 3], upgrading: bool) -> Ensemble {
    let mut ensemble =
        Plan::voters(&kinds).set("localSessionsEnabled", true).set("localSessionsUpgradingEnabled", upgrading).start();
    ensemble.wait_settled();
    ensemble
}

fn open(ensemble: &Ensemble, server: usize) -> Session {
    Session::open_any(&[ensemble.servers[server].addr()], TIMEOUT_MS, LIMIT)
}

fn sessions_become_known_to_all(kinds: [ServerKind; 3]) {
    let ensemble = ensemble(kinds, true);
    for server in 0..3 {
        let other = (server + 1) % 3;
        let about = format!("a session of server {} of {kinds:?}", server + 1);
        let (plain, owner) = (format!("/plain{server}"), format!("/owner{server}"));

        let mut local = open(&ensemble, server);
        local.create(&plain, b"", Mode::Persistent).unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
        // A server that has not seen the write yet gives no answer.
        let elsewhere = local.reconnect_any(&[ensemble.servers[other].addr()], LIMIT);
        assert_eq!(elsewhere, Err(Refused::Expired), "{about} is local");
        local.reconnect(ensemble.servers[server].addr()).unwrap_or_else(|refused| panic!("{about}: {refused:?}"));

        local.create(&owner, b"", Mode::Ephemeral).unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
        local.sync().unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
        local
            .reconnect_any(&[ensemble.servers[other].addr()], LIMIT)
            .unwrap_or_else(|refused| panic!("{about}: {refused:?}"));
        local.set(&owner, b"moved").unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
        local.close().unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
        let mut watcher = open(&ensemble, server);
        wait::until("the ephemeral to go", LIMIT, || {
            (watcher.get(&owner) == Err(Failure::Code(NO_NODE))).then_some(())
        });
    }
}

fn ephemerals_are_refused(kinds: [ServerKind; 3]) {
    let ensemble = ensemble(kinds, false);
    for server in 0..3 {
        let about = format!("a session of server {} of {kinds:?}", server + 1);
        let path = format!("/{server}");
        let mut local = open(&ensemble, server);
        let refused = local.create(&path, b"", Mode::Ephemeral);
        assert_eq!(refused, Err(Failure::Code(EPHEMERAL_ON_LOCAL_SESSION)), "{about}");
        local.create(&path, b"", Mode::Persistent).unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
        local.close().unwrap_or_else(|failure| panic!("{about}: {failure:?}"));
    }
}

#[test]
fn they_become_known_to_all_with_one_apache() {
    sessions_become_known_to_all([Zookube, Apache39, Zookube]);
}

#[test]
fn they_become_known_to_all_with_two_apaches() {
    sessions_become_known_to_all([Apache39, Zookube, Apache39]);
}

#[test]
fn their_ephemerals_are_refused_with_one_apache() {
    ephemerals_are_refused([Zookube, Apache39, Zookube]);
}

#[test]
fn their_ephemerals_are_refused_with_two_apaches() {
    ephemerals_are_refused([Apache39, Zookube, Apache39]);
}
