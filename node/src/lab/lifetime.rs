//! No process stays behind: signals become events of the lab, and a server that the lab started dies with it.

use std::os::unix::process::parent_id;
use std::sync::mpsc::SyncSender;
use std::{env, process, thread};

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

use super::Event;

/// Set for each server to the lab's process id.
pub const PARENT_VARIABLE: &str = "ZOOKUBE_LAB_PARENT";

/// Called first thing by `run`: if a lab started this process, the kernel ends it when the lab ends, even by `kill -9`.
///
/// SIGKILL and not SIGTERM, because a server that hangs must go as well; what it acknowledged is on disk.
pub fn die_with_parent() {
    let Ok(parent) = env::var(PARENT_VARIABLE) else { return };
    // A kernel that refuses leaves an ordinary server, which the lab's orderly end still stops.
    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    // The lab may have died before the request was made; then no signal will come.
    if asked.is_ok() && parent != parent_id().to_string() {
        process::exit(1);
    }
}

/// Sends [`Event::Signal`] for each SIGINT, SIGTERM and SIGHUP (the terminal was closed) from now on.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn watch_signals(events: SyncSender<Event>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                    _ = hangup.recv() => "SIGHUP",
                };
                if events.send(Event::Signal(name)).is_err() {
                    break;
                }
            }
        });
    });
    Ok(())
}
