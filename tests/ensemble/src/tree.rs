//! Whole trees, read through one server at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use support::jute::{Encoder, Stat};
use support::session::{Failure, NO_NODE, Session};
use support::wait;

use crate::load::Record;

const LIMIT: Duration = Duration::from_secs(60);

/// Everything a server tells about a znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Znode {
    /// Its data.
    pub data: Vec<u8>,
    /// Its Stat.
    pub stat: Stat,
    /// Its ACL, as it crosses the wire.
    pub acl: Vec<u8>,
}

/// All znodes that the server at `addr` has once it has caught up with the leader.
///
/// # Panics
/// When the server does not answer.
pub fn read(addr: SocketAddr) -> BTreeMap<String, Znode> {
    let read = wait::poll(LIMIT, || match read_once(addr) {
        // A server that has lost its leader ends its connections: what it has is asked again when it follows one.
        Err((_, Failure::Broken)) => None,
        outcome => Some(outcome),
    });
    match read {
        Some(Ok(tree)) => tree,
        Some(Err((what, failure))) => panic!("{what} from {addr}: {failure:?}"),
        None => panic!("{addr} has ended every connection for {LIMIT:?}"),
    }
}

fn read_once(addr: SocketAddr) -> Result<BTreeMap<String, Znode>, (String, Failure)> {
    let while_at = |what: String| move |failure| (what, failure);
    let mut session = Session::open_any(&[addr], 30_000, LIMIT);
    session.sync().map_err(while_at("sync".to_owned()))?;
    let mut tree = BTreeMap::new();
    let mut waiting = vec!["/".to_owned()];
    while let Some(path) = waiting.pop() {
        // The configuration's znode is written by each server for itself, at a time of its own.
        if path == "/zookeeper/config" {
            continue;
        }
        let (data, stat) = session.get(&path).map_err(while_at(format!("get {path}")))?;
        let acl = session.call(6, &Encoder::new().string(&path).0).map_err(while_at(format!("getACL {path}")))?;
        let children = session.children(&path).map_err(while_at(format!("getChildren {path}")))?;
        let base = if path == "/" { "" } else { path.as_str() };
        waiting.extend(children.iter().map(|name| format!("{base}/{name}")));
        tree.insert(path, Znode { data, stat, acl });
    }
    session.close().map_err(while_at("close".to_owned()))?;
    Ok(tree)
}

/// Checks that all servers have the same znodes, byte for byte.
///
/// # Panics
/// At the first znode that differs.
pub fn assert_equal(addrs: &[SocketAddr]) {
    let trees: Vec<_> = addrs.iter().map(|addr| read(*addr)).collect();
    for (addr, tree) in addrs.iter().zip(&trees).skip(1) {
        let paths = trees[0].keys().chain(tree.keys());
        for path in paths {
            let (a, b) = (trees[0].get(path), tree.get(path));
            assert!(a == b, "{path} differs:\n  {}: {a:?}\n  {addr}: {b:?}", addrs[0]);
        }
    }
}

/// Checks on every server that all is there that was acknowledged, and all gone whose deletion was.
///
/// # Panics
/// At the first acknowledged write that a server does not have.
pub fn assert_kept(addrs: &[SocketAddr], records: &[Record]) {
    for addr in addrs {
        let tree = read(*addr);
        for record in records {
            for path in &record.created {
                let znode = tree.get(path).unwrap_or_else(|| panic!("{addr} has lost {path}, which was acknowledged"));
                assert_eq!(znode.data, path.as_bytes(), "the data of {path} on {addr}");
            }
            for path in &record.deleted {
                assert!(!tree.contains_key(path), "{addr} still has {path}, whose deletion was acknowledged");
            }
            let counter = tree.get(&record.counter).unwrap_or_else(|| panic!("{addr} has lost {}", record.counter));
            let value: u64 = String::from_utf8_lossy(&counter.data).parse().expect("a number");
            assert!(
                value >= record.counter_value,
                "{} is {value} on {addr}, although {} was acknowledged",
                record.counter,
                record.counter_value
            );
            let ephemeral = tree.get(&record.ephemeral);
            let owner = ephemeral.map(|znode| znode.stat.ephemeral_owner);
            assert_eq!(owner, Some(record.session_id), "the owner of {} on {addr}", record.ephemeral);
        }
    }
}

/// Deletes what is beneath `/load`, so that a second load can begin.
///
/// # Panics
/// When the server refuses.
pub fn clear_load(addr: SocketAddr) {
    let mut session = Session::open_any(&[addr], 30_000, LIMIT);
    session.sync().expect("sync");
    for name in session.children("/load").expect("children") {
        match session.delete(&format!("/load/{name}")) {
            Ok(()) | Err(Failure::Code(NO_NODE)) => {}
            Err(e) => panic!("delete /load/{name}: {e:?}"),
        }
    }
    session.close().expect("close");
}
