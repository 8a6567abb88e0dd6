//! The text of a lab server's `zoo.cfg`: written whole for a new server; for a stored one only the lines that follow
//! from the layout are replaced, so that a line added by hand (`snapCount=1000`) stays. Pure.

use std::collections::BTreeMap;
use std::path::Path;

use super::layout::{Kind, Member};
use super::ports::Ports;

/// Keys a new server starts with; afterwards they belong to whoever edits the file.
const DEFAULTS: &str = "tickTime=2000\ninitLimit=10\nsyncLimit=5\n4lw.commands.whitelist=*\nadmin.enableServer=false\n";
const MARK: &str = "# Below: written by `lab` at each start.";

/// The file's new text. `old` is what the file held; `members` is the whole lab.
pub fn text(old: Option<&str>, member: &Member, members: &[Member], data_dir: &Path) -> String {
    let mut text = match old {
        None => DEFAULTS.to_owned(),
        Some(old) => old.lines().filter(|line| !is_ours(line)).map(|line| format!("{line}\n")).collect(),
    };
    text.push_str(&format!("{MARK}\ndataDir={}\n", data_dir.display()));
    text.push_str(&format!("clientPort={}\nclientPortAddress=127.0.0.1\n", member.ports.client));
    if member.kind == Kind::Observer {
        text.push_str("peerType=observer\n");
    }
    // One server alone is a standalone server and takes no server list (QuorumPeerConfig.parseDynamicConfig).
    if members.len() > 1 {
        for member in members {
            let role = if member.kind == Kind::Observer { ":observer" } else { "" };
            let Ports { quorum, election, .. } = member.ports;
            text.push_str(&format!("server.{}=127.0.0.1:{quorum}:{election}{role}\n", member.id));
        }
    }
    text
}

/// What a stored `zoo.cfg` says about the lab.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its own client port.
    pub client: u16,
    /// Quorum port, election port and kind of every server; empty for a standalone server.
    pub listed: BTreeMap<u64, (u16, u16, Kind)>,
}

/// Reads a stored `zoo.cfg`, or tells what is wrong with it.
pub fn parse(text: &str) -> Result<Stored, String> {
    let mut client = None;
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key.trim() {
            "clientPort" => client = Some(port(value)?),
            key => {
                if let Some(id) = key.strip_prefix("server.") {
                    let id = id.parse().map_err(|_| format!("{key} has no number"))?;
                    listed.insert(id, server_line(value.trim())?);
                }
            }
        }
    }
    Ok(Stored { client: client.ok_or("it has no clientPort")?, listed })
}

fn server_line(value: &str) -> Result<(u16, u16, Kind), String> {
    let mut parts = value.split(';').next().unwrap_or_default().split(':').skip(1);
    let mut next_port = || port(parts.next().ok_or_else(|| format!("server line {value:?} lacks a port"))?);
    let (quorum, election) = (next_port()?, next_port()?);
    let kind = if parts.next().is_some_and(|role| role.trim() == "observer") { Kind::Observer } else { Kind::Voter };
    Ok((quorum, election, kind))
}

fn port(value: &str) -> Result<u16, String> {
    value.trim().parse().map_err(|_| format!("{:?} is not a port", value.trim()))
}

fn is_ours(line: &str) -> bool {
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    line == MARK
        || matches!(key, "dataDir" | "clientPort" | "clientPortAddress" | "peerType")
        || key.starts_with("server.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u64, kind: Kind) -> Member {
        let place = usize::try_from(id).expect("small") - 1;
        Member { id, kind, ports: Ports::wanted(2181, place).expect("in range") }
    }

    #[test]
    fn a_new_observer_of_three() {
        let members = [member(1, Kind::Voter), member(2, Kind::Voter), member(3, Kind::Observer)];
        let expected = "tickTime=2000\ninitLimit=10\nsyncLimit=5\n4lw.commands.whitelist=*\nadmin.enableServer=false\n\
            # Below: written by `lab` at each start.\ndataDir=/lab/3/data\nclientPort=2183\nclientPortAddress=127.0.0.1\n\
            peerType=observer\nserver.1=127.0.0.1:2888:3888\nserver.2=127.0.0.1:2889:3889\n\
            server.3=127.0.0.1:2890:3890:observer\n";
        let written = text(None, &members[2], &members, Path::new("/lab/3/data"));
        assert_eq!(written, expected);
        let listed =
            [(1, (2888, 3888, Kind::Voter)), (2, (2889, 3889, Kind::Voter)), (3, (2890, 3890, Kind::Observer))];
        assert_eq!(parse(&written), Ok(Stored { client: 2183, listed: listed.into() }));
    }

    #[test]
    fn one_server_is_standalone() {
        let alone = [member(1, Kind::Voter)];
        let written = text(None, &alone[0], &alone, Path::new("/lab/1/data"));
        assert!(!written.contains("server."));
        assert_eq!(parse(&written), Ok(Stored { client: 2181, listed: BTreeMap::new() }));
    }

    #[test]
    fn lines_added_by_hand_stay_and_rewriting_settles() {
        let members = [member(1, Kind::Voter), member(2, Kind::Voter)];
        let old = "tickTime=500\nsnapCount=1000\ndataDir=/elsewhere\nserver.1=10.0.0.1:1:2\npeerType=observer\n";
        let once = text(Some(old), &members[0], &members, Path::new("/lab/1/data"));
        assert!(once.starts_with("tickTime=500\nsnapCount=1000\n# Below"), "{once}");
        assert!(!once.contains("10.0.0.1") && !once.contains("elsewhere") && !once.contains("peerType"), "{once}");
        assert_eq!(text(Some(&once), &members[0], &members, Path::new("/lab/1/data")), once);
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(parse("tickTime=2000\n"), Err("it has no clientPort".to_owned()));
        assert_eq!(parse("clientPort=x\n"), Err("\"x\" is not a port".to_owned()));
        assert!(parse("clientPort=1\nserver.1=127.0.0.1:2888\n").is_err_and(|e| e.contains("lacks a port")));
    }
}
