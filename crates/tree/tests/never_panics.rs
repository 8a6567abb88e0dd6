//! Bytes from outside: any body under any operation is answered, and answered with exactly one reply.

mod support;

use bytes::Bytes;
use proptest::prelude::*;
use support::World;
use support::workload::op;
use wire::client::OpCode;
use wire::txn::TxnEntry;

fn opcode() -> impl Strategy<Value = OpCode> {
    prop::sample::select(OpCode::ALL.to_vec())
}

/// Bytes that are nearly a request, or not at all.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let broken = (op(), prop::collection::vec((any::<u16>(), any::<u8>()), 0..4), any::<u16>());
    let broken = broken.prop_map(|(op, flips, cut)| {
        let mut body = op.request().1.to_vec();
        if !body.is_empty() {
            let len = body.len();
            for (at, flip) in flips {
                body[at as usize % len] ^= flip;
            }
            body.truncate(len - cut as usize % (len * 2) % len);
        }
        body
    });
    prop_oneof![3 => broken, 1 => prop::collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn requests(steps in prop::collection::vec((opcode(), body()), 1..20)) {
        let mut world = World::new();
        world.create("/a");
        world.create("/a/b");
        world.tree.add_watcher(support::CONN, std::sync::Arc::from([]));
        for (opcode, body) in steps {
            let body = Bytes::from(body);
            world.read(opcode, &body);
            world.submit(opcode, &body);
            world.apply_next();
            world.told();
        }
        support::dump(&world.tree);
        world.tree.remove_watcher(support::CONN);
        prop_assert_eq!(world.tree.watch_count(), 0);
    }

    /// A log or a leader may hold nonsense: it is applied as far as it makes sense.
    #[test]
    fn transactions(steps in prop::collection::vec((op(), prop::collection::vec((any::<u16>(), any::<u8>()), 0..4)), 1..30)) {
        let mut world = World::new();
        for (op, flips) in steps {
            op.submit(&mut world);
            let entry = world.in_flight.pop_back().unwrap();
            let mut bytes = entry.bytes.to_vec();
            for (at, flip) in flips {
                let at = 32 + at as usize % (bytes.len() - 32);
                bytes[at] ^= flip;
            }
            if let Ok(entry) = TxnEntry::decode(bytes.into()) {
                world.tree.apply(&entry, &mut world.events);
                world.prep.clear();
            }
            prop_assert_eq!(world.tree.digest(), world.tree.recomputed_digest());
        }
    }
}

/// Found by the test above: a create below the root's second name was in the index under a path that it did not have.
#[test]
fn a_create_below_a_double_slash_is_ignored() {
    let mut world = World::new();
    let request = support::create("/xa", b"", &wire::Acl::open(), 0);
    world.submit(OpCode::Create, &request);
    let bytes = world.in_flight.pop_back().unwrap().bytes.to_vec();
    let bytes: Vec<u8> = bytes.iter().map(|&byte| if byte == b'x' { b'/' } else { byte }).collect();
    let entry = TxnEntry::decode(bytes.into()).unwrap();
    world.tree.apply(&entry, &mut world.events);
    assert_eq!(world.tree.paths(), ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]);
    assert_eq!(world.tree.digest(), world.tree.recomputed_digest());
}
