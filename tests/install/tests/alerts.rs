//! The alerts that come with the chart: Prometheus reads them, each of them fires in a unit test, and each has its page.

use std::process::Command;
use std::time::Duration;

use install::{file, objects, read};
use serde_json::Value;
use support::external::{self, Said};
use support::prerequisites;

const RULES: &str = "charts/zookube/files/alerts.yaml";
const TESTS: &str = "tests/install/alerts_test.yaml";
const PAGE: &str = "docs/operating/operator-alerts.md";
const LIMIT: Duration = Duration::from_secs(60);

fn promtool(arguments: &[&str]) -> Said {
    let mut command = Command::new(prerequisites::promtool());
    command.args(arguments);
    external::run(command, "", LIMIT)
}

fn alerts() -> Vec<Value> {
    let file = &objects(&read(RULES))[0];
    let groups = file["groups"].as_array().expect("groups");
    let alerts: Vec<Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).cloned().collect();
    assert!(!alerts.is_empty());
    alerts
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what} is missing"))
}

#[test]
fn prometheus_reads_them() {
    let said = promtool(&["check", "rules", &file(RULES).display().to_string()]).expect_success("promtool check rules");
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
}

#[test]
fn they_pass_their_unit_tests() {
    let _ = promtool(&["test", "rules", &file(TESTS).display().to_string()]).expect_success("promtool test rules");
}

/// An alert on what nobody publishes never fires.
#[test]
fn they_are_about_metrics_that_there_are() {
    let page = read("docs/operator-metrics.md");
    for alert in alerts() {
        let expression = text(&alert["expr"], "an expression");
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<&str> = words.filter(|word| word.starts_with("zkop_")).collect();
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            assert!(page.contains(&format!("| `{name}` |")), "{}: {name}", alert["alert"]);
        }
    }
}

#[test]
fn each_fires_in_a_unit_test_and_says_who_is_called_and_what_to_do() {
    let (tests, page) = (read(TESTS), read(PAGE));
    for alert in alerts() {
        let name = text(&alert["alert"], "a name");
        assert!(
            tests.contains(&format!("alertname=\"{name}\", alertstate=\"firing\"")),
            "no unit test in which {name} fires"
        );
        let severity = text(&alert["labels"]["severity"], "a severity");
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        let url = text(&alert["annotations"]["runbook_url"], "a runbook");
        let wanted = format!("https://github.com/zookube/zookube/blob/main/{PAGE}#{}", name.to_lowercase());
        assert_eq!(url, wanted, "{name}");
        let section = page.split("\n## ").find(|section| section.lines().next() == Some(name));
        assert!(section.is_some_and(|section| section.contains("**Do:**")), "{PAGE}: what to do about {name}");
        for key in ["summary", "description"] {
            assert!(text(&alert["annotations"][key], key).contains("{{"), "{name}: its {key} does not say where");
        }
    }
    assert_eq!(page.matches("\n## ").count(), alerts().len(), "{PAGE} has a section for each alert and no other");
}
