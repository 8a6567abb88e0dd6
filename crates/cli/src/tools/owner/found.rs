//! What is known of the owner of an ephemeral, put together from what several servers say.

use crate::shell::text::date;
use crate::tools::servers::clients::{Connection, session_id};
use crate::tools::servers::duration;
use crate::tools::servers::members::Member;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::fmt::Write;

/// An ephemeral and its owner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The znode, by the name that servers know.
    pub path: String,
    /// Whose it is.
    pub session: i64,
    /// When it was created, ms since 1970.
    pub ctime_ms: i64,
    /// The session's timeout, ms.
    pub timeout_ms: Option<i64>,
    /// The client's address.
    pub client: Option<String>,
    /// Who the client has proven to be.
    pub principals: Vec<String>,
    /// When it connected, ms since 1970.
    pub established_ms: Option<i64>,
    /// What it did last.
    pub last_operation: Option<String>,
    /// How long ago that was answered, ms.
    pub silent_ms: Option<i64>,
    /// The server that it is connected to.
    pub server: Option<String>,
    /// When the session expires unless its client comes back, in a server's words.
    pub expires: Option<String>,
    /// Who told of the client.
    pub via: Option<String>,
    /// What was not told, and why.
    pub notes: Vec<String>,
}

impl Found {
    /// The admin command `owner` of ours. A page about another session is that of another ensemble, or of another moment.
    pub fn take_page(&mut self, page: &Value, members: &[Member], via: &str) {
        let text = |name: &str| page.get(name).and_then(Value::as_str);
        let number = |name: &str| page.get(name).and_then(Value::as_i64);
        if text("session_id").and_then(session_id) != Some(self.session) {
            return;
        }
        self.timeout_ms = self.timeout_ms.or(number("session_timeout"));
        if self.server.is_none()
            && let Some(sid) = number("server_id")
        {
            let member = members.iter().find(|member| member.sid == Some(sid));
            self.server = Some(member.map_or_else(|| format!("server {sid}"), Member::name));
            self.via = Some(via.to_owned());
        }
        if let Some(client) = text("client_address").filter(|_| self.client.is_none()) {
            self.client = Some(client.to_owned());
            self.established_ms = number("established");
            self.last_operation = text("last_operation").map(str::to_owned);
            self.silent_ms = number("last_response_ms_ago");
            let principals = page.get("principals").and_then(Value::as_array).into_iter().flatten();
            self.principals = principals.filter_map(|one| one.as_str().map(str::to_owned)).collect();
            self.via = Some(via.to_owned());
        }
    }

    /// The connections of a member.
    pub fn take_connections(&mut self, list: &[Connection], member: &Member, via: &str) {
        let Some(one) = list.iter().find(|one| one.session == self.session) else { return };
        self.client = Some(one.peer.clone());
        self.timeout_ms = self.timeout_ms.or(one.timeout_ms);
        self.established_ms = one.established_ms;
        self.last_operation.clone_from(&one.last_operation);
        self.server = Some(member.name());
        self.via = Some(format!("{via} of {}", member.name()));
    }

    /// The word `dump` of a leader: sessions below the time at which they expire (`SessionTrackerImpl.dumpSessions`).
    pub fn take_dump(&mut self, text: &str) {
        let mut at = None;
        for line in text.lines() {
            if let Some((_, time)) = line.split_once(" expire at ") {
                at = Some(time.trim_end_matches(':').to_owned());
            } else if session_id(line.trim()) == Some(self.session) && at.is_some() {
                self.expires = at;
                return;
            } else if !line.starts_with(['\t', ' ']) {
                // The next part: ephemerals, connections.
                at = None;
            }
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, zone: &TimeZone, now_ms: i64) -> String {
        let ago = |ms: i64| duration(u64::try_from(now_ms - ms).unwrap_or(0));
        let moment = |ms: i64| format!("{} ({} ago)", date(ms, zone), ago(ms));
        let unknown = || match &self.expires {
            Some(time) => format!("not connected; the session expires at {time} unless it comes back"),
            None => "not known: no server that answered has a connection of it".to_owned(),
        };
        let timeout = self.timeout_ms.map(|ms| format!(", timeout {ms} ms")).unwrap_or_default();
        let mut lines = vec![
            ("path", self.path.clone()),
            ("session", format!("{:#x}{timeout}", self.session)),
            ("created", moment(self.ctime_ms)),
            ("client", self.client.clone().unwrap_or_else(unknown)),
        ];
        lines.extend(self.server.clone().map(|server| ("connected to", server)));
        lines.extend(self.established_ms.map(|ms| ("connected since", moment(ms))));
        let silent = self.silent_ms.map(|ms| format!("{} ms ago", ms.max(0)));
        let last = [self.last_operation.clone(), silent].into_iter().flatten().collect::<Vec<_>>();
        if !last.is_empty() {
            lines.push(("last activity", last.join(", ")));
        }
        if !self.principals.is_empty() {
            lines.push(("identities", self.principals.join(" ")));
        }
        lines.extend(self.via.clone().map(|via| ("told by", via)));
        lines.extend(self.notes.iter().map(|note| ("note", note.clone())));
        let mut text = String::new();
        for (name, value) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name:<16}{value}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "path": self.path,
            "session": format!("{:#x}", self.session),
            "ctime_ms": self.ctime_ms,
            "session_timeout_ms": self.timeout_ms,
            "client": self.client,
            "server": self.server,
            "established_ms": self.established_ms,
            "last_operation": self.last_operation,
            "last_response_ms_ago": self.silent_ms,
            "expires": self.expires,
            "principals": self.principals,
            "via": self.via,
            "notes": self.notes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::servers::clients::of_cons;
    use client::HostPort;

    fn member(sid: i64) -> Member {
        let address = HostPort { host: format!("zk{sid}"), port: 2181 };
        Member { sid: Some(sid), votes: Some(true), address, is_guessed: false }
    }

    fn found() -> Found {
        Found { path: "/lock".into(), session: 0x1000, ctime_ms: 1_790_000_000_123, ..Found::default() }
    }

    #[test]
    fn the_server_with_the_connection_tells_most() {
        let members = [member(1), member(2)];
        let mut found = found();
        let leader = json!({"session_id": "0x1000", "session_timeout": 4000, "connected_here": false, "server_id": 2});
        found.take_page(&leader, &members, "admin zk1:8080");
        let other = json!({"session_id": "0x2000", "client_address": "9.9.9.9:9"});
        found.take_page(&other, &members, "admin zk9:8080");
        let here = json!({"session_id": "0x1000", "connected_here": true, "server_id": 2, "client_address": "10.0.0.7:5",
            "established": 1_790_000_060_000_i64, "last_operation": "PING", "last_response_ms_ago": 12, "principals": ["digest:bob"]});
        found.take_page(&here, &members, "admin zk2:8080");
        let text = found.text(&TimeZone::UTC, 1_790_000_120_000);
        let expected = "\
path            /lock
session         0x1000, timeout 4000 ms
created         Mon Sep 21 14:13:20 UTC 2026 (1m 59s ago)
client          10.0.0.7:5
connected to    server 2 (zk2:2181)
connected since Mon Sep 21 14:14:20 UTC 2026 (1m 0s ago)
last activity   PING, 12 ms ago
identities      digest:bob
told by         admin zk2:8080
";
        assert_eq!(text, expected);
        assert_eq!(found.json()["session"], json!("0x1000"));
    }

    #[test]
    fn cons_tells_where_it_is_connected() {
        let mut found = found();
        let list = of_cons(" /10.0.0.7:5[1](queued=0,recved=1,sent=1,sid=0x1000,lop=CREA,est=5,to=30000)\n");
        found.take_connections(&list, &member(3), "cons");
        assert_eq!((found.client.as_deref(), found.timeout_ms), (Some("10.0.0.7:5"), Some(30_000)));
        assert_eq!(found.via.as_deref(), Some("cons of server 3 (zk3:2181)"));
    }

    #[test]
    fn dump_tells_when_it_expires() {
        let mut found = found();
        found.take_dump("SessionTracker dump:\nGlobal Sessions(1):\n0x1000\t4000ms\n");
        assert_eq!(found.expires, None);
        let dump = "SessionTracker dump:\nSession Sets (2)/(2):\n1 expire at Mon Sep 21 14:14:20 UTC 2026:\n\t0x999\n\
            1 expire at Mon Sep 21 14:15:20 UTC 2026:\n\t0x1000\nephemeral nodes dump:\nSessions with Ephemerals (1):\n0x1000:\n\t/lock\n";
        found.take_dump(dump);
        assert_eq!(found.expires.as_deref(), Some("Mon Sep 21 14:15:20 UTC 2026"));
        assert!(found.text(&TimeZone::UTC, 0).contains("expires at Mon Sep 21 14:15:20 UTC 2026 unless it comes back"));
    }
}
