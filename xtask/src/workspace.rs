//! The workspace as Cargo describes it, and commands run in its root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The root of the workspace.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let root = support::prerequisites::workspace();
        root.canonicalize().unwrap_or(root)
    })
}

/// The very Cargo that runs this program, in the root of the workspace.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A program other than Cargo, in the root of the workspace.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// Runs a command to its end, its output on ours.
pub fn run(command: &mut Command) -> Result<()> {
    let line = spell(command);
    let status = command.status().with_context(|| format!("start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// Runs a command to its end and returns what it wrote to standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let line = spell(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("start `{line}`"))?;
    ensure!(output.status.success(), "`{line}` failed: {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` writes text"))
}

/// Whether a command can be run and is content, whatever it says.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn spell(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What `cargo metadata` says, as far as it is used here.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// All packages, ours and the registry's.
    pub packages: Vec<Package>,
    /// Ids of our packages.
    pub workspace_members: Vec<String>,
    /// Who depends on whom after resolution; absent in [`Metadata::of_members`].
    pub resolve: Option<Resolve>,
    /// Where Cargo builds.
    pub target_directory: PathBuf,
}

/// One package.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Unique.
    pub id: String,
    /// As in its manifest.
    pub name: String,
    /// As in its manifest.
    pub version: String,
    /// An SPDX expression.
    pub license: Option<String>,
    /// A registry or a repository; `None` for a path.
    pub source: Option<String>,
    /// Where its source is kept.
    pub repository: Option<String>,
    /// Absolute.
    pub manifest_path: PathBuf,
    /// As in its manifest, of all kinds.
    pub dependencies: Vec<Dependency>,
    /// What it builds.
    pub targets: Vec<Target>,
}

/// An entry of a manifest.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// Of versions.
    pub req: String,
    /// `None` for a normal one, or `dev`, `build`.
    pub kind: Option<String>,
    /// Set for a crate of this workspace.
    pub path: Option<PathBuf>,
}

/// Something a package builds.
#[derive(Debug, Deserialize)]
pub struct Target {
    /// Of the library, program or test.
    pub name: String,
    /// `lib`, `bin`, `test`, `example`, ...
    pub kind: Vec<String>,
    /// Whether `cargo test` builds it.
    pub test: bool,
}

/// The resolved graph.
#[derive(Debug, Deserialize)]
pub struct Resolve {
    /// One per package.
    pub nodes: Vec<Node>,
}

/// A package of the resolved graph.
#[derive(Debug, Deserialize)]
pub struct Node {
    /// Its package's id.
    pub id: String,
    /// Ids of what it depends on.
    pub dependencies: Vec<String>,
    /// The same, with what for.
    pub deps: Vec<NodeDep>,
}

/// A dependency in the resolved graph.
#[derive(Debug, Deserialize)]
pub struct NodeDep {
    /// The id of the package.
    pub pkg: String,
    /// Each way in which it is needed.
    pub dep_kinds: Vec<DepKind>,
}

/// One way in which a package is needed.
#[derive(Debug, Deserialize)]
pub struct DepKind {
    /// `None` for a normal one, or `dev`, `build`.
    pub kind: Option<String>,
}

impl Metadata {
    /// Our packages and what their manifests say: quick, and nothing is downloaded.
    pub fn of_members() -> Result<Self> {
        Self::read(&["--no-deps"])
    }

    /// All packages that a platform needs, resolved.
    pub fn on(platform: &str) -> Result<Self> {
        Self::read(&["--filter-platform", platform])
    }

    fn read(arguments: &[&str]) -> Result<Self> {
        let mut command = cargo();
        command.args(["metadata", "--format-version", "1", "--locked"]).args(arguments);
        serde_json::from_str(&output(&mut command)?).context("read the output of `cargo metadata`")
    }

    /// Our packages, in the order of the root manifest.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.workspace_members.iter().filter_map(|id| self.packages.iter().find(|package| package.id == *id))
    }
}

impl Package {
    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(root())
    }

    /// Its directory within the workspace: `crates/wire`.
    pub fn place(&self) -> String {
        self.dir().strip_prefix(root()).unwrap_or(self.dir()).display().to_string()
    }
}

/// The value behind `flag`, removed from `arguments` together with it.
pub fn take_value(arguments: &mut Vec<String>, flag: &str) -> Result<Option<String>> {
    let Some(at) = arguments.iter().position(|argument| argument == flag) else { return Ok(None) };
    if at + 1 == arguments.len() {
        bail!("{flag} needs a value");
    }
    let value = arguments.remove(at + 1);
    arguments.remove(at);
    Ok(Some(value))
}
