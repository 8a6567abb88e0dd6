//! The command line of `cargo xtask bench`.

use crate::bench::server::Contender;
use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// The most seconds one cell may be measured: what runs unattended must end.
const SECONDS_MAX: u64 = 60;
/// The most znodes of the memory cells.
const ZNODES_MAX: u32 = 10_000_000;
/// The most rounds.
const ROUNDS_MAX: usize = 9;

/// What the command prints when asked, or when it does not understand.
pub const USAGE: &str = "\
cargo xtask bench [--quick] [--servers ours,apache] [--cells WORDS] [--seconds N] [--rounds N] [--znodes N] [--node PATH]

  --quick          one round, short cells, 100,000 znodes: a look, not a figure
  --servers LIST   which servers take part: ours, apache (default: both, taking turns)
  --cells LIST     only the cells whose name contains one of these words, for example 1s-get,memory
                   (names: {1s,3s}-{get,getshared,set}-{1,50}, {1s,3s}-mixed-50, start, memory)
  --seconds N      how long one cell is measured (default 5)
  --rounds N       rounds whose median counts (default 3)
  --znodes N       znodes of the memory and loaded start cells (default 1000000)
  --node PATH      measure this zookube-node instead of building the workspace's";

/// A parsed command line.
#[derive(Debug, Clone, Serialize)]
pub struct Options {
    /// One short round.
    pub quick: bool,
    /// Who takes part, in order.
    pub servers: Vec<Contender>,
    /// Words that choose cells; empty for all.
    pub cells: Vec<String>,
    /// How long a cell is measured.
    pub seconds: u64,
    /// How often.
    pub rounds: usize,
    /// Size of the tree for memory and loaded start.
    pub znodes: u32,
    /// A binary to measure instead of the workspace's.
    pub node: Option<PathBuf>,
}

impl Options {
    /// Reads the words after `cargo xtask bench`.
    ///
    /// # Errors
    /// On anything unknown or out of range.
    pub fn parse(args: &[String]) -> Result<Options> {
        let quick = args.iter().any(|arg| arg == "--quick");
        let (seconds, rounds, znodes) = if quick { (2, 1, 100_000) } else { (5, 3, 1_000_000) };
        let servers = vec![Contender::Ours, Contender::Apache];
        let mut options = Options { quick, servers, cells: Vec::new(), seconds, rounds, znodes, node: None };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--quick" => {}
                "--servers" => options.servers = value()?.split(',').map(contender).collect::<Result<_>>()?,
                "--cells" => options.cells = value()?.split(',').map(str::to_owned).collect(),
                "--seconds" => options.seconds = value()?.parse().context("--seconds takes a number")?,
                "--rounds" => options.rounds = value()?.parse().context("--rounds takes a number")?,
                "--znodes" => options.znodes = value()?.parse().context("--znodes takes a number")?,
                "--node" => options.node = Some(PathBuf::from(value()?)),
                other => bail!("unknown option {other}\n\n{USAGE}"),
            }
        }
        ensure!((1..=SECONDS_MAX).contains(&options.seconds), "--seconds must lie between 1 and {SECONDS_MAX}");
        ensure!((1..=ROUNDS_MAX).contains(&options.rounds), "--rounds must lie between 1 and {ROUNDS_MAX}");
        ensure!((1..=ZNODES_MAX).contains(&options.znodes), "--znodes must lie between 1 and {ZNODES_MAX}");
        Ok(options)
    }

    /// Whether a cell of this name is to be measured.
    pub fn wants(&self, cell: &str) -> bool {
        self.cells.is_empty() || self.cells.iter().any(|word| cell.contains(word.as_str()))
    }

    /// How long a cell is measured.
    pub fn measure(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// How long a cell runs before it is measured: connections fill their windows, and a virtual machine compiles.
    pub fn warm_up(&self) -> Duration {
        if self.quick { Duration::from_millis(500) } else { Duration::from_secs(1) }
    }
}

/// Reads the name of a contender.
///
/// # Errors
/// On any other word.
pub fn contender(name: &str) -> Result<Contender> {
    match name {
        "ours" => Ok(Contender::Ours),
        "apache" => Ok(Contender::Apache),
        other => bail!("--servers {other}: expected ours or apache"),
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
        let options = check("--cells 1s-get,start --quick --servers apache --seconds 7").unwrap();
        assert_eq!((options.seconds, options.rounds, options.znodes), (7, 1, 100_000));
        assert_eq!(options.servers, [Contender::Apache]);
        assert!(options.wants("1s-get-50") && options.wants("start") && !options.wants("3s-set-1"));
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused() {
        for line in ["--fast", "--seconds", "--seconds 0", "--seconds x", "--rounds 99", "--servers etcd"] {
            assert!(check(line).is_err(), "{line}");
        }
    }
}
