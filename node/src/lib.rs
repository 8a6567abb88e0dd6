//! The process around the core: sockets, disk, clock, signals.
//!
//! ```text
//! clients ── client_conn ──┐                        ┌── disk (log, epochs, snapshots)
//! votes ──── election_conn ├──> driver: Replica ────┤
//! learners ─ learner_conn ─┘      one thread        └──> outboxes, links
//! ```
//! It decides nothing that the protocol could decide: it turns bytes into inputs and actions into bytes. Reads do not pass
//! through the driver: a connection's task answers them from the shared tree.

pub mod actions;
pub mod admin;
pub mod cgroup;
pub mod client_conn;
pub mod client_listener;
pub mod client_port;
pub mod clients;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connection;
pub mod disk;
pub mod disk_work;
pub mod driver;
pub mod durable;
pub mod election_conn;
pub mod engine;
pub mod epochs;
pub mod exit;
pub mod founding;
pub mod four_letter;
pub mod frames;
pub mod holdings;
pub mod http;
pub mod inbox;
pub mod init;
pub mod learner_conn;
pub mod limits;
pub mod link;
pub mod membership_files;
pub mod memory;
pub mod metrics;
pub mod notation;
pub mod outbox;
pub mod probe;
pub mod reconfig;
pub mod recovery;
pub mod requests;
pub mod resolve;
pub mod restore;
pub mod retire;
pub mod server;
pub mod settings;
pub mod shared;
pub mod snapshot_stream;
pub mod snapshots;
pub mod telemetry;
pub mod volume;
