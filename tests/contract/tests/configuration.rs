//! The configuration that pods get is the one that the server understands, for first voters, for those that join, and for observers.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use contract::{objects, variables};
use support::external::{self, Said};
use support::prerequisites;

const LIMIT: Duration = Duration::from_secs(30);

/// What a server in this pod says of its configuration.
fn said(objects: &[serde_json::Value], set: &str, pod: &str, command: &str) -> Said {
    let mut node = Command::new(prerequisites::zookube_node());
    node.args(["config", command]).env_clear();
    // What the image sets, and the name that a pod's host has.
    node.envs([("ZOOKUBE_CONTAINER", "1"), ("ZOO_DATA_DIR", "/data"), ("ZOO_DATA_LOG_DIR", "/datalog")]);
    node.envs(variables(objects, set, pod)).env("ZOOKUBE_HOST_NAME", pod);
    external::run(node, "", LIMIT)
}

fn values(objects: &[serde_json::Value], set: &str, pod: &str) -> BTreeMap<String, String> {
    let text = said(objects, set, pod, "print").expect_success(&format!("config print in {pod}"));
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[test]
fn every_pod_knows_who_it_is_and_how_it_joins() {
    let small = objects("small");
    for (pod, id) in [("main-0", "1"), ("main-2", "3"), ("main-3", "4"), ("main-8", "9")] {
        let values = values(&small, "main", pod);
        assert_eq!(values["myid"], id, "{pod}");
        let own = format!("{pod}.main-headless.zk-space.svc:2888:3888:participant;2181");
        assert_eq!(values["joinAs"], own, "{pod}");
        let servers: Vec<&String> = values.keys().filter(|key| key.starts_with("server.")).collect();
        assert_eq!(servers, ["server.1", "server.2", "server.3"], "{pod}: those with which the ensemble was founded");
    }
    let production = objects("production");
    for (pod, id) in [("production-obs-0", "101"), ("production-obs-1", "102")] {
        let values = values(&production, "production-obs", pod);
        let own = format!("{pod}.production-headless.zk-space.svc:2888:3888:observer;2181");
        assert_eq!((values["myid"].as_str(), &values["joinAs"]), (id, &own));
    }
}

#[test]
fn what_is_asked_for_is_what_the_server_goes_by() {
    let production = objects("production");
    let values = values(&production, "production", "production-4");
    for (key, value) in [
        ("tickTime", "2000"),
        ("maxSessionTimeout", "120000"),
        ("maxClientCnxns", "200"),
        ("autopurge.snapRetainCount", "5"),
        ("fsync.warningthresholdms", "200"),
        ("reconfigEnabled", "true"),
        ("standaloneEnabled", "false"),
        ("volume.clusterId", "6f8e4c1a-0d7b-4f6e-9a55-3b1f0c2d7e11"),
        ("volume.retired", "setAside"),
        ("volume.record", "/etc/zookube/ensemble/ensemble.json"),
        ("dataDir", "/data"),
        ("dataLogDir", "/datalog"),
        ("admin.serverPort", "8080"),
        ("metricsProvider.httpPort", "7000"),
        ("log.format", "json"),
    ] {
        assert_eq!(values.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert_eq!(values_of_small("dataLogDir"), "/data", "one volume for both");
}

fn values_of_small(key: &str) -> String {
    values(&objects("small"), "main", "main-0")[key].clone()
}

#[test]
fn nothing_in_a_pod_is_a_mistake_to_the_server() {
    for (sample, set, pod) in [
        ("small", "main", "main-0"),
        ("laptop", "laptop", "laptop-0"),
        ("production", "production", "production-0"),
        ("production", "production-obs", "production-obs-0"),
    ] {
        let said = said(&objects(sample), set, pod, "check");
        assert!(said.success, "{pod}: {}", said.text);
        // One warning is right: who is not in the list of the first servers joins without a vote.
        let others = said
            .text
            .lines()
            .filter(|line| line.starts_with("warning: ") && !line.contains("it follows without a vote"));
        let others: Vec<&str> = others.filter(|line| !line.contains("with 1 participant")).collect();
        assert_eq!(others, Vec::<&str>::new(), "{pod}");
    }
}

#[test]
fn the_record_is_where_the_server_reads_it() {
    let production = objects("production");
    let map = production.iter().find(|object| object["metadata"]["name"] == "production-ensemble").expect("the record");
    let set = production.iter().find(|object| object["kind"] == "StatefulSet").expect("voters");
    let pod = &set["spec"]["template"]["spec"];
    let named =
        |list: &serde_json::Value| list.as_array().expect("a list").iter().find(|it| it["name"] == "ensemble").cloned();
    let (volume, mount) = (named(&pod["volumes"]), named(&pod["containers"][0]["volumeMounts"]));
    assert_eq!(volume.expect("a volume")["configMap"]["name"], "production-ensemble");
    let dir = mount.expect("a mount")["mountPath"].as_str().expect("a path").to_owned();
    let (file, text) = map["data"].as_object().expect("data").iter().next().expect("a file");
    assert_eq!(values(&production, "production", "production-0")["volume.record"], format!("{dir}/{file}"));
    let record: serde_json::Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
    assert_eq!(record["clusterUid"], "6f8e4c1a-0d7b-4f6e-9a55-3b1f0c2d7e11");
    assert_eq!((&record["bootstrapped"], record["initialMembers"].as_array().map(Vec::len)), (&false.into(), Some(5)));
}
