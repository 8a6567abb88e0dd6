//! Bytes as Apache writes them; the vectors were computed from its source and checked against its servers.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use bytes::{Bytes, BytesMut};
use wire::client::{self, ConnectRequest, ConnectResponse, EventType, MultiOp, Password, ReplyHeader};
use wire::election::{Handshake, Notification, ServerState};
use wire::quorum::{self, ForwardedRequest, LearnerInfo, PacketType, QuorumPacket};
use wire::txn::{CreateKind, CreateTxn, Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Acl, Epoch, ErrorCode, Id, Millis, Reader, ServerId, SessionId, Xid, Zxid};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn passwords() {
    let check = |session: i64, text: &str| assert_eq!(Password::of(SessionId(session)).0.to_vec(), hex(text));
    check(0x0100_0000_0000_0000, "f22acd4a97e69d6d20a49bb638eadb38");
    check(0x0100_0123_4567_89ab, "237710bc62d77989a42e8da77022789d");
    check(0xfe00_1234_5678_9abc_u64 as i64, "e673bc9940b4e7724864ecd8054f6ff4");
}

#[test]
fn connect() {
    let request = ConnectRequest {
        last_zxid_seen: Zxid(0),
        timeout: 30000,
        session: SessionId(0),
        password: vec![0; 16],
        read_only: Some(false),
    };
    let mut out = BytesMut::new();
    request.encode_frame(&mut out);
    let expected = hex(
        "0000002d 00000000 0000000000000000 00007530 0000000000000000 00000010 00000000000000000000000000000000 00",
    );
    assert_eq!(out.to_vec(), expected);
    assert_eq!(ConnectRequest::decode(&out[4..]).unwrap(), request);
    let mut out = BytesMut::new();
    let session = SessionId(0x0100_0000_0000_0000);
    ConnectResponse { timeout: 30000, session, password: Password::of(session), read_only: Some(false) }
        .encode_frame(&mut out);
    let expected = hex("00000025 00000000 00007530 0100000000000000 00000010 f22acd4a97e69d6d20a49bb638eadb38 00");
    assert_eq!(out.to_vec(), expected);
}

#[test]
fn replies_and_events() {
    let mut out = BytesMut::new();
    ReplyHeader { xid: Xid(1), zxid: Zxid(5), error: ErrorCode::NoNode }.encode_frame(&mut out);
    assert_eq!(out.to_vec(), hex("00000010 00000001 0000000000000005 ffffff9b"));
    let mut out = BytesMut::new();
    client::encode_event_frame(&mut out, Zxid(7), EventType::NodeDataChanged, "/a");
    assert_eq!(out.to_vec(), hex("0000001e ffffffff 0000000000000007 00000000 00000003 00000003 00000002 2f61"));
}

#[test]
fn multi_request() {
    let frame = hex(
        "00000037 00000002 0000000e 0000000d 00 ffffffff 00000002 2f61 00000000 00000002 00 ffffffff 00000002 2f61 ffffffff ffffffff 01 ffffffff",
    );
    let mut input = Reader::new(&frame[12..]);
    let ops = MultiOp::decode_all(&mut input, false).unwrap();
    assert!(matches!(&ops[..], [MultiOp::Check(_), MultiOp::Delete(_)]));
    assert!(input.is_empty());
    assert!(MultiOp::decode_all(&mut Reader::new(&frame[12..]), true).is_err());
}

#[test]
fn election() {
    let handshake = Handshake { sid: ServerId(1), addresses: vec!["127.0.0.1:3888".into()] };
    let bytes = hex("ffffffffffff0000 0000000000000001 0000000e 3132372e302e302e313a33383838");
    assert_eq!(handshake.to_bytes(), bytes);
    assert_eq!(Handshake::parse(&bytes).unwrap(), Some((handshake, bytes.len())));
    for cut in 0..bytes.len() {
        assert_eq!(Handshake::parse(&bytes[..cut]).unwrap(), None);
    }
    let config = "server.1=127.0.0.1:2888:3888:participant\nversion=0".to_owned();
    let notification = Notification {
        state: ServerState::Looking,
        leader: ServerId(1),
        zxid: Zxid(0),
        round: 1,
        peer_epoch: Epoch(0),
        version: 2,
        config: Some(config),
    };
    let bytes = hex(
        "0000005e 00000000 0000000000000001 0000000000000000 0000000000000001 0000000000000000 00000002 00000032 7365727665722e313d3132372e302e302e313a323838383a333838383a7061727469636970616e740a76657273696f6e3d30",
    );
    assert_eq!(notification.to_frame(), bytes);
    assert_eq!(Notification::decode(&bytes[4..]).unwrap(), Some(notification));
}

#[test]
fn quorum_packets() {
    let check = |packet: QuorumPacket, text: &str| {
        let bytes = hex(text);
        assert_eq!(packet.to_bytes(), bytes);
        for cut in 0..bytes.len() {
            assert_eq!(QuorumPacket::parse(&mut BytesMut::from(&bytes[..cut]), 1 << 20).unwrap(), None);
        }
        assert_eq!(QuorumPacket::parse(&mut BytesMut::from(&bytes[..]), 1 << 20).unwrap(), Some(packet));
    };
    let info = LearnerInfo { sid: ServerId(2), protocol_version: quorum::PROTOCOL_VERSION, config_version: 0 };
    check(
        QuorumPacket::with_data(PacketType::FollowerInfo, Epoch(1).start(), info.to_bytes()),
        "0000000b 0000000100000000 00000014 0000000000000002 00010000 0000000000000000 ffffffff",
    );
    check(
        QuorumPacket::with_data(PacketType::LeaderInfo, Epoch(2).start(), quorum::leader_info()),
        "00000011 0000000200000000 00000004 00010000 ffffffff",
    );
    check(
        QuorumPacket::with_data(PacketType::AckEpoch, Zxid(0x1_0000_0005), quorum::ack_epoch(Some(Epoch(1)))),
        "00000012 0000000100000005 00000004 00000001 ffffffff",
    );
    check(QuorumPacket::bare(PacketType::Ack, Epoch(2).start()), "00000003 0000000200000000 ffffffff ffffffff");
    check(QuorumPacket::bare(PacketType::Commit, Zxid(0x2_0000_0001)), "00000004 0000000200000001 ffffffff ffffffff");
    check(
        QuorumPacket::with_data(PacketType::Ping, Epoch(2).start(), Bytes::new()),
        "00000005 0000000200000000 00000000 ffffffff",
    );
    let mut body = BytesMut::new();
    wire::Writer::string(&mut body, "/a");
    wire::Writer::i32(&mut body, -1);
    let request =
        ForwardedRequest { session: SessionId(0x0200_0000_0000_0000), cxid: 1, opcode: 2, body: body.freeze() };
    let mut packet = QuorumPacket::with_data(PacketType::Request, Zxid::NONE, request.to_bytes());
    packet.identities = Some(vec![Id::new("ip", "127.0.0.1")]);
    check(
        packet,
        "00000001 ffffffffffffffff 0000001a 0200000000000000 00000001 00000002 00000002 2f61 ffffffff 00000001 00000002 6970 00000009 3132372e302e302e31",
    );
}

#[test]
fn log_entry() {
    let header = TxnHeader {
        session: SessionId(0x0100_0000_0000_0000),
        cxid: Xid(1),
        zxid: Zxid(0x1_0000_0001),
        time: Millis(1_700_000_000_000),
    };
    let txn = Txn::Create(CreateTxn {
        path: "/a".into(),
        data: Some(Bytes::from_static(b"x")),
        acl: Acl::open(),
        kind: CreateKind::Create { ephemeral: false },
        parent_cversion: 1,
    });
    let entry = TxnEntry::new(header, txn, Some(TxnDigest { version: 2, digest: 7_539_952_680 }));
    let expected = hex(
        "0100000000000000 00000001 0000000100000001 0000018bcfe56800 00000001 00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000001 00000002 00000001c16a8c28",
    );
    assert_eq!(entry.bytes, expected);
    assert_eq!(TxnEntry::decode(entry.bytes.clone()).unwrap(), entry);
    assert_eq!(TxnEntry::peek_zxid(&entry.bytes).unwrap(), header.zxid);
}
