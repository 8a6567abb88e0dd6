//! A server process and a client in plain bytes.

#![allow(dead_code, reason = "every test program uses its own part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any frame here.
const FRAME_BYTES_MAX: usize = 8 << 20;
/// What a narrow client's socket holds.
const NARROW_BYTES: usize = 64 << 10;

use ::support::http::{self, Answer};
pub use ::support::ports::free_port;

/// What a program wrote.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// This port of 127.0.0.1.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// An address of this machine by which it looks like another one: not the loopback's.
///
/// # Panics
/// When it has none, not even a default route.
pub fn outer_address() -> IpAddr {
    // Nothing is sent: the socket only learns where it would be sent from. The network is one for documentation.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let connected = socket.connect((Ipv4Addr::new(198, 51, 100, 1), 9));
    let address = connected.and_then(|()| socket.local_addr()).map(|address| address.ip());
    address.expect("this test needs a network interface besides lo, with a default route")
}

/// Waits until `met` answers something.
pub fn wait_for<T>(what: &str, met: impl FnMut() -> Option<T>) -> T {
    ::support::wait::until(what, PATIENCE, met)
}

/// Lines of `zoo.cfg` for an ensemble of one.
pub const ENSEMBLE_OF_ONE: &str = "standaloneEnabled=false\ninitLimit=10\nsyncLimit=5\n";

/// A server with an admin port.
pub struct Admin {
    pub server: Server,
    pub port: u16,
}

impl Admin {
    /// A server that serves, as far as its status tells, which follows a moment later.
    pub fn start(more: &str) -> Admin {
        let admin = Admin::begin(more);
        admin.server.wait_until_serving();
        let word = || admin.server.word("srvr");
        let serves = || ["Mode: standalone", "Mode: leader"].iter().any(|mode| word().contains(mode));
        wait_for("the status", || serves().then_some(()));
        admin
    }

    /// The same without waiting for anything: it may never serve.
    pub fn begin(more: &str) -> Admin {
        let port = free_port();
        Admin { server: Server::begin(&format!("admin.serverPort={port}\n{more}")), port }
    }

    /// Sends one request.
    pub fn send(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Option<Answer> {
        http::send(loopback(self.port), method, path, head, body)
    }
}

/// A server with its directory.
pub struct Server {
    pub dir: tempfile::TempDir,
    pub client_port: u16,
    pub quorum_port: u16,
    pub election_port: u16,
    process: Child,
}

impl Server {
    /// A standalone server.
    pub fn standalone() -> Server {
        Server::start("")
    }

    /// An ensemble of one: all three ports are open.
    pub fn ensemble_of_one() -> Server {
        Server::start(ENSEMBLE_OF_ONE)
    }

    /// A server with more lines in its `zoo.cfg`.
    pub fn start(more: &str) -> Server {
        let server = Server::begin(more);
        server.wait_until_serving();
        server
    }

    /// The same without waiting for anything: it may never serve.
    pub fn begin(more: &str) -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        let (client_port, quorum_port, election_port) = (free_port(), free_port(), free_port());
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("data directory");
        std::fs::write(data.join("myid"), "1").expect("myid");
        let mut text = format!("tickTime=500\ndataDir={}\nclientPort={client_port}\n{more}", data.display());
        text += "4lw.commands.whitelist=*\nmaxClientCnxns=0\n";
        if !more.contains("admin.") {
            text += "admin.enableServer=false\n";
        }
        if more.contains("initLimit") {
            text += &format!("server.1=127.0.0.1:{quorum_port}:{election_port}\n");
        }
        std::fs::write(dir.path().join("zoo.cfg"), text).expect("zoo.cfg");
        let process = spawn(dir.path());
        Server { dir, client_port, quorum_port, election_port, process }
    }

    /// The answer to a four-letter word, once there is one.
    pub fn word(&self, word: &str) -> String {
        wait_for("an answer to a four-letter word", || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.client_port)).ok()?;
            stream.write_all(word.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            Some(answer)
        })
    }

    fn wait_until_serving(&self) {
        wait_for("the server to serve", || Client::connect(self.client_port));
    }

    /// Stops the process as an operator would and answers its exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        self.tell_to_stop();
        let status = self.process.wait().expect("wait");
        (status.code(), started.elapsed())
    }

    /// Sends the signal to stop and waits for nothing.
    pub fn tell_to_stop(&self) {
        let sent = Command::new("kill").arg(self.process.id().to_string()).status().expect("kill");
        assert!(sent.success());
    }

    /// Starts it again after [`Server::stop`] or [`Server::kill`].
    pub fn restart(&mut self) {
        self.begin_again();
        self.wait_until_serving();
    }

    /// The same without waiting for anything: it may never serve.
    pub fn begin_again(&mut self) {
        self.process = spawn(self.dir.path());
    }

    /// Ends the process without any notice.
    pub fn kill(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("wait");
    }

    /// A client with a new session.
    pub fn client(&self) -> Client {
        Client::connect(self.client_port).expect("a session")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out")).unwrap_or_default()
    }

    /// Waits for a line of the log with all these words.
    pub fn wait_for_line(&self, words: &[&str]) {
        wait_for(&format!("a line with {words:?}"), || {
            self.log().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program under test.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_zookube-node"))
}

fn spawn(dir: &Path) -> Child {
    let out = File::options().create(true).append(true).open(dir.join("out")).expect("a log");
    Command::new(program())
        .args(["run", "--config"])
        .arg(dir.join("zoo.cfg"))
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a handle"))
        .stderr(out)
        .spawn()
        .expect("start the server")
}

/// A frame's body that is being read or written.
#[derive(Default, Clone)]
pub struct Body(pub Vec<u8>);

impl Body {
    pub fn int(mut self, value: i32) -> Body {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn long(mut self, value: i64) -> Body {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn bytes(self, value: &[u8]) -> Body {
        let mut body = self.int(i32::try_from(value.len()).expect("a short value"));
        body.0.extend_from_slice(value);
        body
    }

    pub fn flag(mut self, value: bool) -> Body {
        self.0.push(u8::from(value));
        self
    }

    /// The body behind its length.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = i32::try_from(self.0.len()).expect("a short frame").to_be_bytes().to_vec();
        frame.extend_from_slice(&self.0);
        frame
    }
}

/// Requests.
pub fn create(xid: i32, path: &str, data: &[u8]) -> Body {
    create_with(xid, path, data, 0)
}

pub fn create_ephemeral(xid: i32, path: &str) -> Body {
    create_with(xid, path, b"", 1)
}

fn create_with(xid: i32, path: &str, data: &[u8], flags: i32) -> Body {
    let acl = Body::default().int(1).int(31).bytes(b"world").bytes(b"anyone");
    let mut body = Body::default().int(xid).int(1).bytes(path.as_bytes()).bytes(data);
    body.0.extend_from_slice(&acl.0);
    body.int(flags)
}

pub fn get(xid: i32, path: &str, watch: bool) -> Body {
    Body::default().int(xid).int(4).bytes(path.as_bytes()).flag(watch)
}

pub fn set(xid: i32, path: &str, data: &[u8]) -> Body {
    Body::default().int(xid).int(5).bytes(path.as_bytes()).bytes(data).int(-1)
}

pub fn delete(xid: i32, path: &str) -> Body {
    Body::default().int(xid).int(2).bytes(path.as_bytes()).int(-1)
}

pub fn add_persistent_watch(xid: i32, path: &str) -> Body {
    Body::default().int(xid).int(106).bytes(path.as_bytes()).int(0)
}

pub fn close(xid: i32) -> Body {
    Body::default().int(xid).int(-11)
}

/// A reply or event: header and the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub xid: i32,
    pub zxid: i64,
    pub error: i32,
    pub body: Vec<u8>,
}

/// What it takes to come back to a session; by default to none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    pub id: i64,
    pub password: [u8; 16],
}

/// A connection with a session.
pub struct Client {
    pub stream: TcpStream,
}

impl Client {
    /// Connects and shakes hands; `None` where the server does not serve.
    pub fn connect(port: u16) -> Option<Client> {
        Client::shake_hands(TcpStream::connect(("127.0.0.1", port)).ok()?)
    }

    /// As [`Client::connect`], with a socket that takes little before it is read.
    pub fn connect_narrow(port: u16) -> Option<Client> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(NARROW_BYTES).expect("buffer size");
        socket.connect(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into()).ok()?;
        Client::shake_hands(socket.into())
    }

    fn shake_hands(stream: TcpStream) -> Option<Client> {
        Client::ask_for_session(stream, false).map(|(client, _)| client)
    }

    /// Connects as a client that would be content with reading; says also whether that is all it got.
    pub fn connect_read_only(port: u16) -> Option<(Client, bool)> {
        Client::ask_for_session(TcpStream::connect(("127.0.0.1", port)).ok()?, true)
    }

    fn ask_for_session(stream: TcpStream, read_only: bool) -> Option<(Client, bool)> {
        let (client, answer) = Client::hand_shake(stream, &Session::default(), read_only)?;
        Some((client, answer[36] == 1))
    }

    /// Connects with a session that exists, or, with the default, a new one; answers what it takes to come back.
    pub fn connect_as(port: u16, session: &Session) -> Option<(Client, Session)> {
        let (client, answer) = Client::hand_shake(TcpStream::connect(("127.0.0.1", port)).ok()?, session, false)?;
        let id = i64::from_be_bytes(answer[8..16].try_into().expect("8 bytes"));
        Some((client, Session { id, password: answer[20..36].try_into().expect("16 bytes") }))
    }

    fn hand_shake(mut stream: TcpStream, session: &Session, read_only: bool) -> Option<(Client, Vec<u8>)> {
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let request = Body::default().int(0).long(0).int(30_000).long(session.id).bytes(&session.password);
        stream.write_all(&request.flag(read_only).frame()).ok()?;
        let mut client = Client { stream };
        let answer = client.frame()?;
        assert_eq!(answer.len(), 37, "ConnectResponse with readOnly");
        Some((client, answer))
    }

    /// The next frame; `None` at the end of the connection.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).ok()?;
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length");
        assert!(length < FRAME_BYTES_MAX);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(body)
    }

    pub fn send(&mut self, bodies: &[Body]) {
        let frames: Vec<u8> = bodies.iter().flat_map(Body::frame).collect();
        self.stream.write_all(&frames).expect("send");
    }

    pub fn reply(&mut self) -> Reply {
        let frame = self.frame().expect("a reply");
        let int = |at: usize| i32::from_be_bytes(frame[at..at + 4].try_into().expect("4 bytes"));
        let zxid = i64::from_be_bytes(frame[4..12].try_into().expect("8 bytes"));
        Reply { xid: int(0), zxid, error: int(12), body: frame[16..].to_vec() }
    }

    pub fn call(&mut self, body: Body) -> Reply {
        self.send(&[body]);
        self.reply()
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
