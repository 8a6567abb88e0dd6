//! Apache's `zkCli.sh` from Debian's package `zookeeper` (3.8), one command at a time.

use std::time::Duration;

use compat::Topology;
use support::{external, prerequisites, process};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs one command and returns its last lines, without what the client says about its connection.
fn cli(topology: &Topology, command: &[&str]) -> String {
    let mut program = process::command(prerequisites::zk_cli());
    program.arg("-server").arg(topology.connect_string()).args(command);
    let text = external::run(program, "", LIMIT).text;
    // The connection's event comes from another thread: before or behind the command's own output.
    let is_answer = |line: &&str| {
        let line = line.trim();
        !line.is_empty()
            && !["Connecting to ", "WATCHER::", "WatchedEvent "].iter().any(|front| line.starts_with(front))
    };
    text.lines().filter(is_answer).collect::<Vec<_>>().join("\n")
}

fn commands_work(topology: &Topology) {
    let says = |command: &[&str], expected: &str| {
        let said = cli(topology, command);
        assert!(said.contains(expected), "zkCli.sh {command:?}: expected {expected:?} in\n{said}");
        said
    };
    says(&["create", "/laogong"], "Created /laogong");
    says(&["get", "/laogong"], "null");
    says(&["create", "/laogong"], "Node already exists: /laogong");
    says(&["set", "/laogong", "data"], "");
    says(&["get", "-s", "/laogong"], "dataVersion = 1");
    says(&["create", "/laogong/laopo", "x"], "Created /laogong/laopo");
    let listed = says(&["ls", "/"], "laogong");
    assert!(listed.contains("zookeeper"), "ls lists all: {listed}");
    says(&["ls", "-R", "/laogong"], "/laogong/laopo");
    says(&["create", "-s", "/laogong/s", "x"], "Created /laogong/s0000000001");
    // Not beneath /laogong: the shell exits without closing its session, so the znode stays for a while.
    says(&["create", "-e", "/ephemeral", "x"], "Created /ephemeral");
    says(&["create", "-c", "/container"], "Created /container");
    says(&["create", "-t", "100000", "/ttl"], "Created /ttl");
    says(&["stat", "/laogong"], "numChildren = 2");
    says(&["getAcl", "/laogong"], "'world,'anyone");
    says(&["setAcl", "/laogong/laopo", "world:anyone:cdra"], "");
    says(&["set", "/laogong/laopo", "y"], "Insufficient permission : /laogong/laopo");
    says(&["getAllChildrenNumber", "/laogong"], "2");
    says(&["setquota", "-n", "5", "/laogong"], "");
    says(&["listquota", "/laogong"], "count=5");
    says(&["delquota", "/laogong"], "");
    says(&["sync", "/"], "Sync is OK");
    says(&["whoami"], "ip");
    says(&["delete", "/laogong"], "Node not empty: /laogong");
    says(&["deleteall", "/laogong"], "");
    says(&["stat", "/laogong"], "Node does not exist: /laogong");
}

#[test]
fn one_command_at_a_time_on_one_server() {
    commands_work(&Topology::one());
}

#[test]
fn one_command_at_a_time_on_three_servers() {
    commands_work(&Topology::three());
}
