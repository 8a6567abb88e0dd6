//! Rules about the text of the repository that no other tool knows.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::report;
use crate::workspace::{self, Metadata};

/// Past this a file has a seam somewhere; CONTRIBUTING.md asks for 600 and this is where asking ends.
const LINES_MAX: usize = 800;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[
    ("charts/zookube/files/dashboards/node.json", "that of deploy/monitoring"),
    ("charts/zookube/files/zookeeperclusters.zookube.dev.yaml", "made by `zookube-operator crd`"),
    ("deploy/crd/zookeeperclusters.zookube.dev.yaml", "made by `zookube-operator crd`"),
    ("deploy/monitoring/dashboards/node.json", "made by `cargo xtask dashboards`"),
    ("deploy/zookube.yaml", "made from the chart and the definition"),
];

/// Extensions of files that people write and read.
const TEXT: &[&str] = &["java", "json", "md", "proto", "py", "rs", "sh", "toml", "txt", "xml", "yaml", "yml"];

/// Directories that are not the project's: what `.gitignore` names, and Git's own.
const SKIPPED_DIRS: &[&str] = &[".cache", ".git", "target", "zookube-lab"];

/// What must not be left in Rust code. In two parts, or this file would find itself.
const LEFT_OVER: &[(&str, &str)] = &[
    (concat!("todo", "!("), "finish it or leave it out"),
    (concat!("unimplemented", "!("), "finish it or leave it out"),
    (concat!("#[", "ignore"), "a test that does not run is no test; a missing prerequisite fails"),
    (concat!("dbg", "!("), "a debugging aid"),
];

/// Beginnings of absolute paths that exist on one machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Traces of a private registry or of a mirror: who builds this has a registry of their own choice.
const MIRRORS: &[&str] = &[
    concat!("arti", "factory"),
    concat!("index", "-url"),
    concat!("mirrors", "."),
    concat!("npm", "mirror"),
    concat!("replace", "-with"),
    concat!("rs", "proxy"),
];

/// Lines that look like one of the above and are none: file, and what the line has in it.
const EXCUSED: &[(&str, &str)] = &[
    // The example that the checklist gives for a misspelt key.
    ("node/src/config/config_test.rs", concat!("datadir = /ro", "ot/zkdata")),
];

/// The step.
pub fn check() -> Result<()> {
    let mut findings = Vec::new();
    for file in files()? {
        if !is_text(&file) {
            continue;
        }
        let text = fs::read_to_string(workspace::root().join(&file)).with_context(|| format!("read {file}"))?;
        findings.extend(unwanted_lines(&file, &text));
        findings.extend(too_long(&file, &text));
    }
    findings.extend(without_lints(&Metadata::of_members()?)?);
    report(&findings)
}

fn is_text(file: &str) -> bool {
    let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
    file == ".ci/run" || extension.is_some_and(|extension| TEXT.contains(&extension))
}

/// All files of the project, relative to its root, in order. Without Git, so that an unpacked archive can be verified.
pub fn files() -> Result<Vec<String>> {
    let (mut files, mut dirs) = (Vec::new(), vec![workspace::root().to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
            let entry = entry.with_context(|| format!("read {}", dir.display()))?;
            let kind = entry.file_type().with_context(|| format!("look at {}", entry.path().display()))?;
            let skipped = entry.file_name().to_str().is_some_and(|name| SKIPPED_DIRS.contains(&name));
            if kind.is_dir() && !skipped {
                dirs.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                files.push(path.strip_prefix(workspace::root()).unwrap_or(&path).display().to_string());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn unwanted_lines(file: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if EXCUSED.iter().any(|(name, part)| *name == file && line.contains(part)) {
            continue;
        }
        let mut say = |what: &str, why: &str| findings.push(format!("{file}:{}: `{what}`: {why}", at + 1));
        for (word, why) in LEFT_OVER.iter().filter(|(word, _)| file.ends_with(".rs") && line.contains(word)) {
            say(word, why);
        }
        for path in MACHINE_PATHS.iter().filter(|path| begins_a_path(line, path)) {
            say(path, "a path of one machine");
        }
        for word in MIRRORS.iter().filter(|word| line.contains(*word)) {
            say(word, "a registry is chosen by who builds, not by the repository");
        }
    }
    findings
}

/// Whether an absolute path in `line` begins with `path`; in the middle of a path it is harmless.
fn begins_a_path(line: &str, path: &str) -> bool {
    let continues = |c: char| c.is_alphanumeric() || "_-./}".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(continues))
}

fn too_long(file: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let excused = LONG_FILES.iter().any(|(name, _)| *name == file);
    match (lines > LINES_MAX, excused) {
        (true, false) => Some(format!("{file}: {lines} lines, {LINES_MAX} are enough; look for the seam")),
        (false, true) => Some(format!("{file}: no longer too long; remove it from the exceptions in tidy.rs")),
        _ => None,
    }
}

/// Lints are set once for all crates; a crate takes part by asking for them.
fn without_lints(metadata: &Metadata) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in metadata.members() {
        let text = fs::read_to_string(&package.manifest_path).with_context(|| format!("read {}", package.place()))?;
        let manifest: toml::Table = text.parse().with_context(|| format!("read {}/Cargo.toml", package.place()))?;
        let asked = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        if asked != Some(true) {
            findings.push(format!("{}/Cargo.toml: `lints.workspace = true` is missing", package.place()));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, line: &str, expected: usize) {
        assert_eq!(unwanted_lines(file, line).len(), expected, "{file}: {line}");
    }

    #[test]
    fn left_overs_are_found_in_code() {
        for (word, _) in LEFT_OVER {
            check("a.rs", &format!("    {word}x)"), 1);
            check("a.md", &format!("    {word}x)"), 0);
        }
    }

    #[test]
    fn paths_of_a_machine_are_found_where_they_begin() {
        for path in MACHINE_PATHS {
            check("a.md", &format!("see {path}x"), 1);
            check("a.md", &format!("see `{path}x`"), 1);
            check("a.md", &format!("see /a{path}x"), 0);
            check("a.md", &format!("see ../a{path}x"), 0);
        }
    }

    #[test]
    fn a_long_file_needs_a_reason() {
        assert_eq!(too_long("a.rs", &"\n".repeat(LINES_MAX)), None);
        assert!(too_long("a.rs", &"\n".repeat(LINES_MAX + 1)).is_some());
    }
}
