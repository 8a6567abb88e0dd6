use super::*;
use crate::observe::tests::cluster;
use serde_json::json;
use std::path::Path;

const PAGE: &str = "docs/operator-metrics.md";

const INTRODUCTION: &str = "# Metrics of the operator

<!-- Made from operator/src/metrics.rs: UPDATE_DOCS=1 cargo test -p zookube-operator --lib metrics -->

`/metrics` on port 8080 of each operator. Only the one that works (`zkop_leader_election_is_leader`) knows how clusters are: what another
one says may be old. `namespace` and `name` are a cluster's; a Prometheus that gives its targets a `namespace` of their own, as the Prometheus
operator does, has the cluster's as `exported_namespace`. Labels are bounded: none is a path, an address or a text for people. How it is
scraped, and what there is for Grafana and the Alertmanager: [monitoring](operating/monitoring.md). What servers say of themselves:
[metrics](metrics.md).
";

fn markdown() -> String {
    let mut text = format!("{INTRODUCTION}\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n");
    for Described { name, kind, labels, help } in Metrics::new().unwrap().described() {
        text += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
    }
    let words = |all: &[&str]| all.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    text += &format!("\nWhat `error` can be: {}.\n", words(&Failure::ALL.map(Failure::label)));
    text += &format!("What `step` can be: {}.\n", words(&Stage::ALL.map(Stage::as_str)));
    text
}

#[test]
fn the_page_is_made_from_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, markdown()).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, markdown(), "{PAGE} is not that of the code: UPDATE_DOCS=1 writes it");
}

#[test]
fn names_say_what_they_are() {
    for Described { name, kind, help, .. } in Metrics::new().unwrap().described() {
        assert!(name.starts_with("zkop_") && help.ends_with('.'), "{name}: {help}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
        assert_eq!(name.ends_with("_seconds"), kind == "histogram", "{name}");
    }
}

#[test]
fn every_kind_of_failure_is_there_from_the_beginning() {
    let metrics = Metrics::new().unwrap();
    metrics.failed(Failure::Conflict);
    let text = metrics.text();
    assert!(text.contains("zkop_reconcile_errors_total{error=\"conflict\"} 1\n"), "{text}");
    for failure in Failure::ALL.into_iter().filter(|failure| *failure != Failure::Conflict) {
        assert!(text.contains(&format!("zkop_reconcile_errors_total{{error=\"{}\"}} 0\n", failure.label())), "{text}");
    }
}

#[test]
fn what_has_ended_is_counted_by_its_length_until_the_cluster_is_gone() {
    let metrics = Metrics::new().unwrap();
    let cluster = cluster("main", &json!({}));
    metrics.observe(&cluster, &ZooKeeperClusterStatus::default());
    metrics.took(&cluster, &[Ended::Stage(Stage::Join, 42.0), Ended::Rollout(90.0)]);
    let text = metrics.text();
    for line in [
        "zkop_scale_step_seconds_bucket{name=\"main\",namespace=\"ns\",step=\"join\",le=\"30\"} 0\n",
        "zkop_scale_step_seconds_bucket{name=\"main\",namespace=\"ns\",step=\"join\",le=\"60\"} 1\n",
        "zkop_scale_step_seconds_sum{name=\"main\",namespace=\"ns\",step=\"join\"} 42\n",
        "zkop_rollout_seconds_bucket{name=\"main\",namespace=\"ns\",le=\"120\"} 1\n",
        "zkop_rollout_seconds_count{name=\"main\",namespace=\"ns\"} 1\n",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    metrics.forget("ns", "main");
    let text = metrics.text();
    assert!(!text.contains("name=\"main\""), "{text}");
}
