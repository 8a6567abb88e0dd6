//! The configuration of all servers of a cluster: variables, as the image takes them. What differs between pods is in the pods.

use super::{CLIENT, ELECTION, METRICS, Progress, QUORUM, Role, VOTER_ID_OFFSET, labels};
use crate::crd::{FourLetterWord, LogFormat, Metadata};
use crate::validate::ValidatedCluster;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The record's key in its ConfigMap, and its file in pods.
pub const RECORD_FILE: &str = "ensemble.json";
/// What its ConfigMap is called, behind the name of the cluster.
const RECORD_SUFFIX: &str = "-ensemble";

/// What the ConfigMap of the configuration is called, behind the name of the cluster.
const CONFIG_SUFFIX: &str = "-config";
/// The variable with the servers that founded the ensemble.
pub const SERVERS: &str = "ZOO_SERVERS";

/// The name of the configuration's ConfigMap.
#[must_use]
pub fn name(cluster: &ValidatedCluster) -> String {
    format!("{}{CONFIG_SUFFIX}", cluster.name)
}

/// The name of the record's ConfigMap.
#[must_use]
pub fn record_name(cluster: &ValidatedCluster) -> String {
    format!("{}{RECORD_SUFFIX}", cluster.name)
}

pub(super) fn build(cluster: &ValidatedCluster, progress: Progress) -> ConfigMap {
    ConfigMap {
        metadata: labels::meta(cluster, CONFIG_SUFFIX, None, &Metadata::default()),
        data: Some(environment(cluster, progress)),
        ..ConfigMap::default()
    }
}

/// What everybody goes by who asks whether there is an ensemble: the operator, and servers with empty disks. Pods are not replaced
/// when it changes.
#[must_use]
pub fn record(cluster: &ValidatedCluster, progress: Progress) -> ConfigMap {
    let first: Vec<i32> = (0..progress.first_voters).map(|ordinal| ordinal + VOTER_ID_OFFSET).collect();
    let record = json!({
        "clusterUid": cluster.ensemble,
        "bootstrapped": progress.is_founded,
        "initialMembers": first,
    });
    ConfigMap {
        metadata: labels::meta(cluster, RECORD_SUFFIX, None, &Metadata::default()),
        data: Some([(RECORD_FILE.to_owned(), record.to_string())].into()),
        ..ConfigMap::default()
    }
}

/// What changes when pods must be replaced for their configuration to hold.
pub(super) fn hash(cluster: &ValidatedCluster, progress: Progress) -> String {
    let mut hasher = Sha256::new();
    for (variable, value) in environment(cluster, progress) {
        hasher.update(variable);
        hasher.update([0]);
        hasher.update(value);
        hasher.update([0]);
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Those with which the ensemble was founded. Who joins later finds it through them; who is a member goes by the configuration that
/// it has on its disk.
fn first_servers(cluster: &ValidatedCluster, progress: Progress) -> String {
    let one = |ordinal: i32| {
        let host = host_of(cluster, &format!("{}-{ordinal}", cluster.name));
        format!("server.{}={}", ordinal + VOTER_ID_OFFSET, address(&host, Role::Voter))
    };
    (0..progress.first_voters).map(one).collect::<Vec<_>>().join(" ")
}

/// A server's line.
#[must_use]
pub fn address(host: &str, role: Role) -> String {
    let role = match role {
        Role::Voter => "participant",
        Role::Observer => "observer",
    };
    format!("{host}:{}:{}:{role};{}", QUORUM.number, ELECTION.number, CLIENT.number)
}

/// By which name a pod is known.
#[must_use]
pub fn host_of(cluster: &ValidatedCluster, pod: &str) -> String {
    let (service, namespace) = (labels::headless_name(cluster), &cluster.namespace);
    let domain = cluster.spec.cluster_domain.as_ref().map(|domain| format!(".{domain}")).unwrap_or_default();
    format!("{pod}.{service}.{namespace}.svc{domain}")
}

/// The variables of all servers.
fn environment(cluster: &ValidatedCluster, progress: Progress) -> BTreeMap<String, String> {
    let config = &cluster.spec.config;
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: String| drop(all.insert(name.to_owned(), value));
    set(SERVERS, first_servers(cluster, progress));
    set("ZOOKUBE_CLUSTER_ID", cluster.ensemble.clone());
    set("ZOOKUBE_LOG_LEVEL", cluster.spec.logging.level.clone());
    set(
        "ZOOKUBE_LOG_FORMAT",
        match cluster.spec.logging.format {
            LogFormat::Json => "json".to_owned(),
            LogFormat::Text => "text".to_owned(),
        },
    );
    set("ZOO_STANDALONE_ENABLED", "false".to_owned());
    set("ZOO_TICK_TIME", config.tick_time_ms.to_string());
    set("ZOO_INIT_LIMIT", config.init_limit.to_string());
    set("ZOO_SYNC_LIMIT", config.sync_limit.to_string());
    set("ZOO_MAX_CLIENT_CNXNS", config.max_client_connections_per_ip.to_string());
    set("ZOO_AUTOPURGE_SNAPRETAINCOUNT", config.snapshot_retain.to_string());
    set("ZOO_AUTOPURGE_PURGEINTERVAL", config.purge_interval_hours.to_string());
    set("ZOO_4LW_COMMANDS_WHITELIST", words(&config.four_letter_words));
    set("ZOO_CFG_EXTRA", extra(cluster));
    all
}

/// In their own order, each once.
fn words(words: &[FourLetterWord]) -> String {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("{word:?}").to_lowercase()).collect::<Vec<_>>().join(",")
}

/// Keys that have no variable, and what the user adds.
fn extra(cluster: &ValidatedCluster) -> String {
    let config = &cluster.spec.config;
    let mut keys = config.extra.clone();
    let mut set = |key: &str, value: String| drop(keys.insert(key.to_owned(), value));
    set("reconfigEnabled", "true".to_owned());
    set("maxCnxns", config.max_client_connections.to_string());
    set("snapCount", config.snapshot_count.to_string());
    set("readonlymode.enabled", config.read_only_mode.to_string());
    set("metricsProvider.httpPort", METRICS.number.to_string());
    // A member that was let go and comes back begins without what it held then.
    set("volume.retired", "setAside".to_owned());
    if let Some(ms) = config.min_session_timeout_ms {
        set("minSessionTimeout", ms.to_string());
    }
    if let Some(ms) = config.max_session_timeout_ms {
        set("maxSessionTimeout", ms.to_string());
    }
    keys.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}
