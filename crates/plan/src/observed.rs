//! Everything the planner may know: the wish, the record, the objects in the cluster and what the servers say.
//!
//! Objects may come from a cache and be old; whatever is done to them carries `uid` and `resourceVersion` of what was
//! seen. Answers of servers are asked for in the same pass. A server that did not answer is *silent*: it may be down, or
//! serving thousands of clients behind a network that is not.

use std::collections::BTreeMap;

use crate::ids::{ConfigVersion, Epoch, Kind, Millis, ResourceVersion, Revision, ServerId, Slot, Uid, Zxid};

/// One look at the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What is wished for.
    pub cluster: Cluster,
    /// What the operator wrote down, read past every cache.
    pub record: Record,
    /// The operator's own znode, read through the leader.
    pub znode: Znode,
    /// The StatefulSet of voters, if there is one.
    pub voters: Option<StatefulSet>,
    /// The StatefulSet of observers, if there is one.
    pub observers: Option<StatefulSet>,
    /// The pods of both.
    pub pods: Vec<Pod>,
    /// The volume claims of both, also those without a pod.
    pub volumes: Vec<Volume>,
    /// What each server said or that it said nothing; no entry means silence too.
    pub members: Vec<Member>,
}

/// The wish: the resource's `spec` and `metadata`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Identity of the ensemble.
    pub uid: Uid,
    /// Wanted voters, 1..=100.
    pub voters: u32,
    /// Wanted observers, 0..=154.
    pub observers: u32,
    /// Only watch.
    pub pause: bool,
    /// The resource is being deleted.
    pub deleting: bool,
    /// Whether servers join and leave all in one change, or one by one.
    pub joint: bool,
    /// A server that lacks more transactions than this is not in sync.
    pub sync_lag_max_txns: u64,
    /// How to replace pods.
    pub rollout: Rollout,
    /// How long a scale step may wait for its servers before that is reported as stuck.
    pub step_timeout: Millis,
    /// What becomes of the volumes of servers that left.
    pub retention_on_scale_down: Retention,
    /// Whether there is a PodDisruptionBudget, so that pods are evicted rather than deleted.
    pub disruption_budget: bool,
}

/// How pods are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// Voters that may be away at once, 1..=2; more than the ensemble can spare counts as what it can.
    pub max_unavailable: u32,
    /// How long a replaced pod must have been ready before the next.
    pub min_ready: Millis,
    /// How long a pod may be unready before the rollout counts as blocked.
    pub member_timeout: Millis,
}

/// What becomes of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// They stay.
    Retain,
    /// They are deleted, once nothing uses them.
    Delete,
}

/// What the operator wrote down (`ensemble.json` in a ConfigMap), the only memory between two passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Whose record it is; `None` before the first pass.
    pub cluster_uid: Option<Uid>,
    /// Whether the ensemble exists. Once true it stays so: from then on an empty disk never votes.
    pub bootstrapped: bool,
    /// Who found the ensemble.
    pub initial_members: Vec<ServerId>,
}

/// The operator's znode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Znode {
    /// It could not be read.
    Unread,
    /// The ensemble has none.
    Absent,
    /// It is there.
    Present {
        /// Whose ensemble it is.
        cluster_uid: Uid,
        /// The configuration after which it was written last.
        barrier: ConfigVersion,
    },
}

/// A StatefulSet, with `podManagementPolicy: Parallel` and `updateStrategy: OnDelete`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatefulSet {
    /// What was seen; a new size is written only over this.
    pub resource_version: ResourceVersion,
    /// Its size.
    pub replicas: u32,
    /// The revision that new pods get.
    pub update_revision: Revision,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its place.
    pub slot: Slot,
    /// Which pod of that name.
    pub uid: Uid,
    /// What was seen of it.
    pub resource_version: ResourceVersion,
    /// The revision it was made from.
    pub revision: Revision,
    /// Whether Kubernetes counts it as ready.
    pub ready: bool,
    /// Since when it is (or is not) ready.
    pub ready_changed: Millis,
    /// It cannot run as it is: `CrashLoopBackOff`, `ImagePullBackOff` and the like.
    pub failing: bool,
    /// It is being deleted.
    pub terminating: bool,
}

/// A volume claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Whose it is.
    pub slot: Slot,
    /// Which claim of that name.
    pub uid: Uid,
    /// It is being deleted.
    pub terminating: bool,
}

/// A server that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub slot: Slot,
    /// What it said; `None` if it did not answer in time.
    pub answer: Option<Status>,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its id.
    pub sid: ServerId,
    /// What it does.
    pub state: State,
    /// Whether its volume holds an ensemble's data.
    pub has_data: bool,
    /// The ensemble that its volume is stamped with.
    pub ensemble: Option<Uid>,
    /// How often a server of this id was let in anew; only for people.
    pub incarnation: u64,
    /// The configuration it was retired after.
    pub retired_at: Option<ConfigVersion>,
    /// The leader that it follows, or itself if it leads.
    pub leader: Option<ServerId>,
    /// The epoch of that leader: who follows an earlier reign of the same server has not noticed yet that it is over.
    pub epoch: Option<Epoch>,
    /// Whether it has all that the leader had when it came, and follows on from there.
    pub synced: bool,
    /// The last transaction in its log.
    pub last_zxid: Zxid,
    /// Transactions that the leader has and it has not.
    pub lag_txns: u64,
    /// Version of `config`.
    pub config_version: ConfigVersion,
    /// The configuration that it knows to be committed; empty if none.
    pub config: Config,
    /// A configuration that was proposed and is not committed as far as it knows.
    pub pending: Option<ConfigVersion>,
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Reads its disk.
    Loading,
    /// Has no place in an ensemble and waits for a leader.
    Joining,
    /// Looks for a leader.
    Looking,
    /// Follows, with or without a vote.
    Following,
    /// Leads.
    Leading,
    /// Observes.
    Observing,
    /// Has left for good; its process only waits to be ended.
    Retired,
}

/// The role that a configuration gives a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It votes.
    Voter,
    /// It does not.
    Observer,
}

impl From<Kind> for Role {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Voter => Self::Voter,
            Kind::Observer => Self::Observer,
        }
    }
}

/// Who belongs to the ensemble.
pub type Config = BTreeMap<ServerId, Role>;

impl Observed {
    /// The StatefulSet of a kind.
    #[must_use]
    pub fn stateful_set(&self, kind: Kind) -> Option<&StatefulSet> {
        match kind {
            Kind::Voter => self.voters.as_ref(),
            Kind::Observer => self.observers.as_ref(),
        }
    }

    /// The pod in a slot.
    #[must_use]
    pub fn pod(&self, slot: Slot) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.slot == slot)
    }

    /// The volume of a slot.
    #[must_use]
    pub fn volume(&self, slot: Slot) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.slot == slot)
    }
}

impl Cluster {
    /// The wanted number of a kind, within what there are ids for.
    #[must_use]
    pub fn desired(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Voter => self.voters.clamp(1, Slot::ordinals_max(kind)),
            Kind::Observer => self.observers.min(Slot::ordinals_max(kind)),
        }
    }
}
