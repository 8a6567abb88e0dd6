//! A ZooKeeper client that behaves as Apache's Java client 3.9 does, down to the texts of its errors and events.
//!
//! It shows what a shell must show: null data, every session event, the code of every reply, the state in between. The
//! command line tools are built on it. The parts:
//!
//! - [`Client`]: the handle, one method for each operation;
//! - `session`: the session as a pure state machine, events in, actions out, no clock;
//! - `watches`, `hosts`, `proto`, [`path`]: its pure parts;
//! - `conn`: the only part that knows tokio, sockets, names, time and chance.
//!
//! It must not know: the server's crates beyond `wire`, a terminal, an output format.

mod client;
mod conn;
mod error;
mod event;
mod hosts;
mod op;
pub mod path;
mod proto;
mod session;
#[cfg(test)]
mod session_test;
mod watches;

pub use client::{Client, Options};
pub use error::Error;
pub use event::{Event, EventType, KeeperState, State};
pub use hosts::{ConnectString, HostPort};
pub use op::{AddWatchMode, ClientInfo, Created, MultiError, Op, OpResult, WatcherType};
pub use wire::client::CreateMode;
