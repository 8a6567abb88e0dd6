//! Several nodes: pods spread, a node is drained, killed, cut off, and comes back.
//!
//! The tests change the nodes under each other's pods, so they run one after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use e2e::cluster::condition;
use e2e::namespace::POD_LIMIT as LIMIT;
use e2e::node::Link;
use e2e::objects::{container, service, set_with_volumes, stateful_set};
use e2e::{Cluster, Namespace, Node};
use serde_json::{Value, json};

/// Until a node counts as lost, and its pods are taken from it.
const LOST: Duration = Duration::from_secs(180);

/// Three nodes that live, take pods and reach each other. Nobody else has them meanwhile.
struct Nodes {
    nodes: Vec<Arc<Node>>,
    _turn: MutexGuard<'static, ()>,
}

impl Nodes {
    fn three() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Cluster::shared();
        // What the test before has left, if it has failed.
        for node in cluster.living_nodes() {
            node.set_connected(Link::Up).expect("the link can be set");
            cluster.kubectl(&["uncordon", &node.name()]).expect("the node takes pods");
        }
        let nodes = cluster.with_nodes(3).expect("three nodes");
        for node in &nodes {
            cluster.kubectl(&["uncordon", &node.name()]).expect("the node takes pods");
            wait_ready(node, "True");
        }
        Self { nodes, _turn: turn }
    }

    fn named(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name() == name).expect("a node of ours")
    }
}

fn namespace(prefix: &str) -> Namespace<'static> {
    Cluster::shared().namespace(prefix).expect("a namespace")
}

fn apply(namespace: &Namespace<'_>, objects: &[Value]) {
    namespace.apply_objects(objects).expect("the API server takes the objects");
}

fn node_of(namespace: &Namespace<'_>, pod: &str) -> String {
    namespace.node_of(pod).expect("the pod runs")
}

/// Waits until the node's condition is `status`, which is `Unknown` for one that is lost.
fn wait_ready(node: &Node, status: &str) {
    let what = format!("{} to have Ready: {status}", node.name());
    let seen = Cluster::shared().wait(&what, LOST, |cluster| {
        let object = cluster.get(&["node", &node.name()]).ok()?;
        let conditions = object["status"]["conditions"].as_array()?;
        let is = |condition: &&Value| condition["type"] == "Ready" && condition["status"] == status;
        conditions.iter().find(is).map(drop)
    });
    seen.expect("the node's condition");
}

/// The set asks for no more than one pod in a zone, which is a node here.
fn spread(mut set: Value) -> Value {
    set["spec"]["template"]["spec"]["topologySpreadConstraints"] = json!([{
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }]);
    set
}

/// Waits until `web-0` is ready on another node than `old`.
fn wait_elsewhere(namespace: &Namespace<'_>, old: &str) -> String {
    let moved = namespace.wait("web-0 on another node", LOST, |namespace| {
        let pod = namespace.get(&["pod", "web-0"]).ok()?;
        let node = pod["spec"]["nodeName"].as_str()?.to_owned();
        (node != old && condition(&pod, "Ready")).then_some(node)
    });
    moved.expect("the pod moves")
}

#[test]
fn pods_spread_over_zones() {
    let _nodes = Nodes::three();
    let namespace = namespace("spread");
    apply(&namespace, &[spread(stateful_set(3, container("exec sleep infinity"), json!({})))]);
    let mut places = ["web-0", "web-1", "web-2"].map(|pod| node_of(&namespace, pod));
    places.sort();
    assert_eq!(places, ["node-1", "node-2", "node-3"]);
}

#[test]
fn pods_on_different_nodes_reach_each_other() {
    let _nodes = Nodes::three();
    let namespace = namespace("across");
    let script = "mkdir /tmp/w && hostname > /tmp/w/name && exec httpd -f -p 8080 -h /tmp/w";
    let headless = json!({"clusterIP": "None", "selector": {"app": "web"}, "ports": [{"port": 8080}]});
    apply(&namespace, &[service("web", headless), spread(stateful_set(3, container(script), json!({})))]);
    let pods = ["web-0", "web-1", "web-2"];
    pods.iter().for_each(|pod| drop(node_of(&namespace, pod)));
    for (from, to) in pods.iter().flat_map(|from| pods.iter().map(move |to| (from, to))) {
        let url = format!("http://{to}.web:8080/name");
        let said = namespace.wait(&format!("{from} to reach {to}"), LIMIT, |namespace| {
            namespace.exec(from, &["timeout", "3", "wget", "-q", "-O", "-", &url]).ok()
        });
        assert_eq!(said.expect("an answer"), format!("{to}\n"));
    }
}

#[test]
fn a_drained_node_gives_its_pods_away_with_their_volumes() {
    let _nodes = Nodes::three();
    let (namespace, cluster) = (namespace("drain"), Cluster::shared());
    let script = "test -e /data/first || hostname > /data/first; exec sleep infinity";
    apply(&namespace, &[set_with_volumes(1, script, None)]);
    let node = node_of(&namespace, "web-0");
    namespace.exec("web-0", &["sh", "-c", "echo more >> /data/first"]).expect("the volume can be written");

    let drain = ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s"];
    cluster.kubectl(&drain).expect("the node can be drained");
    wait_elsewhere(&namespace, &node);
    assert_eq!(namespace.exec("web-0", &["cat", "/data/first"]).expect("the file"), "web-0\nmore\n");
    cluster.kubectl(&["uncordon", &node]).expect("the node takes pods again");
}

#[test]
fn a_pod_with_a_local_volume_waits_for_its_node() {
    let _nodes = Nodes::three();
    let (namespace, cluster) = (namespace("local"), Cluster::shared());
    apply(&namespace, &[set_with_volumes(1, "exec sleep infinity", Some("local"))]);
    let node = node_of(&namespace, "web-0");
    cluster.kubectl(&["cordon", &node]).expect("the node can be closed");
    namespace.kubectl(&["delete", "pod", "web-0"]).expect("the pod can be deleted");
    let stuck = namespace.wait("web-0 to find no place", LIMIT, |namespace| {
        let pod = namespace.get(&["pod", "web-0"]).ok()?;
        let conditions = pod["status"]["conditions"].as_array()?;
        conditions.iter().any(|condition| condition["reason"] == "Unschedulable").then_some(())
    });
    stuck.expect("no other node has its volume");
    cluster.kubectl(&["uncordon", &node]).expect("the node takes pods again");
    assert_eq!(node_of(&namespace, "web-0"), node);
}

#[test]
fn a_killed_node_is_lost_and_comes_back_with_its_disk() {
    let nodes = Nodes::three();
    let (namespace, cluster) = (namespace("killed"), Cluster::shared());
    apply(&namespace, &[set_with_volumes(1, "hostname >> /data/starts; exec sleep infinity", Some("local"))]);
    let node = nodes.named(&node_of(&namespace, "web-0"));

    cluster.kill_node(node).expect("the node can be killed");
    wait_ready(node, "Unknown");
    let gone = namespace.wait("web-0 to count as not ready", LOST, |namespace| {
        let pod = namespace.get(&["pod", "web-0"]).ok()?;
        (!condition(&pod, "Ready")).then_some(())
    });
    gone.expect("a pod without its node is not ready");

    cluster.start_node(node).expect("the node can be started again");
    assert_eq!(node_of(&namespace, "web-0"), node.name());
    let starts = namespace.exec("web-0", &["cat", "/data/starts"]).expect("the file");
    assert_eq!(starts, "web-0\nweb-0\n", "written at both starts");
}

#[test]
fn a_pod_of_a_lost_node_is_replaced_when_it_is_given_up() {
    let nodes = Nodes::three();
    let (namespace, cluster) = (namespace("given-up"), Cluster::shared());
    apply(&namespace, &[set_with_volumes(1, "hostname >> /data/starts; exec sleep infinity", None)]);
    let old = node_of(&namespace, "web-0");
    let node = nodes.named(&old);

    cluster.kill_node(node).expect("the node can be killed");
    let terminating = namespace.wait("web-0 to be taken from the lost node", LOST, |namespace| {
        let pod = namespace.get(&["pod", "web-0"]).ok()?;
        pod["metadata"]["deletionTimestamp"].is_string().then_some(())
    });
    terminating.expect("the pod is to go");
    // Nobody can say that it has ended; so there must not be another until somebody answers for that.
    namespace.kubectl(&["delete", "pod", "web-0", "--force", "--grace-period=0"]).expect("the pod is given up");
    wait_elsewhere(&namespace, &old);
    assert_eq!(namespace.exec("web-0", &["cat", "/data/starts"]).expect("the file"), "web-0\nweb-0\n");
    cluster.start_node(node).expect("the node can be started again");
}

#[test]
fn a_node_that_is_cut_off_goes_on_by_itself() {
    let nodes = Nodes::three();
    let namespace = namespace("cut");
    let mut set = set_with_volumes(1, "while sleep 0.2; do date +%s%N > /data/now; done", None);
    // It stays where it is for longer than this test lasts.
    let forever = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute"});
    let tolerations = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(forever);
    set["spec"]["template"]["spec"]["tolerations"] = json!(tolerations);
    apply(&namespace, &[set]);
    let node = nodes.named(&node_of(&namespace, "web-0"));
    let volume = namespace.get(&["pvc", "data-web-0"]).expect("the claim")["spec"]["volumeName"].clone();
    let volume = Cluster::shared().get(&["pv", volume.as_str().expect("a name")]).expect("the volume");
    let file = format!("{}/now", volume["spec"]["local"]["path"].as_str().expect("a path"));

    node.set_connected(Link::Down).expect("the node can be cut off");
    wait_ready(node, "Unknown");
    let read = || std::fs::read_to_string(&file).expect("the pod's file");
    let then = read();
    let writes = namespace.wait("the pod to write on", LIMIT, |_| (read() != then).then_some(()));
    writes.expect("the pod goes on");
    node.set_connected(Link::Up).expect("the node can be linked again");
    wait_ready(node, "True");
    namespace.exec("web-0", &["true"]).expect("the pod can be asked again");
}
