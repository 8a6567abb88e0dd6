//! The lab without a terminal: one line per event on standard output, commands from standard input.

use std::collections::VecDeque;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use super::ensemble::{Ensemble, Reply};
use super::news::{News, status_json};
use super::prompt::{self, Command};
use super::table::{Paint, render};
use super::{Event, TICK, is_impatient};

/// A line of input is cut here.
const LINE_BYTES_MAX: u64 = 4096;
/// Commands that may wait for the ensemble to settle.
const PENDING_MAX: usize = 1000;
/// How long commands wait for that.
const SETTLE_PATIENCE: Duration = Duration::from_secs(30);
/// A pipe has no width; the table shows all its columns.
const TABLE_WIDTH: usize = 160;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where commands come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// Their end ends the lab.
    Lines,
    /// `/dev/null` or nothing: the lab runs until a signal comes.
    Nowhere,
}

/// Why the loop ended.
enum End {
    Asked,
    Signal(&'static str),
    InputEnded,
    NothingRuns,
    /// Nobody reads any more what we print.
    Unread,
}

/// Runs until `quit`, the end of the input, or a signal.
///
/// # Errors
/// None now; the signature is that of the other user interface.
pub fn run(
    ensemble: &mut Ensemble,
    events: &Receiver<Event>,
    sender: SyncSender<Event>,
    notes: Vec<News>,
    format: Format,
    farewell: &str,
) -> anyhow::Result<ExitCode> {
    let source = source();
    if source == Source::Lines {
        read_lines(sender);
    }
    let mut plain = Plain { ensemble, format, pending: VecDeque::new(), waiting: None, ended: false };
    let end = plain.run(events, source, &notes).unwrap_or(End::Unread);
    let (why, code) = match end {
        End::Asked | End::Unread => (None, ExitCode::SUCCESS),
        End::InputEnded => (Some("end of input".to_owned()), ExitCode::SUCCESS),
        End::Signal(name) => (Some(name.to_owned()), ExitCode::SUCCESS),
        End::NothingRuns => (Some("no server runs any more and nobody can start one".to_owned()), ExitCode::FAILURE),
    };
    let why = why.map_or("stopping".to_owned(), |why| format!("{why}: stopping"));
    // Whether or not anybody reads this, the servers must end.
    let _ = print(format, &[News::Note(why)]);
    plain.ensemble.stop_all(|| is_impatient(events));
    let _ = print(format, &[News::Note(farewell.to_owned())]);
    Ok(code)
}

struct Plain<'a> {
    ensemble: &'a mut Ensemble,
    format: Format,
    pending: VecDeque<String>,
    /// Commands wait for the ensemble to settle, at most until then.
    waiting: Option<Instant>,
    /// The input has ended: so does the lab, when all that came before is done.
    ended: bool,
}

impl Plain<'_> {
    fn run(&mut self, events: &Receiver<Event>, source: Source, notes: &[News]) -> io::Result<End> {
        print(self.format, notes)?;
        print(self.format, &self.ensemble.start_all())?;
        // A script's first command means the ensemble, not three processes that are still starting.
        self.waiting = Some(Instant::now() + SETTLE_PATIENCE);
        loop {
            let mut news = match events.recv_timeout(TICK) {
                Ok(Event::Signal(name)) => return Ok(End::Signal(name)),
                Ok(Event::Probe(report)) => self.ensemble.heard(report),
                Ok(Event::Line(line)) => self.queue(line),
                Ok(Event::InputEnded) => {
                    self.ended = true;
                    Vec::new()
                }
                Ok(Event::Key(_) | Event::Resized) | Err(_) => Vec::new(),
            };
            news.extend(self.ensemble.tick(Instant::now()));
            print(self.format, &news)?;
            self.stop_waiting()?;
            if let Some(end) = self.perform_pending()? {
                return Ok(end);
            }
            if source == Source::Nowhere && !self.ensemble.any_running() {
                return Ok(End::NothingRuns);
            }
        }
    }

    fn queue(&mut self, line: String) -> Vec<News> {
        if self.pending.len() < PENDING_MAX {
            self.pending.push_back(line);
            return Vec::new();
        }
        vec![News::Note(format!("more than {PENDING_MAX} commands wait: this one is dropped"))]
    }

    fn stop_waiting(&mut self) -> io::Result<()> {
        let Some(until) = self.waiting else { return Ok(()) };
        if self.ensemble.settled() || !self.ensemble.any_running() {
            self.waiting = None;
        } else if Instant::now() >= until {
            self.waiting = None;
            let note = format!("the ensemble has not settled within {} s", SETTLE_PATIENCE.as_secs());
            print(self.format, &[News::Note(note)])?;
        }
        Ok(())
    }

    fn perform_pending(&mut self) -> io::Result<Option<End>> {
        while self.waiting.is_none() {
            let Some(line) = self.pending.pop_front() else {
                return Ok(self.ended.then_some(End::InputEnded));
            };
            let reply = match prompt::parse(&line) {
                Ok(None) => continue,
                Ok(Some(Command::Quit)) => return Ok(Some(End::Asked)),
                Ok(Some(command)) => self.ensemble.execute(command),
                Err(refusal) => Reply::Lines(vec![refusal]),
            };
            match reply {
                Reply::Lines(lines) => print(self.format, &lines.into_iter().map(News::Note).collect::<Vec<_>>())?,
                Reply::News(news) => print(self.format, &news)?,
                Reply::Table => self.print_table()?,
                Reply::Wait => self.waiting = Some(Instant::now() + SETTLE_PATIENCE),
                Reply::Quit => return Ok(Some(End::Asked)),
            }
        }
        Ok(None)
    }

    fn print_table(&self) -> io::Result<()> {
        let rows = self.ensemble.rows();
        let lines = match self.format {
            Format::Text => render(&rows, TABLE_WIDTH, Paint::Plain),
            Format::Json => vec![status_json(&self.ensemble.connection(), &rows)],
        };
        let mut out = io::stdout().lock();
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        out.flush()
    }
}

fn print(format: Format, news: &[News]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for news in news {
        match format {
            Format::Text => writeln!(out, "{news}")?,
            Format::Json => writeln!(out, "{}", news.json())?,
        }
    }
    out.flush()
}

fn source() -> Source {
    if io::stdin().is_terminal() {
        return Source::Lines;
    }
    // Follows the link to whatever is open there.
    match std::fs::metadata("/proc/self/fd/0") {
        Ok(input) if input.file_type().is_char_device() => Source::Nowhere,
        Ok(_) => Source::Lines,
        Err(_) => Source::Nowhere,
    }
}

fn read_lines(sender: SyncSender<Event>) {
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let event = match (&mut input).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => Event::InputEnded,
                Ok(_) => Event::Line(String::from_utf8_lossy(&line).into_owned()),
            };
            let last = matches!(event, Event::InputEnded);
            if sender.send(event).is_err() || last {
                return;
            }
        }
    });
}
