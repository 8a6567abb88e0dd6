//! The command line of `cargo xtask bench failover`.

use crate::bench::options::contender;
use crate::bench::server::Contender;
use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;

/// The most kills: what runs unattended must end.
const KILLS_MAX: usize = 1_000;
/// The most writers.
const WRITERS_MAX: usize = 64;

/// How a leader ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Term,
    /// It hands over to another server of ours, and stays.
    HandOver,
}

impl By {
    /// The word of the command line.
    pub fn name(self) -> &'static str {
        match self {
            By::Kill => "kill",
            By::Term => "term",
            By::HandOver => "hand-over",
        }
    }
}

/// What the command prints when asked, or when it does not understand.
pub const USAGE: &str = "\
cargo xtask bench failover [--kills N] [--apache-kills N] [--writers N] [--by HOW]
                          [--servers ours,apache,mixed] [--node PATH]

  --kills N         how often our leader ends (default 200)
  --apache-kills N  how often Apache's does (default 20)
  --by HOW          how it ends: kill, term, hand-over (default kill); Apache's cannot hand over
  --writers N       sessions with one write outstanding each (default 8)
  --servers LIST    which servers take part: ours, apache, mixed (two of ours and one of Apache's); default: ours and
                    apache, one after the other
  --node PATH       measure this zookube-node instead of building the workspace's";

/// A parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Kills of ours.
    pub kills: usize,
    /// Kills of Apache's.
    pub apache_kills: usize,
    /// How leaders end.
    pub by: By,
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
        let mut options = Options { kills: 200, apache_kills: 20, by: By::Kill, writers: 8, servers, node: None };
        let mut chosen = None;
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
            match word.as_str() {
                "--kills" => options.kills = value()?.parse().context("--kills takes a number")?,
                "--apache-kills" => options.apache_kills = value()?.parse().context("--apache-kills takes a number")?,
                "--writers" => options.writers = value()?.parse().context("--writers takes a number")?,
                "--by" => options.by = by(value()?)?,
                "--servers" => chosen = Some(value()?.split(',').map(ensemble).collect::<Result<_>>()?),
                "--node" => options.node = Some(PathBuf::from(value()?)),
                other => bail!("unknown option {other}\n\n{USAGE}"),
            }
        }
        options.servers = chosen.unwrap_or(match options.by {
            By::HandOver => vec![Contender::Ours],
            By::Kill | By::Term => options.servers,
        });
        let can_hand_over = !options.servers.contains(&Contender::Apache);
        ensure!(options.by != By::HandOver || can_hand_over, "--by hand-over: Apache's servers cannot");
        for (name, kills) in [("--kills", options.kills), ("--apache-kills", options.apache_kills)] {
            ensure!((1..=KILLS_MAX).contains(&kills), "{name} must lie between 1 and {KILLS_MAX}");
        }
        ensure!((1..=WRITERS_MAX).contains(&options.writers), "--writers must lie between 1 and {WRITERS_MAX}");
        Ok(options)
    }
}

fn by(name: &str) -> Result<By> {
    let all = [By::Kill, By::Term, By::HandOver];
    let found = all.into_iter().find(|by| by.name() == name);
    found.with_context(|| format!("--by {name}: expected kill, term or hand-over"))
}

fn ensemble(name: &str) -> Result<Contender> {
    if name == "mixed" { Ok(Contender::Mixed) } else { contender(name) }
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
        assert_eq!(options.by, By::Kill);
        let options = check("--by hand-over --servers ours,mixed").unwrap();
        assert_eq!((options.by, &options.servers[..]), (By::HandOver, &[Contender::Ours, Contender::Mixed][..]));
        assert_eq!(check("--by hand-over").unwrap().servers, [Contender::Ours]);
    }

    #[test]
    fn what_is_unknown_or_out_of_range_is_refused() {
        assert!(check("--by hand-over --servers apache").is_err());
        for line in ["--kill 3", "--kills", "--kills 0", "--kills 1001", "--writers 0", "--servers etcd", "--by luck"] {
            assert!(check(line).is_err(), "{line}");
        }
    }
}
