//! The superuser of the ensemble. Made once, by chance, and then left as it is: servers are told its digest when they start.

use super::labels;
use crate::crd::Metadata;
pub(super) use crate::servers::DIGEST;
use crate::servers::Superuser;
use crate::validate::ValidatedCluster;
use k8s_openapi::api::core::v1::Secret;

/// The name of the Secret.
#[must_use]
pub fn name(cluster: &ValidatedCluster) -> String {
    format!("{}-superuser", cluster.name)
}

/// The Secret of a superuser.
#[must_use]
pub fn build(cluster: &ValidatedCluster, user: &Superuser) -> Secret {
    Secret {
        metadata: labels::meta(cluster, "-superuser", None, &Metadata::default()),
        string_data: Some(user.data()),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}
