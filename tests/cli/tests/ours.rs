//! Our shell against what Apache's says. Where it says something else on purpose, `differs/` has the difference, with the
//! reason; anything beyond that is an error, and so is a difference that is gone.

use cli_tests::compare::{self, Report, ours};
use cli_tests::run;
use cli_tests::script::Script;
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
