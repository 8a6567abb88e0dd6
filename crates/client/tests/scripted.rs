//! The client against a server that plays a script: frames are read and written here byte by byte, not with `wire`, so
//! that a mistake there does not hide behind itself.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use client::{AddWatchMode, Client, ConnectString, Error, Event, EventType, KeeperState, Op, OpResult, Options, State};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use wire::Acl;
use wire::client::CreateMode;

const SESSION: i64 = 0x0100_0000_0000_0042;
const PASSWORD: [u8; 16] = [9; 16];

/// Whatever is awaited here comes long before.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("no {what} within 30 s"))
}

struct Server {
    listener: TcpListener,
}

impl Server {
    async fn start() -> Server {
        Server { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    async fn accept(&self) -> Conn {
        Conn { stream: within("connection", self.listener.accept()).await.unwrap().0 }
    }

    /// Accepts and gives the session; also what the client asked with.
    async fn session(&self) -> (Conn, Vec<u8>) {
        let mut conn = self.accept().await;
        let asked = conn.frame().await;
        conn.send(&granted(30_000, SESSION)).await;
        (conn, asked)
    }
}

/// An address that refuses connections as long as the socket lives: it is bound, but nobody listens.
fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

struct Conn {
    stream: TcpStream,
}

impl Conn {
    async fn frame(&mut self) -> Vec<u8> {
        within("frame", async {
            let length = self.stream.read_i32().await.unwrap();
            let mut body = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut body).await.unwrap();
            body
        })
        .await
    }

    /// The next request: number, operation, body.
    async fn request(&mut self) -> (i32, i32, Vec<u8>) {
        let frame = self.frame().await;
        (int(&frame, 0), int(&frame, 4), frame[8..].to_vec())
    }

    async fn send(&mut self, body: &[u8]) {
        let mut frame = i32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        self.stream.write_all(&frame).await.unwrap();
    }

    async fn reply(&mut self, xid: i32, zxid: i64, code: i32, body: &[u8]) {
        self.send(&[&xid.to_be_bytes()[..], &zxid.to_be_bytes(), &code.to_be_bytes(), body].concat()).await;
    }

    async fn event(&mut self, zxid: i64, kind: i32, path: &str) {
        let body = [&kind.to_be_bytes()[..], &3_i32.to_be_bytes(), &buffer(path.as_bytes())].concat();
        self.reply(-1, zxid, 0, &body).await;
    }
}

fn int(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn long(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn buffer(bytes: &[u8]) -> Vec<u8> {
    [&i32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn granted(timeout_ms: i32, session: i64) -> Vec<u8> {
    [&[0; 4][..], &timeout_ms.to_be_bytes(), &session.to_be_bytes(), &buffer(&PASSWORD), &[0]].concat()
}

/// A stat whose only number is the data version.
fn stat(version: i32) -> Vec<u8> {
    [&[0; 32][..], &version.to_be_bytes(), &[0; 32]].concat()
}

fn start(servers: &str) -> (Client, UnboundedReceiver<Event>) {
    let connect = ConnectString::parse(servers).unwrap();
    Client::start(connect, Options { timeout_ms: 30_000, read_only: false })
}

async fn told(events: &mut UnboundedReceiver<Event>) -> String {
    let event = within("event", events.recv()).await.unwrap();
    match event.path {
        None => event.state.to_string(),
        Some(path) => format!("{} {path} {}", event.kind, event.zxid),
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> i32 {
    result.unwrap_err().code().unwrap()
}

#[tokio::test]
async fn the_handshake_is_apaches_byte_for_byte() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    assert_eq!((client.state(), client.session_id(), client.server()), (State::Connecting, 0, None));
    let (_conn, asked) = server.session().await;
    let expected = [&[0; 4][..], &[0; 8], &30_000_i32.to_be_bytes(), &[0; 8], &buffer(&[0; 16]), &[0]].concat();
    assert_eq!(asked, expected);
    assert_eq!(told(&mut events).await, "SyncConnected");
    assert_eq!((client.state(), client.session_id(), client.timeout_ms()), (State::Connected, SESSION, 30_000));
    assert_eq!(client.server().unwrap().to_string(), server.address());
}

#[tokio::test]
async fn null_data_goes_both_ways() {
    let server = Server::start().await;
    let (client, _events) = start(&server.address());
    let asking = tokio::spawn({
        let client = client.clone();
        async move {
            let made = client.create("/a", None, &Acl::open(), CreateMode::Persistent, None).await.unwrap();
            let null = client.get_data("/a", false).await.unwrap();
            let empty = client.get_data("/a", false).await.unwrap();
            (made.path, made.stat, null.0, null.1.version, empty.0)
        }
    });
    let (mut conn, _) = server.session().await;
    let (xid, opcode, body) = conn.request().await;
    let acl = [&1_i32.to_be_bytes()[..], &31_i32.to_be_bytes(), &buffer(b"world"), &buffer(b"anyone")].concat();
    let expected = [&buffer(b"/a")[..], &(-1_i32).to_be_bytes(), &acl, &0_i32.to_be_bytes()].concat();
    assert_eq!((xid, opcode, body), (1, 1, expected));
    conn.reply(1, 5, 0, &buffer(b"/a")).await;
    let (xid, opcode, body) = conn.request().await;
    assert_eq!((xid, opcode, body), (2, 4, [&buffer(b"/a")[..], &[0]].concat()));
    conn.reply(2, 5, 0, &[&(-1_i32).to_be_bytes()[..], &stat(3)].concat()).await;
    conn.request().await;
    conn.reply(3, 5, 0, &[&buffer(b"")[..], &stat(3)].concat()).await;
    let answer = within("answers", asking).await.unwrap();
    assert_eq!(answer, ("/a".to_owned(), None, None, 3, Some(Vec::new())));
}

#[tokio::test]
async fn a_lost_session_is_found_again_with_its_identities_and_watches() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    client.add_auth("digest", b"u:p").await;
    let auth = [&[0; 4][..], &buffer(b"digest"), &buffer(b"u:p")].concat();
    assert_eq!(conn.request().await, (-4, 100, auth.clone()));
    let (watched, ()) = tokio::join!(client.get_children("/a", true), async {
        let (xid, ..) = conn.request().await;
        conn.reply(xid, 0x55, 0, &[1_i32.to_be_bytes().to_vec(), buffer(b"b")].concat()).await;
    });
    assert_eq!(watched.unwrap(), ["b"]);
    let (added, ()) = tokio::join!(client.add_watch("/p", AddWatchMode::Persistent), async {
        let (xid, opcode, body) = conn.request().await;
        assert_eq!((opcode, body), (106, [&buffer(b"/p")[..], &[0; 4]].concat()));
        conn.reply(xid, 0x56, 0, &[0; 4]).await;
    });
    added.unwrap();
    let (lost, ()) = tokio::join!(client.get_data("/a", false), async {
        conn.request().await;
        drop(conn);
    });
    assert_eq!(code(lost), -4);
    assert_eq!(told(&mut events).await, "Disconnected");
    assert_eq!((client.state(), client.server()), (State::Connecting, None));
    let (mut conn, asked) = server.session().await;
    assert_eq!((long(&asked, 4), long(&asked, 16), &asked[28..44]), (0x56, SESSION, &PASSWORD[..]));
    assert_eq!(told(&mut events).await, "SyncConnected");
    assert_eq!(conn.request().await, (-4, 100, auth));
    let (xid, opcode, body) = conn.request().await;
    let list = |paths: &[&str]| {
        let paths: Vec<u8> = paths.iter().flat_map(|path| buffer(path.as_bytes())).collect();
        [&i32::from(!paths.is_empty()).to_be_bytes()[..], &paths].concat()
    };
    let lists = [list(&[]), list(&[]), list(&["/a"]), list(&["/p"]), list(&[])].concat();
    assert_eq!((opcode, body), (105, [&0x56_i64.to_be_bytes()[..], &lists].concat()));
    conn.reply(xid, 0x57, 0, &[]).await;
    conn.event(0x58, 4, "/a").await;
    conn.event(0x59, 4, "/a").await;
    conn.event(0x5a, 3, "/p").await;
    assert_eq!(told(&mut events).await, "NodeChildrenChanged /a 88");
    assert_eq!(told(&mut events).await, "NodeDataChanged /p 90");
}

#[tokio::test]
async fn a_chroot_is_put_on_and_taken_off() {
    let server = Server::start().await;
    let (client, mut events) = start(&format!("{}/r/s", server.address()));
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    let mut asked = async |opcode: i32, path: &str, code: i32, body: &[u8]| {
        let (xid, found, frame) = conn.request().await;
        let end = 4 + usize::try_from(int(&frame, 0)).unwrap();
        assert_eq!((found, std::str::from_utf8(&frame[4..end]).unwrap()), (opcode, path));
        conn.reply(xid, 1, code, body).await;
    };
    let create = client.create2("/a-", Some(b"x"), &[], CreateMode::Ephemeral, None);
    assert_eq!(create.await.unwrap_err().to_string(), "KeeperErrorCode = InvalidACL");
    let open = Acl::open();
    let create = client.create2("/a-", Some(b"x"), &open, CreateMode::EphemeralSequential, None);
    let reply = [&buffer(b"/r/s/a-0000000007")[..], &stat(0)].concat();
    let (made, ()) = tokio::join!(create, asked(15, "/r/s/a-", 0, &reply));
    let made = made.unwrap();
    assert_eq!((made.path.as_str(), made.stat.is_some()), ("/a-0000000007", true));
    let (failed, ()) = tokio::join!(client.get_data("/", false), asked(4, "/r/s", -101, &[]));
    assert_eq!(failed.unwrap_err().to_string(), "KeeperErrorCode = NoNode for /");
    let (missing, ()) = tokio::join!(client.exists("/b", true), asked(3, "/r/s/b", -101, &[]));
    assert_eq!(missing.unwrap(), None);
    let reply = [&buffer(b"c")[..], &stat(0)].concat();
    let (config, ()) = tokio::join!(client.get_config(true), asked(4, "/zookeeper/config", 0, &reply));
    assert_eq!(config.unwrap().0.unwrap(), b"c");
    let (gone, ()) = tokio::join!(client.delete("/", -1), asked(2, "/", -8, &[]));
    assert_eq!(gone.unwrap_err().to_string(), "KeeperErrorCode = BadArguments for /");
    conn.event(9, 1, "/r/s/b").await;
    conn.event(10, 3, "/zookeeper/config").await;
    assert_eq!(told(&mut events).await, "NodeCreated /b 9");
    assert_eq!(told(&mut events).await, "NodeDataChanged /zookeeper/config 10");
}

#[tokio::test]
async fn a_refused_server_is_passed_over() {
    let (_held, refused) = refusing();
    let server = Server::start().await;
    let (client, mut events) = start(&format!("{refused},{}", server.address()));
    let (_conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    assert_eq!(client.server().unwrap().to_string(), server.address());
}

#[tokio::test]
async fn requests_fail_when_the_only_server_refuses() {
    let (_held, refused) = refusing();
    let (client, mut events) = start(&refused);
    let failed = within("answer", client.get_data("/a", false)).await.unwrap_err();
    assert_eq!(failed.to_string(), "KeeperErrorCode = ConnectionLoss for /a");
    within("end", client.close()).await;
    assert_eq!(told(&mut events).await, "Closed");
    assert_eq!((client.state(), events.try_recv().is_err()), (State::Closed, true));
    assert_eq!(code(client.get_data("/a", false).await), -112);
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_the_connection() {
    let server = Server::start().await;
    let connect = ConnectString::parse(&server.address()).unwrap();
    let options = Options { timeout_ms: 30_000, read_only: false };
    let (client, mut events) = Client::start_with(connect, &options, 1000);
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    let (fits, ()) = tokio::join!(client.get_children("/a", false), async {
        conn.request().await;
        conn.reply(1, 1, 0, &[1_i32.to_be_bytes().to_vec(), buffer(&[b'x'; 1000 - 16 - 8])].concat()).await;
    });
    assert_eq!(fits.unwrap()[0].len(), 976);
    let (lost, ()) = tokio::join!(client.get_data("/a", false), async {
        conn.request().await;
        conn.stream.write_all(&1001_i32.to_be_bytes()).await.unwrap();
    });
    assert_eq!(code(lost), -4);
    assert_eq!(told(&mut events).await, "Disconnected");
    assert_eq!(within("end", conn.stream.read_u8()).await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_expired_session_is_the_end() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    let (conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    drop(conn);
    assert_eq!(told(&mut events).await, "Disconnected");
    let mut conn = server.accept().await;
    assert_eq!(long(&conn.frame().await, 16), SESSION);
    let refusal = granted(0, 0);
    let (expired, ()) = tokio::join!(client.get_data("/a", false), conn.send(&refusal));
    assert_eq!(code(expired), -112);
    assert_eq!(told(&mut events).await, "Expired");
    assert_eq!((client.state(), client.session_id()), (State::Closed, SESSION));
    assert_eq!(client.get_data("/a", false).await.unwrap_err().to_string(), "KeeperErrorCode = Session expired for /a");
}

#[tokio::test]
async fn a_refused_identity_is_the_end() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    client.add_auth("nobody", b"").await;
    conn.request().await;
    conn.reply(-4, 0, -115, &[]).await;
    assert_eq!(told(&mut events).await, "AuthFailed");
    assert_eq!((client.state(), client.state().is_alive()), (State::AuthFailed, false));
    assert_eq!(code(client.sync("/").await), -115);
}

#[tokio::test]
async fn a_session_is_closed_with_a_word_to_the_server() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    let ((), ()) = tokio::join!(client.close(), async {
        assert_eq!(conn.request().await, (1, -11, Vec::new()));
        conn.reply(1, 6, 0, &[]).await;
    });
    assert_eq!(client.state(), State::Closed);
    assert_eq!(events.try_recv().unwrap(), Event::session(KeeperState::Closed));
    assert_eq!(code(client.get_data("/a", false).await), -112);
    within("second end", client.close()).await;
}

#[tokio::test]
async fn a_dropped_client_drops_its_connection() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    drop(client);
    assert!(within("end", conn.stream.read_u8()).await.is_err());
    assert_eq!(within("end of the events", events.recv()).await, None);
}

#[tokio::test]
async fn a_multi_fails_with_all_its_results() {
    let server = Server::start().await;
    let (client, _events) = start(&server.address());
    let (mut conn, _) = server.session().await;
    assert_eq!(client.multi(Vec::new()).await.unwrap(), []);
    let relative = client.multi(vec![Op::Delete { path: "a".into(), version: -1 }]).await.unwrap_err();
    assert_eq!(relative.to_string(), "Path must start with / character");
    let check = || Op::Check { path: "/a".into(), version: 3 };
    let (failed, ()) = tokio::join!(client.multi(vec![check(), check()]), async {
        let (xid, opcode, body) = conn.request().await;
        let part =
            [&13_i32.to_be_bytes()[..], &[0], &(-1_i32).to_be_bytes(), &buffer(b"/a"), &3_i32.to_be_bytes()].concat();
        let end = [&(-1_i32).to_be_bytes()[..], &[1], &(-1_i32).to_be_bytes()].concat();
        assert_eq!((opcode, body), (14, [&part[..], &part, &end].concat()));
        let error = |code: i32| [&(-1_i32).to_be_bytes()[..], &[0], &code.to_be_bytes(), &code.to_be_bytes()].concat();
        conn.reply(xid, 1, 0, &[&error(0)[..], &error(-103), &end].concat()).await;
    });
    let failed = failed.unwrap_err();
    assert_eq!(failed.to_string(), "KeeperErrorCode = BadVersion");
    assert_eq!(failed.results, [OpResult::Error(0), OpResult::Error(-103)]);
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_an_error_of_its_request() {
    let server = Server::start().await;
    let (client, mut events) = start(&server.address());
    let (mut conn, _) = server.session().await;
    assert_eq!(told(&mut events).await, "SyncConnected");
    let (short, ()) = tokio::join!(client.get_acl("/a"), async {
        conn.request().await;
        conn.reply(1, 1, 0, &[0, 0, 0, 0]).await;
    });
    assert!(matches!(short, Err(Error::Reply(_))), "{short:?}");
    let (unknown, ()) = tokio::join!(client.get_acl("/a"), async {
        conn.request().await;
        conn.reply(2, 1, -126, &[]).await;
    });
    assert_eq!(unknown.unwrap_err().to_string(), "The current client version cannot lookup this code:-126");
    assert_eq!(events.try_recv().map(|event| event.kind).ok(), None::<EventType>);
}
