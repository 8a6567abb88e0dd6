//! Three servers in three containers on one bridge.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::{Role, wait, words};

use crate::container::{Container, PATIENCE, Run, Volume};
use crate::network::Network;

/// The client port within every container.
pub const CLIENT_PORT: u16 = 2181;

/// The official image's grammar, for hosts of these names.
pub fn zoo_servers(names: &[&str]) -> String {
    let lines = names.iter().zip(1..).map(|(name, id)| format!("server.{id}={name}:2888:3888;{CLIENT_PORT}"));
    lines.collect::<Vec<_>>().join(" ")
}

/// One of the three, with what it needs to be made again.
#[derive(Debug)]
pub struct Member {
    /// Its name on the network.
    pub name: String,
    /// Where it is.
    pub addr: Ipv4Addr,
    /// Snapshots, epochs and its id, which outlive the container.
    pub data: Volume,
    /// Transaction logs, which outlive it too.
    pub log: Volume,
    /// `None` while it is removed.
    pub container: Option<Container>,
}

impl Member {
    /// The container.
    ///
    /// # Panics
    /// While it is removed.
    pub fn container(&self) -> &Container {
        self.container.as_ref().unwrap_or_else(|| panic!("{} is removed", self.name))
    }

    /// Where clients connect.
    pub fn client_addr(&self) -> SocketAddr {
        SocketAddr::from((self.addr, CLIENT_PORT))
    }

    /// Its part in the ensemble, as `srvr` tells it.
    pub fn role(&self) -> Role {
        role_at(self.client_addr())
    }
}

/// What the server at `addr` says its part is.
pub fn role_at(addr: SocketAddr) -> Role {
    match words::srvr_field(addr, "Mode").as_deref() {
        Some("leader") => Role::Leader,
        Some("follower") => Role::Follower,
        Some("observer") => Role::Observer,
        _ => Role::None,
    }
}

/// Waits until exactly one of `addrs` leads and the others follow or observe; returns the leader's index.
///
/// # Panics
/// When that does not come about in time.
pub fn wait_settled(addrs: &[SocketAddr], limit: Duration) -> usize {
    wait::until("one leader and all others behind it", limit, || {
        let roles: Vec<Role> = addrs.iter().map(|addr| role_at(*addr)).collect();
        let leaders = roles.iter().filter(|role| **role == Role::Leader).count();
        let leader = roles.iter().position(|role| *role == Role::Leader)?;
        (leaders == 1 && !roles.contains(&Role::None)).then_some(leader)
    })
}

/// Where a server's id comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    /// `ZOO_MY_ID`.
    Told,
    /// What the server finds for itself: a `myid` file, or the ordinal of its host name.
    Found,
}

/// Three containers that form an ensemble. Dropped in the order of the fields: containers before volumes and network.
#[derive(Debug)]
pub struct Trio {
    /// In the order of their ids, from 1.
    pub members: Vec<Member>,
    image: String,
    options: Vec<String>,
    /// The bridge.
    pub network: Network,
}

impl Trio {
    /// Three containers of `image`, named as told, with the official image's `ZOO_SERVERS` and `ZOO_MY_ID`; elected.
    pub fn start(image: &str) -> Self {
        let servers = zoo_servers(&["zk1", "zk2", "zk3"]);
        // Short ticks: a test waits for what they time.
        let options = [
            format!("--env=ZOO_SERVERS={servers}"),
            "--env=ZOO_TICK_TIME=1000".to_owned(),
            "--env=ZOO_INIT_LIMIT=10".to_owned(),
            "--env=ZOO_SYNC_LIMIT=4".to_owned(),
        ];
        Self::start_with(image, &["zk1", "zk2", "zk3"], &options, Id::Told)
    }

    /// Three containers with these host names and options of `docker run`; elected.
    pub fn start_with(image: &str, names: &[&str], options: &[String], id: Id) -> Self {
        let network = Network::create();
        let members = names.iter().map(|name| Member {
            name: (*name).to_owned(),
            addr: network.next_address(),
            data: Volume::create(),
            log: Volume::create(),
            container: None,
        });
        let members = members.collect();
        let mut trio = Self { members, image: image.to_owned(), options: options.to_vec(), network };
        for index in 0..trio.members.len() {
            trio.members[index].container = Some(trio.run(index, id));
        }
        trio.wait_settled();
        trio
    }

    fn run(&self, index: usize, id: Id) -> Container {
        let member = &self.members[index];
        let mut run = Run::new(&self.image).at(&self.network, member.addr).host_name(&member.name);
        for option in &self.options {
            run = run.option(option.as_str());
        }
        if id == Id::Told {
            run = run.env("ZOO_MY_ID", index + 1);
        }
        run.volume(&member.data, "/data").volume(&member.log, "/datalog").start()
    }

    /// Removes a container with `docker rm --force`; its volume stays.
    pub fn remove(&mut self, index: usize) {
        self.members[index].container = None;
    }

    /// Makes a removed container again, with its volume, at `addr`; its id is left to the `myid` file in there.
    pub fn create_again(&mut self, index: usize, addr: Ipv4Addr) {
        self.members[index].addr = addr;
        self.members[index].container = Some(self.run(index, Id::Found));
    }

    /// Where clients connect.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.members.iter().map(Member::client_addr).collect()
    }

    /// Waits until one leads and the others follow; returns the leader's index.
    pub fn wait_settled(&self) -> usize {
        wait_settled(&self.addrs(), PATIENCE)
    }

    /// Waits until one of those other than `lost` leads; returns its index.
    ///
    /// # Panics
    /// When none does in time.
    pub fn wait_leader_without(&self, lost: usize) -> usize {
        wait::until("another leader", PATIENCE, || {
            (0..self.members.len()).find(|&index| index != lost && self.members[index].role() == Role::Leader)
        })
    }
}
