//! The list. Each has a name for the command line, a sentence for the report, and what it is modelled on.

/// Declares the bugs once: variant, name, what goes wrong, where it was met.
macro_rules! bugs {
    ($($variant:ident, $name:literal, $what:literal, $origin:literal;)*) => {
        /// A bug that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $(#[doc = $what] $variant,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &'static [Bug] = &[$(Bug::$variant),*];

            /// The name on the command line.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Bug::$variant => $name),* }
            }

            /// What goes wrong.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Bug::$variant => $what),* }
            }

            /// Where the like of it was met: an issue of Apache's, a paper, or "plausible".
            #[must_use]
            pub const fn origin(self) -> &'static str {
                match self { $(Bug::$variant => $origin),* }
            }

            /// The bug of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Bug> {
                Bug::ALL.iter().copied().find(|bug| bug.name() == name)
            }
        }
    };
}

bugs! {
    // tree
    PrepIgnoresOutstanding, "prep-ignores-outstanding",
        "The leader decides against the applied tree alone and forgets what is proposed and not applied.", "plausible";
    SequenceFromChildCount, "sequence-from-child-count",
        "A sequential node is numbered by how many children its parent has, not by how many were ever created.",
        "plausible";
    RollBackForgetsParent, "roll-back-forgets-parent",
        "A refused multi drops the outstanding records it touched, the parent's included, instead of restoring them.",
        "ZOOKEEPER-1624";
    CheckIgnoredInMulti, "check-ignored-in-multi",
        "A check inside a multi does not compare the version.", "plausible";
    MultiAppliedInPart, "multi-applied-in-part",
        "Of a multi that failed, the operations before the failing one are applied.", "plausible";
    CloseMissesNewEphemerals, "close-misses-new-ephemerals",
        "closeSession leaves behind the ephemerals that were proposed and not applied when it was prepared.",
        "plausible";
    OneShotStays, "one-shot-stays",
        "A one-shot watch that has fired is not removed.", "plausible";
    DeleteMissesChildWatch, "delete-misses-child-watch",
        "A delete tells nobody who watches the parent's children.", "plausible";
    QuotaNotCountedOnDelete, "quota-not-counted-on-delete",
        "A deleted node goes on counting towards the quota above it.", "plausible";
    DigestNotRefreshed, "digest-not-refreshed",
        "setData changes a node and leaves the tree's digest as it was.", "plausible";
    ReplayBumpsVersion, "replay-bumps-version",
        "setData counts the version up by itself, so a repeated one counts twice after a fuzzy snapshot.", "plausible";
    ReplayCountsChildTwice, "replay-counts-child-twice",
        "A create counts the parent's children up by itself, so a repeated one counts twice after a fuzzy snapshot.",
        "ZOOKEEPER-3249";
    DeleteOfGoneNodeKeepsPzxid, "delete-of-gone-node-keeps-pzxid",
        "A repeated delete, whose node the fuzzy snapshot no longer held, leaves the parent's pzxid as it was.",
        "ZOOKEEPER-3125";

    PersistentFiresOnce, "persistent-fires-once",
        "A persistent watch that has fired is removed like a one-shot one.", "plausible";
    RecursiveMissesDeeper, "recursive-misses-deeper",
        "A recursive watch is told of the node and its children, and of nothing below those.", "plausible";
    ReconnectForgetsPersistent, "reconnect-forgets-persistent",
        "setWatches2 registers the one-shot watches of a client that comes back and forgets its persistent ones.",
        "plausible";
    RecursiveToldOfChildren, "recursive-told-of-children",
        "A recursive watch is told that the children of its node changed, besides what happened to the child.",
        "ZOOKEEPER-4475";
    RemovedWatchStays, "removed-watch-stays",
        "removeWatches is answered, and the watch stays.", "plausible";
    EventTellsUnreadable, "event-tells-unreadable",
        "Watchers are told of what happens to nodes that they may not read.", "ZOOKEEPER-4799";
    DeleteUnchecked, "delete-unchecked",
        "Whoever may not delete below a node does.", "plausible";
    RepeatedSetAclSkipped, "repeated-set-acl-skipped",
        "A setACL whose version a fuzzy snapshot already shows is not repeated, though the snapshot's map had no such ACL.",
        "ZOOKEEPER-4846";
    TtlCountsFromCreate, "ttl-counts-from-create",
        "A node's time to live begins when it is created, whatever changes it later.", "plausible";
    UnusedContainerDeleted, "unused-container-deleted",
        "A container that never had children is deleted like one that lost them.", "plausible";
    ContainersForgottenOnLoad, "containers-forgotten-on-load",
        "A server that loads a snapshot does not look after the containers in it.", "plausible";

    // zab: election
    VoteSidBeforeZxid, "vote-sid-before-zxid",
        "Of two candidates of one epoch the larger server id wins, whatever they have logged.", "plausible";
    VoteZxidBeforeEpoch, "vote-zxid-before-epoch",
        "Of two candidates the longer log wins, though its epoch was overruled by a later one.", "plausible";
    ElectsWithoutHistory, "elects-without-history",
        "The larger server id wins the election, and the leader does not ask whether a follower is ahead of it.",
        "ZOOKEEPER-1154";
    EmptyServerVotes, "empty-server-votes",
        "A server that was given an empty disk votes and promises as if that were its history.", "ZOOKEEPER-261";
    FollowerVoteKeepsEpoch, "follower-vote-keeps-epoch",
        "A follower goes on voting with the epoch before the leader's, so a restarted server finds no quorum that agrees.",
        "ZOOKEEPER-1732";
    LeavesLoggedUnapplied, "leaves-logged-unapplied",
        "A server that leaves its role votes with a log of which it has not applied the end.", "ZOOKEEPER-2845";

    // zab: leader
    LeadsWithoutQuorum, "leads-without-quorum",
        "A leader whose followers are no longer a quorum does not step down.", "plausible";
    ServesBeforeQuorumSynced, "serves-before-quorum-synced",
        "A leader serves before a quorum holds the history it begins with.", "plausible";
    CommitWithoutQuorum, "commit-without-quorum",
        "The leader commits what a single server has logged.", "plausible";
    LeaderCountsUnsynced, "leader-counts-unsynced",
        "The leader counts its own log as acknowledged before it is synced.", "plausible";
    DiffSkipsOne, "diff-skips-one",
        "A DIFF begins one transaction too late.", "plausible";
    HistoryKeepsGap, "history-keeps-gap",
        "What a server got by SNAP leaves a gap in the history from which it later sends a DIFF.", "ZOOKEEPER-4925";
    OfferForgotten, "offer-forgotten",
        "A leader whose offer to its successor is not answered in time leads on and uses the offer's zxid again.",
        "plausible";

    // zab: reconfiguration
    NewQuorumNotAsked, "new-quorum-not-asked",
        "A reconfiguration, and what follows it, is committed by a quorum of the old members alone.", "plausible";
    OldQuorumNotAsked, "old-quorum-not-asked",
        "A reconfiguration is committed by a quorum of the new members alone, which need not meet one of the old.",
        "plausible";
    JoinerCountsAtOnce, "joiner-counts-at-once",
        "A server that a reconfiguration lets in counts as if it had logged whatever it was sent.", "plausible";
    RemovedLeaderGoesOn, "removed-leader-goes-on",
        "A leader that a reconfiguration has left without a vote goes on leading.", "plausible";
    NextLeaderAsksOldQuorum, "next-leader-asks-old-quorum",
        "A leader that finds a proposed configuration in its log completes it with a quorum of the old members alone.",
        "plausible";
    NextConfigForgotten, "next-config-forgotten",
        "A server that starts again goes by its old list, although a later configuration is in its log.", "plausible";
    StaleListCounts, "stale-list-counts",
        "A server that hears of a later configuration while it looks for a leader stays with its own.", "plausible";
    ActivationMissed, "activation-missed",
        "A follower applies a reconfiguration and goes on by the old members.", "plausible";
    ChangeWithoutQuorum, "change-without-quorum",
        "A reconfiguration is proposed although no quorum of the new members follows the leader.", "plausible";

    // zab: learner
    AckBeforeSync, "ack-before-sync",
        "A follower acknowledges a proposal before it is on disk.", "plausible";
    AcceptedEpochNotSaved, "accepted-epoch-not-saved",
        "A follower promises an epoch that it has not written down.", "plausible";
    CurrentEpochBeforeHistory, "current-epoch-before-history",
        "A learner takes the new epoch before the history of that epoch is on its disk.", "ZOOKEEPER-4643";
    NewLeaderAckedEarly, "new-leader-acked-early",
        "A learner acknowledges NEWLEADER before the history it was sent is on its disk.", "ZOOKEEPER-4646";
    TruncSkipped, "trunc-skipped",
        "A learner that is told to cut its log keeps what the ensemble does not have.", "plausible";
    TreeNotReadAgain, "tree-not-read-again",
        "A learner whose snapshot did not arrive whole goes on with the empty tree that made room for it.", "plausible";
    SyncAppliesUncommitted, "sync-applies-uncommitted",
        "At NEWLEADER a learner applies the proposals that are still in flight.", "ZOOKEEPER-3911";
    InFlightNotLogged, "in-flight-not-logged",
        "Proposals that arrive while a learner synchronizes are applied in the end, but never logged.",
        "ZOOKEEPER-4785";

    // replica
    WatchAfterReply, "watch-after-reply",
        "The reply that shows a change leaves before the event that announces it.", "plausible";
    ReadOvertakesWrite, "read-overtakes-write",
        "A read is answered before an earlier write of the same connection.", "plausible";
    ReplyMatchedBySession, "reply-matched-by-session",
        "A reply goes to the first write its session waits for, whichever request it answers.", "plausible";
    SyncAnsweredAtOnce, "sync-answered-at-once",
        "A follower answers sync by itself instead of asking the leader.", "plausible";
    OldConnectionNotFenced, "old-connection-not-fenced",
        "A write that comes late through a session's former server is still carried out.", "ZOOKEEPER-710";
    FollowerEndsSession, "follower-ends-session",
        "A follower ends a session when its connection is gone instead of leaving that to the leader's clock.",
        "plausible";
    TouchesDropped, "touches-dropped",
        "A follower answers the leader's pings without the sessions that were active on it.", "plausible";
    NewLeaderGrantsNothing, "new-leader-grants-nothing",
        "A new leader gives the sessions it takes over no time to report.", "plausible";
    ServesWithoutLeader, "serves-without-leader",
        "A server that lost its leader keeps its clients, and shows them transactions that nobody committed.",
        "plausible";

    // store
    LogNotSynced, "log-not-synced",
        "The log is written but not synced.", "plausible";
    LogNameNotSynced, "log-name-not-synced",
        "A new log file is synced, its name in the directory is not.", "plausible";
    FailedSyncIgnored, "failed-sync-ignored",
        "An fsync that fails is taken for one that succeeded.", "ZOOKEEPER-2247";
    FullDiskTakenForDone, "full-disk-taken-for-done",
        "What did not fit on a full disk is dropped and counts as written.", "ZOOKEEPER-3701";
    LogNotChecked, "log-not-checked",
        "Transactions are read from the log without looking at their checksums.", "plausible";
    DamageTakenForTornTail, "damage-taken-for-torn-tail",
        "Damage in the middle of the log passes for its torn end: what lies behind it is cut off.", "plausible";
    SnapshotNotSynced, "snapshot-not-synced",
        "A snapshot gets its name before its bytes are on disk.", "ZOOKEEPER-2325";
    SnapshotNotChecked, "snapshot-not-checked",
        "A snapshot is loaded without looking at its checksums.", "plausible";
    EpochNotSynced, "epoch-not-synced",
        "An epoch file gets its name before its bytes are on disk.", "ZOOKEEPER-1653";
}
