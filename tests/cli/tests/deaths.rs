//! The table of the README: what ends Apache's shell with a stack trace, and that it does not end ours.

use std::collections::BTreeMap;

use cli_tests::compare;
use cli_tests::script::words;
use cli_tests::shell::{self, LIMIT, Program, Shell};
use support::server::ServerSpec;
use support::session::{Mode, Session};
use support::{Server, ServerKind, external, wait};

/// The rows: what is typed, and how Apache's shell dies.
fn table() -> BTreeMap<String, String> {
    let readme = std::fs::read_to_string(compare::here().join("README.md")).expect("the README");
    let rows = readme.lines().filter_map(|line| {
        let (typed, death) = line.strip_prefix("| `")?.strip_suffix("` |")?.split_once("` | `")?;
        Some((typed.to_owned(), death.to_owned()))
    });
    rows.collect()
}

/// A server with a znode /a.
fn server() -> Server {
    let server = Server::standalone(ServerSpec::new(ServerKind::under_test()));
    let mut session = Session::open(server.addr(), 30_000).expect("a session");
    session.create("/a", b"", Mode::Persistent).expect("a znode");
    server
}

#[test]
fn apaches_shell_dies_as_the_table_says() {
    let server = server();
    let table = table();
    let mut command = shell::java_program(&compare::here().join("java/Deaths.java"));
    command.arg(server.addr().to_string());
    let input: String = table.keys().map(|typed| format!("{typed}\n")).collect();
    let said = external::run(command, &input, LIMIT).expect_success("Deaths.java");
    let found: Vec<&str> = said.lines().collect();
    assert_eq!(found.len(), table.len(), "an answer to each:\n{said}");
    for ((typed, death), found) in table.iter().zip(found) {
        // The words of a NullPointerException are the virtual machine's.
        assert!(found == death || found.starts_with(&format!("{death}: Cannot invoke")), "{typed}: {found}");
    }
}

#[test]
fn ours_names_the_mistake_and_lives() {
    let server = server();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let address = server.addr().to_string();
    for typed in table().keys() {
        let start = typed.strip_prefix("zkCli.sh ");
        let mut command = Program::Zookube.command(dir.path());
        match start {
            Some(arguments) => command.args(words(&arguments.replace("{server}", &address))),
            None => command.args(["-server", &address, "-waitforconnection"]),
        };
        let mut shell = Shell::start(command, typed);
        if start.is_none() {
            shell.say(&format!("{typed}\nprintwatches\n"));
            let lives = wait::poll(LIMIT, || shell.fresh().out.contains("printwatches is on\n").then_some(()));
            assert!(lives.is_some(), "{typed}: our shell does not live: {:?}", shell.fresh());
        }
        shell.end_input();
        let code = shell.wait_ended();
        let said = shell.fresh();
        assert_eq!(code, i32::from(start.is_some()), "{typed}: {said:?}");
        assert!(!said.err.trim().is_empty(), "{typed}: our shell says nothing");
        for trace in ["\tat ", "Exception in thread", "java.", "panicked"] {
            assert!(!said.err.contains(trace) && !said.out.contains(trace), "{typed}: {said:?}");
        }
    }
}

#[test]
fn a_missing_configuration_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut command = Program::Zookube.command(dir.path());
    command.args(["-client-configuration", "missing.properties", "ls", "/"]);
    let said = external::run(command, "", LIMIT);
    let wanted = "Error while processing missing.properties: missing.properties file is missing";
    assert!(!said.success && said.text.contains(wanted), "{said:?}");
}
