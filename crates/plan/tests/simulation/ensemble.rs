//! A simplified but honest ZooKeeper: what is committed is in the logs of a quorum, of the old and of the new configuration
//! while one changes; only servers with data elect, and only a quorum of them; learners get the leader's log.

use std::collections::BTreeSet;
use std::rc::Rc;

use plan::{Config, Role, ServerId, Slot};

use crate::world::{Data, Does, Entry, What, World};

/// Why a change of the configuration is refused.
#[derive(Debug, PartialEq)]
pub enum Refusal {
    NoLeader,
    BadVersion,
    ReconfigInProgress,
    NewConfigNoQuorum,
}

pub fn voters(config: &Config) -> impl Iterator<Item = ServerId> + '_ {
    config.iter().filter(|(_, role)| **role == Role::Voter).map(|(sid, _)| *sid)
}

pub fn is_quorum(config: &Config, of: &BTreeSet<Slot>) -> bool {
    let (mut all, mut there) = (0, 0);
    for sid in voters(config) {
        all += 1;
        there += usize::from(of.contains(&Slot::of(sid)));
    }
    there > all / 2
}

/// A quorum of the committed configuration, and of the pending one if there is one.
fn is_double_quorum(data: &Data, of: &BTreeSet<Slot>) -> bool {
    is_quorum(data.config().1, of) && data.pending().is_none_or(|(_, config)| is_quorum(config, of))
}

impl World {
    fn slots(&self) -> Vec<Slot> {
        self.servers.keys().copied().collect()
    }

    fn is_connected(&self, slot: Slot) -> bool {
        let takes_part = !matches!(self.servers.get(&slot), None | Some(Does::Loading { .. } | Does::Retired));
        takes_part && !self.cut.contains_key(&slot)
    }

    pub fn run_ensemble(&mut self) {
        for slot in self.slots() {
            self.let_go(slot);
        }
        for slot in self.slots() {
            if let Some(Does::Leads { epoch, established, .. }) = self.servers.get(&slot).copied() {
                self.attach(slot, epoch);
                self.lead(slot, epoch, established);
            }
        }
        let has_leader =
            self.servers.iter().any(|(slot, does)| matches!(does, Does::Leads { .. }) && self.is_connected(*slot));
        // Now and then servers that do not hear of the leader try an election beside it.
        if !has_leader || self.rng.in_1000(50) {
            self.elect();
        }
    }

    /// Loading ends; followers notice that their leader is gone.
    fn let_go(&mut self, slot: Slot) {
        let notices = self.rng.in_1000(600);
        let next = match self.servers.get(&slot).copied() {
            Some(Does::Loading { until }) if until <= self.tick => Does::Idle,
            Some(Does::Follows { leader, epoch, .. }) => {
                let leads =
                    matches!(self.servers.get(&leader), Some(Does::Leads { epoch: theirs, .. }) if *theirs == epoch);
                let is_linked = leads && self.is_connected(leader) && self.is_connected(slot);
                if is_linked || !notices {
                    return;
                }
                Does::Idle
            }
            _ => return,
        };
        self.servers.insert(slot, next);
    }

    /// Idle servers find the leader; those that found it get its log.
    fn attach(&mut self, leader: Slot, epoch: i64) {
        if !self.is_connected(leader) {
            return;
        }
        for slot in self.slots() {
            if slot == leader || !self.is_connected(slot) || !self.rng.in_1000(450) {
                continue;
            }
            let promised = self.data(slot).map_or(0, |data| data.accepted);
            match self.servers.get(&slot).copied() {
                Some(Does::Idle) if promised <= epoch => {
                    if let Some(data) = self.data_mut(slot) {
                        data.accepted = epoch;
                    }
                    self.servers.insert(slot, Does::Follows { leader, epoch, synced: false });
                }
                Some(Does::Follows { leader: theirs, epoch: at, synced: false }) if (theirs, at) == (leader, epoch) => {
                    // With its disk a server has lost its promises, too. It must not help a leader into office or keep it there,
                    // or one of an earlier epoch could commit: it follows one that a quorum without it follows.
                    let is_led = Does::Leads { epoch, established: true, alone_since: None };
                    if self.data(slot).is_none() && self.servers.get(&leader) != Some(&is_led) {
                        continue;
                    }
                    let mut copy = self.data(leader).expect("a leader has data").clone();
                    (copy.epoch, copy.accepted) = (epoch, epoch);
                    self.disks.get_mut(&slot).expect("a pod has a volume").data = Some(copy);
                    self.servers.insert(slot, Does::Follows { leader, epoch, synced: true });
                }
                _ => {}
            }
        }
    }

    /// The leader and those whose acknowledgements it has the links to get.
    fn synced_with(&self, leader: Slot, epoch: i64) -> BTreeSet<Slot> {
        let follows = Does::Follows { leader, epoch, synced: true };
        let linked = |slot: &Slot| self.is_connected(*slot) && self.is_connected(leader);
        let mut synced: BTreeSet<Slot> = self
            .servers
            .iter()
            .filter(|(slot, does)| **does == follows && linked(slot))
            .map(|(slot, _)| *slot)
            .collect();
        synced.insert(leader);
        synced
    }

    fn lead(&mut self, leader: Slot, epoch: i64, mut established: bool) {
        let synced = self.synced_with(leader, epoch);
        let Some(Does::Leads { alone_since, .. }) = self.servers.get(&leader).copied() else { return };
        if !is_double_quorum(self.data(leader).expect("a leader has data"), &synced) {
            let since = alone_since.unwrap_or(self.tick);
            let patience = if established { 3 } else { 15 };
            let next = match self.tick - since > patience {
                true => Does::Idle,
                false => Does::Leads { epoch, established, alone_since: Some(since) },
            };
            self.servers.insert(leader, next);
            return;
        }
        if !established {
            established = true;
            self.check_new_leader(leader);
            self.say(format!("{leader} leads epoch {epoch}"));
        }
        self.servers.insert(leader, Does::Leads { epoch, established, alone_since: None });
        if self.record.bootstrapped && self.rng.in_1000(700) {
            self.propose(leader, epoch, What::Write);
        }
        self.replicate(leader, &synced);
        self.commit(leader, &synced);
        self.inform(leader, &synced);
    }

    fn propose(&mut self, leader: Slot, epoch: i64, what: What) -> i64 {
        let data = self.data_mut(leader).expect("a leader has data");
        let zxid = data.last_zxid().max(epoch << 32) + 1;
        data.log.push(Entry { zxid, what });
        zxid
    }

    fn replicate(&mut self, leader: Slot, synced: &BTreeSet<Slot>) {
        for slot in synced.iter().filter(|slot| **slot != leader) {
            let has = self.data(*slot).map_or(0, |data| data.log.len());
            let length = self.data(leader).map_or(0, |data| data.log.len());
            let upto = match self.rng.in_1000(800) {
                true => length,
                false => self.rng.among(has as u64..length as u64 + 1) as usize,
            };
            let tail = self.data(leader).map(|data| data.log[has..upto].to_vec()).unwrap_or_default();
            if let Some(data) = self.data_mut(*slot) {
                data.log.extend(tail);
            }
        }
    }

    /// Commits what a quorum has, in order.
    fn commit(&mut self, leader: Slot, synced: &BTreeSet<Slot>) {
        loop {
            let data = self.data(leader).expect("a leader has data");
            let at = data.committed;
            let Some(entry) = data.log.get(at).cloned() else { return };
            let acks: BTreeSet<Slot> = synced
                .iter()
                .copied()
                .filter(|slot| self.data(*slot).is_some_and(|data| data.log.len() > at))
                .collect();
            let (_, old) = data.config();
            // Entries are committed one by one, so the only configuration that can be pending here is this one.
            let is_acked = is_quorum(old, &acks)
                && match &entry.what {
                    What::Config(new) => is_quorum(new, &acks),
                    _ => true,
                };
            if !is_acked {
                return;
            }
            let old = Rc::clone(old);
            self.check_commit(leader, at, &entry, &old);
            self.data_mut(leader).expect("a leader has data").committed = at + 1;
            if let What::Config(new) = &entry.what {
                self.say(format!("configuration {:#x} is committed: {:?}", entry.zxid, new.keys().collect::<Vec<_>>()));
                // A leader that has lost its vote leads no longer.
                if new.get(&leader.sid()) != Some(&Role::Voter) {
                    self.inform(leader, synced);
                    self.servers.insert(leader, Does::Idle);
                    return;
                }
            }
        }
    }

    /// Tells the followers what is committed; some hear it later.
    fn inform(&mut self, leader: Slot, synced: &BTreeSet<Slot>) {
        let committed = self.data(leader).expect("a leader has data").committed;
        for slot in synced {
            let hears = self.rng.in_1000(850);
            if let Some(data) = self.data_mut(*slot)
                && hears
            {
                data.committed = data.committed.max(committed.min(data.log.len()));
            }
        }
    }

    fn elect(&mut self) {
        let all = self.rng.in_1000(700);
        let looking: Vec<Slot> = self
            .slots()
            .into_iter()
            .filter(|slot| self.servers.get(slot) == Some(&Does::Idle) && self.is_connected(*slot))
            .filter(|slot| self.data(*slot).is_some())
            .collect();
        let heard: BTreeSet<Slot> = looking.into_iter().filter(|_| all || self.rng.in_1000(700)).collect();
        // Votes carry configurations, and who hears of a later one goes by it.
        let configs = heard.iter().filter_map(|slot| self.data(*slot)).map(|data| data.config());
        let Some((_, config)) = configs.max_by_key(|(version, _)| *version) else { return };
        let config = Rc::clone(config);
        // Votes of those whom a proposed configuration makes voters are heard, too; else 1 -> 3 could not survive its leader.
        let proposed: BTreeSet<ServerId> = heard
            .iter()
            .filter_map(|slot| self.data(*slot)?.pending())
            .flat_map(|(_, config)| voters(config).collect::<Vec<_>>())
            .collect();
        let is_voter = |slot: &Slot| config.get(&slot.sid()) == Some(&Role::Voter);
        let electors: BTreeSet<Slot> =
            heard.into_iter().filter(|slot| is_voter(slot) || proposed.contains(&slot.sid())).collect();
        let may_lead = |slot: &Slot| {
            let pending = self.data(*slot).and_then(|data| data.pending());
            is_voter(slot) || pending.is_some_and(|(_, config)| config.get(&slot.sid()) == Some(&Role::Voter))
        };
        let best = electors
            .iter()
            .copied()
            .filter(may_lead)
            .max_by_key(|slot| self.data(*slot).map(|data| (data.epoch, data.last_zxid(), slot.sid())));
        let Some(best) = best else { return };
        let data = self.data(best).expect("an elector has data");
        let pending_agrees = data.pending().is_none_or(|(_, config)| is_quorum(config, &electors));
        if !is_quorum(&config, &electors) || !pending_agrees {
            return;
        }
        let epoch =
            electors.iter().filter_map(|slot| self.data(*slot)).map(|data| data.accepted).max().unwrap_or(0) + 1;
        self.crown(best, epoch, &electors);
    }

    fn crown(&mut self, leader: Slot, epoch: i64, electors: &BTreeSet<Slot>) {
        for slot in electors {
            if let Some(data) = self.data_mut(*slot) {
                data.accepted = epoch;
            }
            self.servers.insert(*slot, Does::Follows { leader, epoch, synced: false });
        }
        self.data_mut(leader).expect("an elector has data").epoch = epoch;
        self.servers.insert(leader, Does::Leads { epoch, established: false, alone_since: None });
    }

    /// The reconfig request, at the leader. `expect` is the version it must still have, if any.
    pub fn reconfig(
        &mut self,
        expect: Option<i64>,
        joining: &[(ServerId, Role)],
        leaving: &[ServerId],
    ) -> Result<i64, Refusal> {
        let Some((leader, epoch)) = self.leader() else { return Err(Refusal::NoLeader) };
        let data = self.data(leader).expect("a leader has data");
        if data.pending().is_some() {
            return Err(Refusal::ReconfigInProgress);
        }
        let (version, config) = data.config();
        if expect.is_some_and(|expected| expected != version) {
            return Err(Refusal::BadVersion);
        }
        let mut config = Config::clone(config);
        config.retain(|sid, _| !leaving.contains(sid));
        config.extend(joining.iter().copied());
        if !is_quorum(&config, &self.synced_with(leader, epoch)) {
            return Err(Refusal::NewConfigNoQuorum);
        }
        Ok(self.propose(leader, epoch, What::Config(Rc::new(config))))
    }

    /// A write of the operator; whether it commits shows later.
    pub fn set_znode(&mut self, barrier: i64) {
        if let Some((leader, epoch)) = self.leader() {
            self.propose(leader, epoch, What::Znode { barrier });
        }
    }

    /// The leader lets another lead, if that one has everything.
    pub fn hand_over(&mut self, to: ServerId) {
        let Some((leader, epoch)) = self.leader() else { return };
        let (to, synced) = (Slot::of(to), self.synced_with(leader, epoch));
        let length = |slot: Slot| self.data(slot).map_or(0, |data| data.log.len());
        if to == leader || !synced.contains(&to) || length(to) != length(leader) {
            return;
        }
        if self.rng.in_1000(200) {
            for slot in synced {
                self.servers.insert(slot, Does::Idle);
            }
            return;
        }
        let voters: BTreeSet<Slot> =
            voters(self.data(leader).expect("a leader has data").config().1).map(Slot::of).collect();
        let electors: BTreeSet<Slot> = synced.intersection(&voters).copied().collect();
        self.servers.insert(leader, Does::Idle);
        self.crown(to, epoch + 1, &electors);
    }

    /// The server leaves for good, unless it knows better.
    pub fn retire(&mut self, sid: ServerId, version: i64) {
        let slot = Slot::of(sid);
        let Some(data) = self.data(slot) else { return };
        let (known, config) = data.config();
        if !self.servers.contains_key(&slot) || known < version || config.contains_key(&sid) {
            return;
        }
        self.disks.get_mut(&slot).expect("a pod has a volume").retired_at = Some(known);
        self.servers.insert(slot, Does::Retired);
    }
}
