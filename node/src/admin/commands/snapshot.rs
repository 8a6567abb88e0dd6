//! `snapshot`: writes a snapshot now and answers with the file.

use crate::admin::call::{Call, Content, Reply};
use crate::admin::file_body::FileBody;
use crate::admin::state::Running;
use crate::admin::table::Answering;
use crate::config::Settings;
use crate::snapshots::TakenSnapshot;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// The zxid in the file's name (`RESPONSE_DATA_LAST_ZXID`).
const LAST_ZXID: HeaderName = HeaderName::from_static("last_zxid");
/// The file's bytes (`RESPONSE_DATA_SNAPSHOT_SIZE`).
const SNAPSHOT_SIZE: HeaderName = HeaderName::from_static("snapshot_size");
/// Whether the file holds nothing of what was written after that zxid. Ours.
const SNAPSHOT_EXACT: HeaderName = HeaderName::from_static("snapshot_exact");

/// `SnapshotCommand`. Apache's answers every refusal with `"error": null`, so clients can only look at the status.
pub fn snapshot(call: Call, running: Arc<Running>, _: Body) -> Answering {
    Box::pin(async move {
        if let Err(refusal) = admit(&call, &running) {
            return refusal;
        }
        let snapshots = running.snapshots.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let taken = snapshots.take().map_err(|error| error.to_string())?;
            // As after every other snapshot: else operators could fill the disk.
            snapshots.purge();
            Ok(taken)
        });
        match taken.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(taken) => {
                tracing::info!(caller = %call.caller, zxid = %taken.zxid, bytes = taken.bytes, "a snapshot by order");
                answer(taken, streams(call.query.get("streaming")))
            }
            Err(reason) => {
                running.shared.instruments.disk.asked_snapshot_errors.fetch_add(1, Relaxed);
                tracing::warn!(caller = %call.caller, "write a snapshot by order: {reason}");
                Reply::refused(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("write a snapshot: {reason}"),
                    "see this server's log, and whether its disk has room",
                )
            }
        }
    })
}

/// Asks in Apache's order.
fn admit(call: &Call, running: &Running) -> Result<(), Reply> {
    let settings = &call.node.config.settings;
    if !settings.admin_snapshot_enabled {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Reply::refused(status, "snapshot is switched off", "admin.snapshot.enabled=true takes it"));
    }
    zxids_are_written(settings)?;
    call.node.snapshot_limiter.admit(Instant::now()).map_err(|left| {
        running.shared.instruments.disk.asked_snapshots_refused.fetch_add(1, Relaxed);
        too_soon(left, "admin.rateLimiterIntervalInMS sets a thousand times the pause")
    })
}

/// Snapshots say of which zxid they are only where that is switched on; Apache neither gives nor takes others by command.
pub(super) fn zxids_are_written(settings: &Settings) -> Result<(), Reply> {
    if settings.serialize_last_processed_zxid {
        return Ok(());
    }
    Err(Reply::refused(
        StatusCode::INTERNAL_SERVER_ERROR,
        "snapshots do not end with their zxid",
        "serializeLastProcessedZxid.enabled=true makes them",
    ))
}

/// The refusal of a command that comes `left` too soon.
pub(super) fn too_soon(left: Duration, key: &str) -> Reply {
    let ms = left.as_millis().max(1);
    let text = format!("too soon after the last one: expected a pause, {ms} ms of it are left");
    let reply = Reply::refused(StatusCode::TOO_MANY_REQUESTS, text, format!("ask again then; {key}"));
    reply.with_header(header::RETRY_AFTER, HeaderValue::from(left.as_secs() + 1))
}

/// Java's `Boolean.parseBoolean`; unasked yes.
fn streams(asked: Option<&str>) -> bool {
    asked.is_none_or(|text| text.eq_ignore_ascii_case("true"))
}

fn answer(taken: TakenSnapshot, streams: bool) -> Reply {
    let TakenSnapshot { zxid, name, file, bytes, is_exact } = taken;
    let exact = HeaderValue::from_static(if is_exact { "true" } else { "false" });
    let mut reply = Reply::default().with_header(SNAPSHOT_SIZE, HeaderValue::from(bytes));
    reply = reply.with_header(SNAPSHOT_EXACT, exact);
    if let Ok(zxid) = HeaderValue::try_from(zxid.to_string()) {
        reply = reply.with_header(LAST_ZXID, zxid);
    }
    if streams {
        // For `curl -OJ`: under this name a server takes it from its data directory.
        if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
            reply = reply.with_header(header::CONTENT_DISPOSITION, name);
        }
        reply.content = Content::Stream(Body::new(FileBody::new(file, bytes)));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_streams_as_in_java() {
        assert!(streams(None) && streams(Some("true")) && streams(Some("TRUE")));
        for no in ["", "false", "1", "yes", " true"] {
            assert!(!streams(Some(no)), "{no:?}");
        }
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let reply = too_soon(Duration::from_millis(2300), "k");
        assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(reply.headers, [(header::RETRY_AFTER, HeaderValue::from(3))]);
    }
}
