//! StatefulSets, pods, volumes and the Eviction API, as far as the planner can tell them from the real ones.

use plan::{Kind, Slot};

use crate::world::{Data, Disk, Does, Entry, PodState, What, World};

impl World {
    pub fn run_kubernetes(&mut self) {
        for (kind, set) in self.sets.clone() {
            for ordinal in 0..set.replicas {
                let slot = Slot { kind, ordinal };
                if !self.pods.contains_key(&slot) && self.rng.in_1000(700) {
                    self.create_pod(slot, set.revision);
                }
            }
            let surplus: Vec<Slot> =
                self.pods.keys().copied().filter(|slot| slot.kind == kind && slot.ordinal >= set.replicas).collect();
            for slot in surplus {
                if self.rng.in_1000(700) {
                    self.end_pod(slot);
                }
            }
        }
        for slot in self.pods.keys().copied().collect::<Vec<_>>() {
            self.run_pod(slot);
        }
        let pods = &self.pods;
        self.disks.retain(|slot, disk| !disk.terminating || pods.contains_key(slot));
    }

    fn create_pod(&mut self, slot: Slot, revision: u64) {
        if self.disks.get(&slot).is_some_and(|disk| disk.terminating) {
            return;
        }
        let (uid, volume_uid, rv) = (self.serial(), self.serial(), self.serial());
        self.disks.entry(slot).or_insert_with(|| Disk { uid: volume_uid, ..Disk::default() });
        let starts_at = Some(self.tick + self.rng.among(1..5));
        let ready_changed = self.tick;
        let pod = PodState { uid, rv, revision, ready: false, ready_changed, failing: false, starts_at, ends_at: None };
        self.pods.insert(slot, pod);
    }

    /// Begins to end a pod.
    pub fn end_pod(&mut self, slot: Slot) {
        let (ends_at, rv, at_once) = (self.tick + self.rng.among(1..4), self.serial(), self.rng.in_1000(500));
        let Some(pod) = self.pods.get_mut(&slot) else { return };
        if pod.ends_at.is_some() {
            return;
        }
        (pod.ends_at, pod.rv, pod.starts_at) = (Some(ends_at), rv, None);
        if at_once {
            self.servers.remove(&slot);
        }
    }

    /// The container of the pod ends and comes back.
    pub fn crash(&mut self, slot: Slot) {
        let (starts_at, backs_off, rv) = (self.tick + self.rng.among(1..6), self.rng.in_1000(300), self.serial());
        self.servers.remove(&slot);
        if let Some(pod) = self.pods.get_mut(&slot)
            && pod.ends_at.is_none()
        {
            (pod.starts_at, pod.failing, pod.rv) = (Some(starts_at), backs_off, rv);
        }
    }

    fn run_pod(&mut self, slot: Slot) {
        let (tick, rv) = (self.tick, self.serial());
        let Some(pod) = self.pods.get_mut(&slot) else { return };
        if pod.ends_at.is_some_and(|at| at <= tick) {
            self.pods.remove(&slot);
            self.servers.remove(&slot);
            return;
        }
        if pod.starts_at.is_none_or(|at| at > tick) {
            return;
        }
        (pod.starts_at, pod.rv) = (None, rv);
        pod.failing = self.bad_templates.contains(&pod.revision);
        if !pod.failing {
            self.start_server(slot);
        }
    }

    fn start_server(&mut self, slot: Slot) {
        let until = self.tick + self.rng.among(0..5);
        self.servers.insert(slot, Does::Loading { until });
        let initial = self.record.initial_members.iter().map(|sid| (*sid, plan::Role::Voter)).collect();
        let founds = !self.record.bootstrapped && self.record.initial_members.contains(&slot.sid());
        let disk = self.disks.get_mut(&slot).expect("a pod has a volume");
        if disk.retired_at.take().is_some() {
            // The data of a retired server is set aside; it begins anew.
            disk.data = None;
        } else if disk.data.is_none() && founds {
            let first = Entry { zxid: 0, what: What::Config(std::rc::Rc::new(initial)) };
            disk.data = Some(Data { log: vec![first], committed: 1, epoch: 0, accepted: 0 });
        }
    }

    pub fn probe_readiness(&mut self) {
        for slot in self.pods.keys().copied().collect::<Vec<_>>() {
            let serves = match self.servers.get(&slot) {
                Some(Does::Leads { established, .. }) => *established,
                Some(Does::Follows { synced, .. }) => *synced,
                _ => false,
            };
            // A probe comes every few seconds.
            let (is_probed, rv, tick) = (self.rng.in_1000(600), self.serial(), self.tick);
            let Some(pod) = self.pods.get_mut(&slot) else { continue };
            if pod.ready != serves && (is_probed || pod.ends_at.is_some()) {
                (pod.ready, pod.ready_changed, pod.rv) = (serves, tick, rv);
            }
        }
    }

    /// Whether the budget lets the pod go: at most one voter away. A pod that is not ready may always go.
    pub fn budget_allows(&self, slot: Slot) -> bool {
        if slot.kind == Kind::Observer || !self.cluster.disruption_budget {
            return true;
        }
        let is_healthy = |pod: &PodState| pod.ready && pod.ends_at.is_none();
        let healthy = self.pods.iter().filter(|(slot, pod)| slot.kind == Kind::Voter && is_healthy(pod)).count();
        let expected = self.sets.get(&Kind::Voter).map_or(0, |set| set.replicas as usize);
        !self.pods.get(&slot).is_some_and(is_healthy) || healthy >= expected
    }
}
