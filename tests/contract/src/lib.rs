//! Pods as the operator makes them, taken apart so that a server can be started with what is in them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use operator::build::{self, Progress};
use operator::crd::ZooKeeperCluster;
use operator::validate::{Release, ValidatedCluster, validate};
use serde_json::Value;
use support::prerequisites;

/// The objects of a sample of `deploy/samples`.
///
/// # Panics
/// When the sample makes no sense.
pub fn objects(sample: &str) -> Vec<Value> {
    let cluster = validated(resource(sample));
    build::objects(&cluster, Progress::first(&cluster))
}

/// What Prometheus is told of a sample with this `spec.monitoring`.
///
/// # Panics
/// When either makes no sense.
pub fn monitoring(sample: &str, monitoring: &Value) -> Vec<Value> {
    let mut cluster = resource(sample);
    cluster.spec.monitoring = serde_json::from_value(monitoring.clone()).expect("spec.monitoring");
    build::monitoring(&validated(cluster))
}

fn validated(cluster: ZooKeeperCluster) -> ValidatedCluster {
    validate(&cluster, &Release::default()).expect("a sample makes sense")
}

fn resource(sample: &str) -> ZooKeeperCluster {
    let path: PathBuf = prerequisites::workspace().join("deploy/samples").join(format!("{sample}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {}: {e}", path.display()));
    let mut cluster: ZooKeeperCluster = serde_saphyr::from_str(&text).expect("a ZooKeeperCluster");
    cluster.metadata.namespace = Some("zk-space".to_owned());
    cluster.metadata.uid = Some("6f8e4c1a-0d7b-4f6e-9a55-3b1f0c2d7e11".to_owned());
    cluster
}

/// What the operator's Secret has under `digest`: that of the password `superpw`, as the operator's own test has it.
const SUPER_DIGEST: &str = "super:g9oN2HttPfn8MMWJZ2r45Np/LIA=";

/// The variables of the container of a pod of this StatefulSet, as Kubernetes would set them.
///
/// # Panics
/// When there is no such StatefulSet, or the pod has a variable from where this does not look.
pub fn variables(objects: &[Value], set: &str, pod: &str) -> BTreeMap<String, String> {
    let named = |kind: &str, name: &str| {
        let found = objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let container = &named("StatefulSet", set)["spec"]["template"]["spec"]["containers"][0];
    let mut all = BTreeMap::new();
    for from in container["envFrom"].as_array().into_iter().flatten() {
        let map = named("ConfigMap", from["configMapRef"]["name"].as_str().expect("a ConfigMap"));
        for (name, value) in map["data"].as_object().expect("data") {
            all.insert(name.clone(), value.as_str().expect("text").to_owned());
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().expect("a name").to_owned();
        let from = &variable["valueFrom"];
        let value = match (from["fieldRef"]["fieldPath"].as_str(), from["secretKeyRef"]["key"].as_str()) {
            (Some("metadata.name"), None) => pod.to_owned(),
            (None, Some("digest")) => SUPER_DIGEST.to_owned(),
            (None, None) => expanded(variable["value"].as_str().expect("a value"), &all),
            other => panic!("{name} is made from {other:?}"),
        };
        all.insert(name, value);
    }
    all
}

/// `$(NAME)` becomes the value of a variable that was set before.
fn expanded(text: &str, all: &BTreeMap<String, String>) -> String {
    all.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}
