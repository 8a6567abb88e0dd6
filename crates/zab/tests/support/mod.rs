//! A deterministic cluster of peers: virtual clock, lossy election network, FIFO links, disks that answer later, a state
//! machine that is the list of committed transactions, and checks after every step.

mod clients;
pub mod disk;
pub mod invariants;
pub mod network;
mod perform;
pub mod reconfig;
pub mod render;
pub mod rng;
pub mod world;
