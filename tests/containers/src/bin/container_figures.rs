//! `container-figures [--runs 5]`: what the image costs and how fast the lab is, beside the same compose file with
//! Apache's engine, as a table. Both engines take turns, so that neither has the machine to itself.
//!
//! Needs what `cargo xtask setup` brings, and the static binary (`cargo xtask test containers` builds it).
#![allow(clippy::print_stdout, reason = "the table is what a person runs this for")]

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use containers::compose::{Lab, Program};
use containers::container::{Container, PATIENCE, Run};
use containers::engine::engine;
use containers::images::Flavour;
use containers::network::Network;
use containers::trio;
use ensemble::load::Load;
use support::{wait, words};

const FLAVOURS: [Flavour; 2] = [Flavour::Zookube, Flavour::Apache];

/// How long an elected ensemble is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

/// Acknowledged writes around the loss of the leader.
const WRITES: u64 = 200;

/// All that is measured, in the units of the table.
#[derive(Debug, Default)]
struct Figures {
    image_mb: Vec<f64>,
    first_answer_ms: Vec<f64>,
    elected_s: Vec<f64>,
    idle_mb: Vec<f64>,
    gap_ms: Vec<f64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runs = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(5),
        ["--runs", runs] => runs.parse().ok().filter(|runs| *runs > 0),
        _ => None,
    };
    let Some(runs) = runs else {
        println!("usage: container-figures [--runs 5]");
        return ExitCode::FAILURE;
    };
    engine();
    let mut all = FLAVOURS.map(|_| Figures::default());
    for _ in 0..runs {
        for (figures, flavour) in all.iter_mut().zip(FLAVOURS) {
            measure(figures, flavour);
        }
    }
    print(&all, runs);
    ExitCode::SUCCESS
}

fn measure(figures: &mut Figures, flavour: Flavour) {
    let size = engine().docker(&["image", "inspect", "--format={{.Size}}", flavour.image()]);
    figures.image_mb.push(size.parse::<f64>().expect("a size") / 1e6);
    figures.first_answer_ms.push(first_answer(flavour).as_secs_f64() * 1e3);

    let lab = Lab::new(Program::all()[0], flavour);
    let begun = Instant::now();
    lab.up();
    let leader = lab.wait_settled();
    figures.elected_s.push(begun.elapsed().as_secs_f64());
    std::thread::sleep(IDLE);
    let resident: u64 = (1..=3).map(|id| resident_kib(&lab.server(id))).sum();
    figures.idle_mb.push(resident as f64 * 1024.0 / 3.0 / 1e6);

    // A writer that knows the survivors only: an attempt at the lost address would measure its own time limit.
    let mut survivors = lab.addrs().to_vec();
    survivors.remove(leader);
    let mut load = Load::start(&survivors, 1);
    load.progress(WRITES, PATIENCE);
    let since = Instant::now();
    lab.server(leader + 1).tell(&["kill"]);
    load.progress(WRITES, PATIENCE);
    figures.gap_ms.push(load.longest_gap(since).as_secs_f64() * 1e3);
    drop(load.finish());
}

/// From the engine's word to the answer of a standalone server; what the engine itself needs is in it.
fn first_answer(flavour: Flavour) -> Duration {
    let network = Network::create();
    let addr: Ipv4Addr = network.next_address();
    let container = Run::new(flavour.image()).at(&network, addr).create();
    let begun = Instant::now();
    container.tell(&["start"]);
    let client = SocketAddr::from((addr, trio::CLIENT_PORT));
    wait::until("the first answer", PATIENCE, || words::srvr_field(client, "Mode"));
    begun.elapsed()
}

/// Of all processes of the container.
fn resident_kib(container: &Container) -> u64 {
    let table = engine().docker(&["top", container.name(), "-o", "pid,rss"]);
    table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn print(all: &[Figures; 2], runs: usize) {
    println!("medians of {runs} runs (lowest to highest)\n");
    println!("| | zookube | --engine apache |\n| --- | --- | --- |");
    let row = |what: &str, digits: usize, pick: fn(&Figures) -> &Vec<f64>| {
        let cell = |figures: &Figures| {
            let values = pick(figures);
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            format!("{:.digits$} ({low:.digits$} to {high:.digits$})", median(values))
        };
        println!("| {what} | {} | {} |", cell(&all[0]), cell(&all[1]));
    };
    row("image unpacked, MB", 1, |figures| &figures.image_mb);
    row("`docker start` to the first answer, ms", 0, |figures| &figures.first_answer_ms);
    row("resident memory of an idle server of three, MB", 1, |figures| &figures.idle_mb);
    row("`compose up` from nothing to elected, s", 1, |figures| &figures.elected_s);
    row("pause in the writes when the leader is killed, ms", 0, |figures| &figures.gap_ms);
}
