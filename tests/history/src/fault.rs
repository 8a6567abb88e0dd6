//! The faults: what each does, how long it lasts, and the proof that it happened.
//!
//! None lasts for a time: each ends once what it was made for has come about, a new leader, so many writes past the
//! crippled server. That writes go on is demanded of every fault here, because none takes a majority away; only all
//! servers killed at once interrupt them, and they must come back.

use std::time::Duration;

use support::rng::Rng;
use support::session::Session;
use support::{wait, words};

use crate::client::SESSION_MS;
use crate::cluster::{CLIENTS, Cluster, SETTLE_LIMIT};
use crate::hub::{Counts, Link};
use crate::workload::Progress;

/// Acknowledged writes that a fault waits for, so that the clients meet it.
const WRITES: u64 = 100;

/// Packets that a disturbed network must have touched.
const PACKETS: u64 = 10;

/// How long that may take on a network that loses every tenth packet and makes TCP wait.
const WRITES_LIMIT: Duration = Duration::from_secs(45);

/// How long a server may take to notice that it hears nobody, or that nobody hears it: some `syncLimit`s.
const NOTICE_LIMIT: Duration = Duration::from_secs(30);

/// What our server says when it has lost its leader, or as a leader its quorum.
const LOOKING_WORDS: &str = "LOOKING for a leader";

/// What our server says when its log cannot be written for want of room.
const FULL_DISK_WORDS: &str = "writes wait until there is room";

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// kill -9 of a follower, then a restart.
    KillFollower,
    /// kill -9 of the leader, then a restart.
    KillLeader,
    /// kill -9 of all servers at once, then a restart.
    KillAll,
    /// A follower is stopped for longer than a session lives without a word, and goes on.
    PauseFollower,
    /// The leader is stopped until another leads, and goes on without knowing.
    PauseLeader,
    /// One server's packets take their time, both ways.
    Delay,
    /// Packets are lost on all ways from and to one server.
    Loss,
    /// Packets overtake each other on all ways from and to one server.
    Reorder,
    /// A minority, with or without the leader, with or without its clients, is cut off.
    Partition,
    /// The leader and a follower cannot reach each other; everybody else reaches both.
    PartialPartition,
    /// One server is not heard by the others, or hears nothing.
    OneWayPartition,
    /// One server's disk is full for a while.
    FullDisk,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::KillFollower,
        Self::KillLeader,
        Self::KillAll,
        Self::PauseFollower,
        Self::PauseLeader,
        Self::Delay,
        Self::Loss,
        Self::Reorder,
        Self::Partition,
        Self::PartialPartition,
        Self::OneWayPartition,
        Self::FullDisk,
    ];

    /// Every kind once, in an order that chance decides.
    pub fn shuffled(rng: &mut Rng) -> Vec<Self> {
        let mut deck = Self::ALL.to_vec();
        for end in (1..deck.len()).rev() {
            deck.swap(end, rng.below(end + 1));
        }
        deck
    }

    /// Does it, waits for what it is there for, and ends it. Says who was hit.
    ///
    /// # Errors
    /// When the fault has not taken place: then the run has not shown what it claims.
    ///
    /// # Panics
    /// When the ensemble does not do what a majority without faults can do.
    pub fn inflict(self, cluster: &mut Cluster, progress: &Progress, rng: &mut Rng) -> Result<String, String> {
        let leader = cluster.wait_leader();
        let others: Vec<u8> = cluster.ids().into_iter().filter(|id| *id != leader).collect();
        let follower = *rng.pick(&others);
        match self {
            Self::KillFollower => kill(cluster, progress, follower),
            Self::KillLeader => kill(cluster, progress, leader),
            Self::KillAll => kill_all(cluster),
            Self::PauseFollower => pause(cluster, progress, leader, follower),
            Self::PauseLeader => pause_leader(cluster, progress, leader),
            Self::Delay | Self::Loss | Self::Reorder => disturb(self, cluster, progress, rng),
            Self::Partition => partition(cluster, progress, leader, rng),
            Self::PartialPartition => partial_partition(cluster, progress, leader, follower),
            Self::OneWayPartition => one_way_partition(cluster, progress, rng),
            Self::FullDisk => full_disk(cluster, progress),
        }
    }
}

fn kill(cluster: &mut Cluster, progress: &Progress, id: u8) -> Result<String, String> {
    cluster.server_mut(id).kill_9();
    progress.wait_writes(WRITES, WRITES_LIMIT);
    cluster.server_mut(id).start();
    Ok(format!("server {id}"))
}

fn kill_all(cluster: &mut Cluster) -> Result<String, String> {
    cluster.kill_all();
    for id in cluster.ids() {
        cluster.server_mut(id).start();
    }
    Ok("all servers".to_owned())
}

/// Lasts until a session has expired that nobody has heard of since: then so have those of the clients that still wait for
/// the follower to answer.
fn pause(cluster: &Cluster, progress: &Progress, leader: u8, id: u8) -> Result<String, String> {
    let witness = Session::open_any(&[cluster.server(id).addr()], SESSION_MS, WRITES_LIMIT).granted().session_id;
    let lives = || Some(words::ask(cluster.server(leader).addr(), "dump")?.contains(&format!("{witness:#x}")));
    wait::until("the leader to know of a new session", NOTICE_LIMIT, || (lives()?).then_some(()));
    let paused = wait_paused(cluster, id);
    progress.wait_writes(WRITES, WRITES_LIMIT);
    wait::until("a session at a stopped server to expire", NOTICE_LIMIT, || (!lives()?).then_some(()));
    cluster.server(id).resume();
    paused
}

fn pause_leader(cluster: &Cluster, progress: &Progress, leader: u8) -> Result<String, String> {
    let paused = wait_paused(cluster, leader);
    let next = wait_leader_but(cluster, leader);
    progress.wait_writes(WRITES, WRITES_LIMIT);
    cluster.server(leader).resume();
    paused.map(|who| format!("{who}, server {next} led after it"))
}

fn wait_paused(cluster: &Cluster, id: u8) -> Result<String, String> {
    cluster.server(id).pause();
    let paused = wait::poll(WRITES_LIMIT, || cluster.server(id).is_paused().then_some(()));
    paused.map(|()| format!("server {id}")).ok_or_else(|| format!("server {id} did not stop"))
}

/// Waits until somebody else leads.
fn wait_leader_but(cluster: &Cluster, excluded: u8) -> u8 {
    let others: Vec<u8> = cluster.ids().into_iter().filter(|id| *id != excluded).collect();
    wait::until("a leader among the others", SETTLE_LIMIT, || cluster.leader_of(&others))
}

/// Delay, loss or reordering: what `tc netem` would do on one server's link.
fn disturb(fault: Fault, cluster: &Cluster, progress: &Progress, rng: &mut Rng) -> Result<String, String> {
    let victim = *rng.pick(&cluster.ids());
    let delay = Duration::from_millis(5 + rng.below(40) as u64);
    let loss_percent = 3 + rng.below(10);
    let link = match fault {
        Fault::Delay => Link { delay, ..Link::default() },
        Fault::Loss => Link { loss_percent, ..Link::default() },
        _ => Link { delay, overtaking_percent: 30, ..Link::default() },
    };
    // Where the clients' way is left alone they see how far the server is behind the others.
    let first = if rng.chance(1, 2) { CLIENTS } else { CLIENTS + 1 };
    for peer in (first..=cluster.ids().len()).filter(|host| *host != usize::from(victim)) {
        cluster.hub().set_both(victim.into(), peer, link);
    }
    let touched = |counts: Counts| match fault {
        Fault::Delay => counts.delayed,
        Fault::Loss => counts.lost,
        _ => counts.reordered,
    };
    let before = touched(cluster.hub().counts());
    progress.wait_writes(WRITES, WRITES_LIMIT);
    let enough = wait::poll(NOTICE_LIMIT, || (touched(cluster.hub().counts()) >= before + PACKETS).then_some(()));
    let packets = touched(cluster.hub().counts()) - before;
    cluster.hub().heal();
    let what = match fault {
        Fault::Delay => format!("delayed by {} ms", delay.as_millis()),
        Fault::Loss => format!("lost at {loss_percent} %"),
        _ => format!("overtaken within {} ms", delay.as_millis()),
    };
    let told = format!("server {victim}: {packets} packets {what}");
    enough.map(|()| told.clone()).ok_or(told)
}

/// Cuts some ways until the servers `lonely` have noticed and writes have gone on, and heals. Counts the packets that did
/// not arrive.
fn cut(
    cluster: &Cluster,
    progress: &Progress,
    what: &str,
    ways: &[(usize, usize)],
    lonely: &[u8],
) -> Result<String, String> {
    let noticed = |id: &u8| cluster.server(*id).count_in_log(LOOKING_WORDS);
    let before: Vec<usize> = lonely.iter().map(noticed).collect();
    let packets = cluster.hub().counts().cut;
    for (from, to) in ways {
        cluster.hub().set(*from, *to, Link { cut: true, ..Link::default() });
    }
    progress.wait_writes(WRITES, WRITES_LIMIT);
    wait::until(&format!("servers {lonely:?} to notice that they are alone"), NOTICE_LIMIT, || {
        lonely.iter().zip(&before).all(|(id, before)| noticed(id) > *before).then_some(())
    });
    progress.wait_writes(WRITES, WRITES_LIMIT);
    let packets = cluster.hub().counts().cut - packets;
    cluster.hub().heal();
    let told = format!("{what}: {packets} packets did not arrive");
    if packets > 0 { Ok(told) } else { Err(told) }
}

fn partition(cluster: &Cluster, progress: &Progress, leader: u8, rng: &mut Rng) -> Result<String, String> {
    let ids = cluster.ids();
    let size = rng.below((ids.len() - 1) / 2) + 1;
    let mut others: Vec<u8> = ids.iter().copied().filter(|id| *id != leader).collect();
    let with_leader = rng.chance(1, 2);
    let mut minority = if with_leader { vec![leader] } else { vec![] };
    while minority.len() < size {
        minority.push(others.remove(rng.below(others.len())));
    }
    let clients_too = rng.chance(1, 2);
    let mut majority: Vec<usize> = ids.iter().filter(|id| !minority.contains(id)).map(|id| (*id).into()).collect();
    if clients_too {
        majority.push(CLIENTS);
    }
    let inside = minority.iter().map(|id| usize::from(*id));
    let ways: Vec<(usize, usize)> =
        inside.flat_map(|inside| majority.iter().flat_map(move |out| [(inside, *out), (*out, inside)])).collect();
    let what = format!(
        "servers {minority:?} ({} leader) cut off from the others{}",
        if with_leader { "with the" } else { "without the" },
        if clients_too { " and all clients" } else { "" }
    );
    cut(cluster, progress, &what, &ways, &minority)
}

/// Only with the leader: two followers have nothing to say to each other.
fn partial_partition(cluster: &Cluster, progress: &Progress, leader: u8, follower: u8) -> Result<String, String> {
    let ways = [(leader.into(), follower.into()), (follower.into(), leader.into())];
    let what = format!("leader {leader} and follower {follower} cut off from each other");
    cut(cluster, progress, &what, &ways, &[follower])
}

fn one_way_partition(cluster: &Cluster, progress: &Progress, rng: &mut Rng) -> Result<String, String> {
    let victim = *rng.pick(&cluster.ids());
    let unheard = rng.chance(1, 2);
    let others = cluster.ids().into_iter().filter(|id| *id != victim);
    let way = |other: u8| if unheard { (victim.into(), other.into()) } else { (other.into(), victim.into()) };
    let ways: Vec<(usize, usize)> = others.map(way).collect();
    let what = format!("server {victim} {}", if unheard { "is not heard by the others" } else { "hears nothing" });
    cut(cluster, progress, &what, &ways, &[victim])
}

fn full_disk(cluster: &Cluster, progress: &Progress) -> Result<String, String> {
    let server = cluster.small_disk_server();
    let Some(disk) = server.small_disk() else { return Err("no server has a small disk".to_owned()) };
    let before = server.count_in_log(FULL_DISK_WORDS);
    let noticed = wait::poll(WRITES_LIMIT, || {
        // Again and again: a snapshot that was given up has made room.
        disk.fill();
        (server.count_in_log(FULL_DISK_WORDS) > before).then_some(())
    });
    progress.wait_writes(WRITES, WRITES_LIMIT);
    disk.empty();
    let told = format!("server {}", server.id());
    noticed.map(|()| told.clone()).ok_or_else(|| format!("{told} did not notice"))
}
