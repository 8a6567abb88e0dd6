//! Host names: looked up at every dial and every bind, because servers move between addresses while others run.
//!
//! The C library's resolver is not used. It loads modules at run time, which a static binary in an empty image cannot; it
//! reads `resolv.conf` at its own pleasure; and one dead name server can hold it up for half a minute. Here the rules are:
//!
//! * `/etc/hosts` comes first, then the name servers of `/etc/resolv.conf`. Both files are read again when they change.
//! * No answer outlives the call. But the last good answer for each name is kept, and given where a fresh one is not to be
//!   had: the name servers are silent or say SERVFAIL, or there is no such name at the moment, as while a pod restarts.
//! * Every wait is bounded ([`RESOLVE_MAX`]) and belongs to the one caller.
//! * Where a name has no address and a service is configured (`ZOOKUBE_SRV`), the service's target with the same first label
//!   gives it. DNS gives addresses and nothing else: who is a member is in the configuration.
//!
//! [`dial`] connects to a name, [`bind`] opens a port under this server's own name.

pub mod bind;
mod conf;
pub mod dial;
mod hosts;
mod known;
mod servers;
#[cfg(test)]
#[path = "../../tests/support/dns.rs"]
pub(crate) mod test_dns;
#[cfg(test)]
pub(crate) mod tests;
mod watched;

use crate::config::Environment;
use hosts::Hosts;
use known::Known;
use parking_lot::Mutex;
use servers::{NoAnswer, Servers};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use watched::Watched;

/// The longest that one name may take, with all its search domains and name servers.
pub const RESOLVE_MAX: Duration = Duration::from_secs(4);
/// How long a dial waits for a fresh answer when it has a last good one.
const SOON: Duration = Duration::from_millis(250);

/// Where names come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverSettings {
    /// The file that names the name servers, of the form of `/etc/resolv.conf`. A server's port may stand behind its address
    /// (`127.0.0.1:5353`).
    pub resolv_conf: PathBuf,
    /// The file of fixed addresses, of the form of `/etc/hosts`.
    pub hosts: PathBuf,
    /// A service (`_election._tcp.zk-headless.ns.svc.cluster.local`) whose targets give names without an address theirs.
    pub srv: Option<String>,
}

impl Default for ResolverSettings {
    fn default() -> ResolverSettings {
        ResolverSettings {
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            hosts: PathBuf::from("/etc/hosts"),
            srv: None,
        }
    }
}

impl ResolverSettings {
    /// The machine's files, unless the environment names others: `ZOOKUBE_RESOLV_CONF` and `ZOOKUBE_HOSTS` are for tests and
    /// special setups. No service.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> ResolverSettings {
        let machine = ResolverSettings::default();
        ResolverSettings {
            resolv_conf: environment.get("ZOOKUBE_RESOLV_CONF").map_or(machine.resolv_conf, PathBuf::from),
            hosts: environment.get("ZOOKUBE_HOSTS").map_or(machine.hosts, PathBuf::from),
            srv: None,
        }
    }
}

/// Finds the addresses of host names. Clones share what is known.
#[derive(Clone)]
pub struct Resolver {
    parts: Arc<Parts>,
}

struct Parts {
    settings: ResolverSettings,
    servers: Watched<Servers>,
    hosts: Watched<Hosts>,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Resolver").field(&self.parts.settings).finish()
    }
}

impl Default for Resolver {
    /// The resolver of this machine.
    fn default() -> Resolver {
        Resolver::new(ResolverSettings::default())
    }
}

/// A question after some time.
enum Begun {
    Answered(io::Result<Vec<SocketAddr>>),
    /// There is not even a last good answer.
    Asking(JoinHandle<io::Result<Vec<SocketAddr>>>),
}

/// Why a name has no fresh address.
enum Miss {
    /// The name servers are sure that it has none.
    NoSuchName(String),
    /// They cannot be asked.
    NoAnswer(String),
}

impl Miss {
    fn reason(&self) -> &str {
        match self {
            Miss::NoSuchName(reason) | Miss::NoAnswer(reason) => reason,
        }
    }
}

impl Resolver {
    /// Reads nothing yet: the files are looked at when a name is asked for.
    #[must_use]
    pub fn new(settings: ResolverSettings) -> Resolver {
        let servers = Watched::new(settings.resolv_conf.clone(), Servers::parse);
        let hosts = Watched::new(settings.hosts.clone(), Hosts::parse);
        Resolver { parts: Arc::new(Parts { settings, servers, hosts, known: Mutex::default() }) }
    }

    /// For the process's own affairs: with the machine's files, or those that the environment names, and no service.
    #[must_use]
    pub fn of_process() -> Resolver {
        Resolver::new(ResolverSettings::from_environment(&Environment::of_process()))
    }

    /// The addresses of a host, never none, IPv4 first as in Java, so that a server and its peers mean the same address by a
    /// name that has both. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the name has no address and never had one; the text says why.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = numeric(host, port) {
            return Ok(vec![address]);
        }
        let addresses = match self.fresh(host).await {
            Ok(mut addresses) => {
                addresses.sort_by_key(IpAddr::is_ipv6);
                self.parts.known.lock().found(host, &addresses);
                addresses
            }
            Err(miss) => {
                let kept = self.parts.known.lock().missed(host, miss.reason());
                if kept.is_empty() {
                    return Err(match miss {
                        Miss::NoSuchName(reason) => io::Error::new(io::ErrorKind::NotFound, reason),
                        Miss::NoAnswer(reason) => io::Error::other(reason),
                    });
                }
                kept
            }
        };
        Ok(with_port(addresses, port))
    }

    /// As [`resolve`](Self::resolve), but a last good answer is given already when a fresh one is not there soon: while the
    /// name servers are down nobody waits for them who knows where to go. The question goes on, and the next call profits.
    ///
    /// # Errors
    /// As there.
    pub async fn resolve_soon(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self.begin(host, port, SOON).await {
            Begun::Answered(answer) => answer,
            Begun::Asking(question) => question.await.unwrap_or_else(cancelled),
        }
    }

    /// As [`resolve_soon`](Self::resolve_soon), for callers who cannot wait longer than `patience` in any case.
    ///
    /// # Errors
    /// As there, and `TimedOut` when there is no answer at all in time.
    pub async fn resolve_within(&self, host: &str, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
        match self.begin(host, port, patience).await {
            Begun::Answered(answer) => answer,
            Begun::Asking(_) => {
                let reason = format!("no answer within {} ms", patience.as_millis());
                Err(io::Error::new(io::ErrorKind::TimedOut, reason))
            }
        }
    }

    async fn begin(&self, host: &str, port: u16, patience: Duration) -> Begun {
        if let Some(address) = numeric(host, port) {
            return Begun::Answered(Ok(vec![address]));
        }
        let (resolver, name) = (self.clone(), host.to_owned());
        let mut question = tokio::spawn(async move { resolver.resolve(&name, port).await });
        if let Ok(answer) = timeout(patience, &mut question).await {
            return Begun::Answered(answer.unwrap_or_else(cancelled));
        }
        let kept = self.parts.known.lock().kept(host);
        if kept.is_empty() { Begun::Asking(question) } else { Begun::Answered(Ok(with_port(kept, port))) }
    }

    /// As [`resolve`](Self::resolve), for threads outside a runtime; what this resolver knows plays no part.
    ///
    /// # Errors
    /// As there, and when the system has no means left for a runtime.
    pub fn resolve_blocking(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Some(address) = numeric(host, port) {
            return Ok(vec![address]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // The clients of name servers belong to the runtime that first used them.
        runtime.block_on(Resolver::new(self.parts.settings.clone()).resolve(host, port))
    }

    async fn fresh(&self, host: &str) -> Result<Vec<IpAddr>, Miss> {
        let fixed = self.parts.hosts.get().look_up(host);
        if !fixed.is_empty() {
            return Ok(fixed);
        }
        match timeout(RESOLVE_MAX, self.ask(host)).await {
            Ok(found) => found,
            Err(_) => Err(Miss::NoAnswer(format!("no answer within {} ms", RESOLVE_MAX.as_millis()))),
        }
    }

    async fn ask(&self, host: &str) -> Result<Vec<IpAddr>, Miss> {
        let servers = self.parts.servers.get();
        let Some(service) = &self.parts.settings.srv else { return by_name(&servers, host).await };
        // Side by side: the name's own question may end in a silent forwarder when the service is answered at once.
        let mut own = pin!(by_name(&servers, host));
        let mut by_service = pin!(by_service(&servers, service, host));
        let mut target = None;
        let own = loop {
            tokio::select! {
                own = &mut own => break own,
                found = &mut by_service, if target.is_none() => target = Some(found),
            }
        };
        let Err(own) = own else { return own };
        let target = match target {
            Some(found) => found,
            None => by_service.await,
        };
        target.map_err(|target| match (own, target) {
            (Miss::NoSuchName(own), Miss::NoSuchName(target)) => Miss::NoSuchName(format!("{own}; {target}")),
            (own, target) => Miss::NoAnswer(format!("{}; {}", own.reason(), target.reason())),
        })
    }
}

fn with_port(addresses: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

/// Questions are cancelled only together with the process.
fn cancelled(error: JoinError) -> io::Result<Vec<SocketAddr>> {
    Err(io::Error::other(error))
}

/// An address that needs no looking up; an IPv6 one may name its zone by number (`fe80::1%2`).
fn numeric(host: &str, port: u16) -> Option<SocketAddr> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, port)),
        Err(_) => format!("[{host}]:{port}").parse::<SocketAddrV6>().ok().map(SocketAddr::V6),
    }
}

async fn by_name(servers: &Servers, host: &str) -> Result<Vec<IpAddr>, Miss> {
    search(servers, host, |name| async move { servers.addresses(&name).await }).await
}

/// The addresses of the service's target whose first label is the host's.
async fn by_service(servers: &Servers, service: &str, host: &str) -> Result<Vec<IpAddr>, Miss> {
    let first_label = host.split('.').next().unwrap_or_default();
    let targets = search(servers, service, |name| async move { servers.targets(&name).await }).await?;
    let mut addresses = Vec::new();
    for target in targets {
        let label = target.iter().next().unwrap_or_default();
        if label.eq_ignore_ascii_case(first_label.as_bytes()) {
            let found = servers.addresses(&target).await;
            addresses.extend(found.map_err(|no_answer| Miss::NoAnswer(no_answer.reason))?);
        }
    }
    if addresses.is_empty() {
        return Err(Miss::NoSuchName(format!("no target of {service} begins with {first_label}")));
    }
    Ok(addresses)
}

/// Asks for every full name that `host` may mean, until one is there. A server that says SERVFAIL may know the next name (a
/// forwarder without a way out fails for all but its own); one that is silent will be silent again.
async fn search<T, F>(
    servers: &Servers,
    host: &str,
    ask: impl Fn(hickory_resolver::proto::rr::Name) -> F,
) -> Result<Vec<T>, Miss>
where
    F: Future<Output = Result<Vec<T>, NoAnswer>>,
{
    let mut unanswered = None;
    let mut asked = Vec::new();
    for name in servers.conf.candidates(host) {
        asked.push(name.to_string());
        match ask(name).await {
            Ok(found) if !found.is_empty() => return Ok(found),
            Ok(_) => {}
            Err(NoAnswer { silent: true, reason }) => return Err(Miss::NoAnswer(reason)),
            Err(NoAnswer { silent: false, reason }) => unanswered = Some(reason),
        }
    }
    Err(match unanswered {
        Some(reason) => Miss::NoAnswer(reason),
        None if asked.is_empty() => Miss::NoSuchName(format!("{host} is not a host name")),
        None => Miss::NoSuchName(format!("no such name: {}", asked.join(" "))),
    })
}
