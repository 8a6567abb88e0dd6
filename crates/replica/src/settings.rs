//! What a server is told once, at its start.

use tree::PrepSettings;
use wire::{ServerId, Zxid};
use zab::{Epochs, ObserverSettings, Proposal, quorum::Membership};

/// How a server runs.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Alone, without election and quorum ports.
    Standalone,
    /// In an ensemble with these members.
    Ensemble(Membership),
}

/// Which sessions are known only to the server through which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalSessions {
    /// None.
    Never,
    /// All; they cannot own ephemerals (`localSessionsEnabled`).
    Always,
    /// All, until they create an ephemeral (`localSessionsUpgradingEnabled` too).
    UntilEphemeral,
}

/// Settings of a [`crate::Replica`]; the names follow `zoo.cfg`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `myid`; 1 for a standalone server.
    pub me: ServerId,
    /// Standalone or with whom.
    pub mode: Mode,
    /// `tickTime`, ms.
    pub tick_ms: i64,
    /// `initLimit`, ticks.
    pub init_limit_ticks: i64,
    /// `syncLimit`, ticks.
    pub sync_limit_ticks: i64,
    /// `minSessionTimeout`, ms.
    pub session_timeout_ms_min: i32,
    /// `maxSessionTimeout`, ms.
    pub session_timeout_ms_max: i32,
    /// What the preparation of transactions must know.
    pub prep: PrepSettings,
    /// `standaloneEnabled`: a server that is alone in its configuration starts without the protocols of an ensemble; so an
    /// ensemble never shrinks to one.
    pub standalone_enabled: bool,
    /// `skipACL`.
    pub skip_acl: bool,
    /// `leaderServes`: whether a leader serves clients.
    pub leader_serves: bool,
    /// How long this server looks for a leader before it serves clients that only read, ms; `None` = it never does
    /// (`readonlymode.enabled`).
    pub read_only_after_ms: Option<i64>,
    /// Which sessions are known only to the server through which they began. A standalone server knows all of them anyway.
    pub local_sessions: LocalSessions,
    /// `znode.container.checkIntervalMs`; 0 = never.
    pub container_check_interval_ms: i64,
    /// `znode.container.maxPerMinute`.
    pub container_max_per_minute: usize,
    /// `znode.container.maxNeverUsedIntervalMs`; 0 = never.
    pub container_never_used_ms_max: i64,
    /// `snapCount`: transactions between two snapshots (jittered down to a half).
    pub snap_count: u64,
    /// `snapSizeLimitInKb` in bytes: log bytes between two snapshots; 0 = no limit.
    pub snap_bytes: u64,
    /// Seeds the jitter of snapshots, so that servers do not write them all at once.
    pub jitter_seed: u64,
    /// `commitLogCount`: committed transactions kept for learners that were away, at least.
    pub commit_log_count: usize,
    /// Transactions of one epoch, [`wire::Zxid::COUNTER_MAX`]; less where the roll-over is tried out.
    pub counter_max: u32,
    /// `fastleader.minNotificationInterval`, ms.
    pub notification_interval_ms_min: i64,
    /// `fastleader.maxNotificationInterval`, ms.
    pub notification_interval_ms_max: i64,
    /// What concerns observers.
    pub observers: ObserverSettings,
}

/// Where the server stands after its data directory was read; the tree itself was filled before.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// The last transaction in the log or snapshot; [`Zxid::NONE`] for a database that may not be trusted to be empty.
    pub last_zxid: Zxid,
    /// The epoch files.
    pub epochs: Epochs,
    /// The most recent transactions of the log, oldest first, without gaps within an epoch.
    pub history: Vec<Proposal>,
    /// A configuration that is known to have been in force, whatever the settings say.
    pub config_before: Option<Membership>,
    /// Somebody has said that an empty data directory is right, because the ensemble is new (the file `initialize`).
    pub is_new_ensemble: bool,
}
