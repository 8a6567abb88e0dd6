//! The API server: what is read and written there, each request with a limit of time and nothing remembered.

use crate::build;
use crate::metrics::Failure;
use crate::observe::{Objects, pod_name, set_name, slot_of};
use crate::validate::ValidatedCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    Preconditions,
};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt};
use plan::{Kind, ResourceVersion, Slot, Uid};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::time::Duration;

/// By which name fields are ours.
pub(super) const MANAGER: &str = "zookube-operator";
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a request was not done, or is not known to be.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer in time.
    #[error("{0}: the API server did not answer within {wait} s", wait = PATIENCE.as_secs())]
    Late(String),
    /// Something has changed since it was looked at.
    #[error("{0}: {1}")]
    Conflict(String, String),
    /// Too many pods are away for another one to be taken.
    #[error("{0}: {1}")]
    TooManyRequests(String, String),
    /// Kubernetes does not have it, or does not know its kind.
    #[error("{0}: {1}")]
    NotFound(String, String),
    /// The operator has no right to that.
    #[error("{0}: {1}")]
    Forbidden(String, String),
    /// Another refusal, or no answer at all.
    #[error("{0}: {1}")]
    Failed(String, String),
    /// An object of that name is somebody else's.
    #[error("{0} is there and belongs to {1}. hint: remove it, or give this resource another name")]
    NotOurs(String, String),
}

impl ApiError {
    /// As it is counted.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Late(..) => Failure::Timeout,
            Self::Conflict(..) => Failure::Conflict,
            Self::TooManyRequests(..) => Failure::TooManyRequests,
            Self::NotFound(..) => Failure::NotFound,
            Self::Forbidden(..) => Failure::Forbidden,
            Self::Failed(..) => Failure::Api,
            Self::NotOurs(..) => Failure::NameTaken,
        }
    }
}

/// The objects of one cluster.
#[derive(Clone)]
pub(super) struct ClusterApi<'a> {
    client: Client,
    cluster: &'a ValidatedCluster,
}

/// Waits for an answer, not for ever.
pub(super) async fn within<T>(what: &str, request: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    match tokio::time::timeout(PATIENCE, request).await {
        Err(_) => Err(ApiError::Late(what.to_owned())),
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(match status.code {
            403 => ApiError::Forbidden(what.to_owned(), status.message.clone()),
            404 => ApiError::NotFound(what.to_owned(), status.message.clone()),
            409 => ApiError::Conflict(what.to_owned(), status.message.clone()),
            429 => ApiError::TooManyRequests(what.to_owned(), status.message.clone()),
            _ => ApiError::Failed(what.to_owned(), status.message.clone()),
        }),
        Ok(Err(error)) => Err(ApiError::Failed(what.to_owned(), error.to_string())),
    }
}

impl<'a> ClusterApi<'a> {
    pub(super) fn new(client: Client, cluster: &'a ValidatedCluster) -> Self {
        Self { client, cluster }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.cluster.namespace)
    }

    async fn get<K>(&self, name: &str) -> Result<Option<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("read {} {name}", K::kind(&()));
        within(&what, self.api::<K>().get_opt(name)).await
    }

    /// Reads an object that must be ours if it is there.
    async fn get_own<K>(&self, name: &str) -> Result<Option<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let found = self.get::<K>(name).await?;
        if let Some(object) = &found {
            self.is_ours(&K::kind(&()), object.meta())?;
        }
        Ok(found)
    }

    /// Refuses an object of somebody else. One that we have made and whose owner was taken away is ours again.
    fn is_ours(&self, kind: &str, meta: &ObjectMeta) -> Result<(), ApiError> {
        let name = meta.name.clone().unwrap_or_default();
        let what = format!("{kind} {name}");
        let owners = meta.owner_references.iter().flatten();
        match owners.clone().find(|owner| owner.controller == Some(true)) {
            Some(owner) if owner.uid == self.cluster.uid => Ok(()),
            Some(owner) if owner.kind == build::OWNER_KIND && owner.name == self.cluster.name => {
                Err(ApiError::Conflict(what, format!("it goes with the earlier resource of this name ({})", owner.uid)))
            }
            Some(owner) => Err(ApiError::NotOurs(what, format!("{} {} ({})", owner.kind, owner.name, owner.uid))),
            None => {
                let labels = meta.labels.as_ref();
                match labels.and_then(|labels| labels.get("app.kubernetes.io/managed-by")).map(String::as_str) {
                    Some(MANAGER) => Ok(()),
                    Some(other) => Err(ApiError::NotOurs(what, other.to_owned())),
                    None => Err(ApiError::NotOurs(what, "somebody who has not said who".to_owned())),
                }
            }
        }
    }

    /// Looks whose an object is that is about to be written.
    pub(super) async fn must_be_ours(&self, object: &Value) -> Result<(), ApiError> {
        let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
        let api = self.dynamic(&text(object, "/apiVersion"), &kind);
        let found = within(&format!("read {kind} {name}"), api.get_opt(&name)).await?;
        found.map_or(Ok(()), |found| self.is_ours(&kind, &found.metadata))
    }

    async fn list<K>(&self) -> Result<Vec<K>, ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("list {} of {}", K::plural(&()), self.cluster.name);
        let params = ListParams::default().labels(&build::selector_text(self.cluster, None));
        within(&what, self.api::<K>().list(&params)).await.map(|list| list.items)
    }

    /// Everything, past every cache.
    pub(super) async fn objects(&self) -> Result<Objects, ApiError> {
        let name = &self.cluster.name;
        let (record_name, observers) = (build::record_name(self.cluster), set_name(name, Kind::Observer));
        let (record, voters, observers, pods, claims) = futures::try_join!(
            self.get_own::<ConfigMap>(&record_name),
            self.get_own::<StatefulSet>(name),
            self.get_own::<StatefulSet>(&observers),
            self.list::<Pod>(),
            self.claims(),
        )?;
        // A pod that lasts from a StatefulSet of an earlier owner counts: its volume and its name are in use.
        let pods = pods.into_iter().filter(|pod| slot_of(name, &pod.name_any()).is_some()).collect();
        Ok(Objects { record, voters, observers, pods, claims })
    }

    /// By their names: a claim without our labels is in the way of ours all the same.
    async fn claims(&self) -> Result<Vec<PersistentVolumeClaim>, ApiError> {
        let all = self.api::<PersistentVolumeClaim>();
        let all = within("list volume claims", all.list(&ListParams::default())).await?;
        let is_one = |claim: &PersistentVolumeClaim| {
            crate::observe::slot_of_claim(&self.cluster.name, &claim.name_any()).is_some()
        };
        Ok(all.items.into_iter().filter(is_one).collect())
    }

    /// With how many voters the ensemble was founded, as the servers' configuration has it.
    pub(super) async fn first_voters(&self) -> Result<Option<u32>, ApiError> {
        let map = self.get_own::<ConfigMap>(&build::config_name(self.cluster)).await?;
        let servers = map.and_then(|map| map.data).and_then(|data| data.get(build::SERVERS).cloned());
        let count = servers.map(|servers| servers.split_whitespace().count()).filter(|count| *count > 0);
        Ok(count.and_then(|count| u32::try_from(count).ok()))
    }

    /// The Secret of the superuser, made with `new` if there is none.
    pub(super) async fn superuser(&self, new: &Secret) -> Result<Secret, ApiError> {
        let name = build::superuser_secret_name(self.cluster);
        // It may have been made by somebody who wants to know the password.
        if let Some(secret) = self.get::<Secret>(&name).await? {
            return Ok(secret);
        }
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let what = format!("create Secret {name}");
        within(&what, self.api::<Secret>().create(&params, new)).await
    }

    /// Writes an object by server-side apply: over `seen` if it is given, else whatever is there.
    pub(super) async fn apply(&self, mut object: Value, seen: Option<&ResourceVersion>) -> Result<Value, ApiError> {
        if let Some(version) = seen {
            object["metadata"]["resourceVersion"] = json!(version.0);
        }
        let (kind, name) = (text(&object, "/kind"), text(&object, "/metadata/name"));
        let api = self.dynamic(&text(&object, "/apiVersion"), &kind);
        let params = PatchParams::apply(MANAGER).force();
        let what = format!("apply {kind} {name}");
        let written = within(&what, api.patch(&name, &params, &Patch::Apply(&object))).await?;
        serde_json::to_value(written).map_err(|error| ApiError::Failed(what, error.to_string()))
    }

    fn dynamic(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = GroupVersionKind::gvk(group, version, kind);
        let lower = kind.kind.to_lowercase();
        let plural = lower.strip_suffix('y').map_or_else(|| format!("{lower}s"), |stem| format!("{stem}ies"));
        let resource = ApiResource::from_gvk_with_plural(&kind, &plural);
        Api::namespaced_with(self.client.clone(), &self.cluster.namespace, &resource)
    }

    /// Removes what is not asked for any more, if it is there and ours.
    pub(super) async fn remove_unwanted(&self, objects: &[Value]) -> Result<(), ApiError> {
        let has = |kind: &str| objects.iter().any(|object| object["kind"] == kind);
        for (api_version, kind) in [("policy/v1", "PodDisruptionBudget"), ("networking.k8s.io/v1", "NetworkPolicy")] {
            if !has(kind) {
                self.remove_own(api_version, kind).await?;
            }
        }
        Ok(())
    }

    /// Removes the object of this kind that has the cluster's name, if it is there and ours.
    pub(super) async fn remove_own(&self, api_version: &str, kind: &str) -> Result<(), ApiError> {
        let (name, api) = (&self.cluster.name, self.dynamic(api_version, kind));
        let Some(object) = within(&format!("read {kind} {name}"), api.get_opt(name)).await? else { return Ok(()) };
        if !object.owner_references().iter().any(|owner| owner.uid == self.cluster.uid) {
            return Ok(());
        }
        let params = exactly(&Uid(object.uid().unwrap_or_default()), None);
        within(&format!("delete {kind} {name}"), api.delete(name, &params)).await.map(drop)
    }

    /// Deletes this very object.
    async fn delete<K>(&self, name: &str, uid: &Uid, version: Option<&ResourceVersion>) -> Result<(), ApiError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let what = format!("delete {} {name}", K::kind(&()));
        within(&what, self.api::<K>().delete(name, &exactly(uid, version))).await.map(drop)
    }

    /// Removes this very pod, as it was seen, with or without asking the disruption budget.
    pub(super) async fn remove_pod(
        &self,
        name: &str,
        uid: &Uid,
        version: &ResourceVersion,
        removal: plan::Removal,
    ) -> Result<(), ApiError> {
        match removal {
            plan::Removal::Delete => self.delete::<Pod>(name, uid, Some(version)).await,
            plan::Removal::Evict => {
                // Not `Api::evict`, whose `delete_options` the API server does not know and leaves out with what they demand.
                let eviction = json!({
                    "apiVersion": "policy/v1",
                    "kind": "Eviction",
                    "metadata": { "name": name, "namespace": self.cluster.namespace },
                    "deleteOptions": { "preconditions": { "uid": uid.0, "resourceVersion": version.0 } },
                });
                let (what, api) = (format!("evict Pod {name}"), self.api::<Pod>());
                let params = PostParams::default();
                let request = api.create_subresource::<Value, Value>("eviction", name, &params, &eviction);
                within(&what, request).await.map(drop)
            }
        }
    }

    /// Whether the StatefulSet has a place for this one now.
    pub(super) async fn has_place(&self, slot: Slot) -> Result<bool, ApiError> {
        let set = self.get::<StatefulSet>(&set_name(&self.cluster.name, slot.kind)).await?;
        let replicas = set.and_then(|set| set.spec).and_then(|spec| spec.replicas);
        Ok(replicas.and_then(|replicas| u32::try_from(replicas).ok()).is_some_and(|replicas| replicas > slot.ordinal))
    }

    /// Deletes this very claim, unless its place is in use again.
    pub(super) async fn delete_claim(&self, name: &str, slot: Slot, uid: &Uid) -> Result<(), ApiError> {
        let in_use = |why: &str| ApiError::Conflict(format!("delete PersistentVolumeClaim {name}"), why.to_owned());
        if self.has_place(slot).await? {
            return Err(in_use("the StatefulSet has a place for it again"));
        }
        if self.get::<Pod>(&pod_name(&self.cluster.name, slot)).await?.is_some() {
            return Err(in_use("its pod is there"));
        }
        self.delete::<PersistentVolumeClaim>(name, uid, None).await
    }

    /// Changes this very claim.
    pub(super) async fn patch_claim(&self, claim: &PersistentVolumeClaim, change: Value) -> Result<(), ApiError> {
        let name = claim.name_any();
        let mut change = change;
        change["metadata"]["uid"] = json!(claim.uid());
        change["metadata"]["resourceVersion"] = json!(claim.resource_version());
        let what = format!("change PersistentVolumeClaim {name}");
        let api = self.api::<PersistentVolumeClaim>();
        within(&what, api.patch(&name, &PatchParams::default(), &Patch::Merge(change))).await.map(drop)
    }

    /// Deletes this very StatefulSet and leaves its pods and volumes as they are.
    pub(super) async fn orphan(&self, set: &StatefulSet) -> Result<(), ApiError> {
        let name = set.name_any();
        let preconditions = Preconditions { uid: set.uid(), resource_version: set.resource_version() };
        let params = DeleteParams::orphan().preconditions(preconditions);
        let what = format!("delete StatefulSet {name}, its pods excepted");
        within(&what, self.api::<StatefulSet>().delete(&name, &params)).await.map(drop)
    }
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn exactly(uid: &Uid, version: Option<&ResourceVersion>) -> DeleteParams {
    let resource_version = version.map(|version| version.0.clone());
    DeleteParams::background().preconditions(Preconditions { uid: Some(uid.0.clone()), resource_version })
}
