//! Election ports over real sockets of this machine. Nothing sleeps: tests wait for what they await, up to a deadline.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use wire::election::ServerState;
use wire::{Epoch, Zxid};

use super::*;
use crate::resolve::ResolverSettings;
use crate::resolve::test_dns::{Behaviour, Dns};
use crate::resolve::tests::{BlackHole, two_addresses};
use hickory_resolver::proto::op::ResponseCode;

const DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits for a state that no event announces.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(super) struct Port {
    pub(super) net: ElectionNet,
    pub(super) events: mpsc::UnboundedReceiver<ElectionEvent>,
    address: SocketAddr,
}

impl Port {
    /// The next event but news of who can be heard.
    async fn next(&mut self) -> ElectionEvent {
        loop {
            match within("an event", self.events.recv()).await.expect("the port is open") {
                ElectionEvent::Reach { .. } => {}
                event => return event,
            }
        }
    }

    /// What is learnt next about a peer.
    pub(super) async fn reach(&mut self, peer: i64) -> Reach {
        loop {
            match within("news of a peer", self.events.recv()).await.expect("the port is open") {
                ElectionEvent::Reach { sid, reach } if sid == ServerId(peer) => return reach,
                _ => {}
            }
        }
    }

    /// The next event, which must be a notification of `from`.
    pub(super) async fn notification(&mut self, from: i64) -> Notification {
        match self.next().await {
            ElectionEvent::Notification { from: sender, notification } if sender == ServerId(from) => notification,
            other => panic!("expected a notification of {from}, got {other:?}"),
        }
    }

    /// Waits until a given notification arrives; repetitions of older ones may come before it.
    pub(super) async fn expect(&mut self, from: i64, round: i64) {
        while self.notification(from).await.round != round {}
    }

    pub(super) async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

pub(super) fn notification(round: i64) -> Notification {
    Notification {
        state: ServerState::Looking,
        leader: ServerId(3),
        zxid: Zxid(5),
        round,
        peer_epoch: Epoch(1),
        version: Notification::VERSION,
        config: Some("version=0".to_owned()),
    }
}

/// An address of this machine that no other test uses: a port that one test closes is not taken by another.
pub(super) fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// An open port for each id.
pub(super) async fn reserve(sids: &[i64]) -> (Vec<TcpListener>, Membership) {
    let host = own_address();
    let mut listeners = Vec::new();
    let mut text = String::new();
    for sid in sids {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        text.push_str(&format!("server.{sid}={host}:1:{port}\n"));
        listeners.push(listener);
    }
    (listeners, Membership::parse(&text).unwrap())
}

pub(super) fn open(me: i64, listener: TcpListener, membership: &Membership) -> Port {
    open_with(ElectionNetSettings::new(ServerId(me)), listener, membership)
}

pub(super) fn open_with(settings: ElectionNetSettings, listener: TcpListener, membership: &Membership) -> Port {
    let address = listener.local_addr().unwrap();
    let (sender, events) = mpsc::unbounded_channel();
    let report = move |event| drop(sender.send(event));
    let net = ElectionNet::on_listeners(vec![listener], settings, membership.clone(), report).unwrap();
    Port { net, events, address }
}

pub(super) async fn two_ports() -> (Port, Port) {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    let two = open(2, listeners.pop().unwrap(), &membership);
    let one = open(1, listeners.pop().unwrap(), &membership);
    (one, two)
}

fn frame(round: i64) -> Vec<u8> {
    notification(round).to_frame().to_vec()
}

/// Reads until the other side closes; a reset counts.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    within("the connection to be closed", stream.read_to_end(&mut rest)).await.ok();
    assert!(rest.is_empty(), "got {rest:?} before the end");
}

#[tokio::test]
async fn the_larger_id_connects_and_keeps() {
    let (mut one, mut two) = two_ports().await;
    two.net.send(ServerId(1), &notification(1));
    assert_eq!(one.notification(2).await, notification(1));
    // The connection carries the other direction as well.
    one.net.send(ServerId(2), &notification(2));
    assert_eq!(two.notification(1).await, notification(2));
    assert_eq!(one.net.connected(), [ServerId(2)]);
    assert_eq!(two.net.connected(), [ServerId(1)]);
}

#[tokio::test]
async fn the_smaller_id_asks_to_be_connected() {
    let (one, mut two) = two_ports().await;
    assert!(!one.net.have_delivered(), "nothing was sent");
    one.net.send(ServerId(2), &notification(1));
    assert_eq!(two.notification(1).await, notification(1));
    assert_eq!(one.net.connected(), [ServerId(2)]);
}

#[tokio::test]
async fn simultaneous_dials_leave_one_connection() {
    for round in 0..20 {
        let (mut one, mut two) = two_ports().await;
        one.net.send(ServerId(2), &notification(round));
        two.net.send(ServerId(1), &notification(round));
        one.expect(2, round).await;
        two.expect(1, round).await;
        // Whichever connection is left works both ways.
        one.net.send(ServerId(2), &notification(round + 100));
        two.net.send(ServerId(1), &notification(round + 100));
        one.expect(2, round + 100).await;
        two.expect(1, round + 100).await;
        within("both ports to close", async {
            one.net.shutdown().await;
            two.net.shutdown().await;
        })
        .await;
    }
}

#[tokio::test]
async fn the_handshake_is_one_segment_of_apaches_bytes() {
    let (mut listeners, membership) = reserve(&[1, 3]).await;
    let three = open(3, listeners.pop().unwrap(), &membership);
    let peer = listeners.pop().unwrap();
    three.net.send(ServerId(1), &notification(1));
    let (mut stream, _) = within("a connection", peer.accept()).await.unwrap();
    let address = three.address.to_string();
    let mut expected = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
    expected.push(u8::try_from(address.len()).unwrap());
    expected.extend_from_slice(address.as_bytes());
    let mut first = vec![0; expected.len()];
    // A single read: servers that do not loop must get it whole.
    let count = within("the handshake", stream.read(&mut first)).await.unwrap();
    assert_eq!(first[..count], expected);
    let mut body = vec![0; frame(1).len()];
    within("the notification", stream.read_exact(&mut body)).await.unwrap();
    assert_eq!(body, frame(1));
}

#[tokio::test]
async fn handshakes_of_all_versions_are_read() {
    let old = 5i64.to_be_bytes().to_vec();
    let v1 = Handshake { sid: ServerId(6), addresses: vec!["zk6:3888".to_owned()] }.to_bytes().to_vec();
    let v2 = Handshake { sid: ServerId(7), addresses: vec!["zk7:3888".to_owned(), "[::1]:3888".to_owned()] };
    let (mut listeners, membership) = reserve(&[1]).await;
    let mut one = open(1, listeners.pop().unwrap(), &membership);
    for (sid, handshake) in [(5, old), (6, v1), (7, v2.to_bytes().to_vec())] {
        let mut stream = one.dial().await;
        // Byte by byte, with the first notification on its heels.
        for byte in handshake.iter().chain(&frame(sid)) {
            stream.write_all(&[*byte]).await.unwrap();
        }
        assert_eq!(one.notification(sid).await, notification(sid));
        one.net.send(ServerId(sid), &notification(40));
        let mut answer = vec![0; frame(40).len()];
        within("the answer", stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, frame(40));
    }
    until("the ends of the connections", || one.net.connected().is_empty()).await;
}

#[tokio::test]
async fn a_smaller_id_is_connected_back_where_it_says() {
    // Server 1 is configured at an address where nobody listens; its handshake names the right one.
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    let two = open(2, listeners.pop().unwrap(), &membership);
    drop(listeners);
    let real = TcpListener::bind((own_address(), 0)).await.unwrap();
    two.net.send(ServerId(1), &notification(9));
    let mut stream = two.dial().await;
    let address = real.local_addr().unwrap().to_string();
    stream.write_all(&Handshake { sid: ServerId(1), addresses: vec![address] }.to_bytes()).await.unwrap();
    closed(&mut stream).await;
    let (mut stream, _) = within("the connection back", real.accept()).await.unwrap();
    let mut bytes = vec![0; two.net.shared.places.read().introduction.len() + frame(9).len()];
    within("handshake and message", stream.read_exact(&mut bytes)).await.unwrap();
    assert!(bytes.ends_with(&frame(9)));
}

#[tokio::test]
async fn a_new_connection_replaces_the_old_and_repeats_the_last_message() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    let _two = listeners.pop().unwrap();
    let one = open(1, listeners.pop().unwrap(), &membership);
    let handshake = Handshake { sid: ServerId(2), addresses: vec!["127.0.0.1:1".to_owned()] }.to_bytes();
    let mut first = one.dial().await;
    first.write_all(&handshake).await.unwrap();
    until("the first connection", || one.net.connected() == [ServerId(2)]).await;
    one.net.send(ServerId(2), &notification(1));
    let mut body = vec![0; frame(1).len()];
    within("the message", first.read_exact(&mut body)).await.unwrap();
    assert_eq!(body, frame(1));
    let mut second = one.dial().await;
    second.write_all(&handshake).await.unwrap();
    closed(&mut first).await;
    within("the message again", second.read_exact(&mut body)).await.unwrap();
    assert_eq!(body, frame(1));
    assert!(one.net.have_delivered());
}

#[tokio::test]
async fn only_the_latest_message_waits() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    let two_address = listeners[1].local_addr().unwrap();
    let listener_two = listeners.pop().unwrap();
    drop(listener_two);
    let one = open(1, listeners.pop().unwrap(), &membership);
    for round in 1..50 {
        one.net.send(ServerId(2), &notification(round));
    }
    assert!(!one.net.have_delivered());
    let listener = TcpListener::bind(two_address).await.unwrap();
    let mut two = open(2, listener, &membership);
    one.net.connect_all();
    assert_eq!(two.notification(1).await.round, 49);
    until("the slot to be empty", || one.net.have_delivered()).await;
}

#[tokio::test]
async fn send_works_from_a_thread_without_a_runtime() {
    let (one, mut two) = two_ports().await;
    std::thread::scope(|scope| {
        scope.spawn(|| one.net.send(ServerId(2), &notification(7)));
    });
    assert_eq!(two.notification(1).await.round, 7);
}

#[tokio::test]
async fn a_restarted_peer_is_found_again() {
    let (mut one, two) = two_ports().await;
    two.net.send(ServerId(1), &notification(1));
    one.expect(2, 1).await;
    let (address, peer) = (two.address, one.address);
    let membership =
        Membership::parse(&format!("server.1=127.0.0.1:1:{}\nserver.2=127.0.0.1:1:{}", peer.port(), address.port()))
            .unwrap();
    two.net.shutdown().await;
    until("the connection to end", || one.net.connected().is_empty()).await;
    one.net.send(ServerId(2), &notification(2));
    let mut two = open(2, TcpListener::bind(address).await.unwrap(), &membership);
    // Nobody asks again: the port itself tries until the message is delivered.
    two.expect(1, 2).await;
}

#[tokio::test]
async fn garbage_closes_only_its_own_connection() {
    let (mut listeners, membership) = reserve(&[1, 2]).await;
    listeners.pop();
    let mut one = open(1, listeners.pop().unwrap(), &membership);
    let long = i32::try_from(wire::election::ADDRESS_BYTES_MAX).unwrap() + 1;
    let v1 = |sid: i64, length: i32, text: &[u8]| {
        let mut bytes = wire::election::HANDSHAKE_V1.to_be_bytes().to_vec();
        bytes.extend(sid.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes.extend(text);
        bytes
    };
    let good = v1(2, 5, b"zk2:1");
    let with = |tail: &[u8]| [good.as_slice(), tail].concat();
    let bad = [
        (-1i64).to_be_bytes().to_vec(),
        b"\xff\xff\xff\xff\xff\xff\x00\x02and more than that".to_vec(),
        v1(2, 0, b""),
        v1(2, -1, b""),
        v1(2, long, b""),
        v1(2, i32::MAX, b""),
        v1(2, 3, b"\xff\xfe\xfd"),
        v1(2, 3, b"zk2"),
        v1(-7, 5, b"zk2:1"),
        i64::MAX.to_be_bytes().to_vec(),
        with(&0i32.to_be_bytes()),
        with(&(-1i32).to_be_bytes()),
        with(&(512 * 1024 + 1i32).to_be_bytes()),
        with(b"GET / HTTP/1.1\r\n\r\n"),
    ];
    for bytes in bad {
        let mut stream = one.dial().await;
        stream.write_all(&bytes).await.unwrap();
        closed(&mut stream).await;
    }
    // A notification too short or with an unknown state is skipped; what follows it counts.
    let mut stream = one.dial().await;
    let mut odd = frame(1);
    odd[7] = 9;
    let tail = [&3i32.to_be_bytes()[..], b"abc", &odd, &36i32.to_be_bytes(), &[0; 36], &frame(8)].concat();
    stream.write_all(&with(&tail)).await.unwrap();
    assert_eq!(one.notification(2).await, notification(8));
}

#[tokio::test]
async fn an_own_id_is_reported() {
    let (mut listeners, membership) = reserve(&[1]).await;
    let mut one = open(1, listeners.pop().unwrap(), &membership);
    let mut stream = one.dial().await;
    let address = stream.local_addr().unwrap();
    let introduction = one.net.shared.places.read().introduction.clone();
    stream.write_all(&introduction).await.unwrap();
    assert_eq!(one.next().await, ElectionEvent::DuplicateSid { address });
    closed(&mut stream).await;
}

#[tokio::test]
async fn silent_connections_end_and_are_bounded() {
    let (mut listeners, membership) = reserve(&[1]).await;
    let timeout = Duration::from_millis(300);
    let settings = ElectionNetSettings { handshake_timeout: timeout, ..ElectionNetSettings::new(ServerId(1)) };
    let one = open_with(settings, listeners.pop().unwrap(), &membership);
    let mut silent = Vec::new();
    for _ in 0..HANDSHAKES_PENDING_MAX + 20 {
        let mut stream = one.dial().await;
        stream.write_all(&[0xff; 3]).await.ok();
        silent.push(stream);
    }
    for stream in &mut silent {
        closed(stream).await;
    }
    assert_eq!(one.net.shared.handshakes.available_permits(), HANDSHAKES_PENDING_MAX);
}

#[tokio::test]
async fn strangers_are_bounded() {
    let (mut listeners, membership) = reserve(&[1]).await;
    let one = open(1, listeners.pop().unwrap(), &membership);
    for sid in 2..i64::try_from(PEERS_MAX).unwrap() + 2 {
        one.net.shared.peers.lock().connect(ServerId(sid)).unwrap();
    }
    let mut stream = one.dial().await;
    stream.write_all(&9999i64.to_be_bytes()).await.unwrap();
    closed(&mut stream).await;
    // Sending to one more is ignored rather than fatal; the place of one that is gone is free.
    one.net.send(ServerId(9998), &notification(1));
    assert!(one.net.have_delivered());
    one.net.shared.peers.lock().disconnected(ServerId(7), 6);
    let mut stream = one.dial().await;
    stream.write_all(&9999i64.to_be_bytes()).await.unwrap();
    until("the newcomer", || one.net.connected().contains(&ServerId(9999))).await;
}

#[tokio::test]
async fn a_member_always_has_a_place() {
    let (mut listeners, membership) = reserve(&[1, 600]).await;
    let mut member = open(600, listeners.pop().unwrap(), &membership);
    let one = open(1, listeners.pop().unwrap(), &membership);
    let mut strangers = 0;
    for sid in 700..2_000 {
        strangers += usize::from(one.net.shared.peers.lock().connect(ServerId(sid)).is_some());
    }
    assert_eq!(strangers, PEERS_MAX - 1);
    one.net.send(ServerId(600), &notification(3));
    member.expect(1, 3).await;
}

#[tokio::test]
async fn ports_are_opened_as_configured() {
    // Without name servers and hosts of this machine.
    let dir = tempfile::tempdir().unwrap();
    let files = ResolverSettings { resolv_conf: dir.path().join("no"), hosts: dir.path().join("none"), srv: None };
    let resolver = Resolver::new(files);
    let check = async |host: &str, all: bool, expected: &str| {
        // Port 0 lets the kernel choose; a configuration would not.
        let membership = Membership::parse(&format!("server.1={host}:1:0")).unwrap();
        let resolver = resolver.clone();
        let settings =
            ElectionNetSettings { listen_on_all_ips: all, resolver, ..ElectionNetSettings::new(ServerId(1)) };
        let listeners = listen::open(&settings, &own_addresses(&settings, &membership).unwrap()).await.unwrap();
        let addresses: Vec<SocketAddr> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert_eq!(addresses.len(), 1);
        let kind = if addresses[0].ip().is_unspecified() { "wildcard" } else { "configured" };
        assert_eq!(kind, expected, "{host}, all addresses: {all}");
        TcpStream::connect((Ipv4Addr::LOCALHOST, addresses[0].port())).await.unwrap();
    };
    check("127.0.0.1", false, "configured").await;
    check("localhost", false, "configured").await;
    check("127.0.0.1", true, "wildcard").await;
    // Neither a name nobody knows nor the address of another machine keeps a server from starting.
    check("no-such-host.invalid", false, "wildcard").await;
    check("192.0.2.1", false, "wildcard").await;
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let membership = Membership::parse(&format!("server.1=127.0.0.1:1:{port}")).unwrap();
    let settings = ElectionNetSettings { bind_attempts: 1, ..ElectionNetSettings::new(ServerId(1)) };
    let error = ElectionNet::start(settings.clone(), membership, |_| {}).await.err().expect("the port is taken");
    let text = error.to_string();
    assert!(text.starts_with(&format!("open election port 127.0.0.1:{port}: ")), "{text}");
    let error = ElectionNet::start(settings, Membership::default(), |_| {}).await.err().unwrap();
    assert!(matches!(error, ElectionNetError::NoOwnAddress { me: ServerId(1) }), "{error}");
}

#[tokio::test]
async fn shutdown_leaves_nothing_behind() {
    let (mut listeners, membership) = reserve(&[1, 2, 3]).await;
    let two = open(2, listeners.remove(1), &membership);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let (address, listener) = (listeners[0].local_addr().unwrap(), listeners.remove(0));
    let count = move |event| {
        if matches!(event, ElectionEvent::Notification { .. }) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let settings = ElectionNetSettings::new(ServerId(1));
    let one = ElectionNet::on_listeners(vec![listener], settings, membership.clone(), count).unwrap();
    two.net.send(ServerId(1), &notification(1));
    until("the message", || calls.load(Ordering::Relaxed) == 1).await;
    // One peer is connected, another is being dialled, a third connection is silent.
    one.send(ServerId(3), &notification(1));
    let _silent = TcpStream::connect(address).await.unwrap();
    let shared = Arc::downgrade(&one.shared);
    within("the port to close", one.shutdown()).await;
    assert_eq!(shared.strong_count(), 0, "a task still runs");
    TcpListener::bind(address).await.expect("the port is free again");
}

/// A directory with a `resolv.conf`, and the resolver that reads it.
pub(super) fn resolver_of(dns: &Dns) -> (tempfile::TempDir, Resolver) {
    let dir = tempfile::tempdir().unwrap();
    let (resolv_conf, hosts) = (dir.path().join("resolv.conf"), dir.path().join("hosts"));
    std::fs::write(&resolv_conf, dns.line() + "options timeout:1\n").unwrap();
    (dir, Resolver::new(ResolverSettings { resolv_conf, hosts, srv: None }))
}

/// Settings under which no attempt ends because time has passed.
pub(super) fn patient(me: i64, resolver: &Resolver) -> ElectionNetSettings {
    let connect_timeout = Duration::from_secs(600);
    ElectionNetSettings { resolver: resolver.clone(), connect_timeout, ..ElectionNetSettings::new(ServerId(me)) }
}

#[tokio::test]
async fn a_peer_that_moves_is_found_though_its_old_address_swallows_everything() {
    let dns = Dns::start();
    let (_dir, resolver) = resolver_of(&dns);
    let [old, new] = two_addresses();
    let listener = TcpListener::bind((old, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let own = TcpListener::bind((own_address(), 0)).await.unwrap();
    let membership = Membership::parse(&format!(
        "server.1=zk1.test:1:{port}\nserver.2={}:1:{}\n",
        own.local_addr().unwrap().ip(),
        own.local_addr().unwrap().port()
    ))
    .unwrap();
    dns.set("zk1.test.", &[&old.to_string()]);
    let two = open_with(patient(2, &resolver), own, &membership);
    let mut one = open_with(patient(1, &resolver), listener, &membership);
    two.net.send(ServerId(1), &notification(1));
    one.expect(2, 1).await;
    one.net.shutdown().await;
    until("the connection to end", || two.net.connected().is_empty()).await;
    let _hole = BlackHole::open(old, port);
    let asked = dns.asked().len();
    two.net.send(ServerId(1), &notification(2));
    until("an attempt at the old address", || dns.asked().len() > asked).await;
    // It comes back elsewhere and says nothing itself: who finds it has looked its name up again.
    let mut one = open_with(patient(1, &resolver), TcpListener::bind((new, port)).await.unwrap(), &membership);
    dns.set("zk1.test.", &[&new.to_string()]);
    one.expect(2, 2).await;
}

#[tokio::test]
async fn names_that_nobody_knows_at_first_are_found_when_the_name_server_is_back() {
    let dns = Dns::start();
    dns.behave(Behaviour::Silent);
    let (_dir, resolver) = resolver_of(&dns);
    let (mut listeners, numbers) = reserve(&[1, 2]).await;
    let mut text = numbers.to_text();
    for sid in [1, 2] {
        let host = &numbers.servers[&ServerId(sid)].addresses[0].host;
        dns.set(&format!("zk{sid}.test."), &[host]);
        text = text.replace(&format!("server.{sid}={host}:"), &format!("server.{sid}=zk{sid}.test:"));
    }
    let membership =
        Membership::parse(&text.lines().filter(|line| line.starts_with("server")).collect::<Vec<_>>().join("\n"));
    let membership = membership.unwrap();
    let mut two = open_with(patient(2, &resolver), listeners.pop().unwrap(), &membership);
    let mut one = open_with(patient(1, &resolver), listeners.pop().unwrap(), &membership);
    one.net.send(ServerId(2), &notification(1));
    two.net.send(ServerId(1), &notification(1));
    until("questions of both", || {
        dns.asked().iter().any(|name| name.starts_with("zk1")) && dns.asked().iter().any(|name| name.starts_with("zk2"))
    })
    .await;
    dns.behave(Behaviour::Says(ResponseCode::ServFail));
    let asked = dns.asked().len();
    until("more questions", || dns.asked().len() > asked + 2).await;
    assert!(one.net.connected().is_empty());
    dns.behave(Behaviour::Answers);
    one.expect(2, 1).await;
    two.expect(1, 1).await;
}

#[tokio::test]
async fn a_server_that_has_moved_and_is_let_go_of_stays_where_it_is() {
    let (listeners, at_first) = reserve(&[1, 2]).await;
    let own = at_first.servers[&ServerId(1)].clone();
    let settings = ElectionNetSettings { own: Some(own), ..ElectionNetSettings::new(ServerId(1)) };
    let net = ElectionNet::on_listeners(listeners, settings, at_first.clone(), |_| {}).unwrap();
    let port = || net.shared.places.read().own[0].port;
    let (free, elsewhere) = reserve(&[1]).await;
    drop(free);
    net.set_memberships(&elsewhere, None);
    let moved_to = port();
    assert_eq!(moved_to, elsewhere.servers[&ServerId(1)].addresses[0].election_port);
    let without = Membership { servers: at_first.servers.clone().split_off(&ServerId(2)), ..at_first };
    net.set_memberships(&without, None);
    assert_eq!(port(), moved_to);
}
