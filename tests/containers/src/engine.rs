//! The Docker engine that the tests use: one that answers, or one that they start.
//!
//! An engine of their own lives in its own network and mount namespaces, kept by the program `engine-keeper`, which ends
//! it when this process ends, however it ends. Bridges, addresses, packet filters and published ports are then those of
//! the namespace: they collide with nothing and there is no way out. A thread that wants to talk to containers has to be
//! in there; [`engine`] moves the caller, and the threads and programs it starts from then on inherit that.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use support::external::{self, Said};
use support::process;

/// The label on everything the tests make; its value is the process id of the test program.
pub const LABEL: &str = "dev.zookube.test";

/// How long one call of `docker` may take; building an image is the longest.
const CALL: Duration = Duration::from_secs(180);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A name for something of this process, unlike every other name of it.
pub fn unique_name(what: &str) -> String {
    format!("zookube-test-{}-{}-{what}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The label of this process, as an option of `docker`.
pub fn label() -> String {
    format!("--label={LABEL}={}", std::process::id())
}

/// An engine that answers.
#[derive(Debug)]
pub struct Engine {
    own: Option<Own>,
}

/// What there is of an engine that was started for this process.
#[derive(Debug)]
struct Own {
    /// For `DOCKER_HOST`.
    host: String,
    /// The engine's network.
    namespace: File,
    /// Held for the pipe to its standard input: when that closes, the keeper clears up.
    _keeper: Child,
    /// Its directory, which the keeper removes.
    dir: PathBuf,
}

/// The engine, with the calling thread on its network.
///
/// # Panics
/// When none answers and none can be started; the message says what is missing.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(Engine::obtain);
    engine.enter();
    engine
}

impl Engine {
    fn obtain() -> Self {
        let answers = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
        if answers.is_ok_and(|output| output.status.success()) {
            let engine = Self { own: None };
            engine.remove_leftovers();
            return engine;
        }
        assert!(
            rustix::process::geteuid().is_root(),
            "no Docker engine answers, and starting one takes root. hint: run the tests as root, or start an engine and \
             let `docker version` reach it"
        );
        let engine = Self { own: Some(Own::start()) };
        engine.remove_leftovers();
        engine
    }

    /// Moves the calling thread to the engine's network; an engine that was there before shares this machine's.
    fn enter(&self) {
        let Some(own) = &self.own else { return };
        move_into_link_name_space(own.namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .unwrap_or_else(|e| panic!("enter the network of the engine in {}: {e}", own.dir.display()));
    }

    /// A program that talks to this engine, as `docker` and Compose find it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = process::command(program);
        if let Some(own) = &self.own {
            command.env("DOCKER_HOST", &own.host).env_remove("DOCKER_CONTEXT");
        }
        // The newer builder is a plug-in that not everybody has; both make the same image.
        command.env("DOCKER_BUILDKIT", "0");
        command
    }

    /// Runs `docker` with `arguments` to its end, whatever it answers.
    ///
    /// # Panics
    /// When it cannot be started or does not end.
    pub fn ask<S: AsRef<str>>(&self, arguments: &[S]) -> Said {
        let mut command = self.command("docker");
        command.args(arguments.iter().map(AsRef::as_ref));
        external::run(command, "", CALL)
    }

    /// Runs `docker` with `arguments` and returns what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn docker<S: AsRef<str>>(&self, arguments: &[S]) -> String {
        let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        self.ask(arguments).expect_success(&format!("docker {}", words.join(" "))).trim().to_owned()
    }

    /// Removes what killed test programs have left on an engine that is not ours.
    fn remove_leftovers(&self) {
        let format = format!("--format={{{{.ID}}}} {{{{.Label \"{LABEL}\"}}}}");
        let filter = format!("--filter=label={LABEL}");
        for (list, remove) in [
            (&["ps", "--all"][..], &["rm", "--force", "--volumes"][..]),
            (&["network", "ls"], &["network", "rm"]),
            (&["volume", "ls"], &["volume", "rm"]),
        ] {
            // A volume has no id; its name serves.
            let format = if list[0] == "volume" { format.replace("{{.ID}}", "{{.Name}}") } else { format.clone() };
            for line in self.docker(&[list, &[&filter, &format]].concat()).lines() {
                let Some((id, pid)) = line.split_once(' ') else { continue };
                if !Path::new("/proc").join(pid).exists() {
                    self.docker(&[remove, &[id]].concat());
                }
            }
        }
    }
}

impl Own {
    fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("zookube-docker-").tempdir().expect("a temporary directory").keep();
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "--"]).arg(keeper_program()).arg(&dir);
        // Not in the terminal's group: Ctrl-C must end the tests, and the keeper must live to clear up.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().unwrap_or_else(|e| {
            panic!("start engine-keeper with unshare: {e}. hint: install Debian's package util-linux")
        });
        let mut first = String::new();
        let mut said = BufReader::new(keeper.stdout.take().expect("standard output is a pipe"));
        said.read_line(&mut first).expect("the keeper's first line can be read");
        if first != "ready\n" {
            let mut rest = String::new();
            // What it has said up to here is worth showing even if the rest cannot be read.
            let _ = said.read_to_string(&mut rest);
            panic!("no Docker engine answers, and none could be started: {first}{rest}");
        }
        let namespace = File::open(format!("/proc/{}/ns/net", keeper.id())).expect("the engine's network namespace");
        let host = format!("unix://{}", dir.join("docker.sock").display());
        Self { host, namespace, _keeper: keeper, dir }
    }
}

/// The program `engine-keeper`, which Cargo builds beside the tests of this package.
fn keeper_program() -> PathBuf {
    let exe = std::env::current_exe().expect("a running program has a path");
    let places = exe.ancestors().skip(1).take(2).map(|dir| dir.join("engine-keeper"));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("engine-keeper is not built beside {}: run `cargo xtask test containers`", exe.display())
    })
}
