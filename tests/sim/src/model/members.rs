//! The configurations of an ensemble: who votes, and from when on.

use super::{Model, view};
use std::collections::BTreeSet;
use wire::txn::Txn;
use wire::{ServerId, Zxid};
use zab::quorum::Membership;

/// A configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// The zxid of the reconfiguration that made it; that of an epoch's start or 0 for the one that an ensemble began with.
    pub version: i64,
    /// Its text, as `/zookeeper/config` shows it; nothing is known of that of a server alone.
    pub text: String,
    /// Who votes.
    pub voters: BTreeSet<ServerId>,
    /// Who only observes.
    pub observers: BTreeSet<ServerId>,
    /// Since when it is known to be in force, simulated µs.
    pub since_us: i64,
}

impl Members {
    /// What an ensemble begins with.
    #[must_use]
    pub fn first(voters: BTreeSet<ServerId>, observers: BTreeSet<ServerId>) -> Members {
        Members { version: 0, text: String::new(), voters, observers, since_us: 0 }
    }

    /// The same as the servers have it.
    #[must_use]
    pub fn of(membership: &Membership, since_us: i64) -> Members {
        Members {
            version: membership.version,
            text: membership.to_text(),
            voters: membership.voters().collect(),
            observers: membership.observers().collect(),
            since_us,
        }
    }

    /// The one that a transaction's text says.
    pub(super) fn read(text: &[u8], since_us: i64) -> Result<Members, String> {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let membership = Membership::parse(text).map_err(|error| error.to_string())?;
        Ok(Members { text: text.to_owned(), ..Members::of(&membership, since_us) })
    }

    /// How many voters are a quorum: the majority.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// Whether a server belongs to it.
    #[must_use]
    pub fn has(&self, server: ServerId) -> bool {
        self.voters.contains(&server) || self.observers.contains(&server)
    }
}

impl Model {
    /// The last configuration that is known to be in force.
    #[must_use]
    pub fn members(&self) -> &Members {
        self.ensembles.last().unwrap_or_else(|| unreachable!("an ensemble begins with a configuration"))
    }

    /// Every configuration that was in force, oldest first.
    #[must_use]
    pub fn ensembles(&self) -> &[Members] {
        &self.ensembles
    }

    /// The configurations of which a quorum each decides about the transaction with this zxid: the one before it, and the one
    /// that it makes, if it makes one.
    #[must_use]
    pub fn deciding(&self, zxid: Zxid) -> &[Members] {
        let behind = self.ensembles.partition_point(|members| members.version <= zxid.0);
        let before = self.ensembles.partition_point(|members| members.version < zxid.0);
        &self.ensembles[before.saturating_sub(1)..behind]
    }

    /// What the latest observation put in force: the configuration before it, and it.
    #[must_use]
    pub fn news_of_members(&self) -> Option<[&Members; 2]> {
        let new = self.ensembles.get(self.ensembles_before)?;
        Some([&self.ensembles[self.ensembles_before - 1], new])
    }

    /// Configurations that are in some server's log and not known to be in force: they may yet come into force.
    pub fn pending_members(&self) -> impl Iterator<Item = Members> + '_ {
        let last = self.members().version;
        let logged = self
            .servers
            .values()
            .flat_map(move |view| view.log().iter().rev().take_while(move |&&no| self.zxid(no).0 > last));
        logged.filter_map(|&no| match &self.entry(no).txn {
            Txn::Reconfig { data: Some(text), .. } => Members::read(text, self.now_us).ok(),
            _ => None,
        })
    }

    /// How many reconfigurations were proposed and are not committed.
    #[must_use]
    pub fn abandoned_changes(&self) -> u64 {
        let all = self.ledger.numbers();
        let open = all.filter(|&no| matches!(self.entry(no).txn, Txn::Reconfig { .. }) && !self.is_committed(no));
        open.count() as u64
    }

    /// A configuration that comes into force without a transaction: the first one with a version of its own, or one of which a
    /// server knew more than its log. What a log brings is in force when it is committed.
    pub(super) fn configured(
        &mut self,
        server: ServerId,
        membership: &Membership,
        is_news: bool,
    ) -> Result<(), String> {
        let members = Members::of(membership, self.now_us);
        let view = view(&mut self.servers, server)?;
        let is_logged = view.history_upto(Zxid(members.version), &self.ledger).is_some();
        view.set_members(members.clone());
        if is_news && !is_logged && members.version > self.members().version {
            self.ensembles.push(members);
        }
        Ok(())
    }
}
