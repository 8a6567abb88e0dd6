//! What the API server says to a resource: the rules as it evaluates them, and the samples.

use super::lab::{Lab, NAME};
use serde_json::{Value, json};
use support::prerequisites;

/// What the operator's own tests ask the rules, row by row.
fn rows(of: &str) -> Vec<Value> {
    let path = prerequisites::workspace().join("operator/tests/resources.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value = serde_json::from_str(&text).expect("JSON");
    file[of].as_array().filter(|rows| !rows.is_empty()).unwrap_or_else(|| panic!("{of}")).clone()
}

/// `kubectl <verb>` with a resource of this name and spec.
fn send(lab: &Lab, verb: &[&str], name: &str, spec: &Value) -> e2e::Result<String> {
    let resource = json!({
        "apiVersion": "zookube.dev/v1alpha1", "kind": "ZooKeeperCluster", "metadata": { "name": name }, "spec": spec,
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), resource.to_string()).expect("a file");
    lab.kubectl(&[verb, &["-f", file.path().to_str().expect("a path of text")]].concat())
}

const TRY: &[&str] = &["create", "--dry-run=server"];

fn must_be_refused(answer: e2e::Result<String>, row: &Value) {
    let said = row["said"].as_str().expect("what is said");
    let refusal = answer.expect_err(&format!("{row} is accepted")).to_string();
    assert!(refusal.contains(said), "{row}: {refusal}");
}

#[test]
fn samples_are_accepted() {
    let lab = Lab::new("samples");
    let samples = prerequisites::workspace().join("deploy/samples");
    let all: Vec<_> = samples.read_dir().expect("samples").map(|entry| entry.expect("a sample").path()).collect();
    assert!(all.len() >= 3, "{all:?}");
    for sample in all {
        lab.must(&["create", "--dry-run=server", "-f", sample.to_str().expect("a path of text")]);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_field_and_the_remedy() {
    let lab = Lab::new("rules");
    for row in rows("accepted") {
        send(&lab, TRY, NAME, &row["spec"]).unwrap_or_else(|error| panic!("{row}: {error}"));
    }
    for row in rows("refused") {
        must_be_refused(send(&lab, TRY, row["name"].as_str().expect("a name"), &row["spec"]), &row);
    }
    let unknown = send(&lab, TRY, NAME, &json!({ "replica": 3 })).expect_err("no such field").to_string();
    assert!(unknown.contains("spec.replica"), "{unknown}");
}

#[test]
fn what_cannot_be_changed_is_refused_when_it_is() {
    let lab = Lab::new("changes");
    let change = |number: usize, row: &Value| {
        // A resource that is only looked at.
        let name = format!("{NAME}-{number}");
        let [mut old, mut new] = ["old", "new"].map(|key| row[key].clone());
        (old["pause"], new["pause"]) = (json!(true), json!(true));
        send(&lab, &["create"], &name, &old).unwrap_or_else(|error| panic!("{row}: {error}"));
        send(&lab, &["replace", "--dry-run=server"], &name, &new)
    };
    let refused = rows("changesRefused");
    for (number, row) in refused.iter().enumerate() {
        must_be_refused(change(number, row), row);
    }
    for (number, row) in rows("changesAccepted").iter().enumerate() {
        change(refused.len() + number, row).unwrap_or_else(|error| panic!("{row}: {error}"));
    }
}
