//! Running other people's programs against our servers.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{process, wait};

/// What a program said, standard output and error together, and whether it was content.
#[derive(Debug)]
pub struct Said {
    /// Exit code 0.
    pub success: bool,
    /// Both streams in the order they were written.
    pub text: String,
}

impl Said {
    /// Passes the text on when the program was content.
    ///
    /// # Panics
    /// With all it said, when it was not.
    pub fn expect_success(self, what: &str) -> String {
        assert!(self.success, "{what} failed; it said:\n{}", self.text);
        self.text
    }
}

/// Runs `command` to its end, feeding it `input`.
///
/// # Panics
/// When it cannot be started or does not end within `limit`.
pub fn run(mut command: Command, input: &str, limit: Duration) -> Said {
    // Into a file, not a pipe: nobody needs to drain it while the program runs.
    let output = tempfile::tempfile().expect("a temporary file");
    let handle = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
    command.stdin(Stdio::piped()).stdout(handle(&output)).stderr(handle(&output));
    let what = format!("{command:?}");
    let mut guard = process::spawn(command).unwrap_or_else(|e| panic!("{what}: {e}"));
    if let Some(mut stdin) = guard.child().stdin.take() {
        // A program that has already ended does not read; its exit code tells.
        let _ = stdin.write_all(input.as_bytes());
    }
    let ended = wait::poll(limit, || guard.child().try_wait().ok().flatten());
    let text = read_all(&output);
    let Some(status) = ended else { panic!("{what} did not end within {limit:?}; it said:\n{text}") };
    Said { success: status.success(), text }
}

/// A program at a prompt: one line in, and on with the next when the answer is there.
pub struct Conversation {
    guard: process::Guard,
    output: File,
    what: String,
    read: usize,
}

impl Conversation {
    /// Starts `command`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let output = tempfile::tempfile().expect("a temporary file");
        let handle = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
        command.stdin(Stdio::piped()).stdout(handle(&output)).stderr(handle(&output));
        let what = format!("{command:?}");
        let guard = process::spawn(command).unwrap_or_else(|e| panic!("{what}: {e}"));
        Self { guard, output, what, read: 0 }
    }

    /// Types a line.
    ///
    /// # Panics
    /// When the program has closed its input.
    pub fn say(&mut self, line: &str) {
        let stdin = self.guard.child().stdin.as_mut().expect("standard input is a pipe");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).unwrap_or_else(|e| panic!("{}: {e}", self.what));
    }

    /// Waits until the program has said `text` since the last time something was waited for; returns all it said
    /// up to the end of that line.
    ///
    /// # Panics
    /// When it does not say that within `limit`.
    pub fn hear(&mut self, text: &str, limit: Duration) -> String {
        let heard = wait::poll(limit, || {
            let all = read_all(&self.output);
            let fresh = all.get(self.read..)?;
            let at = fresh.find(text)?;
            let end = at + fresh[at..].find('\n')? + 1;
            self.read += end;
            Some(fresh[..end].to_owned())
        });
        heard.unwrap_or_else(|| {
            panic!("{} did not say {text:?} within {limit:?}; all it said:\n{}", self.what, read_all(&self.output))
        })
    }
}

/// Not by seeking: the program writes at the offset that both share.
fn read_all(file: &File) -> String {
    let size = file.metadata().expect("a temporary file has a size").len();
    let mut bytes = vec![0; usize::try_from(size).expect("it fits into memory")];
    file.read_exact_at(&mut bytes, 0).expect("a temporary file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}
