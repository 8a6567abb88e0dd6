//! Where the shell writes: standard output and standard error, with colours on a terminal only.

use std::io::{self, IsTerminal, Write};

/// Colours, as a terminal knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Errors.
    Red,
    /// What is well.
    Green,
    /// What waits.
    Yellow,
    /// What helps.
    Dim,
}

impl Paint {
    /// The text in this colour.
    #[must_use]
    pub fn paint(self, text: &str) -> String {
        let code = match self {
            Paint::Red => "31",
            Paint::Green => "32",
            Paint::Yellow => "33",
            Paint::Dim => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether a stream is a terminal that may be coloured (no-color.org).
#[must_use]
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The two streams.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    colours: bool,
}

impl Screen {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Screen {
        Screen { colours: has_colours(&io::stderr()) }
    }

    /// Writes to standard output. Whether anybody still reads there.
    #[must_use]
    pub fn out(self, text: &str) -> bool {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
    }

    /// Writes to standard error; that nobody reads there changes nothing.
    pub fn err(self, text: &str) {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Writes an error and what helps.
    pub fn failure(self, text: &str, hint: Option<&str>) {
        let line = |text: &str, paint: Paint| if self.colours { paint.paint(text) } else { text.to_owned() };
        if !text.is_empty() {
            self.err(&format!("{}\n", line(text, Paint::Red)));
        }
        if let Some(hint) = hint {
            self.err(&format!("{}\n", line(&format!("hint: {hint}"), Paint::Dim)));
        }
    }
}
