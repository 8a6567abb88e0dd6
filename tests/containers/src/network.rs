//! Bridges.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::engine::{engine, label, unique_name};

/// Subnets are 172.28.N.0/24; the first is the lab's.
static NEXT_SUBNET: AtomicU8 = AtomicU8::new(1);

/// The first address that containers get; the bridge has .1.
const FIRST_HOST: u8 = 11;

/// A user-defined bridge network, removed on drop.
#[derive(Debug)]
pub struct Network {
    name: String,
    subnet: u8,
    next_host: AtomicU8,
}

impl Network {
    /// Makes one in a subnet that no other has.
    ///
    /// # Panics
    /// When all 254 subnets are taken.
    pub fn create() -> Self {
        let name = unique_name("net");
        loop {
            let subnet = NEXT_SUBNET.fetch_add(1, Ordering::Relaxed);
            assert!(subnet < u8::MAX, "no subnet of 172.28.0.0/16 is free");
            let range = format!("--subnet=172.28.{subnet}.0/24");
            let made = engine().ask(&["network", "create", "--driver=bridge", &range, &label(), &name]);
            if !made.success && made.text.contains("overlaps") {
                continue; // Somebody else's, on an engine that was there before.
            }
            made.expect_success("docker network create");
            return Self { name, subnet, next_host: AtomicU8::new(FIRST_HOST) };
        }
    }

    /// Its name, as `docker` wants it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An address that no container of this network has had.
    pub fn next_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(172, 28, self.subnet, self.next_host.fetch_add(1, Ordering::Relaxed))
    }

    /// Pulls a container's plug.
    pub fn disconnect(&self, container: &str) {
        engine().docker(&["network", "disconnect", &self.name, container]);
    }

    /// Puts it back, at this address and under this name.
    pub fn connect(&self, container: &str, addr: Ipv4Addr, alias: &str) {
        let (ip, alias) = (format!("--ip={addr}"), format!("--alias={alias}"));
        engine().docker(&["network", "connect", &ip, &alias, &self.name, container]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Fails while a container is on it, whose own removal has then failed and said so.
        engine().ask(&["network", "rm", &self.name]);
    }
}
