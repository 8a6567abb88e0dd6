//! Where the tools write: standard output in one piece or line by line, progress on standard error, words for numbers.

use crate::shell::screen::{Paint, Screen, has_colours};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::Duration;

/// How a tool writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs: a document of JSON a line.
    Json,
}

/// Standard output.
#[derive(Debug)]
pub struct Out {
    inner: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
    has_colours: bool,
}

impl Out {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Out {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let has_colours = has_colours(&stdout);
        Out { inner: BufWriter::new(stdout.lock()), is_terminal, has_colours }
    }

    /// Whether a person looks on.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// A text in a colour, where there are colours.
    #[must_use]
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if self.has_colours { paint.paint(text) } else { text.to_owned() }
    }

    /// Writes a line; a person sees it at once.
    ///
    /// # Errors
    /// As [`Write::write_all`], such as that nobody reads any more.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.ended(text, b'\n')
    }

    /// As [`Out::line`], with another byte at the end.
    ///
    /// # Errors
    /// As [`Out::line`].
    pub fn ended(&mut self, text: &str, end: u8) -> io::Result<()> {
        self.inner.write_all(text.as_bytes())?;
        self.inner.write_all(&[end])?;
        if self.is_terminal { self.inner.flush() } else { Ok(()) }
    }

    /// Everything written so far is on its way.
    ///
    /// # Errors
    /// As [`Write::flush`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// How far a tool is, on standard error, and only where that is a terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A new one; without a total it only counts.
    #[must_use]
    pub fn new(what: &str, total: Option<u64>) -> Progress {
        if !io::stderr().is_terminal() {
            return Progress(ProgressBar::hidden());
        }
        let (bar, template) = match total {
            Some(total) => {
                (ProgressBar::new(total), "{msg} [{bar:30}] {human_pos}/{human_len} znodes, {per_sec}, {eta} left")
            }
            None => (ProgressBar::new_spinner(), "{msg} {spinner} {human_pos} znodes, {per_sec}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bar.with_style(style).with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress(bar)
    }

    /// One more.
    pub fn step(&self) {
        self.0.inc(1);
    }

    /// Writes a line to standard error, above the bar.
    pub fn say(&self, text: &str) {
        self.0.suspend(|| Screen::of_process().failure(text, None));
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// A number and what it counts: `1 znode`, `2 znodes`.
#[must_use]
pub fn count(number: u64, singular: &str) -> String {
    match number {
        1 => format!("1 {singular}"),
        _ => format!("{number} {}", if singular == "child" { "children".to_owned() } else { format!("{singular}s") }),
    }
}

/// Bytes for people: `17 B`, `1.5 KiB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut whole, mut unit) = (number as f64 / 1024.0, 0);
    while whole >= 1023.95 && unit + 1 < UNITS.len() {
        whole /= 1024.0;
        unit += 1;
    }
    format!("{whole:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_words() {
        assert_eq!([count(0, "child"), count(1, "child"), count(2, "znode")], ["0 children", "1 child", "2 znodes"]);
        let sizes = [0, 1023, 1024, 1536, (1 << 20) - 1, 1 << 20, 5 << 40];
        assert_eq!(sizes.map(bytes), ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 TiB"]);
    }
}
