//! A small tree with everything in it that a request may run into.

use bytes::Bytes;
use std::sync::Arc;
use tree::image::{Loader, LoaderSettings, Writer as ImageWriter};
use tree::{ConnId, Events, Prep, PrepSettings, Tree, TreeSettings, WriteRequest};
use wire::client::OpCode;
use wire::txn::{TxnEntry, TxnHeader};
use wire::{Acl, Id, Millis, Perms, SessionId, Writer, Xid, Zxid};

pub(crate) const SESSION: SessionId = SessionId(0x0100_0000_0000_0001);
pub(crate) const CONN: ConnId = ConnId(1);
pub(crate) const OTHER: ConnId = ConnId(2);
/// The longest record a snapshot may hold here.
pub(crate) const RECORD_BYTES_MAX: usize = 1 << 20;
/// Its digest is counted again and again: no larger than what a multiRead needs to go over its bound.
const BIG_NODE_BYTES: usize = 64 * 1024;
const START_MS: i64 = 1_700_000_000_000;

pub(crate) const TREE: TreeSettings = TreeSettings { hash_seed: 42, digest_enabled: true, extended_types: true };

/// A leader of one.
pub(crate) struct World {
    pub(crate) tree: Tree,
    pub(crate) prep: Prep,
    pub(crate) events: Events,
    zxid: i64,
}

impl World {
    /// Persistent nodes, an ephemeral, a container, a closed node, a quota that is enforced, and a large value.
    pub(crate) fn new() -> World {
        let settings = PrepSettings { enforce_quota: true, ..PrepSettings::default() };
        let (tree, prep) = (Tree::new(TREE), Prep::new(settings));
        let mut world = World { tree, prep, events: Events::new(), zxid: 0x1_0000_0000 };
        world.must(OpCode::CreateSession, &4000_i32.to_be_bytes());
        let closed = [Acl { perms: Perms::READ, id: Id::new("digest", "u:h") }];
        let open = Acl::open();
        let big = vec![7; BIG_NODE_BYTES];
        let nodes: [(&str, &[u8], &[Acl], i32); 10] = [
            ("/a", b"1", &open, 0),
            ("/a/b", b"", &open, 0),
            ("/a/e", b"", &open, 1),
            ("/big", &big, &open, 0),
            ("/closed", b"2", &closed, 0),
            ("/c", b"", &open, 4),
            ("/q", b"", &open, 0),
            ("/zookeeper/quota/q", b"", &open, 0),
            ("/zookeeper/quota/q/zookeeper_limits", b"count=3,bytes=9=;byteHardLimit=99;countHardLimit=3", &open, 0),
            ("/zookeeper/quota/q/zookeeper_stats", b"count=1,bytes=0", &open, 0),
        ];
        for (path, data, acl, flags) in nodes {
            world.must(OpCode::Create, &create(path, data, acl, flags));
        }
        for conn in [CONN, OTHER] {
            world.tree.add_watcher(conn, Arc::from([Id::new("ip", "127.0.0.1")]));
        }
        world
    }

    fn must(&mut self, opcode: OpCode, body: &[u8]) {
        let entry = self.prepare(opcode, Xid(0), body, &[]);
        let result = self.apply(&entry);
        assert_eq!(result.error_code(), 0, "{opcode:?} of the small tree: {result:?}");
    }

    /// What the leader makes of a request; it is then in flight.
    pub(crate) fn prepare(&mut self, opcode: OpCode, cxid: Xid, body: &[u8], identities: &[Id]) -> TxnEntry {
        self.zxid += 1;
        let header = TxnHeader { session: SESSION, cxid, zxid: Zxid(self.zxid), time: Millis(START_MS + self.zxid) };
        let body = Bytes::copy_from_slice(body);
        let (session_error, ephemeral_error) = (None, None);
        let text = Bytes::from_static(b"version=1");
        let next_config = Some(Ok(&text));
        let request =
            WriteRequest { header, opcode, body: &body, identities, session_error, ephemeral_error, next_config };
        self.prep.prepare(&self.tree, &request)
    }

    /// Applies what is next in flight.
    pub(crate) fn apply(&mut self, entry: &TxnEntry) -> tree::TxnResult {
        let result = self.tree.apply(entry, &mut self.events);
        self.prep.applied(entry.zxid());
        result
    }
}

/// The body of a create.
pub(crate) fn create(path: &str, data: &[u8], acl: &[Acl], flags: i32) -> Vec<u8> {
    let mut out = Vec::new();
    out.string(path);
    out.buffer(Some(data));
    Acl::encode_vec(acl, &mut out);
    out.i32(flags);
    out
}

/// A tree's image.
pub(crate) fn image_of(tree: &Tree) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ImageWriter::new(tree);
    while writer.next_chunk(tree, &mut out, 4096).expect("the tree is not replaced here") {}
    out
}

/// The running digest is the one counted from scratch.
pub(crate) fn check_digest(tree: &Tree) {
    assert_eq!(tree.digest(), tree.recomputed_digest(), "I12: the running digest is that of the tree");
}

/// And another server gets the same tree from this one's image, unless it has nodes from beyond its last zxid.
pub(crate) fn check_tree(tree: &Tree) {
    check_digest(tree);
    let mut loader = Loader::new(LoaderSettings { tree: tree.settings(), record_bytes_max: RECORD_BYTES_MAX });
    let progress = loader.push(&image_of(tree)).expect("our own image can be read");
    assert!(progress.done, "our own image is complete");
    let copy = loader.finish().expect("our own image is a tree");
    assert_eq!(copy.paths(), tree.paths());
    assert_eq!(copy.digest(), tree.digest(), "I12: an image carries the tree's digest");
}
