//! `e2e-keeper serve DIR`: the first process of a process namespace; see [`e2e::keeper`].
//! `e2e-keeper mind NETWORK COMMAND...`: runs a command, which is the one above, and clears up behind it; see
//! [`e2e::registry`].
//! `e2e-keeper up`: brings a cluster up, says where its KUBECONFIG is, and holds it until standard input ends.
//! `e2e-keeper volumes DIR`: makes volumes for claims; see [`e2e::volumes`].
#![allow(clippy::print_stdout, reason = "it answers on standard output")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use e2e::keeper::{Answer, ENDED, Order, Program};
use e2e::network::{NETWORKS, Network};
use e2e::{Cluster, Options, registry};
use rustix::process::{WaitOptions, wait};

/// How often it looks for processes that have ended.
const REAP: Duration = Duration::from_millis(50);

/// Names by process id. Locked while a command runs, whose end is not the reaper's affair.
type Programs = Arc<Mutex<BTreeMap<i32, String>>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", dir] => serve(Path::new(dir)),
        ["up"] => hold(),
        ["volumes", dir] => e2e::volumes::serve(Path::new(dir)).map_err(|e| e.to_string()),
        ["mind", network, ref command @ ..] => mind(network, command),
        _ => Err("usage: e2e-keeper up | serve DIR | mind NETWORK COMMAND... | volumes DIR".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("e2e-keeper: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn hold() -> Result<(), String> {
    let cluster = Cluster::up(&Options::default()).map_err(|e| e.to_string())?;
    println!("{}", cluster.kubeconfig().display());
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(|e| format!("read standard input: {e}"))?;
    cluster.down().map_err(|e| e.to_string())
}

/// However the cluster ends, also when whoever has started it was killed: this is the process that sees it.
fn mind(network: &str, command: &[&str]) -> Result<(), String> {
    let number = network.parse::<u8>().ok().filter(|number| *number < NETWORKS);
    let network = number.map(Network::new).ok_or_else(|| format!("there is no network {network}"))?;
    let (program, arguments) = command.split_first().ok_or("a command has a program")?;
    let status = Command::new(program).args(arguments).status().map_err(|e| format!("start {program}: {e}"));
    registry::release(network).map_err(|e| e.to_string())?;
    status.map(drop)
}

fn serve(dir: &Path) -> Result<(), String> {
    // Before a /proc of this namespace takes its place: the number by which those outside know this process.
    let own = std::fs::read_link("/proc/self").map_err(|e| format!("read /proc/self: {e}"))?;
    let own = own.to_string_lossy().parse::<u32>().map_err(|e| format!("/proc/self is {}: {e}", own.display()))?;
    let programs = Programs::default();
    {
        let (programs, ended) = (Arc::clone(&programs), dir.join(ENDED));
        std::thread::spawn(move || reap(&programs, &ended));
    }
    answer(&Ok(own))?;
    let mut stay = false;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| format!("read an order: {e}"))?;
        let order: Order = serde_json::from_str(&line).map_err(|e| format!("read the order {line:?}: {e}"))?;
        stay |= matches!(order, Order::Stay);
        answer(&obey(order, &programs))?;
    }
    if stay {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn answer(answer: &Answer) -> Result<(), String> {
    let line = serde_json::to_string(answer).map_err(|e| format!("write an answer: {e}"))?;
    println!("{line}");
    std::io::stdout().flush().map_err(|e| format!("write an answer: {e}"))
}

fn obey(order: Order, programs: &Programs) -> Answer {
    let mut programs = programs.lock().unwrap_or_else(PoisonError::into_inner);
    match order {
        Order::Stay => Ok(0),
        Order::Run(command) => run(&command).map(|()| 0),
        Order::Start(program) => {
            let pid = start(&program)?;
            programs.insert(pid.cast_signed(), program.name);
            Ok(pid)
        }
    }
}

fn run(command: &[String]) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("a command has a program")?;
    let line = command.join(" ");
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("start `{line}`: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("`{line}` failed: {}", said.trim())) }
}

/// Nobody waits for the child but [`reap`].
fn start(program: &Program) -> Result<u32, String> {
    let log = |path: &PathBuf| File::options().create(true).append(true).open(path);
    let output = log(&program.log).map_err(|e| format!("open {}: {e}", program.log.display()))?;
    let errors = output.try_clone().map_err(|e| format!("open {}: {e}", program.log.display()))?;
    let (name, arguments) = program.command.split_first().ok_or("a program has a path")?;
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors);
    command.spawn().map(|child| child.id()).map_err(|e| format!("start {name}: {e}"))
}

/// The first process of a namespace inherits every orphan in it.
fn reap(programs: &Programs, ended: &Path) {
    loop {
        {
            let mut programs = programs.lock().unwrap_or_else(PoisonError::into_inner);
            while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                if let Some(name) = programs.remove(&pid.as_raw_nonzero().get()) {
                    let how = status.exit_status().map_or_else(
                        || format!("by signal {}", status.terminating_signal().unwrap_or_default()),
                        |code| format!("with exit code {code}"),
                    );
                    note(ended, &format!("{name} has ended {how}"));
                }
            }
        }
        std::thread::sleep(REAP);
    }
}

fn note(path: &Path, line: &str) {
    let file = File::options().create(true).append(true).open(path);
    if let Err(e) = file.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("e2e-keeper: {line}, and {} cannot be written: {e}", path.display());
    }
}
