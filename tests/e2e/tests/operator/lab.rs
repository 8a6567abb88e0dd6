//! A namespace with a ZooKeeperCluster in it, and an operator that looks after it.

use super::writer::{Writer, Written};
use e2e::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};
use support::{external, prerequisites};

/// How long anything may take before it is given up.
pub const LIMIT: Duration = Duration::from_secs(180);
/// The name of the resource in every case, unless it is about names.
pub const NAME: &str = "main";
/// Where the operator lives.
pub const OPERATOR: &str = "zookube-system";

/// Who may run at the same time: cases that keep to their namespaces, or one that does not.
static TURN: RwLock<()> = RwLock::new(());

/// A case's turn, for as long as it lasts.
enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

/// A case's own namespace.
pub struct Lab {
    pub cluster: &'static Cluster,
    pub namespace: String,
    began: Instant,
    turn: Turn,
}

impl Lab {
    /// A namespace of this name, empty.
    pub fn new(case: &str) -> Self {
        Self::with_turn(case, Turn::Shared { _guard: TURN.read().unwrap_or_else(PoisonError::into_inner) })
    }

    /// The same for a case that takes away what is everybody's: operators, nodes, names. No other one runs meanwhile.
    pub fn alone(case: &str) -> Self {
        Self::with_turn(case, Turn::Alone { _guard: TURN.write().unwrap_or_else(PoisonError::into_inner) })
    }

    fn with_turn(case: &str, turn: Turn) -> Self {
        let cluster = Cluster::shared();
        install(cluster);
        let namespace = format!("e2e-{case}");
        let _ = cluster.kubectl(&["delete", "namespace", &namespace, "--ignore-not-found"]);
        cluster.kubectl(&["create", "namespace", &namespace]).expect("a namespace");
        // Everything that is made here must be allowed where least is.
        let label = "pod-security.kubernetes.io/enforce=restricted";
        cluster.kubectl(&["label", "namespace", &namespace, label]).expect("a label");
        Self { cluster, namespace, began: Instant::now(), turn }
    }

    /// A namespace with a resource that is as its spec says.
    pub fn running(case: &str, spec: &Value, voters: usize) -> Self {
        Self::new(case).with(spec, voters)
    }

    /// Applies the resource and waits until it is as its spec says.
    pub fn with(self, spec: &Value, voters: usize) -> Self {
        self.apply(spec);
        self.ready(voters, 0);
        self
    }

    /// Calls `kubectl` in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> e2e::Result<String> {
        self.cluster.kubectl(&[&["--namespace", &self.namespace], arguments].concat())
    }

    /// The same, where nothing may go wrong.
    pub fn must(&self, arguments: &[&str]) -> String {
        self.kubectl(arguments).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}\n{}", self.story()))
    }

    /// Applies the resource with this spec; what a laptop has not room for is left out.
    pub fn apply(&self, spec: &Value) {
        self.apply_as(NAME, spec).expect("the API server takes it");
    }

    pub fn apply_as(&self, name: &str, spec: &Value) -> e2e::Result<()> {
        let mut spec = spec.clone();
        spec["resources"] = json!({ "requests": { "cpu": "10m", "memory": "64Mi" }, "limits": { "memory": "256Mi" } });
        spec["storage"]["data"]["size"] = json!("64Mi");
        let resource = json!({
            "apiVersion": "zookube.dev/v1alpha1", "kind": "ZooKeeperCluster",
            "metadata": { "name": name, "namespace": self.namespace }, "spec": spec,
        });
        self.cluster.apply(&resource.to_string())
    }

    /// Changes the resource.
    pub fn patch(&self, change: &Value) {
        self.must(&["patch", "zk", NAME, "--type=merge", "-p", &change.to_string()]);
    }

    pub fn scale(&self, voters: u32) -> e2e::Result<String> {
        self.kubectl(&["scale", "zk", NAME, &format!("--replicas={voters}")])
    }

    /// An object of this namespace, or null.
    pub fn get(&self, kind: &str, name: &str) -> Value {
        self.cluster.get(&[kind, name, "--namespace", &self.namespace]).unwrap_or(Value::Null)
    }

    pub fn list(&self, kind: &str) -> Vec<Value> {
        let list = self.cluster.get(&[kind, "--namespace", &self.namespace]).unwrap_or(Value::Null);
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub fn zk(&self) -> Value {
        self.get("zk", NAME)
    }

    /// Waits until something holds; returns how long it took.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        let found = self.cluster.wait(what, LIMIT, |_| holds(self).then_some(()));
        if let Err(error) = found {
            panic!("{error}\n{}", self.story());
        }
        began.elapsed()
    }

    /// Waits until the resource is as its spec says, with so many voters and observers.
    pub fn ready(&self, voters: usize, observers: usize) -> Duration {
        self.until(&format!("{voters} voters and {observers} observers"), |lab| lab.is_ready(voters, observers))
    }

    /// Whether it is so now.
    pub fn is_ready(&self, voters: usize, observers: usize) -> bool {
        let zk = self.zk();
        let status = &zk["status"];
        let in_role = |role: &str| members(status).filter(|member| member["role"] == role).count();
        is_true(status, "Ready")
            && status["observedGeneration"] == zk["metadata"]["generation"]
            && in_role("voter") == voters
            && in_role("observer") == observers
    }

    /// The server that leads, as the status says.
    pub fn leader(&self) -> String {
        self.zk()["status"]["leader"].as_str().unwrap_or_default().to_owned()
    }

    /// The address of a pod.
    pub fn address(&self, pod: &str) -> Option<String> {
        self.get("pod", pod)["status"]["podIP"].as_str().map(str::to_owned)
    }

    pub fn pods(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.list("pods").iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect();
        names.sort();
        names
    }

    /// Whether there are so many pods, each of which serves.
    pub fn pods_serve(&self, count: usize) -> bool {
        let pods = self.list("pods");
        pods.len() == count && pods.iter().all(|pod| is_true(&pod["status"], "Ready"))
    }

    pub fn uid(&self, kind: &str, name: &str) -> String {
        self.get(kind, name)["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    }

    /// A client that writes through the service, every `pause_ms`.
    pub fn writer(&self, pause_ms: u32) -> Writer {
        let service = self.get("service", NAME);
        let address = service["spec"]["clusterIP"].as_str().expect("the client service has an address").to_owned();
        Writer::start(&format!("{address}:2181"), pause_ms)
    }

    /// Whether every server that is a member has all that was acknowledged.
    pub fn check(&self, written: u64) {
        let zk = self.zk();
        for member in members(&zk["status"]).filter(|member| member["role"] != "none") {
            let pod = member["pod"].as_str().expect("a member has a pod");
            let found = self.written_on(pod);
            let missing: Vec<u64> = (1..=written).filter(|number| !found.contains(number)).collect();
            assert!(missing.is_empty(), "{pod} lacks {} of {written}: {missing:?}\n{}", missing.len(), self.story());
        }
    }

    /// Ends the writer, looks whether every member has what was acknowledged to it, and returns what came of it.
    pub fn finish(&self, writer: Writer) -> Written {
        let written = writer.stop();
        self.check(written.count);
        written
    }

    /// Kills all operators, as a power cut would.
    pub fn kill_operators(&self) {
        let select = ["-l", "app.kubernetes.io/name=zookube-operator", "--grace-period=0", "--force"];
        let kill = [&["--namespace", OPERATOR, "delete", "pod"], &select[..]].concat();
        self.cluster.kubectl(&kill).expect("operators are killed");
    }

    /// Ends all operators, and waits until they are gone.
    pub fn stop_operators(&self) {
        self.scale_deployment(OPERATOR, "zookube-operator", 0);
        self.until("the operators to be gone", |lab| {
            let pods = lab.cluster.get(&["pods", "--namespace", OPERATOR]).unwrap_or_default();
            pods["items"].as_array().is_some_and(Vec::is_empty)
        });
    }

    /// Gives an image of ours another name, too, on every node.
    pub fn retag(&self, image: &str, next: &str) {
        for node in self.cluster.living_nodes() {
            let images = node.run(&["ctr", "--namespace", "k8s.io", "images", "list", "-q"]).expect("ctr");
            let old = images
                .lines()
                .find(|name| name.rsplit('/').next().is_some_and(|it| it.starts_with(&format!("{image}:"))));
            let old = old.unwrap_or_else(|| panic!("{image} is not on {}:\n{images}", node.name()));
            node.run(&["ctr", "--namespace", "k8s.io", "images", "tag", "--force", old, next]).expect("ctr");
        }
    }

    /// How long this case has lasted.
    pub fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// Changes how many pods a deployment of another namespace has.
    pub fn scale_deployment(&self, namespace: &str, name: &str, replicas: u32) {
        let (deployment, replicas) = (format!("deployment/{name}"), format!("--replicas={replicas}"));
        let scale = ["--namespace", namespace, "scale", &deployment, &replicas];
        self.cluster.kubectl(&scale).expect("kubectl scale");
    }

    /// The uids of all pods, in the order of their names.
    pub fn uids(&self) -> Vec<String> {
        self.pods().iter().map(|pod| self.uid("pod", pod)).collect()
    }

    fn written_on(&self, pod: &str) -> BTreeSet<u64> {
        let address = self.address(pod).unwrap_or_else(|| panic!("{pod} has no address"));
        let mut command = std::process::Command::new(prerequisites::python());
        command.arg(script("reader.py")).arg(format!("{address}:2181"));
        let text = external::run(command, "", LIMIT).expect_success("reader.py");
        let line = text.lines().find_map(|line| line.strip_prefix("NODES"));
        line.unwrap_or_default().split_whitespace().filter_map(|number| number.parse().ok()).collect()
    }

    /// Reasons of all events of the resource.
    pub fn events(&self) -> Vec<String> {
        let all = self.list("events.events.k8s.io");
        let ours = all.iter().filter(|event| event["regarding"]["kind"] == "ZooKeeperCluster");
        ours.filter_map(|event| event["reason"].as_str().map(str::to_owned)).collect()
    }

    /// A condition's status, reason and message.
    pub fn condition(&self, kind: &str) -> (String, String, String) {
        let zk = self.zk();
        let all = zk["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|condition| condition["type"] == kind).unwrap_or(Value::Null);
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Everything that helps to see what went wrong.
    pub fn story(&self) -> String {
        let mut story = String::new();
        let mut tell = |what: &str, text: e2e::Result<String>| {
            story += &format!("---- {what}\n{}\n", text.unwrap_or_else(|error| error.to_string()));
        };
        tell("pods", self.kubectl(&["get", "zk,pods,pvc,sts", "-o", "wide"]));
        tell("resource", self.kubectl(&["get", "zk", "-o", "yaml"]));
        tell("events", self.kubectl(&["get", "events", "--sort-by=.lastTimestamp"]));
        let operator = ["--namespace", OPERATOR, "logs", "-l", "app.kubernetes.io/name=zookube-operator", "--tail=60"];
        tell("operator", self.cluster.kubectl(&operator));
        for pod in self.pods() {
            tell(&pod, self.kubectl(&["logs", &pod, "--tail=15"]));
        }
        story
    }

    /// A line of the table of cases.
    pub fn tell(&self, what: &str) {
        eprintln!("{:>7.1} s  {}: {what}", self.began.elapsed().as_secs_f64(), self.namespace);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let has_failed = std::thread::panicking();
        if has_failed {
            eprintln!("{}", self.story());
        }
        let is_alone = matches!(self.turn, Turn::Alone { .. });
        // Whatever was much is gone before the next case begins.
        let wait = if is_alone { "--timeout=120s" } else { "--wait=false" };
        let _ = self.cluster.kubectl(&["delete", "namespace", &self.namespace, wait]);
        if has_failed && is_alone {
            put_right(self.cluster);
        }
    }
}

/// Gives back what a case has taken from everybody and could not give back itself. What cannot be put right shows in the next case.
fn put_right(cluster: &Cluster) {
    let nodes = cluster.with_nodes(1).unwrap_or_default();
    for node in nodes {
        let _ = cluster.kubectl(&["uncordon", &node.name()]);
    }
    let _ = cluster.kubectl(&["--namespace", "kube-system", "scale", "deployment/coredns", "--replicas=1"]);
    let apply = ["apply", "--server-side", "--force-conflicts", "-f", &manifest()];
    let _ = cluster.kubectl(&apply);
    let restarted = ["--namespace", OPERATOR, "rollout", "status", "deployment/zookube-operator", "--timeout=120s"];
    let _ = cluster.kubectl(&restarted);
}

fn manifest() -> String {
    prerequisites::workspace().join("deploy/zookube.yaml").display().to_string()
}

pub fn members(status: &Value) -> impl Iterator<Item = &Value> {
    status["members"].as_array().into_iter().flatten()
}

pub fn is_true(status: &Value, kind: &str) -> bool {
    let all = status["conditions"].as_array().into_iter().flatten();
    all.into_iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

pub fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kazoo").join(name)
}

/// As `deploy/README.md` says; once in a run.
fn install(cluster: &Cluster) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        cluster.kubectl(&["apply", "--server-side", "-f", &manifest()]).expect("deploy/zookube.yaml");
        let restart = ["--namespace", OPERATOR, "rollout", "status", "deployment/zookube-operator", "--timeout=120s"];
        if let Err(error) = cluster.kubectl(&restart) {
            let logs = cluster.kubectl(&["--namespace", OPERATOR, "describe", "pods"]).unwrap_or_default();
            panic!("the operator does not start: {error}\n{logs}\n{}", cluster.log_tails());
        }
        let established = ["wait", "--for=condition=Established", "crd/zookeeperclusters.zookube.dev", "--timeout=60s"];
        cluster.kubectl(&established).expect("the definition is taken");
    });
}
