//! Opening a port under this server's own name.
//!
//! The name is what the others are told, but it need not mean an address of this machine here: Debian's `/etc/hosts` gives a
//! machine's own name 127.0.1.1, a container's name may not be known yet while it starts, and behind a translated address
//! the name means that. In such cases the port is opened on all addresses, and the configured name stays what is published.

use super::{Resolver, numeric};
use crate::client_listener::Place;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// An open port.
#[derive(Debug)]
pub struct Opened<T> {
    /// What opening it gave.
    pub socket: T,
    /// Why it is open on all addresses, though the name means one.
    pub widened: Option<String>,
}

/// Why a port for clients is not open.
#[derive(Debug, thiserror::Error)]
pub enum ClientPortError {
    /// Nobody knows the name at the moment.
    #[error("host name not resolved: {0}")]
    Unresolved(io::Error),
    /// The port is taken, or the address is not this machine's.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Why the name's own address could not be taken.
enum NotNamed {
    Unresolved(io::Error),
    /// It is no address under which others could reach this machine.
    Elsewhere {
        reason: String,
        numeric: bool,
    },
    Failed(io::Error),
}

/// Opens a port between servers under the server's own name, or on all addresses where the name's cannot serve, or is not known
/// within `patience`. `bind` is called with each place to try.
///
/// # Errors
/// When the port is taken.
pub async fn server_port<T>(
    resolver: &Resolver,
    (host, port): (&str, u16),
    patience: Duration,
    bind: impl Fn(Place) -> io::Result<T>,
) -> io::Result<Opened<T>> {
    let addresses = resolver.resolve_within(host, port, patience).await;
    let reason = match named(host, addresses, &bind) {
        Ok(socket) => return Ok(Opened { socket, widened: None }),
        Err(NotNamed::Failed(error)) => return Err(error),
        Err(NotNamed::Unresolved(error)) => format!("does not resolve ({error})"),
        Err(NotNamed::Elsewhere { reason, .. }) => reason,
    };
    Ok(Opened { socket: bind(Place::Everywhere(port))?, widened: Some(reason) })
}

/// As [`server_port`], for clients. Whoever names an address for them may mean to keep others out, so a name that nobody knows
/// and a number that is not this machine's are errors.
///
/// # Errors
/// See [`ClientPortError`].
pub async fn client_port<T>(
    resolver: &Resolver,
    host: &str,
    port: u16,
    bind: impl Fn(Place) -> io::Result<T>,
) -> Result<Opened<T>, ClientPortError> {
    match named(host, resolver.resolve(host, port).await, &bind) {
        Ok(socket) => Ok(Opened { socket, widened: None }),
        Err(NotNamed::Failed(error)) => Err(error.into()),
        Err(NotNamed::Unresolved(error)) => Err(ClientPortError::Unresolved(error)),
        Err(NotNamed::Elsewhere { reason, numeric: true }) => {
            Err(io::Error::new(io::ErrorKind::AddrNotAvailable, reason).into())
        }
        Err(NotNamed::Elsewhere { reason, numeric: false }) => {
            Ok(Opened { socket: bind(Place::Everywhere(port))?, widened: Some(reason) })
        }
    }
}

fn named<T>(
    host: &str,
    addresses: io::Result<Vec<SocketAddr>>,
    bind: &impl Fn(Place) -> io::Result<T>,
) -> Result<T, NotNamed> {
    let addresses = addresses.map_err(NotNamed::Unresolved)?;
    let numeric = numeric(host, 0).is_some();
    let loopback = addresses.iter().find(|address| address.ip().is_loopback());
    if let Some(address) = loopback.filter(|_| !numeric && !means_loopback(host)) {
        let reason = format!("resolves to {} on this machine, where no other reaches it", address.ip());
        return Err(NotNamed::Elsewhere { reason, numeric });
    }
    for address in &addresses {
        match bind(Place::of(*address)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(NotNamed::Failed(error)),
        }
    }
    let verb = if numeric { "is" } else { "resolves to" };
    let reason = format!("{verb} {}, which is not an address of this machine", list(&addresses));
    Err(NotNamed::Elsewhere { reason, numeric })
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ")
}

/// Names that say themselves that nobody else is to come.
fn means_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let first = name.split('.').next().unwrap_or_default();
    name.ends_with(".localhost")
        || ["localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"].contains(&first)
}
