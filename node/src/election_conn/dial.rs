//! Reaching peers: one task per peer that is wanted and not connected.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};
use wire::ServerId;
use zab::election::Reach;

use super::address::Address;
use super::{DIAL_SPACING_MS, RETRY_MS_MAX, RETRY_MS_MIN, Shared, connection};
use crate::resolve::dial::{DialOptions, connect};

/// How an attempt ended.
enum Reached {
    /// The peer has the smaller id: the connection is in use.
    Connected,
    /// The peer has the larger id: it knows now that it is wanted and connects back.
    Asked,
}

/// Makes sure that somebody tries to reach the peer now.
pub(super) fn request(shared: &Arc<Shared>, sid: ServerId) {
    let Some(hurry) = shared.peers.lock().begin_dial(sid) else { return };
    shared.spawn(dial(Arc::clone(shared), sid, hurry));
}

/// Tries until the peer is connected, or nothing waits for it any more.
async fn dial(shared: Arc<Shared>, sid: ServerId, hurry: Arc<Notify>) {
    let mut retry = Duration::from_millis(RETRY_MS_MIN);
    let mut hurried = false;
    loop {
        let began = Instant::now();
        let addresses = candidates(&shared, sid);
        let text = addresses.first().map_or_else(|| "at no known address".to_owned(), Address::to_string);
        match attempt(&shared, sid, &addresses).await {
            Ok(Reached::Connected) => {}
            // That it lives shows when it connects: a process that is being killed may have taken our connection as well.
            Ok(Reached::Asked) => debug!(peer = %sid, address = text, "asked the larger id to connect"),
            Err(error) => {
                refused(&shared, sid, &error);
                if shared.reports.lock().is_due(sid, error.kind(), retry, Instant::now()) {
                    let reason = brief(&error);
                    warn!(peer = %sid, address = %text, retry_ms = retry.as_millis(), "peer unreachable ({reason})");
                }
            }
        }
        if !shared.peers.lock().goes_on(sid) {
            return;
        }
        // An attempt the election asked for does not make the regular ones rarer.
        let wait = retry;
        if !hurried {
            retry = (retry * 2).min(Duration::from_millis(RETRY_MS_MAX));
        }
        tokio::time::sleep_until(began + Duration::from_millis(DIAL_SPACING_MS)).await;
        hurried = tokio::time::timeout_at(began + wait, hurry.notified()).await.is_ok();
        if !shared.peers.lock().goes_on(sid) {
            return;
        }
    }
}

/// Where its last handshake says, then where the configuration says.
fn candidates(shared: &Shared, sid: ServerId) -> Vec<Address> {
    let mut addresses = shared.peers.lock().named(sid);
    if let Some(configured) = shared.places.read().others.get(&sid) {
        let unknown = configured.iter().filter(|address| !addresses.contains(address)).cloned().collect::<Vec<_>>();
        addresses.extend(unknown);
    }
    addresses
}

async fn attempt(shared: &Arc<Shared>, sid: ServerId, addresses: &[Address]) -> io::Result<Reached> {
    let settings = &shared.settings;
    let places: Vec<(String, u16)> = addresses.iter().map(|address| (address.host.clone(), address.port)).collect();
    let options = DialOptions { timeout: settings.connect_timeout, keep_alive: settings.tcp_keep_alive };
    let mut stream = connect(&settings.resolver, &places, options).await?;
    let introduction = shared.places.read().introduction.clone();
    let introduce = stream.write_all(&introduction);
    tokio::time::timeout(shared.settings.handshake_timeout, introduce).await.map_err(|_| timed_out())??;
    if sid > shared.settings.me {
        return Ok(Reached::Asked);
    }
    connection::adopt(shared, sid, stream);
    Ok(Reached::Connected)
}

/// Says that nobody listens where the peer should be, if that is what the failure means and no connection came meanwhile.
fn refused(shared: &Shared, sid: ServerId, error: &io::Error) {
    let peers = shared.peers.lock();
    if error.kind() == io::ErrorKind::ConnectionRefused && !peers.is_connected(sid) {
        shared.tell_reach(&peers, sid, Reach::Gone);
    }
}

fn timed_out() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

fn brief(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        _ => error.to_string(),
    }
}

/// Says that a peer is back, if its absence was told.
pub(super) fn reached(shared: &Shared, sid: ServerId) {
    if shared.reports.lock().reached(sid) {
        info!(peer = %sid, "peer reached");
    }
}
