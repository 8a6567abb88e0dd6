//! What is restored and what is not, byte by byte.

use super::*;
use std::io::Cursor;
use std::sync::Arc;
use store::{Compression, RealFs, SnapshotWriter, Vfs, snapshot_name};
use tree::{TreeSettings, image};

fn settings() -> LoaderSettings {
    let tree = TreeSettings { hash_seed: 0, digest_enabled: true, extended_types: true };
    LoaderSettings { tree, record_bytes_max: 1 << 20 }
}

/// A snapshot of an empty tree with this trailer.
fn snapshot(compression: Compression, trailer: impl FnOnce(u64) -> SnapshotTrailer) -> Vec<u8> {
    let mut tree = Tree::new(settings().tree);
    tree.set_last_zxid(Zxid(9));
    let (dir, vfs): (_, Arc<dyn Vfs>) = (tempfile::tempdir().unwrap(), Arc::new(RealFs));
    let mut out = SnapshotWriter::create(&vfs, dir.path(), Zxid(9), compression).unwrap();
    let (mut body, mut bytes) = (image::Writer::new(&tree), Vec::new());
    while body.next_chunk(&tree, &mut bytes, usize::MAX).unwrap() {}
    out.append(&bytes).unwrap();
    out.finish(trailer(tree.digest())).unwrap();
    std::fs::read(dir.path().join(snapshot_name(Zxid(9), compression))).unwrap()
}

fn good(digest: u64) -> SnapshotTrailer {
    let digest = ZxidDigest { zxid: Zxid(9), version: TxnDigest::VERSION, digest };
    SnapshotTrailer { digest: Some(digest), last_processed: Some(Zxid(9)) }
}

fn read(bytes: Vec<u8>) -> Result<Restorable, RestoreError> {
    Restorable::read(Box::new(Cursor::new(bytes)), settings(), 1 << 20)
}

#[test]
fn a_whole_one_is_read_whatever_its_packing() {
    for compression in [Compression::None, Compression::Gz, Compression::Snappy] {
        let found = read(snapshot(compression, good)).unwrap();
        assert_eq!((found.zxid, found.latest, found.tree.node_count()), (Zxid(9), Zxid(9), 5), "{compression:?}");
    }
}

#[test]
fn one_that_was_written_meanwhile_tells_how_far_it_may_go() {
    let later = |digest: u64| {
        let digest = ZxidDigest { zxid: Zxid(12), version: TxnDigest::VERSION, digest: digest ^ 1 };
        SnapshotTrailer { digest: Some(digest), last_processed: Some(Zxid(9)) }
    };
    let found = read(snapshot(Compression::None, later)).unwrap();
    assert_eq!((found.zxid, found.latest), (Zxid(9), Zxid(12)));
}

#[test]
fn none_that_is_cut_or_changed_is_read() {
    let whole = snapshot(Compression::None, good);
    for end in 0..whole.len() {
        // Up to the end of a section it is what an older server writes, and has no zxid.
        assert!(read(whole[..end].to_vec()).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        // Version and id behind the magic are looked at by nobody, but for the checksum.
        assert!(read(changed).is_err(), "changed at {at}");
    }
    let mut longer = whole;
    longer.push(0);
    assert!(read(longer).is_err());
}

#[test]
fn garbage_is_named() {
    for garbage in [&b""[..], b"ZK", b"nonsense", b"\x1f\x8bnonsense", b"\x82SNAnonsense", b"PK\x03\x04"] {
        let error = read(garbage.to_vec()).err().expect("an error").to_string();
        assert!(error.contains(NAME) && error.contains("hint: "), "{error}");
    }
}

#[test]
fn another_digest_is_refused() {
    let error = read(snapshot(Compression::None, |digest| good(digest ^ 1))).err();
    assert!(matches!(error, Some(RestoreError::Digest { zxid: Zxid(9), .. })), "{error:?}");
}

#[test]
fn without_a_zxid_there_is_nothing_to_go_on_from() {
    let none = |digest| SnapshotTrailer { last_processed: None, ..good(digest) };
    assert!(matches!(read(snapshot(Compression::None, none)).err(), Some(RestoreError::NoZxid)));
    let negative = |digest| SnapshotTrailer { last_processed: Some(Zxid(-1)), ..good(digest) };
    assert!(matches!(read(snapshot(Compression::None, negative)).err(), Some(RestoreError::NoZxid)));
}

#[test]
fn one_that_unpacks_to_too_much_is_refused() {
    let packed = snapshot(Compression::Gz, good);
    let read = Restorable::read(Box::new(Cursor::new(packed)), settings(), 100);
    assert!(matches!(read.err(), Some(RestoreError::TooLong { max: 100 })));
}
