//! A process that a pid file names: whether it is still there, whether it is ours, how it is told to end.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// More than the arguments of any server.
const ARGUMENTS_BYTES_MAX: u64 = 64 << 10;
/// What the kernel appends to the name of a program that was replaced while it runs.
const DELETED: &str = " (deleted)";
/// First words of the command lines of servers: this program's own command, and the verbs of the script that become the server.
const SERVING: [&str; 3] = ["run", "start-foreground", "start"];

/// A process, held so that its number cannot come to mean another one between a look at it and a signal to it.
#[derive(Debug)]
pub struct Process {
    handle: OwnedFd,
    /// Its number.
    pub pid: Pid,
}

impl Process {
    /// The process of this number; `None` where there is none, or one that has ended and only waits for its parent to ask.
    ///
    /// # Errors
    /// When the kernel has no handles for processes (before Linux 5.3).
    pub fn open(pid: Pid) -> io::Result<Option<Process>> {
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Process { handle, pid },
            // A thread's number, which is no process.
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok((!process.has_ended_within(Duration::ZERO)?).then_some(process))
    }

    /// Sends SIGTERM; a process that has just ended is no error.
    ///
    /// # Errors
    /// When this user may not.
    pub fn terminate(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, Signal::TERM) {
            Err(error) if error != Errno::SRCH => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Waits for the end; whether it came.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn has_ended_within(&self, patience: Duration) -> io::Result<bool> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            match poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether it is a server of this program with this configuration file, as far as that can be told.
    ///
    /// # Errors
    /// What it is instead, as the end of a sentence.
    pub fn is_our_server(&self, config: Option<&Path>) -> Result<(), String> {
        let dir = PathBuf::from(format!("/proc/{}", self.pid.as_raw_nonzero()));
        let arguments = arguments(&dir).unwrap_or_default();
        // Whose program may not be asked for is known by how it was called, which everybody may see.
        let program = fs::read_link(dir.join("exe")).ok().or_else(|| arguments.first().map(PathBuf::from));
        let own = std::env::current_exe().ok();
        let cwd = fs::read_link(dir.join("cwd")).unwrap_or_default();
        Call { program, arguments, cwd }.judge(own.as_deref(), config)
    }
}

fn arguments(dir: &Path) -> io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(dir.join("cmdline"))?.take(ARGUMENTS_BYTES_MAX).read_to_end(&mut bytes)?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    Ok(bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// How a process was called.
#[derive(Debug)]
struct Call {
    program: Option<PathBuf>,
    arguments: Vec<String>,
    cwd: PathBuf,
}

impl Call {
    fn judge(&self, own: Option<&Path>, config: Option<&Path>) -> Result<(), String> {
        let Some(program) = &self.program else { return Err("is something that cannot be seen from here".to_owned()) };
        if name(program).is_none() || name(program) != own.and_then(name) {
            return Err(format!("is {}", program.display()));
        }
        let serves = self.arguments.iter().skip(1).any(|word| SERVING.contains(&word.as_str()));
        if !serves {
            return Err(format!("is no server: {}", self.arguments.join(" ")));
        }
        match (self.config().and_then(|path| fs::canonicalize(path).ok()), config.map(fs::canonicalize)) {
            (Some(theirs), Some(Ok(ours))) if theirs != ours => {
                Err(format!("is the server of another configuration: {}", theirs.display()))
            }
            _ => Ok(()),
        }
    }

    /// The file behind `run --config`. Behind the script's name the option means a directory, and says less.
    fn config(&self) -> Option<PathBuf> {
        let words = self.arguments.get(2..).filter(|_| self.arguments.get(1).is_some_and(|word| word == "run"))?;
        let after = words.iter().position(|word| word == "--config").and_then(|at| words.get(at + 1));
        let path = after.map(String::as_str).or_else(|| words.iter().find_map(|word| word.strip_prefix("--config=")));
        path.map(|path| self.cwd.join(path))
    }
}

/// The name of a program, whether or not its file was replaced.
fn name(program: &Path) -> Option<&str> {
    let name = program.file_name()?.to_str()?;
    Some(name.strip_suffix(DELETED).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper() -> (Child, Process) {
        let child = Command::new("sleep").arg("600").spawn().expect("sleep");
        let pid = Pid::from_child(&child);
        (child, Process::open(pid).unwrap().expect("a process"))
    }

    #[test]
    fn an_end_is_noticed_and_not_before() {
        let (mut child, process) = sleeper();
        assert!(!process.has_ended_within(Duration::from_millis(20)).unwrap());
        process.terminate().unwrap();
        assert!(process.has_ended_within(Duration::from_secs(20)).unwrap());
        assert!(Process::open(process.pid).unwrap().is_none(), "one that waits for its parent has ended");
        child.wait().unwrap();
        process.terminate().unwrap();
        assert!(Process::open(process.pid).unwrap().is_none());
    }

    #[test]
    fn another_program_is_told_by_its_name() {
        let (mut child, process) = sleeper();
        let what = process.is_our_server(None).unwrap_err();
        assert!(what.starts_with("is /") && what.contains("bin/"), "{what}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_server_is_known_by_program_command_and_configuration() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str| {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            path
        };
        let (ours, theirs) = (file("zoo.cfg"), file("other.cfg"));
        let check = |program: &str, line: &str, expected: Result<(), &str>| {
            let arguments = line.split_whitespace().map(str::to_owned).collect();
            let call = Call { program: Some(program.into()), arguments, cwd: dir.path().into() };
            let judged = call.judge(Some(Path::new("/new/zookube-node")), Some(&ours));
            match expected {
                Ok(()) => assert_eq!(judged, Ok(()), "{line}"),
                Err(part) => assert!(judged.as_ref().is_err_and(|what| what.contains(part)), "{line}: {judged:?}"),
            }
        };
        let absolute = format!("zookube-node run --config {}", ours.display());
        check("/old/zookube-node", &absolute, Ok(()));
        check("/old/zookube-node (deleted)", &absolute, Ok(()));
        check("/old/zookube-node", "zookube-node run --config zoo.cfg", Ok(()));
        check("/old/zookube-node", "zookube-node run --config=zoo.cfg", Ok(()));
        check("/old/zookube-node", "zkServer.sh --config /elsewhere start-foreground", Ok(()));
        check("/old/zookube-node", "zookube-node run --config other.cfg", Err(theirs.to_str().unwrap()));
        check("/old/zookube-node", "zookube-node doctor", Err("is no server: zookube-node doctor"));
        check("/usr/bin/vim", &absolute, Err("is /usr/bin/vim"));
    }
}
