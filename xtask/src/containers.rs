//! What the container tests need and no registry brings: the root file systems that their images begin with.
//!
//! Image names in `docker/Dockerfile` are ordinary ones from a registry. The tests put their own beneath those names: a
//! Debian from `debootstrap`, with Python and kazoo for clients, with Java and Apache's jars for `--engine apache`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::paint;
use crate::workspace::{self, command, root, succeeds};

/// The tests that need all this.
pub const PACKAGE: &str = "zookube-containers-tests";

/// What a container's root file system is made of. The stamp beside the archive is all of it as text.
struct Root {
    /// `client` for `.cache/containers/client.tar`.
    name: &'static str,
    /// Debian's packages beyond the smallest system.
    packages: &'static str,
    /// The repository's files that the rest is made from.
    sources: &'static [&'static str],
    /// Copies the rest into the root.
    furnish: fn(&Path) -> Result<()>,
}

const ROOTS: &[Root] = &[
    Root { name: "client", packages: "python3", sources: &["tests/compat/requirements.txt"], furnish: add_kazoo },
    Root {
        name: "apache-base",
        packages: "default-jre-headless",
        sources: &["tests/apache/pom.xml", "tests/apache/logback.xml", "tests/apache/zkCli.sh"],
        furnish: add_apache,
    },
];

/// Where Apache's distribution is in its official image, as far as the jars' version goes.
const APACHE_HOME: &str = "apache-zookeeper-3.9.5-bin";

/// What a container never reads.
const LEFT_OUT: &[&str] =
    &["usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log"];

/// Debian's packages with which containers are run and made, and whether they are there.
pub fn packages() -> [(&'static str, bool); 3] {
    let engine = succeeds(command("docker").arg("version")) || succeeds(command("dockerd").arg("--version"));
    let compose = succeeds(command("docker").args(["compose", "version"]));
    [
        ("docker.io", engine),
        ("docker-compose", compose || succeeds(command("docker-compose").arg("version"))),
        ("debootstrap", are_complete() || succeeds(command("debootstrap").arg("--version"))),
    ]
}

fn are_complete() -> bool {
    ROOTS.iter().all(Root::is_complete)
}

/// Makes the root file systems that are missing. Python's and Apache's parts must be there.
pub fn complete() -> Result<()> {
    ROOTS.iter().filter(|root| !root.is_complete()).try_for_each(Root::complete)
}

impl Root {
    fn archive(&self) -> PathBuf {
        root().join(".cache/containers").join(self.name).with_extension("tar")
    }

    fn stamp(&self) -> PathBuf {
        self.archive().with_extension("stamp")
    }

    fn recipe(&self) -> String {
        let of = |file: &&str| fs::read_to_string(root().join(file)).unwrap_or_default();
        format!("{}\n{}", self.packages, self.sources.iter().map(of).collect::<String>())
    }

    fn is_complete(&self) -> bool {
        self.archive().exists() && fs::read_to_string(self.stamp()).is_ok_and(|stamp| stamp == self.recipe())
    }

    fn complete(&self) -> Result<()> {
        paint::heading(&format!("a root file system for containers into {}", self.archive().display()));
        ensure!(
            rustix::process::geteuid().is_root(),
            "debootstrap needs root to make {}. hint: run `cargo xtask setup` once as root",
            self.archive().display()
        );
        let dir = self.archive().with_extension("root");
        remove(&dir)?;
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        self.bootstrap(&dir)?;
        (self.furnish)(&dir)?;
        for place in LEFT_OUT {
            remove(&dir.join(place))?;
        }
        // Renamed when whole: half an archive must not count.
        let part = self.archive().with_extension("part");
        let mut tar = command("tar");
        workspace::run(tar.arg("--create").arg("--file").arg(&part).arg("--directory").arg(&dir).arg("."))?;
        fs::rename(&part, self.archive()).with_context(|| format!("rename {} to its place", part.display()))?;
        fs::write(self.stamp(), self.recipe()).with_context(|| format!("write {}", self.stamp().display()))?;
        remove(&dir)
    }

    fn bootstrap(&self, dir: &Path) -> Result<()> {
        let (suite, source) = debian()?;
        let mut debootstrap = command("debootstrap");
        debootstrap.arg("--variant=minbase").arg(format!("--include={}", self.packages));
        debootstrap.arg(suite).arg(dir).args(source);
        let output = debootstrap.output().context("start debootstrap")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let tail: Vec<&str> = said.lines().rev().take(5).collect();
        ensure!(output.status.success(), "debootstrap failed; it said, last first:\n{}", tail.join("\n"));
        Ok(())
    }
}

/// The release of this machine, and where it gets it from, if `apt` says.
fn debian() -> Result<(String, Option<String>)> {
    let release = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let name = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let name = name.context("/etc/os-release has no VERSION_CODENAME. hint: this takes Debian or one of its kin")?;
    let mut apt = command("apt-get");
    apt.args(["indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"]);
    let sources = workspace::output(&mut apt).unwrap_or_default();
    let wanted = format!(" {name} main");
    let source = sources.lines().find_map(|line| line.strip_suffix(&wanted)).map(str::to_owned);
    Ok((name.to_owned(), source))
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    workspace::run(command("cp").args(["--recursive", "--dereference", "--no-target-directory"]).arg(from).arg(to))
}

/// kazoo is nothing but Python, whatever the version.
fn add_kazoo(dir: &Path) -> Result<()> {
    let mut python = Command::new(root().join(".cache/venv/bin/python"));
    python.args(["-c", "import kazoo, os; print(os.path.dirname(kazoo.__file__))"]);
    let kazoo = workspace::output(&mut python).context("find kazoo")?;
    copy_tree(Path::new(kazoo.trim()), &dir.join("usr/lib/python3/dist-packages/kazoo"))
}

/// Laid out as Apache's distribution.
fn add_apache(dir: &Path) -> Result<()> {
    let home = dir.join(APACHE_HOME);
    copy_tree(&root().join(".cache/apache/lib"), &home.join("lib"))?;
    for (from, to) in [("logback.xml", "conf/logback.xml"), ("zkCli.sh", "bin/zkCli.sh")] {
        let to = home.join(to);
        fs::create_dir_all(to.parent().unwrap_or(&home)).with_context(|| format!("create {}", home.display()))?;
        fs::copy(root().join("tests/apache").join(from), &to).with_context(|| format!("write {}", to.display()))?;
    }
    Ok(())
}
