//! The command line of `cargo xtask bench failover`.

use crate::bench::options::contender;
use crate::bench::server::Contender;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;

/// The most kills: what runs unattended must end.
const KILLS_MAX: usize = 1_000;
/// The most writers.
const WRITERS_MAX: usize = 64;

/// What the command prints when asked, or when it does not understand.
pub const USAGE: &str = "\
cargo xtask bench failover [--kills N] [--apache-kills N] [--writers N] [--servers ours,apache] [--node PATH]

  --kills N         how often our leader is killed (default 200)
  --apache-kills N  how often Apache's is (default 20)
  --writers N       sessions with one write outstanding each (default 8)
  --servers LIST    which servers take part: ours, apache (default: both, one after the other)
  --node PATH       measure this zookube-node instead of building the workspace's";

/// A parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Kills of ours.
    pub kills: usize,
    /// Kills of Apache's.
    pub apache_kills: usize,
    /// Sessions that write.
    pub writers: usize,
    /// Who takes part, in order.
    pub servers: Vec<Contender>,
    /// A binary to measure instead of the workspace's.
    pub node: Option<PathBuf>,
}

impl Options {
    /// Reads the words after `cargo xtask bench failover`.
    ///
    /// # Errors
    /// On anything unknown or out of range.
    pub fn parse(args: &[String]) -> Result<Options> {
        let servers = vec![Contender::Ours, Contender::Apache];
        let mut options = Options { kills: 200, apache_kills: 20, writers: 8, servers, node: None };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--kills" => options.kills = value()?.parse().context("--kills takes a number")?,
                "--apache-kills" => options.apache_kills = value()?.parse().context("--apache-kills takes a number")?,
                "--writers" => options.writers = value()?.parse().context("--writers takes a number")?,
                "--servers" => options.servers = value()?.split(',').map(contender).collect::<Result<_>>()?,
                "--node" => options.node = Some(PathBuf::from(value()?)),
                other => bail!("unknown option {other}\n\n{USAGE}"),
            }
        }
        for (name, kills) in [("--kills", options.kills), ("--apache-kills", options.apache_kills)] {
            ensure!((1..=KILLS_MAX).contains(&kills), "{name} must lie between 1 and {KILLS_MAX}");
        }
        ensure!((1..=WRITERS_MAX).contains(&options.writers), "--writers must lie between 1 and {WRITERS_MAX}");
        Ok(options)
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
        let options = check("--writers 3 --servers apache --apache-kills 5 --kills 7").unwrap();
        assert_eq!((options.kills, options.apache_kills, options.writers), (7, 5, 3));
        assert_eq!(options.servers, [Contender::Apache]);
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused() {
        for line in ["--kill 3", "--kills", "--kills 0", "--kills 1001", "--writers 0", "--servers etcd"] {
            assert!(check(line).is_err(), "{line}");
        }
    }
}
