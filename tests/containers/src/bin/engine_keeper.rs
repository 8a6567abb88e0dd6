//! `engine-keeper DIR`: runs a Docker engine in DIR for as long as its own standard input stays open, then removes
//! every trace of it. It says `ready` when the engine answers, or what is wrong.
//!
//! Started in network and mount namespaces of its own (`unshare --net --mount`): bridges, packet filters and mounts go
//! with the last process in there. The pipe is what ties it to the test program, because a pipe closes however a program
//! ends.
#![allow(clippy::print_stdout, reason = "it talks to the test program on standard output")]

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::wait;

/// How long the engine may take to answer; the first start on a cold machine takes a few seconds.
const START: Duration = Duration::from_secs(60);

/// How long it may take to end.
const STOP: Duration = Duration::from_secs(30);

/// Lines of the engine's log that a failure shows.
const LOG_LINES: usize = 25;

fn main() -> ExitCode {
    let Some(dir) = std::env::args().nth(1).map(PathBuf::from) else {
        println!("usage: engine-keeper DIR");
        return ExitCode::FAILURE;
    };
    let outcome = keep(&dir);
    if let Err(reason) = &outcome {
        println!("{reason}");
    }
    // Left where it is if something is still mounted in there: a directory is a smaller evil than a half-removed one.
    let _ = std::fs::remove_dir_all(&dir);
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keep(dir: &Path) -> Result<(), String> {
    prepare()?;
    let log = dir.join("dockerd.log");
    let mut engine = start(dir, &log)?;
    let outcome = wait_for_answer(dir, &log, &mut engine);
    if outcome.is_ok() {
        println!("ready");
        let told = std::io::stdout().flush();
        // Nobody writes anything; the end of the pipe is the message.
        let ended = std::io::stdin().read_to_end(&mut Vec::new());
        if let Err(e) = told.and(ended.map(drop)) {
            eprintln!("engine-keeper: {e}");
        }
        remove_containers(dir);
    }
    stop(&mut engine);
    remove_control_groups();
    outcome
}

/// Above the control groups of all containers; the engine leaves it behind, empty.
fn control_group() -> String {
    format!("zookube-test-{}", std::process::id())
}

fn remove_control_groups() {
    let own = control_group();
    // One hierarchy, or one for each controller; only empty groups can be removed, which is all that is wanted.
    let _ = std::fs::remove_dir(Path::new("/sys/fs/cgroup").join(&own));
    for hierarchy in Path::new("/sys/fs/cgroup").read_dir().into_iter().flatten().flatten() {
        let _ = std::fs::remove_dir(hierarchy.path().join(&own));
    }
}

/// What the engine needs of its surroundings.
fn prepare() -> Result<(), String> {
    if !Path::new("/sys/fs/cgroup").read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err("/sys/fs/cgroup is empty, and Docker needs control groups. hint: mount them \
                    (`mount -t cgroup2 none /sys/fs/cgroup`), or run where they are"
            .to_owned());
    }
    run("ip", &["link", "set", "lo", "up"])?;
    // A containerd of this machine would be used, and it would look for networks and mounts in its own namespaces.
    let containerd = "/run/containerd";
    std::fs::create_dir_all(containerd).map_err(|e| format!("create {containerd}: {e}"))?;
    run("mount", &["-t", "tmpfs", "tmpfs", containerd])
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("start {program}: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| {
        format!(
            "`{program} {}` failed: {}. hint: this takes CAP_SYS_ADMIN and CAP_NET_ADMIN",
            arguments.join(" "),
            said.trim()
        )
    })
}

fn start(dir: &Path, log: &Path) -> Result<Child, String> {
    // The machine's own settings are not for this engine.
    let settings = dir.join("daemon.json");
    std::fs::write(&settings, "{}\n").map_err(|e| format!("write {}: {e}", settings.display()))?;
    let output = std::fs::File::create(log).map_err(|e| format!("create {}: {e}", log.display()))?;
    let errors = output.try_clone().map_err(|e| format!("open {}: {e}", log.display()))?;
    let in_dir = |name: &str| dir.join(name).display().to_string();
    // Should the keeper be killed, the kernel tells the engine to stop.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--", "dockerd"]);
    command.arg("--config-file").arg(settings).arg("--host").arg(format!("unix://{}", in_dir("docker.sock")));
    command.args(["--data-root", &in_dir("data"), "--exec-root", &in_dir("run"), "--pidfile", &in_dir("pid")]);
    command.arg("--cgroup-parent").arg(format!("/{}", control_group()));
    // Every test makes a bridge of its own.
    command.args(["--bridge", "none"]);
    command.process_group(0).stdin(Stdio::null()).stdout(output).stderr(errors);
    command.spawn().map_err(|e| format!("start dockerd: {e}. hint: `cargo xtask setup` installs Debian's docker.io"))
}

fn docker(dir: &Path, arguments: &[&str]) -> std::io::Result<std::process::Output> {
    let host = format!("unix://{}", dir.join("docker.sock").display());
    Command::new("docker").env("DOCKER_HOST", host).env_remove("DOCKER_CONTEXT").args(arguments).output()
}

fn wait_for_answer(dir: &Path, log: &Path, engine: &mut Child) -> Result<(), String> {
    let answered = wait::poll(START, || {
        if !matches!(engine.try_wait(), Ok(None)) {
            return Some(false);
        }
        docker(dir, &["version"]).is_ok_and(|output| output.status.success()).then_some(true)
    });
    let what = match answered {
        Some(true) => return Ok(()),
        Some(false) => "dockerd ended at once".to_owned(),
        None => format!("dockerd did not answer within {START:?}"),
    };
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    Err(format!("{what}; its log ends:\n{}", lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")))
}

/// Quicker than the engine's own end, which asks every container to stop first.
fn remove_containers(dir: &Path) {
    let Ok(list) = docker(dir, &["ps", "--all", "--quiet"]) else { return };
    let ids = String::from_utf8_lossy(&list.stdout);
    let ids: Vec<&str> = ids.lines().collect();
    if !ids.is_empty() {
        // What stays is stopped together with the engine.
        let _ = docker(dir, &[&["rm", "--force", "--volumes"][..], &ids[..]].concat());
    }
}

fn stop(engine: &mut Child) {
    if let Some(pid) = Pid::from_raw(engine.id().cast_signed()) {
        // One that has ended already needs no signal.
        let _ = kill_process(pid, Signal::TERM);
    }
    if wait::poll(STOP, || engine.try_wait().ok().flatten()).is_none() {
        let _ = engine.kill();
        let _ = engine.wait();
    }
}
