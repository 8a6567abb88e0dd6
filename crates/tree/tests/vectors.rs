//! Numbers and bytes that Apache's servers print and write.

mod support;

use support::{START_MS, World, create, settings};
use tree::image::{self, Loader, LoaderSettings};
use tree::{Tree, TxnResult};
use wire::client::OpCode;
use wire::{Acl, Writer, Zxid};

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}

#[test]
fn empty_tree() {
    let tree = Tree::new(settings());
    assert_eq!(tree.digest(), 1_371_985_504);
    assert_eq!(tree.digest(), tree.recomputed_digest());
    assert_eq!((tree.node_count(), tree.approximate_data_size()), (5, 44));
    let root = tree.stat("/").unwrap();
    assert_eq!((root.cversion, root.num_children, root.czxid, root.pzxid), (-1, 1, 0, 0));
    let zookeeper = tree.stat("/zookeeper").unwrap();
    assert_eq!((zookeeper.cversion, zookeeper.num_children), (-2, 2));
    let config = tree.stat(tree::CONFIG_PATH).unwrap();
    assert_eq!((config.version, config.aversion), (0, -1));
}

#[test]
fn first_create_of_the_log_vector() {
    let mut world = World::new();
    world.session = wire::SessionId(0x0100_0000_0000_0000);
    world.now = START_MS - 10;
    let entry = world.submit(OpCode::Create, &create("/a", b"x", &Acl::open(), 0));
    assert_eq!(entry.digest.unwrap().digest, 7_539_952_680);
    assert_eq!(world.apply_next(), TxnResult::Created { path: "/a".into() });
    assert_eq!(world.tree.digest(), 7_539_952_680);
}

#[test]
fn empty_snapshot() {
    let tree = Tree::new(settings());
    let mut file = Vec::new();
    file.i32(0x5a4b_534e);
    file.i32(2);
    file.i64(-1);
    let mut writer = image::Writer::new(&tree);
    assert_eq!(writer.next_chunk(&tree, &mut file, 1 << 20), Ok(false));
    assert_eq!(file.len(), 411);
    assert_eq!(adler32(&file), 0xb8a2_3b49);
    file.i64(i64::from(adler32(&file)));
    file.string("/");
    assert_eq!(file.len(), 424);
    let section = writer.digest_section().unwrap();
    assert_eq!((section.zxid, section.version, section.digest), (Zxid(0), 2, 0));
    section.encode(&mut file);
    assert_eq!(adler32(&file), 0x95b9_3d59);
}

#[test]
fn config_node() {
    let mut tree = Tree::new(settings());
    tree.set_config_node(b"server.1=x\nversion=0", Zxid(0), wire::Millis(START_MS));
    let stat = tree.stat(tree::CONFIG_PATH).unwrap();
    assert_eq!((stat.version, stat.mzxid, stat.mtime, stat.data_length), (-1, 0, START_MS, 20));
    assert_eq!(tree.digest(), 1_371_985_504);
    assert_eq!(tree.approximate_data_size(), 64);
}

#[test]
fn a_snapshot_without_the_config_node_gets_one() {
    let mut bytes = Vec::new();
    bytes.i32(0);
    bytes.i32(0);
    for path in ["", "/zookeeper"] {
        bytes.string(path);
        bytes.buffer(None);
        bytes.i64(-1);
        bytes.raw(&[0; 60]);
    }
    bytes.string("/");
    let mut loader = Loader::new(LoaderSettings { tree: settings(), record_bytes_max: 1 << 20 });
    assert!(loader.push(&bytes).unwrap().done);
    let mut tree = loader.finish().unwrap();
    assert_eq!(tree.stat(tree::CONFIG_PATH), None);
    tree.set_config_node(b"version=0", Zxid(0), wire::Millis(START_MS));
    assert_eq!(tree.get_data(tree::CONFIG_PATH), Some(Some(&b"version=0"[..])));
    assert_eq!(tree.stat(tree::CONFIG_PATH).unwrap().aversion, -1);
}
