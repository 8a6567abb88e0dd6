//! The election port: the handshake of a connection and the notifications behind it (`QuorumCnxManager`,
//! `FastLeaderElection`).

use crate::ids::{Epoch, ServerId, Zxid};
use crate::jute::{DecodeError, Reader, Result, Writer};
use bytes::{BufMut, Bytes, BytesMut};

/// Protocol version of a handshake with one address; every version since 3.5 reads it.
pub const HANDSHAKE_V1: i64 = -65536;
/// Protocol version of a handshake with several addresses (3.6 and later, only with multiAddress on).
pub const HANDSHAKE_V2: i64 = -65535;
/// Longest address text of a handshake, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 2048;
/// Longest notification, in bytes.
pub const NOTIFICATION_BYTES_MAX: usize = 512 * 1024;

/// What the side that opened an election connection says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The opener's sid.
    pub sid: ServerId,
    /// Its election addresses, `host:port`; empty from servers older than 3.5.
    pub addresses: Vec<String>,
}

impl Handshake {
    /// The bytes of a V1 handshake, to be sent in one write (older peers read the address with a single `read`).
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(64);
        let text = self.addresses.join("|");
        out.i64(if self.addresses.len() > 1 { HANDSHAKE_V2 } else { HANDSHAKE_V1 });
        out.i64(self.sid.0);
        out.string(&text);
        Bytes::from(out)
    }

    /// Reads a handshake from the front of `input`; `None` while it is not complete. Answers how many bytes it took.
    pub fn parse(input: &[u8]) -> Result<Option<(Handshake, usize)>> {
        if input.len() < 8 {
            return Ok(None);
        }
        let mut reader = Reader::new(input);
        let first = reader.i64()?;
        if first >= 0 {
            return Ok(Some((Handshake { sid: ServerId(first), addresses: Vec::new() }, 8)));
        }
        if first != HANDSHAKE_V1 && first != HANDSHAKE_V2 {
            return Err(DecodeError::Unknown { field: "election protocol version", value: first });
        }
        if input.len() < 20 {
            return Ok(None);
        }
        let sid = ServerId(reader.i64()?);
        let length = reader.i32()?;
        if length <= 0 || length as usize > ADDRESS_BYTES_MAX {
            return Err(DecodeError::Length { at: 16, length: i64::from(length), max: ADDRESS_BYTES_MAX });
        }
        if reader.rest().len() < length as usize {
            return Ok(None);
        }
        let text = std::str::from_utf8(reader.take(length as usize)?).map_err(|_| DecodeError::Utf8 { at: 20 })?;
        let addresses = text.split('|').map(str::to_owned).collect();
        Ok(Some((Handshake { sid, addresses }, reader.position())))
    }
}

/// The state a server names in its votes (`QuorumPeer.ServerState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum ServerState {
    /// Seeks a leader.
    Looking = 0,
    /// Follows one.
    Following = 1,
    /// Leads.
    Leading = 2,
    /// Observes one.
    Observing = 3,
}

impl ServerState {
    /// The state of a number.
    #[must_use]
    pub const fn from_i32(value: i32) -> Option<ServerState> {
        match value {
            0 => Some(ServerState::Looking),
            1 => Some(ServerState::Following),
            2 => Some(ServerState::Leading),
            3 => Some(ServerState::Observing),
            _ => None,
        }
    }
}

/// A vote as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The sender's state.
    pub state: ServerState,
    /// The server it votes for.
    pub leader: ServerId,
    /// That server's last zxid.
    pub zxid: Zxid,
    /// The sender's election round (logical clock).
    pub round: i64,
    /// The epoch of the server it votes for.
    pub peer_epoch: Epoch,
    /// 0 from servers older than 3.5, 2 since; decides how votes are compared (`Vote.equals`).
    pub version: i32,
    /// The sender's committed configuration; `None` from servers older than 3.5.
    pub config: Option<String>,
}

impl Notification {
    /// The version this implementation sends.
    pub const VERSION: i32 = 2;

    /// The notification behind its 4-byte length.
    #[must_use]
    pub fn to_frame(&self) -> Bytes {
        let config = self.config.as_deref().unwrap_or("");
        let mut out = BytesMut::with_capacity(48 + config.len());
        out.put_i32(44 + i32::try_from(config.len()).expect("a configuration is far below 2 GiB"));
        out.put_i32(self.state as i32);
        out.put_i64(self.leader.0);
        out.put_i64(self.zxid.0);
        out.put_i64(self.round);
        out.put_i64(self.peer_epoch.0);
        out.put_i32(Self::VERSION);
        out.put_i32(config.len() as i32);
        out.put_slice(config.as_bytes());
        out.freeze()
    }

    /// Reads a notification's body (without the length). `Ok(None)` means: well-formed enough to skip, as Apache does with
    /// an unknown state.
    pub fn decode(body: &[u8]) -> Result<Option<Notification>> {
        let mut input = Reader::new(body);
        let Some(state) = ServerState::from_i32(input.i32()?) else { return Ok(None) };
        let leader = ServerId(input.i64()?);
        let zxid = Zxid(input.i64()?);
        let round = input.i64()?;
        let mut notification =
            Notification { state, leader, zxid, round, peer_epoch: zxid.epoch(), version: 0, config: None };
        if body.len() == 28 {
            return Ok(Some(notification));
        }
        notification.peer_epoch = Epoch(input.i64()?);
        if body.len() == 40 {
            // The 40-byte form carries a version word that Apache does not read: it stays 0.
            return Ok(Some(notification));
        }
        notification.version = input.i32()?;
        if notification.version > 1 {
            let length = input.i32()?;
            if length < 0 || length as usize > body.len() {
                return Err(DecodeError::Length { at: 40, length: i64::from(length), max: body.len() });
            }
            let text = std::str::from_utf8(input.take(length as usize)?).map_err(|_| DecodeError::Utf8 { at: 44 })?;
            notification.config = Some(text.to_owned());
        }
        Ok(Some(notification))
    }
}
