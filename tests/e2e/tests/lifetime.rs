//! A cluster of our own from its beginning to its end: whatever ends it, nothing of it stays on the machine but its logs.
//!
//! These bring up clusters beside that of `KUBECONFIG`, and take root.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::network::Network;
use e2e::{Cluster, Options, cluster, registry};
use rustix::process::{Pid, Signal, kill_process};
use support::wait;

/// For a whole cluster to end.
const END: Duration = Duration::from_secs(120);

/// What there is of a cluster outside its own namespaces, and in its directory; empty when all is gone.
fn left(network: Network, run: &Path) -> Vec<String> {
    let mut left: Vec<String> = commands_of(run).into_values().collect();
    let link = Path::new("/sys/class/net").join(network.device());
    let hierarchies = Path::new("/sys/fs/cgroup").read_dir().expect("control groups").flatten();
    let groups = hierarchies.map(|hierarchy| hierarchy.path().join(network.device()));
    let groups = groups.chain([Path::new("/sys/fs/cgroup").join(network.device())]);
    let in_run = ["cluster.json", "kubeconfig", "etcd", "images", "users", "volumes", "nodes/node-1/var"];
    let paths = in_run.iter().map(|name| run.join(name)).chain(groups).chain([link]);
    left.extend(paths.filter(|path| path.exists()).map(|path| path.display().to_string()));
    let entries = registry::entries().expect("the list of clusters");
    left.extend(entries.iter().filter(|(_, entry)| entry.run == run).map(|(_, entry)| format!("{entry:?}")));
    left
}

/// Processes that have the run's directory in their arguments, as all programs of a cluster have, by their numbers.
fn commands_of(run: &Path) -> BTreeMap<i32, String> {
    let run = run.display().to_string();
    let entries = Path::new("/proc").read_dir().expect("processes").flatten();
    let processes = entries.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        Some((entry.file_name().to_str()?.parse().ok()?, line))
    });
    processes.filter(|(_, line)| line.contains(&run)).collect()
}

fn wait_gone(network: Network, run: &Path) {
    if wait::poll(END, || left(network, run).is_empty().then_some(())).is_none() {
        panic!("of {} there is left: {:#?}", run.display(), left(network, run));
    }
    let log = run.join("logs/kube-apiserver.log");
    assert!(log.exists(), "{} is to be read", log.display());
}

/// A process that holds a cluster, its network and its directory.
fn holder() -> (Child, Network, PathBuf) {
    let mut command = Command::new(cluster::keeper_program().expect("e2e-keeper"));
    let mut holder = command.arg("up").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("e2e-keeper starts");
    let mut line = String::new();
    let said = holder.stdout.take().expect("a pipe");
    BufReader::new(said).read_line(&mut line).expect("it says where the cluster is");
    let cluster = Cluster::attach(Path::new(line.trim())).expect("the cluster answers");
    let (network, run) = (cluster.network().expect("it is ours"), cluster.dir().expect("it is ours").to_owned());
    (holder, network, run)
}

#[test]
fn a_cluster_that_is_taken_down_leaves_its_logs() {
    let cluster = Cluster::up(&Options::default()).expect("a cluster");
    let (network, run) = (cluster.network().expect("it is ours"), cluster.dir().expect("it is ours").to_owned());
    assert!(left(network, &run).len() > 10, "a living cluster has processes, directories and a link");
    cluster.down().expect("it can be taken down");
    assert_eq!(left(network, &run), Vec::<String>::new());
}

#[test]
fn a_cluster_ends_with_whoever_has_brought_it_up() {
    let (mut holder, network, run) = holder();
    // As a test that is interrupted, or runs out of memory.
    holder.kill().expect("a signal");
    holder.wait().expect("its end");
    wait_gone(network, &run);
}

#[test]
fn a_cluster_that_nobody_minds_is_cleared_up_by_the_next() {
    let (mut holder, network, run) = holder();
    let commands = commands_of(&run);
    let minds = commands.iter().find(|(_, line)| line.contains(" mind ")).expect("somebody minds it");
    // Everybody at once: nobody is there to clear up.
    holder.kill().expect("a signal");
    kill_process(Pid::from_raw(*minds.0).expect("a process id"), Signal::KILL).expect("a signal");
    holder.wait().expect("its end");
    assert!(!left(network, &run).is_empty(), "nobody has cleared up");

    let elsewhere = tempfile::tempdir().expect("a directory");
    let next = registry::claim(elsewhere.path()).expect("a network");
    registry::release(next).expect("it can be given back");
    wait_gone(network, &run);
}
