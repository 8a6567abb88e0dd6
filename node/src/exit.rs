//! Exit codes, those of Apache (`ExitCode`), so that scripts around a server keep working.

/// A clean end.
pub const FINISHED: i32 = 0;
/// Something unexpected, such as an I/O error of the log.
pub const UNEXPECTED: i32 = 1;
/// Wrong arguments or configuration.
pub const INVALID_INVOCATION: i32 = 2;
/// The data directory cannot be used.
pub const DATA_DIR: i32 = 3;
/// A snapshot could not be written.
pub const SNAPSHOT: i32 = 10;
/// The quorum or election port cannot be bound.
pub const BIND_QUORUM_PORT: i32 = 14;

/// Why the process ends before it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fatal {
    /// The exit code.
    pub code: i32,
    /// What happened and what to do.
    pub message: String,
}

impl Fatal {
    /// An end with this code.
    #[must_use]
    pub fn new(code: i32, message: impl Into<String>) -> Fatal {
        Fatal { code, message: message.into() }
    }
}

/// Ends the process at once. What must be durable was synced before it was acknowledged, so there is nothing to tidy up.
pub fn halt(code: i32, message: &str) -> ! {
    tracing::error!(code, "halt: {}", one_line(&message));
    std::process::exit(code)
}

/// An error's text on one line, as the log wants it; messages for people put their hint on a line of its own.
#[must_use]
pub fn one_line(error: &impl std::fmt::Display) -> String {
    error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
