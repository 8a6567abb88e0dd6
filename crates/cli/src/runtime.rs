//! The threads beside the one that works.

use std::io;
use tokio::runtime::{Builder, Runtime};

/// A runtime with a thread that keeps sessions alive while this one works, or waits for whoever types.
///
/// # Errors
/// When the thread cannot be started.
pub fn start() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
