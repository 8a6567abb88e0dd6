//! Sessions in virtual time: one call, the exact actions.

use crate::event::{Event, EventType, KeeperState, State};
use crate::hosts::HostPort;
use crate::op::WatcherType;
use crate::proto::{Request, WatchChange};
use crate::session::{Action, Loss, Session, Start};
use crate::watches::Registration;
use bytes::{Bytes, BytesMut};
use wire::client::{ConnectRequest, ConnectResponse, OpCode, Password, RequestHeader};
use wire::{SessionId, Writer, Xid};

const ID: i64 = 0x0100_0000_0000_0005;
const TIMEOUT_MS: i32 = 30_000;

type Actions = Vec<Action<u32>>;

fn start(hosts: u16, chroot: Option<&str>) -> Start {
    let order = (1..=hosts).map(|port| HostPort { host: "h".into(), port }).collect();
    Start { order, chroot: chroot.map(str::to_owned), timeout_ms: TIMEOUT_MS, read_only: true }
}

fn granted(read_only: bool, timeout: i32) -> Bytes {
    let mut out = BytesMut::new();
    let session = if timeout > 0 { SessionId(ID) } else { SessionId::NONE };
    ConnectResponse { timeout, session, password: Password([7; 16]), read_only: Some(read_only) }
        .encode_frame(&mut out);
    out.freeze().slice(4..)
}

fn reply(xid: i32, zxid: i64, code: i32) -> Bytes {
    let mut out = BytesMut::new();
    out.i32(xid);
    out.i64(zxid);
    out.i32(code);
    out.freeze()
}

fn event(kind: i32, path: &str) -> Bytes {
    let mut out = BytesMut::from(&reply(-1, 9, 0)[..]);
    out.i32(kind);
    out.i32(3);
    out.string(path);
    out.freeze()
}

fn exists(path: &str) -> Request {
    let mut request = Request::new(OpCode::Exists, |out| out.string(path));
    request.watch = WatchChange::Register(Registration::Exists, path.to_owned());
    request
}

/// What was done, in short: `exists#1` is a sent request, `1=ok` an answer to waiter 1.
fn short(out: &mut Actions) -> String {
    let words = out.drain(..).map(|action| match action {
        Action::Send(frame) if frame.len() > 40 && frame[4..8] == [0; 4] => {
            let request = ConnectRequest::decode(&frame[4..]).unwrap();
            format!("connect {} zxid {} timeout {}", request.session, request.last_zxid_seen, request.timeout)
        }
        Action::Send(frame) => {
            let header = RequestHeader::decode(&frame[4..]).unwrap();
            format!("{:?}#{}", OpCode::from_i32(header.opcode).unwrap(), header.xid)
        }
        Action::Answer(waiter, Ok(_)) => format!("{waiter}=ok"),
        Action::Answer(waiter, Err(code)) => format!("{waiter}={code}"),
        Action::Tell(event) => match event.path {
            None => format!("{}", event.state),
            Some(path) => format!("{} {} {path}", event.state, event.kind),
        },
        Action::Probe(server) => format!("probe {}", server.port),
    });
    words.collect::<Vec<String>>().join(", ")
}

/// A session that a server has just given, at time 0.
fn connected(hosts: u16, read_only: bool) -> (Session<u32>, Actions) {
    let mut session = Session::new(start(hosts, None), 0);
    let mut out = Vec::new();
    session.next_attempt(0).unwrap();
    session.on_attempt(0);
    session.on_connect(0, &mut out);
    session.on_frame(&granted(read_only, TIMEOUT_MS), 0, &mut out).unwrap();
    out.clear();
    (session, out)
}

#[test]
fn a_session_begins() {
    let mut session = Session::new(start(1, None), 0);
    let mut out = Vec::new();
    session.add_auth("digest", b"u:p", 0, &mut out);
    session.submit(exists("/a"), 1, 0, &mut out);
    assert_eq!(session.next_attempt(999).unwrap().pause_ms, 0, "the first attempt does not wait");
    session.on_attempt(0);
    assert_eq!(short(&mut out), "");
    session.on_connect(5, &mut out);
    assert_eq!(short(&mut out), "connect 0x0 zxid 0x0 timeout 30000");
    session.on_frame(&granted(false, TIMEOUT_MS), 9, &mut out).unwrap();
    // As in Java, an identity given before the connection is proven twice: as one kept, and as one queued.
    assert_eq!(short(&mut out), "SyncConnected, Auth#-4, Auth#-4, Exists#1");
    assert_eq!((session.state(), session.id(), session.timeout_ms()), (State::Connected, ID, TIMEOUT_MS));
    session.on_frame(&reply(-4, 0, 0), 9, &mut out).unwrap();
    session.on_frame(&reply(1, 3, -101), 9, &mut out).unwrap();
    assert_eq!(short(&mut out), "1=-101");
    session.on_frame(&event(1, "/a"), 9, &mut out).unwrap();
    session.on_frame(&event(1, "/a"), 9, &mut out).unwrap();
    assert_eq!(short(&mut out), "SyncConnected NodeCreated /a");
}

#[test]
fn a_lost_connection_fails_what_waits_and_comes_back() {
    let (mut session, mut out) = connected(1, false);
    session.submit(exists("/a"), 1, 0, &mut out);
    session.on_frame(&reply(1, 0x77, -101), 0, &mut out).unwrap();
    session.add_auth("digest", b"u:p", 0, &mut out);
    session.submit(exists("/b"), 2, 0, &mut out);
    out.clear();
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "2=-4, Disconnected");
    assert_eq!(session.state(), State::Connecting);
    session.submit(exists("/c"), 3, 10, &mut out);
    // One server, so that a round is over; and somebody was reached before, so that chance spreads those who come back.
    assert_eq!(session.next_attempt(7777).unwrap().pause_ms, 100 + 1000 + 777);
    session.on_attempt(20);
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "3=-4", "a failed attempt fails what waits, and is told only once");
    session.submit(exists("/d"), 4, 20, &mut out);
    session.next_attempt(0).unwrap();
    session.on_attempt(30);
    session.on_connect(30, &mut out);
    assert_eq!(short(&mut out), format!("connect {ID:#x} zxid 0x77 timeout 30000"));
    session.on_frame(&granted(false, TIMEOUT_MS), 30, &mut out).unwrap();
    assert_eq!(short(&mut out), "SyncConnected, Auth#-4, SetWatches#3, Exists#4");
}

#[test]
fn an_expired_session_is_the_end() {
    let (mut session, mut out) = connected(1, false);
    session.on_lost(&mut out);
    session.submit(exists("/a"), 1, 10, &mut out);
    session.next_attempt(0).unwrap();
    session.on_attempt(10);
    session.on_connect(10, &mut out);
    out.clear();
    assert_eq!(session.on_frame(&granted(false, 0), 10, &mut out), Err(Loss::Expired));
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "Expired, 1=-112");
    assert!(!session.wants_server());
    session.submit(exists("/a"), 2, 10, &mut out);
    session.close(3, 10, &mut out);
    assert_eq!(short(&mut out), "2=-112, 3=ok");
}

#[test]
fn a_refused_identity_is_the_end() {
    let (mut session, mut out) = connected(1, false);
    session.add_auth("nobody", b"", 0, &mut out);
    session.submit(exists("/a"), 1, 0, &mut out);
    out.clear();
    assert_eq!(session.on_frame(&reply(-4, 0, -115), 0, &mut out), Err(Loss::AuthFailed));
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "AuthFailed, 1=-115");
    session.submit(exists("/a"), 2, 0, &mut out);
    assert_eq!((short(&mut out), session.state()), ("2=-115".into(), State::AuthFailed));
}

#[test]
fn pings_and_silence() {
    let (mut session, mut out) = connected(1, false);
    // Half of two thirds of 30 s, a second early.
    assert_eq!(session.next_deadline(), Some(9_000));
    session.on_deadline(8_999, &mut out).unwrap();
    assert_eq!(short(&mut out), "");
    session.on_deadline(9_000, &mut out).unwrap();
    assert_eq!(short(&mut out), "Ping#-2");
    session.on_frame(&reply(-2, 0, 0), 9_001, &mut out).unwrap();
    for now in [18_000, 27_000] {
        session.on_deadline(now, &mut out).unwrap();
    }
    assert_eq!(session.next_deadline(), Some(9_001 + 20_000));
    assert_eq!(session.on_deadline(29_001, &mut out), Err(Loss::Silent(20_000)));
    out.clear();
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "Disconnected");
    session.next_attempt(0).unwrap();
    session.on_attempt(40_000);
    // Not heard for 4/3 of the timeout: the session cannot have survived.
    assert_eq!(session.on_deadline(49_000, &mut out), Ok(()));
    assert_eq!(session.on_deadline(49_001, &mut out), Err(Loss::Silent(40_000)));
    session.on_lost(&mut out);
    assert_eq!((short(&mut out), session.state()), ("Expired".into(), State::Closed));
}

#[test]
fn an_attempt_has_its_share_of_the_timeout() {
    let mut session: Session<u32> = Session::new(start(3, None), 0);
    let mut out = Vec::new();
    assert_eq!(session.next_deadline(), None, "no attempt, no deadline");
    session.next_attempt(0).unwrap();
    session.on_attempt(100);
    assert_eq!(session.next_deadline(), Some(10_100));
    session.on_connect(5_000, &mut out);
    assert_eq!(session.on_deadline(14_999, &mut out), Ok(()));
    assert_eq!(session.on_deadline(15_000, &mut out), Err(Loss::Slow(10_000)));
}

#[test]
fn answers_that_do_not_fit_end_the_connection() {
    let (mut session, mut out) = connected(1, false);
    assert_eq!(session.on_frame(&reply(5, 0, 0), 0, &mut out), Err(Loss::Unasked(Xid(5))));
    session.submit(exists("/a"), 1, 0, &mut out);
    out.clear();
    let wrong = session.on_frame(&reply(2, 0, 0), 0, &mut out);
    assert_eq!(wrong, Err(Loss::OutOfOrder { found: Xid(2), expected: Xid(1) }));
    assert_eq!(short(&mut out), "1=-4");
    assert!(matches!(session.on_frame(&event(8, "/a"), 0, &mut out), Err(Loss::Record(_))));
    assert!(matches!(session.on_frame(&Bytes::from_static(&[0]), 0, &mut out), Err(Loss::Record(_))));
}

#[test]
fn a_read_only_server_is_left_for_a_better_one() {
    let (mut session, mut out) = connected(2, true);
    assert_eq!(session.state(), State::ConnectedReadOnly);
    session.on_deadline(0, &mut out).unwrap();
    assert_eq!(short(&mut out), "probe 2");
    session.on_deadline(500, &mut out).unwrap();
    assert_eq!(short(&mut out), "", "one question at a time");
    assert_eq!(session.on_probe(false), Ok(()));
    session.on_deadline(500, &mut out).unwrap();
    assert_eq!(short(&mut out), "probe 1");
    assert_eq!(session.on_probe(false), Ok(()));
    assert_eq!(session.next_deadline(), Some(900), "the pauses double");
    session.on_deadline(900, &mut out).unwrap();
    assert_eq!(session.on_probe(true), Err(Loss::ReadWriteFound));
    out.clear();
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "Disconnected");
    let attempt = session.next_attempt(0).unwrap();
    assert_eq!((attempt.server.port, attempt.pause_ms), (2, 100));
    session.on_attempt(1_000);
    session.on_connect(1_000, &mut out);
    // The session of a read-only server means nothing to others.
    assert_eq!(short(&mut out), "connect 0x0 zxid 0x0 timeout 30000");
    session.on_frame(&granted(false, TIMEOUT_MS), 1_000, &mut out).unwrap();
    assert_eq!((short(&mut out), session.state()), ("SyncConnected".into(), State::Connected));
}

#[test]
fn a_session_is_closed() {
    let (mut session, mut out) = connected(1, false);
    session.submit(exists("/a"), 1, 0, &mut out);
    session.close(2, 0, &mut out);
    session.close(3, 0, &mut out);
    session.submit(exists("/b"), 4, 0, &mut out);
    assert_eq!(short(&mut out), "Exists#1, CloseSession#2, 4=-4");
    session.on_frame(&reply(1, 1, -101), 0, &mut out).unwrap();
    assert_eq!(session.on_frame(&reply(2, 2, 0), 0, &mut out), Err(Loss::Closed));
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "1=-101, Closed, 2=ok, 3=ok");
    session.submit(exists("/c"), 5, 0, &mut out);
    assert_eq!((short(&mut out), session.state()), ("5=-112".into(), State::Closed));
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let (mut session, mut out) = connected(1, false);
    session.submit(exists("/a"), 1, 0, &mut out);
    session.close(2, 0, &mut out);
    assert_eq!(session.next_deadline(), Some(1_000));
    assert_eq!(session.on_deadline(1_000, &mut out), Err(Loss::Closed));
    out.clear();
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "1=-4, Closed, 2=ok");
    let mut pausing: Session<u32> = Session::new(start(1, None), 0);
    pausing.next_attempt(0).unwrap();
    pausing.close(1, 50, &mut out);
    assert_eq!(pausing.next_deadline(), Some(50), "in a pause there is nothing to wait for");
}

#[test]
fn no_server_is_the_end() {
    let mut session: Session<u32> = Session::new(start(0, None), 0);
    let mut out = Vec::new();
    session.submit(exists("/a"), 1, 0, &mut out);
    assert_eq!(session.next_attempt(0), None);
    session.on_lost(&mut out);
    assert_eq!(short(&mut out), "1=-112, Expired");
}

#[test]
fn watches_are_removed_locally_without_a_server() {
    let (mut session, mut out) = connected(1, false);
    session.submit(exists("/a"), 1, 0, &mut out);
    session.on_frame(&reply(1, 1, 0), 0, &mut out).unwrap();
    out.clear();
    let remove = |path: &str, local| {
        let mut request = Request::new(OpCode::RemoveWatches, |_| {});
        request.watch = WatchChange::Remove { path: path.to_owned(), kind: WatcherType::Data, local };
        request
    };
    session.submit(remove("/b", false), 2, 0, &mut out);
    session.submit(remove("/a", false), 3, 0, &mut out);
    session.submit(remove("/a", true), 4, 0, &mut out);
    session.on_frame(&reply(2, 1, 0), 0, &mut out).unwrap();
    session.on_frame(&reply(3, 1, -121), 0, &mut out).unwrap();
    out.retain(|action| !matches!(action, Action::Send(_)));
    assert_eq!(short(&mut out), "2=-121, 3=-121");
    session.on_lost(&mut out);
    // The removal's own event says Disconnected, so that Java does not say it again.
    assert_eq!(short(&mut out), "Disconnected DataWatchRemoved /a, 4=ok");
}

#[test]
fn a_chroot_is_taken_off_events() {
    let mut session: Session<u32> = Session::new(start(1, Some("/r")), 0);
    let mut out = Vec::new();
    session.next_attempt(0).unwrap();
    session.on_attempt(0);
    session.on_connect(0, &mut out);
    session.on_frame(&granted(false, TIMEOUT_MS), 0, &mut out).unwrap();
    session.submit(exists("/"), 1, 0, &mut out);
    session.on_frame(&reply(1, 1, 0), 0, &mut out).unwrap();
    out.clear();
    session.on_frame(&event(3, "/r"), 0, &mut out).unwrap();
    let told =
        Event { state: KeeperState::SyncConnected, kind: EventType::NodeDataChanged, path: Some("/".into()), zxid: 9 };
    assert_eq!(out, [Action::Tell(told)]);
}

#[test]
fn numbers_wrap_to_one() {
    let (mut session, mut out) = connected(1, false);
    session.set_xid(i32::MAX - 1);
    session.submit(exists("/a"), 1, 0, &mut out);
    session.submit(exists("/a"), 2, 0, &mut out);
    assert_eq!(short(&mut out), format!("Exists#{}, Exists#1", i32::MAX - 1));
}

/// A server may send anything: whatever comes, a session neither panics nor forgets who waits.
#[test]
fn any_frames_are_survived() {
    for seed in 0..2_000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let (mut session, mut out) = connected(2, chance.bool());
        for waiter in 0..4 {
            session.submit(exists("/a"), waiter, 0, &mut out);
        }
        for now in 0..6 {
            let front = reply(chance.i32(-5..8), chance.i64(-2..9), chance.i32(-128..2));
            let mut frame = BytesMut::from(&front[..chance.usize(0..=front.len())]);
            frame.extend((0..chance.usize(0..24)).map(|_| chance.u8(0..6)));
            if session.on_frame(&frame.freeze(), now, &mut out).is_err() {
                break;
            }
        }
        session.on_lost(&mut out);
        let mut answered: Vec<u32> = out
            .iter()
            .filter_map(|action| if let Action::Answer(waiter, _) = action { Some(*waiter) } else { None })
            .collect();
        answered.sort_unstable();
        assert_eq!(answered, [0, 1, 2, 3], "seed {seed}");
    }
}
