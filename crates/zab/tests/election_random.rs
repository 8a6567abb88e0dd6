//! Random elections: any order of delivery, losses, repetitions, crashes and partitions.
//!
//! The servers run a sketch of what follows an election: a leader that enough connected servers follow is established under a
//! new epoch, one that is not gives up after a while, and so does a follower whose leader does not lead. Election alone
//! promises no more than votes; what it owes to the rest is checked here:
//! - a server that settles by the votes of looking servers settles on none worse than its own (in `World::settle`);
//! - for one round and one epoch of the votes, at most one leader is ever established;
//! - once the network is whole and all servers run, all of them soon have the same established leader.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

#[path = "election/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;
use wire::election::{Notification, ServerState};
use wire::{Epoch, Millis, ServerId, Zxid};
use world::World;
use zab::election::{Election, ElectionSettings, InitialVote};
use zab::quorum::Membership;

/// A leader without a quorum of followers, or a follower without its leader, gives up after this long.
const PATIENCE_MS: i64 = 2_000;
/// Longest wait for an established leader after the network has healed. An election in trouble waits as long as its longest
/// notification interval, which by then has not grown far; 20 s are many times what is seen.
const PROGRESS_MS_MAX: i64 = 20_000;

#[derive(Clone, Debug)]
enum Step {
    Start(i64, i64),
    Kill(i64),
    Cut(i64, i64),
    Heal,
    Run(i64),
}

#[derive(Clone, Debug)]
struct Network {
    seed: u64,
    loss_percent: u64,
    repeat_percent: u64,
    delay_ms_max: u64,
}

fn network() -> impl Strategy<Value = Network> {
    (any::<u64>(), 0..40u64, 0..20u64, prop_oneof![Just(5u64), Just(150), Just(900)]).prop_map(
        |(seed, loss_percent, repeat_percent, delay_ms_max)| Network {
            seed,
            loss_percent,
            repeat_percent,
            delay_ms_max,
        },
    )
}

fn steps(servers: i64) -> impl Strategy<Value = Vec<Step>> {
    let sid = 1..=servers;
    let step = prop_oneof![
        4 => (sid.clone(), 0..4i64).prop_map(|(sid, zxid)| Step::Start(sid, zxid)),
        2 => sid.clone().prop_map(Step::Kill),
        2 => (sid.clone(), sid).prop_map(|(a, b)| Step::Cut(a, b)),
        1 => Just(Step::Heal),
        8 => (1..1500i64).prop_map(Step::Run),
    ];
    prop::collection::vec(step, 1..40)
}

/// A network whose messages may overtake each other; whole, and in order, once `healed` says so.
fn fate(network: Network, healed: Rc<RefCell<bool>>) -> world::Fate {
    let mut state = network.seed;
    let mut draw = move || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    Box::new(move |_, _| {
        if *healed.borrow() {
            return vec![3];
        }
        if draw() % 100 < network.loss_percent {
            return Vec::new();
        }
        let copies = if draw() % 100 < network.repeat_percent { 2 } else { 1 };
        (0..copies).map(|_| 1 + i64::try_from(draw() % network.delay_ms_max).unwrap()).collect()
    })
}

/// What survives the process: where each server's log ends, and its epochs.
#[derive(Clone, Copy, Default)]
struct Disk {
    zxid: Zxid,
    current_epoch: Epoch,
    accepted_epoch: Epoch,
}

struct Ensemble {
    world: World,
    disks: BTreeMap<ServerId, Disk>,
    /// The leader established for each (round, epoch of the vote).
    leaders: BTreeMap<(i64, Epoch), ServerId>,
    /// The leadership each server takes part in: leader and epoch.
    joined: BTreeMap<ServerId, (ServerId, Epoch)>,
}

impl Ensemble {
    fn new(membership: Membership, fate: world::Fate) -> Ensemble {
        Ensemble {
            world: World::new(membership, fate),
            disks: BTreeMap::new(),
            leaders: BTreeMap::new(),
            joined: BTreeMap::new(),
        }
    }

    fn start(&mut self, sid: ServerId) {
        let disk = self.disks.entry(sid).or_default();
        let initial = InitialVote { zxid: disk.zxid, peer_epoch: disk.current_epoch, is_blank: false };
        self.joined.remove(&sid);
        self.world.start(sid, initial);
    }

    fn look(&mut self, sid: ServerId) {
        let disk = self.disks[&sid];
        let server = self.world.servers.get_mut(&sid).unwrap();
        server.initial = InitialVote { zxid: disk.zxid, peer_epoch: disk.current_epoch, is_blank: false };
        self.joined.remove(&sid);
        self.world.look(sid);
    }

    fn run(&mut self, ms: i64) {
        let end = self.world.now.plus(ms);
        while self.world.now < end {
            // Discovery looks around every 20 ms.
            let next = self.world.now.plus(20).min(end);
            self.world.run_until(next);
            self.discover();
            self.give_up();
        }
    }

    /// Every leader with a quorum of connected servers that settled on it is established under an epoch above all they promised,
    /// or gives up because one of them is ahead of it (`Leader.waitForEpochAck`): a late word of a server that once followed
    /// may make another settle on a leader that it would not have voted for. Servers that cannot be elected do not count here,
    /// since nothing in the election keeps a leader from being behind them.
    fn discover(&mut self) {
        let leaders: Vec<ServerId> = self.in_state(ServerState::Leading).collect();
        for leader in leaders {
            let party: BTreeSet<ServerId> = self.party(leader);
            if !self.world.membership.is_quorum(&party) {
                continue;
            }
            let state_of = |sid: &ServerId| (self.disks[sid].current_epoch, self.disks[sid].zxid);
            let membership = &self.world.membership;
            let electable = |sid: &ServerId| membership.is_voter(*sid) && membership.weight(*sid) != 0;
            let ahead = |sid: &ServerId| electable(sid) && state_of(sid) > state_of(&leader);
            if !self.joined.contains_key(&leader) && party.iter().any(ahead) {
                self.look(leader);
                continue;
            }
            let newcomers: Vec<ServerId> =
                party.iter().copied().filter(|sid| self.joined.get(sid).is_none_or(|(of, _)| *of != leader)).collect();
            let epoch = match self.joined.get(&leader) {
                Some((of, epoch)) if *of == leader => *epoch,
                _ => {
                    let highest = party.iter().map(|sid| self.disks[sid].accepted_epoch.0).max().unwrap();
                    let vote = self.world.servers[&leader].elected.as_ref().unwrap().vote.clone();
                    let key = (vote.round, vote.peer_epoch);
                    let before = self.leaders.insert(key, leader);
                    assert!(
                        before.is_none_or(|before| before == leader),
                        "{before:?} and {leader} were both established by {vote}\n{}",
                        self.world.trace
                    );
                    Epoch(highest + 1)
                }
            };
            let zxid = self.disks[&leader].zxid;
            for sid in newcomers {
                if self.disks[&sid].accepted_epoch > epoch {
                    continue; // It has promised a later leader; it gives up on this one below.
                }
                self.disks.insert(sid, Disk { zxid, current_epoch: epoch, accepted_epoch: epoch });
                self.joined.insert(sid, (leader, epoch));
                self.world.established(sid, epoch);
            }
        }
    }

    /// The running servers that settled on `leader` and can reach it, itself included; not those that still take part in a
    /// leadership of its previous process.
    fn party(&self, leader: ServerId) -> BTreeSet<ServerId> {
        let servers = self.world.servers.iter();
        servers
            .filter(|(sid, server)| {
                self.world.reachable(**sid, leader)
                    && self.joined.get(sid).is_none_or(|joined| self.joined.get(&leader) == Some(joined))
                    && server.elected.as_ref().is_some_and(|elected| elected.vote.leader == leader)
            })
            .map(|(sid, _)| *sid)
            .collect()
    }

    fn give_up(&mut self) {
        let now = self.world.now;
        let sids: Vec<ServerId> = self.world.servers.keys().copied().collect();
        for sid in sids {
            let server = &self.world.servers[&sid];
            let Some(elected) = &server.elected else { continue };
            let leader = elected.vote.leader;
            let joined = self.joined.contains_key(&sid);
            let served = match elected.role {
                ServerState::Leading => self.world.membership.is_quorum(&self.party(leader)),
                _ => joined && self.world.reachable(sid, leader) && self.joined.get(&sid) == self.joined.get(&leader),
            };
            // One that took part in a leadership notices at once that it ended.
            if !served && (joined || now.since(server.since) > PATIENCE_MS) {
                self.look(sid);
            }
        }
    }

    fn in_state(&self, state: ServerState) -> impl Iterator<Item = ServerId> + '_ {
        let servers = self.world.servers.iter();
        servers.filter(move |(_, server)| server.election.state() == state).map(|(sid, _)| *sid)
    }

    fn agrees(&self) -> bool {
        let mut parties = self.world.servers.keys().map(|sid| self.joined.get(sid));
        let first = parties.next().flatten();
        first.is_some() && parties.all(|party| party == first)
    }
}

fn play(membership: &Membership, network: Network, steps: Vec<Step>) {
    let healed = Rc::new(RefCell::new(false));
    let mut ensemble = Ensemble::new(membership.clone(), fate(network, Rc::clone(&healed)));
    for step in steps {
        match step {
            Step::Start(sid, advance) => {
                let sid = ServerId(sid);
                let disk = ensemble.disks.entry(sid).or_default();
                disk.zxid = disk.zxid.max(Zxid::new(disk.current_epoch, u32::try_from(advance).unwrap()));
                ensemble.start(sid);
            }
            Step::Kill(sid) => {
                ensemble.joined.remove(&ServerId(sid));
                ensemble.world.kill(ServerId(sid));
            }
            Step::Cut(a, b) if a != b => ensemble.world.cut(ServerId(a), ServerId(b)),
            Step::Cut(..) => {}
            Step::Heal => ensemble.world.heal(),
            Step::Run(ms) => ensemble.run(ms),
        }
    }
    *healed.borrow_mut() = true;
    ensemble.world.heal();
    for sid in membership.servers.keys() {
        if !ensemble.world.servers.contains_key(sid) {
            ensemble.start(*sid);
        }
    }
    let deadline = ensemble.world.now.plus(PROGRESS_MS_MAX);
    while !ensemble.agrees() {
        assert!(
            ensemble.world.now < deadline,
            "no common leader {PROGRESS_MS_MAX} ms after healing\n{}",
            ensemble.world.trace
        );
        ensemble.run(100);
    }
}

fn membership(text: &str) -> Membership {
    let mut lines = String::new();
    for word in text.split_whitespace() {
        let line = match word.parse::<i64>() {
            Ok(sid) => format!("server.{sid}=zk{sid}:2888:3888\n"),
            Err(_) => match word.strip_prefix("observer=") {
                Some(sid) => format!("server.{sid}=zk{sid}:2888:3888:observer\n"),
                None => format!("{word}\n"),
            },
        };
        lines.push_str(&line);
    }
    Membership::parse(&lines).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_servers(network in network(), steps in steps(3)) {
        play(&membership("1 2 3"), network, steps);
    }

    #[test]
    fn five_servers(network in network(), steps in steps(5)) {
        play(&membership("1 2 3 4 5"), network, steps);
    }

    #[test]
    fn with_an_observer(network in network(), steps in steps(4)) {
        play(&membership("1 2 3 observer=4"), network, steps);
    }

    #[test]
    fn with_weights(network in network(), steps in steps(5)) {
        let text = "1 2 3 4 5 group.1=1:2:3 group.2=4:5 weight.3=0 weight.5=2";
        play(&membership(text), network, steps);
    }

    /// Servers that start together over a network faster than the finalize wait all elect the best of them. A vote that was
    /// overtaken by a newer one counts until it is repeated, so a few intervals may go by.
    #[test]
    fn the_best_wins(seed in any::<u64>(), candidates in prop::collection::vec((0..3i64, 0..3i64), 3..8)) {
        let text: Vec<String> = (1..=candidates.len()).map(|sid| sid.to_string()).collect();
        let network = Network { seed, loss_percent: 0, repeat_percent: 20, delay_ms_max: 30 };
        let mut world = World::new(membership(&text.join(" ")), fate(network, Rc::default()));
        let mut best = None;
        for (sid, (epoch, counter)) in (1..).map(ServerId).zip(&candidates) {
            let zxid = Zxid::new(Epoch(*epoch), u32::try_from(*counter).unwrap());
            best = best.max(Some((*epoch, zxid, sid)));
            world.start(sid, InitialVote { zxid, peer_epoch: Epoch(*epoch), is_blank: false });
        }
        world.run_until(Millis(10_000));
        for (sid, server) in &world.servers {
            let elected = server.elected.as_ref().unwrap_or_else(|| panic!("{sid} has no leader\n{}", world.trace));
            prop_assert_eq!(elected.vote.leader, best.unwrap().2, "{} elected another\n{}", sid, world.trace);
        }
    }

    /// When a leader has left, the others have a new one a finalize wait after the last of them noticed; no notification
    /// interval goes by, in whatever order they notice.
    #[test]
    fn the_rest_elects_at_once(seed in any::<u64>(), notice in prop::collection::vec(0..150i64, 2..6)) {
        let text: Vec<String> = (1..=notice.len() + 1).map(|sid| sid.to_string()).collect();
        let network = Network { seed, loss_percent: 0, repeat_percent: 0, delay_ms_max: 5 };
        // In order, as on a connection.
        let mut world = World::new(membership(&text.join(" ")), fate(network, Rc::new(RefCell::new(true))));
        let leader = ServerId(i64::try_from(notice.len()).unwrap() + 1);
        let initial = InitialVote { zxid: Zxid::ZERO, peer_epoch: Epoch(0), is_blank: false };
        (1..=leader.0).for_each(|sid| world.start(ServerId(sid), initial));
        world.run_until(Millis(1_000));
        world.kill(leader);
        let mut order: Vec<(i64, ServerId)> = notice.iter().copied().zip((1..).map(ServerId)).collect();
        order.sort_unstable();
        for (after, sid) in &order {
            world.established(*sid, Epoch(1));
            world.run_until(Millis(1_000 + after));
            world.look(*sid);
        }
        let last = order.last().unwrap().0;
        world.run_until(Millis(1_000 + last + 200 + 5 * 3));
        for (sid, server) in &world.servers {
            prop_assert!(server.elected.is_some(), "{} still looks\n{}", sid, world.trace);
        }
    }

    /// No sequence of messages, however odd, makes a server panic, send to itself, or lose its deadline.
    #[test]
    fn odd_messages_do_no_harm(messages in prop::collection::vec(odd_message(), 0..60), own_zxid in -1..3i64) {
        let settings = ElectionSettings::default();
        let mut election = Election::new(ServerId(1), settings, membership("1 2 3 observer=4"));
        let mut out = Vec::new();
        election.start(Millis(0), InitialVote { zxid: Zxid(own_zxid), peer_epoch: Epoch(0), is_blank: false }, &mut out);
        for (at, (from, message, again)) in (0..).step_by(37).map(Millis).zip(messages) {
            election.on_notification(at, ServerId(from), message, &mut out);
            election.on_deadline(at, again, &mut out);
            prop_assert_eq!(election.is_looking(), election.next_deadline().is_some());
            if again {
                election.start(at, InitialVote { zxid: Zxid(own_zxid), peer_epoch: Epoch(0), is_blank: false }, &mut out);
            }
            for action in out.drain(..) {
                if let zab::election::ElectionAction::Send(to, _) = action {
                    prop_assert_ne!(to, ServerId(1));
                }
            }
        }
    }
}

fn odd_message() -> impl Strategy<Value = (i64, Notification, bool)> {
    let number = || prop_oneof![4 => -1..5i64, 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => any::<i64>()];
    let config = prop_oneof![
        3 => Just(None),
        1 => Just(Some("server.1=a:1:2\nversion=ff".to_owned())),
        1 => Just(Some("server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2".to_owned())),
        1 => ".{0,20}".prop_map(Some),
    ];
    let state = (0..4i32).prop_map(|state| ServerState::from_i32(state).unwrap());
    (number(), number(), number(), number(), number(), state, 0..3i32, config, prop::bool::weighted(0.1)).prop_map(
        |(from, leader, zxid, round, epoch, state, version, config, again)| {
            let (leader, zxid, peer_epoch) = (ServerId(leader), Zxid(zxid), Epoch(epoch));
            (from, Notification { state, leader, zxid, round, peer_epoch, version, config }, again)
        },
    )
}
