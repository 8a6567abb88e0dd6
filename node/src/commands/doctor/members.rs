//! What the server list itself says, and the pitfalls of this server's own line. Pure.

use super::finding::{Finding, plural};
use crate::config::is_wildcard;
use std::net::IpAddr;
use wire::ServerId;
use zab::quorum::Membership;

/// Beyond this many voters every write waits for a long queue of acknowledgements.
const VOTERS_MANY: usize = 7;

/// How many voters there are and how many of them may fail.
#[must_use]
pub fn count(membership: &Membership) -> Finding {
    let id = "members.count";
    let voters: Vec<ServerId> = membership.voters().collect();
    let observers = membership.observers().count();
    let tolerated = failures_tolerated(membership, &voters);
    let with = if observers > 0 { format!(" and {}", plural(observers, "observer")) } else { String::new() };
    let found = format!("{}{with}, tolerates {}", plural(voters.len(), "voter"), plural(tolerated, "failure"));
    if membership.is_hierarchical() {
        return Finding::ok(id, "", format!("{found} of any servers (groups and weights)"));
    }
    match voters.len() {
        1 => Finding::note(id, "", found).with_remedy("three voters tolerate one failure"),
        many if many % 2 == 0 => Finding::warning(
            id,
            "",
            format!("{found}, no more than {} would", plural(many - 1, "voter")),
            format!(
                "an even number only adds a server that can fail: remove one voter, add one, or make server {} an observer",
                voters.last().map_or_else(String::new, ServerId::to_string)
            ),
        ),
        many if many > VOTERS_MANY => Finding::note(id, "", found)
            .with_remedy("more voters make writes slower; observers serve reads at no such cost"),
        _ => Finding::ok(id, "", found),
    }
}

/// The largest k such that any k voters may be missing.
///
/// With groups the worst case takes the heaviest servers of the groups that are cheapest to silence, until half of the
/// groups are silent (`Membership::is_quorum` needs more than half the weight in more than half the groups).
fn failures_tolerated(membership: &Membership, voters: &[ServerId]) -> usize {
    if !membership.is_hierarchical() {
        return voters.len().saturating_sub(1) / 2;
    }
    let mut costs: Vec<usize> = membership.groups.values().filter_map(|group| cost(membership, group)).collect();
    costs.sort_unstable();
    let silent = costs.len() - costs.len() / 2;
    costs.iter().take(silent).sum::<usize>().saturating_sub(1)
}

/// How few missing servers silence a group; `None` for a group without weight, which does not count.
fn cost(membership: &Membership, group: &[ServerId]) -> Option<usize> {
    let mut weights: Vec<i128> = group.iter().map(|sid| i128::from(membership.weight(*sid))).collect();
    let total: i128 = weights.iter().sum();
    weights.sort_unstable();
    let mut present = total;
    let mut missing = 0;
    while present > total / 2 {
        present -= weights.pop()?;
        missing += 1;
    }
    (total > 0).then_some(missing)
}

/// What this server's own line means on this machine.
#[derive(Debug)]
pub struct OwnLine<'a> {
    /// The host as configured.
    pub host: &'a str,
    /// The addresses of the host, each with whether it is one of this machine's; or why there are none.
    pub addresses: &'a Result<Vec<(IpAddr, Locality)>, String>,
    /// Whether the ports between servers are bound on every interface, whatever the line says.
    pub binding: Binding,
    /// Whether every other server is on a loopback address as well: an ensemble on one machine.
    pub neighbours: Neighbours,
}

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locality {
    /// One of this machine's.
    Here,
    /// Not one of this machine's.
    Elsewhere,
}

/// What the ports between servers are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// The address that the own line names.
    OwnAddress,
    /// Every interface.
    EveryInterface,
}

/// Where the other servers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// All on this machine's loopback interface, or there are none.
    OnLoopback,
    /// At least one on another machine.
    Remote,
}

impl OwnLine<'_> {
    /// Whether this server listens where the others look for it.
    #[must_use]
    pub fn judge(&self, me: ServerId) -> Finding {
        let id = "members.own_line";
        let about = format!("server {me} (this one)");
        if is_wildcard(self.host) {
            let found = format!("{} in its own line binds every interface and is published nowhere", self.host);
            return Finding::note(id, about, found)
                .with_remedy("the other servers' lists must name this server by a name or address they can reach");
        }
        match self.addresses {
            Err(why) => self.without_address(id, about, why),
            Ok(addresses) => self.with_addresses(id, about, addresses),
        }
    }

    fn without_address(&self, id: &'static str, about: String, why: &str) -> Finding {
        let found = format!("its own name {} {why}", self.host);
        match self.binding {
            Binding::EveryInterface => Finding::warning(
                id,
                about,
                format!("{found}; the ports are bound on every interface all the same"),
                "make the name known: the other servers look for this one by it",
            ),
            Binding::OwnAddress => Finding::problem(
                id,
                about,
                found,
                "make the name known (DNS, /etc/hosts), or set quorumListenOnAllIPs=true",
            ),
        }
    }

    fn with_addresses(&self, id: &'static str, about: String, addresses: &[(IpAddr, Locality)]) -> Finding {
        let list = addresses.iter().map(|(address, _)| address.to_string()).collect::<Vec<_>>().join(", ");
        let named = if self.host.parse::<IpAddr>().is_ok() { list.clone() } else { format!("{} is {list}", self.host) };
        let loopback = addresses.iter().any(|(address, _)| address.is_loopback());
        let elsewhere = addresses.iter().all(|(_, locality)| *locality == Locality::Elsewhere);
        if loopback && self.neighbours == Neighbours::Remote {
            let found = format!("{named} here, where no other machine reaches it");
            return match self.binding {
                Binding::OwnAddress => Finding::problem(
                    id,
                    about,
                    found,
                    format!(
                        "remove {} from the loopback line of /etc/hosts, or set quorumListenOnAllIPs=true",
                        self.host
                    ),
                ),
                Binding::EveryInterface => Finding::note(
                    id,
                    about,
                    format!("{found}; the ports are bound on every interface, so this is harmless"),
                ),
            };
        }
        if elsewhere {
            let found = format!("{named}, which is not an address of this machine");
            return match self.binding {
                Binding::OwnAddress => Finding::problem(
                    id,
                    about,
                    found,
                    "correct the line or myid: is this the machine of another server? Behind an address translation set \
                     quorumListenOnAllIPs=true",
                ),
                Binding::EveryInterface => Finding::note(
                    id,
                    about,
                    format!("{found}: it must lead here by an address translation or a service"),
                ),
            };
        }
        Finding::ok(id, about, format!("{named}, an address of this machine"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;

    fn check_count(lines: &str, status: Status, expected: &str) {
        let finding = count(&Membership::parse(lines).expect("a server list"));
        assert_eq!((finding.status, finding.found.as_str()), (status, expected), "{lines}");
    }

    fn voters(count: usize) -> String {
        (1..=count).map(|sid| format!("server.{sid}=zk{sid}:2888:3888\n")).collect()
    }

    #[test]
    fn an_even_number_is_warned_about() {
        check_count(&voters(1), Status::Note, "1 voter, tolerates 0 failures");
        check_count(&voters(2), Status::Warning, "2 voters, tolerates 0 failures, no more than 1 voter would");
        check_count(&voters(3), Status::Ok, "3 voters, tolerates 1 failure");
        check_count(&voters(4), Status::Warning, "4 voters, tolerates 1 failure, no more than 3 voters would");
        check_count(&voters(9), Status::Note, "9 voters, tolerates 4 failures");
        let observed = voters(3) + "server.4=zk4:2888:3888:observer\n";
        check_count(&observed, Status::Ok, "3 voters and 1 observer, tolerates 1 failure");
    }

    #[test]
    fn groups_tolerate_what_their_worst_case_tolerates() {
        // Three groups of three: two lost in each of two groups break it, so any three are survived.
        let groups = voters(9) + "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n";
        check_count(&groups, Status::Ok, "9 voters, tolerates 3 failures of any servers (groups and weights)");
        // One server has all the weight.
        let heavy = voters(3) + "group.1=1:2:3\nweight.1=10\nweight.2=1\nweight.3=1\n";
        check_count(&heavy, Status::Ok, "3 voters, tolerates 0 failures of any servers (groups and weights)");
    }

    fn check_line(
        host: &str,
        addresses: Result<&[(&str, Locality)], &str>,
        neighbours: Neighbours,
        on_own_address: Status,
        on_every_interface: Status,
    ) {
        let parse = |(address, locality): &(&str, Locality)| (address.parse().expect("an address"), *locality);
        let addresses = addresses.map(|list| list.iter().map(parse).collect()).map_err(str::to_owned);
        for (binding, status) in [(Binding::OwnAddress, on_own_address), (Binding::EveryInterface, on_every_interface)]
        {
            let finding = OwnLine { host, addresses: &addresses, binding, neighbours }.judge(ServerId(1));
            assert_eq!(finding.status, status, "{finding:?}");
            assert!(finding.found.contains(host), "{finding:?}");
        }
    }

    #[test]
    fn own_lines_that_nobody_can_reach_are_found() {
        use Locality::{Elsewhere, Here};
        use Neighbours::{OnLoopback, Remote};
        use Status::{Note, Ok as Good, Problem, Warning};
        check_line("zk1", Ok(&[("10.0.0.1", Here)]), Remote, Good, Good);
        check_line("zk1", Ok(&[("127.0.1.1", Here)]), Remote, Problem, Note);
        check_line("zk1", Ok(&[("10.0.0.1", Here), ("::1", Here)]), Remote, Problem, Note);
        check_line("127.0.0.1", Ok(&[("127.0.0.1", Here)]), OnLoopback, Good, Good);
        check_line("zk1", Ok(&[("10.0.0.9", Elsewhere)]), Remote, Problem, Note);
        check_line("zk1", Ok(&[("10.0.0.9", Elsewhere), ("10.0.0.1", Here)]), Remote, Good, Good);
        check_line("zk1", Err("has no address"), Remote, Problem, Warning);
        check_line("0.0.0.0", Ok(&[("0.0.0.0", Here)]), Remote, Note, Note);
        check_line("::", Ok(&[("::", Here)]), Remote, Note, Note);
    }
}
