//! Where the things are that `cargo xtask setup` brings, and a clear word when one is missing.
//!
//! A missing prerequisite fails the test that needs it: a suite that skips is a suite nobody notices has stopped.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of this repository for and about Apache's server: pom, logging configuration.
pub fn apache_files() -> PathBuf {
    workspace().join("tests/apache")
}

/// Class path of Apache ZooKeeper 3.9.5 and its dependencies, as Maven Central has them.
pub fn apache_39_class_path() -> String {
    let lib = present(workspace().join(".cache/apache/lib"), "the jars of Apache ZooKeeper 3.9.5");
    format!("{}:{}/*", apache_files().display(), lib.display())
}

/// Class path of the Apache ZooKeeper 3.8 in Debian's package `zookeeper`.
pub fn apache_38_class_path() -> String {
    let jar = present("/usr/share/java/zookeeper.jar", "Debian's package zookeeper");
    format!("{}:{}", apache_files().display(), jar.display())
}

/// The Python of the virtual environment that has kazoo.
pub fn python() -> PathBuf {
    present(workspace().join(".cache/venv/bin/python"), "the virtual environment with kazoo")
}

/// The C client's shell, from Debian's package `zookeeper-bin` (which ships `cli_mt` only).
pub fn c_client() -> PathBuf {
    present("/usr/lib/zookeeper/bin/cli_mt", "Debian's package zookeeper-bin")
}

/// Apache's shell, from Debian's package `zookeeper`.
pub fn zk_cli() -> PathBuf {
    present("/usr/share/zookeeper/bin/zkCli.sh", "Debian's package zookeeper")
}

/// Apache's script around the server, from the same package.
pub fn zk_server() -> PathBuf {
    present("/usr/share/zookeeper/bin/zkServer.sh", "Debian's package zookeeper")
}

/// Our server's binary, next to the test's own: `cargo xtask test` builds it first.
pub fn zookube_node() -> PathBuf {
    if let Some(path) = std::env::var_os("ZOOKUBE_NODE") {
        return present(PathBuf::from(path), "the binary that ZOOKUBE_NODE names");
    }
    let exe = std::env::current_exe().expect("a running program has a path");
    let profile = exe.ancestors().find(|dir| dir.join("deps").is_dir());
    let path = profile.unwrap_or(Path::new("target/release")).join("zookube-node");
    assert!(
        path.exists(),
        "{} is not built: `cargo build -p zookube-node` with this test's profile, or run `cargo xtask test`",
        path.display()
    );
    path
}

/// The static binary that goes into the image: `cargo xtask test` builds it first.
pub fn zookube_node_static() -> PathBuf {
    let path = std::env::var_os("ZOOKUBE_NODE_STATIC").map(PathBuf::from);
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let path = path.unwrap_or_else(|| workspace().join("target").join(host).join("release/zookube-node"));
    assert!(path.exists(), "the static binary {} is not built: run `cargo xtask test containers`", path.display());
    path
}

/// Prometheus, from Debian's package `prometheus`: installed, or unpacked without its service.
pub fn prometheus() -> PathBuf {
    of_prometheus("prometheus")
}

/// The tool that checks and tests rules, from the same package.
pub fn promtool() -> PathBuf {
    of_prometheus("promtool")
}

fn of_prometheus(program: &str) -> PathBuf {
    let installed = Path::new("/usr/bin").join(program);
    if installed.exists() {
        return installed;
    }
    present(workspace().join(".cache/prometheus/usr/bin").join(program), "Debian's package prometheus")
}

/// The version of Helm with which charts are tested; another one could lay out the same objects differently.
pub const HELM_VERSION: &str = "3.19.2";
/// The version of kustomize.
pub const KUSTOMIZE_VERSION: &str = "5.7.1";

/// Helm.
pub fn helm() -> PathBuf {
    built("helm", HELM_VERSION)
}

/// kustomize.
pub fn kustomize() -> PathBuf {
    built("kustomize", KUSTOMIZE_VERSION)
}

/// Where a program of this version is kept that the project builds itself, whether it is there or not: in the user's cache, so that
/// every checkout has it.
///
/// # Panics
/// When there is neither `XDG_CACHE_HOME` nor a home directory.
pub fn tool(name: &str, version: &str) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    cache.expect("XDG_CACHE_HOME or a home directory").join("zookube/bin").join(format!("{name}-{version}"))
}

fn built(name: &str, version: &str) -> PathBuf {
    let path = tool(name, version);
    assert!(path.exists(), "{name} {version} is missing ({}): run `cargo xtask test install`", path.display());
    path
}

/// The archive of a root file system for a container image: `client` or `apache-base`.
pub fn container_root(name: &str) -> PathBuf {
    present(workspace().join(format!(".cache/containers/{name}.tar")), "a root file system for containers")
}

/// A shell or a formatter from a package.
///
/// # Panics
/// When it is not there.
pub fn present(path: impl Into<PathBuf>, what: &str) -> PathBuf {
    let path = path.into();
    assert!(path.exists(), "{what} is missing ({}): run `cargo xtask setup`", path.display());
    path
}
