//! Bytes against Apache's: the vectors of `docs/storage-format.md`, and files written by ZooKeeper 3.9.5 itself.
//!
//! `data/log.1.trimmed` was written by `FileTxnLog` with `preAllocSize=1` (KiB): creates 1 to 6 in the batches 1-3, 4, 5,
//! 6; its padding is cut off here. `data/snapshot.3*` were written by `FileSnap`, once per compression method, from one
//! tree with three nodes and one session.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what it did not expect")]

mod common;

use std::path::Path;

use bytes::Bytes;
use common::*;
use store::testing::MemFs;
use store::*;
use wire::txn::{CreateKind, CreateTxn, Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Acl, Millis, SessionId, Writer, Xid, Zxid};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn log_entry_of_a_create() {
    let header = TxnHeader {
        session: SessionId(0x0100_0000_0000_0000),
        cxid: Xid(1),
        zxid: Zxid(0x1_0000_0001),
        time: Millis(1_700_000_000_000),
    };
    let create = CreateTxn {
        path: "/a".to_owned(),
        data: Some(Bytes::from_static(b"x")),
        acl: Acl::open(),
        kind: CreateKind::Create { ephemeral: false },
        parent_cversion: 1,
    };
    let digest = TxnDigest { version: 2, digest: 7_539_952_680 };
    let entry = TxnEntry::new(header, Txn::Create(create), Some(digest));
    let fs = fresh();
    let settings = LogSettings::default();
    let mut log = TxnLog::open(fs.vfs(), log_dir(), settings, Zxid::ZERO);
    log.append(entry.zxid(), &entry.bytes).unwrap();
    log.sync().unwrap();
    let path = log_dir().join("log.100000001");
    assert_eq!(fs.vfs().metadata(&path).unwrap().len, 16 + (64 << 20));
    let expected = hex("5a4b4c47 00000002 0000000000000000
         000000005a5a0a79 00000057 0100000000000000 00000001 0000000100000001 0000018bcfe56800 00000001
         00000002 2f61 00000001 78 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00 00000001
         00000002 00000001c16a8c28 42");
    let mut found = vec![0; expected.len() + 16];
    fs.vfs().open(&path, Open::Read).unwrap().read_at(0, &mut found).unwrap();
    assert_eq!(found[..expected.len()], expected);
    assert_eq!(found[expected.len()..], [0; 16]);
}

/// The body of an empty standalone server's snapshot.
fn empty_body() -> Vec<u8> {
    let mut body = Vec::new();
    body.i32(0); // sessions
    body.i32(1); // ACLs
    body.i64(1);
    body.i32(1);
    body.i32(1); // READ
    body.string("world");
    body.string("anyone");
    for (path, acl, aversion) in
        [("", -1, 0), ("/zookeeper", -1, 0), ("/zookeeper/config", 1, -1), ("/zookeeper/quota", -1, 0)]
    {
        body.string(path);
        body.buffer(Some(b""));
        body.i64(acl);
        body.raw(&[0; 32]); // czxid, mzxid, ctime, mtime
        body.raw(&[0; 8]); // version, cversion
        body.i32(aversion);
        body.raw(&[0; 16]); // ephemeralOwner, pzxid
    }
    body.string("/");
    body
}

#[test]
fn seals_of_an_empty_snapshot() {
    let fs = MemFs::new();
    fs.vfs().create_dir_all(Path::new("/s")).unwrap();
    let mut out = SnapshotWriter::create(&fs.vfs(), Path::new("/s"), Zxid::ZERO, Compression::None).unwrap();
    assert_eq!(empty_body().len() + 16, 411);
    out.append(&empty_body()).unwrap();
    let digest = ZxidDigest { zxid: Zxid::ZERO, version: 2, digest: 0 };
    let bytes = out.finish(SnapshotTrailer { digest: Some(digest), last_processed: Some(Zxid::ZERO) }).unwrap();
    assert_eq!(bytes, 478);
    let file = fs.read(Path::new("/s/snapshot.0")).unwrap();
    for (end, seal) in [(424, "b8a23b49"), (457, "95b93d59"), (478, "bde83f6d")] {
        assert_eq!(file[end - 13..end], hex(&format!("00000000{seal}000000012f")), "seal that ends at {end}");
    }
}

#[test]
fn apache_log_is_read_and_written_byte_for_byte() {
    let trimmed = golden("log.1.trimmed");
    for (prealloc, length) in [(1024, 6160), (8192, 8208)] {
        let mut apache = trimmed.clone();
        apache.resize(length, 0);
        let fs = fresh();
        let path = log_dir().join("log.1");
        fs.write(&path, &apache);
        let vfs = fs.vfs();
        let reader = LogReader::open(&vfs, &log_dir(), Zxid(1), Zxid(i64::MAX), ENTRY_BYTES_MAX_DEFAULT).unwrap();
        let entries: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(entries.iter().map(|entry| entry.zxid.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        let ours = fresh();
        let settings = LogSettings { prealloc_bytes: prealloc, ..LogSettings::default() };
        let mut log = TxnLog::open(ours.vfs(), log_dir(), settings, Zxid::ZERO);
        for batch in [&entries[..3], &entries[3..4], &entries[4..5], &entries[5..]] {
            for entry in batch {
                log.append(entry.zxid, &entry.bytes).unwrap();
            }
            log.sync().unwrap();
        }
        assert!(ours.read(&path).unwrap() == apache, "preAllocSize {prealloc}");
    }
}

fn apache_snapshot(name: &str) -> (MemFs, SnapshotFile) {
    let fs = MemFs::new();
    fs.write(&Path::new("/s").join(name), &golden(name));
    let file = list_snapshots(&fs, Path::new("/s")).unwrap().remove(0);
    (fs, file)
}

/// Header, body, then 13 + 33 + 21 bytes of seals and sections.
fn apache_body() -> Vec<u8> {
    let plain = golden("snapshot.3");
    plain[16..plain.len() - 67].to_vec()
}

#[test]
fn apache_snapshots_are_read() {
    use std::io::Read;
    for name in ["snapshot.3", "snapshot.3.gz", "snapshot.3.snappy"] {
        let (fs, file) = apache_snapshot(name);
        assert!(looks_valid(&fs, &file).unwrap(), "{name}");
        let mut reader = SnapshotReader::open(&fs, &file).unwrap();
        let mut body = vec![0; apache_body().len()];
        reader.read_exact(&mut body).unwrap();
        assert!(body == apache_body(), "{name}");
        let trailer = reader.finish().unwrap();
        assert_eq!(trailer.last_processed, Some(Zxid(3)), "{name}");
        assert_eq!(trailer.digest.unwrap().version, 2, "{name}");
    }
}

#[test]
fn plain_snapshot_is_written_as_apache_does() {
    let (fs, file) = apache_snapshot("snapshot.3");
    let trailer = {
        let mut reader = SnapshotReader::open(&fs, &file).unwrap();
        std::io::copy(&mut std::io::Read::take(&mut reader, apache_body().len() as u64), &mut std::io::sink()).unwrap();
        reader.finish().unwrap()
    };
    let ours = fresh();
    let mut out = SnapshotWriter::create(&ours.vfs(), &dirs().snap_dir(), Zxid(3), Compression::None).unwrap();
    for chunk in apache_body().chunks(7) {
        out.append(chunk).unwrap();
    }
    out.finish(trailer).unwrap();
    assert!(ours.read(&dirs().snap_dir().join("snapshot.3")).unwrap() == golden("snapshot.3"));
}
