//! The planner through years of trouble: a simulated cluster from one seed, the operator's loop around [`plan::plan`],
//! faults, and invariants at every step.
//!
//! `ZOOKUBE_TEST_SEED` replays one seed with its whole trace; `ZOOKUBE_TEST_SEEDS` sets how many run.

#[path = "simulation/ensemble.rs"]
mod ensemble;
#[path = "simulation/faults.rs"]
mod faults;
#[path = "simulation/invariants.rs"]
mod invariants;
#[path = "simulation/kubernetes.rs"]
mod kubernetes;
#[path = "simulation/mistakes.rs"]
mod mistakes;
#[path = "simulation/operator.rs"]
mod operator;
#[path = "simulation/rng.rs"]
mod rng;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;

use mistakes::Mistake;
use plan::{ConditionKind, Truth};
use world::World;

/// Seeds of a normal run.
const SEEDS: u64 = 400;
/// Seeds within which every planted mistake must be caught.
const SEEDS_PER_MISTAKE: u64 = 120;
/// Seconds in which things go wrong.
const FAULTY_SECONDS: u64 = 300;
/// Seconds in which all must be well after that.
const SETTLE_SECONDS_MAX: u64 = 600;
/// Seconds for which nothing may be done then.
const QUIET_SECONDS: u64 = 40;
/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 60;

/// A run: what went wrong, if anything did, and the world at its end.
fn run(seed: u64, mistake: Option<Mistake>) -> (Option<String>, World) {
    let mut world = World::new(seed);
    for _ in 0..FAULTY_SECONDS {
        world.go_wrong();
        world.pass_a_second();
        if world.rng.in_1000(600) {
            world.operate(mistake);
        }
        if world.violation.is_some() {
            return (world.violation.clone(), world);
        }
    }
    world.heal();
    world.say("nothing goes wrong from here on".to_owned());
    let failure = settle(&mut world, mistake);
    (failure, world)
}

/// Without faults the ensemble becomes what is wished for, and then is left alone.
fn settle(world: &mut World, mistake: Option<Mistake>) -> Option<String> {
    let mut idle_since = None;
    for second in 0..SETTLE_SECONDS_MAX {
        world.pass_a_second();
        let (observed, plan) = world.operate(mistake);
        let is_ready = plan.conditions.iter().any(|it| it.kind == ConditionKind::Ready && it.status == Truth::True);
        let is_idle = plan.action.is_none()
            && plan.record == observed.record
            && plan.voters_replicas == observed.voters.as_ref().map(|set| set.replicas)
            && plan.observers_replicas == observed.observers.as_ref().map(|set| set.replicas);
        if world.violation.is_some() {
            return world.violation.clone();
        }
        match idle_since {
            None if is_ready && is_idle => idle_since = Some(second),
            Some(_) if !is_ready || !is_idle => {
                return Some(format!("step={} invariant=left_alone_when_ready\n  {plan:#?}", world.tick));
            }
            Some(since) if second - since >= QUIET_SECONDS => return wished_for(world),
            _ => {}
        }
    }
    let plan = plan::plan(&world.observe(), world.now());
    Some(format!(
        "step={} invariant=converges\n  {plan:#?}\n  pods {:?}\n  {} retired",
        world.tick,
        world.pods,
        world.retired()
    ))
}

/// The world itself is as wished, not only what the plan says of it.
fn wished_for(world: &World) -> Option<String> {
    let wanted: Vec<u8> =
        (1..=world.cluster.voters as u8).chain((0..world.cluster.observers as u8).map(|o| 101 + o)).collect();
    let members: Vec<u8> =
        world.governing().map(|(_, config)| config.keys().map(|sid| sid.get()).collect()).unwrap_or_default();
    let is_current = world.pods.values().all(|pod| pod.ready && pod.revision == world.template);
    (members != wanted || !is_current || world.pods.len() != wanted.len()).then(|| {
        format!(
            "step={} invariant=as_wished\n  members {members:?}, wished {wanted:?}, pods {:?}",
            world.tick, world.pods
        )
    })
}

#[expect(clippy::disallowed_methods, reason = "a test reads its seed; the crate under test reads nothing")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

fn show(seed: u64, failure: &str, world: &World) -> String {
    let from = world.trace.len().saturating_sub(TRACE_LINES);
    format!(
        "FAILED seed={seed} {failure}\n{}\nreplay: ZOOKUBE_TEST_SEED={seed} cargo test -p zookube-plan --test simulation",
        world.trace[from..].join("\n")
    )
}

#[test]
fn no_seed_violates_an_invariant_and_all_converge() {
    if let Some(seed) = number("ZOOKUBE_TEST_SEED") {
        let (failure, world) = run(seed, None);
        println!("{}", world.trace.join("\n"));
        assert!(failure.is_none(), "{}", show(seed, &failure.unwrap_or_default(), &world));
        return;
    }
    let mut met = BTreeMap::<&str, u64>::new();
    for seed in 0..number("ZOOKUBE_TEST_SEEDS").unwrap_or(SEEDS) {
        let (failure, world) = run(seed, None);
        assert!(failure.is_none(), "{}", show(seed, &failure.unwrap_or_default(), &world));
        for (what, times) in world.met {
            *met.entry(what).or_default() += times;
        }
        *met.entry("transactions").or_default() += world.acked.len() as u64;
    }
    println!("{met:#?}");
    // Checkers that pass on an empty history prove nothing.
    for what in [
        "all pods deleted",
        "bad template",
        "call refused",
        "changed by hand",
        "configuration committed",
        "crash",
        "cut",
        "drain",
        "leader crash",
        "old cache",
        "operator killed",
        "pod evicted",
        "reconfig refused",
        "volume deleted",
        "volume lost",
        "voters changed",
    ] {
        assert!(met.contains_key(what), "no seed met: {what}");
    }
}

#[test]
fn every_planted_mistake_is_caught_by_some_seed() {
    for mistake in Mistake::ALL {
        let caught = (0..SEEDS_PER_MISTAKE).find_map(|seed| run(seed, Some(mistake)).0.map(|failure| (seed, failure)));
        let Some((seed, failure)) = caught else { panic!("{mistake:?} is not caught by {SEEDS_PER_MISTAKE} seeds") };
        println!("{mistake:?}: seed {seed}, {}", failure.lines().next().unwrap_or_default());
    }
}

#[test]
fn a_seed_runs_the_same_twice() {
    for seed in 0..5 {
        assert_eq!(run(seed, None).1.trace, run(seed, None).1.trace, "seed {seed}");
    }
}
