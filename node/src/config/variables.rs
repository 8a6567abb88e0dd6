//! The table of environment variables: those of the official image, our own, and what each of them does.
//!
//! `docs/configuration.md` and the warning about an unknown variable are made from it.

use super::keys::edits;

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub effect: Effect,
    /// One line for the documentation.
    pub meaning: &'static str,
}

/// What a variable does. A `zoo.cfg` takes the place of those that make one up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is the value of a key of `zoo.cfg`.
    Key {
        /// The key.
        key: &'static str,
        /// What the official image takes where the variable is not set and Apache's default is not what it takes.
        image_default: Option<&'static str>,
    },
    /// It says who the members are, or adds keys.
    Declares,
    /// It holds whether or not there is a `zoo.cfg`.
    Always,
    /// Only a Java process has a use for it, but for the properties in it.
    Java,
    /// Another command of ours or a script reads it.
    Elsewhere,
    /// Nothing, which a warning says unless it is set to `quiet`.
    NoEffect {
        /// The value the official image sets.
        quiet: &'static str,
        /// Why nothing, and what to use.
        reason: &'static str,
    },
}

const fn key(name: &'static str, key: &'static str, image_default: Option<&'static str>) -> Variable {
    Variable { name, effect: Effect::Key { key, image_default }, meaning: "" }
}

const fn row(name: &'static str, effect: Effect, meaning: &'static str) -> Variable {
    Variable { name, effect, meaning }
}

const fn java(name: &'static str, meaning: &'static str) -> Variable {
    Variable { name, effect: Effect::Java, meaning }
}

const fn unused(name: &'static str, quiet: &'static str, reason: &'static str) -> Variable {
    Variable { name, effect: Effect::NoEffect { quiet, reason }, meaning: reason }
}

const STDOUT: &str = "the log goes to standard output, that of `zkServer.sh start` into a file that this names";
const JMX: &str = "Java's management interface";

/// Every variable, those that are keys in the order in which the official image writes them.
pub static VARIABLES: &[Variable] = &[
    key("ZOO_DATA_DIR", "dataDir", Some("/data")),
    key("ZOO_DATA_LOG_DIR", "dataLogDir", Some("/datalog")),
    key("ZOO_TICK_TIME", "tickTime", Some("2000")),
    key("ZOO_INIT_LIMIT", "initLimit", Some("5")),
    key("ZOO_SYNC_LIMIT", "syncLimit", Some("2")),
    key("ZOO_AUTOPURGE_SNAPRETAINCOUNT", "autopurge.snapRetainCount", None),
    key("ZOO_AUTOPURGE_PURGEINTERVAL", "autopurge.purgeInterval", None),
    key("ZOO_MAX_CLIENT_CNXNS", "maxClientCnxns", None),
    key("ZOO_STANDALONE_ENABLED", "standaloneEnabled", None),
    key("ZOO_ADMINSERVER_ENABLED", "admin.enableServer", None),
    key("ZOO_4LW_COMMANDS_WHITELIST", "4lw.commands.whitelist", None),
    key("ZOO_PORT", "clientPort", None),
    key("ZOOKUBE_MEMORY_GROWTH_LIMIT", "memory.growthLimit", None),
    key("ZOOKUBE_JOIN_AS", "joinAs", None),
    key("ZOOKUBE_CLUSTER_ID", "volume.clusterId", None),
    key("ZOOKUBE_RECORD", "volume.record", None),
    key("ZOOKUBE_INCARNATION", "volume.incarnation", None),
    key("ZOOKUBE_COMMANDS_FROM", "admin.commandsFrom", None),
    key("ZOOKUBE_SUPER_DIGEST", "DigestAuthenticationProvider.superDigest", None),
    key("ZOOKUBE_SHUTDOWN_DELAY_MS", "shutdown.delayMs", None),
    key("ZOOKUBE_LOG_FORMAT", "log.format", None),
    key("ZOOKUBE_LOG_LEVEL", "log.level", None),
    key("ZOOKUBE_OTEL_ENDPOINT", "otel.endpoint", None),
    row(
        "ZOO_SERVERS",
        Effect::Declares,
        "the servers: `server.N=host:2888:3888;2181`, separated by blanks; if nothing lists servers, `server.1=localhost:2888:3888;2181`",
    ),
    row("ZOO_CFG_EXTRA", Effect::Declares, "more lines of `zoo.cfg`: `key=value`, separated by blanks"),
    row(
        "ZOOKUBE_PEERS",
        Effect::Declares,
        "in place of `ZOO_SERVERS`: one name for all servers, such as `zk-{ordinal}.zk-headless:2888:3888;2181`; \
         the ports may be left out if they are these",
    ),
    row("ZOOKUBE_REPLICAS", Effect::Declares, "how many servers of that name vote"),
    row("ZOOKUBE_OBSERVERS", Effect::Declares, "how many more of them, with the ordinals behind the voters', observe"),
    row(
        "ZOO_MY_ID",
        Effect::Always,
        "this server's id where there is no `myid` file; if there is one, both must agree",
    ),
    row(
        "ZOOKUBE_ORDINAL_OFFSET",
        Effect::Always,
        "what is added to the ordinal at the end of the host name to make the id; 1 for `zk-0`, 0 for `zk1`, unless set",
    ),
    row("ZOOKUBE_HOST_NAME", Effect::Always, "the host name, where it is not the system's"),
    row(
        "ZOOKUBE_SRV",
        Effect::Always,
        "a name with SRV records, such as `_election._tcp.zk-headless.ns.svc.cluster.local`, that gives addresses to \
         servers whose own names have none; it never makes a member",
    ),
    row(
        "ZOOKUBE_RESOLV_CONF",
        Effect::Always,
        "the file that names the name servers, in place of `/etc/resolv.conf`, with a port if need be \
         (`nameserver 127.0.0.1:5353`); for tests and special setups",
    ),
    row(
        "ZOOKUBE_HOSTS",
        Effect::Always,
        "the file of fixed addresses, in place of `/etc/hosts`; for tests and special setups",
    ),
    row(
        "ZOOKUBE_CONTAINER",
        Effect::Always,
        "`1` (set by the image): quorum and election port are bound on every interface unless `quorumListenOnAllIPs` \
         is set; so they are wherever the environment takes the place of a `zoo.cfg`, unless this is `0`",
    ),
    row("ZOO_CONF_DIR", Effect::Always, "the directory of the `zoo.cfg` that takes the place of the environment"),
    row("ZOOCFGDIR", Effect::Always, "the same, where `ZOO_CONF_DIR` is not set"),
    row("ZOOCFG", Effect::Always, "the name of that file, where it is not `zoo.cfg`"),
    row(
        "ZOO_DATADIR_AUTOCREATE_DISABLE",
        Effect::Always,
        "set to anything: `datadir.autocreate=false`, the data directory must exist",
    ),
    row("RUST_LOG", Effect::Always, "the level of the log, in place of `log.level`"),
    row(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        Effect::Always,
        "the OpenTelemetry collector, where `otel.endpoint` is not set; `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, \
         `OTEL_SDK_DISABLED`, `OTEL_BSP_*` and `OTEL_BLRP_*` mean what they mean elsewhere",
    ),
    row("ZOOKUBE_APACHE_HOME", Effect::Elsewhere, "where Apache ZooKeeper is installed, for `ZOOKUBE_ENGINE=apache`"),
    row("ZOO_HOME", Effect::Elsewhere, "the same, where `ZOOKUBE_APACHE_HOME` is not set"),
    row("ZOOKUBE_ENGINE", Effect::Elsewhere, "which server `run` starts: `zookube`, or `apache` where it is installed"),
    unused("ZOO_LOG_DIR", "/logs", STDOUT),
    unused("ZOO_LOG_FILE", "", STDOUT),
    unused("ZOO_LOG4J_PROP", "", "the level of the log is set by log.level or RUST_LOG"),
    unused("ZOO_USER", "zookeeper", "the container's user is the one it is started with"),
    unused("ZOO_SERVER_ID", "", "it is another image's; this server's id is ZOO_MY_ID here"),
    unused("ZOO_PORT_NUMBER", "", "it is another image's; write ;port behind the server in ZOO_SERVERS"),
    row("ZOOPIDFILE", Effect::Elsewhere, "a file of `zkServer.sh`"),
    row("ZOOBINDIR", Effect::Elsewhere, "a directory of `zkServer.sh`"),
    row("ZOOBIN", Effect::Elsewhere, "a directory of `zkServer.sh`"),
    row("ZOO_NOEXEC", Effect::Elsewhere, "a switch of `zkServer.sh`"),
    row("ZOOKUBE_LAB_PARENT", Effect::Elsewhere, "set by `zookube-node lab`"),
    row("ZOOKUBE_DETACH", Effect::Elsewhere, "set by `zkServer.sh start`"),
    java("JVMFLAGS", "`-Dzookeeper.key=value` in it sets `key`, below `zoo.cfg` and the other variables"),
    java("SERVER_JVMFLAGS", "the same, below `JVMFLAGS`"),
    java("ZK_SERVER_HEAP", "a size in MB"),
    java("JMXDISABLE", JMX),
    java("JMXLOCALONLY", JMX),
    java("JMXPORT", JMX),
    java("JMXAUTH", JMX),
    java("JMXSSL", JMX),
    java("JMXLOG4J", JMX),
    java("JMXHOSTNAME", JMX),
];

/// The variables of which an unknown one is worth a warning.
const PREFIXES: [&str; 3] = ["ZOO_", "ZOOKUBE_", "ZOOCFG"];
/// Those of the project's own tests, which reach the servers they start.
const OF_TESTS: &str = "ZOOKUBE_TEST_";

/// The row of a variable.
#[must_use]
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// Whether a variable was meant for us, to judge by its name, but means nothing.
pub(super) fn is_unknown(name: &str, value: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && find(name).is_none()
        && !name.starts_with(OF_TESTS)
        && !is_service_link(name, value)
}

/// Whether Kubernetes set it for a Service named `zoo` or `zookube`: `ZOO_SERVICE_HOST`, `ZOO_PORT=tcp://…`,
/// `ZOO_PORT_2181_TCP_ADDR`. Nobody wrote these, and `ZOO_PORT` must not be taken for a port.
pub(super) fn is_service_link(name: &str, value: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.contains("_PORT") && (value.contains("://") || name.contains("_TCP") || name.contains("_UDP")))
}

/// How many letters may be wrong in a name for the other to be a guess worth printing.
const GUESS_EDITS_MAX: usize = 6;

/// The known name that is nearest to an unknown one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    // A name longer than all of ours by more than the limit cannot be near; comparing it would only take time.
    const NAME_BYTES_MAX: usize = 40;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let distances = VARIABLES.iter().map(|variable| (edits(name, variable.name), variable.name));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= GUESS_EDITS_MAX)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::keys;
    use super::*;

    #[test]
    fn no_variable_stands_twice_and_every_key_is_one() {
        let mut seen = BTreeSet::new();
        for variable in VARIABLES {
            assert!(seen.insert(variable.name), "{}", variable.name);
            if let Effect::Key { key, image_default } = variable.effect {
                let key = keys::all().find(|row| row.name == key).expect(key);
                assert!(image_default.is_none_or(|value| key.kind.read(value).is_ok()), "{}", variable.name);
            }
        }
    }

    #[test]
    fn names_that_mean_nothing_get_a_guess() {
        assert_eq!(nearest("ZOO_TICKTIME"), Some("ZOO_TICK_TIME"));
        assert_eq!(nearest("ZOO_MYID"), Some("ZOO_MY_ID"));
        assert_eq!(nearest("ZOOKUBE_REPLICA"), Some("ZOOKUBE_REPLICAS"));
        assert_eq!(nearest("ZOO_QQQQQQQQQQQQQQQQQ"), None);
        assert_eq!(nearest(&"ZOO_".repeat(1000)), None);
        assert!(is_unknown("ZOO_TICKTIME", "1"));
        assert!(!is_unknown("ZOO_TICK_TIME", "1"));
        assert!(!is_unknown("ZOOLOGY", "1"));
        assert!(!is_unknown("ZOO_SERVICE_HOST", "10.0.0.1"));
        assert!(!is_unknown("ZOOKUBE_PORT_2181_TCP_ADDR", "10.0.0.1"));
        assert!(is_service_link("ZOO_PORT", "tcp://10.0.0.1:2181"));
        assert!(!is_service_link("ZOO_PORT", "2181"));
    }
}
