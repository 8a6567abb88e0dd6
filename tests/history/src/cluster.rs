//! An ensemble on a network of its own: a namespace for each server and one for the clients, joined by the hub.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::rng::Rng;
use support::wait;

use crate::hub::Hub;
use crate::namespace::{self, Namespace};
use crate::server::{Server, addr_of};
use crate::{disk, server};

/// The clients' host number on the hub; a server's is its id.
pub const CLIENTS: usize = 0;

/// Where the clients are.
const CLIENTS_ADDR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

/// Room for a server that is to run out of it: more than some fifty rounds write, little enough to be filled in no time.
const SMALL_DISK_BYTES: u64 = 128 << 20;

/// How long an ensemble without faults may take until every server serves.
pub const SETTLE_LIMIT: Duration = Duration::from_secs(45);

/// Servers, their network, and nothing of either once the value is dropped.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: nobody is to lose the network before the process.
    servers: Vec<Server>,
    hub: Hub,
    _clients: Namespace,
}

impl Cluster {
    /// Starts `servers` servers, one of them with a small disk, and moves the calling thread to the clients' host.
    ///
    /// # Panics
    /// Where namespaces, devices or mounts are not permitted, or when the servers do not come up.
    pub fn start(servers: u8, rng: &mut Rng) -> Self {
        namespace::remove_leftovers();
        disk::remove_leftovers();
        let clients = Namespace::create("clients");
        let mut hosts = vec![(CLIENTS_ADDR, clients.attach(CLIENTS_ADDR))];
        let small = rng.below(servers.into()) as u8 + 1;
        let prepare = |id| {
            let namespace = Namespace::create(&format!("s{id}"));
            hosts.push((addr_of(id), namespace.attach(addr_of(id))));
            Server::prepare(id, servers, namespace, (id == small).then_some(SMALL_DISK_BYTES))
        };
        let servers = (1..=servers).map(prepare).collect();
        let hub = Hub::start(hosts, rng.next_u64());
        clients.enter();
        let mut cluster = Self { servers, hub, _clients: clients };
        for server in &mut cluster.servers {
            server.start();
        }
        cluster.wait_settled();
        cluster
    }

    /// The network.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Every server's id.
    pub fn ids(&self) -> Vec<u8> {
        self.servers.iter().map(Server::id).collect()
    }

    /// The client addresses, in the order of the ids.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::addr).collect()
    }

    /// The server with this id.
    pub fn server(&self, id: u8) -> &Server {
        &self.servers[usize::from(id) - 1]
    }

    /// The server with this id, to be started or killed.
    pub fn server_mut(&mut self, id: u8) -> &mut Server {
        &mut self.servers[usize::from(id) - 1]
    }

    /// The server with the small disk.
    ///
    /// # Panics
    /// Never: every cluster has one.
    pub fn small_disk_server(&self) -> &Server {
        self.servers.iter().find(|server| server.small_disk().is_some()).expect("one server has a small disk")
    }

    /// Which of `ids` says that it leads.
    pub fn leader_of(&self, ids: &[u8]) -> Option<u8> {
        ids.iter().copied().find(|id| self.server(*id).mode().as_deref() == Some("leader"))
    }

    /// The leader.
    ///
    /// # Panics
    /// When there is none within [`SETTLE_LIMIT`].
    pub fn wait_leader(&self) -> u8 {
        wait::until("a leader", SETTLE_LIMIT, || self.leader_of(&self.ids()))
    }

    /// Waits until every server serves and exactly one of them leads.
    ///
    /// # Panics
    /// When that does not come about in time, or a process has ended by itself.
    pub fn wait_settled(&mut self) {
        wait::until("one leader and all servers behind it", SETTLE_LIMIT, || {
            for server in &mut self.servers {
                assert!(server.is_running(), "server {} has ended by itself", server.id());
            }
            let modes: Option<Vec<String>> = self.servers.iter().map(Server::mode).collect();
            let modes = modes?;
            let leaders = modes.iter().filter(|mode| *mode == "leader").count();
            let followers = modes.iter().filter(|mode| *mode == "follower").count();
            (leaders == 1 && leaders + followers == modes.len()).then_some(())
        });
    }

    /// Waits until every server has applied the transaction `zxid`.
    ///
    /// # Panics
    /// When one has not in time.
    pub fn wait_applied(&self, zxid: i64) {
        wait::until(&format!("all servers to have applied {zxid:#x}"), SETTLE_LIMIT, || {
            self.servers.iter().all(|server| server.zxid() >= Some(zxid)).then_some(())
        });
    }

    /// Kills all servers at once.
    pub fn kill_all(&mut self) {
        self.servers.iter().for_each(Server::signal_kill);
        self.servers.iter_mut().for_each(server::Server::kill_9);
    }
}
