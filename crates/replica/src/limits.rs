//! Every bound of the pipeline, named.

/// Requests of one connection that may be in the pipeline; at the limit its socket is not read.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 1000;
/// Bytes of request bodies of one connection that may be in the pipeline; one request is always admitted.
pub const REQUEST_BYTES_PER_CONNECTION_MAX: usize = 4 << 20;
/// Bytes of replies and events that may wait for one client; a client that does not read is cut off beyond it.
pub const REPLY_BYTES_PER_CONNECTION_MAX: usize = 16 << 20;
/// Bytes that may wait for one learner; beyond it the link is closed and the learner synchronizes again.
pub const LINK_BYTES_MAX: usize = 512 << 20;
/// Inputs that connections may queue for the driver.
pub const CLIENT_INPUTS_MAX: usize = 4096;
/// Inputs that links, votes and the disk may queue for the driver.
pub const INTERNAL_INPUTS_MAX: usize = 16384;
/// Inputs the driver takes in one batch.
pub const INPUT_BATCH_MAX: usize = 1024;
/// For how long a leader that is asked to hand over holds writes back, ms; a tick where that is less.
pub const HAND_OVER_MS_MAX: i64 = 2000;
/// The same for a leader that is to stop, ms: whoever has asked it to does not wait long.
pub const HAND_OVER_TO_STOP_MS_MAX: i64 = 500;
