//! Whole ensembles in virtual time: N real replicas over the real store, on a simulated disk, network and clock.
//!
//! One thread, one 64-bit seed, no real time: the same seed does the same, byte for byte. `docs/simulation.md` says how to
//! run it and how to read a failure.

pub mod agenda;
pub mod bugs;
pub mod checks;
pub mod client;
pub mod conns;
pub mod coverage;
pub mod disk;
#[path = "../invariants/mod.rs"]
pub mod invariants;
pub mod links;
pub mod lists;
pub mod model;
pub mod nemesis;
pub mod network;
pub mod observe;
pub mod plan;
pub mod report;
pub mod rng;
pub mod run;
pub mod server;
pub mod setup;
pub mod sweep;
pub mod trace;
pub mod world;
pub mod znodes;

/// A run makes and drops many small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
