//! `cargo xtask dist`: the tarball for machines without containers, and `cargo xtask sbom`: what the programs are made of.
//!
//! The programs are linked statically, so that they run on any Linux of their processor. The same commit, toolchain and C
//! library give the same bytes: paths of the building machine are mapped away, files are sorted and dated by the commit.

mod archive;
mod elf;
mod sbom;
mod share;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::paint;
use crate::workspace::{self, Metadata, root};
use archive::{Archive, Entry};

/// What the tarball runs on.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Packages whose programs are shipped.
const SHIPPED: [&str; 1] = ["zookube-node"];
/// The operator, which is shipped in an image only.
const OPERATOR: &str = "zookube-operator";
/// Other names of the server's program: Apache's scripts, and the tools.
const NAMES: [&str; 3] = ["zk", "zkCli.sh", "zkServer.sh"];
/// The name of the list of parts.
const SBOM: &str = "zookube.cdx.json";

/// Files that are shipped as they are: where they are in the workspace, where in the tarball.
const FILES: [(&str, &str); 7] = [
    ("LICENSE", "LICENSE"),
    ("README.md", "README.md"),
    ("deploy/systemd/zookube.env", "conf/zookube.env"),
    ("deploy/systemd/zoo_sample.cfg", "conf/zoo_sample.cfg"),
    ("deploy/systemd/zookube.service", "systemd/zookube.service"),
    ("docs/operating/bare-machines.md", "docs/bare-machines.md"),
    ("docs/operating/doctor.md", "docs/doctor.md"),
];

/// The command `dist`.
pub fn run(arguments: &[String]) -> Result<()> {
    ensure!(arguments.is_empty(), "`dist` takes no arguments");
    let metadata = Metadata::on(TARGET)?;
    let dir = metadata.target_directory.join("dist");
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    let date = commit_date_s()?;

    paint::heading("build the programs");
    let programs = build(&metadata, &SHIPPED)?;
    for program in &programs {
        check_program(&program.path)?;
    }
    let hashes: Vec<(String, String)> =
        programs.iter().map(|p| Ok((p.package.clone(), sha256(&p.path)?))).collect::<Result<_>>()?;

    let sbom = dir.join(SBOM);
    write_sbom(&metadata, &SHIPPED, &hashes, date, &sbom)?;
    let version = version(&metadata)?;
    let stem = format!("zookube-{version}-x86_64-linux");
    let tarball = dir.join(format!("{stem}.tar.gz"));
    paint::heading("pack");
    let archive = pack(&programs, &sbom)?;
    archive.write(&tarball, &stem, date)?;
    let sums = write_sums(&dir, &[&tarball, &sbom])?;
    print_sizes(&archive, &[&tarball, &sbom, &sums])
}

/// The command `sbom`: only the list, without a build, of what `dist` ships or of one package. The path is where to,
/// `target/dist/zookube.cdx.json` if not given.
pub fn sbom(arguments: &[String]) -> Result<()> {
    let metadata = Metadata::on(TARGET)?;
    let mut arguments = arguments.to_vec();
    let package = workspace::take_value(&mut arguments, "--package")?;
    let known = |name: &String| metadata.members().any(|member| member.name == *name);
    if let Some(name) = package.as_ref().filter(|name| !known(name)) {
        bail!("--package: expected a package of this workspace, found {name}. hint: zookube-node, zookube-operator");
    }
    let programs = package.as_deref().map_or(SHIPPED.to_vec(), |package| vec![package]);
    let path = match &arguments[..] {
        [] => metadata.target_directory.join("dist").join(SBOM),
        [path] => PathBuf::from(path),
        _ => bail!("`sbom` takes one path at most"),
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    }
    write_sbom(&metadata, &programs, &[], commit_date_s()?, &path)?;
    println!("{}", path.display());
    Ok(())
}

/// Builds the programs as they are shipped, and beside them the list of their parts; returns the server's place. This is
/// what the image has in it.
pub fn server_for_image() -> Result<PathBuf> {
    let (server, _) = for_images(&SHIPPED)?;
    Ok(server)
}

/// As [`server_for_image`], and beside it the operator with the list of its own parts.
pub fn programs_for_images() -> Result<(PathBuf, PathBuf)> {
    let (server, programs) = for_images(&[SHIPPED[0], OPERATOR])?;
    let operator = programs.into_iter().find(|program| program.name == OPERATOR).context("the operator was built")?;
    check_program(&operator.path)?;
    let hashes = [(operator.package, sha256(&operator.path)?)];
    let parts = operator.path.with_file_name(format!("{OPERATOR}.cdx.json"));
    write_sbom(&Metadata::on(TARGET)?, &[OPERATOR], &hashes, commit_date_s()?, &parts)?;
    Ok((server, operator.path))
}

fn for_images(packages: &[&str]) -> Result<(PathBuf, Vec<Program>)> {
    let metadata = Metadata::on(TARGET)?;
    let programs = build(&metadata, packages)?;
    let server = programs.iter().find(|program| program.name == SHIPPED[0]).context("the server was built")?;
    check_program(&server.path)?;
    let (path, hashes) = (server.path.clone(), [(server.package.clone(), sha256(&server.path)?)]);
    write_sbom(&metadata, &SHIPPED, &hashes, commit_date_s()?, &path.with_file_name(SBOM))?;
    Ok((path, programs))
}

fn write_sbom(
    metadata: &Metadata,
    programs: &[&str],
    hashes: &[(String, String)],
    date: u64,
    path: &Path,
) -> Result<()> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let document = sbom::document(metadata, &lock, programs, &linked_in()?, hashes, date)?;
    fs::write(path, document).with_context(|| format!("write {}", path.display()))
}

/// What is in the programs beside crates: the language's own library, and, linked statically, the C library.
fn linked_in() -> Result<Vec<sbom::Foreign>> {
    let rustc = workspace::output(workspace::command("rustc").arg("--version"))?;
    let rust = rustc.split_whitespace().nth(1).context("`rustc --version` says a version")?.to_owned();
    let mut parts = vec![sbom::Foreign { name: "rust-std", version: rust, licence: "MIT OR Apache-2.0" }];
    // "glibc 2.36"; absent where the C library is another one.
    if let Ok(text) = workspace::output(workspace::command("getconf").arg("GNU_LIBC_VERSION"))
        && let Some(version) = text.split_whitespace().nth(1)
    {
        parts.push(sbom::Foreign { name: "glibc", version: version.to_owned(), licence: "LGPL-2.1-or-later" });
    }
    Ok(parts)
}

/// A built program.
struct Program {
    package: String,
    name: String,
    path: PathBuf,
}

fn build(metadata: &Metadata, packages: &[&str]) -> Result<Vec<Program>> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    // Static, the system call is not looked for, and /dev/urandom is not there in every root directory.
    flags.push("--cfg=getrandom_backend=\"linux_getrandom\"".to_owned());
    // A panic's message has the path of its source: no machine's layout belongs into a program.
    flags.push(format!("--remap-path-prefix={}=/zookube", root().display()));
    if let Some(home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--locked", "--release", "--target", TARGET]);
    cargo.args(packages.iter().flat_map(|package| ["-p", package]));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).env_remove("RUSTFLAGS");
    cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    workspace::run(&mut cargo)?;

    let built = metadata.target_directory.join(TARGET).join("release");
    let shipped = metadata.members().filter(|package| packages.contains(&package.name.as_str()));
    let programs = shipped.flat_map(|package| {
        let binaries = package.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        binaries.map(|target| Program {
            package: package.name.clone(),
            name: target.name.clone(),
            path: built.join(&target.name),
        })
    });
    Ok(programs.collect())
}

/// A program that needs a loader on the machine it is copied to would be no tarball for bare machines.
fn check_program(path: &Path) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let interpreter = elf::interpreter(&bytes).with_context(|| format!("read {}", path.display()))?;
    if let Some(interpreter) = interpreter {
        bail!("{} is linked dynamically: it asks for {interpreter}", path.display());
    }
    match Command::new("ldd").arg(path).output() {
        Ok(said) => {
            let text = [said.stdout, said.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let is_static = text.contains("not a dynamic executable") || text.contains("statically linked");
            ensure!(is_static, "ldd does not find {} static: {text}", path.display());
            println!("{}: {}", path.display(), text.trim());
        }
        Err(_) => println!("{}: static (there is no ldd here to ask as well)", path.display()),
    }
    Ok(())
}

fn pack(programs: &[Program], sbom: &Path) -> Result<Archive> {
    let mut archive = Archive::default();
    for program in programs {
        let bytes = fs::read(&program.path).with_context(|| format!("read {}", program.path.display()))?;
        archive.add(format!("bin/{}", program.name), Entry::Program(bytes))?;
    }
    for name in NAMES {
        archive.add(format!("bin/{name}"), Entry::Link("zookube-node".to_owned()))?;
    }
    let server = programs.iter().find(|program| program.name == SHIPPED[0]).context("the server was built")?;
    share::add(&mut archive, |words| share::said(&server.path, words))?;
    for (from, to) in FILES {
        let path = root().join(from);
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        archive.add(to.to_owned(), Entry::File(bytes))?;
    }
    let bytes = fs::read(sbom).with_context(|| format!("read {}", sbom.display()))?;
    archive.add(SBOM.to_owned(), Entry::File(bytes))?;
    Ok(archive)
}

/// The server's version, which is that of its image.
pub fn version(metadata: &Metadata) -> Result<String> {
    let node = metadata.members().find(|package| package.name == SHIPPED[0]);
    Ok(node.context("the workspace has the server's package")?.version.clone())
}

/// When the source was committed, in seconds since 1970; `SOURCE_DATE_EPOCH` where it is set
/// (<https://reproducible-builds.org/specs/source-date-epoch/>), and 0 where there is no repository.
fn commit_date_s() -> Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.parse().with_context(|| format!("SOURCE_DATE_EPOCH is a number of seconds, not {text:?}"));
    }
    let said = workspace::command("git").args(["log", "-1", "--format=%ct"]).output();
    let Ok(said) = said else { return Ok(0) };
    Ok(String::from_utf8_lossy(&said.stdout).trim().parse().unwrap_or(0))
}

fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Of the form that `sha256sum --check` reads.
fn write_sums(dir: &Path, files: &[&Path]) -> Result<PathBuf> {
    let mut text = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        text += &format!("{}  {name}\n", sha256(file)?);
    }
    let path = dir.join("SHA256SUMS");
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn print_sizes(archive: &Archive, files: &[&Path]) -> Result<()> {
    paint::heading("sizes");
    for (name, entry) in archive.entries() {
        println!("  {:>10}  {name}{}", size(entry.len()), entry.remark());
    }
    for file in files {
        let bytes = fs::metadata(file).with_context(|| format!("look at {}", file.display()))?.len();
        println!("  {:>10}  {}", size(bytes), paint::bold(&file.display().to_string()));
    }
    Ok(())
}

fn size(bytes: u64) -> String {
    if bytes < 1 << 20 {
        format!("{:.1} KiB", bytes as f64 / 1024.0)
    } else {
        format!("{:.2} MiB", bytes as f64 / 1_048_576.0)
    }
}

#[cfg(test)]
#[path = "dist/dist_test.rs"]
mod tests;
