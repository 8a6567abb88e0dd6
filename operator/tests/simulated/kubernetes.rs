//! What Kubernetes does by itself: StatefulSets make pods and claims, pods run, what has lost its owner goes, budgets are kept.

use crate::ensemble::{Data, Disk, Does, Entry, Server, What};
use crate::store::{BUDGETS, CLAIMS, CONFIG_MAPS, Key, PODS, SECRETS, SETS};
use crate::world::{NAME, World};
use base64::Engine;
use operator::observe::slot_of;
use plan::{Kind, Role, ServerId, Slot};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// What keeps a claim as long as a pod has it.
const IN_USE: &str = "kubernetes.io/pvc-protection";
/// What keeps a StatefulSet until its pods have no owner any more.
pub const ORPHAN: &str = "orphan";
/// An image whose name has this in it cannot be had.
const BAD_IMAGE: &str = "missing";

/// A pod on its machine.
#[derive(Debug, Clone, Default)]
pub struct PodRun {
    /// When its container starts next, in milliseconds.
    pub starts_at: Option<u64>,
    /// When it is gone.
    pub ends_at: Option<u64>,
    pub restarts: u64,
}

pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Names a template by what is in it.
fn revision(set: &Value) -> String {
    let hash = set["spec"]["template"]
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}-{:08x}", text(set, "/metadata/name"), hash >> 32)
}

fn is_going(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn controller(object: &Value) -> Option<&str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true).and_then(|owner| owner["uid"].as_str())
}

pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

impl World {
    pub fn run_kubernetes(&mut self) {
        // Whoever makes pods looks a moment later than things change, and at several changes at once.
        if self.store.revision() != self.made_of && self.rng.in_1000(700) {
            // What it changes itself it looks at next time.
            self.made_of = self.store.revision();
            self.collect_garbage();
            for key in self.keys(&SETS) {
                self.run_set(&key);
            }
            self.free_claims();
        }
        for key in self.keys(&PODS) {
            self.run_pod(&key);
        }
        let claims: BTreeSet<String> =
            self.store.all(&CLAIMS).map(|(_, claim)| text(claim, "/metadata/uid").to_owned()).collect();
        self.disks.retain(|_, disk| claims.contains(&disk.claim));
    }

    pub fn keys(&self, resource: &'static crate::store::Resource) -> Vec<Key> {
        self.store.all(resource).map(|(key, _)| key.clone()).collect()
    }

    /// Deletes what belongs to nobody any more, and forgets owners that are gone.
    fn collect_garbage(&mut self) {
        let uids: BTreeSet<String> =
            self.store.everything().map(|(_, object)| text(object, "/metadata/uid").to_owned()).collect();
        let all: Vec<(Key, Arc<Value>)> =
            self.store.everything().map(|(k, object)| (k.clone(), object.clone())).collect();
        for (key, object) in all {
            let Some(owners) = object["metadata"]["ownerReferences"].as_array().filter(|all| !all.is_empty()) else {
                continue;
            };
            let there: Vec<Value> = owners.iter().filter(|it| uids.contains(text(it, "/uid"))).cloned().collect();
            if there.is_empty() {
                self.delete(&key);
            } else if there.len() < owners.len() {
                self.store.change(&key, |object| object["metadata"]["ownerReferences"] = json!(there));
            }
        }
    }

    /// Deletes an object as the API server does for anybody who may.
    pub fn delete(&mut self, key: &Key) {
        let Some(object) = self.store.get(key).cloned() else { return };
        let is_pod = std::ptr::eq(key.resource, &PODS);
        let is_kept = object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        if !is_pod && !is_kept {
            return self.store.remove(key);
        }
        if !is_going(&object) {
            let time = self.time();
            self.store.change(key, |object| object["metadata"]["deletionTimestamp"] = json!(time));
        }
    }

    fn free_claims(&mut self) {
        for key in self.keys(&CLAIMS) {
            let pod = key.name.split_once('-').map(|(_, pod)| pod).unwrap_or_default();
            let claim = self.store.get(&key).cloned();
            if claim.is_some_and(|claim| is_going(&claim)) && self.object(&PODS, pod).is_none() {
                self.store.change(&key, |claim| claim["metadata"]["finalizers"] = json!([]));
            }
        }
    }

    fn run_set(&mut self, key: &Key) {
        let Some(set) = self.store.get(key).cloned() else { return };
        let uid = text(&set, "/metadata/uid").to_owned();
        let owned: Vec<Key> = self.keys(&PODS).into_iter().filter(|pod| self.is_of(pod, &key.name)).collect();
        if is_going(&set) {
            for pod in owned {
                self.store.change(&pod, |pod| pod["metadata"]["ownerReferences"] = json!([]));
            }
            return self.store.remove(key);
        }
        for pod in &owned {
            if self.store.get(pod).is_some_and(|pod| controller(pod).is_none() && !is_going(pod)) {
                self.store.change(pod, |pod| pod["metadata"]["ownerReferences"] = owner(&key.name, &uid));
            }
        }
        let size = set["spec"]["replicas"].as_u64().unwrap_or(1);
        for ordinal in 0..size {
            let name = format!("{}-{ordinal}", key.name);
            if self.object(&PODS, &name).is_none() {
                self.make_pod(&set, &name);
            }
        }
        for pod in owned {
            let is_beyond =
                pod.name.rsplit_once('-').and_then(|(_, it)| it.parse().ok()).is_none_or(|it: u64| it >= size);
            if is_beyond && self.store.get(&pod).is_some_and(|pod| controller(pod) == Some(&uid)) {
                self.delete(&pod);
            }
        }
        let generation = set["metadata"]["generation"].clone();
        let status = json!({ "observedGeneration": generation, "updateRevision": revision(&set), "replicas": size });
        self.store.change(key, |set| set["status"] = status);
    }

    /// By its name, as the pods of one cluster are told apart here.
    fn is_of(&self, pod: &Key, set: &str) -> bool {
        pod.name.rsplit_once('-').is_some_and(|(name, _)| name == set)
    }

    fn make_pod(&mut self, set: &Value, name: &str) {
        let selector = set["spec"]["selector"]["matchLabels"].clone();
        for template in set["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default() {
            let key = Self::key(&CLAIMS, format!("{}-{name}", text(&template, "/metadata/name")));
            match self.store.get(&key) {
                Some(claim) if is_going(claim) => return,
                Some(_) => {}
                None => {
                    let mut claim = template.clone();
                    claim["metadata"]["finalizers"] = json!([IN_USE]);
                    crate::store::merge(&mut claim["metadata"]["labels"], &selector);
                    self.make(&key, claim);
                }
            }
        }
        let set_name = text(set, "/metadata/name");
        let template = &set["spec"]["template"];
        // Of the rest of the template nobody here reads anything.
        let image = &template["spec"]["containers"][0]["image"];
        let mut pod = json!({
            "metadata": template["metadata"],
            "spec": { "containers": [{ "name": "zookeeper", "image": image }] },
        });
        pod["metadata"]["labels"]["controller-revision-hash"] = json!(revision(set));
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
        pod["metadata"]["ownerReferences"] = owner(set_name, text(set, "/metadata/uid"));
        pod["status"] = json!({ "phase": "Pending" });
        self.make(&Self::key(&PODS, name), pod);
    }

    /// Puts a new object there.
    pub fn make(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        object["apiVersion"] = json!(key.resource.api_version());
        object["kind"] = json!(key.resource.kind);
        object["metadata"]["name"] = json!(key.name);
        object["metadata"]["namespace"] = json!(key.namespace);
        object["metadata"]["uid"] = json!(format!("uid-{}", self.serial()));
        object["metadata"]["creationTimestamp"] = json!(self.time());
        if let Some(text) = object["stringData"].take().as_object() {
            for (name, value) in text {
                let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
                object["data"][name] = json!(encoded);
            }
            object.as_object_mut().map(|object| object.remove("stringData"));
        }
        self.store.put(key, object)
    }

    fn run_pod(&mut self, key: &Key) {
        let Some(pod) = self.store.get(key).cloned() else { return };
        let Some(slot) = slot_of(NAME, &key.name) else { return };
        let (uid, now) = (text(&pod, "/metadata/uid").to_owned(), self.millis());
        let (starts_at, ends_at) = (self.in_seconds(1, 4), self.in_seconds(1, 4));
        let run = self.runs.entry(uid.clone()).or_insert(PodRun { starts_at: Some(starts_at), ..PodRun::default() });
        if is_going(&pod) && run.ends_at.is_none() {
            (run.starts_at, run.ends_at) = (None, Some(ends_at));
            self.end_server(slot);
            return;
        }
        if run.ends_at.is_some_and(|at| at <= now) {
            self.runs.remove(&uid);
            self.servers.remove(&slot);
            return self.store.remove(key);
        }
        if run.ends_at.is_none() && run.starts_at.is_some_and(|at| at <= now) {
            self.start_pod(key, slot, &pod, &uid);
        }
    }

    /// A leader that is told to stop hands over first.
    fn end_server(&mut self, slot: Slot) {
        let heirs: Vec<Slot> = self.synced_voters().into_iter().map(Slot::of).filter(|heir| *heir != slot).collect();
        for heir in heirs {
            if self.hand_over(slot, heir) {
                return;
            }
        }
    }

    fn start_pod(&mut self, key: &Key, slot: Slot, pod: &Value, uid: &str) {
        let image = text(pod, "/spec/containers/0/image");
        let config = self.object(&CONFIG_MAPS, &format!("{NAME}-config")).cloned();
        let record = self.object(&CONFIG_MAPS, &format!("{NAME}-ensemble")).cloned();
        let secret = self.object(&SECRETS, &format!("{NAME}-superuser")).cloned();
        let claim = self.object(&CLAIMS, &format!("data-{}", key.name)).cloned();
        let stuck = match (&config, &record, &secret, &claim) {
            _ if image.contains(BAD_IMAGE) => Some("ImagePullBackOff"),
            (Some(_), Some(_), Some(_), Some(_)) => None,
            _ => Some("CreateContainerConfigError"),
        };
        if let Some(reason) = stuck {
            return self.show(key, &json!({ "waiting": { "reason": reason } }));
        }
        let (Some(config), Some(record), Some(secret), Some(claim)) = (config, record, secret, claim) else { return };
        let serial = self.serial();
        let [.., high, low] = serial.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, high, low));
        if let Some(run) = self.runs.get_mut(uid) {
            run.starts_at = None;
        }
        self.store.change(key, |pod| {
            pod["status"]["phase"] = json!("Running");
            // A pod keeps its address when its container comes back.
            if !pod["status"]["podIP"].is_string() {
                pod["status"]["podIP"] = json!(address.to_string());
            }
        });
        self.show(key, &json!({ "running": {} }));
        let address = self.store.get(key).and_then(|pod| text(pod, "/status/podIP").parse().ok()).unwrap_or(address);
        let claim = text(&claim, "/metadata/uid").to_owned();
        if self.disks.get(&slot).is_none_or(|disk| disk.claim != claim) {
            self.disks.insert(slot, Disk { claim, ..Disk::default() });
        }
        let digest =
            base64::engine::general_purpose::STANDARD.decode(text(&secret, "/data/digest")).unwrap_or_default();
        let record: Value = serde_json::from_str(text(&record, "/data/ensemble.json")).unwrap_or_default();
        let server = Server {
            address,
            does: Does::Loading { until: self.millis() + self.rng.among(200..2_000) },
            ensemble: text(&config, "/data/ZOOKUBE_CLUSTER_ID").to_owned(),
            digest: String::from_utf8(digest).unwrap_or_default(),
            said: None,
            generation: serial << 16,
        };
        self.start_server(slot, server, &record);
    }

    fn start_server(&mut self, slot: Slot, mut server: Server, record: &Value) {
        let members = record["initialMembers"].as_array().cloned().unwrap_or_default();
        let members = members.iter().filter_map(|sid| ServerId::new(u8::try_from(sid.as_u64()?).ok()?));
        let initial: plan::Config = members.map(|sid| (sid, Role::Voter)).collect();
        let founds = record["bootstrapped"] == false && initial.contains_key(&slot.sid());
        let disk = self.disks.get_mut(&slot).expect("a pod has a volume");
        if disk.data.as_ref().is_some_and(|data| data.ensemble != server.ensemble) {
            server.does = Does::Refuses;
        } else if disk.retired_at.take().is_some() {
            // The data of a retired server is set aside; it begins anew.
            disk.data = None;
        } else if disk.data.is_none() && founds {
            let first = Entry { zxid: 0, what: What::Config(Arc::new(initial)) };
            let ensemble = server.ensemble.clone();
            disk.data = Some(Data { ensemble, log: vec![first], committed: 1, epoch: 0, accepted: 0 });
        }
        self.servers.insert(slot, server);
    }

    /// The container of the pod ends and comes back.
    pub fn crash(&mut self, slot: Slot) {
        let key = Self::key(&PODS, operator::observe::pod_name(NAME, slot));
        let Some(uid) = self.store.get(&key).map(|pod| text(pod, "/metadata/uid").to_owned()) else { return };
        let starts_at = self.in_seconds(1, 5);
        let Some(run) = self.runs.get_mut(&uid).filter(|run| run.ends_at.is_none() && run.starts_at.is_none()) else {
            return;
        };
        run.starts_at = Some(starts_at);
        run.restarts += 1;
        self.servers.remove(&slot);
        self.show(&key, &json!({ "terminated": { "exitCode": 137 } }));
    }

    fn show(&mut self, key: &Key, state: &Value) {
        let Some(uid) = self.store.get(key).map(|pod| text(pod, "/metadata/uid").to_owned()) else { return };
        let restarts = self.runs.get(&uid).map_or(0, |run| run.restarts);
        let container = json!({
            "name": "zookeeper", "image": "", "imageID": "", "ready": false, "restartCount": restarts, "state": state,
        });
        self.store.change(key, |pod| pod["status"]["containerStatuses"] = json!([container]));
    }

    /// Probes every server. Some are probed a moment later.
    pub fn probe(&mut self) {
        for key in self.keys(&PODS) {
            let Some(slot) = slot_of(NAME, &key.name) else { continue };
            let Some(pod) = self.store.get(&key).cloned() else { continue };
            let serves = match self.does(slot) {
                Some(Does::Leads { established, .. }) => established,
                Some(Does::Follows { synced, .. }) => synced,
                _ => false,
            };
            let is_said = pod["status"]["conditions"].is_array();
            if (is_said && is_ready(&pod) == serves) || !self.rng.in_1000(300) {
                continue;
            }
            let condition = json!({
                "type": "Ready",
                "status": if serves { "True" } else { "False" },
                "lastTransitionTime": self.time(),
            });
            self.store.change(&key, |pod| pod["status"]["conditions"] = json!([condition]));
        }
    }

    /// Whether the budget lets the pod go. One that is not ready may always go.
    pub fn budget_allows(&self, pod: &Value) -> bool {
        let Some(budget) = self.object(&BUDGETS, NAME) else { return true };
        let selector = &budget["spec"]["selector"]["matchLabels"];
        let is_meant = |pod: &Value| {
            selector.as_object().into_iter().flatten().all(|(key, value)| pod["metadata"]["labels"][key] == *value)
        };
        let is_healthy = |pod: &Value| is_ready(pod) && !is_going(pod);
        if !is_meant(pod) || !is_healthy(pod) {
            return true;
        }
        let healthy = self.store.all(&PODS).filter(|(_, pod)| is_meant(pod) && is_healthy(pod)).count() as u64;
        let expected = self.object(&SETS, NAME).and_then(|set| set["spec"]["replicas"].as_u64()).unwrap_or(0);
        let unavailable_max = budget["spec"]["maxUnavailable"].as_u64().unwrap_or(1);
        healthy + unavailable_max > expected
    }

    /// The size of a StatefulSet, if there is one.
    pub fn size(&self, kind: Kind) -> Option<u32> {
        let set = self.object(&SETS, &operator::observe::set_name(NAME, kind))?;
        u32::try_from(set["spec"]["replicas"].as_u64()?).ok()
    }
}

fn owner(set: &str, uid: &str) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": set, "uid": uid, "controller": true,
        "blockOwnerDeletion": true,
    }])
}
