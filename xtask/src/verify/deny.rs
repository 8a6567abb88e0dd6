//! The dependency rules of `deny.toml` (docs/decisions/0005-dependency-checks.md).
//!
//! The file is cargo-deny's, and where cargo-deny is installed it is run. Everywhere, the reader below enforces
//! licences, sources, banned crates and duplicate versions over `cargo metadata`. It knows the few keys in use and
//! refuses all others: a rule that only looks enforced is worse than none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::{licence, report};
use crate::workspace::{self, Metadata, Package};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rules {
    graph: Graph,
    /// Needs a database of advisories: only cargo-deny looks at it.
    #[serde(rename = "advisories")]
    _advisories: toml::Table,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Graph {
    targets: Vec<String>,
    /// Names of crates that are in `Cargo.lock` and never built. They and what only they need are not looked at.
    #[serde(default)]
    exclude: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Licenses {
    allow: Vec<String>,
    unused_allowed_license: Deny,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Bans {
    #[serde(rename = "multiple-versions")]
    _multiple_versions: Deny,
    #[serde(rename = "wildcards")]
    _wildcards: Deny,
    allow_wildcard_paths: bool,
    deny: Vec<Entry>,
    skip: Vec<Entry>,
    skip_tree: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Sources {
    #[serde(rename = "unknown-registry")]
    _unknown_registry: Deny,
    #[serde(rename = "unknown-git")]
    _unknown_git: Deny,
    allow_registry: Vec<String>,
}

/// The one level of severity that this reader knows.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Deny {
    Deny,
}

/// `{ crate = "name@version", reason = "..." }`; the version may be left out or be a beginning (`0.2`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "crate")]
    krate: String,
    reason: String,
}

impl Entry {
    fn means(&self, package: &Package) -> bool {
        let (name, version) = self.krate.split_once('@').unwrap_or((&self.krate, ""));
        let rest = package.version.strip_prefix(version);
        name == package.name && rest.is_some_and(|rest| version.is_empty() || rest.is_empty() || rest.starts_with('.'))
    }
}

/// The step.
pub fn check() -> Result<()> {
    let text = fs::read_to_string(workspace::root().join("deny.toml")).context("read deny.toml")?;
    let rules: Rules = toml::from_str(&text).context("read deny.toml; a new key needs xtask/src/verify/deny.rs")?;
    ensure!(!rules.graph.targets.is_empty(), "deny.toml: graph.targets names no platform");
    let graphs = rules.graph.targets.iter().map(|target| Metadata::on(target));
    let graphs = graphs.collect::<Result<Vec<Metadata>>>()?;
    let packages = all_packages(&graphs, &rules.graph.exclude);
    let mut findings = licences(&rules.licenses, &packages)?;
    findings.extend(excludes(&rules.graph.exclude, &graphs));
    findings.extend(sources(&rules.sources, &packages));
    findings.extend(banned(&rules.bans, &packages));
    findings.extend(wildcards(&rules.bans, &graphs));
    findings.extend(duplicates(&rules.bans, &packages, &graphs));
    findings.sort();
    findings.dedup();
    report(&findings)?;
    println!(
        "{} packages: licences, sources, bans and duplicates checked by xtask's reader of deny.toml",
        packages.len()
    );
    run_cargo_deny()
}

fn run_cargo_deny() -> Result<()> {
    if workspace::succeeds(workspace::cargo().args(["deny", "--version"])) {
        println!("cargo-deny is installed and runs now, advisories included");
        return workspace::run(workspace::cargo().args(["deny", "check"]));
    }
    println!("advisories NOT checked: cargo-deny is not installed (`cargo install --locked cargo-deny`)");
    Ok(())
}

fn all_packages<'a>(graphs: &'a [Metadata], exclude: &[String]) -> Vec<&'a Package> {
    let mut by_id: BTreeMap<&str, &Package> = BTreeMap::new();
    for graph in graphs {
        let needed = needed(graph, exclude);
        let packages = graph.packages.iter().filter(|package| needed.contains(package.id.as_str()));
        by_id.extend(packages.map(|package| (package.id.as_str(), package)));
    }
    by_id.into_values().collect()
}

/// Ids of our packages and of all that they lead to without the excluded ones.
fn needed<'a>(graph: &'a Metadata, exclude: &[String]) -> BTreeSet<&'a str> {
    let is_excluded = |package: &&Package| exclude.contains(&package.name);
    let mut seen: BTreeSet<&str> =
        graph.packages.iter().filter(is_excluded).map(|package| package.id.as_str()).collect();
    let excluded = seen.clone();
    let mut todo: Vec<&str> = graph.workspace_members.iter().map(String::as_str).collect();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            let node = graph.resolve.iter().flat_map(|resolve| &resolve.nodes).find(|node| node.id == id);
            todo.extend(node.into_iter().flat_map(|node| &node.dependencies).map(String::as_str));
        }
    }
    &seen - &excluded
}

/// Exclusions that exclude nothing (any more).
fn excludes(exclude: &[String], graphs: &[Metadata]) -> Vec<String> {
    let is_there =
        |name: &&String| graphs.iter().flat_map(|graph| &graph.packages).any(|package| package.name == **name);
    let idle = exclude.iter().filter(|name| !is_there(name));
    idle.map(|name| format!("deny.toml: graph.exclude of {name} is not needed (any more)")).collect()
}

fn licences(rules: &Licenses, packages: &[&Package]) -> Result<Vec<String>> {
    let Deny::Deny = rules.unused_allowed_license;
    let (mut findings, mut used) = (Vec::new(), BTreeSet::new());
    for package in packages {
        let Package { name, version, .. } = package;
        let Some(expression) = &package.license else {
            findings.push(format!("{name} {version} states no licence"));
            continue;
        };
        let allowed = |licence: &str| rules.allow.iter().any(|allowed| allowed == licence);
        match licence::met_by(expression, &allowed).with_context(|| format!("{name} {version}"))? {
            Some(licences) => used.extend(licences),
            None => findings.push(format!("{name} {version}: licence `{expression}` is not allowed by deny.toml")),
        }
    }
    let unused = rules.allow.iter().filter(|licence| !used.contains(*licence));
    findings.extend(unused.map(|licence| format!("deny.toml: licence {licence} is allowed and nobody needs it")));
    Ok(findings)
}

fn sources(rules: &Sources, packages: &[&Package]) -> Vec<String> {
    let from_elsewhere = |package: &&&Package| {
        let known = |source: &str| {
            let registry = source.strip_prefix("registry+");
            registry.is_some_and(|url| rules.allow_registry.iter().any(|allowed| allowed == url))
        };
        package.source.as_deref().is_some_and(|source| !known(source))
    };
    let say = |package: &&Package| {
        let source = package.source.as_deref().unwrap_or_default();
        format!("{} {} comes from {source}, which deny.toml does not allow", package.name, package.version)
    };
    packages.iter().filter(from_elsewhere).map(say).collect()
}

fn banned(rules: &Bans, packages: &[&Package]) -> Vec<String> {
    let found = rules.deny.iter().flat_map(|entry| {
        let meant = packages.iter().filter(|package| entry.means(package));
        meant.map(|package| format!("{} {} is banned: {}", package.name, package.version, entry.reason))
    });
    found.collect()
}

/// Our own crates are used by path, without a version, where `allow-wildcard-paths` says so.
fn wildcards(rules: &Bans, graphs: &[Metadata]) -> Vec<String> {
    let ours = graphs.iter().flat_map(Metadata::members);
    let open = ours.flat_map(|package| {
        let excused = |by_path: bool| by_path && rules.allow_wildcard_paths;
        let open = package.dependencies.iter().filter(move |d| d.req == "*" && !excused(d.path.is_some()));
        open.map(|dependency| format!("{}: {} may be of any version", package.place(), dependency.name))
    });
    open.collect()
}

/// More than one version of a crate, not counting those that `skip` or `skip-tree` excuses.
fn duplicates(rules: &Bans, packages: &[&Package], graphs: &[Metadata]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().push(package);
    }
    versions.retain(|_, all| all.len() > 1);
    let trees: BTreeSet<&str> = graphs.iter().flat_map(|graph| skipped_trees(rules, graph)).collect();
    let (mut findings, mut needed) = (Vec::new(), BTreeSet::new());
    for (name, all) in &versions {
        let counted: Vec<&&Package> = all.iter().filter(|package| !trees.contains(package.id.as_str())).collect();
        let excuse = |package: &Package| rules.skip.iter().find(|entry| entry.means(package));
        if counted.len() > 1 {
            needed.extend(counted.iter().filter_map(|package| excuse(package)).map(|entry| entry.krate.as_str()));
        }
        if counted.iter().filter(|package| excuse(package).is_none()).count() > 1 {
            let list: Vec<&str> = counted.iter().map(|package| package.version.as_str()).collect();
            findings
                .push(format!("{name} is here in versions {}: bans.skip of deny.toml excuses none", list.join(", ")));
        }
    }
    let unneeded = rules.skip.iter().filter(|entry| !needed.contains(entry.krate.as_str()));
    findings.extend(unneeded.map(|entry| format!("deny.toml: bans.skip of {} is not needed (any more)", entry.krate)));
    findings
}

/// Ids of the crates of `skip-tree` and of all they depend on.
fn skipped_trees<'a>(rules: &Bans, graph: &'a Metadata) -> BTreeSet<&'a str> {
    let is_root = |package: &&Package| rules.skip_tree.iter().any(|entry| entry.means(package));
    let mut todo: Vec<&str> = graph.packages.iter().filter(is_root).map(|package| package.id.as_str()).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            let node = graph.resolve.iter().flat_map(|resolve| &resolve.nodes).find(|node| node.id == id);
            todo.extend(node.into_iter().flat_map(|node| &node.dependencies).map(String::as_str));
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::{Node, Resolve};

    fn package(name: &str, version: &str, licence: &str, source: &str) -> Package {
        Package {
            id: format!("{name}@{version}"),
            name: name.to_owned(),
            version: version.to_owned(),
            license: Some(licence.to_owned()),
            source: Some(source.to_owned()),
            repository: None,
            manifest_path: "Cargo.toml".into(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        }
    }

    const RULES: &str = r#"
        graph = { targets = ["x86_64-unknown-linux-gnu"] }
        advisories = {}
        licenses = { allow = ["MIT"], unused-allowed-license = "deny" }
        sources = { unknown-registry = "deny", unknown-git = "deny", allow-registry = ["https://index"] }
        [bans]
        multiple-versions = "deny"
        wildcards = "deny"
        allow-wildcard-paths = true
        deny = [{ crate = "evil", reason = "it is" }]
        skip = [{ crate = "old@0.2", reason = "others need it" }]
        skip-tree = []
    "#;

    fn check(package_list: &[Package], expected: &[&str]) {
        let rules: Rules = toml::from_str(RULES).expect("rules");
        let packages: Vec<&Package> = package_list.iter().collect();
        let mut findings = licences(&rules.licenses, &packages).expect("licence expressions");
        findings.extend(sources(&rules.sources, &packages));
        findings.extend(banned(&rules.bans, &packages));
        findings.extend(duplicates(&rules.bans, &packages, &[]));
        assert_eq!(findings, expected);
    }

    #[test]
    fn each_rule_finds_its_offender() {
        let index = "registry+https://index";
        let excused = [package("old", "0.2.7", "MIT", index), package("old", "1.0.0", "MIT OR GPL-3.0-only", index)];
        check(&excused, &[]);
        let bad = [
            package("copyleft", "1.0.0", "GPL-3.0-only", index),
            package("elsewhere", "1.0.0", "MIT", "git+https://example.org/x"),
            package("evil", "1.0.0", "MIT", index),
            package("twice", "1.0.0", "MIT", index),
            package("twice", "2.0.0", "MIT", index),
        ];
        check(
            &bad,
            &[
                "copyleft 1.0.0: licence `GPL-3.0-only` is not allowed by deny.toml",
                "elsewhere 1.0.0 comes from git+https://example.org/x, which deny.toml does not allow",
                "evil 1.0.0 is banned: it is",
                "twice is here in versions 1.0.0, 2.0.0: bans.skip of deny.toml excuses none",
                "deny.toml: bans.skip of old@0.2 is not needed (any more)",
            ],
        );
    }

    #[test]
    fn what_only_excluded_crates_need_is_not_looked_at() {
        let node = |id: &str, dependencies: &[&str]| Node {
            id: id.to_owned(),
            dependencies: dependencies.iter().map(|id| (*id).to_owned()).collect(),
            deps: Vec::new(),
        };
        let graph = Metadata {
            packages: ["own", "used", "ghost", "of-ghost"].map(|name| package(name, "1.0.0", "MIT", "")).into(),
            workspace_members: vec!["own@1.0.0".to_owned()],
            resolve: Some(Resolve {
                nodes: vec![
                    node("own@1.0.0", &["used@1.0.0"]),
                    node("used@1.0.0", &["ghost@1.0.0"]),
                    node("ghost@1.0.0", &["of-ghost@1.0.0", "used@1.0.0"]),
                    node("of-ghost@1.0.0", &[]),
                ],
            }),
            target_directory: "target".into(),
        };
        let graphs = [graph];
        let names = |exclude: &[&str]| {
            let exclude: Vec<String> = exclude.iter().map(|name| (*name).to_owned()).collect();
            let packages = all_packages(&graphs, &exclude);
            packages.into_iter().map(|package| package.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["ghost", "of-ghost", "own", "used"]);
        assert_eq!(names(&["ghost"]), ["own", "used"]);
        let idle = excludes(&["ghost".to_owned(), "gone".to_owned()], &graphs);
        assert_eq!(idle, ["deny.toml: graph.exclude of gone is not needed (any more)"]);
    }

    #[test]
    fn a_rule_that_nobody_would_enforce_is_refused() {
        let text = RULES.replace("wildcards = \"deny\"", "wildcards = \"deny\"\nworkspace-dependencies = {}");
        assert!(toml::from_str::<Rules>(&text).is_err());
        assert!(toml::from_str::<Rules>(&RULES.replace("wildcards = \"deny\"", "wildcards = \"warn\"")).is_err());
    }

    #[test]
    fn a_version_is_meant_by_its_beginning() {
        let entry = |krate: &str| Entry { krate: krate.to_owned(), reason: String::new() };
        let package = package("a", "0.2.17", "MIT", "");
        for (krate, expected) in [("a", true), ("a@0.2", true), ("a@0.2.17", true), ("a@0.2.1", false), ("b", false)] {
            assert_eq!(entry(krate).means(&package), expected, "{krate}");
        }
    }
}
