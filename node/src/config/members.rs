//! The server list: from `server.N`, `group.N` and `weight.N` keys to a [`Membership`], with everything checked that
//! can be checked before a socket is opened.

use std::collections::BTreeMap;
use std::path::Path;

use wire::ServerId;
use zab::quorum::{self, Membership, ServerSpec};

use super::keys::{Disposition, Lookup, look_up};
use super::problem::{Place, Report};
use super::source::Located;

/// The server list and where each line of it stands.
#[derive(Debug)]
pub(super) struct Members {
    /// Empty if the list is not complete.
    pub(super) membership: Membership,
    /// Every server that has a line, even a wrong one.
    pub(super) places: BTreeMap<ServerId, Place>,
    /// Whether the list is without errors.
    pub(super) complete: bool,
}

/// Whether `key` belongs to the server list, and so into the dynamic file if there is one.
pub(super) fn is_list_key(key: &str) -> bool {
    key.starts_with("server.") || key.starts_with("group") || key.starts_with("weight")
}

/// Whether several addresses may stand in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    /// `multiAddress.enabled=false`.
    One,
    /// `multiAddress.enabled=true`.
    Several,
}

/// Builds the list. `place` stands for the file as a whole.
pub(super) fn read(list: &[Located], place: &Place, addresses: Addresses, report: &mut Report) -> Members {
    let problems_before = report.problems.len();
    let mut places: BTreeMap<ServerId, Place> = BTreeMap::new();
    let mut specs = BTreeMap::new();
    for entry in list.iter().filter(|entry| entry.key.starts_with("server.")) {
        let Some(sid) = read_number(entry, report) else { continue };
        if let Some(before) = places.get(&sid) {
            let text = format_args!("server {sid} is given twice, before at {before}; number the servers apart");
            report.problem(&entry.place, text);
            continue;
        }
        places.insert(sid, entry.place.clone());
        if let Some(spec) = read_spec(entry, addresses, report) {
            specs.insert(sid, (entry, spec));
        }
    }
    report_shared_addresses(&specs, report);
    // Groups and quorums of half a list would only add noise.
    let membership = (report.problems.len() == problems_before).then(|| {
        Membership::from_entries(list.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())))
            .map_err(|error| report.problem(place, error))
            .ok()
    });
    let membership = membership.flatten();
    Members { complete: membership.is_some(), membership: membership.unwrap_or_default(), places }
}

fn read_number(entry: &Located, report: &mut Report) -> Option<ServerId> {
    let number = entry.key.strip_prefix("server.").unwrap_or(&entry.key);
    let sid = number.parse().ok().filter(|sid| *sid >= 0).map(ServerId);
    if sid.is_none() {
        let text =
            format_args!("{}: `{number}` is not the number of a server: expected for example server.1", entry.key);
        report.problem(&entry.place, text);
    }
    sid
}

fn read_spec(entry: &Located, addresses: Addresses, report: &mut Report) -> Option<ServerSpec> {
    let spec = match quorum::parse_server_line(&entry.value) {
        Ok(spec) => spec,
        Err(error) => {
            report.problem(&entry.place, format_args!("{}: {error}", entry.key));
            return None;
        }
    };
    if spec.addresses.len() > 1 && addresses == Addresses::One {
        let text = format_args!("{}: several addresses need multiAddress.enabled=true", entry.key);
        report.problem(&entry.place, text);
    }
    let ports = spec.addresses.iter().flat_map(|address| [address.quorum_port, address.election_port]);
    if ports.chain(spec.client.iter().map(|client| client.port)).any(|port| port == 0) {
        let text = format_args!("{}: port 0 cannot be reached: expected a number from 1 to 65535", entry.key);
        report.problem(&entry.place, text);
    }
    Some(spec)
}

/// Two sockets on one address: the second server could not start, or the two would be taken for each other.
fn report_shared_addresses(servers: &BTreeMap<ServerId, (&Located, ServerSpec)>, report: &mut Report) {
    let mut taken: BTreeMap<(String, u16), ServerId> = BTreeMap::new();
    for (sid, (entry, spec)) in servers {
        for (host, port) in endpoints(spec) {
            match taken.insert((host.to_lowercase(), port), *sid) {
                Some(other) if other == *sid => report.problem(
                    &entry.place,
                    format_args!(
                        "{}: {host}:{port} is used for clients and for servers; choose different ports",
                        entry.key
                    ),
                ),
                Some(other) => report.problem(
                    &entry.place,
                    format_args!(
                        "{}: {host}:{port} is also an address of server {other} ({}); each server needs its own",
                        entry.key, servers[&other].0.place
                    ),
                ),
                None => {}
            }
        }
        if let Some(client) = spec.client.as_ref().filter(|client| is_wildcard(&client.host)) {
            let clash = |port| port == client.port;
            if spec.addresses.iter().any(|address| clash(address.quorum_port) || clash(address.election_port)) {
                report.problem(
                    &entry.place,
                    format_args!(
                        "{}: port {} is used for clients and for servers; choose different ports",
                        entry.key, client.port
                    ),
                );
            }
        }
    }
}

/// Whether a host means every interface of the machine that binds it.
pub fn is_wildcard(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified())
}

/// The addresses of a server that must be its own. A wildcard is different on every machine.
fn endpoints(spec: &ServerSpec) -> impl Iterator<Item = (&str, u16)> {
    let peers = spec.addresses.iter().flat_map(|address| {
        [(address.host.as_str(), address.quorum_port), (address.host.as_str(), address.election_port)]
    });
    let client = spec.client.iter().map(|client| (client.host.as_str(), client.port));
    peers.chain(client).filter(|(host, _)| !is_wildcard(host))
}

/// Checks that a dynamic file holds nothing but the server list, and returns the version its name gives to the list
/// (`QuorumPeerConfig.getVersionFromFilename`).
pub(super) fn check_dynamic_file(path: &Path, entries: &[Located], report: &mut Report) -> i64 {
    for entry in entries.iter().filter(|entry| !is_list_key(&entry.key)) {
        let remedy = match look_up(&entry.key) {
            _ if entry.key == "version" => "the version is the end of the file's name; remove the line".to_owned(),
            Lookup::Known(key) if key.disposition == Disposition::Honoured => "move it to the static file".to_owned(),
            Lookup::NearMiss(known) if is_list_key(known) => format!("did you mean `{known}`?"),
            _ => "remove it".to_owned(),
        };
        report.problem(
            &entry.place,
            format_args!(
                "key `{}` does not belong into a dynamic configuration file, \
                 which holds server.N, group.N and weight.N: {remedy}",
                entry.key
            ),
        );
    }
    let name = path.to_string_lossy();
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    i64::from_str_radix(suffix, 16).ok().filter(|version| *version >= 0).unwrap_or(0)
}
