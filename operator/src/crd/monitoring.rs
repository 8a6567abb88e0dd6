//! What a Prometheus that is looked after by the Prometheus operator is told of the servers.

use super::rules;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Objects for the Prometheus operator (`monitoring.coreos.com/v1`). Servers publish their metrics whether there are any or not.
///
/// Where Kubernetes does not know their kinds, or the operator may not write them, the condition `MonitoringOK` says so, and everything
/// else goes on.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = rules(&[("!(self.podMonitor.enabled && self.serviceMonitor.enabled)", "spec.monitoring: podMonitor and serviceMonitor together would have every server scraped twice, and every alert doubled; take one of them")])))]
pub struct Monitoring {
    /// A PodMonitor: pods are found and scraped by themselves. For most the right one.
    pub pod_monitor: Monitor,
    /// A ServiceMonitor, for a Prometheus that looks at those only: the pods behind the headless service.
    pub service_monitor: Monitor,
    /// A PrometheusRule with the alerts and recording rules of this cluster alone.
    pub prometheus_rule: Rule,
}

impl Monitoring {
    /// Whether any of them is asked for.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.pod_monitor.enabled || self.service_monitor.enabled || self.prometheus_rule.enabled
    }
}

/// How servers are scraped.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Monitor {
    /// Whether there is one.
    pub enabled: bool,
    /// Labels by which a Prometheus finds it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::pods::labels")]
    pub labels: BTreeMap<String, String>,
    /// Seconds between two looks at a server. Alerts look back two minutes at least, so that a minute is the longest.
    #[schemars(range(min = 5, max = 60))]
    pub interval_seconds: i32,
}

impl Default for Monitor {
    fn default() -> Monitor {
        Monitor { enabled: false, labels: BTreeMap::new(), interval_seconds: 15 }
    }
}

/// What is alerted on.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Whether there is one. It tells this cluster's series from others by their labels `namespace` and `ensemble`, which a podMonitor
    /// or serviceMonitor of this resource gives them; whoever scrapes in another way sees to these.
    pub enabled: bool,
    /// Labels by which a Prometheus finds it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::pods::labels")]
    pub labels: BTreeMap<String, String>,
}
