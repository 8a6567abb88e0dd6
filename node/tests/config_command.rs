//! `zookube-node config`, as a program in an environment of its own.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

const SERVERS: &str = "server.1=zk1:2888:3888;2181 server.2=zk2:2888:3888;2181 server.3=zk3:2888:3888;2181";

/// Runs the program with nothing but these variables.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zookube-node"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn print_shows_values_and_sources_and_writes_nothing() {
    let data = TempDir::new().unwrap();
    let variables = [
        ("ZOO_SERVERS", SERVERS),
        ("ZOO_MY_ID", "2"),
        ("ZOO_DATA_DIR", data.path().to_str().unwrap()),
        ("ZK_SERVER_HEAP", "512"),
    ];
    let output = run(&["config", "print", "--set", "snapCount=500"], &variables);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    for row in [
        "myid 2 environment variable ZOO_MY_ID; not yet in @/myid",
        "tickTime 2000 default of the official image",
        "snapCount 500 command line",
        "dataDir @ environment variable ZOO_DATA_DIR",
        "server.3 zk3:2888:3888:participant;0.0.0.0:2181 environment variable ZOO_SERVERS",
    ] {
        let row = row.replace('@', data.path().to_str().unwrap());
        let is_there = out.lines().any(|line| line.split_whitespace().eq(row.split(' ')));
        assert!(is_there, "no row `{row}` in\n{out}");
    }
    assert_eq!(
        text(&output.stderr),
        "warning: environment variable ZK_SERVER_HEAP has no effect here: there is no Java virtual machine\n"
    );

    let output = run(&["config", "print", "--json"], &variables);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["mode"], "ensemble");
    assert_eq!(document["myid"]["sid"], 2);
    assert_eq!(document["myid"]["stored"], false);
    assert_eq!(document["file"], serde_json::Value::Null);
    assert_eq!(document["warnings"].as_array().unwrap().len(), 1);
    let tick = document["keys"].as_array().unwrap().iter().find(|key| key["key"] == "tickTime").unwrap();
    assert_eq!(*tick, serde_json::json!({"key": "tickTime", "value": "2000", "from": "default of the official image"}));
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "config print wrote into the data directory");
}

#[test]
fn check_ends_with_code_2_and_every_problem() {
    let data = TempDir::new().unwrap();
    let dir = data.path().to_str().unwrap();
    let good = run(&["config", "check"], &[("ZOO_SERVERS", SERVERS), ("ZOO_MY_ID", "1"), ("ZOO_DATA_DIR", dir)]);
    assert_eq!(
        text(&good.stdout),
        "the configuration is good: server 1, a participant; the ensemble has 3 participants and 0 observers\n"
    );
    let bad = [("ZOO_SERVERS", SERVERS), ("ZOO_MY_ID", "4"), ("ZOO_DATA_DIR", dir), ("ZOO_TICK_TIME", "abc")];
    let bad = run(&["config", "check"], &bad);
    assert_eq!((bad.status.code(), text(&bad.stdout)), (Some(2), String::new()));
    assert_eq!(
        text(&bad.stderr),
        "error: environment variable ZOO_TICK_TIME: tickTime: found `abc`, expected a whole number from 1\n\
         error: environment variable ZOO_MY_ID: 4 is not in the server list of environment variable ZOO_SERVERS (1, 2, \
         3): correct the number or add a line server.4=…\n"
    );
}

#[test]
fn run_without_any_configuration_is_refused() {
    let output = run(&["run"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stdout).contains("nothing says what to run"), "{}", text(&output.stdout));
}
