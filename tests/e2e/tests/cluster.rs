//! The cluster itself: what the operator's tests take for granted. It takes the image `zookube-e2e/busybox:1`; what only a cluster
//! of our own has to offer fails on others, and says so.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use e2e::cluster::condition;
use e2e::namespace::POD_LIMIT as LIMIT;
use e2e::objects::{container, pod, service, set_with_volumes, stateful_set};
use e2e::{Cluster, Namespace};
use serde_json::{Value, json};

fn namespace(prefix: &str) -> Namespace<'static> {
    Cluster::shared().namespace(prefix).expect("a namespace")
}

fn apply(namespace: &Namespace<'_>, objects: &[Value]) {
    namespace.apply_objects(objects).expect("the API server takes the objects");
}

/// What is behind `address`, asked from this machine, without a library's retries.
fn http_from_here(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /name HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// Serves the pod's name at `/name`.
const SERVE_NAME: &str = "mkdir /tmp/w && hostname > /tmp/w/name && exec httpd -f -p 8080 -h /tmp/w";

#[test]
fn a_pod_runs_and_can_be_asked() {
    let namespace = namespace("pod");
    apply(&namespace, &[pod("a", "echo begun; exec sleep infinity")]);
    namespace.wait_ready("a").expect("the pod is ready");
    assert_eq!(namespace.kubectl(&["logs", "a"]).expect("its log"), "begun\n");
    assert_eq!(namespace.exec("a", &["hostname"]).expect("a command in it"), "a\n");
}

#[test]
fn pods_have_names_before_they_are_ready() {
    let namespace = namespace("names");
    let mut never_ready = container("exec sleep infinity");
    never_ready["readinessProbe"] = json!({"exec": {"command": ["false"]}});
    let headless = json!({"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": "web"},
                          "ports": [{"port": 8080}]});
    apply(&namespace, &[service("web", headless), stateful_set(2, never_ready, json!({}))]);
    let addresses = ["web-0", "web-1"].map(|pod| namespace.address(pod).expect("an address"));
    for (other, address) in ["web-1", "web-0"].into_iter().zip(addresses) {
        // Each looks the other up, by the short name that pods use.
        let name = if other == "web-0" { "web-1.web" } else { "web-0.web" };
        let what = format!("{other} to find {name} at {address}");
        let name = format!("{name}.{}.svc.cluster.local", namespace.name());
        let found = namespace.wait(&what, LIMIT, |namespace| {
            let said = namespace.exec(other, &["nslookup", &name]).ok()?;
            said.contains(&format!("Address: {address}")).then_some(())
        });
        found.expect("the name is known");
        assert!(!condition(&namespace.get(&["pod", other]).expect("the pod"), "Ready"));
    }
}

#[test]
fn a_volume_is_written_by_an_ordinary_user_and_outlives_its_pod() {
    let namespace = namespace("volume");
    let mut set = set_with_volumes(1, "test -e /data/first || hostname > /data/first; exec sleep infinity", None);
    set["spec"]["template"]["spec"]["securityContext"] =
        json!({"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000});
    apply(&namespace, &[set]);
    let first = namespace.wait_ready("web-0").expect("the pod is ready")["metadata"]["uid"].clone();
    let claim = namespace.get(&["pvc", "data-web-0"]).expect("the claim");
    assert_eq!(claim["status"]["phase"], "Bound");

    namespace.kubectl(&["delete", "pod", "web-0"]).expect("the pod can be deleted");
    let again = namespace.wait("another web-0", LIMIT, |namespace| {
        let pod = namespace.get(&["pod", "web-0"]).ok()?;
        (pod["metadata"]["uid"] != first && condition(&pod, "Ready")).then_some(())
    });
    again.expect("the pod comes again");
    assert_eq!(namespace.exec("web-0", &["cat", "/data/first"]).expect("the file"), "web-0\n");
    assert_eq!(namespace.exec("web-0", &["id", "-u"]).expect("its user"), "1000\n");
}

#[test]
fn a_claim_can_grow() {
    let namespace = namespace("growth");
    let class = namespace.get(&["storageclass", "standard"]).expect("clusters of our own have this class");
    assert_eq!(class["allowVolumeExpansion"], true, "clusters of our own have volumes that grow");
    let claim = |size: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                     "resources": {"requests": {"storage": size}}},
        })
    };
    let mut user = pod("a", "exec sleep infinity");
    user["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    apply(&namespace, &[claim("1Gi"), user]);
    let has_size = |size: &str| {
        let has = namespace.wait(&format!("a volume of {size}"), LIMIT, |namespace| {
            (namespace.get(&["pvc", "data"]).ok()?["status"]["capacity"]["storage"] == size).then_some(())
        });
        has.expect("the claim has its size");
    };
    has_size("1Gi");
    apply(&namespace, &[claim("2Gi")]);
    has_size("2Gi");
}

#[test]
fn a_cluster_ip_leads_to_a_pod_from_pods_and_from_here() {
    let namespace = namespace("service");
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    let spec = json!({"selector": {"app": "server"}, "ports": ports});
    apply(&namespace, &[service("name", spec), pod("server", SERVE_NAME), pod("client", "exec sleep infinity")]);
    for pod in ["server", "client"] {
        namespace.wait_ready(pod).expect("the pod is ready");
    }
    let from_pod = namespace.wait("the service by its name", LIMIT, |namespace| {
        namespace.exec("client", &["timeout", "3", "wget", "-q", "-O", "-", "http://name/name"]).ok()
    });
    assert_eq!(from_pod.expect("the service answers"), "server\n");

    assert!(Cluster::shared().network().is_some(), "from here only clusters of our own are reached");
    let ip = namespace.get(&["service", "name"]).expect("the service")["spec"]["clusterIP"].clone();
    let ip: IpAddr = ip.as_str().and_then(|ip| ip.parse().ok()).expect("a cluster IP");
    let from_here = namespace.wait("the cluster IP from here", LIMIT, |_| http_from_here((ip, 80).into()).ok());
    assert!(from_here.expect("it answers").ends_with("\r\n\r\nserver\n"));
    let from_here =
        http_from_here((namespace.address("server").expect("an address"), 8080).into()).expect("the pod's own address");
    assert!(from_here.ends_with("\r\n\r\nserver\n"), "{from_here}");
}

#[test]
fn a_pod_reaches_the_api_server_with_its_account() {
    let namespace = namespace("api");
    apply(&namespace, &[pod("a", "exec sleep infinity")]);
    namespace.wait_ready("a").expect("the pod is ready");
    let script = "wget -q -O - --header \"Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\" \
                  https://kubernetes.default.svc/api";
    let said =
        namespace.wait("the API server's answer", LIMIT, |namespace| namespace.exec("a", &["sh", "-c", script]).ok());
    let said: Value = serde_json::from_str(&said.expect("an answer")).expect("JSON");
    assert_eq!(said["kind"], "APIVersions");
}

#[test]
fn evictions_respect_a_budget() {
    let namespace = namespace("budget");
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    // An evicted pod comes again, but does not become ready: its budget stays used up.
    let mut once = container("exec sleep infinity");
    once["readinessProbe"] = json!({"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1});
    apply(&namespace, &[budget, stateful_set(2, once, json!({}))]);
    for pod in ["web-0", "web-1"] {
        let touched = namespace
            .wait("a command in the pod", LIMIT, |namespace| namespace.exec(pod, &["touch", "/tmp/ready"]).ok());
        touched.expect("the pod can be told");
        namespace.wait_ready(pod).expect("the pod is ready");
    }
    let allowed = namespace.wait("the budget to count", LIMIT, |namespace| {
        (namespace.get(&["pdb", "web"]).ok()?["status"]["disruptionsAllowed"] == 1).then_some(())
    });
    allowed.expect("one may go");
    evict(&namespace, "web-0").expect("one may go");
    let refused = evict(&namespace, "web-1").expect_err("the other may not");
    assert!(refused.0.contains("disruption budget"), "{refused}");
    namespace.get(&["pod", "web-1"]).expect("it is still there");
}

fn evict(namespace: &Namespace<'_>, pod: &str) -> e2e::Result<()> {
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace.name()},
    });
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", namespace.name());
    let mut command = namespace.cluster().command();
    e2e::shell::output_of(command.args(["create", "--raw", &path, "-f", "-"]), &eviction.to_string()).map(drop)
}

#[test]
fn pods_of_a_set_begin_together_and_change_when_they_are_deleted() {
    let namespace = namespace("ondelete");
    let told = |word: &str| container(&format!("echo {word} > /tmp/word; exec sleep infinity"));
    // The first never becomes ready: one after the other, the second would never begin.
    let mut waits = told("old");
    waits["readinessProbe"] =
        json!({"exec": {"command": ["sh", "-c", "test $(hostname) != web-0"]}, "periodSeconds": 1});
    apply(&namespace, &[stateful_set(2, waits, json!({}))]);
    namespace.wait_ready("web-1").expect("the second does not wait for the first");

    let before = namespace.get(&["pod", "web-1"]).expect("the pod")["metadata"].clone();
    apply(&namespace, &[stateful_set(2, told("new"), json!({}))]);
    let seen = namespace.wait("the set to have seen its change", LIMIT, |namespace| {
        let set = namespace.get(&["statefulset", "web"]).ok()?;
        let status = &set["status"];
        let seen = status["observedGeneration"] == set["metadata"]["generation"];
        (seen && status["updateRevision"] != status["currentRevision"]).then_some(())
    });
    seen.expect("the set has two revisions");
    assert_eq!(
        namespace.get(&["pod", "web-1"]).expect("the pod")["metadata"]["uid"],
        before["uid"],
        "nobody has deleted it"
    );

    namespace.kubectl(&["delete", "pod", "web-1"]).expect("the pod can be deleted");
    let changed = namespace.wait("web-1 to be new", LIMIT, |namespace| {
        (namespace.exec("web-1", &["cat", "/tmp/word"]).ok()? == "new\n").then_some(())
    });
    changed.expect("the deleted pod comes again as it is wanted now");
    assert_eq!(namespace.exec("web-0", &["cat", "/tmp/word"]).expect("the other"), "old\n");
}
