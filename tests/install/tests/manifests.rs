//! The files as they are in the repository, without Helm: what `kubectl apply` is given, what the operator may, and what the chart says
//! of itself.

use std::collections::BTreeSet;

use install::manifests::{CRD, CRD_OF_CHART, EVERYTHING, NAMESPACE, OPERATOR};
use install::{file, forms, name_of, objects, of_kind, read, restricted};
use serde_json::Value;

/// `kubectl apply` keeps a copy of each object in an annotation of it, which may have 256 KiB.
const OBJECT_BYTES_MAX: usize = 256 * 1024;

fn everything() -> Vec<Value> {
    objects(&read(EVERYTHING))
}

#[test]
fn the_manifest_has_everything_once_and_what_is_needed_first() {
    let names: Vec<String> = everything().iter().map(name_of).collect();
    assert_eq!(names[0], format!("Namespace {NAMESPACE}"));
    for name in [
        "CustomResourceDefinition zookeeperclusters.zookube.dev",
        "ServiceAccount zookube-system/zookube-operator",
        "ClusterRole zookube-operator",
        "ClusterRoleBinding zookube-operator",
        "Role zookube-system/zookube-operator-leader-election",
        "RoleBinding zookube-system/zookube-operator-leader-election",
        "Deployment zookube-system/zookube-operator",
    ] {
        assert_eq!(names.iter().filter(|it| *it == name).count(), 1, "{name} in {names:?}");
    }
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[test]
fn every_object_is_one_of_its_kind_and_none_too_large() {
    for object in everything() {
        assert_eq!(forms::problems(&object), Vec::<String>::new());
        assert!(object.to_string().len() < OBJECT_BYTES_MAX, "{}", name_of(&object));
    }
}

#[test]
fn nothing_in_the_manifests_is_helms() {
    for path in [EVERYTHING, OPERATOR] {
        let text = read(path).to_lowercase();
        assert!(!text.contains("helm"), "{path} speaks of Helm");
    }
}

#[test]
fn the_namespace_enforces_what_the_pods_meet() {
    let all = everything();
    let namespace = &all[0];
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let pod = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"];
    assert_eq!(restricted::problems(pod), Vec::<String>::new());
    let container = &pod["containers"][0];
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "http", "{probe}");
    }
    assert_eq!(container["ports"][0]["name"], "http");
}

/// The operator's rules: group, resource, verbs.
fn rules() -> Vec<(String, String, Vec<String>)> {
    let all = everything();
    let named = |name: &str| all.iter().find(|it| name_of(it) == name).unwrap_or_else(|| panic!("no {name}"));
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|it| it.as_str().expect("text").to_owned()).collect()
    };
    let mut found = Vec::new();
    for name in ["ClusterRole zookube-operator", "Role zookube-system/zookube-operator-leader-election"] {
        for rule in named(name)["rules"].as_array().expect("rules") {
            for group in texts(&rule["apiGroups"]) {
                for resource in texts(&rule["resources"]) {
                    found.push((group.clone(), resource, texts(&rule["verbs"])));
                }
            }
        }
    }
    found
}

/// All that the operator may do. Whoever adds a line here says in the chart what it is for.
#[test]
fn the_operator_may_do_this_and_no_more() {
    let owned = "get list watch create patch delete";
    let expected = [
        ("", "configmaps", "get list watch create patch"),
        ("", "persistentvolumeclaims", "list watch patch delete"),
        ("", "pods", "get list watch delete"),
        ("", "pods/eviction", "create"),
        ("", "secrets", "get create"),
        ("", "serviceaccounts", "get create patch"),
        ("", "services", "get list watch create patch"),
        ("apps", "statefulsets", owned),
        ("coordination.k8s.io", "leases", "get create update"),
        ("events.k8s.io", "events", "create patch"),
        ("networking.k8s.io", "networkpolicies", "get create patch delete"),
        ("policy", "poddisruptionbudgets", owned),
        ("zookube.dev", "zookeeperclusters", "get list watch"),
        ("zookube.dev", "zookeeperclusters/finalizers", "update"),
        ("zookube.dev", "zookeeperclusters/status", "patch"),
    ];
    let mut found: Vec<(String, String, String)> =
        rules().into_iter().map(|(group, resource, verbs)| (group, resource, verbs.join(" "))).collect();
    found.sort();
    assert_eq!(
        found,
        expected.map(|(group, resource, verbs)| (group.to_owned(), resource.to_owned(), verbs.to_owned()))
    );
}

#[test]
fn every_rule_says_what_it_is_for() {
    let text = read(OPERATOR);
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let rules: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with("- apiGroups:")).collect();
    assert!(rules.len() > 10, "{} rules", rules.len());
    for at in rules {
        assert!(lines[at - 1].starts_with("# "), "{OPERATOR}:{}: a rule without a comment", at + 1);
    }
}

#[test]
fn the_operator_is_told_who_and_where_it_is() {
    let all = everything();
    let container = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0];
    let fields: Vec<&str> = container["env"]
        .as_array()
        .expect("variables")
        .iter()
        .filter_map(|variable| variable["valueFrom"]["fieldRef"]["fieldPath"].as_str())
        .collect();
    assert_eq!(fields, ["metadata.name", "metadata.namespace"]);
    assert_eq!(container["args"][0], "run");
}

#[test]
fn the_chart_has_the_versions_and_the_definition_of_this_repository() {
    let chart = &objects(&read("charts/zookube/Chart.yaml"))[0];
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&version.into(), &version.into()));
    assert!(read(CRD_OF_CHART) == read(CRD), "{CRD_OF_CHART}. hint: UPDATE_DOCS=1 cargo xtask test install");
}

#[test]
fn values_and_their_schema_name_the_same_things() {
    let values = &objects(&read("charts/zookube/values.yaml"))[0];
    let schema: Value = serde_json::from_str(&read("charts/zookube/values.schema.json")).expect("JSON");
    same_keys("", values, &schema);
}

fn same_keys(path: &str, values: &Value, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    // What is left to Kubernetes to look at need not be there by default.
    if path != ".resources" {
        assert_eq!(schema["additionalProperties"], false, "{path}: a misspelt name would not be noticed");
        let documented: BTreeSet<&String> = properties.keys().filter(|key| *key != "global").collect();
        let given: BTreeSet<&String> = values.as_object().expect("an object").keys().collect();
        assert_eq!(given, documented, "{path} in values.yaml, and in values.schema.json");
    }
    for (key, schema) in properties {
        let description = schema["description"].as_str().unwrap_or_default();
        assert!(!description.is_empty(), "{path}.{key} has no description");
        same_keys(&format!("{path}.{key}"), &values[key], schema);
    }
}

/// The chart's page has every value with its default, so that nobody needs to look into the chart for it.
#[test]
fn the_charts_page_has_every_value() {
    fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
        match value.as_object() {
            Some(map) if !map.is_empty() && !path.ends_with("ecurityContext") && path != "resources" => {
                for (key, value) in map {
                    leaves(format!("{path}.{key}").trim_start_matches('.'), value, found);
                }
            }
            _ => found.push(path.to_owned()),
        }
    }
    let mut all = Vec::new();
    leaves("", &objects(&read("charts/zookube/values.yaml"))[0], &mut all);
    let page = read("charts/zookube/README.md");
    let rows: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, all.iter().map(String::as_str).collect(), "rows of the page, and values");
}

/// What the pages have people apply is what Kubernetes knows.
#[test]
fn every_object_in_the_pages_is_one_of_its_kind() {
    let pages =
        std::fs::read_dir(file("docs/operating")).expect("the pages").map(|entry| entry.expect("a page").path());
    let mut found = 0;
    for path in pages.chain([file("deploy/README.md")]) {
        let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for begin in ["<<'END'\n", "<<END\n"] {
            for rest in page.split(begin).skip(1) {
                let text = rest.split("\nEND\n").next().expect("an end").replace("$ordinal", "0");
                for object in objects(&text) {
                    assert_eq!(forms::problems(&object), Vec::<String>::new(), "{}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found >= 5, "only {found} objects");
}

#[test]
fn the_samples_begin_with_six_lines() {
    assert_eq!(read("deploy/samples/small.yaml").lines().count(), 6);
    for entry in std::fs::read_dir(file("deploy/samples")).expect("the samples") {
        let path = entry.expect("a sample").path();
        let text = std::fs::read_to_string(&path).expect("text");
        let all = objects(&text);
        for object in all {
            assert_eq!(object["kind"], "ZooKeeperCluster", "{}", path.display());
            assert_eq!(forms::problems(&object), Vec::<String>::new(), "{}", path.display());
        }
    }
}
