//! `cargo xtask setup`: brings what the tests of `tests/` need, and nothing twice.
//!
//! What must be where is the contract of [`support::prerequisites`]; this module fulfils it and lets that module have
//! the last word. As root on Debian missing packages are installed; anywhere else the command says what to install and
//! fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use support::prerequisites;

use crate::workspace::{self, command, root, succeeds};
use crate::{containers, paint};

/// Pinned: another version could copy other files.
const COPY_JARS: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The command.
pub fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "`setup` takes no arguments");
    ensure_all()?;
    println!("setup: everything is there");
    Ok(())
}

/// Installs what is missing.
pub fn ensure_all() -> Result<()> {
    let (venv, jars) = (Venv::here(), Jars::here());
    let missing = missing_packages(venv.is_complete(), jars.is_complete());
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    venv.complete().context("install kazoo into .cache/venv")?;
    jars.complete().context("fetch Apache ZooKeeper's jars into .cache/apache/lib")?;
    complete_prometheus().context("unpack Debian's Prometheus into .cache/prometheus")?;
    have_the_tests_look();
    Ok(())
}

/// Has an engine and the root file systems of the images, too; behind [`ensure_all`], whose parts go in there.
pub fn ensure_containers() -> Result<()> {
    let missing: Vec<&str> =
        containers::packages().into_iter().filter(|(_, present)| !present).map(|(package, _)| package).collect();
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    containers::complete().context("make the root file systems in .cache/containers")?;
    prerequisites::container_root("client");
    prerequisites::container_root("apache-base");
    Ok(())
}

/// Has kazoo, the client that writes while the operator works; part of [`ensure_all`].
pub fn ensure_kazoo() -> Result<()> {
    let venv = Venv::here();
    if venv.is_complete() {
        return Ok(());
    }
    let of_python = |package: &&str| package.starts_with("python3");
    let missing: Vec<&str> = missing_packages(false, true).into_iter().filter(of_python).collect();
    if !missing.is_empty() {
        install_packages(&missing)?;
    }
    venv.complete().context("install kazoo into .cache/venv")?;
    prerequisites::python();
    Ok(())
}

/// A panic in here is a disagreement between this module and the tests about where things are.
fn have_the_tests_look() {
    prerequisites::apache_39_class_path();
    prerequisites::apache_38_class_path();
    prerequisites::python();
    prerequisites::c_client();
    prerequisites::zk_cli();
    prerequisites::prometheus();
    prerequisites::promtool();
}

/// Debian's packages that have to be installed.
fn missing_packages(venv_complete: bool, jars_complete: bool) -> Vec<&'static str> {
    let on_path = |program: &str, argument: &str| succeeds(command(program).arg(argument));
    let has_venv = || succeeds(command("python3").args(["-c", "import ensurepip, venv"]));
    let wanted = [
        ("default-jdk-headless", on_path("java", "-version") && on_path("javac", "-version")),
        // Network namespaces for the servers of `tests/history`.
        ("iproute2", on_path("ip", "-V")),
        // Take the completion scripts and man pages that `zk` writes.
        ("fish", exists("/usr/bin/fish")),
        ("mandoc", exists("/usr/bin/mandoc")),
        ("zsh", exists("/usr/bin/zsh")),
        ("maven", jars_complete || on_path("mvn", "-version")),
        ("python3", on_path("python3", "--version")),
        ("python3-venv", venv_complete || has_venv()),
        // A small file system for a disk that the tests slow down.
        ("e2fsprogs", on_path("mkfs.ext4", "-V")),
        ("mount", on_path("losetup", "--version")),
        // `setpriv`, with which the tests tie servers to their own life.
        ("util-linux", on_path("setpriv", "--version")),
        ("zookeeper", exists("/usr/share/zookeeper/bin/zkCli.sh") && exists("/usr/share/java/zookeeper.jar")),
        ("zookeeper-bin", exists("/usr/lib/zookeeper/bin/cli_mt")),
    ];
    wanted.into_iter().filter(|(_, present)| !present).map(|(package, _)| package).collect()
}

fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// Installs Debian's packages of these names, or says that somebody has to.
pub fn install_packages(missing: &[&str]) -> Result<()> {
    let list = missing.join(" ");
    if !exists("/usr/bin/apt-get") {
        bail!(
            "missing: {list} (names of Debian's packages). hint: install them with this system's own package manager, \
             with Apache ZooKeeper's shell, jars and C shell where Debian puts them"
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {list}. hint: run `sudo apt-get install --no-install-recommends {list}`, then this again");
    }
    paint::heading(&format!("apt-get install {list}"));
    let apt = |arguments: &[&str]| {
        let mut apt = command("apt-get");
        apt.args(["-qq", "-o", "Acquire::Retries=3"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        workspace::run(&mut apt)
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], missing].concat())
}

/// Prometheus for the tests of the monitoring. Installing its package would start a service on this machine, so it is only
/// unpacked; its programs need nothing else.
fn complete_prometheus() -> Result<()> {
    let dir = root().join(".cache/prometheus");
    let has = |dir: &Path| ["prometheus", "promtool"].iter().all(|program| dir.join(program).exists());
    if has(Path::new("/usr/bin")) || has(&dir.join("usr/bin")) {
        return Ok(());
    }
    ensure!(
        exists("/usr/bin/apt-get"),
        "missing: prometheus and promtool in /usr/bin. hint: install them with this system's own package manager"
    );
    paint::heading("Prometheus into .cache/prometheus");
    let fetched = dir.with_extension("fetched");
    remove(&fetched)?;
    fs::create_dir_all(&fetched).with_context(|| format!("create {}", fetched.display()))?;
    if rustix::process::geteuid().is_root() {
        workspace::run(command("apt-get").args(["-qq", "update"]))?;
    }
    workspace::run(command("apt-get").args(["-qq", "download", "prometheus"]).current_dir(&fetched))?;
    let entries = fs::read_dir(&fetched).with_context(|| format!("read {}", fetched.display()))?;
    let archive = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let archive = archive.context("apt-get has downloaded no package")?;
    workspace::run(command("dpkg-deb").arg("--extract").arg(&archive).arg(&fetched))?;
    remove(&dir)?;
    fs::rename(&fetched, &dir).with_context(|| format!("rename {} to its place", fetched.display()))
}

/// The virtual environment with kazoo. Its stamp is the list of requirements it was made from, written last.
struct Venv {
    dir: PathBuf,
    requirements: PathBuf,
}

impl Venv {
    fn here() -> Self {
        Self { dir: root().join(".cache/venv"), requirements: root().join("tests/compat/requirements.txt") }
    }

    fn stamp(&self) -> PathBuf {
        self.dir.join("requirements.txt")
    }

    /// The interpreter is tried: a virtual environment dies with the Python it came from.
    fn is_complete(&self) -> bool {
        same_text(&self.stamp(), &self.requirements)
            && succeeds(Command::new(self.dir.join("bin/python")).args(["-c", "import kazoo"]))
    }

    fn complete(&self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        paint::heading("kazoo into .cache/venv");
        let python = self.dir.join("bin/python");
        if !succeeds(Command::new(&python).args(["-m", "pip", "--version"])) {
            workspace::run(command("python3").args(["-m", "venv", "--clear"]).arg(&self.dir))?;
        }
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        workspace::run(pip.arg(&self.requirements))?;
        copy(&self.requirements, &self.stamp())
    }
}

/// The jars of Apache ZooKeeper. Their stamp is the pom they came from.
struct Jars {
    lib: PathBuf,
    pom: PathBuf,
}

impl Jars {
    fn here() -> Self {
        Self { lib: root().join(".cache/apache/lib"), pom: root().join("tests/apache/pom.xml") }
    }

    fn stamp(&self) -> PathBuf {
        self.lib.join("pom.xml")
    }

    fn is_complete(&self) -> bool {
        same_text(&self.stamp(), &self.pom)
    }

    /// Fetches into a directory of its own and renames: a broken download leaves no half of a class path.
    fn complete(&self) -> Result<()> {
        if self.is_complete() {
            return Ok(());
        }
        paint::heading("Apache ZooKeeper's jars into .cache/apache/lib");
        let fetched = self.lib.with_extension("fetched");
        remove(&fetched)?;
        let mut maven = command("mvn");
        maven.args(["--batch-mode", "--quiet", "--no-transfer-progress", "-Dstyle.color=never", "--file"]);
        maven.arg(&self.pom).arg(COPY_JARS);
        maven.arg("-DincludeScope=runtime").arg(format!("-DoutputDirectory={}", fetched.display()));
        workspace::run(&mut maven)?;
        copy(&self.pom, &fetched.join("pom.xml"))?;
        remove(&self.lib)?;
        fs::rename(&fetched, &self.lib).with_context(|| format!("rename {} to its place", fetched.display()))
    }
}

fn same_text(left: &Path, right: &Path) -> bool {
    matches!((fs::read(left), fs::read(right)), (Ok(left), Ok(right)) if left == right)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    Ok(())
}
