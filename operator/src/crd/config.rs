//! What the servers are told of themselves.

use super::rules;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Configuration of the servers; the names in parentheses are those of Apache's `zoo.cfg`.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("self.initLimit >= self.syncLimit", "spec.config.initLimit: must not be less than syncLimit"), ("!has(self.minSessionTimeoutMs) || !has(self.maxSessionTimeoutMs) || self.maxSessionTimeoutMs >= self.minSessionTimeoutMs", "spec.config.maxSessionTimeoutMs: must not be less than minSessionTimeoutMs")])))]
pub struct Config {
    /// The unit of the limits below, in milliseconds (`tickTime`).
    #[schemars(range(min = 500, max = 20000))]
    pub tick_time_ms: i32,
    /// Ticks within which a server must have found its leader's state (`initLimit`).
    #[schemars(range(min = 2, max = 600))]
    pub init_limit: i32,
    /// Ticks within which a server must answer its leader (`syncLimit`).
    #[schemars(range(min = 2, max = 600))]
    pub sync_limit: i32,
    /// The shortest session timeout that a client gets, in milliseconds (`minSessionTimeout`); left out: two ticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600000))]
    pub min_session_timeout_ms: Option<i32>,
    /// The longest (`maxSessionTimeout`); left out: twenty ticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400000))]
    pub max_session_timeout_ms: Option<i32>,
    /// Connections that a server takes; 0 = no limit (`maxCnxns`).
    #[schemars(range(min = 0, max = 1000000))]
    pub max_client_connections: i32,
    /// Connections that it takes from one address; 0 = no limit (`maxClientCnxns`).
    #[schemars(range(min = 0, max = 1000000))]
    pub max_client_connections_per_ip: i32,
    /// A snapshot is written after so many transactions (`snapCount`).
    #[schemars(range(min = 1000, max = 100000000))]
    pub snapshot_count: i32,
    /// Snapshots that are kept, with the logs behind them (`autopurge.snapRetainCount`).
    #[schemars(range(min = 3, max = 100))]
    pub snapshot_retain: i32,
    /// Hours between two looks for what need not be kept; 0 = never (`autopurge.purgeInterval`).
    #[schemars(range(min = 0, max = 720))]
    pub purge_interval_hours: i32,
    /// Four-letter words that are answered (`4lw.commands.whitelist`).
    #[schemars(length(max = 16))]
    pub four_letter_words: Vec<FourLetterWord>,
    /// Servers without a leader serve clients that agree to read old data (`readonlymode.enabled`).
    pub read_only_mode: bool,
    /// Further keys of `zoo.cfg`, for what has no field here.
    #[schemars(schema_with = "extra_keys")]
    pub extra: BTreeMap<String, String>,
}

impl Default for Config {
    fn default() -> Config {
        use FourLetterWord::{Conf, Isro, Mntr, Ruok, Srvr, Stat};
        Config {
            tick_time_ms: 2000,
            init_limit: 10,
            sync_limit: 5,
            min_session_timeout_ms: None,
            max_session_timeout_ms: None,
            max_client_connections: 0,
            max_client_connections_per_ip: 60,
            snapshot_count: 100_000,
            snapshot_retain: 3,
            purge_interval_hours: 1,
            four_letter_words: vec![Srvr, Mntr, Ruok, Stat, Conf, Isro],
            read_only_mode: false,
            extra: BTreeMap::new(),
        }
    }
}

/// Keys and values of `zoo.cfg`, bounded, so that the API server can tell what its rules cost.
fn extra_keys(_: &mut SchemaGenerator) -> Schema {
    const OURS: &str = "['dataDir', 'dataLogDir', 'clientPort', 'clientPortAddress', 'secureClientPort', 'dynamicConfigFile', \
                        'reconfigEnabled', 'standaloneEnabled', 'skipACL', 'joinAs', 'tickTime', 'initLimit', 'syncLimit']";
    const OUR_BEGINNINGS: &str = "^(server|volume|group|weight)[.]";
    let rules = rules(&[
        (
            "self.all(key, size(key) <= 128 && key.matches('^[A-Za-z0-9][A-Za-z0-9._]*$') && self[key].matches('^[^ \\t\\r\\n]*$'))",
            "spec.config.extra: keys of zoo.cfg with their values, neither with blanks, at most 128 and 1024 characters",
        ),
        (
            &format!("self.all(key, !(key in {OURS}) && !key.matches('{OUR_BEGINNINGS}'))"),
            "spec.config.extra: names a key that the operator sets itself; servers, ports and directories follow from the other fields",
        ),
    ]);
    json_schema!({
        "type": "object",
        "description": "Further keys of `zoo.cfg`, for what has no field here.",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 1024 },
        "x-kubernetes-validations": rules,
    })
}

/// A four-letter word.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the words are Apache's")]
pub enum FourLetterWord {
    Conf,
    Cons,
    Crst,
    Dirs,
    Dump,
    Envi,
    Hash,
    Isro,
    Lsnp,
    Mntr,
    Orst,
    Obsr,
    Ruok,
    Srst,
    Srvr,
    Stat,
    Sysp,
    Wchc,
    Wchp,
    Wchs,
}

/// What servers write about themselves.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Logging {
    /// `error`, `warn`, `info`, `debug` or `trace`, or a list with modules: `info,zab=debug`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_:=,]+$"))]
    pub level: String,
    /// One JSON object a line, or text.
    pub format: LogFormat,
}

impl Default for Logging {
    fn default() -> Logging {
        Logging { level: "info".to_owned(), format: LogFormat::Json }
    }
}

/// How log lines look.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they say it themselves")]
pub enum LogFormat {
    Json,
    Text,
}
