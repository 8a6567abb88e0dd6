//! Opening the election port and accepting connections (`QuorumCnxManager.Listener`).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::address::Address;
use super::{BIND_RETRY_MS, ElectionEvent, ElectionNetError, ElectionNetSettings, Shared, connection};
use crate::client_listener::{self, Place};
use crate::notation::Remote;
use crate::resolve::RESOLVE_MAX;
use crate::resolve::bind::server_port;

/// Connections the kernel holds until they are accepted (Java's default).
const BACKLOG: i32 = 50;
/// Failures of `accept` in a row after which the port is given up.
const ACCEPT_FAILURES_MAX: u32 = 10;

/// The addresses to open. A wildcard stands for the port on all addresses; a second one for the same port would be in its own
/// way.
pub(super) fn ports(settings: &ElectionNetSettings, own: &[Address]) -> Vec<Address> {
    let mut seen = BTreeSet::new();
    let key = |address: &Address| {
        let host = if settings.listen_on_all_ips { String::new() } else { address.host.clone() };
        (host, address.port)
    };
    own.iter().filter(|address| seen.insert(key(address))).cloned().collect()
}

/// Opens every election address of this server.
pub(super) async fn open(
    settings: &ElectionNetSettings,
    own: &[Address],
) -> Result<Vec<TcpListener>, ElectionNetError> {
    let mut listeners = Vec::new();
    for address in ports(settings, own) {
        listeners.push(open_one(settings, &address).await?);
    }
    Ok(listeners)
}

/// Listens where this server is now, and no longer where it was.
pub(super) async fn move_port(shared: Arc<Shared>) {
    let _one_at_a_time = shared.moving.lock().await;
    // The new address may be another name of the old one: that must be free first.
    shared.accept_on(Vec::new());
    let own = shared.places.read().own.clone();
    match open(&shared.settings, &own).await {
        Ok(listeners) => shared.accept_on(listeners),
        Err(error) => (shared.events)(ElectionEvent::ListenerFailed { reason: error.to_string() }),
    }
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
    let open = |place| {
        let listener = client_listener::bind(place, BACKLOG)?;
        // Accepted connections inherit it.
        SockRef::from(&listener).set_keepalive(settings.tcp_keep_alive)?;
        Ok(listener)
    };
    if settings.listen_on_all_ips {
        return open(Place::Everywhere(address.port));
    }
    let opened = server_port(&settings.resolver, (&address.host, address.port), RESOLVE_MAX, open).await?;
    if let Some(reason) = opened.widened {
        warn!("own election address {address} {reason}: listening on all addresses instead");
    }
    Ok(opened.socket)
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
            warn!(remote = %Remote(from), "election connection closed: too many handshakes under way");
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            warn!(remote = %Remote(from), "election connection closed: set TCP_NODELAY: {error}");
            continue;
        }
        let task = connection::receive(Arc::clone(&shared), stream, from, pending);
        shared.spawn(task);
    }
}
