//! One line on the terminal that says what is being waited for. Nothing anywhere else: logs and pipes want results only.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

/// Names shown before the line becomes too long to read.
const NAMES_SHOWN_MAX: usize = 3;

/// What is under way.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeSet<String>,
    begun: usize,
}

/// Something under way; it is over when this is dropped.
#[derive(Debug)]
pub struct Step<'a> {
    progress: &'a Progress,
    name: String,
}

impl Progress {
    /// Shown where standard error is a terminal.
    #[must_use]
    pub fn new() -> Progress {
        Progress { shown: std::io::stderr().is_terminal(), state: Mutex::default() }
    }

    /// Shown nowhere.
    #[cfg(test)]
    fn silent() -> Progress {
        Progress { shown: false, state: Mutex::default() }
    }

    /// Something begins.
    #[must_use]
    pub fn begin(&self, name: impl Into<String>) -> Step<'_> {
        let name = name.into();
        let mut state = self.state.lock();
        state.begun += 1;
        state.waiting.insert(name.clone());
        self.draw(&state);
        Step { progress: self, name }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.shown {
            write_line("");
        }
    }

    fn draw(&self, state: &State) {
        if self.shown {
            write_line(&line(state));
        }
    }
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        let mut state = self.progress.state.lock();
        state.waiting.remove(&self.name);
        self.progress.draw(&state);
    }
}

fn write_line(text: &str) {
    // Progress that cannot be shown is no reason to stop.
    let _ = write!(std::io::stderr(), "\r\x1b[K{text}").and_then(|()| std::io::stderr().flush());
}

fn line(state: &State) -> String {
    let waiting = state.waiting.len();
    if waiting == 0 {
        return String::new();
    }
    let names: Vec<&str> = state.waiting.iter().take(NAMES_SHOWN_MAX).map(String::as_str).collect();
    let more = waiting.saturating_sub(NAMES_SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} of {} done; waiting for {}{more}", state.begun - waiting, state.begun, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_is_waited_for() {
        let progress = Progress::silent();
        let first = progress.begin("zk1:3888");
        let _others = ["zk2:3888", "zk3:3888", "zk4:3888"].map(|name| progress.begin(name));
        assert_eq!(line(&progress.state.lock()), "0 of 4 done; waiting for zk1:3888, zk2:3888, zk3:3888 and 1 more");
        drop(first);
        assert_eq!(line(&progress.state.lock()), "1 of 4 done; waiting for zk2:3888, zk3:3888, zk4:3888");
    }

    #[test]
    fn nothing_waited_for_is_nothing_shown() {
        let progress = Progress::silent();
        drop(progress.begin("the disk"));
        assert_eq!(line(&progress.state.lock()), "");
    }
}
