//! Real servers as processes on a network of the test's own, real clients, real faults; and the recorded history, checked
//! when all is over.
//!
//! In reading order: a [`cluster`] of [`server`]s, each in its own network [`namespace`], joined by a [`hub`] that can
//! delay, lose, reorder and cut; the [`workload`] of [`client`]s that [`record`] everything; the [`fault`]s; and the
//! [`check`]s, which see what clients were told beside the servers' own logs ([`committed`], [`timeline`]). [`run`] ties
//! them together.
//!
//! What this can show and the simulator cannot: the kernel's TCP, real processes stopped and killed in the middle of
//! system calls, a file system without room. What it cannot: a lost write cache (nothing here cuts the power), a repeat of
//! the same schedule. Those are the simulator's.

pub mod check;
pub mod client;
pub mod cluster;
pub mod committed;
pub mod disk;
pub mod fault;
pub mod hub;
pub mod keys;
pub mod namespace;
pub mod record;
pub mod run;
pub mod server;
pub mod timeline;
pub mod workload;
