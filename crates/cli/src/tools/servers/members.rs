//! Who the members of an ensemble are: the text of `/zookeeper/config`, of `conf`, or a connect string.
//!
//! Pure. Nothing here trusts the text: a line that makes no sense is left out.

use client::HostPort;
use serde_json::Value;

/// The port of clients where the text names none.
const CLIENT_PORT_DEFAULT: u16 = 2181;

/// A server of an ensemble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id; unknown where only a connect string tells of it.
    pub sid: Option<i64>,
    /// Whether it votes, as far as the configuration tells.
    pub votes: Option<bool>,
    /// Where its clients connect. Where the configuration has an address that stands for all of them (`0.0.0.0`), this is the
    /// host by which the other members know it.
    pub address: HostPort,
    /// Whether the configuration has no client port for it, so that this one is the first that the user named.
    pub is_guessed: bool,
}

impl Member {
    /// A short name of it for messages: `server 2 (zk2:2181)`.
    #[must_use]
    pub fn name(&self) -> String {
        self.sid.map_or_else(|| format!("server {}", self.address), |sid| format!("server {sid} ({})", self.address))
    }
}

/// The members, and how sure they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// By id, or in the order of the connect string.
    pub list: Vec<Member>,
    /// Whether votes have weights or groups, so that heads cannot be counted (`QuorumHierarchical`).
    pub is_weighted: bool,
    /// Where this was read.
    pub source: &'static str,
}

/// The servers of a connect string, of which nothing else is known.
#[must_use]
pub fn of_connect_string(servers: &[HostPort]) -> Members {
    let list = servers
        .iter()
        .map(|address| Member { sid: None, votes: None, address: address.clone(), is_guessed: false })
        .collect();
    Members { list, is_weighted: false, source: "the connect string" }
}

/// The members that a configuration names, in the notation of the dynamic file (`QuorumVerifier.toString`):
/// `server.1=host:2888:3888:participant;0.0.0.0:2181`. Lines of other keys do not matter. A server whose line has no
/// client port gets that of `known`, the servers that a user named.
#[must_use]
pub fn of_configuration(text: &str, known: &[HostPort], source: &'static str) -> Members {
    let port = known.first().map_or(CLIENT_PORT_DEFAULT, |server| server.port);
    let mut list: Vec<Member> = text.lines().filter_map(|line| member(line.trim(), port)).collect();
    list.sort_by_key(|member| member.sid);
    list.dedup_by_key(|member| member.sid);
    let is_weighted = text.lines().any(|line| line.starts_with("group.") || line.starts_with("weight."));
    Members { list, is_weighted, source }
}

/// Gives members without a client port in the configuration the addresses that servers have told of themselves, by id. Of those that
/// tell nothing, each gets the next one on its host that the user named and that is nobody's yet; that stays a guess.
pub fn take_addresses(members: &mut [Member], told: &[(i64, HostPort)], named: &[HostPort]) {
    for member in members.iter_mut().filter(|member| member.is_guessed) {
        if let Some((_, address)) = told.iter().find(|(sid, _)| Some(*sid) == member.sid) {
            (member.address, member.is_guessed) = (address.clone(), false);
        }
    }
    let is_taken = |members: &[Member], address: &HostPort| {
        members.iter().any(|member| !member.is_guessed && member.address == *address)
    };
    let mut free: Vec<&HostPort> = named.iter().filter(|address| !is_taken(members, address)).collect();
    for member in members.iter_mut().filter(|member| member.is_guessed) {
        if let Some(at) = free.iter().position(|address| address.host == member.address.host) {
            member.address = free.remove(at).clone();
        }
    }
}

/// The voters that the admin command `voting_view` names (`VotingViewCommand`).
#[must_use]
pub fn of_voting_view(page: &Value, known: &[HostPort], source: &'static str) -> Members {
    let servers = page.get("current_config").and_then(Value::as_object).into_iter().flatten();
    let lines = servers.filter_map(|(sid, server)| {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let quorum = text(server.get("server_addresses").and_then(|list| list.get(0)))?;
        let client = text(server.get("client_address")).unwrap_or_default();
        let role = text(server.get("learner_type")).unwrap_or_default();
        Some(format!("server.{sid}={quorum}:0:{role};{client}\n"))
    });
    of_configuration(&lines.collect::<String>(), known, source)
}

fn member(line: &str, port_default: u16) -> Option<Member> {
    let (key, value) = line.split_once('=')?;
    let sid = key.trim().strip_prefix("server.")?.parse().ok()?;
    let (quorum, client) = value.split_once(';').unwrap_or((value, ""));
    let quorum = quorum.trim();
    // Several addresses are separated by bars; the first will do.
    let host = host_of(quorum.split('|').next().unwrap_or_default())?;
    let votes = !quorum.ends_with(":observer");
    let (client_host, port) = client_address(client.trim());
    let host = client_host.filter(|host| !is_any(host)).unwrap_or(host);
    let address = HostPort { host: host.to_owned(), port: port.unwrap_or(port_default) };
    Some(Member { sid: Some(sid), votes: Some(votes), address, is_guessed: port.is_none() })
}

/// The host in front of the ports, without the brackets of an IPv6 address.
fn host_of(address: &str) -> Option<&str> {
    let host = match address.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?.0,
        None => address.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// What stands behind the semicolon: `port`, `host:port` or nothing.
fn client_address(text: &str) -> (Option<&str>, Option<u16>) {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (Some(host.trim_start_matches('[').trim_end_matches(']')), port),
        None => (None, text),
    };
    (host.filter(|host| !host.is_empty()), port.parse().ok())
}

/// Whether an address stands for all addresses of a machine; a client cannot connect to it.
fn is_any(host: &str) -> bool {
    host.parse().is_ok_and(|address: std::net::IpAddr| address.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let known = [HostPort { host: "a".into(), port: 2199 }];
        let show = |member: &Member| {
            let votes = if member.votes == Some(true) { "votes" } else { "observes" };
            format!("{} {} {votes}", member.sid.unwrap(), member.address)
        };
        of_configuration(text, &known, "a test").list.iter().map(show).collect()
    }

    #[test]
    fn configurations() {
        let cases: &[(&str, &[&str])] = &[
            ("server.1=zk1:2888:3888:participant;0.0.0.0:2181\nversion=100000000", &["1 zk1:2181 votes"]),
            ("server.2=zk2:2888:3888:observer;2182", &["2 zk2:2182 observes"]),
            ("server.3=zk3:2888:3888", &["3 zk3:2199 votes"]),
            ("server.3=zk3:2888:3888:participant;10.0.0.3:2183", &["3 10.0.0.3:2183 votes"]),
            ("server.4=[fd00::4]:2888:3888:participant;[::]:2184", &["4 [fd00::4]:2184 votes"]),
            ("server.5=zk5:2888:3888|zk5b:2889:3889:participant;2185", &["5 zk5:2185 votes"]),
            ("server.9=b:1:2\nserver.8=a:1:2\nserver.9=c:1:2", &["8 a:2199 votes", "9 b:2199 votes"]),
            ("server.x=a:1:2\nserver.1\nserver.1=\nserver.1=[::1\nclientPort=2181\n\0\u{fffd}=", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), *expected, "{text:?}");
        }
    }

    #[test]
    fn client_ports_that_no_configuration_names() {
        let at = |port| HostPort { host: "h".into(), port };
        let named = [at(11), at(12), at(13)];
        let mut members =
            of_configuration("server.1=h:1:2\nserver.2=h:3:4\nserver.3=h:5:6\nserver.4=h:7:8", &named, "").list;
        take_addresses(&mut members, &[(2, at(11))], &named);
        let found: Vec<_> = members.iter().map(|member| (member.address.port, member.is_guessed)).collect();
        assert_eq!(found, [(12, true), (11, false), (13, true), (11, true)]);
    }

    #[test]
    fn weights_are_noticed() {
        assert!(of_configuration("server.1=a:1:2\ngroup.1=1:2:3", &[], "").is_weighted);
        assert!(!of_configuration("server.1=a:1:2", &[], "").is_weighted);
    }

    #[test]
    fn the_voting_view_is_read() {
        let page = serde_json::json!({"current_config": {"1": {"server_addresses": ["127.0.9.1:2888"],
            "client_address": "0.0.0.0:2181", "learner_type": "participant"}, "2": {"server_addresses": []}, "3": 7}});
        let members = of_voting_view(&page, &[], "x");
        let expected = HostPort { host: "127.0.9.1".into(), port: 2181 };
        assert_eq!(members.list, [Member { sid: Some(1), votes: Some(true), address: expected, is_guessed: false }]);
        assert_eq!(of_voting_view(&serde_json::json!([1]), &[], "x").list, []);
    }
}
