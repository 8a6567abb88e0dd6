//! Asks a server from outside whether it serves: over its client port, as any client would, so that the answer is the same
//! whichever program stands behind the port.

use crate::config::{Config, Listen};
use crate::notation::host_port;
use crate::resolve::Resolver;
use bytes::BytesMut;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wire::client::ConnectRequest;
use wire::{SessionId, Zxid};

/// The longest answer that is read; `srvr` has a few hundred bytes, `mntr` about 30 KB.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// What a server answers to most words while it looks for a leader.
const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";
/// The end of the answer to a word that the configuration does not allow.
const NOT_ALLOWED: &str = "is not executed because it is not in the whitelist.";
/// A session that no server ever gave away: the ids of real ones begin with a server id and the time of its start.
const NO_SESSION: SessionId = SessionId(1);

/// Where a server listens for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A host name or address; `None` asks this machine, over IPv4 and then IPv6.
    pub host: Option<String>,
    /// The client port.
    pub port: u16,
}

impl Target {
    /// The server that a configuration describes, asked from its own machine.
    #[must_use]
    pub fn of(config: &Config) -> Target {
        let Listen { host, port } = config.client_listen();
        Target { host, port }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&host_port(self.host.as_deref().unwrap_or("localhost"), self.port))
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It serves clients.
    Serving {
        /// Its mode: `leader`, `follower`, `observer`, `standalone`, `read-only`; `None` where `srvr` is not among the allowed
        /// four-letter words.
        mode: Option<String>,
    },
    /// It answers, but does not serve: it has no leader, or is not in step with it yet.
    NotServing,
    /// It does not answer.
    Silent {
        /// Why, as far as that is known.
        reason: String,
    },
}

impl Finding {
    /// Whether it serves nobody but clients that only read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Finding::Serving { mode: Some(mode) } if mode == "read-only")
    }
}

/// Asks the server once; takes no longer than `within`, whatever the network or the name service does.
#[must_use]
pub fn ask(target: &Target, within: Duration) -> Finding {
    within_time(within, target, ask_now).unwrap_or_else(|reason| Finding::Silent { reason })
}

/// The whole answer to a four-letter word.
///
/// # Errors
/// When there is none within the time.
pub fn word(target: &Target, word: &'static str, within: Duration) -> Result<String, String> {
    within_time(within, target, move |target, until| say(target, word, until))?
}

/// The whole answer to a request of text, up to the end of the connection.
///
/// # Errors
/// When there is none within the time.
pub fn exchange(target: &Target, request: String, within: Duration) -> Result<String, String> {
    within_time(within, target, move |target, until| say(target, &request, until))?
}

/// Does the work on a thread that is left behind where it takes too long: a look-up of a name cannot be interrupted.
fn within_time<T: Send + 'static>(
    within: Duration,
    target: &Target,
    work: impl FnOnce(&Target, Instant) -> T + Send + 'static,
) -> Result<T, String> {
    let (done, result) = mpsc::channel();
    let (asked, until) = (target.clone(), Instant::now() + within);
    let spawned = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
        // Nobody waits where the time has run out.
        let _ = done.send(work(&asked, until));
    });
    spawned.map_err(|error| format!("start a thread: {error}"))?;
    result.recv_timeout(within).map_err(|_| format!("{target} gave no answer within {} ms", within.as_millis()))
}

fn ask_now(target: &Target, until: Instant) -> Finding {
    match say(target, "srvr", until) {
        Err(reason) => Finding::Silent { reason },
        Ok(text) if text.contains(NOT_SERVING) => Finding::NotServing,
        Ok(text) if text.contains(NOT_ALLOWED) => ask_without_words(target, until),
        Ok(text) => match text.lines().find_map(|line| line.strip_prefix("Mode: ")) {
            Some(mode) => Finding::Serving { mode: Some(mode.trim().to_owned()) },
            None => Finding::Silent {
                reason: format!("{target} is no ZooKeeper server: it answered srvr with {}", start_of(&text)),
            },
        },
    }
}

fn start_of(text: &str) -> String {
    const CHARS_SHOWN: usize = 60;
    if text.is_empty() {
        return "nothing".to_owned();
    }
    format!("{:?}", text.chars().take(CHARS_SHOWN).collect::<String>())
}

/// Asks to resume a session that does not exist. A server that serves refuses it in a reply, one that does not serve just
/// closes; neither writes anything.
fn ask_without_words(target: &Target, until: Instant) -> Finding {
    let request = ConnectRequest {
        last_zxid_seen: Zxid(0),
        timeout: 0,
        session: NO_SESSION,
        password: vec![0; 16],
        read_only: Some(false),
    };
    let mut frame = BytesMut::new();
    request.encode_frame(&mut frame);
    let answered = connect(target, until).and_then(|mut stream| {
        stream.write_all(&frame)?;
        let mut length = [0; 4];
        Ok(stream.read_exact(&mut length).is_ok())
    });
    match answered {
        Ok(true) => Finding::Serving { mode: None },
        Ok(false) => Finding::NotServing,
        Err(error) => Finding::Silent { reason: format!("{target}: {error}") },
    }
}

fn say(target: &Target, word: &str, until: Instant) -> Result<String, String> {
    let answer = connect(target, until).and_then(|mut stream| {
        stream.write_all(word.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        Ok(answer)
    });
    match answer {
        Ok(answer) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) => Err(format!("{target}: {error}")),
    }
}

fn connect(target: &Target, until: Instant) -> io::Result<TcpStream> {
    let mut first_error = None;
    for address in addresses(target)? {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_read_timeout(Some(left))?;
                stream.set_write_timeout(Some(left))?;
                return Ok(stream);
            }
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

fn addresses(target: &Target) -> io::Result<Vec<SocketAddr>> {
    let port = target.port;
    match target.host.as_deref() {
        // Without a look-up: an image need not have an /etc/hosts.
        None => Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]),
        Some(host) => Resolver::of_process().resolve_blocking(host, port),
    }
}

#[cfg(test)]
#[path = "probe_test.rs"]
mod tests;
