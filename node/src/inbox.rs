//! The driver's queue for everything but clients: links, votes, the disk, signals.

use crate::actions::Hands;
use crate::link::Link;
use crate::retire::Retire;
use replica::{HandOverOutcome, Input, Replica};
use std::fmt;
use std::sync::Arc;
use tokio::sync::oneshot;
use wire::ServerId;
use wire::quorum::QuorumPacket;
use zab::LinkId;

/// A look at the core and the driver, on the driver's thread, where it must not take long.
pub struct Look(pub Box<LookFn>);

/// What is done with the two.
pub type LookFn = dyn FnOnce(&Replica, &Hands) + Send;

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// Something from inside the server or from its peers.
#[derive(Debug)]
pub enum Internal {
    /// An input for the core as it is.
    Input(Input),
    /// Packets of one link in their order: all that one read of its socket brought.
    Packets(LinkId, Vec<QuorumPacket>),
    /// A link stands.
    LinkUp {
        /// The link.
        link: Arc<Link>,
        /// The leader we dialled, or `None` for an accepted link.
        dialled: Option<ServerId>,
    },
    /// A snapshot begins to arrive on a link.
    SnapshotBegins(LinkId),
    /// A snapshot arrived on a link.
    Snapshot {
        /// The link.
        link: LinkId,
        /// The zxid of the SNAP packet.
        zxid: wire::Zxid,
        /// The decoded tree.
        tree: Box<tree::Tree>,
    },
    /// Bytes of a snapshot have moved on a link.
    LinkProgress(LinkId),
    /// A link is gone.
    LinkGone(LinkId, String),
    /// An operator wants another server to lead.
    HandOver {
        /// Who; `None` leaves it to the leader.
        to: Option<ServerId>,
        /// Told what became of it.
        answer: oneshot::Sender<HandOverOutcome>,
    },
    /// An operator wants this server to go on from another tree.
    Restore {
        /// The latest transaction of which the tree may hold something.
        zxid: wire::Zxid,
        /// The tree.
        tree: Box<tree::Tree>,
        /// Told at once whether it is done, and at which zxid.
        begun: oneshot::Sender<Result<wire::Zxid, &'static str>>,
        /// Told when it is durable and served.
        done: oneshot::Sender<()>,
    },
    /// An operator says that this server has left for good.
    Retire(Retire),
    /// Somebody wants to see what only the core and the driver know.
    Look(Look),
    /// Something happened after which the process cannot go on.
    Halt {
        /// The exit code.
        code: i32,
        /// Why.
        message: String,
    },
}
