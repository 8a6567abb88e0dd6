//! How it ends.

use super::{DOWN_US, Undo};
use crate::observe::Observation;
use crate::world::{Event, World};
use std::collections::{BTreeSet, VecDeque};
use store::testing::Keep;
use wire::ServerId;

impl World {
    /// The end of a fault.
    pub(crate) fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Partitions => {
                let deliveries = self.net.heal(self.now_us);
                self.deliver_all(deliveries);
            }
            Undo::VoteLoss => self.net.vote_loss_percent = 0,
            Undo::SlowServer(sid) => self.net.slow_down(sid, 0),
            Undo::SlowDisk(sid) => {
                let sync_us = self.setup.sync_us;
                if let Some(process) = self.process(sid) {
                    process.disk.set_sync_us(sync_us);
                }
            }
            Undo::FullDisk(sid) => self.setup.disk(sid).set_capacity(None),
            Undo::Pause(sid, incarnation) => self.go_on(sid, incarnation),
            Undo::DiskFault(sid, incarnation) => self.end_disk_fault(sid, incarnation),
        }
    }

    pub(super) fn go_on(&mut self, sid: ServerId, incarnation: u32) {
        let Some(host) = self.hosts.get_mut(&sid).filter(|host| host.incarnation == incarnation) else { return };
        let Some(held) = host.held.take() else { return };
        self.checks.lock().see(&Observation::Paused { server: sid, is_paused: false });
        for event in held {
            // It may end over one of them.
            if self.hosts.get(&sid).is_some_and(|host| host.incarnation == incarnation && host.process.is_some()) {
                self.tell(sid, event);
            }
        }
    }

    pub(super) fn end_disk_fault(&mut self, sid: ServerId, incarnation: u32) {
        let Some(host) = self.hosts.get_mut(&sid).filter(|host| host.incarnation == incarnation) else { return };
        // A server that is down waits for another kind of fault.
        if host.process.is_none() || !std::mem::take(&mut host.fault_pending) {
            return;
        }
        self.setup.disk(sid).heal();
        if let Some(keep) = host.power_fails.take() {
            // No call came in time: the power goes all the same.
            self.end_with(sid, keep);
            self.plan_restart(sid);
        }
    }

    /// Everything is mended; servers that are down are started again.
    pub(crate) fn mend(&mut self) {
        self.undo(Undo::Partitions);
        self.undo(Undo::VoteLoss);
        for sid in self.hosts.keys().copied().collect::<Vec<_>>() {
            let incarnation = self.hosts[&sid].incarnation;
            self.undo(Undo::SlowServer(sid));
            self.undo(Undo::SlowDisk(sid));
            self.undo(Undo::FullDisk(sid));
            self.undo(Undo::DiskFault(sid, incarnation));
            self.undo(Undo::Pause(sid, incarnation));
            self.setup.disk(sid).heal();
            self.agenda.plan(self.now_us + 1000, Event::Restart(sid));
        }
    }

    /// Of a mended ensemble a minority stays out, perhaps: servers that are down, cut off from the others, or stand still.
    /// The servers that do. One whose disk has lost something does not vote before it has caught up, so it is one of the
    /// minority without being broken.
    pub(crate) fn break_minority(&mut self) -> BTreeSet<ServerId> {
        let forgetful = if self.may_forget() { None } else { self.nemesis.forgetful };
        let rng = &mut self.nemesis.rng;
        let mut sids: Vec<ServerId> = self.nemesis.voters.iter().copied().collect();
        let most = (sids.len().saturating_sub(1) / 2).saturating_sub(usize::from(forgetful.is_some()));
        sids.retain(|sid| Some(*sid) != forgetful);
        if most == 0 || rng.chance(40) {
            return BTreeSet::new();
        }
        rng.shuffle(&mut sids);
        sids.truncate(rng.range(1, most as i64) as usize);
        self.count("minorities left broken");
        for sid in sids.iter().copied() {
            match self.nemesis.rng.below(3) {
                0 => {
                    let (keep, _) = self.nemesis.draw_keep(false);
                    self.end_with(sid, keep);
                }
                1 => self.cut_off(sid),
                _ => {
                    if let Some(host) = self.hosts.get_mut(&sid) {
                        host.held = Some(VecDeque::new());
                    }
                    self.checks.lock().see(&Observation::Paused { server: sid, is_paused: true });
                }
            }
        }
        sids.into_iter().collect()
    }

    pub(super) fn cut_off(&mut self, sid: ServerId) {
        for other in self.hosts.keys().copied().filter(|other| *other != sid) {
            self.net.block(sid, other);
            self.net.block(other, sid);
        }
    }

    /// A server's process has ended over something.
    pub(crate) fn on_dead(&mut self, sid: ServerId, reason: &str) {
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        tracing::debug!(%sid, reason, "the process ends");
        if !std::mem::take(&mut host.fault_pending) {
            let message = format!("server {sid} ended although nothing was done to it: {reason}");
            self.checks.lock().fail("no_needless_end", message);
            return;
        }
        self.setup.disk(sid).heal();
        match host.power_fails.take() {
            Some(keep) => {
                self.count("power cuts inside a disk call");
                self.end_with(sid, keep);
            }
            None => {
                self.count("fsync failures");
                // What the system could not write it may have dropped from memory too.
                let keep = if self.nemesis.rng.chance(50) { Keep::Nothing } else { Keep::Everything };
                self.end(sid, keep, true);
            }
        }
        self.plan_restart(sid);
    }

    /// A server that was asked to stop has done so.
    pub(crate) fn on_stopped(&mut self, sid: ServerId) {
        self.count("servers stopped");
        self.end(sid, Keep::Everything, true);
        self.agenda.plan(self.now_us + DOWN_US.0, Event::Restart(sid));
    }

    /// A server is up.
    pub(crate) fn started(&mut self, sid: ServerId) {
        self.setup.disk(sid).heal();
        if let Some(host) = self.hosts.get_mut(&sid) {
            (host.fault_pending, host.damaged) = (false, false);
        }
    }

    /// A server refuses its disk.
    pub(crate) fn on_refusal(&mut self, sid: ServerId, reason: &str) {
        let Some(host) = self.hosts.get_mut(&sid) else { return };
        tracing::debug!(%sid, reason, "refuses to start");
        let (fault_pending, damaged) = (std::mem::take(&mut host.fault_pending), host.damaged);
        self.setup.disk(sid).heal();
        self.count("starts refused");
        if reason.contains("no space left") {
            // A start that has to write needs room; whoever supervises it tries again.
        } else if fault_pending {
            self.count("read failures at start");
        } else if damaged {
            self.replace_disk(sid);
        } else {
            let message = format!("server {sid} refuses a disk that nothing has damaged: {reason}");
            self.checks.lock().fail("no_needless_refusal", message);
            return;
        }
        self.plan_restart(sid);
    }
}
