//! One connection: the handshake of the side that accepts, then notifications in both directions.

use crate::notation::Remote;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, debug, info, warn};
use wire::ServerId;
use wire::election::{Handshake, NOTIFICATION_BYTES_MAX, Notification};
use zab::election::Reach;

use super::address;
use super::peers::Ticket;
use super::{ElectionEvent, Shared, dial};

/// Memory taken for a notification before its bytes arrive; an ordinary one is not longer.
const BODY_BYTES_FIRST: usize = 4 * 1024;

/// What is wrong with what a peer sent, or how its connection ended.
#[derive(Debug, thiserror::Error)]
enum PeerError {
    #[error("closed by the peer")]
    Closed,
    #[error("{0}")]
    Io(io::Error),
    #[error("no handshake within {0} ms")]
    HandshakeTimeout(u128),
    #[error("bad handshake: {0}")]
    Handshake(wire::DecodeError),
    #[error("bad handshake: `{0}` is not host:port")]
    Address(String),
    #[error("server id {0} is not one: expected 0 or more")]
    Sid(ServerId),
    #[error("notification of {0} bytes: expected 1 to {NOTIFICATION_BYTES_MAX}")]
    Length(i32),
    #[error("too many peers")]
    TooManyPeers,
}

impl From<io::Error> for PeerError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { PeerError::Closed } else { PeerError::Io(error) }
    }
}

/// Serves a connection that a peer has opened (`receiveConnection`). `pending` counts it until its handshake is done.
pub(super) async fn receive(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    from: SocketAddr,
    pending: OwnedSemaphorePermit,
) {
    let timeout = shared.settings.handshake_timeout;
    let handshake = match tokio::time::timeout(timeout, read_handshake(&mut stream)).await {
        Ok(handshake) => handshake,
        Err(_) => Err(PeerError::HandshakeTimeout(timeout.as_millis())),
    };
    drop(pending);
    if let Err(error) = handshake.and_then(|handshake| introduced(&shared, stream, from, handshake)) {
        warn!(remote = %Remote(from), "election connection closed: {error}");
    }
}

/// Reads no byte beyond the handshake: what follows belongs to the connection's own reader.
async fn read_handshake(stream: &mut TcpStream) -> Result<Handshake, PeerError> {
    let mut bytes = Vec::with_capacity(64);
    loop {
        match Handshake::parse(&bytes).map_err(PeerError::Handshake)? {
            Some((handshake, _)) => return Ok(handshake),
            None => {
                let have = bytes.len();
                bytes.resize(handshake_bytes_wanted(&bytes), 0);
                stream.read_exact(&mut bytes[have..]).await?;
            }
        }
    }
}

/// How many bytes to have before the next look at an incomplete handshake: the first word, the fixed part, or all of it.
/// The parser has already refused a bad length.
fn handshake_bytes_wanted(bytes: &[u8]) -> usize {
    match bytes.get(16..20) {
        Some(length) => {
            let length = i32::from_be_bytes(length.try_into().expect("four bytes were asked for"));
            20 + usize::try_from(length).expect("the parser refuses negative lengths")
        }
        None if bytes.is_empty() => 8,
        None => 20,
    }
}

/// The accepting side of the rule that the larger id keeps the connection (`handleConnection`).
fn introduced(
    shared: &Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    handshake: Handshake,
) -> Result<(), PeerError> {
    let Handshake { sid, addresses } = handshake;
    let me = shared.settings.me;
    let addresses = address::parse_all(&addresses).map_err(PeerError::Address)?;
    // Apache renames anonymous observers (the largest id there is) to negative ids, which it then cannot reach.
    if sid.0 < 0 || sid.0 == i64::MAX {
        return Err(PeerError::Sid(sid));
    }
    if sid == me {
        (shared.events)(ElectionEvent::DuplicateSid { address: from });
        return Ok(());
    }
    if sid > me {
        return if adopt(shared, sid, stream) { Ok(()) } else { Err(PeerError::TooManyPeers) };
    }
    // The peer has lost its side of any older connection, or would not have opened this one.
    drop(stream);
    debug!(peer = %sid, ?addresses, "connecting back to the smaller id");
    {
        let mut peers = shared.peers.lock();
        if !peers.asked(sid, addresses) {
            return Err(PeerError::TooManyPeers);
        }
        shared.tell_reach(&peers, sid, Reach::Alive);
    }
    dial::request(shared, sid);
    Ok(())
}

/// Makes `stream` the peer's connection, in place of an older one; `false` when there are too many peers.
pub(super) fn adopt(shared: &Arc<Shared>, sid: ServerId, stream: TcpStream) -> bool {
    let ticket = {
        let mut peers = shared.peers.lock();
        let Some(ticket) = peers.connect(sid) else { return false };
        shared.tell_reach(&peers, sid, Reach::Alive);
        ticket
    };
    dial::reached(shared, sid);
    let span = tracing::debug_span!("election", peer = sid.0);
    shared.spawn(serve(Arc::clone(shared), sid, stream, ticket).instrument(span));
    true
}

async fn serve(shared: Arc<Shared>, sid: ServerId, stream: TcpStream, ticket: Ticket) {
    let (reader, writer) = stream.into_split();
    let ended = tokio::select! {
        error = receive_all(&shared, sid, reader) => Some(error),
        error = send_all(&shared, sid, writer, &ticket) => Some(error),
        () = ticket.close.notified() => None,
    };
    {
        let mut peers = shared.peers.lock();
        let has_none = peers.disconnected(sid, ticket.number);
        // Where we ended it for what came through it, somebody is there.
        if has_none && matches!(ended, Some(PeerError::Closed | PeerError::Io(_))) {
            shared.tell_reach(&peers, sid, Reach::Gone);
        }
    }
    match ended {
        Some(PeerError::Length(length)) => {
            warn!(peer = %sid, "election connection closed: {}", PeerError::Length(length));
        }
        Some(error) => info!(peer = %sid, "election connection ended: {error}"),
        None => debug!(peer = %sid, "election connection replaced"),
    }
}

/// Hands on notifications until the connection ends (`RecvWorker`).
async fn receive_all(shared: &Shared, sid: ServerId, reader: OwnedReadHalf) -> PeerError {
    let mut reader = BufReader::new(reader);
    let mut complained = false;
    loop {
        let body = match read_body(&mut reader).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match Notification::decode(&body) {
            Ok(Some(notification)) => (shared.events)(ElectionEvent::Notification { from: sid, notification }),
            Ok(None) => debug!(peer = %sid, "notification with an unknown state skipped"),
            // Apache skips it and goes on too. One line per connection: a broken peer repeats itself.
            Err(error) if !complained => {
                complained = true;
                warn!(peer = %sid, bytes = body.len(), "malformed notification skipped: {error}");
            }
            Err(error) => debug!(peer = %sid, %error, "malformed notification skipped"),
        }
    }
}

async fn read_body(reader: &mut BufReader<OwnedReadHalf>) -> Result<Vec<u8>, PeerError> {
    let length = reader.read_i32().await?;
    let wanted = usize::try_from(length).ok().filter(|wanted| (1..=NOTIFICATION_BYTES_MAX).contains(wanted));
    let wanted = wanted.ok_or(PeerError::Length(length))?;
    // The length is only a claim: memory grows with the bytes that come.
    let mut body = Vec::with_capacity(wanted.min(BODY_BYTES_FIRST));
    reader.take(wanted as u64).read_to_end(&mut body).await?;
    if body.len() < wanted { Err(PeerError::Closed) } else { Ok(body) }
}

/// Sends what comes into the slot until the connection ends (`SendWorker`).
async fn send_all(shared: &Shared, sid: ServerId, mut writer: OwnedWriteHalf, ticket: &Ticket) -> PeerError {
    loop {
        let message = shared.peers.lock().take(sid, ticket.number);
        match message {
            Some(message) => {
                if let Err(error) = writer.write_all(&message).await {
                    return PeerError::Io(error);
                }
            }
            None => ticket.wake.notified().await,
        }
    }
}
