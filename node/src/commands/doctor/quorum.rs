//! Which voters can vote: those whose election port accepts connections. Enough of them, and there can be a leader.

use super::dial::{self, DialSettings};
use super::progress::Progress;
use crate::config::{Config, Mode};
use crate::resolve::Resolver;
use crate::settings;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use wire::ServerId;
use zab::quorum::Membership;

/// The voters of an ensemble, as seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Those that can vote.
    pub present: BTreeSet<ServerId>,
    /// The others.
    pub missing: Vec<ServerId>,
    /// Whether those that can vote are a quorum.
    pub is_quorum: bool,
}

impl Presence {
    /// What it means that these servers run, voters or not.
    #[must_use]
    pub fn of(membership: &Membership, running: impl Iterator<Item = ServerId>) -> Presence {
        let present: BTreeSet<ServerId> = running.filter(|sid| membership.is_voter(*sid)).collect();
        let missing = membership.voters().filter(|sid| !present.contains(sid)).collect();
        let is_quorum = membership.is_quorum(&present);
        Presence { present, missing, is_quorum }
    }

    /// How many voters there are.
    #[must_use]
    pub fn voters(&self) -> usize {
        self.present.len() + self.missing.len()
    }

    /// `2, 3`: those that cannot vote.
    #[must_use]
    pub fn missing_list(&self) -> String {
        self.missing.iter().map(ServerId::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Dials the election ports of the other voters; this server counts as running. `None` for a standalone server.
///
/// # Errors
/// When the dialing cannot be begun.
pub fn ask(config: &Config, patience: Duration) -> io::Result<Option<Presence>> {
    let (Mode::Ensemble, Some(me)) = (config.mode, config.myid) else { return Ok(None) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let progress = Progress::new();
    let resolver = Resolver::new(settings::resolver(config));
    let settings = DialSettings { patience, client_port: config.client_listen().port, http_ports: Vec::new() };
    // What the parts report to an operator's log is no part of the answer.
    let silent = tracing::subscriber::NoSubscriber::default();
    let reached = tracing::subscriber::with_default(silent, || {
        let others = config.membership.servers.iter();
        let others = others.filter(|(sid, _)| **sid != me && config.membership.is_voter(**sid));
        let (settings, resolver, progress) = (&settings, &resolver, &progress);
        let asked = others
            .map(|(sid, spec)| async move { dial::votes(spec, settings, resolver, progress).await.then_some(*sid) });
        runtime.block_on(dial::join_all(asked))
    });
    progress.clear();
    // A look-up that hangs must not hold up the answer.
    runtime.shutdown_background();
    Ok(Some(Presence::of(&config.membership, reached.into_iter().flatten().chain([me]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_voters_count() {
        let lines = "server.1=a:2888:3888\nserver.2=b:2888:3888\nserver.3=c:2888:3888\nserver.4=d:2888:3888:observer";
        let membership = Membership::parse(lines).expect("a membership");
        let check = |running: &[i64], present: usize, missing: &str, is_quorum: bool| {
            let presence = Presence::of(&membership, running.iter().copied().map(ServerId));
            assert_eq!(
                (presence.present.len(), presence.missing_list().as_str(), presence.is_quorum),
                (present, missing, is_quorum),
                "{running:?}"
            );
            assert_eq!(presence.voters(), 3);
        };
        check(&[1, 2, 3, 4], 3, "", true);
        check(&[1, 3], 2, "2", true);
        check(&[1, 4], 1, "2, 3", false);
        check(&[4], 0, "1, 2, 3", false);
    }
}
