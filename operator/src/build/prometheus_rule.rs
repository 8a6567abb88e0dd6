//! The alerts of one cluster: those of `deploy/monitoring`, with what they share, for its own series alone.
//!
//! Unscoped, the rules of two clusters would record the same series twice, and each alert would fire once for either of them.

use super::monitor::{ENSEMBLE, meta};
use super::{MONITORING_API, promql};
use crate::validate::ValidatedCluster;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// What alerts share comes first: within a rule evaluation they use what was recorded before.
const FILES: [&str; 2] = [
    include_str!("../../../deploy/monitoring/rules/recording.yaml"),
    include_str!("../../../deploy/monitoring/rules/alerts.yaml"),
];

static GROUPS: LazyLock<Vec<Value>> = LazyLock::new(|| FILES.into_iter().flat_map(groups).collect());

fn groups(file: &str) -> Vec<Value> {
    let parsed: Result<Value, _> = serde_saphyr::from_str(file);
    match parsed.as_ref().map(|file| &file["groups"]) {
        Ok(Value::Array(groups)) => groups.clone(),
        other => unreachable!("the rules that this was built with are none: {other:?}"),
    }
}

pub(super) fn build(cluster: &ValidatedCluster) -> Option<Value> {
    let rule = &cluster.spec.monitoring.prometheus_rule;
    rule.enabled.then(|| {
        // Neither a name nor a namespace can have a quote in it.
        let own = format!(r#"namespace="{}", {ENSEMBLE}="{}""#, cluster.namespace, cluster.name);
        json!({
            "apiVersion": MONITORING_API,
            "kind": "PrometheusRule",
            "metadata": meta(cluster, &rule.labels),
            "spec": { "groups": GROUPS.iter().map(|group| scoped(group, &own)).collect::<Vec<_>>() },
        })
    })
}

fn scoped(group: &Value, own: &str) -> Value {
    let mut group = group.clone();
    for rule in group["rules"].as_array_mut().into_iter().flatten() {
        if let Some(expression) = rule["expr"].as_str() {
            rule["expr"] = promql::scoped(expression, own).into();
        }
    }
    group
}
