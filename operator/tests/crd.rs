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

/// What is accepted and refused; `tests/e2e` asks a real API server the same.
fn rows(of: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("resources.json")).expect("JSON");
    file[of].as_array().filter(|rows| !rows.is_empty()).unwrap_or_else(|| panic!("{of}")).clone()
}

fn said(row: &Value) -> &str {
    row["said"].as_str().expect("what is said")
}

#[test]
fn what_makes_sense_is_accepted() {
    for row in rows("accepted") {
        validate_cel(&cluster("main", row["spec"].clone())).unwrap_or_else(|errors| panic!("{row}: {errors:?}"));
    }
    validate_cel(&cluster(&"a".repeat(NAME_CHARS_MAX), json!({}))).expect("the longest name");
}

#[test]
fn what_does_not_is_refused_with_the_field_and_the_remedy() {
    for row in rows("refused") {
        let resource = cluster(row["name"].as_str().expect("a name"), row["spec"].clone());
        let text = format!("{:?}", validate_cel(&resource).expect_err(&format!("{row} is accepted")));
        assert!(text.contains(said(&row)), "{row}: {text}");
    }
}

#[test]
fn what_cannot_be_changed_is_refused_when_it_is() {
    let changed = |row: &Value| {
        let [old, new] = ["old", "new"].map(|key| cluster("main", row[key].clone()));
        validate_cel_update(&new, &old)
    };
    for row in rows("changesRefused") {
        let text = format!("{:?}", changed(&row).expect_err(&format!("{row} is accepted")));
        assert!(text.contains(said(&row)), "{row}: {text}");
    }
    for row in rows("changesAccepted") {
        changed(&row).unwrap_or_else(|errors| panic!("{row}: {errors:?}"));
    }
}
