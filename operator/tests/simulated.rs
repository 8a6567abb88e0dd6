//! The operator at work, all of it, in simulated surroundings: an API server in memory, Kubernetes' own controllers, servers, and a
//! clock that runs as fast as it can. The planner alone is tried in `crates/plan/tests/simulation.rs`.
//!
//! `ZOOKUBE_TEST_SEED` replays one seed with its whole trace; `ZOOKUBE_TEST_SEEDS` sets how many run, and has the operator killed in
//! every story.
#![allow(clippy::unwrap_used, reason = "a test program")]

#[path = "simulated/api.rs"]
mod api;
#[path = "simulated/ensemble.rs"]
mod ensemble;
#[path = "simulated/faults.rs"]
mod faults;
#[path = "simulated/invariants.rs"]
mod invariants;
#[path = "simulated/kubernetes.rs"]
mod kubernetes;
#[path = "simulated/lab.rs"]
mod lab;
#[path = "simulated/mistakes.rs"]
mod mistakes;
#[path = "simulated/rbac.rs"]
mod rbac;
// The same chance as in the planner's simulation.
#[path = "../../crates/plan/tests/simulation/rng.rs"]
mod rng;
#[path = "simulated/servers.rs"]
mod servers;
#[path = "simulated/store.rs"]
mod store;
#[path = "simulated/stories.rs"]
mod stories;
#[path = "simulated/verbs.rs"]
mod verbs;
#[path = "simulated/world.rs"]
mod world;

use faults::Weather;
use lab::Run;
use mistakes::Mistake;
use rbac::Right;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use world::World;

/// Runs at the same time.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does a number of things, some at the same time, and gives what came of each in their order.
fn side_by_side<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, work(at)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads()).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .flat_map(|it| it.join().unwrap_or_else(|why| std::panic::resume_unwind(why)))
            .collect::<Vec<_>>()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, done)| done).collect()
}

/// Every story, and that the operator may do what it does in them and no more.
#[test]
fn every_story_ends_well_and_every_right_is_used() {
    let all = side_by_side(stories::STORIES.len(), |at| {
        let (name, story) = stories::STORIES[at];
        lab::run(0, |_| {}, async |lab| story(lab).await).must_be_well(&format!("story={name}"))
    });
    let mut rights = BTreeSet::new();
    for ((name, _), world) in stories::STORIES.iter().zip(all) {
        let rest = world.trace.iter().rfind(|line| line.contains("at rest")).cloned().unwrap_or_default();
        println!("{name}: {} calls, {} changes, {} s; {rest}", world.calls, world.effects, world.ended / 1000);
        rights.extend(world.rights);
    }
    let differences = rbac::differences(&rights);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    differences_are_told(&rights);
}

/// Seeds of a normal run.
const SEEDS: u64 = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
}

/// Stories in which the operator is killed, if no number of seeds asks for all of them.
const KILLED_IN: [&str; 2] = ["a_whole_life", "a_larger_volume"];

/// Whatever the operator has changed last, the one that is started after it goes on from there. What it has read is lost with it, so
/// between two changes there is only one way to be killed.
#[test]
fn an_operator_that_is_killed_behind_any_of_its_changes_is_followed_by_one_that_goes_on() {
    let all_stories = number("ZOOKUBE_TEST_SEEDS").is_some();
    for (name, story) in stories::STORIES {
        // Candidates start and end operators themselves.
        if *name == "two_operators_one_after_the_other" || !(all_stories || KILLED_IN.contains(name)) {
            continue;
        }
        let whole = |killed_behind: Option<u64>| {
            let prepare = |world: &mut World| world.kill_behind = Some(killed_behind.unwrap_or(u64::MAX));
            lab::run(0, prepare, async |lab| story(lab).await)
                .must_be_well(&format!("story={name}, killed behind change {killed_behind:?}"))
        };
        let changes = whole(None).effects;
        assert!(changes > 10, "{changes} changes");
        let all = side_by_side(usize::try_from(changes).unwrap(), |at| whole(Some(at as u64 + 1)));
        assert!(all.iter().all(|world| world.met["operator killed behind a call"] == 1));
        let longest = all.iter().map(|world| world.ended).max().unwrap_or_default() / 1000;
        println!("{name}: {changes} runs, each with one kill; the longest took {longest} s of virtual time");
    }
}

fn bad_times(seed: u64, mistake: Option<Mistake>) -> Run {
    let prepare = |world: &mut World| {
        world.weather = Weather::by_chance(&mut world.rng);
        world.mistake = mistake;
    };
    lab::run(seed, prepare, async |lab| stories::bad_times(lab).await)
}

#[test]
fn whatever_goes_wrong_it_ends_well() {
    if let Some(seed) = number("ZOOKUBE_TEST_SEED") {
        let run = bad_times(seed, None);
        println!("{}", run.world.trace.join("\n"));
        run.must_be_well(&format!("ZOOKUBE_TEST_SEED={seed}"));
        return;
    }
    let seeds = number("ZOOKUBE_TEST_SEEDS").unwrap_or(SEEDS);
    let all = side_by_side(usize::try_from(seeds).unwrap(), |seed| {
        bad_times(seed as u64, None).must_be_well(&format!("ZOOKUBE_TEST_SEED={seed}")).met
    });
    let mut met = BTreeMap::<&str, u64>::new();
    for (what, times) in all.into_iter().flatten() {
        *met.entry(what).or_default() += times;
    }
    println!("{met:#?}");
}

#[test]
fn a_seed_runs_the_same_twice() {
    for seed in 0..3 {
        let [one, other] = [bad_times(seed, None), bad_times(seed, None)].map(|run| run.world.trace);
        let differs = one.iter().zip(&other).find(|(one, other)| one != other);
        assert!(differs.is_none() && one.len() == other.len(), "seed {seed}: {differs:?}");
    }
}

/// A right that nobody grants and one that nobody uses are told.
fn differences_are_told(rights: &BTreeSet<Right>) {
    let mut other = rights.clone();
    let exec = Right { verb: "create", group: "", resource: "pods/exec".to_owned(), scope: rbac::Scope::Cluster };
    other.retain(|right| right.resource != "pods/eviction");
    other.insert(exec);
    assert_eq!(rbac::differences(&other).len(), 2, "{:?}", rbac::differences(&other));
}

#[test]
fn every_planted_mistake_is_caught() {
    let is_tried = |(name, _): &&stories::Story| ["a_whole_life", "apply_to_ready"].contains(name);
    let stories: Vec<&stories::Story> = stories::STORIES.iter().filter(is_tried).rev().collect();
    let all = side_by_side(Mistake::ALL.len(), |at| {
        let mistake = Mistake::ALL[at];
        let caught = stories.iter().find_map(|(name, story)| {
            let prepare = |world: &mut World| world.mistake = Some(mistake);
            lab::run(0, prepare, async |lab| story(lab).await).failure.map(|failure| (name, failure))
        });
        let Some((name, failure)) = caught else { panic!("{mistake:?} is caught by nothing") };
        let invariant = failure.split("invariant=").nth(1).unwrap_or(&failure);
        (mistake, name, invariant.lines().next().unwrap_or_default().to_owned())
    });
    for (mistake, story, invariant) in all {
        println!("{mistake:?}: {story}: {invariant}");
        assert_eq!(invariant.split(':').next(), Some(mistake.breaks()), "what {mistake:?} breaks");
    }
}
