//! Running other people's programs, and what they say when they fail.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::fail;
use crate::failure::{Context, Result};

/// Runs `command` to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or is not content, with what it said.
pub fn output(command: &mut Command) -> Result<String> {
    output_of(command, "")
}

/// As [`output`], with `input` on standard input.
///
/// # Errors
/// As [`output`].
pub fn output_of(command: &mut Command, input: &str) -> Result<String> {
    let line = spell(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context(format!("start `{line}`"))?;
    let stdin = child.stdin.take();
    // From a thread of its own: a program may talk before it has read everything.
    let ended = std::thread::scope(|scope| {
        scope.spawn(move || {
            // One that has already ended does not read; its exit code tells.
            let _ = stdin.map(|mut stdin| stdin.write_all(input.as_bytes()));
        });
        child.wait_with_output()
    });
    let ended = ended.context(format!("wait for `{line}`"))?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = [ended.stdout, ended.stderr].concat();
    fail!("`{line}` failed ({}): {}", ended.status, String::from_utf8_lossy(&said).trim())
}

/// Runs a program with `arguments` to its end.
///
/// # Errors
/// As [`output`].
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    output(Command::new(program).args(arguments))
}

/// As one would type it.
pub fn spell(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Characters of a log's line that a failure shows.
const LINE: usize = 300;

/// The last `lines` lines of a file, long ones cut off; empty if it cannot be read.
pub fn tail(path: &std::path::Path, lines: usize) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        // What can be read of a log is better than nothing.
        let _ = file.read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<String> = text.lines().map(|line| line.chars().take(LINE).collect()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
