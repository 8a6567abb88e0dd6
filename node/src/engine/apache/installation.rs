//! Where Apache ZooKeeper and Java are on this machine.

use crate::config::Environment;
use crate::exit::{self, Fatal};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables that name the directory of an installation, the first one set counts.
const HOMES: [&str; 3] = ["ZOOKUBE_APACHE_HOME", "ZOO_HOME", "ZOOKEEPER_HOME"];
/// Where packages and images put it.
const USUAL_HOMES: [&str; 3] = ["/opt/zookeeper", "/usr/share/zookeeper", "/usr/share/java"];
/// Debian's jar, which names the jars it needs.
const DEBIAN_JAR: &str = "zookeeper.jar";
/// Debian's jars that make it log at all.
const DEBIAN_LOGGING: [&str; 2] = ["slf4j-log4j12.jar", "log4j-1.2.jar"];
const METRICS_JAR: &str = "zookeeper-prometheus-metrics-";

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation {
    /// Its directory.
    pub(super) home: PathBuf,
    /// `3.9.5`; `unknown` where no jar's name has it.
    pub(super) version: String,
    /// What Java loads.
    pub(super) class_path: Vec<PathBuf>,
    /// Whether it can publish metrics for Prometheus.
    pub(super) has_metrics: bool,
    /// The program.
    pub(super) java: PathBuf,
}

impl Installation {
    /// Looks in the environment's places, then in the usual ones.
    ///
    /// # Errors
    /// When there is no ZooKeeper, or no Java.
    pub(super) fn find(environment: &Environment) -> Result<Installation, Fatal> {
        let not_found = |message: String| Fatal::new(exit::INVALID_INVOCATION, message);
        let java = java(environment).ok_or_else(|| {
            not_found("the engine apache needs Java, and there is no bin/java in JAVA_HOME and no java in PATH. hint: use the image's target apache, or install a JRE".to_owned())
        })?;
        if let Some((name, home)) = HOMES.iter().find_map(|name| Some((name, environment.get(name)?))) {
            return at(Path::new(home), &java).ok_or_else(|| {
                not_found(format!("{name}={home}: expected the directory of an Apache ZooKeeper, with lib/zookeeper-<version>.jar; found none"))
            });
        }
        let homes = homes_in_path(environment).chain(USUAL_HOMES.map(PathBuf::from));
        homes.into_iter().find_map(|home| at(&home, &java)).ok_or_else(|| {
            not_found(format!(
                "the engine apache needs an Apache ZooKeeper, and there is none in {}. hint: ZOOKUBE_APACHE_HOME names its directory",
                USUAL_HOMES.join(", ")
            ))
        })
    }
}

/// The directories above the `bin` directories of `PATH`: the official image has its own there.
fn homes_in_path(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    let path = OsString::from(environment.get("PATH").unwrap_or_default());
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    dirs.into_iter().filter(|dir| dir.ends_with("bin")).filter_map(|dir| dir.parent().map(Path::to_owned))
}

fn java(environment: &Environment) -> Option<PathBuf> {
    let home = environment.get("JAVA_HOME").map(|home| Path::new(home).join("bin/java"));
    let path = OsString::from(environment.get("PATH").unwrap_or_default());
    let in_path = std::env::split_paths(&path).map(|dir| dir.join("java"));
    home.into_iter().chain(in_path).find(|program| program.is_file())
}

/// The installation in a directory, as Apache's archive or Debian's package lays it out.
fn at(home: &Path, java: &Path) -> Option<Installation> {
    [home.join("lib"), home.to_owned()].iter().find_map(|dir| in_dir(home, dir, java))
}

fn in_dir(home: &Path, dir: &Path, java: &Path) -> Option<Installation> {
    let mut jars: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).collect();
    jars.retain(|path| path.extension().is_some_and(|extension| extension == "jar"));
    jars.sort();
    let version = jars.iter().find_map(|jar| version_of(jar));
    let debian = dir.join(DEBIAN_JAR);
    let class_path = if debian.is_file() {
        let logging = DEBIAN_LOGGING.iter().map(|name| dir.join(name)).filter(|jar| jar.is_file());
        std::iter::once(debian).chain(logging).collect()
    } else {
        version.as_ref()?;
        jars
    };
    let has_metrics = class_path.iter().any(|jar| name_of(jar).starts_with(METRICS_JAR));
    let version = version.unwrap_or_else(|| "unknown".to_owned());
    Some(Installation { home: home.to_owned(), version, class_path, has_metrics, java: java.to_owned() })
}

/// `3.9.5` of `zookeeper-3.9.5.jar`.
fn version_of(jar: &Path) -> Option<String> {
    let version = name_of(jar).strip_prefix("zookeeper-")?.strip_suffix(".jar")?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        dir
    }

    fn environment(variables: &[(&str, &Path)]) -> Environment {
        let text = |(name, value): &(&str, &Path)| ((*name).to_owned(), value.display().to_string());
        Environment { variables: variables.iter().map(text).collect(), host_name: None }
    }

    #[test]
    fn an_unpacked_archive_is_found() {
        let home = dir(&[
            "jdk/bin/java",
            "zk/bin/zkServer.sh",
            "zk/lib/zookeeper-3.9.4.jar",
            "zk/lib/zookeeper-jute-3.9.4.jar",
            "zk/lib/zookeeper-prometheus-metrics-3.9.4.jar",
            "zk/lib/NOTICE.txt",
        ]);
        let (jdk, zk, bin) = (home.path().join("jdk"), home.path().join("zk"), home.path().join("zk/bin"));
        for variables in [[("ZOO_HOME", zk.as_path()), ("JAVA_HOME", &jdk)], [("PATH", &bin), ("JAVA_HOME", &jdk)]] {
            let found = Installation::find(&environment(&variables)).unwrap();
            assert_eq!((found.version.as_str(), found.has_metrics, found.class_path.len()), ("3.9.4", true, 3));
            assert_eq!((found.home, found.java), (zk.clone(), jdk.join("bin/java")));
        }
    }

    #[test]
    fn debians_package_is_found() {
        let home = dir(&["bin/java", "zookeeper.jar", "zookeeper-3.8.0.jar", "log4j-1.2.jar", "unrelated.jar"]);
        let bin = home.path().join("bin");
        let found = Installation::find(&environment(&[("ZOOKEEPER_HOME", home.path()), ("PATH", &bin)])).unwrap();
        assert_eq!((found.version.as_str(), found.has_metrics), ("3.8.0", false));
        assert_eq!(found.class_path, [home.path().join("zookeeper.jar"), home.path().join("log4j-1.2.jar")]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = dir(&["bin/java"]);
        let bin = empty.path().join("bin");
        let refusal =
            |variables: &[(&str, &Path)]| Installation::find(&environment(variables)).unwrap_err().to_string();
        assert!(refusal(&[("ZOO_HOME", empty.path())]).contains("needs Java"));
        let named = refusal(&[("ZOO_HOME", empty.path()), ("PATH", &bin)]);
        assert!(named.contains("ZOO_HOME=") && named.contains("lib/zookeeper-<version>.jar"), "{named}");
    }
}
