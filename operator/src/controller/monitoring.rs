//! What the Prometheus operator is told, where there is one. Its kinds may be unknown to this Kubernetes cluster, or forbidden to this
//! operator: then that is told, and nothing else waits for it. They are not watched, since a watch of what is not there fails for ever;
//! what has become possible is found out by the next pass.

use super::api::{ApiError, ClusterApi};
use crate::build;
use crate::status::{Monitoring, Trouble};
use crate::validate::ValidatedCluster;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// After so long what is there is written again, whatever somebody has made of it: nobody is in a hurry, and a rule of thirty kilobytes
/// that somebody else's webhook looks at is none for every step of a rollout.
const WRITTEN_AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// What is known of these objects; all of it can be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those of ours that are there, by their kind, and when they were written.
    ours: HashMap<&'static str, (Value, Timestamp)>,
    /// Kinds that are not asked for and of which we have none: nothing has to be looked for.
    none: HashSet<&'static str>,
}

/// Writes what is asked for, and removes what no longer is.
pub(super) async fn run(
    cluster: &ValidatedCluster,
    api: &ClusterApi<'_>,
    known: &mut Known,
    now: Timestamp,
) -> Monitoring {
    let wanted = build::monitoring(cluster);
    let mut troubles: Vec<Trouble> = Vec::new();
    for kind in build::MONITORING_KINDS {
        match wanted.iter().find(|object| object["kind"] == kind) {
            Some(object) => {
                known.none.remove(kind);
                if let Err(error) = write(kind, object, api, known, now).await {
                    // Whose it is by the time that it can be written is not known.
                    known.ours.remove(kind);
                    troubles.push(trouble(cluster, kind, &error));
                }
            }
            None if known.none.contains(kind) => {}
            None => remove(kind, cluster, api, known).await,
        }
    }
    let message = troubles.iter().map(|trouble| trouble.message.as_str()).collect::<Vec<_>>().join("; ");
    match troubles.first() {
        Some(first) => Monitoring::Refused(Trouble { reason: first.reason, message }),
        None => Monitoring::Written,
    }
}

async fn write(
    kind: &'static str,
    object: &Value,
    api: &ClusterApi<'_>,
    known: &mut Known,
    now: Timestamp,
) -> Result<(), ApiError> {
    match known.ours.get(kind) {
        Some((written, at)) if written == object && now.duration_since(*at).abs() < WRITTEN_AGAIN => return Ok(()),
        Some(_) => {}
        None => api.must_be_ours(object).await?,
    }
    api.apply(object.clone(), None).await?;
    known.ours.insert(kind, (object.clone(), now));
    Ok(())
}

/// What is somebody else's stays, and of what may not be read there is none of ours: who may not write has not written.
async fn remove(kind: &'static str, cluster: &ValidatedCluster, api: &ClusterApi<'_>, known: &mut Known) {
    match api.remove_own(build::MONITORING_API, kind).await {
        Ok(()) | Err(ApiError::NotFound(..) | ApiError::Forbidden(..)) => {
            known.ours.remove(kind);
            known.none.insert(kind);
        }
        Err(error) => tracing::warn!(cluster = cluster.name, "{error}; tried again"),
    }
}

/// In words, with what to do.
fn trouble(cluster: &ValidatedCluster, kind: &str, error: &ApiError) -> Trouble {
    let name = &cluster.name;
    let field = format!("`spec.monitoring.{}{}.enabled`", kind[..1].to_lowercase(), &kind[1..]);
    let (reason, message) = match error {
        ApiError::NotFound(..) => (
            "KindMissing",
            format!(
                "{kind} {name}: Kubernetes does not know this kind ({}). hint: install the definitions of the Prometheus operator, or set \
                 {field} to false",
                build::MONITORING_API
            ),
        ),
        ApiError::Forbidden(..) => (
            "Forbidden",
            format!(
                "{kind} {name}: the operator may not write this kind. hint: install its chart with `features.monitoring=true`, or set {field} \
                 to false"
            ),
        ),
        ApiError::NotOurs(..) => ("NameTaken", error.to_string()),
        _ => ("ApplyFailed", error.to_string()),
    };
    Trouble { reason, message }
}

#[cfg(test)]
#[path = "monitoring_test.rs"]
mod tests;
