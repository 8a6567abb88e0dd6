//! Opening the election port and accepting connections (`QuorumCnxManager.Listener`).

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tracing::{info, warn};
use zab::quorum::Membership;

use super::address::{self, Address};
use super::{BIND_RETRY_MS, ElectionEvent, ElectionNetError, ElectionNetSettings, Shared, connection};

/// Connections the kernel holds until they are accepted (Java's default).
const BACKLOG: u32 = 50;
/// Failures of `accept` in a row after which the port is given up.
const ACCEPT_FAILURES_MAX: u32 = 10;

/// Opens every election address of this server.
pub(super) async fn open(
    settings: &ElectionNetSettings,
    membership: &Membership,
) -> Result<Vec<TcpListener>, ElectionNetError> {
    let me = settings.me;
    let spec = membership.servers.get(&me).ok_or(ElectionNetError::NoOwnAddress { me })?;
    let mut opened = BTreeSet::new();
    let mut listeners = Vec::new();
    for own in &spec.addresses {
        let address = Address { host: own.host.clone(), port: own.election_port };
        // A wildcard stands for the port on all addresses; a second one for the same port would be in its own way.
        let key = if settings.listen_on_all_ips {
            (String::new(), address.port)
        } else {
            (address.host.clone(), address.port)
        };
        if opened.insert(key) {
            listeners.push(open_one(settings, &address).await?);
        }
    }
    if listeners.is_empty() { Err(ElectionNetError::NoOwnAddress { me }) } else { Ok(listeners) }
}

async fn open_one(settings: &ElectionNetSettings, address: &Address) -> Result<TcpListener, ElectionNetError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let source = match bind(settings, address).await {
            Ok(listener) => {
                let port = listener.local_addr().map_or_else(|_| address.to_string(), |local| local.to_string());
                info!("election port open on {port}");
                return Ok(listener);
            }
            Err(source) => source,
        };
        if attempts == settings.bind_attempts {
            return Err(ElectionNetError::Bind { address: address.to_string(), attempts, source });
        }
        warn!("open election port {address}: {source}, retry in {BIND_RETRY_MS}ms");
        tokio::time::sleep(Duration::from_millis(BIND_RETRY_MS)).await;
    }
}

/// Binds the configured address, or the wildcard where that is wanted or the only way to be reached.
async fn bind(settings: &ElectionNetSettings, address: &Address) -> io::Result<TcpListener> {
    let wildcard = || bind_wildcard(address.port, settings.tcp_keep_alive);
    if settings.listen_on_all_ips {
        return wildcard();
    }
    let resolved = address::resolve(address, settings.connect_timeout).await;
    let target = match resolved.as_deref() {
        Ok([first, ..]) => *first,
        Ok([]) => return fall_back(address, "has no address", wildcard),
        Err(error) => return fall_back(address, &format!("does not resolve ({error})"), wildcard),
    };
    // Debian's /etc/hosts gives a machine's own name 127.0.1.1, under which no other machine can reach it.
    if target.ip().is_loopback() && address.host.parse::<IpAddr>().is_err() && address.host != "localhost" {
        return fall_back(address, &format!("resolves to {} on this machine", target.ip()), wildcard);
    }
    match bind_to(target, settings.tcp_keep_alive) {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => fall_back(
            address,
            &format!("resolves to {}, which is not an address of this machine", target.ip()),
            wildcard,
        ),
        result => result,
    }
}

fn fall_back(
    address: &Address,
    reason: &str,
    wildcard: impl FnOnce() -> io::Result<TcpListener>,
) -> io::Result<TcpListener> {
    let listener = wildcard()?;
    warn!("own election address {address} {reason}: listening on all addresses instead");
    Ok(listener)
}

/// The IPv6 wildcard takes IPv4 as well; a machine without IPv6 gets the other.
fn bind_wildcard(port: u16, keep_alive: bool) -> io::Result<TcpListener> {
    match bind_to(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), keep_alive) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            bind_to(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), keep_alive)
        }
        result => result,
    }
}

fn bind_to(target: SocketAddr, keep_alive: bool) -> io::Result<TcpListener> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_keepalive(keep_alive)?;
    socket.bind(target)?;
    socket.listen(BACKLOG)
}

/// Accepts connections for ever.
pub(super) async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut failures = 0;
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                failures += 1;
                if failures == ACCEPT_FAILURES_MAX {
                    let address = listener.local_addr().map_or_else(|_| "?".to_owned(), |local| local.to_string());
                    let reason = format!("election port {address}: accept connection: {error}");
                    (shared.events)(ElectionEvent::ListenerFailed { reason });
                    return;
                }
                // Most likely out of file descriptors: others must let go of some first.
                warn!("accept election connection: {error}, retry in {BIND_RETRY_MS}ms");
                tokio::time::sleep(Duration::from_millis(BIND_RETRY_MS)).await;
                continue;
            }
        };
        failures = 0;
        // An IPv6 socket writes IPv4 addresses its own way.
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Ok(pending) = Arc::clone(&shared.handshakes).try_acquire_owned() else {
            warn!("election connection from {from} closed: too many handshakes under way");
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            warn!("election connection from {from} closed: set TCP_NODELAY: {error}");
            continue;
        }
        let task = connection::receive(Arc::clone(&shared), stream, from, pending);
        shared.spawn(task);
    }
}
