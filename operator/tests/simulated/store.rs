//! What an API server keeps: objects, their versions, and everything that has changed, for those who watch.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;

/// A kind of object.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub plural: &'static str,
    pub kind: &'static str,
}

const fn resource(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource { group, version, plural, kind }
}

pub static CLUSTERS: Resource = resource("zookube.dev", "v1alpha1", "zookeeperclusters", "ZooKeeperCluster");
pub static PODS: Resource = resource("", "v1", "pods", "Pod");
pub static CLAIMS: Resource = resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
pub static CONFIG_MAPS: Resource = resource("", "v1", "configmaps", "ConfigMap");
pub static SECRETS: Resource = resource("", "v1", "secrets", "Secret");
pub static SETS: Resource = resource("apps", "v1", "statefulsets", "StatefulSet");
pub static BUDGETS: Resource = resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget");
static SERVICES: Resource = resource("", "v1", "services", "Service");
static ACCOUNTS: Resource = resource("", "v1", "serviceaccounts", "ServiceAccount");
static POLICIES: Resource = resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy");
static EVENTS: Resource = resource("events.k8s.io", "v1", "events", "Event");
static LEASES: Resource = resource("coordination.k8s.io", "v1", "leases", "Lease");

/// All that this API server knows.
pub static RESOURCES: [&Resource; 12] = [
    &CLUSTERS,
    &PODS,
    &CLAIMS,
    &CONFIG_MAPS,
    &SECRETS,
    &SETS,
    &BUDGETS,
    &SERVICES,
    &ACCOUNTS,
    &POLICIES,
    &EVENTS,
    &LEASES,
];

impl Resource {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub resource: &'static Resource,
    pub namespace: String,
    pub name: String,
}

/// A change of an object.
#[derive(Clone)]
pub struct Change {
    pub revision: u64,
    pub key: Key,
    pub before: Option<Arc<Value>>,
    pub after: Option<Arc<Value>>,
}

/// What a manager has applied to an object last.
#[derive(Default)]
struct Applied {
    body: Value,
    /// Its fields: paths from the top.
    fields: BTreeSet<Vec<String>>,
}

pub struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    applied: BTreeMap<(Key, String), Applied>,
    revision: u64,
    /// The latest changes; what is older is forgotten, and who asks for it is told so.
    changes: Vec<Change>,
    changed: watch::Sender<u64>,
}

/// Changes that are kept.
const CHANGES_MAX: usize = 2000;

impl Store {
    pub fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            applied: BTreeMap::new(),
            revision: 1,
            changes: Vec::new(),
            changed: watch::Sender::new(1),
        }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What wakes those who watch.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    pub fn all<'a>(&'a self, resource: &'static Resource) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> {
        self.objects.iter().filter(move |(key, _)| std::ptr::eq(key.resource, resource))
    }

    pub fn everything(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// What has changed since then; `None`: that is forgotten.
    pub fn since(&self, revision: u64) -> Option<&[Change]> {
        if self.changes.first().is_some_and(|first| first.revision > revision + 1) {
            return None;
        }
        Some(&self.changes[self.changes.partition_point(|change| change.revision <= revision)..])
    }

    /// Writes an object as it shall be. Nothing happens if it is so already.
    pub fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let before = self.objects.get(key).cloned();
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
            object["metadata"]["generation"] = json!(generation + i64::from(before["spec"] != object["spec"]));
            if **before == object {
                return before.clone();
            }
            let is_going = object["metadata"]["deletionTimestamp"].is_string();
            if is_going && is_empty(&object["metadata"]["finalizers"]) && !std::ptr::eq(key.resource, &PODS) {
                self.remove(key);
                return Arc::new(object);
            }
        } else {
            object["metadata"]["generation"] = json!(1);
        }
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let after = Arc::new(object);
        self.objects.insert(key.clone(), after.clone());
        self.note(key, before, Some(after.clone()));
        after
    }

    /// Changes an object that is there.
    pub fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        if let Some(object) = self.objects.get(key) {
            let mut object = Value::clone(object);
            change(&mut object);
            self.put(key, object);
        }
    }

    pub fn remove(&mut self, key: &Key) {
        if let Some(before) = self.objects.remove(key) {
            self.revision += 1;
            self.applied.retain(|(other, _), _| other != key);
            self.note(key, Some(before), None);
        }
    }

    fn note(&mut self, key: &Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        self.changes.push(Change { revision: self.revision, key: key.clone(), before, after });
        if self.changes.len() > CHANGES_MAX * 2 {
            self.changes.drain(..CHANGES_MAX);
        }
        self.changed.send_replace(self.revision);
    }

    /// Forgets what has changed up to now, as a compaction does.
    pub fn compact(&mut self) {
        self.revision += 1;
        self.changes.clear();
        let (key, before) = match self.objects.iter().next() {
            Some((key, object)) => (key.clone(), object.clone()),
            None => return,
        };
        // Something that nobody watches differs: a change that says at which revision memory begins.
        self.changes.push(Change { revision: self.revision, key, before: Some(before.clone()), after: Some(before) });
    }

    /// Whether the manager has applied just that before, and everything is still so.
    pub fn is_applied(&self, key: &Key, manager: &str, object: &Value, body: &Value) -> bool {
        let applied = self.applied.get(&(key.clone(), manager.to_owned()));
        applied.is_some_and(|applied| applied.body == *body) && has(object, body)
    }

    /// Lays `body` over `object` as server-side apply does: lists are replaced, fields that were applied and are no more are removed.
    pub fn lay_over(&mut self, key: &Key, manager: &str, object: &mut Value, body: &Value) {
        let applied = self.applied.entry((key.clone(), manager.to_owned())).or_default();
        let mut fields = Vec::new();
        leaves(body, &mut Vec::new(), &mut fields);
        let fields: BTreeMap<Vec<String>, Value> = fields.into_iter().filter(|(path, _)| is_field(path)).collect();
        for path in applied.fields.iter().filter(|path| !fields.contains_key(*path)) {
            // A field beneath which there is something now is not removed with it.
            if !fields.keys().any(|field| field.starts_with(path)) {
                remove_at(object, path);
            }
        }
        *applied = Applied { body: body.clone(), fields: fields.keys().cloned().collect() };
        for (path, value) in fields {
            set_at(object, &path, value);
        }
    }
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

/// What names an object or is a precondition is no field that somebody has.
fn is_field(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    !matches!(path[..], ["apiVersion" | "kind"] | ["metadata", "name" | "namespace" | "uid" | "resourceVersion"])
}

/// Whether all that is in `part` is in `whole`, too.
fn has(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Null => true,
        Value::Object(map) => map.iter().all(|(key, part)| whole.get(key).is_some_and(|whole| has(whole, part))),
        part => whole == part,
    }
}

fn leaves(value: &Value, at: &mut Vec<String>, into: &mut Vec<(Vec<String>, Value)>) {
    match value {
        Value::Null => {}
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                at.push(key.clone());
                leaves(value, at, into);
                at.pop();
            }
        }
        value => into.push((at.clone(), value.clone())),
    }
}

fn set_at(object: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return *object = value };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    set_at(&mut object[first.as_str()], rest, value);
}

/// Removes a field, and what holds nothing any more because of that.
fn remove_at(object: &mut Value, path: &[String]) {
    let Some(map) = object.as_object_mut() else { return };
    match path {
        [] => {}
        [last] => drop(map.remove(last)),
        [first, rest @ ..] => {
            let Some(inner) = map.get_mut(first) else { return };
            remove_at(inner, rest);
            if inner.as_object().is_some_and(Map::is_empty) {
                map.remove(first);
            }
        }
    }
}

/// RFC 7386.
pub fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return *object = patch.clone() };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().map(|map| map.remove(key));
        } else {
            merge(&mut object[key.as_str()], value);
        }
    }
}

/// Whether labels are as a selector such as `a=b,c` says.
pub fn selects(selector: &str, object: &Value) -> bool {
    selector.split(',').filter(|term| !term.is_empty()).all(|term| {
        let labels = &object["metadata"]["labels"];
        match term.split_once('=') {
            Some((key, value)) => labels[key] == value,
            None => labels[term].is_string(),
        }
    })
}
