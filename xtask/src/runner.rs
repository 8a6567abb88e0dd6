//! Runs the programs of one suite, shows what they say as they say it, keeps it in a log, and counts.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// No program of a suite may take longer: one that hangs must fail and say so, not stop the run.
const PROGRAM_LIMIT: Duration = Duration::from_secs(40 * 60);

/// Lines read ahead of the terminal and the log.
const LINES_QUEUED_MAX: usize = 1024;

/// How a suite went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed; a program that dies counts as one.
    pub failed: u64,
    /// Tests that did not run. There is no reason for one: they count as failures.
    pub ignored: u64,
    /// Names of the failed tests, or what happened instead.
    pub failures: Vec<String>,
    /// Inside the list of failed tests that ends a report.
    listing: bool,
}

/// The programs of a suite, one after the other.
pub struct Runner {
    log: File,
    tally: Tally,
    began: Instant,
}

/// How a suite went, with what the summary needs besides.
pub struct Outcome {
    /// The suite's name.
    pub suite: String,
    /// Counts.
    pub tally: Tally,
    /// How long it took.
    pub took: Duration,
    /// What was said.
    pub log: PathBuf,
}

impl Runner {
    /// A runner that writes the log `path`.
    pub fn new(path: &Path) -> Result<Self> {
        let log = File::create(path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { log, tally: Tally::default(), began: Instant::now() })
    }

    /// Runs a program to its end, or to [`PROGRAM_LIMIT`].
    pub fn run(&mut self, mut command: Command) -> Result<()> {
        let what = command.get_program().to_string_lossy().into_owned();
        let (reader, writer) = std::io::pipe().context("open a pipe")?;
        let errors = writer.try_clone().context("open a pipe")?;
        command.stdin(Stdio::null()).stdout(writer).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("start {what}"))?;
        // The command holds the writing end; with it the pipe would never end.
        drop(command);
        let before = self.tally.failed;
        let in_time = self.follow(&mut child, &lines_of(reader))?;
        let status = child.wait().with_context(|| format!("wait for {what}"))?;
        if !in_time {
            self.tally.fail(&format!("{what} was stopped after {} minutes", PROGRAM_LIMIT.as_secs() / 60));
        } else if !status.success() && self.tally.failed == before {
            self.tally.fail(&format!("{what} ended with {status}"));
        }
        Ok(())
    }

    /// Passes lines on until there are no more; kills the program and returns false when its time is up.
    fn follow(&mut self, child: &mut Child, lines: &Receiver<String>) -> Result<bool> {
        let deadline = Instant::now() + PROGRAM_LIMIT;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    println!("{line}");
                    writeln!(self.log, "{line}").context("write the log")?;
                    self.tally.read(&line);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(true),
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().context("stop a program whose time is up")?;
                    return Ok(false);
                }
            }
        }
    }

    /// The suite is over.
    pub fn finish(self, suite: &str, log: &Path) -> Outcome {
        Outcome { suite: suite.to_owned(), tally: self.tally, took: self.began.elapsed(), log: log.to_owned() }
    }
}

/// A pipe cannot be read with a deadline; a thread reads it, and ends with it.
fn lines_of(reader: PipeReader) -> Receiver<String> {
    let (sender, lines) = sync_channel(LINES_QUEUED_MAX);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Tally {
    fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }

    /// Takes up what a line of the test harness counts.
    fn read(&mut self, line: &str) {
        // `failures:` also stands above what the failed tests have printed, but with an empty line behind it.
        match line.strip_prefix("    ") {
            Some(name) if self.listing => self.failures.push(name.to_owned()),
            _ => self.listing = line == "failures:",
        }
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let count = |what: &str| {
            let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            let pair = words.windows(2).find(|pair| pair[1] == what);
            pair.and_then(|pair| pair[0].parse::<u64>().ok()).unwrap_or(0)
        };
        self.passed += count("passed");
        self.failed += count("failed") + count("ignored");
        self.ignored += count("ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], passed: u64, failed: u64, failures: &[&str]) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        assert_eq!((tally.passed, tally.failed), (passed, failed), "{lines:?}");
        assert_eq!(tally.failures, failures, "{lines:?}");
    }

    #[test]
    fn counts_what_the_harness_says() {
        let ok = "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.42s";
        check(&["running 12 tests", "test a::b ... ok", ok, ok], 24, 0, &[]);
        let bad = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s";
        let printed = ["failures:", "", "---- a stdout ----", "    left: 1", ""];
        let listed = ["failures:", "    a", "    b::c", "", bad];
        check(&[&printed[..], &listed[..]].concat(), 1, 2, &["a", "b::c"]);
    }

    #[test]
    fn an_ignored_test_is_a_failure() {
        let line = "test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        check(&["test a ... ignored", line], 1, 1, &[]);
    }

    #[test]
    fn a_program_that_dies_without_a_word_is_a_failure() {
        let log = std::env::temp_dir().join(format!("xtask-runner-{}.log", std::process::id()));
        let mut runner = Runner::new(&log).expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo begun; kill -9 $$"]);
        runner.run(command).expect("sh can be run");
        let outcome = runner.finish("dying", &log);
        assert_eq!((outcome.tally.passed, outcome.tally.failed), (0, 1));
        assert_eq!(std::fs::read_to_string(&log).expect("the log"), "begun\n");
        std::fs::remove_file(&log).expect("the log can be removed");
    }
}
