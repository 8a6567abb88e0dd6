//! Its deadlines and its disk.

use super::{Effect, SWEEP_US, Server, ServerEvent};
use crate::disk::{Done, Job, Next};
use crate::observe::Observation;
use node::disk_work::History;
use replica::Input;
use wire::SessionId;

impl Server {
    /// `Driver::take_time`.
    pub(super) fn take_time(&mut self) {
        let due = self.replica.next_deadline().is_some_and(|deadline| deadline <= self.now().mono);
        if due || self.now_us - self.swept_us >= SWEEP_US {
            self.swept_us = self.now_us;
            let touched: Vec<SessionId> = self.clients.lock().take_touched();
            if !touched.is_empty() {
                self.step(Input::Touched(touched));
            }
        }
        if due {
            self.step(Input::VotesDelivered(self.votes_delivered));
            self.step(Input::Deadline);
        }
    }

    pub(super) fn on_disk(&mut self) {
        match self.disk.work(self.now().wall) {
            Ok((done, next)) => {
                if let Some(done) = done {
                    self.on_durable(done);
                }
                if let Next::Busy(delay_us) = next {
                    self.effects.push(Effect::After(delay_us, ServerEvent::Disk));
                }
                self.plan_background();
            }
            Err(reason) => self.effects.push(Effect::Dead(reason)),
        }
    }

    pub(super) fn on_durable(&mut self, done: Done) {
        let server = self.sid;
        let mut checks = self.checks.lock();
        match &done {
            Done::Synced(upto) => checks.see(&Observation::Synced { server, upto: *upto }),
            Done::Epochs(epochs) => checks.see(&Observation::EpochsSaved { server, epochs: *epochs }),
            Done::Truncated(after, recovered) => {
                checks.coverage.count("TRUNC");
                checks.see(&Observation::Truncated { server, after: *after, tree: &recovered.tree });
            }
            Done::NotCut(_) => checks.coverage.count("logs that could not be cut"),
            Done::Snapshot(zxid, History::Replaced) => {
                checks.see(&Observation::SnapshotSaved { server, zxid: *zxid });
            }
            Done::Snapshot(_, History::Continued) => {}
        }
        drop(checks);
        self.step(done.into_input());
    }

    pub(super) fn plan_background(&mut self) {
        if self.disk.has_background() && !std::mem::replace(&mut self.background_planned, true) {
            let delay_us = self.rng.range(10, 1000);
            self.effects.push(Effect::After(delay_us, ServerEvent::Background));
        }
    }

    pub(super) fn on_background(&mut self) {
        self.background_planned = false;
        let before = self.disk.snapshots;
        match self.disk.background_step() {
            Ok(_) => {
                self.checks.lock().coverage.add("background snapshots", self.disk.snapshots - before);
                self.plan_background();
            }
            Err(reason) => self.effects.push(Effect::Dead(reason)),
        }
    }

    pub(super) fn disk_job(&mut self, job: Job) {
        self.flush_appends();
        self.push_job(job);
    }

    pub(super) fn push_job(&mut self, job: Job) {
        if let Some(delay_us) = self.disk.push(job) {
            self.effects.push(Effect::After(delay_us, ServerEvent::Disk));
        }
    }

    pub(super) fn flush_appends(&mut self) {
        if !self.appends.is_empty() {
            let proposals = std::mem::take(&mut self.appends);
            self.push_job(Job::Append(proposals));
        }
    }
}
