//! Connections and slow operations, as servers tell of them: `cons`, `/commands/connections`, `/commands/slow_operations`.
//!
//! Pure; what cannot be read is left out.

use serde_json::Value;

/// A connection of a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// The client's address and port.
    pub peer: String,
    /// Its session; 0 where it has none.
    pub session: i64,
    /// Packets from it.
    pub received: u64,
    /// Packets to it.
    pub sent: u64,
    /// Its requests in process.
    pub outstanding: u64,
    /// When it was made, ms since 1970.
    pub established_ms: Option<i64>,
    /// The session's timeout, ms.
    pub timeout_ms: Option<i64>,
    /// What was answered last, in Apache's four letters.
    pub last_operation: Option<String>,
    /// When that was, by the server's monotonic clock, ms; nobody else knows where that began.
    pub last_response_ms: Option<i64>,
    /// The longest time of a request, ms.
    pub latency_max_ms: Option<u64>,
    /// The mean, ms.
    pub latency_mean_ms: Option<u64>,
}

/// `cons`: ` /127.0.0.1:5[1](queued=0,recved=1,sent=1,sid=0x1,lop=PING,...)` (`ServerCnxn.dumpConnectionInfo`).
#[must_use]
pub fn of_cons(text: &str) -> Vec<Connection> {
    text.lines().filter_map(|line| of_line(line.trim())).collect()
}

fn of_line(line: &str) -> Option<Connection> {
    let (head, fields) = line.strip_suffix(')')?.rsplit_once('(')?;
    let peer = head.rsplit_once('[').map_or(head, |(peer, _)| peer);
    let field = |name: &str| fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let count = |name: &str| field(name).and_then(|text| text.parse().ok());
    let number = |name: &str| field(name).and_then(|text| text.parse().ok());
    Some(Connection {
        peer: plain(peer),
        session: field("sid").and_then(session_id).unwrap_or(0),
        received: count("recved")?,
        sent: count("sent")?,
        outstanding: count("queued")?,
        established_ms: number("est"),
        timeout_ms: number("to"),
        last_operation: field("lop").map(str::to_owned),
        last_response_ms: number("lresp"),
        latency_max_ms: count("maxlat"),
        latency_mean_ms: count("avglat"),
    })
}

/// `/commands/connections` (`ConnectionsCommand`).
#[must_use]
pub fn of_page(page: &Value) -> Vec<Connection> {
    let lists = ["connections", "secure_connections"].into_iter().filter_map(|name| page.get(name)?.as_array());
    lists.flatten().filter_map(of_object).collect()
}

fn of_object(value: &Value) -> Option<Connection> {
    let number = |name: &str| value.get(name).and_then(Value::as_i64);
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    let session = number("session_id").unwrap_or(0);
    Some(Connection {
        peer: plain(value.get("remote_socket_address")?.as_str()?),
        session,
        received: count("packets_received").unwrap_or(0),
        sent: count("packets_sent").unwrap_or(0),
        outstanding: count("outstanding_requests").unwrap_or(0),
        established_ms: number("established").or_else(|| date_ms(value.get("established")?.as_str()?)),
        timeout_ms: number("session_timeout"),
        last_operation: value.get("last_operation").and_then(Value::as_str).map(str::to_owned),
        last_response_ms: number("last_response_time"),
        latency_max_ms: count("max_latency"),
        latency_mean_ms: count("avg_latency"),
    })
}

/// A date as some versions of Apache's admin server write it, `2026-01-01T00:00:00.000+0000`.
fn date_ms(text: &str) -> Option<i64> {
    let date = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()?;
    Some(date.to_timestamp().ok()?.as_millisecond())
}

/// An address as Java writes it, without the name or nothing in front of the slash.
fn plain(peer: &str) -> String {
    peer.rsplit('/').next().unwrap_or(peer).to_owned()
}

/// A session's id as servers write it, `0x` and hexadecimal digits; ids above 2^63 are negative numbers.
#[must_use]
pub fn session_id(text: &str) -> Option<i64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok().map(u64::cast_signed)
}

/// An operation that took long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slow {
    /// When it was answered, ms since 1970.
    pub at_ms: i64,
    /// What was asked for.
    pub operation: String,
    /// Of which znode.
    pub path: String,
    /// Whose.
    pub session: String,
    /// From where.
    pub peer: String,
    /// How long it took, ms.
    pub total_ms: f64,
    /// Where the time went, ms, by phase; the longest first.
    pub phases: Vec<(String, f64)>,
}

/// `/commands/slow_operations`, which only our servers have.
#[must_use]
pub fn slow_of_page(page: &Value) -> Vec<Slow> {
    page.get("slow_operations").and_then(Value::as_array).into_iter().flatten().filter_map(slow_of_object).collect()
}

fn slow_of_object(value: &Value) -> Option<Slow> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let phases = value.get("phases").and_then(Value::as_object).into_iter().flatten();
    let phase = |(name, ms): (&String, &Value)| Some((name.trim_end_matches("_ms").to_owned(), ms.as_f64()?));
    let mut phases: Vec<(String, f64)> = phases.filter_map(phase).collect();
    phases.sort_by(|a, b| b.1.total_cmp(&a.1));
    Some(Slow {
        at_ms: value.get("at")?.as_i64()?,
        operation: text("operation"),
        path: text("path"),
        session: text("session_id"),
        peer: plain(&text("remote_socket_address")),
        total_ms: value.get("total_ms")?.as_f64()?,
        phases,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const CONS: &str = " /127.0.0.1:53012[1](queued=0,recved=7,sent=8,sid=0xff00000000000001,lop=PING,est=1790000000123,\
        to=30000,lcxid=0x1,lzxid=0x2,lresp=991,llat=0,minlat=0,avglat=1,maxlat=5)\n \
        /[0:0:0:0:0:0:0:1]:5[0](queued=0,recved=1,sent=0)\n\n";

    #[test]
    fn cons_of_both_servers_is_read() {
        let list = of_cons(CONS);
        assert_eq!(list.len(), 2);
        let first = &list[0];
        assert_eq!((first.peer.as_str(), first.session), ("127.0.0.1:53012", 0xff00_0000_0000_0001_u64.cast_signed()));
        assert_eq!((first.received, first.sent, first.timeout_ms), (7, 8, Some(30_000)));
        assert_eq!((first.last_operation.as_deref(), first.latency_max_ms), (Some("PING"), Some(5)));
        assert_eq!((list[1].peer.as_str(), list[1].session), ("[0:0:0:0:0:0:0:1]:5", 0));
    }

    #[test]
    fn the_page_of_connections_is_read() {
        let page = json!({"connections": [{"remote_socket_address": "/127.0.0.1:5", "packets_received": 3,
            "session_id": 72057594037927936_i64, "established": "2026-09-21T14:13:20.000+0000", "max_latency": 4}, {}, 3],
            "secure_connections": null});
        let list = of_page(&page);
        assert_eq!((list.len(), list[0].received, list[0].session), (1, 3, 0x0100_0000_0000_0000));
        assert_eq!(list[0].established_ms, Some(1_790_000_000_000));
    }

    #[test]
    fn slow_operations_name_their_longest_phase_first() {
        let page = json!({"slow_operations": [{"at": 1, "operation": "create", "path": null, "total_ms": 9.5,
            "phases": {"queue_ms": 1.0, "fsync_ms": 8.0, "reply_ms": null}}, {"at": 2}]});
        let list = slow_of_page(&page);
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].phases, [("fsync".to_owned(), 8.0), ("queue".to_owned(), 1.0)]);
    }

    proptest! {
        #[test]
        fn foreign_text_does_no_harm(text in ".{0,200}", number in any::<f64>()) {
            let _ = of_cons(&format!("{text}\n {text}[1]({text})\n/a[0](queued={text},recved={number},sent=1,sid={text})"));
            let page = json!({"connections": [{"remote_socket_address": text, "established": text, "session_id": number}]});
            prop_assert!(of_page(&page).len() <= 1);
            let _ = slow_of_page(&json!({"slow_operations": [{"at": number, "total_ms": number, "phases": {"a": text}}]}));
        }
    }
}
