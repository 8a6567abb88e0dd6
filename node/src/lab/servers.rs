//! The servers as child processes: start, signal, notice the end.
//!
//! ```text
//!            start                     process ended
//!   Down ------------> Running ---------------------------> Down (why)
//!    ^                   |  ^ kill, stop: a signal, then wait    |
//!    +-------------------+  +------------------------------------+ start again if `restart` asked for it
//! ```
//! Children must be started by a thread that lives as long as the lab: the kernel's death signal (see `lifetime`) comes
//! when the *thread* that forked ends.

use node::config::variables::VARIABLES;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wire::Epoch;

use super::layout::Member;
use super::lifetime::PARENT_VARIABLE;
use super::log_tail;

/// How long an orderly end may take before it is forced.
pub const STOP_GRACE: Duration = Duration::from_secs(3);
/// A log longer than this is set aside (`server.log.1`) when its server starts.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// One server of the lab and its process, if it has one.
#[derive(Debug)]
pub struct Server {
    /// What the layout says about it.
    pub member: Member,
    home: PathBuf,
    process: Process,
}

#[derive(Debug)]
enum Process {
    Running { child: Child, since: Instant, log_start: u64, ending: Ending },
    Down { why: String },
}

/// Why a running process is about to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    NotAsked,
    Killed,
    Stopped,
    Restart { force_at: Instant },
}

/// A process has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// In words, for the table.
    pub why: String,
    /// `restart` asked for it: it is to be started again.
    pub again: bool,
}

impl Server {
    /// A server that is not running yet.
    pub fn new(member: Member, home: PathBuf) -> Server {
        Server { member, home, process: Process::Down { why: "not started".to_owned() } }
    }

    /// Where its output goes.
    pub fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// `host:port` for clients.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.member.ports.client)
    }

    /// The process id and the time of its start while it runs.
    pub fn running(&self) -> Option<(u32, Instant)> {
        match &self.process {
            Process::Running { child, since, .. } => Some((child.id(), *since)),
            Process::Down { .. } => None,
        }
    }

    /// Why it is down, when it is.
    pub fn down(&self) -> Option<&str> {
        match &self.process {
            Process::Running { .. } => None,
            Process::Down { why } => Some(why),
        }
    }

    /// Whether an end was asked for and has not come yet.
    pub fn is_ending(&self) -> bool {
        matches!(&self.process, Process::Running { ending, .. } if *ending != Ending::NotAsked)
    }

    /// The epoch this server has accepted a leader for, as it stands in its data directory.
    pub fn current_epoch(&self) -> Option<Epoch> {
        fs::read_to_string(self.home.join("data/version-2/currentEpoch")).ok()?.trim().parse().ok().map(Epoch)
    }

    /// Starts the process and returns its id. Must not be called while it runs.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be started.
    pub fn start(&mut self, program: &Path) -> io::Result<u32> {
        assert!(self.running().is_none(), "server {} is started twice", self.member.id);
        let log = open_log(&self.log())?;
        let log_start = log.metadata()?.len();
        let mut command = Command::new(program);
        // What this shell says about some server is not meant for these.
        for variable in VARIABLES {
            command.env_remove(variable.name);
        }
        let child = command
            .arg("run")
            .arg("--config")
            .arg(self.home.join("zoo.cfg"))
            .env(PARENT_VARIABLE, std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Its own group, so that Ctrl-C on the terminal reaches the lab alone, which then stops the servers in order.
            .process_group(0)
            .spawn()?;
        let pid = child.id();
        self.process = Process::Running { child, since: Instant::now(), log_start, ending: Ending::NotAsked };
        Ok(pid)
    }

    /// Remembers why it could not be started.
    pub fn not_started(&mut self, error: &io::Error) {
        self.process = Process::Down { why: format!("not started: {error}") };
    }

    /// SIGKILL. Nothing happens to a server that is down.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL, Ending::Killed);
    }

    /// SIGTERM. Nothing happens to a server that is down.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM, Ending::Stopped);
    }

    /// SIGTERM, SIGKILL if that takes too long, and a new start.
    pub fn restart(&mut self, now: Instant) {
        self.signal(Signal::TERM, Ending::Restart { force_at: now + STOP_GRACE });
    }

    fn signal(&mut self, signal: Signal, why: Ending) {
        if let Process::Running { child, ending, .. } = &mut self.process {
            *ending = why;
            send(child, signal);
        }
    }

    /// Looks whether the process has ended since the last look.
    pub fn reap(&mut self, now: Instant) -> Option<Ended> {
        let Process::Running { child, log_start, ending, .. } = &mut self.process else { return None };
        let status = match child.try_wait() {
            Ok(Some(status)) => status,
            Ok(None) => {
                if let Ending::Restart { force_at } = *ending
                    && now >= force_at
                {
                    send(child, Signal::KILL);
                }
                return None;
            }
            Err(error) => {
                // Only a child that somebody else has waited for; it is certainly gone.
                let why = format!("gone: {error}");
                self.process = Process::Down { why: why.clone() };
                return Some(Ended { why, again: false });
            }
        };
        let (ending, log_start) = (*ending, *log_start);
        let why = match ending {
            Ending::Killed => "killed".to_owned(),
            Ending::Stopped | Ending::Restart { .. } if status.success() || status.signal() == Some(15) => {
                "stopped".to_owned()
            }
            Ending::Restart { .. } if status.signal() == Some(9) => {
                format!("killed, it had not stopped within {} s", STOP_GRACE.as_secs())
            }
            _ => self.unasked_end(status, log_start),
        };
        self.process = Process::Down { why: why.clone() };
        Some(Ended { why, again: matches!(ending, Ending::Restart { .. }) })
    }

    fn unasked_end(&self, status: ExitStatus, log_start: u64) -> String {
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(9)) => "SIGKILL".to_owned(),
            (None, Some(15)) => "SIGTERM".to_owned(),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        match log_tail::last_line(&self.log(), log_start) {
            Some(line) => format!("{how}: {line}"),
            None => how,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The way out of a panic; an orderly end has already waited for the process.
        if let Process::Running { child, .. } = &mut self.process {
            send(child, Signal::KILL);
            if let Err(error) = child.wait() {
                eprintln!("server {}: wait for its end: {error}", self.member.id);
            }
        }
    }
}

fn send(child: &Child, signal: Signal) {
    // A process that has just ended is no error: the next look notices.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn open_log(path: &Path) -> io::Result<File> {
    if path.metadata().is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    File::options().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::super::layout::Kind;
    use super::super::ports::Ports;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A server whose program is this shell script.
    fn started(script: &str) -> (tempfile::TempDir, PathBuf, Server) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let program = dir.path().join("server");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
        let ports = Ports { client: 1, quorum: 2, election: 3 };
        let mut server = Server::new(Member { id: 7, kind: Kind::Voter, ports }, dir.path().into());
        // Another test may be forking while the script's file is still open for writing there: "text file busy".
        let started = (0..1000).any(|_| server.start(&program).is_ok() || server.running().is_some());
        assert!(started, "the script can be started");
        (dir, program, server)
    }

    fn ended(server: &mut Server) -> Ended {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(ended) = server.reap(Instant::now()) {
                return ended;
            }
            std::thread::yield_now();
        }
        panic!("the process has not ended within 20 s");
    }

    fn printed(server: &Server, line: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !log_tail::tail(&server.log(), 1).expect("a log").contains(&line.to_owned()) {
            assert!(Instant::now() < deadline, "{line:?} was not printed within 20 s");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_end_by_itself_shows_code_and_last_line() {
        let (_dir, _, mut server) = started("echo first; echo 'no room left' >&2; exit 3");
        assert_eq!(ended(&mut server), Ended { why: "exit code 3: no room left".to_owned(), again: false });
        assert_eq!(server.down(), Some("exit code 3: no room left"));
    }

    #[test]
    fn the_last_line_is_of_this_run() {
        let (_dir, program, mut server) = started("echo run; exit 1");
        ended(&mut server);
        fs::write(&program, "#!/bin/sh\nkill -9 $$\n").expect("written");
        server.start(&program).expect("started again");
        assert_eq!(ended(&mut server).why, "SIGKILL");
    }

    #[test]
    fn kill_stop_and_restart() {
        let (_dir, program, mut server) = started("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done");
        printed(&server, "up");
        server.restart(Instant::now());
        assert!(server.is_ending());
        assert_eq!(ended(&mut server), Ended { why: "stopped".to_owned(), again: true });
        server.start(&program).expect("started again");
        server.kill();
        assert_eq!(ended(&mut server), Ended { why: "killed".to_owned(), again: false });
    }

    #[test]
    fn a_restart_that_hangs_is_forced() {
        let (_dir, _, mut server) = started("trap '' TERM; echo up; while :; do sleep 0.01; done");
        printed(&server, "up");
        server.restart(Instant::now());
        let late = Instant::now() + STOP_GRACE;
        assert_eq!(server.reap(Instant::now()), None);
        server.reap(late);
        let end = ended(&mut server);
        assert_eq!(end, Ended { why: "killed, it had not stopped within 3 s".to_owned(), again: true });
    }
}
