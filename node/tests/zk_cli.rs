//! The shell of Apache's name: as a command, with a script, and on a terminal. That it says what Apache's says is `tests/cli`'s matter.

mod support;

use ::support::pty::Pty;
use std::process::{Command, Output, Stdio};
use support::{PATIENCE, Server, create, free_port, program, text, wait_for};

/// A command for the shell of this server.
fn shell(port: u16, words: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(["zkCli.sh", "-server", &format!("127.0.0.1:{port}")]).args(words).env_remove("ZK_SERVER");
    command
}

/// Runs a command of the shell.
fn once(port: u16, words: &[&str]) -> Output {
    shell(port, words).stdin(Stdio::null()).output().expect("run the shell")
}

/// Runs it with these bytes on standard input.
fn fed(port: u16, words: &[&str], input: &[u8]) -> Output {
    use std::io::Write;
    let mut child = shell(port, words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run the shell");
    child.stdin.take().expect("its input").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// What is said behind the words of the beginning.
fn answer(output: &Output) -> String {
    let said = text(&output.stdout);
    said.split_once("zxid: -1\n").map_or(said.clone(), |(_, answer)| answer.to_owned())
}

#[test]
fn a_command_and_its_exit_code() {
    let server = Server::standalone();
    let port = server.client_port;
    let created = once(port, &["create", "/a"]);
    assert_eq!((created.status.code(), text(&created.stderr)), (Some(0), "Created /a\n".to_owned()));
    let got = once(port, &["get", "/a"]);
    assert_eq!((got.status.code(), answer(&got)), (Some(0), "null\n".to_owned()), "no data are null");
    assert_eq!(once(port, &["set", "/a", ""]).status.code(), Some(0));
    assert_eq!(answer(&once(port, &["get", "/a"])), "\n", "empty data are not");
    let again = once(port, &["create", "/a"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).starts_with("Node already exists: /a\nhint: "), "{again:?}");
    let unknown = once(port, &["sett", "/a"]);
    assert_eq!(unknown.status.code(), Some(127));
    let words = "\nCommand not found: Command not found sett\nhint: did you mean `set`?";
    assert!(text(&unknown.stderr).contains(words), "{unknown:?}");
}

/// Whatever is wrong, there are words, a remedy and an exit code, and no trace of a stack.
#[test]
fn what_is_wrong_is_said_with_the_remedy() {
    let server = Server::standalone();
    let port = server.client_port;
    let large = "x".repeat(1 << 20);
    let file = server.dir.path().join("large");
    std::fs::write(&file, &large).expect("a file");
    let file = file.display().to_string();
    for (words, said) in [
        (&["get", "/nope"][..], "Node does not exist: /nope\nhint: `ls /`"),
        (&["get", "nope"], "Path must start with / character"),
        (&["get"], "get [-s] [-w] [-b] [-x] path\n"),
        (
            &["get", "-z", "/"],
            "org.apache.commons.cli.UnrecognizedOptionException: Unrecognized option: -z\nhint: usage: get",
        ),
        (&["set", "/zookeeper", "x", "-v", "one"], "-v argument must be an int value, not \"one\"\nhint: "),
        (&["set", "/zookeeper", "*", "-b"], "-b argument must be base64"),
        (&["redo", "abc"], "redo: expected the number of a command, found \"abc\"\nhint: "),
        (&["connect", "h:x"], "For input string: \"x\"\nhint: expected host:port"),
        (&["addWatch", "foo"], "Path must start with / character"),
        (&["create", "-t", "0", "/t"], "ttl must be positive and cannot be larger than: 1099511627775"),
        (&["setquota", "-n", "0", "/zookeeper"], "the num quota must be greater than zero"),
        (&["reconfig", "-remove", "1"], "KeeperErrorCode = "),
        (
            &["create", "/large", "--data-file", &file],
            "KeeperErrorCode = ConnectionLoss for /large\nhint: 1048576 bytes of data",
        ),
        (&["create", "/f", "--data-file", "/nowhere/at/all"], "--data-file /nowhere/at/all: "),
    ] {
        let output = once(port, words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        let err = text(&output.stderr);
        assert!(err.starts_with(said), "{words:?}: expected {said:?}, said {err:?}");
        assert!(!err.contains("panicked") && !err.contains("\tat "), "{words:?}: {err}");
    }
    let refused = once(port, &["-server"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
}

#[test]
fn nobody_there() {
    let port = free_port();
    let output = once(port, &["ls", "/"]);
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(
        err.starts_with(&format!(
            "KeeperErrorCode = ConnectionLoss for /\nhint: no server at 127.0.0.1:{port} answered"
        )),
        "{err}"
    );
    let waited = once(port, &["-timeout", "300", "-waitforconnection", "ls", "/"]);
    assert_eq!(waited.status.code(), Some(1));
    assert!(text(&waited.stderr).starts_with("KeeperErrorCode = ConnectionLoss\nhint: "), "{waited:?}");
}

#[test]
fn without_a_quorum_it_can_be_read_where_that_is_allowed() {
    let others: String =
        (2..=3).map(|sid| format!("server.{sid}=127.0.0.1:{}:{}\n", free_port(), free_port())).collect();
    let server = Server::begin(&format!("initLimit=10\nsyncLimit=5\nreadonlymode.enabled=true\n{others}"));
    wait_for("read-only mode", || (server.word("isro") == "ro").then_some(()));
    let port = server.client_port;
    let read = once(port, &["-r", "ls", "/"]);
    assert_eq!((read.status.code(), answer(&read).ends_with("[zookeeper]\n")), (Some(0), true), "{read:?}");
    let written = once(port, &["-r", "create", "/a"]);
    assert_eq!(written.status.code(), Some(1));
    assert!(text(&written.stderr).starts_with("Not a read-only call: /a\nhint: "), "{written:?}");
    let refused = once(port, &["-timeout", "500", "create", "/a"]);
    assert!(text(&refused.stderr).starts_with("KeeperErrorCode = "), "{refused:?}");
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn not_authorised() {
    let server = Server::standalone();
    let port = server.client_port;
    let script = b"addauth digest alice:secret\ncreate /mine x auth::cdrwa\nget /mine\n";
    assert_eq!(fed(port, &[], script).status.code(), Some(0));
    let output = once(port, &["get", "/mine"]);
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(err.starts_with("Insufficient permission : /mine\nhint: `addauth SCHEME AUTH` says who you are"), "{err}");
}

#[test]
fn data_from_elsewhere_and_answers_for_machines() {
    let server = Server::standalone();
    let port = server.client_port;
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(fed(port, &["create", "/bytes", "--data-file", "-"], &bytes).status.code(), Some(0));
    let stored = server.client().call(support::get(1, "/bytes", false)).body;
    assert_eq!(stored[4..260], bytes, "as they are, behind their length");
    assert_eq!(once(port, &["set", "/bytes", "--hex", "00ff41"]).status.code(), Some(0));
    let json = once(port, &["--output", "json", "get", "-s", "/bytes"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("one document");
    assert_eq!(
        (&json["base64"], &json["data"], &json["stat"]["version"]),
        (&"AP9B".into(), &serde_json::Value::Null, &1.into())
    );
    let mixed = fed(port, &[], b"set /bytes --data-file -\nthe rest\nof it\n");
    assert_eq!(
        (mixed.status.code(), answer(&once(port, &["get", "/bytes"]))),
        (Some(0), "the rest\nof it\n\n".to_owned())
    );
    assert_eq!(once(port, &["set", "/bytes", "--hex", "00ff41"]).status.code(), Some(0));
    let table = text(&once(port, &["--output", "table", "ls", "/"]).stdout);
    assert_eq!(table, "children  bytes\n          zookeeper\n");
    assert!(answer(&once(port, &["get", "-x", "/bytes"])).contains("|00000000| 00 ff 41 "));
}

#[test]
fn a_script_on_standard_input() {
    let server = Server::standalone();
    let output =
        fed(server.client_port, &["-waitforconnection"], b"create /a x\n\nget -w /a\nset /a y\nls /nope\nquit\nls /\n");
    assert_eq!(output.status.code(), Some(1), "that of the command before quit");
    let said = text(&output.stdout);
    let event = "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeDataChanged path:/a zxid: ";
    assert!(said.contains("\nWelcome to ZooKeeper!\nJLine support is disabled\nx\n"), "{said}");
    assert!(
        said.contains(event) && said.ends_with("WatchedEvent state:Closed type:None path:null zxid: -1\n"),
        "{said}"
    );
}

/// Completion of commands, options and paths; the history, also of an earlier time, without passwords; an event while a line is edited.
#[test]
fn on_a_terminal() {
    let server = Server::standalone();
    let (port, home) = (server.client_port, server.dir.path());
    let host = format!("127.0.0.1:{port}");
    let start = || {
        let mut command = shell(port, &[]);
        command.env("HOME", home).env_remove("XDG_STATE_HOME").env_remove("ZOOKUBE_CLI_HISTORY").env_remove("NO_COLOR");
        Pty::start(command, PATIENCE)
    };
    let mut pty = start();
    pty.sees(&format!("[zk: {host}(CONNECTED) 0] "));
    pty.types("cre\t/application x\r");
    pty.sees("Created /application");
    pty.sees(&format!("[zk: {host}(CONNECTED) 1] "));
    pty.types("get -w /app\t\r");
    pty.sees("get -w /application");
    pty.sees("\nx\n");
    pty.sees("(CONNECTED) 2] ");
    pty.types("ls /zoo");
    pty.sees("ls /zoo");
    server.client().call(support::set(1, "/application", b"y"));
    pty.sees("WatchedEvent state:SyncConnected type:NodeDataChanged path:/application zxid: ");
    pty.sees("(CONNECTED) 2] ls /zoo");
    pty.types("\t\r");
    pty.sees("[config, quota]");
    pty.types("addauth digest alice:secret\r");
    pty.sees("(CONNECTED) 4] ");
    pty.types("\x04");
    assert_eq!(pty.ends().code(), Some(0));

    let mut pty = start();
    pty.sees("(CONNECTED) 0] ");
    pty.types("\x1b[A");
    pty.sees("ls /zookeeper");
    pty.types("\x03");
    pty.sees("`quit` or ^D ends the shell");
    pty.types("quit\r");
    pty.sees("WatchedEvent state:Closed");
    assert_eq!(pty.ends().code(), Some(0));
    let history = std::fs::read_to_string(home.join(".local/state/zookube/cli_history")).expect("a history");
    assert!(history.contains("get -w /application") && !history.contains("secret"), "{history}");
}

#[test]
fn ephemerals_of_a_terminal_go_with_it() {
    let server = Server::standalone();
    let mut command = shell(server.client_port, &[]);
    command.env("ZOOKUBE_CLI_HISTORY", server.dir.path().join("history"));
    let mut pty = Pty::start(command, PATIENCE);
    pty.sees("(CONNECTED) 0] ");
    pty.types("create -e /e\r");
    pty.sees("Created /e");
    pty.types("\x04");
    assert_eq!(pty.ends().code(), Some(0));
    assert_eq!(server.client().call(create(1, "/e", b"")).error, 0, "it is gone");
    drop(fed(server.client_port, &["create", "-e", "/f"], b""));
    assert_eq!(server.client().call(create(1, "/f", b"")).error, -110, "a script's waits for the timeout, as Apache's");
}
