//! What must not cost data, nor more time than it takes.

use super::lab::{Lab, NAME, OPERATOR};
use serde_json::json;

#[test]
fn all_pods_deleted_at_once() {
    let lab = Lab::running("all", &json!({}), 3);
    let mut writer = lab.writer(5);
    writer.goes_on();
    let before = lab.uids();
    let began = std::time::Instant::now();
    lab.must(&["delete", "pods", "--all", "--grace-period=0", "--force"]);
    lab.until("other pods", |lab| {
        let now = lab.uids();
        now.iter().all(|uid| !before.contains(uid)) && lab.pods_serve(3)
    });
    lab.ready(3, 0);
    let took = began.elapsed();
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!("ready again after {:.1} s, longest gap {} ms", took.as_secs_f64(), written.gap.as_millis()));
}

/// One voter's volume is gone: it comes back empty, and counts when it has everything.
#[test]
fn one_volume_is_lost() {
    let lab = Lab::running("volume", &json!({}), 3);
    let mut writer = lab.writer(5);
    let old = lab.uid("pvc", "data-main-1");
    lab.must(&["delete", "pvc", "data-main-1", "--wait=false"]);
    lab.must(&["delete", "pod", "main-1"]);
    lab.until("a new volume", |lab| {
        let new = lab.uid("pvc", "data-main-1");
        !new.is_empty() && new != old
    });
    lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// A majority of the volumes is gone: nobody begins anew.
#[test]
fn most_volumes_are_lost() {
    let lab = Lab::running("majority", &json!({}), 3);
    let writer = lab.writer(5);
    let written = writer.stop();
    for ordinal in [0, 1] {
        lab.must(&["delete", "pvc", &format!("data-main-{ordinal}"), "--wait=false"]);
    }
    lab.must(&["delete", "pods", "main-0", "main-1", "--grace-period=0", "--force"]);
    lab.until("the operator to see it", |lab| lab.condition("DataLossRisk").0 == "True");
    assert!(lab.events().contains(&"DataLossRisk".to_owned()), "{:?}", lab.events());
    assert_eq!(lab.condition("QuorumAvailable").0, "False");
    assert!(lab.condition("DataLossRisk").2.contains("servers 1 and 2"), "{:?}", lab.condition("DataLossRisk"));
    // What is left is left alone.
    assert!(!lab.uid("pvc", "data-main-2").is_empty() && written.count > 0);
    lab.tell("stopped, as it must");
}

/// Pods are deleted while servers are being added.
#[test]
fn pods_deleted_while_scaling() {
    let lab = Lab::running("hurry", &json!({}), 3);
    let mut writer = lab.writer(5);
    lab.scale(5).expect("kubectl scale");
    lab.until("a joiner", |lab| lab.pods().len() > 3);
    lab.must(&["delete", "pods", "main-3", "main-0", "--wait=false"]);
    let took = lab.ready(5, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!("5 after {:.1} s, longest gap {} ms", took.as_secs_f64(), written.gap.as_millis()));
}

/// Without an operator an ensemble goes on, its pods come back, and what was wished for meanwhile is done when there is one again.
#[test]
fn without_an_operator() {
    let lab = Lab::alone("alone").with(&json!({}), 3);
    let mut writer = lab.writer(5);
    lab.stop_operators();
    lab.scale(5).expect("kubectl scale");
    let leader = lab.leader();
    lab.must(&["delete", "pod", &leader, "--grace-period=0", "--force"]);
    lab.until("the pod to come back", |lab| lab.pods_serve(3));
    writer.goes_on();
    lab.scale_deployment(OPERATOR, "zookube-operator", 2);
    lab.ready(5, 0);
    let written = lab.finish(writer);
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// A quorum stays, whoever evicts.
#[test]
fn an_eviction_below_the_quorum_is_refused() {
    let lab = Lab::running("evict", &json!({}), 3);
    let evict = |pod: &str| {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod, "namespace": lab.namespace },
        });
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", lab.namespace);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), eviction.to_string()).expect("a file");
        let file = file.path().to_str().expect("a path of text").to_owned();
        lab.cluster.kubectl(&["create", "--raw", &path, "-f", &file])
    };
    evict("main-0").expect("one may go");
    let refusal = evict("main-1").expect_err("two may not").to_string();
    assert!(refusal.contains("disruption budget"), "{refusal}");
    lab.ready(3, 0);
}

/// The namespace is deleted with everything in it.
#[test]
fn the_namespace_is_deleted() {
    let lab = Lab::new("namespace");
    lab.apply(&json!({ "replicas": 1, "storage": { "retention": { "onDelete": "Delete" } } }));
    lab.ready(1, 0);
    lab.cluster.kubectl(&["delete", "namespace", &lab.namespace, "--wait=false"]).expect("kubectl delete");
    lab.until("the namespace to be gone", |lab| lab.cluster.get(&["namespace", &lab.namespace]).is_err());
}

/// What somebody changes by hand is as it should be again.
#[test]
fn what_is_changed_by_hand_is_put_right() {
    let lab = Lab::running("hands", &json!({}), 3);
    let mut writer = lab.writer(5);
    lab.must(&["delete", "service", "main-headless"]);
    lab.must(&["delete", "pdb", NAME]);
    lab.must(&["delete", "sts", NAME, "--cascade=orphan"]);
    lab.until("them to be there again", |lab| {
        ["service/main-headless", "sts/main"].iter().all(|object| {
            let (kind, name) = object.split_once('/').expect("a kind and a name");
            !lab.uid(kind, name).is_empty()
        })
    });
    lab.must(&["scale", "sts", NAME, "--replicas=1"]);
    let took = lab.until("the StatefulSet to be as large again", |lab| lab.get("sts", NAME)["spec"]["replicas"] == 3);
    lab.ready(3, 0);
    lab.until("the budget to be there again", |lab| !lab.uid("pdb", NAME).is_empty());
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!("put right after {:.1} s, longest gap {} ms", took.as_secs_f64(), written.gap.as_millis()));
}
