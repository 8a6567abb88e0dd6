//! The tree as a whole: its parts, its accessors, and the bookkeeping that every change shares.

use crate::acl_table::{self, AclTable};
use crate::digest::{self, DigestLog, DigestLogEntry, ExpectedDigest};
use crate::node::{Node, NodeId, Owner, StoredStat};
use crate::path::{self, utf16_len};
use crate::quota::{self, QuotaPaths, QuotaUsage, StatsTrack};
use crate::store::Store;
use crate::watch::WatchTables;
use crate::{CONFIG_PATH, ConnId};
use parking_lot::Mutex;
use planted::Bug;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::{Acl, Id, Perms, SessionId, Stat, Zxid};

/// Most paths that [`Tree::reapable`] names at a time; the rest is found the next time.
pub const REAPABLE_MAX: usize = 10_000;
/// A snapshot is at most so many transactions ahead of its zxid, as far as digests are concerned.
pub const DISTRUSTED_TXNS_MAX: u32 = 100_000;

/// What a tree must know beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeSettings {
    /// Seeds the hash tables, whose keys clients choose: random in a process, fixed in tests.
    pub hash_seed: u64,
    /// `zookeeper.digest.enabled`.
    pub digest_enabled: bool,
    /// `zookeeper.extendedTypesEnabled`: whether TTL nodes are told from ephemerals.
    pub extended_types: bool,
}

impl Default for TreeSettings {
    fn default() -> Self {
        TreeSettings { hash_seed: 0, digest_enabled: true, extended_types: false }
    }
}

/// The replicated state of one server.
pub struct Tree {
    pub(crate) settings: TreeSettings,
    pub(crate) store: Store,
    pub(crate) acls: AclTable,
    pub(crate) sessions: BTreeMap<SessionId, i32>,
    /// Emptied sets stay until the session closes, as in Apache (`dump` counts them).
    pub(crate) ephemerals: BTreeMap<SessionId, BTreeSet<NodeId>>,
    pub(crate) containers: BTreeSet<NodeId>,
    pub(crate) ttls: BTreeSet<NodeId>,
    pub(crate) quotas: QuotaPaths,
    pub(crate) digest: u64,
    pub(crate) digest_log: DigestLog,
    pub(crate) expected_digest: Option<ExpectedDigest>,
    pub(crate) digest_mismatches: u64,
    /// Transactions whose digest may still differ without being reported: see [`Tree::distrust`].
    pub(crate) distrusted_txns: u32,
    /// Path lengths and data of all nodes.
    pub(crate) data_size: i64,
    /// See [`Tree::max_cversion`], [`Tree::max_version`].
    pub(crate) max_cversion: i32,
    pub(crate) max_version: i32,
    pub(crate) last_zxid: Zxid,
    pub(crate) is_placeholder: bool,
    /// A leaf lock: whoever holds it takes no other.
    pub(crate) watches: Mutex<WatchTables>,
}

impl Tree {
    /// An empty tree: the four nodes that exist before any transaction (`DataTree` constructor).
    #[must_use]
    pub fn new(settings: TreeSettings) -> Tree {
        let mut tree = Tree::bare(settings);
        tree.attach("/zookeeper", Some(b""), acl_table::OPEN, StoredStat::default());
        tree.attach(quota::QUOTA_PATH, Some(b""), acl_table::OPEN, StoredStat::default());
        tree.add_config_node();
        tree
    }

    /// An empty tree in the place of one that was let go of, until another takes its place: two would need the memory of both.
    /// It is nobody's state, so no snapshot is made of it.
    #[must_use]
    pub fn placeholder(settings: TreeSettings) -> Tree {
        Tree { is_placeholder: true, ..Tree::bare(settings) }
    }

    /// Whether this is a [`Tree::placeholder`].
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        self.is_placeholder
    }

    /// A tree with nothing but the root, for a loader to fill.
    pub(crate) fn bare(settings: TreeSettings) -> Tree {
        let mut tree = Tree {
            settings,
            store: Store::new(settings.hash_seed),
            acls: AclTable::new(settings.hash_seed),
            sessions: BTreeMap::new(),
            ephemerals: BTreeMap::new(),
            containers: BTreeSet::new(),
            ttls: BTreeSet::new(),
            quotas: QuotaPaths::default(),
            digest: 0,
            digest_log: DigestLog::default(),
            expected_digest: None,
            digest_mismatches: 0,
            max_cversion: 0,
            max_version: 0,
            distrusted_txns: 0,
            data_size: utf16_len("/"),
            last_zxid: Zxid::ZERO,
            is_placeholder: false,
            watches: Mutex::new(WatchTables::new(settings.hash_seed)),
        };
        tree.refresh_digest(NodeId::ROOT, "");
        tree
    }

    fn add_config_node(&mut self) {
        let readable = [Acl { perms: Perms::READ, id: Id::new("world", "anyone") }];
        let acl = self.acls.intern(&readable);
        self.attach(CONFIG_PATH, Some(b""), acl, StoredStat { aversion: -1, ..StoredStat::default() });
    }

    /// Adds a node below a parent that is known to be there; `acl` is already counted.
    fn attach(&mut self, path: &str, data: Option<&[u8]>, acl: u32, stat: StoredStat) {
        let (parent, name) = path::split(path).expect("fixed paths have a slash");
        let parent = self.store.lookup(parent).expect("fixed parents are attached first");
        let node = Node::new(name, data, acl, stat);
        self.insert(parent, path, node);
    }

    /// Puts a node into the store and into every table that depends on it.
    pub(crate) fn insert(&mut self, parent: NodeId, path: &str, node: Node) -> NodeId {
        self.data_size += utf16_len(path) + node.data_len() as i64;
        let owner = Owner::of(node.stat.ephemeral_owner, self.settings.extended_types);
        self.note_versions(node.stat.cversion, node.stat.version);
        let id = self.store.insert(parent, path, node);
        match owner {
            Owner::Nobody => {}
            Owner::Session(session) => {
                self.ephemerals.entry(session).or_default().insert(id);
            }
            Owner::Container => {
                self.containers.insert(id);
            }
            Owner::Ttl(_) => {
                self.ttls.insert(id);
            }
        }
        self.refresh_digest(id, path);
        id
    }

    /// Takes a childless node out of the store and out of every table that depends on it, its ACL excepted: the caller
    /// still needs that to filter events, and releases it.
    pub(crate) fn detach(&mut self, id: NodeId, path: &str) -> Node {
        let node = self.store.remove_leaf(id);
        self.data_size -= utf16_len(path) + node.data_len() as i64;
        self.digest = self.digest.wrapping_sub(u64::from(node.digest));
        match Owner::of(node.stat.ephemeral_owner, self.settings.extended_types) {
            Owner::Nobody => {}
            Owner::Session(session) => {
                if let Some(owned) = self.ephemerals.get_mut(&session) {
                    owned.remove(&id);
                }
            }
            Owner::Container => {
                self.containers.remove(&id);
            }
            Owner::Ttl(_) => {
                self.ttls.remove(&id);
            }
        }
        node
    }

    /// Brings a node's digest, and with it the tree's, up to its present content.
    pub(crate) fn refresh_digest(&mut self, id: NodeId, path: &str) {
        if !self.settings.digest_enabled {
            return;
        }
        let node = self.store.get_mut(id);
        let digest = digest::of(path::canonical(path), node.data.as_deref(), &node.stat);
        self.digest = self.digest.wrapping_sub(u64::from(node.digest)).wrapping_add(u64::from(digest));
        node.digest = digest;
    }

    /// The digest summed up from scratch, to check the running one.
    #[must_use]
    pub fn recomputed_digest(&self) -> u64 {
        if !self.settings.digest_enabled {
            return 0;
        }
        let mut path = String::new();
        self.store.subtree(NodeId::ROOT).fold(0, |sum: u64, id| {
            self.store.path_into(id, &mut path);
            let node = self.store.get(id);
            sum.wrapping_add(u64::from(digest::of(&path, node.data.as_deref(), &node.stat)))
        })
    }

    /// The ensemble's configuration becomes the data of `/zookeeper/config` (`ZKDatabase.initConfigInZKDatabase`): version
    /// -1, the configuration's version as mzxid, now as mtime. Snapshots of very old servers lack the node: it is added.
    pub fn set_config_node(&mut self, data: &[u8], version: Zxid, mtime: wire::Millis) {
        if self.store.lookup(CONFIG_PATH).is_none() && self.store.lookup("/zookeeper").is_some() {
            self.add_config_node();
        }
        let Some(id) = self.store.lookup(CONFIG_PATH) else { return };
        let node = self.store.get_mut(id);
        let before = node.data_len();
        node.data = Some(Box::from(data));
        node.stat.version = -1;
        node.stat.mzxid = version.0;
        node.stat.mtime = mtime.0;
        self.data_size += data.len() as i64 - before as i64;
        self.refresh_digest(id, CONFIG_PATH);
    }

    /// What the tree was told about itself.
    #[must_use]
    pub fn settings(&self) -> TreeSettings {
        self.settings
    }

    /// The last transaction applied.
    #[must_use]
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// Makes every image that is being written fail. Called before transactions are applied that may not be committed: an
    /// image begun earlier carries a zxid from which nobody could tell that it holds them, and a later cut of the log would
    /// not find it (ZOOKEEPER-1549).
    pub fn abandon_images(&mut self) {
        self.store.forget_cursors();
    }

    /// Says where a loaded snapshot stands.
    pub fn set_last_zxid(&mut self, zxid: Zxid) {
        self.last_zxid = zxid;
    }

    /// Suspends the comparison of digests until `expected.zxid` is replayed, and compares there.
    pub fn expect_digest(&mut self, expected: ExpectedDigest) {
        self.expected_digest = Some(expected);
    }

    /// Says that the tree may be ahead of its zxid, because it was read from a snapshot that was written while transactions
    /// went on and that does not say how far they had come. Until these are applied again it is none that the leader ever
    /// had: differing digests are not reported before one agrees, or before a hundred thousand have differed. (Apache's
    /// learners raise false alarms there.)
    pub fn distrust(&mut self) {
        self.distrusted_txns = DISTRUSTED_TXNS_MAX;
    }

    /// The digest of the whole tree; 0 where the feature is off.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Digests of every 128th transaction, oldest first, at most 1024.
    #[must_use]
    pub fn digest_log(&self) -> Vec<DigestLogEntry> {
        self.digest_log.entries()
    }

    /// The highest child version of any node since the tree was loaded, of nodes that are gone too. It is what the next sequential
    /// child is numbered by, and ends at [`i32::MAX`].
    #[must_use]
    pub fn max_cversion(&self) -> i32 {
        self.max_cversion
    }

    /// The same of data versions, behind whose end there are negative ones.
    #[must_use]
    pub fn max_version(&self) -> i32 {
        self.max_version
    }

    pub(crate) fn note_versions(&mut self, cversion: i32, version: i32) {
        self.max_cversion = self.max_cversion.max(cversion);
        self.max_version = self.max_version.max(version);
    }

    /// How often a transaction's digest was not the tree's (`digest_mismatches_count`).
    #[must_use]
    pub fn digest_mismatches(&self) -> u64 {
        self.digest_mismatches
    }

    /// Znodes as `znode_count` has them: the root counts twice, once as `""` and once as `/`.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.store.len() + 1
    }

    /// Path lengths and data (`approximate_data_size`).
    #[must_use]
    pub fn approximate_data_size(&self) -> i64 {
        self.data_size
    }

    /// Distinct ACLs.
    #[must_use]
    pub fn acl_count(&self) -> usize {
        self.acls.len()
    }

    /// Ephemeral nodes.
    #[must_use]
    pub fn ephemerals_count(&self) -> usize {
        self.ephemerals.values().map(BTreeSet::len).sum()
    }

    /// Watches of both tables (`watch_count`).
    #[must_use]
    pub fn watch_count(&self) -> usize {
        self.watches.lock().count()
    }

    /// The data of a node; `Some(None)` where it is null.
    #[must_use]
    pub fn get_data(&self, path: &str) -> Option<Option<&[u8]>> {
        self.store.lookup(path).map(|id| self.store.get(id).data.as_deref())
    }

    /// The stat of a node, as clients see it.
    #[must_use]
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.store.lookup(path).map(|id| self.store.get(id).client_stat(self.settings.extended_types))
    }

    /// The `ephemeralOwner` of a node as snapshots have it: it tells containers and times to live, which clients do not see.
    #[must_use]
    pub fn stored_owner(&self, path: &str) -> Option<i64> {
        self.store.lookup(path).map(|id| self.store.get(id).stat.ephemeral_owner)
    }

    /// The ACL of a node; `Some(None)` where it is the open one that needs no entry.
    #[must_use]
    pub fn acl(&self, path: &str) -> Option<Option<&[Acl]>> {
        self.store.lookup(path).map(|id| self.acls.get(self.store.get(id).acl).map(|acl| &acl[..]))
    }

    /// The names of a node's children, in order.
    #[must_use]
    pub fn children(&self, path: &str) -> Option<Vec<String>> {
        let id = self.store.lookup(path)?;
        let mut names: Vec<String> = self.store.children(id).map(|(_, node)| node.name.to_string()).collect();
        names.sort_unstable();
        Some(names)
    }

    /// Every path in order, the root as `/`: for tests and tools.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let nodes = self.store.subtree(NodeId::ROOT);
        let mut paths: Vec<String> = nodes.map(|id| path::shown(&self.store.path_of(id)).to_owned()).collect();
        paths.sort_unstable();
        paths
    }

    /// All global sessions with their timeouts in ms, in order.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = (SessionId, i32)> {
        self.sessions.iter().map(|(&session, &timeout)| (session, timeout))
    }

    /// The timeout of a session in ms, if it is there.
    #[must_use]
    pub fn session_timeout(&self, session: SessionId) -> Option<i32> {
        self.sessions.get(&session).copied()
    }

    /// Whether the session is there.
    #[must_use]
    pub fn has_session(&self, session: SessionId) -> bool {
        self.sessions.contains_key(&session)
    }

    /// Sessions and the paths of their ephemerals, both in order (`dump`).
    #[must_use]
    pub fn ephemerals(&self) -> Vec<(SessionId, Vec<String>)> {
        self.ephemerals.keys().map(|&session| (session, self.ephemerals_of(session))).collect()
    }

    /// The paths of a session's ephemerals, in order.
    #[must_use]
    pub fn ephemerals_of(&self, session: SessionId) -> Vec<String> {
        let owned = self.ephemerals.get(&session).into_iter().flatten();
        let mut paths: Vec<String> = owned.map(|&id| self.store.path_of(id)).collect();
        paths.sort_unstable();
        paths
    }

    /// Whose ephemeral a node is; `Some(None)` where it is none, `None` where there is no such node.
    #[must_use]
    pub fn session_of(&self, path: &str) -> Option<Option<SessionId>> {
        let node = self.store.get(self.store.lookup(path)?);
        match Owner::of(node.stat.ephemeral_owner, self.settings.extended_types) {
            Owner::Session(session) => Some(Some(session)),
            Owner::Nobody | Owner::Container | Owner::Ttl(_) => Some(None),
        }
    }

    /// The paths that have quotas, with limits and usage.
    #[must_use]
    pub fn quota_usage(&self) -> Vec<QuotaUsage> {
        let read = |path: String| {
            let data = self.get_data(&path).flatten();
            data.and_then(|data| StatsTrack::parse(data).ok()).unwrap_or_default()
        };
        let usage = |path: &str| QuotaUsage {
            path: path.to_owned(),
            limits: read(quota::limits_path(path)),
            used: read(quota::stats_path(path)),
        };
        self.quotas.iter().map(usage).collect()
    }

    /// Containers and TTL nodes that the leader should delete (`ContainerManager.getCandidates`): containers that once had a
    /// child and have none, or never had one for longer than `max_never_used_ms` (0 = for ever); TTL nodes without children
    /// that were not written for longer than their time to live.
    #[must_use]
    pub fn reapable(&self, now: wire::Millis, max_never_used_ms: i64) -> Vec<String> {
        let since = |node: &Node| if planted::is(Bug::TtlCountsFromCreate) { node.stat.ctime } else { node.stat.mtime };
        let unused_for = |node: &Node| now.0.saturating_sub(since(node));
        let is_reapable = |node: &Node| {
            node.num_children == 0
                && match Owner::of(node.stat.ephemeral_owner, self.settings.extended_types) {
                    Owner::Container if node.stat.cversion > 0 || planted::is(Bug::UnusedContainerDeleted) => true,
                    Owner::Container => max_never_used_ms != 0 && unused_for(node) > max_never_used_ms,
                    Owner::Ttl(ttl) => ttl != 0 && unused_for(node) > ttl,
                    Owner::Nobody | Owner::Session(_) => false,
                }
        };
        let nodes = self.containers.iter().chain(&self.ttls).filter(|&&id| is_reapable(self.store.get(id)));
        nodes.take(REAPABLE_MAX).map(|&id| self.store.path_of(id)).collect()
    }

    /// Announces a connection: without this its watches are ignored, and its identities filter its events.
    pub fn add_watcher(&self, conn: ConnId, identities: Arc<[Id]>) {
        self.watches.lock().add_watcher(conn, identities);
    }

    /// The connection has proven more identities.
    pub fn update_watcher(&self, conn: ConnId, identities: Arc<[Id]>) {
        self.watches.lock().update_watcher(conn, identities);
    }

    /// Who a connection has proven to be; `None` where it was not announced.
    #[must_use]
    pub fn watcher_identities(&self, conn: ConnId) -> Option<Arc<[Id]>> {
        self.watches.lock().identities_of(conn)
    }

    /// The connection is gone, and its watches with it.
    pub fn remove_watcher(&self, conn: ConnId) {
        self.watches.lock().remove_watcher(conn);
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("last_zxid", &self.last_zxid)
            .field("nodes", &self.store.len())
            .field("sessions", &self.sessions.len())
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
