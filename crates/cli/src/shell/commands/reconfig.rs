//! `reconfig`, and the addresses for clients that `config -c` shows.

use super::super::answer::Answer;
use super::super::failure::Failure;
use super::super::options::Parsed;
use super::super::table::Command;
use super::{Outcome, Run};
use client::Error;

/// What is asked for (`ReconfigCommand.parse`).
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    joining: Option<String>,
    leaving: Option<String>,
    members: Option<String>,
    version: i64,
}

impl Run<'_> {
    pub(super) async fn reconfig(&mut self, command: &Command, parsed: &Parsed) -> Outcome {
        let change = read_change(command, parsed)?;
        let [joining, leaving, members] =
            [&change.joining, &change.leaving, &change.members].map(|list: &Option<String>| list.as_deref());
        let committed = self.client.reconfigure(joining, leaving, members, change.version).await;
        let (config, stat) = committed.map_err(|error| match error {
            // A reconfiguration is of no path, which is not the same as of a path that is null.
            Error::Api { code, path: None } => self.failure(&Error::Api { code, path: Some(String::new()) }),
            error => self.failure(&error),
        })?;
        let text = format!("Committed new configuration:\n{}", String::from_utf8_lossy(&config));
        Ok(Answer::Text { text, stat: super::with_stat(parsed, stat) })
    }
}

fn read_change(command: &Command, parsed: &Parsed) -> Result<Change, Failure> {
    let [file, members, add, remove] = ["file", "members", "add", "remove"].map(|name| parsed.value(name));
    if [file, members, add, remove].iter().all(Option::is_none) {
        return Err(Failure::new(command.usage()).hint(format!("for example: {}", command.example)));
    }
    let version = parsed.value("v").map_or(Ok(-1), |text| i64::from_str_radix(text, 16)).map_err(|_| {
        Failure::new("-v must be followed by a long (configuration version)")
            .hint("`config` shows it: version=... in hexadecimal")
    })?;
    if (file.is_some() || members.is_some()) && (add.is_some() || remove.is_some()) {
        return Err(Failure::new(
            "Can't use -file or -members together with -add or -remove (mixing incremental and non-incremental modes is not allowed)",
        ));
    }
    if file.is_some() && members.is_some() {
        return Err(Failure::new("Can't use -file and -members together (conflicting non-incremental modes)"));
    }
    let lower = |text: Option<&str>| text.map(str::to_lowercase);
    let members = match file {
        Some(file) => Some(members_of_file(file)?),
        None => lower(members),
    };
    Ok(Change { joining: lower(add), leaving: lower(remove), members, version })
}

/// The lines of a file that make up an ensemble; what they say is judged by the leader.
fn members_of_file(file: &str) -> Result<String, Failure> {
    // As there: the name, and right behind it what is wrong with it.
    let wrong = |what: String| Failure::new(format!("Error processing {file}{what}"));
    let text = std::fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong(format!("{file} (No such file or directory)")),
        std::io::ErrorKind::PermissionDenied => wrong(format!("{file} (Permission denied)")),
        _ => wrong(format!(": {error}")),
    })?;
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with(['#', '!']);
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(is_said).filter(|line| !line.starts_with("version")).collect();
    let is_of_ensemble = |line: &str| ["server.", "group", "weight"].iter().any(|key| line.starts_with(key));
    if let Some(line) = lines.iter().find(|line| !is_of_ensemble(line)) {
        let key = line.split(['=', ':', ' ']).next().unwrap_or_default();
        return Err(wrong(format!("Unrecognised parameter: {key}"))
            .hint("a line for each server: server.1=host:2888:3888;2181"));
    }
    if lines.iter().any(|line| line.starts_with("server.")) {
        Ok(lines.join("\n"))
    } else {
        Err(wrong(": no line names a server".to_owned()).hint("server.1=host:2888:3888;2181, a line for each"))
    }
}

/// `ConfigUtils.getClientConfigStr`: the version and where clients connect, in the order in which a table of Java's has them.
#[must_use]
pub(super) fn client_addresses(config: &str) -> String {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for (key, value) in config.lines().filter_map(|line| line.split_once('=')) {
        let (key, value) = (key.trim(), value.trim());
        match rows.iter_mut().find(|(known, _)| *known == key) {
            Some(row) => row.1 = value,
            None => rows.push((key, value)),
        }
    }
    let version = rows.iter().find(|(key, _)| *key == "version").map_or("", |(_, value)| value);
    let slots = slots(rows.len());
    rows.sort_by_key(|(key, _)| slot(key, slots));
    let servers = rows.iter().filter(|(key, _)| key.starts_with("server."));
    let addresses: Vec<String> = servers.map(|(_, line)| client_address(line)).collect();
    format!("{version} {}", addresses.join(","))
}

/// Where the clients of a server connect: behind the semicolon, with every address where only a port is there.
fn client_address(line: &str) -> String {
    match line.split_once(';') {
        Some((_, address)) if address.contains(':') => address.to_owned(),
        Some((_, port)) => format!("0.0.0.0:{port}"),
        None => String::new(),
    }
}

/// How many slots `java.util.Properties` has for so many keys: sixteen, doubled whenever three quarters are taken.
fn slots(keys: usize) -> u32 {
    let mut slots: u32 = 16;
    while keys >= (slots as usize) * 3 / 4 {
        slots *= 2;
    }
    slots
}

/// The slot of a key (`String.hashCode`, `ConcurrentHashMap.spread`).
fn slot(key: &str, slots: u32) -> u32 {
    let hash = key.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)));
    (hash ^ (hash >> 16)) & 0x7fff_ffff & (slots - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::options::{Group, parse};
    use crate::shell::table;

    fn change(line: &str) -> Result<Change, String> {
        let command = table::find("reconfig").unwrap();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        read_change(command, &parse(&words, command.options, Group::Free).unwrap()).map_err(|failure| failure.text)
    }

    #[test]
    fn what_is_asked_for() {
        let both = change("reconfig -add server.4=H:1:2;3 -remove 1,2 -v 1a").unwrap();
        assert_eq!((both.joining.as_deref(), both.leaving.as_deref()), (Some("server.4=h:1:2;3"), Some("1,2")));
        assert_eq!(both.version, 0x1a);
        assert!(change("reconfig").unwrap_err().starts_with("reconfig [-s] [-v version] "));
        assert!(change("reconfig -v x -remove 1").unwrap_err().starts_with("-v must be followed by a long"));
        assert!(
            change("reconfig -members a -remove 1")
                .unwrap_err()
                .starts_with("Can't use -file or -members together with")
        );
        assert!(
            change("reconfig -members a -file /x").unwrap_err().starts_with("Can't use -file and -members together")
        );
        assert_eq!(
            change("reconfig -file /nowhere").unwrap_err(),
            "Error processing /nowhere/nowhere (No such file or directory)"
        );
    }

    #[test]
    fn addresses_for_clients() {
        let config =
            "server.1=a:1:2:participant;0.0.0.0:2181\nserver.2=b:1:2:participant;2182\nserver.3=c:1:2\nversion=10a";
        let text = client_addresses(config);
        let (version, list) = text.split_once(' ').unwrap();
        let mut each: Vec<&str> = list.split(',').collect();
        each.sort_unstable();
        assert_eq!((version, each), ("10a", vec!["", "0.0.0.0:2181", "0.0.0.0:2182"]));
    }
}
