//! The tree as the committed history says it must be, at every zxid: a naive reference, written from what transactions
//! mean and not from how `tree` carries them out.
//!
//! Every path has the list of all the states it went through, so that a question about any moment of the past is one
//! binary search. A transaction that is impossible where it stands (a create of what is there, a delete of what has
//! children) is refused: no leader may log one.

mod change;
mod history;
mod node_at;
pub mod verdict;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use wire::client::EventType;
use wire::txn::{CreateKind, CreateTxn, Txn, TxnEntry, TxnHeader};
use wire::{Acl, SessionId, Stat, Zxid};

use crate::observe::{Access, Lifetime};
use history::{History, Membership, Moment, Node};

pub use change::Change;
pub use node_at::NodeAt;

/// The tree at every moment of a history.
#[derive(Debug)]
pub struct Znodes {
    paths: HashMap<String, History>,
    /// When each session began (true) and ended (false), oldest first.
    sessions: HashMap<SessionId, Vec<(Zxid, bool)>>,
    ephemerals: HashMap<SessionId, BTreeSet<String>>,
    changes: Vec<Change>,
    /// How many znodes there are now.
    count: usize,
    last: Zxid,
}

impl Default for Znodes {
    fn default() -> Self {
        Znodes::new()
    }
}

impl Znodes {
    /// An empty database: the four znodes that are there before any transaction.
    #[must_use]
    pub fn new() -> Znodes {
        let mut znodes = Znodes {
            paths: HashMap::new(),
            sessions: HashMap::new(),
            ephemerals: HashMap::new(),
            changes: Vec::new(),
            count: 4,
            last: Zxid::ZERO,
        };
        let beginning = Moment { zxid: Zxid::ZERO, part: 0 };
        let initial: [(&str, &[&str]); 4] = [
            ("/", &["zookeeper"]),
            ("/zookeeper", &["config", "quota"]),
            ("/zookeeper/quota", &[]),
            ("/zookeeper/config", &[]),
        ];
        let open: Arc<[Acl]> = Arc::from(Access::Open.asked());
        let readable: Arc<[Acl]> = Arc::from(Access::ReadOnly.asked());
        for (path, children) in initial {
            let is_config = path == "/zookeeper/config";
            let acl = if is_config { readable.clone() } else { open.clone() };
            let stat = Stat {
                num_children: children.len() as i32,
                aversion: if is_config { -1 } else { 0 },
                ..Stat::default()
            };
            let history = znodes.paths.entry(path.to_owned()).or_default();
            let (data, lifetime) = (Some(Bytes::new()), Lifetime::Persistent);
            history.become_at(beginning, Some(Node { stat, data, acl, lifetime }));
            history.children = children.iter().map(|&name| name.to_owned()).collect();
        }
        znodes
    }

    /// The last transaction applied.
    #[must_use]
    pub fn last_zxid(&self) -> Zxid {
        self.last
    }

    /// How many znodes there are behind the last transaction.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Goes on by one committed transaction.
    ///
    /// # Errors
    /// When it is not behind the last one, or impossible in the state that the ones before it left behind.
    pub fn apply(&mut self, entry: &TxnEntry) -> Result<(), String> {
        let header = &entry.header;
        if header.zxid <= self.last {
            return Err(format!("transaction {} is committed behind {}", header.zxid, self.last));
        }
        self.last = header.zxid;
        let impossible = |why: String| format!("transaction {} is impossible: {why}: {:?}", header.zxid, entry.txn);
        let Txn::Multi(parts) = &entry.txn else {
            return self.apply_part(header, 0, &entry.txn).map_err(impossible);
        };
        if parts.iter().any(|part| matches!(part, Txn::Error { .. })) {
            return Ok(());
        }
        for (index, part) in parts.iter().enumerate() {
            self.apply_part(header, index as u32, part).map_err(|why| impossible(format!("part {index}: {why}")))?;
        }
        Ok(())
    }

    fn apply_part(&mut self, header: &TxnHeader, part: u32, txn: &Txn) -> Result<(), String> {
        let at = Moment { zxid: header.zxid, part };
        match txn {
            Txn::CreateSession { .. } => self.open_session(header),
            Txn::CloseSession { paths } => self.close_session(header, at, paths.as_deref().unwrap_or_default()),
            Txn::Error { .. } => Ok(()),
            Txn::Create(create) => self.create(header, at, create),
            Txn::Delete { path } => self.delete(at, path),
            Txn::DeleteContainer { path } => self.reap(header, at, path),
            Txn::SetData { path, data, version } => self.set_data(header, at, path, data.as_ref(), Some(*version)),
            Txn::Reconfig { path, data, version } => {
                // It has always the same version, which no other change expects.
                let mut node = self.node_now(path)?.clone();
                node.stat.version = *version;
                self.history(path).become_at(at, Some(node));
                self.set_data(header, at, path, data.as_ref(), None)
            }
            Txn::SetAcl { path, acl, version } => {
                let mut node = self.node_now(path)?.clone();
                expect_next("ACL version", node.stat.aversion, *version)?;
                node.stat.aversion = *version;
                node.acl = Arc::from(&acl[..]);
                self.history(path).become_at(at, Some(node));
                Ok(())
            }
            Txn::Check { path, version } => expect_next("version", self.node_now(path)?.stat.version, *version),
            Txn::Multi(_) => Err("a multi within a multi".to_owned()),
        }
    }

    fn history(&mut self, path: &str) -> &mut History {
        if !self.paths.contains_key(path) {
            self.paths.insert(path.to_owned(), History::default());
        }
        self.paths.get_mut(path).unwrap_or_else(|| unreachable!("{path} was put there just now"))
    }

    fn node_now(&self, path: &str) -> Result<&Node, String> {
        self.paths.get(path).and_then(History::now).ok_or_else(|| format!("there is no {path}"))
    }

    fn open_session(&mut self, header: &TxnHeader) -> Result<(), String> {
        if self.is_session_open(header.session, header.zxid) {
            return Err(format!("session {} is there already", header.session));
        }
        self.sessions.entry(header.session).or_default().push((header.zxid, true));
        Ok(())
    }

    fn close_session(&mut self, header: &TxnHeader, at: Moment, listed: &[String]) -> Result<(), String> {
        let session = header.session;
        for path in listed {
            let owner = self.node_now(path)?.stat.ephemeral_owner;
            if owner != session.0 {
                return Err(format!("{path} belongs to {:#x}, not to the session {session} that ends", owner));
            }
            self.delete(at, path)?;
        }
        if let Some(rest) = self.ephemerals.remove(&session).filter(|rest| !rest.is_empty()) {
            return Err(format!("session {session} ends and leaves its ephemerals {rest:?}"));
        }
        // A session may be closed twice: by its client and, because that took too long, by the leader.
        if self.is_session_open(session, header.zxid) {
            self.sessions.entry(session).or_default().push((header.zxid, false));
        }
        Ok(())
    }

    fn create(&mut self, header: &TxnHeader, at: Moment, create: &CreateTxn) -> Result<(), String> {
        let path = create.path.as_str();
        let (parent_path, name) = split(path).ok_or_else(|| format!("{path:?} is no path of a znode"))?;
        let parent = self.node_now(parent_path)?;
        if self.node_now(path).is_ok() {
            return Err(format!("{path} is there already"));
        }
        if parent.stat.ephemeral_owner != 0 {
            return Err(format!("{parent_path} is ephemeral and cannot have children"));
        }
        expect_next("the parent's cversion", parent.stat.cversion, create.parent_cversion)?;
        let lifetime = match create.kind {
            CreateKind::Create { ephemeral: true } | CreateKind::Create2 { ephemeral: true } => Lifetime::Ephemeral,
            CreateKind::Create { .. } | CreateKind::Create2 { .. } => Lifetime::Persistent,
            CreateKind::Container => Lifetime::Container,
            CreateKind::Ttl(ttl_ms) => Lifetime::Ttl(ttl_ms),
        };
        let is_ephemeral = lifetime == Lifetime::Ephemeral;
        if is_ephemeral {
            if !self.is_session_open(header.session, header.zxid) {
                return Err(format!("an ephemeral of session {}, which is not there", header.session));
            }
            self.ephemerals.entry(header.session).or_default().insert(path.to_owned());
        }
        let stat = Stat {
            czxid: at.zxid.0,
            mzxid: at.zxid.0,
            pzxid: at.zxid.0,
            ctime: header.time.0,
            mtime: header.time.0,
            ephemeral_owner: if is_ephemeral { header.session.0 } else { 0 },
            data_length: create.data.as_ref().map_or(0, Bytes::len) as i32,
            ..Stat::default()
        };
        self.count += 1;
        let acl: Arc<[Acl]> = Arc::from(&create.acl[..]);
        self.changes.push(Change::new(at.zxid, EventType::NodeCreated, path, acl.clone()));
        self.history(path).become_at(at, Some(Node { stat, data: create.data.clone(), acl, lifetime }));
        self.change_children(at, parent_path, name, true)
    }

    fn delete(&mut self, at: Moment, path: &str) -> Result<(), String> {
        let (parent_path, name) = split(path).ok_or_else(|| format!("{path:?} cannot be deleted"))?;
        let node = self.node_now(path)?;
        let (stat, acl) = (node.stat, node.acl.clone());
        if stat.num_children > 0 {
            return Err(format!("{path} has {} children", stat.num_children));
        }
        if let Some(owned) = self.ephemerals.get_mut(&SessionId(stat.ephemeral_owner)) {
            owned.remove(path);
        }
        self.count -= 1;
        self.history(path).become_at(at, None);
        self.changes.push(Change::new(at.zxid, EventType::NodeDeleted, path, acl));
        self.change_children(at, parent_path, name, false)
    }

    /// The leader deletes by itself: a container whose last child is gone, or what was not changed for its time to live by
    /// the clocks of the leaders.
    fn reap(&mut self, header: &TxnHeader, at: Moment, path: &str) -> Result<(), String> {
        let node = self.node_now(path)?;
        let unused_ms = header.time.0 - node.stat.mtime;
        match node.lifetime {
            Lifetime::Container if node.stat.cversion == 0 => {
                return Err(format!("the container {path} never had children"));
            }
            Lifetime::Ttl(ttl_ms) if unused_ms <= ttl_ms => {
                return Err(format!("{path} lives for {ttl_ms} ms and was changed {unused_ms} ms ago"));
            }
            Lifetime::Container | Lifetime::Ttl(_) => {}
            other => return Err(format!("{path} is {other:?} and not for the leader to delete")),
        }
        self.delete(at, path)
    }

    /// What a child that comes or goes does to its parent. `cversion` counts those that come, `pzxid` notes both.
    fn change_children(&mut self, at: Moment, parent_path: &str, name: &str, came: bool) -> Result<(), String> {
        let mut parent = self.node_now(parent_path)?.clone();
        parent.stat.pzxid = at.zxid.0;
        let history = self.history(parent_path);
        if came {
            parent.stat.cversion = parent.stat.cversion.wrapping_add(1);
            history.children.insert(name.to_owned());
        } else {
            history.children.remove(name);
        }
        parent.stat.num_children = history.children.len() as i32;
        history.memberships.push(Membership { at, name: name.to_owned(), came });
        let acl = parent.acl.clone();
        history.become_at(at, Some(parent));
        self.changes.push(Change::new(at.zxid, EventType::NodeChildrenChanged, parent_path, acl));
        Ok(())
    }

    fn set_data(
        &mut self,
        header: &TxnHeader,
        at: Moment,
        path: &str,
        data: Option<&Bytes>,
        version: Option<i32>,
    ) -> Result<(), String> {
        let mut node = self.node_now(path)?.clone();
        if let Some(version) = version {
            expect_next("version", node.stat.version, version)?;
            node.stat.version = version;
        }
        node.stat.mzxid = at.zxid.0;
        node.stat.mtime = header.time.0;
        node.stat.data_length = data.map_or(0, Bytes::len) as i32;
        node.data = data.cloned();
        self.changes.push(Change::new(at.zxid, EventType::NodeDataChanged, path, node.acl.clone()));
        self.history(path).become_at(at, Some(node));
        Ok(())
    }

    /// A znode as it was behind the transaction `zxid`; any number between two transactions will do.
    #[must_use]
    pub fn at(&self, path: &str, zxid: Zxid) -> Option<NodeAt<'_>> {
        self.at_moment(path, Moment::end_of(zxid))
    }

    /// A znode as it was behind one part of the multi `zxid`.
    #[must_use]
    pub fn at_part(&self, path: &str, zxid: Zxid, part: usize) -> Option<NodeAt<'_>> {
        self.at_moment(path, Moment { zxid, part: part as u32 })
    }

    fn at_moment(&self, path: &str, moment: Moment) -> Option<NodeAt<'_>> {
        let history = self.paths.get(path)?;
        history.at(moment).map(|node| NodeAt { node, history, moment })
    }

    /// Everything that fires watches, in the order in which it is told.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Containers that had children and have none now, each with the transaction that took the last one.
    pub fn emptied_containers(&self) -> impl Iterator<Item = (&str, Zxid)> {
        let now = self.paths.iter().filter_map(|(path, history)| Some((path.as_str(), history.now()?)));
        now.filter(|(_, node)| node.lifetime == Lifetime::Container)
            .filter(|(_, node)| node.stat.cversion > 0 && node.stat.num_children == 0)
            .map(|(path, node)| (path, Zxid(node.stat.pzxid)))
    }

    /// Whether a session was there behind the transaction `zxid`.
    #[must_use]
    pub fn is_session_open(&self, session: SessionId, zxid: Zxid) -> bool {
        let turns = self.sessions.get(&session).map(Vec::as_slice).unwrap_or_default();
        turns[..turns.partition_point(|(at, _)| *at <= zxid)].last().is_some_and(|(_, opened)| *opened)
    }
}

/// A path's parent and last segment; none for the root.
fn split(path: &str) -> Option<(&str, &str)> {
    match path.rfind('/')? {
        _ if path.len() == 1 => None,
        0 => Some(("/", &path[1..])),
        slash => Some((&path[..slash], &path[slash + 1..])),
    }
}

fn expect_next(what: &str, current: i32, found: i32) -> Result<(), String> {
    match found.cmp(&current.wrapping_add(1)) {
        Ordering::Equal => Ok(()),
        Ordering::Less | Ordering::Greater => Err(format!("{what} goes from {current} to {found}")),
    }
}

/// Whether the data of a znode are counted by each server for itself: without a transaction, so that no history tells
/// what they are at a zxid.
#[must_use]
pub fn is_quota_statistics(path: &str) -> bool {
    path.starts_with(tree::quota::QUOTA_PATH) && path.ends_with(tree::quota::STATS)
}

#[cfg(test)]
mod znodes_test;
