//! The definition of the resource: the file is the generated one, rules refuse what they should and say what to do.

use kube::CustomResourceExt;
use kube::core::cel::{validate_cel, validate_cel_update};
use operator::crd::{NAME_CHARS_MAX, ZooKeeperCluster};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `kubectl apply` keeps a copy of the whole in an annotation, which may have 256 KB; people read it, too.
const BYTES_MAX: usize = 100_000;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cluster(name: &str, spec: Value) -> ZooKeeperCluster {
    let object = json!({
        "apiVersion": "zookube.dev/v1alpha1",
        "kind": "ZooKeeperCluster",
        "metadata": { "name": name },
        "spec": spec,
    });
    serde_json::from_value(object).expect("a ZooKeeperCluster")
}

#[test]
fn the_file_is_the_generated_one_and_small() {
    let path = repository().join("deploy/crd/zookeeperclusters.zookube.dev.yaml");
    let text = serde_saphyr::to_string(&ZooKeeperCluster::crd()).expect("YAML");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("the file");
    }
    let found = std::fs::read_to_string(&path).expect("the file");
    assert!(
        found == text,
        "{} is not what the types say. hint: UPDATE_DOCS=1 cargo test -p zookube-operator",
        path.display()
    );
    assert!(text.len() <= BYTES_MAX, "{} bytes", text.len());
}

#[test]
fn every_field_is_documented() {
    fn look(path: &str, schema: &Value, missing: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            // Kubernetes' own types are documented by Kubernetes.
            if path.contains("resources.") {
                continue;
            }
            if property["description"].as_str().is_none_or(str::is_empty) {
                missing.push(path.clone());
            }
            look(&path, property, missing);
            look(&path, &property["items"], missing);
        }
    }
    let crd = serde_json::to_value(ZooKeeperCluster::crd()).expect("JSON");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    let mut missing = Vec::new();
    look("spec", &schema["spec"], &mut missing);
    look("status", &schema["status"], &mut missing);
    assert_eq!(missing, Vec::<String>::new(), "kubectl explain would say nothing about them");
}

#[test]
fn the_shortest_resource_gets_the_documented_defaults() {
    let spec = cluster("main", json!({})).spec;
    assert_eq!((spec.replicas, spec.config.tick_time_ms, spec.rollout.max_unavailable), (3, 2000, 1));
    let crd = serde_json::to_value(ZooKeeperCluster::crd()).expect("JSON");
    let fields = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    assert_eq!((&fields["replicas"]["default"], &fields["config"]["default"]["tickTimeMs"]), (&json!(3), &json!(2000)));
}

#[test]
fn what_makes_sense_is_accepted() {
    for spec in [
        json!({}),
        json!({ "replicas": 1 }),
        json!({ "replicas": 4, "allowEvenReplicas": true }),
        json!({ "replicas": 5, "rollout": { "maxUnavailable": 2 } }),
        json!({ "image": { "repository": "registry.example/zookube", "tag": "1.0" } }),
        json!({ "monitoring": { "podMonitor": { "enabled": true, "labels": { "release": "p" } }, "prometheusRule": { "enabled": true } } }),
        json!({ "config": { "extra": { "globalOutstandingLimit": "500", "admin.rateLimiterIntervalInMS": "0" } } }),
    ] {
        validate_cel(&cluster("main", spec.clone())).unwrap_or_else(|errors| panic!("{spec}: {errors:?}"));
    }
    validate_cel(&cluster(&"a".repeat(NAME_CHARS_MAX), json!({}))).expect("the longest name");
}

#[test]
fn what_does_not_is_refused_with_the_field_and_the_remedy() {
    let long = "a".repeat(NAME_CHARS_MAX + 1);
    for (name, spec, said) in [
        ("main", json!({ "replicas": 4 }), "spec.replicas: even voter counts"),
        ("main", json!({ "rollout": { "maxUnavailable": 2 } }), "spec.rollout.maxUnavailable"),
        ("main", json!({ "image": { "tag": "1", "digest": "sha256:00" } }), "spec.image: tag and digest"),
        ("main", json!({ "config": { "initLimit": 4 } }), "spec.config.initLimit"),
        ("main", json!({ "config": { "minSessionTimeoutMs": 2, "maxSessionTimeoutMs": 1 } }), "maxSessionTimeoutMs"),
        ("main", json!({ "config": { "extra": { "dataDir": "/x" } } }), "operator sets itself"),
        ("main", json!({ "config": { "extra": { "server.4": "x:1:2" } } }), "operator sets itself"),
        ("main", json!({ "config": { "extra": { "a b": "c" } } }), "spec.config.extra: keys"),
        ("main", json!({ "config": { "extra": { "a": "b\nserver.1=evil:1:2" } } }), "spec.config.extra: keys"),
        ("main", json!({ "config": { "extra": { "a": "b dataDir=/x" } } }), "spec.config.extra: keys"),
        ("main", json!({ "template": { "metadata": { "labels": { "app.kubernetes.io/instance": "x" } } } }), "labels:"),
        (
            "main",
            json!({ "monitoring": { "podMonitor": { "enabled": true }, "serviceMonitor": { "enabled": true } } }),
            "spec.monitoring: podMonitor and serviceMonitor",
        ),
        ("main", json!({ "monitoring": { "podMonitor": { "labels": { "app.kubernetes.io/name": "x" } } } }), "labels:"),
        (&long, json!({}), "metadata.name: at most 45"),
        ("1main", json!({}), "metadata.name: must begin"),
        ("ma.in", json!({}), "metadata.name: must begin"),
    ] {
        let errors = validate_cel(&cluster(name, spec.clone())).expect_err(&format!("{name} {spec} is accepted"));
        let text = format!("{errors:?}");
        assert!(text.contains(said), "{name} {spec}: {text}");
    }
}

#[test]
fn what_cannot_be_changed_is_refused_when_it_is() {
    let storage = |data: Value| json!({ "storage": { "data": data } });
    let changes = [
        (storage(json!({ "size": "10Gi" })), storage(json!({ "size": "5Gi" })), "never smaller"),
        (storage(json!({ "storageClassName": "a" })), storage(json!({ "storageClassName": "b" })), "storageClassName"),
        (storage(json!({})), storage(json!({ "storageClassName": "b" })), "storageClassName"),
        (storage(json!({})), json!({ "storage": { "log": {} } }), "spec.storage.log"),
        (json!({ "clusterDomain": "a" }), json!({ "clusterDomain": "b" }), "spec.clusterDomain"),
        (json!({ "clusterDomain": "a" }), json!({}), "spec.clusterDomain"),
    ];
    for (old, new, said) in changes {
        let errors = validate_cel_update(&cluster("main", new.clone()), &cluster("main", old.clone()))
            .expect_err(&format!("{old} becomes {new}"));
        assert!(format!("{errors:?}").contains(said), "{old} becomes {new}: {errors:?}");
    }
    let (small, large) = (storage(json!({ "size": "900Mi" })), storage(json!({ "size": "1Gi" })));
    validate_cel_update(&cluster("main", large), &cluster("main", small)).expect("volumes grow");
    validate_cel_update(&cluster("main", json!({ "replicas": 5 })), &cluster("main", json!({})))
        .expect("so do ensembles");
}
