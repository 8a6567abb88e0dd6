//! The means of the faults, tried without servers: what the hub and the small disk are told to do, they do.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use history::disk::SmallDisk;
use history::hub::{Hub, Link};
use history::namespace::Namespace;
use history::server::addr_of;
use support::wait;

const PORT: u16 = 4000;
const LIMIT: Duration = Duration::from_secs(20);

/// Two hosts on a hub, each with a socket. Dropped in this order.
struct Pair {
    sockets: Vec<UdpSocket>,
    hub: Hub,
    _namespaces: Vec<Namespace>,
}

impl Pair {
    fn new() -> Self {
        let addrs: Vec<Ipv4Addr> = [1, 2].map(addr_of).to_vec();
        let namespaces: Vec<Namespace> = addrs.iter().map(|_| Namespace::create("pair")).collect();
        let hosts = addrs.iter().zip(&namespaces).map(|(addr, namespace)| (*addr, namespace.attach(*addr))).collect();
        let hub = Hub::start(hosts, 1);
        let socket = |(addr, namespace): (&Ipv4Addr, &Namespace)| {
            let bind = || {
                namespace.enter();
                UdpSocket::bind((*addr, PORT))
            };
            let socket = std::thread::scope(|scope| scope.spawn(bind).join()).unwrap().unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let sockets = addrs.iter().zip(&namespaces).map(socket).collect();
        Self { sockets, hub, _namespaces: namespaces }
    }

    fn send(&self, from: usize, what: u8) {
        let to = SocketAddr::from((addr_of(2 - from as u8), PORT));
        self.sockets[from].send_to(&[what], to).unwrap();
    }

    fn receive(&self, at: usize) -> Option<u8> {
        let mut buffer = [0];
        match self.sockets[at].recv(&mut buffer) {
            Ok(_) => Some(buffer[0]),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                None
            }
        }
    }
}

#[test]
fn a_cut_is_one_way_and_ends() {
    let pair = Pair::new();
    pair.hub.set(0, 1, Link { cut: true, ..Link::default() });
    pair.send(0, b'a');
    wait::until("a packet that does not arrive", LIMIT, || (pair.hub.counts().cut == 1).then_some(()));
    pair.send(1, b'b');
    assert_eq!(wait::until("the other way", LIMIT, || pair.receive(0)), b'b');
    pair.hub.heal();
    pair.send(0, b'c');
    assert_eq!(wait::until("the healed way", LIMIT, || pair.receive(1)), b'c', "what was cut stays lost");
}

#[test]
fn packets_are_lost_delayed_and_overtaken_as_told() {
    let pair = Pair::new();
    pair.hub.set_both(0, 1, Link { loss_percent: 100, ..Link::default() });
    pair.send(0, b'a');
    wait::until("a packet that is lost", LIMIT, || (pair.hub.counts().lost == 1).then_some(()));
    // Two packets: the first is delayed for sure, the second for sure not.
    let delay = Duration::from_millis(1500);
    pair.hub.set(0, 1, Link { delay, ..Link::default() });
    pair.send(0, b'b');
    wait::until("a packet that is delayed", LIMIT, || (pair.hub.counts().delayed == 1).then_some(()));
    pair.hub.set(0, 1, Link { delay, overtaking_percent: 100, ..Link::default() });
    pair.send(0, b'c');
    let arrived: Vec<u8> = (0..2).map(|_| wait::until("both packets", LIMIT, || pair.receive(1))).collect();
    assert_eq!(arrived, b"cb");
    assert_eq!(pair.hub.counts().reordered, 1);
}

#[test]
fn a_full_disk_is_full_until_it_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(dir.path(), 1 << 20);
    let file = dir.path().join("file");
    std::fs::write(&file, [1; 4096]).unwrap();
    disk.fill();
    assert_eq!(std::fs::write(dir.path().join("other"), [1; 4096]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(std::fs::read(&file).unwrap(), [1; 4096], "what is there stays");
    disk.empty();
    std::fs::write(dir.path().join("other"), [1; 4096]).unwrap();
    drop(disk);
    assert!(!file.exists(), "the disk is unmounted");
}
