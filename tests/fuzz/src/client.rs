//! The client port.

use crate::pieces::pieces;
use crate::world::{CONN, OTHER, SESSION, World, check_tree};
use bytes::BytesMut;
use std::collections::VecDeque;
use tree::ReadContext;
use wire::client::{ConnectRequest, OpCode, Password, RequestHeader};
use wire::txn::TxnEntry;
use wire::{Id, Reader, Xid};

/// Requests looked at in one input.
const REQUESTS_MAX: usize = 32;
/// Requests prepared ahead of the tree.
const IN_FLIGHT_MAX: usize = 3;
/// No reply may be longer, however small the request and large the tree's values.
const REPLY_BYTES_MAX: usize = 80 << 20;

/// A client's first frame.
pub fn connect_request(data: &[u8]) {
    let Ok(request) = ConnectRequest::decode(data) else { return };
    assert!(request.password.capacity() <= data.len(), "a password of {} bytes", request.password.capacity());
    let mut frame = BytesMut::new();
    request.encode_frame(&mut frame);
    assert_eq!(ConnectRequest::decode(&frame[4..]), Ok(request.clone()));
    let right = Password::of(request.session).0;
    let matches = Password::matches(request.session, &request.password);
    assert_eq!(matches, request.session.0 != 0 && request.password == right);
}

/// Pieces are frames behind the handshake: reads are answered, writes prepared, logged, read back and applied.
pub fn client_requests(data: &[u8]) {
    let mut world = World::new();
    let mut in_flight = VecDeque::new();
    for frame in pieces(data).take(REQUESTS_MAX) {
        let Ok(header) = RequestHeader::decode(frame) else { continue };
        let body = &frame[RequestHeader::BYTES..];
        let Some(opcode) = OpCode::from_i32(header.opcode) else { continue };
        if opcode.is_write() {
            let entry = world.prepare(opcode, header.xid, body, &identities(header.xid));
            let logged = TxnEntry::decode(entry.bytes.clone()).expect("what we log we can read");
            assert_eq!(logged, entry, "what is read back is what was logged");
            in_flight.push_back(logged);
        } else {
            read(&world, opcode, header.xid, body);
        }
        // Odd numbers leave their writes in flight, so that the next one is decided ahead of the tree.
        let keep = if header.xid.0 & 1 == 1 { IN_FLIGHT_MAX } else { 0 };
        apply_down_to(keep, &mut in_flight, &mut world);
    }
    apply_down_to(0, &mut in_flight, &mut world);
    check_tree(&world.tree);
    world.tree.remove_watcher(CONN);
    world.tree.remove_watcher(OTHER);
    assert_eq!(world.tree.watch_count(), 0, "no watch outlives its connection");
}

fn apply_down_to(keep: usize, in_flight: &mut VecDeque<TxnEntry>, world: &mut World) {
    while in_flight.len() > keep {
        let Some(entry) = in_flight.pop_front() else { break };
        world.apply(&entry);
        assert_eq!(world.tree.digest_mismatches(), 0, "I12: the predicted digest of {:?}", entry.txn);
        world.events.clear();
    }
    assert!(in_flight.len() <= IN_FLIGHT_MAX);
}

fn identities(xid: Xid) -> Vec<Id> {
    let mut identities = vec![Id::new("ip", "127.0.0.1")];
    if xid.0 & 2 != 0 {
        identities.push(Id::new("digest", "u:h"));
    }
    if xid.0 & 4 != 0 {
        identities.push(Id::new("super", ""));
    }
    identities
}

fn read(world: &World, opcode: OpCode, xid: Xid, body: &[u8]) {
    let conn = if xid.0 & 8 == 0 { CONN } else { OTHER };
    let context = ReadContext { conn, session: SESSION, identities: &identities(xid), skip_acl: false };
    let mut out = BytesMut::new();
    let outcome = world.tree.read(opcode, xid, body, &context, &mut out);
    assert!(out.len() <= REPLY_BYTES_MAX, "{opcode:?} of {} bytes is answered with {}", body.len(), out.len());
    let mut input = Reader::new(&out);
    let mut frames = 0;
    while !input.is_empty() {
        let frame = input.buffer().expect("a whole frame").expect("no null frame");
        let code = Reader::new(&frame[12..]).i32().expect("a whole header");
        frames += 1;
        if input.is_empty() {
            assert_eq!(code, outcome.error.code(), "the reply is the last frame");
        }
    }
    assert_eq!(frames, outcome.events + 1, "exactly one reply");
}
