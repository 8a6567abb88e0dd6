//! Snapshot bodies (`SerializeUtils.serializeSnapshot`, `DataTree.serialize`): written while the tree goes on changing,
//! loaded as the bytes come in. The same bytes are the middle of a snapshot file and the stream that a SNAP sync sends.
//!
//! A body is *fuzzy*: it holds everything up to [`Writer::zxid`] and, of what came later, whatever the walk happened to
//! meet. Replaying the log from there makes it exact. Three rules keep that true:
//!
//! - A node created after the snapshot's zxid is left out: the log creates it again. So a child never stands in a body
//!   whose parent was deleted and created anew in between.
//! - The ACL map is written first, and an ACL that came later is not in it. A node that got such an ACL by a setACL is
//!   written with the open ACL; the setACL is in the log behind the snapshot, so no client ever meets the node like that.
//!   (Apache writes ids that are in no map here, ZOOKEEPER-4846.)
//! - The digest section holds the digest at the *end* of the walk and its zxid; digests are compared from there on.

mod loader;

use crate::Tree;
use crate::node::NodeId;
use crate::store::Cursor;
use std::sync::atomic::Ordering;
use wire::txn::TxnDigest;
use wire::{Acl, Zxid};

pub use loader::{ImageError, Loader, LoaderSettings, Progress};

/// The path that ends a body.
const TERMINATOR: &str = "/";
/// What passing over a node counts for in a chunk, so that a chunk without output ends as well.
const PASSED_NODE_BYTES: usize = 64;

/// The digest section behind a body (`DataTree.ZxidDigest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestSection {
    /// The last transaction in the tree when the walk ended; 0 = there was none, and the section is empty.
    pub zxid: Zxid,
    /// The algorithm's version.
    pub version: i32,
    /// The digest then.
    pub digest: u64,
}

impl DigestSection {
    /// Appends the section.
    pub fn encode(&self, out: &mut impl wire::Writer) {
        out.i64(self.zxid.0);
        out.i32(self.version);
        out.i64(self.digest as i64);
    }
}

/// The writer's tree is no longer the one it was made for: a SNAP sync has put another in its place. The image is worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree was replaced while its image was written")]
pub struct TreeReplaced;

/// Writes a body in chunks, each under a read guard of its own.
#[derive(Debug)]
pub struct Writer {
    zxid: Zxid,
    /// Sessions and ACL map, taken when the writer was made.
    head: Vec<u8>,
    last_acl_id: i64,
    cursor: Cursor,
    path: String,
    digest: Option<DigestSection>,
}

impl Writer {
    /// Fixes the snapshot's zxid, sessions and ACLs.
    #[must_use]
    pub fn new(tree: &Tree) -> Writer {
        let mut head = Vec::new();
        encode_head(tree, &mut head);
        Writer {
            zxid: tree.last_zxid(),
            head,
            last_acl_id: tree.acls.last_id(),
            cursor: tree.store.register_cursor(),
            path: String::new(),
            digest: None,
        }
    }

    /// The last transaction that the image holds for certain: its name.
    #[must_use]
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// Appends about `chunk_bytes` to `out` (one node more at most) and says whether there is more.
    pub fn next_chunk(&mut self, tree: &Tree, out: &mut impl Output, chunk_bytes: usize) -> Result<bool, TreeReplaced> {
        if self.digest.is_some() {
            return Ok(false);
        }
        if !tree.store.owns_cursor(&self.cursor) {
            return Err(TreeReplaced);
        }
        let start = out.written();
        let mut passed = 0;
        out.raw(&std::mem::take(&mut self.head));
        let mut at = NodeId(self.cursor.load(Ordering::Relaxed));
        if at != NodeId::NONE {
            tree.store.path_into(at, &mut self.path);
        }
        while at != NodeId::NONE && out.written() - start + passed < chunk_bytes {
            let node = tree.store.get(at);
            if node.stat.czxid <= self.zxid.0 || at == NodeId::ROOT {
                self.encode_node(tree, at, out);
            } else {
                passed += PASSED_NODE_BYTES;
            }
            at = step(tree, at, &mut self.path);
        }
        self.cursor.store(at.0, Ordering::Relaxed);
        if at != NodeId::NONE {
            return Ok(true);
        }
        out.string(TERMINATOR);
        let zxid = tree.last_zxid();
        let digest = if zxid > Zxid::ZERO { tree.digest() } else { 0 };
        self.digest = Some(DigestSection { zxid: zxid.max(Zxid::ZERO), version: TxnDigest::VERSION, digest });
        Ok(false)
    }

    /// The digest section that goes behind the body; `None` before the body is complete.
    #[must_use]
    pub fn digest_section(&self) -> Option<DigestSection> {
        self.digest
    }

    fn encode_node(&self, tree: &Tree, id: NodeId, out: &mut impl wire::Writer) {
        let node = tree.store.get(id);
        let acl = tree.acls.id(node.acl);
        out.string(&self.path);
        out.buffer(node.data.as_deref());
        out.i64(if acl > self.last_acl_id { crate::acl_table::OPEN_ID } else { acl });
        node.stat.encode(out);
    }
}

/// The buffers a body can be written to.
pub trait Output: wire::Writer {
    /// Bytes in the buffer.
    fn written(&self) -> usize;
}

impl Output for Vec<u8> {
    fn written(&self) -> usize {
        self.len()
    }
}

impl Output for bytes::BytesMut {
    fn written(&self) -> usize {
        self.len()
    }
}

fn encode_head(tree: &Tree, out: &mut impl wire::Writer) {
    out.length(tree.sessions.len());
    for (session, timeout) in tree.sessions() {
        out.i64(session.0);
        out.i32(timeout);
    }
    out.length(tree.acls.len());
    for (id, acl) in tree.acls.iter() {
        out.i64(id);
        Acl::encode_vec(acl, out);
    }
}

/// Goes on to the next node in pre-order and keeps `path` in step.
fn step(tree: &Tree, at: NodeId, path: &mut String) -> NodeId {
    let store = &tree.store;
    let node = store.get(at);
    if let Some(child) = node.first_child.some() {
        path.push('/');
        path.push_str(&store.get(child).name);
        return child;
    }
    let mut at = at;
    while at != NodeId::ROOT {
        let node = store.get(at);
        path.truncate(path.len() - node.name.len() - 1);
        if let Some(next) = node.next.some() {
            path.push('/');
            path.push_str(&store.get(next).name);
            return next;
        }
        at = node.parent;
    }
    NodeId::NONE
}
