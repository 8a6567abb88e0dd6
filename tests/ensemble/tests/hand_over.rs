//! A leader lets another lead: because it is asked to, or because it is stopped.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use ensemble::load::Load;
use support::ServerKind::{Apache39, Zookube};
use support::ensemble::Plan;
use support::session::{Mode, Session};
use support::{Ensemble, Role, ServerKind, http, ports, prerequisites, wait};

const LIMIT: Duration = Duration::from_secs(60);
const WRITES: u64 = 40;
const PROMETHEUS: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

/// An ensemble of which each server of ours takes commands.
struct Commanded {
    ensemble: Ensemble,
    http: Vec<u16>,
}

impl Commanded {
    fn prepare(kinds: &[ServerKind]) -> Commanded {
        let mut plan = Plan::voters(kinds);
        let http: Vec<u16> = kinds.iter().map(|_| ports::free_port()).collect();
        for (spec, port) in plan.specs.iter_mut().zip(&http) {
            if spec.kind == Zookube {
                *spec = spec.clone().set("metricsProvider.className", PROMETHEUS);
                *spec = spec.clone().set("metricsProvider.httpHost", "127.0.0.1").set("metricsProvider.httpPort", port);
            }
        }
        Commanded { ensemble: plan.prepare(), http }
    }

    /// Starts the servers so that the last one leads.
    fn start(mut self) -> Commanded {
        // The last one first: were it slow to start, the others would not wait for it.
        for server in self.ensemble.servers.iter_mut().rev() {
            server.start();
            wait::until("the server to answer", LIMIT, || support::words::ask(server.addr(), "ruok"));
        }
        self
    }

    /// Asks a server until its metrics port answers; answers the status and the JSON.
    fn ask(&self, index: usize, method: &str, query: &str, extra: &str) -> (u16, String) {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, self.http[index]));
        let path = format!("/commands/hand_over{query}");
        wait::until("the metrics port", LIMIT, || http::request(addr, method, &path, extra))
    }

    fn hand_over(&self, from: usize, to: usize) {
        let (status, body) = self.ask(from, "POST", &format!("?to={}", to + 1), "");
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("\"outcome\":\"handed over\""), "{body}");
        assert!(
            body.contains(&format!("\"from\":{}", from + 1)) && body.contains(&format!("\"to\":{}", to + 1)),
            "{body}"
        );
    }
}

/// The leader, and a session on a follower that owns `/mine`.
fn with_an_ephemeral(ensemble: &mut Ensemble) -> (usize, Session) {
    let leader = ensemble.wait_settled();
    let follower = (0..3).find(|&index| ensemble.role(index) == Role::Follower).expect("a follower");
    let mut session = Session::open_any(&[ensemble.servers[follower].addr()], 20_000, LIMIT);
    session.create("/mine", b"", Mode::Ephemeral).expect("create");
    (leader, session)
}

/// Wherever the session goes on, it is the same one and its ephemeral is there.
fn goes_on(ensemble: &Ensemble, session: &mut Session) {
    let id = session.granted().session_id;
    for addr in ensemble.addrs() {
        session.disconnect();
        session.reconnect_any(&[addr], LIMIT).expect("the session lives");
        assert_eq!(session.granted().session_id, id);
        session.sync().expect("sync");
        let (_, stat) = session.get("/mine").expect("the ephemeral");
        assert_eq!(stat.ephemeral_owner, id);
    }
}

/// Waits until this server leads. What servers say of their roles may be a moment old.
fn settles_on(ensemble: &mut Ensemble, leader: usize) {
    let settled = || (ensemble.wait_settled() == leader).then_some(());
    wait::until(&format!("server {} to lead", leader + 1), LIMIT, settled);
}

#[test]
fn the_server_that_is_named_leads_under_load() {
    let mut commanded = Commanded::prepare(&[Zookube; 3]).start();
    let (mut leader, mut session) = with_an_ephemeral(&mut commanded.ensemble);
    let mut load = Load::start(&commanded.ensemble.addrs(), 6);
    load.progress(WRITES, LIMIT);
    // Each in turn, the smallest id too, which would win no election between equals.
    for target in [0, 1, 0, 2] {
        if leader == target {
            continue;
        }
        commanded.hand_over(leader, target);
        leader = target;
        settles_on(&mut commanded.ensemble, target);
        load.progress(WRITES, LIMIT);
    }
    goes_on(&commanded.ensemble, &mut session);
    load.finish();
}

#[test]
fn what_cannot_be_is_refused_and_nothing_changes() {
    let mut commanded = Commanded::prepare(&[Zookube; 3]).start();
    let leader = commanded.ensemble.wait_settled();
    let follower = (0..3).find(|&index| index != leader).expect("three servers");
    let me = leader + 1;
    for (index, method, query, extra, status, what) in [
        (follower, "POST", "", "", 409, format!("this server does not lead: server {me} does")),
        (leader, "POST", &*format!("?to={me}"), "", 409, format!("server {me} leads already")),
        (leader, "POST", "?to=9", "", 409, "server 9 is not a member of the ensemble".to_owned()),
        (leader, "POST", "?to=first", "", 400, "expected a server id".to_owned()),
        (leader, "POST", "?sid=1", "", 400, "unknown parameter".to_owned()),
        (leader, "POST", "", "Origin: http://example.org\r\n", 403, "web pages".to_owned()),
        (leader, "GET", "", "", 405, String::new()),
    ] {
        let (found, body) = commanded.ask(index, method, query, extra);
        assert_eq!(found, status, "{method} {query}: {body}");
        assert!(body.contains(&what), "{method} {query}: {body}");
    }
    assert_eq!(commanded.ensemble.leader(), Some(leader));
}

#[test]
fn a_leader_that_is_stopped_has_handed_over() {
    let mut commanded = Commanded::prepare(&[Zookube; 3]).start();
    let (_, mut session) = with_an_ephemeral(&mut commanded.ensemble);
    let mut load = Load::start(&commanded.ensemble.addrs(), 6);
    for _ in 0..3 {
        load.progress(WRITES, LIMIT);
        let leader = commanded.ensemble.wait_settled();
        let took = commanded.ensemble.servers[leader].terminate();
        assert!(took < Duration::from_secs(10), "it took {took:?}");
        let log = std::fs::read_to_string(commanded.ensemble.servers[leader].log_file()).expect("its log");
        assert!(log.contains("the leadership is handed over to server"), "server {} has not handed over", leader + 1);
        let next = commanded.ensemble.wait_settled();
        assert_ne!(next, leader);
        load.progress(WRITES, LIMIT);
        commanded.ensemble.servers[leader].start();
        commanded.ensemble.wait_settled();
    }
    goes_on(&commanded.ensemble, &mut session);
    load.finish();
}

#[test]
fn the_command_line_hands_over_too() {
    let mut commanded = Commanded::prepare(&[Zookube; 3]).start();
    let leader = commanded.ensemble.wait_settled();
    commanded.ask(leader, "GET", "", "");
    let config = commanded.ensemble.servers[leader].config_file();
    let target = (leader + 1) % 3;
    let call = || {
        let mut command = Command::new(prerequisites::zookube_node());
        command.args(["hand-over", "--to", &(target + 1).to_string(), "--config"]).arg(&config);
        command.output().expect("run the program")
    };
    let done = call();
    assert!(done.status.success(), "{done:?}");
    let (from, to) = (leader + 1, target + 1);
    assert_eq!(String::from_utf8_lossy(&done.stdout), format!("server {from} has handed over to server {to}\n"));
    settles_on(&mut commanded.ensemble, target);
    let again = call();
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(
        String::from_utf8_lossy(&again.stdout).contains(&format!("hint: ask server {to}, which leads")),
        "{again:?}"
    );
}

/// To a server of Apache's, whose peers do not know that this is anything but a leader that goes away.
#[test]
fn a_server_of_apaches_takes_over() {
    let mut commanded = Commanded::prepare(&[Apache39, Apache39, Zookube]).start();
    let leader = commanded.ensemble.wait_settled();
    assert_eq!(leader, 2, "equal histories: the larger id leads");
    let mut load = Load::start(&commanded.ensemble.addrs(), 6);
    load.progress(WRITES, LIMIT);
    commanded.hand_over(leader, 0);
    // The smallest id, because it holds more.
    settles_on(&mut commanded.ensemble, 0);
    load.progress(WRITES, LIMIT);
    load.finish();
}
