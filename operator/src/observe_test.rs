use super::*;
use crate::crd::ZooKeeperCluster;
use crate::validate::{Release, validate};
use serde_json::{Value, json};

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn cluster(name: &str, spec: &Value) -> ValidatedCluster {
    let resource: ZooKeeperCluster = of(json!({
        "apiVersion": "zookube.dev/v1alpha1", "kind": "ZooKeeperCluster",
        "metadata": { "name": name, "namespace": "ns", "uid": "u-1" }, "spec": spec,
    }));
    validate(&resource, &Release::default()).unwrap()
}

fn pod_with(status: Value) -> plan::Pod {
    let found = pod(
        "main",
        &of(json!({
            "metadata": { "name": "main-1", "uid": "p", "resourceVersion": "9", "labels": { "controller-revision-hash": "r" } },
            "status": status,
        })),
    );
    found.unwrap()
}

#[test]
fn places_are_read_from_names_and_written_into_them() {
    for (name, slot) in [
        ("main-0", Some(Slot::voter(0))),
        ("main-12", Some(Slot::voter(12))),
        ("main-obs-3", Some(Slot::observer(3))),
        ("main-01", None),
        ("main-+1", None),
        ("main-100", None),
        ("main-obs-154", None),
        ("main-obs", None),
        ("main-obs-x-0", None),
        ("main-", None),
        ("other-0", None),
        ("main2-0", None),
    ] {
        assert_eq!(slot_of("main", name), slot, "{name}");
        if let Some(slot) = slot {
            assert_eq!(pod_name("main", slot), name);
        }
    }
    assert_eq!(slot_of_claim("main", "log-main-obs-0"), Some(Slot::observer(0)));
    assert_eq!(slot_of_claim("main", "data-main-2"), Some(Slot::voter(2)));
    assert_eq!(slot_of_claim("main", "tmp-main-2"), None);
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let cluster = cluster("main", &json!({ "replicas": 5 }));
    let progress = build::Progress { is_founded: true, ..build::Progress::first(&cluster) };
    let read = record(Some(&build::record(&cluster, progress))).unwrap();
    assert_eq!((read.cluster_uid, read.bootstrapped, read.initial_members.len()), (Some("u-1".into()), true, 5));
    assert_eq!(record(None), Ok(Record::default()));
}

#[test]
fn a_record_that_is_damaged_is_not_guessed() {
    let with = |data: Value| record(Some(&of(json!({ "metadata": {}, "data": data })))).unwrap_err();
    assert!(with(json!({})).contains("ensemble.json is missing"));
    assert!(with(json!({ "ensemble.json": "{}" })).contains("clusterUid"));
    let zero = r#"{"clusterUid":"u","bootstrapped":true,"initialMembers":[0]}"#;
    assert!(with(json!({ "ensemble.json": zero })).contains("0 is no server id"));
}

#[test]
fn a_pod_is_ready_since_its_condition_says_so() {
    let ready = |status: &str| json!({ "conditions": [{ "type": "Ready", "status": status, "lastTransitionTime": "1970-01-01T00:00:07Z" }] });
    let seen = pod_with(ready("True"));
    assert_eq!((seen.ready, seen.ready_changed, seen.failing), (true, Millis(7_000), false));
    assert!(!pod_with(ready("False")).ready && !pod_with(ready("Unknown")).ready && !pod_with(json!({})).ready);
}

#[test]
fn a_container_that_cannot_run_is_told_from_one_that_starts() {
    let container = |state: Value, restarts: i32| {
        let status = json!({ "name": "zookeeper", "image": "", "imageID": "", "ready": false, "restartCount": restarts, "state": state });
        pod_with(json!({ "containerStatuses": [status] })).failing
    };
    let waiting = |reason: &str| json!({ "waiting": { "reason": reason } });
    assert!(container(waiting("CrashLoopBackOff"), 3) && container(waiting("ImagePullBackOff"), 0));
    assert!(!container(waiting("ContainerCreating"), 0) && !container(waiting("PodInitializing"), 0));
    let ended = |code: i32| json!({ "terminated": { "exitCode": code } });
    assert!(container(ended(1), 2), "between two crashes it only looks as if it were about to run");
    assert!(!container(ended(1), 0) && !container(ended(0), 5));
    assert!(!container(json!({ "running": {} }), 9));
}

#[test]
fn claims_of_others_are_no_volumes_of_ours() {
    let claim = |name: &str, ensemble: &str, terminating: bool| -> PersistentVolumeClaim {
        let mut claim = json!({ "metadata": { "name": name, "uid": name, "labels": { ENSEMBLE_LABEL: ensemble } } });
        if terminating {
            claim["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:00:00Z");
        }
        of(claim)
    };
    let objects = Objects {
        claims: vec![
            claim("data-main-0", "u-1", false),
            claim("log-main-0", "u-1", true),
            claim("data-main-1", "other", false),
            claim("data-main-x", "u-1", false),
        ],
        ..Objects::default()
    };
    let cluster = cluster("main", &json!({}));
    let seen = observed(&cluster, false, &objects, Record::default(), &BTreeMap::new(), Znode::Unread);
    let names: Vec<&str> = seen.volumes.iter().map(|volume| volume.uid.0.as_str()).collect();
    assert_eq!(names, ["log-main-0", "data-main-0"], "the one that ends is what a new pod would have to wait for");
}

#[test]
fn the_wish_is_the_spec() {
    let spec = json!({
        "replicas": 5, "observers": { "replicas": 2 }, "pause": true,
        "rollout": { "minReadySeconds": 3 }, "storage": { "retention": { "onScaleDown": "Delete" } },
        "podDisruptionBudget": { "enabled": false },
    });
    let wish = wish(&cluster("main", &spec), true);
    assert_eq!((wish.voters, wish.observers, wish.pause, wish.deleting), (5, 2, true, true));
    assert_eq!((wish.rollout.min_ready, wish.retention_on_scale_down), (Millis(3_000), Retention::Delete));
    assert!(!wish.disruption_budget && wish.joint);
}

#[test]
fn a_status_of_an_earlier_template_says_nothing_of_the_present_one() {
    let set = |generation: i64, seen: i64| -> StatefulSet {
        of(json!({ "metadata": { "generation": generation }, "status": { "observedGeneration": seen, "replicas": 3 } }))
    };
    assert!(is_status_current(&set(2, 2)) && !is_status_current(&set(3, 2)));
    assert!(!is_status_current(&of(json!({ "metadata": { "generation": 1 } }))));
}
