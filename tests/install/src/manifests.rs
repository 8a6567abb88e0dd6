//! How `deploy/zookube.yaml` and the kustomize base are made from the chart, so that there is one place where things are written.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::external::{self, Said};
use support::prerequisites;

use crate::{file, read};

/// The definition of the resource, which the operator's types make.
pub const CRD: &str = "deploy/crd/zookeeperclusters.zookube.dev.yaml";
/// The same, where Helm finds it.
pub const CRD_OF_CHART: &str = "charts/zookube/files/zookeeperclusters.zookube.dev.yaml";
/// Grafana's dashboards, which `cargo xtask dashboards` makes.
pub const DASHBOARDS: &str = "deploy/monitoring/dashboards";
/// The same, where Helm finds them.
pub const DASHBOARDS_OF_CHART: &str = "charts/zookube/files/dashboards";
/// Everything in one file.
pub const EVERYTHING: &str = "deploy/zookube.yaml";
/// Everything but the definition, beside the `kustomization.yaml` that names both.
pub const OPERATOR: &str = "deploy/kustomize/operator.yaml";
/// Where the manifests put the operator.
pub const NAMESPACE: &str = "zookube-system";

/// Helm and kustomize answer within a second or so; a machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);
/// What Helm takes the API server for, where there is none to ask.
const KUBERNETES: &str = "1.34.0";
/// What the Namespace says, which a chart leaves to who installs it. The restricted standard is enforced: nothing needs more.
const NAMESPACE_OBJECT: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: zookube-system
  labels:
    app.kubernetes.io/name: zookube-operator
    pod-security.kubernetes.io/enforce: restricted
";

/// The chart's directory.
#[must_use]
pub fn chart() -> String {
    file("charts/zookube").display().to_string()
}

/// Runs Helm, away from whatever cluster and settings the user has.
///
/// # Panics
/// When it is not there, or does not end.
#[must_use]
pub fn helm(arguments: &[&str]) -> Said {
    run(prerequisites::helm(), arguments)
}

/// What the chart becomes with these further arguments.
///
/// # Panics
/// When Helm is not there, or does not end.
#[must_use]
pub fn template(arguments: &[&str]) -> Said {
    let chart = chart();
    let first = ["template", "zookube", &chart, "--namespace", NAMESPACE, "--kube-version", KUBERNETES];
    helm(&[&first, arguments].concat())
}

/// What kustomize makes of a directory of the repository.
///
/// # Panics
/// When kustomize is not there, fails, or does not end.
#[must_use]
pub fn kustomized(directory: &str) -> String {
    let directory = file(directory).display().to_string();
    run(prerequisites::kustomize(), &["build", &directory]).expect_success("kustomize build")
}

fn run(program: impl AsRef<Path>, arguments: &[&str]) -> Said {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(program.as_ref());
    command.args(arguments).env_clear().env("HOME", home.path());
    external::run(command, "", LIMIT)
}

/// What [`OPERATOR`] has to be.
///
/// # Panics
/// When the chart cannot be rendered.
#[must_use]
pub fn operator() -> String {
    let rendered = template(&["--set", "crds.install=false"]).expect_success("helm template");
    format!("# Made from charts/zookube. Change it there.\n{NAMESPACE_OBJECT}{}", without_helm(&rendered))
}

/// What [`EVERYTHING`] has to be.
///
/// # Panics
/// When the chart cannot be rendered.
#[must_use]
pub fn everything() -> String {
    let first = "# kubectl apply --filename deploy/zookube.yaml: the resource ZooKeeperCluster, and the operator with what it may.\n";
    format!("{first}{}---\n{}", operator(), read(CRD))
}

/// What only Helm has a use for is left out: where a line came from, and that Helm looks after the object.
fn without_helm(rendered: &str) -> String {
    let is_kept =
        |line: &&str| !line.starts_with("# Source: ") && line.trim_start() != "app.kubernetes.io/managed-by: Helm";
    rendered.lines().filter(is_kept).map(|line| format!("{line}\n")).collect()
}

/// Whether the file is what it has to be. With `UPDATE_DOCS` set it is written first.
///
/// # Panics
/// When it is not.
pub fn compare(path: &str, wanted: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file(path), wanted).unwrap_or_else(|e| panic!("write {path}: {e}"));
    }
    let found = std::fs::read_to_string(file(path)).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).position(|(found, wanted)| found != wanted);
    let at = differs.unwrap_or_else(|| found.lines().count().min(wanted.lines().count())) + 1;
    assert!(
        found == wanted,
        "{path} is not what it is made from, from line {at} on. hint: UPDATE_DOCS=1 cargo xtask test install, and look at the difference"
    );
}
