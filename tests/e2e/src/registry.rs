//! All clusters on this machine, whoever has started them: which networks are taken, and what killed tests have left.
//!
//! A directory beside other temporary files has one file for each cluster. Whoever wants a network takes the first whose
//! cluster is not there or has lost its owner, and clears up after that one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use support::wait;

use crate::failure::{Context, Result};
use crate::keeper::Process;
use crate::network::{NETWORKS, Network};
use crate::{fail, node, shell};

/// How long a control group may count as busy behind its last process, and a link be there behind its namespace.
const SETTLES: Duration = Duration::from_secs(10);

/// Settings of the machine's kernel that a kubelet changes, and that are put back behind the last cluster.
const KERNEL_SETTINGS: &[&str] = &[
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// The file in a run's directory by which its cluster is found again. It is there as long as the cluster is.
pub const STATE: &str = "cluster.json";

/// The file beside it for `kubectl` and client libraries.
pub const KUBECONFIG: &str = "kubeconfig";

/// What is known about a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The directory of its run.
    pub run: PathBuf,
    /// Of the machine's start in which it was brought up.
    boot: String,
    /// Who has brought it up.
    owner: Process,
    /// The first process of its control plane.
    pub keeper: Option<Process>,
    /// Whether it is to outlive its owner.
    pub stays: bool,
}

impl Entry {
    fn is_taken(&self) -> bool {
        let runs = self.keeper.is_some_and(Process::is_alive);
        is_this_boot(&self.boot) && (self.owner.is_alive() || self.stays && runs)
    }
}

/// The directory of the entries, locked.
struct Registry {
    dir: PathBuf,
    _lock: File,
}

/// Takes a network for the cluster in `run`, clearing up what is left of others.
///
/// # Errors
/// When all networks are taken or something cannot be written.
pub fn claim(run: &Path) -> Result<Network> {
    let registry = Registry::open()?;
    registry.clear_leftovers()?;
    for network in (0..NETWORKS).map(Network::new) {
        if registry.entry(network).is_none() && is_free(network)? {
            let entry =
                Entry { run: run.to_owned(), boot: boot()?, owner: Process::own()?, keeper: None, stays: false };
            registry.save_kernel_settings()?;
            registry.write(network, &entry)?;
            return Ok(network);
        }
    }
    fail!(
        "all {NETWORKS} networks from 10.200.0.0/16 on are taken: {} lists the clusters. hint: `ip route` shows who else uses them",
        registry.dir.display()
    )
}

/// Enters the first process of a cluster, and whether it is to stay.
///
/// # Errors
/// When there is no entry or it cannot be written.
pub fn enter(network: Network, keeper: Process, stays: bool) -> Result<()> {
    let registry = Registry::open()?;
    let Some(entry) = registry.entry(network) else { return fail!("no cluster has network {}", network.whole()) };
    registry.write(network, &Entry { keeper: Some(keeper), stays, ..entry })
}

/// Ends a cluster and removes all of it but its logs.
///
/// # Errors
/// When something of it cannot be removed.
pub fn release(network: Network) -> Result<()> {
    let registry = Registry::open()?;
    let Some(entry) = registry.entry(network) else { return Ok(()) };
    registry.clear(network, &entry)
}

/// The clusters that are there, with their networks.
///
/// # Errors
/// When the list cannot be read.
pub fn entries() -> Result<Vec<(Network, Entry)>> {
    let registry = Registry::open()?;
    let all = (0..NETWORKS).map(Network::new);
    Ok(all.filter_map(|network| Some((network, registry.entry(network)?))).collect())
}

impl Registry {
    fn open() -> Result<Self> {
        let dir = std::env::temp_dir().join("zookube-e2e");
        fs::create_dir_all(&dir).on("create", &dir)?;
        let path = dir.join("lock");
        let lock = File::options().create(true).append(true).open(&path).on("open", &path)?;
        lock.lock().on("lock", &path)?;
        Ok(Self { dir, _lock: lock })
    }

    fn path(&self, network: Network) -> PathBuf {
        self.dir.join(format!("{}.json", network.number()))
    }

    fn entry(&self, network: Network) -> Option<Entry> {
        serde_json::from_str(&fs::read_to_string(self.path(network)).ok()?).ok()
    }

    fn write(&self, network: Network, entry: &Entry) -> Result<()> {
        let path = self.path(network);
        let text = serde_json::to_string_pretty(entry).context("write an entry")?;
        fs::write(&path, text).on("write", &path)
    }

    fn clear_leftovers(&self) -> Result<()> {
        for network in (0..NETWORKS).map(Network::new) {
            if let Some(entry) = self.entry(network).filter(|entry| !entry.is_taken()) {
                self.clear(network, &entry).context(format!("clear up what is left of {}", entry.run.display()))?;
            }
        }
        Ok(())
    }

    fn clear(&self, network: Network, entry: &Entry) -> Result<()> {
        if let Some(keeper) = entry.keeper.filter(|_| is_this_boot(&entry.boot)) {
            keeper.end();
        }
        // Where there are several hierarchies, runc makes groups in that of the second version, too.
        for hierarchy in node::control_group_hierarchies().into_iter().chain([PathBuf::from("/sys/fs/cgroup/unified")])
        {
            remove_groups(&hierarchy.join(network.device()))?;
        }
        let link = Path::new("/sys/class/net").join(network.device());
        // It goes with the namespace that has its other end, a moment later.
        if wait::poll(SETTLES, || (!link.exists()).then_some(())).is_none() {
            shell::run("ip", &["link", "delete", &network.device()])?;
        }
        remove_all_but_logs(&entry.run)?;
        let path = self.path(network);
        fs::remove_file(&path).on("remove", &path)?;
        if (0..NETWORKS).all(|number| self.entry(Network::new(number)).is_none()) {
            self.restore_kernel_settings()?;
        }
        Ok(())
    }

    fn kernel_settings(&self) -> PathBuf {
        self.dir.join("kernel.json")
    }

    /// Those of the time before the first cluster.
    fn save_kernel_settings(&self) -> Result<()> {
        let path = self.kernel_settings();
        let saved: Option<KernelSettings> =
            fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        if saved.is_some_and(|saved| is_this_boot(&saved.boot)) {
            return Ok(());
        }
        let read = |name: &&str| Some(((*name).to_owned(), fs::read_to_string(setting(name)).ok()?.trim().to_owned()));
        let settings = KernelSettings { boot: boot()?, values: KERNEL_SETTINGS.iter().filter_map(read).collect() };
        let text = serde_json::to_string_pretty(&settings).context("write the kernel's settings")?;
        fs::write(&path, text).on("write", &path)
    }

    fn restore_kernel_settings(&self) -> Result<()> {
        let path = self.kernel_settings();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let settings: KernelSettings = serde_json::from_str(&text).on("read", &path)?;
        if is_this_boot(&settings.boot) {
            for (name, value) in &settings.values {
                fs::write(setting(name), value).on("write", &setting(name))?;
            }
        }
        fs::remove_file(&path).on("remove", &path)
    }
}

#[derive(Serialize, Deserialize)]
struct KernelSettings {
    boot: String,
    values: Vec<(String, String)>,
}

fn setting(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

/// Which start of the machine this is.
fn boot() -> Result<String> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    Ok(fs::read_to_string(path).on("read", path)?.trim().to_owned())
}

fn is_this_boot(id: &str) -> bool {
    boot().is_ok_and(|boot| boot == id)
}

/// Whether nothing on the machine uses the addresses.
fn is_free(network: Network) -> Result<bool> {
    let routes = shell::run("ip", &["-4", "route", "show", "root", &network.whole()])?;
    Ok(routes.trim().is_empty() && !Path::new("/sys/class/net").join(network.device()).exists())
}

/// Control groups go from the innermost on, and only empty.
fn remove_groups(group: &Path) -> Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in group.read_dir().on("read", group)?.flatten().filter(|entry| entry.path().is_dir()) {
        remove_groups(&entry.path())?;
    }
    let mut last = Ok(());
    let gone = wait::poll(SETTLES, || {
        last = fs::remove_dir(group);
        last.is_ok().then_some(())
    });
    if gone.is_some() { Ok(()) } else { last.on("remove the control group", group) }
}

/// What a run leaves to be read: logs and settings, not disks.
fn remove_all_but_logs(run: &Path) -> Result<()> {
    let nodes = run.join("nodes").read_dir().into_iter().flatten().flatten().map(|node| node.path().join("var"));
    for dir in ["etcd", "images", "kubectl", "volumes", "users"].map(|name| run.join(name)).into_iter().chain(nodes) {
        if dir.exists() {
            fs::remove_dir_all(&dir).on("remove", &dir)?;
        }
    }
    for file in [STATE, KUBECONFIG].map(|name| run.join(name)) {
        if file.exists() {
            fs::remove_file(&file).on("remove", &file)?;
        }
    }
    Ok(())
}
