//! The tools about trees against real servers: `zookube-node zk tree`, `find`, `export`, `import`, `cp`, `diff`, `watch`.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use support::{Body, PATIENCE, Server, create, create_ephemeral, delete, program, set, text, wait_for};

/// With it, znodes may have a time to live.
const EXTENDED: &str = "extendedTypesEnabled=true\n";

/// Runs a tool on a server to its end.
fn zk(server: &Server, arguments: &[&str]) -> Output {
    let connect = format!("127.0.0.1:{}", server.client_port);
    let mut command = Command::new(program());
    command.arg("zk").args(arguments).env("ZK_SERVER", connect).stdin(Stdio::null());
    command.output().expect("run the program")
}

/// What a tool wrote that must succeed.
fn said(server: &Server, arguments: &[&str]) -> String {
    let output = zk(server, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Runs commands of Apache's shell, all of which must succeed.
fn shell(server: &Server, commands: &[&str]) {
    for command in commands {
        let connect = format!("127.0.0.1:{}", server.client_port);
        let words = command.split(' ');
        let mut call = Command::new(program());
        let output = call.args(["zk", "cli", "-server", &connect]).args(words).output().expect("run the shell");
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
    }
}

/// A tree with something of every kind: null and empty data, a time to live, a container, an ACL.
fn plant(server: &Server) {
    shell(
        server,
        &[
            "create /app root",
            "create /app/null",
            "create /app/config",
            "create /app/config/a one",
            "create /app/config/b two",
            "create -c /app/queue",
            "create /app/queue/item 1",
            "create -t 86400000 /app/cache warm",
            "create /app/open data world:anyone:cdrwa",
        ],
    );
    let empty = Body::default().int(1).int(1).bytes(b"/app/empty").bytes(b"");
    let acl = Body::default().int(1).int(31).bytes(b"world").bytes(b"anyone").int(0);
    let empty = Body([empty.0, acl.0].concat());
    assert_eq!(server.client().call(empty).error, 0);
}

/// The directory of a server's snapshots. A restart makes sure that there is one of now.
fn snapshots(server: &mut Server) -> String {
    server.stop();
    server.restart();
    let dir = server.dir.path().join("data").join("version-2");
    let is_snapshot = |name: &str| name.starts_with("snapshot.");
    wait_for("a snapshot", || {
        let files = std::fs::read_dir(&dir).ok()?;
        files.flatten().any(|file| is_snapshot(&file.file_name().to_string_lossy())).then_some(())
    });
    dir.display().to_string()
}

/// The address of a server.
fn at(server: &Server, path: &str) -> String {
    format!("127.0.0.1:{}{path}", server.client_port)
}

#[test]
fn a_tree_is_shown_and_searched() {
    let mut server = Server::start(EXTENDED);
    plant(&server);
    let types = snapshots(&mut server);
    let mut holder = server.client();
    assert_eq!(holder.call(create_ephemeral(1, "/app/config/me")).error, 0);
    let owner = said(&server, &["find", "/app", "--type", "ephemeral", "--output", "json"]);
    assert!(owner.contains("\"path\":\"/app/config/me\""), "{owner}");
    let tree = said(&server, &["tree", "/app/", "--types", &types]);
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines[0], "/app  4 B, 6 children");
    assert_eq!(lines[1], "|-- cache  4 B  ttl 86400000 ms");
    assert_eq!(lines[2], "|-- config  0 B, 3 children");
    assert_eq!(lines[3], "|   |-- a  3 B");
    assert!(lines[5].starts_with("|   `-- me  0 B  ephemeral 0x"), "{tree}");
    assert_eq!(lines[9..], ["`-- queue  0 B, 1 child  container", "    `-- item  1 B", "11 znodes, 19 B, 1 ephemeral"]);
    let sizes = said(&server, &["tree", "/app", "--sizes", "--depth", "1"]);
    assert!(sizes.starts_with("/app  4 B, 6 children (in all 11 znodes, 19 B)\n"), "{sizes}");
    assert!(sizes.contains("\n|-- config  0 B, 3 children (in all 4 znodes, 6 B)\n|-- empty"), "{sizes}");
    let missing = zk(&server, &["tree", "/nowhere"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).starts_with("/nowhere: there is no such znode on 127.0.0.1:"), "{missing:?}");

    assert_eq!(said(&server, &["find", "/app", "--name", "[ab]"]), "/app/config/a\n/app/config/b\n");
    assert_eq!(said(&server, &["find", "/app", "--data", "war"]), "/app/cache\n");
    let containers = ["find", "/app", "--type", "container", "-0", "--types", &types];
    assert_eq!(said(&server, &containers), "/app/queue\0");
    assert!(text(&zk(&server, &containers[..4]).stderr).contains("--types SNAPSHOT does"), "servers do not tell");
    assert_eq!(said(&server, &["find", "/app", "--larger", "3"]), "/app\n/app/cache\n/app/open\n");
    assert_eq!(said(&server, &["find", "/app", "--older", "1h"]), "");
}

#[test]
fn an_export_comes_back_elsewhere() {
    let mut server = Server::start(EXTENDED);
    let other = Server::start(EXTENDED);
    plant(&server);
    let types = snapshots(&mut server);
    let mut holder = server.client();
    assert_eq!(holder.call(create_ephemeral(1, "/app/config/me")).error, 0);
    for name in ["app.jsonl", "app.jsonl.gz"] {
        let file = server.dir.path().join(name).display().to_string();
        let export = ["export", "/app", &file, "--types", &types];
        let output = zk(&server, &export);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(
            text(&output.stderr).contains(": 10 znodes, ") && text(&output.stderr).contains("; 1 ephemeral left out"),
            "{output:?}"
        );
        let again = zk(&server, &export);
        assert!(text(&again.stderr).contains("is a complete export of /app at "), "{again:?}");

        // What was cut is refused with its remedy, and gone on with.
        let whole = std::fs::read(&file).expect("the export");
        std::fs::write(&file, &whole[..whole.len() - 150]).expect("cut");
        let refused = zk(&other, &["import", &file, "/copy"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            text(&refused.stderr).contains("the export was interrupted") && text(&refused.stderr).contains(": line "),
            "{refused:?}"
        );
        assert_eq!(zk(&server, &["diff", &format!("file:{file}"), "/app"]).status.code(), Some(2));
        let resumed = zk(&server, &export);
        assert_eq!(resumed.status.code(), Some(0), "{resumed:?}");
        assert!(text(&resumed.stderr).contains(" of them from before it was interrupted"), "{resumed:?}");
        assert_eq!(said(&server, &["diff", &format!("file:{file}"), "/app"]), "");
    }
    let file = server.dir.path().join("app.jsonl.gz").display().to_string();
    let dry = said(&other, &["import", &file, "/copy", "--dry-run"]);
    assert!(dry.starts_with("make /copy\nmake /copy/cache\n"), "{dry}");
    assert!(dry.ends_with("would be made 10, changed 0, removed 0; already there 0\n"), "{dry}");
    assert_eq!(said(&other, &["import", &file, "/copy"]), "made 10, changed 0, removed 0; already there 0\n");
    assert_eq!(said(&other, &["import", &file, "/copy"]), "made 0, changed 0, removed 0; already there 10\n");
    let said_of_both = said(&other, &["diff", &at(&server, "/app"), "/copy", "--stat"]);
    assert_eq!(said_of_both, "same 10, only in A 0, only in B 0, different 0; ephemerals left out 1\n");
    let mut other = other;
    let types = snapshots(&mut other);
    let kinds = said(&other, &["tree", "/copy", "--types", &types]);
    assert!(kinds.contains("ttl 86400000 ms") && kinds.contains("container"), "{kinds}");
}

#[test]
fn differences_are_left_unless_they_are_to_go() {
    let server = Server::start(EXTENDED);
    plant(&server);
    let file = server.dir.path().join("app.jsonl").display().to_string();
    assert_eq!(zk(&server, &["export", "/app", &file]).status.code(), Some(0));
    shell(
        &server,
        &[
            "set /app/config/a changed",
            "set /app/null x",
            "setAcl /app/open world:anyone:ra",
            "delete /app/config/b",
            "create /app/new 1",
            "create /app/new/er 2",
        ],
    );
    let place = format!("file:{file}");
    let diff = zk(&server, &["diff", &place, "/app"]);
    let expected =
        "~ /config/a  data (3 B, 7 B)\n- /config/b\n+ /new\n+ /new/er\n~ /null  data (null, 1 B)\n~ /open  acl\n";
    assert_eq!((diff.status.code(), text(&diff.stdout).as_str()), (Some(1), expected));
    let ignored = said(&server, &["diff", &place, "/app", "--ignore", "config", "--ignore", "/n*", "--ignore", "open"]);
    assert_eq!(ignored, "");

    let careful = zk(&server, &["import", &file, "/app"]);
    assert_eq!(careful.status.code(), Some(1));
    let expected = "differs /app/config/a  data (3 B, 7 B)\ndiffers /app/null  data (null, 1 B)\ndiffers /app/open  acl\n\
                    made 1, changed 0, removed 0; already there 6; different and left 3\n";
    assert_eq!(text(&careful.stdout), expected);
    let full = ["import", &file, "/app", "--overwrite", "--delete"];
    assert_eq!(said(&server, &full), "made 0, changed 3, removed 2; already there 7\n");
    assert_eq!(said(&server, &["diff", &place, "/app"]), "");
    let missing = zk(&server, &["import", &file, "/no/where"]);
    assert!(text(&missing.stderr).contains("/no: there is no such znode"), "{missing:?}");
    assert_eq!(
        said(&server, &["import", &file, "/no/where", "--parents"]),
        "made 10, changed 0, removed 0; already there 0\n"
    );
}

#[test]
fn what_an_acl_hides_is_named_and_the_rest_goes_on() {
    let server = Server::start("");
    shell(
        &server,
        &[
            "create /s 1",
            "create /s/a 2",
            "create /s/hidden 3 digest:me:aaaa:cdrwa",
            "create /s/masked 4",
            "create /s/z 5",
        ],
    );
    shell(&server, &["setAcl /s/masked world:anyone:r,digest:me:bbbb:cdrwa"]);
    let file = server.dir.path().join("s.jsonl").display().to_string();
    let export = zk(&server, &["export", "/s", &file]);
    assert_eq!(export.status.code(), Some(1));
    let complaints = text(&export.stderr);
    assert!(
        complaints.contains("/s/hidden: not exported, nor what is below it: the ACL of /s/hidden does not let you; say who you are with --auth"),
        "{complaints}"
    );
    assert!(
        complaints.contains("/s/masked: not exported, nor what is below it: the server hides the hashes"),
        "{complaints}"
    );
    let import = zk(&server, &["import", &file, "/t"]);
    assert_eq!(import.status.code(), Some(1), "it is not all that was there");
    assert!(
        text(&import.stdout).ends_with("made 3, changed 0, removed 0; already there 0; not readable 2\n"),
        "{import:?}"
    );
    // What the export could not read is not what the source has not.
    shell(&server, &["create /t/hidden 1", "create /t/hidden/below 2", "create /t/more 3"]);
    for copy in [["import", &file, "/t", "--delete"], ["cp", "/s", "/t", "--delete"]] {
        let output = zk(&server, &copy);
        assert!(text(&output.stdout).contains("unreadable /t/hidden"), "{output:?}");
    }
    assert_eq!(said(&server, &["find", "/t", "--name", "[hbm]*"]), "/t/hidden\n/t/hidden/below\n");
    assert_eq!(zk(&server, &["diff", "/s", "/t"]).status.code(), Some(2));
    let tree = said(&server, &["tree", "/s"]);
    assert!(tree.contains("|-- hidden  ?  not readable\n") && tree.ends_with(", 1 not readable\n"), "{tree}");
}

#[test]
fn a_subtree_is_copied_to_another_ensemble() {
    let (server, other) = (Server::start(EXTENDED), Server::start(EXTENDED));
    plant(&server);
    let mut client = server.client();
    client.send(
        &(0..1000)
            .map(|number| create(number, &format!("/app/config/n{number:04}"), &[b'x'; 2000]))
            .collect::<Vec<_>>(),
    );
    for _ in 0..1000 {
        assert_eq!(client.reply().error, 0);
    }
    let target = at(&other, "/new");
    assert_eq!(said(&server, &["cp", "/app", &target]), "made 1010, changed 0, removed 0; already there 0\n");
    assert_eq!(said(&server, &["diff", "/app", &target]), "");
    shell(&other, &["create /new/more 1", "delete /new/config/n0500"]);
    let json = said(&server, &["cp", "/app", &target, "--delete", "--output", "json", "--dry-run"]);
    assert!(json.contains("{\"action\":\"remove\",\"path\":\"/new/more\"}\n"), "{json}");
    assert_eq!(
        said(&server, &["cp", "/app", &target, "--delete"]),
        "made 1, changed 0, removed 1; already there 1009\n"
    );
    let from = at(&server, "");
    let root = zk(&other, &["cp", "/app", "/", "--from-server", &from, "--dry-run"]);
    let lines = text(&root.stdout);
    assert_eq!((root.status.code(), lines.lines().count()), (Some(1), 1011));
    assert!(lines.starts_with("differs /  data (4 B, 0 B)\nmake /cache\n"), "{lines}");
    assert!(
        lines.ends_with("would be made 1009, changed 0, removed 0; already there 0; different and left 1\n"),
        "{lines}"
    );
    let within = zk(&server, &["cp", "/app", "/app/config/copy"]);
    assert!(text(&within.stderr).contains("/app/config/copy is within /app"), "{within:?}");
    // All of an ensemble, but nothing of the servers' own.
    assert_eq!(said(&server, &["cp", "/", &at(&other, "/all")]), "made 1011, changed 0, removed 0; already there 0\n");
}

/// A tool that runs on, and its lines.
struct Running {
    process: Child,
    lines: Receiver<String>,
}

impl Running {
    fn watch(server: &Server, arguments: &[&str]) -> Running {
        let mut command = Command::new(program());
        command.args(["zk", "watch"]).args(arguments).env("ZK_SERVER", at(server, ""));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run the program");
        let mut begun = String::new();
        BufReader::new(process.stderr.take().expect("stderr")).read_line(&mut begun).expect("a line");
        assert!(begun.starts_with("watching "), "{begun}");
        let (sender, lines) = channel();
        let out = BufReader::new(process.stdout.take().expect("stdout"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { process, lines }
    }

    /// The next line without its time.
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line");
        let (_time, rest) = line.split_once("  ").expect("a time");
        rest.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether it ended by itself, and well.
    fn ends_well(&mut self) -> bool {
        wait_for("the tool's end", || self.process.try_wait().expect("wait")).success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The type, the path and the data of a znode's line, without its zxid.
fn event(line: &str) -> String {
    line.split(' ').filter(|word| !word.starts_with("0x")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_watch_tells_what_happens_and_what_it_has_missed() {
    let mut server = Server::start("maxSessionTimeout=60000\n");
    shell(&server, &["create /w 1", "create /w/gone 2", "create /w/stays 3"]);
    let mut watch = Running::watch(&server, &["/w", "-r", "--data", "--count", "6"]);
    let mut client = server.client();
    assert_eq!(client.call(create(1, "/w/new", b"n")).error, 0);
    assert_eq!(event(&watch.line()), "NodeCreated /w/new n");
    assert_eq!(client.call(set(2, "/w/new", b"m")).error, 0);
    assert_eq!(event(&watch.line()), "NodeDataChanged /w/new m");
    assert_eq!(client.call(delete(3, "/w/new")).error, 0);
    assert_eq!(event(&watch.line()), "NodeDeleted /w/new");

    // The server comes back with changes that nobody could tell: made at another port, to which the watcher does not go.
    server.stop();
    assert_eq!(watch.line(), "-- connection lost");
    let config = server.dir.path().join("zoo.cfg");
    let (here, elsewhere) = (format!("clientPort={}", server.client_port), support::free_port());
    let text = std::fs::read_to_string(&config).expect("zoo.cfg");
    std::fs::write(&config, text.replace(&here, &format!("clientPort={elsewhere}"))).expect("zoo.cfg");
    let port = std::mem::replace(&mut server.client_port, elsewhere);
    server.restart();
    let mut client = server.client();
    for change in [delete(1, "/w/gone"), create(2, "/w/meanwhile", b"x"), set(3, "/w/stays", b"y")] {
        assert_eq!(client.call(change).error, 0);
    }
    server.stop();
    std::fs::write(&config, text).expect("zoo.cfg");
    server.client_port = port;
    server.restart();
    assert!(watch.line().starts_with("-- connection back, to 127.0.0.1:"));
    assert_eq!(event(&watch.line()), "missed NodeDeleted /w/gone -");
    assert_eq!(event(&watch.line()), "missed NodeCreated /w/meanwhile x");
    assert_eq!(event(&watch.line()), "missed NodeDataChanged /w/stays y");
    assert!(watch.ends_well());
}

#[test]
fn a_watch_of_one_znode_tells_of_its_children() {
    let server = Server::start("");
    let mut watch = Running::watch(&server, &["/later", "--output", "json", "--count", "2"]);
    shell(&server, &["create /later 1", "create /later/child 2"]);
    let next = || watch.lines.recv_timeout(PATIENCE).expect("a line");
    let (first, second) = (next(), next());
    assert!(first.contains("\"path\":\"/later\"") && first.contains("\"type\":\"NodeCreated\""), "{first}");
    assert!(second.contains("\"type\":\"NodeChildrenChanged\"") && second.contains("\"missed\":false"), "{second}");
    assert!(watch.ends_well());
}
