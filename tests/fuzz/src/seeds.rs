//! The corpus: valid encodings of every kind, cut ones, and lengths that lie.

mod peers;
mod stored;

use crate::pieces::unpieces;
use crate::world::create;
use bytes::BytesMut;
use wire::client::{ConnectRequest, MultiHeader, OpCode, Password};
use wire::election::{Handshake, Notification, ServerState};
use wire::quorum::{ForwardedRequest, LearnerInfo, PacketType, QuorumPacket, encode_touched};
use wire::{Acl, Epoch, Id, Perms, ServerId, SessionId, Writer, Zxid};

/// One file of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// The file's name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Lengths that must be refused before memory is taken.
const NASTY_LENGTHS: [i32; 3] = [i32::MAX, -2, 0x0100_0000];

/// Every generated file. Files found by fuzzing (`regression-*`) stand beside them.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    client(&mut seeds);
    quorum(&mut seeds);
    elections(&mut seeds);
    texts(&mut seeds);
    stored::all(&mut seeds);
    peers::all(&mut seeds);
    seeds
}

fn add(seeds: &mut Vec<Seed>, target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
    seeds.push(Seed { target, name: name.to_owned(), bytes: bytes.into() });
}

/// As it is, and cut in its last third.
fn add_and_cut(seeds: &mut Vec<Seed>, target: &'static str, name: &str, bytes: &[u8]) {
    add(seeds, target, name, bytes);
    add(seeds, target, &format!("{name}-cut"), &bytes[..bytes.len() - bytes.len() / 3]);
}

fn body(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn request(xid: i32, opcode: OpCode, record: &[u8]) -> Vec<u8> {
    body(|out| {
        out.i32(xid);
        out.i32(opcode as i32);
        out.raw(record);
    })
}

fn path_bool(path: &str, flag: bool) -> Vec<u8> {
    body(|out| {
        out.string(path);
        out.bool(flag);
    })
}

fn path_number(path: &str, number: i32) -> Vec<u8> {
    body(|out| {
        out.string(path);
        out.i32(number);
    })
}

fn multi(parts: &[(OpCode, Vec<u8>)]) -> Vec<u8> {
    body(|out| {
        for (opcode, part) in parts {
            MultiHeader { kind: *opcode as i32, done: false, error: -1 }.encode(out);
            out.raw(part);
        }
        MultiHeader::END.encode(out);
    })
}

fn set_data(path: &str, data: &[u8], version: i32) -> Vec<u8> {
    body(|out| {
        out.string(path);
        out.buffer(Some(data));
        out.i32(version);
    })
}

fn set_watches(vectors: usize) -> Vec<u8> {
    body(|out| {
        out.i64(0x1_0000_0003);
        for _ in 0..vectors {
            out.strings(&["/a", "/a/b", "/none"]);
        }
    })
}

fn client(seeds: &mut Vec<Seed>) {
    let session = SessionId(0x0100_0000_0000_0001);
    for (name, session, read_only) in
        [("new", SessionId::NONE, Some(false)), ("again", session, Some(true)), ("old", session, None)]
    {
        let password = Password::of(session).0.to_vec();
        let mut frame = BytesMut::new();
        ConnectRequest { last_zxid_seen: Zxid(5), timeout: 4000, session, password, read_only }
            .encode_frame(&mut frame);
        add_and_cut(seeds, "connect_request", name, &frame[4..]);
    }
    for length in NASTY_LENGTHS {
        let bytes = [&[0; 24][..], &length.to_be_bytes(), b"pass"].concat();
        add(seeds, "connect_request", &format!("password-{length:x}"), bytes);
    }
    let open = Acl::open();
    let closed = [Acl { perms: Perms::ALL, id: Id::new("auth", "") }];
    let ttl = [create("/t", b"", &open, 5), 1000_i64.to_be_bytes().to_vec()].concat();
    let set_acl = body(|out| {
        out.string("/a");
        Acl::encode_vec(&closed, out);
        out.i32(-1);
    });
    let writes = [
        request(1, OpCode::Create, &create("/a/c-", b"x", &open, 3)),
        request(3, OpCode::Create2, &create("/q/x", b"12345", &closed, 2)),
        request(1, OpCode::CreateContainer, &create("/c/d", b"", &open, 4)),
        request(1, OpCode::CreateTtl, &ttl),
        request(5, OpCode::SetData, &set_data("/closed", b"new", 0)),
        request(2, OpCode::SetAcl, &set_acl),
        request(0, OpCode::Delete, &path_number("/a/b", 0)),
        request(0, OpCode::Reconfig, &body(|out| out.strings(&["", "", ""]))),
        request(1, OpCode::DeleteContainer, b"/c"),
        request(0, OpCode::CloseSession, b""),
        request(0, OpCode::CreateSession, &1_i32.to_be_bytes()),
    ];
    add_and_cut(seeds, "client_requests", "writes", &unpieces(&writes));
    let parts = multi(&[
        (OpCode::Check, path_number("/a", 0)),
        (OpCode::Create, create("/m", b"", &open, 0)),
        (OpCode::SetData, set_data("/m", b"1", 0)),
        (OpCode::Delete, path_number("/m", 1)),
    ]);
    let failing = multi(&[(OpCode::Delete, path_number("/a/b", 0)), (OpCode::Check, path_number("/none", 0))]);
    let reads = multi(&[(OpCode::GetData, path_bool("/a", false)), (OpCode::GetChildren, path_bool("/none", false))]);
    let multis = [
        request(1, OpCode::Multi, &parts),
        request(1, OpCode::Multi, &failing),
        request(0, OpCode::MultiRead, &reads),
        request(0, OpCode::Multi, &reads),
    ];
    add_and_cut(seeds, "client_requests", "multis", &unpieces(&multis));
    client_reads(seeds);
    for length in NASTY_LENGTHS {
        let lie = length.to_be_bytes();
        let requests = [
            request(0, OpCode::SetWatches2, &[&[0; 8][..], &lie].concat()),
            request(0, OpCode::GetData, &lie),
            request(0, OpCode::Create, &[&create("/x", b"", &[], 0)[..10], &lie].concat()),
        ];
        add(seeds, "client_requests", &format!("length-{length:x}"), unpieces(&requests));
    }
}

fn client_reads(seeds: &mut Vec<Seed>) {
    let reads = [
        request(0, OpCode::GetData, &path_bool("/a", true)),
        request(0, OpCode::Exists, &path_bool("/none", true)),
        request(8, OpCode::GetChildren, &path_bool("/", true)),
        request(0, OpCode::GetChildren2, &path_bool("/a", true)),
        request(2, OpCode::GetAcl, &body(|out| out.string("/closed"))),
        request(0, OpCode::GetEphemerals, &body(|out| out.string("/"))),
        request(0, OpCode::GetAllChildrenNumber, &body(|out| out.string("/a"))),
        request(0, OpCode::WhoAmI, b""),
        request(-2, OpCode::Ping, b""),
        request(0, OpCode::Sync, &body(|out| out.string("/"))),
    ];
    add_and_cut(seeds, "client_requests", "reads", &unpieces(&reads));
    let watches = [
        request(0, OpCode::AddWatch, &path_number("/a", 1)),
        request(8, OpCode::AddWatch, &path_number("/", 1)),
        request(0, OpCode::SetWatches, &set_watches(3)),
        request(0, OpCode::SetWatches2, &set_watches(5)),
        request(0, OpCode::CheckWatches, &path_number("/a", 5)),
        request(0, OpCode::SetData, &set_data("/a/b", b"rings", -1)),
        request(0, OpCode::RemoveWatches, &path_number("/a", 3)),
    ];
    add_and_cut(seeds, "client_requests", "watches", &unpieces(&watches));
    let big: Vec<_> = (0..1300).map(|_| (OpCode::GetData, path_bool("/big", false))).collect();
    add(seeds, "client_requests", "regression-multi-read-of-1300-large-values", {
        unpieces(&[request(0, OpCode::MultiRead, &multi(&big))])
    });
}

fn packet(kind: PacketType, zxid: i64, data: &[u8]) -> QuorumPacket {
    QuorumPacket::with_data(kind, Zxid(zxid), data.to_vec().into())
}

fn quorum(seeds: &mut Vec<Seed>) {
    let info = LearnerInfo { sid: ServerId(2), protocol_version: 0x10000, config_version: 0 }.to_bytes();
    let session = SessionId(0x0200_0000_0000_0007);
    let body = create("/r", b"", &Acl::open(), 0).into();
    let forwarded = ForwardedRequest { session, cxid: 9, opcode: OpCode::Create as i32, body }.to_bytes();
    let touched = encode_touched(&[(session, 4000), (SessionId(8), 6000)]);
    for (name, data) in [("learner-info", &info), ("request", &forwarded), ("touched", &touched)] {
        add_and_cut(seeds, "quorum_data", name, data);
    }
    add(seeds, "quorum_data", "ack-epoch-none", (-1_i32).to_be_bytes());
    let mut request = packet(PacketType::Request, -1, &forwarded);
    request.identities = Some(vec![Id::new("ip", "127.0.0.1"), Id::new("digest", "u:h")]);
    let mut stream = vec![3];
    for packet in [
        packet(PacketType::FollowerInfo, 0x1_0000_0000, &info),
        request,
        packet(PacketType::Ping, -1, &touched),
        QuorumPacket::bare(PacketType::Ack, Zxid(0x2_0000_0001)),
    ] {
        packet.encode(&mut stream);
    }
    add_and_cut(seeds, "quorum_packets", "stream", &stream);
    for length in NASTY_LENGTHS {
        let front = [&[0][..], &QuorumPacket::bare(PacketType::Snap, Zxid(1)).to_bytes()[..12]].concat();
        add(seeds, "quorum_packets", &format!("data-{length:x}"), [&front[..], &length.to_be_bytes()].concat());
        let ids = [&front[..], &[0xff; 4], &length.to_be_bytes()].concat();
        add(seeds, "quorum_packets", &format!("identities-{length:x}"), ids);
    }
    let mut long = packet(PacketType::Request, -1, b"");
    long.identities = Some((0..4).map(|_| Id::new("digest", &"x".repeat(200))).collect());
    let bytes = [&[9][..], &long.to_bytes()].concat();
    add(seeds, "quorum_packets", "regression-each-identity-within-the-limit-of-all", bytes);
}

/// A notification's body, as a looking or a settled server sends it.
fn vote(state: ServerState, leader: i64, zxid: i64, round: i64, config: &str) -> Vec<u8> {
    let notification = Notification {
        state,
        leader: ServerId(leader),
        zxid: Zxid(zxid),
        round,
        peer_epoch: Epoch(zxid >> 32),
        version: Notification::VERSION,
        config: Some(config.to_owned()),
    };
    notification.to_frame()[4..].to_vec()
}

fn elections(seeds: &mut Vec<Seed>) {
    for (name, addresses) in [("one", vec!["h1:3888"]), ("two", vec!["h1:3888", "[::1]:3889"])] {
        let addresses = addresses.into_iter().map(str::to_owned).collect();
        add_and_cut(seeds, "handshake", name, &Handshake { sid: ServerId(3), addresses }.to_bytes());
    }
    add(seeds, "handshake", "before-3.5", 3_i64.to_be_bytes());
    for length in NASTY_LENGTHS {
        let front = Handshake { sid: ServerId(3), addresses: vec![String::new()] }.to_bytes();
        add(seeds, "handshake", &format!("length-{length:x}"), [&front[..16], &length.to_be_bytes(), b"h"].concat());
    }
    let text = format!("{}version=0", crate::election::MEMBERS);
    let newer = text.replace("version=0", "version=100000001").replace("h3", "h9");
    let looking = vote(ServerState::Looking, 3, 0x1_0000_0005, 1, &text);
    add_and_cut(seeds, "notification", "looking", &looking);
    add(seeds, "notification", "28-bytes", &looking[..28]);
    add(seeds, "notification", "40-bytes", &looking[..40]);
    for length in NASTY_LENGTHS {
        add(seeds, "notification", &format!("config-{length:x}"), [&looking[..40], &length.to_be_bytes()].concat());
    }
    let from = |sid: u8, body: &[u8]| [&[sid][..], body].concat();
    let leading = vote(ServerState::Leading, 3, 0x1_0000_0005, 1, &text);
    let following = vote(ServerState::Following, 3, 0x1_0000_0005, 1, &text);
    let last = vote(ServerState::Looking, 3, i64::MAX, i64::MAX, &text);
    let votes: [(&str, Vec<Vec<u8>>); 4] = [
        ("three-agree", vec![from(2, &looking), from(3, &looking), vec![2], vec![0xc3], from(2, &looking)]),
        ("joins", vec![from(2, &following), from(3, &leading), from(4, &looking), from(2, &looking)]),
        ("last-round", vec![from(2, &last), from(3, &last), vec![2], vec![0xc2], from(2, &looking), vec![2]]),
        ("newer-membership", vec![from(2, &vote(ServerState::Looking, 9, 1, 1, &newer)), from(7, &looking), vec![3]]),
    ];
    for (name, pieces) in votes {
        for flags in [0, 3, 6] {
            add(seeds, "election", &format!("{name}-{flags}"), [&[flags][..], &unpieces(&pieces)].concat());
        }
    }
}

fn texts(seeds: &mut Vec<Seed>) {
    let members = crate::election::MEMBERS;
    let texts = [
        ("majority", format!("{members}version=100000000")),
        ("groups", format!("{members}group.1=1:2\ngroup.2=3\nweight.1=2\nversion=0")),
        ("ipv6", "server.1=[::1]:2888:3888;[fe80::1%eth0]:2181\nversion=a".to_owned()),
        ("several", "server.1=b:1:2|a:1:2:observer;2181".to_owned()),
        ("ports", "server.1=a:99999:1\nserver.2=a:1:1".to_owned()),
        ("regression-equal-ports-below-1000", "server.1=a:1:1".to_owned()),
        ("weights", format!("{members}group.1=1:2:3\nweight.1={0}\nweight.2={0}\nweight.3={0}", i64::MAX)),
        ("nobody", String::new()),
    ];
    for (name, text) in texts {
        add(seeds, "membership", name, text);
    }
    let cfg = "# a comment\ntickTime=2000\r\ndataDir = /var/lib/zk\nserver.1\\\n   =h:1:2\nx\\u0041\\=:y\\t\n!no\nlone\\ud83d";
    add_and_cut(seeds, "properties", "zoo-cfg", cfg.as_bytes());
    add(seeds, "properties", "bad-escape", "a=\\u12");
    add(seeds, "properties", "backslashes", "a=\\\\\\\n\\\n\\");
}
