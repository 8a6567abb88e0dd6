//! Transactions may be repeated (I6), and a fuzzy image with the log behind it is the tree it was taken of.

mod support;

use proptest::prelude::*;
use support::workload::{Op, op};
use support::{World, dump, settings};
use tree::image::{ImageError, Loader, LoaderSettings, Writer};
use tree::{Events, ExpectedDigest, Tree};
use wire::Zxid;
use wire::txn::TxnEntry;

const LOADER: LoaderSettings = LoaderSettings {
    tree: tree::TreeSettings { hash_seed: 7, digest_enabled: true, extended_types: true },
    record_bytes_max: 1 << 16,
};

fn run(world: &mut World, ops: &[Op]) {
    for op in ops {
        op.submit(world);
        world.apply_next();
    }
}

fn load(body: &[u8], piece: usize) -> Result<Tree, ImageError> {
    let mut loader = Loader::new(LOADER);
    let mut consumed = 0;
    for piece in body.chunks(piece) {
        let progress = loader.push(piece)?;
        consumed += progress.consumed;
        if progress.done {
            break;
        }
        assert_eq!(progress.consumed, piece.len());
    }
    let tree = loader.finish()?;
    assert_eq!(consumed + 5, body.len(), "what is behind the body is left alone");
    Ok(tree)
}

fn replay(tree: &mut Tree, log: &[TxnEntry]) {
    for entry in log.iter().filter(|entry| entry.zxid() > tree.last_zxid()).cloned().collect::<Vec<_>>() {
        tree.apply(&entry, &mut Events::new());
    }
}

/// Dumps are compared without the size of quota statistics, which loading counts anew.
fn same(left: &Tree, right: &Tree) {
    assert_eq!(dump(left), dump(right));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn applying_a_log_twice_is_applying_it_once(ops in prop::collection::vec(op(), 1..60), from in 0usize..60) {
        let mut world = World::new();
        run(&mut world, &ops);
        let once = dump(&world.tree);
        // The last transactions again, over a tree that has them all: digests differ in between, the end is the same.
        let from = from.min(world.log.len());
        for entry in &world.log[from..] {
            world.tree.apply(entry, &mut world.events);
        }
        prop_assert_eq!(dump(&world.tree), once);
    }

    #[test]
    fn a_fuzzy_image_and_its_log_are_the_tree(
        before in prop::collection::vec(op(), 0..40),
        during in prop::collection::vec(prop::collection::vec(op(), 0..6), 0..20),
        after in prop::collection::vec(op(), 0..5),
        chunk in 1usize..600,
        piece in 1usize..300,
    ) {
        let mut world = World::new();
        run(&mut world, &before);
        let mut writer = Writer::new(&world.tree);
        let start = world.tree.last_zxid();
        prop_assert_eq!(writer.zxid(), start);
        let mut body = Vec::new();
        let mut during = during.iter();
        while writer.next_chunk(&world.tree, &mut body, chunk).unwrap() {
            if let Some(ops) = during.next() {
                run(&mut world, ops);
            }
        }
        let section = writer.digest_section().unwrap();
        prop_assert_eq!(section.zxid, world.tree.last_zxid());
        run(&mut world, &after);
        body.extend_from_slice(b"\0\0\0\0\0");
        let mut loaded = load(&body, piece).unwrap();
        prop_assert_eq!(loaded.digest(), loaded.recomputed_digest());
        loaded.set_last_zxid(start);
        if section.zxid > start {
            loaded.expect_digest(ExpectedDigest { zxid: section.zxid, version: section.version, digest: section.digest });
        }
        replay(&mut loaded, &world.log);
        prop_assert_eq!(loaded.digest_mismatches(), 0);
        same(&loaded, &world.tree);
    }

    /// What a leader streams to a learner carries no digest.
    #[test]
    fn a_fuzzy_stream_raises_no_alarm(
        during in prop::collection::vec(prop::collection::vec(op(), 0..6), 0..20),
        after in prop::collection::vec(op(), 0..5),
        chunk in 1usize..600,
    ) {
        let mut world = World::new();
        let mut writer = Writer::new(&world.tree);
        let start = world.tree.last_zxid();
        let mut body = Vec::new();
        let mut during = during.iter();
        while writer.next_chunk(&world.tree, &mut body, chunk).unwrap() {
            if let Some(ops) = during.next() {
                run(&mut world, ops);
            }
        }
        run(&mut world, &after);
        body.extend_from_slice(b"\0\0\0\0\0");
        let mut loaded = load(&body, body.len()).unwrap();
        loaded.set_last_zxid(start);
        loaded.distrust();
        replay(&mut loaded, &world.log);
        prop_assert_eq!(loaded.digest_mismatches(), 0);
        same(&loaded, &world.tree);
    }

    #[test]
    fn broken_images_are_refused_or_loaded(flips in prop::collection::vec((0usize..2000, any::<u8>()), 1..6), cut in 0usize..2000) {
        let mut world = World::new();
        for path in ["/a", "/a/b", "/c"] {
            world.create(path);
        }
        let mut body = Vec::new();
        Writer::new(&world.tree).next_chunk(&world.tree, &mut body, 1 << 20).unwrap();
        let len = body.len();
        for (at, flip) in flips {
            body[at % len] ^= flip;
        }
        body.truncate(len - cut % len);
        let mut loader = Loader::new(LOADER);
        if loader.push(&body).is_ok() {
            drop(loader.finish());
        }
    }
}

#[test]
fn images_survive_every_chunk_and_piece_size() {
    let mut world = World::new();
    for path in ["/a", "/a/b", "/a/b/c", "/d", "/a/e"] {
        world.create(path);
    }
    let closed = support::acl(1, "digest", "u:h");
    world.ok(wire::client::OpCode::Create, &support::create("/closed", b"x", &[closed], 0));
    world.ok(wire::client::OpCode::CreateSession, &support::body(|out| wire::Writer::i32(out, 6000)));
    let mut whole = Vec::new();
    Writer::new(&world.tree).next_chunk(&world.tree, &mut whole, usize::MAX).unwrap();
    for chunk in 0..whole.len() + 2 {
        let mut writer = Writer::new(&world.tree);
        let mut body = Vec::new();
        while writer.next_chunk(&world.tree, &mut body, chunk + 1).unwrap() {}
        assert_eq!(body, whole);
        assert_eq!(writer.next_chunk(&world.tree, &mut body, 1), Ok(false));
        body.extend_from_slice(b"\0\0\0\0\0");
        let mut loaded = load(&body, chunk + 1).unwrap();
        loaded.set_last_zxid(world.tree.last_zxid());
        same(&loaded, &world.tree);
    }
    for cut in 0..whole.len() {
        let mut loader = Loader::new(LOADER);
        assert!(!loader.push(&whole[..cut]).unwrap().done);
        assert!(matches!(loader.finish(), Err(ImageError::Incomplete { .. })));
    }
}

#[test]
fn an_acl_that_is_newer_than_the_map_is_repaired_by_the_log() {
    let mut world = World::new();
    world.create("/a");
    world.create("/b");
    let mut writer = Writer::new(&world.tree);
    let start = world.tree.last_zxid();
    let mut body = Vec::new();
    assert!(writer.next_chunk(&world.tree, &mut body, 1).unwrap());
    let secret = [support::acl(31, "digest", "u:h")];
    for path in ["/a", "/b"] {
        world.ok(wire::client::OpCode::SetAcl, &support::set_acl(path, &secret, 0));
    }
    while writer.next_chunk(&world.tree, &mut body, 1).unwrap() {}
    body.extend_from_slice(b"\0\0\0\0\0");
    let mut loaded = load(&body, 64).unwrap();
    assert_eq!(loaded.acl("/a"), Some(None), "written with the open ACL");
    loaded.set_last_zxid(start);
    replay(&mut loaded, &world.log);
    assert_eq!(loaded.acl("/a"), Some(Some(&secret[..])));
    same(&loaded, &world.tree);
}

#[test]
fn a_writer_notices_another_tree() {
    let world = World::new();
    let mut writer = Writer::new(&world.tree);
    let mut body = Vec::new();
    assert!(writer.next_chunk(&world.tree, &mut body, 1).unwrap());
    assert!(writer.next_chunk(&Tree::new(settings()), &mut body, 1).is_err());
}

#[test]
fn missing_acls_close_a_node() {
    let mut body = Vec::new();
    let out = &mut body;
    wire::Writer::i32(out, 0);
    wire::Writer::i32(out, 0);
    for (path, acl) in [("", -1), ("/x", 5)] {
        wire::Writer::string(out, path);
        wire::Writer::buffer(out, None);
        wire::Writer::i64(out, acl);
        wire::Writer::raw(out, &[0; 60]);
    }
    wire::Writer::string(out, "/");
    let mut loader = Loader::new(LOADER);
    assert!(loader.push(&body).unwrap().done);
    let mut world = World::new();
    world.tree = loader.finish().unwrap();
    let read = world.read(wire::client::OpCode::GetData, &support::path_watch("/x", false));
    assert_eq!(read.error, wire::ErrorCode::NoAuth.code());
}

#[test]
fn wrong_paths_and_long_records_are_named() {
    let body = |paths: &[&str], data: i32| {
        let mut out = Vec::new();
        wire::Writer::i32(&mut out, 0);
        wire::Writer::i32(&mut out, 0);
        for path in paths {
            wire::Writer::string(&mut out, path);
            wire::Writer::i32(&mut out, data);
            wire::Writer::raw(&mut out, &[0; 68]);
        }
        out
    };
    let check = |paths: &[&str], expected: &str| {
        let error = Loader::new(LOADER).push(&body(paths, -1)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&["/a"], "before the root");
    check(&["", "/a/b"], "no parent");
    check(&["", "/a", "/a"], "twice");
    check(&["", "a"], "no slash");
    check(&["", "/a", "/a/"], "empty name");
    check(&["", "//a"], "empty name");
    let error = Loader::new(LOADER).push(&body(&[""], 1 << 20)).unwrap_err();
    assert!(error.to_string().contains("hint: raise jute.maxbuffer"), "{error}");
}

#[test]
fn quota_statistics_are_counted_anew() {
    let mut world = World::new();
    let open = wire::Acl::open();
    for path in ["/q", "/q/a", "/zookeeper/quota/q"] {
        world.create(path);
    }
    for (name, text) in [("limits", "count=5,bytes=-1"), ("stats", "nonsense")] {
        let path = format!("/zookeeper/quota/q/zookeeper_{name}");
        world.ok(wire::client::OpCode::Create, &support::create(&path, text.as_bytes(), &open, 0));
    }
    let stats = "/zookeeper/quota/q/zookeeper_stats";
    world.ok(wire::client::OpCode::SetData, &support::set_data(stats, b"nonsense", -1));
    let mut body = Vec::new();
    Writer::new(&world.tree).next_chunk(&world.tree, &mut body, usize::MAX).unwrap();
    body.extend_from_slice(b"\0\0\0\0\0");
    let mut loaded = load(&body, 1000).unwrap();
    assert_eq!(loaded.get_data(stats), Some(Some(&b"count=2,bytes=0"[..])));
    loaded.set_last_zxid(Zxid(world.zxid));
    world.tree = loaded;
    world.create("/q/b");
    assert_eq!(world.tree.get_data(stats), Some(Some(&b"count=3,bytes=0"[..])));
}

#[test]
fn what_still_differs_when_nothing_is_ahead_any_more_is_reported() {
    let mut world = World::new();
    world.create("/a");
    let mut loaded = Tree::new(settings());
    loaded.distrust();
    let mut wrong = world.log.clone();
    for entry in &mut wrong {
        entry.digest = Some(wire::txn::TxnDigest { digest: 1, ..entry.digest.unwrap() });
    }
    replay(&mut loaded, &wrong);
    assert_eq!(loaded.digest_mismatches(), 0, "it may be ahead");
    let mut loaded = Tree::new(settings());
    loaded.distrust();
    replay(&mut loaded, &world.log);
    world.create("/b");
    let mut last = world.log.last().unwrap().clone();
    last.digest = wrong.last().unwrap().digest;
    replay(&mut loaded, &[last]);
    assert_eq!(loaded.digest_mismatches(), 1, "the digest has agreed once, and now it does not");
}
