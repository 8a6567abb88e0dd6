//! Transactions: of the log and of proposals.

use crate::pieces::pieces;
use crate::world::{World, check_tree};
use bytes::Bytes;
use wire::txn::{Txn, TxnEntry};

/// Transactions looked at in one input.
const ENTRIES_MAX: usize = 32;

/// Pieces are entries. What can be read is encoded again, and applied twice (I6: to repeat is safe).
pub fn transactions(data: &[u8]) {
    let mut world = World::new();
    for bytes in pieces(data).take(ENTRIES_MAX) {
        let bytes = Bytes::copy_from_slice(bytes);
        assert_eq!(TxnEntry::peek_zxid(&bytes).is_ok(), bytes.len() >= 20);
        let Ok(entry) = TxnEntry::decode(bytes.clone()) else { continue };
        assert_eq!(entry.bytes, bytes, "an entry is logged as it came");
        assert_eq!(TxnEntry::peek_zxid(&bytes), Ok(entry.zxid()));
        check_size(&entry.txn, bytes.len());
        let again = TxnEntry::new(entry.header, entry.txn.clone(), entry.digest);
        let decoded = TxnEntry::decode(again.bytes.clone()).expect("what we encode we can read");
        assert_eq!(decoded, again);
        assert_eq!((decoded.header, &decoded.txn, decoded.digest), (entry.header, &entry.txn, entry.digest));
        for _ in 0..2 {
            world.tree.apply(&entry, &mut world.events);
            world.events.clear();
            assert_eq!(world.tree.digest(), world.tree.recomputed_digest(), "after {:?}", entry.txn);
        }
    }
    check_tree(&world.tree);
}

/// Vectors hold no more elements than the bytes can account for.
fn check_size(txn: &Txn, bytes: usize) {
    match txn {
        Txn::Multi(parts) => {
            assert!(parts.capacity() * 8 <= bytes, "{} parts in {bytes} bytes", parts.capacity());
            parts.iter().for_each(|part| check_size(part, bytes));
        }
        Txn::CloseSession { paths: Some(paths) } => assert!(paths.len() * 4 <= bytes),
        Txn::Create(create) => assert!(create.acl.capacity() * 12 <= bytes),
        Txn::SetAcl { acl, .. } => assert!(acl.capacity() * 12 <= bytes),
        _ => {}
    }
}
