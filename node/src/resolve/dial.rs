//! Connecting to a host by its names.
//!
//! All addresses are tried, each a little after the one before, and the first that answers wins (RFC 8305): an address where
//! nobody answers delays nothing. While attempts hang the names are looked up again, so that a host that moves meanwhile is
//! found at its new address without waiting for the old one's timeout.

use super::Resolver;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// How long an address may take before the next is tried as well.
const STAGGER: Duration = Duration::from_millis(250);
/// How often names are looked up while attempts hang.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Addresses tried in one call.
const ADDRESSES_MAX: usize = 16;

/// How to connect.
#[derive(Clone, Copy, Debug)]
pub struct DialOptions {
    /// The longest that connecting may take in all.
    pub timeout: Duration,
    /// Have the system probe the connection while it is idle.
    pub keep_alive: bool,
}

/// Connects to the first of these places (host and port) that answers; must be called within a tokio runtime.
///
/// # Errors
/// That of the place tried last when all have failed, `TimedOut` when some still hang at the end of the time. `ConnectionRefused`
/// means that every address of every place has refused.
pub async fn connect(resolver: &Resolver, places: &[(String, u16)], options: DialOptions) -> io::Result<TcpStream> {
    let mut race = Race {
        resolver,
        places,
        options,
        tasks: JoinSet::new(),
        looking_up: 0,
        connecting: 0,
        waiting: VecDeque::new(),
        tried: BTreeSet::new(),
        last: None,
    };
    race.run().await
}

/// What a task has brought.
enum Outcome {
    Found(io::Result<Vec<SocketAddr>>),
    Connected(SocketAddr, io::Result<TcpStream>),
}

struct Race<'a> {
    resolver: &'a Resolver,
    places: &'a [(String, u16)],
    options: DialOptions,
    /// Dropped, and so ended, with the race.
    tasks: JoinSet<Outcome>,
    looking_up: usize,
    connecting: usize,
    waiting: VecDeque<SocketAddr>,
    /// The addresses that wait or are being connected to. One that has failed is tried again when it is looked up again.
    tried: BTreeSet<SocketAddr>,
    last: Option<io::Error>,
}

impl Race<'_> {
    async fn run(&mut self) -> io::Result<TcpStream> {
        let end = Instant::now() + self.options.timeout;
        self.look_up();
        let mut look_again = Instant::now() + LOOK_AGAIN;
        let mut next_start = Instant::now();
        loop {
            if self.connecting == 0 || Instant::now() >= next_start {
                self.start_next();
                next_start = Instant::now() + STAGGER;
            }
            tokio::select! {
                outcome = self.tasks.join_next() => match outcome {
                    Some(Ok(Outcome::Connected(_, Ok(stream)))) => return Ok(stream),
                    Some(Ok(outcome)) => self.note(outcome),
                    // Cancelled only together with the process.
                    Some(Err(_)) => {}
                    None => return Err(self.last.take().unwrap_or_else(nowhere)),
                },
                () = sleep_until(next_start), if !self.waiting.is_empty() => {}
                () = sleep_until(look_again) => {
                    if self.looking_up == 0 {
                        self.look_up();
                    }
                    look_again = Instant::now() + LOOK_AGAIN;
                }
                () = sleep_until(end) => return Err(self.late()),
            }
        }
    }

    fn look_up(&mut self) {
        for (host, port) in self.places.iter().cloned() {
            let resolver = self.resolver.clone();
            self.looking_up += 1;
            self.tasks.spawn(async move { Outcome::Found(resolver.resolve_soon(&host, port).await) });
        }
    }

    fn start_next(&mut self) {
        let Some(target) = self.waiting.pop_front() else { return };
        let keep_alive = self.options.keep_alive;
        self.connecting += 1;
        self.tasks.spawn(async move { Outcome::Connected(target, open(target, keep_alive).await) });
    }

    fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Found(found) => {
                self.looking_up -= 1;
                match found {
                    Ok(addresses) => self.add(addresses),
                    Err(error) => self.failed(unresolved(error.kind(), &error.to_string())),
                }
            }
            Outcome::Connected(target, connected) => {
                self.connecting -= 1;
                self.tried.remove(&target);
                if let Err(error) = connected {
                    self.failed(error);
                }
                self.start_next();
            }
        }
    }

    /// A refusal says for certain that nobody listens, but only of one address: any other failure outweighs it.
    fn failed(&mut self, error: io::Error) {
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        if !refused(&error) || self.last.as_ref().is_none_or(refused) {
            self.last = Some(error);
        }
    }

    fn add(&mut self, addresses: Vec<SocketAddr>) {
        for address in addresses {
            if self.tried.len() < ADDRESSES_MAX && self.tried.insert(address) {
                self.waiting.push_back(address);
            }
        }
    }

    /// What to say at the end of the time. The names are to blame where no attempt could begin.
    fn late(&mut self) -> io::Error {
        match self.last.take() {
            _ if self.connecting > 0 => timed_out(),
            Some(error) => error,
            None => unresolved(io::ErrorKind::Other, "no answer in time"),
        }
    }
}

async fn open(target: SocketAddr, keep_alive: bool) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.set_keepalive(keep_alive)?;
    socket.connect(target).await
}

fn timed_out() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

fn nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "not in the configuration")
}

fn unresolved(kind: io::ErrorKind, reason: &str) -> io::Error {
    io::Error::new(kind, format!("host name not resolved: {reason}"))
}
