//! Faults at every step: whoever dies, and whenever, what was acknowledged is there and the step is done in the end.

use super::lab::{Lab, NAME};
use serde_json::json;
use std::time::{Duration, Instant};

/// What dies at each step.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Leader,
    Operators,
}

/// Scales, and kills whenever the operator has something new to say about what it does; returns the steps that were interrupted.
fn scale_and_kill(lab: &Lab, voters: u32, victim: Victim) -> Vec<String> {
    lab.scale(voters).expect("kubectl scale");
    let mut steps: Vec<String> = Vec::new();
    lab.until(&format!("{voters} voters"), |lab| {
        let zk = lab.zk();
        let step = zk["status"]["scaling"]["step"].as_str().unwrap_or_default().to_owned();
        if !step.is_empty() && !steps.contains(&step) {
            kill(lab, victim);
            steps.push(step);
        }
        lab.is_ready(voters as usize, 0)
    });
    steps
}

fn kill(lab: &Lab, victim: Victim) {
    match victim {
        Victim::Leader => {
            // It may have died of the step before.
            let _ = lab.kubectl(&["delete", "pod", &lab.leader(), "--grace-period=0", "--force"]);
        }
        Victim::Operators => lab.kill_operators(),
    }
}

fn up_and_down(case: &str, victim: Victim) {
    let lab = match victim {
        Victim::Operators => Lab::alone(case),
        _ => Lab::new(case),
    };
    let lab = lab.with(&json!({ "replicas": 1 }), 1);
    let mut writer = lab.writer(10);
    let mut interrupted = 0;
    for voters in [3, 5, 3] {
        interrupted += scale_and_kill(&lab, voters, victim).len();
        writer.goes_on();
    }
    let written = lab.finish(writer);
    assert!(interrupted >= 3, "something died at {interrupted} steps only");
    lab.tell(&format!(
        "killed at {interrupted} steps; {} writes, longest gap {} ms",
        written.count,
        written.gap.as_millis()
    ));
}

#[test]
fn the_leader_dies_at_each_step() {
    up_and_down("leader", Victim::Leader);
}

#[test]
fn the_operator_dies_at_each_step() {
    up_and_down("operator", Victim::Operators);
}

/// Names cannot be looked up for a minute: whoever is connected stays so, and who starts meanwhile waits.
#[test]
fn no_names_for_a_minute() {
    const OUTAGE: Duration = Duration::from_secs(60);
    let lab = Lab::alone("dns").with(&json!({}), 3);
    let mut writer = lab.writer(5);
    lab.scale_deployment("kube-system", "coredns", 0);
    let began = Instant::now();
    let follower = lab.pods().into_iter().find(|pod| *pod != lab.leader()).expect("a follower");
    lab.must(&["delete", "pod", &follower, "--grace-period=0", "--force"]);
    while began.elapsed() < OUTAGE {
        writer.goes_on();
    }
    lab.scale_deployment("kube-system", "coredns", 1);
    let took = lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!(
        "ready {:.1} s after names were back, longest gap {} ms",
        took.as_secs_f64(),
        written.gap.as_millis()
    ));
}

/// A node is drained while clients write: the budget lets one voter go at a time.
#[test]
fn a_node_is_drained() {
    let lab = Lab::alone("drain");
    let nodes = lab.cluster.with_nodes(3).expect("three nodes");
    lab.apply(&json!({}));
    lab.ready(3, 0);
    let mut writer = lab.writer(5);
    for node in &nodes {
        lab.cluster.kubectl(&["cordon", &node.name()]).expect("kubectl cordon");
        let drain =
            ["drain", &node.name(), "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s"];
        // Only our pods: the name server has no budget, and is not what this is about.
        let drained = lab.cluster.kubectl(&[&drain[..], &["--pod-selector=app.kubernetes.io/name=zookeeper"]].concat());
        lab.cluster.kubectl(&["uncordon", &node.name()]).expect("kubectl uncordon");
        drained.expect("kubectl drain");
        lab.ready(3, 0);
        writer.goes_on();
    }
    let written = lab.finish(writer);
    lab.tell(&format!("three drains, longest gap {} ms", written.gap.as_millis()));
}

/// Another version of the servers, one after another.
#[test]
fn another_version_of_the_servers() {
    let lab = Lab::new("upgrade");
    let next = "docker.io/library/zookube:0.1.1-e2e";
    lab.retag("zookube", next);
    lab.apply(&json!({ "rollout": { "minReadySeconds": 1 } }));
    lab.ready(3, 0);
    let mut writer = lab.writer(5);
    lab.patch(&json!({ "spec": { "image": { "tag": "0.1.1-e2e", "pullPolicy": "Never" } } }));
    let has_next = |pod: &serde_json::Value| {
        pod["spec"]["containers"][0]["image"].as_str().is_some_and(|image| image.ends_with(":0.1.1-e2e"))
    };
    lab.until("all pods to have the image", |lab| {
        let pods = lab.list("pods");
        pods.len() == 3 && pods.iter().all(has_next)
    });
    lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// What the record says is known elsewhere, too: it is written again, and nobody begins anew.
#[test]
fn the_record_is_lost() {
    let lab = Lab::running("record", &json!({}), 3);
    let mut writer = lab.writer(5);
    lab.must(&["delete", "configmap", "main-ensemble"]);
    lab.must(&["delete", "pods", "--all", "--grace-period=0", "--force"]);
    lab.until("the record to be there again", |lab| {
        let record =
            lab.get("configmap", "main-ensemble")["data"]["ensemble.json"].as_str().unwrap_or_default().to_owned();
        record.contains("\"bootstrapped\":true") && record.contains("[1,2,3]")
    });
    lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// The superuser's Secret is deleted: pods that start need it, and get the one that the others know.
#[test]
fn the_secret_is_lost() {
    let lab = Lab::running("secret", &json!({}), 3);
    let password = |lab: &Lab| lab.get("secret", "main-superuser")["data"]["password"].clone();
    let before = password(&lab);
    lab.must(&["delete", "secret", "main-superuser"]);
    lab.must(&["delete", "pod", "main-1"]);
    lab.until("the Secret to be there again", |lab| !password(lab).is_null());
    assert_eq!(password(&lab), before, "the one that servers know");
    lab.ready(3, 0);
    lab.scale(5).expect("kubectl scale");
    lab.ready(5, 0);
    lab.must(&["get", "zk", NAME]);
}
