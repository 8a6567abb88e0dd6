//! `restore`: a standalone server goes on from a snapshot that it is sent (decision 0017).

use super::snapshot::{too_soon, zxids_are_written};
use crate::admin::body_reader::BodyReader;
use crate::admin::call::{Call, Reply};
use crate::admin::state::Running;
use crate::admin::table::Answering;
use crate::clock;
use crate::config::Mode;
use crate::inbox::Internal;
use crate::limits::{ADMIN_CONNECTION_LIFE, COMMAND_PATIENCE, RESTORE_BYTES_MAX, RESTORE_MEMORY_PART};
use crate::restore::{Restorable, RestoreError};
use crate::settings;
use crate::shared::Shared;
use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use wire::Zxid;

/// `RestoreCommand`. Apache's changes the tree in memory alone; here the command ends when a restart would keep it.
pub fn restore(call: Call, running: Arc<Running>, body: Body) -> Answering {
    Box::pin(async move {
        if let Err(refusal) = admit(&call, &running.shared) {
            return refusal;
        }
        let Ok(alone) = call.node.restoring.clone().try_acquire_owned() else {
            let hint = "wait until it is done";
            return Reply::refused(StatusCode::CONFLICT, "another snapshot is being restored", hint);
        };
        // Who hangs up does not stop it half way, and it is counted all the same.
        let work = tokio::spawn(async move {
            let outcome = measured(&call, &running, body).await;
            drop(alone);
            outcome
        });
        match work.await.unwrap_or_else(|error| Err(Failure::internal(error.to_string()))) {
            Ok(Restored { snapshot, at }) => {
                Reply::of([("last_zxid", snapshot.0.into()), ("served_zxid", at.0.into())])
            }
            Err(Failure { status, reason, hint }) => Reply::refused(status, reason, hint),
        }
    })
}

async fn measured(call: &Call, running: &Running, body: Body) -> Result<Restored, Failure> {
    let (shared, started_us) = (&running.shared, clock::micros());
    let outcome = run(call, running, body, bytes_max(shared)).await;
    let disk = &shared.instruments.disk;
    match &outcome {
        Ok(_) => disk.restore_ms.add(clock::micros().saturating_sub(started_us) / 1000),
        Err(failure) => {
            disk.restore_errors.fetch_add(1, Relaxed);
            tracing::warn!(caller = %call.caller, "restore a snapshot by order: {}", failure.reason);
        }
    }
    outcome
}

/// What was restored: the snapshot's zxid, and that from which the server goes on.
struct Restored {
    snapshot: Zxid,
    at: Zxid,
}

/// Why nothing was.
struct Failure {
    status: StatusCode,
    reason: String,
    hint: &'static str,
}

const UNCHANGED: &str = "nothing was changed";

impl Failure {
    fn internal(reason: String) -> Failure {
        Failure { status: StatusCode::INTERNAL_SERVER_ERROR, reason, hint: "see this server's log" }
    }

    fn of(error: &RestoreError) -> Failure {
        let status = match error {
            RestoreError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Failure { status, reason: error.to_string(), hint: UNCHANGED }
    }
}

/// Asks in Apache's order; ensembles in between.
fn admit(call: &Call, shared: &Shared) -> Result<(), Reply> {
    let config = &call.node.config;
    if !config.settings.admin_restore_enabled {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Reply::refused(status, "restore is switched off", "admin.restore.enabled=true takes it"));
    }
    zxids_are_written(&config.settings)?;
    if config.mode == Mode::Ensemble {
        return Err(Reply::refused(
            StatusCode::CONFLICT,
            "a member of an ensemble restores nothing: the others would hold another history",
            "stop all servers, empty their data directories but for myid, put the snapshot into version-2 of each, and start them: \
             docs/operating/backup.md",
        ));
    }
    call.node.restore_limiter.admit(Instant::now()).map_err(|left| {
        shared.instruments.disk.restores_refused.fetch_add(1, Relaxed);
        too_soon(left, "admin.rateLimiterIntervalInMS sets the pause")
    })
}

/// How long a snapshot may be, unpacked: both trees are in memory for a moment.
fn bytes_max(shared: &Shared) -> u64 {
    let memory = &shared.memory;
    match memory.growth_limit_bytes.load(Relaxed) {
        0 => RESTORE_BYTES_MAX,
        limit => limit.saturating_sub(memory.used_bytes.load(Relaxed)) / RESTORE_MEMORY_PART,
    }
}

async fn run(call: &Call, running: &Running, body: Body, bytes_max: u64) -> Result<Restored, Failure> {
    // A packed one is shorter than what it unpacks to, so this holds for both.
    if body.size_hint().lower() > bytes_max {
        return Err(Failure::of(&RestoreError::TooLong { max: bytes_max }));
    }
    let idle_ms = u64::try_from(call.node.config.settings.admin_idle_timeout_ms).unwrap_or(0);
    let idle = if idle_ms > 0 { Duration::from_millis(idle_ms) } else { ADMIN_CONNECTION_LIFE };
    let (source, feeding) = BodyReader::new(body, idle);
    let loader = settings::recovery(&call.node.config).loader_settings();
    let reading = tokio::task::spawn_blocking(move || Restorable::read(Box::new(source), loader, bytes_max));
    let feeding = tokio::spawn(feeding);
    let read = reading.await.map_err(|error| Failure::internal(error.to_string()))?;
    feeding.abort();
    let restorable = read.map_err(|error| Failure::of(&error))?;
    hand_over(call.caller, running, restorable).await
}

/// Gives the tree to the core and waits until it is durable and served.
async fn hand_over(caller: SocketAddr, running: &Running, restorable: Restorable) -> Result<Restored, Failure> {
    let Restorable { tree, zxid, latest } = restorable;
    let (znodes, is_exact) = (tree.node_count(), latest == zxid);
    let (begun, whether) = oneshot::channel();
    let (done, served) = oneshot::channel();
    let order = Internal::Restore { zxid: latest, tree, begun, done };
    let busy = |reason: String| Failure { status: StatusCode::SERVICE_UNAVAILABLE, reason, hint: "ask again" };
    let at = running.ask(order, whether, COMMAND_PATIENCE).await.map_err(busy)?;
    let at = at.map_err(|reason| busy(reason.to_owned()))?;
    tracing::warn!(%caller, snapshot = %zxid, %at, znodes, is_exact, "a snapshot takes the place of everything this server held");
    match tokio::time::timeout(ADMIN_CONNECTION_LIFE, served).await {
        Ok(Ok(())) => Ok(Restored { snapshot: zxid, at }),
        Ok(Err(_)) => Err(Failure::internal("this server stops; its log says whether it was restored".to_owned())),
        Err(_) => Err(Failure::internal("the disk takes long; clients are served once it is done".to_owned())),
    }
}
