//! The exact text of each answer (`server/command/*.java`). Figures in, text out: nothing is looked up here.

use std::fmt::{Display, Write as _};
use std::net::SocketAddr;

use crate::notation::Remote;
use wire::client::OpCode;
use wire::{Millis, SessionId, Zxid};

/// What most words say while clients are not served.
pub const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// Writes to a text, which cannot fail.
macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {
        $text.write_fmt(format_args!($($arguments)*)).expect("writing to a String cannot fail")
    };
}
pub(crate) use put;

/// Latencies in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latencies {
    /// Of the last request.
    pub last: u64,
    /// The smallest.
    pub min: u64,
    /// The mean.
    pub mean: f64,
    /// The largest.
    pub max: u64,
}

/// What `srvr` and `stat` show.
#[derive(Clone, Debug, PartialEq)]
pub struct Server<'a> {
    /// Version, revision and build date.
    pub version: &'a str,
    /// Of all requests.
    pub latency: Latencies,
    /// Packets from clients.
    pub received: u64,
    /// Packets to clients.
    pub sent: u64,
    /// Open connections.
    pub connections: usize,
    /// Requests in process.
    pub outstanding: usize,
    /// The last transaction applied.
    pub zxid: Zxid,
    /// `standalone`, `leader`, `follower`, `observer` or `read-only`.
    pub mode: &'a str,
    /// Znodes as `znode_count` counts them.
    pub nodes: usize,
    /// Of a leader: the size of the last, the smallest and the largest proposal.
    pub proposal_bytes: Option<[i64; 3]>,
}

/// A line of `stat` or `cons`.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// The client's address.
    pub peer: SocketAddr,
    /// Requests in process.
    pub queued: u64,
    /// Packets received.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Its session.
    pub session: Option<ConnectionSession>,
}

/// The part of a line of `cons` that only connections with a session have.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionSession {
    /// The session.
    pub id: SessionId,
    /// What was answered last.
    pub operation: Option<OpCode>,
    /// When the connection was made, wall clock.
    pub established: Millis,
    /// The session's timeout.
    pub timeout_ms: i32,
    /// Number of the last request, -1 where there was none.
    pub last_cxid: i64,
    /// Zxid of the last reply.
    pub last_zxid: Zxid,
    /// When it was sent, monotonic.
    pub last_response: Millis,
    /// Of its requests.
    pub latency: Latencies,
}

/// What `conf` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Conf<'a> {
    /// The client port.
    pub client_port: u16,
    /// The directory of snapshots, `version-2` included.
    pub data_dir: &'a str,
    /// Its size.
    pub data_dir_bytes: u64,
    /// The directory of the log, `version-2` included.
    pub data_log_dir: &'a str,
    /// Its size.
    pub data_log_bytes: u64,
    /// `tickTime`.
    pub tick_time_ms: i64,
    /// `maxClientCnxns`.
    pub max_client_cnxns: i64,
    /// Bounds of session timeouts.
    pub session_timeout_bounds_ms: (i64, i64),
    /// `clientPortListenBacklog`.
    pub listen_backlog: i64,
    /// The server's id; 0 for a standalone server.
    pub server_id: i64,
    /// Of a member of an ensemble.
    pub ensemble: Option<EnsembleConf>,
}

/// What `conf` adds in an ensemble.
#[derive(Clone, Debug, PartialEq)]
pub struct EnsembleConf {
    /// `initLimit`.
    pub init_limit_ticks: i64,
    /// `syncLimit`.
    pub sync_limit_ticks: i64,
    /// Election ports of this server.
    pub election_ports: Vec<u16>,
    /// Quorum ports of this server.
    pub quorum_ports: Vec<u16>,
    /// Whether this server does not vote.
    pub is_observer: bool,
    /// The text of the membership.
    pub membership: String,
}

/// What `dump` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Dump {
    /// The sessions that only this server knows, by the wall clock time of their expiry; `None` where there can be none.
    pub local_sessions: Option<Vec<(Millis, Vec<SessionId>)>>,
    /// The other sessions as this server knows them.
    pub sessions: Sessions,
    /// Ephemerals by session.
    pub ephemerals: Vec<(SessionId, Vec<String>)>,
    /// Connections by the wall clock time at which they would be given up.
    pub connections: Vec<(Millis, Vec<(SocketAddr, SessionId)>)>,
}

/// The sessions of `dump`.
#[derive(Clone, Debug, PartialEq)]
pub enum Sessions {
    /// Of a leader or standalone server: by the wall clock time of their expiry.
    Tracked(Vec<(Millis, Vec<SessionId>)>),
    /// Of a learner: with their timeouts in ms.
    Known(Vec<(SessionId, i32)>),
}

/// A value of `mntr`.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// A count or a size.
    Integer(i64),
    /// A mean or a share.
    Real(f64),
    /// Anything else.
    Text(String),
}

/// `srvr`.
#[must_use]
pub fn srvr(server: &Server<'_>) -> String {
    let mut text = heading(server);
    put_server(&mut text, server);
    text
}

/// `stat`.
#[must_use]
pub fn stat(server: &Server<'_>, connections: &[Connection]) -> String {
    let mut text = heading(server);
    text.push_str("Clients:\n");
    for connection in connections {
        put_connection(&mut text, connection, Detail::Brief);
        text.push('\n');
    }
    text.push('\n');
    put_server(&mut text, server);
    text
}

fn heading(server: &Server<'_>) -> String {
    let warning = if server.mode == "read-only" { "READ-ONLY mode; serving only read-only clients\n" } else { "" };
    format!("Zookeeper version: {}\n{warning}", server.version)
}

/// `ServerStats.toString` and the end of `StatCommand`.
fn put_server(text: &mut String, server: &Server<'_>) {
    let Latencies { min, mean, max, .. } = server.latency;
    put!(text, "Latency min/avg/max: {min}/{}/{max}\n", java_double(rounded(mean)));
    put!(text, "Received: {}\nSent: {}\n", server.received, server.sent);
    put!(text, "Connections: {}\nOutstanding: {}\n", server.connections, server.outstanding);
    put!(text, "Zxid: {}\nMode: {}\nNode count: {}\n", server.zxid, server.mode, server.nodes);
    if let Some([last, min, max]) = server.proposal_bytes {
        put!(text, "Proposal sizes last/min/max: {last}/{min}/{max}\n");
    }
}

/// `cons`.
#[must_use]
pub fn cons(connections: &[Connection]) -> String {
    let mut text = String::new();
    for connection in connections {
        put_connection(&mut text, connection, Detail::Full);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    Brief,
    Full,
}

/// `ServerCnxn.dumpConnectionInfo`.
fn put_connection(text: &mut String, connection: &Connection, detail: Detail) {
    // Apache stops reading from a connection that sent a word: no selector interest, 0. Others wait for input, 1.
    let interest = u8::from(connection.session.is_some());
    let Connection { queued, received, sent, .. } = connection;
    put!(text, " {}[{interest}](queued={queued},recved={received},sent={sent}", Remote(connection.peer));
    if let Some(session) = connection.session.as_ref().filter(|_| detail == Detail::Full) {
        let operation = session.operation.map_or("NA", operation_code);
        put!(text, ",sid={},lop={operation},est={},to={}", session.id, session.established, session.timeout_ms);
        if session.last_cxid >= 0 {
            put!(text, ",lcxid={:#x}", session.last_cxid);
        }
        put!(text, ",lzxid={},lresp={}", session.last_zxid, session.last_response);
        // The mean is a whole number here, unlike in `srvr`.
        let Latencies { last, min, mean, max } = session.latency;
        put!(text, ",llat={last},minlat={min},avglat={:.0},maxlat={max}", mean.trunc());
    }
    text.push(')');
}

/// `lop` (`FinalRequestProcessor.processRequest`).
pub(crate) fn operation_code(operation: OpCode) -> &'static str {
    match operation {
        OpCode::Create | OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => "CREA",
        OpCode::Delete | OpCode::DeleteContainer => "DELE",
        OpCode::Exists => "EXIS",
        OpCode::GetData => "GETD",
        OpCode::SetData => "SETD",
        OpCode::GetAcl => "GETA",
        OpCode::SetAcl => "SETA",
        OpCode::GetChildren | OpCode::GetChildren2 => "GETC",
        OpCode::Sync => "SYNC",
        OpCode::Ping => "PING",
        OpCode::Check => "CHEC",
        OpCode::Multi => "MULT",
        OpCode::MultiRead => "MLTR",
        OpCode::Reconfig => "RECO",
        OpCode::CheckWatches => "CHKW",
        OpCode::RemoveWatches => "REMW",
        OpCode::SetWatches => "SETW",
        OpCode::SetWatches2 => "STW2",
        OpCode::AddWatch => "ADDW",
        OpCode::GetEphemerals => "GETE",
        OpCode::GetAllChildrenNumber => "GETACN",
        OpCode::WhoAmI => "HOMI",
        OpCode::CreateSession => "SESS",
        OpCode::CloseSession => "CLOS",
        _ => "NA",
    }
}

/// `conf`.
#[must_use]
pub fn conf(conf: &Conf<'_>) -> String {
    let mut text = String::new();
    put!(text, "clientPort={}\nsecureClientPort=-1\n", conf.client_port);
    put!(text, "dataDir={}\ndataDirSize={}\n", conf.data_dir, conf.data_dir_bytes);
    put!(text, "dataLogDir={}\ndataLogSize={}\n", conf.data_log_dir, conf.data_log_bytes);
    put!(text, "tickTime={}\nmaxClientCnxns={}\n", conf.tick_time_ms, conf.max_client_cnxns);
    let (min, max) = conf.session_timeout_bounds_ms;
    put!(text, "minSessionTimeout={min}\nmaxSessionTimeout={max}\n");
    put!(text, "clientPortListenBacklog={}\nserverId={}\n", conf.listen_backlog, conf.server_id);
    if let Some(ensemble) = &conf.ensemble {
        put!(text, "initLimit={}\nsyncLimit={}\nelectionAlg=3\n", ensemble.init_limit_ticks, ensemble.sync_limit_ticks);
        put!(text, "electionPort={}\nquorumPort={}\n", ports(&ensemble.election_ports), ports(&ensemble.quorum_ports));
        put!(text, "peerType={}\nmembership: \n{}", u8::from(ensemble.is_observer), ensemble.membership);
    }
    text
}

fn ports(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join("|")
}

/// `envi`.
#[must_use]
pub fn envi(entries: &[(&str, String)]) -> String {
    let mut text = "Environment:\n".to_owned();
    for (key, value) in entries {
        put!(text, "{key}={value}\n");
    }
    text
}

/// `dirs`.
#[must_use]
pub fn dirs(data_dir_bytes: u64, log_dir_bytes: u64) -> String {
    format!("datadir_size: {data_dir_bytes}\nlogdir_size: {log_dir_bytes}\n")
}

/// `dump`.
#[must_use]
pub fn dump(dump: &Dump) -> String {
    let mut text = "SessionTracker dump:\n".to_owned();
    if let Some(buckets) = &dump.local_sessions {
        text.push_str("Local ");
        put_tracked(&mut text, buckets);
    }
    match &dump.sessions {
        Sessions::Tracked(buckets) => {
            text.push_str(if dump.local_sessions.is_some() { "Global " } else { "" });
            put_tracked(&mut text, buckets);
        }
        Sessions::Known(sessions) => put_known(&mut text, sessions),
    }
    put!(text, "ephemeral nodes dump:\nSessions with Ephemerals ({}):\n", dump.ephemerals.len());
    for (session, paths) in &dump.ephemerals {
        put!(text, "{session}:\n");
        for path in paths {
            put!(text, "\t{path}\n");
        }
    }
    text.push_str("Connections dump:\nConnections ");
    // `NIOServerCnxn.toString`
    put_buckets(&mut text, &dump.connections, |text, (peer, session)| {
        put!(text, "ip: {} sessionId: {session}", Remote(*peer));
    });
    text
}

/// `SessionTrackerImpl.dumpSessions`.
fn put_tracked(text: &mut String, buckets: &[(Millis, Vec<SessionId>)]) {
    text.push_str("Session ");
    put_buckets(text, buckets, |text, session| put!(text, "{session}"));
}

/// `LearnerSessionTracker.dumpSessions`.
fn put_known(text: &mut String, sessions: &[(SessionId, i32)]) {
    put!(text, "Global Sessions({}):\n", sessions.len());
    for (session, timeout_ms) in sessions {
        put!(text, "{session}\t{timeout_ms}ms\n");
    }
}

/// `ExpiryQueue.dump`.
fn put_buckets<T>(text: &mut String, buckets: &[(Millis, Vec<T>)], put_one: impl Fn(&mut String, &T)) {
    let count: usize = buckets.iter().map(|(_, members)| members.len()).sum();
    put!(text, "Sets ({})/({count}):\n", buckets.len());
    for (at, members) in buckets {
        put!(text, "{} expire at {}:\n", members.len(), java_date(*at));
        for member in members {
            text.push('\t');
            put_one(text, member);
            text.push('\n');
        }
    }
}

/// `wchs`.
#[must_use]
pub fn wchs(connections: usize, paths: usize, watches: usize) -> String {
    format!("{connections} connections watching {paths} paths\nTotal watches:{watches}\n")
}

/// `wchc`.
#[must_use]
pub fn wchc(watches: &[(SessionId, Vec<String>)]) -> String {
    let mut text = String::new();
    for (session, paths) in watches {
        put!(text, "{session}\n");
        for path in paths {
            put!(text, "\t{path}\n");
        }
    }
    text.push('\n');
    text
}

/// `wchp`.
#[must_use]
pub fn wchp(watches: &[(String, Vec<SessionId>)]) -> String {
    let mut text = String::new();
    for (path, sessions) in watches {
        put!(text, "{path}\n");
        for session in sessions {
            put!(text, "\t{session}\n");
        }
    }
    text.push('\n');
    text
}

/// `mntr`.
#[must_use]
pub fn mntr(metrics: &[(impl Display, Metric)]) -> String {
    let mut text = String::new();
    for (name, value) in metrics {
        match value {
            Metric::Integer(value) => put!(text, "zk_{name}\t{value}\n"),
            Metric::Real(value) => put!(text, "zk_{name}\t{}\n", java_double(*value)),
            Metric::Text(value) => put!(text, "zk_{name}\t{value}\n"),
        }
    }
    text
}

/// `hash`: digests of past transactions. Java prints them as signed numbers.
#[must_use]
pub fn hash(digests: &[(Zxid, u64)]) -> String {
    let mut text = String::new();
    for (zxid, digest) in digests {
        put!(text, "{:x}: {}\n", zxid.0, digest.cast_signed());
    }
    text
}

/// A mean as `AvgMinMaxCounter.getAvg` gives it: four decimals.
#[must_use]
pub fn rounded(mean: f64) -> f64 {
    (mean * 10_000.0).round() / 10_000.0
}

/// `Double.toString`: always a decimal point, and an exponent outside 0.001 to 10,000,000.
#[must_use]
pub fn java_double(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').expect("the format asks for an exponent");
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_400_YEARS: i64 = 146_097;
const DAYS_PER_100_YEARS: i64 = 36_524;
const DAYS_PER_4_YEARS: i64 = 1461;
/// Days from 1 March of the year 0 to 1 January 1970. Years that begin in March have their leap day at the end.
const DAYS_TO_1970: i64 = 719_468;

/// `Date.toString`, in UTC.
#[must_use]
pub fn java_date(at: Millis) -> String {
    let seconds = at.0.div_euclid(1000);
    let (days, of_day) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS[usize::try_from(days.rem_euclid(7)).expect("a remainder by 7 is a weekday")];
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}", MONTHS[month])
}

/// Year, month from 0 and day of month of a day counted from 1970, in the Gregorian calendar.
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + DAYS_TO_1970;
    let era = days.div_euclid(DAYS_PER_400_YEARS);
    let of_era = days.rem_euclid(DAYS_PER_400_YEARS);
    // Of 400 years only the last century and the last year of it may end on a leap day: hence the corrections by one.
    let year_of_era = (of_era - of_era / (DAYS_PER_4_YEARS - 1) + of_era / DAYS_PER_100_YEARS
        - of_era / (DAYS_PER_400_YEARS - 1))
        / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 31, 30, 31, 30, 31 days, twice and a bit: 153 days in five months.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    (year, usize::try_from(month).expect("a remainder by 12 is a month"), day)
}

#[cfg(test)]
#[path = "text_test.rs"]
mod tests;
