//! One ZooKeeper server as one pure state machine.
//!
//! [`Replica`] joins the tree, the broadcast protocol, sessions and the request pipeline. It is handed every event as an
//! [`Input`] with the time at which it happened and answers with [`Action`]s; it owns no socket, file, thread or clock. The
//! tree is shared with the connections' tasks behind one reader-writer lock that only this crate writes.

mod attach;
mod conns;
mod epochs;
mod forward;
mod hand_over;
pub mod io;
pub mod limits;
mod local;
mod memory;
mod pipeline;
mod read_only;
mod reaper;
mod reconfig;
mod relay;
mod replica;
mod restore;
mod schedule;
mod settings;
mod standalone;
mod status;
mod tracker;

pub use io::{Action, CloseReason, Counters, HandOverOutcome, Identities, Input, Memory, Now, ServingRole, Status};
pub use reconfig::{config_in, put_config_into};
pub use replica::{EventSink, Replica, SharedTree};
pub use settings::{LocalSessions, Mode, Recovered, Settings};
pub use tracker::{Owner, Refusal, SessionTracker};
pub use tree::GrowthRoom;
