//! What the broadcast protocol asks of the server around it, in the order it must be started.

use crate::election::ElectionAction;
use crate::leading::HandOverEnd;
use crate::quorum::Membership;
use crate::types::{Epochs, LinkId, Proposal};
use wire::quorum::QuorumPacket;
use wire::{Epoch, ServerId, Zxid};

/// The part a server plays once an epoch is established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EstablishedRole {
    /// Proposes.
    Leader,
    /// Logs, acknowledges, applies.
    Follower,
    /// Applies.
    Observer,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// This server looks for a leader, and its tree holds what its log holds.
    Looking,
    /// An action of the election (votes to send, peers to dial).
    Election(ElectionAction),
    /// A leader is elected: this server leads or learns from here on, and its tree may change.
    Elected,
    /// Listen on the quorum port.
    Listen,
    /// Listen on the port for observers (`observerMasterPort`).
    ListenForObservers,
    /// Stop listening on the quorum port, or on that for observers.
    StopListening,
    /// Dial the leader's quorum port; the answer is `link_up` or `link_gone` with this link.
    Dial(LinkId, ServerId),
    /// Dial a follower's port for observers; answered in the same way.
    DialMaster(LinkId, ServerId),
    /// Send a packet.
    Send(LinkId, QuorumPacket),
    /// Send a SNAP packet with this zxid and the snapshot behind it.
    SendSnapshot(LinkId, Zxid),
    /// Close a link, saying why in the log.
    Close(LinkId, String),
    /// Append to the log; `log_synced` answers.
    Append(Proposal),
    /// Write the epoch files; `epochs_saved` answers.
    SaveEpochs(Epochs),
    /// Cut the log behind this zxid and reload; `truncated` answers. What lies at or before the zxid must survive: this server
    /// may have acknowledged it, and its epoch still lets it be elected. A store that cannot cut exactly (its only snapshot is
    /// newer than the cut) changes nothing and the process ends.
    Truncate(Zxid),
    /// A configuration was proposed: keep it (`zoo.cfg.dynamic.next`) and connect to its servers, whose votes count already.
    ConfigSeen(Membership),
    /// A configuration is in force: keep it (`zoo.cfg.dynamic.VERSION`) and have it in the tree.
    ConfigActivated(Membership),
    /// The snapshot received last becomes the tree.
    InstallSnapshot,
    /// Write a snapshot of the tree; `snapshot_saved` answers.
    SaveSnapshot,
    /// Apply a transaction: it is committed, or this server has stopped being active and makes tree and log agree.
    Commit(Proposal),
    /// The epoch is established: serve in this role.
    Established(EstablishedRole, Epoch),
    /// A hand-over has ended: from here on this server proposes again, or is about to leave.
    HandOverEnded {
        /// Who was to take over.
        to: ServerId,
        /// What became of it.
        end: HandOverEnd,
    },
    /// This server is no longer active: stop serving.
    Left(String),
    /// A packet that is not the protocol's own business: REQUEST, REVALIDATE, SYNC, PING.
    Deliver(LinkId, QuorumPacket),
}
