//! Every decoder of bytes from outside, as a function that takes any bytes and must return.
//!
//! A target asserts what must hold whatever comes in: no panic, no memory that the input does not account for, and the
//! round trips of what was understood. `cargo fuzz` runs a target with coverage (`tests/fuzz/fuzz`), `cargo test` runs all
//! of them over the corpus and over mutations of it (`tests/corpus.rs`). Inputs that are a sequence (of requests, of
//! transactions, of what happens to a peer) are cut by [`pieces`].
//!
//! The text of `zoo.cfg` is not here: `node` reads it from files only, and has property tests of its own.

#![allow(clippy::missing_panics_doc, reason = "to panic is how a target reports what it found")]

mod client;
mod disk;
mod election;
mod image;
mod log;
mod peer;
mod pieces;
mod quorum;
mod recovery;
pub mod seeds;
mod text;
mod transactions;
mod world;

pub use client::{client_requests, connect_request};
pub use election::{election, handshake, notification};
pub use image::{image_loader, snapshot_file};
pub use log::{epoch_files, txn_log};
pub use peer::{peer_leading, peer_learning};
pub use pieces::{pieces, unpieces};
pub use quorum::{quorum_data, quorum_packets};
pub use recovery::recovery;
pub use text::{membership, properties};
pub use transactions::transactions;

/// A function that must return whatever it is given.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also its directory in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("client_requests", client_requests),
    ("connect_request", connect_request),
    ("election", election),
    ("epoch_files", epoch_files),
    ("handshake", handshake),
    ("image_loader", image_loader),
    ("membership", membership),
    ("notification", notification),
    ("peer_leading", peer_leading),
    ("peer_learning", peer_learning),
    ("properties", properties),
    ("quorum_data", quorum_data),
    ("quorum_packets", quorum_packets),
    ("recovery", recovery),
    ("snapshot_file", snapshot_file),
    ("transactions", transactions),
    ("txn_log", txn_log),
];
