//! The network: pipes (TCP connections) that keep their order and may be cut at any byte, votes that may be lost, and
//! partitions that hold back what flows in one direction.

use crate::observe::ClientId;
use crate::rng::Rng;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wire::ServerId;

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PipeId(pub u64);

/// Who holds an end of a pipe: a process, so a server that was started again is somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A server's process.
    Server(ServerId, u32),
    /// A client.
    Client(ClientId),
}

/// What comes out of a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// Bytes in their order.
    Bytes(Bytes),
    /// The other end is closed, or the connection was cut.
    End,
    /// A partition is over: what it held back arrives, ahead of everything sent later.
    Held,
}

#[derive(Debug)]
struct Pipe {
    ends: [Holder; 2],
    /// Towards each end.
    ways: [Way; 2],
}

#[derive(Debug, Default)]
struct Way {
    /// Nothing arrives before what was sent earlier.
    last_at_us: i64,
    /// What a partition holds back.
    held: VecDeque<Flow>,
    /// The end was sent, or its holder is gone: nothing more is delivered there.
    closed: bool,
    /// Everything from the next piece on is lost; the piece itself up to this byte is not.
    cut_after_bytes: Option<usize>,
}

impl Way {
    /// What of an arrival is not lost. The piece in which a cut falls arrives in part.
    fn take(&mut self, flow: Flow) -> Option<Flow> {
        if self.closed {
            return None;
        }
        match flow {
            Flow::Held => None,
            Flow::End => {
                self.closed = true;
                Some(Flow::End)
            }
            Flow::Bytes(bytes) => match self.cut_after_bytes {
                None => Some(Flow::Bytes(bytes)),
                Some(0) => None,
                Some(left) => {
                    self.cut_after_bytes = Some(0);
                    Some(Flow::Bytes(bytes.slice(..left.min(bytes.len()))))
                }
            },
        }
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// The shortest way, µs.
    pub min_us: i64,
    /// The longest ordinary way, µs.
    pub max_us: i64,
    /// In a thousand: pieces that take up to [`Latency::slow_us`].
    pub slow_permille: u64,
    /// The longest way of those, µs.
    pub slow_us: i64,
}

/// All connections and what is in their way.
#[derive(Debug)]
pub struct Network {
    pipes: BTreeMap<PipeId, Pipe>,
    next_pipe: u64,
    blocked: BTreeSet<(ServerId, ServerId)>,
    latency: Latency,
    rng: Rng,
    /// Votes keep their order between two servers, like everything on one TCP connection.
    vote_last_us: BTreeMap<(ServerId, ServerId), i64>,
    /// Extra latency of everything from and to a server.
    slow: BTreeMap<ServerId, i64>,
    /// Votes lost, in a hundred.
    pub vote_loss_percent: u64,
}

/// Something on its way: deliver it to this end at this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it arrives.
    pub at_us: i64,
    /// Through which pipe.
    pub pipe: PipeId,
    /// To which of its ends.
    pub end: usize,
    /// What.
    pub flow: Flow,
}

impl Network {
    /// A network without connections.
    #[must_use]
    pub fn new(latency: Latency, rng: Rng) -> Network {
        Network {
            pipes: BTreeMap::new(),
            next_pipe: 0,
            blocked: BTreeSet::new(),
            latency,
            rng,
            vote_last_us: BTreeMap::new(),
            slow: BTreeMap::new(),
            vote_loss_percent: 0,
        }
    }

    /// Connects two processes.
    pub fn open(&mut self, dialler: Holder, acceptor: Holder) -> PipeId {
        self.next_pipe += 1;
        let id = PipeId(self.next_pipe);
        self.pipes.insert(id, Pipe { ends: [dialler, acceptor], ways: [Way::default(), Way::default()] });
        id
    }

    /// One way between two holders, µs.
    pub fn delay_us(&mut self, from: Holder, to: Holder) -> i64 {
        let Latency { min_us, max_us, slow_permille, slow_us } = self.latency;
        let max_us = if slow_permille > 0 && self.rng.permille(slow_permille) { slow_us } else { max_us };
        let extra: i64 = [from, to].iter().map(|holder| self.slow_us(*holder)).sum();
        self.rng.range(min_us, max_us.max(min_us)) + extra
    }

    fn slow_us(&self, holder: Holder) -> i64 {
        match holder {
            Holder::Server(sid, _) => self.slow.get(&sid).copied().unwrap_or(0),
            Holder::Client(_) => 0,
        }
    }

    /// Makes everything from and to a server slower by this much; 0 ends that.
    pub fn slow_down(&mut self, sid: ServerId, extra_us: i64) {
        if extra_us == 0 {
            self.slow.remove(&sid);
        } else {
            self.slow.insert(sid, extra_us);
        }
    }

    /// Whether nothing gets from one server to another.
    #[must_use]
    pub fn is_blocked(&self, from: ServerId, to: ServerId) -> bool {
        self.blocked.contains(&(from, to))
    }

    /// Blocks a direction.
    pub fn block(&mut self, from: ServerId, to: ServerId) {
        self.blocked.insert((from, to));
    }

    /// Opens every direction again; what was held back is on its way.
    pub fn heal(&mut self, now_us: i64) -> Vec<Delivery> {
        self.blocked.clear();
        let mut deliveries = Vec::new();
        for (id, pipe) in &self.pipes {
            for end in 0..2 {
                if !pipe.ways[end].held.is_empty() {
                    deliveries.push(Delivery { at_us: now_us + 1, pipe: *id, end, flow: Flow::Held });
                }
            }
        }
        deliveries
    }

    /// Which end of a pipe a holder has.
    #[must_use]
    pub fn end_of(&self, pipe: PipeId, holder: Holder) -> Option<usize> {
        self.pipes.get(&pipe)?.ends.iter().position(|end| *end == holder)
    }

    /// Who has an end.
    #[must_use]
    pub fn holder(&self, pipe: PipeId, end: usize) -> Option<Holder> {
        self.pipes.get(&pipe).map(|pipe| pipe.ends[end])
    }

    /// Sends from a holder to the other end.
    pub fn send(&mut self, now_us: i64, pipe: PipeId, from: Holder, bytes: Bytes) -> Option<Delivery> {
        let end = self.end_of(pipe, from)?;
        self.send_to(now_us, pipe, 1 - end, Flow::Bytes(bytes))
    }

    /// Closes a pipe after what was sent: the other end gets it all, then the end. Nothing more comes to the closer.
    pub fn close(&mut self, now_us: i64, pipe: PipeId, from: Holder) -> Option<Delivery> {
        let end = self.end_of(pipe, from)?;
        let way = &mut self.pipes.get_mut(&pipe)?.ways[end];
        way.closed = true;
        way.held.clear();
        self.send_to(now_us, pipe, 1 - end, Flow::End)
    }

    fn send_to(&mut self, now_us: i64, id: PipeId, end: usize, flow: Flow) -> Option<Delivery> {
        let ends = self.pipes.get(&id)?.ends;
        let delay_us = self.delay_us(ends[1 - end], ends[end]);
        let way = &mut self.pipes.get_mut(&id)?.ways[end];
        if way.closed {
            return None;
        }
        let at_us = (now_us + delay_us).max(way.last_at_us);
        way.last_at_us = at_us;
        Some(Delivery { at_us, pipe: id, end, flow })
    }

    /// Something has arrived, unless it is held back or lost; with it comes what was held back before.
    pub fn arrive(&mut self, pipe: PipeId, end: usize, flow: Flow) -> Vec<Flow> {
        let Some(Pipe { ends, ways }) = self.pipes.get_mut(&pipe) else { return Vec::new() };
        let is_blocked = match (ends[1 - end], ends[end]) {
            (Holder::Server(from, _), Holder::Server(to, _)) => self.blocked.contains(&(from, to)),
            _ => false,
        };
        let way = &mut ways[end];
        let is_behind = !way.held.is_empty();
        if flow != Flow::Held && (is_blocked || is_behind) {
            way.held.push_back(flow);
            return Vec::new();
        }
        if is_blocked {
            return Vec::new();
        }
        let flows = if flow == Flow::Held { way.held.drain(..).collect() } else { vec![flow] };
        let arrived = flows.into_iter().filter_map(|flow| way.take(flow)).collect();
        self.forget_if_closed(pipe);
        arrived
    }

    fn forget_if_closed(&mut self, pipe: PipeId) {
        if self.pipes.get(&pipe).is_some_and(|pipe| pipe.ways.iter().all(|way| way.closed)) {
            self.pipes.remove(&pipe);
        }
    }

    /// Cuts a pipe: of what is under way each end gets at most a part of the next piece, then the end.
    pub fn cut(&mut self, now_us: i64, pipe: PipeId) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for end in 0..2 {
            let after = if self.rng.chance(50) { 0 } else { self.rng.index(64) };
            if let Some(way) = self.pipes.get_mut(&pipe).map(|pipe| &mut pipe.ways[end]) {
                // What a partition holds back is under way, too, and ahead of the rest.
                // One that is cut already does not get longer by that.
                way.cut_after_bytes = Some(way.cut_after_bytes.map_or(after, |left| left.min(after)));
            }
            deliveries.extend(self.send_to(now_us, pipe, end, Flow::End));
        }
        deliveries
    }

    /// A process is gone. Its peers are told at once (`loudly`: the system closes its sockets), or not at all (the machine
    /// is gone: only their own patience ends the connection).
    pub fn drop_holder(&mut self, now_us: i64, holder: Holder, loudly: bool) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for id in self.pipes_of(holder) {
            let Some(end) = self.end_of(id, holder) else { continue };
            if let Some(pipe) = self.pipes.get_mut(&id) {
                pipe.ways[end].closed = true;
                pipe.ways[end].held.clear();
            }
            if loudly {
                deliveries.extend(self.send_to(now_us, id, 1 - end, Flow::End));
            }
        }
        deliveries
    }

    /// The pipes with an end at a holder.
    #[must_use]
    pub fn pipes_of(&self, holder: Holder) -> Vec<PipeId> {
        self.pipes.iter().filter(|(_, pipe)| pipe.ends.contains(&holder)).map(|(id, _)| *id).collect()
    }

    /// The pipes between servers.
    #[must_use]
    pub fn links(&self) -> Vec<PipeId> {
        let between = |pipe: &Pipe| pipe.ends.iter().all(|end| matches!(end, Holder::Server(..)));
        self.pipes.iter().filter(|(_, pipe)| between(pipe)).map(|(id, _)| *id).collect()
    }

    /// When a vote arrives, or `None` if it is lost.
    pub fn vote_at_us(&mut self, now_us: i64, from: ServerId, to: ServerId) -> Option<i64> {
        let lost = self.rng.chance(self.vote_loss_percent);
        let delay_us = self.delay_us(Holder::Server(from, 0), Holder::Server(to, 0));
        if lost {
            return None;
        }
        let last = self.vote_last_us.entry((from, to)).or_default();
        *last = (*last).max(now_us + delay_us);
        Some(*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_cut_behind_a_partition_has_no_gap() {
        let latency = Latency { min_us: 1, max_us: 1, slow_permille: 0, slow_us: 0 };
        let (one, two) = (ServerId(1), ServerId(2));
        let holders = [one, two].map(|sid| Holder::Server(sid, 1));
        for seed in 0..100 {
            let mut network = Network::new(latency, Rng::new(seed));
            let pipe = network.open(holders[0], holders[1]);
            network.block(one, two);
            let sent: Vec<u8> = (0..200).collect();
            let (held, later) = sent.split_at(100);
            network.send(0, pipe, holders[0], Bytes::copy_from_slice(held)).expect("it is under way");
            assert_eq!(network.arrive(pipe, 1, Flow::Bytes(Bytes::copy_from_slice(held))), []);
            let ends = network.cut(1, pipe);
            assert_eq!(network.arrive(pipe, 1, Flow::Bytes(Bytes::copy_from_slice(later))), []);
            assert!(ends.iter().any(|delivery| delivery.end == 1 && delivery.flow == Flow::End));
            assert_eq!(network.arrive(pipe, 1, Flow::End), []);
            network.heal(2);
            let mut arrived = Vec::new();
            let mut has_ended = false;
            for flow in network.arrive(pipe, 1, Flow::Held) {
                match flow {
                    Flow::Bytes(bytes) => arrived.extend_from_slice(&bytes),
                    Flow::End => has_ended = true,
                    Flow::Held => panic!("it has been let go"),
                }
            }
            assert!(has_ended && sent.starts_with(&arrived), "seed {seed}: {arrived:?}");
        }
    }
}
