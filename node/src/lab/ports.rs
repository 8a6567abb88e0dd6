//! Which ports each server gets. Pure but for [`is_free`], which is handed in.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use super::layout::LayoutError;

/// Distance from a server's client port to its quorum port: 2181 and 2888 of the manual.
const QUORUM_ABOVE: u16 = 707;
/// Distance from a server's client port to its election port: 2181 and 3888 of the manual.
const ELECTION_ABOVE: u16 = 1707;

/// The three ports of one server, all on 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For learners while this server leads.
    pub quorum: u16,
    /// For votes.
    pub election: u16,
}

impl Ports {
    /// The ports that the server at this place (0 for server 1) would have if all were free.
    pub fn wanted(base: u16, place: usize) -> Option<Ports> {
        let client = base.checked_add(u16::try_from(place).ok()?)?;
        Some(Ports { client, quorum: client.checked_add(QUORUM_ABOVE)?, election: client.checked_add(ELECTION_ABOVE)? })
    }
}

/// Whether nobody listens on this port of 127.0.0.1.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Gives every server its wanted ports, or the next free ones; `notes` tells each change.
///
/// # Errors
/// When no free port is left above a taken one.
pub fn settle(
    wanted: &[Ports],
    mut is_free: impl FnMut(u16) -> bool,
    notes: &mut Vec<String>,
) -> Result<Vec<Ports>, LayoutError> {
    // A port wanted by one server is no substitute for another's, even before its turn comes.
    let mut reserved: BTreeSet<u16> = wanted.iter().flat_map(|p| [p.client, p.quorum, p.election]).collect();
    let mut given = BTreeSet::new();
    let mut settled = Vec::with_capacity(wanted.len());
    for (place, ports) in wanted.iter().enumerate() {
        let mut choose = |what: &str, port: u16| {
            if !given.contains(&port) && is_free(port) {
                given.insert(port);
                return Ok(port);
            }
            let next = (port..=u16::MAX).skip(1).find(|next| !reserved.contains(next) && is_free(*next));
            let next = next.ok_or(LayoutError::NoFreePort { from: port })?;
            reserved.insert(next);
            given.insert(next);
            notes.push(format!("port {port} is taken: server {} uses {next} for {what}", place + 1));
            Ok(next)
        };
        settled.push(Ports {
            client: choose("clients", ports.client)?,
            quorum: choose("the quorum", ports.quorum)?,
            election: choose("elections", ports.election)?,
        });
    }
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: u16, taken: &[u16], expected: &[(u16, u16, u16)], notes: &[&str]) {
        let wanted: Vec<_> = (0..expected.len()).map(|place| Ports::wanted(base, place).expect("in range")).collect();
        let mut said = Vec::new();
        let settled = settle(&wanted, |port| !taken.contains(&port), &mut said).expect("enough ports");
        let settled: Vec<_> = settled.iter().map(|p| (p.client, p.quorum, p.election)).collect();
        assert_eq!(settled, expected);
        assert_eq!(said, notes);
    }

    #[test]
    fn free_ports_are_those_of_the_manual() {
        check(2181, &[], &[(2181, 2888, 3888), (2182, 2889, 3889), (2183, 2890, 3890)], &[]);
    }

    #[test]
    fn a_taken_port_moves_only_its_server() {
        let expected = [(2184, 2888, 3888), (2182, 2889, 3891), (2183, 2890, 3890)];
        let notes = [
            "port 2181 is taken: server 1 uses 2184 for clients",
            "port 3889 is taken: server 2 uses 3891 for elections",
        ];
        check(2181, &[2181, 3889], &expected, &notes);
    }

    #[test]
    fn two_servers_never_share_a_port() {
        let expected = [(2185, 2888, 3888), (2186, 2889, 3889), (2183, 2890, 3890)];
        let notes = [
            "port 2181 is taken: server 1 uses 2185 for clients",
            "port 2182 is taken: server 2 uses 2186 for clients",
        ];
        check(2181, &[2181, 2182, 2184], &expected, &notes);
    }

    #[test]
    fn equal_stored_ports_are_told_apart() {
        let same = Ports { client: 5000, quorum: 6000, election: 7000 };
        let settled = settle(&[same, same], |_| true, &mut Vec::new()).expect("enough ports");
        assert_eq!(settled[1], Ports { client: 5001, quorum: 6001, election: 7001 });
    }

    #[test]
    fn the_end_of_the_range_is_refused() {
        assert_eq!(Ports::wanted(65_000, 0), None);
        let last = Ports { client: u16::MAX, quorum: 1, election: 2 };
        assert!(settle(&[last], |port| port != u16::MAX, &mut Vec::new()).is_err());
    }
}
