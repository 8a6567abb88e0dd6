//! Snapshots that one server streams and the other goes on from: ours and Apache's, both ways.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use differential::request::digest_id;
use support::ServerKind::{Apache39, Zookube};
use support::http::{self, Answer};
use support::server::Ports;
use support::session::{Mode, Session};
use support::{Server, ServerKind, ServerSpec, ports, wait};

const LIMIT: Duration = Duration::from_secs(60);
const NODES: usize = 200;

fn ask(port: u16, method: &str, command: &str, body: &[u8]) -> Option<Answer> {
    let head = "Authorization: digest super:secret\r\nContent-Type: application/octet-stream\r\n";
    http::send(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), method, &format!("/commands/{command}"), head, body)
}

fn spec(kind: ServerKind, port: u16) -> ServerSpec {
    let spec = ServerSpec::new(kind).set("admin.enableServer", "true").set("admin.serverAddress", "127.0.0.1");
    spec.set("admin.serverPort", port).set("DigestAuthenticationProvider.superDigest", digest_id("super", "secret"))
}

fn session(server: &Server) -> Session {
    Session::open_any(&[server.addr()], 30_000, LIMIT)
}

fn path(number: usize) -> String {
    format!("/app/n{number}")
}

/// A server that holds some nodes, and its snapshot.
fn taken(kind: ServerKind) -> (Server, Answer) {
    let port = ports::free_port();
    let server = Server::standalone(spec(kind, port));
    let mut session = session(&server);
    session.create("/app", b"", Mode::Persistent).expect("created");
    for number in 0..NODES {
        session.create(&path(number), format!("data {number}").as_bytes(), Mode::Persistent).expect("created");
    }
    let answer = wait::until("a snapshot", LIMIT, || ask(port, "GET", "snapshot?streaming=true", b""));
    assert_eq!(answer.status, 200, "{}", answer.head);
    (server, answer)
}

fn check(server: &Server) {
    let mut session = session(server);
    assert_eq!(session.children("/app").expect("listed").len(), NODES);
    for number in 0..NODES {
        assert_eq!(session.get(&path(number)).expect("read").0, format!("data {number}").as_bytes());
    }
    session.create("/app/more", b"", Mode::Persistent).expect("the server goes on");
}

#[test]
fn apaches_server_starts_from_our_snapshot() {
    let (ours, snapshot) = taken(Zookube);
    let zxid = snapshot.header("last_zxid").and_then(|zxid| zxid.strip_prefix("0x")).expect("a zxid").to_owned();
    drop(ours);
    let mut apache = Server::prepare(spec(Apache39, ports::free_port()), Ports::free());
    let directory = apache.data_dir().join("version-2");
    std::fs::create_dir(&directory).expect("a directory");
    std::fs::write(directory.join(format!("snapshot.{zxid}")), &snapshot.body).expect("a snapshot");
    apache.start();
    apache.wait_serving();
    check(&apache);
}

#[test]
fn our_server_restores_apaches_snapshot() {
    let (apache, snapshot) = taken(Apache39);
    drop(apache);
    let port = ports::free_port();
    let mut ours = Server::standalone(spec(Zookube, port));
    session(&ours).create("/undone", b"", Mode::Persistent).expect("created");
    let answer = wait::until("an answer", LIMIT, || ask(port, "POST", "restore", &snapshot.body));
    assert_eq!(answer.status, 200, "{} {}", answer.head, String::from_utf8_lossy(&answer.body));
    assert!(session(&ours).get("/undone").is_err(), "what was there before is gone");
    check(&ours);
    ours.kill_9();
    ours.start();
    ours.wait_serving();
    assert_eq!(session(&ours).children("/app").expect("listed").len(), NODES + 1, "what was restored is durable");
}
