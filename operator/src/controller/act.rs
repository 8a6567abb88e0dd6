//! The one action of a pass.

use super::api::{ApiError, ClusterApi};
use super::{Context, pass};
use crate::observe::{Objects, pod_name};
use crate::servers::{HttpError, Superuser, ZooKeeperError};
use crate::validate::ValidatedCluster;
use kube::ResourceExt;
use plan::{Action, ConfigVersion, Observed, Slot, Uid, Znode};
use std::net::IpAddr;

/// A leader that has refused so often in a row is not asked again.
const HAND_OVERS_REFUSED_MAX: u32 = 3;

/// Why an action was not done, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    ZooKeeper(#[from] ZooKeeperError),
    #[error("{0}")]
    Gone(String),
}

impl ActError {
    /// In one word for programs.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Api(ApiError::TooManyRequests(..)) => "DisruptionBudget",
            Self::Api(_) => "ApiFailed",
            Self::Http(_) => "ServerRefused",
            Self::ZooKeeper(_) => "EnsembleRefused",
            Self::Gone(_) => super::apply::CHANGED,
        }
    }

    /// Whoever is refused as somebody else reads again who he is.
    pub(super) fn is_about_the_superuser(&self) -> bool {
        match self {
            Self::Http(HttpError::Refused { status, .. }) => status.as_u16() == 401 || status.as_u16() == 403,
            Self::ZooKeeper(error) => error.is_about_the_superuser(),
            Self::Api(_) | Self::Http(_) | Self::Gone(_) => false,
        }
    }

    /// What has changed meanwhile is no news.
    pub(super) fn is_worth_telling(&self) -> bool {
        !matches!(self, Self::Api(ApiError::Conflict(..)) | Self::Gone(_))
    }
}

/// The name of an action in metrics.
pub(super) fn name(action: &Action) -> &'static str {
    match action {
        Action::Found { .. } => "found",
        Action::Reconfig { .. } => "reconfig",
        Action::Barrier { .. } => "barrier",
        Action::HandOver { .. } => "hand_over",
        Action::Retire { .. } => "retire",
        Action::EvictPod { .. } => "evict_pod",
        Action::DeleteVolume { .. } => "delete_volume",
    }
}

/// What acts.
pub(super) struct Hands<'a> {
    pub(super) context: &'a Context,
    pub(super) cluster: &'a ValidatedCluster,
    pub(super) api: &'a ClusterApi<'a>,
    pub(super) objects: &'a Objects,
    pub(super) observed: &'a Observed,
    pub(super) leader: Option<plan::ServerId>,
}

impl Hands<'_> {
    pub(super) async fn carry_out(&self, action: &Action) -> Result<(), ActError> {
        match action {
            Action::Found { cluster_uid, after } => self.write(cluster_uid, *after).await,
            Action::Barrier { after } => self.write(&self.observed.cluster.uid, *after).await,
            Action::Reconfig { expect_version, joining, leaving } => {
                self.reconfig(*expect_version, joining, leaving).await
            }
            Action::HandOver { to } => self.hand_over(*to).await,
            Action::Retire { sid, config_version } => {
                let server = self.address(Slot::of(*sid))?;
                Ok(self.context.servers.retire(server, *config_version, &self.superuser()?).await?)
            }
            Action::EvictPod { slot, uid, resource_version, removal, .. } => {
                let name = pod_name(&self.cluster.name, *slot);
                Ok(self.api.remove_pod(&name, uid, resource_version, *removal).await?)
            }
            Action::DeleteVolume { slot, uid } => self.delete_volume(*slot, uid).await,
        }
    }

    async fn write(&self, cluster_uid: &Uid, after: ConfigVersion) -> Result<(), ActError> {
        self.context.servers.write(self.leader()?, &self.superuser()?, cluster_uid, after).await?;
        let znode = Znode::Present { cluster_uid: cluster_uid.clone(), barrier: after };
        self.context.memory.lock().entry(self.cluster.uid.clone()).or_default().znode = Some(znode);
        Ok(())
    }

    async fn reconfig(
        &self,
        expected: ConfigVersion,
        joining: &[(plan::ServerId, plan::Role)],
        leaving: &[plan::ServerId],
    ) -> Result<(), ActError> {
        for (sid, _) in joining {
            // A place that somebody has just taken away is not given a vote.
            if !self.api.has_place(Slot::of(*sid)).await? {
                return Err(ActError::Gone(format!("the StatefulSet has no place for server {sid} any more")));
            }
        }
        let joining: Vec<_> = joining.iter().map(|(sid, role)| pass::joiner(self.cluster, *sid, *role)).collect();
        let user = self.superuser()?;
        Ok(self.context.servers.reconfig(self.leader()?, &user, expected, &joining, leaving).await?)
    }

    /// A leader that does not take the order is ended: it hands over when it is told to stop.
    async fn hand_over(&self, to: plan::ServerId) -> Result<(), ActError> {
        let outcome = self.context.servers.hand_over(self.leader()?, to, &self.superuser()?).await;
        let refused = {
            let mut memory = self.context.memory.lock();
            let memory = memory.entry(self.cluster.uid.clone()).or_default();
            memory.hand_overs_refused = if outcome.is_ok() { 0 } else { memory.hand_overs_refused + 1 };
            memory.hand_overs_refused
        };
        let Err(error) = outcome else { return Ok(()) };
        let error = ActError::from(error);
        if refused < HAND_OVERS_REFUSED_MAX && !error.is_about_the_superuser() {
            return Err(error);
        }
        let Some(pod) = self.leader.map(Slot::of).and_then(|slot| self.observed.pod(slot)) else { return Err(error) };
        tracing::warn!(cluster = self.cluster.name, "the leader does not hand over ({error}); its pod is replaced");
        let removal =
            if self.observed.cluster.disruption_budget { plan::Removal::Evict } else { plan::Removal::Delete };
        let name = pod_name(&self.cluster.name, pod.slot);
        Ok(self.api.remove_pod(&name, &pod.uid, &pod.resource_version, removal).await?)
    }

    async fn delete_volume(&self, slot: Slot, uid: &Uid) -> Result<(), ActError> {
        let claim = self.objects.claims.iter().find(|claim| claim.uid().as_deref() == Some(uid.0.as_str()));
        let claim = claim.ok_or_else(|| ActError::Gone("the claim is gone".to_owned()))?;
        Ok(self.api.delete_claim(&claim.name_any(), slot, uid).await?)
    }

    fn leader(&self) -> Result<IpAddr, ActError> {
        let leader = self.leader.ok_or_else(|| ActError::Gone("nobody leads any more".to_owned()))?;
        self.address(Slot::of(leader))
    }

    fn address(&self, slot: Slot) -> Result<IpAddr, ActError> {
        let address = pass::address(self.cluster, self.objects, slot);
        address.ok_or_else(|| ActError::Gone(format!("the pod of {slot} has no address")))
    }

    fn superuser(&self) -> Result<Superuser, ActError> {
        let memory = self.context.memory.lock();
        let user = memory.get(&self.cluster.uid).and_then(|memory| memory.superuser.clone());
        user.ok_or_else(|| ActError::Gone("the superuser is not known".to_owned()))
    }
}
