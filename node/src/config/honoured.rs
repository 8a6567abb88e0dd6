//! The keys that do here what they do in Apache, and the typed fields they end in.

use std::path::PathBuf;

use zab::quorum::MemberRole;

use super::growth_limit::GrowthLimit;
use super::keys::Standing::{self, Derived, Differs, Unset, Value as Is};
use super::keys::{Disposition, Key, Section};
use super::kind::{
    COUNT, COUNT_OR_UNSET, CommandsFrom, DigestAlgorithm, Field, Kind, LONG, LogFormat, PORT, POSITIVE,
    SnapshotCompression, Value, VolumePolicy,
};

/// A field starts as if its default had been written.
fn initial<T: Field>(name: &str, kind: Kind, default: Standing) -> T {
    let value = match default.text() {
        Some(text) => kind.read(text).ok().and_then(T::from_value),
        None => T::unset(),
    };
    value.unwrap_or_else(|| panic!("the default of {name} does not fit its field: {default:?}"))
}

/// Rows of `field: type = default, kind, "name" | "alias", "meaning";` under their section.
macro_rules! honoured {
    ($($section:ident {
        $($field:ident: $type:ty = $default:expr, $kind:expr, $name:literal $(| $alias:literal)*, $meaning:literal;)*
    })*) => {
        /// The values of all honoured keys, with Apache's defaults except where decision 0003 says otherwise.
        ///
        /// What several keys decide together is answered by [`super::Config`].
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($(#[doc = concat!("`", $name, "`: ", $meaning, ".")] pub $field: $type,)*)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings { $($($field: initial($name, $kind, $default),)*)* }
            }
        }

        impl Settings {
            /// Stores a value that the kind of the key accepted. Families have no field and are stored elsewhere.
            pub(super) fn store(&mut self, name: &str, value: Value) {
                match name {
                    $($($name => self.$field = fitting($name, value),)*)*
                    family => assert!(family.ends_with(".N"), "no field for {family}"),
                }
            }
        }

        /// The rows of the keys with a field, then the families.
        pub(super) static HONOURED: &[Key] = &[
            $($(Key {
                name: $name,
                aliases: &[$($alias),*],
                section: Section::$section,
                kind: $kind,
                default: $default,
                disposition: Disposition::Honoured,
                meaning: $meaning,
            },)*)*
            family("server.N", "a member: `host:port:electionPort[:participant\\|observer][;[clientHost:]clientPort]`"),
            family("group.N", "a group of a hierarchical quorum: `sid:sid:…`"),
            family("weight.N", "the weight of server N in its group, 1 if not set"),
        ];
    };
}

const fn family(name: &'static str, meaning: &'static str) -> Key {
    Key {
        name,
        aliases: &[],
        section: Section::Cluster,
        kind: Kind::Text,
        default: Unset,
        disposition: Disposition::Honoured,
        meaning,
    }
}

fn fitting<T: Field>(name: &str, value: Value) -> T {
    T::from_value(value).unwrap_or_else(|| panic!("the kind of {name} does not fit its field"))
}

honoured! {
    Basic {
        client_port: Option<u16> = Unset, PORT, "clientPort",
            "the port for clients; may instead stand in this server's `server.N` line";
        client_port_address: Option<String> = Unset, Kind::Text, "clientPortAddress",
            "the address the client port is bound to; every interface if not set";
        data_dir: Option<PathBuf> = Unset, Kind::Path, "dataDir",
            "the directory of the snapshots, of `myid` and, without `dataLogDir`, of the log";
        data_log_dir: Option<PathBuf> = Derived("`dataDir`"), Kind::Path, "dataLogDir",
            "the directory of the transaction log";
        tick_time_ms: i64 = Is("3000"), POSITIVE, "tickTime",
            "the length of a tick, the unit of the limits, in ms";
        max_client_cnxns: i64 = Is("60"), COUNT_OR_UNSET, "maxClientCnxns",
            "connections from one client address; 0 = no limit";
        max_cnxns: i64 = Is("0"), COUNT_OR_UNSET, "maxCnxns",
            "connections altogether; 0 = no limit";
        session_timeout_ms_min: Option<i64> = Derived("2 × `tickTime`"), COUNT_OR_UNSET, "minSessionTimeout",
            "the shortest session timeout a client can get, in ms";
        session_timeout_ms_max: Option<i64> = Derived("20 × `tickTime`"), COUNT_OR_UNSET, "maxSessionTimeout",
            "the longest session timeout a client can get, in ms";
        client_port_listen_backlog: i64 = Is("-1"), COUNT_OR_UNSET, "clientPortListenBacklog",
            "length of the accept queue of the client port; -1 = 50, Java's default";
        jute_maxbuffer_bytes: i64 = Is("0xfffff"), POSITIVE, "jute.maxbuffer",
            "the largest request, in bytes. In Apache this must be a Java property; here it may stand in the file";
        jute_maxbuffer_extra_bytes: Option<i64> = Derived("`jute.maxbuffer`"), Kind::AtLeast { floor: 1024 },
            "jute.maxbuffer.extrasize",
            "how many bytes more than `jute.maxbuffer` a record from the log, a snapshot or another server may have";
        skip_acl: bool = Is("no"), Kind::YesNo, "skipACL",
            "`yes`: everybody may do everything";
        four_letter_words: String = Is("srvr"), Kind::Text, "4lw.commands.whitelist",
            "the four-letter words that are answered, separated by commas; `*` = all; `srvr` always is";
        sessionless_cnxn_timeout_ms: i64 = Is("10000"), POSITIVE, "nio.sessionlessCnxnTimeout",
            "how long a connection may stay without a session, in ms";
        read_only_mode_enabled: bool = Is("false"), Kind::Boolean, "readonlymode.enabled",
            "`true`: a server that has looked for a leader for two seconds, or a tick if that is longer, serves reads to clients that agree. In Apache this must be a Java property; here it may stand in the file";
    }
    Cluster {
        init_limit_ticks: Option<i64> = Unset, POSITIVE, "initLimit",
            "how long a learner may take to connect and synchronize, in ticks; required in an ensemble";
        sync_limit_ticks: Option<i64> = Unset, POSITIVE, "syncLimit",
            "how long a learner and its leader may not hear each other, in ticks; required in an ensemble";
        connect_to_learner_master_limit_ticks: i64 = Is("0"), COUNT, "connectToLearnerMasterLimit",
            "how long a learner tries to connect to the leader, in ticks; 0 = `initLimit`";
        peer_type: MemberRole = Is("participant"), Kind::OneOf(&["participant", "observer"]), "peerType",
            "the role of this server. The server list decides; a different value here is warned about";
        election_alg: i64 = Is("3"), Kind::Int { min: 3, max: 3 }, "electionAlg",
            "fast leader election is the only algorithm";
        leader_serves: bool = Is("yes"), Kind::YesNo, "leaderServes",
            "`no`: a leader accepts no clients";
        local_sessions_enabled: bool = Is("false"), Kind::Boolean, "localSessionsEnabled",
            "`true`: a session is known only to the server through which it began; it ends with that server's role and cannot own ephemerals. All servers must have the same value";
        local_sessions_upgrading_enabled: bool = Is("false"), Kind::Boolean, "localSessionsUpgradingEnabled",
            "`true`: such a session becomes an ordinary one when it creates an ephemeral; otherwise that is refused (-120)";
        observer_master_port: i64 = Is("0"), Kind::Int { min: 0, max: 65535 }, "observerMasterPort",
            "the port on which followers serve observers, which then do not burden the leader; observers need it too, with the same number. 0 = observers connect to the leader";
        observer_election_delay_ms: i64 = Is("200"), COUNT, "observer.election.DelayMs",
            "the longest pause before an observer that has lost its connection looks for a leader again, in ms. A Java property in Apache";
        observer_reconnect_delay_ms: i64 = Is("0"), COUNT, "observer.reconnectDelayMs",
            "the longest further pause of an observer that has tried all servers it may connect to, in ms. A Java property in Apache";
        snap_syncs_max: i64 = Is("10"), POSITIVE, "leader.maxConcurrentSnapSyncs" | "maxConcurrentSnapSyncs",
            "learners that one server synchronizes by snapshot at the same time; an observer beyond that has to come again. A Java property in Apache";
        diff_syncs_max: i64 = Is("100"), POSITIVE, "leader.maxConcurrentDiffSyncs" | "maxConcurrentDiffSyncs",
            "the same for learners that get a DIFF. A Java property in Apache";
        standalone_enabled: bool = Is("true"), Kind::Boolean, "standaloneEnabled",
            "`false`: a single server runs as an ensemble of one";
        reconfig_enabled: bool = Is("false"), Kind::Boolean, "reconfigEnabled",
            "`true`: members can be changed at run time. All servers must have the same value";
        join_as: Option<String> = Unset, Kind::Text, "joinAs",
            "with `reconfigEnabled`: this server's line (`host:port:electionPort[:role][;clientPort]`) as long as the server list has none for it; it follows without a vote until it is let in. Our own key";
        dynamic_config_file: Option<PathBuf> = Unset, Kind::Path, "dynamicConfigFile",
            "the file with the `server.N`, `group.N` and `weight.N` keys; its name may end in a hexadecimal version";
        quorum_listen_on_all_ips: bool = Is("false"), Kind::Boolean, "quorumListenOnAllIPs",
            "`true`: quorum and election port are bound on every interface";
        election_connect_timeout_ms: i64 = Is("5000"), COUNT, "cnxTimeout",
            "how long connecting to an election port may take, in ms; 0 = as long as the system allows";
        quorum_cnxn_timeout_ms: i64 = Is("-1"), COUNT_OR_UNSET, "quorumCnxnTimeoutMs",
            "how long the handshake of an election connection may take, in ms; 0 or less = `syncLimit`";
        election_port_bind_retries: i64 = Is("3"), COUNT, "electionPortBindRetry",
            "how often binding the election port is tried again; 0 = for ever";
        notification_interval_ms_min: i64 = Is("200"), POSITIVE, "fastleader.minNotificationInterval",
            "the first pause before a vote is sent again, in ms; it doubles each time";
        notification_interval_ms_max: i64 = Is("60000"), POSITIVE, "fastleader.maxNotificationInterval",
            "the longest such pause, in ms";
        leader_connect_retry_delay_ms: i64 = Is("100"), COUNT, "leaderConnectDelayDuringRetryMs",
            "the longest pause between two attempts to connect to the leader, in ms";
        tcp_keep_alive: bool = Is("false"), Kind::Boolean, "tcpKeepAlive",
            "TCP keepalive on election connections";
        client_tcp_keep_alive: bool = Is("false"), Kind::Boolean, "clientTcpKeepAlive",
            "TCP keepalive on client connections";
        multi_address_enabled: bool = Is("false"), Kind::Boolean, "multiAddress.enabled",
            "`true`: a `server.N` line may hold several addresses, separated by `\\|`";
    }
    Storage {
        snap_count: i64 = Is("100000"), Kind::AtLeast { floor: 2 }, "snapCount",
            "transactions between two snapshots; a random part of up to one half is taken off";
        snap_size_limit_kb: i64 = Is("4194304"), LONG, "snapSizeLimitInKb",
            "log size between two snapshots, in KiB; 0 or less = no limit";
        txn_log_size_limit_kb: i64 = Is("-1"), LONG, "txnLogSizeLimitInKb",
            "size at which a new log file is begun, in KiB; 0 or less = only after a snapshot";
        pre_alloc_size_kb: i64 = Is("65536"), COUNT, "preAllocSize",
            "how far the log file is extended at a time, in KiB; 0 = not in advance";
        fsync_warning_threshold_ms: i64 = Is("1000"), COUNT, "fsync.warningthresholdms",
            "a sync of the log that takes longer is reported, in ms";
        slow_operation_threshold_ms: i64 = Is("1000"), COUNT, "slowOperation.thresholdMs",
            "an operation of a client that takes longer is reported with its phases and kept for `/commands/slow_operations`, in ms; 0 = none is. Our own key";
        commit_log_count: i64 = Is("500"), Kind::AtLeast { floor: 500 }, "commitLogCount",
            "transactions kept in memory for learners that were away";
        snapshot_compression: SnapshotCompression = Is(""), Kind::OneOf(&["", "gz", "snappy"]),
            "snapshot.compression.method",
            "how snapshots are written: `gz`, `snappy`, or plain if empty. All three can always be read";
        snapshot_trust_empty: bool = Is("false"), Kind::Boolean, "snapshot.trust.empty",
            "`true`: a log without any snapshot is accepted at the start. Meant for upgrades from 3.4 only";
        volume_cluster_id: Option<String> = Unset, Kind::Text, "volume.clusterId",
            "the ensemble to which the data directory belongs; it is stamped with that, and used for no other. Our own key";
        volume_incarnation: i64 = Is("0"), COUNT, "volume.incarnation",
            "raised each time a server of this id is let in anew: data of an earlier one is set aside, of a later one refused; 0 = not counted. Our own key";
        volume_record: Option<String> = Unset, Kind::Text, "volume.record",
            "a file that says whether the ensemble was founded (`{\"clusterUid\": \"...\", \"bootstrapped\": true}`): once it was, an empty disk never votes, as with `db.autocreate=false`. Our own key";
        volume_foreign: VolumePolicy = Is("refuse"), Kind::OneOf(VolumePolicy::WORDS), "volume.foreign",
            "what is done with the data of another ensemble or server: no start, or it is moved aside and the server begins without data. Our own key";
        volume_retired: VolumePolicy = Is("refuse"), Kind::OneOf(VolumePolicy::WORDS), "volume.retired",
            "the same for the data of a server that was retired (`zookube-node volume retire`). Our own key";
        serialize_last_processed_zxid: bool = Is("true"), Kind::Boolean, "serializeLastProcessedZxid.enabled",
            "whether a snapshot ends with its last zxid (3.9)";
        digest_enabled: bool = Is("true"), Kind::Boolean, "digest.enabled",
            "whether the tree's digest is computed, logged and compared";
        snap_retain_count: i64 = Differs { ours: "5", apache: "3" }, Kind::AtLeast { floor: 3 },
            "autopurge.snapRetainCount",
            "snapshots that are kept, with the logs they need";
        purge_interval_hours: i64 = Differs { ours: "1", apache: "0" }, COUNT_OR_UNSET, "autopurge.purgeInterval",
            "how often older ones are deleted, in hours; 0 or less = never";
        datadir_autocreate: bool = Is("true"), Kind::Boolean, "datadir.autocreate",
            "`false`: refuse to start where the data directory does not exist";
        db_autocreate: bool = Is("true"), Kind::Boolean, "db.autocreate",
            "`false`: an empty data directory may not vote until it holds a file named `initialize`";
        extended_types_enabled: bool = Is("false"), Kind::Boolean, "extendedTypesEnabled",
            "`true`: nodes with a time to live can be created, and `myid` ends at 254";
        container_check_interval_ms: i64 = Is("60000"), COUNT, "znode.container.checkIntervalMs",
            "how often empty containers and expired nodes are looked for, in ms; 0 = never. A Java property in Apache";
        container_max_per_minute: i64 = Is("10000"), POSITIVE, "znode.container.maxPerMinute",
            "how many of them are deleted per minute at most. A Java property in Apache";
        container_never_used_ms_max: i64 = Is("0"), Kind::Int { min: 0, max: i64::MAX },
            "znode.container.maxNeverUsedIntervalMs",
            "after how long a container that never had a child is deleted, in ms; 0 = never. A Java property in Apache";
    }
    Limits {
        enforce_quota: bool = Is("false"), Kind::Boolean, "enforceQuota",
            "`true`: a request that would exceed a hard quota is refused";
        memory_growth_limit: GrowthLimit = Is("80%"), Kind::Memory, "memory.growthLimit",
            "where more memory is in use, creates and larger data are refused: a share of the cgroup's limit, a size such as `48m`, or `off`. Our own key";
    }
    Security {
        super_digest: Option<String> = Unset, Kind::Text, "DigestAuthenticationProvider.superDigest",
            "`user:hash` of the user who may do everything";
        digest_auth_enabled: bool = Is("true"), Kind::Boolean, "DigestAuthenticationProvider.enabled",
            "`false`: the digest scheme does not exist";
        digest_algorithm: DigestAlgorithm = Is("SHA1"), Kind::OneOf(&["SHA1", "SHA-1", "SHA-256", "SHA-512"]),
            "DigestAuthenticationProvider.digestAlg",
            "the hash of the digest scheme. All servers must use the same";
    }
    Operations {
        metrics_provider: Option<String> = Derived("`DefaultMetricsProvider`, which has no port; the Prometheus provider where there is no `zoo.cfg`"),
            Kind::Text, "metricsProvider.className",
            "`org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider` opens a port with the metrics";
        metrics_host: String = Is("0.0.0.0"), Kind::Text, "metricsProvider.httpHost",
            "the address that port is bound to";
        metrics_port: u16 = Is("7000"), PORT, "metricsProvider.httpPort",
            "its number";
        admin_enabled: bool = Is("true"), Kind::Boolean, "admin.enableServer",
            "`false`: there is no admin server (`docs/admin.md`)";
        admin_host: Option<String> = Derived("`127.0.0.1`; `0.0.0.0` where there is no `zoo.cfg`. Apache's is `0.0.0.0`"),
            Kind::Text, "admin.serverAddress",
            "the address the admin server is bound to";
        admin_port: u16 = Is("8080"), Kind::Int { min: 0, max: 65535 }, "admin.serverPort",
            "its port; 0 = one that is free, which the log tells. A server whose port is taken serves without, and tries again";
        admin_command_url: String = Is("/commands"), Kind::UrlPath, "admin.commandURL",
            "the path above its commands";
        admin_idle_timeout_ms: i64 = Is("30000"), COUNT_OR_UNSET, "admin.idleTimeout",
            "how long a connection to it may be silent, in ms; 0 or -1 = no limit but that of every connection's life";
        admin_snapshot_enabled: bool = Is("true"), Kind::Boolean, "admin.snapshot.enabled",
            "`false`: the command `snapshot` is refused";
        admin_restore_enabled: bool = Is("true"), Kind::Boolean, "admin.restore.enabled",
            "`false`: the command `restore` is refused";
        admin_rate_limiter_interval_ms: i64 = Is("300000"), COUNT, "admin.rateLimiterIntervalInMS",
            "how long after a `restore` the next one is refused, in ms; `snapshot` has a thousandth of it";
        commands_from: CommandsFrom = Is("loopback"), Kind::OneOf(&["loopback", "any", "none"]), "admin.commandsFrom",
            "from where commands that change something are taken without a password: from this machine, from anywhere; `none` takes none at all. Our own key";
        shutdown_delay_ms: i64 = Is("0"), Kind::Int { min: 0, max: 60_000 }, "shutdown.delayMs",
            "how long a server that was told to stop goes on serving while it says that it is not ready, in ms; meanwhile a load balancer stops sending clients here. Our own key";
        log_format: LogFormat = Is("text"), Kind::OneOf(&["text", "json"]), "log.format",
            "what a log line is: text, or a JSON object (`docs/operating/logs.md`). Our own key";
        log_level: String = Is("info"), Kind::LogLevel, "log.level",
            "from which level on lines are written: `off`, `error`, `warn`, `info`, `debug`, `trace`, or by part of the program, `info,zab=debug`. RUST_LOG takes its place. Our own key";
        otel_endpoint: Option<String> = Derived("`OTEL_EXPORTER_OTLP_ENDPOINT`"), Kind::Collector, "otel.endpoint",
            "the OpenTelemetry collector that gets traces and warnings, by OTLP over HTTP without TLS, such as `http://collector:4318`. Our own key";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_fits_its_field() {
        let mut settings = Settings::default();
        for key in HONOURED {
            if let Some(text) = key.default.text() {
                settings.store(key.name, key.kind.read(text).unwrap());
            }
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn rows_without_a_default_fit_their_field_too() {
        let mut settings = Settings::default();
        for key in HONOURED.iter().filter(|key| key.default.text().is_none()) {
            let example = match key.kind {
                Kind::Int { .. } | Kind::AtLeast { .. } => "2000",
                Kind::Collector => "http://text",
                _ => "text",
            };
            settings.store(key.name, key.kind.read(example).unwrap());
        }
        assert_eq!(settings.client_port, Some(2000));
        assert_eq!(settings.data_dir, Some(PathBuf::from("text")));
    }
}
