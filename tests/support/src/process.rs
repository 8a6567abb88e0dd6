//! Child processes that never outlive the test.
//!
//! A guard kills on drop, which a test killed from outside never reaches; so every child also asks the kernel for
//! SIGKILL when its parent dies. That signal is tied to the *thread* that forked, and test threads come and go, so all
//! children are started by one thread that stays as long as the process.

use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rustix::process::{Pid, Signal, kill_process};

type Job = (Command, SyncSender<io::Result<Child>>);

static SPAWNER: OnceLock<SyncSender<Job>> = OnceLock::new();

/// A command for `program` that the kernel ends together with this process.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts `command` from the thread that lives as long as the process.
///
/// # Errors
/// When the program cannot be started.
pub fn spawn(command: Command) -> io::Result<Guard> {
    let jobs = SPAWNER.get_or_init(|| {
        let (sender, receiver) = sync_channel::<Job>(0);
        std::thread::spawn(move || serve(&receiver));
        sender
    });
    let (answer, result) = sync_channel(1);
    let gone = || io::Error::other("the thread that starts processes is gone");
    jobs.send((command, answer)).map_err(|_| gone())?;
    Ok(Guard { child: result.recv().map_err(|_| gone())?? })
}

fn serve(jobs: &Receiver<Job>) {
    while let Ok((mut command, answer)) = jobs.recv() {
        // The asker waits for the answer; if it is gone, dropping the guard-less child would leak it.
        if let Err(lost) = answer.send(command.spawn())
            && let Ok(mut child) = lost.0
        {
            let _ = child.kill();
        }
    }
}

/// A running child; dropping it kills it with SIGKILL and waits until it is gone.
#[derive(Debug)]
pub struct Guard {
    child: Child,
}

impl Guard {
    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether the process has not ended yet.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        // A process that has just ended is no error: the caller looks at its state next.
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = kill_process(pid, signal);
        }
    }

    /// SIGKILL, and wait for the end.
    pub fn kill_9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill_9();
    }
}
