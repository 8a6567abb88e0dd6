//! A shell that takes what `zkCli.sh` takes and says what it says (`org.apache.zookeeper.ZooKeeperMain`, 3.9), and helps where that one
//! does not: completion, remedies, JSON.

pub mod answer;
pub mod commands;
pub mod complete;
pub mod failure;
pub mod launch;
pub mod options;
pub mod prompt;
pub mod quota;
pub mod screen;
pub mod session;
pub mod table;
pub mod text;
pub mod words;

use failure::{FAILED, Failure};
use launch::{Launch, Start};
use screen::Screen;
use session::Shell;
use std::process::ExitCode;

/// The version this shell goes by: that of Apache's whose commands it has, and its own.
#[must_use]
pub fn version() -> String {
    format!("3.9.5-zookube.{}", env!("CARGO_PKG_VERSION"))
}

/// Runs the shell with the arguments behind the program's name.
#[must_use]
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let screen = Screen::of_process();
    let wrong = |text: &str, hint: &str| {
        screen.failure(text, Some(hint));
        ExitCode::from(FAILED)
    };
    match launch::parse(arguments) {
        Ok(Start::Help) => {
            let _ = screen.out(&help());
            ExitCode::SUCCESS
        }
        Ok(Start::Version) => {
            let _ = screen.out(&format!("ZooKeeper CLI version: {}\n", version()));
            ExitCode::SUCCESS
        }
        Ok(Start::Shell(launch)) => match start(launch, screen) {
            Ok(code) => ExitCode::from(code),
            Err(failure) => {
                screen.failure(&failure.text, failure.hint.as_deref());
                ExitCode::from(failure.code)
            }
        },
        Err(text) => wrong(&text, "`zkCli.sh --help` shows the options"),
    }
}

fn start(launch: Launch, screen: Screen) -> Result<u8, Failure> {
    for option in &launch.unknown {
        screen
            .failure("", Some(&format!("there is no option {option}; it has no effect (`--help` shows the options)")));
    }
    if let Some(file) = &launch.client_configuration {
        let keys = launch::check_configuration(file).map_err(Failure::new)?;
        if !keys.is_empty() {
            screen.failure("", Some(&format!("{}: no effect here: {}", file.display(), keys.join(", "))));
        }
    }
    let runtime = crate::runtime::start().map_err(|error| Failure::new(format!("start: {error}")))?;
    let code = runtime.block_on(async {
        let is_once = !launch.command.is_empty();
        let shell = Shell::start(launch).await?;
        if is_once {
            Ok(shell.once().await)
        } else {
            shell.converse().await.map_err(|error| Failure::new(format!("read: {error}")))
        }
    });
    // The thread that reads lines may still wait for one.
    runtime.shutdown_background();
    code
}

/// What `--help` shows.
fn help() -> String {
    let mut text = "\
Usage: zkCli.sh [options] [command [arguments]]

Without a command it asks for commands, on a terminal with completion (Tab) and a history.

Options
"
    .to_owned();
    for option in launch::OPTIONS {
        text += &format!("  {:34} {}\n", format!("{} {}", option.name, option.value), option.meaning);
    }
    text += "\nCommands\n";
    for command in table::COMMANDS {
        text += &format!("  {:22} {}\n", command.name, command.meaning);
    }
    text + "
Examples
  zkCli.sh -server zk1:2181,zk2:2181/app ls /
  zkCli.sh --output json get -s /app/config
  zkCli.sh set /app/config --data-file config.json
  printf 'create /a x\\nget /a\\n' | zkCli.sh -server zk1:2181
"
}
