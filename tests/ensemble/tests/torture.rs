//! kill -9 under load. Nothing that was acknowledged may be lost, no session, no ephemeral of a live session.
//!
//! `ZOOKUBE_TEST_ROUNDS` sets how often (5; `cargo xtask torture` takes 20). Each round prints the pause in the writes.

#![allow(clippy::print_stdout, reason = "the gap of each kill is what a person runs this for")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ensemble::load::Load;
use ensemble::tree;
use support::external::Conversation;
use support::session::Session;
use support::{Ensemble, ServerKind, prerequisites, process};

const LIMIT: Duration = Duration::from_secs(60);

/// Acknowledgements between two kills: enough to be in the middle of things.
const BETWEEN: u64 = 50;

fn rounds() -> u32 {
    let text = std::env::var("ZOOKUBE_TEST_ROUNDS").unwrap_or_else(|_| "5".to_owned());
    text.parse().unwrap_or_else(|e| panic!("ZOOKUBE_TEST_ROUNDS={text}: {e}"))
}

fn print_gaps(what: &str, gaps: &[Duration]) {
    let ms: Vec<u128> = gaps.iter().map(Duration::as_millis).collect();
    let mut sorted = ms.clone();
    sorted.sort_unstable();
    let kind = ServerKind::under_test().name();
    println!(
        "{kind}: {what}: write gaps {ms:?} ms, median {}, longest {}",
        sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
        sorted.last().copied().unwrap_or_default()
    );
}

/// One kazoo client writes while the leader is killed and restarted again and again.
#[test]
fn the_leader_dies_under_a_kazoo_client() {
    let mut ensemble = Ensemble::of_three(ServerKind::under_test());
    let mut command = process::command(prerequisites::python());
    command.arg(prerequisites::workspace().join("tests/ensemble/kazoo/writer.py")).arg(ensemble.connect_string());
    let mut writer = Conversation::start(command);
    let session = writer.hear("SESSION ", LIMIT);
    let session: i64 = session.rsplit(' ').next().and_then(|id| id.trim().parse().ok()).expect("a session id");
    let mut said = progress(&mut writer, 0);
    for _ in 0..rounds() {
        let leader = ensemble.wait_settled();
        said += &progress(&mut writer, count(&said));
        ensemble.servers[leader].kill_9();
        said += &progress(&mut writer, count(&said));
        ensemble.servers[leader].start();
    }
    ensemble.wait_settled();
    writer.say("stop");
    said += &writer.hear("DONE ", LIMIT);
    assert!(!said.contains("STATE LOST") && !said.contains("EXPIRED"), "the session was lost:\n{}", states(&said));

    let acknowledged = acks(&said);
    for server in &ensemble.servers {
        let mut reader = Session::open_any(&[server.addr()], 30_000, LIMIT);
        reader.sync().expect("sync");
        let there: BTreeSet<String> = reader.children("/loss").expect("children").into_iter().collect();
        for (number, _) in &acknowledged {
            assert!(there.contains(&format!("{number:07}")), "server {} has lost /loss/{number:07}", server.id());
        }
        let (_, stat) = reader.get("/loss-ephemeral").expect("the ephemeral");
        assert_eq!(stat.ephemeral_owner, session, "the ephemeral's owner on server {}", server.id());
    }
    let mut gaps: Vec<f64> = acknowledged.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    gaps.sort_by(|a, b| b.total_cmp(a));
    gaps.truncate(rounds() as usize);
    let gaps: Vec<Duration> = gaps.into_iter().map(Duration::from_secs_f64).collect();
    println!("{} writes were acknowledged and are on every server", acknowledged.len());
    print_gaps("the leader killed under kazoo, longest first", &gaps);
    writer.say("finish");
}

/// Waits for further acknowledgements; returns all that was said up to then.
fn progress(writer: &mut Conversation, so_far: u64) -> String {
    writer.hear(&format!("ACK {} ", so_far + BETWEEN), LIMIT)
}

fn acks(said: &str) -> Vec<(u64, f64)> {
    let parse = |line: &str| {
        let (number, time) = line.strip_prefix("ACK ")?.split_once(' ')?;
        Some((number.parse().ok()?, time.parse().ok()?))
    };
    said.lines().filter_map(parse).collect()
}

fn count(said: &str) -> u64 {
    said.lines().rev().find_map(|line| line.strip_prefix("ACK ")?.split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn states(said: &str) -> String {
    said.lines().filter(|line| line.starts_with("STATE")).collect::<Vec<_>>().join("\n")
}

/// Several writers on all servers while the leader is killed and restarted again and again.
#[test]
fn the_leader_dies_under_many_writers() {
    let mut ensemble = Ensemble::of_three(ServerKind::under_test());
    let mut load = Load::start(&ensemble.addrs(), 6);
    let mut gaps = Vec::new();
    for _ in 0..rounds() {
        let leader = ensemble.wait_settled();
        load.progress(BETWEEN, LIMIT);
        let killed = Instant::now();
        ensemble.servers[leader].kill_9();
        load.progress(BETWEEN, LIMIT);
        gaps.push(load.longest_gap(killed));
        ensemble.servers[leader].start();
    }
    finish(&mut ensemble, load);
    print_gaps("the leader killed under 6 writers", &gaps);
}

/// The whole ensemble is killed at once, as by a power cut that spares the disks.
#[test]
fn all_three_die_at_once() {
    let mut ensemble = Ensemble::of_three(ServerKind::under_test());
    let mut load = Load::start(&ensemble.addrs(), 6);
    let mut gaps = Vec::new();
    for _ in 0..rounds() {
        load.progress(BETWEEN, LIMIT);
        let killed = Instant::now();
        for server in &ensemble.servers {
            server.signal_kill();
        }
        for server in &mut ensemble.servers {
            server.kill_9();
            server.start();
        }
        ensemble.wait_settled();
        load.progress(BETWEEN, LIMIT);
        gaps.push(load.longest_gap(killed));
    }
    finish(&mut ensemble, load);
    print_gaps("all three killed under 6 writers", &gaps);
}

fn finish(ensemble: &mut Ensemble, load: Load) {
    ensemble.wait_settled();
    let outcome = load.finish();
    let records: Vec<_> = outcome.iter().map(|(record, _)| record.clone()).collect();
    let writes: usize = records.iter().map(|r| r.created.len() + r.deleted.len()).sum();
    tree::assert_kept(&ensemble.addrs(), &records);
    // With every session and ephemeral still in it, the tree is the same everywhere.
    tree::assert_equal(&ensemble.addrs());
    println!("{writes} creates and deletes were acknowledged and are on every server");
    drop(outcome);
}
