//! The published rules as Prometheus itself reads them, and their unit tests.

use std::collections::BTreeMap;

use monitoring::files;
use monitoring::names;
use monitoring::prometheus::{Prometheus, promtool};
use serde_json::Value;
use support::prerequisites;

const RUNBOOKS: &str = "https://github.com/zookube/zookube/blob/main/docs/operating/alerts.md#";

#[test]
fn promtool_accepts_the_rules() {
    let paths = files::rules().map(|path| path.display().to_string());
    promtool(&["check", "rules", &paths[0], &paths[1]]).expect_success("promtool check rules");
}

/// The lab's configuration, with the rules where Compose mounts them.
#[test]
fn promtool_accepts_the_labs_configuration() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(dir.path().join("rules")).expect("a directory");
    let lab = files::read(&prerequisites::workspace().join("docker/monitoring/prometheus.yaml"));
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, lab).expect("the configuration");
    for path in files::rules() {
        let name = path.file_name().expect("a file");
        std::fs::copy(&path, dir.path().join("rules").join(name)).expect("a copy");
    }
    let said = promtool(&["check", "config", &config.display().to_string()]).expect_success("promtool check config");
    assert!(said.contains("2 rule files found"), "the lab does not load the rules:\n{said}");
}

/// Each alert fires where it must, and all are silent in healthy series and just below their thresholds.
#[test]
fn the_rules_pass_their_unit_tests() {
    for path in files::in_directory(&files::deploy().join("rules/tests"), "yaml") {
        promtool(&["test", "rules", &path.display().to_string()]).expect_success("promtool test rules");
    }
}

/// An alert without a unit test in which it fires could be one that never does.
#[test]
fn every_alert_fires_in_a_unit_test() {
    let tests: String = files::in_directory(&files::deploy().join("rules/tests"), "yaml")
        .iter()
        .map(|path| files::read(path))
        .collect();
    for alert in alerts().keys() {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "no unit test in which {alert} fires");
    }
}

#[test]
fn every_alert_says_who_is_called_and_what_to_do() {
    for (name, alert) in alerts() {
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: severity {severity:?}");
        for key in ["summary", "description"] {
            let text = alert["annotations"][key].as_str().unwrap_or_default();
            assert!(text.contains("{{"), "{name}: its {key} {text:?} does not say where or how much");
        }
        let url = alert["annotations"]["runbook_url"].as_str().unwrap_or_default();
        assert_eq!(url, format!("{RUNBOOKS}{}", name.to_lowercase()), "{name}: runbook_url");
    }
}

#[test]
fn every_alert_has_a_section_and_every_section_an_alert() {
    let page = files::read(&prerequisites::workspace().join("docs/operating/alerts.md"));
    let mut sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    sections.sort_unstable();
    assert_eq!(sections, alerts().keys().collect::<Vec<_>>(), "sections of docs/operating/alerts.md, and alerts");
    for section in page.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        assert!(section.contains("**Do:**"), "{title} does not say what to do");
    }
}

/// What a rule asks for is exposed, or recorded by another rule.
#[test]
fn the_rules_use_names_that_exist() {
    let mut known = documented();
    let rules = loaded();
    known.extend(rules.iter().filter(|rule| rule["type"] == "recording").filter_map(|rule| text(&rule["name"])));
    // Of Prometheus itself.
    known.insert("up".to_owned());
    for rule in rules {
        let expression = text(&rule["query"]).expect("a rule has an expression");
        for name in names::of(&expression) {
            assert!(names::documented(&name, &known), "{}: {name} is not in docs/metrics.md", rule["name"]);
        }
    }
}

fn documented() -> std::collections::BTreeSet<String> {
    names::of_page(&files::read(&prerequisites::workspace().join("docs/metrics.md")))
}

/// The alerts by name, as Prometheus has loaded them.
fn alerts() -> BTreeMap<String, Value> {
    let alerting = loaded().into_iter().filter(|rule| rule["type"] == "alerting");
    let alerts: BTreeMap<String, Value> = alerting.filter_map(|rule| Some((text(&rule["name"])?, rule))).collect();
    assert!(!alerts.is_empty(), "Prometheus has loaded no alert");
    alerts
}

fn loaded() -> Vec<Value> {
    Prometheus::start(&files::rules().map(|path| files::read(&path)), &[]).rules()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
