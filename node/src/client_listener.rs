//! The client port: binds, accepts, applies the limits, starts one task per connection.

use crate::client_conn::ClientTask;
use crate::limits::{ACCEPT_PAUSE, LISTEN_BACKLOG};
use crate::notation::Remote;
use crate::shared::Shared;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::net::{TcpListener, TcpStream};
use tracing::Instrument;

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On this port of every address, IPv6 and IPv4 at once where the machine has IPv6, as Java does.
    Everywhere(u16),
    /// On one address.
    At(SocketAddr),
}

impl Place {
    /// The place that an address means: an unspecified one means every address of both families.
    #[must_use]
    pub fn of(address: SocketAddr) -> Place {
        if address.ip().is_unspecified() { Place::Everywhere(address.port()) } else { Place::At(address) }
    }
}

/// Binds a listening socket; must be called within the runtime.
///
/// # Errors
/// When the port is taken or the address is not this machine's.
pub fn bind(place: Place, backlog: i32) -> io::Result<TcpListener> {
    let backlog = if backlog > 0 { backlog } else { LISTEN_BACKLOG };
    match place {
        Place::At(address) => bind_at(address, backlog),
        Place::Everywhere(port) => {
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            match bind_at(both, backlog) {
                // No IPv6 on this machine.
                Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
                    bind_at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), backlog)
                }
                result => result,
            }
        }
    }
}

fn bind_at(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    TcpListener::from_std(socket.into())
}

/// Accepts clients until the process ends.
pub async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => take(&shared, stream, peer),
            Err(error) => {
                tracing::warn!("accept a client: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn take(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let limits = shared.client;
    let conn = match shared.registry.admit(peer, limits.per_address_max, limits.total_max) {
        Ok(conn) => conn,
        Err(refused) => {
            shared.stats.rejected.fetch_add(1, Relaxed);
            tracing::warn!(remote = %Remote(peer), "refuse client connection: {refused}");
            return;
        }
    };
    let options = stream
        .set_nodelay(true)
        .and_then(|()| if limits.keep_alive { SockRef::from(&stream).set_keepalive(true) } else { Ok(()) });
    if let Err(error) = options {
        // The client is gone already; its task will notice.
        tracing::debug!(remote = %Remote(peer), "set socket options: {error}");
    }
    // Nothing where the level is INFO: a span is entered each time the task runs.
    let span = tracing::debug_span!("client", remote = %Remote(peer), session = tracing::field::Empty);
    tokio::spawn(ClientTask::run(shared.clone(), conn, stream).instrument(span));
}
