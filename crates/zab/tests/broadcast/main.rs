//! The broadcast half of the crate: peers in a deterministic cluster, by script, at random, and with planted bugs.

#[path = "../support/mod.rs"]
mod support;

mod planted;
mod random;
mod scenarios;
