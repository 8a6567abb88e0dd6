//! What the client that changes the ensemble asks for.

use super::Planner;
use crate::observe::{Body, Op};
use std::collections::{BTreeMap, BTreeSet};
use tree::CONFIG_PATH;
use wire::ServerId;
use zab::quorum::Membership;

/// The ensemble as far as the client knows it.
#[derive(Debug, Default)]
pub(super) struct Known {
    version: i64,
    /// The members, and whether they vote.
    members: BTreeMap<ServerId, bool>,
}

impl Planner {
    /// A change of the ensemble, or a look at it.
    pub(super) fn change(&mut self) -> Op {
        if self.known.members.is_empty() || self.rng.chance(20) {
            return Op::Get { path: CONFIG_PATH.to_owned(), watch: false };
        }
        let version = match self.rng.weighted(&[7, 2, 1]) {
            0 => -1,
            1 => self.known.version,
            _ => self.known.version.wrapping_sub(1).max(0),
        };
        if self.rng.chance(15) {
            let members = Some(self.whole_ensemble());
            return Op::Reconfig { joining: String::new(), leaving: String::new(), members, version };
        }
        let (mut joining, mut leaving) = (Vec::new(), BTreeSet::new());
        for _ in 0..self.rng.weighted(&[0, 3, 1]) {
            let sid = self.pick_server();
            match self.known.members.get(&sid).copied() {
                None => joining.push(line(sid, self.rng.chance(75))),
                Some(votes) if self.rng.chance(45) => joining.push(line(sid, !votes)),
                Some(_) => {
                    leaving.insert(sid.0.to_string());
                }
            }
        }
        let leaving = leaving.into_iter().collect::<Vec<_>>().join(",");
        Op::Reconfig { joining: joining.join(","), leaving, members: None, version }
    }

    /// Where few vote, mostly one that does not: an ensemble of one has nothing to agree about.
    fn pick_server(&mut self) -> ServerId {
        let votes = |planner: &Planner, sid: &ServerId| planner.known.members.get(sid) == Some(&true);
        let servers = self.workload.changes.clone();
        let others: Vec<ServerId> = servers.iter().copied().filter(|sid| !votes(self, sid)).collect();
        let are_few = servers.len() - others.len() <= 2;
        let from = if are_few && !others.is_empty() && self.rng.chance(85) { &others } else { &servers };
        from[self.rng.index(from.len())]
    }

    fn whole_ensemble(&mut self) -> String {
        let mut servers = self.workload.changes.clone();
        self.rng.shuffle(&mut servers);
        servers.truncate(self.rng.range(2, 5) as usize);
        let lines: Vec<String> = servers.into_iter().map(|sid| line(sid, self.rng.chance(80))).collect();
        lines.join(",")
    }

    /// Learns what the ensemble is from an answer that shows its configuration.
    pub(super) fn learn_ensemble(&mut self, op: &Op, body: &Body) {
        let is_shown = match op {
            Op::Get { path, .. } => path == CONFIG_PATH,
            Op::Reconfig { .. } => true,
            _ => false,
        };
        let (true, Body::Data(Some(text), _)) = (is_shown, body) else { return };
        let text = std::str::from_utf8(text).unwrap_or_default();
        if let Ok(membership) = Membership::parse(text) {
            let members = membership.servers.keys().map(|&sid| (sid, membership.is_voter(sid))).collect();
            self.known = Known { version: membership.version, members };
        }
    }
}

fn line(sid: ServerId, votes: bool) -> String {
    let role = if votes { "participant" } else { "observer" };
    format!("server.{sid}=s{sid}:2888:3888:{role};2181")
}
