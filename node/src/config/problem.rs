//! What can be said about a configuration: errors that stop the start, and warnings that do not.

use std::fmt;
use std::sync::Arc;

/// Where a key was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: Arc<str>,
    line: Option<usize>,
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn file(name: &str) -> Place {
        Place { file: name.into(), line: None }
    }

    /// A line of the same file, counted from 1.
    #[must_use]
    pub fn line(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line: Some(line) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// One thing that must be corrected before the server can start: place, what was found, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

/// One thing the operator should know about; the server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that is wrong with a configuration, one line each, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Collects while a configuration is read, so that all its errors are shown at once.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Warning>,
}

impl Report {
    /// Adds an error: `<place>: <text>`.
    pub(super) fn problem(&mut self, place: &Place, text: impl fmt::Display) {
        self.problems.push(Problem(format!("{place}: {text}")));
    }

    /// Adds a warning.
    pub(super) fn warning(&mut self, text: impl fmt::Display) {
        self.warnings.push(Warning(text.to_string()));
    }

    /// The warning about a key that is accepted and ignored.
    pub(super) fn no_effect(&mut self, key: &str, place: &Place, reason: impl fmt::Display) {
        self.warning(format_args!("key {key} ({place}) has no effect here: {reason}"));
    }

    /// An error if there was any problem.
    pub(super) fn finish(self) -> Result<Vec<Warning>, ConfigError> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(ConfigError { problems: self.problems }) }
    }
}
