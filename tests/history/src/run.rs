//! A run: an ensemble under faults, clients at work, everything recorded; then all checks.

#![allow(clippy::print_stdout, reason = "what a run has exercised is what a person starts it for")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ensemble::tree;
use support::rng::{Rng, fresh_seed};
use support::wait;

use wire::txn::TxnEntry;

use crate::check::{linear, report, survival, zxids};
use crate::cluster::{Cluster, SETTLE_LIMIT};
use crate::committed::{Committed, ServerLog, merge};
use crate::fault::Fault;
use crate::keys::ROOT;
use crate::record::{Operation, Tally};
use crate::timeline::Timeline;
use crate::workload::{self, Workload};

/// Clients at a time: more than servers, so that every server has some.
const CLIENTS: usize = 6;

/// Tries to read a log that is being written.
const READ_TRIES: usize = 20;
/// Acknowledged writes between two faults.
const BETWEEN: u64 = 60;

/// How long an ensemble without faults may take for those, sessions that expire included.
const BETWEEN_LIMIT: Duration = Duration::from_secs(30);

/// How long the search for an order of the writes on one znode may take; it is a matter of milliseconds.
const ORDER_LIMIT: Duration = Duration::from_secs(30);

/// What a run is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How many servers.
    pub servers: u8,
    /// How often each kind of fault.
    pub rounds: usize,
    /// From which all draws follow. The schedule of processes and packets does not, so a seed gives the same faults, not
    /// the same history.
    pub seed: u64,
}

impl Plan {
    /// A run with `servers` servers, as `ZOOKUBE_TEST_ROUNDS` (`rounds`) and `ZOOKUBE_TEST_SEED` (a fresh one) say.
    ///
    /// # Panics
    /// When they hold something else than numbers.
    pub fn from_environment(servers: u8, rounds: u64) -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|e| panic!("{name}={text}: {e}")))
        };
        let rounds = number("ZOOKUBE_TEST_ROUNDS").unwrap_or(rounds);
        assert!(rounds > 0, "ZOOKUBE_TEST_ROUNDS=0 shows nothing");
        Self { servers, rounds: rounds as usize, seed: number("ZOOKUBE_TEST_SEED").unwrap_or_else(fresh_seed) }
    }
}

/// What is left of a run once the servers are gone.
struct Remains {
    operations: Vec<Operation>,
    trees: Vec<(u8, survival::Tree)>,
    logs: Vec<ServerLog>,
    /// The highest zxid that a client was told, which all servers had applied in the end.
    upto: i64,
}

/// Runs, prints what was exercised, checks.
///
/// # Panics
/// With everything that the checks have found, when a planned fault did not take place, or when the ensemble does not do
/// what it can do under the faults given.
pub fn run(plan: Plan) {
    let Plan { servers, rounds, seed } = plan;
    println!("{servers} servers: {rounds} rounds of every fault; ZOOKUBE_TEST_SEED={seed} draws the same faults");
    let mut rng = Rng::new(seed ^ u64::from(servers));
    let mut cluster = Cluster::start(servers, &mut rng);
    workload::prepare(&cluster.addrs(), SETTLE_LIMIT);
    let workload = Workload::start(&cluster.addrs(), CLIENTS, rng.next_u64());
    workload.progress().wait_writes(BETWEEN, BETWEEN_LIMIT);
    let mut inflicted: BTreeMap<Fault, usize> = BTreeMap::new();
    let mut archive = Archive::default();
    archive.note(&cluster);
    for fault in (0..rounds).flat_map(|_| Fault::shuffled(&mut rng)).collect::<Vec<_>>() {
        let begun = Instant::now();
        match fault.inflict(&mut cluster, workload.progress(), &mut rng) {
            Ok(who) => {
                *inflicted.entry(fault).or_default() += 1;
                println!("{servers} servers: {fault:?}: {who} ({:.1} s)", begun.elapsed().as_secs_f64());
            }
            Err(why) => panic!("{fault:?} did not take place: {why}"),
        }
        cluster.wait_settled();
        workload.progress().wait_writes(BETWEEN, BETWEEN_LIMIT);
        archive.note(&cluster);
    }
    let missing: Vec<&Fault> = Fault::ALL.iter().filter(|fault| !inflicted.contains_key(fault)).collect();
    assert!(missing.is_empty(), "planned, and did not take place: {missing:?}");
    println!("{servers} servers: faults: {inflicted:?}; packets: {:?}", cluster.hub().counts());
    println!(
        "{servers} servers: longest pause between two acknowledged writes: {:?}",
        workload.progress().longest_gap()
    );
    check(servers, &end(cluster, workload, archive));
}

/// Stops the clients, reads what every server holds, kills them all and reads their logs.
fn end(mut cluster: Cluster, workload: Workload, mut archive: Archive) -> Remains {
    let recorded = workload.finish();
    let sum = |of: fn(&crate::client::Recorded) -> usize| recorded.iter().map(of).sum::<usize>();
    println!(
        "{} servers: {CLIENTS} clients had {} sessions, which moved {} times",
        cluster.ids().len(),
        sum(|r| r.sessions),
        sum(|r| r.moves)
    );
    let operations: Vec<Operation> = recorded.into_iter().flat_map(|r| r.operations).collect();
    let upto = operations.iter().filter_map(Operation::zxid).max().unwrap_or_default();
    cluster.wait_settled();
    cluster.wait_applied(upto);
    let trees = cluster.ids().into_iter().map(|id| (id, tree::read(cluster.server(id).addr()))).collect();
    wait_logged(&cluster, upto);
    cluster.kill_all();
    let read = |id: u8| ServerLog::read(id, &cluster.server(id).data_dir()).unwrap_or_else(|e| panic!("{e}"));
    let logs = cluster.ids().into_iter().map(|id| archive.complete(read(id))).collect();
    Remains { operations, trees, logs, upto }
}

/// What servers had in their logs in the course of the run: a server that a leader sends a snapshot gives up the logs it had.
#[derive(Debug, Default)]
struct Archive(BTreeMap<u8, BTreeMap<i64, TxnEntry>>);

impl Archive {
    /// Reads every log. While it is being written it may not be readable; there is always a next time.
    fn note(&mut self, cluster: &Cluster) {
        for id in cluster.ids() {
            let dir = cluster.server(id).data_dir();
            if let Some(log) = (0..READ_TRIES).find_map(|_| ServerLog::read(id, &dir).ok()) {
                self.0.entry(id).or_default().extend(log.entries);
            }
        }
    }

    /// Puts in front of a log what its server had given up.
    fn complete(&mut self, mut log: ServerLog) -> ServerLog {
        let mut earlier = self.0.remove(&log.id).unwrap_or_default();
        if let Some(&first) = log.entries.keys().next() {
            earlier.split_off(&first);
        }
        log.entries.append(&mut earlier);
        log
    }
}

/// Waits until every server's log holds what it has applied: a follower applies what a quorum has logged, which need not
/// include itself, least of all when its disk was full a moment ago.
fn wait_logged(cluster: &Cluster, upto: i64) {
    for id in cluster.ids() {
        wait::until(&format!("the log of server {id} to reach {upto:#x}"), SETTLE_LIMIT, || {
            // While it is being written it may not be readable.
            let log = ServerLog::read(id, &cluster.server(id).data_dir()).ok()?;
            (log.last() >= upto).then_some(())
        });
    }
}

fn check(servers: u8, remains: &Remains) {
    let Remains { operations, trees, logs, upto } = remains;
    println!("{servers} servers: {}", Tally::of(operations));
    let begun = Instant::now();
    let mut findings = String::new();
    match linear::check(operations, ORDER_LIMIT) {
        Ok(checked) => {
            println!("{servers} servers: linearizable: {checked:?} in {:.1} s", begun.elapsed().as_secs_f64())
        }
        Err(found) => findings += &report("linearizable writes", &found),
    }
    match merge(logs, *upto) {
        Err(found) => findings += &report("agreement of the logs", &found),
        Ok(Committed { history, superseded }) => {
            let epochs: BTreeSet<i64> = history.iter().map(|entry| entry.zxid().0 >> 32).collect();
            println!(
                "{servers} servers: {} transactions in {} epochs, up to {upto:#x}; {superseded} logged, never committed",
                history.len(),
                epochs.len()
            );
            match Timeline::replay(&history, ROOT) {
                Err(found) => findings += &report("replay of the log", &[found]),
                Ok(timeline) => {
                    match zxids::check(operations, &history, &timeline) {
                        Ok(checked) => println!("{servers} servers: zxids: {checked:?}"),
                        Err(found) => findings += &report("linear zxids", &found),
                    }
                    match survival::check(operations, trees, &timeline) {
                        Ok(znodes) => println!("{servers} servers: {znodes} znodes are the same on every server"),
                        Err(found) => findings += &report("acknowledged writes survive", &found),
                    }
                }
            }
        }
    }
    assert!(findings.is_empty(), "{findings}");
}
