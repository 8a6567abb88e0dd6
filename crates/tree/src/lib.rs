//! The replicated state machine: znodes, ACLs, sessions, quotas, digests and watches.
//!
//! A [`Tree`] is what every server of an ensemble holds. It has three doors, and each is allowed one thing:
//!
//! - [`Prep`] *decides*: on the leader it turns a conditional request into an unconditional transaction, looking at the
//!   tree and at what is queued but not applied yet. It is the only place that may refuse.
//! - [`Tree::apply`] *changes*: it takes a transaction and yields the new state and the watch [`Events`]. It never refuses
//!   and may be repeated (I6), because a fuzzy snapshot holds some effects of the transactions that are replayed over it.
//! - [`Tree::read`] *answers*: it appends a whole reply frame to a connection's output and registers the watch in the same
//!   call, so that nothing can change between the two.
//!
//! The tree is meant to live behind one reader-writer lock that only `apply` writes. Everything a reader may change (the
//! watch tables) sits behind a leaf lock inside. [`image`] writes and loads snapshots while the tree goes on changing.
//!
//! The crate is pure: it knows no quorum, no disk, no socket and no clock; times come in with transaction headers, and the
//! one seed of its hash tables comes in with [`TreeSettings`].

pub mod acl;
mod acl_table;
mod apply;
mod children;
mod digest;
mod events;
mod hash;
pub mod image;
mod node;
mod path;
mod prep;
mod query;
pub mod quota;
mod reply;
mod store;
mod tree;
mod watch;
mod watch_report;

pub use digest::{DigestLogEntry, ExpectedDigest};
pub use events::{Event, Events};
pub use node::Owner;
pub use prep::{GrowthRoom, Prep, PrepSettings, WriteRequest, ZNODE_BYTES};
pub use query::{ReadContext, ReadOutcome};
pub use reply::{TxnResult, encode_write_reply};
pub use tree::{Tree, TreeSettings};
pub use watch_report::WatchSummary;

/// The path of the ensemble's configuration.
pub const CONFIG_PATH: &str = "/zookeeper/config";

/// A connection's number, given by the process that owns the sockets and never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// The tree is shared by all connection tasks, and its image is written by yet another thread.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Tree>();
    is_shared::<Prep>();
    is_shared::<Events>();
    is_shared::<image::Writer>();
    is_shared::<image::Loader>();
};
