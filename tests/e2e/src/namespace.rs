//! A namespace for one test, with what the test is to be told when it fails.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, condition};
use crate::failure::{Context, Result};
use crate::shell;

/// How long one step of a pod's life may take. A loaded machine takes its time.
pub const POD_LIMIT: Duration = Duration::from_secs(90);

/// Lines of each container that a failure shows.
const LOG_LINES: &str = "--tail=25";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A namespace that goes, with everything in it, when this value does.
#[derive(Debug)]
pub struct Namespace<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl Cluster {
    /// A fresh namespace, whose name begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn namespace(&self, prefix: &str) -> Result<Namespace<'_>> {
        let name = format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name])?;
        let namespace = Namespace { cluster: self, name };
        // Pods cannot be made before.
        namespace.wait("a service account", Duration::from_secs(60), |namespace| {
            namespace.get(&["serviceaccount", "default"]).ok()
        })?;
        Ok(namespace)
    }
}

impl Namespace<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cluster that it is in.
    pub fn cluster(&self) -> &Cluster {
        self.cluster
    }

    /// Runs `kubectl` in it: see [`Cluster::kubectl`].
    ///
    /// # Errors
    /// When it is not content.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[&["--namespace", &self.name], arguments].concat())
    }

    /// An object or a list: see [`Cluster::get`].
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        self.cluster.get(&[&["--namespace", &self.name], arguments].concat())
    }

    /// Applies manifests that name no namespace.
    ///
    /// # Errors
    /// When the API server does not take one.
    pub fn apply(&self, manifests: &str) -> Result<()> {
        let arguments = ["--namespace", &self.name, "apply", "--server-side", "-f", "-"];
        shell::output_of(self.cluster.command().args(arguments), manifests).map(drop)
    }

    /// Applies objects: see [`Namespace::apply`].
    ///
    /// # Errors
    /// When the API server does not take one.
    pub fn apply_objects(&self, objects: &[Value]) -> Result<()> {
        self.apply(&json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())
    }

    /// Runs a command in the first container of a pod, and returns what it wrote.
    ///
    /// # Errors
    /// When it cannot be run, or is not content.
    pub fn exec(&self, pod: &str, command: &[&str]) -> Result<String> {
        self.kubectl(&[&["exec", pod, "--"], command].concat()).context(format!("in pod {pod}"))
    }

    /// Asks until `probe` has a value: see [`Cluster::wait`].
    ///
    /// # Errors
    /// When it has none within `limit`.
    pub fn wait<T>(&self, what: &str, limit: Duration, mut probe: impl FnMut(&Self) -> Option<T>) -> Result<T> {
        self.cluster.wait(what, limit, |_| probe(self))
    }

    /// Waits until a pod is ready and is not to go, and returns it.
    ///
    /// # Errors
    /// When it is not within [`POD_LIMIT`].
    pub fn wait_ready(&self, pod: &str) -> Result<Value> {
        self.wait(&format!("pod {pod} to be ready"), POD_LIMIT, |namespace| {
            let pod = namespace.get(&["pod", pod]).ok()?;
            let stays = pod["metadata"]["deletionTimestamp"].is_null();
            (stays && condition(&pod, "Ready")).then_some(pod)
        })
    }

    /// Waits until a pod has an address, ready or not.
    ///
    /// # Errors
    /// When it has none within [`POD_LIMIT`].
    pub fn address(&self, pod: &str) -> Result<IpAddr> {
        self.wait(&format!("pod {pod} to have an address"), POD_LIMIT, |namespace| {
            namespace.get(&["pod", pod]).ok()?["status"]["podIP"].as_str()?.parse().ok()
        })
    }

    /// Waits until a pod is ready, and returns the name of its node.
    ///
    /// # Errors
    /// When it is not ready within [`POD_LIMIT`].
    pub fn node_of(&self, pod: &str) -> Result<String> {
        Ok(self.wait_ready(pod)?["spec"]["nodeName"].as_str().unwrap_or_default().to_owned())
    }

    /// What is in it, what has happened, and what its pods have said.
    pub fn report(&self) -> String {
        let say = |arguments: &[&str]| self.kubectl(arguments).unwrap_or_else(|e| e.to_string());
        let mut text = format!("---- namespace {}\n{}", self.name, say(&["get", "all,pvc,pdb", "--output=wide"]));
        text += &format!("---- events\n{}", say(&["get", "events", "--sort-by=.lastTimestamp"]));
        for pod in say(&["get", "pods", "--output=name"]).lines() {
            text += &format!("---- {pod}\n{}", say(&["logs", pod, "--all-containers", "--prefix", LOG_LINES]));
        }
        text
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
        let deleted = self.cluster.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
        if let Err(e) = deleted {
            eprintln!("delete namespace {}: {e}", self.name);
        }
    }
}
