//! A node: containerd, a kubelet and kube-proxy in namespaces of their own, as on a machine of its own.
//!
//! Its network is one link to the control plane's bridge; its mounts are its own, and so are `/var` and `/run`, so that a
//! second node, and whatever containerd this machine has, is not in its way. Its processes end with the first of them, which
//! is what a power cut is ([`Node::kill`]); its disk is a directory and stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::wait;

use crate::control_plane::ControlPlane;
use crate::failure::{Context, Failure, Result};
use crate::keeper::{ENDED, Keeper, Process, Program};
use crate::network::{NODES_MAX, Network};
use crate::{fail, programs, shell};

/// How long containerd may take to answer.
const RUNTIME_STARTS: Duration = Duration::from_secs(60);

/// The socket of containerd, within the node.
const CONTAINERD: &str = "/run/containerd/containerd.sock";

/// The image that every pod's own container is made of.
pub const PAUSE_IMAGE: &str = "zookube-e2e/pause:1";

/// How long a kubelet's lease lasts, in seconds; it renews four times as often.
const LEASE_S: u32 = 12;

/// The namespaces of a node.
const NAMESPACES: &[&str] =
    &["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "private"];

/// A node of a cluster that was brought up here.
#[derive(Debug)]
pub struct Node {
    index: u8,
    /// Its directory within the run's.
    dir: PathBuf,
    network: Network,
    /// The first process of the control plane.
    control_plane: Process,
    /// Held by whoever has started the node.
    keeper: Mutex<Option<Keeper>>,
}

/// What the node's directory remembers of it.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    process: Process,
}

impl Node {
    /// The node with that number, from 1, in the cluster in `run`; whether it lives or not.
    ///
    /// # Panics
    /// When the number is 0 or above [`NODES_MAX`].
    pub fn new(index: u8, run: &Path, network: Network, control_plane: Process) -> Self {
        assert!((1..=NODES_MAX).contains(&index), "nodes have numbers from 1 to {NODES_MAX}, not {index}");
        let dir = run.join("nodes").join(format!("node-{index}"));
        Self { index, dir, network, control_plane, keeper: Mutex::new(None) }
    }

    /// `node-1`.
    pub fn name(&self) -> String {
        format!("node-{}", self.index)
    }

    /// The value of its label `topology.kubernetes.io/zone`: each node is a zone.
    pub fn zone(&self) -> String {
        format!("zone-{}", self.index)
    }

    /// From 1.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// Its first process, if it lives.
    pub fn process(&self) -> Option<Process> {
        let text = fs::read_to_string(self.dir.join("process.json")).ok()?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        Some(remembered.process).filter(|process| process.is_alive())
    }

    /// Where a program of it writes: `kubelet`, `containerd`, `kube-proxy`.
    pub fn log(&self, program: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{program}.log"))
    }

    /// Which of its programs have ended since it was started; empty when all is well.
    pub fn ended(&self) -> String {
        fs::read_to_string(self.dir.join(ENDED)).unwrap_or_default()
    }

    /// The end of the link on the control plane's bridge.
    fn link(&self) -> String {
        format!("to-{}", self.name())
    }

    /// The node's control group, below those of the cluster.
    pub fn control_group(&self) -> String {
        format!("/{}/{}", self.network.device(), self.name())
    }

    fn in_control_plane(&self, command: &[&str]) -> Result<String> {
        let namespace = format!("--net={}", self.control_plane.namespace("net"));
        shell::run("nsenter", &[&[&namespace, "--"], command].concat())
    }

    /// Runs a command within the node's namespaces.
    ///
    /// # Errors
    /// When the node does not live, or the command is not content.
    pub fn run(&self, command: &[&str]) -> Result<String> {
        let Some(process) = self.process() else { return fail!("{} does not live", self.name()) };
        let target = format!("--target={}", process.pid);
        let mut nsenter = Command::new("nsenter");
        nsenter.args([&target, "--mount", "--net", "--uts", "--pid", "--"]).args(command);
        shell::output(&mut nsenter)
    }

    /// Its namespaces, its link and containerd, with the images whose archives are given.
    ///
    /// # Errors
    /// When something of it does not start; the message has the log's last lines.
    pub fn start_runtime(&self, keeper: &Path, archives: &[PathBuf]) -> Result<()> {
        if self.process().is_some() {
            return fail!("{} lives already", self.name());
        }
        for dir in ["var/lib", "var/log", "logs", "cni"].map(|name| self.dir.join(name)) {
            fs::create_dir_all(&dir).on("create", &dir)?;
        }
        // On Debian one is the other, and programs know both names.
        let link = self.dir.join("var/run");
        if !link.is_symlink() {
            std::os::unix::fs::symlink("/run", &link).on("link", &link)?;
        }
        let ended = self.dir.join(ENDED);
        if ended.exists() {
            fs::remove_file(&ended).on("remove", &ended)?;
        }
        let target = format!("--target={}", self.control_plane.pid);
        let prefix = [&["nsenter", &target, "--pid", "--", "unshare"], NAMESPACES, &["--"]].concat();
        let mut kept = Keeper::start(&prefix, keeper, &self.dir)?;
        let remembered = Remembered { process: kept.process() };
        let path = self.dir.join("process.json");
        fs::write(&path, json!(remembered).to_string()).on("write", &path)?;
        self.furnish(&mut kept).context(format!("set up {}", self.name()))?;
        kept.start_program(self.containerd()?)?;
        // It ends with the control plane's namespace, whoever has started it.
        kept.stay()?;
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        self.wait_for_runtime()?;
        archives.iter().try_for_each(|archive| self.load_image(archive))
    }

    /// Mounts, name and addresses.
    fn furnish(&self, keeper: &mut Keeper) -> Result<()> {
        let var = self.dir.join("var").display().to_string();
        // Volumes of pods are mounted beneath mounts that containers see.
        keeper.run(&["mount", "--make-rshared", "/"])?;
        keeper.run(&["mount", "--bind", &var, "/var"])?;
        keeper.run(&["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"])?;
        keeper.run(&["mount", "-t", "proc", "proc", "/proc"])?;
        keeper.run(&["hostname", &self.name()])?;
        keeper.run(&["ip", "link", "set", "lo", "up"])?;
        keeper.run(&["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])?;

        let (link, namespace) = (self.link(), keeper.process().namespace("net"));
        self.in_control_plane(&[
            "ip", "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &namespace,
        ])?;
        self.in_control_plane(&["ip", "link", "set", &link, "master", "nodes", "up"])?;
        let (address, gateway) = (self.network.node(self.index).to_string(), self.network.control_plane().to_string());
        keeper.run(&["ip", "address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        keeper.run(&["ip", "link", "set", "eth0", "up"])?;
        keeper.run(&["ip", "route", "add", "default", "via", &gateway])?;
        self.in_control_plane(&["ip", "route", "replace", &self.network.pods(self.index), "via", &address])?;
        self.make_control_groups()
    }

    /// The kubelet makes the groups of pods beneath one that has to be there.
    fn make_control_groups(&self) -> Result<()> {
        for hierarchy in control_group_hierarchies() {
            let group = hierarchy.join(self.control_group().trim_start_matches('/'));
            fs::create_dir_all(&group).on("create", &group)?;
            // The first version's `cpuset` begins empty, and nothing can run in it.
            let parent = group.parent().unwrap_or(&hierarchy);
            for name in ["cpuset.cpus", "cpuset.mems"].iter().filter(|_| hierarchy.ends_with("cpuset")) {
                let all = hierarchy.join(name);
                let text = fs::read_to_string(&all).on("read", &all)?;
                for file in [parent.join(name), group.join(name)] {
                    fs::write(&file, text.trim()).on("write", &file)?;
                }
            }
        }
        Ok(())
    }

    fn program(&self, name: &str, command: Vec<String>) -> Program {
        Program { name: name.to_owned(), log: self.log(name), command }
    }

    fn containerd(&self) -> Result<Program> {
        let path = self.dir.join("containerd.toml");
        let plugins = programs::debian("lib/cni/ptp")?;
        let plugins = plugins.parent().unwrap_or(Path::new("/"));
        let cni = self.dir.join("cni");
        let text = format!(
            r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{CONTAINERD}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
netns_mounts_under_state_dir = true
tolerate_missing_hugetlb_controller = true
disable_hugetlb_controller = true
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{cni}"
"#,
            runc = programs::debian("sbin/runc")?.display(),
            plugins = plugins.display(),
            cni = cni.display(),
        );
        fs::write(&path, text).on("write", &path)?;
        let network = cni.join("10-pods.conflist");
        fs::write(&network, format!("{:#}\n", self.pod_network())).on("write", &network)?;
        let program = programs::debian("bin/containerd")?.display().to_string();
        Ok(self.program("containerd", vec![program, "--config".to_owned(), path.display().to_string()]))
    }

    /// Each pod is behind a link of its own, not on a bridge: what goes from one to the other passes the node's packet filters,
    /// as cluster IPs want it.
    fn pod_network(&self) -> Value {
        let addresses = json!({
            "type": "host-local",
            "dataDir": "/run/cni",
            "ranges": [[{"subnet": self.network.pods(self.index)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        });
        json!({
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {"type": "ptp", "ipMasq": false, "ipam": addresses},
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    fn wait_for_runtime(&self) -> Result<()> {
        let answered = wait::poll(RUNTIME_STARTS, || {
            let ended = self.ended();
            if !ended.is_empty() {
                return Some(Err(Failure(ended)));
            }
            self.ctr(&["version"]).is_ok().then_some(Ok(()))
        });
        let log = self.log("containerd");
        let tail = || format!("{} ends:\n{}", log.display(), shell::tail(&log, 20));
        match answered {
            Some(Ok(())) => Ok(()),
            Some(Err(ended)) => fail!("{}: {ended}{}", self.name(), tail()),
            None => fail!("{}: containerd does not answer; {}", self.name(), tail()),
        }
    }

    /// containerd's own client.
    fn ctr(&self, arguments: &[&str]) -> Result<String> {
        let program = programs::debian("bin/ctr")?.display().to_string();
        self.run(&[&[program.as_str(), "--address", CONTAINERD, "--namespace", "k8s.io"], arguments].concat())
    }

    /// Makes the image of an archive known to the node.
    ///
    /// # Errors
    /// When containerd does not take it.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        self.ctr(&["images", "import", &archive.display().to_string()]).map(drop)
    }

    /// The kubelet and kube-proxy, which find the API server.
    ///
    /// # Errors
    /// When the runtime was not started from here, or a program is missing.
    pub fn start_kubelet(&self, api: &ControlPlane) -> Result<()> {
        let programs = [self.kubelet(api)?, self.kube_proxy(api)?];
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(keeper) = &mut *keeper else { return fail!("{} was started by another process", self.name()) };
        programs.into_iter().try_for_each(|program| keeper.start_program(program))
    }

    fn kubelet(&self, api: &ControlPlane) -> Result<Program> {
        let address = self.network.node(self.index).to_string();
        let names = self.dir.join("resolv.conf");
        fs::write(&names, "").on("write", &names)?;
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            // Whoever reaches this address is within the cluster.
            "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self.control_group(),
            "clusterDNS": [self.network.dns().to_string()],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": format!("unix://{CONTAINERD}"),
            // The machine's disk may be as full as it is: nothing is evicted for it.
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%",
                             "imagefs.available": "0%"},
            "failCgroupV1": false,
            "failSwapOn": false,
            "imageGCHighThresholdPercent": 100,
            "nodeLeaseDurationSeconds": LEASE_S,
            "resolvConf": names,
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        });
        let path = self.dir.join("kubelet.json");
        fs::write(&path, format!("{config:#}\n")).on("write", &path)?;
        let flags = [
            ("config", path.display().to_string()),
            ("kubeconfig", api.kubeconfig_of_node(&self.name()).display().to_string()),
            ("hostname-override", self.name()),
            ("node-ip", address),
            ("node-labels", format!("topology.kubernetes.io/zone={}", self.zone())),
        ];
        let flags = flags.map(|(name, value)| format!("--{name}={value}"));
        let program = programs::kubernetes("kubelet")?.display().to_string();
        Ok(self.program("kubelet", std::iter::once(program).chain(flags).collect()))
    }

    fn kube_proxy(&self, api: &ControlPlane) -> Result<Program> {
        let config = json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": api.kubeconfig_of_proxy()},
            "clusterCIDR": self.network.all_pods(),
            "hostnameOverride": self.name(),
            "mode": "iptables",
            // These are the machine's, and are left as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        });
        let path = self.dir.join("kube-proxy.json");
        fs::write(&path, format!("{config:#}\n")).on("write", &path)?;
        let program = programs::kubernetes("kube-proxy")?.display().to_string();
        Ok(self.program("kube-proxy", vec![program, format!("--config={}", path.display())]))
    }

    /// A power cut: every process of the node is killed at once. Its disk stays, and it can be started again.
    pub fn kill(&self) {
        match self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(mut keeper) => keeper.end(),
            None => self.process().into_iter().for_each(Process::end),
        }
    }

    /// Takes the node off the network, or puts it back; its pods go on meanwhile.
    ///
    /// # Errors
    /// When the node does not live.
    pub fn set_connected(&self, link: Link) -> Result<()> {
        let state = match link {
            Link::Up => "up",
            Link::Down => "down",
        };
        self.in_control_plane(&["ip", "link", "set", &self.link(), state]).map(drop)
    }
}

/// Whether a node reaches the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// The roots of control groups that kubelets use: one, or one for each controller.
pub fn control_group_hierarchies() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![root.to_owned()];
    }
    let entries = root.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    // Links are second names of hierarchies with several controllers; `unified` has none.
    entries.filter(|path| path.is_dir() && !path.is_symlink() && !path.ends_with("unified")).collect()
}
