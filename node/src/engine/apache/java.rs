//! The command line of the server's Java process.

use super::files::Files;
use super::installation::Installation;
use crate::cgroup::Cgroups;
use crate::config::{Config, Environment};
use std::path::PathBuf;
use std::process::{Command, Stdio};

const MAIN_CLASS: &str = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
/// The heap that Apache's scripts give it, MB.
const HEAP_MB: u64 = 1000;
/// What the heap may take of a container's memory, percent; the rest is for threads, buffers and classes.
const HEAP_PERCENT: u64 = 70;

/// The command.
pub(super) fn command(
    config: &Config,
    environment: &Environment,
    installation: &Installation,
    files: &Files,
    cgroups: &Cgroups,
) -> Command {
    let mut command = Command::new(&installation.java);
    command
        .arg(format!("-Xmx{}m", heap_mb(environment, cgroups.memory_limit_bytes())))
        // Apache's script has a shell kill it; there may be none.
        .arg("-XX:+ExitOnOutOfMemoryError")
        .arg("-Dzookeeper.jmx.log4j.disable=true")
        .args(files.properties.iter().map(|(key, value)| format!("-D{key}={value}")))
        .args((!config.settings.datadir_autocreate).then_some("-Dzookeeper.datadir.autocreate=false"));
    for flags in ["SERVER_JVMFLAGS", "JVMFLAGS"] {
        command.args(environment.get(flags).unwrap_or_default().split_whitespace());
    }
    command.arg("-cp").arg(class_path(installation, files)).arg(MAIN_CLASS).arg(&files.zoo_cfg);
    command.stdin(Stdio::null());
    command
}

/// `ZK_SERVER_HEAP`, else what the script takes, but no more than fits into the container.
fn heap_mb(environment: &Environment, limit_bytes: Option<u64>) -> u64 {
    let told = environment.get("ZK_SERVER_HEAP").and_then(|megabytes| megabytes.parse().ok());
    told.unwrap_or_else(|| limit_bytes.map_or(HEAP_MB, |limit| ((limit / 100 * HEAP_PERCENT) >> 20).clamp(1, HEAP_MB)))
}

fn class_path(installation: &Installation, files: &Files) -> String {
    let entries: Vec<String> = [&files.dir]
        .into_iter()
        .chain(&installation.class_path)
        .map(|path: &PathBuf| path.display().to_string())
        .collect();
    entries.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_fits_into_the_container() {
        let environment = |value: &str| Environment {
            variables: [("ZK_SERVER_HEAP".to_owned(), value.to_owned())].into(),
            host_name: None,
        };
        for (told, limit, expected) in
            [("", None, 1000), ("", Some(8 << 30), 1000), ("", Some(256 << 20), 179), ("2000", Some(256 << 20), 2000)]
        {
            assert_eq!(heap_mb(&environment(told), limit), expected, "{told} {limit:?}");
        }
    }
}
