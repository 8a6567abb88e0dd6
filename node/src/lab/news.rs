//! What happened in the lab, as a line for people or as a JSON object for scripts. Pure.

use std::time::Duration;

use wire::{Epoch, Zxid};

use super::table::{Row, State, Style};

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A process was started.
    Started {
        /// Which server.
        id: u64,
        /// Its process.
        pid: u32,
        /// Where clients connect.
        address: String,
    },
    /// A server looks different from outside; `state` is not one that leads.
    Changed {
        /// Which server.
        id: u64,
        /// How it looked.
        was: State,
        /// How it looks.
        state: State,
    },
    /// A server leads, or serves alone.
    Leads {
        /// Which server.
        id: u64,
        /// Its state, for the name of the role.
        state: State,
        /// Its epoch.
        epoch: Option<Epoch>,
        /// Its last transaction.
        zxid: Option<Zxid>,
    },
    /// A process has ended.
    Down {
        /// Which server.
        id: u64,
        /// Why.
        why: String,
    },
    /// Clients can connect: said once.
    Ready {
        /// For every ZooKeeper client.
        connection: String,
        /// Since the servers were started.
        after: Duration,
    },
    /// Anything else.
    Note(String),
}

impl News {
    /// How the line looks on a terminal.
    pub fn style(&self) -> Style {
        match self {
            News::Ready { .. } => Style::Bold,
            News::Leads { .. } => Style::Green,
            News::Down { .. } => Style::Red,
            News::Changed { state: State::Silent, .. } => Style::Red,
            News::Changed { state: State::Looking, .. } => Style::Yellow,
            _ => Style::None,
        }
    }

    /// As one JSON object.
    pub fn json(&self) -> String {
        match self {
            News::Started { id, pid, address } => object(&[
                ("event", text("started")),
                ("id", id.to_string()),
                ("pid", pid.to_string()),
                ("address", text(address)),
            ]),
            News::Changed { id, was, state } => object(&[
                ("event", text("state")),
                ("id", id.to_string()),
                ("was", text(was.name())),
                ("state", text(state.name())),
            ]),
            News::Leads { id, state, epoch, zxid } => object(&[
                ("event", text("leader")),
                ("id", id.to_string()),
                ("state", text(state.name())),
                ("epoch", number(*epoch)),
                ("zxid", maybe(zxid.map(|zxid| zxid.to_string()))),
            ]),
            News::Down { id, why } => object(&[("event", text("down")), ("id", id.to_string()), ("why", text(why))]),
            News::Ready { connection, after } => object(&[
                ("event", text("ready")),
                ("connection", text(connection)),
                ("after_ms", after.as_millis().to_string()),
            ]),
            News::Note(note) => object(&[("event", text("note")), ("text", text(note))]),
        }
    }
}

impl std::fmt::Display for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            News::Started { id, pid, address } => write!(f, "server {id}: started, pid {pid}, clients on {address}"),
            News::Changed { id, state: State::Silent, .. } => write!(f, "server {id}: silent, it does not answer"),
            News::Changed { id, was, state } => write!(f, "server {id}: {} (was {})", state.name(), was.name()),
            News::Leads { id, state: State::Standalone, .. } => write!(f, "server {id}: standalone"),
            News::Leads { id, epoch, zxid, .. } => {
                write!(f, "leader elected: server {id}")?;
                epoch.map_or(Ok(()), |epoch| write!(f, ", epoch {epoch}"))?;
                zxid.map_or(Ok(()), |zxid| write!(f, ", zxid {zxid}"))
            }
            News::Down { id, why } => write!(f, "server {id}: down ({why})"),
            News::Ready { connection, after } => {
                write!(
                    f,
                    "ready after {}.{:02} s, connect to {connection}",
                    after.as_secs(),
                    after.subsec_millis() / 10
                )
            }
            News::Note(note) => f.write_str(note),
        }
    }
}

/// All servers as one JSON object.
pub fn status_json(connection: &str, rows: &[Row]) -> String {
    let servers: Vec<_> = rows.iter().map(row_json).collect();
    object(&[
        ("event", text("status")),
        ("connection", text(connection)),
        ("servers", format!("[{}]", servers.join(","))),
    ])
}

fn row_json(row: &Row) -> String {
    let why = match &row.state {
        State::Down(why) => Some(why.clone()),
        _ => None,
    };
    object(&[
        ("id", row.id.to_string()),
        ("state", text(row.state.name())),
        ("why", maybe(why)),
        ("epoch", number(row.epoch)),
        ("zxid", maybe(row.zxid.map(|zxid| zxid.to_string()))),
        ("sessions", number(row.sessions)),
        ("connections", number(row.connections)),
        ("rss_kib", number(row.rss_kib)),
        ("pid", number(row.pid)),
        ("address", text(&row.address)),
        ("up_ms", number(row.up.map(|up| up.as_millis()))),
    ])
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn number(value: Option<impl ToString>) -> String {
    value.map_or("null".to_owned(), |value| value.to_string())
}

fn maybe(value: Option<String>) -> String {
    value.map_or("null".to_owned(), |value| text(&value))
}

fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(news: &News, line: &str, json: &str) {
        assert_eq!(news.to_string(), line);
        assert_eq!(news.json(), json);
    }

    #[test]
    fn lines_and_json() {
        check(
            &News::Started { id: 1, pid: 42, address: "127.0.0.1:2181".to_owned() },
            "server 1: started, pid 42, clients on 127.0.0.1:2181",
            r#"{"event":"started","id":1,"pid":42,"address":"127.0.0.1:2181"}"#,
        );
        check(
            &News::Leads { id: 3, state: State::Leader, epoch: Some(Epoch(2)), zxid: Some(Zxid(0x2_0000_0000)) },
            "leader elected: server 3, epoch 2, zxid 0x200000000",
            r#"{"event":"leader","id":3,"state":"leader","epoch":2,"zxid":"0x200000000"}"#,
        );
        check(
            &News::Changed { id: 1, was: State::Looking, state: State::Follower },
            "server 1: follower (was looking)",
            r#"{"event":"state","id":1,"was":"looking","state":"follower"}"#,
        );
        check(
            &News::Down { id: 2, why: "exit code 2: no \"dataDir\"\u{7}".to_owned() },
            "server 2: down (exit code 2: no \"dataDir\"\u{7})",
            r#"{"event":"down","id":2,"why":"exit code 2: no \"dataDir\"\u0007"}"#,
        );
        check(
            &News::Ready { connection: "127.0.0.1:2181,127.0.0.1:2182".to_owned(), after: Duration::from_millis(1250) },
            "ready after 1.25 s, connect to 127.0.0.1:2181,127.0.0.1:2182",
            r#"{"event":"ready","connection":"127.0.0.1:2181,127.0.0.1:2182","after_ms":1250}"#,
        );
    }

    #[test]
    fn status_of_a_server_that_is_down() {
        let row = Row {
            id: 1,
            state: State::Down("killed".to_owned()),
            epoch: None,
            zxid: None,
            sessions: None,
            connections: None,
            rss_kib: None,
            pid: None,
            address: "127.0.0.1:2181".to_owned(),
            up: None,
        };
        let expected = r#"{"event":"status","connection":"127.0.0.1:2181","servers":[{"id":1,"state":"down","why":"killed","epoch":null,"zxid":null,"sessions":null,"connections":null,"rss_kib":null,"pid":null,"address":"127.0.0.1:2181","up_ms":null}]}"#;
        assert_eq!(status_json("127.0.0.1:2181", &[row]), expected);
    }
}
