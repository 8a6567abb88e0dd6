//! `zookube-node doctor` beside real servers: three on this machine, all well, then with one stopped and one misspelt.

mod support;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{free_port, program, wait_for};

/// The answer to `srvr`.
fn srvr(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"srvr").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn wait_until_serving(port: u16) {
    wait_for("the server to serve", || srvr(port).filter(|answer| answer.contains("Mode: ")));
}

/// One server of the ensemble.
struct Member {
    dir: PathBuf,
    client_port: u16,
    process: Option<Child>,
}

/// Three servers on loopback.
struct Ensemble {
    _dir: tempfile::TempDir,
    members: Vec<Member>,
}

/// What a run of the doctor gave.
struct Visit {
    code: Option<i32>,
    text: String,
}

impl Visit {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The findings with this id and status, as `about: found`.
    fn with(&self, id: &str, status: &str) -> Vec<String> {
        let document = self.json();
        let findings = document["findings"].as_array().expect("findings").iter();
        let matching = findings.filter(|finding| finding["id"] == id && finding["status"] == status);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        matching.map(|finding| format!("{}: {}", text(&finding["about"]), text(&finding["found"]))).collect()
    }
}

fn visit(config: &Path, arguments: &[&str]) -> Visit {
    let output = Command::new(program())
        .arg("doctor")
        .arg("--config")
        .arg(config)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("run the doctor");
    let text = String::from_utf8(output.stdout).expect("text");
    eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    Visit { code: output.status.code(), text }
}

impl Ensemble {
    fn start() -> Ensemble {
        let dir = tempfile::tempdir().expect("a directory");
        let ports: Vec<[u16; 3]> = (0..3).map(|_| [free_port(), free_port(), free_port()]).collect();
        let line = |(nth, [client, quorum, election]): (usize, &[u16; 3])| {
            format!("server.{}=127.0.0.1:{quorum}:{election};127.0.0.1:{client}\n", nth + 1)
        };
        let servers: String = ports.iter().enumerate().map(line).collect();
        let member = |(nth, ports): (usize, &[u16; 3])| {
            let dir = dir.path().join(format!("{}", nth + 1));
            std::fs::create_dir_all(dir.join("data")).expect("a data directory");
            std::fs::write(dir.join("data/myid"), format!("{}", nth + 1)).expect("myid");
            let data = dir.join("data");
            let text = format!(
                "tickTime=2000\ninitLimit=20\nsyncLimit=10\nadmin.enableServer=false\ndataDir={}\n{servers}",
                data.display()
            );
            std::fs::write(dir.join("zoo.cfg"), text).expect("zoo.cfg");
            Member { dir, client_port: ports[0], process: None }
        };
        let members = ports.iter().enumerate().map(member).collect();
        let mut ensemble = Ensemble { _dir: dir, members };
        ensemble.members.iter_mut().for_each(Member::start);
        for member in &ensemble.members {
            wait_until_serving(member.client_port);
        }
        ensemble
    }

    fn config(&self, sid: usize) -> PathBuf {
        self.members[sid - 1].dir.join("zoo.cfg")
    }
}

impl Member {
    fn start(&mut self) {
        let log = std::fs::File::create(self.dir.join("out")).expect("a log");
        let process = Command::new(program())
            .args(["run", "--config"])
            .arg(self.dir.join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("start a server");
        self.process = Some(process);
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        self.members.iter_mut().for_each(Member::stop);
    }
}

#[test]
fn peers_that_are_well_missing_and_misspelt_are_told_apart() {
    let mut ensemble = Ensemble::start();

    let well = visit(&ensemble.config(1), &["--json"]);
    assert_eq!(well.code, Some(0), "{}", well.text);
    assert_eq!(well.json()["verdict"], "good");
    assert_eq!(well.with("peer.election", "ok").len(), 2);
    assert!(well.with("ensemble.quorum", "ok")[0].contains("3 of 3 voters can vote: a quorum; server "));
    // All but the leader refuse learners, and that is no finding.
    assert_eq!(well.with("peer.quorum", "ok").len(), 2);
    assert_eq!(well.with("data.lock", "ok").len(), 1);
    assert!(well.with("data.lock", "ok")[0].contains("a server has this directory open (pid "));
    assert!(!well.with("ports.free", "ok").is_empty());
    assert_eq!(well.with("disk.latency", "unknown").len(), 0);

    ensemble.members[2].stop();
    let missing = visit(&ensemble.config(1), &["--json"]);
    assert_eq!(missing.code, Some(1), "{}", missing.text);
    let named = missing.with("peer.election", "problem");
    assert!(named.len() == 1 && named[0].starts_with("server 3: ") && named[0].contains("refused"), "{named:?}");
    assert!(missing.with("ensemble.quorum", "ok")[0].contains("2 of 3 voters can vote, missing 3: a quorum"));
    let text = visit(&ensemble.config(1), &[]);
    assert_eq!(text.code, Some(1));
    assert!(text.text.contains("problem  peer.election"), "{}", text.text);
    assert!(text.text.contains("hint: start server 3"), "{}", text.text);
    assert!(text.text.lines().last().is_some_and(|line| line.starts_with("something is wrong: ")), "{}", text.text);

    // A reserved name: no name service has it (RFC 6761).
    let config = ensemble.config(1);
    let lines = std::fs::read_to_string(&config).expect("zoo.cfg");
    let misspelt = lines.replacen("server.2=127.0.0.1", "server.2=zk2.invalid", 1);
    std::fs::write(&config, misspelt).expect("zoo.cfg");
    let unknown = visit(&config, &["--json"]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.text);
    let named = unknown.with("peer.name", "problem");
    assert!(named.len() == 1 && named[0].starts_with("server 2: zk2.invalid has no address"), "{named:?}");
    assert_eq!(unknown.with("ensemble.quorum", "problem").len(), 1);
    // Nothing is left behind in the directory that was measured.
    let names = std::fs::read_dir(ensemble.members[0].dir.join("data")).expect("the directory");
    let left: Vec<_> = names.flatten().map(|entry| entry.file_name()).filter(|name| name != "myid").collect();
    assert!(
        left.len() == 2 && left.contains(&"version-2".into()) && left.contains(&"zookube.volume".into()),
        "{left:?}"
    );
}

#[test]
fn a_standalone_server_is_looked_at_before_its_first_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("zoo.cfg");
    let data = dir.path().join("data");
    std::fs::write(
        &config,
        format!("admin.enableServer=false\ndataDir={}\nclientPort={}\n", data.display(), free_port()),
    )
    .expect("zoo.cfg");
    let visit = visit(&config, &["--json"]);
    assert_eq!(visit.code, Some(0), "{}", visit.text);
    assert_eq!(visit.with("data.directory", "note").len(), 1);
    assert_eq!(visit.with("disk.latency", "unknown").len(), 0);
    assert!(!data.exists(), "the doctor makes no directories");
}

#[test]
fn a_port_of_somebody_else_is_a_problem() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("zoo.cfg");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    std::fs::write(&config, format!("admin.enableServer=false\ndataDir={}\nclientPort={port}\n", dir.path().display()))
        .expect("zoo.cfg");
    let visit = visit(&config, &["--json"]);
    assert_eq!(visit.code, Some(1), "{}", visit.text);
    let named = visit.with("ports.free", "problem");
    assert!(named.len() == 1 && named[0].contains(&format!("taken by process {} (", std::process::id())), "{named:?}");
}

#[test]
fn what_cannot_be_checked_has_an_exit_code_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let missing = visit(&dir.path().join("zoo.cfg"), &["--json"]);
    assert_eq!((missing.code, missing.json()["verdict"].as_str()), (Some(2), Some("cannot-tell")));
    let config = dir.path().join("zoo.cfg");
    std::fs::write(&config, "datadir=/x\n").expect("zoo.cfg");
    let wrong = visit(&config, &[]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.text.contains("datadir") && wrong.text.contains("dataDir"), "{}", wrong.text);
    let bad = Command::new(program()).args(["doctor", "--no-such-flag"]).output().expect("run the doctor");
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn warnings_count_when_asked_to() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("zoo.cfg");
    let text = format!("dataDir={}\nclientPort={}\nnoSuchKey=1\n", dir.path().display(), free_port());
    std::fs::write(&config, text).expect("zoo.cfg");
    let lenient = visit(&config, &["--json"]);
    assert_eq!((lenient.code, lenient.with("config.warning", "warning").len()), (Some(0), 1), "{}", lenient.text);
    assert_eq!(visit(&config, &["--strict"]).code, Some(1));
}
