//! `GET /v1/status`: what a server says of itself to whoever runs the ensemble, an operator that decides from it who may join, leave
//! or be restarted.
//!
//! Everything that a decision rests on is taken from one publication of the driver ([`Published`]), so that leader, epoch and
//! configuration are of the same moment. Nothing is asked of the driver: a server that is stuck, loads or stops answers too. What
//! is not published is read so that a tear errs towards less: a server is never shown as further than it is.
//!
//! The *generation* counts what has changed of that. A request may wait for the next one (`?after=17&waitMs=30000`). It begins with the
//! time, so that another life of the process shows as a change.

use super::call::{JSON, Query, Reply, start_of};
use super::health::{self, Seen};
use super::json::{Json, object};
use super::state::{Node, Running};
use crate::clock;
use crate::config::Mode;
use crate::limits::{CORE_SILENT_MS_MAX, STATUS_LOOK_EVERY, STATUS_WAIT_MS_MAX, STATUS_WAITERS_MAX, VOLUME_LOOK_EVERY};
use crate::shared::Published;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use wire::{ServerId, Zxid};
use zab::quorum::{MemberRole, Membership};

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Reads its data directory.
    Loading,
    /// Is no member of the configuration that it knows, and follows nobody.
    Joining,
    /// Looks for a leader.
    Looking,
    /// Follows, with or without a vote.
    Following,
    /// Leads, or is alone.
    Leading,
    /// Observes.
    Observing,
    /// Has left for good.
    Retired,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Loading => "loading",
            Part::Joining => "joining",
            Part::Looking => "looking",
            Part::Following => "following",
            Part::Leading => "leading",
            Part::Observing => "observing",
            Part::Retired => "retired",
        }
    }
}

/// What a generation stands for: another one begins when any of it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    part: Part,
    holds_data: bool,
    retired_at: Option<i64>,
    /// Whom it follows, or itself, once the epoch is agreed on.
    leader: Option<ServerId>,
    /// The epoch of that leader.
    epoch: Option<i64>,
    /// Whether it has what the leader had when it came, and follows on.
    is_synced: bool,
    serves: bool,
    /// Why it is not ready, if it is not.
    is_ready: bool,
    /// The configuration that it knows to be committed; `None` where it knows none.
    config: Option<Arc<Membership>>,
    pending: Option<i64>,
    disk_is_full: bool,
}

/// What is shown beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shown {
    reason: Option<String>,
    last_zxid: Zxid,
    data_bytes: i64,
}

/// What a server looks like from outside, by generations.
#[derive(Debug)]
pub struct Board {
    facts: Mutex<Option<Facts>>,
    /// The generation of the facts.
    generation: watch::Sender<u64>,
    /// The right to wait for the next one.
    places: Semaphore,
    /// The size of the tree as last seen, bytes.
    data_bytes: AtomicI64,
    /// How full the volume of the data directory is, percent; -1 where nobody knows.
    disk_used_percent: AtomicI64,
}

impl Default for Board {
    fn default() -> Board {
        let now_ms = u64::try_from(clock::wall().0).unwrap_or(0);
        Board {
            facts: Mutex::default(),
            generation: watch::Sender::new(now_ms),
            places: Semaphore::new(STATUS_WAITERS_MAX),
            data_bytes: AtomicI64::new(0),
            disk_used_percent: AtomicI64::new(-1),
        }
    }
}

impl Board {
    /// Looks at the server. The generation and what it stands for belong together: who looks at the same time waits.
    fn look(&self, node: &Node) -> (u64, Facts, Shown) {
        let mut known = self.facts.lock();
        let (facts, shown) = look(node);
        if known.as_ref() != Some(&facts) {
            *known = Some(facts.clone());
            self.generation.send_modify(|generation| *generation += 1);
        }
        let generation = *self.generation.borrow();
        (generation, facts, shown)
    }
}

/// The page.
pub fn pages(node: Arc<Node>) -> Router {
    Router::new().route("/v1/status", get(status)).with_state(node)
}

/// Looks for changes as long as the process lives: whenever the driver has published something, and at what it does not publish.
pub fn watch(node: &Arc<Node>) {
    let (watched, measured) = (node.clone(), node.clone());
    tokio::spawn(async move {
        loop {
            watched.board.look(&watched);
            let running = watched.running();
            let publication = async {
                match &running {
                    Some(running) => running.shared.publication.notified().await,
                    None => std::future::pending().await,
                }
            };
            // Nothing is late that was not published: it is looked at again.
            let _ = tokio::time::timeout(STATUS_LOOK_EVERY, publication).await;
        }
    });
    tokio::spawn(async move {
        let path: PathBuf = measured.config.data_dir().to_owned();
        loop {
            let path = path.clone();
            // A file system that hangs keeps this task waiting and nobody else.
            let found = tokio::task::spawn_blocking(move || disk_used_percent(&path)).await;
            measured.board.disk_used_percent.store(found.ok().flatten().unwrap_or(-1), Relaxed);
            tokio::time::sleep(VOLUME_LOOK_EVERY).await;
        }
    });
}

/// As `df` has it: of what others than root may use.
fn disk_used_percent(path: &std::path::Path) -> Option<i64> {
    let found = rustix::fs::statvfs(path).ok()?;
    let used = found.f_blocks.checked_sub(found.f_bfree)?;
    let all = used.checked_add(found.f_bavail).filter(|all| *all > 0)?;
    i64::try_from(used.saturating_mul(100).div_ceil(all)).ok()
}

async fn status(State(node): State<Arc<Node>>, RawQuery(query): RawQuery) -> Response {
    let wish = match Wish::parse(query.as_deref().unwrap_or_default()) {
        Ok(wish) => wish,
        Err(reason) => {
            let hint = "GET /v1/status, or /v1/status?after=GENERATION&waitMs=30000";
            return Reply::refused(StatusCode::BAD_REQUEST, reason, hint).plain();
        }
    };
    let (generation, facts, shown) = when_changed(&node, wish).await;
    let text = json(&node, generation, &facts, shown).compact() + "\n";
    ([(header::CONTENT_TYPE, JSON)], text).into_response()
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wish {
    /// The generation that the asker knows.
    after: Option<u64>,
    patience: Duration,
}

impl Wish {
    fn parse(text: &str) -> Result<Wish, String> {
        let query = Query::parse(text)?;
        query.at_most(&["after", "waitMs"])?;
        let number = |name: &str, max: u64| {
            let Some(text) = query.get(name) else { return Ok(None) };
            let wrong = || format!("{name}={}: expected a whole number from 0 to {max}", start_of(text));
            text.parse().ok().filter(|number| *number <= max).map(Some).ok_or_else(wrong)
        };
        let (after, wait_ms) = (number("after", u64::MAX)?, number("waitMs", STATUS_WAIT_MS_MAX)?);
        if after.is_none() && wait_ms.is_some() {
            return Err("waitMs without after: expected the generation that is known already".to_owned());
        }
        Ok(Wish { after, patience: Duration::from_millis(wait_ms.unwrap_or(0)) })
    }
}

async fn when_changed(node: &Node, wish: Wish) -> (u64, Facts, Shown) {
    let board = &node.board;
    let deadline = Instant::now() + wish.patience;
    // Before the first look: what changes behind it is told.
    let mut changes = board.generation.subscribe();
    // Where too many wait already, there is no waiting.
    let place = if wish.patience.is_zero() { None } else { board.places.try_acquire().ok() };
    loop {
        let seen = board.look(node);
        if place.is_none() || wish.after != Some(seen.0) {
            return seen;
        }
        if tokio::time::timeout_at(deadline, changes.changed()).await.is_err() {
            return board.look(node);
        }
    }
}

fn look(node: &Node) -> (Facts, Shown) {
    let running = node.running();
    let published = running.as_ref().map(|running| running.shared.published());
    // After the publication: a server that was retired meanwhile is shown as such.
    let retired_at = node.volume.retired_at();
    let seen = running.as_deref().zip(published.as_ref()).map(|(running, published)| Seen {
        running,
        status: &published.status,
        // The flag is newer than the publication: what serves no longer is not shown as serving, nor what does not say so yet.
        serves: running.shared.serving.load(Relaxed) && published.status.serving,
    });
    let health = health::ready_as_seen(node, seen);
    let facts = match (seen, &published) {
        (Some(seen), Some(published)) => Facts {
            is_ready: health.first_reason().is_none(),
            disk_is_full: seen.running.shared.disk.thread.waits_for_room.load(Relaxed),
            ..facts_of(node, published, seen)
        },
        _ => loading(node),
    };
    let data_bytes = running.as_deref().map_or(0, |running| data_bytes(&node.board, running));
    let last_zxid = published.map_or(Zxid::ZERO, |published| published.status.last_zxid.max(Zxid::ZERO));
    let shown = Shown { reason: health.first_reason().map(str::to_owned), last_zxid, data_bytes };
    (retired(facts, retired_at), shown)
}

/// A server that has not said anything of itself yet. Its volume may hold data all the same.
fn loading(node: &Node) -> Facts {
    Facts {
        part: Part::Loading,
        holds_data: node.volume.held_data,
        retired_at: None,
        leader: None,
        epoch: None,
        is_synced: false,
        serves: false,
        is_ready: false,
        config: known(node, &Arc::new(node.config.membership.clone())),
        pending: None,
        disk_is_full: false,
    }
}

fn facts_of(node: &Node, published: &Published, seen: Seen<'_>) -> Facts {
    let Published { status, configurations, holds_data } = published;
    let me = node.sid();
    let is_alone = node.config.mode == Mode::Standalone;
    let (role, phase) = status.peer_state.split_once(" - ").unwrap_or_default();
    // Before the epoch is agreed on the core shows the one before. Until then nobody has promised the leader anything, not even that
    // it leads.
    let is_agreed = matches!(role, "leading" | "following" | "observing") && phase != "discovery";
    let part = match role {
        _ if status.mode.is_empty() => Part::Loading,
        _ if is_alone => Part::Leading,
        "leading" => Part::Leading,
        "following" => Part::Following,
        "observing" => Part::Observing,
        _ if configurations.committed.is_member(me) => Part::Looking,
        _ => Part::Joining,
    };
    // Who hears nothing of its core cannot tell whether it is in step still.
    let is_awake = seen.running.shared.published_ms_ago() <= CORE_SILENT_MS_MAX;
    Facts {
        part,
        holds_data: *holds_data,
        retired_at: None,
        leader: status.leader.filter(|_| is_agreed),
        epoch: is_agreed.then_some(status.epoch),
        is_synced: is_awake && (phase == "broadcast" || (is_alone && status.serving)),
        serves: seen.serves,
        is_ready: false,
        config: known(node, &configurations.committed),
        pending: configurations.pending.as_ref().map(|pending| pending.version),
        disk_is_full: false,
    }
}

/// The configuration, if it is known to be committed: a list that was only given to the server is not, where the ensemble may have
/// changed since.
fn known(node: &Node, config: &Arc<Membership>) -> Option<Arc<Membership>> {
    let may_have_changed = node.config.settings.reconfig_enabled;
    let is_known = node.config.mode == Mode::Ensemble && (config.version > 0 || !may_have_changed);
    is_known.then(|| config.clone())
}

/// What is left of the facts of a server that was retired: the stamp cannot be taken back, whatever is still to be ended.
fn retired(facts: Facts, retired_at: Option<i64>) -> Facts {
    if retired_at.is_none() {
        return facts;
    }
    Facts {
        part: Part::Retired,
        retired_at,
        leader: None,
        epoch: None,
        is_synced: false,
        serves: false,
        is_ready: false,
        ..facts
    }
}

/// The size of the tree, or what it was when nobody was changing it.
fn data_bytes(board: &Board, running: &Running) -> i64 {
    if let Some(tree) = running.shared.tree.try_read() {
        board.data_bytes.store(tree.approximate_data_size(), Relaxed);
    }
    board.data_bytes.load(Relaxed)
}

fn json(node: &Node, generation: u64, facts: &Facts, shown: Shown) -> Json {
    let stamp = node.volume.stamp();
    let version = facts.config.as_ref().map_or(0, |config| config.version);
    let disk_used_percent = node.board.disk_used_percent.load(Relaxed);
    object([
        ("generation", generation.into()),
        ("sid", node.sid().0.into()),
        ("state", facts.part.name().into()),
        ("hasData", facts.holds_data.into()),
        ("ensemble", stamp.cluster_id.into()),
        ("incarnation", stamp.incarnation.into()),
        ("retiredAt", facts.retired_at.map(hex).into()),
        ("leader", facts.leader.map(|sid| sid.0).into()),
        ("epoch", facts.epoch.into()),
        ("synced", facts.is_synced.into()),
        ("serving", facts.serves.into()),
        ("ready", facts.is_ready.into()),
        ("reason", shown.reason.into()),
        ("lastZxid", hex(shown.last_zxid.0).into()),
        ("configVersion", hex(version).into()),
        ("config", roles(facts.config.as_deref())),
        ("pending", facts.pending.map(hex).into()),
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("dataBytes", shown.data_bytes.into()),
        ("diskUsedPercent", (disk_used_percent >= 0).then_some(disk_used_percent).into()),
        ("diskFull", facts.disk_is_full.into()),
    ])
}

fn roles(config: Option<&Membership>) -> Json {
    let name = |role| match role {
        MemberRole::Participant => "voter",
        MemberRole::Observer => "observer",
    };
    let servers = config.iter().flat_map(|config| &config.servers);
    Json::Object(servers.map(|(sid, spec)| (sid.to_string(), name(spec.role).into())).collect())
}

/// A zxid or version as it is written here.
fn hex(number: i64) -> String {
    format!("{number:#x}")
}

#[cfg(test)]
#[path = "status_test.rs"]
mod tests;
