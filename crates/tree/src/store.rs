//! The znodes in memory: slots in chunks, and one index from full paths to slots.
//!
//! Slots never move and chunks are never copied, so growth costs one chunk at a time. The index is split into shards that
//! grow one by one, so that no insert rehashes more than a 64th of the tree. A node keeps only its last segment; a lookup
//! hashes the full path and verifies a candidate by walking its segments up to the root.

use crate::hash;
use crate::node::{Node, NodeId, StoredStat};
use hashbrown::HashTable;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Nodes per chunk.
const CHUNK: usize = 1024;
/// Shards of the index.
const SHARDS: usize = 64;
/// Most znodes a tree can hold: slot numbers have 32 bits and the last one means "none".
pub(crate) const NODES_MAX: usize = (u32::MAX - 1) as usize;

/// The position of an image writer that is under way: the slot it goes on from. Shared with the store, which moves it on
/// when that slot's node is deleted.
pub(crate) type Cursor = Arc<AtomicU32>;

/// All znodes.
pub(crate) struct Store {
    chunks: Vec<Box<[Node]>>,
    vacant: NodeId,
    len: usize,
    index: Vec<HashTable<u32>>,
    seed: u64,
    cursors: Mutex<Vec<Cursor>>,
}

impl Store {
    /// A store with nothing but the root.
    pub(crate) fn new(seed: u64) -> Store {
        let index = (0..SHARDS).map(|_| HashTable::new()).collect();
        let mut store =
            Store { chunks: Vec::new(), vacant: NodeId::NONE, len: 0, index, seed, cursors: Mutex::new(Vec::new()) };
        let root = store.occupy(Node::new("", Some(b""), crate::acl_table::OPEN, StoredStat::default()));
        assert_eq!(root, NodeId::ROOT, "the root takes the first slot");
        store
    }

    /// Number of znodes, the root included once.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The node of a slot.
    pub(crate) fn get(&self, id: NodeId) -> &Node {
        let id = id.0 as usize;
        &self.chunks[id / CHUNK][id % CHUNK]
    }

    /// The node of a slot.
    pub(crate) fn get_mut(&mut self, id: NodeId) -> &mut Node {
        let id = id.0 as usize;
        &mut self.chunks[id / CHUNK][id % CHUNK]
    }

    /// Finds a node by its full path. `""` and `/` are both the root, as in `DataTree.nodes`.
    pub(crate) fn lookup(&self, path: &str) -> Option<NodeId> {
        if path.is_empty() || path == "/" {
            return Some(NodeId::ROOT);
        }
        let hash = hash::hash_path(self.seed, path);
        let found = self.index[shard(hash)].find(hash::spread(hash), |&id| self.is_path(NodeId(id), hash, path));
        found.map(|&id| NodeId(id))
    }

    /// Whether a node's path is `path`: segments are compared from the last to the first.
    fn is_path(&self, id: NodeId, hash: u32, path: &str) -> bool {
        let mut node = self.get(id);
        if node.path_hash != hash {
            return false;
        }
        let mut rest = path.as_bytes();
        loop {
            let Some(front) = rest.strip_suffix(node.name.as_bytes()) else { return false };
            let Some(front) = front.strip_suffix(b"/") else { return false };
            if node.parent == NodeId::ROOT {
                return front.is_empty();
            }
            rest = front;
            node = self.get(node.parent);
        }
    }

    /// Puts a node below `parent`. `path` is its full path, and no node may have it yet.
    pub(crate) fn insert(&mut self, parent: NodeId, path: &str, mut node: Node) -> NodeId {
        debug_assert!(self.lookup(path).is_none(), "{path} exists");
        let hash = hash::hash_path(self.seed, path);
        let sibling = self.get(parent).first_child;
        node.path_hash = hash;
        node.parent = parent;
        node.next = sibling;
        let id = self.occupy(node);
        if let Some(sibling) = sibling.some() {
            self.get_mut(sibling).previous = id;
        }
        let above = self.get_mut(parent);
        above.first_child = id;
        above.num_children += 1;
        let mut at = parent;
        while let Some(ancestor) = at.some() {
            let node = self.get_mut(ancestor);
            node.descendants += 1;
            at = node.parent;
        }
        let Store { index, chunks, .. } = self;
        let rehash = |&id: &u32| hash::spread(chunks[id as usize / CHUNK][id as usize % CHUNK].path_hash);
        index[shard(hash)].insert_unique(hash::spread(hash), id.0, rehash);
        id
    }

    /// Takes out a node without children.
    pub(crate) fn remove_leaf(&mut self, id: NodeId) -> Node {
        assert_ne!(id, NodeId::ROOT, "the root is never removed");
        let node = self.get(id);
        assert_eq!(node.num_children, 0, "{} still has children", self.path_of(id));
        let (hash, parent, previous, next) = (node.path_hash, node.parent, node.previous, node.next);
        self.move_cursors_off(id);
        if let Some(next) = next.some() {
            self.get_mut(next).previous = previous;
        }
        match previous.some() {
            Some(previous) => self.get_mut(previous).next = next,
            None => self.get_mut(parent).first_child = next,
        }
        self.get_mut(parent).num_children -= 1;
        let mut at = parent;
        while let Some(ancestor) = at.some() {
            let node = self.get_mut(ancestor);
            node.descendants -= 1;
            at = node.parent;
        }
        match self.index[shard(hash)].find_entry(hash::spread(hash), |&slot| slot == id.0) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => panic!("slot {} is not in the index", id.0),
        }
        self.len -= 1;
        let mut vacant = Node::vacant();
        vacant.next = self.vacant;
        self.vacant = id;
        std::mem::replace(self.get_mut(id), vacant)
    }

    fn occupy(&mut self, node: Node) -> NodeId {
        assert!(self.len < NODES_MAX, "a tree holds at most {NODES_MAX} znodes, this one has {}", self.len);
        if self.vacant == NodeId::NONE {
            self.add_chunk();
        }
        let id = self.vacant;
        self.vacant = self.get(id).next;
        *self.get_mut(id) = node;
        self.len += 1;
        id
    }

    fn add_chunk(&mut self) {
        let first = (self.chunks.len() * CHUNK) as u32;
        let mut chunk: Box<[Node]> = (0..CHUNK).map(|_| Node::vacant()).collect();
        for (n, node) in chunk.iter_mut().enumerate().take(CHUNK - 1) {
            node.next = NodeId(first + n as u32 + 1);
        }
        self.chunks.push(chunk);
        self.vacant = NodeId(first);
    }

    /// Starts a cursor at the root. Cursors whose writer has gone are dropped here.
    pub(crate) fn register_cursor(&self) -> Cursor {
        let cursor = Arc::new(AtomicU32::new(NodeId::ROOT.0));
        let mut cursors = self.cursors.lock();
        cursors.retain(|cursor| Arc::strong_count(cursor) > 1);
        cursors.push(Arc::clone(&cursor));
        cursor
    }

    /// Makes every cursor foreign: the images being written are worthless.
    pub(crate) fn forget_cursors(&mut self) {
        self.cursors.get_mut().clear();
    }

    /// Whether a cursor belongs to this store.
    pub(crate) fn owns_cursor(&self, cursor: &Cursor) -> bool {
        self.cursors.lock().iter().any(|own| Arc::ptr_eq(own, cursor))
    }

    /// A node is about to leave its slot: writers that would go on from there go on behind it.
    fn move_cursors_off(&mut self, id: NodeId) {
        let cursors = std::mem::take(self.cursors.get_mut());
        for cursor in &cursors {
            if cursor.load(Ordering::Relaxed) == id.0 {
                cursor.store(self.following_beside(id, NodeId::ROOT).0, Ordering::Relaxed);
            }
        }
        *self.cursors.get_mut() = cursors;
    }
}

fn shard(hash: u32) -> usize {
    (hash >> 26) as usize
}

const _: () = assert!(SHARDS == 1 << (32 - 26));
