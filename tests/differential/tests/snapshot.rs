//! Snapshots that one server streams and the other goes on from: ours and Apache's, both ways.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use differential::request::digest_id;
use support::ServerKind::{Apache39, Zookube};
use support::server::Ports;
use support::session::{Mode, Session};
use support::{Server, ServerKind, ServerSpec, ports, wait};

const LIMIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);
const NODES: usize = 200;

/// An answer whose body may be bytes.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn ask(port: u16, method: &str, command: &str, body: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head = format!(
        "{method} /commands/{command} HTTP/1.1\r\nHost: localhost\r\nAuthorization: digest super:secret\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let answer = Answer { status, head, body: bytes[end + 4..].to_vec() };
    let is_chunked = answer.header("Transfer-Encoding").is_some_and(|coding| coding == "chunked");
    Some(if is_chunked { Answer { body: joined(&answer.body), ..answer } } else { answer })
}

/// The pieces of a chunked body, one behind the other.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n").expect("the length of a piece");
        let length = std::str::from_utf8(&body[..end]).expect("a number");
        let length = usize::from_str_radix(length, 16).expect("a hexadecimal number");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
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
