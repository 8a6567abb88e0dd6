//! Links of Markdown files to files and headings of this repository lead somewhere.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{report, tidy};
use crate::workspace;

/// The step.
pub fn check() -> Result<()> {
    let mut findings = Vec::new();
    for file in tidy::files()?.iter().filter(|file| file.ends_with(".md")) {
        let text = fs::read_to_string(workspace::root().join(file)).with_context(|| format!("read {file}"))?;
        for (line, target) in links(&text) {
            if let Some(problem) = problem(Path::new(file), &target) {
                findings.push(format!("{file}:{line}: link to {target}: {problem}"));
            }
        }
    }
    report(&findings)
}

/// The targets of `[text](target)` outside code, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if !fenced {
            let line = without_code(line);
            let targets = line.match_indices("](").map(|(start, open)| &line[start + open.len()..]);
            let target = |rest: &str| rest.split([')', ' ']).next().unwrap_or_default().to_owned();
            found.extend(targets.map(|rest| (at + 1, target(rest))));
        }
    }
    found
}

/// Every second piece between backticks is code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// What is wrong with a link in `file`.
fn problem(file: &Path, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { file.to_owned() } else { file.parent()?.join(path) };
    let absolute = workspace::root().join(&path);
    if !absolute.exists() {
        return Some(format!("there is no {}", path.display()));
    }
    if heading.is_empty() || path.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let text = fs::read_to_string(&absolute).unwrap_or_default();
    let known = text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
    (!known).then(|| format!("{} has no heading #{heading}", path.display()))
}

/// The anchor that a heading gets where Markdown is shown.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code() {
        let text = "see [a](a.md) and [`b`](b/c.md#d \"title\") not `[c](c.md)`\n```\n[d](d.md)\n```\n[e](#e)";
        let expected = [(1, "a.md"), (1, "b/c.md#d"), (5, "#e")].map(|(line, target)| (line, target.to_owned()));
        assert_eq!(links(text), expected);
    }

    #[test]
    fn headings_have_anchors() {
        assert_eq!(anchor("## The life of a write"), "the-life-of-a-write");
        assert_eq!(anchor("# I1 to I13: `zab`"), "i1-to-i13-zab");
    }

    #[test]
    fn a_link_that_leads_nowhere_is_told() {
        assert_eq!(problem(Path::new("README.md"), "https://example.org/x"), None);
        assert_eq!(problem(Path::new("README.md"), "ARCHITECTURE.md#the-life-of-a-read"), None);
        assert!(problem(Path::new("README.md"), "ARCHITECTURE.md#no-such-heading").is_some());
        assert!(problem(Path::new("README.md"), "no-such-file.md").is_some());
    }
}
