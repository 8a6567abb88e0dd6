//! A Kubernetes cluster on this machine, for tests that want to see real pods with real ordinals, names and volumes.
//!
//! [`Cluster::obtain`] gives one: that of `KUBECONFIG`, or one that is brought up and taken down again. What is brought up
//! is the real thing, API server, scheduler, controllers, kubelet, containerd, kube-proxy and CoreDNS, in namespaces of its
//! own: networks, mounts, processes. Everything in there ends with one process, and on the machine itself there is only a
//! link `zke2e0` with a route to 10.200.0.0/16.
//!
//! [`network`] has the addresses, [`control_plane`] and [`node`] say which programs run with which settings, [`keeper`] keeps
//! them, [`volumes`] makes volumes for claims, [`image`] makes images without an engine, and [`registry`] knows of all
//! clusters on this machine, those included that a killed test has left behind. A test takes a [`Namespace`] of its own, and
//! [`objects`] has pods to put into it.

pub mod cluster;
pub mod control_plane;
pub mod dockerfile;
pub mod failure;
pub mod image;
pub mod keeper;
pub mod namespace;
pub mod network;
pub mod node;
pub mod objects;
pub mod programs;
pub mod registry;
pub mod shell;
pub mod volumes;

pub use cluster::{Cluster, Options};
pub use failure::{Failure, Result};
pub use namespace::Namespace;
pub use node::Node;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn no_program_starts_a_cluster_unasked() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = std::fs::read_to_string(dir.join("Cargo.toml")).expect("the manifest");
        let programs = dir.join("tests").read_dir().expect("the tests").flatten().map(|entry| entry.path());
        for program in programs.filter(|path| path.is_file() || path.join("main.rs").exists()) {
            let name = program.file_stem().expect("a name").to_string_lossy().into_owned();
            let entry = format!("[[test]]\nname = \"{name}\"\ntest = false\n");
            assert!(manifest.contains(&entry), "Cargo.toml has not this, so `cargo test` would run it:\n{entry}");
        }
    }
}
