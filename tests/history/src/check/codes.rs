//! The error codes that a right server may give the workload.

pub use support::session::{NO_NODE, NODE_EXISTS};

/// The condition did not hold.
pub const BAD_VERSION: i32 = -103;
/// The session is gone.
pub const SESSION_EXPIRED: i32 = -112;
/// The session has moved to another server.
pub const SESSION_MOVED: i32 = -118;

/// Whether a refusal is about the session, so that it says nothing of the znode.
pub fn of_session(code: i32) -> bool {
    matches!(code, SESSION_EXPIRED | SESSION_MOVED)
}

/// Whether a refusal is about the znode.
pub fn of_znode(code: i32) -> bool {
    matches!(code, NO_NODE | NODE_EXISTS | BAD_VERSION)
}
