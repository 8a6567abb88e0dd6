//! The servers a script is played to.

use std::net::SocketAddr;

use support::ensemble::Plan;
use support::{Ensemble, Server, ServerKind, ServerSpec};

/// The password of the super user in every target: `super:secret`.
pub const SUPER_PASSWORD: &str = "secret";

/// One standalone server or one ensemble.
#[derive(Debug)]
pub struct Target {
    /// For messages.
    pub name: String,
    /// Client addresses; in an ensemble the leader first, then the others by id.
    pub addrs: Vec<SocketAddr>,
    servers: Servers,
}

#[derive(Debug)]
enum Servers {
    One(Box<Server>),
    Many(Ensemble),
}

/// The settings of a standalone server as the scripts expect them.
pub fn spec(kind: ServerKind) -> ServerSpec {
    // No reaper may come between two steps, and no disk decides how long a run takes.
    ServerSpec::new(kind)
        .set("DigestAuthenticationProvider.superDigest", super_digest())
        .set("forceSync", "no")
        .set_unprefixed("znode.container.checkIntervalMs", 86_400_000)
}

fn super_digest() -> String {
    crate::request::digest_id("super", SUPER_PASSWORD)
}

impl Target {
    /// A fresh standalone server.
    pub fn standalone(kind: ServerKind) -> Self {
        Self::standalone_as(spec(kind))
    }

    /// A fresh standalone server with settings of the caller's.
    pub fn standalone_as(spec: ServerSpec) -> Self {
        let name = format!("{} standalone", spec.kind.name());
        let server = Server::standalone(spec);
        Self { name, addrs: vec![server.addr()], servers: Servers::One(Box::new(server)) }
    }

    /// A fresh ensemble of three.
    pub fn ensemble(kind: ServerKind) -> Self {
        let mut plan = Plan::voters(&[kind; 3]).set("tickTime", 2000).set("forceSync", "no");
        plan = plan.set("DigestAuthenticationProvider.superDigest", super_digest());
        plan.specs =
            plan.specs.into_iter().map(|s| s.set_unprefixed("znode.container.checkIntervalMs", 86_400_000)).collect();
        let mut ensemble = plan.start();
        let leader = ensemble.wait_settled();
        let mut addrs = ensemble.addrs();
        let first = addrs.remove(leader);
        addrs.insert(0, first);
        Self { name: format!("{} ensemble of three", kind.name()), addrs, servers: Servers::Many(ensemble) }
    }

    /// Whether an answer on one connection may run ahead of what another connection sees.
    pub fn is_replicated(&self) -> bool {
        matches!(self.servers, Servers::Many(_))
    }

    /// Stops a standalone server as an operator would and starts it again on its data.
    ///
    /// # Panics
    /// On an ensemble, and when the server does not come back.
    pub fn restart(&mut self) {
        match &mut self.servers {
            Servers::One(server) => {
                server.terminate();
                server.start();
                server.wait_serving();
            }
            Servers::Many(_) => panic!("only standalone targets are restarted"),
        }
    }

    /// Texts that hold this target's ports, each with a symbol that means the same on another target.
    pub fn port_symbols(&self) -> Vec<(String, String)> {
        let servers: Vec<&Server> = match &self.servers {
            Servers::One(server) => vec![server],
            Servers::Many(ensemble) => ensemble.servers.iter().collect(),
        };
        let symbols = servers.iter().flat_map(|server| {
            let (id, ports) = (server.id(), server.ports());
            [(ports.quorum, "quorum"), (ports.election, "election"), (ports.client, "client")]
                .map(|(port, name)| (port.to_string(), format!("<{name} port {id}>")))
        });
        symbols.collect()
    }
}
