//! The screen of `zk top`, made from the model: lines of styled text, and nothing that knows a terminal.

use super::grid::{self, Cell, Column, heading, known, number, painted, text};
use super::model::{HISTORY_LEN, Model, Server, View};
use crate::tools::ensemble::verdict::{Row, Verdict};
use crate::tools::servers::clients::Slow;
use crate::tools::servers::sample::{Requests, Role, Sample};
use crate::tools::servers::{duration, zxid};
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget};

/// The phases of a write, as our servers name them and as Apache's call theirs, in the order in which they come.
const PHASES: &[(&str, &str)] = &[
    ("queue", "queue"),
    ("prep_processor_queue_time_ms", "prep queue"),
    ("log_append", "log append"),
    ("sync_processor_queue_time_ms", "sync queue"),
    ("fsync", "fsync"),
    ("fsynctime", "fsync"),
    ("quorum", "quorum"),
    ("quorum_ack_latency", "quorum ack"),
    ("apply", "apply"),
    ("propagation_latency", "propagation"),
    ("reply", "reply"),
];

const SERVERS: &[Column] = &[
    number("ID", 0),
    text("ADDRESS", 0),
    text("ROLE", 0),
    number("ZXID", 1),
    number("LAG", 0),
    number("CONNS", 1),
    number("SESS", 4),
    number("WATCHES", 5),
    number("ZNODES", 5),
    number("OUTST", 3),
    number("READ/S", 0),
    number("WRITE/S", 0),
    number("R 50/99 MS", 2),
    number("W 50/99 MS", 2),
    number("UPTIME", 6),
];

const CLIENTS: &[Column] = &[
    text("CLIENT", 0),
    number("REQ/S", 0),
    number("REQUESTS", 1),
    number("OUTST", 3),
    text("LAST", 4),
    number("MEAN MS", 5),
    number("MAX MS", 2),
    number("TIMEOUT", 6),
    text("SESSION", 1),
    text("SERVER", 0),
];

const SLOW: &[Column] = &[
    text("TIME", 1),
    number("MS", 0),
    text("OPERATION", 0),
    text("PATH", 0),
    text("WHERE", 2),
    text("CLIENT", 3),
    text("SESSION", 4),
    number("ID", 1),
];

/// How many phases of a slow operation are named.
const WHERE_MAX: usize = 3;

/// The eight heights of a figure.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws the whole screen. What is scrolled too far is scrolled back.
pub fn draw(model: &mut Model, zone: &TimeZone, area: Rect, buffer: &mut Buffer) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let (head, body) = if model.shows_help { (Vec::new(), help()) } else { page(model, zone, width) };
    let room = height.saturating_sub(head.len() + 1);
    model.scrolled = model.scrolled.min(body.len().saturating_sub(room));
    let mut lines = head;
    lines.extend(body.into_iter().skip(model.scrolled).take(room));
    lines.resize(height.saturating_sub(1), Line::default());
    lines.push(keys(model));
    Paragraph::new(lines).render(area, buffer);
}

/// What there is to see, in two parts: what stays, and what scrolls.
#[must_use]
pub fn page(model: &Model, zone: &TimeZone, width: usize) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let rows: Vec<&Row> = model.servers.iter().map(|server| &server.row).collect();
    let verdict = Verdict::of(&rows, model.is_weighted);
    let mut head = vec![title(model, &rows, &verdict), Line::default()];
    let body = match model.view {
        View::Servers => {
            let (heads, mut body) = servers(model, &rows, &verdict, width);
            head.push(heads);
            body.extend(operations(model, width));
            body.extend(phases(model, width));
            body
        }
        View::Clients => {
            let (heads, body) = clients(model, width);
            head.push(heads);
            body
        }
        View::Slow => {
            let (heads, body) = slow(model, zone, width);
            head.push(heads);
            body
        }
    };
    (head, body)
}

fn title(model: &Model, rows: &[&Row], verdict: &Verdict) -> Line<'static> {
    let colour = if verdict.is_well() {
        Color::Green
    } else if verdict.has_quorum {
        Color::Yellow
    } else {
        Color::Red
    };
    let leader = verdict.leader.and_then(|at| rows.get(at));
    let what = match leader {
        Some(row) if row.sample.as_ref().is_ok_and(|sample| sample.role == Some(Role::Standalone)) => {
            "standalone".to_owned()
        }
        Some(row) => {
            format!("leader {}", row.sid().map_or_else(|| row.member.address.to_string(), |sid| sid.to_string()))
        }
        None => "no leader seen".to_owned(),
    };
    let mut parts = vec![what];
    parts.push(format!("{}/{} voters in step, {} needed", verdict.in_step, verdict.voters, verdict.needed));
    parts.extend(verdict.epoch.map(|epoch| format!("epoch {epoch}")));
    let mut versions: Vec<&str> = rows.iter().filter_map(|row| row.sample.as_ref().ok()?.version.as_deref()).collect();
    versions.sort_unstable();
    versions.dedup();
    if !versions.is_empty() {
        parts.push(versions.join(", "));
    }
    if let Some((reads, writes)) = model.history.back() {
        parts.push(format!("{} reads/s  {} writes/s", figure(*reads), figure(*writes)));
    }
    let mut spans = vec![Span::styled("zk top", heading()), Span::raw("  ")];
    spans.push(Span::styled(parts.join("  "), Style::new().fg(colour)));
    if model.is_paused {
        spans.push(Span::styled("  paused", Style::new().fg(Color::Yellow)));
    }
    Line::from(spans)
}

type Table = (Line<'static>, Vec<Line<'static>>);

fn servers(model: &Model, rows: &[&Row], verdict: &Verdict, width: usize) -> Table {
    let cells: Vec<Vec<Cell>> = model.sorted_servers().into_iter().map(|one| server(one, rows, verdict)).collect();
    let (heads, mut lines) = grid::lines(SERVERS, &cells, width);
    let wrong = |text: &String| Line::styled(format!("! {text}"), Style::new().fg(Color::Red));
    lines.extend(verdict.problems.iter().map(wrong));
    for row in rows {
        for note in row.sample.iter().flat_map(|sample| &sample.notes) {
            lines.push(Line::styled(format!("note: {}: {note}", row.member.name()), dim()));
        }
    }
    (heads, lines)
}

fn server(server: &Server, rows: &[&Row], verdict: &Verdict) -> Vec<Cell> {
    let row = &server.row;
    let address = Cell::from(&row.member.address);
    let Ok(sample) = &row.sample else {
        return vec![known(row.sid()), address, painted("no answer", Color::Red)];
    };
    vec![
        known(row.sid().filter(|sid| *sid != 0)),
        address,
        role(sample.role),
        known(sample.zxid.map(zxid)),
        lag(verdict, rows, row, sample),
        known(sample.connections),
        known(sample.sessions),
        known(sample.watches),
        known(sample.znodes),
        known(sample.outstanding),
        known(server.rates.reads.map(figure)),
        known(server.rates.writes.map(figure)),
        quantiles(sample.reads),
        quantiles(sample.writes),
        known(sample.uptime_ms.map(duration)),
    ]
}

fn role(role: Option<Role>) -> Cell {
    match role {
        None => painted("unknown", Color::Yellow),
        Some(role @ (Role::Leader | Role::Standalone)) => painted(role.name(), Color::Green),
        Some(role) if role.is_in_step() => Cell::from(role.name()),
        Some(role) => painted(role.name(), Color::Yellow),
    }
}

fn lag(verdict: &Verdict, rows: &[&Row], row: &Row, sample: &Sample) -> Cell {
    let lag = verdict.lag(rows, row).filter(|_| !matches!(sample.role, Some(Role::Leader | Role::Standalone)));
    match lag.map(|lag| (lag.zxids, lag.told.map_or(0, |told| told.bytes))) {
        None => known(None::<u8>),
        Some((None, _)) => painted("epoch", Color::Yellow),
        Some((Some(zxids), 0)) => Cell::from(zxids),
        // What was asked of the leader is of another moment.
        Some((Some(0), bytes)) => painted(format!("{bytes} B"), Color::Yellow),
        Some((Some(zxids), bytes)) => painted(format!("{zxids} ({bytes} B)"), Color::Yellow),
    }
}

fn quantiles(requests: Requests) -> Cell {
    known(requests.p50_ms.zip(requests.p99_ms).map(|(half, most)| format!("{half:.0}/{most:.0}")))
}

/// A figure with as many digits as it needs.
fn figure(value: f64) -> String {
    if value > 0.0 && value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Two lines of bars: reads and writes a second of all servers.
fn operations(model: &Model, width: usize) -> Vec<Line<'static>> {
    const LABEL: usize = 10;
    let room = width.saturating_sub(LABEL + 14).min(HISTORY_LEN);
    let bars = |name: &str, of: fn(&(f64, f64)) -> f64, colour| {
        let figures: Vec<f64> = model.history.iter().map(of).collect();
        let last = &figures[figures.len().saturating_sub(room)..];
        let most = last.iter().copied().fold(0.0, f64::max);
        let fill = " ".repeat(room.saturating_sub(last.len()));
        Line::from(vec![
            Span::styled(format!("{name:<LABEL$}"), heading()),
            Span::styled(fill + &sparkline(last, most), Style::new().fg(colour)),
            Span::styled(format!("  max {}", figure(most)), dim()),
        ])
    };
    vec![
        Line::default(),
        bars("reads/s", |(reads, _)| *reads, Color::Blue),
        bars("writes/s", |(_, writes)| *writes, Color::Magenta),
    ]
}

fn sparkline(figures: &[f64], most: f64) -> String {
    let bar = |value: &f64| {
        let height = if most > 0.0 { value / most * 7.0 } else { 0.0 };
        // From 0 to 7, whatever the figures are: `as` saturates.
        BARS[(height.round() as usize).min(7)]
    };
    figures.iter().map(bar).collect()
}

/// How long a write is in each phase, by server.
fn phases(model: &Model, width: usize) -> Vec<Line<'static>> {
    let is_told =
        |name: &str| model.servers.iter().any(|server| server.rates.phases.iter().any(|phase| phase.0 == name));
    let told: Vec<_> = PHASES.iter().filter(|(name, _)| is_told(name)).collect();
    if told.is_empty() {
        return Vec::new();
    }
    let mut columns = vec![number("ID", 0), text("A WRITE, MS", 0)];
    columns.extend(told.iter().map(|(_, head)| number(head, 0)));
    let rows = model.sorted_servers().into_iter().filter(|server| !server.rates.phases.is_empty()).map(|server| {
        let mean = |name: &str| server.rates.phases.iter().find(|phase| phase.0 == name).map(|phase| phase.1);
        let role = server.row.sample.as_ref().ok().and_then(|sample| sample.role).map_or("-", Role::name);
        let means = told.iter().map(|(name, _)| known(mean(name).map(|ms| format!("{ms:.2}"))));
        [known(server.row.sid()), Cell::from(role)].into_iter().chain(means).collect()
    });
    let (head, rows) = grid::lines(&columns, &rows.collect::<Vec<_>>(), width);
    [Line::default(), head].into_iter().chain(rows).collect()
}

fn clients(model: &Model, width: usize) -> Table {
    let row = |(server, client, rate): (&Server, &_, Option<f64>)| {
        let client: &crate::tools::servers::clients::Connection = client;
        let session = (client.session != 0).then(|| format!("{:#x}", client.session));
        vec![
            Cell::from(&client.peer),
            known(rate.map(figure)),
            Cell::from(client.received),
            Cell::from(client.outstanding),
            known(client.last_operation.as_ref()),
            known(client.latency_mean_ms),
            known(client.latency_max_ms),
            known(client.timeout_ms),
            known(session),
            Cell::from(&server.row.member.address),
        ]
    };
    let rows: Vec<Vec<Cell>> = model.sorted_clients().into_iter().map(row).collect();
    let (heads, mut lines) = grid::lines(CLIENTS, &rows, width);
    for server in &model.servers {
        if let Ok(sample) = &server.row.sample
            && sample.clients.is_none()
        {
            lines.push(Line::styled(format!("{} has not told its connections", server.row.member.name()), dim()));
        }
    }
    (heads, lines)
}

fn slow(model: &Model, zone: &TimeZone, width: usize) -> Table {
    let of_server = |server: &Server| server.row.sample.as_ref().ok().and_then(|sample| sample.slow.clone());
    let mut list: Vec<(Option<i64>, Slow)> = Vec::new();
    for server in &model.servers {
        list.extend(of_server(server).into_iter().flatten().map(|slow| (server.row.sid(), slow)));
    }
    if model.sort() == "duration" {
        list.sort_by(|a, b| b.1.total_ms.total_cmp(&a.1.total_ms));
    } else {
        list.sort_by_key(|(_, slow)| std::cmp::Reverse(slow.at_ms));
    }
    let row = |(sid, slow): &(Option<i64>, Slow)| {
        let phases = slow.phases.iter().take(WHERE_MAX).map(|(name, ms)| format!("{name} {ms:.1}"));
        vec![
            Cell::from(time(slow.at_ms, zone)),
            Cell::from(format!("{:.1}", slow.total_ms)),
            Cell::from(&slow.operation),
            Cell::from(&slow.path),
            Cell::from(phases.collect::<Vec<_>>().join(", ")),
            Cell::from(&slow.peer),
            Cell::from(&slow.session),
            known(*sid),
        ]
    };
    let (heads, mut lines) = grid::lines(SLOW, &list.iter().map(row).collect::<Vec<_>>(), width);
    if list.is_empty() {
        let is_told = model.servers.iter().any(|server| of_server(server).is_some());
        let text = if is_told {
            "no operation was slower than slowOperation.thresholdMs"
        } else {
            "no server tells of slow operations: ours do, on their admin port"
        };
        lines.push(Line::styled(text, dim()));
    }
    (heads, lines)
}

fn time(ms: i64, zone: &TimeZone) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms);
    moment.map_or_else(|_| ms.to_string(), |at| at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string())
}

fn dim() -> Style {
    Style::new().fg(Color::DarkGray)
}

/// The last line.
fn keys(model: &Model) -> Line<'static> {
    let names = ["1 servers", "2 clients", "3 slow"];
    let mut spans = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let style = if at == model.view as usize { heading() } else { dim() };
        spans.push(Span::styled(format!("{name}  "), style));
    }
    spans.push(Span::styled(format!("s sort: {}  p pause  ? help  q quit", model.sort()), dim()));
    Line::from(spans)
}

fn help() -> Vec<Line<'static>> {
    let lines = [
        ("1 2 3", "servers, clients, slow operations"),
        ("left right", "the view before, the next one"),
        ("up down", "scroll"),
        ("s", "sort by something else"),
        ("p", "pause, and go on"),
        ("?", "this page; any key leaves it"),
        ("q", "quit"),
    ];
    let keys = lines
        .into_iter()
        .map(|(key, what)| Line::from(vec![Span::styled(format!("{key:<12}"), heading()), Span::raw(what)]));
    let words = [
        "",
        "LAG        transactions behind the leader (bytes that it has not acknowledged); epoch: it is in another one",
        "R, W       reads and writes of the server's clients, median and 99th percentile",
        "A WRITE    mean time in each phase: since the last sample, or since the start where there was no write",
        "REQ/S      packets from a client a second, pings included",
    ];
    keys.chain(words.map(Line::from)).collect()
}

#[cfg(test)]
#[path = "view_test.rs"]
mod tests;
