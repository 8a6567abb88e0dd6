//! Fast leader election and ZooKeeper atomic broadcast as pure state machines.
//!
//! The crate knows servers, votes, epochs and zxids; transactions are opaque bytes with a zxid. It has no clock, no
//! socket, no file and no thread.

mod action;
mod config;
pub mod election;
mod history;
mod leading;
mod learner;
mod learning;
mod observer_master;
mod observing;
mod peer;
mod phase;
pub mod properties;
pub mod quorum;
pub mod reconfig;
mod sync;
mod types;

pub use action::{Action, EstablishedRole};
pub use config::{Config, reconfiguration};
pub use history::{HISTORY_BYTES_MAX, History};
pub use leading::{HandOverEnd, Leading};
pub use observer_master::ObserverMaster;
pub use observing::ObserverSettings;
pub use peer::{Peer, PeerSettings, PeerStart};
pub use sync::{SyncCounts, SyncLimits};
pub use types::{Epochs, LinkId, Proposal, Timing};
