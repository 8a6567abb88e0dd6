//! The account of the pods. It may nothing, and its token is given to nobody.

use super::labels;
use crate::crd::Metadata;
use crate::validate::ValidatedCluster;
use k8s_openapi::api::core::v1::ServiceAccount;

pub(super) fn build(cluster: &ValidatedCluster) -> ServiceAccount {
    ServiceAccount {
        metadata: labels::meta(cluster, "", None, &Metadata::default()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
