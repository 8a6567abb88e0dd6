//! The operator at work: fetch, observe, plan, apply, act, tell; again whenever something has changed.
//!
//! Decisions are the planner's (`crates/plan`) and what objects look like is [`crate::build`]'s; here is what reads and writes. What
//! is read is read in the same pass and past every cache: watches only say when to look. One pass at a time for each cluster.

mod act;
mod api;
mod apply;
mod monitoring;
mod pass;
mod polls;
mod volumes;

pub use api::ApiError;
pub use pass::Trigger;

use crate::build;
use crate::causes::causes;
use crate::crd::{ZooKeeperCluster, ZooKeeperClusterSpec};
use crate::metrics::{Failure, Metrics};
use crate::servers::{Network, Servers};
use crate::validate::Release;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::PartialObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::Action;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{Controller, WatchStreamExt, controller, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// Passes at the same time, of different clusters. Each reads with several connections, whose buffers stay.
const CONCURRENCY: u16 = 4;
/// Several changes in so short a time are looked at once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// After a pass that failed; twice as long after each further one.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// And never longer.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Wakes of members that may wait to be seen to.
const WAKES_MAX: usize = 1024;

/// What an operator works with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Namespaces that it looks at; none: all.
    pub namespaces: Vec<String>,
    /// What its servers are.
    pub release: Release,
    /// What it is called in events.
    pub instance: String,
}

/// What passes have in common.
pub(crate) struct Context {
    client: Client,
    servers: Arc<dyn Servers>,
    clock: Clock,
    release: Release,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    memory: Mutex<HashMap<String, pass::Memory>>,
    failures: Mutex<HashMap<String, u32>>,
    wakes: broadcast::Sender<pass::Trigger>,
}

/// The time of day, for people and for comparisons with what Kubernetes has written down.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// One that says what the function says.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// What an operator meets besides the API server. How long something takes it measures by tokio's clock.
#[derive(Clone)]
pub struct Surroundings {
    /// The servers.
    pub servers: Arc<dyn Servers>,
    /// What time it is.
    pub clock: Clock,
}

impl Default for Surroundings {
    /// The network, and the machine's clock.
    fn default() -> Self {
        let servers = Arc::new(Network::new(build::ADMIN_PORT, build::CLIENT_PORT));
        Self { servers, clock: Clock::new(Timestamp::now) }
    }
}

/// Works until `stop` is there; passes that have begun are ended.
pub async fn run(
    client: Client,
    settings: Settings,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    run_with(client, Surroundings::default(), settings, metrics, stop).await;
}

/// The same in other surroundings, such as simulated ones.
pub async fn run_with(
    client: Client,
    surroundings: Surroundings,
    settings: Settings,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (wakes, _) = broadcast::channel(WAKES_MAX);
    let reporter = Reporter { controller: "zookube-operator".to_owned(), instance: Some(settings.instance.clone()) };
    let context = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        servers: surroundings.servers,
        clock: surroundings.clock,
        release: settings.release,
        metrics,
        memory: Mutex::default(),
        failures: Mutex::default(),
        wakes,
        client: client.clone(),
    });
    let namespaces: Vec<Option<String>> = match &settings.namespaces[..] {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let (stopping, stopped) = tokio::sync::watch::channel(false);
    let runs = namespaces.into_iter().map(|namespace| {
        let mut stopped = stopped.clone();
        let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let told_to = context.clone();
        controller_of(&client, namespace.as_deref())
            .reconcile_on(woken(context.wakes.subscribe(), namespace))
            .graceful_shutdown_on(stop)
            .run(reconcile, error_policy, context.clone())
            .for_each(move |outcome| {
                told(&told_to, outcome);
                futures::future::ready(())
            })
    });
    let all = futures::future::join_all(runs);
    let stop = async move {
        stop.await;
        // Nobody left who would have to be told is no failure.
        let _ = stopping.send(true);
        // Passes end; the future of all of them says when.
        futures::future::pending::<()>().await;
    };
    tokio::select! {
        _ = all => {}
        () = stop => {}
    }
}

/// Clusters of a namespace, or of all, of which a server has something new to say.
fn woken(
    wakes: broadcast::Receiver<pass::Trigger>,
    namespace: Option<String>,
) -> impl Stream<Item = pass::Trigger> + Send + 'static {
    futures::stream::unfold((wakes, namespace), async |(mut wakes, namespace)| {
        loop {
            match wakes.recv().await {
                Ok(wake) if namespace.is_none() || wake.namespace == namespace => {
                    return Some((wake, (wakes, namespace)));
                }
                Ok(_) => {}
                // Whose wake was lost is looked at by the timer.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

/// A controller of one namespace, or of all.
fn controller_of(client: &Client, namespace: Option<&str>) -> Controller<ZooKeeperCluster> {
    let own = || watcher::Config::default().labels("app.kubernetes.io/managed-by=zookube-operator");
    let config = controller::Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    let (known, writer) = reflector::store();
    // Of a resource it is kept that it is there and which one it is; a pass reads the rest itself.
    let lean = watcher(api::<ZooKeeperCluster>(client, namespace), watcher::Config::default()).modify(|cluster| {
        cluster.metadata.managed_fields = None;
        (cluster.spec, cluster.status) = (ZooKeeperClusterSpec::default(), None);
    });
    Controller::for_stream(lean.reflect(writer).applied_objects(), known)
        .with_config(config)
        .owns(api::<PartialObjectMeta<StatefulSet>>(client, namespace), own())
        .owns(api::<PartialObjectMeta<ConfigMap>>(client, namespace), own())
        .owns(api::<PartialObjectMeta<Service>>(client, namespace), own())
        .owns(api::<PartialObjectMeta<PodDisruptionBudget>>(client, namespace), own())
        .watches(api::<PartialObjectMeta<Pod>>(client, namespace), own(), cluster_of)
        .watches(
            api::<PartialObjectMeta<PersistentVolumeClaim>>(client, namespace),
            watcher::Config::default().labels(crate::observe::ENSEMBLE_LABEL),
            cluster_of,
        )
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Pods and claims belong to the cluster that their label names.
fn cluster_of<K: Resource>(object: K) -> Option<ObjectRef<ZooKeeperCluster>> {
    let name = object.labels().get("app.kubernetes.io/instance")?.clone();
    Some(ObjectRef::new(&name).within(&object.namespace()?))
}

async fn reconcile(cluster: Arc<ZooKeeperCluster>, context: Arc<Context>) -> Result<Action, pass::PassError> {
    let timer = context.metrics.reconcile_seconds.start_timer();
    let outcome = pass::run(&cluster, &context).await;
    timer.observe_duration();
    let key = cluster.uid().unwrap_or_default();
    match &outcome {
        Ok(_) => drop(context.failures.lock().remove(&key)),
        Err(error) => {
            context.metrics.failed(error.failure());
            *context.failures.lock().entry(key).or_default() += 1;
        }
    }
    let result = if outcome.is_ok() { "success" } else { "error" };
    context.metrics.reconciles.with_label_values(&[result]).inc();
    outcome
}

#[expect(clippy::needless_pass_by_value, reason = "the form that the controller asks for")]
fn error_policy(cluster: Arc<ZooKeeperCluster>, _: &pass::PassError, context: Arc<Context>) -> Action {
    let failures = context.failures.lock().get(&cluster.uid().unwrap_or_default()).copied().unwrap_or(1);
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    Action::requeue(RETRY_MIN.saturating_mul(factor).min(RETRY_MAX))
}

type Outcome = Result<(ObjectRef<ZooKeeperCluster>, Action), controller::Error<pass::PassError, watcher::Error>>;

fn told(context: &Context, outcome: Outcome) {
    if let Err(error) = outcome {
        // Woken by something that has outlived its cluster.
        if let controller::Error::ObjectNotFound(gone) = &error {
            return pass::forget(context, gone.namespace.as_deref().unwrap_or_default(), &gone.name);
        }
        // What a pass could not do is counted by it.
        if !matches!(error, controller::Error::ReconcilerFailed(..)) {
            context.metrics.failed(Failure::Watch);
        }
        tracing::warn!("{}", causes(&error));
    }
}
