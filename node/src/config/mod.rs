//! The configuration: Apache's `zoo.cfg`, its dynamic file and `myid`, read unchanged, or the environment in their place.
//!
//! Every key Apache knows is in one table ([`keys`]): it is honoured, refused by name, or accepted with one warning. An
//! unknown key is a warning too, because Apache accepts it, but a slip of the pen (`datadir`) is an error. All errors
//! of a file are reported together. Reference: `QuorumPeerConfig`.
//!
//! The module reads files and nothing else: it resolves no host name, binds no port, and creates no directory. The one
//! file it can write is `myid`, when it is told to ([`Identity::store`]).

mod container;
mod declared;
mod digest;
mod draft;
pub mod effective;
pub mod environment;
mod growth_limit;
mod honoured;
mod host_name;
pub mod identity;
mod inert;
mod joining;
mod jvm_flags;
pub mod keys;
pub mod kind;
mod markdown;
mod members;
mod origin;
mod own_line;
mod peers;
pub mod problem;
mod source;
pub mod variables;

use std::path::{Path, PathBuf};

use wire::ServerId;
use zab::quorum::{ClientAddress, MemberRole, Membership, PeerAddress, ServerSpec};

pub use effective::Effective;
pub use environment::Environment;
pub use growth_limit::GrowthLimit;
pub use honoured::Settings;
pub use identity::Identity;
pub use kind::{CommandsFrom, DigestAlgorithm, LogFormat, SnapshotCompression, VolumePolicy};
pub use markdown::configuration_markdown;
pub use problem::{ConfigError, Place, Problem, Warning};

use draft::Draft;
use effective::Sources;
pub use members::is_wildcard;
use problem::Report;

/// Session timeouts are bounded by these multiples of a tick unless the keys are set.
const SESSION_TIMEOUT_TICKS_MIN: i64 = 2;
const SESSION_TIMEOUT_TICKS_MAX: i64 = 20;
/// What Java takes for a listen backlog of -1.
const LISTEN_BACKLOG_DEFAULT: u32 = 50;

/// Where the admin server listens unless the key is set.
const LOOPBACK: &str = "127.0.0.1";
const EVERYWHERE: &str = "0.0.0.0";

/// What replaces or completes the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Keys that take the place of the file's; the prefix `zookeeper.` of Java properties is allowed.
    pub keys: Vec<(String, String)>,
    /// The server id where there is no `myid` file. If there is one, both must agree.
    pub myid: Option<String>,
}

/// Where a configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The `zoo.cfg` to read. Without it: the one in the environment's configuration directory, else the environment.
    pub file: Option<PathBuf>,
    /// The command line.
    pub overrides: Overrides,
    /// The environment variables and the host's name.
    pub environment: Environment,
    /// Whose server it is for.
    pub server: Implementation,
}

/// Whose server a configuration is for: what one refuses the other may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Implementation {
    /// This program.
    #[default]
    Zookube,
    /// A stock Apache ZooKeeper, which gets every key that this program does not know or does not do.
    Apache,
}

/// How the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Alone, without quorum and election ports.
    Standalone,
    /// As a member of an ensemble, of one server perhaps (`standaloneEnabled=false`).
    Ensemble,
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A host name or address; `None` means every interface, IPv4 and IPv6.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
}

/// A configuration in which everything required is there and nothing contradicts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The honoured keys, typed.
    pub settings: Settings,
    /// The file the configuration was read from; `None` if the environment was all there was.
    pub file: Option<PathBuf>,
    /// Standalone or in an ensemble.
    pub mode: Mode,
    /// This server's id; always there in an ensemble.
    pub myid: Option<ServerId>,
    /// The server list; empty without `server.N` lines. This server's client address is filled in from the static file
    /// where its line has none.
    pub membership: Membership,
    /// This server's line while the server list has none for it.
    joining: Option<ServerSpec>,
    client: ClientAddress,
    data_dir: PathBuf,
    identity: Option<Identity>,
    peer_srv: Option<String>,
    sources: Sources,
}

/// Reads the configuration: what the command line sets, then a `zoo.cfg`, and only where there is none the environment.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn load(options: &LoadOptions) -> Result<(Config, Vec<Warning>), ConfigError> {
    let mut report = Report { server: options.server, ..Report::default() };
    let Some(origin) = origin::read(options, &mut report) else {
        return Err(ConfigError { problems: report.problems });
    };
    let config = Draft::read(origin, &mut report).complete(options, &mut report);
    let warnings = report.finish()?;
    Ok((config.expect("a configuration without problems is complete"), warnings))
}

impl Config {
    /// Reads `zoo.cfg` at `path`, its dynamic file, and `myid`, with nothing from the environment.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<(Config, Vec<Warning>), ConfigError> {
        let environment = Environment::default();
        let (file, overrides) = (Some(path.to_owned()), overrides.clone());
        load(&LoadOptions { file, overrides, environment, server: Implementation::Zookube })
    }

    /// The directory of snapshots and `myid`.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The directory of the transaction log.
    #[must_use]
    pub fn data_log_dir(&self) -> &Path {
        self.settings.data_log_dir.as_deref().unwrap_or(&self.data_dir)
    }

    /// How this server's id is known; `None` for a standalone server that nobody gave one.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The name whose SRV records give addresses to servers whose own names have none (`ZOOKUBE_SRV`).
    #[must_use]
    pub fn peer_srv(&self) -> Option<&str> {
        self.peer_srv.as_deref()
    }

    /// This server's line: of the server list, or as whom it wants to be let in.
    #[must_use]
    pub fn own_spec(&self) -> Option<&ServerSpec> {
        self.membership.servers.get(&self.myid?).or(self.joining.as_ref())
    }

    /// Whether this server is no member of its ensemble: it follows without a vote until a reconfiguration lets it in.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.mode == Mode::Ensemble && self.myid.is_some_and(|sid| !self.membership.is_member(sid))
    }

    /// The role of this server; a standalone server counts as a participant.
    #[must_use]
    pub fn role(&self) -> MemberRole {
        self.own_spec().map_or(MemberRole::Participant, |spec| spec.role)
    }

    /// Bounds of session timeouts, shortest and longest, in ms.
    #[must_use]
    pub fn session_timeout_bounds_ms(&self) -> (i64, i64) {
        session_timeout_bounds_ms(&self.settings)
    }

    /// How long a learner may take to connect and synchronize, in ms.
    #[must_use]
    pub fn init_limit_ms(&self) -> i64 {
        self.ticks_ms(self.settings.init_limit_ticks.unwrap_or(0))
    }

    /// How long learner and leader may not hear each other, in ms.
    #[must_use]
    pub fn sync_limit_ms(&self) -> i64 {
        self.ticks_ms(self.settings.sync_limit_ticks.unwrap_or(0))
    }

    /// How long a learner tries to connect to the leader, in ms.
    #[must_use]
    pub fn connect_to_learner_master_limit_ms(&self) -> i64 {
        match self.settings.connect_to_learner_master_limit_ticks {
            0 => self.init_limit_ms(),
            ticks => self.ticks_ms(ticks),
        }
    }

    /// How long the handshake of an election connection may take, in ms (`QuorumCnxManager.setSockOpts`).
    #[must_use]
    pub fn quorum_cnxn_timeout_ms(&self) -> i64 {
        if self.settings.quorum_cnxn_timeout_ms > 0 {
            self.settings.quorum_cnxn_timeout_ms
        } else {
            self.sync_limit_ms()
        }
    }

    fn ticks_ms(&self, ticks: i64) -> i64 {
        ticks.saturating_mul(self.settings.tick_time_ms)
    }

    /// Where to listen for clients.
    #[must_use]
    pub fn client_listen(&self) -> Listen {
        Listen::at(&self.client)
    }

    /// Length of the accept queue of the client port.
    #[must_use]
    pub fn client_listen_backlog(&self) -> u32 {
        u32::try_from(self.settings.client_port_listen_backlog).unwrap_or(LISTEN_BACKLOG_DEFAULT)
    }

    /// Connections from one address, `None` without a limit.
    #[must_use]
    pub fn client_cnxns_per_address_max(&self) -> Option<usize> {
        usize::try_from(self.settings.max_client_cnxns).ok().filter(|max| *max > 0)
    }

    /// Connections altogether, `None` without a limit.
    #[must_use]
    pub fn client_cnxns_max(&self) -> Option<usize> {
        usize::try_from(self.settings.max_cnxns).ok().filter(|max| *max > 0)
    }

    /// Where a leader listens for learners; empty for a standalone server.
    #[must_use]
    pub fn quorum_listen(&self) -> Vec<Listen> {
        self.peer_listen(|address| (&address.host, address.quorum_port))
    }

    /// Where to listen for votes; empty for a standalone server.
    #[must_use]
    pub fn election_listen(&self) -> Vec<Listen> {
        self.peer_listen(|address| (&address.host, address.election_port))
    }

    /// Where a leader with these addresses listens for learners.
    #[must_use]
    pub fn quorum_listen_at(&self, spec: &ServerSpec) -> Vec<Listen> {
        self.listen_at(spec, |address| (&address.host, address.quorum_port))
    }

    fn peer_listen(&self, of: impl Fn(&PeerAddress) -> (&String, u16)) -> Vec<Listen> {
        match self.own_spec().filter(|_| self.mode == Mode::Ensemble) {
            Some(spec) => self.listen_at(spec, of),
            None => Vec::new(),
        }
    }

    /// With `quorumListenOnAllIPs` every interface on the same ports (`MultipleAddresses.getWildcardAddresses`).
    fn listen_at(&self, spec: &ServerSpec, of: impl Fn(&PeerAddress) -> (&String, u16)) -> Vec<Listen> {
        let mut sockets = Vec::new();
        for address in &spec.addresses {
            let (host, port) = of(address);
            let socket = if self.settings.quorum_listen_on_all_ips {
                Listen { host: None, port }
            } else {
                Listen::on(host, port)
            };
            if !sockets.contains(&socket) {
                sockets.push(socket);
            }
        }
        sockets
    }

    /// Goes by a later configuration of the ensemble than the one that was read. Where clients connect follows from it, unless
    /// only the static keys say so.
    pub fn set_membership(&mut self, membership: Membership) {
        if let Some(sid) = self.myid.filter(|sid| !membership.is_member(*sid)) {
            self.joining = self.membership.servers.remove(&sid).or(self.joining.take());
        }
        self.membership = membership;
        if let Some(client) = self.own_spec().and_then(|spec| spec.client.clone()) {
            self.client = client;
        }
    }

    /// The address of the admin server. Apache's answers to everybody; here that is so where the environment is the configuration,
    /// as in a container, which has a network of its own.
    #[must_use]
    pub fn admin_host(&self) -> &str {
        let usual = if self.file.is_none() { EVERYWHERE } else { LOOPBACK };
        self.settings.admin_host.as_deref().unwrap_or(usual)
    }

    /// Digest of the user who may do everything, `user:hash`.
    #[must_use]
    pub fn super_digest(&self) -> Option<&str> {
        self.settings.super_digest.as_deref()
    }
}

impl Listen {
    /// On this host, which may be a wildcard.
    #[must_use]
    pub fn on(host: &str, port: u16) -> Listen {
        Listen { host: (!is_wildcard(host)).then(|| host.to_owned()), port }
    }

    /// Where a server with this client address listens for clients.
    #[must_use]
    pub fn at(client: &ClientAddress) -> Listen {
        Listen::on(&client.host, client.port)
    }
}

fn session_timeout_bounds_ms(settings: &Settings) -> (i64, i64) {
    let bound = |set: Option<i64>, ticks: i64| set.filter(|ms| *ms >= 0).unwrap_or(ticks * settings.tick_time_ms);
    (
        bound(settings.session_timeout_ms_min, SESSION_TIMEOUT_TICKS_MIN),
        bound(settings.session_timeout_ms_max, SESSION_TIMEOUT_TICKS_MAX),
    )
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;

#[cfg(test)]
#[path = "environment_test.rs"]
mod environment_tests;

#[cfg(test)]
#[path = "environment_errors_test.rs"]
mod environment_errors_tests;
