//! Our shell against what Apache's says. Where it says something else on purpose, `differs/` has the difference, with the
//! reason; anything beyond that is an error, and so is a difference that is gone.

use cli_tests::compare::{self, Report, ours};
use cli_tests::run;
use cli_tests::script::{Action, Script};
use cli_tests::shell::Program;
use support::ensemble::Plan;
use support::{Server, ServerKind};

fn check(directories: &[&str], version: &str, wanted: impl Fn(&Script) -> bool, program: Program, kind: ServerKind) {
    let mut report = Report::default();
    for script in directories.iter().flat_map(|dir| compare::scripts(dir)).filter(wanted) {
        let found = run::run(&script, program, kind);
        let what = format!("{} says in script {} on {}", program.name(), script.name, kind.name());
        ours(&mut report, &what, version, &script, &found);
    }
    report.finish();
}

#[test]
fn our_shell_says_what_apaches_says() {
    check(&["shell"], "3.9", |_| true, Program::Zookube, ServerKind::under_test());
}

#[test]
fn one_command_a_call_as_apaches() {
    check(&["calls"], "3.9", |_| true, Program::ZookubeCli, ServerKind::under_test());
}

#[test]
fn what_was_so_before_3_9_is_so() {
    check(&["old"], "3.8", |_| true, Program::Zookube, ServerKind::under_test());
}

#[test]
fn the_same_on_apaches_server() {
    let scripts = ["create", "watches", "quota"];
    let wanted = |script: &Script| scripts.contains(&script.name.as_str());
    check(&["shell"], "3.9", wanted, Program::Zookube, ServerKind::Apache39);
}

/// Row 55 of the checklist: the transcript on each of four servers, and on the server the script has not been on yet
/// there is nothing left of it.
#[test]
fn the_transcript_on_each_of_four_servers() {
    let ensemble = Plan::voters(&[ServerKind::Zookube; 4]).start();
    let script = Script::read(&compare::here().join("scripts/shell/row55.txt"));
    let mut report = Report::default();
    for server in &ensemble.servers {
        let found = run::run_on(&script, Program::Zookube, &Server::ports(server));
        ours(&mut report, &format!("server {} of four", server.id()), "3.9", &script, &found);
    }
    report.finish();
}

/// What `docs/zkcli.md` marks as Apache's is compared: every command of the table is typed in some script, with each of its options.
#[test]
fn every_command_of_the_page_is_compared() {
    let page = std::fs::read_to_string(support::prerequisites::workspace().join("docs/zkcli.md")).expect("the page");
    let scripts = ["shell", "calls"].iter().flat_map(|dir| compare::scripts(dir));
    let lines: Vec<String> = scripts
        .flat_map(|script| script.steps)
        .map(|step| match step.action {
            Action::Line(line) => line,
            Action::Call(words) => words.join(" "),
        })
        .collect();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `") && line.ends_with("| ✓ |")).collect();
    assert!(rows.len() >= 28, "{} commands on the page", rows.len());
    for row in rows {
        let name = row.split('`').nth(1).expect("a command");
        let mut of_command = lines.iter().filter(|line| line.split_whitespace().any(|word| word == name)).peekable();
        assert!(of_command.peek().is_some(), "{name} is in no script");
        let all: String = of_command.map(|line| format!("{line} ")).collect();
        let arguments = row.split('`').nth(3).unwrap_or_default();
        let options =
            arguments.split(['[', ']', '|', ' ', '\\', '(']).filter(|word| word.starts_with('-') && word.len() > 1);
        // Ours have two hyphens; the hyphen of "- default is" is none.
        for option in options.filter(|word| !word.starts_with("--")) {
            let letter = &option[1..];
            let is_there = all
                .split_whitespace()
                .any(|word| word == option || (letter.len() == 1 && word.starts_with('-') && word.contains(letter)));
            assert!(is_there, "{name} {option} is in no script");
        }
    }
}
