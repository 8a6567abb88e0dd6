//! How the simulated servers are configured.

use crate::lists::Lists;
use crate::observe::ADMIN;
use node::config::{Config, Overrides};
use node::recovery::{ConfigNode, Recovery};
use node::shared::Shared;
use node::snapshots::SnapshotSettings;
use replica::{LocalSessions, Mode, Settings, SharedTree};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use store::testing::MemFs;
use store::{Compression, DataDirs, LogSettings, RecoverSettings};
use tree::{PrepSettings, TreeSettings};
use wire::ServerId;
use zab::ObserverSettings;
use zab::quorum::Membership;

/// The longest entry of a log or packet.
const ENTRY_BYTES_MAX: usize = 2 << 20;

/// What all servers of a run have in common, and their disks.
#[derive(Debug)]
pub struct Setup {
    /// The members; none for one standalone server.
    pub membership: Option<Membership>,
    /// Whether they may change.
    pub changes: bool,
    /// What each server has kept of the members, in runs where they may change.
    pub lists: parking_lot::Mutex<BTreeMap<ServerId, Lists>>,
    /// The disks, as they are now.
    pub disks: parking_lot::Mutex<BTreeMap<ServerId, MemFs>>,
    /// `tickTime`, ms.
    pub tick_ms: i64,
    /// `initLimit`.
    pub init_limit_ticks: i64,
    /// `syncLimit`.
    pub sync_limit_ticks: i64,
    /// How long a server looks for a leader before it serves clients that only read, ms; `None` = it never does.
    pub read_only_after_ms: Option<i64>,
    /// `snapCount`.
    pub snap_count: u64,
    /// `commitLogCount`.
    pub commit_log_count: usize,
    /// Transactions of one epoch.
    pub counter_max: u32,
    /// `autopurge.snapRetainCount`.
    pub snapshots_kept: usize,
    /// How snapshots are compressed.
    pub compression: Compression,
    /// How the log is written.
    pub log: LogSettings,
    /// How long a sync takes, from and to, µs.
    pub sync_us: (i64, i64),
    /// Seeds the jitter of snapshots.
    pub jitter_seed: u64,
    /// Whether observers hang on followers.
    pub observer_masters: bool,
}

impl Setup {
    /// How long a learner can stay with a leader that its reports do not reach, µs: the leader ends the link `syncLimit`
    /// after the last word, the learner notices no later than another `syncLimit` after that. Two ticks more for rounding,
    /// and a tenth for clocks that run slowly. With a master of observers between them there are two such links.
    #[must_use]
    pub fn report_us(&self) -> i64 {
        let links = if self.observer_masters { 2 } else { 1 };
        links * (2 * self.sync_limit_ticks + 2) * self.tick_ms * 1100
    }

    /// Where a server keeps its data.
    #[must_use]
    pub fn dirs() -> DataDirs {
        DataDirs::single(PathBuf::from("/data"))
    }

    /// The disk of a server.
    #[must_use]
    pub fn disk(&self, sid: ServerId) -> MemFs {
        self.disks.lock().entry(sid).or_default().clone()
    }

    /// What stands behind `server.N=` for a server.
    #[must_use]
    pub fn server_line(sid: ServerId, role: &str) -> String {
        format!("s{sid}:2888:3888:{role};2181")
    }

    /// The members as a server's start finds them.
    fn membership_of(&self, sid: ServerId) -> Option<Membership> {
        let kept = self.lists.lock().get(&sid).map(|lists| lists.in_force().clone());
        kept.or_else(|| self.membership.clone())
    }

    /// How a server reads its disk. An empty one is not taken for a new database unless somebody has said that it is one:
    /// with the file `initialize`.
    #[must_use]
    pub fn recovery(&self, sid: ServerId) -> Recovery {
        Recovery {
            vfs: self.disk(sid).vfs(),
            dirs: Setup::dirs(),
            settings: RecoverSettings {
                autocreate_database: false,
                compression: self.compression,
                entry_bytes_max: ENTRY_BYTES_MAX,
                ..RecoverSettings::default()
            },
            tree: TreeSettings { hash_seed: 0, digest_enabled: true, extended_types: true },
            snapshots: SnapshotSettings { compression: self.compression, last_processed: true, digest: true },
            history_max: self.commit_log_count,
            history_bytes_max: usize::MAX,
            config_node: self.membership_of(sid).map(|membership| ConfigNode { membership, may_change: self.changes }),
        }
    }

    /// The core's settings.
    #[must_use]
    pub fn replica(&self, sid: ServerId) -> Settings {
        Settings {
            me: sid,
            mode: self.membership_of(sid).map_or(Mode::Standalone, Mode::Ensemble),
            tick_ms: self.tick_ms,
            init_limit_ticks: self.init_limit_ticks,
            sync_limit_ticks: self.sync_limit_ticks,
            session_timeout_ms_min: i32::try_from(2 * self.tick_ms).unwrap_or(i32::MAX),
            session_timeout_ms_max: i32::try_from(20 * self.tick_ms).unwrap_or(i32::MAX),
            prep: PrepSettings { reconfig_enabled: self.changes, ..PrepSettings::default() },
            standalone_enabled: !self.changes,
            skip_acl: false,
            leader_serves: true,
            read_only_after_ms: self.read_only_after_ms,
            local_sessions: LocalSessions::Never,
            container_check_interval_ms: 1000,
            container_max_per_minute: 10_000,
            container_never_used_ms_max: 0,
            snap_count: self.snap_count,
            snap_bytes: 0,
            jitter_seed: self.jitter_seed ^ sid.0.unsigned_abs(),
            commit_log_count: self.commit_log_count,
            counter_max: self.counter_max,
            notification_interval_ms_min: self.tick_ms / 4,
            notification_interval_ms_max: 10 * self.tick_ms,
            observers: ObserverSettings {
                masters: self.observer_masters,
                election_delay_ms_max: self.tick_ms,
                reconnect_delay_ms_max: self.tick_ms,
                ..ObserverSettings::default()
            },
        }
    }
}

/// What connections share with their server. Only bounds and figures come from the configuration there, so one will do for
/// all.
#[must_use]
pub fn shared(tree: &SharedTree) -> Arc<Shared> {
    static CONFIG: OnceLock<Arc<Config>> = OnceLock::new();
    // Connections hand their requests over as values here, the queue is not used.
    let (clients, _) = tokio::sync::mpsc::channel(1);
    Arc::new(Shared::new(CONFIG.get_or_init(config).clone(), tree.clone(), clients))
}

fn config() -> Arc<Config> {
    let path = std::env::temp_dir().join(format!("zookube-sim-{}.cfg", std::process::id()));
    let text = format!(
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=/data\nclientPort=2181\n\
         DigestAuthenticationProvider.superDigest={ADMIN}\n"
    );
    std::fs::write(&path, text).expect("a temporary file can be written");
    let loaded = Config::load(&path, &Overrides::default());
    std::fs::remove_file(&path).expect("a temporary file can be removed");
    Arc::new(loaded.expect("a plain configuration is accepted").0)
}
