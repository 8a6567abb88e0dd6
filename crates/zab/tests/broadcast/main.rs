//! The broadcast half of the crate: peers in a deterministic cluster, by script, at random, and with planted bugs.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read and rewrite their scenario files")]

#[path = "../support/mod.rs"]
mod support;

mod hand_over;
mod planted;
mod random;
mod scenarios;
