//! A pass over one cluster.

use super::api::{ApiError, ClusterApi, MANAGER, within};
use super::polls::Polls;
use super::{Context, act, apply, monitoring, volumes};
use crate::crd::{ZooKeeperCluster, ZooKeeperClusterStatus};
use crate::ended;
use crate::events::{self, Notice};
use crate::metrics::Failure;
use crate::observe::{self, Objects, pod_name, slot_of};
use crate::servers::{Answer, Superuser};
use crate::status::{self, Monitoring, Seen, Trouble};
use crate::validate::{Refusal, ValidatedCluster, validate};
use crate::{build, servers};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::Action as Requeue;
use kube::runtime::events::{Event, EventType};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use plan::{Action, Millis, Observed, Plan, Record, Slot, Summary, Znode};
use serde_json::json;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// The annotation with which the operator says what it would do, and does not.
const DRY_RUN: &str = "zookube.dev/dry-run";
/// After something was refused because it had changed: what it is now is asked at once.
const AGAIN: Duration = Duration::from_millis(500);

/// After a step that was done: what comes of it is looked at.
const DONE: Duration = Duration::from_millis(300);
/// How often figures in the status are brought up to date when nothing else changes.
const FIGURES: Duration = Duration::from_secs(30);
/// For so long the servers are not asked again whether they know the superuser.
const LOCKED_OUT: Duration = Duration::from_secs(60);
/// What was refused may have been made right without a change of the resource.
const REFUSED: Duration = Duration::from_secs(60);

/// What a cluster is woken by.
pub type Trigger = ObjectRef<ZooKeeperCluster>;

/// What is kept between passes; all of it can be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Whose it is: namespace and name.
    place: (String, String),
    /// The operator's znode as it was read or written last. Nobody else writes it, so that what it said once stays true.
    pub(super) znode: Option<Znode>,
    /// The superuser.
    pub(super) superuser: Option<Superuser>,
    /// Since when the servers do not know the superuser.
    pub(super) locked_out: Option<Instant>,
    /// How often in a row the leader has refused to hand over.
    pub(super) hand_overs_refused: u32,
    /// Objects that are known to be ours: kind and name.
    pub(super) ours: HashSet<(String, String)>,
    /// What the Prometheus operator has been told.
    monitoring: monitoring::Known,
    /// When the status was written last.
    told: Option<Instant>,
    /// Questions that wait for servers to change.
    polls: Polls,
}

/// Why a pass failed; it begins anew after a while.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("{0}")]
    Machine(#[from] getrandom::Error),
}

impl PassError {
    /// As it is counted.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Api(error) => error.failure(),
            Self::Machine(_) => Failure::Machine,
        }
    }
}

/// What was found out about a cluster.
struct Findings {
    objects: Objects,
    answers: BTreeMap<Slot, Answer>,
    silence: BTreeMap<Slot, String>,
    observed: Observed,
    summary: Summary,
    plan: Plan,
    trouble: Option<Trouble>,
    monitoring: Monitoring,
    /// Nothing may be done, whatever the plan says.
    is_held: bool,
}

/// Looks, plans, does, tells.
pub(super) async fn run(known: &ZooKeeperCluster, context: &Context) -> Result<Requeue, PassError> {
    let (name, namespace) = (known.name_any(), known.namespace().unwrap_or_default());
    let api: Api<ZooKeeperCluster> = Api::namespaced(context.client.clone(), &namespace);
    // The resource itself is read afresh, too: what is known of it may be of another one of the same name.
    let Some(cluster) = within(&format!("read ZooKeeperCluster {name}"), api.get_opt(&name)).await? else {
        forget(context, &namespace, &name);
        return Ok(Requeue::await_change());
    };
    if cluster.uid() != known.uid() {
        forget(context, &namespace, &name);
    }
    let now = context.clock.now();
    let valid = match validate(&cluster, &context.release) {
        Ok(valid) => valid,
        Err(refusals) => return refuse(context, &cluster, &api, &refusals, now).await,
    };
    context.memory.lock().entry(valid.uid.clone()).or_default().place = (namespace, name);
    let cluster_api = ClusterApi::new(context.client.clone(), &valid);
    let mut found = match look(context, &cluster, &valid, &cluster_api, now).await {
        Err(PassError::Api(error @ ApiError::NotOurs(..))) => {
            return refuse_name(context, &cluster, &api, &error, now).await;
        }
        found => found?,
    };
    let mut notices = Vec::new();
    let may_act = may_act(&found);
    if may_act {
        carry_out(context, &valid, &cluster_api, &mut found, &mut notices).await;
        found.monitoring = tell_prometheus(context, &valid, &cluster_api, now).await;
    }
    let before = cluster.status.clone().unwrap_or_default();
    let after = sum_up(&cluster, &valid, &found, &before, now);
    notices.extend(events::changes(&before, &after, &found.plan));
    // Events first: what they are told from is gone once the status is written.
    tell(context, &cluster, &notices).await;
    write_status(context, &api, &cluster, &before, &after).await?;
    context.metrics.observe(&valid, &after);
    // Not before it is written: what is not is measured again.
    context.metrics.took(&valid, &ended::between(&before, &after, now));
    keep_polling(context, &cluster, &valid, &found);
    Ok(Requeue::requeue(requeue(&found, may_act)))
}

fn sum_up(
    cluster: &ZooKeeperCluster,
    valid: &ValidatedCluster,
    found: &Findings,
    before: &ZooKeeperClusterStatus,
    now: Timestamp,
) -> ZooKeeperClusterStatus {
    let seen = Seen {
        cluster: valid,
        generation: cluster.metadata.generation.unwrap_or_default(),
        observed: &found.observed,
        summary: &found.summary,
        plan: &found.plan,
        answers: &found.answers,
        silence: &found.silence,
        trouble: found.trouble.as_ref(),
        monitoring: &found.monitoring,
        now: &Time(now),
    };
    status::status(seen, before)
}

async fn refuse_name(
    context: &Context,
    cluster: &ZooKeeperCluster,
    api: &Api<ZooKeeperCluster>,
    error: &ApiError,
    now: Timestamp,
) -> Result<Requeue, PassError> {
    let hint = "remove what is there, or give this resource another name";
    let refusal = Refusal { field: "metadata.name".to_owned(), problem: error.to_string(), hint };
    refuse(context, cluster, api, &[refusal], now).await
}

/// Says that the resource cannot be meant as it is, and leaves everything as it is.
async fn refuse(
    context: &Context,
    cluster: &ZooKeeperCluster,
    api: &Api<ZooKeeperCluster>,
    refusals: &[Refusal],
    now: Timestamp,
) -> Result<Requeue, PassError> {
    let before = cluster.status.clone().unwrap_or_default();
    let after = status::refused(refusals, cluster.metadata.generation.unwrap_or_default(), &Time(now), &before);
    if before.conditions != after.conditions {
        let note = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        tell(context, cluster, &[Notice::warning("SpecInvalid", note)]).await;
    }
    write_status(context, api, cluster, &before, &after).await?;
    Ok(Requeue::requeue(REFUSED))
}

/// When to look again if nothing wakes the operator.
fn requeue(found: &Findings, may_act: bool) -> Duration {
    let planned = Duration::from_millis(u64::try_from(found.plan.requeue.0).unwrap_or(0));
    match &found.trouble {
        Some(trouble) if may_act && trouble.reason == apply::CHANGED => AGAIN,
        None if may_act && found.plan.action.is_some() => DONE,
        _ => planned,
    }
}

/// Whether the plan is carried out at all.
fn may_act(found: &Findings) -> bool {
    let is_left_alone = matches!(found.plan.phase, plan::Phase::Paused | plan::Phase::Deleting);
    // Whose record it is not, his ensemble it is not; and without a record nobody knows.
    let is_ours = found.plan.record.cluster_uid.as_ref().is_some_and(|uid| *uid == found.observed.cluster.uid);
    !found.is_held && !is_left_alone && is_ours
}

/// Nobody may guess what the record said.
const RECORD_UNREADABLE: &str = "RecordUnreadable";

async fn look(
    context: &Context,
    cluster: &ZooKeeperCluster,
    valid: &ValidatedCluster,
    api: &ClusterApi<'_>,
    now: Timestamp,
) -> Result<Findings, PassError> {
    let objects = api.objects().await?;
    let is_deleting = cluster.metadata.deletion_timestamp.is_some();
    let mut trouble = if is_deleting { None } else { volumes::retain(valid, api, &objects).await };
    let record = match observe::record(objects.record.as_ref()) {
        Ok(record) => adopted(valid, remembered(cluster, valid, api, &objects, record).await?),
        Err(why) => {
            trouble = trouble.or_else(|| Some(unreadable(valid, &why)));
            // With another uid in it the planner leaves everything as it is.
            Record { cluster_uid: Some("unreadable".into()), ..Record::default() }
        }
    };
    let leader = cluster.status.as_ref().and_then(|status| status.leader.as_deref());
    let (answers, silence) = ask(context, valid, &objects, leader).await;
    let mut observed = observe::observed(valid, is_deleting, &objects, record, &answers, Znode::Unread);
    // What servers say; neither the wish nor the znode has a part in it.
    let summary = plan::summary(&observed);
    let foreign = volumes::hold_back(valid, &objects, &summary.config, &mut observed);
    let is_held = is_trial(cluster) || foreign.as_ref().is_some_and(|trouble| trouble.reason == Trouble::FOREIGN);
    // What people have to do something about comes first.
    trouble = foreign.or(trouble);
    if !is_deleting {
        let locked = remember_superuser(context, valid, api).await?;
        trouble = trouble.or(locked);
    }
    observed.znode = znode(context, valid, &objects, &summary).await;
    let plan = plan::plan(&observed, Millis(now.as_millisecond()));
    trouble = trouble.or_else(|| left_alone(cluster, valid)).or_else(|| volumes::unfinished(valid, &objects));
    let monitoring = Monitoring::NotTried;
    Ok(Findings { objects, answers, silence, observed, summary, plan, trouble, monitoring, is_held })
}

fn unreadable(cluster: &ValidatedCluster, why: &str) -> Trouble {
    let message = format!(
        "ConfigMap {}: {why}. Put the record back, or delete the ConfigMap: it is written anew from what is known",
        build::record_name(cluster)
    );
    Trouble { reason: RECORD_UNREADABLE, message }
}

/// Nothing is done, and people should know why.
fn left_alone(cluster: &ZooKeeperCluster, valid: &ValidatedCluster) -> Option<Trouble> {
    if valid.spec.pause {
        let message = "`spec.pause` is true: whether all is as the spec says is not looked at".to_owned();
        return Some(Trouble { reason: Trouble::PAUSED, message });
    }
    is_trial(cluster).then(|| {
        let message = format!("the annotation {DRY_RUN} is true: `status.plan` says what would be done, and it is not");
        Trouble { reason: Trouble::DRY_RUN, message }
    })
}

/// The user wants to see what would be done.
fn is_trial(cluster: &ZooKeeperCluster) -> bool {
    cluster.annotations().get(DRY_RUN).is_some_and(|value| value == "true")
}

/// A record that was lost after the ensemble was founded: the resource's status remembers that it was, and the servers' configuration
/// with how many. Servers that start meanwhile wait for it.
async fn remembered(
    cluster: &ZooKeeperCluster,
    valid: &ValidatedCluster,
    api: &ClusterApi<'_>,
    objects: &Objects,
    record: Record,
) -> Result<Record, ApiError> {
    let status = cluster.status.as_ref();
    let was_founded = status.is_some_and(|status| {
        status.bootstrap.is_some() && status.cluster_uid.as_deref() == Some(valid.ensemble.as_str())
    });
    if objects.record.is_some() || !was_founded {
        return Ok(record);
    }
    let Some(voters) = api.first_voters().await? else { return Ok(record) };
    tracing::warn!(cluster = valid.name, "the record of the ensemble is missing; it is written anew");
    Ok(founded(valid, voters))
}

fn founded(cluster: &ValidatedCluster, voters: u32) -> Record {
    Record {
        cluster_uid: Some(cluster.ensemble.as_str().into()),
        bootstrapped: true,
        initial_members: (0..voters).map(|ordinal| Slot::voter(ordinal).sid()).collect(),
    }
}

/// An ensemble whose volumes are taken over exists: it is not founded again.
fn adopted(cluster: &ValidatedCluster, record: Record) -> Record {
    if record.cluster_uid.is_some() || cluster.spec.bootstrap.adopt_volumes_of.is_none() {
        return record;
    }
    founded(cluster, u32::try_from(cluster.spec.replicas).unwrap_or(1))
}

/// Asks every server that has an address, the leader first: what the others have then, they have at least.
async fn ask(
    context: &Context,
    cluster: &ValidatedCluster,
    objects: &Objects,
    leader: Option<&str>,
) -> (BTreeMap<Slot, Answer>, BTreeMap<Slot, String>) {
    let ask_one = async |slot: Slot| {
        let answer = match address(cluster, objects, slot) {
            Some(address) => context.servers.status(address).await.map_err(|error| error.to_string()),
            None => Err("its pod has no address yet".to_owned()),
        };
        (slot, answer)
    };
    let slots = objects.pods.iter().filter_map(|pod| slot_of(&cluster.name, &pod.name_any()));
    let (first, others): (Vec<Slot>, Vec<Slot>) =
        slots.partition(|slot| leader == Some(pod_name(&cluster.name, *slot).as_str()));
    let mut all = futures::future::join_all(first.into_iter().map(ask_one)).await;
    all.extend(futures::future::join_all(others.into_iter().map(ask_one)).await);
    let (mut answers, mut silence) = (BTreeMap::new(), BTreeMap::new());
    for (slot, answer) in all {
        match answer {
            Ok(answer) => drop(answers.insert(slot, answer)),
            Err(why) => {
                context.metrics.silent_servers.inc();
                silence.insert(slot, why);
            }
        }
    }
    (answers, silence)
}

/// Where a server is.
pub(super) fn address(cluster: &ValidatedCluster, objects: &Objects, slot: Slot) -> Option<IpAddr> {
    let status = objects.pod(&cluster.name, slot)?.status.as_ref()?;
    status.pod_ip.as_ref()?.parse().ok()
}

/// Reads who the superuser is, and makes one where there is none: the one that servers know, if it is known.
async fn remember_superuser(
    context: &Context,
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
) -> Result<Option<Trouble>, PassError> {
    let known = context.memory.lock().get(&cluster.uid).and_then(|memory| memory.superuser.clone());
    let new = known.map_or_else(Superuser::generate, Ok)?;
    let secret = api.superuser(&build::superuser_secret(cluster, &new)).await?;
    match Superuser::read(&secret) {
        Ok(user) => {
            let mut memory = context.memory.lock();
            let memory = memory.entry(cluster.uid.clone()).or_default();
            if memory.superuser.as_ref() != Some(&user) {
                (memory.superuser, memory.locked_out) = (Some(user), None);
            }
            Ok(None)
        }
        Err(why) => {
            let secret = build::superuser_secret_name(cluster);
            let message = format!(
                "Secret {secret}: {why}. Delete it, and it is made anew; then `kubectl rollout restart` the StatefulSets"
            );
            Ok(Some(Trouble { reason: "SuperuserUnreadable", message }))
        }
    }
}

/// The operator's znode: remembered if it says all that it can say, read otherwise.
async fn znode(context: &Context, cluster: &ValidatedCluster, objects: &Objects, summary: &Summary) -> Znode {
    let (known, user) = {
        let memory = context.memory.lock();
        let memory = memory.get(&cluster.uid);
        // A rollout may be what lets the operator in again; it does not wait for what cannot be written.
        if memory.and_then(|it| it.locked_out).is_some_and(|since| since.elapsed() < LOCKED_OUT) {
            return Znode::Unread;
        }
        (memory.and_then(|it| it.znode.clone()), memory.and_then(|it| it.superuser.clone()))
    };
    let is_current = matches!(&known, Some(Znode::Present { barrier, .. }) if Some(*barrier) == summary.config_version);
    if let (true, Some(known)) = (is_current, &known) {
        return known.clone();
    }
    let address = summary.leader.and_then(|leader| address(cluster, objects, Slot::of(leader)));
    let (Some(address), Some(user)) = (address, user) else { return known.unwrap_or(Znode::Unread) };
    match context.servers.read(address, &user).await {
        Ok(znode) => {
            context.memory.lock().entry(cluster.uid.clone()).or_default().znode = Some(znode.clone());
            znode
        }
        Err(error) => {
            tracing::info!(cluster = cluster.name, "the operator's znode was not read: {error}");
            Znode::Unread
        }
    }
}

/// The record, the sizes, then the one action; what is refused ends it.
async fn carry_out(
    context: &Context,
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    found: &mut Findings,
    notices: &mut Vec<Notice>,
) {
    let unsettled = match apply::run(context, cluster, api, &found.objects, &found.observed, &found.plan).await {
        Ok(unsettled) => unsettled,
        Err(error) => {
            tracing::info!(cluster = cluster.name, "{error}");
            context.metrics.failed(error.failure());
            found.trouble = Some(apply::trouble(&error));
            if !matches!(error, ApiError::Conflict(..)) {
                notices.push(Notice::warning("ApplyFailed", error.to_string()));
            }
            return;
        }
    };
    let is_unsettled = unsettled.is_some();
    found.trouble = found.trouble.take().or(unsettled);
    let Some(action) = found.plan.action.clone() else {
        let may_recreate = !is_unsettled && found.summary.leader.is_some();
        volumes::tend(cluster, api, &found.objects, may_recreate, notices).await;
        return;
    };
    if is_unsettled && matches!(action, Action::EvictPod { .. } | Action::HandOver { .. }) {
        // Which pods are out of date is not known before Kubernetes has looked at the template.
        return;
    }
    let pod_of = |slot| pod_name(&cluster.name, slot);
    let hands = act::Hands {
        context,
        cluster,
        api,
        objects: &found.objects,
        observed: &found.observed,
        leader: found.summary.leader,
    };
    tracing::info!(cluster = cluster.name, namespace = cluster.namespace, "{action}");
    match hands.carry_out(&action).await {
        Ok(()) => {
            context.metrics.actions.with_label_values(&[act::name(&action)]).inc();
            notices.extend(events::done(&action, pod_of));
        }
        Err(error) => {
            tracing::warn!(cluster = cluster.name, "{action}: {error}");
            context.metrics.action_failures.with_label_values(&[act::name(&action)]).inc();
            if error.is_about_the_superuser() {
                context.memory.lock().entry(cluster.uid.clone()).or_default().locked_out = Some(Instant::now());
            }
            found.trouble = Some(Trouble { reason: error.reason(), message: format!("{action}: {error}") });
            if error.is_worth_telling() {
                notices.push(events::failed(&action, &error.to_string()));
            }
        }
    }
}

/// Behind everything that servers need: they do without.
async fn tell_prometheus(
    context: &Context,
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    now: Timestamp,
) -> Monitoring {
    // Taken out and not copied: a rule is large. What a pass that ends here loses is found out anew.
    let mut known = std::mem::take(&mut context.memory.lock().entry(cluster.uid.clone()).or_default().monitoring);
    let monitoring = monitoring::run(cluster, api, &mut known, now).await;
    context.memory.lock().entry(cluster.uid.clone()).or_default().monitoring = known;
    monitoring
}

async fn write_status(
    context: &Context,
    api: &Api<ZooKeeperCluster>,
    cluster: &ZooKeeperCluster,
    before: &ZooKeeperClusterStatus,
    after: &ZooKeeperClusterStatus,
) -> Result<(), ApiError> {
    let uid = cluster.uid().unwrap_or_default();
    let told = context.memory.lock().get(&uid).and_then(|memory| memory.told);
    // Each time that it is written the operator is woken: figures that always change wait for their turn.
    let is_due = told.is_none_or(|told| told.elapsed() >= FIGURES);
    if before == after || !(status::is_news(before, after) || is_due) {
        return Ok(());
    }
    let kinds = (ZooKeeperCluster::api_version(&()), ZooKeeperCluster::kind(&()));
    // With its uid, so that it is not written onto another resource of the same name.
    let patch = json!({ "apiVersion": kinds.0, "kind": kinds.1, "metadata": { "uid": uid }, "status": after });
    let params = PatchParams::apply(MANAGER).force();
    within("write the status", api.patch_status(&cluster.name_any(), &params, &Patch::Apply(&patch))).await?;
    context.memory.lock().entry(uid).or_default().told = Some(Instant::now());
    Ok(())
}

async fn tell(context: &Context, cluster: &ZooKeeperCluster, notices: &[Notice]) {
    let reference = cluster.object_ref(&());
    for notice in notices {
        let event = Event {
            type_: if notice.is_warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.to_owned(),
            note: Some(notice.note.chars().take(NOTE_CHARS_MAX).collect()),
            // Events that differ in nothing else are counted as one, with the first one's words.
            action: notice.about.clone().unwrap_or_else(|| "Reconcile".to_owned()),
            secondary: None,
        };
        if let Err(error) = within("write an event", context.recorder.publish(&event, &reference)).await {
            tracing::warn!("{error}");
        }
    }
}

/// The API server takes no longer note.
const NOTE_CHARS_MAX: usize = 1000;

/// Every server that has answered is asked to say when something changes.
fn keep_polling(context: &Context, cluster: &ZooKeeperCluster, valid: &ValidatedCluster, found: &Findings) {
    let servers = found.objects.pods.iter().filter_map(|pod| {
        let slot = slot_of(&valid.name, &pod.name_any())?;
        let generation = found.answers.get(&slot).map(|answer| answer.generation);
        Some((address(valid, &found.objects, slot)?, generation))
    });
    let trigger = Trigger::from_obj(cluster);
    let mut memory = context.memory.lock();
    let memory = memory.entry(valid.uid.clone()).or_default();
    memory.polls.follow(servers.collect(), &context.servers, &context.wakes, &trigger);
}

pub(super) fn forget(context: &Context, namespace: &str, name: &str) {
    context.memory.lock().retain(|_, memory| (memory.place.0.as_str(), memory.place.1.as_str()) != (namespace, name));
    context.metrics.forget(namespace, name);
}

/// The line of a server that joins.
pub(super) fn joiner(cluster: &ValidatedCluster, sid: plan::ServerId, role: plan::Role) -> servers::Joiner {
    let host = build::host_of(cluster, &pod_name(&cluster.name, Slot::of(sid)));
    let build_role = match role {
        plan::Role::Voter => build::Role::Voter,
        plan::Role::Observer => build::Role::Observer,
    };
    servers::Joiner { sid, role, line: build::address(&host, build_role) }
}
