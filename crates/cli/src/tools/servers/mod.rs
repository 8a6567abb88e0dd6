//! What the tools about servers share: who the members are, how each is asked, what it tells.
//!
//! ```text
//!   session, admin ports, words --> members --> survey of each, by itself --> Sample --> ensemble, owner, top
//! ```
//! [`ask`], [`survey`] and [`Asking::members`] are the only parts that know sockets; the rest is pure.

pub mod ask;
pub mod clients;
pub mod figures;
pub mod members;
pub mod ports;
pub mod sample;
pub mod survey;
pub mod table;

use crate::shell::screen;
use crate::zk::Connection;
use client::{Client, ConnectString, Error, Event, HostPort};
use figures::Figures;
use futures::future::join_all;
use members::{Member, Members};
use ports::Ports;
use std::time::Duration;
use survey::Way;
use tokio::sync::mpsc::UnboundedReceiver;

/// The longest time for one question to one server.
const QUESTION_MS_MAX: u64 = 2_000;
/// The longest time to wait for a session; an ensemble without a leader gives none.
const SESSION_MS_MAX: u64 = 5_000;

/// How the servers are asked, beside their client ports.
#[derive(Debug, Clone, clap::Args)]
pub struct Asking {
    /// The session.
    #[command(flatten)]
    pub connection: Connection,
    /// Ports of the admin servers: one for all, SID=PORT for each, or `none`: then four-letter words are asked.
    #[arg(long, env = "ZK_ADMIN_PORT", default_value = "8080", value_name = "PORT|SID=PORT,...")]
    pub admin_port: Ports,
    /// Ports of metrics, likewise. Only there tell our servers of the phases of a write and of what learners lack.
    #[arg(long, env = "ZK_METRICS_PORT", default_value = "7000", value_name = "PORT|SID=PORT,...")]
    pub metrics_port: Ports,
}

impl Asking {
    /// How the members are asked.
    #[must_use]
    pub fn way(&self, members: &Members) -> Way {
        let way = Way {
            admin: self.admin_port.clone(),
            metrics: self.metrics_port.clone(),
            patience: self.question(),
            are_hosts_shared: false,
        };
        way.suited(&members.list)
    }

    /// How long a session may take.
    #[must_use]
    pub fn session(&self) -> Duration {
        Duration::from_millis(SESSION_MS_MAX).min(self.timeout())
    }

    fn question(&self) -> Duration {
        Duration::from_millis(QUESTION_MS_MAX).min(self.timeout())
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.connection.timeout).unwrap_or(1))
    }

    /// Begins a session.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub async fn open(&self) -> anyhow::Result<(Client, UnboundedReceiver<Event>)> {
        self.connection.open(&self.connection.server).await
    }

    /// Who the members are: by the session, else by what the servers of the connect string know, else they themselves. Beside them,
    /// what did not work.
    ///
    /// # Errors
    /// When `--server` makes no sense.
    pub async fn members(&self, client: &Client) -> anyhow::Result<(Members, Vec<String>)> {
        let named = ConnectString::parse(&self.connection.server).map_err(anyhow::Error::msg)?;
        let mut notes = Vec::new();
        let asked = tokio::time::timeout(self.session(), client.get_config(false)).await;
        match asked.map(|answer| answer.map_err(|error| refused(&error))) {
            Ok(Ok((data, _))) => {
                let text = String::from_utf8_lossy(data.as_deref().unwrap_or_default()).into_owned();
                let mut members = members::of_configuration(&text, &named.servers, "/zookeeper/config");
                if !members.list.is_empty() {
                    self.find_client_ports(&mut members.list, &named.servers).await;
                    return Ok((members, notes));
                }
            }
            Ok(Err(why)) => notes.push(format!("/zookeeper/config: {why}")),
            Err(_) => notes.push(format!("no session within {} ms", self.session().as_millis())),
        }
        let from_names = members::of_connect_string(&named.servers);
        for member in &from_names.list {
            if let Some(address) = self.admin_port.of(member)
                && let Ok(page) = ask::json(&address, "/commands/voting_view", self.question()).await
            {
                let members = members::of_voting_view(&page, &named.servers, "the admin command voting_view");
                if members.list.iter().any(|one| one.address.port == member.address.port) {
                    return Ok((members, notes));
                }
            }
            if let Ok(text) = ask::word(&member.address, "conf", self.question()).await
                && Figures::of_conf(&text).text("serverId").is_some()
            {
                let members = members::of_configuration(&text, &named.servers, "the word conf");
                if !members.list.is_empty() {
                    return Ok((members, notes));
                }
            }
        }
        Ok((from_names, notes))
    }

    /// A configuration without client ports, as one of a static `zoo.cfg` is: the servers know their own.
    async fn find_client_ports(&self, members: &mut [Member], named: &[HostPort]) {
        if !members.iter().any(|member| member.is_guessed) {
            return;
        }
        let told = named.iter().map(|server| async move {
            let text = ask::word(server, "conf", self.question()).await.ok()?;
            Some((Figures::of_conf(&text).text("serverId")?.parse::<i64>().ok()?, server.clone()))
        });
        let told: Vec<_> = join_all(told).await.into_iter().flatten().collect();
        let own = members.iter().filter(|member| member.is_guessed).map(|member| async move {
            let page =
                ask::json(&self.admin_port.of(member)?, "/commands/configuration", self.question()).await.ok()?;
            let figures = Figures::of_json(&page);
            let sid: i64 = figures.text("server_id")?.parse().ok()?;
            let port = u16::try_from(figures.count("client_port")?).ok()?;
            Some((sid, HostPort { host: member.address.host.clone(), port }))
        });
        let own: Vec<_> = join_all(own).await.into_iter().flatten().collect();
        members::take_addresses(members, &told.into_iter().chain(own).collect::<Vec<_>>(), named);
    }
}

fn refused(error: &Error) -> String {
    error.to_string()
}

/// Whether standard output is a terminal that may be coloured.
#[must_use]
pub fn has_colours() -> bool {
    screen::has_colours(&std::io::stdout())
}

/// A duration in its two largest units: `3d 4h`, `2m 5s`, `12s`.
#[must_use]
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// A zxid as every log writes it.
#[must_use]
pub fn zxid(zxid: i64) -> String {
    format!("{zxid:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let cases = [(999, "0s"), (61_000, "1m 1s"), (3_600_000, "1h 0m"), (90_000_000, "1d 1h")];
        for (ms, expected) in cases {
            assert_eq!(duration(ms), expected);
        }
    }
}
