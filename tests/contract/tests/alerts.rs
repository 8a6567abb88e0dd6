//! The alerts that the operator makes for one cluster are those of `deploy/monitoring`, for its series alone: Prometheus reads them, they pass
//! the unit tests of the others, and nothing that happens to another cluster wakes anybody.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::external::{self, Said};
use support::prerequisites;

const LIMIT: Duration = Duration::from_secs(600);
/// The cluster of these tests, in the namespace of the sample.
const OURS: &str = "main";

/// The rules of a cluster, in a file as Prometheus takes them.
fn rules(dir: &Path) -> PathBuf {
    let monitoring = contract::monitoring("small", &json!({ "prometheusRule": { "enabled": true } }));
    let path = dir.join("rules.yaml");
    std::fs::write(&path, monitoring[0]["spec"].to_string()).expect("the rules");
    path
}

fn promtool(arguments: &[&str]) -> Said {
    let mut command = Command::new(prerequisites::promtool());
    command.args(arguments);
    external::run(command, "", LIMIT)
}

/// The unit tests of the rules as they are in `deploy`, about a cluster of this name. What is said in words is left out.
fn tests_about(cluster: &str) -> Vec<(String, Value)> {
    let dir = prerequisites::workspace().join("deploy/monitoring/rules/tests");
    let files = std::fs::read_dir(&dir).expect("the tests").map(|entry| entry.expect("a file").path());
    let mut all: Vec<(String, Value)> = files
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let mut file: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            for test in file["tests"].as_array_mut().expect("tests") {
                test.as_object_mut().expect("a test").remove("alert_rule_test");
                label(test, cluster);
            }
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), file)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() >= 3, "{} files", all.len());
    all
}

/// Gives every series the labels that the operator's PodMonitor gives it. What has no name is counted by other labels.
fn label(value: &mut Value, cluster: &str) {
    match value {
        Value::String(text) if !text.starts_with('{') => {
            let own = format!("namespace=\"zk-space\", ensemble=\"{cluster}\", job=\"");
            *text = text.replace(", ensemble=\"main\"", "").replace("job=\"", &own);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| label(item, cluster)),
        Value::Object(map) => map.values_mut().for_each(|item| label(item, cluster)),
        _ => {}
    }
}

fn pass(dir: &Path, (name, mut tests): (String, Value)) {
    tests["rule_files"] = json!([rules(dir)]);
    let path = dir.join(&name);
    std::fs::write(&path, tests.to_string()).expect("the tests");
    let said = promtool(&["test", "rules", &path.display().to_string()]);
    assert!(said.success, "{name}: {}", said.text);
}

#[test]
fn prometheus_reads_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let said = promtool(&["check", "rules", &rules(dir.path()).display().to_string()]);
    let said = said.expect_success("promtool check rules");
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn they_pass_the_tests_of_the_rules_that_they_are_made_from() {
    let dir = tempfile::tempdir().expect("a directory");
    for test in tests_about(OURS) {
        pass(dir.path(), test);
    }
}

#[test]
fn what_happens_to_another_cluster_is_none_of_theirs() {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, mut file) in tests_about("other") {
        for test in file["tests"].as_array_mut().expect("tests") {
            for question in test["promql_expr_test"].as_array_mut().into_iter().flatten() {
                question["exp_samples"] = json!([]);
            }
        }
        pass(dir.path(), (name, file));
    }
}
