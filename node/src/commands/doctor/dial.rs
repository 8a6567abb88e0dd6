//! Asks names for addresses and addresses for connections. What the answers mean is decided in [`super::peers`].

use super::clock::{self, Skew};
use super::progress::Progress;
use crate::config::is_wildcard;
use crate::resolve::Resolver;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wire::ServerId;
use zab::quorum::{MemberRole, ServerSpec};

/// More than any answer to `srvr`.
const ANSWER_BYTES_MAX: u64 = 4 << 10;
/// Attempts to connect that are made to one name; a name with more addresses has the rest left out.
const ADDRESSES_MAX: usize = 8;

/// How far an attempt to connect came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Somebody accepted.
    Connected,
    /// The host is there, and nothing listens on the port.
    Refused,
    /// No answer of any kind within the time.
    TimedOut,
    /// Anything else, in the system's words.
    Failed(String),
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where to.
    pub address: SocketAddr,
    /// How far it came.
    pub reach: Reach,
}

/// The attempts to connect to one port of one host name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialed {
    /// As configured.
    pub host: String,
    /// As configured.
    pub port: u16,
    /// One for each address of the name; or why there is no address.
    pub attempts: Result<Vec<Attempt>, String>,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The word behind `Mode:`: `leader`, `follower`, `observer`, `standalone`, `read-only`.
    Serving(String),
    /// It listens for clients and does not serve them: it has no quorum, or is about to.
    NotServing,
    /// It answered something else; `srvr` may not be allowed.
    Other,
    /// It accepted the connection and said nothing: the kernel accepts for a process that stands still.
    Hung,
    /// It was not reached.
    Silent,
}

/// What was found out about one other server.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Which server.
    pub sid: ServerId,
    /// Whether it votes.
    pub role: MemberRole,
    /// Its election ports, one for each address of its line.
    pub election: Vec<Dialed>,
    /// Its quorum ports, likewise. Empty for an observer: it never leads.
    pub quorum: Vec<Dialed>,
    /// What it says on its client port.
    pub mode: Mode,
    /// How its clock differs from this machine's, or why that is not known.
    pub skew: Result<Skew, String>,
}

/// What the dialing needs to know.
#[derive(Debug, Clone)]
pub struct DialSettings {
    /// The longest wait for a connection or an answer.
    pub patience: Duration,
    /// The client port where a server's line has none: this server's own.
    pub client_port: u16,
    /// Ports on which peers may answer HTTP, the likeliest first.
    pub http_ports: Vec<u16>,
}

/// Finds out about one peer. Everything is tried at once, so it takes little longer than the slowest attempt.
pub async fn peer(
    sid: ServerId,
    spec: &ServerSpec,
    settings: &DialSettings,
    resolver: &Resolver,
    progress: &Progress,
) -> Peer {
    let dialer = Dialer { patience: settings.patience, resolver, progress };
    let votes = spec.role == MemberRole::Participant;
    let (client_host, client_port) = client_address(spec, settings.client_port);
    let election = async {
        let mut dialed = Vec::new();
        for address in &spec.addresses {
            dialed.push(dialer.dial(&address.host, address.election_port).await);
        }
        dialed
    };
    let quorum = async {
        let mut dialed = Vec::new();
        for address in spec.addresses.iter().filter(|_| votes) {
            dialed.push(dialer.dial(&address.host, address.quorum_port).await);
        }
        dialed
    };
    let mode = dialer.mode(&client_host, client_port);
    let skew = dialer.skew(&client_host, &settings.http_ports);
    let (election, quorum, mode, skew) = tokio::join!(election, quorum, mode, skew);
    Peer { sid, role: spec.role, election, quorum, mode, skew }
}

/// Where a server's clients connect; a wildcard says nothing to others, so the name for servers takes its place.
fn client_address(spec: &ServerSpec, own_client_port: u16) -> (String, u16) {
    let of_line = spec.addresses.first().map(|address| address.host.clone()).unwrap_or_default();
    match &spec.client {
        Some(client) if is_wildcard(&client.host) => (of_line, client.port),
        Some(client) => (client.host.clone(), client.port),
        None => (of_line, own_client_port),
    }
}

/// Whether any election port of a server's line accepts connections.
pub async fn votes(spec: &ServerSpec, settings: &DialSettings, resolver: &Resolver, progress: &Progress) -> bool {
    let dialer = Dialer { patience: settings.patience, resolver, progress };
    let dialed = spec.addresses.iter().map(|address| dialer.dial(&address.host, address.election_port));
    join_all(dialed).await.iter().any(is_reached)
}

/// Whether some address of a name accepted.
#[must_use]
pub fn is_reached(dialed: &Dialed) -> bool {
    let attempts = dialed.attempts.as_deref().unwrap_or_default();
    attempts.iter().any(|attempt| attempt.reach == Reach::Connected)
}

/// What this server says of itself, asked as a client would.
pub async fn own_mode(host: &str, settings: &DialSettings, resolver: &Resolver, progress: &Progress) -> Mode {
    Dialer { patience: settings.patience, resolver, progress }.mode(host, settings.client_port).await
}

struct Dialer<'a> {
    patience: Duration,
    resolver: &'a Resolver,
    progress: &'a Progress,
}

impl Dialer<'_> {
    async fn dial(&self, host: &str, port: u16) -> Dialed {
        let _step = self.progress.begin(format!("{host}:{port}"));
        let attempts = match resolve(self.resolver, host, port).await {
            Err(why) => Err(why),
            Ok(addresses) => {
                let attempts = addresses.into_iter().map(|address| async move {
                    Attempt { address, reach: self.connect(address).await.err().unwrap_or(Reach::Connected) }
                });
                Ok(join_all(attempts).await)
            }
        };
        Dialed { host: host.to_owned(), port, attempts }
    }

    async fn connect(&self, address: SocketAddr) -> Result<TcpStream, Reach> {
        match timeout(self.patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(classify(&error)),
            Err(_) => Err(Reach::TimedOut),
        }
    }

    async fn connect_to_any(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let mut last = "has no address".to_owned();
        for address in resolve(self.resolver, host, port).await? {
            match self.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(reach) => last = format!("{address} {}", words(&reach, self.patience)),
            }
        }
        Err(last)
    }

    async fn mode(&self, host: &str, port: u16) -> Mode {
        let _step = self.progress.begin(format!("{host}:{port}"));
        let Ok(mut stream) = self.connect_to_any(host, port).await else { return Mode::Silent };
        let ask = async {
            stream.write_all(b"srvr").await?;
            let mut answer = Vec::new();
            stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
            io::Result::Ok(answer)
        };
        match timeout(self.patience, ask).await {
            Ok(Ok(answer)) => mode_of(&String::from_utf8_lossy(&answer)),
            Ok(Err(_)) => Mode::Other,
            Err(_) => Mode::Hung,
        }
    }

    async fn skew(&self, host: &str, ports: &[u16]) -> Result<Skew, String> {
        let mut failures = Vec::new();
        for port in ports {
            let _step = self.progress.begin(format!("the clock of {host}:{port}"));
            let asked = async {
                let stream = self.connect_to_any(host, *port).await?;
                clock::ask(stream, host).await
            };
            match timeout(self.patience * 2, asked).await {
                Ok(Ok(skew)) => return Ok(skew),
                Ok(Err(why)) => failures.push(format!("port {port}: {why}")),
                Err(_) => failures.push(format!("port {port}: no answer")),
            }
        }
        Err(failures.join("; "))
    }
}

/// Addresses of a name, each once; or why there is none. The resolver has a time limit of its own.
///
/// # Errors
/// A sentence without a subject: `has no address: ...`.
pub async fn resolve(resolver: &Resolver, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match resolver.resolve(host, port).await {
        Ok(addresses) => {
            let unique: BTreeSet<SocketAddr> = addresses.into_iter().take(ADDRESSES_MAX).collect();
            Ok(unique.into_iter().collect())
        }
        Err(error) => Err(format!("has no address: {error}")),
    }
}

/// Waits for all, in order. There are few, and the standard library has no such function.
pub async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, slot) in pinned.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => *slot = Some(value),
                std::task::Poll::Pending => ready = false,
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

fn classify(error: &io::Error) -> Reach {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Reach::Refused,
        io::ErrorKind::TimedOut => Reach::TimedOut,
        _ => Reach::Failed(error.to_string()),
    }
}

/// The predicate of a sentence about an address.
#[must_use]
pub fn words(reach: &Reach, patience: Duration) -> String {
    match reach {
        Reach::Connected => "accepts connections".to_owned(),
        Reach::Refused => "refused the connection".to_owned(),
        Reach::TimedOut => format!("did not answer within {} ms", patience.as_millis()),
        Reach::Failed(why) => format!("cannot be reached: {why}"),
    }
}

/// What an answer to `srvr` means.
fn mode_of(answer: &str) -> Mode {
    if let Some(mode) = answer.lines().find_map(|line| line.strip_prefix("Mode: ")) {
        return Mode::Serving(mode.trim().to_owned());
    }
    if answer.contains("not currently serving requests") { Mode::NotServing } else { Mode::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn srvr_is_understood() {
        let check = |answer: &str, expected: Mode| assert_eq!(mode_of(answer), expected, "{answer:?}");
        check("Zookeeper version: 3.9.5\nMode: leader\nNode count: 5\n", Mode::Serving("leader".to_owned()));
        check("This ZooKeeper instance is not currently serving requests\n", Mode::NotServing);
        check("srvr is not executed because it is not in the whitelist.\n", Mode::Other);
        check("", Mode::Other);
    }

    #[test]
    fn clients_connect_where_the_line_says() {
        let check = |line: &str, expected: (&str, u16)| {
            let spec = zab::quorum::parse_server_line(line).expect("a server line");
            let (host, port) = client_address(&spec, 2181);
            assert_eq!((host.as_str(), port), expected, "{line}");
        };
        check("zk1:2888:3888", ("zk1", 2181));
        check("zk1:2888:3888;2182", ("zk1", 2182));
        check("zk1:2888:3888;10.0.0.1:2182", ("10.0.0.1", 2182));
        check("zk1:2888:3888;0.0.0.0:2182", ("zk1", 2182));
    }

    #[tokio::test]
    async fn all_futures_are_waited_for_in_order() {
        let futures = (0..5_u64).map(|number| async move {
            for _ in number..5 {
                tokio::task::yield_now().await;
            }
            number
        });
        assert_eq!(join_all(futures).await, [0, 1, 2, 3, 4]);
    }
}
