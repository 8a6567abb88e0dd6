//! How long a session lives: as long as somebody pings, whoever leads, and not a tick less than its timeout after that.

use std::time::{Duration, Instant};

use support::session::{Mode, Session};
use support::{Ensemble, Role, ServerKind, wait};

const LIMIT: Duration = Duration::from_secs(60);
const TIMEOUT_MS: i32 = 4_000;
const TIMEOUT: Duration = Duration::from_millis(TIMEOUT_MS as u64);

/// Expiry is looked for once a tick, and takes a transaction: two ticks, and two cores under load.
const SLACK: Duration = Duration::from_secs(4);

#[test]
fn a_session_that_only_pings_outlives_its_leader() {
    let mut ensemble = Ensemble::of_three(ServerKind::under_test());
    let leader = ensemble.wait_settled();
    let follower = (0..3).find(|&i| ensemble.role(i) == Role::Follower).expect("a follower");
    let mut idle = Session::open_any(&[ensemble.servers[follower].addr()], TIMEOUT_MS, LIMIT);
    assert_eq!(idle.granted().timeout_ms, TIMEOUT_MS);
    idle.create("/idle", b"", Mode::Ephemeral).expect("create");

    ping_for(&mut idle, &ensemble, 2 * TIMEOUT);
    ensemble.servers[leader].kill_9();
    ping_for(&mut idle, &ensemble, 3 * TIMEOUT);
    ensemble.servers[leader].start();
    ensemble.wait_settled();

    let mut watcher = Session::open_any(&[ensemble.servers[leader].addr()], 30_000, LIMIT);
    watcher.sync().expect("sync");
    watcher.get("/idle").expect("the ephemeral of a session that pings");
}

/// Many sessions on every server fall silent at different moments of the leader's tick.
#[test]
fn a_silent_session_expires_on_time() {
    let mut ensemble = Ensemble::of_three(ServerKind::under_test());
    ensemble.wait_settled();
    let addrs = ensemble.addrs();
    let mut watcher = Session::open_any(&addrs, 30_000, LIMIT);
    watcher.create("/silent", b"", Mode::Persistent).expect("create");
    let mut silent: Vec<(String, Instant)> = Vec::new();
    for number in 0..24 {
        let addr = addrs[number % addrs.len()];
        let mut session = Session::open_any(&[addr], TIMEOUT_MS, LIMIT);
        let name = format!("{number}");
        session.create(&format!("/silent/{name}"), b"", Mode::Ephemeral).expect("create");
        // Not a whole part of any tick, so that every phase of it is met; a ping is what a client sends last.
        let pause = Instant::now() + Duration::from_millis(137);
        wait::until("a moment to pass", LIMIT, || (Instant::now() >= pause).then_some(()));
        session.ping().expect("ping");
        silent.push((name, Instant::now()));
        session.disconnect();
    }
    let mut wrong = Vec::new();
    wait::until("all ephemerals of silent sessions to go", LIMIT, || {
        let left = watcher.children("/silent").expect("children");
        silent.retain(|(name, since)| {
            let lived = since.elapsed();
            let gone = !left.contains(name);
            if gone && (lived < TIMEOUT || lived > TIMEOUT + SLACK) {
                wrong.push(format!("session {name} lived {lived:?} after its last ping"));
            }
            !gone
        });
        silent.is_empty().then_some(())
    });
    assert!(wrong.is_empty(), "with a timeout of {TIMEOUT:?}: {}", wrong.join(", "));
}

/// Pings and nothing else, and finds another server when there is none at the other end.
fn ping_for(session: &mut Session, ensemble: &Ensemble, time: Duration) {
    let end = Instant::now() + time;
    let mut next = Instant::now();
    wait::until("the time to pass", time + LIMIT, || {
        if Instant::now() >= next {
            next = Instant::now() + TIMEOUT / 4;
            if session.ping().is_err() {
                session.reconnect_any(&ensemble.addrs(), TIMEOUT).expect("the session lives");
            }
        }
        (Instant::now() >= end).then_some(())
    });
}
