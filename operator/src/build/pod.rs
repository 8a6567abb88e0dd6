//! A server's pod. The same for all pods of a StatefulSet; what distinguishes servers is the name of the pod.

use super::config_map::{self, host_of};
use super::{ADMIN, OBSERVER_ID_OFFSET, PORTS, Port, Progress, Role, VOTER_ID_OFFSET, labels, secret};
use crate::crd::PodTemplate;
use crate::validate::{CONTAINER, ValidatedCluster};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapEnvSource, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvFromSource, EnvVar, EnvVarSource, HTTPGetAction, LocalObjectReference, ObjectFieldSelector, PodAffinityTerm,
    PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecretKeySelector,
    SecurityContext, TopologySpreadConstraint, Volume, VolumeMount, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Map, Value};

/// The user and group of the servers; any other will do.
const USER: i64 = 1000;
/// How long a server that is told to stop serves on, until the Service leads no client there any more: a proxy of a node hears of
/// it at once and writes its rules within a second.
const SHUTDOWN_DELAY_MS: u32 = 2000;
/// Behind that delay a leader hands over and a follower closes its files within a second; the rest is for slow disks.
const GRACE_SECONDS: i64 = 60;
/// Where the record of the ensemble is.
const RECORD_DIR: &str = "/etc/zookube/ensemble";
/// How often probes ask.
const PERIOD_SECONDS: i32 = 5;
/// A server that does not answer for so long does not live.
const LIVENESS_FAILURES: i32 = 6;
/// One answer may be late.
const READINESS_FAILURES: i32 = 2;

pub(super) fn template(cluster: &ValidatedCluster, progress: Progress, role: Role) -> PodTemplateSpec {
    let more = match role {
        Role::Voter => &cluster.spec.template,
        Role::Observer => &cluster.observer_template,
    };
    let mut annotations = more.metadata.annotations.clone();
    annotations.insert("zookube.dev/config-hash".to_owned(), config_map::hash(cluster, progress));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::labels(cluster, Some(role), &more.metadata)),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(laid_over(spec(cluster, role), more)),
    }
}

fn spec(cluster: &ValidatedCluster, role: Role) -> PodSpec {
    let secrets = cluster.spec.image.iter().flat_map(|image| &image.pull_secrets);
    let secrets: Vec<_> = secrets.map(|secret| LocalObjectReference { name: secret.name.clone() }).collect();
    PodSpec {
        containers: vec![container(cluster, role)],
        service_account_name: Some(cluster.name.clone()),
        automount_service_account_token: Some(false),
        // Variables such as ZOOKEEPER_PORT, made from the names of services, would look like configuration.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            // Volumes of gigabytes are not walked through at every start.
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        affinity: Some(apart(cluster, role)),
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "topology.kubernetes.io/zone".to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(labels::selector(cluster, Some(role))),
            ..TopologySpreadConstraint::default()
        }]),
        volumes: Some(vec![
            Volume { name: "tmp".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
            Volume {
                name: "ensemble".to_owned(),
                config_map: Some(ConfigMapVolumeSource {
                    name: format!("{}-ensemble", cluster.name),
                    ..ConfigMapVolumeSource::default()
                }),
                ..Volume::default()
            },
        ]),
        ..PodSpec::default()
    }
}

/// On different machines where that is possible: a laptop's only node takes all of them.
fn apart(cluster: &ValidatedCluster, role: Role) -> Affinity {
    let term = WeightedPodAffinityTerm {
        weight: 100,
        pod_affinity_term: PodAffinityTerm {
            topology_key: "kubernetes.io/hostname".to_owned(),
            label_selector: Some(labels::selector(cluster, Some(role))),
            ..PodAffinityTerm::default()
        },
    };
    let anti = PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(vec![term]),
        ..PodAntiAffinity::default()
    };
    Affinity { pod_anti_affinity: Some(anti), ..Affinity::default() }
}

fn container(cluster: &ValidatedCluster, role: Role) -> Container {
    let policy = cluster.spec.image.as_ref().map(|image| image.pull_policy).unwrap_or_default();
    let resources = match role {
        Role::Voter => &cluster.voter_resources,
        Role::Observer => &cluster.observer_resources,
    };
    let port = |port: Port| ContainerPort {
        name: Some(port.name.to_owned()),
        container_port: i32::from(port.number),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let mut mounts = vec![mount("data", "/data"), mount("tmp", "/tmp"), mount("ensemble", RECORD_DIR)];
    if cluster.spec.storage.log.is_some() {
        mounts.push(mount("log", "/datalog"));
    }
    let [liveness, readiness, startup] = probes(cluster);
    Container {
        name: CONTAINER.to_owned(),
        image: Some(cluster.image.clone()),
        image_pull_policy: Some(policy.as_str().to_owned()),
        args: Some(vec!["run".to_owned()]),
        env_from: Some(vec![EnvFromSource {
            config_map_ref: Some(ConfigMapEnvSource { name: format!("{}-config", cluster.name), optional: None }),
            ..EnvFromSource::default()
        }]),
        env: Some(environment(cluster, role)),
        ports: Some(PORTS.map(port).to_vec()),
        volume_mounts: Some(mounts),
        resources: Some(resources.clone()),
        liveness_probe: Some(liveness),
        readiness_probe: Some(readiness),
        startup_probe: Some(startup),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.to_owned(), mount_path: path.to_owned(), ..VolumeMount::default() }
}

/// What differs between voters and observers, and what only the pod knows.
fn environment(cluster: &ValidatedCluster, role: Role) -> Vec<EnvVar> {
    let variable = |name: &str, value: String| EnvVar { name: name.to_owned(), value: Some(value), value_from: None };
    let own_name = ObjectFieldSelector { field_path: "metadata.name".to_owned(), api_version: Some("v1".to_owned()) };
    let mut all = vec![EnvVar {
        name: "POD_NAME".to_owned(),
        value: None,
        value_from: Some(EnvVarSource { field_ref: Some(own_name), ..EnvVarSource::default() }),
    }];
    // Where nothing says so, the name of the pod is the host's, and the id is the number at its end plus this.
    let offset = match role {
        Role::Voter => VOTER_ID_OFFSET,
        Role::Observer => OBSERVER_ID_OFFSET,
    };
    all.push(variable("ZOOKUBE_ORDINAL_OFFSET", offset.to_string()));
    all.push(variable("ZOOKUBE_SHUTDOWN_DELAY_MS", SHUTDOWN_DELAY_MS.to_string()));
    // Who may change the configuration: the operator, which has the password.
    let digest = SecretKeySelector { name: secret::name(cluster), key: secret::DIGEST.to_owned(), optional: None };
    all.push(EnvVar {
        name: "ZOOKUBE_SUPER_DIGEST".to_owned(),
        value: None,
        value_from: Some(EnvVarSource { secret_key_ref: Some(digest), ..EnvVarSource::default() }),
    });
    // How it joins, where the list of the first servers has it not.
    let host = host_of(cluster, "$(POD_NAME)");
    all.push(variable("ZOOKUBE_RECORD", format!("{RECORD_DIR}/{}", config_map::RECORD_FILE)));
    all.push(variable("ZOOKUBE_JOIN_AS", config_map::address(&host, role)));
    if cluster.spec.storage.log.is_none() {
        all.push(variable("ZOO_DATA_LOG_DIR", "/data".to_owned()));
    }
    all
}

/// Liveness, readiness, start. Only the process is asked whether it lives, never the quorum: to restart a server does not bring back
/// others.
fn probes(cluster: &ValidatedCluster) -> [Probe; 3] {
    let probes = &cluster.spec.probes;
    let probe = |path: &str, failures: i32| Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(ADMIN.name.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(PERIOD_SECONDS),
        timeout_seconds: Some(probes.timeout_seconds),
        failure_threshold: Some(failures),
        ..Probe::default()
    };
    let start_failures = probes.start_delay_seconds / PERIOD_SECONDS;
    [probe("/livez", LIVENESS_FAILURES), probe("/readyz", READINESS_FAILURES), probe("/startupz", start_failures)]
}

/// A pod with what the user adds: objects are joined key by key, lists of named things by their names, anything else is replaced.
/// What must not be changed was refused when the resource was looked at.
fn laid_over(spec: PodSpec, more: &PodTemplate) -> PodSpec {
    if more.spec.is_empty() {
        return spec;
    }
    let Ok(Value::Object(mut base)) = serde_json::to_value(&spec) else { return spec };
    join(&mut base, &more.spec);
    serde_json::from_value(Value::Object(base)).unwrap_or(spec)
}

fn join(base: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (base.get_mut(key), value) {
            (Some(Value::Object(base)), Value::Object(more)) => join(base, more),
            // Nothing tells one source of variables from another.
            (Some(Value::Array(base)), Value::Array(more)) if key == "envFrom" => base.extend(more.iter().cloned()),
            (Some(Value::Array(base)), Value::Array(more))
                if more.iter().all(|item| item[told_by(key)].is_string()) =>
            {
                join_lists(base, more, told_by(key));
            }
            _ => drop(base.insert(key.clone(), value.clone())),
        }
    }
}

/// What tells the items of a list from one another: a volume can be mounted twice, a place has one volume.
fn told_by(list: &str) -> &'static str {
    if list == "volumeMounts" { "mountPath" } else { "name" }
}

fn join_lists(base: &mut Vec<Value>, more: &[Value], key: &str) {
    for item in more {
        match (base.iter_mut().find(|known| known[key] == item[key]), item) {
            (Some(Value::Object(known)), Value::Object(item)) => join(known, item),
            _ => base.push(item.clone()),
        }
    }
}
