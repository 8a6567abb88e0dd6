//! The tree against a naive model, with requests in flight, and the digest against its definition.

mod support;

use proptest::prelude::*;
use support::World;
use support::workload::{Model, Op, op};
use tree::TxnResult;

fn codes(result: &TxnResult) -> Vec<i32> {
    match result {
        TxnResult::Multi(parts) => parts.iter().map(TxnResult::error_code).collect(),
        result => vec![result.error_code()],
    }
}

fn compare(world: &World, model: &Model) {
    let paths: Vec<String> = model.nodes.keys().cloned().collect();
    assert_eq!(world.tree.paths(), paths);
    for path in &paths {
        let node = &model.nodes[path];
        assert_eq!(world.tree.stat(path), Some(model.stat(path)), "{path}");
        assert_eq!(world.tree.get_data(path), Some(Some(&node.data[..])), "{path}");
        let below = paths.iter().filter(|other| other.starts_with(&format!("{path}/"))).count();
        let below = if path == "/" { paths.len() - 1 } else { below };
        let number = world.read(wire::client::OpCode::GetAllChildrenNumber, &support::only_path(path));
        if number.error == 0 {
            assert_eq!(number.body[..], (below as i32).to_be_bytes(), "{path}");
        }
    }
    let owned: Vec<&String> =
        model.nodes.iter().filter(|(_, node)| node.owner == model.session.0).map(|(path, _)| path).collect();
    assert_eq!(world.tree.ephemerals_of(model.session).iter().collect::<Vec<_>>(), owned);
    support::dump(&world.tree);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_does_what_the_model_says(ops in prop::collection::vec((op(), 0usize..4), 1..60)) {
        let mut world = World::new();
        let mut model = Model::new(&world);
        let mut expected = std::collections::VecDeque::new();
        for (op, in_flight) in &ops {
            op.submit(&mut world);
            expected.push_back((op, model.step(op)));
            while world.in_flight.len() > *in_flight {
                let (op, codes_expected) = expected.pop_front().unwrap();
                prop_assert_eq!(codes(&world.apply_next()), codes_expected, "{:?}", op);
            }
        }
        while let Some((op, codes_expected)) = expected.pop_front() {
            prop_assert_eq!(codes(&world.apply_next()), codes_expected, "{:?}", op);
        }
        prop_assert_eq!(world.prep.outstanding(), 0);
        compare(&world, &model);
    }
}

#[test]
fn deep_paths_need_no_stack() {
    let mut world = World::new();
    let mut path = String::new();
    for _ in 0..3000 {
        path.push_str("/d");
        world.create(&path);
    }
    assert_eq!(world.tree.stat(&path).unwrap().num_children, 0);
    Op::Delete { path, version: -1 }.submit(&mut world);
    assert_eq!(world.apply_next(), TxnResult::Deleted);
}
