//! `zk ensemble`, `zk owner` and `zk top` with an ensemble of three.

mod support;

use ::support::ensemble::{Ensemble, Plan, Role, connect_string};
use ::support::pty::Pty;
use ::support::session::{Mode, Session};
use ::support::{ServerKind, wait};
use std::process::{Command, Output};
use support::{PATIENCE, free_port, program, text, wait_for};

/// Three servers, and how the tools find their admin ports.
struct Three {
    ensemble: Ensemble,
    admin: String,
}

impl Three {
    /// Starts them. Their configuration names no client ports, as that of a `zoo.cfg` on a bare machine.
    fn start() -> Three {
        let (mut plan, mut admin) = (Plan::voters(&[ServerKind::Zookube; 3]), Vec::new());
        for sid in 1..=3 {
            let port = free_port();
            admin.push(format!("{sid}={port}"));
            plan = plan.set_on(sid, "admin.enableServer", true).set_on(sid, "admin.serverPort", port);
        }
        Three { ensemble: plan.start(), admin: admin.join(",") }
    }

    /// A tool, asked of all three by these admin ports.
    fn tool_by(&self, admin: &str, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(["zk", name, "--server", &connect_string(&self.ensemble.addrs())]);
        command.args(["--admin-port", admin, "--metrics-port", "none"]).args(words);
        command.env_remove("ZK_SERVER").env_remove("ZK_AUTH").env("TZ", "UTC");
        command
    }

    fn tool(&self, name: &str, words: &[&str]) -> Command {
        self.tool_by(&self.admin, name, words)
    }

    fn run(&self, name: &str, words: &[&str]) -> Output {
        self.tool(name, words).output().expect("run the tool")
    }

    fn run_by_words(&self, name: &str, words: &[&str]) -> Output {
        self.tool_by("none", name, words).output().expect("run the tool")
    }
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn an_ensemble_with_all_with_one_down_and_without_a_quorum() {
    let mut three = Three::start();
    let leader = three.ensemble.leader().expect("a leader");
    let all = wait_for("all members in step", || {
        let output = three.run("ensemble", &["--output", "json"]);
        output.status.success().then(|| json(&output))
    });
    assert_eq!(all["leader"], three.ensemble.servers[leader].id(), "{all}");
    assert_eq!(all["quorum"], serde_json::json!({"has": true, "voters": 3, "in_step": 3, "needed": 2}));
    let servers = all["servers"].as_array().expect("a list");
    let via =
        |server: &serde_json::Value| server["via"].as_str().is_some_and(|via| via.starts_with("admin 127.0.0.1:"));
    assert!(servers.len() == 3 && servers.iter().all(via), "{all}");
    let ports: Vec<String> =
        servers.iter().map(|server| server["address"].as_str().expect("a text").to_owned()).collect();
    let expected: Vec<String> = three.ensemble.addrs().iter().map(ToString::to_string).collect();
    assert_eq!(ports, expected, "each has the client port that it says is its own");

    let table = text(&three.run("ensemble", &[]).stdout);
    assert!(table.starts_with("SERVER  ADDRESS ") && !table.contains('\x1b'), "{table}");
    assert!(table.contains("3 of 3 voters in step, 2 needed\n"), "{table}");
    let words = text(&three.run_by_words("ensemble", &[]).stdout);
    assert_eq!(words.matches("srvr mntr conf\n").count(), 3, "{words}");

    let follower = (0..3).find(|index| *index != leader).expect("a follower");
    three.ensemble.servers[follower].kill_9();
    let output = three.run("ensemble", &[]);
    let (sid, table) = (three.ensemble.servers[follower].id(), text(&output.stdout));
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(table.contains(&format!("! server {sid} (")) && table.contains("nobody listens at"), "{table}");
    assert!(table.contains("2 of 3 voters in step, 2 needed\n"), "{table}");

    three.ensemble.servers[leader].kill_9();
    let output = three.run("ensemble", &[]);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{table}");
    assert!(table.contains("no leader") || table.contains("no quorum"), "{table}");
    assert!(table.contains("of 3 voters"), "{table}");
}

#[test]
fn the_owner_of_an_ephemeral() {
    let three = Three::start();
    let mut sessions = Vec::new();
    for index in 0..3 {
        let mut session = Session::open_any(&[three.ensemble.servers[index].addr()], 30_000, PATIENCE);
        let path = format!("/lock{index}");
        session.create(&path, b"", Mode::Ephemeral).expect("create");
        let (id, addr) = (format!("{:#x}", session.granted().session_id), three.ensemble.servers[index].addr());
        // Kept: the session ends with its connection's client.
        sessions.push(session);
        for admin in [three.admin.as_str(), "none"] {
            let told = wait_for("the server of the session", || {
                let output =
                    three.tool_by(admin, "owner", &[&path, "--output", "json"]).output().expect("run the tool");
                (output.status.success() && !json(&output)["client"].is_null()).then(|| json(&output))
            });
            assert_eq!((&told["session"], &told["path"]), (&id.clone().into(), &path.clone().into()), "{told}");
            assert!(told["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")), "{told}");
            assert_eq!(told["server"], format!("server {} ({addr})", index + 1), "{told}");
            assert_eq!(told["session_timeout_ms"], 30_000, "{told}");
        }
    }
    let shown = text(&three.run("owner", &["/lock0"]).stdout);
    assert!(
        shown.starts_with("path            /lock0\nsession         0x") && shown.contains("told by         admin"),
        "{shown}"
    );
    sessions[0].create("/plain", b"", Mode::Persistent).expect("create");
    for (path, said) in
        [("/plain", "/plain is no ephemeral: it does not go with a session"), ("/nope", "Node does not exist: /nope")]
    {
        let output = three.run("owner", &[path]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with(said), "{output:?}");
    }
}

#[test]
fn top_as_text() {
    let three = Three::start();
    let mut session = Session::open_any(&[three.ensemble.servers[0].addr()], 30_000, PATIENCE);
    session.create("/a", b"", Mode::Persistent).expect("create");
    let output = three.run("top", &["--once", "--interval", "0.2"]);
    let frame = text(&output.stdout);
    assert!(output.status.success() && !frame.contains('\x1b'), "{output:?}");
    assert!(frame.starts_with("zk top  leader ") && frame.contains("3/3 voters in step, 2 needed"), "{frame}");
    assert_eq!(frame.matches("follower  0x").count(), 2, "{frame}");
    let clients = text(&three.run("top", &["--once", "--interval", "0.2", "--view", "clients"]).stdout);
    let id = format!("{:#x}", session.granted().session_id);
    assert!(clients.lines().any(|line| line.contains(&id) && line.contains("CREA")), "{clients}");
    let live = three.run("top", &[]);
    assert_eq!(live.status.code(), Some(1), "a pipe is no screen");
    assert!(text(&live.stderr).contains("--once"), "{live:?}");
}

/// What a terminal gets for the second screen, and for its end.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// What stands on the screen: the program only sends what has changed, and jumps over the rest.
fn screen(sent: &str) -> String {
    let (mut cells, mut at) = (vec![vec![' '; 120]; 40], (0, 0));
    let mut letters = sent.chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            if let Some(cell) = cells.get_mut(at.0).and_then(|row| row.get_mut(at.1)) {
                *cell = letter;
            }
            at.1 += 1;
        } else if letters.next() == Some('[') {
            let (mut numbers, mut end) = (String::new(), ' ');
            for letter in letters.by_ref() {
                if ('@'..='~').contains(&letter) {
                    end = letter;
                    break;
                }
                numbers.push(letter);
            }
            let place = |text: &str| text.parse::<usize>().unwrap_or(1).saturating_sub(1);
            match (end, numbers.split_once(';')) {
                ('H', Some((row, column))) => at = (place(row), place(column)),
                ('J', _) => cells.iter_mut().for_each(|row| row.fill(' ')),
                _ => {}
            }
        }
    }
    cells.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned() + "\n").collect()
}

fn shows(pty: &Pty, text: &str) {
    wait_for(&format!("{text:?} on the screen"), || screen(&pty.sent()).contains(text).then_some(()));
}

#[test]
fn top_on_a_terminal_survives_servers_and_gives_the_terminal_back() {
    let mut three = Three::start();
    let mut pty = Pty::start(three.tool("top", &["--interval", "0.2"]), PATIENCE);
    shows(&pty, "3/3 voters in step");
    let is_raw = pty.is_raw();
    assert!(is_raw && pty.sent().contains(ENTER) && !pty.sent().contains(LEAVE));
    let leader = three.ensemble.leader().expect("a leader");
    let follower = (0..3).find(|index| *index != leader).expect("a follower");
    three.ensemble.servers[follower].kill_9();
    shows(&pty, "2/3 voters in step");
    shows(&pty, " is missing: ");
    three.ensemble.servers[follower].start();
    wait::until("the server to follow", PATIENCE, || (three.ensemble.role(follower) == Role::Follower).then_some(()));
    shows(&pty, "3/3 voters in step");
    pty.types("2");
    shows(&pty, "CLIENT  ");
    pty.types("?");
    shows(&pty, "any key leaves it");
    pty.types("xq");
    assert_eq!(pty.ends().code(), Some(0));
    wait_for("the terminal back", || pty.sent().contains(LEAVE).then_some(()));
    assert!(!pty.is_raw());
}

#[test]
fn top_gives_the_terminal_back_on_a_signal() {
    let three = Three::start();
    for signal in ["TERM", "INT", "HUP"] {
        let mut pty = Pty::start(three.tool("top", &[]), PATIENCE);
        shows(&pty, "voters in step");
        let sent = Command::new("kill").args([format!("-{signal}"), pty.pid().to_string()]).status().expect("kill");
        assert!(sent.success());
        assert!(pty.ends().code().is_some(), "{signal}: it ends by itself");
        wait_for("the terminal back", || pty.sent().contains(LEAVE).then_some(()));
        assert!(!pty.is_raw(), "{signal}");
    }
}
