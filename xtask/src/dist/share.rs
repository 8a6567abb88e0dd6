//! What belongs beneath `share`: completions of shells and pages of the manual, written by the program itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::archive::{Archive, Entry};

/// The names under which people type the program, each with completions and pages of its own.
const PROGRAMS: [&str; 3] = ["zk", "zkCli.sh", "zookube-node"];

/// Adds all of it, at the places where shells and `man` look beneath `/usr/local/share`. `said` is what `zk` says to words.
pub fn add(archive: &mut Archive, said: impl Fn(&[&str]) -> Result<Vec<u8>>) -> Result<()> {
    for name in PROGRAMS {
        let places = [
            ("bash", format!("share/bash-completion/completions/{name}")),
            ("zsh", format!("share/zsh/site-functions/_{name}")),
            ("fish", format!("share/fish/vendor_completions.d/{name}.fish")),
        ];
        for (shell, place) in places {
            archive.add(place, Entry::File(said(&["completions", shell, "--program", name])?))?;
        }
    }
    let dir = tempfile::tempdir().context("make a directory for the pages of the manual")?;
    said(&["man", &dir.path().display().to_string()])?;
    for page in fs::read_dir(dir.path()).context("list the pages of the manual")? {
        let page = page.context("list the pages of the manual")?;
        let bytes = fs::read(page.path()).with_context(|| format!("read {}", page.path().display()))?;
        archive.add(format!("share/man/man1/{}", page.file_name().display()), Entry::File(bytes))?;
    }
    Ok(())
}

/// What the `zk` of a program says to words. Nothing of this machine's environment gets into it.
pub fn said(program: &Path, words: &[&str]) -> Result<Vec<u8>> {
    let said = Command::new(program).arg("zk").args(words).env_clear().output();
    let said = said.with_context(|| format!("run {}", program.display()))?;
    let complaint = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{} zk {}: {} {complaint}", program.display(), words.join(" "), said.status);
    Ok(said.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says its words, and writes two pages.
    fn spoken(words: &[&str]) -> Result<Vec<u8>> {
        if let ["man", dir] = words {
            for page in ["zk.1", "zkCli.sh.1"] {
                fs::write(Path::new(dir).join(page), "page")?;
            }
        }
        Ok(words.join(" ").into_bytes())
    }

    #[test]
    fn everything_is_where_it_is_looked_for() {
        let mut archive = Archive::default();
        add(&mut archive, spoken).expect("what the program says");
        let text = |path: &str| {
            let entry = archive.entries().find(|(name, _)| *name == path);
            match entry.unwrap_or_else(|| panic!("{path} is missing")).1 {
                Entry::File(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                other => panic!("{path} is {other:?}"),
            }
        };
        assert_eq!(text("share/bash-completion/completions/zk"), "completions bash --program zk");
        assert_eq!(text("share/zsh/site-functions/_zkCli.sh"), "completions zsh --program zkCli.sh");
        assert_eq!(
            text("share/fish/vendor_completions.d/zookube-node.fish"),
            "completions fish --program zookube-node"
        );
        assert_eq!((text("share/man/man1/zk.1"), text("share/man/man1/zkCli.sh.1")), ("page".into(), "page".into()));
        assert_eq!(archive.entries().count(), PROGRAMS.len() * 3 + 2);
    }

    #[test]
    fn a_program_that_fails_is_told_of() {
        let error = said(Path::new("/bin/false"), &["man"]).expect_err("it fails").to_string();
        assert!(error.contains("/bin/false zk man: exit status: 1"), "{error}");
    }
}
