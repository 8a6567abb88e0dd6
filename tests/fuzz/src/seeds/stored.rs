//! What lies on a disk, and what travels in the same bytes.

use super::{NASTY_LENGTHS, Seed, add, add_and_cut};
use crate::disk::snapshot_dir;
use crate::pieces::unpieces;
use crate::recovery::sealed_log;
use crate::world::{TREE, image_of};
use store::testing::MemFs;
use store::{Compression, SnapshotTrailer, SnapshotWriter, ZxidDigest, snapshot_name};
use tree::{Events, Tree};
use wire::txn::{CreateKind, CreateTxn, Txn, TxnDigest, TxnEntry, TxnHeader};
use wire::{Acl, Id, Millis, Perms, SessionId, Writer, Xid, Zxid};

const SESSION: SessionId = SessionId(0x0100_0000_0000_0002);

pub(super) fn all(seeds: &mut Vec<Seed>) {
    transactions(seeds);
    snapshots(seeds);
    logs(seeds);
    recoveries(seeds);
}

fn entry(zxid: i64, txn: Txn) -> TxnEntry {
    let header = TxnHeader { session: SESSION, cxid: Xid(1), zxid: Zxid(zxid), time: Millis(1_700_000_000_000) };
    TxnEntry::new(header, txn, Some(TxnDigest { version: TxnDigest::VERSION, digest: 0 }))
}

fn create(path: &str, kind: CreateKind, acl: Vec<Acl>) -> Txn {
    Txn::Create(CreateTxn { path: path.to_owned(), data: Some("d".into()), acl, kind, parent_cversion: 1 })
}

fn closed() -> Vec<Acl> {
    vec![Acl { perms: Perms::READ, id: Id::new("digest", "s:h") }]
}

fn history() -> Vec<Txn> {
    let path = || "/s".to_owned();
    vec![
        Txn::CreateSession { timeout: 4000 },
        create("/s", CreateKind::Create { ephemeral: false }, Acl::open()),
        create("/s/e", CreateKind::Create2 { ephemeral: true }, closed()),
        create("/s/c", CreateKind::Container, Acl::open()),
        create("/s/t", CreateKind::Ttl(500), closed()),
        Txn::SetData { path: path(), data: None, version: 1 },
        Txn::SetAcl { path: path(), acl: closed(), version: 1 },
        Txn::Multi(vec![Txn::Check { path: path(), version: 1 }, Txn::Delete { path: "/s/t".to_owned() }]),
        Txn::Multi(vec![Txn::Error { code: 0 }, Txn::Error { code: -101 }]),
        Txn::Error { code: -110 },
        create("/zookeeper/quota/s", CreateKind::Create { ephemeral: false }, Acl::open()),
        create("/zookeeper/quota/s/zookeeper_limits", CreateKind::Create { ephemeral: false }, Acl::open()),
        create("/zookeeper/quota/s/zookeeper_stats", CreateKind::Create { ephemeral: false }, Acl::open()),
        Txn::DeleteContainer { path: "/s/c".to_owned() },
        Txn::Reconfig { path: tree::CONFIG_PATH.to_owned(), data: Some("version=1".into()), version: -1 },
    ]
}

fn entries(first: i64) -> Vec<Vec<u8>> {
    let numbered = history().into_iter().zip(first..);
    numbered.map(|(txn, zxid)| entry(zxid, txn).bytes.to_vec()).collect()
}

fn transactions(seeds: &mut Vec<Seed>) {
    let all = entries(0x1_0000_0001);
    add_and_cut(seeds, "transactions", "history", &unpieces(&all));
    for (name, paths) in [("listed", Some(vec!["/a/e".to_owned()])), ("unlisted", None)] {
        let close = TxnEntry::new(entry(1, Txn::Error { code: 0 }).header, Txn::CloseSession { paths }, None);
        add(seeds, "transactions", &format!("close-session-{name}"), unpieces(&[&all[2][..], &close.bytes]));
    }
    let root = ["/", "", "//", "/zookeeper", "x"].map(|path| {
        let path = path.to_owned();
        let parts = vec![Txn::Delete { path: path.clone() }, Txn::SetData { path, data: None, version: -1 }];
        entry(i64::MAX, Txn::Multi(parts)).bytes.to_vec()
    });
    add(seeds, "transactions", "odd-paths", unpieces(&root));
    for length in NASTY_LENGTHS {
        let head = &entry(-1, Txn::Multi(Vec::new())).bytes[..32];
        add(seeds, "transactions", &format!("multi-{length:x}"), unpieces(&[[head, &length.to_be_bytes()].concat()]));
    }
}

fn tree() -> Tree {
    let (mut tree, mut events) = (Tree::new(TREE), Events::new());
    for (txn, zxid) in history().into_iter().zip(0x1_0000_0001..) {
        let entry = entry(zxid, txn);
        tree.apply(&TxnEntry::new(entry.header, entry.txn, None), &mut events);
    }
    tree
}

fn snapshot(body: &[u8], compression: Compression, trailer: SnapshotTrailer) -> Vec<u8> {
    let fs = MemFs::new();
    let dir = snapshot_dir();
    fs.write(&dir.join("other"), b"");
    let mut out = SnapshotWriter::create(&fs.vfs(), &dir, Zxid(1), compression).expect("a file in memory");
    out.append(body).expect("a file in memory");
    out.finish(trailer).expect("a file in memory");
    fs.read(&dir.join(snapshot_name(Zxid(1), compression))).expect("it was just written")
}

fn snapshots(seeds: &mut Vec<Seed>) {
    let body = image_of(&tree());
    add_and_cut(seeds, "image_loader", "body", &[&[6][..], &body].concat());
    let empty = image_of(&Tree::new(TREE));
    add(seeds, "image_loader", "empty", [&[40][..], &empty].concat());
    for length in NASTY_LENGTHS {
        let lie = length.to_be_bytes();
        add(seeds, "image_loader", &format!("sessions-{length:x}"), [&[0][..], &lie].concat());
        add(seeds, "image_loader", &format!("acls-{length:x}"), [&[0; 5][..], &lie].concat());
        add(seeds, "image_loader", &format!("path-{length:x}"), [&[0; 9][..], &lie].concat());
    }
    for id in [i64::MAX, i64::MAX / 2, -1] {
        let acls = super::body(|out| {
            out.i32(0);
            out.i32(1);
            out.i64(id);
            Acl::encode_vec(&closed(), out);
        });
        let bytes = [&[1][..], &acls, &empty[empty_head_bytes()..]].concat();
        add(seeds, "image_loader", &format!("regression-acl-id-{id:x}"), bytes);
    }
    let digest = Some(ZxidDigest { zxid: Zxid(1), version: 2, digest: 7 });
    let full = SnapshotTrailer { digest, last_processed: Some(Zxid(1)) };
    for (number, compression) in [Compression::None, Compression::Gz, Compression::Snappy].into_iter().enumerate() {
        let number = u8::try_from(number).expect("there are three");
        for (name, trailer) in [("old", SnapshotTrailer::default()), ("full", full)] {
            let bytes = [&[number][..], &snapshot(&body, compression, trailer)].concat();
            add_and_cut(seeds, "snapshot_file", &format!("{name}-{number}"), &bytes);
        }
    }
    for length in NASTY_LENGTHS {
        let stream = [&[2, 0x82][..], b"SNAPPY\0\0\0\0\x01\0\0\0\x01", &length.to_be_bytes(), b"xy"].concat();
        add(seeds, "snapshot_file", &format!("snappy-block-{length:x}"), stream);
    }
}

/// No session, and one ACL: that of the configuration's node.
fn empty_head_bytes() -> usize {
    let readable = [Acl { perms: Perms::READ, id: Id::new("world", "anyone") }];
    4 + 4 + 8 + super::body(|out| Acl::encode_vec(&readable, out)).len()
}

fn logs(seeds: &mut Vec<Seed>) {
    let all = entries(0x1_0000_0001);
    let (front, back) = all.split_at(2);
    let files = [front, back].map(|part| sealed_log(part.iter().map(Vec::as_slice)));
    add_and_cut(seeds, "txn_log", "two-files", &unpieces(&files));
    let padded = [&files[0][..], &[0; 100]].concat();
    add(seeds, "txn_log", "padding", unpieces(&[&padded]));
    add(seeds, "txn_log", "hole", unpieces(&[[&padded[..], &files[1][16..]].concat()]));
    add(seeds, "txn_log", "gap", unpieces(&[&files[0][..], b"", &files[1]]));
    let backwards = sealed_log(all.iter().rev().map(Vec::as_slice));
    add(seeds, "txn_log", "backwards", unpieces(&[backwards]));
    for length in NASTY_LENGTHS {
        let torn = [&files[0][..], &[0, 0, 0, 0, 1, 2, 3, 4], &length.to_be_bytes(), &[9; 40]].concat();
        add(seeds, "txn_log", &format!("entry-{length:x}"), unpieces(&[torn]));
    }
    let epochs = |zxid: i64, files: [&str; 3]| [&zxid.to_be_bytes()[..], &unpieces(&files)].concat();
    let one = 0x1_0000_0001;
    for (name, bytes) in [
        ("equal", epochs(one, ["1", "", "1\n"])),
        ("renamed-too-late", epochs(0x2_0000_0001, ["1", "2", "2"])),
        ("new", epochs(0, ["", "", ""])),
        ("behind", epochs(0x3_0000_0001, ["1", "2", "9"])),
        ("regression-no-zxid-carries-it", epochs(one, ["1", "", "9223372036854775807"])),
        ("nonsense", epochs(one, ["+1", "-0", "99999999999999999999"])),
    ] {
        add(seeds, "epoch_files", name, bytes);
    }
}

fn file(kind: u8, zxid: i64, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &zxid.to_be_bytes(), content].concat()
}

fn recoveries(seeds: &mut Vec<Seed>) {
    let empty = image_of(&Tree::new(TREE));
    let body = image_of(&tree());
    let all = entries(0x1_0000_0001);
    let torn = &sealed_log(all.iter().map(Vec::as_slice))[..400];
    let one = 0x1_0000_0001;
    let (front, back) = all.split_at(2);
    let hole =
        [&sealed_log(front.iter().map(Vec::as_slice))[..], &[0; 30], &sealed_log(back.iter().map(Vec::as_slice))[16..]];
    let hole = vec![file(4, 0, &empty), file(3, one, &hole.concat()), file(3, one + 2, b"")];
    let dirs: [(&str, u8, Vec<Vec<u8>>); 10] = [
        ("nothing", 0, vec![]),
        ("unknown", 2, vec![]),
        ("snapshot-and-log", 0, vec![file(4, 0, &empty), file(7, one, &unpieces(&all))]),
        ("log-only", 1, vec![file(7, one, &unpieces(&all))]),
        ("log-without-snapshot", 0, vec![file(7, one, &unpieces(&all))]),
        ("torn", 0, vec![file(4, 0, &empty), file(3, one, torn)]),
        ("fuzzy", 0, vec![file(5, 0x1_0000_0004, &body), file(6, 1, &body), file(7, one, &unpieces(&all))]),
        ("bad-newest", 0, vec![file(4, 0, &empty), file(4, 0x1_0000_0003, &body[..80]), file(7, one, &unpieces(&all))]),
        ("regression-snapshot-of-the-last-zxid", 0, vec![file(4, i64::MAX, &body), file(7, one, &unpieces(&all))]),
        ("regression-hole-before-an-empty-file", 0, hole),
    ];
    for (name, flags, files) in dirs {
        add(seeds, "recovery", name, [&[flags][..], &unpieces(&files)].concat());
    }
}
