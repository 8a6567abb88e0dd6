//! What every test of a running server needs: real servers as child processes, and a client made of plain bytes.
//!
//! Three kinds of server can be started, ours and two of Apache's, from the same `zoo.cfg`; the suites take the kind as
//! a parameter, so what a suite demands of ours it has been seen to get from Apache. The client here knows nothing of
//! the crate `wire`: a mistake there must not be able to hide behind the same mistake here.
//!
//! Nothing in this crate sleeps to synchronise: [`wait::until`] polls a named condition up to a deadline.

pub mod client;
pub mod ensemble;
pub mod external;
pub mod http;
pub mod jute;
pub mod ports;
pub mod prerequisites;
pub mod process;
pub mod pty;
pub mod rng;
pub mod server;
pub mod session;
pub mod sockets;
pub mod wait;
pub mod words;

pub use ensemble::{Ensemble, Role};
pub use server::{Server, ServerKind, ServerSpec};
