//! Plays a script and writes down who said what.
//!
//! The interactive shell is fed in lockstep: behind every line comes `printwatches`, whose answer, one known line on
//! standard output, shows that the line before it is done; what either stream got meanwhile is that line's. Watch
//! events are printed by another thread, so they are taken out of the answer, awaited as many as the script says, and
//! put behind it, sorted. The last line goes in without `printwatches`: its success is the exit code.

use std::path::Path;

use support::ensemble::Plan;
use support::server::Ports;
use support::{Server, ServerKind, ServerSpec, wait};

use crate::mask;
use crate::script::{Action, Script, Step};
use crate::shell::{Heard, LIMIT, Program, Shell};

/// What `{args}` stands for: connected before the first command, and no session that ends within the script.
const ARGS: [&str; 5] = ["-server", "{server}", "-timeout", "600000", "-waitforconnection"];

/// The line that shows that the one before it is done, and its answers.
const DONE: &str = "printwatches";
const IS_DONE: [&str; 2] = ["printwatches is on\n", "printwatches is off\n"];
const NOT_CONNECTED: &str = "Not connected\n";

/// The parts of an event's block, each printed in one go.
const WATCHER: &str = "\nWATCHER::\n";
const EVENT: &str = "\nWatchedEvent ";

/// Plays `script` with `program` on a fresh server of this kind; returns the transcript.
///
/// # Panics
/// When a program hangs, or makes events the script does not know of.
pub fn run(script: &Script, program: Program, kind: ServerKind) -> String {
    let server = server(script, kind);
    run_on(script, program, &server.ports())
}

/// A server as the script wants it.
fn server(script: &Script, kind: ServerKind) -> Server {
    let mut spec = ServerSpec::new(kind);
    for (key, value) in &script.settings {
        spec = spec.set(key, value);
    }
    if !script.ensemble {
        return Server::standalone(spec);
    }
    let spec = spec.set("tickTime", 1000).set("initLimit", 20).set("syncLimit", 10).set("standaloneEnabled", false);
    let plan = Plan { specs: vec![spec], observers: 0, own_addresses: false };
    plan.start().servers.remove(0)
}

/// Plays `script` with `program` on a server that is there.
///
/// # Panics
/// As [`run`].
pub fn run_on(script: &Script, program: Program, ports: &Ports) -> String {
    let dir = tempfile::Builder::new().prefix("zookube-cli-").tempdir().expect("a temporary directory");
    for (name, text) in &script.files {
        std::fs::write(dir.path().join(name), mask::fill(text, ports)).expect("a file of the script");
    }
    let mut player = Player { script, program, ports, dir: dir.path(), transcript: String::new() };
    player.play();
    player.transcript
}

/// A script under way.
struct Player<'a> {
    script: &'a Script,
    program: Program,
    ports: &'a Ports,
    dir: &'a Path,
    transcript: String,
}

impl Player<'_> {
    fn play(&mut self) {
        let is_line = |step: &Step| matches!(step.action, Action::Line(_));
        let mut shell = self.script.steps.iter().any(is_line).then(|| self.start(&self.script.start));
        let last_line = self.script.steps.iter().rposition(is_line);
        if let Some(shell) = &mut shell {
            let title = format!("zkCli.sh {}", self.script.start.join(" "));
            self.transcript.push_str(&format!("$ {title}\n"));
            if self.script.piped {
                self.play_piped(shell);
                return;
            }
            shell.say(&format!("{DONE}\n"));
            let waits = self.script.start.iter().any(|word| word == "{args}" || word == "-waitforconnection");
            self.answer(shell, usize::from(waits), false, &title);
        }
        for (index, step) in self.script.steps.iter().enumerate() {
            match (&step.action, &mut shell) {
                (Action::Line(line), Some(shell)) => {
                    self.transcript.push_str(&format!("> {line}\n"));
                    let line = mask::fill(line, self.ports);
                    if Some(index) == last_line {
                        shell.say(&format!("{line}\n"));
                        shell.end_input();
                        self.end(shell, step.events, &line);
                    } else {
                        shell.say(&format!("{line}\n"));
                        self.await_events(shell, step.events, &line);
                        shell.say(&format!("{DONE}\n"));
                        self.answer(shell, step.events, step.closed, &line);
                    }
                }
                (Action::Call(arguments), _) => self.call(arguments, step.events),
                (Action::Line(_), None) => unreachable!("a script with lines has a shell"),
            }
        }
    }

    /// A process of the program with these arguments.
    fn start(&self, arguments: &[String]) -> Shell {
        let mut command = self.program.command(self.dir);
        for word in arguments {
            if word == "{args}" {
                command.args(ARGS.map(|word| mask::fill(word, self.ports)));
            } else {
                command.arg(mask::fill(word, self.ports));
            }
        }
        Shell::start(command, &format!("{} in script {}", self.program.name(), self.script.name))
    }

    fn call(&mut self, arguments: &[String], events: usize) {
        self.transcript.push_str(&format!("$ zkCli.sh {}\n", arguments.join(" ")));
        let mut shell = self.start(arguments);
        shell.end_input();
        let code = shell.wait_ended();
        let (heard, found) = without_events(shell.fresh());
        self.write(&heard);
        // The connection's event is another thread's: the program may end before it is printed.
        if events > 0 {
            self.write_events(&found);
        }
        self.transcript.push_str(&format!("exit {code}\n"));
    }

    /// All lines at once: no answer can be told from the next, but the end is that of a file.
    fn play_piped(&mut self, shell: &mut Shell) {
        for step in &self.script.steps {
            if let Action::Line(line) = &step.action {
                self.transcript.push_str(&format!("> {line}\n"));
                shell.say(&format!("{}\n", mask::fill(line, self.ports)));
            }
        }
        let events = self.script.steps.iter().map(|step| step.events).sum::<usize>() + 1;
        shell.end_input();
        self.end(shell, events, "all lines at once");
    }

    /// Waits for a line's events before anything else is typed: what comes next may depend on them, and the state of the
    /// session, which an event shows, is another thread's.
    fn await_events(&self, shell: &mut Shell, events: usize, line: &str) {
        let came =
            wait::poll(LIMIT, || (count_events(&shell.fresh().out) >= events || shell.ended().is_some()).then_some(()));
        if came.is_none() {
            self.give_up(shell, line, events);
        }
    }

    fn give_up(&self, shell: &Shell, line: &str, events: usize) -> ! {
        let (name, script, fresh) = (self.program.name(), &self.script.name, shell.fresh());
        panic!("{name} {script}: {line:?} with {events} events was not done within {LIMIT:?}; it said\n{fresh:?}");
    }

    /// Writes down what a line was answered, once its end shows.
    fn answer(&mut self, shell: &mut Shell, events: usize, closed: bool, line: &str) {
        // A line may ask for the same itself.
        let marks = 1 + usize::from(line.trim() == DONE);
        let told = wait::poll(LIMIT, || {
            let fresh = shell.fresh();
            let done = count_events(&fresh.out) >= events && is_answered(&fresh.out, closed, marks);
            // Looked at before the streams: what an ended process has said is then all there.
            (done || shell.ended().is_some()).then(|| shell.fresh())
        });
        let Some(heard) = told else { self.give_up(shell, line, events) };
        shell.take(heard.out.len(), heard.err.len());
        let (mut heard, found) = without_events(heard);
        let Some((start, end)) = done_mark(&heard.out, closed, marks) else {
            let (name, script) = (self.program.name(), &self.script.name);
            panic!("{name} {script}: ended at {line:?} in the middle of the script; it said\n{heard:?}");
        };
        heard.out.replace_range(start..end, "");
        self.check_events(&found, events, line);
        self.write(&heard);
        self.write_events(&found);
    }

    /// The end of a shell that has got its last line.
    fn end(&mut self, shell: &mut Shell, events: usize, line: &str) {
        let code = shell.wait_ended();
        let (heard, found) = without_events(shell.fresh());
        self.check_events(&found, events, line);
        self.write(&heard);
        self.write_events(&found);
        self.transcript.push_str(&format!("exit {code}\n"));
    }

    fn check_events(&self, found: &[String], expected: usize, line: &str) {
        let (name, script) = (self.program.name(), &self.script.name);
        assert!(found.len() == expected, "{name} {script}: {line:?} made other events than {expected}: {found:#?}");
    }

    fn write(&mut self, heard: &Heard) {
        self.write_stream(&heard.out, "  ");
        self.write_stream(&heard.err, "! ");
    }

    fn write_stream(&mut self, text: &str, front: &str) {
        for line in mask::name(text, self.ports).split_inclusive('\n') {
            let is_noise = self.program == Program::Apache38 && line.starts_with("SLF4J: ");
            if is_noise {
                continue;
            }
            let whole = line.strip_suffix('\n');
            let masked = mask::line(whole.unwrap_or(line));
            // Blanks at the end of a line are invisible, and editors take them away.
            let visible = masked.trim_end_matches(' ');
            self.transcript.push_str(format!("{front}{visible}").trim_end_matches(' '));
            self.transcript.push_str(&"{blank}".repeat(masked.len() - visible.len()));
            self.transcript.push('\n');
            if whole.is_none() {
                self.transcript.push_str("\\ no end of line\n");
            }
        }
    }

    fn write_events(&mut self, found: &[String]) {
        for event in found {
            self.transcript.push_str(&format!("* {event}\n"));
        }
    }
}

fn count_events(out: &str) -> usize {
    let parts = out.match_indices(EVENT);
    parts.filter(|(at, part)| out[at + part.len()..].contains('\n')).count()
}

/// Whether the answer to [`DONE`] is complete.
fn is_answered(out: &str, closed: bool, marks: usize) -> bool {
    let quiet = without_events(Heard { out: out.to_owned(), err: String::new() }).0.out;
    done_mark(&quiet, closed, marks).is_some()
}

/// The last answer to [`DONE`], where so many are there: where it begins and ends.
fn done_mark(out: &str, closed: bool, marks: usize) -> Option<(usize, usize)> {
    let found = IS_DONE.iter().flat_map(|mark| out.match_indices(mark).map(|(at, mark)| (at, at + mark.len())));
    let mut found: Vec<(usize, usize)> = found.collect();
    found.sort_unstable();
    let (start, end) = *found.get(marks - 1..)?.last()?;
    match closed {
        true => out[end..].starts_with(NOT_CONNECTED).then_some((start, end + NOT_CONNECTED.len())),
        false => Some((start, end)),
    }
}

/// Takes the blocks of events out, and returns them sorted: two of one change come in no order.
fn without_events(mut heard: Heard) -> (Heard, Vec<String>) {
    let mut events = Vec::new();
    while let Some(at) = heard.out.find(EVENT) {
        let Some(length) = heard.out[at + 1..].find('\n') else { break };
        events.push(heard.out[at + 1..at + 1 + length].to_owned());
        heard.out.replace_range(at..at + length + 2, "");
    }
    for _ in &events {
        heard.out = heard.out.replacen(WATCHER, "", 1);
    }
    events.sort();
    (heard, events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(out: &str) -> Heard {
        Heard { out: out.to_owned(), err: String::new() }
    }

    #[test]
    fn events_are_taken_out_wherever_they_came() {
        let out = "a\n\nWATCHER::\nprintwatches is on\n\nWatchedEvent z\nb\n\nWATCHER::\n\nWatchedEvent y\n";
        let (rest, events) = without_events(heard(out));
        assert_eq!(rest.out, "a\nprintwatches is on\nb\n");
        assert_eq!(events, ["WatchedEvent y", "WatchedEvent z"]);
        assert_eq!(count_events(out), 2);
        assert_eq!(count_events("\nWATCHER::\n\nWatchedEvent half"), 0);
    }

    #[test]
    fn an_answer_ends_with_that_of_printwatches() {
        assert_eq!(done_mark("xprintwatches is on\n", false, 1), Some((1, 20)));
        assert_eq!(done_mark("printwatches is on\n", false, 2), None);
        assert_eq!(done_mark("printwatches is on\nprintwatches is off\n", false, 2), Some((19, 39)));
        assert_eq!(done_mark("printwatches is on\n", true, 1), None);
        assert_eq!(done_mark("printwatches is on\nNot connected\n", true, 1), Some((0, 33)));
        assert_eq!(done_mark("printwatches is", false, 1), None);
        assert_eq!(done_mark("", false, 1), None);
    }
}
