//! Which of our crates may use which, and what the pure ones may not use at all (ARCHITECTURE.md, "Code map").
//!
//! Cargo enforces an edge once it is in a manifest; this step keeps edges from being added unnoticed.

use std::fs;

use anyhow::{Context, Result};

use super::{report, tidy};
use crate::workspace::{self, Metadata, Package};

/// Who may use whom, tests and build scripts included.
const EDGES: &[(&str, &[&str])] = &[
    // Decides for the operator; knows neither Kubernetes nor our servers.
    ("zookube-plan", &[]),
    // Constants without its feature; only the simulator switches that on.
    ("zookube-planted", &[]),
    ("zookube-wire", &[]),
    // The other side of the client port: it must not lean on how our server does things.
    ("zookube-client", &["zookube-wire"]),
    ("zookube-tree", &["zookube-planted", "zookube-wire"]),
    ("zookube-zab", &["zookube-planted", "zookube-wire"]),
    ("zookube-store", &["zookube-planted", "zookube-wire"]),
    ("zookube-replica", &["zookube-planted", "zookube-tree", "zookube-wire", "zookube-zab"]),
    ("zookube-cli", &["zookube-client", "zookube-store", "zookube-tree", "zookube-wire"]),
    (
        "zookube-node",
        // Its tests start it as a process, on ports that no other test has.
        &[
            // One program has all names; the server itself knows nothing of the tools.
            "zookube-cli",
            "zookube-replica",
            "zookube-store",
            "zookube-test-support",
            "zookube-tree",
            "zookube-wire",
            "zookube-zab",
        ],
    ),
    // It knows servers by what docs and tests say of them, not by their code.
    ("zookube-operator", &["zookube-plan"]),
    // The tests speak to servers in bytes of their own: a mistake in `wire` must not hide behind itself.
    ("zookube-test-support", &[]),
    ("zookube-cli-tests", &["zookube-test-support"]),
    ("zookube-compat", &["zookube-test-support"]),
    ("zookube-contract", &["zookube-operator", "zookube-test-support"]),
    ("zookube-differential", &["zookube-test-support"]),
    ("zookube-e2e", &["zookube-test-support"]),
    // Charts and manifests, with nothing of ours but the place of the tools.
    ("zookube-install", &["zookube-test-support"]),
    ("zookube-ensemble", &["zookube-test-support"]),
    ("zookube-containers-tests", &["zookube-ensemble", "zookube-test-support"]),
    ("zookube-monitoring-tests", &["zookube-ensemble", "zookube-test-support"]),
    ("zookube-damage", &["zookube-node", "zookube-store", "zookube-test-support", "zookube-tree", "zookube-wire"]),
    ("zookube-history", &["zookube-ensemble", "zookube-store", "zookube-test-support", "zookube-wire"]),
    ("zookube-fuzz", &["zookube-wire", "zookube-tree", "zookube-zab", "zookube-store"]),
    (
        "zookube-sim",
        &[
            "zookube-node",
            "zookube-planted",
            "zookube-replica",
            "zookube-store",
            "zookube-tree",
            "zookube-wire",
            "zookube-zab",
        ],
    ),
    // The benchmark's load generator makes its frames with `wire`.
    ("xtask", &["zookube-e2e", "zookube-test-support", "zookube-wire"]),
];

/// Crates that are given the time, chance, bytes and files they need.
const PURE: &[&str] = &["zookube-plan", "zookube-wire", "zookube-tree", "zookube-zab", "zookube-replica"];

/// Dependencies that would bring a runtime, chance or I/O into a pure crate. Tests may have them.
const IMPURE_CRATES: &[&str] =
    &["tokio", "async-std", "smol", "mio", "rand", "fastrand", "getrandom", "rustix", "libc", "socket2", "tempfile"];

/// What must not be written in the sources of a pure crate. `std::net` may appear for its address types.
const IMPURE_WORDS: &[&str] = &[
    "tokio::",
    "rand::",
    "std::fs",
    "std::io::stdin",
    "std::thread",
    "std::env",
    "std::process",
    "std::net::{self",
    "std::net::*",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "Instant",
    "SystemTime",
    "RandomState",
];

/// The step.
pub fn check() -> Result<()> {
    let metadata = Metadata::of_members()?;
    let mut findings = Vec::new();
    for package in metadata.members() {
        findings.extend(forbidden_edges(package));
        if PURE.contains(&package.name.as_str()) {
            findings.extend(impure_dependencies(package));
            findings.extend(impure_sources(package)?);
        }
    }
    findings.extend(pure_clippy_files(&metadata)?);
    report(&findings)
}

fn forbidden_edges(package: &Package) -> Vec<String> {
    let place = package.place();
    let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package.name) else {
        return vec![format!(
            "{place}: {} is new: say in xtask/src/verify/edges.rs which crates it may use",
            package.name
        )];
    };
    let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
    let forbidden = ours.filter(|dependency| !allowed.contains(&dependency.name.as_str()));
    forbidden.map(|dependency| format!("{place}: {} must not depend on {}", package.name, dependency.name)).collect()
}

fn impure_dependencies(package: &Package) -> Vec<String> {
    let built_in = package.dependencies.iter().filter(|dependency| dependency.kind.as_deref() != Some("dev"));
    let impure = built_in.filter(|dependency| IMPURE_CRATES.contains(&dependency.name.as_str()));
    impure.map(|dependency| format!("{}: a pure crate must not use {}", package.place(), dependency.name)).collect()
}

fn impure_sources(package: &Package) -> Result<Vec<String>> {
    let sources = format!("{}/src/", package.place());
    let mut findings = Vec::new();
    for file in tidy::files()?.iter().filter(|file| file.starts_with(&sources) && file.ends_with(".rs")) {
        let text = fs::read_to_string(workspace::root().join(file)).with_context(|| format!("read {file}"))?;
        findings.extend(impure_lines(file, &text));
    }
    Ok(findings)
}

fn impure_lines(file: &str, text: &str) -> Vec<String> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let found = code.filter_map(|(at, line)| {
        let word = IMPURE_WORDS.iter().find(|word| has_word(line, word))?;
        Some(format!("{file}:{}: `{word}` in a pure crate", at + 1))
    });
    found.collect()
}

/// Whether `word` stands in `line`, not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let open = word.ends_with(is_name) && line[at + word.len()..].starts_with(is_name);
        !open && !line[..at].ends_with(is_name)
    })
}

/// Clippy reads the nearest `clippy.toml` only, so each pure crate has a copy of the same bans.
fn pure_clippy_files(metadata: &Metadata) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut first: Option<(String, String)> = None;
    for package in metadata.members().filter(|package| PURE.contains(&package.name.as_str())) {
        let path = package.dir().join("clippy.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        match &first {
            None => first = Some((package.place(), text)),
            Some((place, expected)) if *expected != text => {
                findings.push(format!("{}/clippy.toml differs from {place}/clippy.toml", package.place()));
            }
            Some(_) => {}
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::impure_lines;

    fn check(line: &str, impure: bool) {
        assert_eq!(!impure_lines("a.rs", line).is_empty(), impure, "{line}");
    }

    #[test]
    fn impure_code_is_found_and_nothing_else() {
        check("use std::fs::File;", true);
        check("let now = Instant::now();", true);
        check("fn f(stream: &TcpStream) {}", true);
        check("let x = rand::random();", true);
        check("use std::net::{IpAddr, Ipv6Addr};", false);
        check("// Instant belongs to the driver.", false);
        check("let operand::Kind = InstantLike;", false);
        check("use std::environment;", false);
    }
}
