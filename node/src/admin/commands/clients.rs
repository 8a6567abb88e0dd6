//! Commands about clients: connections, sessions, watches.

use crate::admin::call::{Call, Reply};
use crate::admin::json::{Json, list, object};
use crate::admin::state::Running;
use crate::connection::Conn;
use crate::four_letter::figures;
use crate::four_letter::text::operation_code;
use crate::notation::Plain;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use wire::SessionId;
use wire::client::OpCode;

/// Apache's selector key of a connection that is read from (`SelectionKey.OP_READ`).
const INTEREST_IN_INPUT: i64 = 1;
/// The timeout that Apache's connection has before its session gives it another (`NIOServerCnxn`).
const TIMEOUT_MS_BEFORE_SESSION: i32 = 10_000;

/// `ConsCommand`.
pub fn connections(_: &Call, running: &Running) -> Reply {
    with_connections(Reply::default(), running, Detail::Full)
}

/// `StatCommand`.
pub fn stats(call: &Call, running: &Running) -> Reply {
    with_connections(super::server::server_stats(call, running), running, Detail::Brief)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    Brief,
    Full,
}

fn with_connections(mut reply: Reply, running: &Running, detail: Detail) -> Reply {
    let conns = running.shared.registry.list();
    reply.put("connections", list(conns.iter().map(|conn| connection(conn, detail))));
    // There is no port for clients with TLS.
    reply.put("secure_connections", list::<Json>([]));
    reply
}

/// `ServerCnxn.getConnectionInfo`.
fn connection(conn: &Conn, detail: Detail) -> Json {
    let stats = &conn.stats;
    let mut fields = vec![
        ("remote_socket_address", Json::from(Plain(conn.peer).to_string())),
        ("interest_ops", INTEREST_IN_INPUT.into()),
        ("outstanding_requests", stats.outstanding.load(Relaxed).into()),
        ("packets_received", stats.received.load(Relaxed).into()),
        ("packets_sent", stats.sent.load(Relaxed).into()),
    ];
    if detail == Detail::Full {
        fields.extend(session_fields(conn));
    }
    Json::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn session_fields(conn: &Conn) -> [(&'static str, Json); 11] {
    let (stats, latency) = (&conn.stats, &conn.stats.latency);
    let session = conn.session();
    // A connection begins with nothing and 0; what is unknown since the figures began anew is NA and -1.
    let has_session = session != SessionId::NONE;
    let operation = OpCode::from_i32(stats.last_opcode.load(Relaxed)).map_or("NA", operation_code);
    let number = |number: i64| if has_session { number } else { 0 };
    [
        ("session_id", session.0.into()),
        ("last_operation", has_session.then_some(operation).into()),
        ("established", conn.established.0.into()),
        ("session_timeout", if has_session { conn.timeout_ms() } else { TIMEOUT_MS_BEFORE_SESSION }.into()),
        ("last_cxid", number(stats.last_cxid.load(Relaxed)).into()),
        ("last_zxid", number(stats.last_zxid.load(Relaxed)).into()),
        ("last_response_time", stats.last_response.load(Relaxed).into()),
        ("last_latency", latency.last().into()),
        ("min_latency", latency.totals().min().into()),
        // A whole number here, unlike in `server_stats`.
        ("avg_latency", Json::Int(latency.totals().mean() as i64)),
        ("max_latency", latency.totals().max().into()),
    ]
}

/// `DumpCommand`. Only who expires sessions knows when; the times are those of the machine's monotonic clock, as in Apache.
pub fn dump(_: &Call, running: &Running) -> Reply {
    let status = running.shared.status();
    let mut expiring: BTreeMap<i64, Vec<SessionId>> = BTreeMap::new();
    if matches!(status.mode, "leader" | "standalone") {
        let local = status.local_session_buckets.iter().flatten();
        for (at, sessions) in local.chain(&status.session_buckets) {
            expiring.entry(at.0).or_default().extend(sessions);
        }
    }
    let expiring = expiring.into_iter().map(|(at, sessions)| (at.to_string(), ids(&sessions)));
    let ephemerals = running.shared.tree.read().ephemerals();
    let owned = ephemerals.into_iter().map(|(session, paths)| (session.0.to_string(), list(paths)));
    Reply::of([
        ("expiry_time_to_session_ids", Json::Object(expiring.collect())),
        ("session_id_to_ephemeral_paths", Json::Object(owned.collect())),
    ])
}

fn ids(sessions: &[SessionId]) -> Json {
    list(sessions.iter().map(|session| session.0))
}

/// `WatchSummaryCommand`.
pub fn watch_summary(_: &Call, running: &Running) -> Reply {
    let summary = running.shared.tree.read().watch_summary();
    Reply::of([
        ("num_connections", summary.connections.into()),
        ("num_paths", summary.paths.into()),
        ("num_total_watches", summary.watches.into()),
    ])
}

/// `WatchCommand`.
pub fn watches(_: &Call, running: &Running) -> Reply {
    let watches = figures::watches_by_session(&running.shared);
    let fields = watches.into_iter().map(|(session, paths)| (session.0.to_string(), list(paths)));
    Reply::of([("session_id_to_watched_paths", Json::Object(fields.collect()))])
}

/// `WatchesByPathCommand`.
pub fn watches_by_path(_: &Call, running: &Running) -> Reply {
    let watches = figures::watches_by_path(&running.shared);
    let fields = watches.into_iter().map(|(path, sessions)| (path, ids(&sessions)));
    Reply::of([("path_to_session_ids", Json::Object(fields.collect()))])
}

/// A session's id as operators write it.
pub(super) fn session_id(session: SessionId) -> Json {
    Json::Text(session.to_string())
}

/// An empty object, where something could be.
pub(super) fn nothing() -> Json {
    object([])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tree::ConnId;
    use wire::{Millis, Xid, Zxid};

    fn conn() -> Conn {
        let peer = "127.0.0.1:43402".parse().unwrap();
        let mut conn = Conn::new(ConnId(1), peer);
        conn.established = Millis(1_795_322_382_140);
        conn
    }

    fn with_session() -> Conn {
        let conn = conn();
        conn.attach(SessionId(72_061_428_384_727_041), 12_000);
        conn.stats.received.store(5, Relaxed);
        conn.stats.sent.store(5, Relaxed);
        conn.stats.answered(OpCode::GetChildren2 as i32, Xid(4), Zxid(150), Millis(58_508_359));
        conn.stats.latency.add(0, 1);
        conn.stats.latency.add(1, 1);
        conn
    }

    /// As a server of Apache's has answered.
    #[test]
    fn a_connection_has_apaches_keys_in_their_order() {
        let conn = with_session();
        assert_eq!(
            connection(&conn, Detail::Full).compact(),
            r#"{"remote_socket_address":"127.0.0.1:43402","interest_ops":1,"outstanding_requests":0,"packets_received":5,"packets_sent":5,"session_id":72061428384727041,"last_operation":"GETC","established":1795322382140,"session_timeout":12000,"last_cxid":4,"last_zxid":150,"last_response_time":58508359,"last_latency":1,"min_latency":0,"avg_latency":0,"max_latency":1}"#
        );
        assert_eq!(
            connection(&conn, Detail::Brief).compact(),
            r#"{"remote_socket_address":"127.0.0.1:43402","interest_ops":1,"outstanding_requests":0,"packets_received":5,"packets_sent":5}"#
        );
        conn.stats.reset();
        let text = connection(&conn, Detail::Full).compact();
        assert!(
            text.contains(r#""last_operation":"NA""#) && text.contains(r#""last_cxid":-1,"last_zxid":-1"#),
            "{text}"
        );
    }

    #[test]
    fn a_connection_without_a_session_has_them_too() {
        let text = connection(&conn(), Detail::Full).compact();
        assert!(text.contains(r#""session_id":0,"last_operation":null,"established":1795322382140"#), "{text}");
        assert!(
            text.contains(r#""session_timeout":10000,"last_cxid":0,"last_zxid":0,"last_response_time":0"#),
            "{text}"
        );
    }
}
