//! The quorum port.

use bytes::{Bytes, BytesMut};
use wire::DecodeError;
use wire::quorum::{
    ForwardedRequest, IDENTITIES_MAX, LearnerInfo, PacketType, QuorumPacket, ack_epoch, decode_ack_epoch,
    decode_touched, encode_touched,
};

/// The longest data of a packet here: small, so that an input can go over it.
const DATA_BYTES_MAX: usize = 256;
/// The longest packet: fixed fields, data, the lengths of all identities, and their texts.
const PACKET_BYTES_MAX: usize = 20 + DATA_BYTES_MAX + 2 * 4 * IDENTITIES_MAX + DATA_BYTES_MAX;

/// A stream of packets, whole and in pieces whose size the first byte gives: the same packets, and the same end.
pub fn quorum_packets(data: &[u8]) {
    let Some((&first, stream)) = data.split_first() else { return };
    let whole = parse_all(stream, stream.len().max(1));
    for size in [1, 1 + usize::from(first)] {
        assert_eq!(parse_all(stream, size), whole, "in pieces of {size} bytes");
    }
    for packet in whole.0 {
        let mut bytes = BytesMut::from(&packet.to_bytes()[..]);
        let again = QuorumPacket::parse(&mut bytes, DATA_BYTES_MAX);
        assert_eq!(again, Ok(Some(packet.clone())));
        assert!(bytes.is_empty(), "a packet is taken whole");
        if let Some(data) = packet.data {
            quorum_data(&data);
        }
        if let Some(identities) = packet.identities {
            let texts: usize = identities.iter().map(|id| id.scheme.len() + id.id.len()).sum();
            assert!(identities.len() <= IDENTITIES_MAX);
            assert!(texts <= DATA_BYTES_MAX, "identities of {texts} bytes");
        }
    }
}

type Parsed = (Vec<QuorumPacket>, Option<DecodeError>);

fn parse_all(stream: &[u8], size: usize) -> Parsed {
    let (mut packets, mut buffer) = (Vec::new(), BytesMut::new());
    for piece in stream.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            match QuorumPacket::parse(&mut buffer, DATA_BYTES_MAX) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error)),
            }
        }
        assert!(buffer.len() <= PACKET_BYTES_MAX, "{} bytes are kept for one packet", buffer.len());
    }
    (packets, None)
}

/// What the data of a packet may hold.
pub fn quorum_data(data: &[u8]) {
    if let Ok(info) = LearnerInfo::decode(data) {
        assert_eq!(LearnerInfo::decode(&info.to_bytes()), Ok(info));
    }
    let shared = Bytes::copy_from_slice(data);
    if let Ok(request) = ForwardedRequest::decode(&shared) {
        assert_eq!(request.to_bytes(), shared);
    }
    if let Ok(sessions) = decode_touched(data) {
        assert!(sessions.capacity() * 12 <= data.len());
        assert_eq!(encode_touched(&sessions), shared);
    }
    if let Ok(epoch) = decode_ack_epoch(data) {
        assert_eq!(ack_epoch(epoch), data[..4]);
    }
    if let Some(&first) = data.first() {
        let kind = PacketType::from_i32(i32::from(first));
        assert_eq!(kind.is_some(), PacketType::ALL.iter().any(|kind| *kind as i32 == i32::from(first)));
    }
}
