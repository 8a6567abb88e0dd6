//! Commands about what the server tells of itself: the level of its log, and the operations that took long.

use crate::admin::call::{Call, Reply, start_of};
use crate::admin::json::{Json, list, object};
use crate::admin::state::Running;
use crate::metrics::slow::{Phases, SlowOperation};
use crate::telemetry;
use crate::telemetry::level::LevelAnswer;
use axum::http::StatusCode;

/// The level of the log.
pub fn log_level(_: &Call) -> Reply {
    match telemetry::level() {
        Some(level) => reply(level.get()),
        None => not_started(),
    }
}

/// Sets it, for good or for some seconds.
pub fn set_log_level(call: &Call) -> Reply {
    const HOW: &str = "POST .../set_log_level?level=debug&seconds=600; without seconds it stays";
    let refused = |reason: String| Reply::refused(StatusCode::BAD_REQUEST, reason, HOW);
    let Some(level) = call.query.get("level") else {
        return refused("level is missing: expected level=debug or its like".to_owned());
    };
    let seconds = match call.query.get("seconds").map(|text| (text, text.parse())) {
        None => None,
        Some((_, Ok(seconds))) => Some(seconds),
        Some((text, Err(_))) => {
            return refused(format!("seconds={}: expected a whole number", start_of(text)));
        }
    };
    match telemetry::level().map(|handle| handle.set(level, seconds)) {
        Some(Ok(answer)) => reply(answer),
        Some(Err(error)) => refused(error.to_string()),
        None => not_started(),
    }
}

fn reply(answer: LevelAnswer) -> Reply {
    let LevelAnswer { level, lasting_level, seconds_left } = answer;
    let seconds_left = seconds_left.map_or(Json::Null, Json::from);
    Reply::of([("level", level.into()), ("lasting_level", lasting_level.into()), ("seconds_left", seconds_left)])
}

fn not_started() -> Reply {
    Reply::failed(StatusCode::SERVICE_UNAVAILABLE, "this process has started no log of its own")
}

/// The last operations that took longer than `slowOperation.thresholdMs`, the newest first.
pub fn slow_operations(_: &Call, running: &Running) -> Reply {
    let shared = &running.shared;
    let threshold_ms = shared.config.settings.slow_operation_threshold_ms;
    let slow = &shared.instruments.slow;
    Reply::of([
        ("threshold_ms", threshold_ms.into()),
        ("count", slow.count().into()),
        ("slow_operations", list(slow.list().into_iter().map(operation))),
    ])
}

fn operation(slow: SlowOperation) -> Json {
    let SlowOperation { at_ms, operation, path, requests, session, remote, xid, zxid, total_ms, phases } = slow;
    let Phases { queue_ms, propose_ms, append_ms, fsync_ms, quorum_ms, apply_ms, reply_ms } = phases;
    let text = |text: Option<String>| text.map_or(Json::Null, Json::Text);
    let number = |number: Option<f64>| number.map_or(Json::Null, Json::Real);
    object([
        ("at", at_ms.into()),
        ("operation", operation.into()),
        ("path", text(path)),
        ("requests", requests.into()),
        ("session_id", session.into()),
        ("remote_socket_address", remote.into()),
        ("xid", xid.into()),
        ("zxid", text(zxid)),
        ("total_ms", total_ms.into()),
        (
            "phases",
            object([
                ("queue_ms", number(queue_ms)),
                ("propose_ms", number(propose_ms)),
                ("append_ms", number(append_ms)),
                ("fsync_ms", number(fsync_ms)),
                ("quorum_ms", number(quorum_ms)),
                ("apply_ms", number(apply_ms)),
                ("reply_ms", number(reply_ms)),
            ]),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::call::Content;

    #[test]
    fn a_level_that_lasts_has_no_seconds_left() {
        let level = "info,zab=debug".to_owned();
        let answer = LevelAnswer { lasting_level: level.clone(), level, seconds_left: None };
        let Content::Fields(fields) = reply(answer).content else { panic!("no fields") };
        assert_eq!(
            Json::Object(fields).compact(),
            r#"{"level":"info,zab=debug","lasting_level":"info,zab=debug","seconds_left":null}"#
        );
    }
}
