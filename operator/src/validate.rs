//! From a resource to what objects are built from: defaults filled in, and everything refused that the API server cannot see.

use crate::crd::{PodTemplate, Retention, ZooKeeperCluster, ZooKeeperClusterSpec};
use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The container in which a server runs.
pub const CONTAINER: &str = "zookeeper";
/// Volumes that are the operator's.
pub const VOLUMES: [&str; 4] = ["data", "ensemble", "log", "tmp"];
/// Where it mounts them.
const MOUNTED: [&str; 4] = ["/data", "/datalog", "/etc/zookube/ensemble", "/tmp"];
/// What a template may say of the container `zookeeper`.
const OF_CONTAINER: [&str; 4] = ["name", "env", "envFrom", "volumeMounts"];
/// What a template must not say of a pod: the operator does, and servers depend on it.
const NOT_OF_POD: [&str; 9] = [
    "hostname",
    "subdomain",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "restartPolicy",
    "enableServiceLinks",
    "automountServiceAccountToken",
    "serviceAccount",
];

/// What an operator was released with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The image of its servers, without tag and digest.
    pub repository: String,
    /// The version of its servers, which is the tag.
    pub version: String,
}

impl Default for Release {
    fn default() -> Release {
        Release { repository: "zookube".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// A field that cannot be meant as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}. hint: {hint}")]
pub struct Refusal {
    /// The field's path.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write.
    pub hint: &'static str,
}

/// A resource that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedCluster {
    /// Its name, which its objects' names begin with.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its identity, by which its objects are its own.
    pub uid: String,
    /// The identity of its ensemble, with which volumes are stamped: its own, unless it goes on with volumes of an earlier cluster.
    pub ensemble: String,
    /// What is asked for.
    pub spec: ZooKeeperClusterSpec,
    /// The image, with tag or digest.
    pub image: String,
    /// What a voter asks for.
    pub voter_resources: ResourceRequirements,
    /// What an observer asks for.
    pub observer_resources: ResourceRequirements,
    /// What an observer's pod gets besides.
    pub observer_template: PodTemplate,
    /// What becomes of volumes.
    pub retention: Retention,
}

/// Looks at a resource.
///
/// # Errors
/// Every field that cannot be meant as it is.
pub fn validate(cluster: &ZooKeeperCluster, release: &Release) -> Result<ValidatedCluster, Vec<Refusal>> {
    let spec = &cluster.spec;
    let mut refusals = Vec::new();
    let mut needed = |field: &str, found: &Option<String>| {
        found.clone().unwrap_or_else(|| {
            refusals.push(Refusal {
                field: format!("metadata.{field}"),
                problem: "is missing".to_owned(),
                hint: "the API server sets it; in a file that is only rendered, write it",
            });
            String::new()
        })
    };
    let meta = &cluster.metadata;
    let (name, namespace, uid) =
        (needed("name", &meta.name), needed("namespace", &meta.namespace), needed("uid", &meta.uid));
    look_at_template("spec.template", &spec.template, &mut refusals);
    if let Some(template) = &spec.observers.template {
        look_at_template("spec.observers.template", template, &mut refusals);
    }
    look_at_budget(spec, &mut refusals);
    for (index, peer) in spec.network_policy.client_from.iter().enumerate() {
        let field = format!("spec.networkPolicy.clientFrom[{index}]");
        look_at_form::<NetworkPolicyPeer>(&field, peer, "a peer as in a NetworkPolicy's `from`", &mut refusals);
        if peer.is_empty() {
            let hint = "leave the list empty to let everybody connect";
            refusals.push(Refusal { field, problem: "is empty".to_owned(), hint });
        }
    }
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let voter_resources = resources(&spec.resources);
    Ok(ValidatedCluster {
        name,
        namespace,
        ensemble: spec.bootstrap.adopt_volumes_of.clone().unwrap_or_else(|| uid.clone()),
        uid,
        image: image(spec, release),
        observer_resources: spec.observers.resources.as_ref().map_or_else(|| voter_resources.clone(), resources),
        observer_template: spec.observers.template.clone().unwrap_or_else(|| spec.template.clone()),
        voter_resources,
        retention: spec.storage.retention.clone(),
        spec: spec.clone(),
    })
}

fn image(spec: &ZooKeeperClusterSpec, release: &Release) -> String {
    let given = spec.image.clone().unwrap_or_default();
    let repository = given.repository.unwrap_or_else(|| release.repository.clone());
    match (given.digest, given.tag) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, tag) => format!("{repository}:{}", tag.unwrap_or_else(|| release.version.clone())),
    }
}

/// What was given; nothing at all means the default.
fn resources(given: &ResourceRequirements) -> ResourceRequirements {
    if *given == ResourceRequirements::default() { crate::crd::default_resources() } else { given.clone() }
}

fn look_at_template(field: &str, template: &PodTemplate, refusals: &mut Vec<Refusal>) {
    look_at_form::<PodSpec>(&format!("{field}.spec"), &template.spec, "a field of a pod's spec", refusals);
    let mut refuse = |path: String, problem: &str, hint| {
        refusals.push(Refusal { field: format!("{field}.spec.{path}"), problem: problem.to_owned(), hint });
    };
    for key in NOT_OF_POD.iter().filter(|key| template.spec.contains_key(**key)) {
        refuse((*key).to_owned(), "is the operator's", "leave it out");
    }
    for (list, volume) in named(&template.spec, "volumes").enumerate() {
        if VOLUMES.contains(&volume.0) {
            refuse(
                format!("volumes[{list}]"),
                "data, ensemble, log and tmp are the operator's volumes",
                "give it another name",
            );
        }
    }
    for (name, container) in named(&template.spec, "containers").filter(|(name, _)| *name == CONTAINER) {
        for key in container.keys().filter(|key| !OF_CONTAINER.contains(&key.as_str())) {
            refuse(
                format!("containers[{name}].{key}"),
                "is the operator's",
                "env, envFrom and volumeMounts may be added",
            );
        }
        for (volume, mount) in named(container, "volumeMounts") {
            let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
            if VOLUMES.contains(&volume) || MOUNTED.contains(&path) {
                let hint = "mount a volume of your own elsewhere";
                refuse(format!("containers[{name}].volumeMounts[{volume}]"), "is the operator's", hint);
            }
        }
        for (variable, _) in named(container, "env").filter(|(variable, _)| variable.starts_with("ZOO")) {
            let hint = "spec.config has a field for it, or spec.config.extra takes the key of zoo.cfg";
            refuse(format!("containers[{name}].env[{variable}]"), "is set by the operator", hint);
        }
    }
}

/// Looks whether Kubernetes' type takes all that is written: what it does not know it would drop without a word.
fn look_at_form<T: DeserializeOwned + Serialize>(
    field: &str,
    given: &Map<String, Value>,
    hint: &'static str,
    refusals: &mut Vec<Refusal>,
) {
    let given = Value::Object(given.clone());
    let kept = serde_json::from_value::<T>(given.clone()).and_then(serde_json::to_value);
    match kept {
        Err(error) => refusals.push(Refusal { field: field.to_owned(), problem: error.to_string(), hint }),
        Ok(kept) => refusals.extend(lost(field, &given, &kept).into_iter().map(|field| Refusal {
            field,
            problem: "is not known to Kubernetes".to_owned(),
            hint,
        })),
    }
}

/// What of `given` is not in `kept`.
fn lost(field: &str, given: &Value, kept: &Value) -> Vec<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            let one = |(key, value): (&String, &Value)| {
                let field = format!("{field}.{key}");
                kept.get(key).map_or_else(|| vec![field.clone()], |kept| lost(&field, value, kept))
            };
            given.iter().flat_map(one).collect()
        }
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => {
            let pairs = given.iter().zip(kept).enumerate();
            pairs.flat_map(|(index, (given, kept))| lost(&format!("{field}[{index}]"), given, kept)).collect()
        }
        _ => Vec::new(),
    }
}

/// The objects of a list, by their names.
fn named<'a>(object: &'a Map<String, Value>, list: &str) -> impl Iterator<Item = (&'a str, &'a Map<String, Value>)> {
    let items = object.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| Some((item["name"].as_str()?, item.as_object()?)))
}

fn look_at_budget(spec: &ZooKeeperClusterSpec, refusals: &mut Vec<Refusal>) {
    let budget = &spec.pod_disruption_budget;
    if budget.enabled && budget.max_unavailable > 1 && budget.max_unavailable * 2 >= spec.replicas {
        refusals.push(Refusal {
            field: "spec.podDisruptionBudget.maxUnavailable".to_owned(),
            problem: format!("{} of {} voters are a majority", budget.max_unavailable, spec.replicas),
            hint: "at most (replicas-1)/2, so that a quorum stays",
        });
    }
}
