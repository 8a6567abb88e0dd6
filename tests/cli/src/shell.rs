//! The three shells as processes: how each is called, and what it has said on which stream.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use support::{prerequisites, process, wait};

/// How long anything may take: a Java virtual machine on a busy machine starts in seconds.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Apache's 3.9.5, without JLine: it prints no prompts, and what a pipe gives it goes in as it is.
    Apache39,
    /// Apache's 3.8 from Debian's package, which comes without JLine.
    Apache38,
    /// Ours, called by the name of Apache's.
    Zookube,
    /// Ours, as a command of the server's program.
    ZookubeCli,
}

impl Program {
    /// A name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apache39 => "Apache's 3.9.5",
            Self::Apache38 => "Apache's 3.8",
            Self::Zookube => "our zkCli.sh",
            Self::ZookubeCli => "our zookube-node cli",
        }
    }

    /// The command, without arguments. It runs in `dir`, where our program gets a link by the name of Apache's.
    ///
    /// # Panics
    /// When the program is not there.
    pub fn command(self, dir: &Path) -> Command {
        let mut command = match self {
            Self::Apache39 => java(&apache_39_without_jline()),
            Self::Apache38 => java(&prerequisites::apache_38_class_path()),
            Self::Zookube => process::command(link_to_ours(dir)),
            Self::ZookubeCli => {
                let mut command = process::command(prerequisites::zookube_node());
                command.arg("cli");
                command
            }
        };
        command.current_dir(dir).env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env_remove("CLIENT_JVMFLAGS");
        command
    }
}

/// Our program under the name of Apache's, in `dir`.
///
/// # Panics
/// When the link cannot be made.
pub fn link_to_ours(dir: &Path) -> PathBuf {
    let link = dir.join("zkCli.sh");
    if !link.exists() {
        std::os::unix::fs::symlink(prerequisites::zookube_node(), &link).expect("a link to our program");
    }
    link
}

/// Apache's shell of 3.9.5 with JLine, as its distribution has it.
pub fn apache_39_with_jline() -> Command {
    let class_path = prerequisites::apache_39_class_path();
    let lib = lib_of(&class_path);
    let has_jline = jars(lib).iter().any(|jar| is_jline(jar));
    assert!(has_jline, "JLine's jar is missing in {lib}: run `cargo xtask setup`");
    java(&format!("{lib}/*"))
}

/// A Java program of one file, with Apache's classes.
pub fn java_program(file: &Path) -> Command {
    let mut command = virtual_machine(&apache_39_without_jline());
    command.arg(file);
    command
}

fn java(class_path: &str) -> Command {
    let mut command = virtual_machine(class_path);
    command.arg("org.apache.zookeeper.ZooKeeperMain");
    command
}

/// Quick to start, and silent where it would log.
fn virtual_machine(class_path: &str) -> Command {
    let quiet = Path::new(env!("CARGO_MANIFEST_DIR")).join("quiet");
    let mut command = process::command("java");
    command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"]);
    command.arg(format!("{}:{class_path}", quiet.display()));
    command
}

/// Apache's jars but JLine's, one by one.
fn apache_39_without_jline() -> String {
    let class_path = prerequisites::apache_39_class_path();
    let jars = jars(lib_of(&class_path)).into_iter().filter(|jar| !is_jline(jar));
    jars.map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(":")
}

fn lib_of(class_path: &str) -> &str {
    class_path.split(':').find_map(|entry| entry.strip_suffix("/*")).expect("a directory of jars")
}

fn jars(lib: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(lib).unwrap_or_else(|e| panic!("{lib}: {e}"));
    let paths = entries.map(|entry| entry.expect("an entry of a directory").path());
    let mut jars: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "jar")).collect();
    jars.sort();
    jars
}

fn is_jline(jar: &Path) -> bool {
    jar.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jline"))
}

/// What was said since the last look, by stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// A running shell, with both streams in files: nobody needs to drain them.
#[derive(Debug)]
pub struct Shell {
    guard: process::Guard,
    out: File,
    err: File,
    heard: (usize, usize),
    what: String,
}

impl Shell {
    /// Starts `command`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command, what: &str) -> Self {
        let (out, err) = (temporary(), temporary());
        let handle = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
        command.stdin(Stdio::piped()).stdout(handle(&out)).stderr(handle(&err));
        let guard = process::spawn(command).unwrap_or_else(|e| panic!("{what}: {e}"));
        Self { guard, out, err, heard: (0, 0), what: what.to_owned() }
    }

    /// Types; a shell that has ended does not listen any more, which its silence tells.
    pub fn say(&mut self, text: &str) {
        if let Some(stdin) = self.guard.child().stdin.as_mut() {
            let _ = stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// Ends its input.
    pub fn end_input(&mut self) {
        drop(self.guard.child().stdin.take());
    }

    /// All it has said and nobody has taken.
    pub fn fresh(&self) -> Heard {
        Heard { out: read_from(&self.out, self.heard.0), err: read_from(&self.err, self.heard.1) }
    }

    /// Takes so many bytes of standard output, and all of standard error that `fresh` had.
    pub fn take(&mut self, out_bytes: usize, err_bytes: usize) {
        self.heard.0 += out_bytes;
        self.heard.1 += err_bytes;
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.guard.child().try_wait().ok().flatten()
    }

    /// Waits for its end, and returns the exit code.
    ///
    /// # Panics
    /// When it does not end in time, with all it said, or was ended by a signal.
    pub fn wait_ended(&mut self) -> i32 {
        let Some(status) = wait::poll(LIMIT, || self.ended()) else {
            panic!("{} did not end within {LIMIT:?}; it said last: {:?}", self.what, self.fresh());
        };
        status.code().unwrap_or_else(|| panic!("{} ended by a signal: {status}", self.what))
    }
}

fn temporary() -> File {
    tempfile::tempfile().expect("a temporary file")
}

/// Not by seeking: the program writes at the offset that both share.
fn read_from(file: &File, start: usize) -> String {
    let size = file.metadata().expect("a temporary file has a size").len();
    let mut bytes = vec![0; usize::try_from(size).expect("it fits into memory").saturating_sub(start)];
    file.read_exact_at(&mut bytes, start as u64).expect("a temporary file can be read");
    // A character may be half written; the half stays for the next look, which reads from the same place.
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(&e.as_bytes()[..e.utf8_error().valid_up_to()]).into_owned(),
    }
}
