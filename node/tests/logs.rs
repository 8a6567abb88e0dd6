//! The log of a whole process: its lines as JSON, and what every state change says.

mod support;

use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use support::{Server, create, get, program, wait_for};

/// Every line, each of which must be an object.
fn lines(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The lines with this message.
fn saying<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

#[test]
fn every_line_is_an_object_and_every_state_change_is_one_line() {
    let mut server = Server::start("log.format=json\nstandaloneEnabled=false\ninitLimit=10\nsyncLimit=5\n");
    let mut client = server.client();
    assert_eq!(client.call(create(1, "/a", b"x")).error, 0);
    assert_eq!(client.call(get(2, "/a", false)).error, 0);
    let mut stranger = TcpStream::connect(("127.0.0.1", server.client_port)).unwrap();
    stranger.write_all(&[0x7f; 64]).unwrap();
    let strangers = stranger.local_addr().unwrap();
    server.wait_for_line(&["WARN", "close client connection"]);
    assert_eq!(server.stop().0, Some(0));

    let lines = lines(&server.log());
    for message in [
        "LOOKING for a leader",
        "elected",
        "epoch accepted by a quorum",
        "serving",
        "serve clients",
        "stop on SIGTERM",
        "no longer LEADING",
        "stop serving clients",
        "stopped: this server has left the ensemble",
    ] {
        let found = saying(&lines, message);
        assert_eq!(found.len(), 1, "{message}: {found:?}");
        assert_eq!(found[0]["level"], "INFO");
    }
    let mut before = String::new();
    for line in &lines {
        let timestamp = line["timestamp"].as_str().unwrap().to_owned();
        assert_eq!(timestamp.len(), "2026-01-02T03:04:05.678Z".len(), "{line}");
        // All have the same length and zone; lines of two threads may overtake each other, but not by a day.
        assert!(timestamp[..10] >= before[..before.len().min(10)], "{before} {timestamp}");
        before = timestamp;
        assert_eq!(line["sid"], 1, "{line}");
        assert!(line["thread"].is_string() && line["target"].is_string(), "{line}");
        assert_ne!(line["level"], "ERROR", "{line}");
    }
    let refused: Vec<&Value> =
        lines.iter().filter(|line| line["remote"].as_str() == Some(&format!("/{strangers}"))).collect();
    assert_eq!(refused.len(), 1, "{lines:#?}");
    assert_eq!((&refused[0]["level"], &refused[0]["session"]), (&"WARN".into(), &"0x0".into()));
    let serving = saying(&lines, "serving")[0];
    assert!(serving["zxid"].as_str().unwrap().starts_with("0x"), "{serving}");
}

#[test]
fn a_request_leaves_no_line_at_info_and_debug_says_who_asked() {
    let server = Server::start("log.format=json\nlog.level=info,node=debug\nsnapCount=100000\n");
    // The client that waited for the server to serve has left, too.
    server.wait_for_line(&["client connection ends"]);
    let before = lines(&server.log()).len();
    let mut client = server.client();
    for xid in 1..50 {
        client.call(create(xid, &format!("/n{xid}"), b""));
    }
    drop(client);
    let (ended, lines) = wait_for("the end of the connection", || {
        let lines = lines(server.log().rsplit_once('\n').map_or("", |(whole, _)| whole));
        let is_end = |line: &Value| {
            line["span"] == "client" && line["message"] == "client connection ends: closed by the client"
        };
        let at = before + lines.iter().skip(before).position(is_end)?;
        Some((lines[at].clone(), lines[before..at].to_vec()))
    });
    assert!(ended["session"].as_str().unwrap().starts_with("0x"), "{ended}");
    assert!(ended["remote"].as_str().unwrap().starts_with("/127.0.0.1:"), "{ended}");
    let others: Vec<&Value> = lines.iter().filter(|line| line["level"] != "DEBUG").collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_in_the_format_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("zoo.cfg");
    std::fs::write(&config, "clientPort=2181\nlog.level=loud\n").unwrap();
    let run = |format: &str| {
        let output = Command::new(program())
            .args(["run", "--config"])
            .arg(&config)
            .env("ZOOKUBE_LOG_FORMAT", format)
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lines = lines(&run("json"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "ERROR");
    let message = lines[0]["message"].as_str().unwrap();
    assert!(message.contains("log.level") && message.contains("a level such as debug"), "{message}");
    let text = run("text");
    assert!(text.contains("ERROR") && text.contains("log.level") && !text.starts_with('{'), "{text}");
}

#[test]
fn rust_log_takes_the_place_of_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("zoo.cfg");
    // A key that only warns, a port that cannot be: the one line below ERROR is the warning.
    std::fs::write(
        &config,
        format!(
            "dataDir={0}\nclientPort=2181\nnoSuchKey=1\nlog.level=trace\ndatadir.autocreate=false\n",
            dir.path().join("none").display()
        ),
    )
    .unwrap();
    let run = |level: &str| {
        let output =
            Command::new(program()).args(["run", "--config"]).arg(&config).env("RUST_LOG", level).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(run("warn").contains("noSuchKey"));
    assert!(!run("error").contains("noSuchKey"), "the key would have shown it");
}
