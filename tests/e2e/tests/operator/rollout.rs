//! Pods are replaced: one after another, the leader last, and not by something that does not work.

use super::lab::{Lab, NAME};
use serde_json::json;
use std::collections::BTreeMap;

/// A rollout that does not wait long for each pod: what is tested is its order.
fn spec() -> serde_json::Value {
    json!({ "replicas": 3, "rollout": { "minReadySeconds": 1 } })
}

fn uids(lab: &Lab) -> BTreeMap<String, String> {
    lab.pods().into_iter().map(|pod| (pod.clone(), lab.uid("pod", &pod))).collect()
}

/// Waits until every pod is another one than before, and returns in which order they were replaced.
fn replaced(lab: &Lab, before: &BTreeMap<String, String>) -> Vec<String> {
    let mut order = Vec::new();
    lab.until("all pods to be replaced", |lab| {
        for pod in lab.list("pods") {
            let (name, uid) = (pod["metadata"]["name"].as_str(), pod["metadata"]["uid"].as_str());
            let (Some(name), Some(uid)) = (name, uid) else { continue };
            if before.get(name).is_some_and(|old| old != uid) && !order.contains(&name.to_owned()) {
                order.push(name.to_owned());
            }
        }
        order.len() == before.len()
    });
    order
}

#[test]
fn rollout_restart_goes_leader_last() {
    let lab = Lab::running("restart", &spec(), 3);
    let (leader, before) = (lab.leader(), uids(&lab));
    let mut writer = lab.writer(5);
    lab.must(&["rollout", "restart", "sts/main"]);
    let order = replaced(&lab, &before);
    let took = lab.ready(3, 0);
    writer.goes_on();
    let written = writer.stop();
    assert_eq!(order.last(), Some(&leader), "the leader last of {order:?}");
    lab.check(written.count);
    lab.tell(&format!(
        "{order:?}, ready {:.1} s later; {} writes, longest gap {} ms",
        took.as_secs_f64(),
        written.count,
        written.gap.as_millis()
    ));
}

#[test]
fn a_change_of_the_configuration_rolls() {
    let lab = Lab::running("config", &spec(), 3);
    let before = uids(&lab);
    let writer = lab.writer(5);
    lab.patch(&json!({ "spec": { "config": { "syncLimit": 7 } } }));
    replaced(&lab, &before);
    lab.ready(3, 0);
    let written = lab.finish(writer);
    let events = lab.events();
    for reason in ["RolloutStarted", "PodEvicted", "RolloutCompleted"] {
        assert!(events.iter().any(|event| event == reason), "{reason} is among {events:?}");
    }
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// An image that there is not replaces one pod; the others go on, and the one is mended when the image is.
#[test]
fn a_bad_image_stops_at_the_first_pod() {
    let lab = Lab::running("image", &spec(), 3);
    let before = uids(&lab);
    let mut writer = lab.writer(5);
    lab.patch(&json!({ "spec": { "image": { "tag": "there-is-none", "pullPolicy": "Never" } } }));
    lab.until("the rollout to be blocked", |lab| lab.condition("RolloutBlocked").0 == "True");
    writer.goes_on();
    // Whatever comes now comes from something that happens: other passes, in which nothing more may be replaced.
    lab.must(&["annotate", "zk", NAME, "poke=1"]);
    lab.must(&["--namespace", &lab.namespace, "annotate", "sts", "main", "poke=1"]);
    writer.goes_on();
    let same = uids(&lab).iter().filter(|(name, uid)| before.get(*name) == Some(*uid)).count();
    assert_eq!(same, 2, "one pod alone was replaced");
    lab.must(&["patch", "zk", NAME, "--type=json", "-p", r#"[{"op":"remove","path":"/spec/image"}]"#]);
    lab.ready(3, 0);
    let written = lab.finish(writer);
    let after = uids(&lab);
    let same = after.iter().filter(|(name, uid)| before.get(*name) == Some(*uid)).count();
    assert_eq!(same, 2, "those who had the good image all the while keep their pods");
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// The operator is replaced while it rolls a cluster; its successor goes on.
#[test]
fn the_operator_is_replaced_meanwhile() {
    let lab = Lab::running("successor", &spec(), 3);
    let before = uids(&lab);
    let writer = lab.writer(5);
    lab.must(&["rollout", "restart", "sts/main"]);
    lab.until("the first pod to be replaced", |lab| uids(lab).iter().any(|(name, uid)| before.get(name) != Some(uid)));
    lab.kill_operators();
    replaced(&lab, &before);
    lab.ready(3, 0);
    let written = lab.finish(writer);
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}
