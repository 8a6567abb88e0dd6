//! Three servers with metrics, each with its log on a disk that can be made slow.

use std::net::{Ipv4Addr, SocketAddr};

use support::ensemble::Plan;
use support::server::PATIENCE;
use support::{Ensemble, ServerKind, ports, wait};

use crate::prometheus::Target;
use crate::slow_disk::SlowDisk;

const PROVIDER: &str = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider";

/// Connections that one address may have to a server.
pub const CONNECTIONS_MAX: usize = 30;

/// The servers and their disks.
#[derive(Debug)]
pub struct Cluster {
    // Before the disks: they must be gone when those are unmounted.
    ensemble: Ensemble,
    metrics: Vec<SocketAddr>,
    disks: Vec<SlowDisk>,
}

impl Cluster {
    /// Three servers, settled.
    pub fn start() -> Self {
        let disks: Vec<SlowDisk> = (0..3).map(|_| SlowDisk::mount()).collect();
        let mut plan = Plan::voters(&[ServerKind::Zookube; 3]).set("maxClientCnxns", CONNECTIONS_MAX);
        for (index, disk) in disks.iter().enumerate() {
            plan = plan.set_on(index + 1, "dataLogDir", disk.path().display());
        }
        let metrics: Vec<SocketAddr> =
            plan.specs.iter().map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_port()))).collect();
        for (spec, addr) in plan.specs.iter_mut().zip(&metrics) {
            let ours = spec.clone().set("metricsProvider.className", PROVIDER);
            *spec = ours.set("metricsProvider.httpHost", addr.ip()).set("metricsProvider.httpPort", addr.port());
        }
        let ensemble = plan.start();
        Self { ensemble, metrics, disks }
    }

    /// What Prometheus scrapes: `zk1`, `zk2`, `zk3`.
    pub fn targets(&self) -> Vec<Target> {
        let named = |(index, addr): (usize, &SocketAddr)| Target { addr: *addr, name: name(index) };
        self.metrics.iter().enumerate().map(named).collect()
    }

    /// Where clients connect.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.ensemble.addrs()
    }

    /// The index of the server that leads.
    pub fn leader(&mut self) -> usize {
        self.ensemble.wait_settled()
    }

    /// Kills a server and waits until another one leads; returns its index.
    pub fn kill(&mut self, index: usize) -> usize {
        self.ensemble.servers[index].kill_9();
        wait::until("another leader", PATIENCE, || self.ensemble.leader().filter(|leader| *leader != index))
    }

    /// Starts it again, and waits until it has a part.
    pub fn restart(&mut self, index: usize) {
        self.ensemble.servers[index].start();
        self.ensemble.servers[index].wait_serving();
    }

    /// Allows so many writes per second to the disk of a server.
    pub fn slow_disk(&self, index: usize, writes_per_second: u32) {
        self.disks[index].slow(self.ensemble.servers[index].pid(), writes_per_second);
    }

    /// Lets that disk be as fast as it can.
    pub fn heal_disk(&self, index: usize) {
        self.disks[index].heal();
    }
}

/// What a server is called in the metrics.
pub fn name(index: usize) -> String {
    format!("zk{}", index + 1)
}
