//! Opening the election port and accepting connections (`QuorumCnxManager.Listener`).

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;
use tracing::{info, warn};
use zab::quorum::Membership;

use super::address::Address;
use super::{BIND_RETRY_MS, ElectionEvent, ElectionNetError, ElectionNetSettings, Shared, connection};
use crate::client_listener::{self, Place};
use crate::resolve::RESOLVE_MAX;
use crate::resolve::bind::server_port;

/// Connections the kernel holds until they are accepted (Java's default).
const BACKLOG: i32 = 50;
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
