//! Volumes for claims: what a storage provider's program does in a real cluster.
//!
//! A volume is a directory of the run, which every node sees at the same path. Those of the class `standard` follow their pod
//! to every node, as network disks do; those of `local` stay on the node where their pod ran first. Claims may grow; the
//! directory knows no limits.

use std::fs;
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Context, Result};
use crate::{fail, programs, shell};

/// The provisioner of the storage classes.
pub const PROVISIONER: &str = "zookube.dev/e2e";

/// How long it waits before it looks again at what the API server has stopped telling.
const AGAIN: Duration = Duration::from_secs(1);

/// Serves the cluster in `run` for as long as it lives.
///
/// # Errors
/// When `kubectl` is missing.
pub fn serve(run: &Path) -> Result<()> {
    let volumes = Volumes { run: run.to_owned(), kubectl: programs::kubernetes("kubectl")? };
    std::thread::scope(|scope| {
        scope.spawn(|| volumes.watch("persistentvolumes", Volumes::on_volume));
        volumes.watch("persistentvolumeclaims", Volumes::on_claim);
    });
    Ok(())
}

struct Volumes {
    run: PathBuf,
    kubectl: PathBuf,
}

impl Volumes {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.arg("--kubeconfig").arg(self.run.join("kubeconfig"));
        command.arg("--cache-dir").arg(self.run.join("kubectl"));
        command
    }

    /// Calls `on` with every object of a kind, now and whenever it changes.
    fn watch(&self, kind: &str, on: fn(&Self, &Value) -> Result<()>) {
        loop {
            if let Err(e) = self.watch_once(kind, on) {
                eprintln!("volumes: watch {kind}: {e}");
            }
            std::thread::sleep(AGAIN);
        }
    }

    fn watch_once(&self, kind: &str, on: fn(&Self, &Value) -> Result<()>) -> Result<()> {
        let mut command = self.command();
        command.args(["get", kind, "--all-namespaces", "--watch", "--output=json"]).stdout(Stdio::piped());
        let mut child = command.spawn().context(format!("start `{}`", shell::spell(&command)))?;
        let Some(output) = child.stdout.take() else { return fail!("kubectl has no standard output") };
        for object in serde_json::Deserializer::from_reader(BufReader::new(output)).into_iter::<Value>() {
            let object = object.context("read what kubectl says")?;
            if let Err(e) = on(self, &object) {
                eprintln!("volumes: {kind} {}: {e}", object["metadata"]["name"]);
            }
        }
        child.wait().map(drop).context("wait for kubectl")
    }

    fn on_claim(&self, claim: &Value) -> Result<()> {
        let annotations = &claim["metadata"]["annotations"];
        if annotations["volume.kubernetes.io/storage-provisioner"] != PROVISIONER
            || claim["metadata"]["deletionTimestamp"].is_string()
        {
            return Ok(());
        }
        match claim["status"]["phase"].as_str() {
            Some("Pending") if claim["spec"]["volumeName"].is_null() => self.provision(claim),
            Some("Bound") if wanted(claim) != &claim["status"]["capacity"]["storage"] => self.grow(claim),
            _ => Ok(()),
        }
    }

    fn provision(&self, claim: &Value) -> Result<()> {
        let volume = volume_for(claim, &self.run, self.is_tied(claim)?)?;
        let path = PathBuf::from(volume["spec"]["local"]["path"].as_str().unwrap_or_default());
        fs::create_dir_all(&path).on("create", &path)?;
        // As a fresh disk is once a pod's group has been given it; pods without a group can write, too.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).on("open to all", &path)?;
        let mut command = self.command();
        match shell::output_of(command.args(["create", "-f", "-"]), &volume.to_string()) {
            // The claim was told again before it was bound.
            Err(e) if e.0.contains("AlreadyExists") => Ok(()),
            made => made.map(|_| eprintln!("volumes: made {}", path.display())),
        }
    }

    fn is_tied(&self, claim: &Value) -> Result<bool> {
        let class = claim["spec"]["storageClassName"].as_str().unwrap_or_default();
        let parameter = "--output=jsonpath={.parameters.tied}";
        Ok(shell::output(self.command().args(["get", "storageclass", class, parameter]))? == "yes")
    }

    /// What a resizer does.
    fn grow(&self, claim: &Value) -> Result<()> {
        let (namespace, name) = (text(&claim["metadata"]["namespace"]), text(&claim["metadata"]["name"]));
        let capacity = json!({"capacity": {"storage": wanted(claim)}});
        let volume = text(&claim["spec"]["volumeName"]);
        let patch = |spec: Value| format!("--patch={spec}");
        shell::output(self.command().args(["patch", "pv", volume, "--type=merge", &patch(json!({"spec": capacity}))]))?;
        let claim = ["patch", "pvc", name, "--namespace", namespace, "--subresource=status", "--type=merge"];
        shell::output(self.command().args(claim).arg(patch(json!({"status": capacity}))))?;
        eprintln!("volumes: {volume} has grown to {}", capacity["capacity"]["storage"]);
        Ok(())
    }

    fn on_volume(&self, volume: &Value) -> Result<()> {
        let annotations = &volume["metadata"]["annotations"];
        if annotations["pv.kubernetes.io/provisioned-by"] != PROVISIONER
            || volume["status"]["phase"] != "Released"
            || volume["spec"]["persistentVolumeReclaimPolicy"] != "Delete"
            || volume["metadata"]["deletionTimestamp"].is_string()
        {
            return Ok(());
        }
        let path = self.run.join("volumes").join(text(&volume["metadata"]["name"]));
        if path.exists() {
            fs::remove_dir_all(&path).on("remove", &path)?;
        }
        let name = text(&volume["metadata"]["name"]);
        shell::output(self.command().args(["delete", "pv", name, "--wait=false"]))?;
        eprintln!("volumes: removed {}", path.display());
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn wanted(claim: &Value) -> &Value {
    &claim["spec"]["resources"]["requests"]["storage"]
}

/// The volume that a claim asks for.
fn volume_for(claim: &Value, run: &Path, tied: bool) -> Result<Value> {
    let metadata = &claim["metadata"];
    let name = format!("pvc-{}", text(&metadata["uid"]));
    let node = metadata["annotations"]["volume.kubernetes.io/selected-node"].as_str();
    let place = match (tied, node) {
        (true, Some(node)) => json!({"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}),
        (true, None) => return fail!("a volume that is tied to a node waits for its first pod"),
        (false, _) => json!({"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}),
    };
    Ok(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": wanted(claim)},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "local": {"path": run.join("volumes").join(&name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"]["storageClassName"],
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Value {
        json!({
            "metadata": {"namespace": "a", "name": "data-0", "uid": "7", "annotations": {
                "volume.kubernetes.io/selected-node": "node-2",
            }},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "local", "resources": {"requests": {"storage": "1Gi"}}},
        })
    }

    #[test]
    fn a_volume_is_where_its_class_wants_it() {
        let term = |volume: &Value| {
            volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
                .clone()
        };
        let tied = volume_for(&claim(), Path::new("/run"), true).expect("a volume");
        assert_eq!(term(&tied), "node-2");
        let free = volume_for(&claim(), Path::new("/run"), false).expect("a volume");
        assert_eq!(term(&free), "linux");
        assert_eq!(free["spec"]["local"]["path"], "/run/volumes/pvc-7");
        assert_eq!(free["spec"]["capacity"]["storage"], "1Gi");
    }

    #[test]
    fn a_tied_volume_waits_for_a_node() {
        let mut claim = claim();
        claim["metadata"]["annotations"] = json!({});
        assert!(volume_for(&claim, Path::new("/run"), true).is_err());
    }
}
