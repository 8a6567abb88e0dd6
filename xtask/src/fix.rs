//! `cargo xtask fix`: only rewrites, never judges.

use anyhow::{Result, ensure};

use crate::workspace;

/// Applies Clippy's own suggestions, formats, and generates `docs/configuration.md` anew.
pub fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "`fix` takes no arguments");
    let suggestions = ["clippy", "--fix", "--allow-dirty", "--allow-staged", "--workspace", "--all-targets"];
    workspace::run(workspace::cargo().args(suggestions))?;
    workspace::run(workspace::cargo().args(["fmt", "--all"]))?;
    // The test that compares the page with the table of keys writes it when asked to.
    let regenerate = ["test", "-q", "-p", "zookube-node", "--lib", "configuration_page"];
    workspace::run(workspace::cargo().args(regenerate).env("UPDATE_DOCS", "1"))
}
