//! Whether the ports this server wants are free, and who has them otherwise.
//!
//! A port is tried by binding it without listening: nobody can connect meanwhile. Who has it is in the kernel's table of
//! sockets and, for processes this user may look into, under their open files.

use super::data::Holder;
use super::finding::Finding;
use crate::config::Listen;
use socket2::{Domain, Protocol, Socket, Type};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// The state of a listening socket in the kernel's table.
const LISTENING: &str = "0A";

/// A port that this server will bind.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `clients`, `election`, ...
    pub purpose: &'static str,
    /// As configured.
    pub listen: Listen,
    /// Its addresses; empty for every interface.
    pub addresses: Vec<IpAddr>,
}

/// A process with a listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
}

/// Tries to bind a port and says what came of it. `running` is the process that holds the data directory's lock.
#[must_use]
pub fn check(wanted: &Wanted, running: Option<&Holder>) -> Finding {
    let id = "ports.free";
    let about = format!("{}:{} ({})", wanted.listen.host.as_deref().unwrap_or("*"), wanted.listen.port, wanted.purpose);
    let tried = places(wanted).into_iter().try_for_each(try_bind);
    match tried {
        Ok(()) if running.is_some() => Finding::ok(id, about, "not bound at the moment"),
        Ok(()) => Finding::ok(id, about, "free"),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            judge_taken(about, owner_of(wanted.listen.port).as_ref(), running)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::problem(
            id,
            about,
            "this user may not bind it",
            "choose a port from 1024 on, or let the service manager grant CAP_NET_BIND_SERVICE",
        ),
        // What is wrong with the address is said by the check of the own line, for clients by this one.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Finding::problem(
            id,
            about,
            "the address is not one of this machine",
            "correct the address, or bind every interface (quorumListenOnAllIPs=true, no clientPortAddress)",
        ),
        Err(error) => Finding::unknown(id, about, format!("cannot be tried: {error}")),
    }
}

fn judge_taken(about: String, owner: Option<&Owner>, running: Option<&Holder>) -> Finding {
    let id = "ports.free";
    match (owner, running) {
        (Some(owner), Some(holder)) if holder.pid == Some(owner.pid) => {
            Finding::ok(id, about, format!("bound by this server, which is running (pid {})", owner.pid))
        }
        (None, Some(_)) => Finding::ok(id, about, "bound, by all appearances by this server, which is running"),
        (Some(Owner { pid, name }), _) => Finding::problem(
            id,
            about,
            format!("taken by process {pid} ({name})"),
            format!("stop process {pid}, or choose another port"),
        ),
        (None, None) => Finding::problem(
            id,
            about,
            "taken by another process",
            "find it with `ss -ltnp` as root and stop it, or choose another port",
        ),
    }
}

fn places(wanted: &Wanted) -> Vec<SocketAddr> {
    let port = wanted.listen.port;
    if wanted.listen.host.is_none() {
        return vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()];
    }
    wanted.addresses.iter().map(|address| SocketAddr::from((*address, port))).collect()
}

fn try_bind(address: SocketAddr) -> io::Result<()> {
    let socket = match Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)) {
        Ok(socket) => socket,
        // A machine without IPv6: the server does without as well.
        Err(_) if address.is_ipv6() => return Ok(()),
        Err(error) => return Err(error),
    };
    // As a server does: connections of a predecessor that are still dying are no obstacle.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match socket.bind(&address.into()) {
        Err(error)
            if address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED)
                && error.kind() == io::ErrorKind::AddrNotAvailable =>
        {
            Ok(())
        }
        bound => bound,
    }
}

/// Whether an address is one of this machine's: only those can be bound.
#[must_use]
pub fn is_here(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

fn owner_of(port: u16) -> Option<Owner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let inodes: Vec<u64> = tables.iter().flat_map(|table| listeners(table, port)).collect();
    inodes.iter().find_map(|inode| process_with(*inode))
}

/// Inodes of the sockets that listen on a port:
/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode`.
fn listeners(table: &str, port: u16) -> Vec<u64> {
    let wanted = format!(":{port:04X}");
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = *fields.get(3)? == LISTENING && fields.get(1)?.ends_with(&wanted);
        listens.then(|| fields.get(9)?.parse().ok()).flatten()
    };
    table.lines().filter_map(inode).collect()
}

fn process_with(inode: u64) -> Option<Owner> {
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let pid = pids.find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.map(|file| fs::read_link(file.path())).any(|target| target.is_ok_and(|target| target == socket))
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Owner { pid, name: name.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;
    use std::net::TcpListener;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0885 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000000000000000 100 0
   1: 0100007F:C350 0100007F:0885 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000000000000000 20 4
   2: 0100007F:0F30 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0";

    #[test]
    fn the_kernels_table_is_read() {
        assert_eq!(listeners(TABLE, 2181), [4711]);
        assert_eq!(listeners(TABLE, 3888), [4713]);
        assert_eq!(listeners(TABLE, 50000), [0_u64; 0]);
    }

    fn wanted(port: u16) -> Wanted {
        let addresses = vec![Ipv4Addr::LOCALHOST.into()];
        Wanted { purpose: "clients", listen: Listen { host: Some("127.0.0.1".to_owned()), port }, addresses }
    }

    #[test]
    fn a_taken_port_names_who_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let me = std::process::id();
        let taken = check(&wanted(port), None);
        assert_eq!(taken.status, Status::Problem, "{taken:?}");
        assert!(taken.found.contains(&format!("taken by process {me} (")), "{taken:?}");
        let holder = |pid| Holder { pid };
        assert_eq!(check(&wanted(port), Some(&holder(Some(me)))).status, Status::Ok);
        // The server of this directory runs, and somebody else has its port.
        assert_eq!(check(&wanted(port), Some(&holder(Some(me + 1)))).status, Status::Problem);
    }

    #[test]
    fn a_foreign_address_cannot_be_bound() {
        // Of the block for documentation: no machine has it.
        let address: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
        assert!(!is_here(address));
        assert!(is_here(Ipv4Addr::LOCALHOST.into()));
        let foreign = Wanted { addresses: vec![address], ..wanted(2181) };
        assert_eq!(check(&foreign, None).status, Status::Problem);
    }

    #[test]
    fn who_is_unknown_is_not_accused() {
        let holder = Holder { pid: None };
        assert_eq!(judge_taken(String::new(), None, Some(&holder)).status, Status::Ok);
        assert_eq!(judge_taken(String::new(), None, None).status, Status::Problem);
    }
}
