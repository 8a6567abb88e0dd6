//! `cargo xtask e2e`: a Kubernetes cluster on this machine, and the tests of `tests/e2e` on it.
//!
//! One cluster serves all test programs. What it is made of is brought first and kept in `~/.cache/zookube/e2e`; the images
//! are made from static programs without an engine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::e2e::{Cluster, Options, image, programs, registry};
use anyhow::{Context, Result, bail, ensure};

use crate::runner::{Outcome, Runner};
use crate::workspace::{self, Metadata};
use crate::{dist, paint, setup, suites, test};

/// The package of the tests.
pub const PACKAGE: &str = "zookube-e2e";

/// What `cargo xtask test` calls it.
pub const SUITE: &str = "e2e";

/// Test programs that take minutes each, for what they wait for does: only with `--all`, or by name.
const LONG: &[&str] = &["lifetime", "nodes"];

/// Of these programs only some modules, but with `--all` or by name: what people do every day.
const SHORT: &[(&str, &[&str])] = &[("operator", &["lifecycle::", "resource::", "rollout::"])];

const HELP: &str = "\
cargo xtask e2e [--keep] [--all] [--nodes N] [filter]... [-- test arguments]
    Runs the test programs of tests/e2e on a cluster: that of KUBECONFIG, or one that is brought up first and taken down
    afterwards, which takes root. A filter is the name of a test program, or a part of a test's name.
    --all      the long ones, too, and every case of the operator
    --nodes N  begin with so many nodes (1); tests that need more add them
    --keep     leave the cluster there, and say how it is reached
cargo xtask e2e --up [--nodes N]
    Only the cluster, with our images, to be kept.
cargo xtask e2e --down
    Takes down what was kept.";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    keep: bool,
    all: bool,
    /// No tests.
    up: bool,
    down: bool,
    nodes: Option<u8>,
    filters: Vec<String>,
    harness: Vec<String>,
}

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{HELP}");
        return Ok(());
    }
    let request = Request::read(arguments)?;
    if request.down {
        return take_down();
    }
    let outcomes = outcomes(&request, &Metadata::of_members()?)?;
    if request.up {
        return Ok(());
    }
    test::summarize(&outcomes)
}

/// What `cargo xtask test` runs of it, on a cluster of its own or that of `KUBECONFIG`.
pub fn short(metadata: &Metadata, harness: &[String]) -> Result<Vec<Outcome>> {
    outcomes(&Request { harness: harness.to_vec(), ..Request::default() }, metadata)
}

fn outcomes(request: &Request, metadata: &Metadata) -> Result<Vec<Outcome>> {
    prepare()?;
    paint::heading("build");
    let built = suites::build_e2e(metadata, PACKAGE)?;
    let chosen = request.choose(&built.programs)?;
    let images = images(metadata)?;

    paint::heading("cluster");
    let cluster = obtain(request, &built.keeper)?;
    load(&cluster, &images)?;
    let outcomes = run_programs(request, &cluster, metadata, &chosen)?;
    if outcomes.iter().any(|outcome| outcome.tally.failed > 0) {
        println!("{}", cluster.log_tails());
    }
    finish(request, cluster)?;
    if request.is_short() {
        println!("not run: the other cases of the operator, {} (`cargo xtask e2e --all`)", LONG.join(", "));
    }
    Ok(outcomes)
}

impl Request {
    fn read(arguments: &[String]) -> Result<Self> {
        let (ours, harness) = test::split_at_dashes(arguments);
        let mut ours = ours.to_vec();
        let nodes = workspace::take_value(&mut ours, "--nodes")?;
        let nodes = nodes.map(|text| text.parse().with_context(|| format!("--nodes takes a number, not {text:?}")));
        let mut request = Self { nodes: nodes.transpose()?, harness: harness.to_vec(), ..Self::default() };
        for argument in ours {
            match argument.as_str() {
                "--keep" => request.keep = true,
                "--all" => request.all = true,
                "--up" => request.up = true,
                "--down" => request.down = true,
                flag if flag.starts_with('-') => {
                    bail!("there is no option {flag}; `cargo xtask e2e --help` lists them")
                }
                _ => request.filters.push(argument),
            }
        }
        Ok(request)
    }

    /// The test programs to run. A filter that is none of their names is left for the test harness.
    fn choose(&self, programs: &[(String, PathBuf)]) -> Result<Vec<(String, PathBuf)>> {
        if self.up {
            return Ok(Vec::new());
        }
        let named = |name: &String| self.filters.contains(name);
        let some_named = programs.iter().any(|(name, _)| named(name));
        let wanted = |name: &String| if some_named { named(name) } else { self.all || !LONG.contains(&name.as_str()) };
        let chosen: Vec<_> = programs.iter().filter(|(name, _)| wanted(name)).cloned().collect();
        ensure!(!chosen.is_empty(), "there is no test program to run");
        Ok(chosen)
    }

    /// Whether only what does not take long is run.
    fn is_short(&self) -> bool {
        !self.all && !self.up && self.filters.is_empty()
    }

    /// What goes to a test program.
    fn arguments<'a>(&'a self, program: &str, programs: &'a [(String, PathBuf)]) -> Vec<&'a str> {
        let short = SHORT.iter().filter(|(name, _)| self.is_short() && *name == program);
        let short = short.flat_map(|(_, modules)| modules.iter().copied());
        let is_program = |filter: &&String| programs.iter().any(|(name, _)| name == *filter);
        let filters = self.filters.iter().filter(|filter| !is_program(filter)).chain(&self.harness);
        short.chain(filters.map(String::as_str)).collect()
    }
}

fn prepare() -> Result<()> {
    let missing: Vec<&str> =
        programs::packages().into_iter().filter(|(_, present)| !present).map(|(package, _)| package).collect();
    if !missing.is_empty() {
        setup::install_packages(&missing)?;
    }
    setup::ensure_kazoo()?;
    programs::complete(&mut |what| paint::heading(what)).context("bring what a cluster is made of")
}

/// Our images, as archives that are there for other clusters, too.
fn images(metadata: &Metadata) -> Result<Vec<image::Image>> {
    let version = dist::version(metadata)?;
    let (server, operator) = dist::programs_for_images()?;
    let root = metadata.target_directory.join("e2e/root");
    let images = vec![
        image::Image::of_server(&format!("zookube:{version}"), &server, &root.join("server"))?,
        image::Image::of_operator(&format!("zookube-operator:{version}"), &operator, &root.join("operator"))?,
    ];
    let dir = metadata.target_directory.join("e2e/images");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    for image in images.iter().chain(&[image::Image::busybox()?]) {
        image.write(&dir.join(image.archive_name()))?;
        println!("{}: {}", image.name, dir.join(image.archive_name()).display());
    }
    Ok(images)
}

fn obtain(request: &Request, keeper: &Path) -> Result<Cluster> {
    if let Some(path) = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()) {
        println!("the cluster of {}", path.display());
        return Ok(Cluster::attach(Path::new(&path))?);
    }
    Ok(Cluster::up(&Options { nodes: request.nodes.unwrap_or(1), keeper: Some(keeper.to_owned()) })?)
}

fn load(cluster: &Cluster, images: &[image::Image]) -> Result<()> {
    if cluster.network().is_none() {
        println!("its nodes are not ours: the images above have to be on them (`kind load image-archive <archive>`)");
        return Ok(());
    }
    images.iter().try_for_each(|image| Ok(cluster.load_image(image)?))
}

fn run_programs(
    request: &Request,
    cluster: &Cluster,
    metadata: &Metadata,
    chosen: &[(String, PathBuf)],
) -> Result<Vec<Outcome>> {
    let package = metadata.members().find(|package| package.name == PACKAGE);
    let dir = package.context("the workspace has the package of the tests")?.dir();
    let logs = metadata.target_directory.join("xtask");
    fs::create_dir_all(&logs).with_context(|| format!("create {}", logs.display()))?;
    let mut outcomes = Vec::new();
    for (name, program) in chosen {
        let suite = format!("e2e/{name}");
        paint::heading(&suite);
        let log = logs.join(format!("e2e-{name}.log"));
        let mut runner = Runner::new(&log)?;
        let mut command = Command::new(program);
        command.current_dir(dir).env("CARGO_MANIFEST_DIR", dir).env("KUBECONFIG", cluster.kubeconfig());
        command.args(request.arguments(name, chosen));
        runner.run(command)?;
        outcomes.push(runner.finish(&suite, &log));
    }
    Ok(outcomes)
}

fn finish(request: &Request, cluster: Cluster) -> Result<()> {
    let ours = cluster.network().is_some() && std::env::var_os("KUBECONFIG").is_none_or(|path| path.is_empty());
    if !ours {
        return Ok(());
    }
    if request.keep || request.up {
        println!("export KUBECONFIG={}", cluster.kubeconfig().display());
        println!("kubectl: {}", programs::kubernetes("kubectl")?.display());
        println!("`cargo xtask e2e --down` takes the cluster down");
        return Ok(cluster.keep()?);
    }
    Ok(cluster.down()?)
}

fn take_down() -> Result<()> {
    let kept: Vec<_> = registry::entries()?.into_iter().filter(|(_, entry)| entry.stays).collect();
    if kept.is_empty() {
        println!("no cluster was kept");
    }
    for (network, entry) in kept {
        println!("taking down {}", entry.run.display());
        registry::release(network)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Request {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::read(&words).expect("a valid command line")
    }

    /// What `operator`, or the only program, is given.
    fn check(line: &str, programs: &[&str], arguments: &[&str]) {
        let all = ["cluster", "lifetime", "nodes", "operator"].map(|name| (name.to_owned(), PathBuf::from(name)));
        let request = request(line);
        let chosen = request.choose(&all).expect("a program to run");
        assert_eq!(chosen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), programs, "{line}");
        let program = programs.last().expect("a program");
        assert_eq!(request.arguments(program, &chosen), arguments, "{line}");
        assert!(programs.len() == 1 || !request.arguments("cluster", &chosen).contains(&"rollout::"), "{line}");
    }

    #[test]
    fn filters_are_programs_or_tests() {
        check("", &["cluster", "operator"], &["lifecycle::", "resource::", "rollout::"]);
        check("-- --nocapture", &["cluster", "operator"], &["lifecycle::", "resource::", "rollout::", "--nocapture"]);
        check("operator", &["operator"], &[]);
        check("--all --keep", &["cluster", "lifetime", "nodes", "operator"], &[]);
        check("nodes", &["nodes"], &[]);
        check("nodes drain", &["nodes"], &["drain"]);
        check("scale -- --nocapture", &["cluster", "operator"], &["scale", "--nocapture"]);
    }

    #[test]
    fn unknown_options_are_refused() {
        assert!(Request::read(&["--kepe".to_owned()]).is_err());
        assert_eq!(request("--up --nodes 3").nodes, Some(3));
        assert!(Request::read(&["--nodes".to_owned(), "many".to_owned()]).is_err());
    }
}
