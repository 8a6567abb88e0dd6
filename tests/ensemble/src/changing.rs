//! An ensemble whose members change: servers by their ids, each of which may be a member or not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use support::ensemble::Role;
use support::server::{PATIENCE, Ports};
use support::session::{Failure, Reconfig, Session};
use support::{Server, ServerKind, ServerSpec, wait};

/// The error of a change for which too few of the new voters follow the leader.
pub const NEW_CONFIG_NO_QUORUM: i32 = -13;
/// The error of a change while another is under way.
pub const RECONFIG_IN_PROGRESS: i32 = -14;

/// Servers that are, were or will be members.
#[derive(Debug)]
pub struct Changing {
    /// By their ids.
    pub servers: BTreeMap<u8, Server>,
    ports: BTreeMap<u8, Ports>,
    roles: BTreeMap<u8, &'static str>,
}

impl Changing {
    /// A place for each of these servers, none of which is configured yet.
    #[must_use]
    pub fn with_places(ids: impl IntoIterator<Item = u8>) -> Changing {
        let ports = ids.into_iter().map(|id| (id, Ports::free())).collect();
        Changing { servers: BTreeMap::new(), ports, roles: BTreeMap::new() }
    }

    /// Where clients find all of them, also those that do not run.
    #[must_use]
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.ports.values().map(|ports| SocketAddr::from(([127, 0, 0, 1], ports.client))).collect()
    }

    /// Gives a place other ports, of which the server that has it learns by a change of the ensemble; answers where its clients
    /// will find it.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn give_ports(&mut self, id: u8) -> SocketAddr {
        let ports = Ports::free();
        *self.ports.get_mut(&id).expect("a place") = ports;
        SocketAddr::from(([127, 0, 0, 1], ports.client))
    }

    /// A server's line.
    #[must_use]
    pub fn line(&self, id: u8, role: &str) -> String {
        let Ports { client, quorum, election } = self.ports[&id];
        format!("server.{id}=127.0.0.1:{quorum}:{election}:{role};127.0.0.1:{client}")
    }

    /// Starts a server with an empty disk, whose configuration has these members and itself.
    ///
    /// # Panics
    /// When its program cannot be started.
    pub fn start_new(&mut self, kind: ServerKind, id: u8, role: &'static str, members: &[u8]) {
        let mut spec = self.spec(kind, id);
        self.roles.insert(id, role);
        for member in members.iter().chain((!members.contains(&id)).then_some(&id)) {
            let line = self.line(*member, self.roles.get(member).copied().unwrap_or("participant"));
            let (key, value) = line.split_once('=').expect("a line has a key");
            spec = spec.set(key, value);
        }
        let mut server = Server::prepare(spec, self.ports[&id]);
        server.start();
        self.servers.insert(id, server);
    }

    /// Starts a server with an empty disk that these members know nothing of, and that is not in its own list either: it waits
    /// to be let in.
    ///
    /// # Panics
    /// When its program cannot be started.
    pub fn start_joining(&mut self, id: u8, members: &[u8]) {
        let mut spec = self.spec(ServerKind::Zookube, id);
        for member in members {
            let line = self.line(*member, self.roles.get(member).copied().unwrap_or("participant"));
            let (key, value) = line.split_once('=').expect("a line has a key");
            spec = spec.set(key, value);
        }
        let own = self.line(id, "participant");
        spec = spec.set("joinAs", own.split_once('=').expect("a line has a key").1);
        let mut server = Server::prepare(spec, self.ports[&id]);
        server.start();
        self.servers.insert(id, server);
    }

    fn spec(&self, kind: ServerKind, id: u8) -> ServerSpec {
        let mut spec = ServerSpec::new(kind)
            .set("tickTime", 1000)
            .set("initLimit", 20)
            .set("syncLimit", 10)
            .set("reconfigEnabled", true)
            .set("standaloneEnabled", false)
            .set("skipACL", "yes");
        spec.id = id;
        spec
    }

    /// The part a server has now.
    #[must_use]
    pub fn role(&self, id: u8) -> Role {
        match self.servers.get(&id).and_then(Server::mode).as_deref() {
            Some("leader") => Role::Leader,
            Some("follower") => Role::Follower,
            Some("observer") => Role::Observer,
            _ => Role::None,
        }
    }

    /// The server that says that it leads.
    #[must_use]
    pub fn leader(&self) -> Option<u8> {
        self.servers.keys().copied().find(|id| self.role(*id) == Role::Leader)
    }

    /// Waits until one of these leads and the others follow; answers which.
    ///
    /// # Panics
    /// When that does not come about in time.
    pub fn wait_settled(&self, ids: &[u8]) -> u8 {
        wait::until("one leader and the other servers behind it", PATIENCE, || {
            let roles: Vec<Role> = ids.iter().map(|id| self.role(*id)).collect();
            let leads = roles.iter().position(|role| *role == Role::Leader)?;
            let others = roles.iter().filter(|role| matches!(role, Role::Follower | Role::Observer)).count();
            (others + 1 == roles.len()).then(|| ids[leads])
        })
    }

    /// Asks for a change until it is granted: who is to join may not follow yet, an answer may be lost with a connection.
    /// `is_done` looks at the configuration. Answers its text.
    ///
    /// # Panics
    /// When it is refused for another reason, or not granted in time.
    pub fn change(&self, request: &Reconfig<'_>, is_done: impl Fn(&str) -> bool) -> String {
        wait::until("a change of the ensemble", PATIENCE, || {
            let mut session = Session::open_any(&self.addrs(), 30_000, Duration::from_secs(30));
            session.sync().ok()?;
            let text = String::from_utf8(session.get("/zookeeper/config").ok()?.0).ok()?;
            if is_done(&text) {
                return Some(text);
            }
            match session.reconfig(request) {
                Ok(text) => Some(text),
                Err(Failure::Broken | Failure::Code(NEW_CONFIG_NO_QUORUM | RECONFIG_IN_PROGRESS)) => None,
                Err(refused) => panic!("{request:?}: {refused:?}"),
            }
        })
    }

    /// Lets a server in, with this role.
    ///
    /// # Panics
    /// As [`Changing::change`].
    pub fn join(&mut self, id: u8, role: &'static str) {
        let line = self.line(id, role);
        self.change(&Reconfig { joining: Some(&line), ..Reconfig::NOTHING }, |text| text.contains(&line));
        self.roles.insert(id, role);
    }

    /// Lets servers go.
    ///
    /// # Panics
    /// As [`Changing::change`].
    pub fn leave(&mut self, ids: &[u8]) {
        let leaving: Vec<String> = ids.iter().map(u8::to_string).collect();
        let is_member = |text: &str, id: &u8| text.contains(&format!("server.{id}="));
        self.change(&Reconfig { leaving: Some(&leaving.join(",")), ..Reconfig::NOTHING }, |text| {
            !ids.iter().any(|id| is_member(text, id))
        });
    }
}
