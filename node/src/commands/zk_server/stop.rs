//! `stop`: SIGTERM to the process of the pid file, and the word only when it has ended.
//!
//! The script sends the signal to whatever has the number now, sleeps for a second and says `STOPPED` in any case.

use super::pid_file::{Content, PidFile};
use super::process::Process;
use super::{Setup, begin, print};
use crate::commands::doctor::data;
use crate::settings;
use rustix::process::Pid;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// How long a stop may take, besides `shutdown.delayMs`. The server gives itself two seconds; its disk may take longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What has become of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has ended, or had before.
    Stopped,
    /// No pid file: the script has not started one.
    NothingToStop,
    /// The number belongs to a process that is no server of ours; it was let alone.
    Foreign,
    /// It still runs.
    Running,
}

impl Outcome {
    /// The script's where it knows the case: 0.
    #[must_use]
    pub fn exit_code(self) -> ExitCode {
        match self {
            Outcome::Stopped | Outcome::NothingToStop => ExitCode::SUCCESS,
            Outcome::Foreign | Outcome::Running => ExitCode::FAILURE,
        }
    }
}

/// Stops the server that `start` has started.
pub fn stop(setup: &Setup) -> Outcome {
    begin("Stopping zookeeper ... ");
    let Some(file) = setup.pid_file() else {
        print("no zookeeper to stop (no data directory is configured, so there is no pid file)");
        return Outcome::NothingToStop;
    };
    let content = match file.read() {
        Ok(Some(content)) => content,
        Ok(None) => {
            print(&format!("no zookeeper to stop (could not find file {})", file.path.display()));
            say_who_runs(setup);
            return Outcome::NothingToStop;
        }
        Err(error) => return failed(&format!("{}: {error}", file.path.display())),
    };
    match content {
        Content::Nonsense => stale(&file, "it names no process"),
        Content::Process(pid) => match Process::open(pid) {
            Ok(Some(process)) => stop_process(setup, &file, &process),
            Ok(None) => stale(&file, &format!("process {pid} is gone")),
            Err(error) => failed(&format!("process {pid}: {error}")),
        },
    }
}

/// The script says `STOPPED` of a process that is gone, too.
fn stale(file: &PidFile, why: &str) -> Outcome {
    match file.remove() {
        Ok(()) => eprintln!("{} was stale ({why}) and is removed", file.path.display()),
        Err(error) => eprintln!("{} is stale ({why}) and cannot be removed: {error}", file.path.display()),
    }
    print("STOPPED");
    Outcome::Stopped
}

fn failed(reason: &str) -> Outcome {
    print("FAILED TO STOP");
    eprintln!("{reason}");
    Outcome::Running
}

fn stop_process(setup: &Setup, file: &PidFile, process: &Process) -> Outcome {
    let pid = process.pid;
    let path = file.path.display();
    if let Err(what) = process.is_our_server(setup.config.config.as_deref()) {
        print(&format!("no zookeeper to stop (process {pid} of file {path} {what})"));
        eprintln!("hint: remove {path}; if it is the server all the same: kill {pid}");
        return Outcome::Foreign;
    }
    let patience = patience(setup);
    match terminate(process, patience) {
        Ok(true) => {}
        Ok(false) => {
            return failed(&format!(
                "process {pid} has not ended within {} s of SIGTERM. hint: it may wait for its disk; kill -9 {pid} loses nothing \
                 that was acknowledged",
                patience.as_secs()
            ));
        }
        Err(error) => return failed(&format!("process {pid}: {error}")),
    }
    if let Err(error) = file.remove_of(pid) {
        eprintln!("{path}: {error}");
    }
    print("STOPPED");
    Outcome::Stopped
}

/// Whether it has ended in time.
fn terminate(process: &Process, patience: Duration) -> io::Result<bool> {
    process.terminate()?;
    process.has_ended_within(patience)
}

/// A server serves on for `shutdown.delayMs`.
fn patience(setup: &Setup) -> Duration {
    let delay_ms = setup.config.read().map_or(0, |(config, _)| config.settings.shutdown_delay_ms);
    PATIENCE + Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0))
}

/// Where there is a server all the same, somebody else has started it.
fn say_who_runs(setup: &Setup) {
    let Ok((config, _)) = setup.config.read() else { return };
    let Some(holder) = data::holder(&settings::dirs(&config).0) else { return };
    let process = holder.pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let process = process.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
    let data_dir = config.data_dir().display();
    let hint = if setup.surroundings.in_container {
        "a container is stopped by its engine: docker stop, kubectl delete pod"
    } else {
        "whoever started it stops it: systemctl stop, or SIGTERM"
    };
    eprintln!("{process} serves {data_dir}, and was not started by zkServer.sh start. hint: {hint}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that does not heed SIGTERM, once it says so.
    #[test]
    fn a_process_that_does_not_end_is_not_called_stopped() {
        use std::io::BufRead;
        let mut child = std::process::Command::new("sh")
            .args(["-c", "trap '' TERM; echo ready; exec sleep 600"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        std::io::BufReader::new(out).read_line(&mut line).expect("a line");
        let process = Process::open(Pid::from_child(&child)).unwrap().expect("a process");
        assert!(!terminate(&process, Duration::from_millis(50)).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(terminate(&process, Duration::from_millis(50)).unwrap());
    }
}
