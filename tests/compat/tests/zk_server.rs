//! `zkServer.sh` beside Apache's own, from Debian's package `zookeeper` (3.8): the same calls for the same files, what both say on
//! standard output and their exit codes. The two differ in what ours adds: why a server does not serve.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::{ports, prerequisites, wait};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const ERROR: &str = "Error contacting service. It is probably not running.";

/// A script, installed with everything beside it: `bin`, `conf`, `data`, `logs`.
struct Script {
    dir: tempfile::TempDir,
    is_ours: bool,
}

/// What a call has come to: exit code and standard output, with the script's directory as `DIR` and process ids as `PID`.
type Said = (Option<i32>, String);

impl Script {
    fn ours() -> Script {
        let script = Script::new(true);
        symlink(prerequisites::zookube_node(), script.path("bin/zkServer.sh")).expect("a link");
        script
    }

    /// Debian's script with a `zkEnv.sh` that sets what Debian's does, but for the directories.
    fn apaches() -> Script {
        let script = Script::new(false);
        fs::copy(prerequisites::zk_server(), script.path("bin/zkServer.sh")).expect("the script");
        let dir = script.dir.path().display();
        let environment = format!(
            "ZOOCFGDIR={dir}/conf\nZOOCFG=$ZOOCFGDIR/zoo.cfg\nZOO_LOG_DIR={dir}/logs\nJAVA=java\nCLASSPATH={}\n\
             ZOOMAIN=org.apache.zookeeper.server.quorum.QuorumPeerMain\nJVMFLAGS='-Xmx256m -XX:TieredStopAtLevel=1'\n",
            prerequisites::apache_38_class_path()
        );
        fs::write(script.path("bin/zkEnv.sh"), environment).expect("zkEnv.sh");
        script
    }

    fn new(is_ours: bool) -> Script {
        let script = Script { dir: tempfile::tempdir().expect("a directory"), is_ours };
        for name in ["bin", "conf", "data"] {
            fs::create_dir(script.path(name)).expect("a directory");
        }
        script
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, lines: &str) {
        let text = lines.replace("DIR", &self.dir.path().display().to_string());
        fs::write(self.path("conf/zoo.cfg"), text).expect("zoo.cfg");
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.path("bin/zkServer.sh"));
        for variable in ["ZOOCFGDIR", "ZOO_CONF_DIR", "ZOOCFG", "ZOO_LOG_DIR", "ZOO_LOG_FILE", "ZOOPIDFILE"] {
            command.env_remove(variable);
        }
        command.args(arguments).stdin(Stdio::null()).output().expect("run the script")
    }

    fn says(&self, arguments: &[&str]) -> Said {
        let output = self.call(arguments);
        (output.status.code(), self.normal(&String::from_utf8_lossy(&output.stdout)))
    }

    fn normal(&self, text: &str) -> String {
        let text = text.replace(&self.dir.path().display().to_string(), "DIR");
        let pid = fs::read_to_string(self.pid_file()).unwrap_or_default();
        if pid.is_empty() { text } else { text.replace(&format!("process {pid}"), "process PID") }
    }

    fn pid_file(&self) -> PathBuf {
        self.path("data/zookeeper_server.pid")
    }

    /// A status without the line that only ours has; whoever does not serve must give one.
    fn status(&self) -> Said {
        let (code, said) = self.says(&["status"]);
        let mut lines: Vec<&str> = said.lines().collect();
        if self.is_ours && lines.iter().rev().nth(1) == Some(&ERROR) {
            let reason = lines.pop().expect("a last line");
            assert!(!reason.is_empty() && !reason.contains("Mode"), "{said}");
        }
        (code, lines.join("\n") + "\n")
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let Ok(pid) = fs::read_to_string(self.pid_file()) else { return };
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // A process that was called with something of this directory, and no other that has the number.
        if String::from_utf8_lossy(&line).contains(&self.dir.path().display().to_string()) {
            let _ = Command::new("kill").args(["-9", &pid]).status();
        }
    }
}

/// Both must say the same.
fn check(call: &str, ours: Said, apaches: Said) -> Said {
    assert_eq!(ours, apaches, "zkServer.sh {call}: ours, then Apache's");
    ours
}

/// The number of a process that has ended.
fn ended() -> String {
    let mut child = Command::new("true").spawn().expect("true");
    child.wait().expect("wait");
    child.id().to_string()
}

#[test]
fn the_life_of_a_server() {
    let (ours, apaches) = (Script::ours(), Script::apaches());
    // One after the other on the same port, for every line has it.
    let port = ports::free_port();
    let life = |script: &Script| {
        script.configure(&format!("tickTime=2000\ndataDir=DIR/data\nclientPort={port}\nadmin.enableServer=false\n"));
        let mut said = vec![script.says(&["stop"]), script.status(), script.says(&["start"])];
        let up = || Some(script.status()).filter(|status| status.0 == Some(0));
        said.push(wait::until("the server to serve", PATIENCE, up));
        let pid = fs::read_to_string(script.pid_file()).expect("the pid file");
        assert!(pid.bytes().all(|byte| byte.is_ascii_digit()), "{pid:?}");
        assert!(Path::new(&format!("/proc/{pid}")).exists());
        said.extend([script.says(&["start"]), script.says(&["restart"])]);
        said.push(wait::until("the server to serve again", PATIENCE, up));
        said.extend([script.says(&["stop"]), script.says(&["stop"])]);
        assert!(!script.pid_file().exists());
        // The script says its word after a second, whatever has become of the server.
        wait::until("the server to be gone", PATIENCE, || (script.status().0 == Some(1)).then_some(()));
        said.push(script.status());
        fs::write(script.pid_file(), ended()).expect("a stale pid file");
        said.push(script.says(&["stop"]));
        assert!(!script.pid_file().exists());
        said
    };
    let (ours, apaches) = (life(&ours), life(&apaches));
    assert_eq!(ours, apaches);
    let texts: Vec<&str> = ours.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts[2], "Starting zookeeper ... STARTED\n");
    assert!(texts[3].ends_with("\nMode: standalone\n"), "{texts:?}");
    assert_eq!(texts[4], "Starting zookeeper ... already running as process PID.\n");
    assert_eq!(texts[5], "Stopping zookeeper ... STOPPED\nStarting zookeeper ... STARTED\n");
}

#[test]
fn status_of_nobody_by_every_kind_of_file() {
    let (ours, apaches) = (Script::ours(), Script::apaches());
    let port = ports::free_port();
    for (cfg, dynamic, myid) in [
        ("clientPort=PORT", "", ""),
        ("  clientPort=PORT\nclientPortAddress=127.0.0.1", "", ""),
        ("# clientPort=1", "", ""),
        ("", "", ""),
        ("server.1=127.0.0.1:1:2;PORT", "", "1"),
        ("server.1=127.0.0.1:1:2;127.0.0.1:PORT\nserver.2=127.0.0.1:3:4;127.0.0.1:1", "", "1"),
        ("server.1=127.0.0.1:1:2;[::1]:PORT", "", "1"),
        ("server.1=127.0.0.1:1:2", "", "1"),
        ("server.1=127.0.0.1:1:2;PORT", "", ""),
        ("dynamicConfigFile=DIR/conf/dynamic", "server.1=127.0.0.1:1:2:participant;0.0.0.0:PORT\nversion=0", "1"),
        ("dynamicConfigFile=DIR/conf/dynamic", "server.1=127.0.0.1:1:2;PORT", "7"),
        ("secureClientPort=PORT", "", ""),
        ("secureClientPort=PORT\nsecureClientPortAddress=127.0.0.1", "", "1"),
        ("clientPort=PORT\nsecureClientPort=1", "", ""),
    ] {
        for script in [&ours, &apaches] {
            script.configure(&format!("dataDir=DIR/data\n{cfg}\n").replace("PORT", &port.to_string()));
            fs::write(script.path("conf/dynamic"), dynamic.replace("PORT", &port.to_string())).expect("dynamic file");
            let _ = fs::remove_file(script.path("data/myid"));
            if !myid.is_empty() {
                fs::write(script.path("data/myid"), myid).expect("myid");
            }
        }
        let (code, said) = check(&format!("status: {cfg}"), ours.status(), apaches.status());
        assert_eq!(code, Some(1), "{said}");
    }
}

#[test]
fn usage_and_missing_directories() {
    let (ours, apaches) = (Script::ours(), Script::apaches());
    let stderr = |script: &Script, arguments: &[&str]| {
        let output = script.call(arguments);
        let text = script.normal(&String::from_utf8_lossy(&output.stderr));
        let usage = text.lines().find(|line| line.starts_with("Usage: ")).map(str::to_owned);
        (output.status.code(), usage.expect("a usage"))
    };
    for script in [&ours, &apaches] {
        script.configure("dataDir=DIR/data\nclientPort=2181\n");
    }
    for arguments in [&["dance"][..], &[], &["Start"]] {
        assert_eq!(stderr(&ours, arguments), stderr(&apaches, arguments), "{arguments:?}");
    }
    let must_exist = |script: &Script| {
        let mut command = Command::new(script.path("bin/zkServer.sh"));
        let output = command.arg("start").env("ZOO_DATADIR_AUTOCREATE_DISABLE", "1").output().expect("run");
        (output.status.code(), script.normal(&String::from_utf8_lossy(&output.stdout)))
    };
    check("start", must_exist(&ours), must_exist(&apaches));
}
