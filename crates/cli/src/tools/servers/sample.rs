//! What is known of one server at one moment, from whichever of its answers there are.
//!
//! Pure: answers in, a [`Sample`] out. Where two answers tell the same, the first one taken stands.

use super::clients::{Connection, Slow};
use super::figures::{Figures, metrics};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Leads.
    Leader,
    /// Follows and votes.
    Follower,
    /// Follows without a vote.
    Observer,
    /// Is alone.
    Standalone,
    /// Serves reads without a quorum.
    ReadOnly,
    /// Looks for a leader, or waits for one.
    Looking,
    /// Reads its data directory.
    Loading,
    /// Waits to become a member.
    Joining,
    /// Has left for good.
    Retired,
    /// Answers, and serves no clients; why is not known.
    NotServing,
}

impl Role {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Follower => "follower",
            Role::Observer => "observer",
            Role::Standalone => "standalone",
            Role::ReadOnly => "read-only",
            Role::Looking => "looking",
            Role::Loading => "loading",
            Role::Joining => "joining",
            Role::Retired => "retired",
            Role::NotServing => "not serving",
        }
    }

    /// The role that a word stands for: `Mode` of `srvr`, `server_state` of `mntr`, `state` of `/v1/status`.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Role> {
        Some(match word {
            "leader" | "leading" => Role::Leader,
            "follower" | "following" => Role::Follower,
            "observer" | "observing" => Role::Observer,
            "standalone" => Role::Standalone,
            "read-only" => Role::ReadOnly,
            "looking" => Role::Looking,
            "loading" => Role::Loading,
            "joining" => Role::Joining,
            "retired" => Role::Retired,
            _ => return None,
        })
    }

    /// Whether a server in this role is in step with an ensemble, or is one.
    #[must_use]
    pub fn is_in_step(self) -> bool {
        matches!(self, Role::Leader | Role::Follower | Role::Observer | Role::Standalone)
    }
}

/// Requests of one kind: how many so far, and how long the last ones took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Requests {
    /// Since the server's start.
    pub count: Option<u64>,
    /// Median, ms.
    pub p50_ms: Option<f64>,
    /// 99 of 100 were faster, ms.
    pub p99_ms: Option<f64>,
}

/// A phase of a write since the server's start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Phase {
    /// Its name: queue, log_append, fsync, quorum, apply, reply; of Apache's servers that of the summary.
    pub name: String,
    /// Of how many writes.
    pub count: u64,
    /// Their time in all, ms.
    pub sum_ms: f64,
}

/// How far the leader has heard a learner to be behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    /// Proposals that it has not acknowledged.
    pub zxids: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is known of one server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Its id; 0 of a standalone server.
    pub sid: Option<i64>,
    /// What it does.
    pub role: Option<Role>,
    /// Why it does not serve, in its own words.
    pub reason: Option<String>,
    /// The epoch that it has promised its leader.
    pub promised_epoch: Option<i64>,
    /// The last transaction that it has applied.
    pub zxid: Option<i64>,
    /// Whom it follows, or itself.
    pub leader: Option<i64>,
    /// How many voters the configuration has that it knows.
    pub voters: Option<u64>,
    /// Its version, without the day on which it was built.
    pub version: Option<String>,
    /// Connections of clients.
    pub connections: Option<u64>,
    /// Requests in process.
    pub outstanding: Option<u64>,
    /// How long it runs, ms.
    pub uptime_ms: Option<u64>,
    /// Sessions that it knows.
    pub sessions: Option<u64>,
    /// Watches.
    pub watches: Option<u64>,
    /// Znodes.
    pub znodes: Option<u64>,
    /// Packets from clients and to them, since the start or `srst`.
    pub packets: Option<(u64, u64)>,
    /// Reads.
    pub reads: Requests,
    /// Writes.
    pub writes: Requests,
    /// Median time from a proposal until its commit is applied here, ms (`commit_propagation_latency`).
    pub propagation_ms: Option<f64>,
    /// The phases of a write.
    pub phases: Vec<Phase>,
    /// Of a leader: its learners by id.
    pub behind: BTreeMap<i64, Behind>,
    /// Connections of clients, where they were asked for and told.
    pub clients: Option<Vec<Connection>>,
    /// Slow operations, likewise.
    pub slow: Option<Vec<Slow>>,
    /// How it was reached: `admin 10.0.0.1:8080`, or the four-letter words that it answered.
    pub via: String,
    /// What it did not tell, and why.
    pub notes: Vec<String>,
    /// How long it took to ask it.
    pub took: Duration,
}

/// Summaries of Apache's `mntr` that tell of the way of a write, in its order.
const APACHE_PHASES: &[&str] = &[
    "prep_processor_queue_time_ms",
    "sync_processor_queue_time_ms",
    "fsynctime",
    "quorum_ack_latency",
    "propagation_latency",
];

impl Sample {
    /// The epoch: of the last transaction, or one that was promised and has none yet.
    #[must_use]
    pub fn epoch(&self) -> Option<i64> {
        self.promised_epoch.max(self.zxid.map(|zxid| zxid >> 32))
    }

    /// `GET /v1/status`, which only our servers have.
    pub fn take_status(&mut self, page: &Value) {
        let number = |name: &str| page.get(name).and_then(Value::as_i64);
        let text = |name: &str| page.get(name).and_then(Value::as_str);
        self.sid = self.sid.or(number("sid"));
        self.role = self.role.or(text("state").and_then(Role::of_word));
        self.reason = self.reason.take().or(text("reason").map(str::to_owned));
        self.promised_epoch = self.promised_epoch.or(number("epoch"));
        self.leader = self.leader.or(number("leader"));
        self.zxid = self.zxid.or(text("lastZxid").and_then(zxid));
        let config = page.get("config").and_then(Value::as_object).filter(|config| !config.is_empty());
        let voters = config.map(|config| config.values().filter(|role| role.as_str() == Some("voter")).count() as u64);
        self.voters = self.voters.or(voters);
    }

    /// `/commands/server_stats`.
    pub fn take_server_stats(&mut self, page: &Value) {
        let stats = Figures::of_json(page.get("server_stats").unwrap_or(&Value::Null));
        self.take_state(stats.text("server_state"));
        self.zxid = self.zxid.or(stats.text("last_processed_zxid").and_then(|text| text.parse().ok()));
        let connections = stats.count("num_alive_client_connections");
        self.connections = self.connections.or(connections);
        self.outstanding = self.outstanding.or(stats.count("outstanding_requests"));
        self.uptime_ms = self.uptime_ms.or(stats.count("uptime"));
        self.packets = self.packets.or(stats.count("packets_received").zip(stats.count("packets_sent")));
        let figures = Figures::of_json(page);
        self.take_version(figures.text("version"));
        self.znodes = self.znodes.or(figures.count("node_count"));
    }

    /// The answer to `srvr`.
    ///
    /// # Errors
    /// Why it tells nothing: the word is not allowed, or the server does not serve.
    pub fn take_srvr(&mut self, text: &str) -> Result<(), String> {
        refusal(text)?;
        let figures = Figures::of_srvr(text);
        let mode = figures.text("Mode").ok_or("the answer to srvr has no mode, so this may be no ZooKeeper server")?;
        self.take_state(Some(mode));
        self.zxid = self.zxid.or(figures.text("Zxid").and_then(zxid));
        self.take_version(figures.text("Zookeeper version"));
        self.connections = self.connections.or(figures.count("Connections"));
        self.outstanding = self.outstanding.or(figures.count("Outstanding"));
        self.znodes = self.znodes.or(figures.count("Node count"));
        self.packets = self.packets.or(figures.count("Received").zip(figures.count("Sent")));
        Ok(())
    }

    /// The figures of `mntr` or `/commands/monitor`.
    pub fn take_monitor(&mut self, figures: &Figures) {
        self.take_state(figures.text("server_state"));
        self.take_version(figures.text("version"));
        self.connections = self.connections.or(figures.count("num_alive_connections"));
        self.outstanding = self.outstanding.or(figures.count("outstanding_requests"));
        self.uptime_ms = self.uptime_ms.or(figures.count("uptime"));
        self.znodes = self.znodes.or(figures.count("znode_count"));
        self.watches = self.watches.or(figures.count("watch_count"));
        self.packets = self.packets.or(figures.count("packets_received").zip(figures.count("packets_sent")));
        self.voters = self.voters.or(figures.count("quorum_size"));
        let sessions = figures.count("global_sessions");
        self.sessions = self.sessions.or(sessions.map(|global| global + figures.count("local_sessions").unwrap_or(0)));
        let requests = |summary| Requests {
            count: figures.observations(summary),
            p50_ms: figures.quantile(summary, 0.5),
            p99_ms: figures.quantile(summary, 0.99),
        };
        (self.reads, self.writes) = (requests("readlatency"), requests("updatelatency"));
        self.propagation_ms = figures.quantile("commit_propagation_latency", 0.5);
        if self.phases.is_empty() {
            self.phases = APACHE_PHASES.iter().filter_map(|name| apache_phase(figures, name)).collect();
        }
    }

    /// A page of metrics. Only our servers tell of phases and learners there.
    pub fn take_metrics(&mut self, page: &str) {
        let mut phases: Vec<Phase> = Vec::new();
        for line in metrics(page, "zookube_write_phase_seconds_") {
            let Some(name) = line.label("phase") else { continue };
            let at = phases.iter().position(|phase| phase.name == name).unwrap_or_else(|| {
                phases.push(Phase { name: name.to_owned(), ..Phase::default() });
                phases.len() - 1
            });
            // A server has been in several roles: their times are added up.
            match line.name.rsplit('_').next() {
                Some("count") => phases[at].count += line.value as u64,
                Some("sum") => phases[at].sum_ms += line.value * 1000.0,
                _ => {}
            }
        }
        if !phases.is_empty() {
            self.phases = phases;
        }
        for line in metrics(page, "zookube_peer_lag_") {
            let Some(peer) = line.label("peer").and_then(|peer| peer.parse().ok()) else { continue };
            let behind = self.behind.entry(peer).or_default();
            match line.name {
                "zookube_peer_lag_zxids" => behind.zxids = line.value as u64,
                "zookube_peer_lag_bytes" => behind.bytes = line.value as u64,
                _ => {}
            }
        }
    }

    fn take_state(&mut self, word: Option<&str>) {
        let told = word.and_then(Role::of_word);
        // The status says of a standalone server that it leads, and of a read-only one that it looks for a leader.
        let is_finer = matches!(told, Some(Role::Standalone | Role::ReadOnly));
        self.role = if is_finer { told } else { self.role.or(told) };
    }

    fn take_version(&mut self, text: Option<&str>) {
        self.version = self.version.take().or(text.map(version));
    }
}

/// What a server says in place of an answer to a word.
///
/// # Errors
/// That, with the remedy.
pub fn refusal(text: &str) -> Result<(), String> {
    if text.contains("is not executed because it is not in the whitelist") {
        let word = text.split_whitespace().next().unwrap_or_default();
        return Err(format!("`{word}` is not allowed there: add it to 4lw.commands.whitelist"));
    }
    if text.contains("is not currently serving requests") {
        return Err("it serves no clients: it looks for a leader, or has no quorum".to_owned());
    }
    if text.trim().is_empty() {
        return Err("it closed the connection without an answer".to_owned());
    }
    Ok(())
}

fn apache_phase(figures: &Figures, name: &str) -> Option<Phase> {
    let count = figures.observations(name)?;
    let sum_ms = figures.real(&format!("sum_{name}")).or_else(|| figures.real(&format!("{name}_sum")))?;
    Some(Phase { name: name.to_owned(), count, sum_ms })
}

/// The version in front of the day, and of Apache's without the hash of its commit.
fn version(text: &str) -> String {
    let text = text.split(',').next().unwrap_or_default().trim();
    let is_hash = |end: &str| end.is_empty() || (end.len() >= 7 && end.bytes().all(|b| b.is_ascii_hexdigit()));
    match text.rsplit_once('-') {
        Some((version, end)) if is_hash(end) => version.to_owned(),
        _ => text.to_owned(),
    }
}

/// A zxid as `0x` and hexadecimal digits.
fn zxid(text: &str) -> Option<i64> {
    let value = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
    i64::try_from(value).ok()
}

#[cfg(test)]
#[path = "sample_test.rs"]
mod tests;
