//! The chart through Helm: it has no fault that Helm finds, becomes what it should, and refuses what makes no sense. The manifests are
//! made from it, and kustomize makes the same of them.

use install::manifests::{
    self, CRD, CRD_OF_CHART, DASHBOARDS, DASHBOARDS_OF_CHART, EVERYTHING, OPERATOR, chart, compare, helm, template,
};
use install::{file, forms, name_of, objects, of_kind, read, restricted};
use serde_json::Value;

/// Values that people come with, and what of the chart is rendered for them.
const CASES: [&str; 4] = ["default", "namespaces", "borrowed", "everything"];

/// What the chart becomes with the values of a case; the definition and the dashboards aside, which are looked at by themselves.
fn rendered(case: &str) -> String {
    let values = file(&format!("tests/install/values/{case}.yaml")).display().to_string();
    let arguments: &[&str] = if case == "default" { &[] } else { &["--values", &values] };
    let all = template(arguments).expect_success(&format!("helm template with the values of {case}"));
    let by_itself = |document: &&str| {
        ["CustomResourceDefinition", "ConfigMap"].iter().any(|kind| document.contains(&format!("\nkind: {kind}\n")))
    };
    all.split("\n---\n").filter(|document| !by_itself(document)).collect::<Vec<_>>().join("\n---\n")
}

#[test]
fn helm_finds_no_fault() {
    let said = helm(&["lint", "--strict", &chart()]).expect_success("helm lint");
    assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{said}");
}

/// `INSTA_UPDATE=always cargo xtask test install` takes over what has changed on purpose.
#[test]
fn the_objects_of_each_case() {
    for case in CASES {
        insta::assert_snapshot!(case, rendered(case));
    }
}

#[test]
fn every_object_is_one_of_its_kind() {
    for case in CASES {
        for object in objects(&rendered(case)) {
            assert_eq!(forms::problems(&object), Vec::<String>::new(), "{case}");
        }
    }
}

#[test]
fn pods_meet_the_restricted_standard_whatever_the_values() {
    for case in CASES {
        let objects = objects(&rendered(case));
        let deployments = of_kind(&objects, "Deployment");
        assert_eq!(deployments.len(), 1, "{case}");
        assert_eq!(restricted::problems(&deployments[0]["spec"]["template"]["spec"]), Vec::<String>::new(), "{case}");
    }
}

#[test]
fn with_namespaces_nothing_is_granted_beyond_them() {
    let objects = objects(&rendered("namespaces"));
    let granted: Vec<String> = objects.iter().map(name_of).filter(|name| name.contains("Role")).collect();
    let expected = ["payments", "search"].map(|namespace| format!("Role {namespace}/zookube-operator"));
    let bindings = ["payments", "search"].map(|namespace| format!("RoleBinding {namespace}/zookube-operator"));
    assert_eq!(granted, [expected, bindings].concat());
    // The same rules as the ClusterRole has.
    let everywhere = install::objects(&rendered("default"));
    let rules = &of_kind(&everywhere, "ClusterRole")
        .iter()
        .find(|it| it["metadata"]["name"] == "zookube-operator")
        .expect("it")["rules"];
    assert!(of_kind(&objects, "Role").iter().all(|role| &role["rules"] == rules), "{rules}");
}

#[test]
fn the_definition_is_the_generated_one_and_stays() {
    let definition = |arguments: &[&str]| -> Option<Value> {
        let all = objects(&template(arguments).expect_success("helm template"));
        all.into_iter().find(|object| object["kind"] == "CustomResourceDefinition")
    };
    let found = definition(&[]).expect("a part of the release");
    assert_eq!(forms::problems(&found), Vec::<String>::new());
    assert_eq!(found["spec"], objects(&read(CRD))[0]["spec"], "as it is in {CRD}");
    assert_eq!(found["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let released = definition(&["--set", "crds.keep=false"]).expect("still a part");
    assert!(released["metadata"]["annotations"].is_null() && released["spec"] == found["spec"]);
    assert_eq!(definition(&["--set", "crds.install=false"]), None);
}

/// The names of the dashboards' files.
fn dashboards(directory: &str) -> Vec<String> {
    let files = std::fs::read_dir(file(directory)).unwrap_or_else(|e| panic!("{directory}: {e}"));
    let mut names: Vec<String> =
        files.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn each_dashboard_is_a_config_map_of_its_own() {
    let values = file("tests/install/values/everything.yaml").display().to_string();
    let all = objects(&template(&["--values", &values]).expect_success("helm template"));
    let maps = of_kind(&all, "ConfigMap");
    let mut found: Vec<String> = Vec::new();
    for map in maps {
        assert_eq!(forms::problems(map), Vec::<String>::new());
        let meta = &map["metadata"];
        assert_eq!((&meta["labels"]["grafana_dashboard"], &meta["labels"]["dashboards"]), (&"1".into(), &"all".into()));
        assert_eq!(meta["annotations"]["grafana_folder"], "zookube");
        for (name, text) in map["data"].as_object().expect("data") {
            let name = name.strip_prefix("zookube-").expect("a name that no other dashboard has");
            let text: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
            let wanted: Value = serde_json::from_str(&read(&format!("{DASHBOARDS}/{name}"))).expect("JSON");
            assert!(text == wanted, "{name} is not what it was");
            found.push(name.to_owned());
        }
    }
    assert_eq!(found, dashboards(DASHBOARDS));
    let without = objects(&template(&[]).expect_success("helm template"));
    assert!(of_kind(&without, "ConfigMap").is_empty(), "only who asks for them gets them");
}

/// The rules of the operator's ClusterRole, or of its only Role.
fn granted(arguments: &[&str]) -> Vec<Value> {
    let all = objects(&template(arguments).expect_success("helm template"));
    let role = all.iter().find(|it| {
        ["Role", "ClusterRole"].iter().any(|kind| it["kind"] == *kind) && it["metadata"]["name"] == "zookube-operator"
    });
    role.expect("a role")["rules"].as_array().expect("rules").clone()
}

/// And the page that has people grant it by hand says the same.
#[test]
fn a_right_that_few_need_is_given_to_who_asks_for_it() {
    let without = granted(&[]);
    for more in [&[][..], &["--set", "watchNamespaces={payments}"]] {
        let with = granted(&[more, &["--set", "features.monitoring=true"]].concat());
        let further: Vec<&Value> = with.iter().filter(|rule| !without.contains(rule)).collect();
        assert_eq!((further.len(), with.len()), (1, without.len() + 1), "{further:?}");
        assert_eq!(further[0]["apiGroups"], serde_json::json!(["monitoring.coreos.com"]));
        assert_eq!(further[0]["verbs"], serde_json::json!(["get", "create", "patch", "delete"]));
        let page = read("docs/operating/monitoring.md");
        let text = page.split("<<'END'\n").find(|text| text.contains("kind: ClusterRole"));
        let by_hand = objects(text.and_then(|text| text.split("\nEND\n").next()).expect("a ClusterRole in the page"));
        assert_eq!(by_hand[0]["rules"], serde_json::json!([further[0]]));
    }
    let text = rendered("everything");
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let rule = lines.iter().position(|line| *line == "- apiGroups: [monitoring.coreos.com]").expect("the rule");
    assert!(lines[rule - 1].starts_with("# "), "a rule without a comment");
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    for (values, said) in [
        ("replica=3", "'replica' not allowed"),
        ("replicas=two", "/replicas': got string, want integer"),
        ("replicas=9", "/replicas': maximum: got 9, want 5"),
        ("image.tag=a/b", "/image/tag'"),
        ("image.digest=sha256:12", "/image/digest'"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy'"),
        ("image.registry=example.org/", "/image/registry'"),
        ("defaultImages.zookeeper=", "/defaultImages/zookeeper'"),
        ("watchNamespaces={Upper}", "/watchNamespaces/0'"),
        ("watchNamespaces={a\\,b}", "/watchNamespaces/0'"),
        ("watchNamespaces={a,a}", "/watchNamespaces': items at 0 and 1 are equal"),
        ("leaderElection.leaseName=A", "/leaderElection/leaseName'"),
        ("logLevel=", "/logLevel'"),
        ("logFormat=xml", "/logFormat'"),
        ("http.port=80", "/http/port'"),
        ("crds.instal=false", "'instal' not allowed"),
        ("features.monitoring=yes", "/features/monitoring': got string, want boolean"),
        ("metrics.dashboard.enable=true", "'enable' not allowed"),
        ("metrics.podMonitor.interval=1h", "/metrics/podMonitor/interval'"),
        ("podLabels.a=true", "/podLabels/a': got boolean, want string"),
        ("imagePullSecrets[0]=registry", "/imagePullSecrets/0': got string, want object"),
        ("extraEnv[0].value=x", "missing property 'name'"),
        ("leaderElection.enabled=false", "hint: --set replicas=1"),
    ] {
        let answer = template(&["--set", values]);
        assert!(!answer.success && answer.text.contains(said), "{values}: {}", answer.text);
    }
}

#[test]
fn an_older_kubernetes_is_refused() {
    let chart = chart();
    let said = helm(&["template", "zookube", &chart, "--kube-version", "1.28.9"]);
    assert!(!said.success && said.text.contains("requires kubeVersion: >=1.29"), "{}", said.text);
}

#[test]
fn names_follow_the_release() {
    let chart = chart();
    for (release, name) in [("zk", "zk-operator"), ("zookube-operator", "zookube-operator")] {
        let said = helm(&["template", release, &chart, "--kube-version", "1.34.0"]).expect_success("helm template");
        let all = objects(&said);
        assert_eq!(of_kind(&all, "Deployment")[0]["metadata"]["name"], name);
        let arguments = of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
        assert!(arguments.contains(&format!("--lease-name={name}")), "two releases share no lease: {arguments}");
    }
}

/// Packed, the chart has everything that it is made from.
#[test]
fn a_packed_chart_is_whole() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let destination = dir.path().display().to_string();
    let _ = helm(&["package", &chart(), "--destination", &destination]).expect_success("helm package");
    let packed = dir.path().join(format!("zookube-{}.tgz", env!("CARGO_PKG_VERSION"))).display().to_string();
    let arguments = ["template", "zookube", &packed, "--namespace", manifests::NAMESPACE, "--kube-version", "1.34.0"];
    let more = ["--set", "metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true"];
    let of_packed = helm(&[&arguments[..], &more].concat());
    let of_chart = template(&more).expect_success("helm template");
    assert_eq!(of_packed.expect_success("helm template"), of_chart);
}

#[test]
fn the_manifests_are_made_from_the_chart() {
    compare(CRD_OF_CHART, &read(CRD));
    for name in dashboards(DASHBOARDS) {
        compare(&format!("{DASHBOARDS_OF_CHART}/{name}"), &read(&format!("{DASHBOARDS}/{name}")));
    }
    assert_eq!(dashboards(DASHBOARDS_OF_CHART), dashboards(DASHBOARDS));
    compare(OPERATOR, &manifests::operator());
    compare(EVERYTHING, &manifests::everything());
}

#[test]
fn kustomize_makes_the_same_objects() {
    let sorted = |text: &str| {
        let mut all = objects(text);
        all.sort_by_key(name_of);
        all
    };
    let (found, wanted) = (sorted(&manifests::kustomized("deploy/kustomize")), sorted(&manifests::everything()));
    let names = |all: &[Value]| all.iter().map(name_of).collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted));
    for (found, wanted) in found.iter().zip(&wanted) {
        assert_eq!(forms::differences(found, wanted), Vec::<String>::new(), "{}", name_of(wanted));
    }
}
