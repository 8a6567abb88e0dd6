//! What the tests of charts and manifests need: Helm and kustomize, at the versions that [`support::prerequisites`] names.
//!
//! Debian has neither, so both are built from their Go modules, once for all checkouts of a user.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use support::prerequisites::{self, HELM_VERSION, KUSTOMIZE_VERSION};

use crate::workspace::{self, command, succeeds};
use crate::{paint, setup};

/// The tests that need all this.
pub const PACKAGE: &str = "zookube-install";

/// A program, its module and its version. The version is a part of the file's name: another one is another file.
const TOOLS: [(&str, &str, &str); 2] = [
    ("helm", "helm.sh/helm/v3/cmd/helm", HELM_VERSION),
    ("kustomize", "sigs.k8s.io/kustomize/kustomize/v5", KUSTOMIZE_VERSION),
];

/// Where Go is: on the path, or where its own archive puts it.
const GO: [&str; 2] = ["go", "/usr/local/go/bin/go"];

/// Builds what is missing.
pub fn complete() -> Result<()> {
    for (name, module, version) in TOOLS {
        let path = prerequisites::tool(name, version);
        if !path.exists() {
            build(name, module, version, &path)?;
        }
    }
    prerequisites::helm();
    prerequisites::kustomize();
    Ok(())
}

fn build(name: &str, module: &str, version: &str, path: &Path) -> Result<()> {
    paint::heading(&format!("{name} {version} into {}", path.display()));
    let dir = path.with_file_name(format!("{name}-{version}.built"));
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let mut go = Command::new(go()?);
    // Without symbols, and without a C compiler.
    go.args(["install", "-ldflags=-s -w", &format!("{module}@v{version}")]).env("GOBIN", &dir).env("CGO_ENABLED", "0");
    let hint = "hint: this takes Go 1.24 or later, or 1.21 or later where it may fetch that by itself";
    workspace::run(&mut go).with_context(|| format!("build {name}. {hint}"))?;
    // Renamed when whole: half a program must not count.
    fs::rename(dir.join(name), path).with_context(|| format!("rename {name} to {}", path.display()))?;
    fs::remove_dir(&dir).with_context(|| format!("remove {}", dir.display()))
}

fn go() -> Result<&'static str> {
    let found = || GO.into_iter().find(|go| succeeds(command(go).arg("version")));
    if found().is_none() {
        setup::install_packages(&["golang-go"])?;
    }
    found().context("there is no Go on this machine. hint: https://go.dev/doc/install, 1.24 or later")
}
