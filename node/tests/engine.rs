//! The engine apache, with a program in Java's place that shows what it was started with.

mod support;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::{program, wait_for};

/// Says what it was given, and ends with a code of its own on SIGTERM.
const JAVA: &str = "#!/bin/sh\ntrap 'echo told to stop; exit 7' TERM\necho \"given: $*\"\n\
                    while :; do sleep 0.05; done\n";

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn start(dir: &Path) -> Child {
    let java = dir.join("jdk/bin/java");
    write(&java, JAVA);
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).expect("permissions");
    write(&dir.join("zk/lib/zookeeper-3.9.9.jar"), "");
    let out = File::create(dir.join("out")).expect("a log");
    Command::new(program())
        .args(["run", "--engine", "apache"])
        .env("JAVA_HOME", dir.join("jdk"))
        .env("ZOOKUBE_APACHE_HOME", dir.join("zk"))
        .env("ZOO_MY_ID", "2")
        .env("ZOO_SERVERS", "server.1=a:2888:3888;2181 server.2=b:2888:3888;2181 server.3=c:2888:3888;2181")
        .env("ZOO_DATA_DIR", dir.join("data"))
        .env("ZOO_DATA_LOG_DIR", dir.join("log"))
        .env(
            "ZOO_CFG_EXTRA",
            "metricsProvider.className=org.apache.zookeeper.metrics.impl.NullMetricsProvider jute.maxbuffer=2000000",
        )
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a handle"))
        .stderr(out)
        .spawn()
        .expect("start")
}

#[test]
fn a_stock_server_gets_the_configuration_the_signals_and_its_own_exit_code() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut process = start(dir.path());
    let log = || fs::read_to_string(dir.path().join("out")).unwrap_or_default();
    let given = wait_for("the server to be started", || {
        log().lines().find(|line| line.starts_with("given: ")).map(str::to_owned)
    });
    let zoo_cfg = dir.path().join("data/apache-conf/zoo.cfg");
    for part in [
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        "zk/lib/zookeeper-3.9.9.jar",
        "-Djute.maxbuffer=2000000",
        &zoo_cfg.display().to_string(),
    ] {
        assert!(given.contains(part), "no {part} in {given}");
    }
    let text = fs::read_to_string(&zoo_cfg).expect("zoo.cfg");
    assert!(text.contains("server.2=b:2888:3888") && text.contains("quorumListenOnAllIPs=true"), "{text}");
    assert_eq!(fs::read_to_string(dir.path().join("data/myid")).expect("myid").trim(), "2");
    assert!(Command::new("kill").arg(process.id().to_string()).status().expect("kill").success());
    assert_eq!(process.wait().expect("wait").code(), Some(7), "{}", log());
    assert!(log().contains("told to stop"), "{}", log());
}

#[test]
fn without_an_installation_it_says_what_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(program())
        .args(["run", "--engine", "apache"])
        .env("ZOO_DATA_DIR", dir.path())
        .env("ZOOKUBE_APACHE_HOME", dir.path())
        .env("JAVA_HOME", dir.path())
        .env("PATH", dir.path())
        .output()
        .expect("run");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("the engine apache needs Java"), "{output:?}");
}
