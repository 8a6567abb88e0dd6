//! The quorum port: `QuorumPacket` and what its data hold. There is no length prefix; packets follow each other on the
//! stream, and after a SNAP the snapshot's body and [`SNAPSHOT_SIGNATURE`] follow raw.

use crate::acl::Id;
use crate::ids::{Epoch, ServerId, SessionId, Zxid};
use crate::jute::{DecodeError, Reader, Result, Writer};
use bytes::{Buf, Bytes, BytesMut};

/// The string behind a snapshot stream (`LearnerHandler`, `Learner.syncWithLeader`).
pub const SNAPSHOT_SIGNATURE: &str = "BenWasHere";
/// The protocol version in LearnerInfo and LEADERINFO.
pub const PROTOCOL_VERSION: i32 = 0x10000;

/// The protocol version by which a learner says in LearnerInfo that its leader may take it along into the next epoch: LEADERINFO
/// and what follows it may come again on the same link. Apache's leaders and masters only ask whether the version is less than
/// [`PROTOCOL_VERSION`].
pub const ROLL_OVER_VERSION: i32 = 0x10001;
/// Packets below this size are copied out of the buffer they arrived in.
const COPIED_BYTES_MAX: usize = 64 * 1024;
/// Identities a packet may carry; Apache sets no bound, a client has a handful.
pub const IDENTITIES_MAX: usize = 4096;

macro_rules! packet_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal),* $(,)?) => {
        /// The type of a [`QuorumPacket`] (constants of Apache's `Leader`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum PacketType { $($(#[$doc])* $name = $value),* }

        impl PacketType {
            /// Every type.
            pub const ALL: &'static [PacketType] = &[$(PacketType::$name),*];

            /// The type of a number.
            pub const fn from_i32(value: i32) -> Option<PacketType> {
                match value { $($value => Some(PacketType::$name),)* _ => None }
            }
        }
    };
}

packet_types! {
    /// A learner forwards a client's write or sync.
    Request = 1,
    /// The leader proposes a transaction.
    Proposal = 2,
    /// A learner has logged a proposal, or finished a phase.
    Ack = 3,
    /// A proposal is committed.
    Commit = 4,
    /// Heartbeat; the reply carries the sessions that were touched.
    Ping = 5,
    /// Is this session alive, and may this learner own it?
    Revalidate = 6,
    /// All that was proposed before the learner's sync has been sent.
    Sync = 7,
    /// A committed transaction, for observers.
    Inform = 8,
    /// As Commit, for a reconfiguration.
    CommitAndActivate = 9,
    /// The leader's history is complete; take its epoch.
    NewLeader = 10,
    /// A follower's first packet.
    FollowerInfo = 11,
    /// The learner may serve clients.
    UpToDate = 12,
    /// Synchronization by the missing transactions.
    Diff = 13,
    /// Synchronization by cutting the learner's log.
    Trunc = 14,
    /// Synchronization by a snapshot, which follows raw.
    Snap = 15,
    /// An observer's first packet.
    ObserverInfo = 16,
    /// The leader proposes an epoch.
    LeaderInfo = 17,
    /// The learner promises the epoch.
    AckEpoch = 18,
    /// As Inform, for a reconfiguration.
    InformAndActivate = 19,
}

/// A packet of the quorum port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumPacket {
    /// What it is.
    pub kind: PacketType,
    /// The zxid it speaks of; [`Zxid::NONE`] where it has none.
    pub zxid: Zxid,
    /// Data; null and empty differ (a Java leader dereferences the data of a PING reply).
    pub data: Option<Bytes>,
    /// The identities of a forwarded request's client; null for everything else.
    pub identities: Option<Vec<Id>>,
}

impl QuorumPacket {
    /// A packet without data.
    #[must_use]
    pub fn bare(kind: PacketType, zxid: Zxid) -> QuorumPacket {
        QuorumPacket { kind, zxid, data: None, identities: None }
    }

    /// A packet with data.
    #[must_use]
    pub fn with_data(kind: PacketType, zxid: Zxid, data: Bytes) -> QuorumPacket {
        QuorumPacket { kind, zxid, data: Some(data), identities: None }
    }

    /// Appends the packet.
    pub fn encode(&self, out: &mut impl Writer) {
        out.i32(self.kind as i32);
        out.i64(self.zxid.0);
        out.buffer(self.data.as_deref());
        match &self.identities {
            None => out.i32(-1),
            Some(identities) => {
                out.length(identities.len());
                for id in identities {
                    id.encode(out);
                }
            }
        }
    }

    /// The packet in bytes of its own.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(20 + self.data.as_ref().map_or(0, Bytes::len));
        self.encode(&mut out);
        out.freeze()
    }

    /// Takes one packet off the front of `input`, or leaves it untouched and answers `None` while the packet is not
    /// complete. `data_bytes_max` bounds the data, and all identities together, before memory is taken for them.
    ///
    /// # Errors
    /// On an unknown type, a negative or too large length, or identities that are not strings.
    pub fn parse(input: &mut BytesMut, data_bytes_max: usize) -> Result<Option<QuorumPacket>> {
        let Some(layout) = Layout::of(input, data_bytes_max)? else { return Ok(None) };
        // A proposal is kept for learners that come later: a small one must not keep a whole read buffer alive.
        let packet = input.split_to(layout.end);
        let packet = if layout.end < COPIED_BYTES_MAX { Bytes::copy_from_slice(&packet) } else { packet.freeze() };
        let mut reader = Reader::new(&packet);
        let number = reader.i32()?;
        let kind = PacketType::from_i32(number)
            .ok_or(DecodeError::Unknown { field: "quorum packet type", value: i64::from(number) })?;
        let zxid = Zxid(reader.i64()?);
        let data = reader.buffer()?.map(|slice| packet.slice_ref(slice));
        let identities = match reader.count(8)? {
            None => None,
            Some(count) => Some((0..count).map(|_| Id::decode(&mut reader)).collect::<Result<Vec<_>>>()?),
        };
        Ok(Some(QuorumPacket { kind, zxid, data, identities }))
    }
}

/// Where a packet at the front of a buffer ends; computed without taking memory.
struct Layout {
    end: usize,
}

impl Layout {
    fn of(input: &[u8], data_bytes_max: usize) -> Result<Option<Layout>> {
        let mut at = 12;
        let Some(number) = int_at(input, 0) else { return Ok(None) };
        if PacketType::from_i32(number).is_none() {
            return Err(DecodeError::Unknown { field: "quorum packet type", value: i64::from(number) });
        }
        let Some(_) = skip_buffer(input, &mut at, data_bytes_max)? else { return Ok(None) };
        let Some(count) = int_at(input, at) else { return Ok(None) };
        if count < -1 || count > IDENTITIES_MAX as i32 {
            return Err(DecodeError::Length { at, length: i64::from(count), max: IDENTITIES_MAX });
        }
        at += 4;
        // One bound for all of them together: thousands may come, and the buffer holds the whole packet.
        let mut left = data_bytes_max;
        for _ in 0..2 * count.max(0) {
            let Some(taken) = skip_buffer(input, &mut at, left)? else { return Ok(None) };
            left -= taken;
        }
        Ok(Some(Layout { end: at }))
    }
}

fn int_at(input: &[u8], at: usize) -> Option<i32> {
    let mut slice = input.get(at..at + 4)?;
    Some(slice.get_i32())
}

/// Passes over a buffer and answers its length, 0 for null.
fn skip_buffer(input: &[u8], at: &mut usize, max: usize) -> Result<Option<usize>> {
    let Some(length) = int_at(input, *at) else { return Ok(None) };
    if length < -1 || length > i32::try_from(max).unwrap_or(i32::MAX) {
        return Err(DecodeError::Length { at: *at, length: i64::from(length), max });
    }
    let length = length.max(0) as usize;
    let end = *at + 4 + length;
    if input.len() < end {
        return Ok(None);
    }
    *at = end;
    Ok(Some(length))
}

/// The data of FOLLOWERINFO and OBSERVERINFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnerInfo {
    /// The learner's sid.
    pub sid: ServerId,
    /// Its protocol version; below [`PROTOCOL_VERSION`] it knows no epochs.
    pub protocol_version: i32,
    /// The version of its committed configuration.
    pub config_version: i64,
}

impl LearnerInfo {
    /// The data's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(20);
        out.i64(self.sid.0);
        out.i32(self.protocol_version);
        out.i64(self.config_version);
        Bytes::from(out)
    }

    /// Reads the data; older learners send 8 or 12 bytes.
    pub fn decode(data: &[u8]) -> Result<LearnerInfo> {
        let mut input = Reader::new(data);
        let sid = ServerId(input.i64()?);
        let protocol_version = if input.is_empty() { 1 } else { input.i32()? };
        let config_version = if input.is_empty() { 0 } else { input.i64()? };
        Ok(LearnerInfo { sid, protocol_version, config_version })
    }
}

/// The data of a REQUEST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// The client's session.
    pub session: SessionId,
    /// The client's request number.
    pub cxid: i32,
    /// The operation.
    pub opcode: i32,
    /// The request's body as the client sent it, header excluded.
    pub body: Bytes,
}

impl ForwardedRequest {
    /// The data's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(16 + self.body.len());
        out.i64(self.session.0);
        out.i32(self.cxid);
        out.i32(self.opcode);
        out.raw(&self.body);
        Bytes::from(out)
    }

    /// Reads the data; the body shares its memory.
    pub fn decode(data: &Bytes) -> Result<ForwardedRequest> {
        let mut input = Reader::new(data);
        let (session, cxid, opcode) = (SessionId(input.i64()?), input.i32()?, input.i32()?);
        Ok(ForwardedRequest { session, cxid, opcode, body: data.slice(input.position()..) })
    }
}

/// Encodes the sessions of a PING reply.
#[must_use]
pub fn encode_touched(sessions: &[(SessionId, i32)]) -> Bytes {
    let mut out = Vec::with_capacity(12 * sessions.len());
    for (session, timeout) in sessions {
        out.i64(session.0);
        out.i32(*timeout);
    }
    Bytes::from(out)
}

/// Reads the sessions of a PING reply: pairs of session id and timeout in ms.
pub fn decode_touched(data: &[u8]) -> Result<Vec<(SessionId, i32)>> {
    let mut input = Reader::new(data);
    let mut sessions = Vec::with_capacity(data.len() / 12);
    while !input.is_empty() {
        sessions.push((SessionId(input.i64()?), input.i32()?));
    }
    Ok(sessions)
}

/// The data of LEADERINFO: the protocol version.
#[must_use]
pub fn leader_info() -> Bytes {
    Bytes::copy_from_slice(&PROTOCOL_VERSION.to_be_bytes())
}

/// The data of ACKEPOCH: the learner's current epoch, or `None` (-1 on the wire) where it had accepted the epoch before.
#[must_use]
pub fn ack_epoch(current: Option<Epoch>) -> Bytes {
    let value = current.map_or(-1, |epoch| epoch.0 as i32);
    Bytes::copy_from_slice(&value.to_be_bytes())
}

/// Reads the data of ACKEPOCH.
pub fn decode_ack_epoch(data: &[u8]) -> Result<Option<Epoch>> {
    let value = Reader::new(data).i32()?;
    Ok((value != -1).then_some(Epoch(i64::from(value))))
}
