//! The arguments of `lab` and what they ask for.

use std::path::PathBuf;

use super::layout::LayoutError;

/// The first client port when nothing else is asked for: the one every ZooKeeper client tries.
pub const BASE_PORT: u16 = 2181;
/// The most servers, voters and observers together, that one lab starts.
pub const SERVERS_MAX: usize = 20;
/// Voting servers of a new lab.
const SERVERS: usize = 3;

/// Arguments of `lab`.
#[derive(Debug, Clone, clap::Args)]
pub struct LabArgs {
    /// Voting servers (a new lab: 3; a stored one: as many as it has)
    #[arg(long, value_name = "N")]
    pub servers: Option<usize>,
    /// Observers, numbered after the voting servers (a new lab: 0; a stored one: as many as it has)
    #[arg(long, value_name = "M")]
    pub observers: Option<usize>,
    /// Client port of server 1; the quorum ports start 707 above it, the election ports 1707 above it [default: 2181]
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1..))]
    pub base_port: Option<u16>,
    /// Where the servers keep their configuration, data and logs; what is there is continued
    #[arg(long, value_name = "D", default_value = "zookube-lab")]
    pub dir: PathBuf,
    /// Print one JSON object a line, for scripts; no table and no prompt
    #[arg(long)]
    pub json: bool,
}

/// How many servers of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Servers that vote.
    pub voters: usize,
    /// Servers that only listen.
    pub observers: usize,
}

impl Counts {
    /// The counts of this run: what was asked for, else what is stored, else the default.
    ///
    /// Voters of a stored lab never change. Empty servers could form a quorum with one that missed the last writes and
    /// so lose what was acknowledged; observers have no vote and may be added.
    ///
    /// # Errors
    /// When the counts are impossible or contradict the stored lab.
    pub fn settle(args: &LabArgs, stored: Option<Counts>) -> Result<Counts, LayoutError> {
        let counts = Counts {
            voters: args.servers.unwrap_or_else(|| stored.map_or(SERVERS, |s| s.voters)),
            observers: args.observers.unwrap_or_else(|| stored.map_or(0, |s| s.observers)),
        };
        if let Some(stored) = stored
            && (counts.voters != stored.voters || counts.observers < stored.observers)
        {
            return Err(LayoutError::OtherCounts { dir: args.dir.clone(), stored, asked: counts });
        }
        if counts.voters == 0 {
            return Err(LayoutError::NoVoter);
        }
        if counts.voters == 1 && counts.observers > 0 {
            return Err(LayoutError::LoneVoter);
        }
        if counts.voters.saturating_add(counts.observers) > SERVERS_MAX {
            return Err(LayoutError::TooMany { asked: counts.voters.saturating_add(counts.observers) });
        }
        Ok(counts)
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{} server{}", self.voters, plural(self.voters))?;
        if self.observers > 0 {
            write!(f, " and {} observer{}", self.observers, plural(self.observers))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(servers: Option<usize>, observers: Option<usize>, stored: Option<(usize, usize)>, expected: &str) {
        let args = LabArgs { servers, observers, base_port: None, dir: "zookube-lab".into(), json: false };
        let stored = stored.map(|(voters, observers)| Counts { voters, observers });
        let answer = match Counts::settle(&args, stored) {
            Ok(counts) => counts.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(answer.contains(expected), "{answer:?} lacks {expected:?}");
    }

    #[test]
    fn counts() {
        check(None, None, None, "3 servers");
        check(Some(5), Some(1), None, "5 servers and 1 observer");
        check(Some(1), None, None, "1 server");
        check(None, None, Some((5, 2)), "5 servers and 2 observers");
        check(Some(5), None, Some((5, 2)), "5 servers and 2 observers");
        check(None, Some(3), Some((3, 1)), "3 servers and 3 observers");
    }

    #[test]
    fn refusals_name_a_way_out() {
        check(Some(5), None, Some((3, 0)), "hint: leave --servers and --observers out to continue it");
        check(None, Some(0), Some((3, 1)), "holds 3 servers and 1 observer, asked for are 3 servers;");
        check(Some(0), None, None, "at least one");
        check(Some(1), Some(1), None, "hint: --servers 2");
        check(Some(15), Some(6), None, "21");
        check(Some(usize::MAX), Some(6), None, "at most 20");
    }
}
