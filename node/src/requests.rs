//! The requests of one connection: what its task answers by itself, and what goes to the driver.
//!
//! A read is answered here, under one read guard of the tree for all reads that arrived together, unless a request of the
//! same connection is still in the driver: then it queues behind that (I7). Before the first read of a guard the outbox is
//! moved into the output: the events of everything the guard can see are in it, because the core delivers them while it
//! holds the tree for writing (I9). This file does no I/O and never waits.

use crate::clock;
use crate::connection::Conn;
use crate::frames::{self, BadLength, Front, LENGTH_BYTES};
use crate::limits::{IDENTITIES_BYTES_MAX, IDENTITIES_PER_CONNECTION_MAX, OUTPUT_BYTES_SOFT_MAX};
use crate::metrics::instruments::{OPERATIONS, operation_index};
use crate::metrics::slow::Sighting;
use crate::shared::{ClientInput, Shared};
use bytes::{Buf, Bytes, BytesMut};
use replica::Identities;
use replica::limits::REQUESTS_PER_CONNECTION_MAX;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tree::ReadContext;
use tree::acl::AuthFailure;
use wire::client::{AuthPacket, OpCode, ReplyHeader, RequestHeader};
use wire::{DecodeError, ErrorCode, Id, Millis, Reader, SessionId, Writer, Zxid, jute};

/// Why no further request of a connection is taken. Replies made so far are still sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The client sent a length that no frame may have.
    #[error(transparent)]
    Length(#[from] BadLength),
    /// The client sent a frame that cannot be read.
    #[error("malformed {what}: {source}")]
    Malformed {
        /// Which record.
        what: &'static str,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The client asked for an operation that does not exist or that clients may not ask for; it was told.
    #[error("operation {0} is not one a client may ask for")]
    Illegal(i32),
    /// The client did not prove the identity it claimed; it was told.
    #[error(transparent)]
    Auth(#[from] AuthFailure),
    /// The client proved more identities than a connection may have; every one of them travels with every write.
    #[error("more than {IDENTITIES_PER_CONNECTION_MAX} identities or {IDENTITIES_BYTES_MAX} bytes of them")]
    TooManyIdentities,
}

/// Who answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The task, if nothing of the connection is in the driver.
    Read(OpCode),
    /// Always the driver.
    Ordered,
    /// The task, at once and out of order (`ZooKeeperServer.processPacket`).
    Auth,
    /// As `Auth`.
    Sasl,
    /// Nobody.
    Illegal,
}

impl Class {
    fn of(opcode: i32) -> Class {
        match OpCode::from_i32(opcode) {
            None => Class::Illegal,
            Some(OpCode::Auth) => Class::Auth,
            Some(OpCode::Sasl) => Class::Sasl,
            Some(op) if !op.is_legal_from_client() => Class::Illegal,
            Some(op) if op.is_write() || op == OpCode::Sync => Class::Ordered,
            Some(op) => Class::Read(op),
        }
    }
}

/// Requests that went to the driver together.
#[derive(Debug)]
struct InFlight {
    /// The connection's count of sent requests with the last of them.
    upto: u64,
    /// How many of them are writes.
    writes: u64,
    /// How many are something else: reads that wait for a write, syncs.
    others: u64,
    bytes: usize,
    since_us: u64,
    last: RequestHeader,
    /// What follows the header of the last.
    last_body: Bytes,
}

/// Sizes of the replies of one batch of reads, bytes without their lengths; the total with them.
#[derive(Default)]
struct ReplySizes {
    last: usize,
    min: usize,
    max: usize,
    total: usize,
}

impl ReplySizes {
    fn note(&mut self, bytes: usize) {
        self.last = bytes.saturating_sub(LENGTH_BYTES);
        self.min = if self.total == 0 { self.last } else { self.min.min(self.last) };
        self.max = self.max.max(self.last);
        self.total += bytes;
    }
}

/// Requests that were answered together, after a long time.
struct Slow {
    arrived_us: u64,
    taken_us: u64,
    now_us: u64,
    requests: u64,
    /// Of the last of them.
    header: RequestHeader,
}

/// The requests of one connection that has a session.
#[derive(Debug)]
pub struct Requests {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    session: SessionId,
    identities: Identities,
    sent: u64,
    answered: u64,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    pending: Vec<(RequestHeader, Bytes)>,
    pending_bytes: usize,
    ending: bool,
}

impl Requests {
    /// The requests of a connection whose session was just established.
    #[must_use]
    pub fn new(shared: Arc<Shared>, conn: Arc<Conn>, session: SessionId, identities: Identities) -> Requests {
        Requests {
            shared,
            conn,
            session,
            identities,
            sent: 0,
            answered: 0,
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            ending: false,
        }
    }

    /// Whether another request may be taken: the driver holds a bounded number of them. One is always admitted.
    #[must_use]
    pub fn admits(&self) -> bool {
        let (count, bytes) = (self.sent - self.answered, self.in_flight_bytes + self.pending_bytes);
        let bounds = &self.shared.bounds;
        count == 0
            || (count < REQUESTS_PER_CONNECTION_MAX as u64
                && bytes < bounds.request_bytes_per_connection_max
                && self.shared.request_bytes.load(Relaxed) < bounds.request_bytes_max)
    }

    /// Whether a request of the connection is in the driver or about to go there.
    fn is_waiting(&mut self) -> bool {
        if self.sent == self.answered {
            return false;
        }
        let answered = self.conn.outbox.answered();
        self.note_answered(answered);
        self.sent != self.answered
    }

    /// Notes how many requests the driver has answered, as the outbox told. Answers how many that are since the last time.
    pub fn note_answered(&mut self, answered: u64) -> u64 {
        if answered == self.answered {
            return 0;
        }
        assert!(answered <= self.sent, "connection {:?}: {answered} answers to {} requests", self.conn.id, self.sent);
        let news = answered.saturating_sub(std::mem::replace(&mut self.answered, answered));
        let now_us = clock::micros();
        let now = clock::mono_of(now_us);
        while let Some(batch) = self.in_flight.pop_front_if(|batch| batch.upto <= answered) {
            self.in_flight_bytes -= batch.bytes;
            self.shared.count_request_bytes_done(batch.bytes);
            let us = now_us.saturating_sub(batch.since_us);
            let (ms, count) = ((us / 1000) as i64, batch.writes + batch.others);
            self.conn.stats.latency.add(ms, count);
            self.shared.stats.latency.add(ms, count);
            self.shared.instruments.answered(us, batch.writes, batch.others);
            self.note_reply(batch.last, now);
            if us >= self.shared.slow_operation_us {
                let taken_us = self.conn.stats.taken_us.load(Relaxed);
                let (arrived_us, header) = (batch.since_us, batch.last);
                let slow = Slow { arrived_us, taken_us, now_us, requests: count, header };
                self.note_slow(&slow, &batch.last_body);
            }
        }
        self.conn.stats.outstanding.store(self.sent - self.answered, Relaxed);
        news
    }

    /// Keeps what is known of requests that took long.
    fn note_slow(&self, slow: &Slow, body: &[u8]) {
        let (header, instruments) = (slow.header, &self.shared.instruments);
        let is_write = OpCode::from_i32(header.opcode).is_some_and(OpCode::is_write);
        instruments.slow.note(&Sighting {
            arrived_us: slow.arrived_us,
            taken_us: slow.taken_us,
            replied_us: slow.now_us,
            at: clock::wall(),
            opcode: header.opcode,
            body,
            requests: slow.requests,
            session: self.session,
            client: self.conn.peer,
            xid: header.xid,
            txn: if is_write { instruments.times.of_request(self.session, header.xid) } else { None },
        });
    }

    fn note_reply(&self, header: RequestHeader, now: Millis) {
        // The published one may lag a little behind what was answered.
        let applied = self.shared.instruments.core.last_applied_zxid.load(Relaxed);
        let zxid = self.shared.last_zxid().max(Zxid(applied));
        self.conn.stats.answered(header.opcode, header.xid, zxid, now);
    }

    /// Takes complete frames off `input`: appends the replies made here to `output` and keeps what is for the driver, to
    /// be fetched with [`Requests::take_pending`]. Stops early when a bound is reached; then some frames stay in `input`.
    ///
    /// # Errors
    /// When the connection must be closed after what is in `output`.
    pub fn take_frames(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<(), Fault> {
        let mut received = 0;
        let result = self.take_each(input, output, &mut received);
        self.conn.stats.received.fetch_add(received, Relaxed);
        self.shared.stats.received.fetch_add(received, Relaxed);
        result
    }

    fn take_each(&mut self, input: &mut BytesMut, output: &mut BytesMut, received: &mut u64) -> Result<(), Fault> {
        while output.len() < OUTPUT_BYTES_SOFT_MAX && self.admits() && !self.ending {
            let Some((header, bytes)) = self.front(input)? else { break };
            match Class::of(header.opcode) {
                Class::Read(_) if !self.is_waiting() => *received += self.answer_reads(input, output)?,
                Class::Read(_) | Class::Ordered => {
                    *received += 1;
                    self.keep(header, input, bytes);
                }
                Class::Auth => {
                    *received += 1;
                    self.authenticate(header, &input[LENGTH_BYTES + RequestHeader::BYTES..bytes], output)?;
                    input.advance(bytes);
                }
                Class::Sasl => {
                    *received += 1;
                    answer_sasl(header, &input[LENGTH_BYTES + RequestHeader::BYTES..bytes], output)?;
                    self.note_sent(1);
                    input.advance(bytes);
                }
                Class::Illegal => {
                    // `UnimplementedRequestProcessor`: the request never got a zxid, so -1 is answered.
                    ReplyHeader { xid: header.xid, zxid: Zxid::NONE, error: ErrorCode::Unimplemented }
                        .encode_frame(output);
                    return Err(Fault::Illegal(header.opcode));
                }
            }
        }
        Ok(())
    }

    /// The header of the frame at the front, and the frame's bytes.
    fn front(&self, input: &[u8]) -> Result<Option<(RequestHeader, usize)>, Fault> {
        match frames::front(input, self.shared.client.frame_bytes_max)? {
            Front::Partial(_) => Ok(None),
            Front::Complete(bytes) => {
                let header = RequestHeader::decode(&input[LENGTH_BYTES..bytes])
                    .map_err(|source| Fault::Malformed { what: "request header", source })?;
                Ok(Some((header, bytes)))
            }
        }
    }

    /// Keeps the request at the front of `input` for the driver; its body shares the memory of the receive buffer.
    fn keep(&mut self, header: RequestHeader, input: &mut BytesMut, bytes: usize) {
        let mut body = input.split_to(bytes).freeze();
        body.advance(LENGTH_BYTES + RequestHeader::BYTES);
        self.sent += 1;
        self.pending_bytes += body.len();
        self.shared.count_request_bytes(body.len());
        self.pending.push((header, body));
    }

    /// What is to be handed to the driver, if anything.
    pub fn take_pending(&mut self) -> Option<ClientInput> {
        let (last, last_body) = self.pending.last()?.clone();
        let requests = std::mem::take(&mut self.pending);
        let bytes = std::mem::take(&mut self.pending_bytes);
        let since_us = clock::micros();
        let (mut writes, mut by_operation) = (0, [0; OPERATIONS.len()]);
        for (header, _) in &requests {
            let opcode = OpCode::from_i32(header.opcode);
            by_operation[operation_index(opcode)] += 1;
            writes += u64::from(opcode.is_some_and(OpCode::is_write));
        }
        self.count_operations(&by_operation);
        let others = requests.len() as u64 - writes;
        self.in_flight_bytes += bytes;
        self.in_flight.push_back(InFlight { upto: self.sent, writes, others, bytes, since_us, last, last_body });
        self.conn.stats.outstanding.store(self.sent - self.answered, Relaxed);
        let identities = self.identities.clone();
        Some(ClientInput::Requests { conn: self.conn.id, session: self.session, identities, requests, since_us })
    }

    /// Answers the reads at the front of `input`, at least one, under one guard. Answers how many.
    fn answer_reads(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<u64, Fault> {
        self.conn.touch();
        let began_us = clock::micros();
        let shared = self.shared.clone();
        let tree = shared.tree.read();
        let collected = self.conn.outbox.collect(output);
        self.note_sent(collected.packets);
        if collected.end.is_some() {
            // The server stopped serving, and what the guard shows may already be another history.
            self.ending = true;
            return Ok(0);
        }
        let (conn, skip_acl) = (self.conn.id, shared.skip_acl);
        let context = ReadContext { conn, session: self.session, identities: &self.identities, skip_acl };
        let (mut answered, mut events, mut last) = (0, 0, None);
        let mut by_operation = [0; OPERATIONS.len()];
        let (mut consumed, mut sizes) = (0, ReplySizes::default());
        let result = loop {
            let (header, bytes) = match self.front(&input[consumed..]) {
                Ok(Some(front)) => front,
                Ok(None) => break Ok(()),
                Err(fault) => break Err(fault),
            };
            let Class::Read(opcode) = Class::of(header.opcode) else { break Ok(()) };
            if answered > 0 && output.len() >= OUTPUT_BYTES_SOFT_MAX {
                break Ok(());
            }
            let body = consumed + LENGTH_BYTES + RequestHeader::BYTES..consumed + bytes;
            let before = output.len();
            let outcome = tree.read(opcode, header.xid, &input[body.clone()], &context, output);
            sizes.note(output.len() - before);
            consumed += bytes;
            answered += 1;
            by_operation[operation_index(Some(opcode))] += 1;
            events += outcome.events as u64;
            last = Some((header, body));
        };
        let zxid = tree.last_zxid();
        drop(tree);
        let now_us = clock::micros();
        self.note_sent(answered + events);
        if let Some((header, body)) = last {
            self.conn.stats.answered(header.opcode, header.xid, zxid, clock::mono_of(now_us));
            let us = now_us.saturating_sub(began_us);
            let ms = (us / 1000) as i64;
            self.conn.stats.latency.add(ms, answered);
            self.shared.stats.latency.add(ms, answered);
            self.shared.instruments.answered(us, 0, answered);
            self.count_operations(&by_operation);
            let ReplySizes { last, min, max, total } = sizes;
            self.shared.instruments.requests.response_size.note(last, min, max);
            self.shared.instruments.requests.note_replies(total, answered as usize);
            if us >= self.shared.slow_operation_us {
                let batch = Slow { arrived_us: began_us, taken_us: 0, now_us, requests: answered, header };
                self.note_slow(&batch, &input[body]);
            }
        }
        input.advance(consumed);
        result.map(|()| answered)
    }

    /// Counts requests by what they ask for.
    fn count_operations(&self, by_operation: &[u64; OPERATIONS.len()]) {
        let counters = &self.shared.instruments.requests.by_operation;
        for (counter, count) in counters.iter().zip(by_operation).filter(|(_, count)| **count > 0) {
            counter.fetch_add(*count, Relaxed);
        }
    }

    /// Counts packets that were put into the output.
    pub fn note_sent(&self, packets: u64) {
        if packets > 0 {
            self.conn.stats.sent.fetch_add(packets, Relaxed);
            self.shared.stats.sent.fetch_add(packets, Relaxed);
        }
    }

    fn authenticate(&mut self, header: RequestHeader, body: &[u8], output: &mut BytesMut) -> Result<(), Fault> {
        let packet = AuthPacket::decode(&mut Reader::new(body))
            .map_err(|source| Fault::Malformed { what: "auth packet", source })?;
        self.note_sent(1);
        let proven = match tree::acl::authenticate(packet.scheme, packet.auth, &self.shared.auth) {
            Ok(proven) => proven,
            Err(failure) => {
                self.shared.stats.auth_failed.fetch_add(1, Relaxed);
                ReplyHeader { xid: header.xid, zxid: Zxid::ZERO, error: ErrorCode::AuthFailed }.encode_frame(output);
                return Err(failure.into());
            }
        };
        let new: Vec<Id> = proven.into_iter().filter(|id| !self.identities.contains(id)).collect();
        let bytes: usize = self.identities.iter().chain(&new).map(|id| id.scheme.len() + id.id.len()).sum();
        if self.identities.len() + new.len() > IDENTITIES_PER_CONNECTION_MAX || bytes > IDENTITIES_BYTES_MAX {
            return Err(Fault::TooManyIdentities);
        }
        self.identities = self.identities.iter().cloned().chain(new).collect();
        self.shared.tree.read().update_watcher(self.conn.id, self.identities.clone());
        ReplyHeader { xid: header.xid, zxid: Zxid::ZERO, error: ErrorCode::Ok }.encode_frame(output);
        Ok(())
    }
}

/// SASL is not configured: Apache 3.9 answers OK with a null token (`ZooKeeperServer.processSasl`, where the missing SASL
/// server is caught and ignored), which tells the client that nothing came of it.
fn answer_sasl(header: RequestHeader, body: &[u8], output: &mut BytesMut) -> Result<(), Fault> {
    let token = Reader::new(body).buffer().map_err(|source| Fault::Malformed { what: "sasl token", source })?;
    token.ok_or(Fault::Malformed { what: "sasl token", source: DecodeError::Null { field: "token" } })?;
    jute::frame(output, |out| {
        ReplyHeader { xid: header.xid, zxid: Zxid::ZERO, error: ErrorCode::Ok }.encode(out);
        out.buffer(None);
    });
    Ok(())
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.shared.count_request_bytes_done(self.in_flight_bytes + self.pending_bytes);
    }
}

#[cfg(test)]
#[path = "requests_test.rs"]
mod tests;
