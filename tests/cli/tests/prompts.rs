//! At a terminal: the prompt with its state and its number, what is echoed, and what comes between two prompts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use cli_tests::compare::{self, Report};
use cli_tests::mask;
use cli_tests::shell::{self, LIMIT, Program, Shell};
use support::server::ServerSpec;
use support::{Server, ServerKind, process, wait};

/// What is typed, and what the prompt before it says.
const TYPED: [(&str, &str); 9] = [
    ("create /laogong", "CONNECTED) 0] "),
    ("get /laogong", "CONNECTED) 1] "),
    ("create /laogong", "CONNECTED) 2] "),
    ("", "CONNECTED) 3] "),
    ("ls /", "CONNECTED) 3] "),
    ("get /nope", "CONNECTED) 4] "),
    ("close", "CONNECTED) 5] "),
    ("ls /", "CLOSED) 6] "),
    ("quit", "CLOSED) 7] "),
];

/// How a prompt begins.
const PROMPT: &str = "[zk: ";

/// The command in a terminal of 200 columns without any abilities, so that nobody paints.
fn at_a_terminal(inner: &Command, dir: &Path) -> Command {
    let quoted = |word: &std::ffi::OsStr| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"));
    let words: Vec<String> = std::iter::once(inner.get_program()).chain(inner.get_args()).map(quoted).collect();
    let file = dir.join("at-a-terminal.sh");
    let text = format!("#!/bin/sh\nstty rows 50 cols 200\nexec {}\n", words.join(" "));
    std::fs::write(&file, text).expect("a script");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("a script that runs");
    let mut command = process::command("script");
    command.arg("-qefc").arg(&file).arg("/dev/null").current_dir(dir);
    command.env("TERM", "dumb").env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env("HOME", dir);
    command.env_remove("XDG_STATE_HOME").env_remove("ZOOKUBE_CLI_HISTORY");
    command
}

/// Types it all, each line behind its prompt; returns what the terminal showed.
fn converse(mut inner: Command, server: &Server, dir: &Path, name: &str) -> String {
    inner.args(["-server", &server.addr().to_string(), "-timeout", "60000", "-waitforconnection"]);
    let mut shell = Shell::start(at_a_terminal(&inner, dir), name);
    let mut seen = 0;
    for (line, prompt) in TYPED {
        let came = wait::poll(LIMIT, || {
            let shown = shell.fresh().out;
            // Not the prompt that was answered already.
            shown.get(seen..)?.find(prompt).map(|at| seen + at + prompt.len())
        });
        seen = came.unwrap_or_else(|| panic!("{name}: no prompt {prompt:?}; it showed {:?}", shell.fresh()));
        shell.say(&format!("{line}\r"));
    }
    shell.wait_ended();
    mask::name(&plain(&shell.fresh().out), &server.ports())
}

/// Without colours, carriage returns, remedies, and the events of a thread that may be early or late.
fn plain(shown: &str) -> String {
    let mut text = String::new();
    let mut rest = shown;
    while let Some(at) = rest.find("\x1b[") {
        text.push_str(&rest[..at]);
        let sequence = &rest[at + 2..];
        let end = sequence.find(|c: char| c.is_ascii_alphabetic()).map_or(sequence.len(), |end| end + 1);
        rest = &sequence[end..];
    }
    text.push_str(rest);
    let text = text.replace('\r', "");
    let is_said = |line: &&str| {
        !line.is_empty() && !["hint: ", "WATCHER::", "WatchedEvent "].iter().any(|front| line.starts_with(front))
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().filter(is_said).map(str::trim_end) {
        match lines.last_mut() {
            // An event that was late stood behind the prompt, so that what was typed went to a line of its own.
            Some(last) if is_prompt(last) && !line.starts_with(PROMPT) => *last += &format!(" {line}"),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Whether nothing was typed behind it.
fn is_prompt(line: &str) -> bool {
    line.starts_with(PROMPT) && line.ends_with(']')
}

#[test]
fn a_terminal_shows_what_apaches_shell_shows() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let fresh = || Server::standalone(ServerSpec::new(ServerKind::under_test()));
    let apache = converse(shell::apache_39_with_jline(), &fresh(), dir.path(), "Apache's 3.9.5 at a terminal");
    let golden = compare::here().join("goldens/3.9-terminal.txt");
    if compare::records("goldens") {
        std::fs::write(&golden, &apache).expect("the golden of a terminal");
    }
    let expected = std::fs::read_to_string(&golden).expect("the golden of a terminal");
    let mut report = Report::default();
    report.compare("Apache's 3.9.5 at a terminal", &expected, &apache);
    let ours = converse(Program::Zookube.command(dir.path()), &fresh(), dir.path(), "ours at a terminal");
    report.compare("ours at a terminal", &expected, &ours);
    report.finish();
}
