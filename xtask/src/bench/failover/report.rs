//! The gaps as figures and as histograms side by side.

use super::options::By;
use crate::bench::proc::Machine;
use crate::bench::report::Versions;
use crate::bench::server::Contender;
use crate::paint;
use serde::Serialize;

/// Upper ends of the histogram's rows, ms; what is longer has a row of its own.
const ROWS_MS: [f64; 17] =
    [10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 700.0, 1000.0, 2000.0];
/// The longest bar.
const BAR_CHARS: usize = 40;
/// What ours is to reach: median and 99 % of the gaps, ms.
const AIMS_MS: [f64; 2] = [60.0, 200.0];
/// The same where the leader has time to name its successor.
const HANDED_OVER_AIMS_MS: [f64; 2] = [50.0, 50.0];

/// Everything measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The commit measured, with `-dirty` where files differ from it.
    pub commit: String,
    /// The command as given.
    pub command: String,
    /// Where.
    pub machine: Machine,
    /// Of what.
    pub versions: Versions,
    /// How leaders ended.
    pub by: &'static str,
    /// Sessions that wrote.
    pub writers: usize,
    /// Each engine's kills.
    pub engines: Vec<Engine>,
}

/// One engine's kills.
#[derive(Debug, Serialize)]
pub struct Engine {
    /// Whose.
    pub contender: Contender,
    /// Of each kill the gap of each writer, ms.
    pub kills: Vec<Vec<f64>>,
    /// Writes acknowledged in the whole run, all of which were there at its end.
    pub acknowledged: u64,
}

/// Figures of one set of gaps, ms.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    p50: f64,
    p99: f64,
    min: f64,
    max: f64,
}

impl Figures {
    fn of(mut gaps: Vec<f64>) -> Figures {
        gaps.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let rank = (gaps.len() as f64 * quantile).ceil().max(1.0) as usize;
            gaps.get(rank - 1).copied().unwrap_or_default()
        };
        Figures { p50: at(0.5), p99: at(0.99), min: at(0.0), max: at(1.0) }
    }
}

impl Engine {
    fn all(&self) -> Vec<f64> {
        self.kills.iter().flatten().copied().collect()
    }

    /// The gap of the writer that waited longest, of each kill.
    fn longest(&self) -> Vec<f64> {
        self.kills.iter().map(|gaps| gaps.iter().copied().fold(0.0, f64::max)).collect()
    }

    fn counts(&self) -> [usize; ROWS_MS.len() + 1] {
        let mut counts = [0; ROWS_MS.len() + 1];
        for gap in self.all() {
            counts[ROWS_MS.partition_point(|end| *end <= gap)] += 1;
        }
        counts
    }
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let Machine { cpu, cores, memory_mib, kernel, load_average_before, fdatasync_us } = &self.machine;
        let heading = format!("zookube {}: writes while leaders end by {}", self.commit, self.by);
        let mut out = format!("{}\n", paint::bold(&heading));
        out += &format!("{}; 3 servers, {} writers with 1 write outstanding\n", self.command, self.writers);
        out += &format!("{cpu}, {cores} cores, {memory_mib} MiB, Linux {kernel}, load {load_average_before}\n");
        out += &format!("fdatasync of 512 B: median {:.0} µs, p99 {:.0} µs\n\n", fdatasync_us[0], fdatasync_us[1]);
        self.figures(&mut out);
        self.histogram(&mut out);
        self.aims(&mut out);
        out
    }

    fn figures(&self, out: &mut String) {
        let head =
            format!("{:<32} {:>6} {:>9} {:>9} {:>9} {:>9}", "write gap, ms", "count", "p50", "p99", "min", "max");
        *out += &format!("{}\n", paint::bold(&head));
        for engine in &self.engines {
            for (what, gaps) in [("every writer", engine.all()), ("slowest writer of a round", engine.longest())] {
                let count = gaps.len();
                let Figures { p50, p99, min, max } = Figures::of(gaps);
                let name = format!("{}, {what}", engine.contender.name());
                *out += &format!("{name:<32} {count:>6} {p50:>9.1} {p99:>9.1} {min:>9.1} {max:>9.1}\n");
            }
        }
        for engine in &self.engines {
            let (name, kills, acknowledged) = (engine.contender.name(), engine.kills.len(), engine.acknowledged);
            *out += &format!("{name}: {kills} rounds, {acknowledged} writes acknowledged, all of them there\n");
        }
        out.push('\n');
    }

    fn histogram(&self, out: &mut String) {
        let counts: Vec<_> = self.engines.iter().map(Engine::counts).collect();
        let used = |row: &usize| counts.iter().any(|counts| counts[*row] > 0);
        let rows: Vec<usize> = (0..=ROWS_MS.len()).collect();
        let (Some(first), Some(last)) = (rows.iter().find(|row| used(row)), rows.iter().rfind(|row| used(row))) else {
            return;
        };
        let mut head = format!("{:>13} ", "ms");
        for engine in &self.engines {
            head += &format!("| {:<width$}", engine.contender.name(), width = BAR_CHARS + 6);
        }
        *out += &format!("{}\n", paint::bold(head.trim_end()));
        for row in *first..=*last {
            let from = row.checked_sub(1).map_or(0.0, |before| ROWS_MS[before]);
            let label = match ROWS_MS.get(row) {
                Some(to) => format!("{from:.0} to {to:.0}"),
                None => format!("from {from:.0}"),
            };
            *out += &format!("{label:>13} ");
            for (engine, counts) in self.engines.iter().zip(&counts) {
                let most = counts.iter().max().copied().unwrap_or(0).max(1);
                let chars = (counts[row] * BAR_CHARS).div_ceil(most);
                let bar = format!("{:<width$}", "#".repeat(chars), width = BAR_CHARS);
                let bar = if engine.contender == Contender::Ours { paint::green(&bar) } else { bar };
                let count = if counts[row] == 0 { String::new() } else { counts[row].to_string() };
                *out += &format!("| {bar}{count:>5} ");
            }
            out.push('\n');
        }
        out.push('\n');
    }

    fn aims(&self, out: &mut String) {
        let Some(ours) = self.engines.iter().find(|engine| engine.contender == Contender::Ours) else { return };
        let Figures { p50, p99, .. } = Figures::of(ours.all());
        let [median, most] = if self.by == By::Kill.name() { AIMS_MS } else { HANDED_OVER_AIMS_MS };
        for (name, found, wanted) in [("p50", p50, median), ("p99", p99, most)] {
            let verdict = if found <= wanted { paint::green("met") } else { paint::red("MISSED") };
            *out += &format!("aim: {name} of ours at most {wanted:.0} ms, found {found:.1}: {verdict}\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_samples() {
        let ramp: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(Figures::of(ramp), Figures { p50: 100.0, p99: 198.0, min: 1.0, max: 200.0 });
        assert_eq!(Figures::of(vec![7.0]), Figures { p50: 7.0, p99: 7.0, min: 7.0, max: 7.0 });
    }

    #[test]
    fn every_gap_is_in_one_row() {
        let kills = vec![vec![0.5, 10.0, 14.9], vec![1999.0, 2000.0, 60_000.0]];
        let engine = Engine { contender: Contender::Ours, kills, acknowledged: 0 };
        let counts = engine.counts();
        assert_eq!(counts.iter().sum::<usize>(), 6);
        assert_eq!((counts[0], counts[1]), (1, 2));
        assert_eq!(counts[ROWS_MS.len() - 1..], [1, 2]);
        assert_eq!(engine.longest(), [14.9, 60_000.0]);
    }
}
