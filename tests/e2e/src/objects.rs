//! Objects for tests' own pods, which are made of [`BUSYBOX`].
//!
//! Their grace period is the shortest that is one: with 0 the API server forgets a pod at once, before its node has ended it, and
//! also where the node cannot.

use serde_json::{Value, json};

use crate::image::BUSYBOX;

/// A container that runs `script` in a shell.
pub fn container(script: &str) -> Value {
    json!({"name": "main", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

/// A pod with the label `app: <name>`.
pub fn pod(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container(script)]},
    })
}

/// A service.
pub fn service(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

/// Pods `web-0` and so on, with the label `app: web`; `more` goes into the set's specification.
pub fn stateful_set(replicas: u32, container: Value, more: Value) -> Value {
    let mut spec = json!({
        "serviceName": "web",
        "replicas": replicas,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        },
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}, "spec": spec})
}

/// A set of `replicas` pods, each with a volume of `class` at `/data`.
pub fn set_with_volumes(replicas: u32, script: &str, class: Option<&str>) -> Value {
    let mut container = container(script);
    container["volumeMounts"] = json!([{"name": "data", "mountPath": "/data"}]);
    let mut claim = json!({
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    if let Some(class) = class {
        claim["spec"]["storageClassName"] = json!(class);
    }
    stateful_set(replicas, container, json!({"volumeClaimTemplates": [claim]}))
}
