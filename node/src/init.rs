//! What a process owes its signals and, as the first one of a container, everybody's children.
//!
//! The kernel gives process 1 no default for a signal: where it has no handler, SIGTERM does nothing at all. It also makes
//! it the parent of every process whose own parent has gone, and keeps each that ends until process 1 has asked for its
//! status. Both are done here, so that an image needs no init program beside the server.

use crate::exit;
use crate::limits::STOP_MAX;
use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// A shell's exit code for a process that a signal ended is this plus the signal's number.
pub const SIGNALLED: i32 = 128;

/// The order to stop: SIGTERM or SIGINT.
///
/// Before the server has anything to leave ([`StopOrder::may_wait`]) the order ends the process at once, which is as safe as
/// a crash and as quick. Later the first one is passed on, and a second one, or [`STOP_MAX`] behind the delay after the first,
/// ends it.
#[derive(Debug)]
pub struct StopOrder {
    waits: Arc<AtomicBool>,
    first: oneshot::Receiver<&'static str>,
}

impl StopOrder {
    /// Listens from here on; to be called before anything that takes time, inside a runtime with a worker of its own. `delay` is how
    /// long the process serves on after an order it waits for.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn listen(delay: Duration) -> io::Result<StopOrder> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let waits = Arc::new(AtomicBool::new(false));
        let (order, first) = oneshot::channel();
        tokio::spawn(obey(terminate, interrupt, waits.clone(), order, delay));
        Ok(StopOrder { waits, first })
    }

    /// From here on somebody waits for the order and stops in order.
    pub fn may_wait(&self) {
        self.waits.store(true, Relaxed);
    }

    /// Waits for the order; answers the signal's name.
    pub async fn given(self) -> &'static str {
        self.may_wait();
        match self.first.await {
            Ok(name) => name,
            // The task that listens ends with the process only.
            Err(_) => std::future::pending().await,
        }
    }
}

async fn obey(
    mut terminate: Signal,
    mut interrupt: Signal,
    waits: Arc<AtomicBool>,
    order: oneshot::Sender<&'static str>,
    delay: Duration,
) {
    let (name, _) = next(&mut terminate, &mut interrupt).await;
    // The receiver is gone where the start has failed meanwhile: then there is nothing to stop either.
    if !waits.load(Relaxed) || order.send(name).is_err() {
        tracing::info!("stopped on {name} before this server took part in anything");
        std::process::exit(exit::FINISHED);
    }
    match tokio::time::timeout(delay + STOP_MAX, next(&mut terminate, &mut interrupt)).await {
        Ok((name, number)) => {
            tracing::warn!("{name} again: end at once");
            std::process::exit(SIGNALLED + number);
        }
        Err(_) => {
            tracing::warn!(
                ms = STOP_MAX.as_millis(),
                "the stop takes too long: end now; what was acknowledged is on disk"
            );
            std::process::exit(exit::FINISHED);
        }
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
    }
}

/// Whether this process is the first one of its container.
#[must_use]
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// The children of this process: its own, and as process 1 everybody's that have lost their parents.
#[derive(Debug)]
pub struct Children {
    ended: Signal,
}

impl Children {
    /// Begins to listen; to be called before a child is started.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    pub fn watch() -> io::Result<Children> {
        Ok(Children { ended: signal(SignalKind::child())? })
    }

    /// Waits until this child has ended, and lets go of every other one that ends meanwhile.
    pub async fn wait_for(&mut self, child: Pid) -> WaitStatus {
        loop {
            while let Some((pid, status)) = next_ended() {
                if pid == child {
                    return status;
                }
                tracing::debug!(%pid, "an orphan has ended");
            }
            self.ended.recv().await;
        }
    }

    /// Lets go of every child that ends, for ever.
    pub async fn reap(mut self) {
        loop {
            while let Some((pid, _)) = next_ended() {
                tracing::debug!(%pid, "an orphan has ended");
            }
            self.ended.recv().await;
        }
    }
}

/// A child that has ended, if there is one. "No child" is an error to the kernel, and nothing to us.
fn next_ended() -> Option<(Pid, WaitStatus)> {
    wait(WaitOptions::NOHANG).ok().flatten()
}

/// As process 1, reaps orphans from here on; nothing otherwise. Not to be used where this process waits for children itself.
///
/// # Errors
/// When the handler cannot be installed.
pub fn reap_orphans_if_first() -> io::Result<()> {
    if is_first() {
        tokio::spawn(Children::watch()?.reap());
    }
    Ok(())
}
