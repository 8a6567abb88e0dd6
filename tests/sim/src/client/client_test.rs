//! The client against a scripted server: every reply is made by hand.

mod requests;

use bytes::{Buf, Bytes, BytesMut};
use tree::ConnId;
use wire::client::{
    AuthPacket, ConnectRequest, ConnectResponse, CreateRequest, EventType, MultiOp, OpCode, Password, PathNumber,
    PathVersion, PathWatch, ReconfigRequest, ReplyHeader, RequestHeader, SetAclRequest, SetDataRequest, SetWatches,
    encode_event_frame,
};
use wire::{ErrorCode, Reader, ServerId, SessionId, Stat, Writer, Xid, Zxid, jute};

use super::{Client, ClientAction, ClientInput, Kind, Workload, codec};
use crate::observe::{Access, ClientId, Lifetime, Observation, Op, User, WatchType};
use crate::rng::Rng;

const SESSION: SessionId = SessionId(0x100_0000_0000_0007);
const TIMEOUT_US: i64 = 6_000_000;

/// Only reads with watches, one at a time, quickly one after the other.
fn reads() -> Workload {
    let mut weights = [0; Kind::ALL.len()];
    weights[Kind::ALL.iter().position(|kind| *kind == Kind::Get).unwrap()] = 1;
    Workload {
        weights,
        keys: 1,
        pipeline_max: 1,
        ephemeral_percent: 0,
        watch_percent: 100,
        versioned_percent: 0,
        multi_parts_max: 1,
        think_us: (1, 1_000),
        redial_us: (1_000, 2_000),
        data_bytes: (0, 40),
        session_timeout_ms: 6_000,
        quota: false,
        acl_percent: 0,
        users: false,
        container_percent: 0,
        ttl_percent: 0,
        ttl_ms: (1, 1),
        hop_permille: 0,
        changes: Vec::new(),
    }
}

/// A client, its clock, and what it does.
struct Script {
    client: Client,
    now_us: i64,
    /// Where it is connected or dialling.
    server: Option<ServerId>,
    last_server: Option<ServerId>,
    sent: BytesMut,
    seen: Vec<String>,
    hung_up: bool,
    conns: u64,
}

impl Script {
    fn new(workload: Workload) -> Script {
        let servers = [1, 2, 3].map(ServerId).to_vec();
        Script {
            client: Client::new(ClientId(4), servers, workload, 11),
            now_us: 0,
            server: None,
            last_server: None,
            sent: BytesMut::new(),
            seen: Vec::new(),
            hung_up: false,
            conns: 0,
        }
    }

    fn step(&mut self, input: ClientInput<'_>) {
        let (mut actions, seen) = (Vec::new(), &mut self.seen);
        self.client.step(self.now_us, input, &mut actions, &mut |found| {
            seen.push(match found {
                Observation::Attached { session, fresh, .. } => format!("attached {session} {fresh}"),
                Observation::Detached { session, .. } => format!("detached {session}"),
                Observation::SessionLost { session, .. } => format!("lost {session}"),
                Observation::Called(call) => format!("called {} {:?}", call.xid, call.op),
                Observation::Answered { call, answer } => format!("answered {} {}", call.xid, answer.error),
                Observation::Event { kind, path, .. } => format!("event {kind:?} {path}"),
                other => panic!("a client cannot see {other:?}"),
            });
        });
        for action in actions {
            match action {
                ClientAction::Dial(server) => {
                    self.last_server = self.server.or(self.last_server);
                    self.server = Some(server);
                }
                ClientAction::Send(bytes) => self.sent.extend_from_slice(&bytes),
                ClientAction::HangUp => self.hung_up = true,
            }
        }
    }

    /// Lets time pass to the client's next deadline.
    fn wait(&mut self) {
        let deadline_us = self.client.deadline_us().unwrap();
        assert!(deadline_us > self.now_us || self.now_us == 0);
        self.now_us = deadline_us;
        self.step(ClientInput::Timer);
    }

    /// Lets the client dial and connect; yields its handshake.
    fn connect(&mut self) -> ConnectRequest {
        (self.server, self.hung_up) = (None, false);
        self.sent.clear();
        while self.server.is_none() {
            self.wait();
        }
        self.conns += 1;
        self.step(ClientInput::Connected(ConnId(self.conns)));
        let frame = codec::take_frame(&mut self.sent).unwrap().unwrap();
        ConnectRequest::decode(&frame).unwrap()
    }

    fn welcome(&mut self, session: SessionId) {
        let mut frame = BytesMut::new();
        let password = Password::of(session);
        ConnectResponse { timeout: 6_000, session, password, read_only: Some(false) }.encode_frame(&mut frame);
        self.step(ClientInput::Bytes(&frame));
    }

    /// Waits for the next request; yields its header and body.
    fn request(&mut self) -> (RequestHeader, Bytes) {
        loop {
            if let Some(mut frame) = codec::take_frame(&mut self.sent).unwrap() {
                let header = RequestHeader::decode(&frame).unwrap();
                frame.advance(RequestHeader::BYTES);
                return (header, frame);
            }
            self.wait();
        }
    }

    fn reply(&mut self, xid: Xid, zxid: i64, error: ErrorCode) {
        let mut frame = BytesMut::new();
        ReplyHeader { xid, zxid: Zxid(zxid), error }.encode_frame(&mut frame);
        self.step(ClientInput::Bytes(&frame));
    }

    fn last_seen(&self) -> &str {
        self.seen.last().map(String::as_str).unwrap_or_default()
    }
}

fn data_reply(xid: Xid, zxid: i64) -> Bytes {
    jute::framed(|out| {
        ReplyHeader { xid, zxid: Zxid(zxid), error: ErrorCode::Ok }.encode(out);
        out.buffer(Some(b"abc"));
        Stat::default().encode(out);
    })
}

/// A client with a session that has read with a watch at zxid 9.
fn watching() -> Script {
    let mut script = Script::new(reads());
    script.connect();
    script.welcome(SESSION);
    let (header, _) = script.request();
    script.step(ClientInput::Bytes(&data_reply(header.xid, 9)));
    script
}

#[test]
fn a_new_session_begins_with_nothing_seen() {
    let mut script = Script::new(reads());
    let request = script.connect();
    assert_eq!((request.session, request.last_zxid_seen, request.timeout), (SessionId::NONE, Zxid::ZERO, 6_000));
    assert_eq!((request.password, request.read_only), (vec![0; 16], Some(false)));
    script.welcome(SESSION);
    assert_eq!(script.seen, [format!("attached {SESSION} true")]);
}

#[test]
fn frames_may_come_in_any_pieces() {
    let mut script = Script::new(reads());
    script.connect();
    script.welcome(SESSION);
    let (header, body) = script.request();
    let request = PathWatch::decode(&mut Reader::new(&body)).unwrap();
    assert_eq!((header.opcode, request.path, request.watch), (OpCode::GetData as i32, Some("/k/n0"), true));
    let mut bytes = BytesMut::from(&data_reply(header.xid, 9)[..]);
    encode_event_frame(&mut bytes, Zxid(10), EventType::NodeDataChanged, "/k/n0");
    for byte in &bytes[..bytes.len() - 1] {
        script.step(ClientInput::Bytes(&[*byte]));
    }
    assert_eq!(script.last_seen(), "answered 1 Ok(0)");
    script.step(ClientInput::Bytes(&bytes[bytes.len() - 1..]));
    assert_eq!(script.last_seen(), "event NodeDataChanged /k/n0");
    assert_eq!(script.client.complaint(), None);
}

#[test]
fn a_lost_connection_is_replaced_by_one_to_another_server() {
    let mut script = watching();
    script.request();
    script.step(ClientInput::Closed);
    assert_eq!(script.last_seen(), format!("detached {SESSION}"));
    assert_eq!(script.client.progress().lost_calls, 1);
    let first = script.server;
    let request = script.connect();
    assert_ne!(script.server, first);
    assert_eq!((request.session, request.last_zxid_seen), (SESSION, Zxid(9)));
    assert_eq!(request.password, Password::of(SESSION).0);
    script.welcome(SESSION);
    let (header, body) = script.request();
    assert_eq!((header.xid, header.opcode), (Xid::SET_WATCHES, OpCode::SetWatches as i32));
    let watches = SetWatches::decode(OpCode::SetWatches, &mut Reader::new(&body)).unwrap();
    assert_eq!((watches.relative_zxid, watches.data, watches.exist.len()), (Zxid(9), vec!["/k/n0"], 0));
}

#[test]
fn an_event_does_not_count_as_seen_but_uses_up_the_watch() {
    let mut script = watching();
    let mut event = BytesMut::new();
    encode_event_frame(&mut event, Zxid(12), EventType::NodeDeleted, "/k/n0");
    script.step(ClientInput::Bytes(&event));
    script.step(ClientInput::Closed);
    let request = script.connect();
    assert_eq!(request.last_zxid_seen, Zxid(9));
    script.welcome(SESSION);
    let (header, _) = script.request();
    assert_eq!(header.opcode, OpCode::GetData as i32, "there is no watch left to take along");
}

#[test]
fn a_refused_session_is_lost_and_another_begins() {
    let mut script = watching();
    script.step(ClientInput::Closed);
    script.connect();
    let mut frame = BytesMut::new();
    ConnectResponse::refused(Some(false)).encode_frame(&mut frame);
    script.step(ClientInput::Bytes(&frame));
    assert!(script.hung_up);
    assert!(script.seen.contains(&format!("lost {SESSION}")), "{:?}", script.seen);
    let request = script.connect();
    assert_eq!((request.session, request.last_zxid_seen), (SessionId::NONE, Zxid::ZERO));
}

#[test]
fn a_silent_server_is_pinged_and_then_given_up() {
    let mut script = Script::new(reads());
    script.connect();
    let since_us = script.now_us;
    script.welcome(SESSION);
    script.request();
    let asked_us = script.now_us;
    let (header, _) = script.request();
    assert_eq!((header.xid, script.now_us), (Xid::PING, asked_us + TIMEOUT_US / 3));
    while !script.hung_up {
        script.wait();
    }
    assert_eq!(script.now_us, since_us + TIMEOUT_US * 2 / 3);
}

#[test]
fn a_server_that_does_not_greet_is_given_up() {
    let mut script = Script::new(reads());
    script.connect();
    let since_us = script.now_us;
    script.wait();
    assert!(script.hung_up);
    assert!(script.now_us - since_us <= TIMEOUT_US / 3, "{}", script.now_us);
    assert_eq!(script.last_seen(), format!("detached {}", SessionId::NONE));
}

#[test]
fn a_closed_session_is_followed_by_another() {
    let mut weights = [0; Kind::ALL.len()];
    weights[Kind::ALL.iter().position(|kind| *kind == Kind::Close).unwrap()] = 1;
    let mut script = Script::new(Workload { weights, ..reads() });
    script.connect();
    script.welcome(SESSION);
    let (header, _) = script.request();
    assert_eq!(header.opcode, OpCode::CloseSession as i32);
    script.reply(header.xid, 5, ErrorCode::Ok);
    assert!(script.hung_up);
    assert_eq!(script.connect().session, SessionId::NONE);
}

#[test]
fn calm_means_a_write_and_a_read_on_every_server() {
    let mut script = watching();
    // What is open is finished first; the request on its way is answered.
    let (header, _) = script.request();
    script.step(ClientInput::Calm(&[ServerId(1), ServerId(2), ServerId(3)]));
    script.step(ClientInput::Bytes(&data_reply(header.xid, 9)));
    let mut zxid = 9;
    while !script.client.is_idle() {
        if script.hung_up {
            let request = script.connect();
            assert_eq!(request.session, SESSION);
            script.welcome(SESSION);
        }
        if script.sent.is_empty() {
            script.wait();
            continue;
        }
        let (header, _) = script.request();
        zxid += 1;
        match OpCode::from_i32(header.opcode).unwrap() {
            OpCode::SetData => {
                let frame = jute::framed(|out| {
                    ReplyHeader { xid: header.xid, zxid: Zxid(zxid), error: ErrorCode::Ok }.encode(out);
                    Stat::default().encode(out);
                });
                script.step(ClientInput::Bytes(&frame));
            }
            OpCode::GetData => script.step(ClientInput::Bytes(&data_reply(header.xid, zxid))),
            OpCode::SetWatches | OpCode::Ping => script.reply(header.xid, zxid, ErrorCode::Ok),
            other => panic!("a calm client does not ask for {other:?}"),
        }
    }
    let progress = script.client.progress();
    assert_eq!(progress.visited.len(), 3, "{progress:?}");
    assert_eq!(progress.acknowledged_writes, 3);
}

#[test]
fn what_no_server_may_send_is_a_complaint() {
    let check = |expected: &str, frame: &dyn Fn(Xid) -> Bytes| {
        let mut script = watching();
        let (header, _) = script.request();
        script.step(ClientInput::Bytes(&frame(header.xid)));
        let complaint = script.client.complaint().unwrap_or_else(|| panic!("no complaint that {expected}"));
        assert!(complaint.contains(expected) && complaint.contains("client 4"), "{complaint}");
        assert!(script.hung_up, "{expected}");
    };
    let reply = |xid, zxid, code: i32, rest: &[u8]| {
        jute::framed(|out| {
            out.i32(xid);
            out.i64(zxid);
            out.i32(code);
            out.raw(rest);
        })
    };
    check("answers nothing that was asked", &|xid| data_reply(Xid(xid.0 + 1), 9));
    check("unknown error -126", &|xid| reply(xid.0, 9, -126, &[]));
    check("1 bytes too many", &|xid| reply(xid.0, 9, -101, &[0]));
    check("cannot be read", &|xid| reply(xid.0, 9, 0, &[0, 0]));
    check("of type 9", &|_| reply(-1, 9, 0, &[0, 0, 0, 9, 0, 0, 0, 3, 0, 0, 0, 1, b'/']));
    check("state 0", &|_| reply(-1, 9, 0, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, b'/']));
    check("a frame of -1 bytes", &|_| Bytes::from_static(&[0xff; 4]));
}

#[test]
fn a_session_with_anothers_password_is_a_complaint() {
    let mut script = Script::new(reads());
    script.connect();
    let mut frame = BytesMut::new();
    let password = Password::of(SessionId(1));
    ConnectResponse { timeout: 6_000, session: SESSION, password, read_only: Some(false) }.encode_frame(&mut frame);
    script.step(ClientInput::Bytes(&frame));
    assert!(script.client.complaint().is_some_and(|complaint| complaint.contains("not its own")));
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed: u64| {
        let workload = Workload::draw(&mut Rng::new(seed));
        let mut client = Client::new(ClientId(1), vec![ServerId(1)], workload, seed);
        let (mut all, mut seen) = (Vec::new(), 0);
        for step in 0..200 {
            let now_us = client.deadline_us().unwrap();
            client.step(now_us, ClientInput::Timer, &mut all, &mut |_| seen += 1);
            if matches!(all.last(), Some(ClientAction::Dial(_))) {
                client.step(now_us, ClientInput::Connected(ConnId(step)), &mut all, &mut |_| seen += 1);
                let mut frame = BytesMut::new();
                let password = Password::of(SESSION);
                ConnectResponse { timeout: 6_000, session: SESSION, password, read_only: Some(false) }
                    .encode_frame(&mut frame);
                client.step(now_us, ClientInput::Bytes(&frame), &mut all, &mut |_| seen += 1);
            }
        }
        (all, seen)
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}

/// Only one kind of request.
fn only(kind: Kind) -> Workload {
    let mut weights = [0; Kind::ALL.len()];
    weights[Kind::ALL.iter().position(|found| *found == kind).unwrap()] = 1;
    Workload { weights, ..reads() }
}

#[test]
fn persistent_watches_are_taken_along_although_they_fired() {
    let mut script = Script::new(only(Kind::AddWatch));
    script.connect();
    script.welcome(SESSION);
    let (header, body) = script.request();
    let asked = PathNumber::decode(&mut Reader::new(&body)).unwrap();
    let (path, number) = (asked.path.unwrap().to_owned(), asked.number);
    let added = jute::framed(|out| {
        ReplyHeader { xid: header.xid, zxid: Zxid(9), error: ErrorCode::Ok }.encode(out);
        out.i32(0);
    });
    script.step(ClientInput::Bytes(&added));
    let mut event = BytesMut::new();
    encode_event_frame(&mut event, Zxid(10), EventType::NodeDeleted, &path);
    script.step(ClientInput::Bytes(&event));
    script.step(ClientInput::Closed);
    script.connect();
    script.welcome(SESSION);
    let (header, body) = script.request();
    assert_eq!((header.xid, header.opcode), (Xid::SET_WATCHES, OpCode::SetWatches2 as i32));
    let watches = SetWatches::decode(OpCode::SetWatches2, &mut Reader::new(&body)).unwrap();
    let expected = if number == 0 { (vec![&*path], vec![]) } else { (vec![], vec![&*path]) };
    assert_eq!((watches.persistent, watches.persistent_recursive), expected);
}

#[test]
fn a_user_proves_to_be_one_before_anything_else() {
    // Client 4 is the first user.
    let mut script = Script::new(Workload { users: true, ..reads() });
    for _ in 0..2 {
        script.connect();
        script.welcome(SESSION);
        let (header, body) = script.request();
        let packet = AuthPacket::decode(&mut Reader::new(&body)).unwrap();
        assert_eq!((header.xid, packet.auth), (Xid::AUTH, User::Ann.secret().as_bytes()));
        script.reply(Xid::AUTH, 0, ErrorCode::Ok);
        assert_eq!(script.client.complaint(), None);
        script.step(ClientInput::Closed);
    }
    script.connect();
    script.welcome(SESSION);
    script.request();
    script.reply(Xid::AUTH, 0, ErrorCode::AuthFailed);
    assert!(script.client.complaint().is_some_and(|complaint| complaint.contains("an auth packet of Some(Ann)")));
}
