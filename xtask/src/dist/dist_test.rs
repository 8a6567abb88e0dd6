use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn sbom_of_this_workspace(date: u64) -> (Metadata, String) {
    let metadata = Metadata::on(TARGET).expect("`cargo metadata`");
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let foreign = sbom::Foreign { name: "glibc", version: "2.36".to_owned(), licence: "LGPL-2.1-or-later" };
    let hashes = [("zookube-node".to_owned(), "0".repeat(64))];
    let text = sbom::document(&metadata, &lock, &SHIPPED, &[foreign], &hashes, date).expect("a document");
    (metadata, text)
}

fn texts(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// Checks what the standard and its readers need of a component.
fn check_component(component: &Value) {
    let text = |name: &str| component[name].as_str().unwrap_or_else(|| panic!("{name} is missing: {component}"));
    assert!(["library", "application"].contains(&text("type")), "{component}");
    assert!(!text("version").is_empty() && !text("name").is_empty(), "{component}");
    assert!(text("purl").starts_with("pkg:") && text("purl").contains('@'), "{component}");
    let licence = component["licenses"][0]["expression"].as_str().unwrap_or_else(|| panic!("no licence: {component}"));
    assert!(!licence.contains('/'), "{component}");
    let ours = text("name").starts_with("zookube-");
    if text("purl").starts_with("pkg:cargo/") && !ours {
        let sum = component["hashes"][0]["content"].as_str().unwrap_or_else(|| panic!("no sum: {component}"));
        assert_eq!(sum.len(), 64, "{component}");
        assert!(["required", "excluded"].contains(&text("scope")), "{component}");
    }
}

#[test]
fn the_list_of_parts_has_all_required_fields() {
    let (_, text) = sbom_of_this_workspace(1_700_000_000);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["bomFormat"], "CycloneDX");
    assert_eq!(document["specVersion"], "1.5");
    assert_eq!(document["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let components = document["components"].as_array().expect("components");
    components.iter().for_each(check_component);
    let refs: Vec<&str> = components.iter().filter_map(|component| component["bom-ref"].as_str()).collect();
    let unique: BTreeSet<&str> = refs.iter().copied().collect();
    assert_eq!(refs.len(), unique.len(), "each component once");
    // Every edge leads from something listed to something listed.
    let product = document["metadata"]["component"]["bom-ref"].as_str().expect("the product");
    for edge in document["dependencies"].as_array().expect("dependencies") {
        let from = edge["ref"].as_str().expect("a reference");
        assert!(from == product || unique.contains(from), "{edge}");
        assert!(texts(&edge["dependsOn"]).iter().all(|to| unique.contains(to.as_str())), "{edge}");
    }
    let edges = document["dependencies"].as_array().map_or(0, Vec::len);
    assert_eq!(edges, components.len() + 1, "an entry for each component and for the product");
}

#[test]
fn what_is_linked_and_what_only_builds_are_told_apart() {
    let (_, text) = sbom_of_this_workspace(0);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let components = document["components"].as_array().expect("components");
    let find = |name: &str| components.iter().find(|component| component["name"] == name);
    assert_eq!(find("tokio").expect("tokio is linked")["scope"], "required");
    assert_eq!(find("clap_derive").expect("a macro of clap")["scope"], "excluded");
    assert_eq!(find("zookube-node").expect("the server")["hashes"][0]["content"], "0".repeat(64));
    assert!(find("glibc").is_some());
    assert!(find("proptest").is_none(), "what only tests need is not in the programs");
    assert!(find("xtask").is_none());
}

#[test]
fn the_list_has_every_crate_that_cargo_links() {
    let (_, text) = sbom_of_this_workspace(0);
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let components = document["components"].as_array().expect("components");
    let listed: BTreeSet<String> = components
        .iter()
        .filter(|component| component["scope"] != "excluded")
        .map(|component| {
            format!("{} v{}", component["name"].as_str().unwrap_or(""), component["version"].as_str().unwrap_or(""))
        })
        .collect();
    for package in SHIPPED {
        let mut tree = workspace::cargo();
        tree.args(["tree", "--locked", "-p", package, "--edges", "normal,no-proc-macro", "--target", TARGET]);
        let tree = workspace::output(tree.args(["--prefix", "none"])).expect("`cargo tree`");
        for line in tree.lines() {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            assert!(listed.contains(&words.join(" ")), "{line} is not in the list of parts");
        }
    }
}

#[test]
fn the_same_source_gives_the_same_list() {
    assert_eq!(sbom_of_this_workspace(7).1, sbom_of_this_workspace(7).1);
}

/// `systemd` is not everywhere, but where it is it must be content with the unit.
#[test]
fn systemd_accepts_the_unit() {
    let unit = fs::read_to_string(root().join("deploy/systemd/zookube.service")).expect("the unit");
    let dir = tempfile::tempdir().expect("a directory");
    // The program's place exists only where the tarball was unpacked; systemd checks that it can be run.
    let program = dir.path().join("zookube-node");
    fs::write(&program, "").expect("a program");
    let mut permissions = fs::metadata(&program).expect("the program").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&program, permissions).expect("a program");
    let installed = "/opt/zookube/bin/zookube-node";
    assert!(unit.contains(installed), "the unit starts the program of the tarball");
    let path = dir.path().join("zookube.service");
    fs::write(&path, unit.replace(installed, &program.display().to_string())).expect("the unit");
    let said = match Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output() {
        Ok(said) => said,
        Err(error) => {
            eprintln!("NOT CHECKED: systemd-analyze cannot be run ({error}). hint: apt-get install systemd");
            assert!(std::env::var_os("CI").is_none(), "CI must have systemd-analyze");
            return;
        }
    };
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    // Other units of this machine are read as well; what is wrong with them is not ours.
    let complaints: Vec<&str> = text.lines().filter(|line| line.contains("zookube")).collect();
    assert!(said.status.success() && complaints.is_empty(), "systemd-analyze verify: {} {text}", said.status);
}

#[test]
fn everything_that_is_shipped_is_there() {
    for (from, _) in FILES {
        assert!(root().join(from).is_file(), "{from} is missing");
    }
}
