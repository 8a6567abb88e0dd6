//! What a seed means: how large the ensemble is, what its clients do, which faults it meets and how often.
//!
//! "Swarm testing": each seed switches some faults off altogether, because a run in which everything fails all the time
//! rarely gets anywhere interesting.

use crate::client::Workload;
use crate::network::Latency;
use crate::rng::Rng;
use crate::setup::Setup;
use std::collections::{BTreeMap, BTreeSet};
use store::testing::MemFs;
use store::{Compression, ForceSync, LogSettings};
use wire::{ServerId, Zxid};
use zab::quorum::Membership;

/// Transactions of an epoch: in half of the runs so few that leaders use epochs up.
const EPOCHS: [u32; 6] = [30, 300, 3_000, Zxid::COUNTER_MAX, Zxid::COUNTER_MAX, Zxid::COUNTER_MAX];

/// How long a server looks for a leader before it serves reads: in half of the runs so short that it often does.
const READ_ONLY_AFTER_MS: [Option<i64>; 4] = [None, Some(20), None, Some(300)];

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A server's process or machine ends and starts again.
    Crash,
    /// All servers end at once.
    CrashAll,
    /// The power goes in the middle of a disk operation.
    PowerCut,
    /// The servers fall into two groups.
    Partition,
    /// One server hears nothing, or is not heard.
    OneWay,
    /// Two servers cannot reach each other.
    Partial,
    /// A connection is cut.
    Cut,
    /// Votes are lost.
    VoteLoss,
    /// Everything from and to a server is slow.
    SlowServer,
    /// Syncs take long.
    SlowDisk,
    /// A write or fsync fails.
    DiskError,
    /// A read fails when a server starts.
    ReadError,
    /// A bit of a file changes while its server is down.
    BitFlip,
    /// The disk is full for a while.
    DiskFull,
    /// A disk is replaced by an empty one.
    DiskReplaced,
    /// A process stands still for a while.
    Pause,
    /// A wall clock jumps.
    ClockJump,
    /// A leader is asked to hand over.
    HandOver,
    /// A server is asked to stop, and starts again.
    Stop,
    /// A server starts with an older list of members than it had.
    StaleList,
}

impl Fault {
    /// All of them with their names on the command line.
    pub const ALL: &'static [(Fault, &'static str)] = &[
        (Fault::Crash, "crash"),
        (Fault::CrashAll, "crash-all"),
        (Fault::PowerCut, "power-cut"),
        (Fault::Partition, "partition"),
        (Fault::OneWay, "one-way"),
        (Fault::Partial, "partial"),
        (Fault::Cut, "cut"),
        (Fault::VoteLoss, "vote-loss"),
        (Fault::SlowServer, "slow-server"),
        (Fault::SlowDisk, "slow-disk"),
        (Fault::DiskError, "disk-error"),
        (Fault::ReadError, "read-error"),
        (Fault::BitFlip, "bit-flip"),
        (Fault::DiskFull, "disk-full"),
        (Fault::DiskReplaced, "disk-replaced"),
        (Fault::Pause, "pause"),
        (Fault::ClockJump, "clock-jump"),
        (Fault::HandOver, "hand-over"),
        (Fault::Stop, "stop"),
        (Fault::StaleList, "stale-list"),
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Fault::ALL.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }

    /// The fault of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Fault> {
        Fault::ALL.iter().find(|(_, known)| *known == name).map(|(fault, _)| *fault)
    }
}

/// What takes away from what a seed would do: how a failure is made smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Less {
    /// Faults that do not happen.
    pub without: BTreeSet<Fault>,
    /// At most so many clients.
    pub clients_max: Option<u32>,
    /// The first phase lasts at most so long, simulated ms.
    pub phase_ms_max: Option<i64>,
}

/// What a run will do.
#[derive(Debug)]
pub struct Plan {
    /// Voters, without the observers; one voter may be a standalone server.
    pub voters: BTreeSet<ServerId>,
    /// Observers.
    pub observers: BTreeSet<ServerId>,
    /// Servers that are no members at the beginning and may become some; none where the members do not change.
    pub spares: BTreeSet<ServerId>,
    /// How the servers are configured.
    pub setup: Setup,
    /// Clients.
    pub clients: u32,
    /// What they do.
    pub workload: Workload,
    /// Which faults happen, and how often compared with each other.
    pub faults: BTreeMap<Fault, u32>,
    /// Between two faults on average, µs.
    pub fault_every_us: i64,
    /// How long the first phase lasts, µs.
    pub phase_us: i64,
    /// The network.
    pub latency: Latency,
    /// Clock drift of the servers, at most, parts in a million.
    pub drift_ppm_max: i64,
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn draw(seed: u64, less: &Less) -> Plan {
        let mut rng = Rng::new(seed);
        let (mut shape, mut faults, mut times) = (rng.fork("shape"), rng.fork("faults"), rng.fork("times"));
        let mut work = rng.fork("workload");
        let voters = [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 6, 7][shape.index(12)];
        let observers = if voters > 1 && shape.chance(30) { shape.range(1, 2) } else { 0 };
        let is_standalone = voters == 1 && shape.chance(50);
        let voters: BTreeSet<ServerId> = (1..=voters).map(ServerId).collect();
        let first = voters.len() as i64 + 1;
        let observers: BTreeSet<ServerId> = (first..first + observers).map(ServerId).collect();
        let mut setup = draw_setup(&voters, &observers, is_standalone, &mut shape, &mut times);
        setup.read_only_after_ms = *rng.fork("read-only").pick(&READ_ONLY_AFTER_MS).unwrap_or(&None);
        setup.counter_max = *rng.fork("epochs").pick(&EPOCHS).unwrap_or(&Zxid::COUNTER_MAX);
        setup.observer_masters = rng.fork("observer masters").chance(50);
        let clients = u32::try_from(shape.range(2, 8)).unwrap_or(2);
        let spares = draw_spares(&mut rng.fork("changes"), &setup, voters.len(), observers.len());
        setup.changes = !spares.is_empty();
        let min_us = times.range(20, 300);
        Plan {
            faults: draw_faults(&mut faults, less, voters.len(), setup.changes),
            fault_every_us: times.range(60_000, 900_000),
            phase_us: times.range(4_000, 12_000).min(less.phase_ms_max.unwrap_or(i64::MAX)) * 1000,
            latency: Latency {
                min_us,
                max_us: min_us + times.range(50, 3_000),
                slow_permille: if times.chance(40) { 5 } else { 0 },
                slow_us: times.range(5_000, 60_000),
            },
            drift_ppm_max: if times.chance(50) { 10_000 } else { 0 },
            clients: clients.min(less.clients_max.unwrap_or(u32::MAX)),
            workload: Workload::draw(&mut work),
            voters,
            observers,
            spares,
            setup,
        }
    }

    /// All servers.
    pub fn servers(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.voters.iter().chain(&self.observers).chain(&self.spares).copied()
    }
}

/// In a part of the runs the members change; those of five voters at most, so that many servers take turns.
fn draw_spares(rng: &mut Rng, setup: &Setup, voters: usize, observers: usize) -> BTreeSet<ServerId> {
    let (is_on, spares) = (rng.chance(30), rng.range(1, 3));
    if !is_on || setup.membership.is_none() || voters > 5 {
        return BTreeSet::new();
    }
    let first = (voters + observers) as i64 + 1;
    (first..first + spares).map(ServerId).collect()
}

fn draw_faults(rng: &mut Rng, less: &Less, voters: usize, changes: bool) -> BTreeMap<Fault, u32> {
    let mut faults = BTreeMap::new();
    for (fault, _) in Fault::ALL {
        // Drawn in any case: leaving a fault out must not change the others.
        let (is_on, weight) = (rng.chance(50), u32::try_from(rng.range(1, 10)).unwrap_or(1));
        let needs_others = matches!(fault, Fault::BitFlip | Fault::DiskReplaced);
        let is_possible = (voters >= 3 || !needs_others) && (changes || *fault != Fault::StaleList);
        if is_on && !less.without.contains(fault) && is_possible {
            faults.insert(*fault, weight);
        }
    }
    faults
}

fn draw_setup(
    voters: &BTreeSet<ServerId>,
    observers: &BTreeSet<ServerId>,
    is_standalone: bool,
    shape: &mut Rng,
    times: &mut Rng,
) -> Setup {
    let sync_us = times.range(30, 2_000);
    Setup {
        membership: (!is_standalone).then(|| membership(voters, observers)),
        changes: false,
        lists: parking_lot::Mutex::default(),
        disks: parking_lot::Mutex::new(new_disks(voters.iter().chain(observers))),
        tick_ms: 100,
        read_only_after_ms: None,
        init_limit_ticks: times.range(10, 30),
        sync_limit_ticks: times.range(4, 10),
        snap_count: [50, 200, 1_000, 100_000][shape.index(4)],
        commit_log_count: [1, 20, 100, 500][shape.index(4)],
        counter_max: Zxid::COUNTER_MAX,
        snapshots_kept: 3,
        compression: [Compression::None, Compression::None, Compression::Gz, Compression::Snappy][shape.index(4)],
        log: LogSettings {
            prealloc_bytes: [0, 4096, 65_536][shape.index(3)],
            file_bytes_limit: if shape.chance(20) { Some(100_000) } else { None },
            force_sync: ForceSync::Yes,
            entry_bytes_max: 2 << 20,
        },
        sync_us: (sync_us, sync_us * times.range(1, 4)),
        jitter_seed: shape.bits(),
        observer_masters: false,
    }
}

fn membership(voters: &BTreeSet<ServerId>, observers: &BTreeSet<ServerId>) -> Membership {
    let line = |sid: &ServerId, role: &str| format!("server.{0}=s{0}:2888:3888:{role}\n", sid.0);
    let mut text: String = voters.iter().map(|sid| line(sid, "participant")).collect();
    text.extend(observers.iter().map(|sid| line(sid, "observer")));
    text.push_str("version=0");
    Membership::parse(&text).expect("the text is well formed")
}

/// New disks, each marked as the beginning of a new database.
fn new_disks<'a>(sids: impl Iterator<Item = &'a ServerId>) -> BTreeMap<ServerId, MemFs> {
    let marker = Setup::dirs().initialize_marker();
    sids.map(|sid| {
        let disk = MemFs::new();
        disk.write(&marker, b"");
        (*sid, disk)
    })
    .collect()
}
