//! Random runs. One seed decides the ensemble, the faults and their rates, and every delay. Phase one demands safety at each
//! step; then everything is healed and phase two demands that a proposal reaches every server within a bound of virtual time.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `ZOOKUBE_SEED` | run only this seed and print its trace |
//! | `ZOOKUBE_SEEDS` | how many seeds to run |

use std::fmt;

use wire::{Millis, ServerId};
use zab::ObserverSettings;
use zab::quorum::Membership;

use crate::support::disk::Lane;
use crate::support::invariants::Violation;
use crate::support::rng::Rng;
use crate::support::world::{Bug, Counts, Weather, World};

const SEEDS: u64 = if cfg!(debug_assertions) { 60 } else { 2000 };
/// How long an ensemble without faults may take until a proposal has reached every member: several elections, each followed by
/// the longest wait a phase of it has, and the longest interval between two notifications.
const RECOVERY_MS_MAX: i64 = 60_000;

/// The rates of one run. Most runs have some kinds of faults and not others: rare combinations need both.
#[derive(Debug)]
struct Faults {
    crash: usize,
    restart: usize,
    stop: usize,
    step_down: usize,
    hand_over: usize,
    partition: usize,
    deaf: usize,
    heal: usize,
    break_link: usize,
    stall: usize,
    propose: usize,
    reconfig: usize,
    pause_ms: i64,
}

pub struct Failure {
    pub seed: u64,
    pub step: u64,
    pub violation: Violation,
    pub trace: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trace) = &self.trace {
            writeln!(f, "{trace}")?;
        }
        let Failure { seed, step, violation, .. } = self;
        writeln!(f, "FAILED seed={seed} step={step} {violation}")?;
        write!(f, "replay: ZOOKUBE_SEED={seed} cargo test -p zookube-zab --test broadcast random")
    }
}

/// Names the seed where a peer's own assertion ends a run.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "FAILED seed={} in an assertion, see above; replay as below with ZOOKUBE_SEED={}",
                self.0, self.0
            );
        }
    }
}

/// Whether the members change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensemble {
    Fixed,
    Changing,
}

/// Servers there are in a changing ensemble, members or not.
const SERVERS: i64 = 6;

fn membership(rng: &mut Rng) -> Membership {
    let voters = [1, 2, 3, 3, 3, 3, 4, 5, 5, 5][rng.below(10)];
    let observers = [0, 0, 1, 2][rng.below(4)];
    let mut text = String::new();
    for sid in 1..=voters + observers {
        let role = if sid <= voters { "participant" } else { "observer" };
        text.push_str(&format!("server.{sid}=zk{sid}:2888:3888:{role}\n"));
    }
    Membership::parse(&text).unwrap()
}

/// In half of the runs observers hang on followers.
fn observers(rng: &mut Rng) -> ObserverSettings {
    ObserverSettings {
        masters: rng.chance(50),
        election_delay_ms_max: [0, 200][rng.below(2)],
        reconnect_delay_ms_max: [0, 500][rng.below(2)],
        ..ObserverSettings::default()
    }
}

/// In half of the runs epochs end early, and in part of these some servers are taken for Apache's.
fn draw_epochs(world: &mut World, rng: &mut Rng) {
    if rng.chance(50) {
        world.counter_max = [4, 6, 10, 25][rng.below(4)];
    }
    if rng.chance(40) {
        world.apaches = world.servers.keys().copied().filter(|_| rng.chance(40)).collect();
    }
}

fn world(seed: u64, bug: Option<Bug>, ensemble: Ensemble) -> (World, Faults) {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let members = membership(&mut rng);
    let weather = Weather {
        vote_ms: (1, [2, 20, 150][rng.below(3)]),
        vote_loss_percent: [0, 5, 30][rng.below(3)],
        vote_repeat_percent: [0, 10][rng.below(2)],
        link_ms: (1, [2, 10, 60][rng.below(3)]),
        disk_ms: (1, [2, 20, 100][rng.below(3)]),
        torn: true,
    };
    let mut world = World::new(members, weather, seed);
    world.bug = bug;
    if ensemble == Ensemble::Changing {
        world.let_change(SERVERS);
    }
    world.observers = observers(&mut Rng::new(seed ^ 0x0b5));
    draw_epochs(&mut world, &mut Rng::new(seed ^ 0xe90c));
    world.short_histories = rng.chance(50);
    let mut sometimes = |rate: usize| if rng.chance(60) { rate } else { 0 };
    let faults = Faults {
        crash: sometimes(6),
        restart: 12,
        stop: sometimes(2),
        step_down: sometimes(2),
        hand_over: 0,
        partition: sometimes(6),
        deaf: sometimes(3),
        heal: 8,
        break_link: sometimes(5),
        stall: sometimes(6),
        propose: 50,
        reconfig: if ensemble == Ensemble::Changing { 15 } else { 0 },
        pause_ms: [20, 100, 400][rng.below(3)],
    };
    // Drawn last: the other rates of a seed stay what they were.
    let hand_over = if rng.chance(60) { 8 } else { 0 };
    (world, Faults { hand_over, ..faults })
}

/// One run, both phases.
pub fn run(seed: u64, bug: Option<Bug>, traced: bool) -> Result<Counts, Box<Failure>> {
    run_with(seed, bug, Ensemble::Fixed, traced)
}

pub fn run_with(seed: u64, bug: Option<Bug>, ensemble: Ensemble, traced: bool) -> Result<Counts, Box<Failure>> {
    let _named = Named(seed);
    let (mut world, faults) = world(seed, bug, ensemble);
    world.trace = traced.then(String::new);
    world.trace_votes = std::env::var_os("ZOOKUBE_VOTES").is_some();
    for sid in world.down() {
        world.start(sid);
    }
    let mut tag = 1 << 40;
    for _ in 0..200 {
        let pause = world.rng.range((0, faults.pause_ms));
        world.run(pause);
        if world.violation.is_some() {
            break;
        }
        disturb(&mut world, &faults, &mut tag);
    }
    if world.violation.is_none() {
        recover(&mut world, tag);
    }
    match world.violation {
        None => Ok(world.counts),
        Some(violation) => Err(Box::new(Failure { seed, step: world.counts.steps, violation, trace: world.trace })),
    }
}

fn disturb(world: &mut World, faults: &Faults, tag: &mut u64) {
    let Faults { crash, restart, stop, step_down, partition, deaf, heal, break_link, stall, reconfig, .. } = *faults;
    let Faults { hand_over, propose, .. } = *faults;
    let rates =
        [crash, restart, stop, step_down, partition, deaf, heal, break_link, stall, reconfig, hand_over, propose];
    let mut roll = world.rng.below(rates.iter().sum());
    let fault = rates.iter().position(|rate| match roll.checked_sub(*rate) {
        Some(rest) => {
            roll = rest;
            false
        }
        None => true,
    });
    let running = world.running();
    let victim = world.rng.pick(&running);
    match (fault, victim) {
        (Some(0), Some(sid)) => world.kill(sid),
        (Some(1), _) => {
            let down = world.down();
            if let Some(sid) = world.rng.pick(&down) {
                world.start(sid);
            }
        }
        (Some(2), Some(sid)) => world.stop(sid),
        (Some(3), Some(sid)) => world.step_down(sid),
        (Some(4), _) => split(world),
        (Some(5), Some(sid)) => go_deaf(world, sid),
        (Some(6), _) => world.heal(),
        (Some(7), _) => {
            let links = world.links();
            if let Some(id) = world.rng.pick(&links) {
                world.break_link(id);
            }
        }
        (Some(8), Some(sid)) => {
            // Often only the log: then the epoch files overtake it.
            let choice: &[Lane] = if world.rng.chance(50) { &[Lane::Log] } else { &[Lane::Log, Lane::Files] };
            let stalls = world.servers[&sid].disk.stalled.is_empty();
            world.stall_disk(sid, if stalls { choice } else { &[] });
        }
        (Some(9), _) => {
            for sid in world.proposers() {
                reconfigure(world, sid);
            }
        }
        (Some(10), _) => {
            for sid in world.proposers() {
                *tag += 1;
                ask_to_hand_over(world, sid, *tag);
            }
        }
        _ => {
            for sid in world.proposers() {
                for _ in 0..=world.rng.below(4) {
                    *tag += 1;
                    world.propose(sid, *tag);
                }
            }
        }
    }
}

/// A leader is asked for another configuration: any of which a quorum is in sync.
fn reconfigure(world: &mut World, leader: ServerId) {
    let (mut voters, mut observers) = (Vec::new(), Vec::new());
    for sid in world.servers.keys().copied().collect::<Vec<_>>() {
        match world.rng.below(5) {
            0..=2 => voters.push(sid),
            3 => observers.push(sid),
            _ => {}
        }
    }
    world.reconfigure(leader, &voters, &observers);
}

/// A leader is asked to hand over, in time or not, and to end behind it or not.
fn ask_to_hand_over(world: &mut World, leader: ServerId, tag: u64) {
    let all: Vec<ServerId> = world.servers.keys().copied().collect();
    let to = if world.rng.chance(50) { world.rng.pick(&all) } else { None };
    let ms = world.rng.range((1, 400));
    // With proposals under way that must be committed first, or without.
    for more in 0..world.rng.below(3) as u64 {
        world.propose(leader, tag + ((more + 1) << 32));
    }
    if world.hand_over(leader, to, tag, ms).is_ok() && world.rng.chance(20) {
        world.stop_after_hand_over(leader, ms / 2);
    }
}

/// Splits the ensemble in two at random.
fn split(world: &mut World) {
    let members: Vec<ServerId> = world.servers.keys().copied().collect();
    let (left, right): (Vec<ServerId>, Vec<ServerId>) = members.into_iter().partition(|_| world.rng.chance(50));
    for &a in &left {
        for &b in &right {
            world.cut(a, b);
        }
    }
}

/// One server hears no votes any more, but its own arrive.
fn go_deaf(world: &mut World, sid: ServerId) {
    for other in world.servers.keys().copied().collect::<Vec<_>>() {
        world.network.votes_cut.insert((other, sid));
    }
}

/// Heals everything and demands progress.
fn recover(world: &mut World, tag: u64) {
    world.heal();
    world.weather.vote_loss_percent = 0;
    for sid in world.running() {
        world.stall_disk(sid, &[]);
    }
    for sid in world.down() {
        world.servers.get_mut(&sid).unwrap().disk.stalled.clear();
        world.start(sid);
    }
    let end = world.now.plus(RECOVERY_MS_MAX);
    let before = world.ledger.committed.len();
    let mut proposed = false;
    while world.violation.is_none() {
        // Who was told to stop behind a hand-over may do so only now.
        for sid in world.down() {
            world.start(sid);
        }
        let done = proposed && world.ledger.committed.len() > before && world.is_complete();
        if done {
            return;
        }
        if let Some(sid) = world.proposers().first().copied()
            && world.servers.values().all(|server| server.serving.is_some())
            && !proposed
        {
            world.propose(sid, tag + 1);
            proposed = true;
        }
        let next = world.now.plus(50);
        world.run_until(next);
        proposed &= !world.proposers().is_empty();
        if world.now > end {
            world.violation = Some(stuck(world, end));
        }
    }
}

fn stuck(world: &World, end: Millis) -> Violation {
    let mut text = format!("healed, but at {end} not every server has delivered a new proposal:");
    for (sid, server) in &world.servers {
        let state = server.peer.as_ref().map_or("down", |peer| peer.state_name());
        let (last, epochs) = (server.applied.last(), world.epochs(*sid));
        text.push_str(&format!("\n  server {sid}: {state}, at {last:?}, {epochs:?}"));
    }
    text.push_str(&format!(
        "\n  committed: {} up to {:?}",
        world.ledger.committed.len(),
        world.ledger.committed.last()
    ));
    Violation { invariant: "progress", text }
}

fn add(sum: &mut Counts, run: &Counts) {
    sum.established += run.established;
    sum.diffs += run.diffs;
    sum.truncs += run.truncs;
    sum.snaps += run.snaps;
    sum.crashes += run.crashes;
    sum.torn += run.torn;
    sum.proposals += run.proposals;
    sum.commits += run.commits;
    sum.informs += run.informs;
    sum.relayed += run.relayed;
    sum.reconfigs += run.reconfigs;
    sum.cuts += run.cuts;
    sum.stalls += run.stalls;
    sum.abandoned += run.abandoned;
    sum.handed_over += run.handed_over;
    sum.given_up += run.given_up;
    sum.undecided += run.undecided;
    sum.stopped += run.stopped;
    sum.rolled_over += run.rolled_over;
    sum.taken_along += run.taken_along;
    sum.steps += run.steps;
}

fn variable(name: &str) -> Option<u64> {
    std::env::var_os(name).map(|value| value.to_str().and_then(|text| text.parse().ok()).expect("a number"))
}

#[test]
fn random_runs_are_safe_and_recover() {
    if let Some(seed) = variable("ZOOKUBE_SEED") {
        match run(seed, None, true) {
            Ok(counts) => eprintln!("seed {seed} holds: {counts:?}"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let seeds = variable("ZOOKUBE_SEEDS").unwrap_or(SEEDS);
    let mut sum = Counts::default();
    for seed in 0..seeds {
        match run(seed, None, false) {
            Ok(counts) => add(&mut sum, &counts),
            Err(failure) => panic!("{failure}"),
        }
    }
    eprintln!("{seeds} seeds: {sum:?}");
    // A harness that saw nothing proves nothing.
    let kinds = [
        ("established", sum.established),
        ("diffs", sum.diffs),
        ("truncs", 5 * sum.truncs),
        ("snaps", sum.snaps),
        ("crashes", sum.crashes),
        ("torn", sum.torn),
        ("commits", sum.commits),
        ("informs", sum.informs),
        ("relayed", sum.relayed),
        ("cuts", sum.cuts),
        ("stalls", sum.stalls),
        ("abandoned", sum.abandoned),
        ("handed over", sum.handed_over),
        ("given up", 5 * sum.given_up),
        ("undecided", 5 * sum.undecided),
        ("stopped behind a hand-over", 5 * sum.stopped),
        ("rolled over", sum.rolled_over),
        ("taken along", sum.taken_along),
    ];
    for (kind, seen) in kinds {
        assert!(seen >= seeds / 10, "only {seen} {kind} in {seeds} seeds: {sum:?}");
    }
}

#[test]
fn members_come_and_go() {
    if let Some(seed) = variable("ZOOKUBE_SEED") {
        match run_with(seed, None, Ensemble::Changing, true) {
            Ok(counts) => eprintln!("seed {seed} holds: {counts:?}"),
            Err(failure) => panic!("{failure}"),
        }
        return;
    }
    let seeds = variable("ZOOKUBE_SEEDS").unwrap_or(SEEDS / 5);
    let mut sum = Counts::default();
    for seed in 0..seeds {
        match run_with(seed, None, Ensemble::Changing, false) {
            Ok(counts) => add(&mut sum, &counts),
            Err(failure) => panic!("{failure}"),
        }
    }
    eprintln!("{seeds} seeds: {sum:?}");
    assert!(sum.reconfigs >= seeds, "only {} reconfigurations in {seeds} seeds: {sum:?}", sum.reconfigs);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let trace = |seed| {
        let (mut world, faults) = world(seed, None, Ensemble::Changing);
        (world.trace, world.trace_votes) = (Some(String::new()), true);
        world.down().into_iter().for_each(|sid| world.start(sid));
        let mut tag = 0;
        for _ in 0..50 {
            world.run(faults.pause_ms);
            disturb(&mut world, &faults, &mut tag);
        }
        world.trace.unwrap()
    };
    let first = trace(7);
    assert!(first.lines().count() > 50, "an almost empty run:\n{first}");
    assert_eq!(first, trace(7));
}
