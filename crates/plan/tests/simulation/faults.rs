//! What goes wrong, and what people change meanwhile.

use plan::{Kind, Role, Slot};

use crate::ensemble::voters;
use crate::world::{Disk, Does, World};

impl World {
    /// Perhaps something this second.
    pub fn go_wrong(&mut self) {
        let pods: Vec<Slot> = self.pods.keys().copied().collect();
        let Some(any) = self.rng.pick(&pods) else { return };
        match self.rng.among(0..1000) {
            0..25 => {
                self.meet("crash");
                self.say(format!("{any} crashes"));
                self.crash(any);
            }
            25..40 => {
                if let Some((leader, _)) = self.leader() {
                    self.meet("leader crash");
                    self.say(format!("{leader}, the leader, crashes"));
                    self.crash(leader);
                }
            }
            40..55 if self.budget_allows(any) => {
                self.meet("drain");
                self.say(format!("{any} is drained"));
                self.end_pod(any);
            }
            55..75 => {
                self.meet("cut");
                let until = self.tick + self.rng.among(2..12);
                self.cut.insert(any, until);
            }
            75..81 => self.lose_volume(any),
            81..93 => self.change_template(),
            93..98 => {
                self.cluster.pause = !self.cluster.pause;
            }
            98..101 => {
                self.meet("all pods deleted");
                self.say("all pods are deleted".to_owned());
                for slot in pods {
                    self.end_pod(slot);
                }
            }
            101..116 => {
                self.cluster.voters = self.rng.pick(&[1, 3, 3, 5, 5, 7]).unwrap_or(3);
                self.say(format!("{} voters are wished for", self.cluster.voters));
                self.meet("voters changed");
            }
            116..128 => {
                self.cluster.observers = self.rng.among(0..4) as u32;
                self.say(format!("{} observers are wished for", self.cluster.observers));
            }
            128..158 if self.bad_templates.contains(&self.template) => self.new_template(false),
            _ => {}
        }
    }

    /// Nothing goes wrong from here on.
    pub fn heal(&mut self) {
        self.faulty = false;
        self.cluster.pause = false;
        self.cut.clear();
        if self.bad_templates.contains(&self.template) {
            self.new_template(false);
        }
    }

    fn change_template(&mut self) {
        let is_bad = self.rng.in_1000(350);
        self.new_template(is_bad);
    }

    fn new_template(&mut self, is_bad: bool) {
        self.template += 1;
        self.say(format!("template {}{}", self.template, if is_bad { ", which is bad" } else { "" }));
        self.meet(if is_bad { "bad template" } else { "good template" });
        if is_bad {
            self.bad_templates.push(self.template);
        }
        for kind in [Kind::Voter, Kind::Observer] {
            let (rv, revision) = (self.serial(), self.template);
            if let Some(set) = self.sets.get_mut(&kind) {
                (set.rv, set.revision) = (rv, revision);
            }
        }
    }

    /// A node's disk dies. Never so many that a majority is without data: that is nobody's to decide but a human's.
    fn lose_volume(&mut self, slot: Slot) {
        let Some((_, config)) = self.governing() else { return };
        let all = voters(&config).count();
        let holds = |sid: plan::ServerId| sid != slot.sid() && self.data(Slot::of(sid)).is_some();
        let left = voters(&config).filter(|sid| holds(*sid)).count();
        let is_changing = self.servers.keys().any(|slot| self.data(*slot).is_some_and(|data| data.pending().is_some()));
        if !self.record.bootstrapped || left <= all / 2 || is_changing {
            return;
        }
        let uid = self.serial();
        self.meet("volume lost");
        self.say(format!("the volume of {slot} is lost"));
        self.disks.insert(slot, Disk { uid, ..Disk::default() });
        self.crash(slot);
    }

    /// Somebody changes the ensemble by hand, between the operator's look and its request.
    pub fn somebody_else_changes_the_ensemble(&mut self) {
        let Some((_, config)) = self.governing() else { return };
        let Some((leader, _)) = self.leader() else { return };
        let candidates: Vec<_> = voters(&config).filter(|sid| *sid != leader.sid()).collect();
        if !self.faulty || candidates.len() < 2 || !self.rng.in_1000(60) {
            return;
        }
        let whom = self.rng.pick(&candidates).into_iter().collect::<Vec<_>>();
        let demoted: Vec<(plan::ServerId, Role)> = whom.iter().map(|sid| (*sid, Role::Observer)).collect();
        let answer = match self.rng.in_1000(500) {
            true => self.reconfig(None, &demoted, &[]),
            false => self.reconfig(None, &[], &whom),
        };
        if answer.is_ok() {
            self.meet("changed by hand");
            self.say(format!("somebody takes the vote of server {whom:?} by hand"));
            for _ in 0..5 {
                self.run_ensemble();
            }
        }
    }

    /// Whether a server that was let in runs with the data of one that was retired; for people who read a trace.
    pub fn retired(&self) -> usize {
        self.servers.values().filter(|does| **does == Does::Retired).count()
    }
}
