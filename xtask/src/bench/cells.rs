//! The throughput cells: what the sessions ask for, and one measurement of it.

use crate::bench::frames::{Expected, Template};
use crate::bench::load::{self, Requests, Span};
use crate::bench::options::Options;
use crate::bench::proc::{self, Cpu};
use crate::bench::server::{Contender, Ensemble};
use crate::bench::session::Session;
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::time::Duration;

/// Sessions of every cell.
pub const SESSIONS: usize = 30;
/// The deep window.
pub const PIPELINED: usize = 50;
/// Reads for each write in the mixed cell.
const READS_PER_WRITE: usize = 10;
/// How long a server may take to give a session.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);

/// What the sessions of a cell do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Each reads its own znode.
    Get,
    /// All read one znode.
    GetShared,
    /// Each writes its own znode.
    Set,
    /// Each reads its own znode ten times and writes it once, over and over.
    Mixed,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    /// Its name, also on the command line.
    pub name: &'static str,
    /// Size of the ensemble.
    pub servers: usize,
    /// What is asked.
    pub work: Work,
    /// Requests outstanding per session.
    pub window: usize,
}

const fn cell(name: &'static str, servers: usize, work: Work, window: usize) -> Cell {
    Cell { name, servers, work, window }
}

/// All of them.
pub const CELLS: [Cell; 14] = [
    cell("1s-get-1", 1, Work::Get, 1),
    cell("1s-get-50", 1, Work::Get, PIPELINED),
    cell("1s-getshared-1", 1, Work::GetShared, 1),
    cell("1s-getshared-50", 1, Work::GetShared, PIPELINED),
    cell("1s-set-1", 1, Work::Set, 1),
    cell("1s-set-50", 1, Work::Set, PIPELINED),
    cell("1s-mixed-50", 1, Work::Mixed, PIPELINED),
    cell("3s-get-1", 3, Work::Get, 1),
    cell("3s-get-50", 3, Work::Get, PIPELINED),
    cell("3s-getshared-1", 3, Work::GetShared, 1),
    cell("3s-getshared-50", 3, Work::GetShared, PIPELINED),
    cell("3s-set-1", 3, Work::Set, 1),
    cell("3s-set-50", 3, Work::Set, PIPELINED),
    cell("3s-mixed-50", 3, Work::Mixed, PIPELINED),
];

impl Cell {
    /// Whether the echo is measured beside it.
    pub fn has_echo(&self) -> bool {
        self.servers == 1 && self.work == Work::Get
    }
}

/// One round of one cell with one contender. CPU figures are shares of one core; a machine has as many as cores.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Requests answered and checked.
    pub ops: u64,
    /// In this time.
    pub seconds: f64,
    /// Their ratio.
    pub ops_per_second: f64,
    /// Latencies in µs: median.
    pub p50_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// 99 % of the writes alone; 0 where there are none.
    pub write_p99_us: f64,
    /// The load generator's thread.
    pub generator_cpu: f64,
    /// All processes of the contender.
    pub server_cpu: f64,
    /// Everything else on the machine, to be near 0.
    pub others_cpu: f64,
    /// Times a thread of the servers had to be woken, per request.
    pub wakeups_per_op: f64,
}

/// Endless requests over one or two templates per session.
struct Repeat {
    templates: Vec<(Template, Option<Template>)>,
    every: usize,
    issued: Vec<usize>,
}

impl Requests for Repeat {
    fn next(&mut self, session: usize, xid: i32, out: &mut Vec<u8>) -> Option<Expected> {
        let (usual, rare) = &self.templates[session];
        let issued = &mut self.issued[session];
        *issued += 1;
        match rare {
            Some(rare) if issued.is_multiple_of(self.every) => Some(rare.append(xid, out)),
            _ => Some(usual.append(xid, out)),
        }
    }
}

fn path_of(work: Work, session: usize) -> String {
    match work {
        Work::GetShared => "/bench-shared".to_owned(),
        Work::Get | Work::Set | Work::Mixed => format!("/bench-{session:06}"),
    }
}

/// Opens the sessions, spread evenly over the servers, and makes sure that each sees its znode.
fn open(ensemble: &Ensemble, work: Work) -> Result<Vec<Session>> {
    let addrs = ensemble.addrs();
    let mut sessions = Vec::with_capacity(SESSIONS);
    for index in 0..SESSIONS {
        let mut session = Session::open_patiently(addrs[index % addrs.len()], OPEN_PATIENCE)?;
        session.ensure_znode(&path_of(work, index))?;
        // Where it was there already, the server of this session may be behind.
        ensure!(session.call(&Template::sync("/")).context("sync")? == 0, "sync is refused");
        sessions.push(session);
    }
    Ok(sessions)
}

/// Measures a cell once.
///
/// # Errors
/// When a server fails or answers wrongly.
pub fn measure(cell: &Cell, ensemble: &Ensemble, options: &Options) -> Result<Sample> {
    let context = || format!("{} with {}", cell.name, ensemble.contender.name());
    let span = Span::For { warm_up: options.warm_up(), measure: options.measure() };
    measure_span(cell, ensemble, span).with_context(context)
}

/// Runs a cell without keeping the figures: a virtual machine must have compiled what is measured later.
///
/// # Errors
/// As [`measure`].
pub fn warm_up(cell: &Cell, ensemble: &Ensemble, time: Duration) -> Result<()> {
    if ensemble.contender != Contender::Apache {
        return Ok(());
    }
    let span = Span::For { warm_up: time, measure: Duration::from_millis(100) };
    measure_span(cell, ensemble, span).with_context(|| format!("warm up {}", cell.name)).map(drop)
}

fn measure_span(cell: &Cell, ensemble: &Ensemble, span: Span) -> Result<Sample> {
    let sessions = open(ensemble, cell.work)?;
    let templates = (0..SESSIONS).map(|index| {
        let path = path_of(cell.work, index);
        match cell.work {
            Work::Get | Work::GetShared => (Template::get(&path), None),
            Work::Set => (Template::set(&path), None),
            Work::Mixed => (Template::get(&path), Some(Template::set(&path))),
        }
    });
    // Sessions begin at different places of the cycle, or they would all write at once.
    let every = READS_PER_WRITE + 1;
    let issued = (0..SESSIONS).map(|index| index % every).collect();
    let mut requests = Repeat { templates: templates.collect(), every, issued };
    let pids = ensemble.pids()?;
    let mut marks = Vec::with_capacity(2);
    let switches = proc::switches(&pids);
    let (measured, sessions) = load::run(sessions, &mut requests, cell.window, span, || marks.push(Cpu::of(&pids)))?;
    let switches = proc::switches(&pids).saturating_sub(switches);
    for session in sessions {
        session.close()?;
    }
    let [from, to] = marks[..] else { anyhow::bail!("the load marked {} times, expected 2", marks.len()) };
    let seconds = measured.seconds;
    let mut all = measured.reads;
    all.merge(&measured.writes);
    ensure!(measured.ops > 0, "nothing was answered in {seconds} s");
    assert_eq!(all.total(), measured.ops, "every counted reply has a latency");
    let server_cpu = (to.processes - from.processes) / seconds;
    let machine_cpu = (to.machine - from.machine) / seconds;
    Ok(Sample {
        ops: measured.ops,
        seconds,
        ops_per_second: measured.ops as f64 / seconds,
        p50_us: all.quantile_us(0.5),
        p99_us: all.quantile_us(0.99),
        p999_us: all.quantile_us(0.999),
        max_us: all.max_us(),
        write_p99_us: measured.writes.quantile_us(0.99),
        generator_cpu: measured.generator_cpu,
        server_cpu,
        others_cpu: (machine_cpu - server_cpu - measured.generator_cpu).max(0.0),
        wakeups_per_op: switches as f64 / measured.ops_all.max(1) as f64,
    })
}

/// The median of each figure by itself; of an even number of rounds, the upper one.
pub fn median(samples: &[Sample]) -> Option<Sample> {
    let middle = |figure: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut median = *samples.first()?;
    median.ops_per_second = middle(|s| s.ops_per_second);
    median.p50_us = middle(|s| s.p50_us);
    median.p99_us = middle(|s| s.p99_us);
    median.p999_us = middle(|s| s.p999_us);
    median.max_us = middle(|s| s.max_us);
    median.write_p99_us = middle(|s| s.write_p99_us);
    median.generator_cpu = middle(|s| s.generator_cpu);
    median.server_cpu = middle(|s| s.server_cpu);
    median.others_cpu = middle(|s| s.others_cpu);
    median.wakeups_per_op = middle(|s| s.wakeups_per_op);
    median.ops = middle(|s| s.ops as f64) as u64;
    median.seconds = middle(|s| s.seconds);
    Some(median)
}
