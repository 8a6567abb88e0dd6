//! The table of servers: rows in, lines of text out. Pure: no clock, no terminal.

use std::time::Duration;

use wire::{Epoch, Zxid};

/// How a server looks from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its process has not answered yet.
    Starting,
    /// It runs without a leader.
    Looking,
    /// It leads.
    Leader,
    /// It follows.
    Follower,
    /// It observes.
    Observer,
    /// It is alone.
    Standalone,
    /// It serves reads without a quorum.
    ReadOnly,
    /// It answered once and no longer does.
    Silent,
    /// It was told to end.
    Stopping,
    /// Its process has ended, for this reason.
    Down(String),
}

impl State {
    /// One word, the same in table, lines and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Looking => "looking",
            State::Leader => "leader",
            State::Follower => "follower",
            State::Observer => "observer",
            State::Standalone => "standalone",
            State::ReadOnly => "read-only",
            State::Silent => "silent",
            State::Stopping => "stopping",
            State::Down(_) => "down",
        }
    }

    /// Whether writes can begin here without an election.
    pub fn leads(&self) -> bool {
        matches!(self, State::Leader | State::Standalone)
    }

    /// Whether clients are served.
    pub fn serves(&self) -> bool {
        matches!(self, State::Leader | State::Follower | State::Observer | State::Standalone | State::ReadOnly)
    }

    fn style(&self) -> Style {
        match self {
            State::Leader | State::Standalone => Style::Green,
            State::Follower => Style::Cyan,
            State::Observer | State::ReadOnly => Style::Blue,
            State::Starting | State::Looking | State::Stopping => Style::Yellow,
            State::Silent | State::Down(_) => Style::Red,
        }
    }
}

/// One server, with all that is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: u64,
    /// How it looks.
    pub state: State,
    /// Its current epoch.
    pub epoch: Option<Epoch>,
    /// The last transaction it has processed.
    pub zxid: Option<Zxid>,
    /// Sessions it knows of.
    pub sessions: Option<u64>,
    /// Its client connections.
    pub connections: Option<u64>,
    /// Resident memory in KiB.
    pub rss_kib: Option<u64>,
    /// Its process.
    pub pid: Option<u32>,
    /// Where clients connect.
    pub address: String,
    /// How long its process has run.
    pub up: Option<Duration>,
}

/// Whether text gets colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// With colours.
    Colour,
    /// Without.
    Plain,
}

/// How a piece of text looks; each is an ANSI code that keeps to the terminal's own palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    None,
    /// Headings.
    Dim,
    /// Names.
    Bold,
    /// Leads.
    Green,
    /// Follows.
    Cyan,
    /// Observes.
    Blue,
    /// Is on its way.
    Yellow,
    /// Is gone.
    Red,
}

impl Paint {
    /// The text in this style.
    pub fn apply(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::None => "",
            Style::Dim => "2",
            Style::Bold => "1",
            Style::Green => "1;32",
            Style::Cyan => "36",
            Style::Blue => "34",
            Style::Yellow => "33",
            Style::Red => "31",
        };
        if self == Paint::Plain || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

enum Align {
    Left,
    Right,
}

struct Column {
    title: &'static str,
    align: Align,
    /// Columns leave a narrow terminal in this order, 1 first; those with 0 never do.
    leaves: u8,
    cell: fn(&Row) -> String,
}

const GAP: &str = "  ";
const COLUMNS: [Column; 10] = [
    Column { title: "id", align: Align::Right, leaves: 0, cell: |row| row.id.to_string() },
    Column { title: "role", align: Align::Left, leaves: 0, cell: |row| row.state.name().to_owned() },
    Column { title: "epoch", align: Align::Right, leaves: 4, cell: |row| or_dash(row.epoch) },
    Column { title: "zxid", align: Align::Right, leaves: 8, cell: |row| or_dash(row.zxid) },
    Column { title: "sessions", align: Align::Right, leaves: 7, cell: |row| or_dash(row.sessions) },
    Column { title: "conns", align: Align::Right, leaves: 1, cell: |row| or_dash(row.connections) },
    Column { title: "RSS", align: Align::Right, leaves: 5, cell: |row| row.rss_kib.map_or("-".to_owned(), mib) },
    Column { title: "pid", align: Align::Right, leaves: 6, cell: |row| or_dash(row.pid) },
    Column { title: "clients", align: Align::Left, leaves: 3, cell: |row| row.address.clone() },
    Column { title: "up", align: Align::Right, leaves: 2, cell: |row| row.up.map_or("-".to_owned(), clock) },
];

/// The table, a heading and one line for each row, none wider than `width`.
pub fn render(rows: &[Row], width: usize, paint: Paint) -> Vec<String> {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| COLUMNS.iter().map(|column| (column.cell)(row)).collect()).collect();
    let widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let shown = cells.iter().map(|cells| width_of(&cells[at]));
            shown.chain([width_of(column.title)]).max().unwrap_or(0)
        })
        .collect();
    let shown = columns_that_fit(&widths, width);
    let mut lines = Vec::with_capacity(rows.len() + 1);
    let titles: Vec<_> = COLUMNS.iter().map(|column| column.title.to_owned()).collect();
    lines.push(line(&titles, &shown, &widths, width, |_| Style::Dim, paint));
    for (row, cells) in rows.iter().zip(cells) {
        if let State::Down(why) = &row.state {
            let start = pad(&cells[0], widths[0], &Align::Right);
            let pieces = [(Style::Bold, start), (Style::Red, format!("{GAP}down ({why})"))];
            lines.push(fitted(&pieces, width, paint));
            continue;
        }
        let style = |at| match at {
            0 => Style::Bold,
            1 => row.state.style(),
            _ => Style::None,
        };
        lines.push(line(&cells, &shown, &widths, width, style, paint));
    }
    lines
}

/// The text, ended by `…` if it is wider than `width`.
pub fn clip(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        match left.checked_sub(width_of_char(c)) {
            Some(rest) => left = rest,
            None => break,
        }
        clipped.push(c);
    }
    if width > 0 {
        clipped.push('…');
    }
    clipped
}

/// Columns on the terminal, at most: whatever is not ASCII counts as wide, so that a line never wraps by surprise.
pub fn width_of(text: &str) -> usize {
    text.chars().map(width_of_char).sum()
}

/// As [`width_of`] for one character.
pub fn width_of_char(c: char) -> usize {
    if c.is_ascii() || c == '…' { 1 } else { 2 }
}

fn columns_that_fit(widths: &[usize], width: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..COLUMNS.len()).collect();
    let total =
        |shown: &[usize]| shown.iter().map(|at| widths[*at] + GAP.len()).sum::<usize>().saturating_sub(GAP.len());
    while total(&shown) > width {
        let first = shown.iter().copied().filter(|at| COLUMNS[*at].leaves > 0).min_by_key(|at| COLUMNS[*at].leaves);
        let Some(first) = first else { break };
        shown.retain(|at| *at != first);
    }
    shown
}

fn line(
    cells: &[String],
    shown: &[usize],
    widths: &[usize],
    width: usize,
    style: impl Fn(usize) -> Style,
    paint: Paint,
) -> String {
    let mut pieces = Vec::with_capacity(2 * shown.len());
    for (nth, at) in shown.iter().enumerate() {
        if nth > 0 {
            pieces.push((Style::None, GAP.to_owned()));
        }
        pieces.push((style(*at), pad(&cells[*at], widths[*at], &COLUMNS[*at].align)));
    }
    fitted(&pieces, width, paint)
}

fn fitted(pieces: &[(Style, String)], width: usize, paint: Paint) -> String {
    let mut line = String::new();
    let mut left = width;
    for (style, text) in pieces {
        let text = clip(text, left);
        left = left.saturating_sub(width_of(&text));
        line.push_str(&paint.apply(*style, &text));
    }
    line.trim_end().to_owned()
}

fn pad(text: &str, width: usize, align: &Align) -> String {
    let blanks = " ".repeat(width.saturating_sub(width_of(text)));
    match align {
        Align::Left => format!("{text}{blanks}"),
        Align::Right => format!("{blanks}{text}"),
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn mib(kib: u64) -> String {
    format!("{}.{}M", kib / 1024, kib % 1024 * 10 / 1024)
}

fn clock(up: Duration) -> String {
    let seconds = up.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}
