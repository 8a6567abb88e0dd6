//! The state of everything: objects, disks, processes, the wish; one tick is a second.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use plan::{Cluster, Config, ConfigVersion, Kind, Millis, Record, Retention, Rollout, ServerId, Slot, Znode};

use crate::rng::Rng;

/// How many past looks at the objects an old cache may show.
const HISTORY: usize = 12;

/// What a transaction does.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Write,
    Config(Rc<Config>),
    Znode { barrier: i64 },
}

/// A transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub zxid: i64,
    pub what: What,
}

/// What a server keeps over restarts.
#[derive(Debug, Clone)]
pub struct Data {
    pub log: Vec<Entry>,
    /// How much of the log it knows to be committed.
    pub committed: usize,
    /// The epoch of the leader it synced with last.
    pub epoch: i64,
    /// The highest epoch it promised to follow.
    pub accepted: i64,
}

impl Data {
    fn last_config(entries: &[Entry]) -> Option<(i64, &Rc<Config>)> {
        entries.iter().rev().find_map(|entry| match &entry.what {
            What::Config(config) => Some((entry.zxid, config)),
            _ => None,
        })
    }

    /// The committed configuration. Every log begins with one.
    pub fn config(&self) -> (i64, &Rc<Config>) {
        Self::last_config(&self.log[..self.committed]).expect("a log begins with a configuration")
    }

    pub fn pending(&self) -> Option<(i64, &Rc<Config>)> {
        Self::last_config(&self.log[self.committed..])
    }

    pub fn last_zxid(&self) -> i64 {
        self.log.last().map_or(0, |entry| entry.zxid)
    }
}

/// A volume.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    pub uid: u64,
    pub terminating: bool,
    pub retired_at: Option<i64>,
    pub data: Option<Data>,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct PodState {
    pub uid: u64,
    pub rv: u64,
    pub revision: u64,
    pub ready: bool,
    pub ready_changed: u64,
    pub failing: bool,
    /// When its container starts next.
    pub starts_at: Option<u64>,
    /// When it is gone.
    pub ends_at: Option<u64>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Does {
    Loading {
        until: u64,
    },
    /// Looks for a leader or waits for one.
    Idle,
    Follows {
        leader: Slot,
        epoch: i64,
        synced: bool,
    },
    Leads {
        epoch: i64,
        established: bool,
        alone_since: Option<u64>,
    },
    Retired,
}

/// A StatefulSet.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    pub rv: u64,
    pub replicas: u32,
    pub revision: u64,
}

/// What a cache holds of the objects.
#[derive(Clone)]
pub struct Objects {
    pub sets: BTreeMap<Kind, Set>,
    pub pods: BTreeMap<Slot, PodState>,
    /// Uid, terminating.
    pub volumes: BTreeMap<Slot, (u64, bool)>,
}

pub struct World {
    pub rng: Rng,
    pub tick: u64,
    pub cluster: Cluster,
    pub record: Record,
    pub sets: BTreeMap<Kind, Set>,
    pub pods: BTreeMap<Slot, PodState>,
    pub disks: BTreeMap<Slot, Disk>,
    pub servers: BTreeMap<Slot, Does>,
    /// Servers without a network, until when.
    pub cut: BTreeMap<Slot, u64>,
    pub template: u64,
    /// Whether containers of the present or an earlier template can run, by revision.
    pub bad_templates: Vec<u64>,
    pub history: VecDeque<Objects>,
    /// Everything that was ever committed, in order; what a client was told is done is in here.
    pub acked: Vec<Entry>,
    pub serial: u64,
    pub trace: Vec<String>,
    pub violation: Option<String>,
    /// Whether things still go wrong.
    pub faulty: bool,
    /// What the run met, so that a test can see that it was worth running.
    pub met: BTreeMap<&'static str, u64>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let retain = rng.in_1000(500);
        let cluster = Cluster {
            uid: "ours".into(),
            voters: rng.pick(&[1, 3, 3, 5, 7]).unwrap_or(3),
            observers: rng.among(0..3) as u32,
            pause: false,
            deleting: false,
            joint: rng.in_1000(650),
            sync_lag_max_txns: 5,
            rollout: Rollout { max_unavailable: 1, min_ready: Millis(3_000), member_timeout: Millis(60_000) },
            step_timeout: Millis(60_000),
            retention_on_scale_down: if retain { Retention::Retain } else { Retention::Delete },
            disruption_budget: rng.in_1000(700),
        };
        Self {
            rng,
            tick: 0,
            cluster,
            record: Record::default(),
            sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            disks: BTreeMap::new(),
            servers: BTreeMap::new(),
            cut: BTreeMap::new(),
            template: 1,
            bad_templates: Vec::new(),
            history: VecDeque::new(),
            acked: Vec::new(),
            serial: 0,
            trace: Vec::new(),
            violation: None,
            faulty: true,
            met: BTreeMap::new(),
        }
    }

    pub fn now(&self) -> Millis {
        Millis(self.tick as i64 * 1000)
    }

    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn say(&mut self, what: String) {
        self.trace.push(format!("{:>4} {what}", self.tick));
    }

    pub fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// An invariant does not hold. The first one is told.
    pub fn violate(&mut self, invariant: &str, what: String) {
        let text = format!("step={} invariant={invariant}\n  {what}", self.tick);
        self.violation.get_or_insert(text);
    }

    /// The configuration that was committed last.
    pub fn governing(&self) -> Option<(i64, Rc<Config>)> {
        Data::last_config(&self.acked).map(|(version, config)| (version, Rc::clone(config)))
    }

    /// The established leader that is connected, the latest if an old one has not noticed yet.
    pub fn leader(&self) -> Option<(Slot, i64)> {
        let leads = |(slot, does): (&Slot, &Does)| match does {
            Does::Leads { epoch, established: true, .. } if !self.cut.contains_key(slot) => Some((*slot, *epoch)),
            _ => None,
        };
        self.servers.iter().filter_map(leads).max_by_key(|(_, epoch)| *epoch)
    }

    pub fn data(&self, slot: Slot) -> Option<&Data> {
        self.disks.get(&slot)?.data.as_ref()
    }

    pub fn data_mut(&mut self, slot: Slot) -> Option<&mut Data> {
        self.disks.get_mut(&slot)?.data.as_mut()
    }

    /// Voters of the governing configuration that follow the leader in sync, and the leader.
    pub fn synced_voters(&self) -> Vec<ServerId> {
        let (Some((_, config)), Some((leader, epoch))) = (self.governing(), self.leader()) else { return Vec::new() };
        let is_synced = |slot: Slot| {
            let follows = Does::Follows { leader, epoch, synced: true };
            slot == leader || self.servers.get(&slot) == Some(&follows)
        };
        crate::ensemble::voters(&config).filter(|sid| is_synced(Slot::of(*sid))).collect()
    }

    /// The znode as the leader reads it.
    pub fn znode(&self) -> Znode {
        let Some(data) = self.leader().and_then(|(leader, _)| self.data(leader)) else { return Znode::Unread };
        let written = data.log[..data.committed].iter().rev().find_map(|entry| match entry.what {
            What::Znode { barrier } => Some(barrier),
            _ => None,
        });
        written.map_or(Znode::Absent, |barrier| Znode::Present {
            cluster_uid: self.cluster.uid.clone(),
            barrier: ConfigVersion(barrier),
        })
    }

    /// Lets a second pass, apart from what the operator and the faults do.
    pub fn pass_a_second(&mut self) {
        self.tick += 1;
        let tick = self.tick;
        self.cut.retain(|_, until| *until > tick);
        self.run_kubernetes();
        self.run_ensemble();
        self.probe_readiness();
        self.history.push_front(self.objects());
        self.history.truncate(HISTORY);
    }

    pub fn objects(&self) -> Objects {
        Objects {
            sets: self.sets.clone(),
            pods: self.pods.clone(),
            volumes: self.disks.iter().map(|(slot, disk)| (*slot, (disk.uid, disk.terminating))).collect(),
        }
    }
}
