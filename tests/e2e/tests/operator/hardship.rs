//! What takes long, or much of the machine: full disks, lost nodes, ten minutes without an operator, a hundred clusters.

use super::lab::{LIMIT, Lab, OPERATOR, is_true, members};
use e2e::Node;
use serde_json::json;
use std::time::{Duration, Instant};

/// A disk for one server, which can be filled without harm to anybody else.
const DISK: &str = "32m";

/// The directory that a claim's volume is.
fn volume_path(lab: &Lab, claim: &str) -> String {
    let volume = lab.get("pvc", claim)["spec"]["volumeName"].as_str().expect("the claim is bound").to_owned();
    let volume = lab.cluster.get(&["pv", &volume]).expect("the volume");
    volume["spec"]["local"]["path"].as_str().expect("a directory").to_owned()
}

/// Puts what a pod has on its volume onto a small disk, while the pod is away.
fn move_to_small_disk(lab: &Lab, node: &Node, pod: &str) -> String {
    let path = volume_path(lab, &format!("data-{pod}"));
    lab.cluster.kubectl(&["cordon", &node.name()]).expect("kubectl cordon");
    lab.must(&["delete", "pod", pod]);
    lab.until("the pod to find no place", |lab| {
        let pod = lab.get("pod", pod);
        pod["metadata"]["uid"].is_string() && pod["spec"]["nodeName"].is_null()
    });
    let script = format!(
        "mkdir {path}.disk && mount -t tmpfs -o size={DISK},mode=777 disk {path}.disk && cp -a {path}/. {path}.disk/ \
         && mount --bind {path}.disk {path}"
    );
    node.run(&["sh", "-c", &script]).expect("a small disk");
    lab.cluster.kubectl(&["uncordon", &node.name()]).expect("kubectl uncordon");
    path
}

/// The disk of a follower fills up, then the leader's: nothing that was acknowledged is lost, the reason is told, and with room
/// everything goes on.
#[test]
fn disks_are_full() {
    let lab = Lab::alone("disk");
    let nodes = lab.cluster.living_nodes();
    let [node, others @ ..] = &nodes[..] else { panic!("this case is for a cluster of ours") };
    // All on one node, so that it is known where a disk is.
    let mark = |how: &str| {
        for node in others {
            lab.cluster.kubectl(&[how, &node.name()]).expect("kubectl");
        }
    };
    mark("cordon");
    lab.apply(&json!({}));
    lab.ready(3, 0);
    let paths: Vec<String> = (0..3)
        .map(|ordinal| {
            let path = move_to_small_disk(&lab, node, &format!("main-{ordinal}"));
            lab.ready(3, 0);
            path
        })
        .collect();
    let mut writer = lab.writer(10);
    let leader = lab.leader();
    let is_leader = |path: &&String| **path == paths[usize::from(leader.as_bytes()[leader.len() - 1] - b'0')];
    let follower = paths.iter().find(|path| !is_leader(path)).expect("a follower");
    let leaders = paths.iter().find(is_leader).expect("the leader");
    for (path, who) in [(follower, "a follower"), (leaders, "the leader")] {
        // `dd` ends when there is no room, and that is what is wanted.
        let fill = format!("dd if=/dev/zero of={path}/filler bs=64k 2>/dev/null; test -s {path}/filler");
        node.run(&["sh", "-c", &fill]).expect("a full disk");
        lab.until(&format!("the disk of {who} to be told of"), |lab| {
            let (status, reason, message) = lab.condition("StorageOK");
            status == "False" && reason == "StoragePressure" && message.contains("main-")
        });
        if who == "a follower" {
            writer.goes_on();
        }
        node.run(&["rm", &format!("{path}/filler")]).expect("room");
        lab.until("the disk to be well", |lab| lab.condition("StorageOK").0 == "True");
        lab.ready(3, 0);
        writer.goes_on();
    }
    let written = lab.finish(writer);
    mark("uncordon");
    assert!(lab.events().contains(&"StoragePressure".to_owned()), "{:?}", lab.events());
    lab.tell(&format!("a follower's, then the leader's; longest gap {} ms", written.gap.as_millis()));
}

/// A volume with somebody else's data is not begun upon, and nothing on it is touched.
#[test]
fn a_volume_of_another_ensemble() {
    let lab = Lab::new("foreign");
    lab.apply_as("other", &json!({ "replicas": 1 })).expect("the API server takes it");
    lab.until("the other ensemble", |lab| is_true(&lab.get("zk", "other")["status"], "Ready"));
    let (path, volume) = (volume_path(&lab, "data-other-0"), lab.get("pvc", "data-other-0")["spec"].clone());
    let name = volume["volumeName"].as_str().expect("the claim is bound");
    lab.must(&["delete", "zk", "other", "--timeout=60s"]);
    lab.until("its pod to be gone", |lab| lab.pods().is_empty());
    lab.must(&["patch", "pv", name, "-p", r#"{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}"#]);
    lab.must(&["delete", "pvc", "data-other-0"]);
    lab.must(&["patch", "pv", name, "--type=json", "-p", r#"[{"op":"remove","path":"/spec/claimRef"}]"#]);
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data-main-0", "namespace": lab.namespace }, "spec": volume,
    });
    lab.cluster.apply(&claim.to_string()).expect("a claim by hand");
    lab.apply(&json!({}));
    lab.until("a word about it", |lab| lab.condition("StorageOK").1 == "ForeignVolume");
    assert!(lab.events().contains(&"ForeignVolume".to_owned()), "{:?}", lab.events());
    assert_ne!(lab.condition("Ready").0, "True");
    // As the message says: the right volume, or none.
    lab.must(&["delete", "pvc", "data-main-0", "--wait=false"]);
    lab.must(&["delete", "pod", "main-0", "--ignore-not-found"]);
    lab.ready(3, 0);
    let left = std::fs::read_dir(std::path::Path::new(&path).join("version-2")).expect("the other's data");
    assert!(left.count() > 0, "what it has is still there");
    lab.must(&["delete", "pv", name, "--wait=false"]);
    lab.tell("refused, told, and founded without it");
}

/// A node goes with the leader on it; it comes back, and so does the server with its data.
#[test]
fn a_node_is_lost() {
    let lab = Lab::alone("node");
    let nodes = lab.cluster.with_nodes(3).expect("three nodes");
    lab.apply(&json!({}));
    lab.ready(3, 0);
    let mut writer = lab.writer(10);
    let host = lab.get("pod", &lab.leader())["spec"]["nodeName"].as_str().expect("it runs somewhere").to_owned();
    let node = nodes.iter().find(|node| node.name() == host).expect("a node of ours");
    lab.cluster.kill_node(node).expect("the node can be killed");
    writer.goes_on();
    lab.until("somebody to be missed", |lab| lab.condition("Degraded").0 == "True");
    lab.cluster.start_node(node).expect("the node can be started again");
    let took = lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!(
        "the leader's; ready {:.1} s after it was back, longest gap {} ms",
        took.as_secs_f64(),
        written.gap.as_millis()
    ));
}

/// Another version of the operator takes over while servers are being added.
#[test]
fn another_version_of_the_operator() {
    let lab = Lab::alone("operators").with(&json!({ "replicas": 1 }), 1);
    let next = "docker.io/library/zookube-operator:0.1.1-e2e";
    lab.retag("zookube-operator", next);
    let mut writer = lab.writer(10);
    lab.scale(5).expect("kubectl scale");
    lab.until("joiners", |lab| lab.pods().len() == 5);
    let image = format!("*={next}");
    let set = ["--namespace", OPERATOR, "set", "image", "deployment/zookube-operator", &image];
    lab.cluster.kubectl(&set).expect("kubectl set image");
    let rolled = ["--namespace", OPERATOR, "rollout", "status", "deployment/zookube-operator", "--timeout=120s"];
    lab.cluster.kubectl(&rolled).expect("the operator is replaced");
    lab.ready(5, 0);
    lab.scale(3).expect("kubectl scale");
    lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.cluster.kubectl(&["--namespace", OPERATOR, "rollout", "undo", "deployment/zookube-operator"]).expect("undo");
    lab.cluster.kubectl(&rolled).expect("the operator is back");
    lab.tell(&format!("longest gap {} ms", written.gap.as_millis()));
}

/// Nobody looks after the ensemble for ten minutes, in which pods go and come back and something else is wished for.
#[test]
fn ten_minutes_without_an_operator() {
    const AWAY: Duration = Duration::from_secs(600);
    let lab = Lab::alone("away").with(&json!({}), 3);
    let mut writer = lab.writer(20);
    lab.stop_operators();
    let began = Instant::now();
    lab.scale(5).expect("kubectl scale");
    let mut deleted = 0;
    while began.elapsed() < AWAY {
        writer.goes_on();
        // One pod a minute and a half, each once more than well.
        if began.elapsed() > AWAY / 7 * (deleted + 1) {
            lab.must(&["delete", "pod", &format!("main-{}", deleted % 3)]);
            deleted += 1;
            lab.until("the pod to come back", |lab| lab.pods_serve(3));
        }
    }
    lab.scale_deployment(OPERATOR, "zookube-operator", 2);
    let took = lab.ready(5, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    lab.tell(&format!(
        "{deleted} pods deleted meanwhile; 5 voters {:.1} s after it was back; {} writes, longest gap {} ms",
        took.as_secs_f64(),
        written.count,
        written.gap.as_millis()
    ));
}

/// What the operator needs for a hundred clusters.
#[test]
fn a_hundred_clusters() {
    const CLUSTERS: usize = 100;
    const MEMORY_KIB_MAX: u64 = 30 * 1024;
    const REST: Duration = Duration::from_secs(60);
    let lab = Lab::alone("hundred");
    let name = |number: usize| format!("c{number:02}");
    for number in 0..CLUSTERS {
        lab.apply_as(&name(number), &json!({ "replicas": 1 })).expect("the API server takes it");
    }
    let all_ready = || {
        let all = lab.list("zk");
        (all.len() == CLUSTERS && all.iter().all(|zk| is_true(&zk["status"], "Ready"))).then_some(())
    };
    lab.cluster.wait("a hundred clusters", LIMIT * 8, |_| all_ready()).expect("all of them are ready");
    let took = lab.lasted();
    assert!(lab.list("zk").iter().all(|zk| members(&zk["status"]).count() == 1));
    let before = operators(&lab);
    let rest = Instant::now();
    lab.cluster.wait("a minute of rest", REST * 2, |_| (rest.elapsed() >= REST).then_some(())).expect("it passes");
    let after = operators(&lab);
    assert!(after.len() >= 2, "the one that works and the one that waits: {after:?}");
    for (pid, (memory_kib, used_ms)) in &after {
        let idle = before.iter().find(|(known, _)| known == pid).map_or(0, |(_, (_, known))| used_ms - known);
        lab.tell(&format!(
            "{CLUSTERS} clusters after {:.0} s; an operator: {:.1} MiB, {idle} ms of processor time in {} s of rest",
            took.as_secs_f64(),
            *memory_kib as f64 / 1024.0,
            REST.as_secs(),
        ));
        assert!(*memory_kib <= MEMORY_KIB_MAX, "{memory_kib} KiB");
    }
}

/// The operators' processes by node and number: what they have in memory, KiB, and how long they have computed, ms.
fn operators(lab: &Lab) -> Vec<((String, u32), (u64, u64))> {
    let mut all = Vec::new();
    for node in lab.cluster.living_nodes() {
        let processes = node.run(&["ps", "-eo", "pid,args"]).expect("ps");
        for line in processes.lines().filter(|line| line.contains("zookube-operator run")) {
            let pid = line.split_whitespace().next().and_then(|pid| pid.parse().ok());
            // One that has ended meanwhile has nothing any more.
            all.extend(pid.and_then(|pid| Some(((node.name(), pid), resources(&node, pid)?))));
        }
    }
    all
}

fn resources(node: &Node, pid: u32) -> Option<(u64, u64)> {
    let status = node.run(&["cat", &format!("/proc/{pid}/status")]).ok()?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let memory = memory.split_whitespace().next()?.parse().ok()?;
    let stat = node.run(&["cat", &format!("/proc/{pid}/stat")]).ok()?;
    // Behind the name: state is the first, utime and stime the twelfth and thirteenth (proc_pid_stat(5)), in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some((memory, ticks * 10))
}
