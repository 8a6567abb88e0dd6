//! One run: a world, an operator in it that is started, killed and started anew, and people who wait for things.

use crate::api;
use crate::kubernetes::{is_ready, text};
use crate::rbac;
use crate::servers::SimulatedServers;
use crate::store::{CLAIMS, CLUSTERS, PODS, SETS};
use crate::world::{NAME, Shared, TICK, World};
use operator::controller::{self, Clock, Settings, Surroundings};
use operator::lease::Election;
use operator::metrics::Metrics;
use operator::observe::{pod_name, set_name};
use operator::validate::Release;
use parking_lot::Mutex;
use plan::{Kind, Role, Slot};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What a story comes to: what went wrong, if anything did.
pub type Told = Result<(), String>;
/// Lines of the trace that a failure shows.
const TRACE_LINES: usize = 80;
/// In which time everything has to be as it is wished, in seconds, once nothing goes wrong.
pub const SETTLE_SECONDS_MAX: u64 = 300;
/// How long a cluster at rest is looked at, in seconds.
const REST_SECONDS: u64 = 600;
/// Calls to the API server for which there is time at rest: those of a pass a minute and a few more.
const REST_CALLS_MAX: u64 = 400;

pub struct Lab {
    pub world: Shared,
    at_work: Option<JoinHandle<()>>,
    operators: u64,
    starts_at: Option<Instant>,
    namespaces: Vec<String>,
}

/// A run that is over.
pub struct Run {
    pub failure: Option<String>,
    pub world: World,
}

/// Runs a story in virtual time. The same seed is the same chance.
pub fn run(seed: u64, prepare: impl FnOnce(&mut World), story: impl AsyncFnOnce(&mut Lab) -> Told) -> Run {
    // How long a watch waits before it tries again is by chance, too, and drawn from here.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let (failure, world) = runtime.block_on(async {
        let mut world = World::new(seed);
        prepare(&mut world);
        let world = Arc::new(Mutex::new(world));
        let mut lab =
            Lab { world: world.clone(), at_work: None, operators: 0, starts_at: None, namespaces: Vec::new() };
        lab.start();
        let told = story(&mut lab).await;
        lab.kill();
        let ended = world.lock().millis();
        world.lock().ended = ended;
        (told.err(), world)
    });
    // With its tasks the last of those who know the world are gone.
    drop(runtime);
    let world = Arc::into_inner(world).expect("nobody else has the world").into_inner();
    Run { failure: world.violation.clone().or(failure), world }
}

impl Run {
    /// Fails the test if the run has failed.
    pub fn must_be_well(self, how: &str) -> World {
        let Some(failure) = &self.failure else { return self.world };
        let from = self.world.trace.len().saturating_sub(TRACE_LINES);
        panic!(
            "FAILED {how} {failure}\n{}\nreplay: {how} cargo test -p zookube-operator --test simulated",
            self.world.trace[from..].join("\n")
        );
    }
}

impl Lab {
    /// Looks at these namespaces only, from the next operator on.
    pub fn watch(&mut self, namespaces: &[&str]) {
        self.namespaces = namespaces.iter().map(|&name| name.to_owned()).collect();
    }

    /// Starts an operator.
    pub fn start(&mut self) {
        self.operators += 1;
        let operator = self.operators;
        self.world.lock().operator = Some(operator);
        self.world.lock().say(format!("operator {operator} starts"));
        let settings = self.settings();
        let work = controller::run_with(
            api::client(&self.world, operator),
            self.surroundings(operator),
            settings,
            Arc::new(Metrics::new().expect("metrics")),
            std::future::pending(),
        );
        self.at_work = Some(tokio::spawn(work));
        self.starts_at = None;
    }

    pub fn settings(&self) -> Settings {
        Settings {
            namespaces: self.namespaces.clone(),
            release: Release::default(),
            instance: format!("operator-{}", self.operators),
        }
    }

    pub fn surroundings(&self, operator: u64) -> Surroundings {
        let (beginning, since) = (self.world.lock().timestamp(), Instant::now());
        let clock = Clock::new(move || beginning + since.elapsed());
        Surroundings { servers: Arc::new(SimulatedServers { world: self.world.clone(), operator }), clock }
    }

    /// Ends the operator as a lost machine does.
    pub fn kill(&mut self) {
        self.world.lock().operator = None;
        if let Some(at_work) = self.at_work.take() {
            at_work.abort();
        }
    }

    /// Lets a quarter of a second pass.
    pub async fn step(&mut self) -> Told {
        tokio::time::sleep(TICK).await;
        let is_killed = {
            let mut world = self.world.lock();
            world.tick();
            if !world.is_calm() {
                world.go_wrong();
            }
            if let Some(violation) = &world.violation {
                return Err(violation.clone());
            }
            world.operator.is_none()
        };
        if is_killed && let Some(at_work) = self.at_work.take() {
            at_work.abort();
            let pause = self.world.lock().call_rng.among(500..5_000);
            self.starts_at = Some(Instant::now() + Duration::from_millis(pause));
        }
        if self.starts_at.is_some_and(|at| at <= Instant::now()) {
            self.start();
        }
        if self.at_work.as_ref().is_some_and(|at_work| at_work.is_finished()) {
            return Err("the operator has ended by itself".to_owned());
        }
        Ok(())
    }

    pub async fn pass(&mut self, seconds: u64) -> Told {
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            self.step().await?;
        }
        Ok(())
    }

    pub async fn until(&mut self, what: &str, is_so: impl Fn(&World) -> bool) -> Told {
        let until = Instant::now() + Duration::from_secs(SETTLE_SECONDS_MAX);
        while Instant::now() < until {
            if is_so(&self.world.lock()) {
                return Ok(());
            }
            self.step().await?;
        }
        let world = self.world.lock();
        let status = world.object(&CLUSTERS, NAME).map(|cluster| cluster["status"].clone()).unwrap_or_default();
        let conditions = serde_json::to_string_pretty(&status["conditions"]).unwrap_or_default();
        Err(format!("{what} is not so within {SETTLE_SECONDS_MAX} s\n  {conditions}\n  plan {}", status["plan"]))
    }

    /// `kubectl apply`, of a new resource.
    pub fn apply(&self, spec: &Value) {
        let mut world = self.world.lock();
        world.say(format!("somebody applies {spec}"));
        world.make(&World::key(&CLUSTERS, NAME), json!({ "spec": spec }));
    }

    pub fn wish(&self, what: &Value) {
        self.world.lock().wish(what);
    }

    pub fn delete(&self) {
        let mut world = self.world.lock();
        world.say("somebody deletes the resource");
        world.delete(&World::key(&CLUSTERS, NAME));
    }

    /// Waits until everything is as the resource says.
    pub async fn ready(&mut self) -> Told {
        self.until("everything as wished", is_as_wished).await
    }

    /// Nothing is written and little is asked when nothing is to be done.
    pub async fn rest(&mut self) -> Told {
        // Whoever is killed somewhere is looked at for what becomes of that; at rest it is like any other.
        if self.world.lock().kill_behind.is_some() {
            return Ok(());
        }
        self.world.lock().is_written_to = false;
        // Figures are told half a minute late, events and readiness a moment.
        self.pass(100).await?;
        let (calls, effects) = {
            let world = self.world.lock();
            (world.calls, world.effects)
        };
        let since = Instant::now();
        while since.elapsed().as_secs() < REST_SECONDS {
            self.step().await?;
            let world = self.world.lock();
            let (calls, effects) = (world.calls - calls, world.effects - effects);
            if effects > 0 || calls > REST_CALLS_MAX {
                let seconds = since.elapsed().as_secs_f64();
                return Err(format!(
                    "invariant=left_alone_at_rest: {calls} calls and {effects} changes in {seconds} s"
                ));
            }
        }
        let mut world = self.world.lock();
        let calls = world.calls - calls;
        world.say(format!("at rest: {calls} calls in {REST_SECONDS} s"));
        Ok(())
    }

    /// Nothing goes wrong any more: everything becomes as it is wished, and is left alone then.
    pub async fn settle(&mut self) -> Told {
        self.world.lock().heal();
        self.ready().await?;
        self.rest().await?;
        if is_as_wished(&self.world.lock()) { Ok(()) } else { Err("it does not stay as wished".to_owned()) }
    }
}

fn slots(cluster: &Value) -> BTreeSet<Slot> {
    let voters = cluster["spec"]["replicas"].as_u64().unwrap_or(3);
    let observers = cluster["spec"]["observers"]["replicas"].as_u64().unwrap_or(0);
    let number = |count: u64| u32::try_from(count).unwrap_or(0);
    (0..number(voters)).map(Slot::voter).chain((0..number(observers)).map(Slot::observer)).collect()
}

/// The world itself is as wished, not only what the status says of it.
pub fn is_as_wished(world: &World) -> bool {
    let Some(cluster) = world.object(&CLUSTERS, NAME) else { return false };
    let wanted = slots(cluster);
    let is_told = world.condition("Ready").0 == "True"
        && cluster["status"]["observedGeneration"] == cluster["metadata"]["generation"];
    let members = world.governing().map(|(_, config)| (*config).clone()).unwrap_or_default();
    let wished = wanted.iter().map(|slot| (slot.sid(), Role::from(slot.kind))).collect();
    let is_well = |slot: &Slot| {
        let name = pod_name(NAME, *slot);
        let revision = world.object(&SETS, &set_name(NAME, slot.kind)).map(|it| it["status"]["updateRevision"].clone());
        world.object(&PODS, &name).is_some_and(|pod| {
            is_ready(pod) && Some(&pod["metadata"]["labels"]["controller-revision-hash"]) == revision.as_ref()
        })
    };
    let sizes = [Kind::Voter, Kind::Observer].map(|kind| {
        let wanted = wanted.iter().filter(|slot| slot.kind == kind).count();
        world.size(kind).unwrap_or(0) as usize == wanted
    });
    is_told
        && members == wished
        && world.store.all(&PODS).count() == wanted.len()
        && wanted.iter().all(is_well)
        && sizes == [true, true]
}

/// An operator that works only while it holds the Lease, as `zookube-operator run` does.
pub struct Candidate {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Candidate {
    pub fn stop(&mut self) {
        let _ = self.stop.send(true);
    }

    pub fn kill(&mut self) {
        self.task.abort();
    }

    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lab {
    /// Operators that share a Lease.
    pub fn candidates<const COUNT: usize>(&mut self, names: [&str; COUNT]) -> [Candidate; COUNT] {
        self.operators += 1;
        let operator = self.operators;
        self.world.lock().operator = Some(operator);
        names.map(|name| {
            let (stop, mut stopped) = watch::channel(false);
            let mut election =
                Election::new(api::client(&self.world, operator), rbac::LEASES, "zookube-operator", name.to_owned());
            let (client, surroundings) = (api::client(&self.world, operator), self.surroundings(operator));
            let (settings, metrics) = (self.settings(), Arc::new(Metrics::new().expect("metrics")));
            let work = async move {
                election.win().await;
                let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
                tokio::select! {
                    _ = election.keep() => {}
                    () = controller::run_with(client, surroundings, settings, metrics, stop) => election.release().await,
                }
            };
            Candidate { stop, task: tokio::spawn(work) }
        })
    }
}

/// The claims that are there, by name.
pub fn claims(world: &World) -> Vec<String> {
    world.store.all(&CLAIMS).map(|(key, _)| key.name.clone()).collect()
}

/// The uids of the pods, by name.
pub fn pods(world: &World) -> Vec<(String, String)> {
    world.store.all(&PODS).map(|(key, pod)| (key.name.clone(), text(pod, "/metadata/uid").to_owned())).collect()
}
