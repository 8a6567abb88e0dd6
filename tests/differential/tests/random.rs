//! Random requests to Apache 3.9.5 and to the server under test.
//!
//! `ZOOKUBE_TEST_SEED` replays one seed; without it a few fixed seeds run, so that a red build is red again, and one
//! fresh one, so that builds keep exploring (`ZOOKUBE_TEST_SEEDS` sets how many). `ZOOKUBE_TEST_STEPS` sets the length of
//! a script.

use differential::compare::check_all;
use differential::generate::script;
use differential::script::Script;
use differential::target::Target;
use support::ServerKind;
use support::rng::fresh_seed;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

fn scripts(fixed: std::ops::Range<u64>, servers: usize) -> Vec<Script> {
    let steps = number("ZOOKUBE_TEST_STEPS").unwrap_or(300) as usize;
    let seeds: Vec<u64> = match number("ZOOKUBE_TEST_SEED") {
        Some(seed) => vec![seed],
        None => {
            let fresh = number("ZOOKUBE_TEST_SEEDS").unwrap_or(1);
            fixed.chain((0..fresh).map(|_| fresh_seed())).collect()
        }
    };
    eprintln!("seeds {seeds:?}, {steps} steps each; replay one with ZOOKUBE_TEST_SEED=<seed>");
    seeds.into_iter().map(|seed| script(seed, steps, servers)).collect()
}

#[test]
fn standalone_answers_as_apache() {
    let (reference, tested) = (Target::standalone(ServerKind::Apache39), Target::standalone(ServerKind::under_test()));
    check_all(&reference, &tested, &scripts(1..11, 1));
}

#[test]
fn three_servers_answer_as_apache() {
    let (reference, tested) = (Target::ensemble(ServerKind::Apache39), Target::ensemble(ServerKind::under_test()));
    check_all(&reference, &tested, &scripts(101..104, 3));
}
