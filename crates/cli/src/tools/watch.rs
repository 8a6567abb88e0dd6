//! `zk watch`: what happens to a znode or a subtree, as it happens.

use super::frontier::Place;
use super::out::{Out, Output};
use super::seen::{Changes, Missed, Seen};
use super::session::{self, Session};
use super::walk::{Walk, fetch_outline};
use crate::path::{self, printable};
use crate::shell::screen::{Paint, Screen};
use crate::zk::Connection;
use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use client::{AddWatchMode, Event, EventType, KeeperState};
use jiff::Zoned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use tokio::sync::mpsc::UnboundedReceiver;
use wire::ErrorCode;

/// What `zk watch` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
A line an event: time, type, path, zxid. Nothing is lost while there is no connection: when it is back, the tree is read again, and what
happened meanwhile is told as missed, as far as Stats tell it (several changes of the same data are one). Ends on ^C. Needs ZooKeeper 3.6.

Examples:
  zk watch /app/config --data
  zk watch / -r
  zk watch /app -r --output json | jq -c 'select(.type == \"NodeDeleted\")'
  zk watch /app/lock --count 1            wait for whatever happens next")]
pub struct WatchArgs {
    #[command(flatten)]
    connection: Connection,
    /// What to watch; it need not be there yet.
    #[arg(value_parser = path::typed)]
    path: String,
    /// Watch everything below, too.
    #[arg(short, long)]
    recursive: bool,
    /// Show the new data.
    #[arg(long)]
    data: bool,
    /// End after so many events of znodes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How to write.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// A line of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Something happened to a znode.
    Znode {
        /// What.
        kind: EventType,
        /// To which.
        path: String,
        /// When; `None` if it is not known.
        zxid: Option<i64>,
        /// Whether it happened while there was no connection.
        is_missed: bool,
        /// The data, where they were asked for and could be read; the inner `None` = null.
        data: Option<Option<Vec<u8>>>,
    },
    /// Something happened to the connection.
    Connection {
        /// A word for programs.
        kind: &'static str,
        /// A sentence for people.
        text: String,
    },
}

/// Data as a line can have them: text as it is, anything else in base64.
fn readable(data: Option<&[u8]>) -> (&'static str, Value) {
    match data.map(std::str::from_utf8) {
        None => ("data", Value::Null),
        Some(Ok(text)) => ("data", Value::from(text)),
        Some(Err(_)) => ("dataBase64", Value::from(BASE64.encode(data.unwrap_or_default()))),
    }
}

/// Writes a line, with the time in the form of its output.
#[must_use]
pub fn write(line: &Line, time: &str, output: Output) -> String {
    match (line, output) {
        (Line::Connection { kind, text }, Output::Json) => {
            json!({"time": time, "type": kind, "text": text}).to_string()
        }
        (Line::Connection { text, .. }, Output::Text) => format!("{time}  -- {text}"),
        (Line::Znode { kind, path, zxid, is_missed, data }, Output::Json) => {
            let mut value = json!({"time": time, "type": kind.to_string(), "path": path, "missed": is_missed});
            value["zxid"] = zxid.map_or(Value::Null, |zxid| Value::from(format!("0x{zxid:x}")));
            if let Some(data) = data {
                let (name, text) = readable(data.as_deref());
                value[name] = text;
            }
            value.to_string()
        }
        (Line::Znode { kind, path, zxid, is_missed, data }, Output::Text) => {
            let missed = if *is_missed { "missed " } else { "" };
            let zxid = zxid.map_or("-".to_owned(), |zxid| format!("0x{zxid:x}"));
            let mut text = format!("{time}  {:26}  {}  {zxid}", format!("{missed}{kind}"), printable(path));
            match data.as_ref().map(|data| readable(data.as_deref())) {
                Some(("data", Value::String(data))) => text += &format!("  {}", printable(&data)),
                Some((_, Value::String(data))) => text += &format!("  base64:{data}"),
                Some(_) => text += "  null",
                None => {}
            }
            text
        }
    }
}

/// Why a watch ended.
enum End {
    /// The user has what was asked for.
    Enough,
    /// The session is over, and another is to be begun.
    SessionOver(String),
}

/// A watch that goes on over connections and sessions.
struct Watcher {
    args: WatchArgs,
    out: Out,
    seen: Seen,
    /// How many events are still to be told.
    left: u64,
}

/// Runs `zk watch`.
///
/// # Errors
/// When there is no server at first, or it does not know such watches, or nobody reads any more.
pub fn run(args: WatchArgs) -> anyhow::Result<ExitCode> {
    session::run(async move {
        let (seen, left) = (Seen::new(!args.recursive), args.count.unwrap_or(u64::MAX));
        let mut watcher = Watcher { args, out: Out::of_process(), seen, left };
        tokio::select! {
            ended = watcher.watch() => ended?,
            stopped = tokio::signal::ctrl_c() => stopped?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

impl Watcher {
    /// Watches, session after session.
    async fn watch(&mut self) -> anyhow::Result<()> {
        let (mut session, mut events) = Session::open(&self.args.connection, None).await?;
        let mut is_first = true;
        loop {
            match self.watch_in(&session, &mut events, is_first).await? {
                End::Enough => {
                    session.client.close().await;
                    return Ok(());
                }
                End::SessionOver(reason) => {
                    self.connection("SessionOver", format!("{reason}; another session is begun"))?
                }
            }
            is_first = false;
            (session, events) = loop {
                // It says itself how long it waits for a server.
                match Session::open(&self.args.connection, None).await {
                    Ok(opened) => break opened,
                    Err(error) => self.connection("NoServer", format!("{error:#}"))?,
                }
            };
        }
    }

    async fn watch_in(
        &mut self,
        session: &Session,
        events: &mut UnboundedReceiver<Event>,
        is_first: bool,
    ) -> anyhow::Result<End> {
        let mode = if self.args.recursive { AddWatchMode::PersistentRecursive } else { AddWatchMode::Persistent };
        match session.ask(async |client| client.add_watch(&self.args.path, mode).await).await {
            Ok(()) => {}
            Err(error) if error.is(ErrorCode::Unimplemented) => {
                return Err(anyhow!(
                    "{}: this server does not know such watches; ZooKeeper has them since 3.6",
                    session.hosts()
                ));
            }
            Err(error) if session.client.state().is_alive() && is_first => return Err(session.failure(&error)),
            Err(error) => return Ok(End::SessionOver(error.to_string())),
        }
        if is_first {
            let Some(now) = self.read(session).await? else { return Ok(End::SessionOver("no server".to_owned())) };
            self.seen.on_read(now);
            let what = super::out::count(self.seen.len() as u64, "znode");
            Screen::of_process().err(&format!("watching {}: {what}\n", self.args.path));
        } else if let Some(end) = self.catch_up(session).await? {
            return Ok(end);
        }
        while let Some(event) = events.recv().await {
            if let Some(end) = self.on_event(session, event).await? {
                return Ok(end);
            }
        }
        Ok(End::SessionOver("the session has ended".to_owned()))
    }

    async fn on_event(&mut self, session: &Session, event: Event) -> anyhow::Result<Option<End>> {
        let Some(path) = event.path else {
            return match event.state {
                KeeperState::Disconnected => {
                    self.connection("Disconnected", "connection lost".to_owned())?;
                    Ok(None)
                }
                KeeperState::SyncConnected | KeeperState::ConnectedReadOnly => self.catch_up(session).await,
                KeeperState::Expired | KeeperState::Closed => {
                    Ok(Some(End::SessionOver("the session has expired".to_owned())))
                }
                KeeperState::AuthFailed => Err(anyhow!("{}: an identity of --auth was refused", session.hosts())),
            };
        };
        // Servers before 3.9 do not say when: then the Stat does.
        let zxid = if event.zxid == Event::NO_ZXID {
            self.zxid_of(session, event.kind, &path).await
        } else {
            Some(event.zxid)
        };
        if !self.seen.on_event(event.kind, &path, zxid.unwrap_or(i64::MAX)) {
            return Ok(None);
        }
        self.znode(session, Missed { path, kind: event.kind, zxid }, false).await
    }

    async fn zxid_of(&self, session: &Session, kind: EventType, path: &str) -> Option<i64> {
        let stat = session.ask(async |client| client.exists(path, false).await).await.ok()??;
        match kind {
            EventType::NodeCreated => Some(stat.czxid),
            EventType::NodeDataChanged => Some(stat.mzxid),
            EventType::NodeChildrenChanged => Some(stat.pzxid),
            _ => None,
        }
    }

    /// A server serves again: tells what was missed.
    async fn catch_up(&mut self, session: &Session) -> anyhow::Result<Option<End>> {
        let server = session.client.server().map_or_else(|| session.hosts().to_owned(), |server| server.to_string());
        self.connection("Connected", format!("connection back, to {server}; reading what was missed"))?;
        let Some(now) = self.read(session).await? else {
            // The next event says what became of the session.
            return Ok(None);
        };
        let missed = self.seen.on_read(now);
        let number = missed.len() as u64;
        for missed in missed {
            if let Some(end) = self.znode(session, missed, true).await? {
                return Ok(Some(end));
            }
        }
        self.connection("InStep", format!("{} missed, as far as Stats tell", super::out::count(number, "event")))?;
        Ok(None)
    }

    /// Reads the Stats of what is watched; `None` if the servers are gone again.
    async fn read(&self, session: &Session) -> anyhow::Result<Option<BTreeMap<String, Changes>>> {
        let depth_max = if self.args.recursive { usize::MAX } else { 0 };
        let mut walk = Walk::new(&self.args.path, |place: Place| fetch_outline(session.clone(), place, depth_max));
        let mut now = BTreeMap::new();
        loop {
            match walk.next().await {
                Ok(Some((place, outline))) if outline.stat.czxid != 0 || outline.is_open => {
                    now.insert(place.path, Changes::from(&outline.stat));
                }
                // Nobody is told of changes of what may not be read.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Some(now)),
                Err(error) if error.is(ErrorCode::ConnectionLoss) || error.is(ErrorCode::SessionExpired) => {
                    return Ok(None);
                }
                Err(error) => return Err(session.failure(&error)),
            }
        }
    }

    /// Tells of a znode.
    async fn znode(&mut self, session: &Session, what: Missed, is_missed: bool) -> anyhow::Result<Option<End>> {
        let has_data = matches!(what.kind, EventType::NodeCreated | EventType::NodeDataChanged);
        let data = if self.args.data && has_data {
            // Whoever deletes it first is told in the next line.
            session.ask(async |client| client.get_data(&what.path, false).await).await.ok().map(|(data, _)| data)
        } else {
            None
        };
        let Missed { path, kind, zxid } = what;
        self.tell(&Line::Znode { kind, path, zxid, is_missed, data })?;
        self.left -= 1;
        Ok((self.left == 0).then_some(End::Enough))
    }

    fn connection(&mut self, kind: &'static str, text: String) -> std::io::Result<()> {
        self.tell(&Line::Connection { kind, text })
    }

    fn tell(&mut self, line: &Line) -> std::io::Result<()> {
        let time = Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string();
        let text = write(line, &time, self.args.output);
        let text = match line {
            Line::Connection { .. } => self.out.paint(Paint::Yellow, &text),
            Line::Znode { .. } => text,
        };
        self.out.line(&text)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(data: Option<Option<&[u8]>>, is_missed: bool) -> Line {
        let data = data.map(|data| data.map(<[u8]>::to_vec));
        Line::Znode { kind: EventType::NodeCreated, path: "/a b".into(), zxid: Some(0x1_0000_0002), is_missed, data }
    }

    fn text(line: &Line) -> String {
        write(line, "T", Output::Text)
    }

    #[test]
    fn lines_for_people() {
        assert_eq!(text(&line(None, false)), "T  NodeCreated                 /a b  0x100000002");
        assert_eq!(text(&line(None, true)), "T  missed NodeCreated          /a b  0x100000002");
        assert!(text(&line(Some(None), false)).ends_with("  0x100000002  null"));
        assert!(text(&line(Some(Some(b"a\nb")), false)).ends_with("  a\\nb"));
        assert!(text(&line(Some(Some(b"\xff")), false)).ends_with("  base64:/w=="));
        assert_eq!(
            text(&Line::Connection { kind: "Disconnected", text: "connection lost".into() }),
            "T  -- connection lost"
        );
    }

    #[test]
    fn lines_for_programs() {
        let value = |line: &Line| serde_json::from_str::<Value>(&write(line, "T", Output::Json)).unwrap();
        let plain = json!({"time": "T", "type": "NodeCreated", "path": "/a b", "missed": false, "zxid": "0x100000002"});
        assert_eq!(value(&line(None, false)), plain);
        assert_eq!(value(&line(Some(None), true))["data"], Value::Null);
        assert_eq!(value(&line(Some(Some(b"\xff")), true))["dataBase64"], "/w==");
        assert_eq!(value(&line(Some(Some(b"x")), true))["data"], "x");
        let connection = Line::Connection { kind: "Disconnected", text: "connection lost".into() };
        assert_eq!(value(&connection), json!({"time": "T", "type": "Disconnected", "text": "connection lost"}));
    }
}
