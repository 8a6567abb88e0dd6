//! Everything that there is: an API server's objects, what Kubernetes makes of them, servers and their disks, and the weather.

use crate::ensemble::{Data, Disk, Entry, Server};
use crate::faults::Weather;
use crate::kubernetes::PodRun;
use crate::mistakes::Mistake;
use crate::rbac::Right;
use crate::rng::Rng;
use crate::store::{Key, Resource, Store};
use jiff::Timestamp;
use parking_lot::Mutex;
use plan::{Config, Slot};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the world moves.
pub const TICK: Duration = Duration::from_millis(250);
/// The only cluster.
pub const NAME: &str = "main";
/// Where it is.
pub const NAMESPACE: &str = "default";
/// Where time begins.
const BEGINNING: i64 = 1_767_225_600;

pub type Shared = Arc<Mutex<World>>;

pub struct World {
    /// Chance of everything but calls, so that one more call changes nothing else.
    pub rng: Rng,
    pub call_rng: Rng,
    beginning: Instant,
    pub store: Store,
    pub runs: BTreeMap<String, PodRun>,
    pub servers: BTreeMap<Slot, Server>,
    pub disks: BTreeMap<Slot, Disk>,
    /// Servers that hear no other server, until when.
    pub cut: BTreeMap<Slot, u64>,
    /// Servers that do not answer the operator, until when.
    pub silent: BTreeMap<Slot, u64>,
    /// Everything that was ever committed, in order; what a client was told is done is in here.
    pub acked: Vec<Entry>,
    /// Whether clients write.
    pub is_written_to: bool,
    pub weather: Weather,
    /// Leaders refuse to hand over when they are asked.
    pub is_stubborn: bool,
    pub mistake: Option<Mistake>,
    /// The operator ends right behind this change of the world.
    pub kill_behind: Option<u64>,
    /// The operator that works, if any does; calls of others are never answered.
    pub operator: Option<u64>,
    /// When the run was over, in milliseconds.
    pub ended: u64,
    /// Calls that it has made.
    pub calls: u64,
    /// Those that changed something.
    pub effects: u64,
    pub rights: BTreeSet<Right>,
    pub serial: u64,
    pub trace: Vec<String>,
    pub violation: Option<String>,
    /// What the run met, so that a test can see that it was worth running.
    pub met: BTreeMap<&'static str, u64>,
    /// What was looked at last by who makes pods.
    pub made_of: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            call_rng: Rng::new(seed ^ 0x5eed),
            beginning: Instant::now(),
            store: Store::new(),
            runs: BTreeMap::new(),
            servers: BTreeMap::new(),
            disks: BTreeMap::new(),
            cut: BTreeMap::new(),
            silent: BTreeMap::new(),
            acked: Vec::new(),
            is_written_to: true,
            weather: Weather::default(),
            is_stubborn: false,
            mistake: None,
            kill_behind: None,
            operator: None,
            ended: 0,
            calls: 0,
            effects: 0,
            rights: BTreeSet::new(),
            serial: 0,
            trace: Vec::new(),
            violation: None,
            met: BTreeMap::new(),
            made_of: 0,
        }
    }

    /// Milliseconds since the beginning.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.beginning.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A time between so many seconds from now, the later one excluded.
    pub fn in_seconds(&mut self, from: u64, to: u64) -> u64 {
        self.millis() + self.rng.among(from * 1000..to * 1000)
    }

    pub fn timestamp(&self) -> Timestamp {
        let millis = i64::try_from(self.millis()).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(BEGINNING * 1000 + millis).expect("a time of this age")
    }

    /// As Kubernetes writes times: to the second.
    pub fn time(&self) -> String {
        Timestamp::from_second(self.timestamp().as_second()).expect("a time of this age").to_string()
    }

    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn say(&mut self, what: impl Into<String>) {
        let millis = self.millis();
        self.trace.push(format!("{:>4}.{:03} {}", millis / 1000, millis % 1000, what.into()));
    }

    pub fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    /// An invariant does not hold. The first one is told.
    pub fn violate(&mut self, invariant: &str, what: &str) {
        self.say(format!("VIOLATION {invariant}: {what}"));
        let text = format!("at {} ms, invariant={invariant}\n  {what}", self.millis());
        self.violation.get_or_insert(text);
    }

    /// Lets a moment pass, apart from what the operator does.
    pub fn tick(&mut self) {
        let now = self.millis();
        self.cut.retain(|_, until| *until > now);
        self.silent.retain(|_, until| *until > now);
        self.run_kubernetes();
        self.run_ensemble();
        self.probe();
    }

    pub fn key(resource: &'static Resource, name: impl Into<String>) -> Key {
        Key { resource, namespace: NAMESPACE.to_owned(), name: name.into() }
    }

    pub fn object(&self, resource: &'static Resource, name: &str) -> Option<&Value> {
        self.store.get(&Self::key(resource, name)).map(|object| &**object)
    }

    /// The configuration that was committed last.
    pub fn governing(&self) -> Option<(i64, Arc<Config>)> {
        Data::last_config(&self.acked).map(|(version, config)| (version, config.clone()))
    }
}
