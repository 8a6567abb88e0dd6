//! placeholder
use crate::{Action, Input, Now, Recovered, Settings, Status};
use bytes::Bytes;
use parking_lot::RwLock;
use std::sync::Arc;
use tree::{ConnId, Tree};
use wire::Millis;

/// The tree behind its lock: connection tasks read, only [`Replica`] writes.
pub type SharedTree = Arc<RwLock<Tree>>;

/// Takes watch events while the tree is still locked for writing, so that no read can see a change before its event is in
/// the outbox of every connection that watches (I9).
pub trait EventSink: Send {
    /// Queues an event's frame for a connection. Must not block and must not lock the tree.
    fn deliver(&mut self, conn: ConnId, frame: &Bytes);
}

/// One server.
pub struct Replica {}

impl Replica {
    /// A server that has read its data directory into `tree`.
    #[must_use]
    pub fn new(_settings: Settings, _tree: SharedTree, _recovered: Recovered, _sink: Box<dyn EventSink>) -> Replica {
        Replica {}
    }
    /// Begins: standalone serves at once, a member of an ensemble looks for a leader.
    pub fn start(&mut self, _now: Now, _out: &mut Vec<Action>) {}
    /// Takes one input.
    pub fn step(&mut self, _now: Now, _input: Input, _out: &mut Vec<Action>) {}
    /// When [`Input::Deadline`] is wanted, monotonic ms.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> { None }
    /// A copy of what may be shown.
    #[must_use]
    pub fn status(&self) -> Status { Status::default() }
}
