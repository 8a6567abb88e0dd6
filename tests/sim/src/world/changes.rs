//! What an operator does while the members change: starts servers that are to join, stops those that were let go of, gives some
//! of them an empty disk, and makes sure that every member runs.

use super::{Event, Phase, World};
use crate::client::ClientInput;
use crate::lists::Lists;
use crate::observe::{ClientId, Observation};
use crate::rng::Rng;
use crate::setup::Setup;
use std::collections::BTreeSet;
use store::testing::{Keep, MemFs};
use wire::ServerId;
use zab::quorum::{Membership, parse_server_line};

/// Between two acts of the operator, µs.
const ACT_US: (i64, i64) = (50_000, 500_000);
/// How long somebody who wants a change waits, if this is not the time, µs.
const HELD_BACK_US: i64 = 50_000;

/// See the module.
pub(crate) struct Changes {
    rng: Rng,
    /// Who asks for changes.
    pub(super) admin: ClientId,
    /// Servers that are not to run.
    pub(crate) stopped: BTreeSet<ServerId>,
    /// The version of the last configuration that was in force when somebody looked.
    version: i64,
}

impl Changes {
    pub(super) fn new(rng: Rng, admin: ClientId, spares: BTreeSet<ServerId>) -> Changes {
        Changes { rng, admin, stopped: spares, version: 0 }
    }
}

impl World {
    /// Plans the operator's first act, and the end of the changes: they have to settle before progress is demanded.
    pub(super) fn plan_changes(&mut self) {
        if self.changes.is_some() {
            self.plan_operator();
            self.agenda.plan(self.phase_us * 3 / 4, Event::ChangesEnd);
        }
    }

    fn plan_operator(&mut self) {
        let Some(changes) = &mut self.changes else { return };
        let pause_us = changes.rng.range(ACT_US.0, ACT_US.1);
        self.agenda.plan(self.now_us + pause_us, Event::Operator);
    }

    /// Nobody asks for changes any more.
    pub(super) fn end_changes(&mut self) {
        if let Some(changes) = &self.changes {
            let admin = changes.admin;
            self.drive(admin, ClientInput::Calm(&[]));
        }
    }

    /// Everybody who belongs to the ensemble or may come to belong to it.
    fn needed(&self) -> BTreeSet<ServerId> {
        let checks = self.checks.lock();
        let proposed = self.setup.lists.lock();
        let proposed = proposed.values().filter_map(Lists::next).cloned().collect::<Vec<Membership>>();
        let last = checks.model.members();
        let proposed = proposed.iter().filter(|next| next.version > last.version);
        let mut needed: BTreeSet<ServerId> = proposed.flat_map(|next| next.servers.keys().copied()).collect();
        for members in checks.model.pending_members() {
            needed.extend(members.voters.iter().chain(&members.observers));
        }
        // Before a quorum of its voters goes by a configuration, they may need the servers of the one before to get there: what is
        // in force may be known to the leader alone, and to be let go of.
        let goes_by =
            |sid: &ServerId, version| checks.model.server(*sid).members().is_some_and(|own| own.version >= version);
        for members in checks.model.ensembles().iter().rev() {
            needed.extend(members.voters.iter().chain(&members.observers));
            if members.voters.iter().filter(|sid| goes_by(sid, members.version)).count() >= members.quorum() {
                break;
            }
        }
        needed
    }

    /// Whether some server knows of a change that is not known to be in force.
    pub(crate) fn is_changing(&self) -> bool {
        let checks = self.checks.lock();
        let last = checks.model.members().version;
        let is_later = |lists: &Lists| lists.next().is_some_and(|next| next.version > last);
        self.changes.is_some()
            && (self.setup.lists.lock().values().any(is_later) || checks.model.pending_members().next().is_some())
    }

    /// Where the members change, a voter that has not caught up yet holds as little as one whose disk is lost; and a change that
    /// is under way may make a voter of such a server.
    pub(crate) fn may_lose_a_voter(&self) -> bool {
        let Some(changes) = &self.changes else { return true };
        let is_asking = self.clients.get(&changes.admin).is_some_and(|host| host.client.is_waiting());
        let checks = self.checks.lock();
        let holds = |sid: &ServerId| checks.model.server(*sid).epochs().current.0 > 0;
        let all_hold = checks.model.members().voters.iter().all(holds);
        drop(checks);
        all_hold && !is_asking && !self.is_changing()
    }

    /// Nobody asks for changes while a voter has lost what it held: the members that it leaves could be too few.
    pub(super) fn holds_back(&mut self, client: ClientId) -> bool {
        let is_admin = self.changes.as_ref().is_some_and(|changes| changes.admin == client);
        if !is_admin || self.phase != Phase::Faults || !self.has_forgotten() {
            return false;
        }
        let Some(host) = self.clients.get_mut(&client) else { return false };
        host.timer = (host.timer.0 + 1, self.now_us + HELD_BACK_US);
        self.agenda.plan(host.timer.1, Event::Timer(client, host.timer.0));
        true
    }

    /// The operator does something.
    pub(super) fn operate(&mut self) {
        if self.phase != Phase::Faults {
            return;
        }
        self.plan_operator();
        let needed = self.needed();
        let Some(changes) = &mut self.changes else { return };
        let stopped: Vec<ServerId> = changes.stopped.iter().copied().collect();
        let missed = stopped.iter().copied().find(|sid| needed.contains(sid));
        let idle: Vec<ServerId> = stopped.iter().copied().filter(|sid| !needed.contains(sid)).collect();
        let let_go: Vec<ServerId> =
            self.hosts.keys().copied().filter(|sid| !needed.contains(sid) && !changes.stopped.contains(sid)).collect();
        match (changes.rng.below(10), missed) {
            (0..=6, Some(sid)) => self.let_run(sid),
            (0..=4, None) => {
                if let Some(sid) = changes.rng.pick(&stopped).copied() {
                    self.let_run(sid);
                }
            }
            (5..=7, _) => {
                if let Some(sid) = changes.rng.pick(&let_go).copied() {
                    changes.stopped.insert(sid);
                    self.checks.lock().coverage.count("servers stopped behind their removal");
                    self.end(sid, Keep::Everything, true);
                }
            }
            (8, _) => {
                if let Some(sid) = changes.rng.pick(&idle).copied() {
                    self.checks.lock().coverage.count("servers emptied behind their removal");
                    self.setup.disks.lock().insert(sid, MemFs::new());
                    self.setup.lists.lock().remove(&sid);
                    self.checks.lock().see(&Observation::Wiped { server: sid });
                    self.nemesis.remember(sid);
                    if let Some(host) = self.hosts.get_mut(&sid) {
                        host.damaged = false;
                    }
                }
            }
            _ => {}
        }
    }

    fn let_run(&mut self, sid: ServerId) {
        if let Some(changes) = &mut self.changes {
            changes.stopped.remove(&sid);
        }
        self.start(sid);
    }

    /// Whether a server is not to run.
    pub(super) fn is_stopped(&self, sid: ServerId) -> bool {
        self.changes.as_ref().is_some_and(|changes| changes.stopped.contains(&sid))
    }

    /// Gives a server that has none a list to start with: the members, and itself. It is of no version, as the list of a server
    /// that has not joined yet is.
    pub(super) fn provide_list(&mut self, sid: ServerId) {
        let Some(changes) = &mut self.changes else { return };
        if self.setup.lists.lock().contains_key(&sid) {
            return;
        }
        let text = self.checks.lock().model.members().text.clone();
        let last = Membership::parse(&text).ok().filter(|last| !last.servers.is_empty());
        let Some(mut list) = last.or_else(|| self.setup.membership.clone()) else { return };
        list.version = 0;
        if !list.is_member(sid) {
            let role = if changes.rng.chance(70) { "participant" } else { "observer" };
            let spec = parse_server_line(&Setup::server_line(sid, role)).expect("the line is well formed");
            list.servers.insert(sid, spec);
        }
        self.setup.lists.lock().insert(sid, Lists::new(list));
    }

    /// Who votes may have changed. Answers whether it did.
    pub(super) fn follow_changes(&mut self) -> bool {
        let Some(changes) = &mut self.changes else { return false };
        let checks = self.checks.lock();
        let last = checks.model.members();
        if last.version == changes.version {
            return false;
        }
        changes.version = last.version;
        self.nemesis.set_voters(last.voters.clone());
        true
    }

    /// The servers that must do their work in the end: the members.
    pub(super) fn wanted(&self) -> BTreeSet<ServerId> {
        let checks = self.checks.lock();
        let members = checks.model.members();
        self.hosts.keys().copied().filter(|sid| self.changes.is_none() || members.has(*sid)).collect()
    }
}
