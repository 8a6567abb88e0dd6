//! `cargo xtask bench observers`: what observers cost those who write.
//!
//! Three voters with default settings, and writers on them with one write outstanding each and a pause behind it, so that the
//! processors are not what limits. The same load is measured without observers, with observers that hang on the leader, and with
//! as many that hang on the followers (`observerMasterPort`). The three ensembles run all the while and take turns, so that
//! whatever else the machine does hits them alike; the median of the rounds counts. All servers share the processors and the
//! disk of one machine, so what the observers do for themselves is in the figures too; the leader's own processor time is beside
//! them.

use crate::bench::frames::Template;
use crate::bench::histogram::Histogram;
use crate::bench::proc::{Cpu, Machine};
use crate::bench::server::{Contender, Ensemble, Layout, Workshop};
use crate::bench::session::Session;
use crate::bench::{build, commit, progress};
use crate::paint;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::words;

/// The first word of the command line.
pub const WORD: &str = "observers";
/// Voters of each ensemble.
const VOTERS: usize = 3;
/// What runs unattended must end.
const SECONDS_MAX: u64 = 60;
const ROUNDS_MAX: usize = 99;
const OBSERVERS_MAX: usize = 16;
const WRITERS_MAX: usize = 64;
/// How long a server may take to give a session.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);
/// Not counted at the beginning of a round.
const WARM_UP: Duration = Duration::from_millis(500);
/// How much longer the median write may take with observers than without, at most.
const AIM_PERCENT: f64 = 5.0;

/// What the command prints when asked, or when it does not understand.
pub const USAGE: &str = "\
cargo xtask bench observers [--observers N] [--writers N] [--pause-ms N] [--seconds N] [--rounds N] [--node PATH]

  --observers N     observers added to three voters (default 4)
  --writers N       sessions with one write outstanding each (default 4)
  --pause-ms N      what each waits behind a write (default 10)
  --seconds N       how long one round of one ensemble is measured (default 4)
  --rounds N        rounds whose median counts (default 9)
  --node PATH       measure this zookube-node instead of building the workspace's";

/// A parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Options {
    observers: usize,
    writers: usize,
    pause: Duration,
    seconds: u64,
    rounds: usize,
    node: Option<PathBuf>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options> {
        let pause = Duration::from_millis(10);
        let mut options = Options { observers: 4, writers: 4, pause, seconds: 4, rounds: 9, node: None };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--observers" => options.observers = value()?.parse().context("--observers takes a number")?,
                "--writers" => options.writers = value()?.parse().context("--writers takes a number")?,
                "--pause-ms" => {
                    options.pause = Duration::from_millis(value()?.parse().context("--pause-ms takes a number")?);
                }
                "--seconds" => options.seconds = value()?.parse().context("--seconds takes a number")?,
                "--rounds" => options.rounds = value()?.parse().context("--rounds takes a number")?,
                "--node" => options.node = Some(PathBuf::from(value()?)),
                other => bail!("unknown option {other}\n\n{USAGE}"),
            }
        }
        ensure!((1..=OBSERVERS_MAX).contains(&options.observers), "--observers must lie between 1 and {OBSERVERS_MAX}");
        ensure!((1..=WRITERS_MAX).contains(&options.writers), "--writers must lie between 1 and {WRITERS_MAX}");
        ensure!((1..=SECONDS_MAX).contains(&options.seconds), "--seconds must lie between 1 and {SECONDS_MAX}");
        ensure!((1..=ROUNDS_MAX).contains(&options.rounds), "--rounds must lie between 1 and {ROUNDS_MAX}");
        Ok(options)
    }
}

/// One round of one ensemble.
#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    p50_us: f64,
    p99_us: f64,
    writes_per_second: f64,
    /// Share of one core that the leader took.
    leader_cpu: f64,
    /// The same of everything on the machine, to be well below its cores.
    machine_cpu: f64,
}

/// One ensemble's rounds.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    rounds: Vec<Round>,
}

/// Everything measured.
#[derive(Debug, Serialize)]
struct Report {
    commit: String,
    command: String,
    machine: Machine,
    rows: Vec<Row>,
}

/// Runs it with the words behind `observers`.
///
/// # Errors
/// When an option is wrong, something is missing, or a server fails.
pub fn run(args: &[String], root: &Path, results: &Path) -> Result<()> {
    let options = Options::parse(args)?;
    let node = match &options.node {
        Some(path) => path.canonicalize().with_context(|| format!("find {}", path.display()))?,
        None => build(root)?,
    };
    let dir = tempfile::Builder::new().prefix("observers-").tempdir_in(results)?;
    let machine = Machine::look(results)?;
    let rows = measure(&Workshop { node, dir }, &options)?;
    let command = format!("cargo xtask bench observers {}", args.join(" ")).trim_end().to_owned();
    let report = Report { commit: commit(root)?, command, machine, rows };
    let path = results.join(format!("observers-{}.json", report.commit));
    std::fs::write(&path, serde_json::to_string_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))?;
    print!("{}", report.text());
    progress(&format!("raw figures in {}", path.display()));
    Ok(())
}

fn measure(workshop: &Workshop, options: &Options) -> Result<Vec<Row>> {
    let observers = options.observers;
    let layouts = [
        ("no observers".to_owned(), Layout { voters: VOTERS, observers: 0, masters: false }),
        (format!("{observers} on the leader"), Layout { voters: VOTERS, observers, masters: false }),
        (format!("{observers} on the followers"), Layout { voters: VOTERS, observers, masters: true }),
    ];
    let mut rows = Vec::new();
    let mut ensembles = Vec::new();
    for (number, (name, layout)) in layouts.into_iter().enumerate() {
        progress(&format!("start {VOTERS} voters with {name}"));
        ensembles.push(workshop.start_layout(Contender::Ours, layout, &format!("observers-{number}"))?);
        rows.push(Row { name, rounds: Vec::new() });
    }
    for number in 1..=options.rounds {
        for (ensemble, row) in ensembles.iter().zip(&mut rows) {
            let round = round(ensemble, options).with_context(|| row.name.clone())?;
            progress(&format!(
                "round {number}, {}: p50 {:.0} µs, p99 {:.0} µs, {:.0} writes/s, leader {:.2}, machine {:.2} cores",
                row.name, round.p50_us, round.p99_us, round.writes_per_second, round.leader_cpu, round.machine_cpu
            ));
            row.rounds.push(round);
        }
    }
    Ok(rows)
}

/// The load on the voters of one ensemble for a while.
fn round(ensemble: &Ensemble, options: &Options) -> Result<Round> {
    let voters = &ensemble.addrs()[..VOTERS];
    let mode = |addr: &SocketAddr| words::srvr_field(*addr, "Mode");
    let leader = voters.iter().position(|addr| mode(addr).as_deref() == Some("leader")).context("nobody leads")?;
    let leader = ensemble.servers[leader].pid()?;
    let begin = Instant::now() + WARM_UP;
    let end = begin + Duration::from_secs(options.seconds);
    let writers: Vec<_> = (0..options.writers)
        .map(|number| {
            let (addr, pause) = (voters[number % VOTERS], options.pause);
            std::thread::spawn(move || write(number, addr, pause, begin..end))
        })
        .collect();
    std::thread::sleep(begin.saturating_duration_since(Instant::now()));
    let before = Cpu::of(&[leader]);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    let after = Cpu::of(&[leader]);
    let mut all = Histogram::default();
    for writer in writers {
        all.merge(&writer.join().map_err(|_| anyhow::anyhow!("a writer has panicked"))??);
    }
    ensure!(all.total() > 0, "nothing was written");
    let seconds = options.seconds as f64;
    Ok(Round {
        p50_us: all.quantile_us(0.5),
        p99_us: all.quantile_us(0.99),
        writes_per_second: all.total() as f64 / seconds,
        leader_cpu: (after.processes - before.processes) / seconds,
        machine_cpu: (after.machine - before.machine) / seconds,
    })
}

/// Writes and pauses until the end; counts what was asked for within the span.
fn write(number: usize, addr: SocketAddr, pause: Duration, span: std::ops::Range<Instant>) -> Result<Histogram> {
    let mut session = Session::open_patiently(addr, OPEN_PATIENCE)?;
    let path = format!("/bench-{number:06}");
    session.ensure_znode(&path)?;
    let set = Template::set(&path);
    let mut histogram = Histogram::default();
    while Instant::now() < span.end {
        let asked = Instant::now();
        let error = session.call(&set)?;
        ensure!(error == 0, "set {path} at {addr}: error {error}");
        if span.contains(&asked) {
            histogram.record(asked.elapsed());
        }
        std::thread::sleep(pause);
    }
    session.close()?;
    Ok(histogram)
}

impl Row {
    /// The median of a figure; of an even number of rounds, the upper one.
    fn median(&self, figure: fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    }
}

impl Report {
    fn text(&self) -> String {
        let Machine { cpu, cores, memory_mib, kernel, load_average_before, fdatasync_us } = &self.machine;
        let mut out = format!("{}\n", paint::bold(&format!("zookube {}: writes beside observers", self.commit)));
        out += &format!("{}; {VOTERS} voters\n", self.command);
        out += &format!("{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, load {load_average_before}\n");
        out += &format!("fdatasync of 512 B: median {:.0} µs, p99 {:.0} µs\n\n", fdatasync_us[0], fdatasync_us[1]);
        let head = format!(
            "{:<20} {:>9} {:>9} {:>9} {:>12} {:>13}",
            "median of rounds", "p50, µs", "p99, µs", "writes/s", "leader, core", "machine, core"
        );
        out += &format!("{}\n", paint::bold(&head));
        for row in &self.rows {
            out += &format!(
                "{:<20} {:>9.0} {:>9.0} {:>9.0} {:>12.3} {:>13.2}\n",
                row.name,
                row.median(|round| round.p50_us),
                row.median(|round| round.p99_us),
                row.median(|round| round.writes_per_second),
                row.median(|round| round.leader_cpu),
                row.median(|round| round.machine_cpu)
            );
        }
        out.push('\n');
        self.aims(&mut out);
        out
    }

    fn aims(&self, out: &mut String) {
        let Some((without, others)) = self.rows.split_first() else { return };
        for row in others {
            let p50 = |row: &Row| row.median(|round| round.p50_us);
            let percent = (p50(row) / p50(without) - 1.0) * 100.0;
            let verdict = if percent <= AIM_PERCENT { paint::green("met") } else { paint::red("MISSED") };
            *out += &format!(
                "aim: p50 with {} at most {AIM_PERCENT:.0} % longer, found {percent:+.1} %: {verdict}\n",
                row.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_are_read_in_any_order() {
        let options = check("--pause-ms 3 --rounds 5 --observers 8").unwrap();
        assert_eq!((options.observers, options.rounds, options.pause), (8, 5, Duration::from_millis(3)));
        for line in ["--observer 3", "--rounds", "--rounds 0", "--observers 17", "--writers 0", "--seconds 61"] {
            assert!(check(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_median_is_of_each_figure() {
        let round =
            |p50_us, p99_us| Round { p50_us, p99_us, writes_per_second: 0.0, leader_cpu: 0.0, machine_cpu: 0.0 };
        let row = Row { name: String::new(), rounds: vec![round(3.0, 1.0), round(1.0, 2.0), round(2.0, 9.0)] };
        assert_eq!((row.median(|r| r.p50_us), row.median(|r| r.p99_us)), (2.0, 2.0));
    }
}
