//! The result: everything raw as JSON, and the comparison as a markdown table.

use crate::bench::big_tree::{Memory, Starts, best_and_median};
use crate::bench::cells::{Cell, Sample, median};
use crate::bench::options::Options;
use crate::bench::proc::Machine;
use crate::bench::server::{Contender, JAVA_OPTIONS};
use serde::Serialize;
use std::fmt::Write;
use std::process::Command;

/// Cores that work of others may take before the figures are called spoilt: kernel threads need some.
const OTHERS_CPU_MAX: f64 = 0.25;

/// All that a reader needs to judge the figures, or to make them again.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The commit measured, with `-dirty` where files differ from it.
    pub commit: String,
    /// Seconds since 1970 at the start.
    pub started_unix_seconds: u64,
    /// The command as given.
    pub command: String,
    /// What it was taken to mean.
    pub options: Options,
    /// Where.
    pub machine: Machine,
    /// Of what.
    pub versions: Versions,
    /// Throughput and latency, in the order measured.
    pub cells: Vec<CellResult>,
    /// Memory.
    pub memory: Vec<Memory>,
    /// Start times.
    pub starts: Vec<Starts>,
}

/// Versions of what takes part.
#[derive(Debug, Serialize)]
pub struct Versions {
    /// Our server's answer to `version`.
    pub ours: String,
    /// The reference.
    pub apache: &'static str,
    /// First line of `java -version`.
    pub java: String,
    /// Options of the virtual machine.
    pub java_options: Vec<&'static str>,
    /// `rustc --version`.
    pub rustc: String,
}

/// A cell's rounds, contender by contender.
#[derive(Debug, Serialize)]
pub struct CellResult {
    /// The cell.
    pub name: &'static str,
    /// Servers in the ensemble.
    pub servers: usize,
    /// Requests outstanding per session.
    pub window: usize,
    /// Rounds of each.
    pub rounds: Vec<(Contender, Vec<Sample>)>,
}

impl CellResult {
    /// Without rounds yet.
    pub fn new(cell: &Cell) -> CellResult {
        CellResult { name: cell.name, servers: cell.servers, window: cell.window, rounds: Vec::new() }
    }

    /// Adds a round.
    pub fn add(&mut self, contender: Contender, sample: Sample) {
        match self.rounds.iter_mut().find(|(who, _)| *who == contender) {
            Some((_, samples)) => samples.push(sample),
            None => self.rounds.push((contender, vec![sample])),
        }
    }

    fn median(&self, contender: Contender) -> Option<Sample> {
        let (_, samples) = self.rounds.iter().find(|(who, _)| *who == contender)?;
        median(samples)
    }
}

impl Versions {
    /// Asks the programs.
    pub fn ask(node: &std::path::Path) -> Versions {
        Versions {
            ours: first_line(Command::new(node).arg("version")),
            apache: "3.9.5",
            java: first_line(Command::new("java").arg("-version")),
            java_options: JAVA_OPTIONS.to_vec(),
            rustc: first_line(Command::new("rustc").arg("--version")),
        }
    }
}

/// What a command says first, on either stream; a note in its place when it cannot be asked.
pub fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.output() else { return "unknown".to_owned() };
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
}

impl Report {
    /// The comparison for people.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        self.heading(&mut out);
        self.throughput(&mut out);
        self.memory_table(&mut out);
        self.starts_table(&mut out);
        self.aims(&mut out);
        out
    }

    fn heading(&self, out: &mut String) {
        let Machine { cpu, cores, memory_mib, kernel, load_average_before, fdatasync_us } = &self.machine;
        let rounds = self.options.rounds;
        line(out, &format!("## zookube {} beside Apache ZooKeeper {}\n", self.commit, self.versions.apache));
        line(out, &format!("`{}`, {rounds} round(s) in turns, medians; 100 B of data, 30 sessions  ", self.command));
        line(out, &format!("{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, load {load_average_before}  "));
        let [median, p99] = fdatasync_us;
        line(out, &format!("fdatasync of 512 B: median {median:.0} µs, p99 {p99:.0} µs  "));
        let Versions { ours, java, java_options, rustc, .. } = &self.versions;
        line(out, &format!("{ours} ({rustc}); {java}, {}\n", java_options.join(" ")));
    }

    fn throughput(&self, out: &mut String) {
        if self.cells.is_empty() {
            return;
        }
        line(out, "CPU: cores used by servers + generator + others. Wake-ups: of server threads, per request.\n");
        line(
            out,
            "| cell | who | ops/s | p50 µs | p99 µs | p99.9 µs | CPU | µs CPU/op | wake-ups/op | ops/s ratio | p99 ratio |",
        );
        line(out, "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        for cell in &self.cells {
            let ours = cell.median(Contender::Ours);
            for (contender, samples) in &cell.rounds {
                let Some(sample) = median(samples) else { continue };
                let ratio = |figure: fn(&Sample) -> f64| match (contender, ours) {
                    (Contender::Ours, _) | (_, None) => String::new(),
                    (_, Some(ours)) => format!("{:.2}", figure(&ours) / figure(&sample)),
                };
                line(out, &row(cell.name, *contender, &sample, &ratio(|s| s.ops_per_second), &ratio(|s| s.p99_us)));
            }
        }
        line(out, "\nRatios: ours divided by the row's.\n");
        let medians = self.cells.iter().flat_map(|cell| &cell.rounds).filter_map(|(_, samples)| median(samples));
        let others = medians.map(|sample| sample.others_cpu).fold(0.0, f64::max);
        if others > OTHERS_CPU_MAX {
            line(
                out,
                &format!(
                    "**NOT A QUIET MACHINE**: up to {others:.2} cores went to other work; latencies mean nothing.\n"
                ),
            );
        }
    }

    fn memory_table(&self, out: &mut String) {
        if self.memory.is_empty() {
            return;
        }
        line(out, "| memory | znodes | RSS empty | RSS full | beyond segment and data | RSS restarted | creates/s |");
        line(out, "|---|--:|--:|--:|--:|--:|--:|");
        for memory in &self.memory {
            let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
            let restarted = memory.restarted_bytes.map_or_else(String::new, mib);
            let (empty, full) = (mib(memory.empty_bytes), mib(memory.full_bytes));
            let (who, each) = (memory.contender.name(), memory.overhead_per_znode_bytes);
            let rate = memory.creates_per_second;
            line(
                out,
                &format!("| {who} | {} | {empty} | {full} | {each:.0} B | {restarted} | {rate:.0} |", memory.znodes),
            );
        }
        line(out, "");
    }

    fn starts_table(&self, out: &mut String) {
        if self.starts.is_empty() {
            return;
        }
        line(
            out,
            "| exec to first answer | znodes | starts | ruok best | ruok median | session best | session median |",
        );
        line(out, "|---|--:|--:|--:|--:|--:|--:|");
        for starts in &self.starts {
            let (ruok, ruok_median) = best_and_median(&starts.ruok_ms);
            let (session, session_median) = best_and_median(&starts.session_ms);
            let (who, znodes, count) = (starts.contender.name(), starts.znodes, starts.ruok_ms.len());
            let times = format!("{ruok:.1} ms | {ruok_median:.1} ms | {session:.1} ms | {session_median:.1} ms");
            line(out, &format!("| {who} | {znodes} | {count} | {times} |"));
        }
        line(out, "");
    }

    fn aims(&self, out: &mut String) {
        let mut rows = Vec::new();
        for cell in &self.cells {
            let Some(ours) = cell.median(Contender::Ours) else { continue };
            if let Some(echo) = cell.median(Contender::Echo).filter(|_| cell.window == 1) {
                let share = ours.ops_per_second / echo.ops_per_second;
                rows.push((format!("{}: share of the echo", cell.name), share, 0.6, Better::Higher));
            }
            let Some(apache) = cell.median(Contender::Apache) else { continue };
            let ratio = ours.ops_per_second / apache.ops_per_second;
            if cell.name.contains("set") {
                rows.push((format!("{}: throughput", cell.name), ratio, 2.0, Better::Higher));
            } else if cell.window > 1 && cell.name.contains("get") {
                rows.push((format!("{}: throughput", cell.name), ratio, 10.0, Better::Higher));
            }
            rows.push((format!("{}: p99", cell.name), ours.p99_us / apache.p99_us, 1.0 / 3.0, Better::Lower));
        }
        if let [ours, apache] = &self.memory[..] {
            let ratio = ours.full_bytes as f64 / apache.full_bytes as f64;
            rows.push(("RSS with the large tree".to_owned(), ratio, 0.25, Better::Lower));
            let ratio = ours.empty_bytes as f64 / apache.empty_bytes as f64;
            rows.push(("RSS empty".to_owned(), ratio, 0.25, Better::Lower));
        }
        if let Some(ours) = self.memory.iter().find(|memory| memory.contender == Contender::Ours) {
            rows.push(("bytes per znode".to_owned(), ours.overhead_per_znode_bytes, 160.0, Better::Lower));
        }
        if let Some(ours) = self.starts.iter().find(|starts| starts.contender == Contender::Ours && starts.znodes == 0)
        {
            rows.push(("first answer, ms (median)".to_owned(), best_and_median(&ours.ruok_ms).1, 50.0, Better::Lower));
        }
        line(out, "| aim | found | wanted | |\n|---|--:|--:|---|");
        for (name, found, wanted, better) in rows {
            let (sign, met) = match better {
                Better::Higher => ("≥", found >= wanted),
                Better::Lower => ("≤", found <= wanted),
            };
            line(
                out,
                &format!("| {name} | {found:.2} | {sign} {wanted:.2} | {} |", if met { "met" } else { "MISSED" }),
            );
        }
    }
}

enum Better {
    Higher,
    Lower,
}

fn row(cell: &str, contender: Contender, sample: &Sample, throughput: &str, p99: &str) -> String {
    let who = contender.name();
    let Sample { ops_per_second, p50_us, p99_us, p999_us, server_cpu, generator_cpu, others_cpu, .. } = sample;
    let each = server_cpu * 1e6 / ops_per_second;
    let wakeups = sample.wakeups_per_op;
    let mut text = format!("| {cell} | {who} | {ops_per_second:.0} | {p50_us:.0} | {p99_us:.0} | {p999_us:.0} ");
    let cpu = format!("{server_cpu:.2}+{generator_cpu:.2}+{others_cpu:.2}");
    // Writing to a string cannot fail.
    let _ = write!(text, "| {cpu} | {each:.2} | {wakeups:.3} | {throughput} | {p99} |");
    text
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
