//! What the API server does with a request that has reached it.

use crate::api::{Call, Failure, partial};
use crate::kubernetes::{ORPHAN, text};
use crate::rbac::{Right, Scope};
use crate::store::{CLAIMS, CLUSTERS, CONFIG_MAPS, Key, PODS, SETS, merge, selects};
use crate::world::{NAME, World};
use operator::observe::{set_name, slot_of, slot_of_claim};
use plan::Kind;
use serde_json::{Value, json};

/// What of a StatefulSet can be changed.
const CHANGEABLE: [&str; 6] = [
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "persistentVolumeClaimRetentionPolicy",
    "revisionHistoryLimit",
];

impl World {
    pub fn answer(&mut self, call: &Call) -> Result<Value, Failure> {
        self.calls += 1;
        self.note_right(call, call.verb);
        let namespace = call.namespace.clone().unwrap_or_default();
        let named = if call.name.is_empty() { text(&call.body, "/metadata/name") } else { &call.name };
        let key = Key { resource: call.resource, namespace, name: named.to_owned() };
        match (call.verb, call.subresource.as_deref()) {
            ("get", None) => self.get(&key),
            ("list", None) => Ok(self.list(call)),
            ("create", None) => self.create(call, &key),
            ("create", Some("eviction")) => self.evict(call, &key),
            ("update", None) => self.update(call, &key),
            ("patch", None | Some("status")) if call.content_type.contains("apply-patch") => self.apply(call, &key),
            ("patch", None) if call.content_type.contains("merge-patch") => self.merge(call, &key),
            ("delete", None) => self.remove(call, &key),
            _ => panic!("no operator asks for this: {call:?}"),
        }
    }

    fn found(&self, key: &Key) -> Result<Value, Failure> {
        let object = self.store.get(key).map(|object| Value::clone(object));
        object.ok_or_else(|| Failure::new(404, "NotFound", format!("{} {} not found", key.resource.plural, key.name)))
    }

    fn get(&self, key: &Key) -> Result<Value, Failure> {
        self.found(key)
    }

    fn list(&mut self, call: &Call) -> Value {
        // Whatever is decided on must not come from a cache of the API server.
        if call.query.contains_key("resourceVersion") && !call.is_partial {
            self.violate("reads_are_current", &format!("{call:?}"));
        }
        let selector = call.query.get("labelSelector").map(String::as_str).unwrap_or_default();
        let is_here = |key: &Key| call.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace);
        let all = self.store.all(call.resource).filter(|(key, object)| is_here(key) && selects(selector, object));
        let items: Vec<Value> =
            all.map(|(_, object)| if call.is_partial { partial(object) } else { Value::clone(object) }).collect();
        let (kind, version) = if call.is_partial {
            ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned())
        } else {
            (format!("{}List", call.resource.kind), call.resource.api_version())
        };
        let metadata = json!({ "resourceVersion": self.store.revision().to_string() });
        json!({ "kind": kind, "apiVersion": version, "metadata": metadata, "items": items })
    }

    fn create(&mut self, call: &Call, key: &Key) -> Result<Value, Failure> {
        if self.store.get(key).is_some() {
            let message = format!("{} {} already exists", key.resource.plural, key.name);
            return Err(Failure::new(409, "AlreadyExists", message));
        }
        self.note_ownership(call);
        Ok(Value::clone(&self.make(key, call.body.clone())))
    }

    /// To own something that blocks its owner's deletion takes a right over the owner.
    fn note_ownership(&mut self, call: &Call) {
        let owners = call.body["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
        if owners.iter().any(|owner| owner["blockOwnerDeletion"] == true) {
            self.rights.insert(Right {
                verb: "update",
                group: CLUSTERS.group,
                resource: format!("{}/finalizers", CLUSTERS.plural),
                scope: Scope::Namespace(call.namespace.clone().unwrap_or_default()),
            });
        }
    }

    fn update(&mut self, call: &Call, key: &Key) -> Result<Value, Failure> {
        let found = self.found(key)?;
        as_seen(&found, &call.body["metadata"])?;
        let mut object = call.body.clone();
        for field in ["uid", "creationTimestamp"] {
            object["metadata"][field] = found["metadata"][field].clone();
        }
        Ok(Value::clone(&self.store.put(key, object)))
    }

    fn merge(&mut self, call: &Call, key: &Key) -> Result<Value, Failure> {
        let mut object = self.found(key)?;
        as_seen(&object, &call.body["metadata"])?;
        merge(&mut object, &call.body);
        Ok(Value::clone(&self.store.put(key, object)))
    }

    fn apply(&mut self, call: &Call, key: &Key) -> Result<Value, Failure> {
        let manager = call.query.get("fieldManager").cloned().unwrap_or_default();
        let Some(found) = self.store.get(key).cloned() else {
            let is_new = call.body["metadata"]["resourceVersion"].is_null() && call.body["metadata"]["uid"].is_null();
            if call.subresource.is_some() {
                return self.found(key);
            }
            if !is_new {
                return Err(Failure::new(409, "Conflict", format!("{} is not there", key.name)));
            }
            self.note_right(call, "create");
            self.note_ownership(call);
            let mut object = json!({});
            self.store.lay_over(key, &manager, &mut object, &call.body);
            let made = self.make(key, object);
            self.check_written(key, None, &made);
            return Ok(Value::clone(&made));
        };
        as_seen(&found, &call.body["metadata"])?;
        self.note_ownership(call);
        let mut body = call.body.clone();
        let manager = match call.subresource.as_deref() {
            Some(subresource) => {
                body = json!({ subresource: body[subresource] });
                format!("{manager}/{subresource}")
            }
            None => manager,
        };
        if self.store.is_applied(key, &manager, &found, &body) {
            return Ok(Value::clone(&found));
        }
        let mut object = Value::clone(&found);
        self.store.lay_over(key, &manager, &mut object, &body);
        if std::ptr::eq(key.resource, &SETS) {
            changeable(&found, &object)?;
        }
        let written = self.store.put(key, object);
        self.check_written(key, Some(&found), &written);
        Ok(Value::clone(&written))
    }

    fn remove(&mut self, call: &Call, key: &Key) -> Result<Value, Failure> {
        let found = self.found(key)?;
        let conditions = &call.body["preconditions"];
        if !conditions["uid"].is_string() {
            self.violate("only_what_was_seen_is_removed", &format!("{} is deleted whatever it is", key.name));
        }
        as_seen(&found, conditions)?;
        self.check_removed(key);
        if call.body["propagationPolicy"] == "Orphan" {
            let time = self.time();
            self.store.change(key, |object| {
                object["metadata"]["finalizers"] = json!([ORPHAN]);
                object["metadata"]["deletionTimestamp"] = json!(time);
            });
        } else {
            self.delete(key);
        }
        Ok(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" }))
    }

    fn evict(&mut self, call: &Call, key: &Key) -> Result<Value, Failure> {
        let found = self.found(key)?;
        let conditions = &call.body["deleteOptions"]["preconditions"];
        if !conditions["uid"].is_string() {
            self.violate("only_what_was_seen_is_removed", &format!("{} is evicted whatever it is", key.name));
        }
        as_seen(&found, conditions)?;
        if !self.budget_allows(&found) {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            return Err(Failure::new(429, "TooManyRequests", message));
        }
        self.check_removed(key);
        self.delete(key);
        Ok(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" }))
    }

    /// What the operator has written must be harmless.
    fn check_written(&mut self, key: &Key, before: Option<&Value>, after: &Value) {
        // One that somebody else made smaller may stay so for as long as nobody knows who is a member.
        let size = |set: &Value| set["spec"]["replicas"].as_u64();
        if std::ptr::eq(key.resource, &SETS) && before.is_none_or(|before| size(before) > size(after)) {
            let kinds = [Kind::Voter, Kind::Observer];
            for kind in kinds.into_iter().filter(|kind| key.name == set_name(NAME, *kind)) {
                self.check_size(kind, self.size(kind).unwrap_or(0));
            }
        }
        if std::ptr::eq(key.resource, &CONFIG_MAPS) && key.name == format!("{NAME}-ensemble") {
            let record =
                |map: &Value| -> Value { serde_json::from_str(text(map, "/data/ensemble.json")).unwrap_or_default() };
            self.check_record(&before.map(record).unwrap_or_default(), &record(after));
        }
    }

    fn check_removed(&mut self, key: &Key) {
        if std::ptr::eq(key.resource, &PODS) {
            self.meet("pod removed");
            if let Some(slot) = slot_of(NAME, &key.name) {
                self.check_eviction(slot);
            }
        }
        if std::ptr::eq(key.resource, &CLAIMS)
            && let Some(slot) = slot_of_claim(NAME, &key.name)
        {
            self.meet("claim deleted");
            self.check_claim(slot);
        }
    }
}

/// Preconditions: uid and version, where they are given.
fn as_seen(found: &Value, conditions: &Value) -> Result<(), Failure> {
    for field in ["uid", "resourceVersion"] {
        let (expected, is) = (&conditions[field], &found["metadata"][field]);
        if expected.is_string() && expected != is {
            return Err(Failure::new(409, "Conflict", format!("{field} is {is}, expected {expected}")));
        }
    }
    Ok(())
}

fn changeable(before: &Value, after: &Value) -> Result<(), Failure> {
    let fields = after["spec"].as_object().into_iter().flatten();
    let changed = fields.filter(|(field, value)| before["spec"][field.as_str()] != **value);
    for (field, _) in changed {
        if !CHANGEABLE.contains(&field.as_str()) {
            let message = format!("spec.{field}: updates to statefulset spec for fields other than … are forbidden");
            return Err(Failure::new(422, "Invalid", message));
        }
    }
    Ok(())
}
