//! `cargo run -p zookube-monitoring-tests --bin monitoring-figure -- docs/images/monitoring.svg`: plays the story of the test
//! `outage` and draws what Prometheus has seen of it.
#![allow(clippy::print_stdout, reason = "a command-line tool talks on standard output")]

use std::path::PathBuf;
use std::process::ExitCode;

use monitoring::figure;
use monitoring::story::Story;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("usage: monitoring-figure FILE.svg");
        return ExitCode::from(2);
    };
    let story = Story::play();
    for complaint in story.false_alarms() {
        println!("not expected: {complaint}");
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = directory.map_or(Ok(()), std::fs::create_dir_all);
    let written = figure::draw(&story).and_then(|svg| {
        made.and_then(|()| std::fs::write(&path, svg)).map_err(|e| format!("write {}: {e}", path.display()))
    });
    match written {
        Ok(()) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
