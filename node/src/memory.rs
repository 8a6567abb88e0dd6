//! The memory this process may use: measured here, judged by the core (decision 0010).
//!
//! A container's limit is the kernel's: beyond it the process is killed. Some way before it, at the growth limit, the core
//! refuses what makes the tree grow. What is measured is what the kernel counts, not what we believe to have allocated:
//! threads, sockets and fragments of the heap kill just as well.

use crate::cgroup::Cgroups;
use crate::config::GrowthLimit;
use crate::inbox::Internal;
use crate::limits::{DISK_QUEUE_BYTES_MAX, MEMORY_EVERY};
use crate::shared::Shared;
use replica::limits::REQUEST_BYTES_PER_CONNECTION_MAX;
use replica::{GrowthRoom, Input, Memory};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::mpsc;
use tree::ZNODE_BYTES;

/// From this limit on large pages are worth what they waste: each of some dozen heaps rounds up to 2 MiB.
const HUGE_PAGES_FROM_BYTES: u64 = 1 << 30;
/// Growth that was refused goes on when this part of the growth limit is free.
const RESUME_PART: u64 = 16;

/// Bounds that are smaller where memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes that wait for the disk beyond which clients' requests are not taken.
    pub disk_queue_bytes_max: usize,
    /// Bytes of request bodies of one connection in the pipeline.
    pub request_bytes_per_connection_max: usize,
    /// Bytes of request bodies of all connections in the pipeline, beyond which each has one request there. Each byte of them
    /// stands for several: the request, its transaction, the log's buffer, the tree.
    pub request_bytes_max: usize,
    /// Bytes of committed transactions kept for learners that were away.
    pub history_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            disk_queue_bytes_max: DISK_QUEUE_BYTES_MAX,
            request_bytes_per_connection_max: REQUEST_BYTES_PER_CONNECTION_MAX,
            request_bytes_max: usize::MAX,
            history_bytes_max: usize::MAX,
        }
    }
}

impl Bounds {
    /// The bounds of a process that may use this much memory.
    #[must_use]
    pub fn within(limit_bytes: Option<u64>) -> Bounds {
        let all = Bounds::default();
        let Some(limit) = limit_bytes else { return all };
        let part = |of: u64| usize::try_from(limit / of).unwrap_or(usize::MAX);
        Bounds {
            disk_queue_bytes_max: all.disk_queue_bytes_max.min(part(8)),
            request_bytes_per_connection_max: all.request_bytes_per_connection_max.min(part(64)),
            request_bytes_max: part(32),
            history_bytes_max: part(32),
        }
    }
}

/// What was measured last; 0 where nothing was.
#[derive(Debug, Default)]
pub struct MemoryStats {
    /// The kernel's limit, bytes.
    pub limit_bytes: AtomicU64,
    /// From where growth is refused, bytes.
    pub growth_limit_bytes: AtomicU64,
    /// What is used, bytes.
    pub used_bytes: AtomicU64,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Measured {
    used_bytes: u64,
    /// What the kernel kills beyond.
    limit_bytes: u64,
    growth_limit_bytes: u64,
}

/// Measures, and knows how large the tree has been.
#[derive(Debug)]
pub struct Gauge {
    cgroups: Cgroups,
    growth_limit: GrowthLimit,
    /// The tree at its largest so far. What it has lost since, the heap gives back to the kernel late or never, but uses again:
    /// half of it, to allow for fragments, is room although no less memory is in use.
    largest_tree_bytes: u64,
}

impl Gauge {
    /// A gauge; `None` where there is nothing to keep to.
    #[must_use]
    pub fn new(cgroups: Cgroups, growth_limit: GrowthLimit) -> Option<Gauge> {
        let gauge = Gauge { cgroups, growth_limit, largest_tree_bytes: 0 };
        gauge.measure().is_some().then_some(gauge)
    }

    /// What this process may use, for the bounds of its queues.
    #[must_use]
    pub fn limit_bytes(&self) -> Option<u64> {
        self.measure().map(|measured| measured.limit_bytes)
    }

    fn measure(&self) -> Option<Measured> {
        let group = self.cgroups.memory_use();
        match self.growth_limit {
            GrowthLimit::Off => None,
            GrowthLimit::Percent(percent) => {
                let group = group?;
                let growth_limit_bytes = group.limit_bytes / 100 * percent;
                Some(Measured { used_bytes: group.used_bytes, limit_bytes: group.limit_bytes, growth_limit_bytes })
            }
            GrowthLimit::Bytes(growth_limit_bytes) => {
                let used_bytes = group.as_ref().map_or_else(resident_bytes, |group| Some(group.used_bytes))?;
                let beyond = growth_limit_bytes.saturating_add(growth_limit_bytes / 8);
                let limit_bytes = group.map_or(beyond, |group| group.limit_bytes);
                Some(Measured { used_bytes, limit_bytes, growth_limit_bytes })
            }
        }
    }

    fn room(&mut self, measured: Measured, tree_bytes: u64) -> GrowthRoom {
        let Measured { used_bytes, growth_limit_bytes, .. } = measured;
        self.largest_tree_bytes = self.largest_tree_bytes.max(tree_bytes);
        let resume_bytes = growth_limit_bytes / RESUME_PART;
        let from_kernel = growth_limit_bytes.saturating_sub(used_bytes);
        let left_bytes = if from_kernel < resume_bytes {
            let reusable_bytes = (self.largest_tree_bytes - tree_bytes) / 2;
            (growth_limit_bytes + reusable_bytes).saturating_sub(used_bytes)
        } else {
            from_kernel
        };
        GrowthRoom { left_bytes, resume_bytes }
    }

    /// Measures; `None` where the kernel's figures cannot be read at the moment.
    pub fn read(&mut self, shared: &Shared) -> Option<Memory> {
        let measured = self.measure()?;
        let stats = &shared.memory;
        stats.used_bytes.store(measured.used_bytes, Relaxed);
        stats.limit_bytes.store(measured.limit_bytes, Relaxed);
        stats.growth_limit_bytes.store(measured.growth_limit_bytes, Relaxed);
        let room = self.room(measured, tree_bytes(shared));
        Some(Memory { room: Some(room), history_bytes_max: shared.bounds.history_bytes_max })
    }
}

/// What the tree holds, by the same rule by which growth is counted.
fn tree_bytes(shared: &Shared) -> u64 {
    let tree = shared.tree.read();
    tree.node_count() as u64 * ZNODE_BYTES + u64::try_from(tree.approximate_data_size()).unwrap_or(0)
}

/// Memory of this process that no file backs.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Prepares this process for the memory it may use. The earlier the better: what the heap holds already stays as it is.
pub fn prepare(limit_bytes: Option<u64>) {
    if limit_bytes.is_some_and(|limit| limit < HUGE_PAGES_FROM_BYTES)
        && let Err(error) = rustix::thread::disable_transparent_huge_pages(true)
    {
        tracing::debug!(%error, "huge pages stay on: more memory is used than need be");
    }
}

/// Tells the core how much memory is left, at once and then every now and then.
pub async fn watch(mut gauge: Gauge, shared: Arc<Shared>, internal: mpsc::Sender<Internal>) {
    let mut ticks = tokio::time::interval(MEMORY_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(memory) = gauge.read(&shared) else { continue };
        if internal.send(Internal::Input(Input::Memory(memory))).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[path = "memory_test.rs"]
mod tests;
