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
    /// The zxid that zxids are shown relative to, where no script can write one.
    base_zxid: Option<i64>,
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
        Self { name, addrs: vec![server.addr()], servers: Servers::One(Box::new(server)), base_zxid: None }
    }

    /// A fresh ensemble of three.
    pub fn ensemble(kind: ServerKind) -> Self {
        Self::ensemble_with(kind, &[])
    }

    /// A fresh ensemble of three with further lines in every `zoo.cfg`.
    pub fn ensemble_with(kind: ServerKind, settings: &[(&str, &str)]) -> Self {
        let plan = Plan::voters(&[kind; 3]).set("tickTime", 2000).set("forceSync", "no");
        let mut plan = settings.iter().fold(plan, |plan, (key, value)| plan.set(key, value));
        plan = plan.set("DigestAuthenticationProvider.superDigest", super_digest());
        plan.specs =
            plan.specs.into_iter().map(|s| s.set_unprefixed("znode.container.checkIntervalMs", 86_400_000)).collect();
        let mut ensemble = plan.start();
        let leader = ensemble.wait_settled();
        let mut addrs = ensemble.addrs();
        let first = addrs.remove(leader);
        addrs.insert(0, first);
        let name = format!("{} ensemble of three", kind.name());
        Self { name, addrs, servers: Servers::Many(ensemble), base_zxid: None }
    }

    /// The one server of an ensemble that runs, serving nobody but clients that only read. `base_zxid` is the last zxid of a
    /// write.
    ///
    /// # Panics
    /// When not exactly one runs.
    pub fn read_only(mut ensemble: Ensemble, base_zxid: i64) -> Self {
        let running: Vec<usize> = (0..ensemble.servers.len()).filter(|&i| ensemble.servers[i].is_running()).collect();
        let [alone] = running[..] else { panic!("one running server is expected, not {running:?}") };
        let server = &ensemble.servers[alone];
        let (name, addrs) = (format!("{} without a quorum", server.kind().name()), vec![server.addr()]);
        Self { name, addrs, servers: Servers::Many(ensemble), base_zxid: Some(base_zxid) }
    }

    /// The ensemble itself, to start and stop servers of it.
    ///
    /// # Panics
    /// On a standalone target.
    pub fn ensemble_mut(&mut self) -> &mut Ensemble {
        match &mut self.servers {
            Servers::Many(ensemble) => ensemble,
            Servers::One(_) => panic!("a standalone target has no ensemble"),
        }
    }

    /// The zxid that zxids are shown relative to, unless a script can find one out by writing.
    pub fn base_zxid(&self) -> Option<i64> {
        self.base_zxid
    }

    /// Whether an answer on one connection may run ahead of what another connection sees.
    pub fn is_replicated(&self) -> bool {
        matches!(self.servers, Servers::Many(_)) && self.base_zxid.is_none()
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
