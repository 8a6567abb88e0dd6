//! The C client, through its shell from Debian's `zookeeper-bin` (`cli_mt`, the same source as `cli_st`, threaded).

use std::time::Duration;

use compat::Topology;
use support::external::Conversation;
use support::{prerequisites, process};

const LIMIT: Duration = Duration::from_secs(30);

fn shell_works(topology: &Topology) {
    let mut command = process::command(prerequisites::c_client());
    command.arg(topology.connect_string());
    let mut shell = Conversation::start(command);
    shell.hear("CONNECTED_STATE", LIMIT);
    shell.hear("Got a new session id", LIMIT);
    let mut ask = |line: &str, answer: &str| {
        if !line.is_empty() {
            // One line in each write: the shell takes what one read brings as one command.
            shell.say(line);
        }
        shell.hear(answer, LIMIT)
    };
    ask("create /c", "[/c]: rc = 0");
    ask("set /c hello", "ephemeralOwner");
    let got = ask("get /c", "ephemeralOwner");
    assert!(got.contains("hello"), "get answers with the data: {got}");
    ask("create +e /c/ephemeral", "[/c/ephemeral]: rc = 0");
    let sequential = ask("create +s /c/s", "name = /c/s");
    assert!(sequential.contains("/c/s0000000001"), "a sequential name: {sequential}");
    ask("create +c /container", "[/container]: rc = 0");
    ask("create +t=100000 /ttl", "[/ttl]: rc = 0");
    ask("create2 /c/two", "[/c/two]: rc = 0");
    ask("create /c", "[/c]: rc = -110");
    ask("create /missing/x", "[/missing/x]: rc = -101");
    ask("ls /c", "/c: rc = 0");
    let listed = ask("", "time = ");
    assert!(["ephemeral", "s0000000001", "two"].iter().all(|name| listed.contains(name)), "ls lists all: {listed}");
    ask("ls2 /c", "ephemeralOwner");
    ask("sync /c", "[/c]: rc = 0");
    ask("exists /none", "Error -101 for /none");
    // The event of a watch that `wexists` set, and behind it the answer to the create that fired it.
    ask("wexists /watched", "Error -101 for /watched");
    ask("create /watched", "CREATED_EVENT");
    ask("delete /c", "/c: rc = -111");
    ask("delete /c/two", "/c/two: rc = 0");
    ask("get /c", "hello");
}

#[test]
fn the_shell_on_one_server() {
    shell_works(&Topology::one());
}

#[test]
fn the_shell_on_three_servers() {
    shell_works(&Topology::three());
}
