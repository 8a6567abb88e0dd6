//! Who belongs to the ensemble, who may vote, and whether a set of servers is a quorum.
//!
//! A [`Membership`] is what Apache calls a quorum verifier (`QuorumMaj`, `QuorumHierarchical`). Its text form is the tail of
//! every election notification, the payload of NEWLEADER, the data of `/zookeeper/config` and the answer to a reconfig
//! request, so [`Membership::to_text`] produces Apache's bytes. The text arrives from peers too: parsing never panics, and
//! what it builds is no larger than the text.
//!
//! The module knows nothing of who is alive or connected: callers hand it a set of acknowledgements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv6Addr;

use wire::ServerId;

use crate::properties;

/// Longest host name accepted in a server line; DNS allows 253 bytes, an IPv6 literal with a zone needs fewer.
const HOST_BYTES_MAX: usize = 255;
/// Where clients connect when a server line gives only a client port.
const CLIENT_HOST_DEFAULT: &str = "0.0.0.0";
/// The form of a server line, quoted by every message about one.
const FORM: &str = "<host>:<quorum port>:<election port>[:participant|observer][;[<client host>:]<client port>]";

/// The members of an ensemble and the rule that makes some of them a quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Every member, voters and observers.
    pub servers: BTreeMap<ServerId, ServerSpec>,
    /// Groups of a hierarchical quorum, each ascending; empty for a plain majority.
    pub groups: BTreeMap<i64, Vec<ServerId>>,
    /// Weights of a hierarchical quorum, every voter included; empty for a plain majority.
    pub weights: BTreeMap<ServerId, i64>,
    /// The zxid of the reconfiguration that created this membership, 0 for one read from a static file.
    pub version: i64,
}

/// One `server.N` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// At least one; several only with `multiAddress.enabled`. Ascending by host.
    pub addresses: Vec<PeerAddress>,
    /// Whether the server votes.
    pub role: MemberRole,
    /// Where its clients connect, if known.
    pub client: Option<ClientAddress>,
}

/// Where other servers reach a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddress {
    /// Host name or address. An IPv6 address carries no brackets and is written as Java prints it (`0:0:0:0:0:0:0:1`).
    pub host: String,
    /// The port on which a leader accepts learners.
    pub quorum_port: u16,
    /// The port of leader election.
    pub election_port: u16,
}

/// Whether a member votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberRole {
    /// Votes, and may lead.
    Participant,
    /// Only learns what was committed.
    Observer,
}

/// Where clients reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// Host name or address, IPv6 as in [`PeerAddress::host`].
    pub host: String,
    /// The port.
    pub port: u16,
    /// Taken from the static `clientPort` key rather than from the server line; such an address is never printed
    /// (`QuorumServer.isClientAddrFromStatic`).
    pub from_static: bool,
}

/// What is wrong with the value of a `server.N` key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerLineError {
    /// Fewer than a host and two ports, or more than a role behind them.
    #[error("`{found}` does not have the form {FORM}: {problem}")]
    Form {
        /// The address as written.
        found: String,
        /// The part that is missing or superfluous.
        problem: &'static str,
    },
    /// A port that is not a number from 0 to 65535.
    #[error("`{found}` in `{address}` is not a port: expected a number from 1 to 65535")]
    Port {
        /// The address as written.
        address: String,
        /// The port as written.
        found: String,
    },
    /// Both server ports are the same.
    #[error(
        "`{address}` has quorum port and election port {port}: they must differ; use for example {port} and {example}"
    )]
    EqualPorts {
        /// The address as written.
        address: String,
        /// The port.
        port: u16,
        /// A port that would do.
        example: u16,
    },
    /// An empty or impossible host.
    #[error("`{found}` is not a host name or address")]
    Host {
        /// The host as written.
        found: String,
    },
    /// The fourth field is no role.
    #[error("`{found}` is not a role: expected participant or observer")]
    Role {
        /// The role as written.
        found: String,
    },
    /// Several addresses of one server with different roles.
    #[error("`{found}` gives one server two roles")]
    TwoRoles {
        /// The whole value as written.
        found: String,
    },
}

/// Why a text is not a membership.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Not even the syntax of a properties file.
    #[error(transparent)]
    Syntax(#[from] properties::BadEscape),
    /// A key other than `server.N`, `group.N`, `weight.N` and `version`.
    #[error("unrecognised parameter `{0}`: expected server.N, group.N, weight.N or version")]
    UnknownKey(String),
    /// A number that is none.
    #[error("{key}: `{found}` is not {expected}")]
    Number {
        /// The key.
        key: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
    /// A bad server line.
    #[error("server.{sid}: {problem}")]
    Server {
        /// The server.
        sid: ServerId,
        /// What is wrong with its line.
        problem: ServerLineError,
    },
    /// A server, group, weight or the version given twice.
    #[error("{0} is given twice")]
    Duplicate(String),
    /// A server is listed in two groups, or twice in one.
    #[error("server {0} is in more than one group")]
    TwoGroups(ServerId),
    /// With groups, every voter must be in one.
    #[error("server {0} is not in a group: with groups or weights every participant needs one")]
    NoGroup(ServerId),
    /// A group lists a server of which nothing is known.
    #[error("group.{group} lists server {sid}, which is not a participant and has no weight")]
    UnknownInGroup {
        /// The group.
        group: i64,
        /// The server.
        sid: ServerId,
    },
}

impl Membership {
    /// Reads the text form: properties syntax, any order, nothing but members, groups, weights and version
    /// (`QuorumPeerConfig.parseDynamicConfig`).
    ///
    /// Empty text is the membership of nobody, version 0.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub fn parse(text: &str) -> Result<Membership, MembershipError> {
        let entries = properties::parse(text)?;
        Membership::from_entries(entries.iter().map(|entry| (entry.key.trim(), entry.value.trim())))
    }

    /// Builds a membership from keys and values that were already split, for a file that holds other keys as well.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub fn from_entries<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Membership, MembershipError> {
        let mut membership = Membership::default();
        let mut version_seen = false;
        let mut group_of = BTreeMap::new();
        for (key, value) in entries {
            let fresh = if key == "version" {
                membership.version =
                    i64::from_str_radix(value, 16).map_err(|_| bad(key, value, "a hexadecimal number"))?;
                !std::mem::replace(&mut version_seen, true)
            } else if key.starts_with("server.") {
                let sid = ServerId(number_in_key(key)?);
                let spec = parse_server_line(value).map_err(|problem| MembershipError::Server { sid, problem })?;
                membership.servers.insert(sid, spec).is_none()
            } else if key.starts_with("group") {
                let group = number_in_key(key)?;
                let members = parse_group(key, value, group, &mut group_of)?;
                membership.groups.insert(group, members).is_none()
            } else if key.starts_with("weight") {
                let sid = ServerId(number_in_key(key)?);
                let weight = value.parse().ok().filter(|weight| *weight >= 0);
                let weight = weight.ok_or_else(|| bad(key, value, "a weight: expected a number from 0"))?;
                membership.weights.insert(sid, weight).is_none()
            } else {
                return Err(MembershipError::UnknownKey(key.to_owned()));
            };
            if !fresh {
                return Err(MembershipError::Duplicate(key.to_owned()));
            }
        }
        membership.complete_groups(&group_of)?;
        Ok(membership)
    }

    /// `QuorumHierarchical.parse`: a voter without a weight weighs 1, a voter without a group is an error.
    fn complete_groups(&mut self, group_of: &BTreeMap<ServerId, i64>) -> Result<(), MembershipError> {
        if !self.is_hierarchical() {
            return Ok(());
        }
        let voters: Vec<ServerId> = self.voters().collect();
        for sid in voters {
            if !group_of.contains_key(&sid) {
                return Err(MembershipError::NoGroup(sid));
            }
            self.weights.entry(sid).or_insert(1);
        }
        for (&sid, &group) in group_of {
            if !self.weights.contains_key(&sid) {
                return Err(MembershipError::UnknownInGroup { group, sid });
            }
        }
        Ok(())
    }

    /// The text form, ascending by server id, with no newline at the end (`QuorumMaj.toString`).
    #[must_use]
    pub fn to_text(&self) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        let mut line =
            |arguments: fmt::Arguments<'_>| text.write_fmt(arguments).expect("writing to a String cannot fail");
        for (sid, spec) in &self.servers {
            line(format_args!("server.{sid}={spec}\n"));
        }
        for (group, members) in &self.groups {
            let members: Vec<String> = members.iter().map(ServerId::to_string).collect();
            line(format_args!("group.{group}={}\n", members.join(":")));
        }
        for (sid, weight) in &self.weights {
            line(format_args!("weight.{sid}={weight}\n"));
        }
        line(format_args!("version={:x}", self.version));
        text
    }

    /// Whether groups and weights decide, rather than a plain majority.
    #[must_use]
    pub fn is_hierarchical(&self) -> bool {
        !self.groups.is_empty() || !self.weights.is_empty()
    }

    /// Whether `sid` is a member that votes.
    #[must_use]
    pub fn is_voter(&self, sid: ServerId) -> bool {
        self.role(sid) == Some(MemberRole::Participant)
    }

    /// Whether `sid` is a member at all.
    #[must_use]
    pub fn is_member(&self, sid: ServerId) -> bool {
        self.servers.contains_key(&sid)
    }

    /// The role of `sid`, if it is a member.
    #[must_use]
    pub fn role(&self, sid: ServerId) -> Option<MemberRole> {
        self.servers.get(&sid).map(|spec| spec.role)
    }

    /// The members that vote, ascending.
    pub fn voters(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.members_with(MemberRole::Participant)
    }

    /// The members that do not vote, ascending.
    pub fn observers(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.members_with(MemberRole::Observer)
    }

    fn members_with(&self, role: MemberRole) -> impl Iterator<Item = ServerId> + '_ {
        self.servers.iter().filter(move |(_, spec)| spec.role == role).map(|(&sid, _)| sid)
    }

    /// The weight of a server in elections: one of weight 0 is never elected. Without groups everybody weighs 1; with
    /// them a server that nobody weighed weighs 0 (Apache fails with a null pointer there).
    #[must_use]
    pub fn weight(&self, sid: ServerId) -> i64 {
        if self.is_hierarchical() { self.weights.get(&sid).copied().unwrap_or(0) } else { 1 }
    }

    /// Whether the voters among `acks` are a quorum. Acknowledgements of observers and strangers never count.
    #[must_use]
    pub fn is_quorum(&self, acks: &BTreeSet<ServerId>) -> bool {
        if self.is_hierarchical() {
            return self.is_quorum_of_groups(acks);
        }
        let acked = acks.iter().filter(|sid| self.is_voter(**sid)).count();
        acked > self.voters().count() / 2
    }

    /// `QuorumHierarchical.containsQuorum`: more than half the weight in more than half the groups that weigh anything.
    fn is_quorum_of_groups(&self, acks: &BTreeSet<ServerId>) -> bool {
        let mut groups_with_weight = 0;
        let mut groups_won = 0;
        for members in self.groups.values() {
            // Wide enough that no number of 64-bit weights in one text can overflow it.
            let total: i128 = members.iter().map(|sid| i128::from(self.weight(*sid))).sum();
            let acked: i128 = members
                .iter()
                .filter(|sid| acks.contains(sid) && self.is_voter(**sid))
                .map(|sid| i128::from(self.weight(*sid)))
                .sum();
            assert!(acked <= total, "group weighs {total} but its acks weigh {acked}");
            groups_with_weight += usize::from(total > 0);
            groups_won += usize::from(acked > total / 2);
        }
        groups_won > groups_with_weight / 2
    }

    /// How many of these servers, a quorum, can be lost, whichever they are, with the rest still a quorum.
    #[must_use]
    pub fn margin(&self, synced: &BTreeSet<ServerId>) -> usize {
        if !self.is_quorum(synced) {
            return 0;
        }
        if self.is_hierarchical() {
            return self.margin_of_groups(synced);
        }
        let voters = self.voters().count();
        synced.iter().filter(|sid| self.is_voter(**sid)).count() - (voters / 2 + 1)
    }

    /// The least that breaks the quorum, less one: the groups that are lost with the fewest servers, the heaviest first.
    fn margin_of_groups(&self, synced: &BTreeSet<ServerId>) -> usize {
        let mut groups_with_weight = 0;
        let mut to_lose: Vec<usize> = Vec::new();
        for members in self.groups.values() {
            let total: i128 = members.iter().map(|sid| i128::from(self.weight(*sid))).sum();
            groups_with_weight += usize::from(total > 0);
            let acked = members.iter().filter(|sid| synced.contains(sid) && self.is_voter(**sid));
            let mut weights: Vec<i128> = acked.map(|sid| i128::from(self.weight(*sid))).collect();
            weights.sort_unstable();
            let mut left: i128 = weights.iter().sum();
            let mut lost = 0;
            while left > total / 2 {
                left -= weights.pop().unwrap_or(left);
                lost += 1;
            }
            if lost > 0 {
                to_lose.push(lost);
            }
        }
        to_lose.sort_unstable();
        let groups = to_lose.len() - groups_with_weight / 2;
        to_lose.iter().take(groups).sum::<usize>().saturating_sub(1)
    }

    /// Apache's equality of verifiers: the same version, or the same members with the same addresses and roles.
    #[must_use]
    pub fn agrees_with(&self, other: &Membership) -> bool {
        let same_address = |a: &ClientAddress, b: &ClientAddress| a.host == b.host && a.port == b.port;
        let same_client = |a: &Option<ClientAddress>, b: &Option<ClientAddress>| match (a, b) {
            (Some(a), Some(b)) => same_address(a, b),
            (None, None) => true,
            _ => false,
        };
        let same_members = || {
            self.servers.len() == other.servers.len()
                && self.servers.iter().all(|(sid, a)| {
                    other.servers.get(sid).is_some_and(|b| {
                        a.role == b.role && a.addresses == b.addresses && same_client(&a.client, &b.client)
                    })
                })
        };
        self.version == other.version
            || (same_members() && self.groups == other.groups && self.weights == other.weights)
    }
}

fn bad(key: &str, found: &str, expected: &'static str) -> MembershipError {
    MembershipError::Number { key: key.to_owned(), found: found.to_owned(), expected }
}

/// The number behind the first dot of `server.N`, `group.N`, `weight.N`.
fn number_in_key(key: &str) -> Result<i64, MembershipError> {
    let digits = key.split_once('.').map_or("", |(_, digits)| digits);
    digits.parse().map_err(|_| bad(key, digits, "a number"))
}

fn parse_group(
    key: &str,
    value: &str,
    group: i64,
    group_of: &mut BTreeMap<ServerId, i64>,
) -> Result<Vec<ServerId>, MembershipError> {
    let mut members = Vec::new();
    for part in split_like_java(value, ':') {
        let sid = part.parse().map(ServerId).map_err(|_| bad(key, value, "a list of server ids separated by `:`"))?;
        if group_of.insert(sid, group).is_some() {
            return Err(MembershipError::TwoGroups(sid));
        }
        members.push(sid);
    }
    // Apache prints a group's servers in the order of a hash map of small numbers, which is ascending.
    members.sort_unstable();
    Ok(members)
}

/// `String.split`: empty strings at the end are dropped, but the first string always exists.
fn split_like_java(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

/// Reads the value of a `server.N` key, the grammar of 3.9 (`QuorumServer.initializeWithAddressString`).
///
/// Several addresses are always understood here; whether they are allowed (`multiAddress.enabled`) is for the caller.
///
/// # Errors
/// See [`ServerLineError`].
pub fn parse_server_line(value: &str) -> Result<ServerSpec, ServerLineError> {
    let parts = split_like_java(value.trim(), ';');
    let (servers, client) = match parts[..] {
        [servers] => (servers, None),
        [servers, client] => (servers, Some(parse_client_address(client)?)),
        _ => return Err(form(value, "there is more than one `;`")),
    };
    let mut addresses: Vec<PeerAddress> = Vec::new();
    let mut role = None;
    for text in split_like_java(servers, '|') {
        let (address, its_role) = parse_peer_address(text)?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        if let Some(its_role) = its_role
            && *role.get_or_insert(its_role) != its_role
        {
            return Err(ServerLineError::TwoRoles { found: value.to_owned() });
        }
    }
    addresses.sort_by(|a, b| a.host.cmp(&b.host));
    Ok(ServerSpec { addresses, role: role.unwrap_or(MemberRole::Participant), client })
}

fn form(found: &str, problem: &'static str) -> ServerLineError {
    ServerLineError::Form { found: found.to_owned(), problem }
}

fn parse_peer_address(text: &str) -> Result<(PeerAddress, Option<MemberRole>), ServerLineError> {
    let parts = split_host_and_rest(text)?;
    let (host, quorum, election, role) = match parts[..] {
        [host, quorum, election] => (host, quorum, election, None),
        [host, quorum, election, role] => (host, quorum, election, Some(parse_role(role)?)),
        [_] | [_, _] => return Err(form(text, "a port is missing")),
        _ => return Err(form(text, "there are too many `:`; an IPv6 address needs brackets")),
    };
    let host = parse_host(host)?;
    let quorum_port = parse_port(text, quorum)?;
    let election_port = parse_port(text, election)?;
    if quorum_port == election_port {
        let example = quorum_port.checked_add(1000).unwrap_or_else(|| quorum_port - 1000);
        return Err(ServerLineError::EqualPorts { address: text.to_owned(), port: quorum_port, example });
    }
    Ok((PeerAddress { host, quorum_port, election_port }, role))
}

fn parse_client_address(text: &str) -> Result<ClientAddress, ServerLineError> {
    let parts = split_host_and_rest(text)?;
    let (host, port) = match parts[..] {
        [port] => (CLIENT_HOST_DEFAULT, port),
        [host, port] => (host, port),
        _ => return Err(form(text, "behind `;` belongs a client port, or a client host, `:` and port")),
    };
    Ok(ClientAddress { host: parse_host(host)?, port: parse_port(text, port)?, from_static: false })
}

/// `ConfigUtils.getHostAndPort`: splits at colons, except inside leading brackets.
fn split_host_and_rest(text: &str) -> Result<Vec<&str>, ServerLineError> {
    let Some(bracketed) = text.strip_prefix('[') else {
        return Ok(split_like_java(text, ':'));
    };
    let (host, rest) = bracketed.split_once(']').ok_or_else(|| form(text, "`[` has no matching `]`"))?;
    let rest = rest.strip_prefix(':').ok_or_else(|| form(text, "behind `]` belongs `:` and a port"))?;
    let mut parts = vec![host];
    parts.extend(split_like_java(rest, ':'));
    Ok(parts)
}

fn parse_port(address: &str, found: &str) -> Result<u16, ServerLineError> {
    found.parse().map_err(|_| ServerLineError::Port { address: address.to_owned(), found: found.to_owned() })
}

fn parse_role(text: &str) -> Result<MemberRole, ServerLineError> {
    let text = text.trim();
    match () {
        () if text.eq_ignore_ascii_case("participant") => Ok(MemberRole::Participant),
        () if text.eq_ignore_ascii_case("observer") => Ok(MemberRole::Observer),
        () => Err(ServerLineError::Role { found: text.to_owned() }),
    }
}

/// Checks a host and brings an IPv6 address into the form in which Java prints it, because the text form is compared and
/// stored as bytes.
fn parse_host(text: &str) -> Result<String, ServerLineError> {
    // What would end or change the value when the text form is read back.
    let structural = |c: char| c.is_whitespace() || c.is_control() || "\\|;[]/=".contains(c);
    if text.is_empty() || text.len() > HOST_BYTES_MAX || text.contains(structural) {
        return Err(ServerLineError::Host { found: text.to_owned() });
    }
    if !text.contains(':') {
        return Ok(text.to_owned());
    }
    let (address, zone) = text.split_at(text.find('%').unwrap_or(text.len()));
    let address: Ipv6Addr = address.parse().map_err(|_| ServerLineError::Host { found: text.to_owned() })?;
    if let Some(v4) = address.to_ipv4_mapped() {
        return Ok(v4.to_string());
    }
    let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:x}")).collect();
    Ok(groups.join(":") + zone)
}

/// A host as it stands in a text form: an IPv6 address in brackets (`QuorumServer.delimitedHostString`).
struct Delimited<'a>(&'a str);

impl fmt::Display for Delimited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(self.0) }
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MemberRole::Participant => "participant",
            MemberRole::Observer => "observer",
        })
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Delimited(&self.host), self.port)
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", Delimited(&self.host), self.quorum_port, self.election_port)
    }
}

/// The value of the `server.N` key in the text form (`QuorumServer.toString`): the role is always written.
impl fmt::Display for ServerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.addresses.iter().enumerate() {
            write!(f, "{}{address}", if index == 0 { "" } else { "|" })?;
        }
        write!(f, ":{}", self.role)?;
        match &self.client {
            Some(client) if !client.from_static => write!(f, ";{client}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "quorum_test.rs"]
mod tests;
