//! The files that a stock server reads, written anew at each start into a directory of the data directory, the one place
//! that is certain to be writable.

use super::installation::Installation;
use crate::config::{Config, Listen, Mode};
use crate::metrics;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory's name.
const DIR: &str = "apache-conf";
/// Keys that are written from what they have led to, not as they were given, and those that only we know.
const SETTLED: [&str; 14] = [
    "admin.commandsFrom",
    "log.format",
    "log.level",
    "otel.endpoint",
    "memory.growthLimit",
    "dataDir",
    "dataLogDir",
    "clientPort",
    "clientPortAddress",
    "dynamicConfigFile",
    "quorumListenOnAllIPs",
    "tickTime",
    "initLimit",
    "syncLimit",
];
const METRICS_PREFIX: &str = "metricsProvider.";
/// Those of its keys that are written from what they have led to.
const OWN_METRICS: [&str; 3] = ["metricsProvider.className", "metricsProvider.httpHost", "metricsProvider.httpPort"];
const WHITELIST: &str = "4lw.commands.whitelist";
/// Keys that Apache takes for Java properties of exactly this name, not from the file.
const PROPERTIES: [&str; 6] = [
    "jute.maxbuffer",
    "readonlymode.enabled",
    "java.security.auth.login.config",
    "znode.container.checkIntervalMs",
    "znode.container.maxPerMinute",
    "znode.container.maxNeverUsedIntervalMs",
];

const LOGBACK: &str = r#"<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"#;
const LOG4J: &str = "log4j.rootLogger=INFO, OUT\n\
    log4j.appender.OUT=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.OUT.layout=org.apache.log4j.PatternLayout\n\
    log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} [myid:%X{myid}] - %-5p [%t:%C{1}@%L] - %m%n\n";

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// The directory, which belongs on Java's class path for the log's sake.
    pub(super) dir: PathBuf,
    /// The configuration.
    pub(super) zoo_cfg: PathBuf,
    /// Java properties, name and value.
    pub(super) properties: Vec<(String, String)>,
}

impl Files {
    /// Writes them.
    ///
    /// # Errors
    /// The file that cannot be written, and why.
    pub(super) fn write(config: &Config, installation: &Installation) -> Result<Files, (PathBuf, io::Error)> {
        let dir = config.data_dir().join(DIR);
        fs::create_dir_all(&dir).map_err(|error| (dir.clone(), error))?;
        let (zoo_cfg, properties) = render(config, installation);
        for (name, text) in [("zoo.cfg", zoo_cfg.as_str()), ("logback.xml", LOGBACK), ("log4j.properties", LOG4J)] {
            let path = dir.join(name);
            fs::write(&path, text).map_err(|error| (path, error))?;
        }
        Ok(Files { zoo_cfg: dir.join("zoo.cfg"), dir, properties })
    }
}

/// `zoo.cfg`, and the keys that are Java properties.
fn render(config: &Config, installation: &Installation) -> (String, Vec<(String, String)>) {
    let mut lines = Lines::default();
    let settings = &config.settings;
    lines.path("dataDir", config.data_dir());
    lines.path("dataLogDir", config.data_log_dir());
    lines.put("tickTime", &settings.tick_time_ms.to_string());
    for (key, ticks) in [("initLimit", settings.init_limit_ticks), ("syncLimit", settings.sync_limit_ticks)] {
        if let Some(ticks) = ticks {
            lines.put(key, &ticks.to_string());
        }
    }
    if settings.quorum_listen_on_all_ips {
        lines.put("quorumListenOnAllIPs", "true");
    }
    let publishes = metrics::address(config);
    let asks = publishes.is_some() && !installation.has_metrics;
    let mut properties = Vec::new();
    for entry in config.given() {
        let (key, value) = (entry.key.as_str(), entry.value.as_str());
        let is_left_out = SETTLED.contains(&key)
            || OWN_METRICS.contains(&key)
            || (key.starts_with(METRICS_PREFIX) && !installation.has_metrics)
            || (key == WHITELIST && asks);
        if PROPERTIES.contains(&key) {
            properties.push((key.to_owned(), value.to_owned()));
        } else if !is_left_out {
            lines.put(key, value);
        }
    }
    match publishes {
        Some((host, port)) if installation.has_metrics => {
            lines.put("metricsProvider.className", metrics::PROMETHEUS);
            lines.put("metricsProvider.httpHost", host);
            lines.put("metricsProvider.httpPort", &port.to_string());
        }
        // This process asks the server for them.
        Some(_) => lines.put(WHITELIST, &with_mntr(&settings.four_letter_words)),
        None => {}
    }
    put_addresses(config, &mut lines);
    (lines.0, properties)
}

/// A standalone server has its client port in a key, a member of an ensemble in its line of the server list.
fn put_addresses(config: &Config, lines: &mut Lines) {
    if config.mode == Mode::Standalone {
        let Listen { host, port } = config.client_listen();
        lines.put("clientPort", &port.to_string());
        if let Some(host) = host {
            lines.put("clientPortAddress", &host);
        }
        return;
    }
    for (sid, spec) in &config.membership.servers {
        lines.put(&format!("server.{sid}"), &spec.to_string());
    }
    for (group, sids) in &config.membership.groups {
        let sids: Vec<String> = sids.iter().map(ToString::to_string).collect();
        lines.put(&format!("group.{group}"), &sids.join(":"));
    }
    for (sid, weight) in &config.membership.weights {
        lines.put(&format!("weight.{sid}"), &weight.to_string());
    }
}

fn with_mntr(words: &str) -> String {
    let names = || words.split(',').map(str::trim);
    if names().any(|word| word == "*" || word == "mntr") { words.to_owned() } else { format!("{words},mntr") }
}

/// Lines of a Java properties file.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, key: &str, value: &str) {
        for (text, end) in [(key, '='), (value, '\n')] {
            for unit in text.encode_utf16() {
                match char::from_u32(u32::from(unit)) {
                    Some('\\') => self.0.push_str("\\\\"),
                    Some(c @ ' '..='~') => self.0.push(c),
                    _ => self.0.push_str(&format!("\\u{unit:04x}")),
                }
            }
            self.0.push(end);
        }
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.put(key, &path.display().to_string());
    }
}

#[cfg(test)]
#[path = "files_test.rs"]
mod tests;
