//! Asking the name servers. hickory-resolver speaks to each of them; which one is believed, and for how long it is waited
//! for, is decided here.
//!
//! The library's own pool gives up at the first SERVFAIL and waits for a dead server before it tries the third, and its cache
//! would hide a peer's new address. So each server has a pool of its own, without a cache.

use super::conf::Conf;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long the first server may think before the next is asked as well.
const STAGGER: Duration = Duration::from_millis(300);
/// How long IPv6 addresses are waited for when IPv4 addresses are there.
const SECOND_FAMILY: Duration = Duration::from_millis(100);
/// Addresses of one name; more are ignored.
const ADDRESSES_MAX: usize = 32;

/// Why a question has no answer. That there is no such name is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoAnswer {
    /// Whether no server has said anything, so that the next question would wait as long again.
    pub silent: bool,
    /// Which server does what.
    pub reason: String,
}

/// The name servers of one state of the file.
pub(super) struct Servers {
    /// What the file says.
    pub conf: Conf,
    each: Vec<(SocketAddr, TokioResolver)>,
}

impl Servers {
    /// The servers that a `resolv.conf` names.
    pub fn parse(text: &str) -> Servers {
        let conf = Conf::parse(text);
        let each = conf.servers.iter().filter_map(|server| Some((*server, client(*server, conf.patience)?))).collect();
        Servers { conf, each }
    }

    /// The addresses of a full name, IPv4 first; none if there is no such name.
    pub async fn addresses(&self, name: &Name) -> Result<Vec<IpAddr>, NoAnswer> {
        let mut four = pin!(self.ask(name, RecordType::A));
        let mut six = pin!(self.ask(name, RecordType::AAAA));
        let (four, six) = tokio::select! {
            four = &mut four => {
                let found = four.as_ref().is_ok_and(|found| !found.is_empty());
                // Some servers never answer questions for IPv6 addresses.
                let six = if found { timeout(SECOND_FAMILY, six).await.unwrap_or(Ok(Vec::new())) } else { six.await };
                (four, six)
            }
            six = &mut six => (four.await, six),
        };
        let found = four.iter().chain(&six).flatten();
        let addresses: Vec<IpAddr> = found.filter_map(RData::ip_addr).take(ADDRESSES_MAX).collect();
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        four.and(six).map(|_| addresses)
    }

    /// The targets of a service.
    pub async fn targets(&self, service: &Name) -> Result<Vec<Name>, NoAnswer> {
        let found = self.ask(service, RecordType::SRV).await?;
        let target = |data: RData| match data {
            RData::SRV(srv) => Some(srv.target),
            _ => None,
        };
        Ok(found.into_iter().filter_map(target).collect())
    }

    /// Asks one server after the other, the next when one fails or takes its time. The first that knows is believed, also
    /// when it knows that there is nothing.
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Vec<RData>, NoAnswer> {
        let mut left = self.each.iter();
        let mut asked = JoinSet::new();
        let mut failed: Vec<NoAnswer> = Vec::new();
        loop {
            if let Some((server, client)) = left.next() {
                asked.spawn(ask_one(*server, client.clone(), self.conf.patience, name.clone(), kind));
            }
            let answer = tokio::select! {
                answer = asked.join_next() => answer,
                () = sleep(STAGGER), if left.len() > 0 => continue,
            };
            match answer {
                Some(Ok(Ok(found))) => return Ok(found),
                Some(Ok(Err(no_answer))) => failed.push(no_answer),
                // Cancelled only together with the process.
                Some(Err(_)) => {}
                None => {
                    let silent = failed.iter().all(|server| server.silent);
                    let reasons: Vec<String> = failed.into_iter().map(|server| server.reason).collect();
                    return Err(NoAnswer { silent, reason: reasons.join(", ") });
                }
            }
        }
    }
}

fn client(server: SocketAddr, patience: Duration) -> Option<TokioResolver> {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = vec![with_port(ConnectionConfig::udp()), with_port(ConnectionConfig::tcp())];
    let config =
        ResolverConfig::from_parts(None, Vec::new(), vec![NameServerConfig::new(server.ip(), true, connections)]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = patience;
    // A lost datagram is sent again within the patience; what failed is asked again at the next dial.
    options.attempts = 0;
    // As in the C library: some name servers of containers and routers refuse the extension. Long answers come over TCP.
    options.edns0 = false;
    options.cache_size = 0;
    options.positive_max_ttl = Some(Duration::ZERO);
    options.negative_max_ttl = Some(Duration::ZERO);
    match builder.build() {
        Ok(client) => Some(client),
        Err(error) => {
            tracing::warn!("name server {server} is not used: {error}");
            None
        }
    }
}

async fn ask_one(
    server: SocketAddr,
    client: TokioResolver,
    patience: Duration,
    name: Name,
    kind: RecordType,
) -> Result<Vec<RData>, NoAnswer> {
    let silent = || NoAnswer { silent: true, reason: format!("name server {server} does not answer") };
    match timeout(patience, client.lookup(name, kind)).await {
        Ok(Ok(found)) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
        Ok(Err(NetError::Dns(DnsError::NoRecordsFound(_)))) => Ok(Vec::new()),
        Ok(Err(NetError::Dns(DnsError::ResponseCode(code)))) => {
            Err(NoAnswer { silent: false, reason: format!("name server {server} says {code}") })
        }
        Ok(Err(NetError::Timeout)) | Err(_) => Err(silent()),
        Ok(Err(error)) => Err(NoAnswer { silent: true, reason: format!("name server {server}: {error}") }),
    }
}
