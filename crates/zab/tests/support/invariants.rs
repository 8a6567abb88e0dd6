//! What must hold after every step, named as in Apache's `Zab.tla`; those below the line of its properties are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use wire::{Epoch, ServerId, Zxid};
use zab::quorum::Membership;
use zab::{Epochs, EstablishedRole};

use super::disk::{Disk, Entry};

/// A broken invariant with both sides' values.
#[derive(Debug, Clone)]
pub struct Violation {
    pub invariant: &'static str,
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant={}\n  {}", self.invariant, self.text)
    }
}

pub type Check = Result<(), Violation>;

fn broken(invariant: &'static str, text: String) -> Check {
    Err(Violation { invariant, text })
}

/// The history of the run as nobody inside it can see it.
#[derive(Default)]
pub struct Ledger {
    proposed: BTreeMap<Zxid, u64>,
    /// What leaders have committed: acknowledged to clients, never to be lost.
    pub committed: Vec<Entry>,
    leaders: BTreeMap<Epoch, ServerId>,
    epochs: BTreeMap<ServerId, Epochs>,
}

impl Ledger {
    pub fn proposed(&mut self, by: ServerId, entry: Entry) -> Check {
        match self.proposed.insert(entry.zxid, entry.tag) {
            None => Ok(()),
            Some(_) => broken("primary_integrity", format!("server {by} proposes {entry:?}: the zxid was used before")),
        }
    }

    /// What was to be proposed was not sent to anybody: its zxid is free again.
    pub fn withdrawn(&mut self, entry: Entry) {
        self.proposed.remove(&entry.zxid);
    }

    /// A server begins to serve; what it has applied is what its clients see.
    pub fn established(&mut self, sid: ServerId, role: EstablishedRole, epoch: Epoch, applied: &[Entry]) -> Check {
        if role == EstablishedRole::Leader {
            self.leadership(epoch, sid)?;
            self.primary_integrity(sid, epoch, applied)?;
            self.committed.extend_from_slice(&applied[self.committed.len()..]);
        }
        total_order(sid, applied)?;
        for (at, entry) in applied.iter().enumerate() {
            self.prefix_consistency(sid, at, *entry)?;
        }
        Ok(())
    }

    /// A serving server has applied one more.
    pub fn delivered(&mut self, sid: ServerId, is_leader: bool, applied: &[Entry]) -> Check {
        let Some((last, before)) = applied.split_last() else { return Ok(()) };
        if before.last().is_some_and(|previous| previous.zxid >= last.zxid) {
            return broken("total_order", format!("server {sid} delivers {last:?} behind {:?}", before.last()));
        }
        if is_leader && self.committed.len() == before.len() {
            self.committed.push(*last);
        }
        self.integrity(sid, *last)?;
        self.prefix_consistency(sid, before.len(), *last)
    }

    fn leadership(&mut self, epoch: Epoch, sid: ServerId) -> Check {
        match self.leaders.insert(epoch, sid) {
            Some(other) => broken("leadership", format!("epoch {epoch} has leader {other} and leader {sid}")),
            None => Ok(()),
        }
    }

    fn primary_integrity(&self, sid: ServerId, epoch: Epoch, applied: &[Entry]) -> Check {
        if applied.starts_with(&self.committed) {
            return Ok(());
        }
        let at = self.committed.iter().zip(applied).take_while(|(a, b)| a == b).count();
        broken(
            "primary_integrity",
            format!(
                "leader {sid} of epoch {epoch} holds {:?} at place {at}      committed there was {:?}",
                applied.get(at),
                self.committed.get(at)
            ),
        )
    }

    fn integrity(&self, sid: ServerId, entry: Entry) -> Check {
        match self.proposed.get(&entry.zxid) {
            Some(&tag) if tag == entry.tag => Ok(()),
            other => broken("integrity", format!("server {sid} delivers {entry:?}      proposed was {other:?}")),
        }
    }

    fn prefix_consistency(&self, sid: ServerId, at: usize, entry: Entry) -> Check {
        match self.committed.get(at) {
            Some(&committed) if committed == entry => Ok(()),
            Some(committed) => broken(
                "prefix_consistency",
                format!("server {sid} delivers {entry:?} at place {at}      committed there is {committed:?}"),
            ),
            None => broken(
                "commit_before_leader",
                format!("server {sid} delivers {entry:?} at place {at}      the leader has committed {at}"),
            ),
        }
    }

    /// A server has lost its disk.
    pub fn forget_disk(&mut self, sid: ServerId) {
        self.epochs.remove(&sid);
    }

    /// The files of one server: epochs only grow, and the current one is never ahead of what was accepted (I3).
    pub fn epochs(&mut self, sid: ServerId, epochs: Epochs) -> Check {
        let before = self.epochs.insert(sid, epochs).unwrap_or_default();
        if epochs.current > epochs.accepted {
            return broken("current_within_accepted", format!("server {sid} has {epochs:?}"));
        }
        if epochs.current < before.current || epochs.accepted < before.accepted {
            return broken("epochs_grow", format!("server {sid} has {epochs:?} behind {before:?}"));
        }
        Ok(())
    }

    /// Acknowledged survives: at any time a quorum of disks holds the last committed transaction (and with it, since logs have
    /// no holes, all before).
    pub fn durability(&self, membership: &Membership, disks: &BTreeMap<ServerId, &Disk>) -> Check {
        let Some(&last) = self.committed.last() else { return Ok(()) };
        let holders: BTreeSet<ServerId> =
            disks.iter().filter(|(_, disk)| disk.holds(last)).map(|(&sid, _)| sid).collect();
        if membership.is_quorum(&holders) {
            return Ok(());
        }
        broken("durability", format!("{last:?} is committed, but only the disks of {holders:?} hold it"))
    }

    /// An epoch is established only when a quorum has taken it, with its history, to disk.
    pub fn history_before_epoch(
        &self,
        membership: &Membership,
        disks: &BTreeMap<ServerId, &Disk>,
        epoch: Epoch,
        last: Option<Entry>,
    ) -> Check {
        let took = |disk: &Disk| disk.epochs.current >= epoch && last.is_none_or(|last| disk.holds(last));
        let takers: BTreeSet<ServerId> = disks.iter().filter(|(_, disk)| took(disk)).map(|(&sid, _)| sid).collect();
        if membership.is_quorum(&takers) {
            return Ok(());
        }
        broken(
            "history_before_epoch",
            format!("epoch {epoch} is established at {last:?}, but only the disks of {takers:?} have both"),
        )
    }
}

pub fn total_order(sid: ServerId, applied: &[Entry]) -> Check {
    match applied.windows(2).find(|two| two[0].zxid >= two[1].zxid) {
        Some(two) => broken("total_order", format!("server {sid} delivers {:?} before {:?}", two[0], two[1])),
        None => Ok(()),
    }
}

/// Of two servers that serve, one has delivered a prefix of what the other has.
pub fn agreement(serving: &BTreeMap<ServerId, &[Entry]>) -> Check {
    for (a, left) in serving {
        for (b, right) in serving.range(a..) {
            let common = left.len().min(right.len());
            if common > 0 && left[common - 1] != right[common - 1] {
                return broken(
                    "agreement",
                    format!(
                        "at place {} server {a} has {:?}      server {b} has {:?}",
                        common - 1,
                        left[common - 1],
                        right[common - 1]
                    ),
                );
            }
        }
    }
    Ok(())
}

/// What a server showed to its clients it may not cut away.
pub fn kept(sid: ServerId, shown: &[Entry], left: &[Entry]) -> Check {
    if left.starts_with(shown) {
        return Ok(());
    }
    broken("delivered_is_kept", format!("server {sid} had shown {:?} and now ends at {:?}", shown.last(), left.last()))
}
