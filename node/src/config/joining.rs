//! A server that is no member of its ensemble, or is none any more: it follows without a vote until a reconfiguration lets it
//! in, and here is found under which line it may be.

use std::path::Path;

use wire::ServerId;
use zab::quorum::{ServerSpec, parse_server_line};

use super::environment::Environment;
use super::host_name;
use super::members::Members;
use super::peers::Template;
use super::problem::{Place, Report};
use crate::membership_files;

/// The key.
const KEY: &str = "joinAs";
/// What is put behind the host's name.
const PORTS: &str = ":2888:3888";

/// What the line is looked for in.
pub(super) struct Around<'a> {
    /// This server.
    pub(super) sid: ServerId,
    /// `joinAs`, and where it was set.
    pub(super) join_as: Option<(&'a str, &'a Place)>,
    /// How the servers are called, if they have one name with ordinals.
    pub(super) template: Option<&'a Template>,
    /// Where a server list was kept in which this server was a member.
    pub(super) file: Option<&'a Path>,
    pub(super) data_dir: &'a Path,
    /// The host's name.
    pub(super) environment: &'a Environment,
    /// The server list's place, for messages.
    pub(super) list: &'a Place,
}

/// Puts the server's line into the list, for the time in which its own line is completed. Answers whether there is one.
pub(super) fn add(around: &Around<'_>, members: &mut Members, report: &mut Report) -> bool {
    let Some((spec, place)) = find(around, report) else { return false };
    let ports = spec.addresses.iter().map(|own| format!("{}:{}:{}", own.host, own.quorum_port, own.election_port));
    report.warning(format_args!(
        "server {} is not in the server list of {}: it follows without a vote as {} ({place}) until a reconfiguration lets it in",
        around.sid,
        around.list,
        ports.collect::<Vec<_>>().join("|")
    ));
    members.membership.servers.insert(around.sid, spec);
    members.places.insert(around.sid, place);
    true
}

fn find(around: &Around<'_>, report: &mut Report) -> Option<(ServerSpec, Place)> {
    if let Some((text, place)) = around.join_as {
        return match parse_server_line(text) {
            Ok(spec) => Some((spec, place.clone())),
            Err(error) => {
                report.problem(place, format_args!("{KEY}: {error}"));
                None
            }
        };
    }
    let parsed = |line: &str| parse_server_line(line).ok();
    if let Some(spec) = around.template.and_then(|template| parsed(&template.line_of(around.sid)?)) {
        return Some((spec, Place::variable("ZOOKUBE_PEERS")));
    }
    if let Some((spec, path)) = membership_files::last_line_of(around.file, around.data_dir, around.sid) {
        return Some((spec, Place::file(&path.display().to_string())));
    }
    if let Some((place, name)) = host_name::of(around.environment)
        && let Some(spec) = parsed(&format!("{name}{PORTS}"))
    {
        return Some((spec, place));
    }
    report.problem(
        around.list,
        format_args!(
            "does not list server {}, and nothing says under which address it may join. hint: set {KEY}=<host>:2888:3888;2181",
            around.sid
        ),
    );
    None
}
