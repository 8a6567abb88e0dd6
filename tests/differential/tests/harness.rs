//! The harness itself: a comparison that never caught anything proves nothing.

use differential::compare::check;
use differential::generate::script;
use differential::target::{Target, spec};
use support::ServerKind::{Apache38, Apache39};

/// Long enough for each planted difference to show with each of the seeds below.
const STEPS: usize = 300;
const SEEDS: std::ops::Range<u64> = 1..4;

#[test]
fn two_equal_servers_answer_alike() {
    let (left, right) = (Target::standalone(Apache39), Target::standalone(Apache39));
    for seed in SEEDS {
        check(&left, &right, &script(seed, STEPS, 1)).unwrap_or_else(|text| panic!("{text}"));
    }
}

#[test]
fn a_planted_difference_is_found() {
    let planted = [
        ("ACLs are ignored", spec(Apache39).set("skipACL", "yes")),
        ("hard quotas are not enforced", spec(Apache39).set("enforceQuota", "false")),
        ("TTL znodes are not known", spec(Apache39).set("extendedTypesEnabled", "false")),
        ("events carry no zxid and other rules of 3.8", spec(Apache38)),
    ];
    for (what, spec) in planted {
        let (left, right) = (Target::standalone(Apache39), Target::standalone_as(spec));
        let found = SEEDS.filter_map(|seed| check(&left, &right, &script(seed, STEPS, 1)).err()).next();
        let text = found.unwrap_or_else(|| panic!("not found: {what}"));
        assert!(text.contains("DIFFERENCE in script \"seed "), "the report names its seed: {text}");
    }
}
