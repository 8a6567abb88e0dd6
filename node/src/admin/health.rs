//! `/livez`, `/readyz`, `/startupz`: three questions, each with its own consequence.
//!
//! *Alive* is a process that a restart would not help. It never depends on others: not on a quorum, and not on a disk that is slow or
//! full, which is as slow or full after a restart (the answer says so all the same). *Ready* is a server that clients should be sent to.
//! *Started* is one that has done what comes before that; it is never taken back, so that only the other two are asked from then on.

use super::call::JSON;
use super::json::{Fields, Json, list, object};
use super::state::{Node, Running, progress};
use crate::clock;
use crate::limits::CORE_SILENT_MS_MAX;
use crate::metrics::{NO_LEADER, ONLY_READ};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use replica::Status;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What helps a server without a leader.
const MEND_QUORUM: &str = "start enough of the other voters for a quorum, or mend the network between them";

/// The state of the disk thread.
const DISK_IDLE: &str = "idle";
const DISK_BUSY: &str = "working";
const DISK_FULL: &str = "waiting for room on a full disk";
const DISK_GONE: &str = "ended";

/// Why the answer is no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What was looked at: `core`, `disk`, `loading`, `leader`, `sync`, `draining`, `retired`.
    pub check: &'static str,
    /// What was found.
    pub reason: String,
    /// What to do.
    pub hint: &'static str,
}

/// The answer to one of the questions.
#[derive(Debug)]
pub struct Health {
    key: &'static str,
    reasons: Vec<Reason>,
    details: Fields,
}

impl Health {
    /// The first reason, where the answer is no.
    #[must_use]
    pub fn first_reason(&self) -> Option<&str> {
        self.reasons.first().map(|reason| reason.reason.as_str())
    }

    /// One line: nothing where the answer is yes.
    ///
    /// # Errors
    /// The reasons, where it is no.
    pub fn line(&self) -> Result<(), String> {
        if self.reasons.is_empty() {
            return Ok(());
        }
        Err(self.reasons.iter().map(|reason| reason.reason.as_str()).collect::<Vec<_>>().join("; "))
    }

    /// The whole answer.
    #[must_use]
    pub fn json(&self) -> Json {
        let reason = |reason: &Reason| {
            object([
                ("check", reason.check.into()),
                ("reason", reason.reason.as_str().into()),
                ("hint", reason.hint.into()),
            ])
        };
        let mut fields = vec![
            (self.key.to_owned(), Json::Bool(self.reasons.is_empty())),
            ("reasons".to_owned(), list(self.reasons.iter().map(reason))),
        ];
        fields.extend(self.details.iter().cloned());
        Json::Object(fields)
    }

    fn response(&self, headers: &HeaderMap) -> Response {
        let status = if self.reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        if takes_json(headers) {
            return (status, [(header::CONTENT_TYPE, JSON)], self.json().compact() + "\n").into_response();
        }
        let line = self.line().err().unwrap_or_else(|| "ok".to_owned());
        (status, format!("{line}\n")).into_response()
    }
}

/// Whether the client says that it takes JSON. One that says nothing gets a line of text.
fn takes_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim();
        ["application/json", "application/*", "*/*"].iter().any(|known| range.eq_ignore_ascii_case(known))
    })
}

/// The three pages.
pub fn pages(node: Arc<Node>) -> Router {
    let page = |question: fn(&Node) -> Health| {
        get(move |State(node): State<Arc<Node>>, headers: HeaderMap| async move { question(&node).response(&headers) })
    };
    Router::new()
        .route("/livez", page(live))
        .route("/readyz", page(ready))
        .route("/startupz", page(started))
        .with_state(node)
}

/// Whether the process works; one that does not should be restarted.
#[must_use]
pub fn live(node: &Node) -> Health {
    let mut health = Health { key: "alive", reasons: Vec::new(), details: Vec::new() };
    let Some(running) = node.running() else {
        health.details.push(("phase".to_owned(), "loading".into()));
        return health;
    };
    if node.volume.retired_at().is_some() {
        // Its core and its disk have ended, as they should.
        health.details.push(("phase".to_owned(), "retired".into()));
        return health;
    }
    let silent_ms = running.shared.published_ms_ago();
    if silent_ms > CORE_SILENT_MS_MAX {
        health.reasons.push(stuck(silent_ms));
    }
    let (disk, busy_ms) = disk(&running);
    // In the last moments of a stop its thread has done all that it had to do.
    if disk == DISK_GONE && !node.is_draining() {
        health.reasons.push(Reason {
            check: "disk",
            reason: "the disk thread has ended".to_owned(),
            hint: "restart this server; its log tells why",
        });
    }
    health.details.push(("core_silent_ms".to_owned(), silent_ms.into()));
    health.details.push(("disk".to_owned(), disk.into()));
    health.details.push(("disk_busy_ms".to_owned(), busy_ms.into()));
    health
}

fn stuck(silent_ms: i64) -> Reason {
    Reason {
        check: "core",
        reason: format!("the core has not moved for {silent_ms} ms"),
        hint: "restart this server; a machine that was stopped or has no processor left looks the same",
    }
}

/// What the disk thread does, and for how long, ms.
fn disk(running: &Running) -> (&'static str, i64) {
    let thread = &running.shared.disk.thread;
    let since = thread.busy_since.load(Relaxed);
    let state = match () {
        () if thread.has_ended.load(Relaxed) => DISK_GONE,
        () if thread.waits_for_room.load(Relaxed) => DISK_FULL,
        () if since > 0 => DISK_BUSY,
        () => DISK_IDLE,
    };
    let busy_ms = if since > 0 { (clock::mono().0 - since).max(0) } else { 0 };
    (state, busy_ms)
}

/// Whether this server does what it is there for: serves clients without conditions, or leads where leaders serve none. A server that
/// can only be read is not ready: it turns away whoever has not asked for that.
#[must_use]
pub fn ready(node: &Node) -> Health {
    let running = node.running();
    let published = running.as_ref().map(|running| running.shared.published());
    let seen = running.as_ref().zip(published.as_ref()).map(|(running, published)| Seen {
        running,
        status: &published.status,
        serves: running.shared.serving.load(Relaxed),
    });
    ready_as_seen(node, seen)
}

/// A server that has read its data directory, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The server.
    pub running: &'a Running,
    /// Its status.
    pub status: &'a Status,
    /// Whether clients are served.
    pub serves: bool,
}

/// The same of a server as it was seen; `None` while it loads.
#[must_use]
pub fn ready_as_seen(node: &Node, seen: Option<Seen<'_>>) -> Health {
    let mut reasons = Vec::new();
    let mut details = Vec::new();
    let retired_at = node.volume.retired_at();
    reasons.extend(retired_at.map(|version| Reason {
        check: "retired",
        reason: format!("this server has left the ensemble for good, by configuration {version:#x}"),
        hint: "end it; started again with volume.retired=setAside it begins anew, without data",
    }));
    if node.is_draining() {
        reasons.push(Reason {
            check: "draining",
            reason: "this server was told to stop".to_owned(),
            hint: "clients move to the others by themselves",
        });
    }
    match seen.filter(|_| retired_at.is_none()) {
        None if retired_at.is_some() => {}
        None => reasons.push(loading()),
        Some(seen) => {
            let Seen { running, status, .. } = seen;
            let silent_ms = running.shared.published_ms_ago();
            if silent_ms > CORE_SILENT_MS_MAX {
                reasons.push(stuck(silent_ms));
            } else {
                reasons.extend(not_serving(seen));
            }
            details.push(("mode".to_owned(), status.mode.into()));
            details.push(("leader".to_owned(), status.leader.map(|sid| sid.0).into()));
            details.push(("last_zxid".to_owned(), running.shared.last_zxid().to_string().into()));
        }
    }
    Health { key: "ready", reasons, details }
}

fn loading() -> Reason {
    Reason {
        check: "loading",
        reason: "the data directory is being read".to_owned(),
        hint: "wait; /startupz tells how far it is",
    }
}

fn not_serving(seen: Seen<'_>) -> Option<Reason> {
    let Seen { running, status, serves } = seen;
    if running.shared.is_leader_without_clients(status) {
        return None;
    }
    if serves {
        return (status.mode == "read-only").then(|| Reason {
            check: "leader",
            reason: ONLY_READ.to_owned(),
            hint: MEND_QUORUM,
        });
    }
    if status.leader.is_none() {
        return Some(Reason { check: "leader", reason: NO_LEADER.to_owned(), hint: MEND_QUORUM });
    }
    Some(Reason {
        check: "sync",
        reason: format!("no clients are served: this server is not in step with its leader ({})", status.peer_state),
        hint: "wait; if it never ends, look at the log of the leader, and at initLimit and syncLimit",
    })
}

/// Whether the start is complete. Never no again after yes.
#[must_use]
pub fn started(node: &Node) -> Health {
    let phase = match node.running().map(|running| running.shared.status()) {
        None => "loading".to_owned(),
        // The core has said nothing of itself yet.
        Some(status) if status.mode.is_empty() => "starting".to_owned(),
        Some(status) => phase(&status.peer_state).to_owned(),
    };
    let mut reasons = Vec::new();
    if !node.has_started() {
        reasons.push(match node.running() {
            None => loading(),
            Some(_) => Reason {
                check: "sync",
                reason: format!("the start is not complete: {phase}"),
                hint: "wait; a large tree takes its time",
            },
        });
    }
    let elapsed_ms = i64::try_from(node.since.elapsed().as_millis()).unwrap_or(i64::MAX);
    let last_zxid = node.running().map(|running| running.shared.last_zxid().to_string());
    let details = vec![
        ("phase".to_owned(), phase.into()),
        ("elapsed_ms".to_owned(), elapsed_ms.into()),
        ("loaded".to_owned(), progress(&node.progress)),
        ("last_zxid".to_owned(), last_zxid.into()),
    ];
    Health { key: "started", reasons, details }
}

/// The second part of `following - broadcast` and its like (`QuorumPeer.ZabState`).
#[must_use]
pub fn phase(peer_state: &str) -> &str {
    peer_state.split_once(" - ").map_or("serving", |(_, phase)| phase)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::state::testing;
    use axum::http::HeaderValue;

    #[test]
    fn json_is_for_those_who_take_it() {
        let takes = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            takes_json(&headers)
        };
        assert!(takes("application/json") && takes("*/*") && takes("text/html, application/JSON;q=0.5"));
        assert!(!takes("text/plain") && !takes_json(&HeaderMap::new()));
    }

    #[test]
    fn an_answer_is_a_line_or_json() {
        let reason = Reason { check: "leader", reason: "there is none".to_owned(), hint: "start others" };
        let health =
            Health { key: "ready", reasons: vec![reason], details: vec![("mode".to_owned(), "looking".into())] };
        assert_eq!(health.line(), Err("there is none".to_owned()));
        assert_eq!(
            health.json().compact(),
            r#"{"ready":false,"reasons":[{"check":"leader","reason":"there is none","hint":"start others"}],"mode":"looking"}"#
        );
        let health = Health { key: "alive", reasons: Vec::new(), details: Vec::new() };
        assert_eq!((health.line(), health.json().compact()), (Ok(()), r#"{"alive":true,"reasons":[]}"#.to_owned()));
    }

    #[test]
    fn a_server_that_loads_or_stops_is_alive_and_not_ready() {
        let node = testing::node("");
        let checks = |health: Health| health.reasons.iter().map(|reason| reason.check).collect::<Vec<_>>();
        assert_eq!(checks(live(&node)), [""; 0]);
        assert_eq!(checks(ready(&node)), ["loading"]);
        assert_eq!(checks(started(&node)), ["loading"]);
        node.progress.transactions.store(7, Relaxed);
        let text = started(&node).json().compact();
        assert!(text.contains(r#""phase":"loading""#) && text.contains(r#""transactions":7"#), "{text}");
        node.drain();
        assert_eq!(checks(ready(&node)), ["draining", "loading"]);
        assert_eq!(checks(live(&node)), [""; 0], "whoever stops is not to be killed for it");
    }

    #[test]
    fn a_disk_that_is_full_is_told_and_one_that_is_gone_is_dead() {
        let node = testing::node("");
        let running = testing::running(&node);
        let thread = &running.shared.disk.thread;
        assert_eq!(disk(&running), (DISK_IDLE, 0));
        thread.busy_since.store(1, Relaxed);
        assert_eq!(disk(&running).0, DISK_BUSY);
        thread.waits_for_room.store(true, Relaxed);
        assert_eq!(disk(&running).0, DISK_FULL);
        thread.has_ended.store(true, Relaxed);
        assert_eq!(disk(&running).0, DISK_GONE);
    }

    #[test]
    fn phases_are_those_of_apache() {
        assert_eq!(
            (phase("looking - election"), phase("following - broadcast"), phase("")),
            ("election", "broadcast", "serving")
        );
    }
}
