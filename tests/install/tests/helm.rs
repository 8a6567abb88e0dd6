//! The chart through Helm: it has no fault that Helm finds, becomes what it should, and refuses what makes no sense. The manifests are
//! made from it, and kustomize makes the same of them.

use install::manifests::{self, CRD, CRD_OF_CHART, EVERYTHING, OPERATOR, chart, compare, helm, template};
use install::{file, forms, name_of, objects, of_kind, read, restricted};
use serde_json::Value;

/// Values that people come with, and what of the chart is rendered for them.
const CASES: [&str; 4] = ["default", "namespaces", "borrowed", "everything"];

/// What the chart becomes with the values of a case, the definition aside, which is looked at by itself.
fn rendered(case: &str) -> String {
    let values = file(&format!("tests/install/values/{case}.yaml")).display().to_string();
    let arguments: &[&str] = if case == "default" { &[] } else { &["--values", &values] };
    let all = template(arguments).expect_success(&format!("helm template with the values of {case}"));
    let is_definition = |document: &&str| document.contains("\nkind: CustomResourceDefinition\n");
    all.split("\n---\n").filter(|document| !is_definition(document)).collect::<Vec<_>>().join("\n---\n")
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
    let of_packed = helm(&[&arguments[..], &["--set", "metrics.prometheusRule.enabled=true"]].concat());
    let of_chart = template(&["--set", "metrics.prometheusRule.enabled=true"]).expect_success("helm template");
    assert_eq!(of_packed.expect_success("helm template"), of_chart);
}

#[test]
fn the_manifests_are_made_from_the_chart() {
    compare(CRD_OF_CHART, &read(CRD));
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
