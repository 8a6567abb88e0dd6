//! Names from a name server, a `resolv.conf` and a `hosts` file of the test's own; connections between addresses of this
//! machine. Nothing of the machine's configuration is read.

use super::dial::{DialOptions, connect};
use super::test_dns::{Behaviour, Dns};
use super::*;
use crate::client_listener::Place;
use hickory_resolver::proto::op::ResponseCode;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

/// How long anything may take here.
const DEADLINE: Duration = Duration::from_secs(30);

/// A resolver with files of its own.
struct World {
    resolver: Resolver,
    dir: tempfile::TempDir,
}

impl World {
    fn new(resolv_conf: &str) -> World {
        World::with_service(resolv_conf, None)
    }

    fn with_service(resolv_conf: &str, srv: Option<&str>) -> World {
        let dir = tempfile::tempdir().unwrap();
        let (conf, hosts) = (dir.path().join("resolv.conf"), dir.path().join("hosts"));
        let settings = ResolverSettings { resolv_conf: conf, hosts, srv: srv.map(str::to_owned) };
        let world = World { resolver: Resolver::new(settings), dir };
        world.write("resolv.conf", resolv_conf);
        world
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join(file), text).unwrap();
    }

    /// The addresses as text, or why there are none.
    async fn look_up(&self, host: &str) -> Result<Vec<String>, String> {
        let found = tokio::time::timeout(DEADLINE, self.resolver.resolve(host, 7)).await.expect("bounded");
        let found = found.map_err(|error| error.to_string())?;
        assert!(!found.is_empty());
        assert!(found.iter().all(|address| address.port() == 7));
        Ok(found.iter().map(|address| address.ip().to_string()).collect())
    }

    async fn check(&self, host: &str, expected: &[&str]) {
        let found = self.look_up(host).await;
        assert_eq!(found.as_deref(), Ok(expected.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>().as_slice()));
    }

    async fn check_error(&self, host: &str, words: &str) {
        let error = self.look_up(host).await.expect_err("no address");
        assert!(error.contains(words), "{error:?} does not contain {words:?}");
    }
}

const SERVFAIL: Behaviour = Behaviour::Says(ResponseCode::ServFail);
/// A short patience, as `resolv.conf` writes it.
const ONE_SECOND: &str = "options timeout:1\n";

#[tokio::test]
async fn a_new_answer_is_used_at_once() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    for address in ["10.0.0.1", "10.0.0.2", "fd00::3", "10.0.0.1"] {
        dns.set("zk1.test.", &[address]);
        world.check("zk1.test", &[address]).await;
    }
    dns.set("zk1.test.", &["fd00::1", "10.0.0.2", "10.0.0.1"]);
    world.check("ZK1.test", &["10.0.0.2", "10.0.0.1", "fd00::1"]).await;
}

#[tokio::test]
async fn numbers_need_no_server() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    world.check("10.1.2.3", &["10.1.2.3"]).await;
    world.check("fd00::1", &["fd00::1"]).await;
    assert_eq!(world.resolver.resolve("fe80::1%2", 7).await.unwrap(), ["[fe80::1%2]:7".parse().unwrap()]);
    world.check("localhost", &["127.0.0.1", "::1"]).await;
    assert_eq!(dns.asked(), Vec::<String>::new().as_slice());
}

#[tokio::test]
async fn a_silent_server_is_survived() {
    let dns = Dns::start();
    dns.set("zk1.test.", &["10.0.0.1"]);
    dns.behave(Behaviour::Silent);
    let world = World::new(&(dns.line() + ONE_SECOND));
    let silent = format!("name server {} does not answer", dns.line().split_whitespace().nth(1).unwrap());
    world.check_error("zk1.test", &silent).await;
    dns.behave(Behaviour::Answers);
    world.check("zk1.test", &["10.0.0.1"]).await;
    dns.behave(Behaviour::Silent);
    world.check("zk1.test", &["10.0.0.1"]).await;
    // What was good for one name is no answer for another.
    world.check_error("zk2.test", &silent).await;
}

#[tokio::test]
async fn who_knows_where_to_go_does_not_wait_for_silent_servers() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    dns.set("zk1.test.", &["10.0.0.1"]);
    world.check("zk1.test", &["10.0.0.1"]).await;
    dns.behave(Behaviour::Silent);
    let soon = async || {
        let found = world.resolver.resolve_soon("zk1.test", 7).await.unwrap();
        found.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>()
    };
    tokio::select! {
        _ = world.resolver.resolve("zk1.test", 7) => panic!("the servers' silence was waited for"),
        found = soon() => assert_eq!(found, ["10.0.0.1"]),
    }
    // The question goes on behind the caller's back: its datagram is sent again, and what comes then is known to the next.
    dns.set("zk1.test.", &["10.0.0.2"]);
    let new: IpAddr = "10.0.0.2".parse().unwrap();
    let began = Instant::now();
    while world.resolver.parts.known.lock().kept("zk1.test") != [new] {
        assert!(began.elapsed() < DEADLINE, "late answers are lost");
        dns.behave(Behaviour::Silent);
        soon().await;
        dns.behave(Behaviour::Answers);
        tokio::time::sleep(SOON).await;
    }
}

#[tokio::test]
async fn a_failing_server_leaves_the_last_good_answer() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::NotImp] {
        dns.behave(Behaviour::Says(code));
        world.check_error("zk1.test", "name server 127.0.0.1").await;
    }
    dns.behave(Behaviour::Answers);
    dns.set("zk1.test.", &["10.0.0.1", "10.0.0.2"]);
    world.check("zk1.test", &["10.0.0.1", "10.0.0.2"]).await;
    dns.behave(SERVFAIL);
    world.check("zk1.test", &["10.0.0.1", "10.0.0.2"]).await;
    dns.behave(Behaviour::Answers);
    // A good answer replaces the last one, it does not add to it.
    dns.set("zk1.test.", &["10.0.0.3"]);
    world.check("zk1.test", &["10.0.0.3"]).await;
    dns.behave(SERVFAIL);
    world.check("zk1.test", &["10.0.0.3"]).await;
}

#[tokio::test]
async fn a_name_that_vanishes_keeps_its_address_until_it_has_another() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    world.check_error("zk-0.zk.test", "no such name: zk-0.zk.test.").await;
    dns.set("zk-0.zk.test.", &["10.0.0.1"]);
    world.check("zk-0.zk.test", &["10.0.0.1"]).await;
    let asked = dns.asked().len();
    for _ in 0..3 {
        dns.remove("zk-0.zk.test.");
        world.check("zk-0.zk.test", &["10.0.0.1"]).await;
    }
    assert_eq!(dns.asked().len(), asked + 3, "each call asks anew");
    dns.set("zk-0.zk.test.", &[]);
    world.check("zk-0.zk.test", &["10.0.0.1"]).await;
    dns.set("zk-0.zk.test.", &["10.0.0.9"]);
    world.check("zk-0.zk.test", &["10.0.0.9"]).await;
}

#[tokio::test]
async fn one_good_server_is_enough() {
    let (bad, worse, good) = (Dns::start(), Dns::start(), Dns::start());
    good.set("zk1.test.", &["10.0.0.1"]);
    let world = World::new(&(bad.line() + &worse.line() + &good.line()));
    for (first, second) in [(Behaviour::Silent, SERVFAIL), (SERVFAIL, SERVFAIL), (Behaviour::Silent, Behaviour::Silent)]
    {
        bad.behave(first);
        worse.behave(second);
        world.check("zk1.test", &["10.0.0.1"]).await;
    }
    // A server that knows that there is no such name is believed.
    bad.behave(Behaviour::Answers);
    let asked = good.asked().len();
    world.check_error("zk2.test", "no such name").await;
    assert_eq!(good.asked().len(), asked);
    // When all fail, all are named.
    for dns in [&bad, &worse, &good] {
        dns.behave(SERVFAIL);
    }
    let error = world.look_up("zk3.test").await.unwrap_err();
    for dns in [&bad, &worse, &good] {
        assert!(error.contains(dns.line().split_whitespace().nth(1).unwrap()), "{error}");
    }
}

#[tokio::test]
async fn short_names_are_searched() {
    let dns = Dns::start();
    let world = World::new(&(dns.line() + "search ns.svc.test svc.test\noptions ndots:5\n"));
    dns.set("zk-0.zk.svc.test.", &["10.0.0.1"]);
    world.check("zk-0.zk", &["10.0.0.1"]).await;
    assert_eq!(dns.asked(), ["zk-0.zk.ns.svc.test.", "zk-0.zk.svc.test."]);
    dns.set("zk-1.zk.", &["10.0.0.2"]);
    world.check("zk-1.zk", &["10.0.0.2"]).await;
    // A forwarder that fails for one zone may know the next.
    dns.fail_for("ns.svc.test.");
    dns.set("zk-2.zk.svc.test.", &["10.0.0.3"]);
    world.check("zk-2.zk", &["10.0.0.3"]).await;
    // But then nobody is sure that there is no such name.
    world.check_error("zk-3.zk", "Server Failure").await;
    world.check("zk-0.zk.svc.test.", &["10.0.0.1"]).await;
}

#[tokio::test]
async fn both_files_may_be_rewritten_or_missing() {
    let (one, two) = (Dns::start(), Dns::start());
    one.set("zk1.test.", &["10.0.0.1"]);
    two.set("zk1.test.", &["10.0.0.2"]);
    let world = World::new(&one.line());
    world.check("zk1.test", &["10.0.0.1"]).await;
    world.write("resolv.conf", &two.line());
    world.check("zk1.test", &["10.0.0.2"]).await;
    world.write("hosts", "10.0.0.3 zk1.test\n");
    world.check("zk1.test", &["10.0.0.3"]).await;
    world.write("hosts", "10.0.0.4 zk1.test\n");
    world.check("zk1.test", &["10.0.0.4"]).await;
    std::fs::remove_file(world.dir.path().join("hosts")).unwrap();
    world.check("zk1.test", &["10.0.0.2"]).await;
    std::fs::remove_file(world.dir.path().join("resolv.conf")).unwrap();
    world.write("hosts", "10.0.0.5 zk2.test\n");
    world.check("zk2.test", &["10.0.0.5"]).await;
}

#[tokio::test]
async fn a_service_gives_addresses_to_names_without() {
    let dns = Dns::start();
    let world = World::with_service(&dns.line(), Some("_election._tcp.zk.test"));
    world.check_error("zk-0", "no such name: _election._tcp.zk.test.").await;
    dns.set_targets("_election._tcp.zk.test.", &["zk-0.zk.test.", "ZK-1.zk.test.", "zk-10.zk.test."]);
    for (name, address) in
        [("zk-0.zk.test.", "10.0.0.1"), ("zk-1.zk.test.", "10.0.0.2"), ("zk-10.zk.test.", "10.0.0.3")]
    {
        dns.set(name, &[address]);
    }
    world.check("zk-0", &["10.0.0.1"]).await;
    world.check("zk-1.elsewhere", &["10.0.0.2"]).await;
    world.check_error("zk-2", "no target of _election._tcp.zk.test begins with zk-2").await;
    // A name's own address comes first.
    dns.set("zk-0.", &["10.0.0.9"]);
    world.check("zk-0", &["10.0.0.9"]).await;
    // So it does when nobody can say whether the name has one.
    dns.fail_for("forwarded.");
    world.check("zk-10.forwarded", &["10.0.0.3"]).await;
    // The target may be gone for a while too.
    dns.remove("zk-1.zk.test.");
    world.check("zk-1.elsewhere", &["10.0.0.2"]).await;
    dns.set("zk-1.zk.test.", &["10.0.0.4"]);
    world.check("zk-1.elsewhere", &["10.0.0.4"]).await;
}

#[tokio::test]
async fn a_service_of_many_targets_does_not_fit_a_datagram() {
    let dns = Dns::start();
    let world = World::with_service(&dns.line(), Some("_election._tcp.zk.test"));
    let targets: Vec<String> =
        (0..60).map(|ordinal| format!("zk-{ordinal}.zookeeper-headless.namespace.svc.cluster.test.")).collect();
    let names: Vec<&str> = targets.iter().map(String::as_str).collect();
    dns.set_targets("_election._tcp.zk.test.", &names);
    for (name, last) in names.iter().zip(1..) {
        dns.set(name, &[&format!("10.0.0.{last}")]);
    }
    world.check("zk-59", &["10.0.0.60"]).await;
    world.check("zk-0", &["10.0.0.1"]).await;
}

#[test]
fn a_thread_without_a_runtime_can_ask() {
    let dns = Dns::start();
    dns.set("zk1.test.", &["10.0.0.1"]);
    let world = World::new(&dns.line());
    for _ in 0..2 {
        let found = world.resolver.resolve_blocking("zk1.test", 7).unwrap();
        assert_eq!(found, ["10.0.0.1:7".parse().unwrap()]);
    }
    assert_eq!(world.resolver.resolve_blocking("::1", 7).unwrap(), ["[::1]:7".parse().unwrap()]);
    assert!(world.resolver.resolve_blocking("zk2.test", 7).is_err());
}

/// Two addresses of this machine that no other test uses.
pub(crate) fn two_addresses() -> [Ipv4Addr; 2] {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    [Ipv4Addr::new(127, 78, high, low), Ipv4Addr::new(127, 79, high, low)]
}

/// A listener whose queue is full: whoever connects hears nothing.
pub(crate) struct BlackHole {
    listener: socket2::Socket,
    _held: Vec<socket2::Socket>,
}

impl BlackHole {
    /// On this port; 0 takes any.
    pub(crate) fn open(address: Ipv4Addr, port: u16) -> BlackHole {
        let tcp = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let listener = tcp();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&SocketAddr::from((address, port)).into()).unwrap();
        listener.listen(0).unwrap();
        let target = listener.local_addr().unwrap();
        let mut held = Vec::new();
        // It is full when a connection does not come about.
        loop {
            let socket = tcp();
            if socket.connect_timeout(&target, Duration::from_millis(300)).is_err() {
                return BlackHole { listener, _held: held };
            }
            held.push(socket);
            assert!(held.len() < 64, "this machine's queues do not fill");
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().as_socket().unwrap().port()
    }
}

/// Longer than the test may take: what ends a dial is never its timeout.
const PATIENT: DialOptions = DialOptions { timeout: Duration::from_secs(600), keep_alive: false };

async fn dial(world: &World, places: &[(&str, u16)], options: DialOptions) -> io::Result<SocketAddr> {
    let places: Vec<(String, u16)> = places.iter().map(|(host, port)| ((*host).to_owned(), *port)).collect();
    let stream = tokio::time::timeout(DEADLINE, connect(&world.resolver, &places, options)).await.expect("in time");
    stream.and_then(|stream| stream.peer_addr())
}

#[tokio::test]
async fn a_dead_address_holds_up_no_other() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    let [dead, alive] = two_addresses();
    let hole = BlackHole::open(dead, 0);
    let listener = TcpListener::bind((alive, hole.port())).unwrap();
    let expected = listener.local_addr().unwrap();
    dns.set("zk1.test.", &[&dead.to_string(), &alive.to_string()]);
    let reached = dial(&world, &[("zk1.test", hole.port())], PATIENT).await.unwrap();
    assert_eq!(reached, expected);
    // The same with a place for each, and with a name in front that nobody knows.
    let (dead, alive) = (dead.to_string(), alive.to_string());
    let places = [("no.test", 1), (dead.as_str(), hole.port()), (alive.as_str(), expected.port())];
    assert_eq!(dial(&world, &places, PATIENT).await.unwrap(), expected);
}

#[tokio::test]
async fn a_host_that_moves_is_found_while_its_old_address_hangs() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    let [old, new] = two_addresses();
    let hole = BlackHole::open(old, 0);
    let listener = TcpListener::bind((new, hole.port())).unwrap();
    dns.set("zk1.test.", &[&old.to_string()]);
    let mover = async {
        while dns.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        dns.set("zk1.test.", &[&new.to_string()]);
    };
    let places = [("zk1.test", hole.port())];
    let (reached, ()) = tokio::join!(dial(&world, &places, PATIENT), mover);
    assert_eq!(reached.unwrap(), listener.local_addr().unwrap());
}

#[tokio::test]
async fn a_dial_says_why_it_failed() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    let [dead, _] = two_addresses();
    let hole = BlackHole::open(dead, 0);
    let brief = DialOptions { timeout: Duration::from_millis(400), keep_alive: false };
    let check = async |places: &[(&str, u16)], kind: io::ErrorKind, words: &str| {
        let error = dial(&world, places, brief).await.expect_err("nobody is there");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    let free = { TcpListener::bind((dead, 0)).unwrap().local_addr().unwrap().port() };
    let dead = dead.to_string();
    check(&[], io::ErrorKind::NotFound, "not in the configuration").await;
    check(&[("no.test", 1)], io::ErrorKind::NotFound, "host name not resolved: no such name: no.test.").await;
    check(&[(&dead, free)], io::ErrorKind::ConnectionRefused, "refused").await;
    check(&[(&dead, hole.port())], io::ErrorKind::TimedOut, "timed out").await;
    dns.behave(Behaviour::Silent);
    check(&[("zk1.test", 1)], io::ErrorKind::Other, "host name not resolved: no answer in time").await;
}

/// Whoever waits for a peer takes a refusal for the word that nobody is there.
#[tokio::test]
async fn a_dial_is_refused_only_where_every_address_refuses() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    let addresses = two_addresses();
    let [one, two] = addresses.map(|address| address.to_string());
    let port = { TcpListener::bind((addresses[0], 0)).unwrap().local_addr().unwrap().port() };
    let hole = BlackHole::open(addresses[1], 0);
    let kind = |error: io::Result<SocketAddr>| error.unwrap_err().kind();
    let hasty = DialOptions { timeout: Duration::from_millis(400), ..PATIENT };
    assert_eq!(kind(dial(&world, &[(&one, port)], PATIENT).await), io::ErrorKind::ConnectionRefused);
    assert_eq!(kind(dial(&world, &[(&one, port), (&one, port)], PATIENT).await), io::ErrorKind::ConnectionRefused);
    for places in [[(one.as_str(), port), ("zk9.test", port)], [("zk9.test", port), (one.as_str(), port)]] {
        assert_ne!(kind(dial(&world, &places, PATIENT).await), io::ErrorKind::ConnectionRefused, "{places:?}");
    }
    for places in [[(one.as_str(), port), (&two, hole.port())], [(&two, hole.port()), (&one, port)]] {
        assert_eq!(kind(dial(&world, &places, hasty).await), io::ErrorKind::TimedOut, "{places:?}");
    }
}

#[tokio::test]
async fn silent_name_servers_hold_up_only_their_own_dial() {
    let (dns, silent) = (Dns::start(), Dns::start());
    silent.behave(Behaviour::Silent);
    let [_, alive] = two_addresses();
    let listener = TcpListener::bind((alive, 0)).unwrap();
    let expected = listener.local_addr().unwrap();
    let world = World::new(&silent.line());
    // One after the other they would take longer than the deadline.
    let hanging: Vec<_> = (0..50)
        .map(|number| {
            let resolver = world.resolver.clone();
            tokio::spawn(async move { connect(&resolver, &[(format!("zk{number}.test"), 1)], PATIENT).await })
        })
        .collect();
    let alive = alive.to_string();
    assert_eq!(dial(&world, &[(&alive, expected.port())], PATIENT).await.unwrap(), expected);
    dns.set("zk1.test.", &[&alive]);
    let other = World::new(&dns.line());
    assert_eq!(dial(&other, &[("zk1.test", expected.port())], PATIENT).await.unwrap(), expected);
    for task in hanging {
        let error = tokio::time::timeout(DEADLINE, task).await.expect("bounded").unwrap().unwrap_err();
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
}

/// Which place is bound for a name, and whether it is the one that the name means.
async fn place_of_server(world: &World, host: &str) -> (Place, bool) {
    let available = |place| match place {
        Place::At(address) if !address.ip().is_loopback() => Err(io::ErrorKind::AddrNotAvailable.into()),
        place => Ok(place),
    };
    let opened = bind::server_port(&world.resolver, (host, 7), RESOLVE_MAX, available).await.unwrap();
    (opened.socket, opened.widened.is_none())
}

#[tokio::test]
async fn own_names_that_cannot_serve_are_bound_everywhere() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    world.write("hosts", "127.0.1.1 zk1\n127.0.0.1 localhost\n10.0.0.1 zk2\n10.0.0.1 zk3\n::1 zk3\n");
    let check = async |host: &str, expected: &str, as_named: bool| {
        let expected = match expected {
            "*" => Place::Everywhere(7),
            address => Place::At(address.parse().unwrap()),
        };
        assert_eq!(place_of_server(&world, host).await, (expected, as_named), "{host}");
    };
    check("zk1", "*", false).await;
    check("zk2", "*", false).await;
    check("zk3", "*", false).await;
    check("unknown", "*", false).await;
    check("localhost", "127.0.0.1:7", true).await;
    check("127.0.1.1", "127.0.1.1:7", true).await;
    check("0.0.0.0", "*", true).await;
    check("::", "*", true).await;
    check("10.0.0.1", "*", false).await;
    let taken = |_| io::Result::<()>::Err(io::ErrorKind::AddrInUse.into());
    let error = bind::server_port(&world.resolver, ("127.0.0.1", 7), RESOLVE_MAX, taken).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_leader_does_not_wait_for_its_own_name() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    let open = async |host: &str| {
        let patience = Duration::from_millis(50);
        // As if every address were this machine's.
        let opened = bind::server_port(&world.resolver, (host, 7), patience, io::Result::Ok).await.unwrap();
        (opened.socket, opened.widened.is_none())
    };
    dns.set("zk1.test.", &["10.0.0.1"]);
    world.check("zk1.test", &["10.0.0.1"]).await;
    dns.behave(Behaviour::Silent);
    assert_eq!(open("zk1.test").await, (Place::At("10.0.0.1:7".parse().unwrap()), true));
    assert_eq!(open("zk2.test").await, (Place::Everywhere(7), false));
}

#[tokio::test]
async fn a_client_port_is_not_opened_wider_than_its_name_means() {
    let dns = Dns::start();
    let world = World::new(&dns.line());
    world.write("hosts", "127.0.1.1 zk1\n10.0.0.1 zk2\n");
    let available = |place| match place {
        Place::At(address) if !address.ip().is_loopback() => Err(io::ErrorKind::AddrNotAvailable.into()),
        place => Ok(place),
    };
    let open = async |host: &str| bind::client_port(&world.resolver, host, 7, available).await;
    assert_eq!(open("localhost").await.unwrap().socket, Place::At("127.0.0.1:7".parse().unwrap()));
    for own in ["zk1", "zk2"] {
        let opened = open(own).await.unwrap();
        assert_eq!(opened.socket, Place::Everywhere(7));
        assert!(opened.widened.is_some());
    }
    assert!(matches!(open("unknown").await, Err(bind::ClientPortError::Unresolved(_))));
    let error = open("10.0.0.1").await.unwrap_err().to_string();
    assert_eq!(error, "is 10.0.0.1, which is not an address of this machine");
}
