//! ZooKeeper's bytes and records.
//!
//! Everything that crosses one of the three sockets or reaches the data directory is encoded and decoded here, byte for
//! byte as Apache ZooKeeper 3.9 does (`zookeeper.jute`). The crate is pure: it knows no socket, no role and no meaning,
//! only lengths, numbers and records. Decoders work on bytes that came from outside: they never panic and check a length
//! against what is really there before they take memory for it.

pub mod acl;
pub mod client;
pub mod election;
pub mod error_code;
pub mod ids;
pub mod jute;
pub mod quorum;
pub mod reply;
pub mod request;
pub mod stat;
pub mod txn;

pub use acl::{Acl, Id, Perms};
pub use error_code::ErrorCode;
pub use ids::{Epoch, Millis, ServerId, SessionId, Version, Xid, Zxid};
pub use jute::{DecodeError, Reader, Writer};
pub use stat::Stat;
