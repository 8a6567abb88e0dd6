//! How a Prometheus finds the servers: as pods, or as those behind the headless service.
//!
//! Either way every series gets the label `ensemble`, by which rules and dashboards tell one cluster from another, and as `instance` the
//! name of the pod: a server keeps its name when its address changes.

use super::{METRICS, MONITORING_API, json, labels};
use crate::crd::{Metadata, Monitor};
use crate::validate::ValidatedCluster;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The label that says which cluster of a namespace a series is of.
pub(super) const ENSEMBLE: &str = "ensemble";

pub(super) fn of_pods(cluster: &ValidatedCluster) -> Option<Value> {
    let monitor = &cluster.spec.monitoring.pod_monitor;
    build(cluster, monitor, "PodMonitor", "podMetricsEndpoints")
}

/// Of the services with these labels the headless one alone has a port for metrics; it has servers that are not ready, too.
pub(super) fn of_service(cluster: &ValidatedCluster) -> Option<Value> {
    let monitor = &cluster.spec.monitoring.service_monitor;
    build(cluster, monitor, "ServiceMonitor", "endpoints")
}

fn build(cluster: &ValidatedCluster, monitor: &Monitor, kind: &str, endpoints: &str) -> Option<Value> {
    monitor.enabled.then(|| {
        json!({
            "apiVersion": MONITORING_API,
            "kind": kind,
            "metadata": meta(cluster, &monitor.labels),
            "spec": {
                "selector": { "matchLabels": labels::own_pods(cluster) },
                endpoints: [{
                    "port": METRICS.name,
                    "path": "/metrics",
                    "interval": format!("{}s", monitor.interval_seconds),
                    "relabelings": [
                        { "action": "replace", "targetLabel": ENSEMBLE, "replacement": cluster.name },
                        {
                            "action": "replace",
                            "sourceLabels": ["__meta_kubernetes_pod_name"],
                            "targetLabel": "instance",
                        },
                    ],
                }],
            },
        })
    })
}

/// With the labels by which a Prometheus selects what it goes by.
pub(super) fn meta(cluster: &ValidatedCluster, more: &BTreeMap<String, String>) -> Value {
    let more = Metadata { labels: more.clone(), ..Metadata::default() };
    json(labels::meta(cluster, "", None, &more))
}
