//! Whether an object is one of its kind: a field that Kubernetes does not know it drops without a word, or refuses.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::manifests::CRD;
use crate::{name_of, objects, read};

/// What is wrong with the object's form; nothing, if it is as its kind says.
#[must_use]
pub fn problems(object: &Value) -> Vec<String> {
    let kind = format!(
        "{}/{}",
        object["apiVersion"].as_str().unwrap_or_default(),
        object["kind"].as_str().unwrap_or_default()
    );
    let found = match kind.as_str() {
        "v1/ConfigMap" => kept::<ConfigMap>(object),
        "v1/Namespace" => kept::<Namespace>(object),
        "v1/Pod" => kept::<Pod>(object),
        "v1/Service" => kept::<Service>(object),
        "v1/ServiceAccount" => kept::<ServiceAccount>(object),
        "rbac.authorization.k8s.io/v1/ClusterRole" => kept::<ClusterRole>(object),
        "rbac.authorization.k8s.io/v1/ClusterRoleBinding" => kept::<ClusterRoleBinding>(object),
        "rbac.authorization.k8s.io/v1/Role" => kept::<Role>(object),
        "rbac.authorization.k8s.io/v1/RoleBinding" => kept::<RoleBinding>(object),
        "apps/v1/Deployment" => kept::<Deployment>(object),
        "apiextensions.k8s.io/v1/CustomResourceDefinition" => kept::<CustomResourceDefinition>(object),
        "zookube.dev/v1alpha1/ZooKeeperCluster" => {
            let definition = &objects(&read(CRD))[0];
            let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
            undefined("spec", &object["spec"], schema)
        }
        // Of the Prometheus operator, whose types are not here: the fields that are used.
        "monitoring.coreos.com/v1/PodMonitor" => {
            unknown(&object["spec"], &["podMetricsEndpoints", "selector"], &["matchLabels", "interval", "path", "port"])
        }
        "monitoring.coreos.com/v1/PrometheusRule" => {
            unknown(&object["spec"], &["groups"], &["alert", "annotations", "expr", "for", "labels", "name", "rules"])
        }
        other => vec![format!("no kind that is known here: {other}")],
    };
    found.into_iter().map(|problem| format!("{}: {problem}", name_of(object))).collect()
}

/// Fields that the definition of the resource has not.
fn undefined(path: &str, given: &Value, schema: &Value) -> Vec<String> {
    let is_open = schema["x-kubernetes-preserve-unknown-fields"] == true || schema["additionalProperties"].is_object();
    match (given, schema["properties"].as_object()) {
        (Value::Object(given), Some(properties)) => {
            let one = |(key, value): (&String, &Value)| match properties.get(key) {
                Some(schema) => undefined(&format!("{path}.{key}"), value, schema),
                None => vec![format!("{path}.{key} is not in the definition")],
            };
            given.iter().flat_map(one).collect()
        }
        (Value::Object(_), None) if !is_open => vec![format!("{path} has no fields in the definition")],
        (Value::Array(items), _) => items.iter().flat_map(|item| undefined(path, item, &schema["items"])).collect(),
        _ => Vec::new(),
    }
}

fn kept<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    match serde_json::from_value::<T>(object.clone()).and_then(serde_json::to_value) {
        Ok(kept) => lost("", object, &kept),
        Err(error) => vec![error.to_string()],
    }
}

/// In what two objects differ. A whole number is the same with a point and without: who reads and writes YAML may drop it.
#[must_use]
pub fn differences(left: &Value, right: &Value) -> Vec<String> {
    [lost("", left, right), lost("", right, left)].concat()
}

/// What of `given` is not in `kept`. What is empty may be left out.
fn lost(path: &str, given: &Value, kept: &Value) -> Vec<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            let one = |(key, value): (&String, &Value)| match kept.get(key) {
                Some(kept) => lost(&format!("{path}.{key}"), value, kept),
                None if value.is_null() || *value == Value::Array(Vec::new()) => Vec::new(),
                None => vec![format!("{path}.{key} is not known")],
            };
            given.iter().flat_map(one).collect()
        }
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => {
            let pairs = given.iter().zip(kept).enumerate();
            pairs.flat_map(|(index, (given, kept))| lost(&format!("{path}[{index}]"), given, kept)).collect()
        }
        (given, kept) => {
            let is_same = given == kept || (given.is_number() && given.as_f64() == kept.as_f64());
            if is_same { Vec::new() } else { vec![format!("{path} is {given} and would be taken for {kept}")] }
        }
    }
}

/// Keys of the object that are not among `first`, and keys of the lists in it that are not among `inner`.
fn unknown(spec: &Value, first: &[&str], inner: &[&str]) -> Vec<String> {
    fn look(value: &Value, known: &[&str], found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    if !known.contains(&key.as_str()) {
                        found.push(format!("{key} is not known"));
                    }
                    // What is in these is free.
                    if !["labels", "matchLabels", "annotations"].contains(&key.as_str()) {
                        look(value, known, found);
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| look(value, known, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    look(spec, &[first, inner].concat(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_kubernetes_would_not_take_is_told() {
        let deployment = |spec: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec});
        let template = json!({"spec": {"containers": [{"name": "a"}]}});
        let good = deployment(json!({"replicas": 1, "selector": {}, "template": template}));
        assert_eq!(problems(&good), Vec::<String>::new());
        for (object, said) in [
            (deployment(json!({"replica": 1, "selector": {}, "template": template})), ".spec.replica is not known"),
            (deployment(json!({"replicas": "1", "selector": {}, "template": template})), "invalid type"),
            (
                json!({"apiVersion": "zookube.dev/v1alpha1", "kind": "ZooKeeperCluster", "spec": {"observers": {"replica": 1}}}),
                "spec.observers.replica is not in the definition",
            ),
            (json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}}), "apps/v1beta1"),
            (
                json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "spec": {"selector": {}, "endpoints": []}}),
                "endpoints is not known",
            ),
        ] {
            let found = problems(&object);
            assert!(found.len() == 1 && found[0].contains(said), "{said}: {found:?}");
        }
    }
}
