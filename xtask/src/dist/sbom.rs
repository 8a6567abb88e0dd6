//! What our programs are made of, as a CycloneDX document (<https://cyclonedx.org/docs/1.5/json/>).
//!
//! Parts are the crates that are linked into the programs, with their sums from `Cargo.lock`, and what is linked beside
//! crates. Crates that only run while the programs are built (procedural macros, build scripts and what they need) are
//! listed with the scope `excluded`. The same input gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::workspace::{Metadata, Node, Package};

/// Something that is linked in and is no crate.
#[derive(Debug, Clone)]
pub struct Foreign {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: String,
    /// An SPDX expression.
    pub licence: &'static str,
}

/// Where the code of a crate ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// Only in what runs at build time.
    Excluded,
    /// In a program.
    Required,
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// The document for the programs of these packages. `hashes`: SHA-256 of built programs by package, where there are any;
/// `date`: in seconds since 1970.
pub fn document(
    metadata: &Metadata,
    lock: &str,
    programs: &[&str],
    linked_in: &[Foreign],
    hashes: &[(String, String)],
    date: u64,
) -> Result<String> {
    let lock: Lock = toml::from_str(lock).context("read Cargo.lock")?;
    let graph = Graph::of(metadata)?;
    let roots: Vec<&Package> = metadata.members().filter(|package| programs.contains(&package.name.as_str())).collect();
    let reached = graph.reached(&roots);
    let is_root = |id: &str| roots.iter().any(|root| root.id == id);

    let mut components = Vec::new();
    for (id, scope) in &reached {
        let package = graph.package(id)?;
        components.push(if is_root(id) { program(package, hashes) } else { crate_component(package, *scope, &lock) });
    }
    components.extend(linked_in.iter().map(Foreign::component));
    components.sort_by_key(|component| component["bom-ref"].as_str().unwrap_or_default().to_owned());
    let main = roots.first().context("a package with programs")?;
    let product = format!("pkg:generic/zookube@{}", main.version);
    let dependencies = dependencies(&graph, &reached, &product, &roots, linked_in)?;
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": timestamp(date),
            "tools": { "components": [{ "type": "application", "name": "cargo xtask sbom", "version": main.version }] },
            "component": {
                "type": "application",
                "bom-ref": product,
                "name": "zookube",
                "version": main.version,
                "purl": product,
                "licenses": licences(main),
            },
        },
        "components": components,
        "dependencies": dependencies,
    });
    // Of the content, so that the same content has the same number.
    let serial = serial_number(&serde_json::to_vec(&document)?);
    if let Some(fields) = document.as_object_mut() {
        fields.insert("serialNumber".to_owned(), Value::from(serial));
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The resolved packages by id.
struct Graph<'a> {
    packages: BTreeMap<&'a str, &'a Package>,
    nodes: BTreeMap<&'a str, &'a Node>,
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Result<Self> {
        let resolve = metadata.resolve.as_ref().context("`cargo metadata` gives a resolved graph")?;
        Ok(Self {
            packages: metadata.packages.iter().map(|package| (package.id.as_str(), package)).collect(),
            nodes: resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect(),
        })
    }

    fn package(&self, id: &str) -> Result<&'a Package> {
        self.packages.get(id).copied().with_context(|| format!("`cargo metadata` describes {id}"))
    }

    /// What a package needs to be built and to run, each with its scope as seen from a package with scope `from`.
    fn needs(&self, id: &str, from: Scope) -> Vec<(&'a str, Scope)> {
        let deps = self.nodes.get(id).into_iter().flat_map(|node| &node.deps);
        let needed = deps.filter_map(|dep| {
            let has = |wanted: Option<&str>| dep.dep_kinds.iter().any(|kind| kind.kind.as_deref() == wanted);
            let runs_at_build_time = self.packages.get(dep.pkg.as_str()).is_some_and(|package| is_macro(package));
            match (has(None), has(Some("build"))) {
                (true, _) if !runs_at_build_time => Some((dep.pkg.as_str(), from)),
                (true, _) | (_, true) => Some((dep.pkg.as_str(), Scope::Excluded)),
                (false, false) => None,
            }
        });
        needed.collect()
    }

    /// All packages needed by the roots; one that is needed in both ways is required.
    fn reached(&self, roots: &[&'a Package]) -> BTreeMap<&'a str, Scope> {
        let mut reached: BTreeMap<&str, Scope> = BTreeMap::new();
        let mut open: Vec<(&str, Scope)> = roots.iter().map(|root| (root.id.as_str(), Scope::Required)).collect();
        while let Some((id, scope)) = open.pop() {
            if reached.get(id).is_some_and(|known| *known >= scope) {
                continue;
            }
            reached.insert(id, scope);
            open.extend(self.needs(id, scope));
        }
        reached
    }
}

fn is_macro(package: &Package) -> bool {
    package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "proc-macro"))
}

fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// An SPDX expression; `/` is how `OR` was written once.
fn licences(package: &Package) -> Value {
    match &package.license {
        Some(expression) if expression.contains('/') => {
            let sides: Vec<&str> = expression.split('/').map(str::trim).collect();
            json!([{ "expression": sides.join(" OR ") }])
        }
        Some(expression) => json!([{ "expression": expression }]),
        None => json!([]),
    }
}

fn program(package: &Package, hashes: &[(String, String)]) -> Value {
    let mut component = common(package, "application");
    if let Some((_, hash)) = hashes.iter().find(|(name, _)| *name == package.name) {
        component.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": hash }]));
    }
    Value::Object(component)
}

fn crate_component(package: &Package, scope: Scope, lock: &Lock) -> Value {
    let mut component = common(package, "library");
    let scope = if scope == Scope::Required { "required" } else { "excluded" };
    component.insert("scope".to_owned(), Value::from(scope));
    let locked = lock.package.iter().find(|locked| {
        (&locked.name, &locked.version, &locked.source) == (&package.name, &package.version, &package.source)
    });
    if let Some(sum) = locked.and_then(|locked| locked.checksum.as_ref()) {
        component.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": sum }]));
    }
    if let Some(repository) = &package.repository {
        component.insert("externalReferences".to_owned(), json!([{ "type": "vcs", "url": repository }]));
    }
    Value::Object(component)
}

fn common(package: &Package, kind: &str) -> Map<String, Value> {
    let fields = [
        ("type", Value::from(kind)),
        ("bom-ref", Value::from(purl(package))),
        ("name", Value::from(package.name.as_str())),
        ("version", Value::from(package.version.as_str())),
        ("purl", Value::from(purl(package))),
        ("licenses", licences(package)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Foreign {
    fn purl(&self) -> String {
        format!("pkg:generic/{}@{}", self.name, self.version)
    }

    fn component(&self) -> Value {
        json!({
            "type": "library",
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "scope": "required",
            "purl": self.purl(),
            "licenses": [{ "expression": self.licence }],
        })
    }
}

/// Who needs whom: the product its programs, each program what is linked in, each crate its crates.
fn dependencies(
    graph: &Graph<'_>,
    reached: &BTreeMap<&str, Scope>,
    product: &str,
    roots: &[&Package],
    linked_in: &[Foreign],
) -> Result<Vec<Value>> {
    let entry = |from: String, to: BTreeSet<String>| json!({ "ref": from, "dependsOn": to });
    let mut entries = BTreeMap::new();
    entries.insert(product.to_owned(), roots.iter().map(|root| purl(root)).collect::<BTreeSet<_>>());
    for (id, scope) in reached {
        let needs = graph.needs(id, *scope).into_iter().map(|(needed, _)| graph.package(needed).map(purl));
        let mut needs = needs.collect::<Result<BTreeSet<_>>>()?;
        if roots.iter().any(|root| root.id == *id) {
            needs.extend(linked_in.iter().map(Foreign::purl));
        }
        entries.insert(purl(graph.package(id)?), needs);
    }
    entries.extend(linked_in.iter().map(|foreign| (foreign.purl(), BTreeSet::new())));
    Ok(entries.into_iter().map(|(from, to)| entry(from, to)).collect())
}

/// A UUID made of a digest (version 8 of RFC 9562, which leaves the content to whoever makes it).
fn serial_number(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    let mut hex: Vec<char> =
        digest.iter().take(16).flat_map(|byte| format!("{byte:02x}").chars().collect::<Vec<_>>()).collect();
    hex[12] = '8';
    hex[16] = 'a';
    let part = |from: usize, to: usize| hex[from..to].iter().collect::<String>();
    format!("urn:uuid:{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// `2026-01-31T12:00:00Z`, by the civil calendar (days are counted from a first of March, so that a leap day ends a year).
fn timestamp(date: u64) -> String {
    let (days, seconds) = (date / 86_400, date % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(timestamp(1_735_689_600), "2025-01-01T00:00:00Z");
    }

    #[test]
    fn a_serial_number_is_a_uuid_of_the_content() {
        let one = serial_number(b"one");
        assert_eq!(one, serial_number(b"one"));
        assert_ne!(one, serial_number(b"two"));
        let uuid = one.strip_prefix("urn:uuid:").expect("the name space");
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(uuid.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit()), "{uuid}");
    }
}
