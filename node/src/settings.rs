//! From the configuration to the settings of the parts.

use crate::config::{Config, DigestAlgorithm, Environment, Mode, SnapshotCompression};
use crate::election_conn::ElectionNetSettings;
use crate::learner_conn::{Directory, LinkSettings};
use crate::recovery::{ConfigNode, Recovery};
use crate::resolve::{Resolver, ResolverSettings};
use crate::shared::ClientLimits;
use crate::snapshots::SnapshotSettings;
use replica::LocalSessions;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use store::{Autocreate, Compression, DataDirs, ForceSync, LogSettings, RealFs, RecoverSettings};
use tree::acl::AuthSettings;
use tree::{PrepSettings, TreeSettings};
use wire::{ServerId, Zxid};
use zab::{ObserverSettings, SyncLimits};

/// The sid a standalone server puts into its session ids (`ZooKeeperServer.createSessionTrackerServerId`).
const STANDALONE_SID: ServerId = ServerId(1);
/// `forceSync` is always yes here: an acknowledged write is on disk.
const FORCE_SYNC: ForceSync = ForceSync::Yes;
/// The least time that a server looks for a leader before it serves reads without one (`QuorumPeer.run`).
const READ_ONLY_AFTER_MS_MIN: i64 = 2000;

fn duration_ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn kib(kib: i64) -> Option<u64> {
    u64::try_from(kib).ok().filter(|kib| *kib > 0).map(|kib| kib << 10)
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Where the data is.
#[must_use]
pub fn dirs(config: &Config) -> (DataDirs, Autocreate) {
    let dirs = DataDirs { data_dir: config.data_dir().to_owned(), data_log_dir: config.data_log_dir().to_owned() };
    (dirs, if config.settings.datadir_autocreate { Autocreate::Yes } else { Autocreate::No })
}

/// The longest record taken from a log, a snapshot or a peer.
#[must_use]
pub fn record_bytes_max(config: &Config) -> usize {
    let settings = &config.settings;
    let extra = settings.jute_maxbuffer_extra_bytes.unwrap_or(settings.jute_maxbuffer_bytes);
    count(settings.jute_maxbuffer_bytes.saturating_add(extra))
}

/// How the data directory is read.
#[must_use]
pub fn recovery(config: &Config) -> Recovery {
    let settings = &config.settings;
    let snapshots = snapshots(config);
    Recovery {
        vfs: Arc::new(RealFs),
        dirs: dirs(config).0,
        settings: RecoverSettings {
            trust_empty_snapshot: settings.snapshot_trust_empty,
            autocreate_database: settings.db_autocreate,
            compression: snapshots.compression,
            entry_bytes_max: record_bytes_max(config),
        },
        tree: TreeSettings {
            hash_seed: 0,
            digest_enabled: settings.digest_enabled,
            extended_types: settings.extended_types_enabled,
        },
        snapshots,
        history_max: count(settings.commit_log_count),
        history_bytes_max: usize::MAX,
        config_node: (config.mode == Mode::Ensemble)
            .then(|| ConfigNode { membership: config.membership.clone(), may_change: settings.reconfig_enabled }),
    }
}

/// How snapshots are written.
#[must_use]
pub fn snapshots(config: &Config) -> SnapshotSettings {
    SnapshotSettings {
        compression: match config.settings.snapshot_compression {
            SnapshotCompression::None => Compression::None,
            SnapshotCompression::Gzip => Compression::Gz,
            SnapshotCompression::Snappy => Compression::Snappy,
        },
        last_processed: config.settings.serialize_last_processed_zxid,
        digest: config.settings.digest_enabled,
    }
}

/// How many snapshots are kept and how often older ones are deleted; `None` = never.
#[must_use]
pub fn retention(config: &Config) -> Option<(usize, Duration)> {
    let hours = u64::try_from(config.settings.purge_interval_hours).ok().filter(|hours| *hours > 0)?;
    Some((count(config.settings.snap_retain_count), Duration::from_secs(hours.saturating_mul(3600))))
}

/// From how long on an operation of a client is kept as slow, µs.
#[must_use]
pub fn slow_operation_us(config: &Config) -> u64 {
    match u64::try_from(config.settings.slow_operation_threshold_ms) {
        Ok(ms) if ms > 0 => ms.saturating_mul(1000),
        _ => u64::MAX,
    }
}

/// How the log is written.
#[must_use]
pub fn log(config: &Config) -> LogSettings {
    LogSettings {
        prealloc_bytes: kib(config.settings.pre_alloc_size_kb).unwrap_or(0),
        file_bytes_limit: kib(config.settings.txn_log_size_limit_kb),
        force_sync: FORCE_SYNC,
        entry_bytes_max: record_bytes_max(config),
    }
}

/// The authentication schemes.
#[must_use]
pub fn auth(config: &Config) -> AuthSettings {
    AuthSettings {
        digest_enabled: config.settings.digest_auth_enabled,
        digest_algorithm: match config.settings.digest_algorithm {
            DigestAlgorithm::Sha1 => tree::acl::DigestAlgorithm::Sha1,
            DigestAlgorithm::Sha256 => tree::acl::DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha512 => tree::acl::DigestAlgorithm::Sha512,
        },
        super_digest: config.super_digest().map(str::to_owned),
    }
}

/// Bounds of client connections.
#[must_use]
pub fn clients(config: &Config) -> ClientLimits {
    ClientLimits {
        frame_bytes_max: count(config.settings.jute_maxbuffer_bytes),
        per_address_max: config.client_cnxns_per_address_max().unwrap_or(0),
        total_max: config.client_cnxns_max().unwrap_or(0),
        sessionless: duration_ms(config.settings.sessionless_cnxn_timeout_ms),
        keep_alive: config.settings.client_tcp_keep_alive,
        backlog: i32::try_from(config.client_listen_backlog()).unwrap_or(i32::MAX),
    }
}

/// This server's id.
#[must_use]
pub fn own_sid(config: &Config) -> ServerId {
    match config.mode {
        Mode::Standalone => STANDALONE_SID,
        Mode::Ensemble => config.myid.unwrap_or(STANDALONE_SID),
    }
}

/// The core's settings.
#[must_use]
pub fn replica(config: &Config) -> replica::Settings {
    let settings = &config.settings;
    let (timeout_min, timeout_max) = config.session_timeout_bounds_ms();
    let me = own_sid(config);
    replica::Settings {
        me,
        mode: match config.mode {
            Mode::Standalone => replica::Mode::Standalone,
            Mode::Ensemble => replica::Mode::Ensemble(config.membership.clone()),
        },
        tick_ms: settings.tick_time_ms,
        init_limit_ticks: settings.init_limit_ticks.unwrap_or(0),
        sync_limit_ticks: settings.sync_limit_ticks.unwrap_or(0),
        session_timeout_ms_min: i32::try_from(timeout_min).unwrap_or(i32::MAX),
        session_timeout_ms_max: i32::try_from(timeout_max).unwrap_or(i32::MAX),
        prep: PrepSettings {
            auth: auth(config),
            skip_acl: settings.skip_acl,
            enforce_quota: settings.enforce_quota,
            reconfig_enabled: settings.reconfig_enabled,
            txn_bytes_max: record_bytes_max(config),
            ..PrepSettings::default()
        },
        standalone_enabled: settings.standalone_enabled,
        skip_acl: settings.skip_acl,
        leader_serves: settings.leader_serves,
        read_only_after_ms: settings.read_only_mode_enabled.then(|| settings.tick_time_ms.max(READ_ONLY_AFTER_MS_MIN)),
        local_sessions: match (settings.local_sessions_enabled, settings.local_sessions_upgrading_enabled) {
            (false, _) => LocalSessions::Never,
            (true, false) => LocalSessions::Always,
            (true, true) => LocalSessions::UntilEphemeral,
        },
        container_check_interval_ms: settings.container_check_interval_ms,
        container_max_per_minute: count(settings.container_max_per_minute),
        container_never_used_ms_max: settings.container_never_used_ms_max,
        snap_count: u64::try_from(settings.snap_count).unwrap_or(0),
        snap_bytes: kib(settings.snap_size_limit_kb).unwrap_or(0),
        jitter_seed: RandomState::new().hash_one(me.0),
        commit_log_count: count(settings.commit_log_count),
        counter_max: Zxid::COUNTER_MAX,
        notification_interval_ms_min: settings.notification_interval_ms_min,
        notification_interval_ms_max: settings.notification_interval_ms_max,
        observers: ObserverSettings {
            masters: settings.observer_master_port > 0,
            election_delay_ms_max: settings.observer_election_delay_ms,
            reconnect_delay_ms_max: settings.observer_reconnect_delay_ms,
            sync_limits: SyncLimits {
                diffs_max: count(settings.diff_syncs_max),
                snaps_max: count(settings.snap_syncs_max),
            },
        },
    }
}

/// Where names come from. Which files are read is no part of the configuration: only tests and special setups name others.
#[must_use]
pub fn resolver(config: &Config) -> ResolverSettings {
    let files = ResolverSettings::from_environment(&Environment::of_process());
    ResolverSettings { srv: config.peer_srv().map(str::to_owned), ..files }
}

/// The election port.
#[must_use]
pub fn election(config: &Config, resolver: &Resolver) -> ElectionNetSettings {
    let settings = &config.settings;
    ElectionNetSettings {
        me: own_sid(config),
        own: config.own_spec().cloned(),
        listen_on_all_ips: settings.quorum_listen_on_all_ips,
        connect_timeout: duration_ms(settings.election_connect_timeout_ms),
        handshake_timeout: duration_ms(config.quorum_cnxn_timeout_ms()),
        bind_attempts: u32::try_from(settings.election_port_bind_retries).unwrap_or(0),
        tcp_keep_alive: settings.tcp_keep_alive,
        multi_address: settings.multi_address_enabled,
        resolver: resolver.clone(),
    }
}

/// The quorum port.
#[must_use]
pub fn links(config: &Config, recovery: &Recovery, resolver: &Resolver) -> LinkSettings {
    LinkSettings {
        directory: Directory { membership: config.membership.clone(), listen: config.quorum_listen() },
        observer_master_port: u16::try_from(config.settings.observer_master_port).ok().filter(|port| *port > 0),
        dial_within: duration_ms(config.connect_to_learner_master_limit_ms()),
        connect_timeout: duration_ms(config.sync_limit_ms()),
        dial_pause: duration_ms(config.settings.leader_connect_retry_delay_ms),
        data_bytes_max: record_bytes_max(config),
        recovery: recovery.clone(),
        resolver: resolver.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn replica_of(lines: &str) -> replica::Settings {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zoo.cfg");
        let text = format!("dataDir={}\nclientPort=2181\n{lines}", dir.path().display());
        std::fs::write(&path, text).unwrap();
        replica(&Config::load(&path, &Overrides::default()).unwrap().0)
    }

    #[test]
    fn reads_without_a_leader_are_served_after_two_seconds_or_a_tick_where_that_is_wanted() {
        let check = |lines: &str, expected| assert_eq!(replica_of(lines).read_only_after_ms, expected, "{lines}");
        check("", None);
        check("readonlymode.enabled=false\n", None);
        check("readonlymode.enabled=true\ntickTime=500\n", Some(2000));
        check("readonlymode.enabled=true\ntickTime=6000\n", Some(6000));
    }

    #[test]
    fn sessions_are_local_only_where_that_is_wanted() {
        let check = |lines: &str, expected| assert_eq!(replica_of(lines).local_sessions, expected, "{lines}");
        check("", LocalSessions::Never);
        check("localSessionsUpgradingEnabled=true\n", LocalSessions::Never);
        check("localSessionsEnabled=true\n", LocalSessions::Always);
        check("localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\n", LocalSessions::UntilEphemeral);
    }
}
