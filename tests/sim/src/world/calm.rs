//! Phase 2: a majority is mended, then everything, and what is mended must go well.

use super::{CALM_LOOK_US, CALM_US_MAX, Event, Host, Phase, World};
use crate::client::ClientInput;
use crate::network::{Delivery, Holder};
use crate::observe::Observation;
use wire::{ServerId, Zxid};

impl World {
    /// Phase 2 begins: a majority is mended, or everything.
    pub(super) fn calm(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.stopped.clear();
        }
        self.mend();
        // Of two configurations each needs its quorum, and a voter that holds nothing yet is of the minority already.
        if self.may_lose_a_voter() {
            self.left_broken = self.break_minority();
        }
        self.demand_progress();
        self.agenda.plan(self.now_us + CALM_LOOK_US, Event::Look);
    }

    fn demand_progress(&mut self) {
        self.phase = Phase::Calm { since_us: self.now_us };
        let whole: Vec<ServerId> = self.wanted().into_iter().filter(|sid| !self.left_broken.contains(sid)).collect();
        for id in self.clients.keys().copied().collect::<Vec<_>>() {
            self.drive(id, ClientInput::Calm(&whole));
        }
    }

    /// The members have changed once more: the new ones are to do their work.
    pub(super) fn demand_progress_again(&mut self) {
        if matches!(self.phase, Phase::Calm { .. }) {
            self.demand_progress();
        }
    }

    pub(super) fn look(&mut self) {
        for host in self.hosts.values() {
            if let Some(process) = &host.process {
                process.show_queues();
            }
        }
        match self.phase {
            Phase::Calm { since_us } => {
                let serves = |host: &Host| host.process.as_ref().is_some_and(|server| server.role().is_some());
                let wanted = self.wanted();
                let all_serve = self
                    .hosts
                    .iter()
                    .all(|(sid, host)| self.left_broken.contains(sid) || !wanted.contains(sid) || serves(host));
                if all_serve && self.clients.values().all(|host| host.client.is_idle()) {
                    self.go_on_from_calm();
                } else if self.now_us - since_us > CALM_US_MAX {
                    self.give_up("every server serves and every client gets a write and a read through every server");
                }
            }
            Phase::Rest { since_us } => {
                if self.is_at_rest(since_us) {
                    self.finish();
                } else if self.now_us - since_us > CALM_US_MAX {
                    self.give_up("all servers hold the same");
                }
            }
            Phase::Faults | Phase::Over => return,
        }
        self.agenda.plan(self.now_us + CALM_LOOK_US, Event::Look);
    }

    /// What is mended does its work: the rest is mended too, or there is no rest.
    fn go_on_from_calm(&mut self) {
        if self.left_broken.is_empty() {
            return self.rest();
        }
        self.left_broken.clear();
        self.mend();
        self.demand_progress();
    }

    /// The clients go; what their sessions leave behind is cleared away by the servers.
    pub(super) fn rest(&mut self) {
        self.phase = Phase::Rest { since_us: self.now_us };
        for (id, host) in &mut self.clients {
            host.timer.0 += 1;
            if let Some(pipe) = host.pipe.take() {
                let delivery = self.net.close(self.now_us, pipe, Holder::Client(*id));
                if let Some(Delivery { at_us, pipe, end, flow }) = delivery {
                    self.agenda.plan(at_us, Event::Arrival(pipe, end, flow));
                }
            }
        }
    }

    pub(super) fn is_at_rest(&mut self, since_us: i64) -> bool {
        let mut last: Option<Zxid> = None;
        let quiet_us = 30 * self.setup.tick_ms * 1000;
        let wanted = self.wanted();
        self.now_us - since_us > quiet_us
            && self.hosts.iter().filter(|(sid, _)| wanted.contains(sid)).all(|(_, host)| {
                let Some(server) = host.process.as_ref().filter(|server| server.role().is_some()) else { return false };
                let zxid = server.tree().read().last_zxid();
                *last.get_or_insert(zxid) == zxid
            })
    }

    pub(super) fn finish(&mut self) {
        self.phase = Phase::Over;
        let wanted = self.wanted();
        for (sid, host) in self.hosts.iter().filter(|(sid, _)| wanted.contains(sid)) {
            if let Some(process) = &host.process {
                let tree = process.tree().read();
                self.checks.lock().see(&Observation::AtRest { server: *sid, tree: &tree });
            }
        }
        self.checks.lock().finish();
    }

    pub(super) fn give_up(&mut self, wanted: &str) {
        let mut found = String::new();
        for (sid, host) in &self.hosts {
            let state = host.process.as_ref().map_or_else(
                || "down".to_owned(),
                |server| format!("{:?} at {}", server.role(), server.tree().read().last_zxid()),
            );
            found.push_str(&format!("; server {sid} is {state}"));
        }
        let busy: Vec<u32> =
            self.clients.iter().filter(|(_, host)| !host.client.is_idle()).map(|(id, _)| id.0).collect();
        let seconds = CALM_US_MAX / 1_000_000;
        let mended = match self.left_broken.len() {
            0 => "everything".to_owned(),
            _ => format!("everything but {:?}", self.left_broken),
        };
        let message = format!(
            "{seconds} s after {mended} was mended it still does not hold that {wanted}{found}; clients not done: {busy:?}"
        );
        self.checks.lock().fail("liveness", message);
    }
}
