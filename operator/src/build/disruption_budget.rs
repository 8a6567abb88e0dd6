//! How many voters others may take away at the same time. Observers have no budget: no quorum depends on them.

use super::{Role, labels};
use crate::crd::Metadata;
use crate::validate::ValidatedCluster;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(super) fn build(cluster: &ValidatedCluster) -> Option<PodDisruptionBudget> {
    let budget = &cluster.spec.pod_disruption_budget;
    budget.enabled.then(|| PodDisruptionBudget {
        metadata: labels::meta(cluster, "", None, &Metadata::default()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(budget.max_unavailable)),
            selector: Some(labels::selector(cluster, Some(Role::Voter))),
            // A pod that is not ready anyhow does not hold up the drain of its node.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}
