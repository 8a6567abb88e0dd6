//! Lines from whoever types them: on a terminal with editing, a history and completion, else one after another from standard input.
//!
//! They are read by a thread of their own, one line at a time and only when asked for, so that what a command writes never meets a line
//! that is being edited. What comes while one is edited goes above it.

use super::complete;
use super::screen::{Paint, has_colours};
use client::Client;
use parking_lot::Mutex;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// How long a completion waits for a server.
const COMPLETION_PATIENCE: Duration = Duration::from_secs(1);
/// Lines that the history keeps.
const HISTORY_MAX: usize = 1000;

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A line.
    Line(String),
    /// `^C`: the line is given up.
    Interrupted,
    /// There will be no more.
    End,
}

/// Whose znodes complete paths: that changes with `connect`.
pub type CurrentClient = Arc<Mutex<Option<Client>>>;

/// The thread that reads.
pub struct Prompt {
    ask: std::sync::mpsc::Sender<String>,
    typed: mpsc::UnboundedReceiver<Typed>,
    above: Option<Box<dyn ExternalPrinter + Send>>,
    /// Whether somebody types at a terminal.
    pub is_interactive: bool,
}

impl Prompt {
    /// Begins to read; within a runtime.
    ///
    /// # Errors
    /// When the terminal cannot be set up, or the thread not be started.
    pub fn start(client: CurrentClient) -> io::Result<Prompt> {
        let is_interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
        let (ask, asked) = std::sync::mpsc::channel();
        let (tell, typed) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("prompt".to_owned());
        let mut above = None;
        if is_interactive {
            let mut editor = editor(client)?;
            above = editor.create_external_printer().ok().map(|printer| Box::new(printer) as Box<_>);
            thread.spawn(move || edit(&mut editor, &asked, &tell))?;
        } else {
            thread.spawn(move || read(&asked, &tell))?;
        }
        Ok(Prompt { ask, typed, above, is_interactive })
    }

    /// Asks for a line; it comes by [`Prompt::typed`].
    pub fn ask(&self, prompt: String) {
        // The thread has ended only if there is nothing more to read, which it has said.
        let _ = self.ask.send(prompt);
    }

    /// What was typed when a line was asked for.
    pub async fn typed(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::End)
    }

    /// Writes above the line that is being edited. Whether there is such a line.
    pub fn write_above(&mut self, text: &str) -> bool {
        self.above.as_mut().is_some_and(|printer| printer.print(text.to_owned()).is_ok())
    }
}

/// Lines from standard input, as far as they are asked for.
fn read(asked: &std::sync::mpsc::Receiver<String>, tell: &mpsc::UnboundedSender<Typed>) {
    while asked.recv().is_ok() {
        let mut line = Vec::new();
        // For a line only: the rest may be data that a command asks for (`--data-file -`).
        let typed = match io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Typed::End,
            Ok(_) => Typed::Line(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()),
        };
        let is_end = typed == Typed::End;
        if tell.send(typed).is_err() || is_end {
            return;
        }
    }
}

fn editor(client: CurrentClient) -> io::Result<Editor<Znodes, FileHistory>> {
    let config = Config::builder().completion_type(CompletionType::List).max_history_size(HISTORY_MAX);
    let config = config.map_err(io::Error::other)?.history_ignore_space(true).build();
    let mut editor = Editor::with_config(config).map_err(io::Error::other)?;
    let colours = has_colours(&io::stdout());
    editor.set_helper(Some(Znodes { client, runtime: Handle::current(), colours }));
    if let Some(file) = history_file() {
        // None at the first time.
        let _ = editor.load_history(&file);
    }
    Ok(editor)
}

/// Lines of a terminal, as far as they are asked for.
fn edit(
    editor: &mut Editor<Znodes, FileHistory>,
    asked: &std::sync::mpsc::Receiver<String>,
    tell: &mpsc::UnboundedSender<Typed>,
) {
    let file = history_file();
    while let Ok(prompt) = asked.recv() {
        let typed = match editor.readline(&prompt) {
            Ok(line) => {
                remember(editor, &line, file.as_deref());
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(_) => Typed::End,
        };
        let is_end = typed == Typed::End;
        if tell.send(typed).is_err() || is_end {
            return;
        }
    }
}

/// Passwords are not kept in a file.
fn remember(editor: &mut Editor<Znodes, FileHistory>, line: &str, file: Option<&std::path::Path>) {
    let is_secret = super::words::split(line).first().is_some_and(|name| name == "addauth");
    let is_new = editor.add_history_entry(line).unwrap_or(false);
    if let (true, false, Some(file)) = (is_new, is_secret, file) {
        // A history that cannot be kept is none.
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = append(file, line);
    }
}

/// Adds a line to the file, which only its owner reads.
fn append(file: &std::path::Path, line: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    writeln!(file, "{line}")
}

/// Where the history is kept: `ZOOKUBE_CLI_HISTORY`, else in the directory for such things of the user.
fn history_file() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("ZOOKUBE_CLI_HISTORY").or_else(|| {
        let state = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
        Some(state.join("zookube/cli_history"))
    })
}

/// Completes, hints and colours.
struct Znodes {
    client: CurrentClient,
    runtime: Handle,
    colours: bool,
}

impl Znodes {
    fn children(&self, parent: &str) -> Vec<String> {
        let Some(client) = self.client.lock().clone() else { return Vec::new() };
        let children = async { tokio::time::timeout(COMPLETION_PATIENCE, client.get_children(parent, false)).await };
        self.runtime.block_on(children).ok().and_then(Result::ok).unwrap_or_default()
    }
}

impl Helper for Znodes {}
impl Validator for Znodes {}

impl Completer for Znodes {
    type Candidate = String;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let found = complete::candidates(line, cursor, |parent| self.children(parent));
        Ok((found.start, found.words))
    }
}

impl Hinter for Znodes {
    type Hint = String;

    fn hint(&self, line: &str, cursor: usize, _: &Context<'_>) -> Option<String> {
        complete::hint(line).filter(|_| cursor == line.len()).map(str::to_owned)
    }
}

impl Highlighter for Znodes {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        let state = prompt.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(state, _)| state);
        let Some(state) = state.filter(|_| self.colours) else { return Cow::Borrowed(prompt) };
        let paint = if state == "CONNECTED" { Paint::Green } else { Paint::Yellow };
        Cow::Owned(prompt.replacen(state, &paint.paint(state), 1))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colours { Cow::Owned(Paint::Dim.paint(hint)) } else { Cow::Borrowed(hint) }
    }
}
