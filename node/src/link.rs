//! What waits to be sent to one peer of the quorum port.
//!
//! Packets are encoded straight into one buffer per link. A snapshot takes its place between two packets and is produced
//! when the writer gets there.

use crate::clock;
use bytes::BytesMut;
use parking_lot::Mutex;
use replica::limits::LINK_BYTES_MAX;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use wire::quorum::QuorumPacket;
use wire::{Millis, Zxid};
use zab::LinkId;

/// The next thing a link's writer has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    /// Send these bytes.
    Bytes(BytesMut),
    /// Send a SNAP packet with this zxid and the snapshot behind it.
    Snapshot(Zxid),
    /// Everything was sent and the link is closed.
    Close,
}

/// Whether a packet could be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Queued {
    /// It was queued, and the writer must be woken.
    First,
    /// It was queued behind others for which the writer is to be woken anyway, or the link is closed.
    Behind,
    /// The peer takes too little: the link must be closed.
    Full,
}

#[derive(Debug, Default)]
struct State {
    work: VecDeque<Work>,
    bytes: usize,
    /// Packets in each [`Work::Bytes`] that waits, in their order.
    packets: VecDeque<u64>,
    closed: bool,
    /// Whether something was queued since the last [`Link::wake`].
    news: bool,
    waker: Option<Waker>,
}

/// Figures of a link, as `observers` shows them (`LearnerHandler.getLearnerHandlerInfo`).
#[derive(Debug)]
pub struct LinkStats {
    /// Packets received.
    pub received: AtomicU64,
    /// Requests among them.
    pub requests: AtomicU64,
    /// Packets given to the socket.
    pub sent: AtomicU64,
    /// The zxid of the last packet that had one; -1 where none had.
    pub last_zxid: AtomicI64,
}

impl Default for LinkStats {
    fn default() -> LinkStats {
        let zero = || AtomicU64::new(0);
        LinkStats { received: zero(), requests: zero(), sent: zero(), last_zxid: AtomicI64::new(-1) }
    }
}

impl LinkStats {
    /// Starts over (`LearnerHandler.resetObserverConnectionStats`).
    pub fn reset(&self) {
        for counter in [&self.received, &self.requests, &self.sent] {
            counter.store(0, Relaxed);
        }
        self.last_zxid.store(-1, Relaxed);
    }
}

/// One link, shared by the driver and the link's tasks.
#[derive(Debug)]
pub struct Link {
    /// Its number.
    pub id: LinkId,
    /// Its figures.
    pub stats: LinkStats,
    /// The peer's address, and when the connection was made, wall clock.
    peer: OnceLock<(SocketAddr, Millis)>,
    state: Mutex<State>,
}

impl Link {
    /// A link that is up or being dialled.
    #[must_use]
    pub fn new(id: LinkId) -> Link {
        Link { id, stats: LinkStats::default(), peer: OnceLock::new(), state: Mutex::default() }
    }

    /// Notes that the connection stands.
    pub fn connected(&self, peer: SocketAddr) {
        // A link is one connection for all its life.
        let _ = self.peer.set((peer, clock::wall()));
    }

    /// The peer's address, and when the connection was made, wall clock; `None` while it is dialled.
    #[must_use]
    pub fn peer(&self) -> Option<(SocketAddr, Millis)> {
        self.peer.get().copied()
    }

    /// Packets and bytes that wait for the socket.
    #[must_use]
    pub fn queued(&self) -> (u64, usize) {
        let state = self.state.lock();
        (state.packets.iter().sum(), state.bytes)
    }

    /// Queues a packet; [`Link::wake`] starts it on its way.
    pub fn send(&self, packet: &QuorumPacket) -> Queued {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.closed {
            return Queued::Behind;
        }
        if !matches!(state.work.back(), Some(Work::Bytes(_))) {
            state.work.push_back(Work::Bytes(BytesMut::new()));
            state.packets.push_back(0);
        }
        let Some(Work::Bytes(buffer)) = state.work.back_mut() else { return Queued::Behind };
        let before = buffer.len();
        packet.encode(buffer);
        if let Some(packets) = state.packets.back_mut() {
            *packets += 1;
        }
        if packet.zxid > Zxid(0) {
            self.stats.last_zxid.store(packet.zxid.0, Relaxed);
        }
        state.bytes += buffer.len() - before;
        if state.bytes > LINK_BYTES_MAX {
            return Queued::Full;
        }
        if std::mem::replace(&mut state.news, true) { Queued::Behind } else { Queued::First }
    }

    /// Queues a snapshot.
    pub fn send_snapshot(&self, zxid: Zxid) {
        let mut state = self.state.lock();
        if !state.closed {
            state.work.push_back(Work::Snapshot(zxid));
        }
    }

    /// Closes the link after what was queued before.
    pub fn close(&self) {
        let mut state = self.state.lock();
        if !std::mem::replace(&mut state.closed, true) {
            state.work.push_back(Work::Close);
        }
    }

    /// Closes the link at once.
    pub fn cut(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.work.clear();
        state.packets.clear();
        state.bytes = 0;
        state.work.push_back(Work::Close);
    }

    /// Whether the link was closed from this side.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Wakes the writer if it sleeps.
    pub fn wake(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.news = false;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the next thing to do, or registers the writer to be woken for it.
    pub fn poll_work(&self, context: &mut Context<'_>) -> Poll<Work> {
        let mut state = self.state.lock();
        match state.work.pop_front() {
            Some(Work::Bytes(bytes)) => {
                state.bytes -= bytes.len();
                self.stats.sent.fetch_add(state.packets.pop_front().unwrap_or(0), Relaxed);
                Poll::Ready(Work::Bytes(bytes))
            }
            Some(Work::Close) => {
                state.work.push_front(Work::Close);
                Poll::Ready(Work::Close)
            }
            Some(work) => Poll::Ready(work),
            None => {
                if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                    state.waker = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::quorum::PacketType;

    fn works(link: &Link) -> Vec<Work> {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(work) = link.poll_work(&mut context) {
            let done = work == Work::Close;
            all.push(work);
            if done {
                break;
            }
        }
        all
    }

    fn encoded(packets: &[QuorumPacket]) -> Work {
        let mut bytes = BytesMut::new();
        packets.iter().for_each(|packet| packet.encode(&mut bytes));
        Work::Bytes(bytes)
    }

    #[test]
    fn packets_share_a_buffer_and_a_snapshot_keeps_its_place() {
        let link = Link::new(LinkId(1));
        let ping = QuorumPacket::bare(PacketType::Ping, Zxid(5));
        let ack = QuorumPacket::bare(PacketType::Ack, Zxid(6));
        assert_eq!(link.send(&ping), Queued::First);
        assert_eq!(link.send(&ack), Queued::Behind);
        link.send_snapshot(Zxid(7));
        link.wake();
        assert_eq!(link.send(&ping), Queued::First);
        link.close();
        assert_eq!(link.send(&ack), Queued::Behind);
        let expected = vec![encoded(&[ping.clone(), ack]), Work::Snapshot(Zxid(7)), encoded(&[ping]), Work::Close];
        assert_eq!(works(&link), expected);
        assert_eq!(works(&link), [Work::Close]);
    }

    #[test]
    fn a_cut_link_sends_nothing_more() {
        let link = Link::new(LinkId(1));
        assert_eq!(link.send(&QuorumPacket::bare(PacketType::Ping, Zxid(5))), Queued::First);
        link.cut();
        assert!(link.is_closed());
        assert_eq!(works(&link), [Work::Close]);
    }
}
