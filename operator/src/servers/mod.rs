//! The servers of an ensemble, as `docs/contract.md` has them: what they say of themselves over HTTP, and what they are told.

mod answer;
mod http;
mod superuser;
mod zookeeper;

pub use answer::{Answer, lag_txns};
pub use http::{Http, HttpError};
pub(crate) use superuser::DIGEST;
pub use superuser::Superuser;
pub use zookeeper::{Joiner, ZooKeeper, ZooKeeperError};

use futures::FutureExt;
use futures::future::BoxFuture;
use plan::{ConfigVersion, ServerId, Uid, Znode};
use std::net::IpAddr;

/// Everything that is asked of servers and that they are told: over the network ([`Network`]), or of simulated ones. Whoever
/// implements it answers in bounded time, as the network does.
pub trait Servers: Send + Sync {
    /// What a server says of itself.
    fn status(&self, server: IpAddr) -> BoxFuture<'_, Result<Answer, HttpError>>;

    /// The same, as soon as it is something else than what was said with `generation`, or after a while.
    fn status_after(&self, server: IpAddr, generation: u64) -> BoxFuture<'_, Result<Answer, HttpError>>;

    /// Lets another server lead; asked of the leader.
    fn hand_over<'a>(
        &'a self,
        leader: IpAddr,
        to: ServerId,
        user: &'a Superuser,
    ) -> BoxFuture<'a, Result<(), HttpError>>;

    /// Tells a server that it has left.
    fn retire<'a>(
        &'a self,
        server: IpAddr,
        version: ConfigVersion,
        user: &'a Superuser,
    ) -> BoxFuture<'a, Result<(), HttpError>>;

    /// The operator's znode.
    fn read<'a>(&'a self, leader: IpAddr, user: &'a Superuser) -> BoxFuture<'a, Result<Znode, ZooKeeperError>>;

    /// Writes it, whether it is there or not.
    fn write<'a>(
        &'a self,
        leader: IpAddr,
        user: &'a Superuser,
        cluster_uid: &'a Uid,
        after: ConfigVersion,
    ) -> BoxFuture<'a, Result<(), ZooKeeperError>>;

    /// Changes the configuration, if its version is still the expected one.
    fn reconfig<'a>(
        &'a self,
        leader: IpAddr,
        user: &'a Superuser,
        expected: ConfigVersion,
        joining: &'a [Joiner],
        leaving: &'a [ServerId],
    ) -> BoxFuture<'a, Result<(), ZooKeeperError>>;
}

/// Servers on the network.
#[derive(Debug, Clone)]
pub struct Network {
    http: Http,
    zookeeper: ZooKeeper,
}

impl Network {
    /// Those that listen at these ports.
    #[must_use]
    pub fn new(admin_port: u16, client_port: u16) -> Self {
        Self { http: Http::new(admin_port), zookeeper: ZooKeeper::new(client_port) }
    }
}

impl Servers for Network {
    fn status(&self, server: IpAddr) -> BoxFuture<'_, Result<Answer, HttpError>> {
        self.http.status(server).boxed()
    }

    fn status_after(&self, server: IpAddr, generation: u64) -> BoxFuture<'_, Result<Answer, HttpError>> {
        self.http.status_after(server, generation).boxed()
    }

    fn hand_over<'a>(
        &'a self,
        leader: IpAddr,
        to: ServerId,
        user: &'a Superuser,
    ) -> BoxFuture<'a, Result<(), HttpError>> {
        self.http.hand_over(leader, to, user).boxed()
    }

    fn retire<'a>(
        &'a self,
        server: IpAddr,
        version: ConfigVersion,
        user: &'a Superuser,
    ) -> BoxFuture<'a, Result<(), HttpError>> {
        self.http.retire(server, version, user).boxed()
    }

    fn read<'a>(&'a self, leader: IpAddr, user: &'a Superuser) -> BoxFuture<'a, Result<Znode, ZooKeeperError>> {
        self.zookeeper.read(leader, user).boxed()
    }

    fn write<'a>(
        &'a self,
        leader: IpAddr,
        user: &'a Superuser,
        cluster_uid: &'a Uid,
        after: ConfigVersion,
    ) -> BoxFuture<'a, Result<(), ZooKeeperError>> {
        self.zookeeper.write(leader, user, cluster_uid, after).boxed()
    }

    fn reconfig<'a>(
        &'a self,
        leader: IpAddr,
        user: &'a Superuser,
        expected: ConfigVersion,
        joining: &'a [Joiner],
        leaving: &'a [ServerId],
    ) -> BoxFuture<'a, Result<(), ZooKeeperError>> {
        self.zookeeper.reconfig(leader, user, expected, joining, leaving).boxed()
    }
}
