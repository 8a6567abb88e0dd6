//! What the documentation says of the metrics is what servers publish, in every role.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::ensemble::Plan;
use support::http;
use support::ports::free_port;
use support::session::{Mode, Session};
use support::{Ensemble, ServerKind, wait};

const PROVIDER: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";
const LIMIT: Duration = Duration::from_secs(60);
const TIMEOUT_MS: i32 = 10_000;
/// Published under conditions that do not hold here: a memory limit, an observer behind another, a refused write, slow disks.
const ELSEWHERE: [&str; 7] = [
    "zookube_memory_growth_limit_bytes",
    "zookube_memory_is_short",
    "zookube_memory_limit_bytes",
    "zookube_memory_used_bytes",
    "zookube_refused_for_memory_total",
    "zookube_observer_master_sid",
    "quota_exceeded_error_per_namespace",
];

/// The names and types in the tables of `docs/metrics.md`, as Prometheus calls the types.
fn documented() -> BTreeMap<String, String> {
    let page = include_str!("../../../docs/metrics.md");
    let (here, _) = page.split_once("## What Apache has").expect("the section on what is missing");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        let kind = cells.next()?.split(' ').next()?.to_owned();
        Some((name, kind))
    };
    here.lines().filter_map(row).collect()
}

/// The families of a page with their types, and how many samples each has.
fn families(page: &str) -> BTreeMap<String, (String, usize)> {
    let mut families: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut last = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            last = name.to_owned();
            families.insert(last.clone(), (kind.to_owned(), 0));
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&last), "{line} is not of {last}");
            families.get_mut(&last).expect("a family before its samples").1 += 1;
        }
    }
    families
}

fn page(port: u16) -> String {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (status, body) = wait::until("the metrics port", LIMIT, || http::request(addr, "GET", "/metrics", ""));
    assert_eq!(status, 200, "{body}");
    body
}

fn sample(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Waits until a sample is this large; answers how large it is.
fn wait_for(port: u16, name: &str, least: f64) -> f64 {
    wait::until(&format!("{name} to be {least}"), LIMIT, || sample(&page(port), name).filter(|value| *value >= least))
}

fn start() -> (Ensemble, Vec<u16>) {
    let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
    let mut plan = Plan::voters(&[ServerKind::Zookube; 3]).observer(ServerKind::Zookube);
    plan = plan.set("metricsProvider.className", PROVIDER);
    // A collector that is not there is counted as well as one that is.
    plan = plan.set("otel.endpoint", format!("http://127.0.0.1:{}", free_port()));
    for (index, port) in ports.iter().enumerate() {
        plan = plan.set_on(index + 1, "metricsProvider.httpPort", port);
    }
    let mut ensemble = plan.start();
    ensemble.wait_settled();
    (ensemble, ports)
}

#[test]
fn every_documented_metric_is_published_and_no_other() {
    let (ensemble, ports) = start();
    for server in &ensemble.servers {
        let mut session = Session::open_any(&[server.addr()], TIMEOUT_MS, LIMIT);
        let path = format!("/by-{}", server.id());
        session.create(&path, b"x", Mode::Persistent).expect("created");
        session.get(&path).expect("read");
    }
    let mut session = Session::open_any(&[ensemble.servers[0].addr()], TIMEOUT_MS, LIMIT);
    for path in ["/zookeeper/quota/by-1", "/zookeeper/quota/by-1/zookeeper_limits"] {
        session.create(path, b"count=5,bytes=-1", Mode::Persistent).expect("created");
    }
    session.create("/zookeeper/quota/by-1/zookeeper_stats", b"count=1,bytes=1", Mode::Persistent).expect("created");
    let documented = documented();
    let mut found = BTreeSet::new();
    for port in &ports {
        for (name, (kind, samples)) in families(&page(*port)) {
            assert_eq!(documented.get(&name), Some(&kind), "{name} is published as a {kind}");
            assert!(samples > 0, "{name} has no samples");
            found.insert(name);
        }
    }
    let missing: Vec<&String> =
        documented.keys().filter(|name| !found.contains(*name) && !ELSEWHERE.contains(&name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "documented, but no server publishes them");
}

#[test]
fn the_leader_sees_its_followers_and_each_server_its_own_phases() {
    let (ensemble, ports) = start();
    let leader = ensemble.leader().expect("settled");
    let mut session = Session::open_any(&[ensemble.servers[leader].addr()], TIMEOUT_MS, LIMIT);
    for number in 0..50 {
        session.create(&format!("/n{number}"), b"x", Mode::Persistent).expect("created");
    }
    wait_for(ports[leader], "proposal_count", 50.0);
    wait_for(ports[leader], "zookube_synced_voters", 3.0);
    let of_leader = page(ports[leader]);
    assert_eq!(sample(&of_leader, "zookube_quorum_margin"), Some(1.0));
    assert_eq!(sample(&of_leader, "zookube_serving"), Some(1.0));
    let own = ensemble.servers[leader].id();
    for id in (1..=3).filter(|id| *id != own) {
        wait::until(&format!("no lag of server {id}"), LIMIT, || {
            let lag = sample(&page(ports[leader]), &format!("zookube_peer_lag_zxids{{peer=\"{id}\"}}"));
            (lag == Some(0.0)).then_some(())
        });
        let acks = format!("ack_latency_count{{key=\"{id}\"}}");
        wait_for(ports[leader], &acks, 50.0);
    }
    for phase in ["queue", "log_append", "fsync", "quorum", "apply", "reply"] {
        let name = format!("zookube_write_phase_seconds_count{{phase=\"{phase}\",role=\"leader\"}}");
        let count = wait_for(ports[leader], &name, 50.0);
        assert!(count < 200.0, "{name} {count}");
    }
    let follower = (0..3).find(|index| *index != leader).expect("three voters");
    for name in ["learner_proposal_received_count", "learner_commit_received_count", "propagation_latency_count"] {
        wait_for(ports[follower], name, 50.0);
    }
    let of_follower = page(ports[follower]);
    assert_eq!(sample(&of_follower, "proposal_count"), Some(0.0));
    assert_eq!(sample(&of_follower, "zookube_leader_sid"), Some(f64::from(own)));
}
