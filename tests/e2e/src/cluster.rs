//! A cluster to try things on: that of `KUBECONFIG`, or one of this crate's own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use support::wait;

use crate::control_plane::ControlPlane;
use crate::failure::{Context, Failure, Result};
use crate::image::Image;
use crate::keeper::{ENDED, Keeper, Process};
use crate::network::{NODES_MAX, Network};
use crate::node::{Node, PAUSE_IMAGE};
use crate::registry::STATE;
use crate::{fail, programs, registry, shell};

/// How long each step of bringing a cluster up may take.
const STEP: Duration = Duration::from_secs(120);

/// How often a program is asked again whether it is ready. Each question is a process.
const ASK: Duration = Duration::from_millis(250);

/// How many runs' logs are kept.
const RUNS_KEPT: usize = 5;

/// Lines of each log that a failure shows.
const LOG_LINES: usize = 8;

/// The image of CoreDNS, as the manifest asks for it.
const COREDNS_IMAGE: &str = "zookube-e2e/coredns:1";

/// How a cluster is brought up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many nodes it begins with, 1 to [`NODES_MAX`].
    pub nodes: u8,
    /// The program `e2e-keeper`, if it is not beside this one.
    pub keeper: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 1, keeper: None }
    }
}

/// A cluster.
#[derive(Debug)]
pub struct Cluster {
    kubeconfig: PathBuf,
    own: Option<Own>,
}

/// What there is of a cluster that was brought up by this crate, whichever process did it.
#[derive(Debug)]
struct Own {
    state: State,
    nodes: Mutex<Vec<Arc<Node>>>,
    /// Held by the process that has brought it up; then the cluster ends with this value.
    keeper: Option<Keeper>,
}

/// What a run's directory remembers of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    dir: PathBuf,
    network: u8,
    process: Process,
    keeper: PathBuf,
}

impl State {
    fn network(&self) -> Network {
        Network::new(self.network)
    }

    fn control_plane(&self) -> ControlPlane {
        ControlPlane::new(&self.dir, self.network())
    }

    fn images(&self) -> PathBuf {
        self.dir.join("images")
    }

    fn node(&self, index: u8) -> Node {
        Node::new(index, &self.dir, self.network(), self.process)
    }
}

impl Cluster {
    /// The cluster that all tests of a program share: that of `KUBECONFIG`, or one that ends with the program.
    ///
    /// # Panics
    /// When there is none and none can be brought up.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Cluster>> = OnceLock::new();
        // A second attempt would fail as the first has, minutes later.
        match SHARED.get_or_init(Self::obtain) {
            Ok(cluster) => cluster,
            Err(e) => panic!("there is no cluster: {e}"),
        }
    }

    /// The cluster of `KUBECONFIG`, or one that ends with this value.
    ///
    /// # Errors
    /// When there is none and none can be brought up.
    pub fn obtain() -> Result<Self> {
        match env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
            Some(path) => Self::attach(Path::new(&path)),
            None => Self::up(&Options::default()),
        }
    }

    /// The cluster that a file of `kubectl`'s kind describes.
    ///
    /// # Errors
    /// When there is no such file, or nobody answers.
    pub fn attach(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = kubeconfig.canonicalize().on("open the KUBECONFIG", kubeconfig)?;
        let dir = kubeconfig.parent().unwrap_or(Path::new("/"));
        let own = fs::read_to_string(dir.join(STATE)).ok().map(|text| Own::remembered(&text)).transpose()?;
        let cluster = Self { kubeconfig, own };
        cluster.kubectl(&["get", "--raw", "/readyz"])?;
        Ok(cluster)
    }

    /// Brings a cluster up and waits until its nodes and its name server are ready.
    ///
    /// # Errors
    /// When something of it does not start; the message has the last lines of the logs.
    pub fn up(options: &Options) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return fail!(
                "a cluster of its own takes root. hint: run as root, or set KUBECONFIG to a cluster that is there"
            );
        }
        let keeper = options.keeper.clone().map_or_else(keeper_program, Ok)?;
        let runs = runs()?;
        prune(&runs)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let dir = runs.join(format!("{now}-{}", std::process::id()));
        if dir.starts_with("/var") || dir.starts_with("/run") {
            return fail!(
                "{} is not to be seen on the nodes, which have a /var and a /run of their own. hint: set CARGO_TARGET_DIR",
                dir.display()
            );
        }
        fs::create_dir_all(&dir).on("create", &dir)?;
        let network = registry::claim(&dir)?;
        Building { dir: &dir, network, keeper: &keeper, options, began: Instant::now() }.build().inspect_err(|_| {
            // The first failure is the one to tell.
            let _ = registry::release(network);
        })
    }

    /// What `kubectl` and client libraries read.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where logs are, if the cluster was brought up by this crate.
    pub fn dir(&self) -> Option<&Path> {
        self.own.as_ref().map(|own| own.state.dir.as_path())
    }

    /// Addresses, if the cluster was brought up by this crate.
    pub fn network(&self) -> Option<Network> {
        self.own.as_ref().map(|own| own.state.network())
    }

    /// A call of `kubectl`: the one that was built for clusters of this crate, or that on the path.
    pub fn command(&self) -> Command {
        let mut command = Command::new(programs::kubernetes("kubectl").unwrap_or_else(|_| "kubectl".into()));
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        if let Some(dir) = self.dir() {
            command.arg("--cache-dir").arg(dir.join("kubectl"));
        }
        command
    }

    /// Runs `kubectl` and returns what it says.
    ///
    /// # Errors
    /// When it is not content, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        shell::output(self.command().args(arguments))
    }

    /// An object or a list of objects: `get(&["pod", "a", "--namespace", "b"])`.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "--output=json"], arguments].concat())?;
        serde_json::from_str(&text).context("read what kubectl says")
    }

    /// Applies manifests, YAML or JSON.
    ///
    /// # Errors
    /// When the API server does not take one.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        shell::output_of(self.command().args(["apply", "--server-side", "-f", "-"]), manifests).map(drop)
    }

    /// Asks until `probe` has a value.
    ///
    /// # Errors
    /// When it has none within `limit`; the message names `what`, and a program of the cluster that has ended.
    pub fn wait<T>(&self, what: &str, limit: Duration, mut probe: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        let found = wait::poll_every(ASK, limit, || probe(self).map(Ok).or_else(|| self.ended().map(Err)));
        match found {
            Some(Ok(value)) => Ok(value),
            Some(Err(ended)) => fail!("waiting for {what}: {ended}\n{}", self.log_tails()),
            None => fail!("waited {limit:?} in vain for {what}"),
        }
    }

    /// A program of the control plane that has ended, which none does by itself.
    fn ended(&self) -> Option<String> {
        let text = fs::read_to_string(self.dir()?.join(ENDED)).ok()?;
        Some(text).filter(|text| !text.is_empty())
    }

    /// The ends of all logs of a cluster of ours.
    pub fn log_tails(&self) -> String {
        self.own.as_ref().map(|own| log_tails(&own.state.dir)).unwrap_or_default()
    }

    /// Makes an image known to every node, those included that are added later. In pods it has the policy
    /// `imagePullPolicy: Never` or `IfNotPresent`.
    ///
    /// # Errors
    /// When a node does not take it, or the nodes are not ours: then the message says how.
    pub fn load_image(&self, image: &Image) -> Result<()> {
        let Some(own) = &self.own else {
            let archive = env::temp_dir().join(image.archive_name());
            image.write(&archive)?;
            return Err(foreign_nodes(&archive));
        };
        let archive = own.state.images().join(image.archive_name());
        image.write(&archive)?;
        self.living_nodes().iter().try_for_each(|node| node.load_image(&archive))
    }

    fn own(&self) -> Result<&Own> {
        match &self.own {
            Some(own) => Ok(own),
            None => fail!(
                "the nodes of this cluster are not ours. hint: unset KUBECONFIG, and one of our own is brought up"
            ),
        }
    }

    /// The nodes, if they are ours; those that were killed, too.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.own.as_ref().map(|own| own.nodes().clone()).unwrap_or_default()
    }

    /// Those of them that have been started and not killed.
    pub fn living_nodes(&self) -> Vec<Arc<Node>> {
        self.nodes().into_iter().filter(|node| node.process().is_some()).collect()
    }

    /// Adds nodes until so many live, and returns all that do.
    ///
    /// # Errors
    /// When one does not start, or the cluster is not ours.
    pub fn with_nodes(&self, count: usize) -> Result<Vec<Arc<Node>>> {
        for node in self.nodes().iter().filter(|node| node.process().is_none()) {
            self.start_node(node)?;
        }
        while self.nodes().len() < count {
            self.add_node()?;
        }
        Ok(self.nodes())
    }

    /// Adds a node and waits until it is ready. It lives as long as the cluster does.
    ///
    /// # Errors
    /// When it does not start, or the cluster is not ours.
    pub fn add_node(&self) -> Result<Arc<Node>> {
        let node = {
            let own = self.own()?;
            let mut nodes = own.nodes();
            if nodes.len() >= usize::from(NODES_MAX) {
                return fail!("a cluster has {NODES_MAX} nodes at most");
            }
            let index = nodes.len() as u8 + 1;
            nodes.push(Arc::new(own.state.node(index)));
            Arc::clone(&nodes[nodes.len() - 1])
        };
        self.start_node(&node)?;
        Ok(node)
    }

    /// Starts a node that was killed, with the disk that it had, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start, or lives already.
    pub fn start_node(&self, node: &Node) -> Result<()> {
        let own = self.own()?;
        let before = self.get(&["node", &node.name()]).ok().as_ref().and_then(heartbeat);
        node.start_runtime(&own.state.keeper, &archives(&own.state.images())?)?;
        node.start_kubelet(&own.state.control_plane())?;
        own.route_services()?;
        self.wait_ready(&node.name(), before)
    }

    /// Kills a node: see [`Node::kill`].
    ///
    /// # Errors
    /// When the route to cluster IPs cannot be laid over another.
    pub fn kill_node(&self, node: &Node) -> Result<()> {
        node.kill();
        self.own()?.route_services()
    }

    /// The kubelet has said that the node is ready, at another time than `before`.
    fn wait_ready(&self, node: &str, before: Option<String>) -> Result<()> {
        self.wait(&format!("{node} to be ready"), STEP, |cluster| {
            let object = cluster.get(&["node", node]).ok()?;
            (condition(&object, "Ready") && heartbeat(&object) != before).then_some(())
        })
    }

    /// Takes it down and removes all of it but its logs. A cluster that others have brought up is left alone.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub fn down(mut self) -> Result<()> {
        self.own.take().map_or(Ok(()), Own::end)
    }

    /// Lets it live on when this value and this process end.
    ///
    /// # Errors
    /// When its processes are gone.
    pub fn keep(mut self) -> Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let Some(mut keeper) = own.keeper.take() else { return Ok(()) };
        keeper.stay()?;
        registry::enter(own.state.network(), own.state.process, true)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(Err(e)) = self.own.take().map(Own::end) {
            eprintln!("take the cluster down: {e}");
        }
    }
}

impl Own {
    fn remembered(text: &str) -> Result<Self> {
        let state: State = serde_json::from_str(text).context(format!("read {STATE}"))?;
        if !state.process.is_alive() {
            return fail!(
                "the cluster of {} is not there any more. hint: unset KUBECONFIG, or `cargo xtask e2e --keep`",
                state.dir.display()
            );
        }
        let indices = (1..=NODES_MAX).take_while(|index| state.dir.join(format!("nodes/node-{index}")).exists());
        let nodes = indices.map(|index| Arc::new(state.node(index))).collect();
        Ok(Self { nodes: Mutex::new(nodes), state, keeper: None })
    }

    fn nodes(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cluster IPs are reached over the first node that lives.
    fn route_services(&self) -> Result<()> {
        let living = self.nodes().iter().find(|node| node.process().is_some()).cloned();
        let Some(node) = living else { return Ok(()) };
        let network = self.state.network();
        let namespace = format!("--net={}", self.state.process.namespace("net"));
        let via = network.node(node.index()).to_string();
        shell::run("nsenter", &[&namespace, "--", "ip", "route", "replace", &network.services(), "via", &via]).map(drop)
    }

    /// Nothing, unless it was brought up here.
    fn end(mut self) -> Result<()> {
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        // The nodes' processes are in the namespace of the control plane, and end with it.
        keeper.end();
        // Whoever minds the cluster has cleared up; if not, this says why it cannot be done.
        registry::release(self.state.network())
    }
}

/// A cluster on its way up.
struct Building<'a> {
    dir: &'a Path,
    network: Network,
    keeper: &'a Path,
    options: &'a Options,
    began: Instant,
}

impl Building<'_> {
    fn build(&self) -> Result<Cluster> {
        self.say(&format!("Kubernetes {} in {}", programs::kubernetes_version()?, self.dir.display()));
        let api = ControlPlane::new(self.dir, self.network);
        api.write_users()?;
        let mut keeper = self.start_keeper()?;
        api.api()?.into_iter().try_for_each(|program| keeper.start_program(program))?;
        self.say("etcd and kube-apiserver are starting");
        let state = State {
            dir: self.dir.to_owned(),
            network: self.network.number(),
            process: keeper.process(),
            keeper: self.keeper.to_owned(),
        };
        let path = self.dir.join(STATE);
        fs::write(&path, serde_json::to_string_pretty(&state).context("write the state")?).on("write", &path)?;
        self.write_images(&state.images())?;
        let own = Own { state, nodes: Mutex::default(), keeper: Some(keeper) };
        let mut cluster = Cluster { kubeconfig: api.kubeconfig(), own: Some(own) };
        self.furnish(&mut cluster, &api).map_err(|e| Failure(format!("{e}\n{}", cluster.log_tails())))?;
        Ok(cluster)
    }

    fn furnish(&self, cluster: &mut Cluster, api: &ControlPlane) -> Result<()> {
        cluster.wait("the API server to answer", STEP, |cluster| cluster.kubectl(&["get", "--raw", "/readyz"]).ok())?;
        self.say("kube-apiserver answers");
        let programs = api.controllers(self.keeper)?;
        if let Some(keeper) = cluster.own.as_mut().and_then(|own| own.keeper.as_mut()) {
            programs.into_iter().try_for_each(|program| keeper.start_program(program))?;
        }
        cluster.apply(include_str!("manifests/base.yaml"))?;
        let dns = self.network.dns().to_string();
        cluster.apply(&include_str!("manifests/coredns.yaml").replace("CLUSTER_DNS", &dns))?;
        for _ in 0..self.options.nodes {
            let node = cluster.add_node()?;
            self.say(&format!("{} is ready", node.name()));
        }
        cluster.wait("CoreDNS to be ready", STEP, |cluster| {
            let deployment = cluster.get(&["deployment", "coredns", "--namespace", "kube-system"]).ok()?;
            condition(&deployment, "Available").then_some(())
        })?;
        cluster.wait("a service account for pods", STEP, |cluster| cluster.get(&["serviceaccount", "default"]).ok())?;
        self.say("CoreDNS answers: the cluster is up");
        Ok(())
    }

    /// The namespace of the control plane: a bridge to which the nodes and this machine are linked.
    fn start_keeper(&self) -> Result<Keeper> {
        let (program, number) = (self.keeper.display().to_string(), self.network.number().to_string());
        let prefix = [&program, "mind", &number, "unshare", "--net", "--pid", "--fork", "--kill-child", "--"];
        let mut keeper = Keeper::start(&prefix, self.keeper, self.dir)?;
        registry::enter(self.network, keeper.process(), false)?;
        let (own, host) = (self.network.control_plane().to_string(), self.network.host().to_string());
        keeper.run(&["ip", "link", "set", "lo", "up"])?;
        let settings = "echo 1 > ip_forward; echo 0 > conf/all/send_redirects; echo 0 > conf/default/send_redirects";
        keeper.run(&["sh", "-ec", &format!("cd /proc/sys/net/ipv4; {settings}")])?;
        keeper.run(&["ip", "link", "add", "nodes", "type", "bridge"])?;
        keeper.run(&["ip", "address", "add", &format!("{own}/24"), "dev", "nodes"])?;
        keeper.run(&["ip", "link", "set", "nodes", "up"])?;
        let (device, namespace) = (self.network.device(), keeper.process().namespace("net"));
        let link = ["link", "add", &device, "type", "veth", "peer", "name", "machine", "netns", &namespace];
        shell::run("ip", &link)?;
        keeper.run(&["ip", "link", "set", "machine", "master", "nodes", "up"])?;
        shell::run("ip", &["address", "add", &format!("{host}/24"), "dev", &device])?;
        shell::run("ip", &["link", "set", &device, "up"])?;
        shell::run("ip", &["route", "add", &self.network.whole(), "via", &own])?;
        Ok(keeper)
    }

    fn write_images(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir).on("create", dir)?;
        let busybox = programs::debian("bin/busybox")?;
        let images = [
            Image::of_program(PAUSE_IMAGE, &busybox, &["sleep", "infinity"]),
            Image::of_program(COREDNS_IMAGE, &programs::coredns()?, &[]),
            Image::busybox()?,
        ];
        images.iter().try_for_each(|image| image.write(&dir.join(image.archive_name())))
    }

    /// Not by `eprintln`, which the test harness hides until a test fails.
    fn say(&self, what: &str) {
        let line = format!("{:>6.1} s  {what}\n", self.began.elapsed().as_secs_f64());
        // A terminal that is gone is no reason to fail.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Whether an object's condition is true.
pub fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// When a node's kubelet has last told how it is.
fn heartbeat(node: &Value) -> Option<String> {
    let conditions = node["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
    ready["lastHeartbeatTime"].as_str().map(str::to_owned)
}

/// The failure that says how an archive gets on nodes that are not ours.
fn foreign_nodes(archive: &Path) -> Failure {
    let archive = archive.display();
    Failure(format!(
        "the nodes of this cluster are not ours to put images on. hint: `kind load image-archive {archive}`, \
         `k3d image import {archive}` or `minikube image load {archive}`"
    ))
}

fn archives(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = dir.read_dir().on("read", dir)?.flatten().map(|entry| entry.path());
    Ok(entries.filter(|path| path.extension().is_some_and(|extension| extension == "tar")).collect())
}

/// The program `e2e-keeper`, which Cargo builds beside the tests of this package.
///
/// # Errors
/// When it is not there.
pub fn keeper_program() -> Result<PathBuf> {
    let exe = env::current_exe().context("a running program has a path")?;
    let mut places = exe.ancestors().skip(1).take(2).map(|dir| dir.join("e2e-keeper"));
    let found = places.find(|path| path.exists());
    found.ok_or_else(|| Failure(format!("e2e-keeper is not built beside {}. hint: `cargo xtask e2e`", exe.display())))
}

/// `target/e2e`, wherever Cargo's target directory is.
fn runs() -> Result<PathBuf> {
    let exe = env::current_exe().context("a running program has a path")?;
    // target/<profile>/deps/<test>, or a program in target/<profile>.
    let profile = exe.ancestors().find(|dir| dir.join("deps").is_dir());
    let target = profile.and_then(Path::parent).map(Path::to_owned);
    Ok(target.unwrap_or_else(|| support::prerequisites::workspace().join("target")).join("e2e"))
}

/// Removes the oldest runs whose clusters are gone. There are images beside them.
fn prune(runs: &Path) -> Result<()> {
    let entries = runs.read_dir().into_iter().flatten().flatten();
    let dated = entries.filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    let mut over: Vec<PathBuf> = dated.map(|entry| entry.path()).filter(|dir| !dir.join(STATE).exists()).collect();
    over.sort();
    let old = over.len().saturating_sub(RUNS_KEPT - 1);
    over.into_iter().take(old).try_for_each(|dir| fs::remove_dir_all(&dir).on("remove", &dir))
}

fn log_tails(dir: &Path) -> String {
    let nodes = dir.join("nodes").read_dir().into_iter().flatten().flatten().map(|node| node.path());
    let mut logs: Vec<PathBuf> = std::iter::once(dir.to_owned())
        .chain(nodes)
        .flat_map(|dir| dir.join("logs").read_dir().into_iter().flatten().flatten().map(|entry| entry.path()))
        .collect();
    logs.sort();
    let tail = |log: &PathBuf| format!("---- {} ends:\n{}\n", log.display(), shell::tail(log, LOG_LINES));
    logs.iter().map(tail).collect()
}
