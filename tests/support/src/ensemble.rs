//! Several servers that form an ensemble, of one kind or mixed.

use std::net::SocketAddr;
use std::time::Duration;

use crate::server::{PATIENCE, Ports};
use crate::{Server, ServerKind, ServerSpec, wait};

/// A server's part in an ensemble, as `srvr` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Proposes.
    Leader,
    /// Votes and follows.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Not serving, down, or standalone.
    None,
}

/// The shape of an ensemble before it starts.
#[derive(Debug, Clone)]
pub struct Plan {
    /// One per server, ids 1, 2, 3 … in this order.
    pub specs: Vec<ServerSpec>,
    /// How many at the end of the list are observers.
    pub observers: usize,
    /// Whether each server has a loopback address of its own, so that they may have ports of the same number.
    pub own_addresses: bool,
}

impl Plan {
    /// Voters of these kinds, with short ticks: a test waits for elections.
    pub fn voters(kinds: &[ServerKind]) -> Self {
        let spec =
            |kind: &ServerKind| ServerSpec::new(*kind).set("tickTime", 1000).set("initLimit", 20).set("syncLimit", 10);
        Self { specs: kinds.iter().map(spec).collect(), observers: 0, own_addresses: false }
    }

    /// Adds an observer.
    pub fn observer(mut self, kind: ServerKind) -> Self {
        let spec = Self::voters(&[kind]).specs.remove(0).set("peerType", "observer");
        self.specs.push(spec);
        self.observers += 1;
        self
    }

    /// Gives every server a loopback address of its own for the ports between servers: 127.0.1.N for server N.
    pub fn own_addresses(mut self) -> Self {
        self.own_addresses = true;
        self
    }

    /// Sets a key on one server, by its id.
    pub fn set_on(mut self, id: usize, key: &str, value: impl ToString) -> Self {
        self.specs[id - 1] = self.specs[id - 1].clone().set(key, value);
        self
    }

    /// Sets a key on every server.
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.specs = self.specs.into_iter().map(|spec| spec.set(key, value.to_string())).collect();
        self
    }

    /// Configured servers, none of them started.
    pub fn prepare(self) -> Ensemble {
        let ports: Vec<Ports> = self.specs.iter().map(|_| Ports::free()).collect();
        let voters = self.specs.len() - self.observers;
        let servers = self.specs.into_iter().enumerate().map(|(index, mut spec)| {
            spec.id = index as u8 + 1;
            for (peer, p) in ports.iter().enumerate() {
                let role = if peer >= voters { ":observer" } else { "" };
                let host = if self.own_addresses { format!("127.0.1.{}", peer + 1) } else { "127.0.0.1".to_owned() };
                let line = format!("{host}:{}:{}{role}", p.quorum, p.election);
                spec = spec.set(&format!("server.{}", peer + 1), line);
            }
            Server::prepare(spec, ports[index])
        });
        Ensemble { servers: servers.collect() }
    }

    /// Started servers with an established leader that all the others follow.
    pub fn start(self) -> Ensemble {
        let mut ensemble = self.prepare();
        for server in &mut ensemble.servers {
            server.start();
        }
        ensemble.wait_settled();
        ensemble
    }
}

/// Servers that know each other.
#[derive(Debug)]
pub struct Ensemble {
    /// In the order of their ids, from 1.
    pub servers: Vec<Server>,
}

impl Ensemble {
    /// Three voters of one kind, running.
    pub fn of_three(kind: ServerKind) -> Self {
        Plan::voters(&[kind; 3]).start()
    }

    /// The client addresses, in the order of the ids.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(Server::addr).collect()
    }

    /// The connection string for clients.
    pub fn connect_string(&self) -> String {
        connect_string(&self.addrs())
    }

    /// The part that server `index` has now.
    pub fn role(&self, index: usize) -> Role {
        match self.servers[index].mode().as_deref() {
            Some("leader") => Role::Leader,
            Some("follower") => Role::Follower,
            Some("observer") => Role::Observer,
            _ => Role::None,
        }
    }

    /// The index of the server that says it leads.
    pub fn leader(&self) -> Option<usize> {
        (0..self.servers.len()).find(|&index| self.role(index) == Role::Leader)
    }

    /// Waits until every running server has a role and exactly one leads; returns its index.
    ///
    /// # Panics
    /// When that does not come about in time.
    pub fn wait_settled(&mut self) -> usize {
        let running: Vec<usize> = (0..self.servers.len()).filter(|&i| self.servers[i].is_running()).collect();
        wait::until("one leader and all running servers behind it", PATIENCE, || {
            let roles: Vec<Role> = running.iter().map(|&i| self.role(i)).collect();
            let leaders = roles.iter().filter(|role| **role == Role::Leader).count();
            (leaders == 1 && !roles.contains(&Role::None)).then_some(())
        });
        wait::until("the leader to say so", PATIENCE, || self.leader())
    }

    /// Waits until some server leads, whatever the others do; returns its index.
    ///
    /// # Panics
    /// When none does within `limit`.
    pub fn wait_leader(&self, limit: Duration) -> usize {
        wait::until("a leader", limit, || self.leader())
    }
}

/// `host:port,host:port`.
pub fn connect_string(addrs: &[SocketAddr]) -> String {
    addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
