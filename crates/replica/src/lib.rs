//! One ZooKeeper server as one pure state machine.
//!
//! [`Replica`] joins the tree, the broadcast protocol, sessions and the request pipeline. It is handed every event as an
//! [`Input`] with the time at which it happened and answers with [`Action`]s; it owns no socket, file, thread or clock. The
//! tree is shared with the connections' tasks behind one reader-writer lock that only this crate writes.

pub mod io;
pub mod limits;
mod replica;
mod settings;

pub use io::{Action, CloseReason, Counters, Identities, Input, Now, ServingRole, Status};
pub use replica::{EventSink, Replica, SharedTree};
pub use settings::{Mode, Recovered, Settings};
