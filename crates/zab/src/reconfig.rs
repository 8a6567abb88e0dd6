//! What a request to change the ensemble comes to (`PrepRequestProcessor.pRequest2Txn`, case reconfig).

use crate::quorum::{Membership, MembershipError, ServerSpec, parse_server_line};
use std::net::IpAddr;
use wire::ServerId;
use wire::client::ReconfigRequest;

/// Why a request to change the ensemble is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconfigRefusal {
    /// It was made for another configuration than the last one.
    #[error("the configuration has version {found:x}, not {expected:x}. hint: read /zookeeper/config and ask again")]
    Version {
        /// The version that it names.
        expected: i64,
        /// The one that there is.
        found: i64,
    },
    /// Servers cannot join or leave one by one where groups decide.
    #[error("the ensemble has groups: name all members of the next configuration, with their groups")]
    Groups,
    /// What is to leave, or whose line is given, is no server id. (Apache answers this as a request that it cannot read.)
    #[error("`{0}` is not a server id")]
    Id(String),
    /// What is to join is no server line.
    #[error(
        "`{0}` is not a server line: expected server.N=<host>:<quorum port>:<election port>[:role];[<host>:]<client port>"
    )]
    Joining(String),
    /// Two servers would use one port.
    #[error("{address} of server.{sid} conflicts with the same of server.{other}")]
    Conflict {
        /// The address.
        address: String,
        /// Who joins.
        sid: ServerId,
        /// Who has it.
        other: ServerId,
    },
    /// The whole configuration as given cannot be read.
    #[error(transparent)]
    Members(#[from] MembershipError),
    /// Observers are named and nobody for them to observe. (Apache does not expect that either.)
    #[error("{observers} servers would observe and {voters} vote, which is too few for them to follow")]
    OnlyObservers {
        /// How many would observe.
        observers: usize,
        /// How many would vote.
        voters: usize,
    },
    /// Nobody, or too few, would vote.
    #[error("{voters} servers would vote, and at least {needed} must")]
    Voters {
        /// How many would.
        voters: usize,
        /// How many must.
        needed: usize,
    },
}

/// The configuration that follows `last` when this request is granted, except that it has no version of its own yet.
///
/// `standalone_enabled`: a server alone in its configuration starts without the protocols of an ensemble, so that an ensemble
/// must never shrink to one.
///
/// # Errors
/// See [`ReconfigRefusal`].
pub fn next_membership(
    last: &Membership,
    request: &ReconfigRequest<'_>,
    standalone_enabled: bool,
) -> Result<Membership, ReconfigRefusal> {
    let ReconfigRequest { joining, leaving, members, config_version } = *request;
    if config_version != -1 && config_version != last.version {
        return Err(ReconfigRefusal::Version { expected: config_version, found: last.version });
    }
    let next = match members {
        Some(members) => all_anew(members, standalone_enabled)?,
        None if last.is_hierarchical() => return Err(ReconfigRefusal::Groups),
        None => joined_and_left(last, joining, leaving)?,
    };
    let voters = next.voters().count();
    let needed = if standalone_enabled { 2 } else { 1 };
    if voters < needed {
        return Err(ReconfigRefusal::Voters { voters, needed });
    }
    Ok(next)
}

/// The whole configuration (`QuorumPeerConfig.parseDynamicConfig`).
fn all_anew(members: &str, standalone_enabled: bool) -> Result<Membership, ReconfigRefusal> {
    let next = Membership::parse(&members.replace(',', "\n"))?;
    let (voters, observers) = (next.voters().count(), next.observers().count());
    let too_few = match voters {
        0 => observers > 0 || !standalone_enabled,
        1 => observers > 0 && standalone_enabled,
        _ => false,
    };
    if too_few { Err(ReconfigRefusal::OnlyObservers { observers, voters }) } else { Ok(next) }
}

/// First the leaving go, then the joining come; one that is there already is replaced.
fn joined_and_left(
    last: &Membership,
    joining: Option<&str>,
    leaving: Option<&str>,
) -> Result<Membership, ReconfigRefusal> {
    let mut next = last.clone();
    for leaving in parts(leaving, ',') {
        let sid = leaving.parse().map_err(|_| ReconfigRefusal::Id(leaving.to_owned()))?;
        next.servers.remove(&ServerId(sid));
    }
    for line in parts(joining, ',') {
        let wrong = || ReconfigRefusal::Joining(line.to_owned());
        let mut sides = parts(Some(line), '=');
        let (Some(key), Some(value), None) = (sides.next(), sides.next(), sides.next()) else { return Err(wrong()) };
        let sid = key.rsplit('.').next().unwrap_or(key);
        let sid = sid.parse().map_err(|_| ReconfigRefusal::Id(sid.to_owned()))?;
        let sid = ServerId(sid);
        let spec = parse_server_line(value).map_err(|_| wrong())?;
        if spec.client.is_none() {
            return Err(wrong());
        }
        for (&other, theirs) in next.servers.iter().filter(|(other, _)| **other != sid) {
            if let Some(address) = shared_address(&spec, theirs) {
                return Err(ReconfigRefusal::Conflict { address, sid, other });
            }
        }
        next.servers.insert(sid, spec);
    }
    Ok(next)
}

/// `StringUtils.split`: without empty parts, each trimmed.
fn parts(text: Option<&str>, separator: char) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(move |text| text.split(separator)).map(str::trim).filter(|part| !part.is_empty())
}

/// An address that both would use (`checkAddressDuplicate`). The same port of a wildcard or a loopback address may be meant for
/// two machines.
fn shared_address(ours: &ServerSpec, theirs: &ServerSpec) -> Option<String> {
    let theirs: Vec<(&str, u16)> = addresses(theirs).collect();
    let shared = addresses(ours).find(|ours| theirs.contains(ours))?;
    Some(format!("{}:{}", shared.0, shared.1))
}

fn addresses(spec: &ServerSpec) -> impl Iterator<Item = (&str, u16)> {
    let peer = spec.addresses.iter();
    let peer = peer.flat_map(|own| [(own.host.as_str(), own.quorum_port), (own.host.as_str(), own.election_port)]);
    let client = spec.client.iter().map(|client| (client.host.as_str(), client.port));
    peer.chain(client).filter(|(host, _)| {
        let is_special = |ip: IpAddr| ip.is_unspecified() || ip.is_loopback();
        *host != "localhost" && !host.parse().is_ok_and(is_special)
    })
}

/// How the members of two configurations differ, for the log: who comes, who goes, who changes its role.
#[must_use]
pub fn difference(before: &Membership, after: &Membership) -> String {
    let mut changes = Vec::new();
    for (sid, spec) in &after.servers {
        match before.servers.get(sid) {
            None => changes.push(format!("+{sid} ({})", spec.role)),
            Some(old) if old.role != spec.role => changes.push(format!("{sid} now {}", spec.role)),
            Some(old) if old != spec => changes.push(format!("{sid} moves")),
            Some(_) => {}
        }
    }
    changes.extend(before.servers.keys().filter(|sid| !after.is_member(**sid)).map(|sid| format!("-{sid}")));
    if changes.is_empty() { "the same members".to_owned() } else { changes.join(", ") }
}

#[cfg(test)]
#[path = "reconfig_test.rs"]
mod tests;
