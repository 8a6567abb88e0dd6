//! The network between the namespaces: a hub that hands on each packet, or does to it what the current fault says.
//!
//! The kernel's own means would be a bridge, `tc netem` and `tc filter … drop`. But netem and tc's drop action are modules
//! that small kernels leave out (those of many virtual machines and containers among them), and a test of faults that
//! runs only on some machines is not run. So each namespace has a TUN device whose other end is here. What netem does is
//! a page of code, every direction of every pair of hosts has a rule of its own, and the hub counts what it did: a fault
//! that never touched a packet does not count as one.

use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use support::rng::Rng;
use tun_rs::SyncDevice;

/// Larger than any packet a device with an Ethernet's MTU hands over.
const PACKET_BYTES_MAX: usize = 2048;

/// Packets under way at a time, as the length of netem's queue; more are lost, as in a real switch.
const IN_FLIGHT_MAX: usize = 20_000;

/// How soon the hub notices that it is to end.
const ROUND: Duration = Duration::from_millis(20);

/// One direction between two hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Link {
    /// Nothing arrives.
    pub cut: bool,
    /// How many in a hundred packets are lost.
    pub loss_percent: usize,
    /// How long a packet takes.
    pub delay: Duration,
    /// How many in a hundred packets are not delayed, and so overtake those before them.
    pub overtaking_percent: usize,
}

/// What happened to packets since the hub began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed on, in whatever way.
    pub delivered: u64,
    /// Not handed on because their direction was cut.
    pub cut: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Handed on late.
    pub delayed: u64,
    /// Handed on before one of the same direction that was sent earlier.
    pub reordered: u64,
}

#[derive(Debug, Default)]
struct Counters {
    delivered: AtomicU64,
    cut: AtomicU64,
    lost: AtomicU64,
    delayed: AtomicU64,
    reordered: AtomicU64,
}

/// The hub at work. Hosts are numbered from 0 in the order of their devices.
#[derive(Debug)]
pub struct Hub {
    hosts: usize,
    links: Arc<Mutex<Vec<Link>>>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hub {
    /// Connects hosts, each with its address and device. What chance decides follows from `seed`.
    pub fn start(hosts: Vec<(Ipv4Addr, SyncDevice)>, seed: u64) -> Self {
        let links = Arc::new(Mutex::new(vec![Link::default(); hosts.len() * hosts.len()]));
        let (counters, stop): (Arc<Counters>, Arc<AtomicBool>) = Default::default();
        let count = hosts.len();
        let mut switch = Switch {
            next_sequence: 0,
            newest: vec![0; count * count],
            in_flight: BinaryHeap::new(),
            hosts,
            links: Arc::clone(&links),
            counters: Arc::clone(&counters),
            rng: Rng::new(seed),
        };
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                switch.turn();
            }
        });
        Self { hosts: count, links, counters, stop, thread: Some(thread) }
    }

    /// Changes the direction from one host to another.
    pub fn set(&self, from: usize, to: usize, link: Link) {
        assert!(from < self.hosts && to < self.hosts, "hosts {from} and {to} of {}", self.hosts);
        self.links.lock().unwrap_or_else(PoisonError::into_inner)[from * self.hosts + to] = link;
    }

    /// Changes both directions between two hosts.
    pub fn set_both(&self, a: usize, b: usize, link: Link) {
        self.set(a, b, link);
        self.set(b, a, link);
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).fill(Link::default());
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            delivered: read(&self.counters.delivered),
            cut: read(&self.counters.cut),
            lost: read(&self.counters.lost),
            delayed: read(&self.counters.delayed),
            reordered: read(&self.counters.reordered),
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed; the test is failing or has all it needs.
            let _ = thread.join();
        }
    }
}

/// A packet under way. The order is that of a max-heap: the earliest is the greatest.
#[derive(Debug, PartialEq, Eq)]
struct Packet {
    due: Instant,
    sequence: u64,
    link: usize,
    bytes: Vec<u8>,
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.sequence).cmp(&(self.due, self.sequence))
    }
}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

struct Switch {
    hosts: Vec<(Ipv4Addr, SyncDevice)>,
    links: Arc<Mutex<Vec<Link>>>,
    counters: Arc<Counters>,
    rng: Rng,
    next_sequence: u64,
    /// By link: the sequence number of the newest packet delivered.
    newest: Vec<u64>,
    in_flight: BinaryHeap<Packet>,
}

impl Switch {
    fn turn(&mut self) {
        let now = Instant::now();
        while self.in_flight.peek().is_some_and(|packet| packet.due <= now) {
            if let Some(packet) = self.in_flight.pop() {
                self.deliver(&packet);
            }
        }
        for from in self.wait() {
            let mut buffer = [0; PACKET_BYTES_MAX];
            while let Ok(length) = self.hosts[from].1.recv(&mut buffer) {
                self.accept(from, &buffer[..length]);
            }
        }
    }

    /// Waits until a device has packets, the next delayed packet is due or the round ends.
    fn wait(&self) -> Vec<usize> {
        let next = self.in_flight.peek().map_or(ROUND, |packet| packet.due.saturating_duration_since(Instant::now()));
        let limit = next.min(ROUND);
        let limit = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
        let fds = self.hosts.iter().map(|(_, device)| PollFd::from_borrowed_fd(device.as_fd(), PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = fds.collect();
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&limit));
        let ready = fds.iter().enumerate().filter(|(_, fd)| fd.revents().contains(PollFlags::IN));
        ready.map(|(host, _)| host).collect()
    }

    fn accept(&mut self, from: usize, bytes: &[u8]) {
        // What is no IPv4 (the kernel greets IPv6 routers) or goes to nobody here ends here.
        let Some(to) = destination(bytes).and_then(|addr| self.hosts.iter().position(|(host, _)| *host == addr)) else {
            return;
        };
        let link = from * self.hosts.len() + to;
        let rule = self.links.lock().unwrap_or_else(PoisonError::into_inner)[link];
        if rule.cut {
            count(&self.counters.cut);
            return;
        }
        if self.rng.chance(rule.loss_percent, 100) || self.in_flight.len() >= IN_FLIGHT_MAX {
            count(&self.counters.lost);
            return;
        }
        let late = !rule.delay.is_zero() && !self.rng.chance(rule.overtaking_percent, 100);
        let delay = if late { rule.delay } else { Duration::ZERO };
        self.next_sequence += 1;
        let packet = Packet { due: Instant::now() + delay, sequence: self.next_sequence, link, bytes: bytes.to_vec() };
        if late {
            count(&self.counters.delayed);
            self.in_flight.push(packet);
        } else {
            self.deliver(&packet);
        }
    }

    fn deliver(&mut self, packet: &Packet) {
        let newest = &mut self.newest[packet.link];
        if packet.sequence < *newest {
            count(&self.counters.reordered);
        }
        *newest = packet.sequence.max(*newest);
        let to = packet.link % self.hosts.len();
        match self.hosts[to].1.send(&packet.bytes) {
            Ok(_) => count(&self.counters.delivered),
            // The receiver's queue is full: TCP sends again.
            Err(_) => count(&self.counters.lost),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Where an IPv4 packet goes.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    if packet.first()? >> 4 != 4 {
        return None;
    }
    packet.get(16..20)?.first_chunk::<4>().copied().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_is_read_from_ipv4_only() {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[16..].copy_from_slice(&[10, 77, 0, 3]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 77, 0, 3)));
        assert_eq!(destination(&packet[..19]), None);
        packet[0] = 0x60;
        assert_eq!(destination(&packet), None);
        assert_eq!(destination(&[]), None);
    }

    #[test]
    fn the_earliest_packet_is_taken_first_and_equals_in_the_order_sent() {
        let now = Instant::now();
        let packet = |ms, sequence| Packet { due: now + Duration::from_millis(ms), sequence, link: 0, bytes: vec![] };
        let mut heap: BinaryHeap<Packet> = [packet(5, 1), packet(0, 3), packet(0, 2)].into();
        let order: Vec<u64> = std::iter::from_fn(|| heap.pop().map(|packet| packet.sequence)).collect();
        assert_eq!(order, [2, 3, 1]);
    }
}
