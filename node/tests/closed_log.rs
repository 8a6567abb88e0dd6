//! The process when nobody reads its log any more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

fn ask(port: u16, word: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(word).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn a_closed_log_pipe_does_not_end_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let port = support::ports::free_port();
    let config = dir.path().join("zoo.cfg");
    let data = dir.path().join("data");
    std::fs::write(&config, format!("dataDir={}\nclientPort={port}\n4lw.commands.whitelist=*\n", data.display()))
        .unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_zookube-node"))
        .args(["run", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // One line is read, then the pipe is closed: every later line fails to be written.
    let mut log = BufReader::new(server.stdout.take().unwrap());
    log.read_line(&mut String::new()).unwrap();
    drop(log);
    let deadline = Instant::now() + PATIENCE;
    while ask(port, b"srvr").is_none_or(|answer| !answer.contains("standalone")) {
        assert!(Instant::now() < deadline, "the server does not serve");
        assert!(server.try_wait().unwrap().is_none(), "the server has ended");
        std::thread::yield_now();
    }
    let pid = server.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let status = server.wait().unwrap();
    assert_eq!(status.code(), Some(0), "a clean stop: {status}");
}
