//! What the commands do, by what they are about.

pub mod change;
pub mod clients;
pub mod ensemble;
pub mod hand_over;
pub mod logs;
pub mod owner;
pub mod process;
pub mod restore;
pub mod server;
pub mod snapshot;
