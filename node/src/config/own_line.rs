//! This server's own line: where its clients connect, and what a wildcard in it means.

use wire::ServerId;
use zab::quorum::{ClientAddress, PeerAddress};

use super::declared::IMAGE_DEFAULT;
use super::members::{Members, is_wildcard};
use super::problem::{Place, Report};
use super::{Mode, Settings};

/// The port of the official image.
const CLIENT_PORT_DEFAULT: u16 = 2181;

/// What the own line is completed from.
pub(super) struct Around<'a> {
    pub(super) settings: &'a Settings,
    pub(super) mode: Mode,
    pub(super) myid: Option<ServerId>,
    /// Where `clientPort` was set, if it was.
    pub(super) client_port: Option<&'a Place>,
    /// What messages name otherwise.
    pub(super) place: &'a Place,
    /// Whether a key has been reported as wrong: `clientPort`.
    pub(super) client_port_is_broken: bool,
    /// Whether the environment takes the place of a file.
    pub(super) from_environment: bool,
}

/// `QuorumPeerConfig.setupClientPort`: this server's line and the static keys must agree; either is enough. Yields the
/// address and the place that says so.
pub(super) fn client_address(
    around: &Around<'_>,
    members: &mut Members,
    report: &mut Report,
) -> Option<(ClientAddress, Place)> {
    let settings = around.settings;
    let host = settings.client_port_address.clone().unwrap_or_else(|| "0.0.0.0".to_owned());
    let key_place = around.client_port.unwrap_or(around.place);
    let at_port = |port| ClientAddress { host: host.clone(), port, from_static: true };
    let from_keys = settings.client_port.map(|port| (at_port(port), key_place.clone()));
    // A standalone server may have one line and no myid: the line can only mean itself.
    let servers = &mut members.membership.servers;
    let only = (around.mode == Mode::Standalone).then(|| servers.keys().next().copied()).flatten();
    let own = around.myid.filter(|sid| servers.contains_key(sid)).or(only);
    let Some((sid, spec)) = own.and_then(|sid| Some((sid, servers.get_mut(&sid)?))) else {
        let could_be_in_the_list = !members.places.is_empty();
        if !could_be_in_the_list && from_keys.is_none() && around.from_environment {
            return Some((at_port(CLIENT_PORT_DEFAULT), IMAGE_DEFAULT));
        }
        if !could_be_in_the_list && from_keys.is_none() {
            report_missing(around, "clientPort=2181", report);
        }
        return from_keys;
    };
    let place = members.places.get(&sid).unwrap_or(around.place);
    match (&spec.client, from_keys) {
        (None, None) if around.from_environment && !around.client_port_is_broken => {
            report.warning(format_args!(
                "server.{sid} ({place}) has no client port, so clients are served on {CLIENT_PORT_DEFAULT}; write \
                 ;{CLIENT_PORT_DEFAULT} behind it, without which today's official image serves none"
            ));
            let client = at_port(CLIENT_PORT_DEFAULT);
            report_clash(around, &client, &spec.addresses, sid, place, place, report);
            spec.client = Some(client.clone());
            Some((client, IMAGE_DEFAULT))
        }
        (None, None) => {
            let example = format!("clientPort=2181, or write ;2181 at the end of server.{sid} ({place})");
            report_missing(around, &example, report);
            None
        }
        (None, Some((client, from))) => {
            report_clash(around, &client, &spec.addresses, sid, place, &from, report);
            spec.client = Some(client.clone());
            Some((client, from))
        }
        (Some(line), None) => Some((line.clone(), place.clone())),
        (Some(line), Some((keys, from))) => {
            if line.port != keys.port || are_different_addresses(&line.host, &keys.host) {
                report.problem(
                    &from,
                    format_args!(
                        "the client address {keys} differs from {line} in server.{sid} ({place}): \
                         remove clientPort or correct it"
                    ),
                );
            }
            Some((line.clone(), place.clone()))
        }
    }
}

fn report_missing(around: &Around<'_>, example: &str, report: &mut Report) {
    if !around.client_port_is_broken {
        report.problem(around.place, format_args!("clientPort is missing: add a line such as {example}"));
    }
}

fn report_clash(
    around: &Around<'_>,
    client: &ClientAddress,
    addresses: &[PeerAddress],
    sid: ServerId,
    line: &Place,
    from: &Place,
    report: &mut Report,
) {
    let in_use = |address: &PeerAddress| address.quorum_port == client.port || address.election_port == client.port;
    if around.mode == Mode::Ensemble && addresses.iter().any(in_use) {
        report.problem(
            from,
            format_args!("clientPort {} is also a port of server.{sid} ({line}); choose another", client.port),
        );
    }
}

/// Whether both are literal addresses, not the same, and the static one not every interface. Names would have to be
/// resolved to be compared; there the server's line counts.
fn are_different_addresses(line: &str, key: &str) -> bool {
    let (line, key) = (line.parse::<std::net::IpAddr>(), key.parse::<std::net::IpAddr>());
    matches!((line, key), (Ok(line), Ok(key)) if line != key && !key.is_unspecified())
}

/// Puts the host's name in the place of a wildcard in the own line: the wildcard is where to listen, and nothing that
/// another server could connect to. Yields the place of the line if there was one.
pub(super) fn publish_host_name(
    myid: Option<ServerId>,
    host_name: Option<&str>,
    members: &mut Members,
    report: &mut Report,
) -> Option<Place> {
    let (sid, name) = (myid?, host_name?);
    let spec = members.membership.servers.get_mut(&sid)?;
    let mut wildcards = spec.addresses.iter_mut().filter(|address| is_wildcard(&address.host)).peekable();
    wildcards.peek()?;
    for address in wildcards {
        name.clone_into(&mut address.host);
    }
    let place = members.places.get(&sid)?.clone();
    report.warning(format_args!(
        "server.{sid} ({place}) listens on every interface, and the other servers are told its host name {name}, because \
         nobody can connect to 0.0.0.0; the name of this server may stand there as well"
    ));
    Some(place)
}

/// A wildcard in another server's line leads back to this machine, which is what only servers on one machine can mean.
pub(super) fn report_foreign_wildcards(
    myid: Option<ServerId>,
    from_environment: bool,
    members: &Members,
    report: &mut Report,
) {
    for (sid, spec) in members.membership.servers.iter().filter(|(sid, _)| myid.is_some_and(|myid| myid != **sid)) {
        let Some(address) = spec.addresses.iter().find(|address| is_wildcard(&address.host)) else { continue };
        let Some(place) = members.places.get(sid) else { continue };
        let text = format!("server.{sid} has the address {}, under which only that server itself is", address.host);
        if from_environment {
            report.problem(place, format_args!("{text}. hint: write the name by which this server reaches it"));
        } else {
            report
                .warning(format_args!("{place}: {text}; others need a name or address, unless all run on one machine"));
        }
    }
}
