//! Log lines: one compact line each on standard output, level from `RUST_LOG` (default `info`).

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging. A second call in one process changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stdout().is_terminal();
    // A reader of the log that goes away must not end the server: failures to write a line are not reported anywhere.
    let lines = tracing_subscriber::fmt()
        .compact()
        .with_ansi(colours)
        .with_target(false)
        .log_internal_errors(false)
        .with_env_filter(filter);
    if lines.try_init().is_err() {
        tracing::debug!("logging was already started");
    }
}
