//! What the driver has for one client: replies, watch events, the session, the order to close.
//!
//! Everything goes through one buffer in the order in which it was appended, so a client sees a watch event before any
//! reply that shows the change (I9) and replies in request order (I7). Appending never blocks and never wakes by itself
//! where the tree may be locked: the driver wakes each connection once, at the end of a batch.

use crate::clock;
use bytes::BytesMut;
use parking_lot::Mutex;
use replica::CloseReason;
use replica::limits::REPLY_BYTES_PER_CONNECTION_MAX;
use std::task::{Context, Waker};
use wire::SessionId;

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By order of the core, after what was appended before has left.
    Close(CloseReason),
    /// At once: the client does not read what it is sent.
    Overflow,
}

/// The session a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// The session.
    pub session: SessionId,
    /// Its negotiated timeout in ms.
    pub timeout_ms: i32,
}

/// What [`Outbox::collect`] found beside the bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    /// The session, once it is known.
    pub attached: Option<Attached>,
    /// The order to end.
    pub end: Option<End>,
    /// Requests answered since the start of the connection.
    pub answered: u64,
    /// Packets (replies and events) moved by this call.
    pub packets: u64,
    /// When the oldest of the replies moved by this call was appended, monotonic µs; 0 where there is none.
    pub replied_us: u64,
}

/// What a connection's task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Anything new.
    Anything,
    /// Only the order to end: bytes are still on their way to the socket, more could not be sent.
    End,
}

/// Whether the reader must be woken for what was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// This is the first news since the last [`Outbox::collect`].
    Needed,
    /// A wake-up is already due.
    Due,
}

#[derive(Debug, Default)]
struct State {
    bytes: BytesMut,
    packets: u64,
    answered: u64,
    replied_us: u64,
    attached: Option<Attached>,
    end: Option<End>,
    news: bool,
    end_told: bool,
    waker: Option<Waker>,
}

impl State {
    /// An order to end always wakes: a task that waits for its socket was not woken for the news before it.
    fn tell(&mut self) -> Wake {
        let told = std::mem::replace(&mut self.news, true);
        let ending = self.end.is_some() && !std::mem::replace(&mut self.end_told, true);
        if told && !ending { Wake::Due } else { Wake::Needed }
    }

    fn append(&mut self, frames: &[u8], packets: u64) {
        if self.end.is_some() {
            return;
        }
        if self.bytes.len() + frames.len() > REPLY_BYTES_PER_CONNECTION_MAX && !self.bytes.is_empty() {
            self.bytes = BytesMut::new();
            self.end = Some(End::Overflow);
            return;
        }
        self.bytes.extend_from_slice(frames);
        self.packets += packets;
    }
}

/// The outbox of one connection.
#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<State>,
}

impl Outbox {
    /// Appends a watch event's frame.
    pub fn event(&self, frame: &[u8]) -> Wake {
        let mut state = self.state.lock();
        state.append(frame, 1);
        state.tell()
    }

    /// Appends replies that answer this many requests.
    pub fn replies(&self, frames: BytesMut, answered: usize) -> Wake {
        let mut state = self.state.lock();
        let packets = answered as u64;
        if state.bytes.is_empty() && state.end.is_none() {
            state.bytes = frames; // The common case: nothing to copy.
            state.packets += packets;
        } else {
            state.append(&frames, packets);
        }
        state.answered += packets;
        if state.replied_us == 0 {
            state.replied_us = clock::micros();
        }
        state.tell()
    }

    /// Appends the handshake's answer: the connection has a session from here on.
    pub fn connected(&self, attached: Attached, frame: &[u8]) -> Wake {
        let mut state = self.state.lock();
        state.append(frame, 1);
        state.attached = Some(attached);
        state.tell()
    }

    /// Orders the end of the connection; the first order stands.
    pub fn close(&self, reason: CloseReason) -> Wake {
        let mut state = self.state.lock();
        state.end.get_or_insert(End::Close(reason));
        state.tell()
    }

    /// Wakes the connection's task if it sleeps.
    pub fn wake(&self) {
        let waker = self.state.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Requests answered since the start of the connection. Their replies are in the outbox or beyond it.
    pub fn answered(&self) -> u64 {
        self.state.lock().answered
    }

    /// The order to end, if there is one.
    pub fn end(&self) -> Option<End> {
        self.state.lock().end
    }

    /// Moves all bytes to the end of `output` and answers what else is known.
    pub fn collect(&self, output: &mut BytesMut) -> Collected {
        let mut state = self.state.lock();
        state.news = false;
        let packets = std::mem::take(&mut state.packets);
        let replied_us = std::mem::take(&mut state.replied_us);
        if !state.bytes.is_empty() {
            if output.is_empty() {
                std::mem::swap(output, &mut state.bytes);
            } else {
                output.extend_from_slice(&state.bytes);
                state.bytes.clear();
            }
        }
        Collected { attached: state.attached, end: state.end, answered: state.answered, packets, replied_us }
    }

    /// Whether there is something new, else registers the task to be woken for it.
    pub fn poll_news(&self, context: &mut Context<'_>, wanted: Wanted) -> bool {
        let mut state = self.state.lock();
        let ready = match wanted {
            Wanted::Anything => state.news,
            Wanted::End => state.end.is_some(),
        };
        if !ready && !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn collect(outbox: &Outbox) -> (Vec<u8>, Collected) {
        let mut output = BytesMut::new();
        let collected = outbox.collect(&mut output);
        (output.to_vec(), collected)
    }

    #[test]
    fn events_and_replies_leave_in_the_order_they_came() {
        let outbox = Outbox::default();
        assert_eq!(outbox.event(b"e1"), Wake::Needed);
        assert_eq!(outbox.replies(BytesMut::from(&b"r1"[..]), 1), Wake::Due);
        assert_eq!(outbox.event(b"e2"), Wake::Due);
        let (bytes, collected) = collect(&outbox);
        assert_eq!(bytes, b"e1r1e2");
        assert_eq!((collected.packets, collected.answered, collected.end), (3, 1, None));
        assert_eq!(outbox.replies(BytesMut::from(&b"r2"[..]), 2), Wake::Needed);
        let mut output = BytesMut::from(&b"x"[..]);
        assert_eq!(outbox.collect(&mut output).answered, 3);
        assert_eq!(&output[..], b"xr2");
    }

    #[test]
    fn a_client_that_does_not_read_is_cut_off_and_its_bytes_are_dropped() {
        let outbox = Outbox::default();
        outbox.event(&vec![0; REPLY_BYTES_PER_CONNECTION_MAX]);
        outbox.event(b"x");
        let (bytes, collected) = collect(&outbox);
        assert_eq!((bytes.len(), collected.end), (0, Some(End::Overflow)));
        outbox.event(b"late");
        assert!(collect(&outbox).0.is_empty());
    }

    #[test]
    fn one_reply_longer_than_the_bound_is_let_through() {
        let outbox = Outbox::default();
        outbox.replies(BytesMut::zeroed(REPLY_BYTES_PER_CONNECTION_MAX + 1), 1);
        assert_eq!(collect(&outbox).0.len(), REPLY_BYTES_PER_CONNECTION_MAX + 1);
    }

    #[test]
    fn the_first_order_to_close_stands_and_what_came_before_it_is_kept() {
        let outbox = Outbox::default();
        outbox.replies(BytesMut::from(&b"bye"[..]), 1);
        outbox.close(CloseReason::SessionClosed);
        outbox.close(CloseReason::NotServing);
        outbox.event(b"late");
        let (bytes, collected) = collect(&outbox);
        assert_eq!((bytes, collected.end), (b"bye".to_vec(), Some(End::Close(CloseReason::SessionClosed))));
    }

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl std::task::Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sleeping_task_is_woken_once() {
        let (outbox, counter) = (Outbox::default(), Arc::new(Counter::default()));
        let waker = Waker::from(counter.clone());
        let mut context = Context::from_waker(&waker);
        assert!(!outbox.poll_news(&mut context, Wanted::Anything));
        assert_eq!(outbox.event(b"e"), Wake::Needed);
        outbox.wake();
        outbox.wake();
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
        assert!(outbox.poll_news(&mut context, Wanted::Anything));
        assert!(!outbox.poll_news(&mut context, Wanted::End));
        assert_eq!(outbox.event(b"more"), Wake::Due);
        assert_eq!(outbox.close(CloseReason::SessionExpired), Wake::Needed, "it waits for the end only");
        assert_eq!(outbox.event(b"late"), Wake::Due);
        outbox.wake();
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
        assert!(outbox.poll_news(&mut context, Wanted::End));
    }
}
