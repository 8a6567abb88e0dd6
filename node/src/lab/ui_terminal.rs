//! The lab on a terminal: a live table, a prompt beneath it, events above it.

use std::io::{self, Stdout};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::cursor::Show;
use crossterm::{event, execute, terminal};

use super::ensemble::{Ensemble, Reply};
use super::line_editor::{LineEditor, Typed};
use super::news::News;
use super::prompt;
use super::screen::{Block, Line, Screen, View};
use super::table::{Paint, Row, Style, render};
use super::{Event, TICK, is_impatient};

/// How often the table is drawn when nothing happens.
const REFRESH: Duration = Duration::from_secs(1);
/// Where the terminal does not tell its size.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// Runs until `quit`, Ctrl-C, Ctrl-D, or a signal.
///
/// # Errors
/// When the terminal cannot be set up; what it refuses later ends the lab in order.
pub fn run(
    ensemble: &mut Ensemble,
    events: &Receiver<Event>,
    sender: SyncSender<Event>,
    notes: Vec<News>,
    paint: Paint,
    farewell: &str,
) -> anyhow::Result<ExitCode> {
    let raw = RawMode::enter()?;
    read_keys(sender);
    let screen = Screen::new(io::stdout(), paint);
    let mut ui = Terminal {
        rows: Vec::new(),
        refreshed: Instant::now(),
        editor: LineEditor::default(),
        screen,
        paint,
        ensemble,
    };
    // A terminal that is gone is a reason to end like any other.
    let why = ui.run(events, notes).unwrap_or("the terminal is gone: stopping");
    let _ = ui.screen.finish(&[(Style::None, why.to_owned())]);
    ui.ensemble.stop_all(|| is_impatient(events));
    let _ = ui.screen.finish(&[(Style::None, farewell.to_owned())]);
    drop(raw);
    Ok(ExitCode::SUCCESS)
}

struct Terminal<'a> {
    ensemble: &'a mut Ensemble,
    screen: Screen<Stdout>,
    paint: Paint,
    editor: LineEditor,
    rows: Vec<Row>,
    refreshed: Instant,
}

impl Terminal<'_> {
    fn run(&mut self, events: &Receiver<Event>, notes: Vec<News>) -> io::Result<&'static str> {
        let mut finished: Vec<Line> = notes.iter().map(told).collect();
        finished.extend(self.ensemble.start_all().iter().map(told));
        finished.push((Style::Dim, "`help` lists the commands; Ctrl-C stops everything".to_owned()));
        self.refresh();
        self.draw(finished)?;
        loop {
            let event = events.recv_timeout(TICK).ok();
            let typing = matches!(event, Some(Event::Key(_)));
            let mut finished = Vec::new();
            match event {
                Some(Event::Signal(_)) => return Ok("signal: stopping"),
                Some(Event::InputEnded) => return Ok("the terminal is gone: stopping"),
                Some(Event::Resized) => self.redraw()?,
                Some(Event::Probe(report)) => finished.extend(self.ensemble.heard(report).iter().map(told)),
                Some(Event::Key(key)) => match self.editor.press(key) {
                    Typed::Edited => {}
                    Typed::Redraw => self.redraw()?,
                    Typed::Leave => return Ok("stopping"),
                    Typed::Entered(line) => match self.entered(&line) {
                        Some(lines) => finished.extend(lines),
                        None => return Ok("stopping"),
                    },
                },
                Some(Event::Line(_)) | None => {}
            }
            finished.extend(self.ensemble.tick(Instant::now()).iter().map(told));
            let due = self.refreshed.elapsed() >= REFRESH;
            if due || !finished.is_empty() {
                self.refresh();
            }
            if due || typing || !finished.is_empty() {
                self.draw(finished)?;
            }
        }
    }

    /// Performs a line; nothing comes back if it ends the lab.
    fn entered(&mut self, line: &str) -> Option<Vec<Line>> {
        let mut lines = vec![(Style::Dim, format!("lab> {line}"))];
        let reply = match prompt::parse(line) {
            Ok(None) => return Some(Vec::new()),
            Ok(Some(command)) => self.ensemble.execute(command),
            Err(refusal) => Reply::Lines(vec![refusal]),
        };
        match reply {
            Reply::Lines(replies) => lines.extend(replies.into_iter().map(|reply| (Style::None, reply))),
            Reply::News(news) => lines.extend(news.iter().map(told)),
            Reply::Table => {
                let width = usize::from(size().0).saturating_sub(1);
                let table = render(&self.ensemble.rows(), width, self.paint);
                lines.extend(table.into_iter().map(|line| (Style::None, line)));
            }
            Reply::Wait => lines.push((Style::None, "`wait` is for scripts; here the table shows it".to_owned())),
            Reply::Quit => return None,
        }
        Some(lines)
    }

    fn refresh(&mut self) {
        self.rows = self.ensemble.rows();
        self.refreshed = Instant::now();
    }

    fn draw(&mut self, finished: Vec<Line>) -> io::Result<()> {
        let block = self.block(size());
        self.screen.draw(finished, &block)
    }

    fn redraw(&mut self) -> io::Result<()> {
        let size = size();
        let block = self.block(size);
        self.screen.redraw(&block, size)
    }

    fn block(&self, size: (u16, u16)) -> Block {
        let connection = self.ensemble.connection();
        let typed = |width| self.editor.view(width);
        Block::compose(&View { size, connection: &connection, rows: &self.rows, typed: &typed }, self.paint)
    }
}

fn told(news: &News) -> Line {
    (news.style(), news.to_string())
}

fn size() -> (u16, u16) {
    terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL_SIZE)
}

fn read_keys(sender: SyncSender<Event>) {
    thread::spawn(move || {
        loop {
            let event = match event::read() {
                Ok(event::Event::Key(key)) => Event::Key(key),
                Ok(event::Event::Resize(..)) => Event::Resized,
                Ok(_) => continue,
                Err(_) => Event::InputEnded,
            };
            let last = matches!(event, Event::InputEnded);
            if sender.send(event).is_err() || last {
                return;
            }
        }
    });
}

/// Keys arrive one by one and unechoed as long as this lives.
struct RawMode;

impl RawMode {
    fn enter() -> io::Result<RawMode> {
        terminal::enable_raw_mode()?;
        // The hook before ours may end the process at once, so that nothing would be dropped.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        Ok(RawMode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    // A terminal that is gone needs no restoring.
    let _ = terminal::disable_raw_mode();
    let _ = execute!(io::stdout(), Show);
}
