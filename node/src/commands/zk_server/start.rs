//! `start`: a server in the background that outlives the terminal, and the file with its process id.
//!
//! ```text
//! lock the pid file's directory ── is one running? ── spawn ── write the pid file ── still there after a second? ── STARTED
//! ```
//! The child is this program again, as `run`. It leaves the terminal's session itself, before it does anything else.

use super::pid_file::{Content, PidFile};
use super::process::Process;
use super::{Setup, begin, print, run_here};
use crate::commands::doctor::data;
use crate::config::Config;
use crate::settings;
use anyhow::Result;
use rustix::process::{Pid, setsid};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

/// How long a start is watched before it is called one: the script's second.
const WATCHED: Duration = Duration::from_secs(1);
/// An output file longer than this is set aside (`.1`) at the next start. The script empties it at every start.
const OUTPUT_BYTES_MAX: u64 = 16 << 20;
/// How much of the output is searched for its last line.
const TAIL_BYTES_MAX: u64 = 8 << 10;
/// Set for the child, which then leaves its session.
const DETACH_VARIABLE: &str = "ZOOKUBE_DETACH";
/// Variables of the script that would make the server warn that they have no effect.
const SCRIPTS_OWN: [&str; 2] = ["ZOO_LOG_DIR", "ZOO_LOG_FILE"];

/// Called by `run` before anything else: a process that `start` has started becomes the leader of a session of its own, without a
/// terminal whose end could end it.
pub fn leave_the_terminal_if_asked() {
    if std::env::var_os(DETACH_VARIABLE).is_none() {
        return;
    }
    if let Err(error) = setsid() {
        // The server works all the same, until its terminal is closed.
        tracing::warn!("{DETACH_VARIABLE}: setsid: {error}. hint: this process leads a session or group already");
    }
}

/// Starts the server in the background; in a container, which ends with its first process, in the foreground.
///
/// # Errors
/// As `run`, where it becomes the server.
pub fn start(setup: &Setup) -> Result<ExitCode> {
    let config = setup.config.read();
    if setup.surroundings.in_container {
        if let Some(pid) = config.as_ref().ok().and_then(|(config, _)| holder(config)) {
            print(&format!("Starting zookeeper ... {}", already_running(pid)));
            eprintln!("hint: a container is restarted by its engine: docker restart, kubectl rollout restart");
            return Ok(ExitCode::FAILURE);
        }
        eprintln!(
            "zkServer.sh start: in a container a daemon would end with its script: the server runs in the foreground"
        );
        return run_here(setup);
    }
    begin("Starting zookeeper ... ");
    match config {
        Ok((config, _)) => Ok(told(start_daemon(setup, &config))),
        Err(error) => Ok(told(Err(Failure::new("FAILED TO START", error)))),
    }
}

/// Why it has not started: the script's words, and ours.
#[derive(Debug)]
struct Failure {
    said: String,
    reason: Option<String>,
}

impl Failure {
    fn new(said: &str, reason: impl std::fmt::Display) -> Failure {
        Failure { said: said.to_owned(), reason: Some(reason.to_string()) }
    }
}

fn told(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => {
            print("STARTED");
            ExitCode::SUCCESS
        }
        Err(Failure { said, reason }) => {
            print(&said);
            if let Some(reason) = reason {
                eprintln!("{reason}");
            }
            ExitCode::FAILURE
        }
    }
}

fn start_daemon(setup: &Setup, config: &Config) -> Result<(), Failure> {
    let path = setup.pid_file().map(|file| file.path);
    let pid_file = PidFile { path: path.unwrap_or_else(|| config.data_dir().join(super::pid_file::NAME)) };
    let no_pid = |error: io::Error| Failure::new("FAILED TO WRITE PID", told_of(&pid_file.path, &error));
    let dir = pid_file.path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(no_pid)?;
    // Two at the same time would each find nobody. A file system without locks has them take their chances.
    let _one_at_a_time = File::open(dir).and_then(|dir| dir.lock().map(|()| dir));
    refuse_a_second(setup, config, &pid_file)?;

    let output = setup.surroundings.output();
    let no_server = |error: io::Error| Failure::new("SERVER DID NOT START", told_of(&output, &error));
    let log = open_output(&output).map_err(no_server)?;
    let begins_at = log.metadata().map_err(no_server)?.len();
    let mut child = spawn(setup, log).map_err(no_server)?;
    let pid = Pid::from_child(&child);
    if let Err(error) = pid_file.write(pid) {
        // Nobody could stop it.
        end(&mut child);
        return Err(no_pid(error));
    }
    let Some(status) = ended(&mut child).map_err(|error| Failure::new("SERVER DID NOT START", error))? else {
        return Ok(());
    };
    if let Err(error) = pid_file.remove_of(pid) {
        eprintln!("{}", told_of(&pid_file.path, &error));
    }
    let last = last_line(&output, begins_at).map(|line| format!(": {line}")).unwrap_or_default();
    Err(Failure::new("FAILED TO START", format!("the server ended ({status}){last}. hint: see {}", output.display())))
}

fn told_of(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}. hint: ZOOPIDFILE and ZOO_LOG_DIR name other places", path.display())
}

/// A server that this script has started, or anybody else, on the same data.
fn refuse_a_second(setup: &Setup, config: &Config, pid_file: &PidFile) -> Result<(), Failure> {
    let cannot_tell = |error: io::Error| Failure::new("SERVER DID NOT START", told_of(&pid_file.path, &error));
    let mut running = holder(config);
    if let Some(Content::Process(pid)) = pid_file.read().map_err(cannot_tell)?
        && let Some(process) = Process::open(pid).map_err(cannot_tell)?
    {
        match process.is_our_server(setup.config.config.as_deref()) {
            Ok(()) => running = Some(Some(pid)),
            Err(what) => eprintln!("{}: process {pid} {what}; the file is stale", pid_file.path.display()),
        }
    }
    match running {
        None => Ok(()),
        Some(pid) => Err(Failure { said: already_running(pid), reason: None }),
    }
}

/// The process that has the data directory open: `None` where nobody has, `Some(None)` where it does not say who it is.
fn holder(config: &Config) -> Option<Option<Pid>> {
    let pid = data::holder(&settings::dirs(config).0)?.pid;
    Some(pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)))
}

/// The script's words; its variable for the name is empty.
fn already_running(pid: Option<Pid>) -> String {
    let pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
    format!("already running as process {pid}.")
}

fn open_output(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    if path.metadata().is_ok_and(|output| output.len() > OUTPUT_BYTES_MAX) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    File::options().create(true).append(true).open(path)
}

fn spawn(setup: &Setup, log: File) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run");
    if let Some(file) = &setup.config.config {
        // Whoever looks at the process can tell which file it is.
        command.arg("--config").arg(std::path::absolute(file)?);
    }
    for variable in SCRIPTS_OWN {
        command.env_remove(variable);
    }
    command.env(DETACH_VARIABLE, "1").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
}

fn end(child: &mut Child) {
    // Both fail only for a process that has ended and was waited for.
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether it ends while it is watched.
fn ended(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    if let Some(process) = Process::open(Pid::from_child(child))?
        && !process.has_ended_within(WATCHED)?
    {
        return Ok(None);
    }
    child.wait().map(Some)
}

/// The last line with something in it behind this place.
fn last_line(path: &Path, begins_at: u64) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let end = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(begins_at.max(end.saturating_sub(TAIL_BYTES_MAX)))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_appended_to_and_set_aside_when_it_is_long() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("logs/zookeeper.out");
        let write = |text: &str| io::Write::write_all(&mut open_output(&path).unwrap(), text.as_bytes()).unwrap();
        write("first\n");
        let begins_at = path.metadata().unwrap().len();
        assert_eq!(last_line(&path, begins_at), None, "what another run has said is not this one's last word");
        write("second\n\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n\n");
        assert_eq!(last_line(&path, begins_at), Some("second".to_owned()));
        File::options().write(true).open(&path).unwrap().set_len(OUTPUT_BYTES_MAX + 1).unwrap();
        write("third\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
        assert_eq!(dir.path().join("logs/zookeeper.out.1").metadata().unwrap().len(), OUTPUT_BYTES_MAX + 1);
    }
}
