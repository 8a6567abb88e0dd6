//! The objects of the samples, in full: `cargo insta review`, or `INSTA_UPDATE=always`, takes over what has changed on purpose.

use operator::build::{self, Progress};
use operator::crd::ZooKeeperCluster;
use operator::validate::{Release, ValidatedCluster, validate};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A sample as the API server would store it.
fn sample(name: &str) -> ZooKeeperCluster {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples").join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(&path).expect("the sample");
    let mut cluster: ZooKeeperCluster = serde_saphyr::from_str(&text).expect("a ZooKeeperCluster");
    cluster.metadata.namespace = Some("zk-space".to_owned());
    cluster.metadata.uid = Some("6f8e4c1a-0d7b-4f6e-9a55-3b1f0c2d7e11".to_owned());
    cluster
}

fn validated(cluster: &ZooKeeperCluster) -> ValidatedCluster {
    let release = Release { repository: "registry.example/zookube".to_owned(), version: "1.2.3".to_owned() };
    validate(cluster, &release).expect("a resource that makes sense")
}

fn objects(name: &str, change: impl FnOnce(Progress) -> Progress) -> Vec<Value> {
    let cluster = validated(&sample(name));
    build::objects(&cluster, change(Progress::first(&cluster)))
}

fn text(objects: &[Value]) -> String {
    let all = objects.iter().map(|object| serde_saphyr::to_string(object).expect("YAML"));
    all.collect::<Vec<_>>().join("---\n")
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn samples() {
    for name in ["small", "laptop", "production"] {
        insta::assert_snapshot!(name, text(&objects(name, |progress| Progress { is_founded: true, ..progress })));
    }
}

/// A cluster that asks for objects for Prometheus.
fn monitored(monitoring: Value) -> Vec<Value> {
    let mut cluster = sample("small");
    cluster.spec.monitoring = serde_json::from_value(monitoring).expect("spec.monitoring");
    build::monitoring(&validated(&cluster))
}

#[test]
fn what_prometheus_is_told() {
    let (on, labels) = (json!({ "enabled": true }), json!({ "release": "prometheus" }));
    let pods = json!({ "enabled": true, "labels": labels, "intervalSeconds": 30 });
    let rule = json!({ "enabled": true, "labels": labels });
    insta::assert_snapshot!("monitored", text(&monitored(json!({ "podMonitor": pods, "prometheusRule": rule }))));
    insta::assert_snapshot!("service_monitor", text(&monitored(json!({ "serviceMonitor": on }))));
    assert!(monitored(json!({})).is_empty(), "nothing that is not asked for");
}

#[test]
fn every_series_of_a_rule_is_this_clusters() {
    let rule = &monitored(json!({ "prometheusRule": { "enabled": true } }))[0];
    let groups = rule["spec"]["groups"].as_array().expect("groups");
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    assert!(rules.iter().any(|rule| rule["alert"] == "ZookubeNoLeader"), "{rules:?}");
    assert!(rules.iter().any(|rule| rule["record"] == "ensemble:zookube_leaders:sum"), "alerts use what is recorded");
    for rule in rules {
        let expression = rule["expr"].as_str().expect("an expression");
        assert!(expression.contains("{namespace=\"zk-space\", ensemble=\"main\""), "{rule}");
    }
}

#[test]
fn each_kind_that_there_may_be_is_named() {
    let on = json!({ "enabled": true });
    // A definition refuses both monitors at the same time; whoever builds objects need not.
    let all = monitored(json!({ "podMonitor": on, "serviceMonitor": on, "prometheusRule": on }));
    let kinds: Vec<&str> = all.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, build::MONITORING_KINDS);
    for object in &all {
        assert_eq!(
            (&object["apiVersion"], &object["metadata"]["name"]),
            (&json!(build::MONITORING_API), &json!("main"))
        );
        assert_eq!(object["metadata"]["ownerReferences"][0]["controller"], true);
    }
}

#[test]
fn clients_find_no_ensemble_before_there_is_one() {
    let names = |is_founded| {
        let objects = objects("small", |progress| Progress { is_founded, ..progress });
        of_kind(&objects, "Service").iter().map(|service| service["metadata"]["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(false), [json!("main-headless")]);
    assert_eq!(names(true), [json!("main-headless"), json!("main")]);
}

#[test]
fn a_change_of_the_number_of_voters_replaces_no_pod() {
    let template = |voters| {
        // Neither does that the ensemble was founded.
        let objects =
            objects("small", |progress| Progress { voters: Some(voters), is_founded: voters > 3, ..progress });
        let set = of_kind(&objects, "StatefulSet")[0].clone();
        assert_eq!(set["spec"]["replicas"], voters);
        set["spec"]["template"].clone()
    };
    assert_eq!(template(3), template(5));
}

#[test]
fn a_change_of_the_configuration_does() {
    let hash = |tick: i32| {
        let mut cluster = sample("small");
        cluster.spec.config.tick_time_ms = tick;
        let cluster = validated(&cluster);
        let objects = build::objects(&cluster, Progress::first(&cluster));
        of_kind(&objects, "StatefulSet")[0]["spec"]["template"]["metadata"]["annotations"]["zookube.dev/config-hash"]
            .clone()
    };
    assert!(hash(2000).is_string() && hash(2000) == hash(2000) && hash(2000) != hash(3000));
}

#[test]
fn pods_meet_the_restricted_standard() {
    for object in objects("production", |progress| progress).iter().filter(|object| object["kind"] == "StatefulSet") {
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!((&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]), (&json!(false), &json!(false)));
        for container in pod["containers"].as_array().expect("containers") {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            assert!(pod["containers"][0][probe]["httpGet"].is_object(), "{probe} starts no process");
        }
    }
}

#[test]
fn labels_and_annotations_of_the_template_are_on_every_pod_and_ours_stay() {
    let mut cluster = sample("production");
    cluster.spec.template.metadata.labels.insert("team".to_owned(), "a".to_owned());
    cluster.spec.template.metadata.labels.insert("app.kubernetes.io/instance".to_owned(), "other".to_owned());
    let cluster = validated(&cluster);
    let objects = build::objects(&cluster, Progress::first(&cluster));
    let sets = of_kind(&objects, "StatefulSet");
    assert_eq!(sets.len(), 2, "voters and observers");
    for set in sets {
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        assert_eq!((&labels["team"], &labels["app.kubernetes.io/instance"]), (&json!("a"), &json!("production")));
        let selector = set["spec"]["selector"]["matchLabels"].as_object().expect("labels");
        assert!(selector.iter().all(|(key, value)| labels[key] == *value), "{selector:?} {labels}");
    }
}

#[test]
fn a_template_is_laid_over_and_cannot_take_what_is_the_operators() {
    let mut cluster = sample("small");
    let laid = json!({
        "nodeSelector": { "disk": "ssd" },
        "volumes": [{ "name": "extra", "emptyDir": {} }],
        "containers": [
            { "name": "zookeeper", "env": [{ "name": "TZ", "value": "UTC" }], "volumeMounts": [{ "name": "extra", "mountPath": "/x" }, { "name": "extra", "mountPath": "/y" }],
              "envFrom": [{ "secretRef": { "name": "theirs" } }] },
            { "name": "sidecar", "image": "registry.example/sidecar:1" },
        ],
    });
    cluster.spec.template.spec = laid.as_object().expect("an object").clone();
    let built = validated(&cluster);
    let objects = build::objects(&built, Progress::first(&built));
    let pod = of_kind(&objects, "StatefulSet")[0]["spec"]["template"]["spec"].clone();
    assert_eq!(pod["nodeSelector"]["disk"], "ssd");
    let names = |list: &Value| {
        list.as_array()
            .into_iter()
            .flatten()
            .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&pod["containers"]), ["zookeeper", "sidecar"]);
    assert_eq!(names(&pod["volumes"]), ["tmp", "ensemble", "extra"]);
    assert!(names(&pod["containers"][0]["env"]).contains(&"TZ".to_owned()));
    let mounts = names(&pod["containers"][0]["volumeMounts"]);
    assert_eq!(mounts, ["data", "tmp", "ensemble", "extra", "extra"]);
    let from = pod["containers"][0]["envFrom"].as_array().expect("sources of variables");
    assert_eq!(
        (&from[0]["configMapRef"]["name"], &from[1]["secretRef"]["name"]),
        (&json!("main-config"), &json!("theirs"))
    );

    for (spec, field) in [
        (json!({ "hostNetwork": true }), "spec.template.spec.hostNetwork"),
        (json!({ "volumes": [{ "name": "data", "emptyDir": {} }] }), "spec.template.spec.volumes[0]"),
        (json!({ "tollerations": [] }), "spec.template.spec.tollerations: is not known"),
        (json!({ "affinity": { "podAfinity": {} } }), "spec.template.spec.affinity.podAfinity"),
        (json!({ "nodeSelector": [] }), "spec.template.spec: invalid type"),
        (json!({ "containers": [{ "name": "zookeeper", "image": "x" }] }), "containers[zookeeper].image"),
        (
            json!({ "containers": [{ "name": "zookeeper", "env": [{ "name": "ZOO_MY_ID", "value": "7" }] }] }),
            "env[ZOO_MY_ID]",
        ),
        (
            json!({ "containers": [{ "name": "zookeeper", "volumeMounts": [{ "name": "data", "mountPath": "/x" }] }] }),
            "volumeMounts[data]",
        ),
        (
            json!({ "containers": [{ "name": "zookeeper", "volumeMounts": [{ "name": "mine", "mountPath": "/data" }] }] }),
            "volumeMounts[mine]",
        ),
    ] {
        cluster.spec.template.spec = spec.as_object().expect("an object").clone();
        let refusals = validate(&cluster, &Release::default()).expect_err("it is refused");
        let text = refusals[0].to_string();
        assert!(refusals.len() == 1 && text.contains(field) && text.contains("hint: "), "{text}");
    }
}

#[test]
fn peers_of_clients_are_peers() {
    let mut cluster = sample("production");
    for (peer, field) in [
        (json!({}), "spec.networkPolicy.clientFrom[0]: is empty"),
        (json!({ "nameSpaceSelector": {} }), "spec.networkPolicy.clientFrom[0].nameSpaceSelector"),
        (json!({ "ipBlock": 7 }), "spec.networkPolicy.clientFrom[0]: invalid type"),
    ] {
        cluster.spec.network_policy.client_from = vec![peer.as_object().expect("an object").clone()];
        let refusals = validate(&cluster, &Release::default()).expect_err("it is refused");
        assert!(refusals.len() == 1 && refusals[0].to_string().starts_with(field), "{refusals:?}");
    }
}

#[test]
fn a_budget_leaves_a_quorum() {
    let mut cluster = sample("small");
    cluster.spec.pod_disruption_budget.max_unavailable = 2;
    let refusals = validate(&cluster, &Release::default()).expect_err("two of three are a majority");
    assert!(refusals[0].to_string().starts_with("spec.podDisruptionBudget.maxUnavailable: 2 of 3"), "{}", refusals[0]);
    cluster.spec.pod_disruption_budget.enabled = false;
    let built = validated(&cluster);
    assert!(of_kind(&build::objects(&built, Progress::first(&built)), "PodDisruptionBudget").is_empty());
}
