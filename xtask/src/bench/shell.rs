//! `cargo xtask bench shell`: how long a command takes from its start to its answer, in our shell and in Apache's.
//!
//! The same command goes to the same server; the shells take turns, so that whatever else the machine does hits both, and the median counts.
//! The time ends with the line that answers, which is what a reader waits for, and again with the process.

use crate::bench::server::{Contender, Workshop};
use crate::bench::{build, commit, progress};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::prerequisites;

/// The first word of the command line.
pub const WORD: &str = "shell";
/// What runs unattended must end.
const ROUNDS_MAX: usize = 199;

/// What the command prints when asked, or when it does not understand.
pub const USAGE: &str = "\
cargo xtask bench shell [--rounds N] [--node PATH]

  --rounds N        commands of each shell whose median counts (default 21)
  --node PATH       measure this zookube-node instead of building the workspace's";

/// A shell, and what it took: to the answer and to the end, round by round.
struct Row {
    name: &'static str,
    answers: Vec<Duration>,
    ends: Vec<Duration>,
}

/// Runs it with the words behind `shell`.
///
/// # Errors
/// When an option is wrong, something is missing, or a shell does not answer.
pub fn run(args: &[String], root: &Path, results: &Path) -> Result<()> {
    let (rounds, node) = parse(args)?;
    let node = match node {
        Some(path) => path.canonicalize().with_context(|| format!("find {}", path.display()))?,
        None => build(root)?,
    };
    let dir = tempfile::Builder::new().prefix("shell-").tempdir_in(results)?;
    let workshop = Workshop { node: node.clone(), dir };
    let ensemble = workshop.start(Contender::Ours, 1, "shell")?;
    let server = ensemble.servers.first().context("one server was asked for")?.addr().to_string();
    let mut rows = ["zookube", "Apache 3.9.5"].map(|name| Row { name, answers: Vec::new(), ends: Vec::new() });
    for round in 0..=rounds {
        progress(&format!("round {round} of {rounds}"));
        for row in &mut rows {
            let command = if row.name == "zookube" { ours(&node) } else { apaches() };
            let (answer, end) = time(command, &server).with_context(|| row.name)?;
            // The first round fills the caches of the disk.
            if round > 0 {
                row.answers.push(answer);
                row.ends.push(end);
            }
        }
    }
    println!("{}", markdown(&rows, rounds, &commit(root)?));
    Ok(())
}

fn parse(args: &[String]) -> Result<(usize, Option<PathBuf>)> {
    let (mut rounds, mut node) = (21, None);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
        match word.as_str() {
            "--rounds" => rounds = value()?.parse().context("--rounds takes a number")?,
            "--node" => node = Some(PathBuf::from(value()?)),
            other => bail!("unknown option {other}\n\n{USAGE}"),
        }
    }
    ensure!((1..=ROUNDS_MAX).contains(&rounds), "--rounds must lie between 1 and {ROUNDS_MAX}");
    Ok((rounds, node))
}

fn ours(node: &Path) -> Command {
    let mut command = Command::new(node);
    command.arg("zkCli.sh");
    command
}

/// As the script starts it, with the heap it asks for.
fn apaches() -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-cp", &prerequisites::apache_39_class_path(), "org.apache.zookeeper.ZooKeeperMain"]);
    command
}

/// How long it takes to the line that answers, and to the end.
fn time(mut command: Command, server: &str) -> Result<(Duration, Duration)> {
    command.args(["-server", server, "ls", "/"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().context("start the shell")?;
    let lines = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
    let mut answered = None;
    for line in lines {
        if line.context("read what it says")? == "[zookeeper]" {
            answered.get_or_insert_with(|| began.elapsed());
        }
    }
    let status = child.wait().context("wait for the shell")?;
    ensure!(status.success(), "it ended with {status}");
    Ok((answered.context("it did not answer `[zookeeper]`")?, began.elapsed()))
}

fn markdown(rows: &[Row], rounds: usize, commit: &str) -> String {
    let ms = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).map_or(0.0, |median| median.as_secs_f64() * 1e3)
    };
    let mut text = format!(
        "`zkCli.sh -server HOST ls /`, medians of {rounds}, commit {commit}\n\n\
         | Shell | To the answer | To the end |\n| --- | --- | --- |\n"
    );
    for row in rows {
        text += &format!("| {} | {:.1} ms | {:.1} ms |\n", row.name, ms(row.answers.clone()), ms(row.ends.clone()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_bounded() {
        let parse = |line: &str| parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(parse("--rounds 3 --node x").unwrap(), (3, Some(PathBuf::from("x"))));
        for line in ["--rounds 0", "--rounds 200", "--rounds", "--what"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_median_counts() {
        let times = |ms: [u64; 3]| ms.map(Duration::from_millis).to_vec();
        let row = Row { name: "one", answers: times([30, 10, 20]), ends: times([3, 1, 2]) };
        assert!(markdown(&[row], 3, "abc").ends_with("| one | 20.0 ms | 2.0 ms |\n"));
    }
}
