//! `lab`: a whole ensemble on this machine, to try things on. Three servers as child processes of the same program, a
//! live table of them, and a prompt at which they can be killed and started again.
//!
//! ```text
//!   keys or lines --+                        +-- ui_terminal: table and prompt
//!   signals --------+--> Event --> Ensemble -+
//!   probes ---------+                        +-- ui_plain: one line per event
//! ```
//! One thread, the one that calls [`run`], owns the [`ensemble::Ensemble`] and everything it prints; the others only send
//! it an [`Event`]. The lab sees its servers from outside, over their client ports, as a client would: it knows nothing
//! of the server's code and would work with any program that takes `run --config zoo.cfg`.

mod args;
mod ensemble;
mod layout;
mod lifetime;
mod line_editor;
mod log_tail;
mod news;
mod ports;
mod probe;
mod prompt;
mod screen;
mod servers;
mod table;
#[cfg(test)]
mod table_test;
mod ui_plain;
mod ui_terminal;
mod zoo_cfg;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use crossterm::event::KeyEvent;

pub use args::LabArgs;
pub use lifetime::die_with_parent;

use ensemble::Ensemble;
use layout::Layout;
use news::News;
use table::Paint;

/// Events that wait at most; whoever sends more waits itself.
const EVENTS_MAX: usize = 256;
/// The longest time between two looks at the processes.
const TICK: Duration = Duration::from_millis(50);
/// Exit code for arguments or a directory that do not allow a lab.
const REFUSED: u8 = 2;

/// Everything that can happen to the lab from outside.
#[derive(Debug)]
pub enum Event {
    /// A key on the terminal.
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    /// A line of standard input, where that is no terminal.
    Line(String),
    /// Nothing more will come from standard input.
    InputEnded,
    /// A probe has asked its server.
    Probe(probe::Report),
    /// A signal that ends the lab.
    Signal(&'static str),
}

/// Starts the lab and stays until it is told to end; no server outlives it.
///
/// Must be called on the main thread, because the kernel ends the servers when the thread that started them is gone.
///
/// # Errors
/// When the lab cannot be started or the terminal fails. What the user asked for and cannot have is no error here: it is
/// said on standard error, with the way out.
pub fn run(args: LabArgs) -> anyhow::Result<ExitCode> {
    let mut layout = match Layout::open(&args, ports::is_free) {
        Ok(layout) => layout,
        Err(refusal) => {
            eprintln!("lab: {refusal}");
            return Ok(ExitCode::from(REFUSED));
        }
    };
    let notes: Vec<_> = std::mem::take(&mut layout.notes).into_iter().map(News::Note).collect();
    let (sender, events) = sync_channel(EVENTS_MAX);
    lifetime::watch_signals(sender.clone())?;
    let pace = probe::Pace::default();
    for (place, member) in layout.members.iter().enumerate() {
        probe::start(place, member.ports.client, pace.clone(), sender.clone());
    }
    let mut ensemble = Ensemble::new(layout, std::env::current_exe()?, pace);
    let farewell = format!("all servers are stopped; their data stays in {}", args.dir.display());
    if !args.json && is_interactive() {
        ui_terminal::run(&mut ensemble, &events, sender, notes, paint(), &farewell)
    } else {
        let format = if args.json { ui_plain::Format::Json } else { ui_plain::Format::Text };
        ui_plain::run(&mut ensemble, &events, sender, notes, format, &farewell)
    }
}

/// Whether a second Ctrl-C or signal has come while the lab is ending.
fn is_impatient(events: &Receiver<Event>) -> bool {
    use crossterm::event::{KeyCode, KeyModifiers};
    events.try_iter().any(|event| match event {
        Event::Signal(_) => true,
        Event::Key(key) => key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL),
        _ => false,
    })
}

/// Whether there is a person at both ends, on a terminal that can move its cursor.
fn is_interactive() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !dumb
}

/// Colours unless `NO_COLOR` is set to anything (no-color.org).
fn paint() -> Paint {
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) { Paint::Plain } else { Paint::Colour }
}
