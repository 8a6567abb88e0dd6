//! Which test suites there are, and how they are built.
//!
//! The list comes from Cargo's own description of the workspace, so that a new test file is a suite without being
//! entered anywhere, and cannot be forgotten. A crate is one suite; one that starts real servers has a suite for each
//! of its test files, and its name in front: `compat/kazoo`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::workspace::{self, Metadata, Package};
use crate::{charts, containers, dist, sim};

/// Optimised as a release is, without its slow link: there are dozens of test programs to link.
pub const PROFILE: &str = "ci";

/// The suite of the examples in documentation comments.
pub const DOC: &str = "doc";

/// The crate with which tests start real servers.
const HARNESS: &str = "zookube-test-support";

/// Something with a line of its own in the summary.
#[derive(Debug, Clone)]
pub struct Suite {
    /// `zab`, `compat/kazoo`.
    pub name: String,
    /// Its package; empty for [`DOC`].
    pub package: String,
    /// Where its tests run, as with `cargo test`.
    pub dir: PathBuf,
    /// `None` for everything the package has.
    target: Option<String>,
    /// Runs servers and other people's programs: needs `setup` and our server.
    pub external: bool,
}

/// All suites: ours first, those that need other people's programs last.
pub fn discover(metadata: &Metadata) -> Vec<Suite> {
    let (mut ours, mut external) = (Vec::new(), Vec::new());
    for package in metadata.members() {
        let place = package.place();
        let name = place.rsplit('/').next().unwrap_or(&place);
        if starts_servers(package) {
            external.extend(suites_of_test_crate(package, name));
        } else {
            ours.push(suite_of_crate(package, name));
        }
    }
    ours.push(Suite {
        name: DOC.to_owned(),
        package: String::new(),
        dir: workspace::root().to_owned(),
        target: None,
        external: false,
    });
    ours.extend(external);
    ours
}

/// The harness for real servers, and the crates of `tests/` that use it.
fn starts_servers(package: &Package) -> bool {
    let uses_harness = package.dependencies.iter().any(|dependency| dependency.name == HARNESS);
    package.name == HARNESS || uses_harness && package.place().starts_with("tests/")
}

fn suite_of_crate(package: &Package, name: &str) -> Suite {
    let (name, dir) = (name.to_owned(), package.dir().to_owned());
    Suite { name, package: package.name.clone(), dir, target: None, external: false }
}

fn suites_of_test_crate(package: &Package, name: &str) -> Vec<Suite> {
    let tested = package.targets.iter().filter(|target| target.test);
    let suites = tested.map(|target| {
        let is_test = target.kind.iter().any(|kind| kind == "test");
        Suite {
            name: format!("{name}/{}", if is_test { &target.name } else { "lib" }),
            package: package.name.clone(),
            dir: package.dir().to_owned(),
            target: Some(target.name.clone()),
            external: is_test,
        }
    });
    suites.collect()
}

impl Suite {
    /// Whether the word on the command line means this suite: `compat/kazoo`, or `compat` for all of it.
    pub fn answers_to(&self, word: &str) -> bool {
        self.name == word || self.name.strip_prefix(word).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether it needs a container engine, and starts one where none answers.
    pub fn starts_an_engine(&self) -> bool {
        self.package == containers::PACKAGE
    }

    /// Whether it needs Helm and kustomize.
    pub fn renders_charts(&self) -> bool {
        self.external && self.package == charts::PACKAGE
    }
}

/// What a build has brought.
#[derive(Debug, Default)]
pub struct Built {
    /// By package and target.
    tests: BTreeMap<(String, String), Vec<PathBuf>>,
    /// Our server.
    pub server: Option<PathBuf>,
    /// Our server as it goes into the image, where a suite needs it.
    pub static_server: Option<PathBuf>,
    /// What keeps the processes of a cluster, for the tests of `tests/e2e`.
    keeper: Option<PathBuf>,
}

impl Built {
    /// The test programs of a suite.
    pub fn programs(&self, suite: &Suite) -> Result<Vec<PathBuf>> {
        let belongs = |package: &str, target: &str| {
            package == suite.package && suite.target.as_deref().is_none_or(|wanted| wanted == target)
        };
        let matching = self.tests.iter().filter(|((package, target), _)| belongs(package, target));
        let programs: Vec<PathBuf> = matching.flat_map(|(_, paths)| paths.clone()).collect();
        ensure!(!programs.is_empty(), "Cargo has built no test program for suite {}", suite.name);
        Ok(programs)
    }
}

/// One line of Cargo's messages, as far as it is used here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    target: Option<workspace::Target>,
    profile: Option<MessageProfile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MessageProfile {
    test: bool,
}

/// Builds the suites. One call of Cargo builds the whole workspace if any of them needs our server, so that all suites share
/// one build of it, and only their packages otherwise. The simulator is built apart ([`sim::PACKAGE`]).
pub fn build(metadata: &Metadata, suites: &[&Suite]) -> Result<Built> {
    let mut built = Built::default();
    let is_sim = |suite: &&&Suite| suite.package == sim::PACKAGE;
    if suites.iter().any(|suite| is_sim(&suite)) {
        let mut cargo = test_build(sim::PROFILE);
        cargo.args(["-p", sim::PACKAGE, "--features", sim::FEATURE]);
        collect(metadata, &mut cargo, &mut built)?;
    }
    let others: Vec<_> = suites.iter().filter(|suite| !is_sim(suite) && suite.name != DOC).collect();
    if others.is_empty() {
        return Ok(built);
    }
    let mut cargo = test_build(PROFILE);
    if others.iter().any(|suite| suite.external) {
        cargo.args(["--workspace", "--exclude", sim::PACKAGE]);
    } else {
        cargo.args(others.iter().flat_map(|suite| ["-p", &suite.package]));
    }
    collect(metadata, &mut cargo, &mut built)?;
    if others.iter().any(|suite| suite.package == containers::PACKAGE) {
        built.static_server = Some(dist::server_for_image()?);
    }
    Ok(built)
}

/// What the tests of `tests/e2e` are built to, which are no part of the suites: they run on a cluster, when asked for.
#[derive(Debug, Default)]
pub struct BuiltE2e {
    /// Test programs with their names, in the order of those.
    pub programs: Vec<(String, PathBuf)>,
    /// What keeps the processes of a cluster.
    pub keeper: PathBuf,
}

/// Builds the test programs of `package` and the program beside them.
pub fn build_e2e(metadata: &Metadata, package: &str) -> Result<BuiltE2e> {
    let mut cargo = test_build(PROFILE);
    let mut built = Built::default();
    collect(metadata, cargo.args(["-p", package, "--test", "*", "--bins"]), &mut built)?;
    let all = built.tests.into_iter();
    let programs = all.flat_map(|((_, name), paths)| paths.into_iter().map(move |path| (name.clone(), path)));
    Ok(BuiltE2e { programs: programs.collect(), keeper: built.keeper.context("Cargo has not built e2e-keeper")? })
}

fn test_build(profile: &str) -> Command {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--locked", "--no-run", "--profile", profile]);
    cargo.arg("--message-format=json-render-diagnostics").stdin(Stdio::null());
    cargo
}

/// Builds and enters what was built.
fn collect(metadata: &Metadata, cargo: &mut Command, built: &mut Built) -> Result<()> {
    let messages = workspace::output(cargo).context("build the tests")?;
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).with_context(|| format!("read Cargo's message {line}"))?;
        enter(metadata, message, built);
    }
    Ok(())
}

fn enter(metadata: &Metadata, message: Message, built: &mut Built) {
    let (Some(id), Some(target), Some(program)) = (message.package_id, message.target, message.executable) else {
        return;
    };
    let Some(package) = metadata.packages.iter().find(|package| package.id == id) else { return };
    if message.reason != "compiler-artifact" {
        return;
    }
    if message.profile.is_some_and(|profile| profile.test) {
        built.tests.entry((package.name.clone(), target.name)).or_default().push(program);
    } else if target.name == "zookube-node" {
        built.server = Some(program);
    } else if target.name == "e2e-keeper" {
        built.keeper = Some(program);
    }
}
