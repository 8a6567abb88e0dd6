//! What can be said about a configuration: errors that stop the start, and warnings that do not.

use std::fmt;
use std::sync::Arc;

use super::Implementation;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file, as a whole or one line of it, counted from 1.
    File {
        /// Its path.
        name: Arc<str>,
        /// The line.
        line: Option<usize>,
    },
    /// An environment variable.
    Variable(Arc<str>),
    /// The environment as a whole, where there is no file.
    Environment,
    /// An option of the command line.
    CommandLine,
    /// The name of the host.
    HostName(Arc<str>),
    /// Nobody said anything: which default holds.
    Default(&'static str),
}

impl Place {
    /// A file as a whole.
    #[must_use]
    pub fn file(name: &str) -> Place {
        Place::File { name: name.into(), line: None }
    }

    /// A line of the same file, counted from 1. What is no file has no lines and stays what it is.
    #[must_use]
    pub fn line(&self, line: usize) -> Place {
        match self {
            Place::File { name, .. } => Place::File { name: name.clone(), line: Some(line) },
            other => other.clone(),
        }
    }

    /// An environment variable.
    #[must_use]
    pub fn variable(name: &str) -> Place {
        Place::Variable(name.into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Place::File { name, line: None } => f.write_str(name),
            Place::Variable(name) => write!(f, "environment variable {name}"),
            Place::Environment => f.write_str("environment"),
            Place::CommandLine => f.write_str("command line"),
            Place::HostName(name) => write!(f, "host name {name}"),
            Place::Default(which) => f.write_str(which),
        }
    }
}

/// One thing that must be corrected before the server can start: place, what was found, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(String);

/// One thing the operator should know about; the server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    text: String,
    /// Whether it is about something that this program does not do; another one may.
    only_here: bool,
}

impl Warning {
    /// Whether it says only that a key or a variable has no effect in this program. Apache's server may well heed it.
    #[must_use]
    pub fn is_only_here(&self) -> bool {
        self.only_here
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
    /// Whose server the configuration is for.
    pub(super) server: Implementation,
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
        self.warnings.push(Warning { text: text.to_string(), only_here: false });
    }

    /// The warning about a key that is accepted and ignored.
    pub(super) fn no_effect(&mut self, key: &str, place: &Place, reason: impl fmt::Display) {
        let text = format!("key {key} ({place}) has no effect here: {reason}");
        self.warnings.push(Warning { text, only_here: true });
    }

    /// An error if there was any problem.
    pub(super) fn finish(self) -> Result<Vec<Warning>, ConfigError> {
        if self.problems.is_empty() { Ok(self.warnings) } else { Err(ConfigError { problems: self.problems }) }
    }
}
