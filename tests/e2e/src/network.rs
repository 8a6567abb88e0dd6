//! The addresses of a cluster: one of 32 networks 10.200.0.0/16 to 10.231.0.0/16, cut the same way each time.
//!
//! ```text
//! this machine ── veth ── the control plane's namespace: a bridge ── veth ── node-1's namespace: pods, each behind a veth
//!   10.X.0.2                10.X.0.1                              └─ veth ── node-2's namespace ...
//! ```
//!
//! The namespace of the control plane forwards; it has the routes to the pods of every node. On the machine itself there is
//! one link and one route, and nothing of packet filters: those that the cluster needs are within the nodes.

use std::net::Ipv4Addr;

/// How many clusters there can be on one machine.
pub const NETWORKS: u8 = 32;

/// How many nodes a cluster can have.
pub const NODES_MAX: u8 = 9;

/// The addresses of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(u8);

impl Network {
    /// The network with a number below [`NETWORKS`].
    ///
    /// # Panics
    /// When the number is too large.
    pub fn new(number: u8) -> Self {
        assert!(number < NETWORKS, "there are {NETWORKS} networks, and no number {number}");
        Self(number)
    }

    /// Below [`NETWORKS`].
    pub fn number(self) -> u8 {
        self.0
    }

    fn address(self, third: u8, fourth: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 200 + self.0, third, fourth)
    }

    /// All of it, as the machine's route has it.
    pub fn whole(self) -> String {
        format!("{}/16", self.address(0, 0))
    }

    /// The link on the machine's side.
    pub fn device(self) -> String {
        format!("zke2e{}", self.0)
    }

    /// The API server, etcd, and the nodes' way out.
    pub fn control_plane(self) -> Ipv4Addr {
        self.address(0, 1)
    }

    /// This machine.
    pub fn host(self) -> Ipv4Addr {
        self.address(0, 2)
    }

    /// A node; `index` counts from 1.
    pub fn node(self, index: u8) -> Ipv4Addr {
        self.address(0, 10 + index)
    }

    /// The pods of a node; `index` counts from 1.
    pub fn pods(self, index: u8) -> String {
        format!("{}/24", self.address(128 + index, 0))
    }

    /// The pods of all nodes.
    pub fn all_pods(self) -> String {
        format!("{}/17", self.address(128, 0))
    }

    /// Cluster IPs.
    pub fn services(self) -> String {
        format!("{}/20", self.address(64, 0))
    }

    /// The cluster IP of the name server.
    pub fn dns(self) -> Ipv4Addr {
        self.address(64, 10)
    }

    /// The API server as programs on this machine and on nodes reach it.
    pub fn api(self) -> String {
        format!("https://{}:6443", self.control_plane())
    }

    /// The key-value store; only programs of the control plane ask it.
    pub fn etcd(self) -> String {
        format!("http://{}:2379", self.control_plane())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_overlap() {
        let network = Network::new(NETWORKS - 1);
        assert_eq!(network.whole(), "10.231.0.0/16");
        assert_eq!(network.node(NODES_MAX).to_string(), "10.231.0.19");
        assert_eq!(network.pods(1), "10.231.129.0/24");
        assert_eq!(network.pods(NODES_MAX), "10.231.137.0/24");
        // 64 to 79, below the pods' 128 to 255.
        assert_eq!(network.services(), "10.231.64.0/20");
        assert_eq!(network.dns().to_string(), "10.231.64.10");
    }
}
