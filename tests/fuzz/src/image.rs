//! Snapshots: the body, which also travels behind SNAP, and the file around it.

use crate::disk::{TreeTarget, snapshot_dir};
use crate::world::{RECORD_BYTES_MAX, TREE, check_tree};
use std::mem::{Discriminant, discriminant};
use std::path::PathBuf;
use store::testing::MemFs;
use store::{Compression, RecoverTarget, SnapshotFile, SnapshotReader, looks_valid};
use tree::image::{ImageError, Loader, LoaderSettings};
use tree::{Events, Tree};
use wire::txn::{Txn, TxnEntry, TxnHeader};
use wire::{Acl, Id, Millis, Perms, SessionId, Xid, Zxid};

/// A record limit that inputs can go over.
const SMALL_RECORD_BYTES_MAX: usize = 64;
/// A node takes at least its path's length, data, ACL id and stat.
const NODE_BYTES_MIN: usize = 4 + 4 + 8 + 60;

/// A body, whole and in pieces whose size the first byte gives: the same tree, or the same kind of error.
pub fn image_loader(data: &[u8]) {
    let Some((&first, body)) = data.split_first() else { return };
    let whole = load(body, body.len().max(1), RECORD_BYTES_MAX);
    for size in [1, 1 + usize::from(first)] {
        let pieces = load(body, size, RECORD_BYTES_MAX);
        assert_eq!(summary(&pieces), summary(&whole), "in pieces of {size} bytes");
        // Only the bound counts here, so the outcome may differ.
        drop(load(body, size, SMALL_RECORD_BYTES_MAX));
    }
    if let Ok((mut tree, _)) = whole {
        assert!(tree.node_count() <= 2 + body.len() / NODE_BYTES_MIN, "{} nodes", tree.node_count());
        // The zxid stands in no body: with the last one, no node is from beyond it.
        tree.set_last_zxid(Zxid(i64::MAX));
        check_tree(&tree);
        use_it(&mut tree);
    }
}

fn load(body: &[u8], size: usize, record_bytes_max: usize) -> Result<(Tree, usize), ImageError> {
    let mut loader = Loader::new(LoaderSettings { tree: TREE, record_bytes_max });
    let mut consumed = 0;
    for piece in body.chunks(size) {
        let progress = loader.push(piece)?;
        consumed += progress.consumed;
        if progress.done {
            break;
        }
        assert_eq!(progress.consumed, piece.len(), "all is taken until the body is complete");
    }
    Ok((loader.finish()?, consumed))
}

type Summary = Result<(usize, u64, Vec<String>), Discriminant<ImageError>>;

/// Of an error only the kind: the bytes that were at hand, which differ, stand in some of them.
fn summary(loaded: &Result<(Tree, usize), ImageError>) -> Summary {
    loaded.as_ref().map(|(tree, consumed)| (*consumed, tree.digest(), tree.paths())).map_err(discriminant)
}

/// A loaded tree goes on: with an ACL it has not seen, and with the sessions it came with.
fn use_it(tree: &mut Tree) {
    let zxid = Zxid(0x7_0000_0001);
    let session = tree.ephemerals().first().map_or(SessionId::NONE, |(session, _)| *session);
    let header = TxnHeader { session, cxid: Xid(1), zxid, time: Millis(1) };
    let acl = vec![Acl { perms: Perms::READ, id: Id::new("digest", "of:nobody") }];
    let path = tree.paths().pop().unwrap_or_default();
    let mut events = Events::new();
    for txn in [Txn::SetAcl { path, acl, version: 1 }, Txn::CloseSession { paths: None }] {
        tree.apply(&TxnEntry::new(header, txn, None), &mut events);
    }
    assert!(tree.reapable(Millis(i64::MAX), 1).iter().all(|path| tree.stat(path).is_some()));
    assert!(tree.quota_usage().len() <= tree.node_count());
    check_tree(tree);
}

/// A snapshot file. The first byte says how it is packed.
pub fn snapshot_file(data: &[u8]) {
    let Some((&first, content)) = data.split_first() else { return };
    let compression = [Compression::None, Compression::Gz, Compression::Snappy][usize::from(first % 3)];
    let path: PathBuf = snapshot_dir().join("snapshot.100000001");
    let fs = MemFs::new();
    fs.write(&path, content);
    let file = SnapshotFile { zxid: Zxid(0x1_0000_0001), compression, path };
    let vfs = fs.vfs();
    looks_valid(&*vfs, &file).expect("a file in memory can be read");
    let Ok(mut reader) = SnapshotReader::open(&*vfs, &file) else { return };
    let mut target = TreeTarget::new();
    target.begin_snapshot();
    if target.load(&mut reader).is_err() {
        return;
    }
    let body_end = reader.offset();
    if reader.finish().is_ok() {
        assert!(compression != Compression::None || body_end < content.len() as u64);
        target.tree.set_last_zxid(Zxid(i64::MAX));
        check_tree(&target.tree);
    }
}
