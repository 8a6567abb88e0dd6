//! A simplified but honest ZooKeeper, after the one of the planner's simulation (`crates/plan/tests/simulation`): what is committed is
//! in the logs of a quorum, of the old and of the new configuration while one changes; only servers with data elect, and only a
//! quorum of them; learners get the leader's log.

use crate::world::World;
use plan::{Config, Role, ServerId, Slot, Znode};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// What a transaction does.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Config(Arc<Config>),
    Znode(Znode),
    Write,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub zxid: i64,
    pub what: What,
}

/// What a server keeps over restarts.
#[derive(Debug, Clone)]
pub struct Data {
    /// Whose data it is.
    pub ensemble: String,
    pub log: Vec<Entry>,
    /// How much of the log it knows to be committed.
    pub committed: usize,
    /// The epoch of the leader that it synced with last.
    pub epoch: i64,
    /// The highest epoch that it promised to follow.
    pub accepted: i64,
}

impl Data {
    pub fn last_config(entries: &[Entry]) -> Option<(i64, &Arc<Config>)> {
        entries.iter().rev().find_map(|entry| match &entry.what {
            What::Config(config) => Some((entry.zxid, config)),
            _ => None,
        })
    }

    /// The committed configuration. Every log begins with one.
    pub fn config(&self) -> (i64, &Arc<Config>) {
        Self::last_config(&self.log[..self.committed]).expect("a log begins with a configuration")
    }

    pub fn pending(&self) -> Option<(i64, &Arc<Config>)> {
        Self::last_config(&self.log[self.committed..])
    }

    pub fn last_zxid(&self) -> i64 {
        self.log.last().map_or(0, |entry| entry.zxid)
    }
}

/// A volume.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    /// The uid of its claim.
    pub claim: String,
    pub retired_at: Option<i64>,
    pub data: Option<Data>,
}

/// A process.
#[derive(Debug, Clone)]
pub struct Server {
    pub address: IpAddr,
    pub does: Does,
    /// What it was told when it was started: whose it is, and the digest of the superuser.
    pub ensemble: String,
    pub digest: String,
    /// What it has said of itself last, and how often that was something new.
    pub said: Option<Said>,
    pub generation: u64,
}

/// What a server says of itself but for its last transaction; the configuration follows from its version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    pub state: &'static str,
    pub leader: Option<ServerId>,
    pub epoch: Option<i64>,
    pub synced: bool,
    pub has_data: bool,
    pub retired_at: Option<i64>,
    pub config_version: i64,
    pub pending: Option<i64>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Does {
    Loading {
        until: u64,
    },
    /// Looks for a leader or waits for one.
    Idle,
    Follows {
        leader: Slot,
        epoch: i64,
        synced: bool,
    },
    Leads {
        epoch: i64,
        established: bool,
        alone_since: Option<u64>,
    },
    Retired,
    /// The volume is another ensemble's.
    Refuses,
}

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
    let there = voters(config).filter(|sid| of.contains(&Slot::of(*sid))).count();
    there > voters(config).count() / 2
}

/// A quorum of the committed configuration, and of the pending one if there is one.
fn is_double_quorum(data: &Data, of: &BTreeSet<Slot>) -> bool {
    is_quorum(data.config().1, of) && data.pending().is_none_or(|(_, config)| is_quorum(config, of))
}

/// How long a leader stays without a quorum, in milliseconds: one that leads, and one that is about to.
const ALONE_MAX: [u64; 2] = [3_000, 10_000];

impl World {
    fn slots(&self) -> Vec<Slot> {
        self.servers.keys().copied().collect()
    }

    pub fn does(&self, slot: Slot) -> Option<Does> {
        self.servers.get(&slot).map(|server| server.does)
    }

    fn set(&mut self, slot: Slot, does: Does) {
        if let Some(server) = self.servers.get_mut(&slot) {
            server.does = does;
        }
    }

    pub fn data(&self, slot: Slot) -> Option<&Data> {
        self.disks.get(&slot)?.data.as_ref()
    }

    fn data_mut(&mut self, slot: Slot) -> Option<&mut Data> {
        self.disks.get_mut(&slot)?.data.as_mut()
    }

    fn is_connected(&self, slot: Slot) -> bool {
        let takes_part = !matches!(self.does(slot), None | Some(Does::Loading { .. } | Does::Retired | Does::Refuses));
        takes_part && !self.cut.contains_key(&slot)
    }

    /// The established leader that is connected, the latest if an old one has not noticed yet.
    pub fn leader(&self) -> Option<(Slot, i64)> {
        let leads = |(slot, server): (&Slot, &Server)| match server.does {
            Does::Leads { epoch, established: true, .. } if !self.cut.contains_key(slot) => Some((*slot, epoch)),
            _ => None,
        };
        self.servers.iter().filter_map(leads).max_by_key(|(_, epoch)| *epoch)
    }

    /// Voters of the governing configuration that follow the leader in sync, and the leader.
    pub fn synced_voters(&self) -> Vec<ServerId> {
        let (Some((_, config)), Some((leader, epoch))) = (self.governing(), self.leader()) else { return Vec::new() };
        let follows = Does::Follows { leader, epoch, synced: true };
        let is_synced = |slot: Slot| slot == leader || self.does(slot) == Some(follows);
        voters(&config).filter(|sid| is_synced(Slot::of(*sid))).collect()
    }

    pub fn run_ensemble(&mut self) {
        for slot in self.slots() {
            self.let_go(slot);
        }
        for slot in self.slots() {
            if let Some(Does::Leads { epoch, established, .. }) = self.does(slot) {
                self.attach(slot, epoch);
                self.lead(slot, epoch, established);
            }
        }
        let leads = |slot: &Slot| matches!(self.does(*slot), Some(Does::Leads { .. })) && self.is_connected(*slot);
        // Now and then servers that do not hear of the leader try an election beside it.
        if !self.slots().iter().any(leads) || self.rng.in_1000(20) {
            self.elect();
        }
    }

    /// Loading ends; followers notice that their leader is gone.
    fn let_go(&mut self, slot: Slot) {
        let (notices, now) = (self.rng.in_1000(500), self.millis());
        match self.does(slot) {
            Some(Does::Loading { until }) if until <= now => self.set(slot, Does::Idle),
            Some(Does::Follows { leader, epoch, .. }) => {
                let leads = matches!(self.does(leader), Some(Does::Leads { epoch: theirs, .. }) if theirs == epoch);
                let is_linked = leads && self.is_connected(leader) && self.is_connected(slot);
                if !is_linked && notices {
                    self.set(slot, Does::Idle);
                }
            }
            _ => {}
        }
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
            match self.does(slot) {
                Some(Does::Idle) if promised <= epoch => {
                    if let Some(data) = self.data_mut(slot) {
                        data.accepted = epoch;
                    }
                    self.set(slot, Does::Follows { leader, epoch, synced: false });
                }
                Some(Does::Follows { leader: theirs, epoch: at, synced: false }) if (theirs, at) == (leader, epoch) => {
                    // With its disk a server has lost its promises, too. It must not help a leader into office or keep it there:
                    // it follows one that a quorum without it follows.
                    let is_led = Does::Leads { epoch, established: true, alone_since: None };
                    if self.data(slot).is_none() && self.does(leader) != Some(is_led) {
                        continue;
                    }
                    let mut copy = self.data(leader).expect("a leader has data").clone();
                    (copy.epoch, copy.accepted) = (epoch, epoch);
                    self.disks.get_mut(&slot).expect("a server has a volume").data = Some(copy);
                    self.set(slot, Does::Follows { leader, epoch, synced: true });
                }
                _ => {}
            }
        }
    }

    /// The leader and those whose acknowledgements it has the links to get.
    fn synced_with(&self, leader: Slot, epoch: i64) -> BTreeSet<Slot> {
        let follows = Some(Does::Follows { leader, epoch, synced: true });
        let linked = |slot: &Slot| self.is_connected(*slot) && self.is_connected(leader);
        let followers = self.slots().into_iter().filter(|slot| self.does(*slot) == follows && linked(slot));
        followers.chain([leader]).collect()
    }

    fn lead(&mut self, leader: Slot, epoch: i64, mut established: bool) {
        let synced = self.synced_with(leader, epoch);
        let Some(Does::Leads { alone_since, .. }) = self.does(leader) else { return };
        if !is_double_quorum(self.data(leader).expect("a leader has data"), &synced) {
            let (now, since) = (self.millis(), alone_since.unwrap_or(self.millis()));
            let patience = ALONE_MAX[usize::from(!established)];
            let gives_up = now - since > patience;
            let stays = Does::Leads { epoch, established, alone_since: Some(since) };
            self.set(leader, if gives_up { Does::Idle } else { stays });
            return;
        }
        if !established {
            established = true;
            self.check_new_leader(leader);
            self.say(format!("{leader} leads epoch {epoch}"));
        }
        self.set(leader, Does::Leads { epoch, established, alone_since: None });
        if self.is_written_to && self.rng.in_1000(200) {
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
            let upto = if self.rng.in_1000(800) {
                length
            } else {
                usize::try_from(self.rng.among(has as u64..length as u64 + 1)).unwrap_or(length)
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
            let has = |slot: &Slot| self.data(*slot).is_some_and(|data| data.log.len() > at);
            let acks: BTreeSet<Slot> = synced.iter().copied().filter(has).collect();
            // Entries are committed one by one, so the only configuration that can be pending here is this one.
            let old = data.config().1.clone();
            let is_acked = is_quorum(&old, &acks)
                && match &entry.what {
                    What::Config(new) => is_quorum(new, &acks),
                    _ => true,
                };
            if !is_acked {
                return;
            }
            self.check_commit(leader, at, &entry, &old);
            self.data_mut(leader).expect("a leader has data").committed = at + 1;
            if let What::Config(new) = &entry.what {
                let ids: Vec<u8> = new.keys().map(|sid| sid.get()).collect();
                self.say(format!("configuration {:#x} is committed: {ids:?}", entry.zxid));
                // A leader that has lost its vote leads no longer.
                if new.get(&leader.sid()) != Some(&Role::Voter) {
                    self.inform(leader, synced);
                    self.set(leader, Does::Idle);
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
        let is_looking = |slot: &Slot| self.does(*slot) == Some(Does::Idle) && self.is_connected(*slot);
        let looking: Vec<Slot> =
            self.slots().into_iter().filter(|slot| is_looking(slot) && self.data(*slot).is_some()).collect();
        let heard: BTreeSet<Slot> = looking.into_iter().filter(|_| all || self.rng.in_1000(700)).collect();
        // Votes carry configurations, and who hears of a later one goes by it.
        let configs = heard.iter().filter_map(|slot| self.data(*slot)).map(Data::config);
        let Some((_, config)) = configs.max_by_key(|(version, _)| *version) else { return };
        let config = config.clone();
        // Votes of those whom a proposed configuration makes voters are heard, too; else 1 -> 3 could not survive its leader.
        let pending = |slot: &Slot| self.data(*slot).and_then(|data| Some(data.pending()?.1.clone()));
        let proposed: BTreeSet<ServerId> =
            heard.iter().filter_map(pending).flat_map(|config| voters(&config).collect::<Vec<_>>()).collect();
        let is_voter = |slot: &Slot| config.get(&slot.sid()) == Some(&Role::Voter);
        let electors: BTreeSet<Slot> =
            heard.into_iter().filter(|slot| is_voter(slot) || proposed.contains(&slot.sid())).collect();
        let is_proposed = |slot: &Slot| pending(slot).is_some_and(|it| it.get(&slot.sid()) == Some(&Role::Voter));
        let may_lead = electors.iter().copied().filter(|slot| is_voter(slot) || is_proposed(slot));
        let best = may_lead.max_by_key(|slot| self.data(*slot).map(|data| (data.epoch, data.last_zxid(), slot.sid())));
        let Some(best) = best else { return };
        let pending_agrees = pending(&best).is_none_or(|config| is_quorum(&config, &electors));
        if !is_quorum(&config, &electors) || !pending_agrees {
            return;
        }
        let promised = electors.iter().filter_map(|slot| self.data(*slot)).map(|data| data.accepted).max();
        self.crown(best, promised.unwrap_or(0) + 1, &electors);
    }

    fn crown(&mut self, leader: Slot, epoch: i64, electors: &BTreeSet<Slot>) {
        for slot in electors {
            if let Some(data) = self.data_mut(*slot) {
                data.accepted = epoch;
            }
            self.set(*slot, Does::Follows { leader, epoch, synced: false });
        }
        self.data_mut(leader).expect("an elector has data").epoch = epoch;
        self.set(leader, Does::Leads { epoch, established: false, alone_since: None });
    }

    /// The reconfig request, at this server. Its zxid, if it is proposed.
    pub fn reconfig(
        &mut self,
        at: Slot,
        expected: i64,
        joining: &[(ServerId, Role)],
        leaving: &[ServerId],
    ) -> Result<i64, Refusal> {
        let Some((leader, epoch)) = self.leader().filter(|(leader, _)| *leader == at) else {
            return Err(Refusal::NoLeader);
        };
        let data = self.data(leader).expect("a leader has data");
        if data.pending().is_some() {
            return Err(Refusal::ReconfigInProgress);
        }
        let (version, config) = data.config();
        if expected != version {
            return Err(Refusal::BadVersion);
        }
        let mut config = Config::clone(config);
        config.retain(|sid, _| !leaving.contains(sid));
        config.extend(joining.iter().copied());
        if !is_quorum(&config, &self.synced_with(leader, epoch)) {
            return Err(Refusal::NewConfigNoQuorum);
        }
        Ok(self.propose(leader, epoch, What::Config(Arc::new(config))))
    }

    /// A write of the operator, at this server; whether it commits shows later.
    pub fn write_znode(&mut self, at: Slot, znode: Znode) -> Option<i64> {
        let (leader, epoch) = self.leader().filter(|(leader, _)| *leader == at)?;
        Some(self.propose(leader, epoch, What::Znode(znode)))
    }

    /// The znode as this server reads it.
    pub fn znode(&self, at: Slot) -> Option<Znode> {
        let data = self.data(at)?;
        let written = data.log[..data.committed].iter().rev().find_map(|entry| match &entry.what {
            What::Znode(znode) => Some(znode.clone()),
            _ => None,
        });
        Some(written.unwrap_or(Znode::Absent))
    }

    /// The leader lets another lead, if that one has everything. Whether it does.
    pub fn hand_over(&mut self, from: Slot, to: Slot) -> bool {
        let Some((leader, epoch)) = self.leader().filter(|(leader, _)| *leader == from) else { return false };
        let synced = self.synced_with(leader, epoch);
        let length = |slot: Slot| self.data(slot).map_or(0, |data| data.log.len());
        let config = self.data(leader).expect("a leader has data").config().1.clone();
        let voters: BTreeSet<Slot> = voters(&config).map(Slot::of).collect();
        if to == leader || !synced.contains(&to) || !voters.contains(&to) || length(to) != length(leader) {
            return false;
        }
        let electors: BTreeSet<Slot> = synced.intersection(&voters).copied().collect();
        self.set(leader, Does::Idle);
        self.crown(to, epoch + 1, &electors);
        true
    }

    /// The server leaves for good, unless it knows better. Whether it does.
    pub fn retire(&mut self, slot: Slot, version: i64) -> bool {
        let Some(data) = self.data(slot) else { return false };
        let (known, config) = data.config();
        if !self.servers.contains_key(&slot) || known < version || config.contains_key(&slot.sid()) {
            return false;
        }
        self.disks.get_mut(&slot).expect("a server has a volume").retired_at = Some(known);
        self.set(slot, Does::Retired);
        true
    }
}
