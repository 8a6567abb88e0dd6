//! Who listens and who is connected to whom, from `/proc`, the way an operator would see it in `ss -tnp`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A TCP socket of some process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    /// Its own port.
    pub local_port: u16,
    /// The other end's port; 0 for a listener.
    pub peer_port: u16,
    /// Whether it waits for connections.
    pub listening: bool,
}

const ESTABLISHED: &str = "01";
const LISTEN: &str = "0A";

/// The listening and established TCP sockets of process `pid`.
pub fn of_process(pid: u32) -> BTreeSet<Socket> {
    let table = table(pid);
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let inode =
        |target: std::path::PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok();
    targets.filter_map(inode).filter_map(|inode| table.get(&inode).copied()).collect()
}

fn table(pid: u32) -> BTreeMap<u64, Socket> {
    // Java listens on IPv6 sockets that also take IPv4; so both tables.
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let text = read("tcp") + &read("tcp6");
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(u64, Socket)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
    let state = *fields.get(3)?;
    if state != ESTABLISHED && state != LISTEN {
        return None;
    }
    let socket =
        Socket { local_port: port(fields.get(1)?)?, peer_port: port(fields.get(2)?)?, listening: state == LISTEN };
    Some((fields.get(9)?.parse().ok()?, socket))
}
