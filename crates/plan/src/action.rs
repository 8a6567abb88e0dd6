//! What a pass may do, and the whole of its outcome.

use std::fmt;

use crate::conditions::Condition;
use crate::ids::{ConfigVersion, Millis, ResourceVersion, ServerId, Slot, Uid};
use crate::observed::{Record, Role};

/// The one thing to do in a pass, besides the record and the sizes.
///
/// Each is safe to repeat and safe to lose: an action whose outcome is unknown is followed by a new look, never by a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create or set the operator's znode, with the superuser's ACL on the configuration: the ensemble is founded.
    Found {
        /// What the znode says.
        cluster_uid: Uid,
        /// The configuration of the founders.
        after: ConfigVersion,
    },
    /// One incremental change of the configuration, refused by the ensemble unless its version is the expected one. Before
    /// anybody joins, read past every cache that the StatefulSet has a place for each: what an old cache shows may be ending.
    Reconfig {
        /// The version that this was decided on. Never sent without.
        expect_version: ConfigVersion,
        /// Who joins as what; all of them follow the leader and are in sync.
        joining: Vec<(ServerId, Role)>,
        /// Who leaves.
        leaving: Vec<ServerId>,
    },
    /// Set the operator's znode: a write that commits under the new configuration, which a `sync` is not.
    Barrier {
        /// The configuration to write after, and what the znode says then.
        after: ConfigVersion,
    },
    /// Ask the leader to let another lead.
    HandOver {
        /// A voter in sync.
        to: ServerId,
    },
    /// Tell a server that it has left. It refuses if it knows a configuration older than this one, or one that it is in.
    Retire {
        /// A server that the committed configuration does not have.
        sid: ServerId,
        /// That configuration.
        config_version: ConfigVersion,
    },
    /// Remove a pod, so that its StatefulSet makes it anew. `uid` and `resource_version` are preconditions.
    EvictPod {
        /// Its place.
        slot: Slot,
        /// Which pod.
        uid: Uid,
        /// What was seen of it: a pod that has changed since is judged anew.
        resource_version: ResourceVersion,
        /// How.
        removal: Removal,
        /// Why.
        reason: EvictReason,
    },
    /// Delete a volume claim. Before, read past every cache that the StatefulSet's size is at most the ordinal and that no pod
    /// has it; `uid` is a precondition.
    DeleteVolume {
        /// Whose it was.
        slot: Slot,
        /// Which claim.
        uid: Uid,
    },
}

/// How a pod is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// By the Eviction API, which keeps the disruption budget. The budget must have `unhealthyPodEvictionPolicy:
    /// AlwaysAllow`, or pods that never became ready cannot be replaced.
    Evict,
    /// By a delete; there is no budget.
    Delete,
}

/// Why a pod is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvictReason {
    /// It cannot run, and its template has changed since.
    Stuck,
    /// Its template has changed.
    NewRevision,
    /// Its server was retired and is wanted again; it has no vote.
    Rejoin,
}

/// The one word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The ensemble is being founded.
    Bootstrapping,
    /// All is as wished.
    Running,
    /// Servers join or leave.
    Scaling,
    /// Pods are being replaced.
    RollingUpdate,
    /// It serves, but something is missing.
    Degraded,
    /// Nobody leads, or it is not known who.
    NoQuorum,
    /// The operator only watches.
    Paused,
    /// The resource is being deleted.
    Deleting,
}

/// How far a change of the number of servers is. Other stories may have a pass between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Pods are made for servers that shall join.
    Start,
    /// They fetch the data, then they are let in.
    Join,
    /// Servers are taken out of the configuration.
    Leave,
    /// They are told so.
    Retire,
    /// Their pods end.
    EndPods,
    /// So do their volumes.
    DeleteVolumes,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Start, Self::Join, Self::Leave, Self::Retire, Self::EndPods, Self::DeleteVolumes];

    /// In one word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Retire => "retire",
            Self::EndPods => "end_pods",
            Self::DeleteVolumes => "delete_volumes",
        }
    }
}

/// What to do now. The caller writes the record, then the sizes, then does the action, and stops at the first refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What the record shall say; written before anything else, over the record that was read.
    pub record: Record,
    /// The size of the voters' StatefulSet, written over the `resource_version` that was seen; `None`: it shall not be made.
    pub voters_replicas: Option<u32>,
    /// The same of the observers'.
    pub observers_replicas: Option<u32>,
    /// The one other thing to do.
    pub action: Option<Action>,
    /// All conditions, computed anew each pass.
    pub conditions: Vec<Condition>,
    /// The one word for people.
    pub phase: Phase,
    /// How far the change of the number of servers is, where the phase is [`Phase::Scaling`].
    pub stage: Option<Stage>,
    /// When to look again at the latest.
    pub requeue: Millis,
    /// What is about to be done, in words (`status.plan`).
    pub steps: Vec<String>,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found { cluster_uid, .. } => write!(f, "record in the ensemble that it is that of {cluster_uid}"),
            Self::Reconfig { expect_version, joining, leaving } => {
                f.write_str("change the configuration")?;
                for (sid, role) in joining {
                    write!(f, ", server {sid} joins as {}", role_in_words(*role))?;
                }
                for sid in leaving {
                    write!(f, ", server {sid} leaves")?;
                }
                write!(f, ", if its version is still {expect_version}")
            }
            Self::Barrier { after } => write!(f, "write under configuration {after}"),
            Self::HandOver { to } => write!(f, "let server {to} lead"),
            Self::Retire { sid, config_version } => {
                write!(f, "retire server {sid}, which configuration {config_version} does not have")
            }
            Self::EvictPod { slot, reason, .. } => {
                let why = match reason {
                    EvictReason::Stuck => "it cannot run and its template has changed",
                    EvictReason::NewRevision => "its template has changed",
                    EvictReason::Rejoin => "it was retired and is wanted again",
                };
                write!(f, "replace the pod of {slot}: {why}")
            }
            Self::DeleteVolume { slot, .. } => write!(f, "delete the volume of {slot}"),
        }
    }
}

fn role_in_words(role: Role) -> &'static str {
    match role {
        Role::Voter => "voter",
        Role::Observer => "observer",
    }
}
