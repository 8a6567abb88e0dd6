//! The program `e2e-keeper`, as those see it who start one: the first process of a process namespace.
//!
//! It runs what it is told to, and whatever it has started ends with it, because the kernel ends a namespace together with
//! its first process. It ends when its standard input does, unless it was told to [`Order::Stay`]: a pipe closes however
//! a program ends, so that a test that is killed leaves no cluster behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use support::wait;

use crate::failure::{Context, Failure, Result};
use crate::{fail, shell};

/// How long the kernel may take to end a namespace.
const END: Duration = Duration::from_secs(30);

/// One line on the keeper's standard input.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Run a command to its end; it must be content.
    Run(Vec<String>),
    /// Start a program that stays.
    Start(Program),
    /// Do not end with standard input.
    Stay,
}

/// A program that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// What the log and the list of those that have ended call it.
    pub name: String,
    /// Where standard output and error go.
    pub log: PathBuf,
    /// Program and arguments.
    pub command: Vec<String>,
}

/// One line on its standard output: the first, when it is there, with its process id, and one for each order.
pub type Answer = std::result::Result<u32, String>;

/// The name of the file, in the keeper's directory, with one line for each program that has ended.
pub const ENDED: &str = "ended";

/// A keeper that takes orders.
#[derive(Debug)]
pub struct Keeper {
    process: Process,
    /// `unshare` or `nsenter`.
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Starts `keeper` in the directory `dir` behind `prefix`, the command that makes its namespaces.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(prefix: &[&str], keeper: &Path, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).on("create", dir)?;
        let log = File::create(dir.join("keeper.log")).on("create a log in", dir)?;
        let mut command = Command::new(prefix[0]);
        command.args(&prefix[1..]).arg(keeper).arg("serve").arg(dir);
        // Not in the terminal's group: Ctrl-C is for the tests, and the cluster's end is theirs to order.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().context(format!("start `{}`", shell::spell(&command)))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return fail!("e2e-keeper has no pipes");
        };
        let mut answers = BufReader::new(answers);
        let pid = read_answer(&mut answers).map_err(|e| {
            let said = shell::tail(&dir.join("keeper.log"), 10);
            Failure(format!("`{}` did not start: {e} {said}\nhint: this takes root", shell::spell(&command)))
        })?;
        Ok(Self { process: Process::of(pid)?, child, orders, answers })
    }

    /// The keeper's process.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Has a command run to its end.
    ///
    /// # Errors
    /// When it is not content.
    pub fn run(&mut self, command: &[&str]) -> Result<()> {
        self.order(&Order::Run(command.iter().map(|&word| word.to_owned()).collect())).map(drop)
    }

    /// Has a program started.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn start_program(&mut self, program: Program) -> Result<()> {
        self.order(&Order::Start(program)).map(drop)
    }

    /// Lets it live on when this process ends.
    ///
    /// # Errors
    /// When it is gone.
    pub fn stay(&mut self) -> Result<()> {
        self.order(&Order::Stay).map(drop)
    }

    fn order(&mut self, order: &Order) -> Result<u32> {
        let mut line = serde_json::to_string(order).context("write an order")?;
        line.push('\n');
        self.orders.write_all(line.as_bytes()).context("e2e-keeper has ended")?;
        read_answer(&mut self.answers)
    }

    /// Ends it with everything it has started.
    pub fn end(&mut self) {
        self.process.end();
        // It was the parent's only child; so this ends, too.
        let _ = self.child.wait();
    }
}

fn read_answer(answers: &mut impl BufRead) -> Result<u32> {
    let mut line = String::new();
    answers.read_line(&mut line).context("read e2e-keeper's answer")?;
    if line.is_empty() {
        return fail!("e2e-keeper has ended");
    }
    let answer: Answer = serde_json::from_str(&line).context(format!("read e2e-keeper's answer {line:?}"))?;
    answer.map_err(Failure)
}

/// A process that cannot be mistaken for a later one with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it was started, in the kernel's ticks since the machine's start.
    started: u64,
}

impl Process {
    /// The living process with that number.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: u32) -> Result<Self> {
        match started(pid) {
            Some(started) => Ok(Self { pid, started }),
            None => fail!("there is no process {pid}"),
        }
    }

    /// This process.
    ///
    /// # Errors
    /// When `/proc` does not show it.
    pub fn own() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Whether it has not ended.
    pub fn is_alive(self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// SIGKILL, and waits until it is gone; a keeper is gone when all its programs are.
    pub fn end(self) {
        if !self.is_alive() {
            return;
        }
        if let Some(pid) = Pid::from_raw(self.pid.cast_signed()) {
            // One that has just ended is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        wait::poll(END, || (!self.is_alive()).then_some(()));
    }

    /// One of its namespaces: `net`, `mnt`, `pid`, `uts`.
    pub fn namespace(self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.pid)
    }
}

/// The 22nd field of its line of figures, unless it is but a zombie.
fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets, which may have anything in it.
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = Process::own().expect("this process is there");
        assert!(own.is_alive());
        assert!(!Process { started: own.started + 1, ..own }.is_alive(), "another process with the same number");
    }

    #[test]
    fn orders_and_answers_are_lines() {
        let order = Order::Start(Program { name: "a".into(), log: "/b".into(), command: vec!["c".into()] });
        let line = serde_json::to_string(&order).expect("an order can be written");
        assert!(!line.contains('\n'), "{line}");
        let mut answers = "{\"Ok\":7}\n{\"Err\":\"no\"}\n".as_bytes();
        assert_eq!(read_answer(&mut answers), Ok(7));
        assert_eq!(read_answer(&mut answers), Err(Failure("no".into())));
        assert_eq!(read_answer(&mut answers), Err(Failure("e2e-keeper has ended".into())));
    }
}
